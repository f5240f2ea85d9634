"""A whole release in memory, verified: what publishing and the offline bundle start from."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machineadm.errors import UsageError, VerificationError
from machineadm.verification.keys import fingerprint, load_public_keys
from machineadm.verification.release import (
    BUNDLE_SUFFIX,
    DIGESTS_FILE,
    PUBLIC_KEY_FILE,
    RELEASE_FILE,
    SIGNATURE_SUFFIX,
    Release,
    check_artifact,
    read_release,
)
from signing import files
from signing.directory import need, verify_directory

if TYPE_CHECKING:
    from pathlib import Path

    from machineadm.verification.keys import PublicKey
    from signing.keys import Signer


def read(
    path: Path, keys: tuple[PublicKey, ...], signer: Signer | None = None
) -> tuple[Release, dict[str, bytes]]:
    """Verify a release directory and read all of it.

    Args:
        path: The release directory.
        keys: Keys to trust.
        signer: A key that is to sign something beside the release; its public half must be in there.

    Returns:
        The release, and its files by name, signatures among them: what was verified, not what lies on the
        disk later.

    Raises:
        VerificationError: MA17xx or MA183x it does not verify, MA1863 its key file, which nothing signs, lacks the
            signer's key or holds one that is not trusted.
        HostError: MA1811 or MA1820, it is unfit or cannot be read.
    """
    release = verify_directory(path, keys)
    # Read after it was verified, and so verified once more from memory.
    content = {name: need(path, name) for name in names(release)}
    _check_again(release, content, keys)
    _check_published(load_public_keys(content[PUBLIC_KEY_FILE]), keys, signer)
    return release, content


def trusted(public: Path | None, signer: Signer | None) -> tuple[PublicKey, ...]:
    """The keys that a release must be signed with: those of a file, and the signer's own.

    Raises:
        UsageError: MA1801, neither is given.
        VerificationError: MA170x, the file holds no fit keys.
        HostError: MA1820, the file cannot be read.
    """
    own = () if signer is None else (signer.public,)
    given = () if public is None else load_public_keys(files.read(public))
    # Without either of them nothing can be trusted, and a release that only agrees with itself must
    # not be published.
    if not own and not given:
        raise UsageError(
            "MA1801",
            "no key",
            hint="--key URI verifies and signs what is made; --public FILE only verifies",
        )
    # Each once, the signer's own first.
    return tuple(dict.fromkeys((*own, *given)))


def names(release: Release) -> list[str]:
    """All files of a signed release, sorted."""
    artifacts = [artifact.name for artifact in release.artifacts]
    lists = [RELEASE_FILE, DIGESTS_FILE]
    signed = [f"{name}{SIGNATURE_SUFFIX}" for name in (*artifacts, *lists)]
    # The lists have none: cosign verifies artefacts, and the lists are for openssl and sha256sum.
    bundles = [f"{name}{BUNDLE_SUFFIX}" for name in artifacts]
    return sorted([*artifacts, *lists, *signed, *bundles, PUBLIC_KEY_FILE])


def _check_again(release: Release, content: dict[str, bytes], keys: tuple[PublicKey, ...]) -> None:
    """Hold what was read to what was verified: a file may have changed in between.

    Raises:
        VerificationError: MA17xx, one has.
    """
    # The signature covers the digests, so the files follow from it.
    read_release(content[RELEASE_FILE], content[RELEASE_FILE + SIGNATURE_SUFFIX], keys)
    for artifact in release.artifacts:
        check_artifact(release, artifact.name, content[artifact.name])


def _check_published(
    published: tuple[PublicKey, ...], keys: tuple[PublicKey, ...], signer: Signer | None
) -> None:
    # Checked before anything is written: pointers that nobody can verify would stop every reader.
    if signer is not None and signer.public not in published:
        raise VerificationError(
            "MA1863",
            f"{PUBLIC_KEY_FILE} lacks {fingerprint(signer.public)}",
            hint="nobody could verify what this key signs; `sign --public FILE` adds both keys",
        )
    # A key that was planted beside the release would be trusted by whoever takes the file at its
    # word.
    for key in published:
        if key not in keys:
            raise VerificationError(
                "MA1863",
                f"{PUBLIC_KEY_FILE} holds {fingerprint(key)}, which is not among the keys given",
                hint="during a key rotation, --public FILE names both; otherwise somebody planted a key",
            )
