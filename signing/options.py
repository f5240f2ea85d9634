"""Options that several commands have."""

from __future__ import annotations

import argparse
import os
from pathlib import Path

from machineadm.errors import HostError, UsageError
from machineadm.redaction import Secret
from machineadm.verification.keys import PublicKey, load_public_keys, pinned
from signing import files
from signing.private_files import LARGEST_KEY, read_private


def add_signer(parser: argparse.ArgumentParser) -> None:
    """Add the options that name a private key: `--key`, `--passphrase-file`, `--passphrase-fd`."""
    parser.add_argument("--key", metavar="URI", help="file:PATH, env:NAME or pkcs11:...")
    add_passphrase(parser)


def add_passphrase(parser: argparse.ArgumentParser) -> None:
    """Add the options that say where a passphrase comes from; never the passphrase itself."""
    # Both at once would hide which of them counts.
    where = parser.add_mutually_exclusive_group()
    where.add_argument("--passphrase-file", metavar="FILE", type=Path)
    where.add_argument("--passphrase-fd", metavar="N", type=int)


def passphrase(arguments: argparse.Namespace) -> Secret | None:
    """Read the passphrase that the command line names; one newline at its end is dropped.

    Raises:
        HostError: MA1803 others can read the file, MA1820 it cannot be read.
        UsageError: MA1806, it is empty.
    """
    # A file's mode is checked; a descriptor's cannot be, and belongs to whoever opened it.
    if arguments.passphrase_file is not None:
        data = read_private(arguments.passphrase_file)
    elif arguments.passphrase_fd is not None:
        data = _read_descriptor(arguments.passphrase_fd)
    else:
        return None
    # One newline alone, since editors and `echo` add one: a passphrase may end in blanks.
    # surrogateescape keeps bytes that are not UTF-8 (keys.py, passphrase_bytes).
    text = data.decode("utf-8", "surrogateescape").removesuffix("\n")
    # cryptography refuses an empty passphrase with an error of its own, and a pipe that failed
    # gives just that.
    if not text:
        raise UsageError("MA1806", "the passphrase is empty")
    return Secret(text)


def add_public_keys(parser: argparse.ArgumentParser) -> None:
    """Add the options that say whom to trust: `--key` and `--fingerprint`, both repeatable."""
    parser.add_argument("--key", metavar="FILE", type=Path, action="append", default=[])
    parser.add_argument("--fingerprint", metavar="sha256:HEX", action="append", default=[])


def public_keys(arguments: argparse.Namespace, beside: Path) -> tuple[PublicKey, ...]:
    """Read the keys to trust.

    Args:
        arguments: What `add_public_keys` parsed.
        beside: The key file that comes with the release; used only with a fingerprint to hold it to.

    Returns:
        At least one key.

    Raises:
        UsageError: MA1801, neither keys nor fingerprints.
        VerificationError: MA170x, a file holds no fit key, or none with such a fingerprint.
    """
    keys = tuple(key for path in arguments.key for key in load_public_keys(files.read(path)))
    if arguments.fingerprint:
        # Held to a fingerprint before it counts: the key that lies beside a release was put there
        # by whoever put the release there.
        known = pinned(load_public_keys(files.read(beside)), arguments.fingerprint)
        # A key that is given both ways counts once.
        keys = tuple(dict.fromkeys((*keys, *known)))
    if not keys:
        raise UsageError(
            "MA1801",
            "no key to verify with",
            hint="give --key FILE, or --fingerprint for the key beside the release; "
            "that key alone proves nothing",
        )
    return keys


def _read_descriptor(number: int) -> bytes:
    try:
        # closefd=False: the descriptor belongs to whoever opened it.
        with os.fdopen(number, "rb", closefd=False) as file:
            # With a bound, or /dev/zero would fill the memory.
            return file.read(LARGEST_KEY)
    except (OSError, ValueError) as error:
        raise HostError("MA1820", f"descriptor {number} cannot be read: {error}") from error
