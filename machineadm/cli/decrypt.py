"""Decrypt EncryptedData and print its documents, byte for byte; other documents stay as they are."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.passphrases import passphrases_of
from machineadm.errors import VerificationError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_path()
    # The same sources of passphrases as bootstrap has, so that one can try what a machine will do.
    parser.add_opening()


def run(arguments: Namespace) -> int:
    """Print all documents or none; 4 if one does not open."""
    from machineadm.documents import printing
    from machineadm.documents.decryption import decrypt
    from machineadm.documents.opening import Opener
    from machineadm.sources.stream import read_streams

    passphrases = passphrases_of(arguments)
    opener = Opener(
        passphrases=passphrases,
        allow_unauthenticated=arguments.allow_unauthenticated_encryption,
    )
    opened = [
        decrypt(stream.data, file=stream.name, opener=opener)
        for stream in read_streams(arguments.path, plugins=passphrases.plugins)
    ]
    # Everything is opened before anything is printed: a pipe must not get half of a configuration.
    if problems := [problem for _, found in opened for problem in found]:
        sys.stderr.write(printing.as_text(problems))
        return VerificationError.exit_code
    for number, (plaintext, _) in enumerate(opened):
        if number:
            sys.stdout.buffer.write(b"---\n")
        # As bytes: what was sealed comes out byte for byte, whatever the locale.
        sys.stdout.buffer.write(plaintext)
    return 0
