"""Accounts in memory."""

from __future__ import annotations


class FakeAccounts:
    def __init__(self) -> None:
        self.users = {"root": 0, "nobody": 65534}
        self.groups = {"root": 0, "nogroup": 65534}

    def uid(self, name: str) -> int | None:
        return int(name) if name.isdecimal() else self.users.get(name)

    def gid(self, name: str) -> int | None:
        return int(name) if name.isdecimal() else self.groups.get(name)

    def login_gid(self, user: str) -> int | None:
        uid = self.uid(user)
        return uid if uid in self.users.values() else None
