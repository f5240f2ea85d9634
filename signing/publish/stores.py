"""The port to a store of named objects, and which adapter a URI means."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, NamedTuple, NoReturn, Protocol
from urllib.parse import unquote, urlsplit

from machineadm.errors import HostError, UsageError

if TYPE_CHECKING:
    from collections.abc import Callable


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


class PassingError(HostError):
    """A failure that may pass by itself: a time-out, a broken connection, a server that is busy."""


def fail_unreachable(where: str, why: str) -> NoReturn:
    """The store does not answer, or says that it cannot just now.

    Raises:
        PassingError: MA1856.
    """
    raise PassingError(
        "MA1856",
        f"{where} does not answer: {why}",
        hint="run the same command again: it goes on where it stopped",
    )


def fail_refused(where: str, why: str) -> NoReturn:
    """There are no credentials, or some that do not suffice.

    Raises:
        HostError: MA1855.
    """
    raise HostError(
        "MA1855",
        f"{where} refuses: {why}",
        hint="credentials come from the store's own chain; docs/publishing.md names it and the permissions",
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
    return str(text).strip().partition("\n")[0][:200]


def open_store(uri: str, *, endpoint: str | None = None) -> Store:
    """Open the store that a URI names.

    Args:
        uri: `gs://BUCKET/PREFIX`, `s3://BUCKET/PREFIX`, `file:DIR` or a directory.
        endpoint: Base URL of a server that speaks the store's protocol; None: the cloud's own.

    Returns:
        The store; nothing was asked of it yet.

    Raises:
        UsageError: MA1850, the URI or the endpoint cannot be one.
    """
    scheme, colon, rest = uri.partition(":")
    if endpoint is not None:
        _check_endpoint(endpoint)
    if colon and scheme in _BUCKETS:
        bucket, prefix = _bucket(uri, rest)
        return _BUCKETS[scheme](bucket, prefix, endpoint)
    if endpoint is not None:
        _refuse(uri, "a directory has no endpoint")
    if colon and scheme == "file":
        return _directory(_local_path(uri, rest))
    if colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+", scheme) and rest.startswith("//"):
        _refuse(uri, f"unknown scheme {scheme}")
    return _directory(_checked_path(uri, uri))


def _bucket(uri: str, rest: str) -> tuple[str, str]:
    bucket, _, prefix = rest.removeprefix("//").partition("/")
    if not rest.startswith("//") or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]+", bucket) is None:
        _refuse(uri, "it names no bucket")
    prefix = prefix.strip("/")
    if re.fullmatch(r"[A-Za-z0-9._/-]*", prefix) is None or ".." in prefix or "//" in prefix:
        _refuse(uri, "the prefix has other signs than letters, digits, dots, dashes and slashes")
    return bucket, f"{prefix}/" if prefix else ""


def _local_path(uri: str, rest: str) -> str:
    if not rest.startswith("//"):
        return _checked_path(uri, rest)
    parts = urlsplit(uri)
    if parts.netloc not in ("", "localhost"):
        _refuse(uri, "file URLs have three slashes")
    return _checked_path(uri, unquote(parts.path))


def _checked_path(uri: str, path: str) -> str:
    if not path or "\0" in path:
        _refuse(uri, "it names no directory")
    return path


def _check_endpoint(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("MA1850", "the endpoint is no http or https URL")
    if parts.username is not None or parts.password is not None:
        # Not repeated: it holds a password.
        raise UsageError(
            "MA1850",
            "the endpoint holds a user or a password",
            hint="credentials come from the store's own chain; docs/publishing.md names it",
        )


def _refuse(uri: str, why: str) -> NoReturn:
    shown = re.sub(r"//[^/]*@", "//***@", uri)
    raise UsageError(
        "MA1850",
        f"cannot publish to {shown!r}: {why}",
        hint="gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, file:DIR or a directory",
    )


def _directory(path: str) -> Store:
    from signing.publish.directory import Directory

    return Directory(path)


def _gcs(bucket: str, prefix: str, endpoint: str | None) -> Store:
    _need("google.cloud.storage", "google-cloud-storage")
    from signing.publish.gcs import Gcs

    return Gcs(bucket, prefix, endpoint=endpoint)


def _s3(bucket: str, prefix: str, endpoint: str | None) -> Store:
    _need("boto3", "boto3")
    from signing.publish.s3 import S3

    return S3(bucket, prefix, endpoint=endpoint)


def _need(module: str, distribution: str) -> None:
    try:
        import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(
            "MA1850",
            f"{distribution} is not installed",
            hint="`make setup` installs it on Python 3.11 and later; a directory needs nothing",
        ) from error


_BUCKETS: dict[str, Callable[[str, str, str | None], Store]] = {"gs": _gcs, "s3": _s3}
