"""A release directory: its files, and the order in which they are verified.

release.json.sig -> release.json -> every artefact (name, size, digest)
SHA256SUMS.sig   -> SHA256SUMS   -> every artefact and release.json
FILE.sig, FILE.sigstore.json -> FILE
machineadm.pub: the keys, for convenience; a verifier must know the key or its fingerprint already
"""

from __future__ import annotations

import re
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn

from machineadm.errors import HostError, VerificationError
from machineadm.verification import digests, signatures
from machineadm.verification.digests import is_artifact_name
from machineadm.verification.keys import PublicKey
from machineadm.verification.release import (
    BUNDLE_SUFFIX,
    DIGESTS_FILE,
    PUBLIC_KEY_FILE,
    RELEASE_FILE,
    SIGNATURE_SUFFIX,
    Release,
    check_artifact,
    check_version,
    read_release,
)
from signing import files, sigstore
from signing.private_files import LARGEST_KEY

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

SIGNED_LISTS = (RELEASE_FILE, DIGESTS_FILE)
# PKCS#8, encrypted PKCS#8, SEC 1 (`EC`) and PKCS#1 (`RSA`) all end in these words.
PRIVATE_KEY = re.compile(rb"-----BEGIN [A-Z ]*PRIVATE KEY-----")


def artifact_names(directory: Path) -> list[str]:
    """The files to sign: all but what signing adds to them.

    Args:
        directory: The release directory.

    Returns:
        Their names, sorted.

    Raises:
        HostError: MA1811, the directory holds what cannot be part of a release; MA1820, it cannot be read.
    """
    present = _names(directory)
    names = {
        name
        for name in present - _added(())
        if not name.endswith((SIGNATURE_SUFFIX, BUNDLE_SUFFIX))
    }
    if not names:
        # An empty list would be signed, and would verify.
        _refuse(directory, "has no file to sign")
    # A signature without its file is a file that somebody has removed.
    for name in present - names - _added(names):
        _refuse(directory / name, "is the signature of a file that is not there")
    for name in names:
        size = (directory / name).stat().st_size
        if not size:
            _refuse(directory / name, "is empty")
        # By content, not by name: keys are called .pem, .key or release.
        if size <= LARGEST_KEY and PRIVATE_KEY.search(files.read(directory / name)):
            _refuse(directory / name, "contains a private key, which would be published")
    return sorted(names)


def remove_temporary(directory: Path) -> None:
    """Remove what a killed run left behind.

    Raises:
        HostError: MA1821, it cannot be removed.
    """
    try:
        for path in directory.glob(f"{files.TEMPORARY_PREFIX}*"):
            path.unlink()
    except OSError as error:
        raise HostError("MA1821", f"{directory}: {error.strerror}") from error


def verify_directory(
    directory: Path,
    keys: tuple[PublicKey, ...],
    *,
    wanted: str | None = None,
    not_older_than: str | None = None,
) -> Release:
    """Check a whole release. The numbers are those of docs/verify.md.

    Args:
        directory: The release directory.
        keys: Keys to trust, of which one must have signed each file.
        wanted: The version it must be; None takes any.
        not_older_than: The newest version seen so far, if any.

    Returns:
        What the release says of itself.

    Raises:
        VerificationError: MA17xx or MA183x, naming the first file that is not what it must be.
        HostError: MA1811 or MA1820, the directory is unfit or cannot be read.
    """
    present = _names(directory)
    # Signature first: nothing unsigned is parsed or believed.
    release = signed_release(directory, keys)  # 1
    # Before the files: a rollback must be told as one, whatever else is wrong with the old release.
    check_version(release, wanted=wanted, not_older_than=not_older_than)  # 2
    listed = _signed_digests(directory, keys)  # 3
    # Before any artefact is hashed: a file that nobody signed must be named even when a listed one
    # is damaged.
    _check_names(release, present, listed)  # 4
    for artifact in release.artifacts:  # 5
        _check_file(directory, release, artifact.name, listed, keys)
    return release


def signed_release(directory: Path, keys: tuple[PublicKey, ...]) -> Release:
    """Read release.json after its signature was checked.

    Raises:
        VerificationError: MA1724 it or its signature is missing, MA17xx as `read_release`.
    """
    data = need(directory, RELEASE_FILE)
    signature = need(directory, RELEASE_FILE + SIGNATURE_SUFFIX)
    with _naming(RELEASE_FILE):
        return read_release(data, signature, keys)


