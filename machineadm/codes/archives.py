"""Archives."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA3641": Code(
        "the archive cannot be read",
        "The archive has the right digest, but it is not a tar archive, or it is compressed in a way that machineadm cannot read.",
        "tar archives are read, whole or compressed by gzip, bzip2 or xz. Unpack others with a command.",
    ),
    "MA3642": Code(
        "the archive has no such member",
        "The archive has no file of that name. None of its members was written.",
        "`tar -tf ARCHIVE` lists its members. Leave out a `./` before the name.",
    ),
    "MA3643": Code(
        "a member is not a regular file",
        "A member of the archive is a link, a directory or a device. None of its members was written.",
        "Name each file of a directory. Make links with `files[].linkTo`.",
    ),
    "MA3644": Code(
        "a member is too large",
        "A member of the archive is larger than can be unpacked.",
        "Unpack it with a command.",
    ),
}
