"""Write an archive with what is needed to find out why a machine failed, without secrets: reports, journal, logs of units, versions.

Look at it before you give it away: what programs log in forms of their own, no redaction knows.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.options import named
from machineadm.cli.passphrases import passphrases_of
from machineadm.errors import HostError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.agent.support import Bundle
    from machineadm.cli.options import Parser
    from machineadm.sources.stream import Stream

_DEFAULT = "machineadm-support.tar.gz"
_TOP = "machineadm-support"


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_option(
        "--to",
        metavar="FILE|-",
        type=named,
        default=_DEFAULT,
        help=f"the archive, which must not exist (default {_DEFAULT}); - is standard output",
    )
    parser.add_path(required=False, directories=True)
    parser.add_merge()
    parser.add_opening()
    parser.add_directories()


def run(arguments: Namespace) -> int:
    """Collect, and write the archive, mode 0600.

    Raises:
        HostError: MA6014: It cannot be written.
    """
    from machineadm.agent.support import collect
    from machineadm.cli.options import machine_of
    from machineadm.sources.stream import read_streams

    passphrases = passphrases_of(arguments)
    given: tuple[Stream, ...] = ()
    if arguments.path:
        given = read_streams(
            arguments.path, directories=True, merge=arguments.merge, plugins=passphrases.plugins
        )
    with machine_of(arguments) as machine:
        bundle = collect(machine, given=given)
        archive = pack(bundle, int(machine.host.clock.now()))
    if arguments.to == "-":
        sys.stdout.buffer.write(archive)
    else:
        _write(arguments.to, archive)
        names = "".join(f"  {name}\n" for name, _ in bundle.files)
        sys.stdout.write(f"machineadm: wrote {arguments.to}:\n{names}")
    for line in bundle.missing:
        sys.stderr.write(machine.redactor.text(f"machineadm: not in it: {line}\n"))
    return 0


def pack(bundle: Bundle, time: int) -> bytes:
    """The archive: a gzipped tar with one directory.

    Args:
        bundle: What goes into it.
        time: Of all its files, in seconds since 1970.
    """
    import io
    import tarfile

    target = io.BytesIO()
    with tarfile.open(fileobj=target, mode="w:gz") as archive:
        for name, content in bundle.files:
            member = tarfile.TarInfo(f"{_TOP}/{name}")
            member.size, member.mode, member.mtime = len(content), 0o600, time
            archive.addfile(member, io.BytesIO(content))
    return target.getvalue()


def _write(path: str, content: bytes) -> None:
    import os

    try:
        # Not over anything: a name that is guessed in a directory that all may write to could be a link to a file of root's.
        fd = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_CLOEXEC, 0o600)
        with os.fdopen(fd, "wb") as file:
            file.write(content)
    except OSError as error:
        raise HostError(
            "MA6014",
            f"cannot write {path}: {error.strerror}",
            hint="--to names a file that does not exist yet, or - for standard output",
        ) from error
