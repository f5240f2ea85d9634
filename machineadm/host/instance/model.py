"""What a source of instance data is, and how it says that it does not know."""

from __future__ import annotations

from typing import Any, ClassVar, Protocol

from machineadm.errors import MachineadmError

LONGEST = 64 * 1024
"""Bytes of one value."""


class UnknownError(Exception):
    """A source does not know a name.

    Args:
        reason: Why, in a few words, for the message that names all sources: `has no such name`, `404`.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class Source(Protocol):
    """A source that knows the values of some names."""

    name: ClassVar[str]
    """As a message names it: `cloud-init`."""

    kinds: ClassVar[tuple[str, ...]]
    """The first parts of the names that it can know: `v1`, `ds`."""

    def value(self, name: str, timeout: float) -> str:
        """The value of a name.

        Args:
            name: `v1.instance_id`.
            timeout: Seconds that it may take.

        Raises:
            UnknownError: It does not know.
        """


def at(tree: Any, path: str) -> Any:
    """The value at a path in a tree of maps and lists, as Jinja in cloud-init would find it.

    Args:
        tree: As decoded from JSON.
        path: Parts separated by dots or slashes. A hyphen may be written as an underscore, as in cloud-init.

    Raises:
        UnknownError: There is nothing.
    """
    here = tree
    for part in path.replace("/", ".").split("."):
        if isinstance(here, dict):
            # As it is written first: a document may have both spellings, and they need not mean
            # the same.
            key = part if part in here else _alike(here, part)
            if key is None:
                raise UnknownError("has no such name")
            here = here[key]
        elif isinstance(here, list) and part.isdecimal() and int(part) < len(here):
            here = here[int(part)]
        else:
            raise UnknownError("has no such name")
    return here


def as_text(found: Any) -> str:
    """A scalar as text.

    Raises:
        UnknownError: It is not one, is empty, or is too long.
    """
    if found is None or found == "":
        raise UnknownError("has no value for it")
    # Before the rest, because str(True) would be `True`, which no reader of JSON expects.
    if isinstance(found, bool):
        return "true" if found else "false"
    if isinstance(found, dict | list):
        kind = "a map" if isinstance(found, dict) else "a list"
        raise UnknownError(f"has {kind} there, not a value: name one of its parts")
    text = str(found)
    if len(text.encode(errors="surrogatepass")) > LONGEST:
        raise UnknownError(f"gives a value of more than {LONGEST} bytes")
    # Neither a file name nor an argument of a program can have one; cut off at it, the value
    # would be another.
    if "\0" in text:
        raise UnknownError("gives a value with a NUL character")
    return text


def as_error(error: MachineadmError) -> UnknownError:
    """An error of a port as what a source says."""
    return UnknownError(error.message)


def short_host(name: str) -> str:
    """A host name as cloud-init standardizes it: without its domain; made from an address if it is one."""
    pieces = name.split(".")
    # Clouds without a name for a machine give its address, whose first part alone would be the
    # same for thousands of them.
    if len(pieces) == 4 and all(piece.isdecimal() for piece in pieces):
        return f"ip-{name.replace('.', '-')}"
    return pieces[0]


def _alike(here: dict[str, Any], part: str) -> str | None:
    wanted = part.replace("-", "_")
    return next((key for key in here if str(key).replace("-", "_") == wanted), None)
