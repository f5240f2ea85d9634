"""Signed releases to publish, larger than those of tests.releases, and of one version with different content."""

from pathlib import Path

from machineadm.verification.release import Release
from signing import whole
from signing.keys import PemSigner
from signing.sign import sign_directory
from tests.releases import AGENTS, build_release, signer

__all__ = ["made", "make", "signer"]


def make(
    directory: Path, version: str = "v0.1.0", *, content: str = "", key: PemSigner | None = None
) -> Path:
    """A release directory as `make release` and `sign` leave it."""
    key = key or signer()
    path = build_release(directory, version)
    for name in AGENTS:
        (path / name).write_bytes(f"#!/usr/bin/python3 -IS\n{name} {content}\0".encode() * 999)
    sign_directory(path, key, (key.public,))
    return path


def made(
    directory: Path, version: str = "v0.1.0", *, content: str = ""
) -> tuple[Release, dict[str, bytes]]:
    """A release as it is handed to the publisher."""
    return whole.read(make(directory, version, content=content), (signer().public,))
