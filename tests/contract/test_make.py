"""What `make run` shows somebody who has just cloned the repository, and what `make install` leaves."""

import os
import re
import shutil
import subprocess
import sys
from collections import Counter
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
AGENT, CONFIGURATION = "dist/machineadm-linux-amd64.pyz", "examples/control-plane.yaml"


@pytest.fixture
def checkout(agent_file: Path, tmp_path: Path) -> Path:
    (tmp_path / "dist").mkdir()
    shutil.copy(agent_file, tmp_path / AGENT)
    shutil.copytree(ROOT / "examples", tmp_path / "examples")
    return tmp_path


def run(checkout: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["bash", ROOT / "build/run.sh", AGENT, CONFIGURATION, ".run"],
        cwd=checkout,
        env={"PATH": os.environ["PATH"], "HOME": str(checkout), "PYTHON": sys.executable},
        capture_output=True,
        text=True,
        check=False,
    )


def test_each_step_is_planned_once_and_done_once(checkout: Path) -> None:
    done = run(checkout)

    assert (done.returncode, done.stderr) == (0, "")
    steps = re.findall(r"^ *\d+\. (\S+)", done.stdout, re.MULTILINE)
    assert len(steps) > 5
    assert Counter(re.findall(r"\S+", done.stdout)) >= Counter(steps * 2)
    assert all(Counter(done.stdout.split())[step] == 2 for step in steps)
    assert done.stdout.count("deferred: owner") == 0


def test_it_ends_with_the_three_lines_that_do_it_on_a_machine(checkout: Path) -> None:
    *_, paragraph, commands = run(checkout).stdout.split("\n\n")

    assert "nothing else was touched" in paragraph
    assert [line.split()[0] for line in commands.strip().splitlines()] == ["scp", "scp", "ssh"]
    named = {word for word in commands.split() if "/" in word and "@" not in word}
    assert named == {AGENT, CONFIGURATION}
    assert all((checkout / name).exists() for name in named)


def test_a_failure_is_shown_whole(checkout: Path) -> None:
    (checkout / CONFIGURATION).write_text("kind: Nonsense\n")

    done = run(checkout)

    assert done.returncode == 3
    assert "MA1" in done.stdout + done.stderr


@pytest.mark.parametrize("prefix", [None, "/usr", "/opt/a place"])
def test_install_puts_the_agent_by_its_name_below_the_prefix(
    agent_file: Path, tmp_path: Path, prefix: str | None
) -> None:
    variables = [f"AGENT={agent_file}", f"DESTDIR={tmp_path}"]
    variables += [f"PREFIX={prefix}"] if prefix else []
    make = ["make", "--silent", f"--old-file={agent_file}", "install", *variables]
    environment = {"PATH": os.environ["PATH"], "HOME": str(tmp_path)}
    subprocess.run(make, cwd=ROOT, check=True, env=environment)

    assert [path.name for path in tmp_path.rglob("*") if path.is_file()] == ["machineadm"]
    installed = tmp_path / f"{prefix or '/usr/local'}/bin/machineadm".lstrip("/")
    assert installed.stat().st_mode & 0o7777 == 0o755
    assert installed.read_bytes() == agent_file.read_bytes()
