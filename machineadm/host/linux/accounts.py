"""Users and groups."""

from __future__ import annotations

from collections.abc import Iterator

from machineadm.host.ports import Files


class LinuxAccounts:
    """The Accounts port: ROOT/etc/passwd and ROOT/etc/group; on the running system also every other source of NSS.

    `root` is 0 even in a tree that has no such file yet.

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
        # Never for a tree: NSS answers for this machine, where the same name may have another
        # number.
        return _uid_of_nss(name) if found is None and self._running else found

    def gid(self, name: str) -> int | None:
        """See `Accounts.gid`."""
        found = self._look_up("/etc/group", name)
        return _gid_of_nss(name) if found is None and self._running else found

    def login_gid(self, user: str) -> int | None:
        """See `Accounts.login_gid`."""
        uid = self.uid(user)
        for fields in self._entries("/etc/passwd"):
            # By number: the login group of `1000:` is that of whoever has the number, whatever
            # the name is.
            if len(fields) > 3 and fields[2] == str(uid).encode() and fields[3].isdigit():
                return int(fields[3])
        if self._running and uid is not None:
            return _login_gid_of_nss(uid)
        return 0 if uid == 0 else None

    def _look_up(self, path: str, name: str) -> int | None:
        # Numbers first, as chown(1) does where no account has such a name; isdecimal() alone
        # would take digits of other scripts.
        if name.isascii() and name.isdecimal():
            return int(name)
        for fields in self._entries(path):
            if fields[0] == name.encode() and len(fields) > 2 and fields[2].isdigit():
                return int(fields[2])
        # A tree may have no /etc/passwd yet, and no system has a root of another number.
        return 0 if name == "root" else None

    def _entries(self, path: str) -> Iterator[list[bytes]]:
        for line in (self._files.read(path) or b"").splitlines():
            # In bytes: comments and home directories may be in any encoding, and nothing here
            # needs them as text.
            yield line.split(b":")


def _uid_of_nss(name: str) -> int | None:
    import pwd

    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        return None


def _login_gid_of_nss(uid: int) -> int | None:
    import pwd

    try:
        return pwd.getpwuid(uid).pw_gid
    except KeyError:
        return None


def _gid_of_nss(name: str) -> int | None:
    import grp

    try:
        return grp.getgrnam(name).gr_gid
    except KeyError:
        return None
