"""What the kernel refuses, in words that an operator can act on: OSError -> HostError with a stable code."""

from __future__ import annotations

import errno
from types import TracebackType

from machineadm.errors import HostError

_FULL = "free some space, or find out what fills it (df -h, df -i)"
_DENIED = "run as root; also check lsattr (immutable files), SELinux and the mount options"
_KINDS: dict[int, tuple[str, str, str]] = {
    errno.ENOSPC: ("MA3001", "the file system is full", _FULL),
    errno.EDQUOT: ("MA3001", "the disk quota is used up", _FULL),
    errno.EROFS: (
        "MA3002",
        "the file system is read-only",
        "mount it writable, or choose a writable path",
    ),
    errno.EACCES: ("MA3003", "permission denied", _DENIED),
    errno.EPERM: ("MA3003", "not permitted", _DENIED),
    errno.EISDIR: ("MA3004", "a directory is there", "remove it, or choose another path"),
    errno.ENOTDIR: (
        "MA3005",
        "a part of the path is not a directory",
        "check each part of the path",
    ),
    errno.ELOOP: ("MA3006", "too many symbolic links", "look for links that point at each other"),
    errno.EBUSY: (
        "MA3007",
        "it is a mount point and cannot be replaced",
        "unmount it first; container engines mount single files over /etc/hosts, /etc/hostname and /etc/resolv.conf",
    ),
    errno.ENAMETOOLONG: (
        "MA3008",
        "a name in the path is too long",
        "most file systems allow 255 bytes in a name",
    ),
}


class RefusedError(OSError):
    """Refused by the agent where the kernel would have gone on.

    Args:
        code: Stable code.
        what: What is wrong, to follow `cannot write PATH: `.
        hint: What to do about it.
    """

    def __init__(self, code: str, what: str, hint: str) -> None:
        super().__init__(errno.EPERM, what)
        self.code = code
        self.what = what
        self.hint = hint


def host_error(error: OSError, path: str, doing: str) -> HostError:
    """A HostError that says what was done to which path and why it failed.

    Args:
        error: What the system call said.
        path: The path as the configuration names it.
        doing: A verb: `write`, `read`.
    """
    if isinstance(error, RefusedError):
        # Our own refusals keep their code: as EPERM they would be explained by mount options and
        # SELinux.
        return HostError(error.code, f"cannot {doing} {path}: {error.what}", hint=error.hint)
    code, what, hint = _KINDS.get(error.errno or 0, ("MA3009", error.strerror or str(error), ""))
    return HostError(code, f"cannot {doing} {path}: {what}", hint=hint)


class reported:  # noqa: N801 - used as a word, like contextlib.suppress
    """Turn an OSError of the block into a HostError; arguments as for `host_error`."""

    # A class and not a @contextmanager, which costs more: it is entered for every file of a plan.
    __slots__ = ("_doing", "_path")

    def __init__(self, path: str, doing: str) -> None:
        self._path = path
        self._doing = doing

    def __enter__(self) -> None:
        pass

    def __exit__(
        self,
        _kind: type[BaseException] | None,
        error: BaseException | None,
        _trace: TracebackType | None,
    ) -> None:
        # No other: a HostError of an inner block has named its path already, and a bug must stay
        # one.
        if isinstance(error, OSError):
            raise host_error(error, self._path, self._doing) from error
