"""`python -m signing sign`: make a directory of files a release that others can verify.

Signing twice changes nothing: the documents depend only on the files, and a key in PEM signs
deterministically (RFC 6979). A token does not, so a signature of its key that still verifies is kept.
"""

from __future__ import annotations

import argparse
from datetime import datetime, timezone
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, NoReturn

import msgspec

from machineadm.errors import MachineadmError, UsageError, VerificationError
from machineadm.verification import digests, signatures
from machineadm.verification.keys import PublicKey, fingerprint, load_public_keys
from machineadm.verification.release import (
    BUNDLE_SUFFIX,
    DIGESTS_FILE,
    PUBLIC_KEY_FILE,
    RELEASE_FILE,
    SIGNATURE_SUFFIX,
    Artifact,
    Release,
    encode,
)
from signing import directory, files, options, sigstore
from signing.keys import open_signer
from signing.media_types import media_type

if TYPE_CHECKING:
    from collections.abc import Sequence

    from signing.keys import Signer

BUILD_FILE = "build.json"


# Further fields are let pass: the build writes more than signing needs.
class Build(msgspec.Struct, frozen=True):
    """What signing reads of build.json."""

    commit: str
    """The commit that the files were built of."""

    epoch: Annotated[int, msgspec.Meta(ge=0, lt=253402300800)]
    """SOURCE_DATE_EPOCH of the build: seconds since 1970, UTC."""

    version: str | None = None
    """The release's version; it is the directory's name."""


def run(arguments: Sequence[str]) -> int:
    """Sign the directory that the command line names, then verify it as others will.

    Raises:
        UsageError: MA1801, MA1802, MA1806: the key; MA1813: `--public` lacks it.
        VerificationError: MA18xx: the key is unfit; MA1812: build.json is.
        HostError: MA1803, MA1809, MA1811, MA1820, MA1821: a file or a token refused.
    """
    parser = argparse.ArgumentParser(prog="python -m signing sign")
    parser.add_argument("directory", metavar="DIR", type=Path)
    options.add_signer(parser)
    parser.add_argument(
        "--public",
        metavar="FILE",
        type=Path,
        help="public keys to put beside the release: this key's and, during a rotation, "
        "the second one's",
    )
    chosen = parser.parse_args(arguments)
    with open_signer(chosen.key, passphrase=options.passphrase(chosen)) as signer:
        keys = public_keys(chosen.public, signer)
        # While the key is open: all signatures are made in one go, with one PIN.
        release = sign_directory(chosen.directory, signer, keys)
    print(
        f"{chosen.directory}: release {release.version}, {len(release.artifacts)} files, "
        f"signed by {fingerprint(signer.public)}"
    )
    return 0


def public_keys(path: Path | None, signer: Signer) -> tuple[PublicKey, ...]:
    """Return the keys to put beside the release, the signing one first: openssl and cosign read only the first.

    Raises:
        UsageError: MA1813, the signing key is not among them.
        VerificationError: MA170x, the file holds no fit keys.
    """
    if path is None:
        return (signer.public,)
    keys = load_public_keys(files.read(path))
    # Nobody could verify the release by the file that lies beside it.
    if signer.public not in keys:
        raise UsageError(
            "MA1813",
            f"{path} does not contain the public half of the signing key",
            hint=f"it must contain {fingerprint(signer.public)}",
        )
    return (signer.public, *(key for key in keys if key != signer.public))


