"""A short part of `make stress`: users of the machine race a run in every directory that is theirs, and gain nothing."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from tests.real import missing
from tests.stress import harness
from tests.stress.__main__ import debian, run

SEED = int(os.environ.get("MACHINEADM_SEED", "0"))
# What a careless agent does, again and again for two seconds, so that it is raced for certain. On its first start nobody
# races it.
PLANTED = """\
#!/usr/bin/python3 -IS
import os, time
until = time.monotonic() + 2
while time.monotonic() < until:
    try:
        FORM
    except OSError:
        pass
"""
OWNED = """\
os.makedirs("/home/mallory/app", exist_ok=True)
        with open("/home/mallory/app/settings", "w") as file: file.write("a")
        os.chown("/home/mallory/app/settings", 1500, 1500)"""
WIDE = """\
os.makedirs("/tmp/shared", exist_ok=True)
        with open("/tmp/one-secret", "w") as file: file.write("CANARY-OF-THE-CONFIGURATION")
        time.sleep(0.001)
        os.chmod("/tmp/one-secret", 0o600)
        os.unlink("/tmp/one-secret")"""
WAITING = """\
with open("/home/mallory/.bashrc", "rb") as file: file.read(65536)"""
ARGUMENT = """\
import subprocess
        subprocess.run(["/bin/sh", "-c", "sleep 0.2 # CANARY-OF-THE-CONFIGURATION"])"""
FOLLOWED = """\
with open("/home/mallory/.bashrc", "rb") as file: there = file.read(65536)
        with open("/home/mallory/.new", "wb") as file: file.write(there + b"export A=1")
        os.rename("/home/mallory/.new", "/home/mallory/.bashrc")"""


@pytest.fixture(scope="session", autouse=True)
def as_root() -> None:
    if os.geteuid():
        missing("a machine of its own needs root")


@pytest.mark.parametrize(
    "form",
    [OWNED, WIDE, ARGUMENT, FOLLOWED, WAITING],
    ids=["owned", "wide", "argument", "followed", "waiting"],
)
def test_a_careless_agent_is_found(
    form: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(harness, "LONGEST", 15.0)
    planted = tmp_path / "agent"
    planted.write_text(PLANTED.replace("FORM", form))
    planted.chmod(0o755)

    races = run(planted, debian(), tmp_path, seed=1, most=12, until_wrong=True)

    assert races[-1].wrong


@pytest.mark.requirement("R10")
def test_users_who_race_a_run_gain_nothing(agent_file: Path, tmp_path: Path) -> None:
    races = run(agent_file, debian(), tmp_path, seed=SEED, most=20)

    assert [f"seeds {one.seeds}: {each}" for one in races for each in one.wrong] == []
    # Some come through, and some are refused: otherwise nothing was raced.
    assert {bool(one.code) for one in races} == {True, False}
