"""What `.ci/run` promises whoever reads its last lines; its parts are played by a `make` of the test."""

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

SCRIPT = Path(__file__).parents[3] / ".ci/run"
PARTS = ("setup", "lint", "pytest", "judges", "stage", "conformance")
MAKE = """#!/bin/sh
for target; do case $target in --*|-C|/*|*=*) ;; *) break;; esac; done
echo "$target as $(id -u)" >> {ran}
case $target in
  pytest) echo "===== 11 passed, 2 skipped in 61.50s (0:01:01) =====";;
  conformance) echo "22 passed in 3.20s";;
esac
[ "$target" != "{failing}" ] || {{ [ "{failing}" != conformance ] || echo "1 failed, 21 passed in 3.10s"; exit 3; }}
"""


class Run:
    """One run of the script in a repository of its own."""

    def __init__(self, directory: Path, failing: str = "") -> None:
        checkout, programs, self._ran = (
            directory / "checkout",
            directory / "programs",
            directory / "ran",
        )
        (checkout / ".ci").mkdir(parents=True)
        shutil.copy(SCRIPT, checkout / ".ci/run")
        programs.mkdir()
        self._ran.touch()
        self._ran.chmod(0o666)  # an ordinary user writes to it, too
        make = MAKE.format(ran=self._ran, failing=failing)
        for name, text in {
            "make": make,
            "apt-get": "#!/bin/sh\n",
            # the copy for the ordinary user has the same `make` as its only content
            "git": '#!/bin/sh\nfor last; do :; done\nmkdir -p "$last"\n',
            "env": '#!/bin/sh\nwhile :; do case $1 in -u) shift 2;; *=*) shift;; *) exec "$@";; esac; done\n',
        }.items():
            (programs / name).write_text(text)
            (programs / name).chmod(0o755)
        done = subprocess.run(
            ["bash", str(checkout / ".ci/run")],
            env={"PATH": f"{programs}:{os.environ['PATH']}", "TMPDIR": str(directory)},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            check=False,
        )
        self.code, self.lines = done.returncode, done.stdout.splitlines()
        self.left = sorted(path.name for path in directory.glob("tmp.*"))

    @property
    def ran(self) -> list[str]:
        return [line.split()[0] for line in self._ran.read_text().splitlines()]

    @property
    def users(self) -> set[int]:
        lines = self._ran.read_text().splitlines()
        return {int(line.split()[-1]) for line in lines if line.startswith("pytest ")}


@pytest.fixture
def place() -> Iterator[Path]:
    """A directory that other users reach; pytest's own are closed to them."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_all_parts_run_and_the_last_lines_are_those_of_each_pytest(place: Path) -> None:
    run = Run(place)

    assert run.code == 0, run.lines
    assert run.ran == ["setup", "lint", "pytest", "pytest", "judges", "stage", "conformance"]
    assert run.lines[-3:] == [
        "===== 11 passed, 2 skipped in 61.50s (0:01:01) =====",
        "===== 11 passed, 2 skipped in 61.50s (0:01:01) =====",
        "22 passed in 3.20s",
    ]
    assert run.left == []


@pytest.mark.parametrize("failing", PARTS)
def test_a_part_that_fails_fails_the_run_and_keeps_no_other_from_running(
    failing: str, place: Path
) -> None:
    run = Run(place, failing)

    assert run.code == 1
    assert run.ran == Run(place / "whole").ran
    assert any("FAILED (exit 3)" in line for line in run.lines)


def test_the_minutes_of_each_part_are_listed(place: Path) -> None:
    lines = Run(place).lines
    table = lines[lines.index("minutes") + 1 :]

    for name in ("environment", "lint", "tests as root", "tests of conformance", "in all"):
        assert any(line.split(maxsplit=1)[1:] == [name] for line in table), table


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can become somebody else")
def test_the_tests_run_once_as_root_and_once_as_an_ordinary_user(place: Path) -> None:
    users = Run(place).users

    assert len(users) == 2
    assert 0 in users
