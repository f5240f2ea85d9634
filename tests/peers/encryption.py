"""Encryption providers for tests: installed as an image brings them."""

from __future__ import annotations

import sys
from pathlib import Path

from machineadm.documents.encryption import seal, to_yaml
from machineadm.redaction import Secret
from tests.peers import installed

EXAMPLES = Path(__file__).parents[2] / "examples/plugins"
EXAMPLE = EXAMPLES / "python/machineadm-plugin-encryption-provider-file"
PASSPHRASE = "correct horse battery"


def install(
    directory: Path, content: bytes, provider: str = "file", *, checksum: bool = True
) -> Path:
    """Install an executable as a provider's plugin, with its checksum."""
    return installed.install(directory, "encryption-provider", provider, content, checksum=checksum)


def example(passphrases: Path) -> bytes:
    """The example in Python, with the interpreter of the tests and another directory."""
    text = EXAMPLE.read_text().replace("#!/usr/bin/env python3", f"#!{sys.executable} -I")
    return text.replace("/etc/machineadm/passphrases.d", str(passphrases)).encode()


def written(body: str) -> bytes:
    """A provider in Python that does what a body says."""
    lines = "\n".join(f"        {line}" for line in body.splitlines())
    return f"""#!{sys.executable} -I
import logging, os, sys, time
from machineadm.plugins.sdk import CallError, EncryptionProvider, serve

class Written(EncryptionProvider):
    def fetch_passphrase(self, provider):
{lines}

serve(Written())
""".encode()


def sealed(plaintext: bytes, provider: str = "file", passphrase: str = PASSPHRASE) -> bytes:
    """An EncryptedData of a provider."""
    data = seal(plaintext, Secret(passphrase), provider=provider, random=bytes, iterations=10000)
    return to_yaml(data)
