"""EncryptedData beside openssl, beside its own past, and beside an attacker who changes one bit.

MACHINEADM_GOLDEN=write makes the expected files anew: what was encrypted before must open for ever, so there is hardly
ever a reason.
"""

from __future__ import annotations

import base64
import gzip
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import msgspec
import pytest

from machineadm.api.v1alpha1.encrypted_data import EncryptedData
from machineadm.documents.decoding import decode
from machineadm.documents.encryption import Cipher, Digest, SealedError, seal, to_yaml, unseal
from machineadm.redaction import Secret

ROOT = Path(__file__).parents[2]
GOLDEN = ROOT / "tests/contract/golden/encrypted"
DOCS = (ROOT / "docs/encryption.md").read_text()
PASSPHRASE = Secret("correct horse battery staple \udcff")
PLAINTEXT = b"apiVersion: v1\nkind: Secret\nstringData:\n  key: value\n"


def gzipped(content: bytes) -> bytes:
    """Stored, and the same bytes under each Python: they differ in what they call the operating system."""
    packed = gzip.compress(content, 0, mtime=0)
    return packed[:9] + b"\x03" + packed[10:]


VECTORS: dict[str, tuple[bytes, Cipher, Digest, int]] = {
    "cbc-sha512": (PLAINTEXT, "aes-256-cbc", "sha-512", 50000),
    "cbc-sha256": (PLAINTEXT, "aes-256-cbc", "sha-256", 10000),
    "cbc-empty": (b"", "aes-256-cbc", "sha-512", 10000),
    "cbc-gzip": (gzipped(PLAINTEXT), "aes-256-cbc", "sha-512", 10000),
    "gcm-sha512": (PLAINTEXT, "aes-256-gcm", "sha-512", 10000),
    "gcm-sha256": (PLAINTEXT, "aes-256-gcm", "sha-256", 12345),
}


def counting() -> Callable[[int], bytes]:
    given = iter(range(256))
    return lambda count: bytes(next(given) for _ in range(count))


@pytest.mark.parametrize("name", VECTORS)
def test_what_is_written_is_as_expected(name: str) -> None:
    plaintext, cipher, digest, iterations = VECTORS[name]

    written = to_yaml(
        seal(
            plaintext,
            PASSPHRASE,
            provider="vault",
            random=counting(),
            cipher=cipher,
            digest=digest,
            iterations=iterations,
        )
    )

    path = GOLDEN / f"{name}.yaml"
    if os.environ.get("MACHINEADM_GOLDEN") == "write":
        path.parent.mkdir(exist_ok=True)
        path.write_bytes(written)
    assert written == path.read_bytes()


@pytest.mark.parametrize("name", VECTORS)
def test_what_was_written_once_opens(name: str) -> None:
    (document,) = decode((GOLDEN / f"{name}.yaml").read_bytes(), file=name)

    opened = unseal(document.value, PASSPHRASE)

    assert opened == (b"" if name == "cbc-empty" else PLAINTEXT)


def accepted_flips(data: EncryptedData, opens: Callable[[EncryptedData], object]) -> dict[str, int]:
    """How many changed bits of each field are not refused as a wrong passphrase is."""
    found: dict[str, int] = {}
    for name in ("salt", "iv", "ciphertext", "mac"):
        plain = bytearray(base64.b64decode(getattr(data.spec, name) or ""))
        for bit in range(len(plain) * 8):
            plain[bit // 8] ^= 1 << bit % 8
            text = base64.b64encode(plain).decode()
            plain[bit // 8] ^= 1 << bit % 8
            spec = msgspec.structs.replace(data.spec, **{name: text})
            try:
                opens(msgspec.structs.replace(data, spec=spec))
            except SealedError as error:
                if error.code == "MA1502":
                    continue
            found[name] = found.get(name, 0) + 1
    return found


def small(cipher: Cipher) -> EncryptedData:
    """Cheap to open a thousand times."""
    return seal(
        PLAINTEXT, PASSPHRASE, provider="vault", random=counting(), cipher=cipher, iterations=1
    )


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
def test_no_changed_bit_is_accepted(cipher: Cipher) -> None:
    assert accepted_flips(small(cipher), lambda data: unseal(data, PASSPHRASE)) == {}


def test_an_agent_that_looks_at_no_mac_would_be_caught() -> None:
    """The judge above, beside an opener with the very fault it is there for."""

    def careless(data: EncryptedData) -> bytes:
        bare = msgspec.structs.replace(data, spec=msgspec.structs.replace(data.spec, mac=None))
        return unseal(bare, PASSPHRASE, allow_unauthenticated=True)

    assert accepted_flips(small("aes-256-cbc"), careless).keys() >= {"iv", "mac"}


def test_openssl_opens_ours_and_we_open_what_openssl_made(tmp_path: Path) -> None:
    """All blocks of docs/encryption.md, one after the other in one shell."""
    blocks = re.findall(r"^```sh\n(.*?)^```", DOCS, re.M | re.S)
    assert sum("openssl enc" in block for block in blocks) == 2
    program = tmp_path / "bin/machineadm"
    program.parent.mkdir()
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m machineadm "$@"\n')
    program.chmod(0o755)
    (tmp_path / "node.yaml").write_bytes((ROOT / "examples/worker.yaml").read_bytes())
    (tmp_path / "word").write_text("correct horse\n")

    ended = subprocess.run(
        ["sh", "-eu", "-c", "".join(blocks)],
        cwd=tmp_path,
        env={
            "PATH": f"{program.parent}:{os.environ['PATH']}",
            "PYTHONPATH": str(ROOT),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
    )

    assert (ended.returncode, ended.stderr) == (0, "")
    assert ended.stdout == "machineadm: no problems in closed.yaml\n"
