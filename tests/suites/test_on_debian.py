"""The tests of `make test` as an ordinary user of stock Debian runs them: its own Python, SIGINT ignored."""

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from tests.roots.roots import Root

ROOT = Path(__file__).parents[2]
NOBODY = 65534
CACHE = Path(os.environ.get("MACHINEADM_CACHE") or Path.home() / ".cache/machineadm")
# How this machine reaches the package index; a root has nothing of it.
INDEX_FILES = (
    "/etc/hosts",
    "/etc/pip.conf",
    "/etc/resolv.conf",
    "/etc/ssl/certs/ca-certificates.crt",
)
INDEX_VARIABLES = (
    "PIP_INDEX_URL",
    "PIP_CERT",
    "HTTPS_PROXY",
    "https_proxy",
    "NO_PROXY",
    "no_proxy",
)
AS_A_USER = [
    "setpriv", f"--reuid={NOBODY}", f"--regid={NOBODY}", "--clear-groups",
    # as a shell starts a job in the background
    "sh", "-c", 'trap "" INT QUIT; cd /home/user/checkout && exec "$@"', "sh",
]  # fmt: skip


class Debian:
    """A checkout of the commit in the home of an ordinary user, with an environment from the locks."""

    def __init__(self, suite: str, directory: Path) -> None:
        self._root, self._home = Root(suite, tools=True), directory
        checkout = directory / "checkout"
        subprocess.run(["git", "clone", "--quiet", str(ROOT), str(checkout)], check=True)
        self._writable = {"/home/user": directory}
        # What pip and the build have downloaded once.
        for name in ("pip", "machineadm/wheels"):
            kept = CACHE / f"user-{suite}" / name
            for place in (kept, directory / ".cache" / name):
                place.mkdir(parents=True, exist_ok=True)
            self._writable[f"/home/user/.cache/{name}"] = kept
        subprocess.run(
            ["chown", "-R", f"{NOBODY}:{NOBODY}", str(directory), str(CACHE / f"user-{suite}")],
            check=True,
        )
        made = self.run("make", "setup", "package", "PYTHON=/usr/bin/python3")
        assert made.returncode == 0, made.stderr[-3000:]

    def plant(self, path: str, text: str) -> None:
        """Add a file to the checkout."""
        (self._home / "checkout" / path).write_text(text)

    def run(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        given = {name: os.environ[name] for name in INDEX_VARIABLES if name in os.environ}
        return self._root.run(
            [*AS_A_USER, *argv],
            binds={path: Path(path).resolve() for path in INDEX_FILES if Path(path).exists()},
            writable=self._writable,
            environment={"HOME": "/home/user", **given},
            network=True,
            # On a busy machine a run takes hours; only one that hangs must end.
            timeout=4 * 3600,
        )

    def test(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.run(".venv/bin/python", "-m", "pytest", "-q", "-n", "2", *arguments)


@pytest.mark.parametrize("suite", ["bookworm", "trixie"])
def test_every_test_passes_as_an_ordinary_user_with_debians_own_python(
    suite: str, tmp_path: Path
) -> None:
    debian = Debian(suite, tmp_path)

    whole = debian.test()
    assert whole.returncode == 0, whole.stdout[-6000:]
    assert " passed" in whole.stdout.splitlines()[-1]

    debian.plant("tests/unit/test_planted.py", "def test_planted() -> None:\n    assert False\n")
    assert debian.test("tests/unit/test_planted.py").returncode == 1
    shutil.rmtree(tmp_path)  # hundreds of megabytes
