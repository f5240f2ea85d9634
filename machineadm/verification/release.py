"""What a release says of itself: release.json, and the pointers that name the newest release of a channel.

A signature over an artefact alone binds neither its name nor its age: the signed arm64 file can be
served as the amd64 one, last year's as today's. The signed release.json binds version, names, sizes and
digests together. It does not prove that there is nothing newer: to get one particular release, give its
digest.
"""

from __future__ import annotations

import re
from typing import Annotated, Final, Literal, NoReturn, TypeVar

import msgspec
from msgspec import Meta, Struct

from machineadm.errors import VerificationError
from machineadm.semver import Semver
from machineadm.verification import digests, signatures
from machineadm.verification.digests import ARTIFACT_NAME, SHA256_HEX
from machineadm.verification.keys import PublicKey

RELEASE_FILE: Final = "release.json"
DIGESTS_FILE: Final = "SHA256SUMS"
PUBLIC_KEY_FILE: Final = "machineadm.pub"
SIGNATURE_SUFFIX: Final = ".sig"
BUNDLE_SUFFIX: Final = ".sigstore.json"
LARGEST_DOCUMENT: Final = 1 << 20
"""Bytes of a release.json or pointer; more is refused before it is parsed."""

# At most nine digits a number, as no release has more: int() of a million digits takes minutes.
_VERSION: Final = (
    r"v(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})\.(0|[1-9][0-9]{0,8})"
    r"(?:-((?:0|[1-9][0-9]{0,8}|[0-9]*[A-Za-z-][0-9A-Za-z-]*)"
    r"(?:\.(?:0|[1-9][0-9]{0,8}|[0-9]*[A-Za-z-][0-9A-Za-z-]*))*))?"
)

# \Z, not $: in Python $ also matches before a final newline, and these strings end up in paths and
# URLs.
Sha256 = Annotated[str, Meta(pattern=rf"^{SHA256_HEX}\Z")]
Version = Annotated[str, Meta(pattern=rf"^{_VERSION}\Z", max_length=64)]
Date = Annotated[str, Meta(pattern=r"^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z\Z")]
Channel = Annotated[str, Meta(pattern=r"^[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?\Z")]
_Document = TypeVar("_Document", "Release", "Pointer")


# Unknown fields are passed over: an older agent must read what a newer release says besides.
class Artifact(Struct, frozen=True, rename="camel"):
    """One file of a release."""

    name: Annotated[str, Meta(pattern=rf"^{ARTIFACT_NAME}\Z")]
    """Its file name."""

    sha256: Sha256
    """SHA-256 in hexadecimal."""

    size: Annotated[int, Meta(ge=1)]
    """Bytes."""

    media_type: Annotated[str, Meta(min_length=3, max_length=100)]
    """IANA media type."""


class Release(Struct, frozen=True, rename="camel", kw_only=True):
    """release.json: which files make up one version."""

    schema_version: Literal[1] = 1
    """Raised when a reader of the old form would be misled; further fields alone do not raise it."""

    version: Version
    """Semantic version with a leading `v`, without build metadata."""

    date: Date
    """When the commit was made, in UTC; the same however often the release is built."""

    commit: Annotated[str, Meta(pattern=r"^[0-9a-f]{7,64}\Z")]
    """The commit that it was built of."""

    artifacts: Annotated[tuple[Artifact, ...], Meta(min_length=1, max_length=1000)]
    """The files, sorted by name; signatures are not among them."""

    def artifact(self, name: str) -> Artifact:
        """Find a file of the release.

        Raises:
            VerificationError: MA1723, the release has no such file.
        """
        # At most a thousand, once for each file: no index is worth its code.
        for artifact in self.artifacts:
            if artifact.name == name:
                return artifact
        raise VerificationError(
            "MA1723",
            f"{name} is not part of release {self.version}",
            hint=f"it has {', '.join(artifact.name for artifact in self.artifacts)}",
        )


class Pointer(Struct, frozen=True, rename="camel", kw_only=True):
    """channels/CHANNEL.json and latest.json: the newest release of a channel."""

    schema_version: Literal[1] = 1
    """As in Release."""

    channel: Channel
    """Which pointer this is, so that one cannot stand in for another; `latest` is a channel, too."""

    version: Version
    """The release it points to."""

    date: Date
    """That release's date."""

    release_sha256: Sha256
    """SHA-256 of that release's release.json."""


def encode(document: Release | Pointer) -> bytes:
    """Write a document as it is signed: JSON, indented by two, fields in the types' order."""
    return msgspec.json.format(msgspec.json.encode(document), indent=2) + b"\n"


def read_release(data: bytes, signature: bytes, keys: tuple[PublicKey, ...]) -> Release:
    """Read a release.json after its signature was checked.

    Args:
        data: The file's bytes.
        signature: The bytes of release.json.sig.
        keys: Keys to trust.

    Returns:
        What the release says of itself.

    Raises:
        VerificationError: MA1704 and MA171x as `signatures.verify`, MA1730 not a release.json.
    """
    # Signature, form, then meaning: each check sees only what the one before has passed.
    release = _read(data, signature, keys, Release, RELEASE_FILE)
    names = [artifact.name for artifact in release.artifacts]
    # The signature holds, but readers that take the first and readers that take the last would use
    # different files.
    if len(set(names)) != len(names):
        _refuse(RELEASE_FILE, "it names a file twice")
    return release


