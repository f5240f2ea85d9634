"""Where a configuration is read from: a file, standard input, `data:`, `file:`, http, https and `plugin:`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Callable, Mapping
from typing import IO, TYPE_CHECKING

from machineadm.documents.source import MAX_BYTES
from machineadm.errors import HostError, UsageError
from machineadm.redaction import Secret
from machineadm.sources.downloads import Downloads
from machineadm.sources.shown import shown

if TYPE_CHECKING:
    from machineadm.sources.plugins import PluginSource


class DirectoryError(UsageError):
    """The path is that of a directory."""


# The bound of decoding: what is larger would be refused there, after it was held.
MOST = MAX_BYTES
"""Bytes of one source, and of all of a command line together: more is not even held."""


def read(
    uri: str,
    *,
    ca_file: str = "",
    ca_bundle: str = "",
    headers: Mapping[str, str | Secret] | None = None,
    sleep: Callable[[float], None] | None = None,
    plugins: PluginSource | None = None,
) -> bytes:
    """All bytes of a source.

    Args:
        uri: A path, `-` for standard input, or a URI.
        ca_file: Certificates that are trusted beside the system's.
        ca_bundle: As `ca_file`, but the certificates themselves, in PEM.
        headers: For http and https.
        sleep: Waits between attempts; may raise when the run must end. None: time.sleep.
        plugins: Asked for `plugin://NAME/LOCATION`; None: those that are installed where plugins are.

    Raises:
        UsageError: MA7004: the path cannot be read, or is too large; MA3101: the URI is of an unknown scheme; MA3113: it is
            malformed.
        HostError: A download failed.
        PluginError: A plugin does not give it.
    """
    # Before the scheme is looked at: a URI cannot be a lone dash, and `./-` is how a shell names a
    # file of that name.
    if uri == "-":
        return _bounded(sys.stdin.buffer, "standard input")
    scheme = _scheme(uri)
    # A path first, since most are; its name is never looked up among the schemes.
    if scheme == "":
        return _file(uri)
    handler = SCHEMES.get(scheme)
    if handler is None:
        raise UsageError(
            "MA3101",
            f"cannot read {shown(uri)}: unknown scheme {scheme!r}",
            hint=f"this release reads {', '.join(sorted(SCHEMES))}, paths, and - for standard input",
        )
    # time.sleep is looked up late: a caller that can be interrupted passes its own, and then `time`
    # need not be imported.
    options = _Options(ca_file, ca_bundle, headers or {}, sleep or _default_sleep(), plugins)
    return handler(uri, options)


class _Options:
    """What a scheme may need."""

    def __init__(
        self,
        ca_file: str,
        ca_bundle: str,
        headers: Mapping[str, str | Secret],
        sleep: Callable[[float], None],
        plugins: PluginSource | None,
    ) -> None:
        self.ca_file = ca_file
        self.ca_bundle = ca_bundle
        self.headers = headers
        self.sleep = sleep
        self.plugins = plugins


def _scheme(uri: str) -> str:
    """Lower-case scheme of a URI (RFC 3986); empty for a path. A path with a colon is written `./a:b`."""
    scheme, colon, _ = uri.partition(":")
    # RFC 3986, 3.1: a letter, then letters, digits, plus, hyphen, dot.
    is_scheme = scheme[:1].isalpha() and all(c.isalnum() or c in "+.-" for c in scheme)
    return scheme.lower() if colon and is_scheme and scheme.isascii() else ""


def _file(path: str) -> bytes:
    try:
        # No O_NOFOLLOW and no check of the owner: the operator has named the path, and links and
        # pipes (`<(...)`) are meant.
        with open(path, "rb") as file:  # noqa: PTH123 - pathlib takes 2 ms to load
            return _bounded(file, repr(path))
    except IsADirectoryError as error:
        raise DirectoryError(
            "MA7004", f"cannot read {path!r}: it is a directory", hint="name a file in it"
        ) from error
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "a path cannot contain a NUL"
        raise UsageError(
            "MA7004", f"cannot read {path!r}: {reason}", hint="check the path and its permissions"
        ) from error


def _bounded(file: IO[bytes], name: str) -> bytes:
    # One byte more than allowed, so that a source without an end (/dev/zero, a pipe) is noticed
    # without being held.
    data = file.read(MOST + 1)
    if len(data) > MOST:
        raise UsageError("MA7004", f"cannot read {name}: it is larger than {MOST} bytes")
    return data


def _file_url(uri: str, _options: _Options) -> bytes:
    from urllib.parse import unquote, urlsplit

    parts = urlsplit(uri)
    # RFC 8089: an authority names another host. `file://etc/x`, with a slash too few, would
    # otherwise read /x.
    if parts.netloc not in ("", "localhost"):
        raise UsageError("MA3113", f"cannot read {uri}: file URLs have three slashes")
    return _file(unquote(parts.path))


def _data(uri: str, _options: _Options) -> bytes:
    """A data URI (RFC 2397); percent-encoded or base64, whatever its media type.

    Raises:
        UsageError: It is malformed.
    """
    import base64
    from urllib.parse import unquote_to_bytes

    # RFC 2397: the first comma ends the media type, and the body may have others.
    kind, comma, body = uri.partition(",")
    data = unquote_to_bytes(body)
    if comma and not kind.lower().endswith(";base64"):
        return data
    with contextlib.suppress(ValueError):
        if comma:
            # Without `validate` Python skips what is not base64, and a typo would become other
            # bytes. Line breaks alone are forgiven: `base64` of coreutils wraps at 76 columns.
            return base64.b64decode(b"".join(data.split()), validate=True)
    # Not quoted: it may be a whole configuration.
    raise UsageError(
        "MA3113",
        "cannot read the data URI: it is malformed",
        hint="data:,TEXT with percent-encoding, or data:;base64,TEXT",
    )


def _web(uri: str, options: _Options) -> bytes:
    downloads = Downloads(
        options.sleep, ca_file=options.ca_file, ca_bundle=options.ca_bundle, most=MOST
    )
    # Few: each of them has waited and tried again by itself until its first byte.
    attempts = 3
    for _ in range(attempts - 1):
        try:
            return b"".join(downloads.fetch(uri, headers=options.headers))
        except HostError as error:
            # Only what broke off in the middle: nothing has been used of it yet, so starting again
            # is safe here. Everything that fails before the first byte was retried by `fetch`
            # itself.
            if error.code != "MA3103":
                raise
    return b"".join(downloads.fetch(uri, headers=options.headers))


def _plugin(uri: str, options: _Options) -> bytes:
    from machineadm.sources.plugins import PluginSource, parted

    name, location = parted(uri)
    if not name:
        raise UsageError(
            "MA3113",
            f"cannot read {shown(uri)}: it names no plugin, or no location",
            hint="it is plugin://NAME/LOCATION; NAME is that of an infrastructure plugin",
        )
    return (options.plugins or PluginSource()).fetch(name, location)


# At the end, since it names the functions above. A scheme is added here and nowhere else.
SCHEMES: dict[str, Callable[[str, _Options], bytes]] = {
    "data": _data,
    "file": _file_url,
    "http": _web,
    "https": _web,
    "plugin": _plugin,
}
"""How a URI is read, by its scheme."""


def _default_sleep() -> Callable[[float], None]:
    import time

    return time.sleep
