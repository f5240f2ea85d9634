"""Measure user data: its size, what it is made of, and whether it is too large."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.formats import amount
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.documents.encoding import encode_json
from machineadm.rendering.functions import compressed
from machineadm.rendering.template import Piece

# Shown by `machineadm render` where a spec has no limit, so that one learns of it before a provider
# refuses.
SMALL: Final = 16 * 1024
"""Bytes of user data that AWS and Linode take."""

USUAL: Final = 64 * 1024
"""Bytes of user data that Azure, OpenStack and vSphere take."""

_CONFIGURATION: Final = "configuration"
# The order counts: a piece that is made of both is the configuration's.
_PARTS: Final = {"machine_config": _CONFIGURATION, "agent_fetch": "fetch script"}
_LARGEST: Final = 3


class Sizes(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """Sizes in bytes."""

    raw: int
    """The user data as it is."""

    compressed: int
    """The user data by gzip, where a provider does that."""

    limit: int | None
    """What spec.dataSizeLimit says."""

    limited: Literal["raw", "compressed"] = "raw"
    """Which of the two it limits."""

    parts: dict[str, int]
    """What makes the raw size: configuration, fetch script and template, as they stand in the user data."""

    compressed_parts: dict[str, int]
    """Each of these by gzip, by itself; together they are a little more than the whole."""

    @property
    def counted(self) -> int:
        """The size that the limit is for."""
        return self.raw if self.limited == "raw" else self.compressed

    fields: dict[str, int]
    """What makes the configuration, by field, before it is compressed and encoded; the largest first."""


def measure(
    pieces: Sequence[Piece],
    configuration: MachineConfiguration,
    limit: str | None,
    limited: Literal["Raw", "Compressed"] | None = None,
) -> Sizes:
    """Measure user data.

    Args:
        pieces: What it is made of.
        configuration: What travels in it.
        limit: spec.dataSizeLimit.
        limited: spec.dataSizeLimitOf.
    """
    data = b"".join(piece.data for piece in pieces)
    parts = {_CONFIGURATION: b"", "fetch script": b"", "template": b""}
    for piece in pieces:
        # What is made of the agent's path alone is a few bytes, and counts as the template's.
        name = next((part for call, part in _PARTS.items() if call in piece.names), "template")
        parts[name] += piece.data
    # The name decides between equal sizes, so that two runs print the same.
    fields = sorted(_fields(configuration), key=lambda one: (-one[1], one[0]))
    return Sizes(
        raw=len(data),
        # At zlib's best level. A provider may compress worse, so a result close to the limit is not
        # a promise.
        compressed=len(compressed(data)),
        limit=None if limit is None else amount(limit),
        limited="compressed" if limited == "Compressed" else "raw",
        parts={name: len(part) for name, part in parts.items()},
        # Each by itself: user data of a provider that compresses grows by about this much with the
        # part.
        compressed_parts={
            name: len(compressed(part)) if part else 0 for name, part in parts.items()
        },
        fields=dict(fields),
    )


def beyond(sizes: Sizes) -> Finding | None:
    """Return the problem of user data that is larger than its limit."""
    # At the limit is allowed: providers name the largest size that they take.
    if sizes.limit is None or sizes.counted <= sizes.limit:
        return None
    parts = ", ".join(
        f"{name} {size} ({sizes.compressed_parts[name]})"
        for name, size in sizes.parts.items()
        if size
    )
    largest = ", ".join(f"{name} {size}" for name, size in list(sizes.fields.items())[:_LARGEST])
    return Finding(
        code="MA1620",
        path="spec.dataSizeLimit",
        message=f"the user data has {sizes.raw} bytes ({sizes.compressed} compressed by gzip), {sizes.counted - sizes.limit} more than its "
        f"limit of {sizes.limit} {sizes.limited}: {parts}",
        hint=f"largest in the configuration, before compression: {largest}; fetch large files from a source",
    )


def _fields(configuration: MachineConfiguration) -> Iterator[tuple[str, int]]:
    """Yield the size of each field of the machine and of Kubernetes as JSON, and of each file separately."""
    for name, root in (
        ("machine", configuration.spec.machine),
        ("kubernetes", configuration.spec.kubernetes),
    ):
        if root is None:
            continue
        for field, wire in zip(root.__struct_fields__, root.__struct_encode_fields__, strict=True):
            value, path = getattr(root, field), f"spec.{name}.{wire}"
            # Files are what makes user data large, and only one of them is usually the reason.
            if field == "files":
                for index, file in enumerate(value):
                    yield f"{path}[{index}]", len(encode_json(file, reveal=True))
            # What is empty is left out of the JSON, so it takes no byte.
            elif value:
                yield path, len(encode_json(value, reveal=True))