def read_pointer(data: bytes, signature: bytes, keys: tuple[PublicKey, ...]) -> Pointer:
    """Read a pointer after its signature was checked; `check_pointer` is the other half.

    Args:
        data: The file's bytes.
        signature: The bytes of its .sig file.
        keys: Keys to trust.

    Returns:
        What it points to.

    Raises:
        VerificationError: MA1704 and MA171x as `signatures.verify`, MA1730 not a pointer.
    """
    return _read(data, signature, keys, Pointer, "pointer")


def check_pointer(pointer: Pointer, *, channel: str, not_older_than: str | None = None) -> None:
    """Check that a pointer is the one that was asked for, and not an old one replayed.

    Args:
        pointer: A pointer whose signature was checked.
        channel: The channel that was asked for.
        not_older_than: The newest version seen so far, if any.

    Raises:
        VerificationError: MA1732 older than that, MA1733 the pointer of another channel.
    """
    # Both are validly signed: only the name inside keeps a store from serving the edge channel as
    # stable.
    if pointer.channel != channel:
        raise VerificationError(
            "MA1733",
            f"asked for channel {channel}, got the pointer of {pointer.channel}",
            hint="the store serves one channel's file under another's name",
        )
    check_not_older(pointer.version, not_older_than)


def check_pointed_to(pointer: Pointer, release: Release, data: bytes) -> None:
    """Check that a release is the one that a pointer names.

    Args:
        pointer: A pointer that was checked.
        release: A release whose signature was checked.
        data: The bytes of its release.json.

    Raises:
        VerificationError: MA1734, they disagree.
    """
    # The version alone is not enough: with a stolen key a released version could be signed again
    # with other files.
    if release.version == pointer.version and digests.sha256(data) == pointer.release_sha256:
        return
    raise VerificationError(
        "MA1734",
        f"channel {pointer.channel} points to another {pointer.version} than the {release.version} found",
        hint="a released version is never replaced: fetch both again; if that does not help, distrust the store",
    )


def check_version(release: Release, *, wanted: str | None, not_older_than: str | None) -> None:
    """Check that a release is the one that was asked for, and not an old one replayed.

    Args:
        release: A release whose signature was checked.
        wanted: The version asked for, with or without `v`; None accepts any.
        not_older_than: The newest version seen so far, if any.

    Raises:
        VerificationError: MA1731 another version, MA1732 older than known.
    """
    # Also where it is signed: a valid release of another version is the attack that a signature
    # alone lets pass.
    if wanted is not None and release.version != with_v(wanted):
        raise VerificationError(
            "MA1731",
            f"asked for {with_v(wanted)}, got {release.version}",
            hint="a signed release of another version is in its place",
        )
    check_not_older(release.version, not_older_than)


def check_artifact(release: Release, name: str, data: bytes) -> None:
    """Check that a file is the one of that name in a release.

    Args:
        release: A release whose signature was checked.
        name: The file's name.
        data: The whole file.

    Raises:
        VerificationError: MA1723 no such file, MA1721 it is shorter or longer, MA1720 it differs.
    """
    artifact = release.artifact(name)
    # Before hashing: a truncated download is the usual case and gets its own message.
    if len(data) != artifact.size:
        raise VerificationError(
            "MA1721",
            f"{name}: {len(data)} bytes, expected {artifact.size}",
            hint="fetch it again: it was cut off, or is not the file that was released",
        )
    digests.check(name, data, artifact.sha256)


def check_not_older(version: str, known: str | None) -> None:
    """Refuse a version older than one that was seen before.

    Raises:
        VerificationError: MA1732.
    """
    if known is not None and precedence(version) < precedence(known):
        raise VerificationError(
            "MA1732",
            f"{version} is older than {with_v(known)}, which is known already",
            hint="an attacker may be replaying an old release; if you want it, ask for its version",
        )


def with_v(version: str) -> str:
    """Add a leading `v` to a version that has none."""
    return version if version.startswith("v") else f"v{version}"


def precedence(version: str) -> Semver:
    """The sort key of a version (Semantic Versioning 2.0.0, rule 11).

    Args:
        version: A version with or without a leading `v`.

    Returns:
        A key for comparisons.

    Raises:
        VerificationError: MA1730, not a version.
    """
    # Before int() is called on any part of it.
    if re.fullmatch(_VERSION, with_v(version)) is None:
        _refuse(version[:64], "not a version such as v0.3.1")
    return Semver.parse(version)


def _read(
    data: bytes,
    signature: bytes,
    keys: tuple[PublicKey, ...],
    wanted: type[_Document],
    what: str,
) -> _Document:
    """Verify first, then parse: the parser sees only signed bytes.

    Raises:
        VerificationError: As `read_release`.
    """
    # Before the signature: hashing an endless file is work that an attacker without any key could
    # cause.
    if len(data) > LARGEST_DOCUMENT:
        _refuse(what, f"{len(data)} bytes, more than {LARGEST_DOCUMENT}")
    signatures.verify(data, signature, keys)
    try:
        return msgspec.json.decode(data, type=wanted)
    except (ValueError, RecursionError) as error:
        _refuse(what, str(error))


def _refuse(what: str, why: str) -> NoReturn:
    raise VerificationError(
        "MA1730", f"{what}: {why}", hint="it may come from a newer release than this program"
    )
