"""The port to a store of named objects, and the errors that every adapter raises."""

from __future__ import annotations

from typing import NamedTuple, NoReturn, Protocol

from machineadm.errors import HostError


class Item(NamedTuple):
    """What is written under a name."""

    data: bytes
    media_type: str
    cache_control: str


class Held(NamedTuple):
    """What was found under a name."""

    data: bytes
    mark: str
    """Changes whenever the object does (a generation, an ETag, a digest); opaque."""


class Store(Protocol):
    """Named objects, each written whole or not at all. Every method may raise PassingError and HostError."""

    stale_mark: str
    """A mark that no object has."""

    promise: str
    """How the store keeps two writers apart, in words for a report."""

    def list(self, prefix: str) -> frozenset[str]:
        """All names that begin so."""

    def read(self, name: str) -> Held | None:
        """The object of that name, if there is one."""

    def create(self, name: str, item: Item) -> bool:
        """Write what must not exist yet; False: it does, and was left alone."""

    def replace(self, name: str, item: Item, mark: str) -> bool:
        """Write over what still has that mark; False: it has changed, and was left alone."""


# A class and not a flag: retrying.py catches just these, and all others pass it untouched.
class PassingError(HostError):
    """A failure that may pass by itself: a timeout, a broken connection, a server that is busy."""


def fail_unreachable(where: str, why: str) -> NoReturn:
    """The store does not answer, or says that it cannot just now.

    Raises:
        PassingError: MA1856.
    """
    raise PassingError(
        "MA1856",
        f"{where} does not answer: {why}",
        hint="run the same command again: it continues where it stopped",
    )


def fail_refused(where: str, why: str) -> NoReturn:
    """There are no credentials, or some that do not suffice.

    Raises:
        HostError: MA1855.
    """
    raise HostError(
        "MA1855",
        f"{where} refuses: {why}",
        hint="credentials come from the store's own chain; docs/publishing.md lists it and the permissions",
    )


def fail_absent(where: str) -> NoReturn:
    """The bucket or the directory that should hold everything is not there.

    Raises:
        HostError: MA1858.
    """
    raise HostError("MA1858", f"{where} does not exist", hint="create it; publishing does not")


def fail(where: str, why: str) -> NoReturn:
    """Anything else that a store says.

    Raises:
        HostError: MA1859.
    """
    raise HostError("MA1859", f"{where}: {why}")


def brief(text: object) -> str:
    """The first line of what a library says, short enough for a message."""
    # Some quote a whole XML document or a proxy's page.
    return str(text).strip().partition("\n")[0][:200]
