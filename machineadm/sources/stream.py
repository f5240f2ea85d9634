"""Read all inputs of a command line: one stream of documents, in order."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

import msgspec

from machineadm.errors import UsageError
from machineadm.sources.configuration import MOST, DirectoryError, read
from machineadm.sources.shown import shown
from machineadm.terminal import printable

if TYPE_CHECKING:
    from machineadm.sources.plugins import PluginSource


SIGNATURE = ".sig"
"""What a file's name has more where its signature is."""

_ENDINGS = (".yaml", ".yml", ".json")


class Stream(msgspec.Struct, frozen=True, kw_only=True):
    """The bytes of one input."""

    name: str
    """As the operator named it, for messages; without what a URL may hold beside the address."""

    data: bytes

    fragment: bool = False
    """Its MachineConfigurations may leave things out, and are merged with those of other inputs."""

    signature: bytes | None = None
    """Its detached signature, where one was looked for."""


def read_streams(
    paths: Sequence[str],
    *,
    directories: bool = False,
    merge: bool = False,
    signed: bool = False,
    sleep: Callable[[float], None] | None = None,
    plugins: PluginSource | None = None,
) -> tuple[Stream, ...]:
    """Read all inputs.

    Args:
        paths: File names, `-` for standard input, or URIs.
        directories: Take directories, too; their files are fragments.
        merge: All inputs are fragments.
        signed: Read their signatures, too.
        sleep: Waits between attempts at a download; may raise when the run must end.
        plugins: As of `configuration.read`.

    Raises:
        DirectoryError: MA7004: One of them is a directory.
        UsageError: One of them cannot be read, or standard input is named twice.
        HostError: A download failed.
        PluginError: A plugin does not give it.
    """
    # Before anything is read: the second one would get an empty document without a word.
    if paths.count("-") > 1:
        raise UsageError("MA7004", "standard input can be read only once")
    streams: list[Stream] = []
    left = MOST
    for path in paths:
        found: tuple[Stream, ...]
        try:
            data = read(path, sleep=sleep, plugins=plugins)
            found = (Stream(name=_name(path), data=data, fragment=merge),)
        except DirectoryError:
            if not directories or "://" in path:
                raise
            files = _files(path)
            found = tuple(Stream(name=_name(one), data=read(one), fragment=True) for one in files)
            if signed:
                found = tuple(map(_signed, found, files))
        else:
            if signed:
                found = (_signed(found[0], path, sleep=sleep, plugins=plugins),)
        for stream in found:
            # In sum, because documents of all inputs are decoded together.
            left -= len(stream.data)
            if left < 0:
                message = (
                    f"cannot read {stream.name}: up to here the inputs are larger than {MOST} bytes"
                )
                raise UsageError("MA7004", message)
        streams += found
    return tuple(streams)


def fragments(names: Iterable[str]) -> tuple[str, ...]:
    """The names of a directory that are fragments, in the order in which they are merged.

    Args:
        names: All names in it.
    """
    # By bytes, as LC_ALL=C: a machine's language must not decide which value counts.
    chosen = [name for name in names if name.endswith(_ENDINGS) and not name.startswith(".")]
    return tuple(sorted(chosen, key=lambda name: name.encode(errors="surrogateescape")))


def _files(directory: str) -> tuple[str, ...]:
    """The fragments of a directory.

    Raises:
        UsageError: MA7004: There are none, or it cannot be read.
    """
    import os

    try:
        names = fragments(os.listdir(directory))  # noqa: PTH208 - pathlib takes 2 ms to load
    except OSError as error:
        raise UsageError("MA7004", f"cannot read {directory!r}: {error.strerror}") from error
    if not names:
        raise UsageError(
            "MA7004",
            f"cannot read {directory!r}: there are no fragments in it",
            hint=f"fragments are files with names that end in {', '.join(_ENDINGS)}",
        )
    return tuple(f"{directory.rstrip('/')}/{name}" for name in names)


def _signed(
    stream: Stream,
    path: str,
    *,
    sleep: Callable[[float], None] | None = None,
    plugins: PluginSource | None = None,
) -> Stream:
    """The input with its signature, if it has one.

    Raises:
        HostError: It cannot be downloaded.
        PluginError: A plugin does not give it.
    """
    if path == "-" or path.startswith("data:"):
        return stream
    # Before a query: what is behind it is of the file itself, as in a pre-signed URL.
    address, mark, query = path.partition("?") if "://" in path else (path, "", "")
    try:
        found = read(f"{address}{SIGNATURE}{mark}{query}", sleep=sleep, plugins=plugins)
    except UsageError:
        return stream
    return msgspec.structs.replace(stream, signature=found)


def _name(path: str) -> str:
    if path == "-":
        return "<stdin>"
    # By this and not by a scheme: `a:b` is a path that a message should show as it is.
    name = shown(path) if "://" in path or path.startswith("data:") else path
    # Bytes that are not UTF-8 would fail where the name is printed, and a newline would break the form of a message.
    text = name.encode(errors="surrogateescape").decode(errors="replace")
    return printable(text)
