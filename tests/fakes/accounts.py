"""Accounts in memory."""

from __future__ import annotations


class FakeAccounts:
    def __init__(self) -> None:
        self.users = {"root": 0, "nobody": 65534}
        self.groups = {"root": 0, "nogroup": 65534}
        self.logins: dict[int, int] = {}
        """Login groups that have another number than their user."""

    def uid(self, name: str) -> int | None:
        return int(name) if name.isdecimal() else self.users.get(name)

    def gid(self, name: str) -> int | None:
        return int(name) if name.isdecimal() else self.groups.get(name)

    def login_gid(self, user: str) -> int | None:
        uid = self.uid(user)
        if uid is None or uid not in self.users.values():
            return None
        return self.logins.get(uid, uid)
