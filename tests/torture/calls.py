"""What strace says of a run, and what it does to one: the system calls that change something, one by one."""

from __future__ import annotations

import re
from pathlib import Path
from typing import NamedTuple

CHANGING = [
    "write",
    "pwrite64",
    "rename",
    "renameat",
    "renameat2",
    "link",
    "linkat",
    "symlink",
    "symlinkat",
    "unlink",
    "unlinkat",
    "mkdir",
    "mkdirat",
    "rmdir",
    "mknod",
    "mknodat",
    "fsync",
    "fdatasync",
    "syncfs",
    "sync_file_range",
    "fchmod",
    "fchmodat",
    "chmod",
    "chown",
    "fchown",
    "fchownat",
    "lchown",
    "truncate",
    "ftruncate",
    "fallocate",
    "utimensat",
    "setxattr",
    "fsetxattr",
    "mount",
    "umount2",
    "sethostname",
    "openat",
]
OPENED_TO_WRITE = re.compile(r"O_CREAT|O_WRONLY|O_RDWR|O_TRUNC")
NOT_ON_A_DISK = re.compile(r"\d+<(pipe:|socket:|anon_inode:|/memfd:)")
LINE = re.compile(r"^(\w+)\((.*)")


class Call(NamedTuple):
    """One system call of the process itself, not of what it starts."""

    name: str
    number: int
    """Which call of this name it is, from 1."""
    what: str
    """Its arguments, as far as strace shows them."""

    @property
    def reaches_a_disk(self) -> bool:
        """Whether a disk can be why it fails: a pipe has none, nor has memory."""
        return NOT_ON_A_DISK.match(self.what) is None


def tracing(output: Path) -> tuple[str, ...]:
    """The command in front of another one, to have its calls written down."""
    return ("strace", "-qq", "-y", "-o", str(output), "-e", f"trace={','.join(CHANGING)}")


def killing(call: Call) -> tuple[str, ...]:
    """The command in front of another one, to have it killed as it enters a call."""
    return _injecting(call, "signal=KILL", str(call.number))


def failing(call: Call, error: str, *, lasting: bool) -> tuple[str, ...]:
    """The command in front of another one, to have a call fail.

    Args:
        call: The call.
        error: The name of the error, such as ENOSPC.
        lasting: Every later call of this name fails, too.
    """
    return _injecting(call, f"error={error}", f"{call.number}{'+' if lasting else ''}")


def _injecting(call: Call, what: str, when: str) -> tuple[str, ...]:
    # Only the call's own name is traced: strace counts each name for itself, and each process for itself, so what the agent
    # starts is left alone.
    return (
        *("strace", "-qq", "-o", "/dev/null", "-e", f"trace={call.name}"),
        *("-e", f"inject={call.name}:{what}:when={when}"),
    )


def read(output: Path) -> list[Call]:
    """The calls of a trace that change something, in their order."""
    found, counts = [], dict.fromkeys(CHANGING, 0)
    for line in output.read_text(errors="replace").splitlines():
        match = LINE.match(line)
        if match is None or match[1] not in counts:
            continue
        counts[match[1]] += 1
        if match[1] != "openat" or OPENED_TO_WRITE.search(match[2]):
            found.append(Call(match[1], counts[match[1]], match[2][:100]))
    return found
