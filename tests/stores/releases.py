"""Small signed releases."""

import json
from functools import cache
from pathlib import Path

from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key

from machineadm.verification.release import Release
from signing import whole
from signing.keys import PemSigner
from signing.sign import sign_directory


@cache
def signer(name: str = "ours") -> PemSigner:
    """A key, the same for the same name during a run."""
    del name
    return PemSigner(generate_private_key(SECP256R1()))


def make(
    folder: Path, version: str = "v0.1.0", *, content: str = "", key: PemSigner | None = None
) -> Path:
    """A release directory as `make release` and `sign` leave it."""
    key = key or signer()
    path = folder / version
    path.mkdir(parents=True)
    build = {"commit": "1bc40e9f00", "epoch": 1_790_000_000, "version": version}
    (path / "build.json").write_text(json.dumps(build))
    for arch in ("amd64", "arm64"):
        name = f"machineadm-linux-{arch}.pyz"
        (path / name).write_bytes(f"#!/usr/bin/python3 -IS\n{arch} {content}\0".encode() * 999)
        (path / f"{name}.cdx.json").write_text('{"bomFormat": "CycloneDX"}\n')
        (path / f"{name}.intoto.json").write_text('{"_type": "statement"}\n')
    (path / "machineadm-crds.yaml").write_text("kind: CustomResourceDefinition\n")
    sign_directory(path, key, (key.public,))
    return path


def made(
    folder: Path, version: str = "v0.1.0", *, content: str = ""
) -> tuple[Release, dict[str, bytes]]:
    """A release as it is handed to the publisher."""
    return whole.read(make(folder, version, content=content), (signer().public,))
