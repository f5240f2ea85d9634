"""Encrypt documents as EncryptedData, one for each input; they are not validated."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.passphrases import PROVIDER, passphrases_of
from machineadm.errors import ConfigError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_path()
    parser.add_option(
        "--provider",
        metavar="NAME",
        required=True,
        type=_provider,
        help="name by which the machine finds the passphrase",
    )
    parser.add_passphrases()
    parser.add_option(
        "--cipher-algorithm",
        choices=("aes-256-cbc", "aes-256-gcm"),
        # The proposal's choice, and what an operator without machineadm can open by `openssl enc`;
        # the MAC makes up for what CBC lacks.
        default="aes-256-cbc",
        help="aes-256-cbc with HMAC-SHA-512 (default; `openssl enc` knows it) or aes-256-gcm",
    )
    parser.add_option(
        "--digest-algorithm",
        choices=("sha-512", "sha-256"),
        default="sha-512",
        help="digest of the key derivation (default sha-512)",
    )
    parser.add_option(
        "--iterations",
        metavar="N",
        type=_iterations,
        # A machine at first boot may have one slow core: this takes it well below a second. Whoever
        # has more time can ask for more.
        default="50000",
        help="iterations of the key derivation, 10000 to 10000000 (default 50000)",
    )


def run(arguments: Namespace) -> int:
    """Print the sealed documents.

    Raises:
        ConfigError: There is no passphrase, or a document is too large.
    """
    import os

    from machineadm.documents.encryption import seal, to_yaml
    from machineadm.sources.stream import read_streams

    # Before anything is read: a pipe must not be emptied for nothing.
    passphrase = passphrases_of(arguments).passphrase(arguments.provider)
    if passphrase is None:
        raise ConfigError(
            "MA1501",
            f"no passphrase for provider {arguments.provider!r}",
            hint="--passphrase-file FILE or --passphrase-fd N",
        )
    sealed = [
        seal(
            stream.data,
            passphrase,
            provider=arguments.provider,
            random=os.urandom,
            cipher=arguments.cipher_algorithm,
            digest=arguments.digest_algorithm,
            iterations=arguments.iterations,
        )
        # Each input is sealed by itself, with salt and nonce of its own: none may ever be used
        # twice with one key.
        for stream in read_streams(arguments.path)
    ]
    sys.stdout.write("---\n".join(to_yaml(data).decode() for data in sealed))
    return 0


def _provider(text: str) -> str:
    import re
    from argparse import ArgumentTypeError

    # A name of a plugin and of a file below /etc: what the machine looks up later has to be valid
    # there.
    if not re.fullmatch(PROVIDER, text):
        raise ArgumentTypeError(f"{text!r} must be lower-case letters, digits and hyphens")
    return text


def _iterations(text: str) -> int:
    from argparse import ArgumentTypeError

    # isdecimal() takes the digits of every script, which int() does as well; nobody means them
    # here.
    if not (text.isdecimal() and text.isascii() and len(text) < 9):
        raise ArgumentTypeError(f"{text!r} is not a number")
    # What EncryptedData's type takes. Less gives no protection worth the name; more would keep a
    # small machine busy for minutes.
    if not 10000 <= int(text) <= 10000000:
        raise ArgumentTypeError(f"{text} is not between 10000 and 10000000")
    return int(text)
