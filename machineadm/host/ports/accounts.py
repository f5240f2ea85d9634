"""Users and groups."""

from __future__ import annotations

from typing import Protocol


class Accounts(Protocol):
    """Users and groups as the root's own /etc/passwd and /etc/group name them."""

    def uid(self, name: str) -> int | None:
        """Number of a user given by name or number; None when not known."""

    def gid(self, name: str) -> int | None:
        """Number of a group given by name or number; None when not known."""

    def login_gid(self, user: str) -> int | None:
        """Number of the login group of a user given by name or number; None when not known."""
