"""`python -m signing verify`: check a release directory, or one file with its signature."""

from __future__ import annotations

import argparse
from pathlib import Path
from typing import TYPE_CHECKING

from machineadm.errors import UsageError
from machineadm.verification import signatures
from machineadm.verification.release import PUBLIC_KEY_FILE, SIGNATURE_SUFFIX
from signing import directory, files, options

if TYPE_CHECKING:
    from collections.abc import Sequence


def run(arguments: Sequence[str]) -> int:
    """Check what the command line names; print what was found good.

    Raises:
        UsageError: MA1801 no key, MA1815 an option that says nothing about a single file.
        VerificationError: MA17xx, it is not what it must be.
        HostError: MA1811 or MA1820, it cannot be read.
    """
    parser = argparse.ArgumentParser(prog="python -m signing verify")
    parser.add_argument("path", metavar="DIR|FILE", type=Path)
    options.add_public_keys(parser)
    parser.add_argument("--version", metavar="V", help="the release must be this one")
    parser.add_argument("--not-older-than", metavar="V", help="the newest version seen so far")
    chosen = parser.parse_args(arguments)
    if chosen.path.is_dir():
        _verify_release(chosen)
    else:
        _verify_file(chosen)
    return 0


def _verify_release(chosen: argparse.Namespace) -> None:
    keys = options.public_keys(chosen, chosen.path / PUBLIC_KEY_FILE)
    release = directory.verify_directory(
        chosen.path, keys, wanted=chosen.version, not_older_than=chosen.not_older_than
    )
    for artifact in release.artifacts:
        print(f"{artifact.name}: OK")
    print(f"release {release.version} of {release.date}, commit {release.commit}: OK")


def _verify_file(chosen: argparse.Namespace) -> None:
    # Versions are in release.json alone. Ignoring the options would look like a check that was
    # done.
    if chosen.version or chosen.not_older_than:
        raise UsageError(
            "MA1815", "a signature says nothing about a version", hint="verify the directory"
        )
    path: Path = chosen.path
    # The key beside a file, like that beside a release, counts only together with a fingerprint.
    keys = options.public_keys(chosen, path.with_name(PUBLIC_KEY_FILE))
    data = files.read(path)
    # Added, where with_suffix would replace: FILE.pyz and FILE.pyz.cdx.json each have one.
    signer = signatures.verify(data, files.read(Path(f"{path}{SIGNATURE_SUFFIX}")), keys)
    print(f"{path.name}: OK, signed by {signer}")
