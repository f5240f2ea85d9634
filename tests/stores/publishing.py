"""`python -m signing` as a process of its own, as whoever releases runs it."""

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

from signing.keygen import generate
from signing.keys import PemSigner, load_private

ROOT = Path(__file__).parents[2]


def command(*arguments: str | Path) -> list[str | Path]:
    """The command line."""
    return [sys.executable, "-m", "signing", *arguments]


def run(
    *arguments: str | Path, environment: dict[str, str] | None = None
) -> "subprocess.CompletedProcess[str]":
    """Run it to its end; a traceback is a failure whatever the test wants."""
    done = subprocess.run(
        command(*arguments),
        cwd=ROOT,
        env={**os.environ, **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert "Traceback" not in done.stderr, done.stderr
    return done


class Keys(NamedTuple):
    """A key pair in files, and the same key for releases made in this process."""

    uri: str
    public: Path
    signer: PemSigner


def keys(directory: Path) -> Keys:
    """Make a key pair as `keygen` does."""
    directory.mkdir(parents=True, exist_ok=True)
    private, public, _ = generate(None)
    file = directory / "release.key"
    file.touch(0o600)
    file.write_bytes(private)
    (directory / "release.pub").write_bytes(public)
    return Keys(f"file:{file}", directory / "release.pub", PemSigner(load_private(private, None)))
