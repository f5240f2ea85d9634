"""Programs of Debian's packages that a test needs: as root they are installed where they are missing."""

from __future__ import annotations

import fcntl
import os
import pathlib
import shutil
import subprocess

from tests.real import missing


def require(**packages: str) -> None:
    """Have programs, each by the package that brings it; skip the test where that cannot be.

    Args:
        **packages: Package by program; `_` in a program's name stands for `-`.
    """
    wanted = {program.replace("_", "-"): package for program, package in packages.items()}
    lacking = [package for program, package in wanted.items() if not shutil.which(program)]
    if not lacking:
        return
    if os.geteuid() != 0 or not shutil.which("apt-get"):
        missing(f"there is no {', '.join(lacking)}, and nobody may install it")
    apt = ["apt-get", "-qq", "-o", "DPkg::Lock::Timeout=300", "-o", "Acquire::Retries=3"]
    # A service that a package would start is not what the test is about.
    environment = {**os.environ, "DEBIAN_FRONTEND": "noninteractive", "RUNLEVEL": "1"}
    with pathlib.Path("/run/lock/machineadm-tests-apt").open("w", encoding="ascii") as lock:
        # apt waits for another's installation, but not for another's update of its lists.
        fcntl.flock(lock, fcntl.LOCK_EX)
        for words in (["update"], ["-y", "--no-install-recommends", "install", *lacking]):
            done = subprocess.run([*apt, *words], env=environment, capture_output=True, check=False)
    if done.returncode:
        missing(f"apt-get cannot install {', '.join(lacking)}: {done.stderr.decode()[-300:]}")
