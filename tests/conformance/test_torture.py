"""A short part of `make torture`: killed, or failed, at system calls, and run again. All of them: `make torture`."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.real import missing
from tests.torture import harness
from tests.torture.__main__ import EXAMPLES, image, subjects
from tests.torture.harness import Outcome
from tests.torture.machines import Image

SEED = int(os.environ.get("MACHINEADM_SEED", "0"))
# Says that it has prepared a machine before it has: what a kill in between makes of it must be noticed, and what it does not
# look at, too.
PLANTED = """\
#!/usr/bin/python3 -IS
import json, os, sys
root = sys.argv[sys.argv.index("--root") + 1]
os.makedirs(root + "/run/machineadm", exist_ok=True)
def tell():
    with open(root + "/run/machineadm/status.json", "w") as file:
        json.dump({"phase": "Prepared"}, file)
def prepare():
    with open(root + "/etc/motd", "w") as file:
        file.write("hello")
if not os.path.exists(root + "/etc/prepared"):
    open(root + "/etc/prepared", "w").close()
    FORM
tell()
"""
CARELESS = "try:\n        prepare()\n    except OSError:\n        pass"


@pytest.fixture(scope="session", autouse=True)
def strace() -> None:
    if shutil.which("strace") is None:
        missing("there is no strace")
    probe = subprocess.run(
        ["strace", "-qq", "-o", "/dev/null", "-e", "inject=write:error=EIO", "echo", "x"],
        capture_output=True,
        check=False,
    )
    if probe.returncode == 0:
        missing("strace cannot make a call fail here")


@pytest.mark.parametrize(("form", "kind"), [("prepare()", "differ"), (CARELESS, "false success")])
def test_an_agent_that_notes_a_deed_before_it_is_done_is_found(
    form: str, kind: str, tmp_path: Path
) -> None:
    planted = tmp_path / "agent"
    planted.write_text(PLANTED.replace("FORM", form))
    planted.chmod(0o755)

    _, outcomes = harness.run(
        lambda directory: Image(directory, planted, "", tmp_path), tmp_path / "runs", boots=False
    )

    assert any(kind in outcome.wrong for outcome in outcomes)


@pytest.mark.parametrize("example", EXAMPLES, ids=lambda path: path.stem)
def test_an_image_that_was_disturbed_at_a_call_is_made_whole_by_the_next_run(
    example: Path, agent_file: Path, tmp_path: Path
) -> None:
    make = image(agent_file, example, tmp_path / "cache")

    _, outcomes = harness.run(make, tmp_path / "runs", sample=24, seed=SEED, boots=False)

    hold(outcomes)


@pytest.mark.parametrize("subject", ["machine", "machine-first-start"])
def test_a_machine_that_was_disturbed_at_a_call_is_made_whole_by_the_next_run(
    subject: str, agent_file: Path, tmp_path: Path
) -> None:
    if os.geteuid():
        missing("a machine of its own needs root")
    make = subjects(agent_file, tmp_path)[subject]

    reference, outcomes = harness.run(make, tmp_path / "runs", sample=48, seed=SEED)

    assert len(reference.calls) > 300
    hold(outcomes)


def hold(outcomes: list[Outcome]) -> None:
    """Nothing is wrong, and what was meant to disturb did."""
    assert [f"{each.disturbance}: {each.wrong}" for each in outcomes if each.wrong] == []
    assert sum(each.reached for each in outcomes) > len(outcomes) / 4
