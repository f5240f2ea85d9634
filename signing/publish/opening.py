"""Which store a URI means."""

from __future__ import annotations

import re
from importlib import import_module
from typing import TYPE_CHECKING, NoReturn
from urllib.parse import unquote, urlsplit

from machineadm.errors import UsageError
from signing.publish.directory import Directory
from signing.publish.gcs import Gcs
from signing.publish.s3 import S3

if TYPE_CHECKING:
    from collections.abc import Callable

    from signing.publish.stores import Store


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
        return Directory(_local_path(uri, rest))
    # Only with `//`: a directory's name may have a colon.
    if colon and re.fullmatch(r"[A-Za-z][A-Za-z0-9+.-]+", scheme) and rest.startswith("//"):
        _refuse(uri, f"unknown scheme {scheme}")
    return Directory(_checked_path(uri, uri))


def _bucket(uri: str, rest: str) -> tuple[str, str]:
    bucket, _, prefix = rest.removeprefix("//").partition("/")
    # fullmatch: `$` of match would let a newline at the end pass.
    if not rest.startswith("//") or re.fullmatch(r"[A-Za-z0-9][A-Za-z0-9._-]+", bucket) is None:
        _refuse(uri, "it has no bucket")
    prefix = prefix.strip("/")
    # Clients and proxies fold `..` and `//`, so that the object would be there and never be found
    # by its URL.
    if re.fullmatch(r"[A-Za-z0-9._/-]*", prefix) is None or ".." in prefix or "//" in prefix:
        _refuse(
            uri, "the prefix has characters other than letters, digits, dots, dashes and slashes"
        )
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
        _refuse(uri, "it has no directory")
    return path


def _check_endpoint(endpoint: str) -> None:
    parts = urlsplit(endpoint)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise UsageError("MA1850", "the endpoint is not an http or https URL")
    if parts.username is not None or parts.password is not None:
        # Not repeated: it holds a password.
        raise UsageError(
            "MA1850",
            "the endpoint contains a user or a password",
            hint="credentials come from the store's own chain; docs/publishing.md lists it",
        )


def _refuse(uri: str, why: str) -> NoReturn:
    # A person may have put `user:password@` into the URI.
    shown = re.sub(r"//[^/]*@", "//***@", uri)
    raise UsageError(
        "MA1850",
        f"cannot publish to {shown!r}: {why}",
        hint="gs://BUCKET/PREFIX, s3://BUCKET/PREFIX, file:DIR or a directory",
    )


def _gcs(bucket: str, prefix: str, endpoint: str | None) -> Store:
    _need("google.cloud.storage", "google-cloud-storage")
    return Gcs(bucket, prefix, endpoint=endpoint)


def _s3(bucket: str, prefix: str, endpoint: str | None) -> Store:
    _need("boto3", "boto3")
    return S3(bucket, prefix, endpoint=endpoint)


def _need(module: str, distribution: str) -> None:
    try:
        # When it is asked for only: publishing to a directory must work without either library.
        import_module(module)
    except ModuleNotFoundError as error:
        raise UsageError(
            "MA1850",
            f"{distribution} is not installed",
            hint="`make setup` installs it on Python 3.11 and later; a directory needs nothing",
        ) from error


_BUCKETS: dict[str, Callable[[str, str, str | None], Store]] = {"gs": _gcs, "s3": _s3}
