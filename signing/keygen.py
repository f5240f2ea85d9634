"""`python -m signing keygen`: make a key pair, the private half readable by its owner alone."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from machineadm.errors import HostError
from machineadm.verification.keys import fingerprint
from signing import files, options
from signing.keys import passphrase_bytes, public_half

if TYPE_CHECKING:
    from collections.abc import Sequence

    from machineadm.redaction import Secret


def run(arguments: Sequence[str]) -> int:
    """Make the key pair that the command line asks for, and print the fingerprint.

    Raises:
        HostError: MA1808 a file exists, MA1821 one cannot be written.
    """
    parser = argparse.ArgumentParser(prog="python -m signing keygen")
    parser.add_argument("--private", metavar="FILE", type=Path, required=True)
    parser.add_argument("--public", metavar="FILE", type=Path, required=True)
    options.add_passphrase(parser)
    chosen = parser.parse_args(arguments)
    private, public, name = generate(options.passphrase(chosen))
    # The private half first: a public half without it would be a key that nobody can sign with.
    files.create(chosen.private, private, mode=0o600)
    try:
        files.create(chosen.public, public, mode=0o644)
    except HostError:
        # Half a pair would be in the way of the next run, and nobody knows its fingerprint.
        chosen.private.unlink()
        raise
    print(name)
    return 0


def generate(passphrase: Secret | None) -> tuple[bytes, bytes, str]:
    """Make an ECDSA P-256 key pair.

    Args:
        passphrase: Encrypts the private half (PBES2); None leaves it as it is.

    Returns:
        The private half (PKCS#8) and the public half, both PEM, and the fingerprint.
    """
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.hazmat.primitives.serialization import (
        BestAvailableEncryption,
        Encoding,
        KeySerializationEncryption,
        NoEncryption,
        PrivateFormat,
    )

    # The one kind that machines verify (verification/keys.py).
    key = ec.generate_private_key(ec.SECP256R1())
    encryption: KeySerializationEncryption = NoEncryption()
    if passphrase is not None:
        # cryptography chooses the best that it has; `openssl pkey` opens it.
        encryption = BestAvailableEncryption(passphrase_bytes(passphrase))
    private = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, encryption)
    public = public_half(key)
    return private, public.pem(), fingerprint(public)
