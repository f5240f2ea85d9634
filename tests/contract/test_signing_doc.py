"""The commands of docs/signing.md exist and do what it says."""

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/signing.md").read_text()


def recipe(*words: str) -> str:
    """What make would run, without running it."""
    environment = {"PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/")}
    command = ["make", "--dry-run", "--always-make", "sign", *words]
    outcome = subprocess.run(
        command, cwd=ROOT, env=environment, capture_output=True, text=True, check=True
    )
    return " ".join(outcome.stdout[outcome.stdout.index("-m signing sign") :].split())


def test_make_sign_passes_on_what_it_is_given() -> None:
    shown = recipe(
        "KEY=pkcs11:token=a;object=b?module-path=/c&pin-source=env:D", "RELEASE=a directory"
    )

    assert "'a directory'" in shown
    assert "--key 'pkcs11:token=a;object=b?module-path=/c&pin-source=env:D'" in shown
    assert "--passphrase-file 'p'" in recipe("KEY=file:k", "PASSPHRASE_FILE=p")


def test_make_sign_without_a_key_leaves_the_refusal_to_the_program() -> None:
    shown = recipe()

    assert "--key" not in shown
    assert re.search(r"sign 'dist/release/v[0-9]+\.[0-9]+\.[0-9]+'", shown)
    assert "MA1801" in PAGE


def test_its_variables_are_those_of_the_makefile() -> None:
    used = set(
        re.findall(r"\b([A-Z_]{3,})=", "".join(re.findall(r"^make sign.*", PAGE, re.MULTILINE)))
    )

    assert used == {"KEY", "PASSPHRASE_FILE"}
    assert all(f"$({name})" in (ROOT / "Makefile").read_text() for name in used)


def test_its_command_for_a_key_makes_one(tmp_path: Path) -> None:
    (command,) = re.findall(r"^\.venv/bin/python (-m signing keygen .*)$", PAGE, re.MULTILINE)
    (tmp_path / "passphrase").write_text("correct horse")
    (tmp_path / "passphrase").chmod(0o600)

    subprocess.run(
        [sys.executable, *command.split()],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        check=True,
    )

    assert b"ENCRYPTED" in (tmp_path / "release.pem").read_bytes()
    assert (tmp_path / "release.pem").stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize("code", re.findall(r"MA[0-9]{4}", PAGE))
def test_its_codes_are_explained(code: str) -> None:
    from machineadm.codes import load

    assert code in load()
