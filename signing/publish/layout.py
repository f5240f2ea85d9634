"""Paths below a store's base, and how they are served: the same names in every kind of store.

releases/vX.Y.Z/FILE         never changes
channels/CHANNEL.json .sig   the newest release of a channel
latest.json .sig             the newest release that is not a pre-release
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final

from machineadm.errors import UsageError
from machineadm.verification.release import RELEASE_FILE, SIGNATURE_SUFFIX
from signing.media_types import media_type
from signing.publish.stores import Item

if TYPE_CHECKING:
    from collections.abc import Iterable

LATEST: Final = "latest"
# A year; `immutable` (RFC 8246) spares even the question whether it has changed.
IMMUTABLE: Final = "public, max-age=31536000, immutable"
# Not even for seconds: a pointer and its signature are two objects, and a cache would give one old, one new.
REVALIDATED: Final = "public, no-cache, max-age=0"

# A DNS label (RFC 1123): lower case, no dot, no slash, so no path in it leads elsewhere.
_CHANNEL: Final = r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?"


def release_name(version: str, file: str) -> str:
    """Return the path of a release's file."""
    return f"releases/{version}/{file}"


def channel_name(channel: str) -> str:
    """The channel's name, if it can be one.

    Raises:
        UsageError: MA1851, no channel is called so.
    """
    # latest follows releases by itself; a channel of that name would be the same object.
    if channel == LATEST or re.fullmatch(_CHANNEL, channel) is None:
        raise UsageError(
            "MA1851",
            f"{channel!r} is not a channel name",
            hint="up to 63 lowercase letters, digits and dashes, such as stable or v1-2; "
            "latest moves automatically",
        )
    return channel


def pointer_name(channel: str) -> str:
    """Return the path of a channel's pointer; its signature's path ends in SIGNATURE_SUFFIX."""
    return f"{LATEST}.json" if channel == LATEST else f"channels/{channel}.json"


def released(file: str, data: bytes) -> Item:
    """A file of a release, as it is served."""
    return Item(data, media_type(file), IMMUTABLE)


def pointing(file: str, data: bytes) -> Item:
    """A pointer or its signature, as it is served."""
    return Item(data, media_type(file), REVALIDATED)


def in_order(files: Iterable[str]) -> list[str]:
    """The order in which a release is written: release.json last, so where it is, everything is."""
    # The signature before what it signs: a reader who finds release.json finds all that it needs.
    last = (f"{RELEASE_FILE}{SIGNATURE_SUFFIX}", RELEASE_FILE)
    names = set(files)
    return sorted(names.difference(last)) + [name for name in last if name in names]
