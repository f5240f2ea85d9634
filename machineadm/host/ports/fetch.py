"""Downloads."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Protocol

from machineadm.redaction import Secret


class Fetch(Protocol):
    """Downloads, filled in by the agent."""

    def fetch(
        self, url: str, *, headers: Mapping[str, str | Secret] | None = None
    ) -> Iterable[bytes]:
        """The body in chunks.

        Raises:
            HostError: It cannot be had; code MA3101 and following, `hint` says what to look at.
        """