def need(directory: Path, name: str) -> bytes:
    """Read a file that a release has to have.

    Raises:
        VerificationError: MA1724, it is not there.
        HostError: MA1820, it cannot be read.
    """
    path = directory / name
    # Told as missing and not as an error of the system: a broken download is the usual case.
    if not path.is_file():
        raise VerificationError("MA1724", f"{name} is missing", hint="fetch the release again")
    return files.read(path)


def _signed_digests(directory: Path, keys: tuple[PublicKey, ...]) -> dict[str, str]:
    data = need(directory, DIGESTS_FILE)
    signature = need(directory, DIGESTS_FILE + SIGNATURE_SUFFIX)
    with _naming(DIGESTS_FILE):
        signatures.verify(data, signature, keys)
        listed = digests.read_digests(data)
    # Two signed lists of the same files must agree, or one of them is of another release.
    _check_listed(listed, RELEASE_FILE, digests.sha256(need(directory, RELEASE_FILE)))
    return listed


def _check_names(release: Release, present: set[str], listed: dict[str, str]) -> None:
    """Check that everything is there, and nothing else.

    Raises:
        VerificationError: MA1724 something is missing, MA1725 something is too much.
    """
    released = {artifact.name for artifact in release.artifacts}
    for name in sorted(released - present):
        raise VerificationError("MA1724", f"{name} is missing", hint="fetch the release again")
    for name in sorted((present - released - _added(released)) | (set(listed) - released)):
        if name != RELEASE_FILE:
            raise VerificationError(
                "MA1725",
                f"{name} is not part of release {release.version}",
                hint="nothing vouches for it; remove it",
            )


def _check_file(
    directory: Path,
    release: Release,
    name: str,
    listed: dict[str, str],
    keys: tuple[PublicKey, ...],
) -> None:
    # Read once and handed to every check: two reads could see two files.
    data = files.read(directory / name)
    check_artifact(release, name, data)
    _check_listed(listed, name, release.artifact(name).sha256)
    signature = need(directory, name + SIGNATURE_SUFFIX)
    bundle = need(directory, name + BUNDLE_SUFFIX)
    with _naming(name):
        # All three ways, since each has users who know no other: release.json, FILE.sig and the
        # bundle.
        signatures.verify(data, signature, keys)
        sigstore.verify_bundle(data, bundle, keys)


@contextmanager
def _naming(name: str) -> Iterator[None]:
    """Add a file's name to the error of a signature that does not verify.

    Raises:
        VerificationError: The one that was raised, with the file's name before its message.
    """
    try:
        yield
    except VerificationError as error:
        # Nested checks may have named it already; a second prefix would read like a path.
        if error.message.startswith(f"{name}: "):
            raise
        raise VerificationError(error.code, f"{name}: {error}", hint=error.hint()) from error


def _check_listed(listed: dict[str, str], name: str, digest: str) -> None:
    if listed.get(name) != digest:
        raise VerificationError(
            "MA1726",
            f"{DIGESTS_FILE} says {listed.get(name, 'nothing')} of {name}, but it is {digest}",
            hint="the list and release.json are of different releases; fetch both again",
        )


def _added(names: Iterable[str]) -> set[str]:
    """Return the names that signing adds for files of these names."""
    signed = {f"{name}{end}" for name in names for end in (SIGNATURE_SUFFIX, BUNDLE_SUFFIX)}
    # With the lists' own signatures but without bundles for them: cosign is for artefacts
    # (whole.py, names).
    lists = {f"{name}{end}" for name in SIGNED_LISTS for end in ("", SIGNATURE_SUFFIX)}
    return signed | lists | {PUBLIC_KEY_FILE}


def _names(directory: Path) -> set[str]:
    """List a directory; a release has only plain files with plain names.

    Raises:
        HostError: MA1811 or MA1820.
    """
    try:
        entries = list(directory.iterdir())
    except OSError as error:
        raise HostError(
            "MA1820",
            f"{directory}: cannot be read: {error.strerror}",
            hint="`make release` makes a release directory",
        ) from error
    for entry in entries:
        # A link could lead out of the directory, and to something else later.
        if entry.is_symlink() or not entry.is_file():
            _refuse(entry, "is not a regular file")
        if not is_artifact_name(entry.name):
            _refuse(entry, "has a name that is not allowed in a release")
    return {entry.name for entry in entries}


def _refuse(path: Path, why: str) -> NoReturn:
    raise HostError(
        "MA1811", f"{path} {why}", hint="a release directory contains plain files and nothing else"
    )
