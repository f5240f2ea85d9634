"""Read all inputs of a command line: one stream of documents, in order."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING

import msgspec

from machineadm.errors import UsageError
from machineadm.sources.configuration import MOST, read
from machineadm.sources.shown import shown

if TYPE_CHECKING:
    from machineadm.sources.plugins import PluginSource


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of one input."""

    name: str
    """As the operator named it, for messages; without what a URL may hold beside the address."""

    data: bytes


def read_streams(
    paths: Sequence[str],
    *,
    sleep: Callable[[float], None] | None = None,
    plugins: PluginSource | None = None,
) -> tuple[Stream, ...]:
    """Read all inputs.

    Args:
        paths: File names, `-` for standard input, or URIs.
        sleep: Waits between attempts at a download; may raise when the run must end.
        plugins: As of `configuration.read`.

    Raises:
        UsageError: One of them cannot be read, or standard input is named twice.
        HostError: A download failed.
        PluginError: A plugin does not give it.
    """
    if paths.count("-") > 1:
        raise UsageError("MA7004", "standard input can be read only once")
    streams, left = [], MOST
    for path in paths:
        stream = Stream(name=_name(path), data=read(path, sleep=sleep, plugins=plugins))
        left -= len(stream.data)
        if left < 0:
            message = (
                f"cannot read {stream.name}: up to here the inputs are larger than {MOST} bytes"
            )
            raise UsageError("MA7004", message)
        streams.append(stream)
    return tuple(streams)


def _name(path: str) -> str:
    if path == "-":
        return "<stdin>"
    name = shown(path) if "://" in path or path.startswith("data:") else path
    # Bytes that are not UTF-8 would fail where the name is printed, and a newline would break the form of a message.
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return "".join(c if c.isprintable() else ascii(c)[1:-1] for c in text)
