"""Keys and small signed releases for tests; every key is made anew and none is checked in."""

from __future__ import annotations

import json
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from machineadm.verification import digests
from machineadm.verification.keys import PublicKey
from signing.keys import PemSigner
from signing.sign import sign_directory

if TYPE_CHECKING:
    from machineadm.verification.release import Release

EPOCH = 1767225600  # 2026-01-01T00:00:00Z
COMMIT = "0123456789abcdef0123456789abcdef01234567"
AGENTS = ("machineadm-linux-amd64.pyz", "machineadm-linux-arm64.pyz")
FILES = (
    *(f"{name}{end}" for name in AGENTS for end in ("", ".cdx.json", ".intoto.json")),
    "machineadm-crds.yaml",
    "build.json",
)
PrivateKey = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


def private_key(name: str = "release") -> ec.EllipticCurvePrivateKey:
    """One P-256 key for each name."""
    return _private_key(name)


@cache
def _private_key(_name: str) -> ec.EllipticCurvePrivateKey:
    return ec.generate_private_key(ec.SECP256R1())


@cache
def other_kinds() -> dict[str, PrivateKey]:
    """Keys that no release is signed with."""
    return {
        "P-384": ec.generate_private_key(ec.SECP384R1()),
        "P-256 of Bitcoin": ec.generate_private_key(ec.SECP256K1()),
        "RSA": rsa.generate_private_key(public_exponent=65537, key_size=2048),
        "Ed25519": ed25519.Ed25519PrivateKey.generate(),
    }


def signer(name: str = "release") -> PemSigner:
    return PemSigner(private_key(name))


def public_key(name: str = "release") -> PublicKey:
    return signer(name).public


def private_pem(key: PrivateKey) -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())


def public_pem(key: PrivateKey) -> bytes:
    return key.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)


def write_key(path: Path, name: str = "release", *, mode: int = 0o600) -> Path:
    path.write_bytes(private_pem(private_key(name)))
    path.chmod(mode)
    return path


def build_release(parent: Path, version: str = "v0.1.0") -> Path:
    """An unsigned release directory, as `make release` makes it, with tiny files."""
    directory = parent / version
    directory.mkdir(parents=True)
    for name in AGENTS:
        agent = f"#!/usr/bin/python3 -IS\n# {name} {version}\n".encode()
        (directory / name).write_bytes(agent)
        (directory / f"{name}.cdx.json").write_text(json.dumps(_contents(digests.sha256(agent))))
        (directory / f"{name}.intoto.json").write_text(json.dumps(_origin(digests.sha256(agent))))
    (directory / "machineadm-crds.yaml").write_text(
        f"# {version}\nkind: CustomResourceDefinition\n"
    )
    build = {"version": version, "commit": COMMIT, "epoch": EPOCH, "builder": {"python": "3.11.2"}}
    (directory / "build.json").write_text(json.dumps(build))
    return directory


def _contents(digest: str) -> dict[str, object]:
    openssl = {"type": "library", "name": "openssl", "version": "4.0.3"}
    return {
        "bomFormat": "CycloneDX",
        "metadata": {"component": {"hashes": [{"alg": "SHA-256", "content": digest}]}},
        "components": [
            {"type": "library", "name": "cryptography", "version": "50", "components": [openssl]}
        ],
    }


def _origin(digest: str) -> dict[str, object]:
    return {"_type": "https://in-toto.io/Statement/v1", "subject": [{"digest": {"sha256": digest}}]}


def signed_release(parent: Path, version: str = "v0.1.0", *, by: str = "release") -> Path:
    """A signed release directory."""
    directory = build_release(parent, version)
    sign(directory, by=by)
    return directory


def sign(directory: Path, *, by: str = "release", also: tuple[str, ...] = ()) -> Release:
    """Sign a directory; `also` names further keys that are published with it."""
    keys = (public_key(by), *map(public_key, also))
    return sign_directory(directory, signer(by), keys)
