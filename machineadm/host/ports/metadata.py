"""The metadata service of the platform that a machine runs on."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Protocol

import msgspec

LARGEST: Final = 1 << 20
"""Bytes of an answer; metadata is far smaller."""


class MetadataAnswer(msgspec.Struct, frozen=True, kw_only=True):
    """What the service said."""

    status: int
    """Of HTTP; a redirect is an answer like others, and never followed."""

    body: bytes = b""

    headers: dict[str, str] = {}
    """By name in lower case."""


class Metadata(Protocol):
    """Requests to an address of the machine's own link. They never go through a proxy: it is not on this link."""

    def ask(
        self,
        url: str,
        *,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
        timeout: float,
    ) -> MetadataAnswer:
        """One request.

        Args:
            url: `http://ADDRESS/PATH`.
            method: GET or PUT.
            headers: Of the request.
            timeout: Seconds until the whole answer must be there, however it dribbles in.

        Raises:
            HostError: MA3521, there is no whole answer in time, or it has more than LARGEST bytes.
        """
