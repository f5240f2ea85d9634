"""`python -m signing bundle`: a whole release as one file, for sites without a network.

The same release gives the same bytes: sorted, owned by root, with the release's date, in a tar of the plain
kind (ustar), gzipped without a name or time. Only another deflate (zlib-ng) compresses it differently.
"""

from __future__ import annotations

import argparse
import contextlib
import gzip
import io
import tarfile
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING

from machineadm.errors import HostError, UsageError
from machineadm.verification.release import SIGNATURE_SUFFIX
from signing import files, options, whole
from signing.keys import open_signer

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from machineadm.verification.release import Release
    from signing.keys import Signer

SCRIPT = "verify.sh"
WHEELS = "wheels"


def run(arguments: Sequence[str]) -> int:
    """Verify the release that the command line names, then make one file of it.

    Raises:
        UsageError: MA1801, MA1802, MA1806: the key; MA1862: the wheels.
        VerificationError: MA17xx, MA183x, MA1863: the release.
        HostError: MA1803, MA1809, MA1811, MA1820, MA1821: a file or a token refused.
    """
    parser = argparse.ArgumentParser(prog="python -m signing bundle")
    parser.add_argument("directory", metavar="DIR", type=Path)
    parser.add_argument("--output", metavar="FILE", type=Path, required=True)
    parser.add_argument("--wheels", metavar="DIR", type=Path, help="for verify-release WHEELS=DIR")
    options.add_signer(parser)
    parser.add_argument(
        "--public", metavar="FILE", type=Path, help="keys to trust beside --key's own"
    )
    chosen = parser.parse_args(arguments)
    # Read before a key is opened: a mistake in a path should not cost a PIN.
    wheels = {} if chosen.wheels is None else read_wheels(chosen.wheels)
    with contextlib.ExitStack() as stack:
        # None: a release that is mirrored may be packed by who has no private key, but then nothing
        # signs the archive itself.
        signer: Signer | None = None
        if chosen.key is not None:
            opened = open_signer(chosen.key, passphrase=options.passphrase(chosen))
            signer = stack.enter_context(opened)
        keys = whole.trusted(chosen.public, signer)
        # Verified in memory and packed from memory: nothing on the disk can change in between.
        release, content = whole.read(chosen.directory, keys, signer)
        packed = pack(release, content, wheels)
        # The signature last: a run that is killed in between leaves an archive without one, or
        # beside an old one that does not fit.
        files.replace(chosen.output, packed)
        if signer is not None:
            beside = chosen.output.with_name(f"{chosen.output.name}{SIGNATURE_SUFFIX}")
            files.replace(beside, signer.sign(packed))
    print(f"{chosen.output}: release {release.version}, {len(packed)} bytes")
    return 0


def read_wheels(directory: Path) -> dict[str, bytes]:
    """Read the wheels of a directory.

    Raises:
        UsageError: MA1862, it holds none, or something else.
        HostError: MA1820, it cannot be read.
    """
    try:
        names = sorted(entry.name for entry in directory.iterdir())
    except OSError as error:
        raise HostError("MA1820", f"{directory}: cannot be read: {error.strerror}") from error
    # Hidden files count as something else: pip leaves none, and an editor or macOS does.
    other = [name for name in names if not name.endswith(".whl") or name.startswith(".")]
    # A directory with something else in it is most likely another one.
    if other or not names:
        raise UsageError(
            "MA1862",
            f"{directory} holds {'no wheel' if not names else ', '.join(other)}",
            hint="it must contain wheels and nothing else",
        )
    # They are not signed here: verify-release compares each with the hash in the lock.
    return {name: files.read(directory / name) for name in names}


def pack(release: Release, content: Mapping[str, bytes], wheels: Mapping[str, bytes]) -> bytes:
    """Make the archive.

    Args:
        release: What its release.json says.
        content: All files of the release by name.
        wheels: Further files by name, or none.

    Returns:
        A gzipped tar whose members are in one directory, `machineadm-VERSION/`. Nothing in it is executable
        but the script: the agent becomes so where it is installed, after it was verified.
    """
    # From this checkout: no release contains the script, so nothing signs it but the archive's own
    # signature.
    script = Path(__file__).with_name(SCRIPT).read_bytes()
    members = {**content, SCRIPT: script}
    members.update({f"{WHEELS}/{name}": data for name, data in wheels.items()})
    top = f"machineadm-{release.version}"
    # Python 3.10 does not read a Z.
    date = int(datetime.fromisoformat(release.date.replace("Z", "+00:00")).timestamp())
    packed = io.BytesIO()
    with (
        # A file name and the time of compressing would be in the header otherwise (RFC 1952).
        gzip.GzipFile(filename="", mode="wb", fileobj=packed, mtime=0) as compressed,
        # Python's default is pax, whose extended headers not every tar on an air-gapped site reads.
        tarfile.open(fileobj=compressed, mode="w", format=tarfile.USTAR_FORMAT) as archive,
    ):
        # Directories first, as tar needs them.
        for directory in (top, f"{top}/{WHEELS}") if wheels else (top,):
            archive.addfile(_member(directory, date, tarfile.DIRTYPE, 0o755))
        for name in sorted(members):
            member = _member(f"{top}/{name}", date, tarfile.REGTYPE, 0o644)
            member.mode = 0o755 if name == SCRIPT else 0o644
            member.size = len(members[name])
            archive.addfile(member, io.BytesIO(members[name]))
    return packed.getvalue()


def _member(name: str, date: int, kind: bytes, mode: int) -> tarfile.TarInfo:
    member = tarfile.TarInfo(name)
    member.type, member.mode, member.mtime = kind, mode, date
    # The builder's account must not be part of a release.
    member.uid = member.gid = 0
    member.uname = member.gname = "root"
    return member
