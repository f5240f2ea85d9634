"""All secrets of a configuration, for the redaction of what is printed."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from machineadm.api.v1alpha1.files import FileConfig
from machineadm.config.contents import ContentError, decode_content
from machineadm.redaction import Secret


def secrets_of(value: object) -> list[Secret | str]:
    """Every Secret in a value and below, and the contents of sensitive files, as written and decoded.

    Args:
        value: A `Configuration`, or any part of one that has been decoded without a problem.
    """
    return list(_walk(value))


def _walk(value: object) -> Iterator[Secret | str]:
    if isinstance(value, Secret):
        yield value
    elif isinstance(value, msgspec.Struct):
        if isinstance(value, FileConfig):
            yield from _content(value)
        # By name: importing the type would load the branch of proxies for everybody.
        elif type(value).__name__ == "ProxyCredentials":
            yield from _credentials(value)
        for name in value.__struct_fields__:
            yield from _walk(getattr(value, name))
    elif isinstance(value, (tuple, list)):
        for item in value:
            yield from _walk(item)
    elif isinstance(value, dict):
        for item in value.values():
            yield from _walk(item)


def _credentials(value: Any) -> Iterator[Secret]:
    """The password of a proxy as in a URL."""
    if value.password is not None:
        from machineadm.config.concerns.proxy import quoted

        # Percent-encoded it is another text, which a search for the password would not find.
        yield Secret(quoted(value.password.reveal()))


def is_sensitive(file: FileConfig) -> bool:
    """Whether a file's content is never shown: it says so, or neither group nor others may read it."""
    # Whoever closes a file to others did not mean them to read it in a log.
    return file.sensitive or int(file.permissions or "0644", 8) & 0o044 == 0


def _content(file: FileConfig) -> Iterator[str]:
    if file.content and is_sensitive(file):
        # As written too: an error may quote the configuration, where it is still encoded.
        yield file.content
        if file.encoding is not None:
            try:
                yield decode_content(file.content, file.encoding).decode()
            # Bytes that are no text appear in no message.
            except (ContentError, UnicodeDecodeError):
                return
