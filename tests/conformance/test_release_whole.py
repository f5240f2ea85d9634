"""From a commit to a release that a stranger believes: made by make, signed, verified by docs/verify.md's commands.

That the commit gives the same bytes once more is judged in test_release.py.
"""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests import releases, verify_page
from tests.real import missing

ROOT = Path(__file__).parents[2]


def run(*argv: str, cwd: Path) -> "subprocess.CompletedProcess[str]":
    # Neither this make's variables nor its environment of Python are the clone's.
    kept = {
        name: os.environ[name]
        for name in ("PATH", "HOME", "MACHINEADM_CACHE")
        if name in os.environ
    }
    return subprocess.run(
        ["nice", *argv], cwd=cwd, env=kept, capture_output=True, text=True, check=False, timeout=600
    )


@pytest.fixture(scope="module")
def checkout(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A fresh clone of this commit, in a directory whose name has a space."""
    clone = tmp_path_factory.mktemp("some where") / "machineadm"
    cloned = run("git", "clone", "--quiet", str(ROOT), str(clone), cwd=ROOT)
    if cloned.returncode:
        missing(f"not a checkout: {cloned.stderr.strip()[:200]}")
    return clone


@pytest.fixture(scope="module")
def release(checkout: Path) -> Path:
    """What `make release` makes, signed."""
    made = run("make", "release", cwd=checkout)
    assert made.returncode == 0, made.stdout + made.stderr
    (directory,) = (checkout / "dist/release").glob("v*")
    releases.sign(directory)
    return directory


def test_a_release_is_believed_by_who_follows_the_page(release: Path) -> None:
    outcome = verify_page.follow(release, version=release.name)

    assert outcome.returncode == 0, outcome.stdout + outcome.stderr
    for library in ("openssl 4", "libyaml 0.2"):
        assert f"  {library}" in outcome.stdout


def test_a_changed_agent_is_not_believed(release: Path, tmp_path: Path) -> None:
    copy = shutil.copytree(release, tmp_path / release.name)
    agent = copy / releases.AGENTS[0]
    agent.write_bytes(agent.read_bytes() + b"\0")

    assert verify_page.follow(copy, version=release.name).returncode != 0