def sign_directory(path: Path, signer: Signer, keys: tuple[PublicKey, ...]) -> Release:
    """Add the files to a release directory that make it verifiable.

    Args:
        path: The release directory, with build.json.
        signer: The key to sign with.
        keys: What machineadm.pub is to hold, the signer's among them.

    Returns:
        What release.json says.

    Raises:
        VerificationError: MA1812 build.json is unfit, MA1814 what was written does not verify.
        HostError: MA1811, MA1820, MA1821: a file.
    """
    # First, or what a killed run has left would be taken for files of the release.
    directory.remove_temporary(path)
    names = directory.artifact_names(path)
    release = describe(path, names)
    # Signed by nothing, since whoever trusts it blindly trusts whoever put it there; it is for
    # those who know its fingerprint.
    files.replace(path / PUBLIC_KEY_FILE, b"".join(key.pem() for key in keys))
    for name in names:
        data = files.read(path / name)
        signature = sign_file(path / name, data, signer)
        # From the same signature: cosign and openssl verify the same bytes.
        bundle = sigstore.encode_bundle(data, signature, signer.public)
        files.replace(path / f"{name}{BUNDLE_SUFFIX}", bundle)
    # release.json is written after all artefacts are signed: a killed run leaves a directory that
    # does not verify.
    said = encode(release)
    listed = {artifact.name: artifact.sha256 for artifact in release.artifacts}
    # In the list, though it lists the same files itself: `sha256sum -c` then covers all that is
    # signed.
    listed[RELEASE_FILE] = digests.sha256(said)
    _write_signed(path / RELEASE_FILE, said, signer)
    _write_signed(path / DIGESTS_FILE, digests.list_digests(listed), signer)
    _look_back(path, keys)
    return release


def describe(path: Path, names: Sequence[str]) -> Release:
    """Say what a release consists of.

    Args:
        path: The release directory, with build.json.
        names: Its artefacts.

    Returns:
        What release.json is to say.

    Raises:
        VerificationError: MA1812, build.json is missing or unfit, or contradicts the directory's name.
    """
    build = _read_build(path)
    # The directory's name is the version, resolved since `.` names it as well.
    version = path.resolve().name
    if build.version not in (None, version):
        _refuse_build(f"version {build.version!r} is in a directory called {version!r}")
    # The commit's time, not that of signing: signing again must give the same bytes.
    date = datetime.fromtimestamp(build.epoch, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    artifacts = tuple(_describe_file(path / name) for name in sorted(names))
    release = Release(version=version, date=date, commit=build.commit, artifacts=artifacts)
    try:
        # Read back, because a constructor of msgspec checks no patterns: a bad version must fail
        # here, not at a user's.
        return msgspec.json.decode(encode(release), type=Release)
    except (ValueError, RecursionError) as error:
        _refuse_build(f"{error}; version {version!r}, commit {build.commit!r}")


def sign_file(path: Path, data: bytes, signer: Signer) -> bytes:
    """Put a signature beside a file, as FILE.sig, unless a good one by the same key is there.

    Args:
        path: The file.
        data: What it holds.
        signer: The key to sign with.

    Returns:
        The signature, raw DER.

    Raises:
        HostError: MA1820 or MA1821, a file cannot be read or written.
    """
    target = path.with_name(path.name + SIGNATURE_SUFFIX)
    # Kept where it is good: a token signs with a random number, and each run would change the
    # release.
    if target.is_file():
        kept = files.read(target)
        try:
            signatures.verify(data, kept, [signer.public])
        except VerificationError:
            pass  # of another key, or of other bytes
        else:
            return kept
    signature = signer.sign(data)
    files.replace(target, signature)
    return signature


def _write_signed(path: Path, data: bytes, signer: Signer) -> None:
    files.replace(path, data)
    sign_file(path, data, signer)


def _describe_file(path: Path) -> Artifact:
    data = files.read(path)
    return Artifact(path.name, digests.sha256(data), len(data), media_type(path.name))


def _read_build(path: Path) -> Build:
    try:
        return msgspec.json.decode(directory.need(path, BUILD_FILE), type=Build)
    except (ValueError, VerificationError, RecursionError) as error:
        _refuse_build(str(error))


def _look_back(path: Path, keys: tuple[PublicKey, ...]) -> None:
    try:
        # As others will: what cannot be verified here must not be published.
        directory.verify_directory(path, keys)
    except MachineadmError as error:
        raise VerificationError(
            "MA1814", f"what was just signed does not verify: {error.code} {error}"
        ) from error


def _refuse_build(why: str) -> NoReturn:
    raise VerificationError(
        "MA1812",
        f"{BUILD_FILE}: {why}",
        hint="`make release` writes it; the directory's name is the version, such as v0.3.1",
    )
