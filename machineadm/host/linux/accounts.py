"""Users and groups."""

from __future__ import annotations

from machineadm.host.ports import Files


class LinuxAccounts:
    """The Accounts port: ROOT/etc/passwd and ROOT/etc/group; on the running system also whatever NSS asks.

    `root` is 0 also in a tree that has no such file yet.

    Args:
        files: Where the two files are looked up.
        running: It is the running system.
    """

    def __init__(self, files: Files, *, running: bool) -> None:
        self._files = files
        self._running = running

    def uid(self, name: str) -> int | None:
        """See `Accounts.uid`."""
        found = self._look_up("/etc/passwd", name)
        return _uid_of_nss(name) if found is None and self._running else found

    def gid(self, name: str) -> int | None:
        """See `Accounts.gid`."""
        found = self._look_up("/etc/group", name)
        return _gid_of_nss(name) if found is None and self._running else found

    def _look_up(self, path: str, name: str) -> int | None:
        if name.isascii() and name.isdecimal():
            return int(name)
        wanted = name.encode()
        for line in (self._files.read(path) or b"").splitlines():
            fields = line.split(b":")
            if fields[0] == wanted and len(fields) > 2 and fields[2].isdigit():
                return int(fields[2])
        return 0 if name == "root" else None


def _uid_of_nss(name: str) -> int | None:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _gid_of_nss(name: str) -> int | None:
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
