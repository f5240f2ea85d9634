"""Programs in a Debian that is not ours, over roots.sh: each run starts from the same root, and leaves nothing."""

import functools
import subprocess
from collections.abc import Mapping
from pathlib import Path

from tests.real import missing

HERE = Path(__file__).parent
SUITES = {"bullseye": "3.9", "bookworm": "3.11", "trixie": "3.13", "sid": "3.14"}
"""The roots with the Python that Debian gives them."""
_CANNOT = 77
_QEMU = "/qemu"


@functools.cache
def _build(suite: str) -> dict[str, Path]:
    for arguments in (("prereq",), ("build", suite)):
        run = subprocess.run(
            [HERE / "roots.sh", *arguments], capture_output=True, text=True, check=False
        )
        if run.returncode == _CANNOT:
            missing(run.stderr.strip().removeprefix("roots.sh: "))
        if run.returncode != 0:
            raise RuntimeError(f"roots.sh {' '.join(arguments)} failed:\n{run.stderr[-4000:]}")
    return {name: Path(directory) for name, directory in map(str.split, run.stdout.splitlines())}


class Root:
    """A small Debian: essential packages and python3, nothing else.

    Args:
        suite: bullseye, bookworm, trixie, sid, or arm64 (bookworm's python3 alone, by qemu).
        tools: With openssl, curl, wget and busybox, too; in bookworm and trixie also git, make and python3-venv; in
            trixie and sid also cosign; in sid python3.15 while Debian has it.
    """

    def __init__(self, suite: str, *, tools: bool = False) -> None:
        self.suite = suite
        self.directory = _build(suite)[f"{suite}-tools" if tools else suite]

    def has(self, program: str) -> bool:
        """Whether there is such a program, such as `python3.15`."""
        return any((self.directory / place / program).exists() for place in ("usr/bin", "bin"))

    def run(
        self,
        argv: list[str],
        *,
        binds: Mapping[str, Path] | None = None,
        writable: Mapping[str, Path] | None = None,
        changes: Path | None = None,
        network: bool = False,
        environment: Mapping[str, str] | None = None,
        input: str = "",
        check: bool = False,
        timeout: float = 600,
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command as root of an overlay over it, with nothing of our environment, in a process tree of its own.

        Args:
            argv: The command.
            binds: Files and directories of ours that it sees, read-only, by their paths in the root.
            writable: The same, where what it writes is ours.
            changes: A directory that keeps what it writes to the root itself, in `upper`, and where the next run goes on;
                without it, all is thrown away. /tmp and /run are empty at each run.
            network: It sees our network, the loopback included; else one of its own, where nobody answers.
            environment: Variables besides PATH, HOME and LANG.
            input: Its standard input.
            check: Raise where it fails.
            timeout: Seconds.
        """
        shared = [f"{source}:{path}" for path, source in (binds or {}).items()]
        shared += [f"+{source}:{path}" for path, source in (writable or {}).items()]
        variables = {
            "PATH": "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin",
            "HOME": "/root",
            "LANG": "C.UTF-8",
            **(environment or {}),
        }
        command = ["unshare", "--mount", "--pid", "--ipc", "--uts", "--fork", "--kill-child"]
        command += [] if network else ["--net"]
        command += [str(HERE / "enter.sh"), str(self.directory), str(changes or "-"), *shared, "--"]
        if self.suite == "arm64":  # nothing there runs by itself, env neither
            command += [
                _QEMU,
                *(x for k, v in variables.items() for x in ("-E", f"{k}={v}")),
                *argv,
            ]
        else:
            command += ["/usr/bin/env", "-i", *(f"{k}={v}" for k, v in variables.items()), *argv]
        return subprocess.run(
            command, input=input, capture_output=True, text=True, check=check, timeout=timeout
        )
