"""Two archives side by side: the same bytes, the same contents, or what differs.

The compressed form of an entry depends on the builder's zopfli, its content does not. So two archives
have the same contents when everything but the compressed bytes agrees, and nothing lies between,
before or behind the entries that only one of them has.
"""

from __future__ import annotations

import hashlib
import io
import struct
import zipfile
import zlib
from typing import NamedTuple

LOCAL_HEADER = 30
CENTRAL_HEADER = 46
END_RECORD = 22
# zlib unpacks a thousand times what it is given.
LARGEST_ENTRY = 256 * 1024 * 1024  # an archive that is not ours may unpack to anything
METADATA = (
    "compress_type", "date_time", "create_system", "create_version", "extract_version", "flag_bits",
    "internal_attr", "external_attr", "extra", "comment",
)  # fmt: skip


class Entry(NamedTuple):
    """One file in an archive, apart from how it was compressed."""

    content: bytes
    metadata: dict[str, object]


class Archive(NamedTuple):
    """An archive, apart from how its entries were compressed."""

    start: bytes
    entries: dict[str, Entry]
    comment: bytes
    strays: list[str]


def differences(theirs: bytes, ours: bytes) -> list[str]:
    """Say what differs between two archives, apart from how their entries are compressed.

    Raises:
        zipfile.BadZipFile: One of them is not an archive.
    """
    # Both by the same reader, and not by zipfile alone: it would pass over bytes that belong to no
    # entry.
    left, right = take_apart(theirs), take_apart(ours)
    found = left.strays
    # The line that names the interpreter is before the archive, and is run first.
    if left.start != right.start:
        found.append(f"starts with {left.start[:80]!r} instead of {right.start[:80]!r}")
    found += [f"{name}: not in the build" for name in left.entries if name not in right.entries]
    found += [f"{name}: missing" for name in right.entries if name not in left.entries]
    for name, entry in left.entries.items():
        if name in right.entries:
            found += [
                f"{name}: {text}" for text in entry_differences(name, entry, right.entries[name])
            ]
    # Only where nothing else differs: an entry too many moves all that follow.
    if not found and list(left.entries) != list(right.entries):
        found.append("its entries are in another order")
    if left.comment != right.comment:
        found.append(f"ends with the comment {left.comment[:80]!r}")
    return found


def entry_differences(name: str, theirs: Entry, ours: Entry) -> list[str]:
    """Say what differs between two entries of one name; archives within the archive are taken apart, too.

    Raises:
        zipfile.BadZipFile: An entry that is called an archive is none.
    """
    found = []
    # Taken apart as well: their own compressed bytes differ with zopfli.
    if theirs.content != ours.content and name.endswith(".zip"):
        found += differences(theirs.content, ours.content)
    elif theirs.content != ours.content:
        sums = [hashlib.sha256(entry.content).hexdigest()[:16] for entry in (theirs, ours)]
        found.append(f"content differs (sha256 {sums[0]}... instead of {sums[1]}...)")
    for field, value in theirs.metadata.items():
        if value != ours.metadata[field]:
            found.append(
                f"{field} is {shown(field, value)} instead of {shown(field, ours.metadata[field])}"
            )
    return found


def shown(field: str, value: object) -> str:
    """Show a file's mode as one is used to see it."""
    return (
        f"mode {value >> 16:o}"
        if field == "external_attr" and isinstance(value, int)
        else str(value)
    )


def take_apart(data: bytes) -> Archive:
    """Read an archive byte by byte; what belongs to no entry is reported as a stray.

    Raises:
        zipfile.BadZipFile: It is not an archive.
    """
    entries: dict[str, Entry] = {}
    strays: list[str] = []
    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        infos = archive.infolist()
        # Where the first entry says that it is; what is before it is the start.
        first = position = infos[0].header_offset if infos else archive.start_dir
        for info in infos:
            if info.header_offset != position:
                strays.append(f"{info.filename}: does not follow the entry before it")
            content, position, wrong = read_entry(data, info)
            strays += wrong
            # Readers disagree about which of two entries counts.
            if info.filename in entries:
                strays.append(f"{info.filename}: is there twice")
            metadata = {field: getattr(info, field) for field in METADATA}
            entries[info.filename] = Entry(content, metadata)
        directory = sum(
            CENTRAL_HEADER + len(info.orig_filename.encode()) + len(info.extra) + len(info.comment)
            for info in infos
        )
        # What is left over could be code for a reader that does not look at the table.
        behind = len(data) - position - directory - END_RECORD - len(archive.comment)
        if behind or archive.start_dir != position:
            strays.append(f"{behind} bytes belong to no entry")
        return Archive(data[:first], entries, archive.comment, strays)


def read_entry(data: bytes, info: zipfile.ZipInfo) -> tuple[bytes, int, list[str]]:
    """Read one entry from its local header on.

    Returns:
        Its content, the offset of what follows, and what the directory does not say of it.

    Raises:
        zipfile.BadZipFile: The content cannot be read.
    """
    start = info.header_offset
    name = info.orig_filename.encode()
    expected = struct.pack(
        "<4sHHHHHIIIHH",
        b"PK\3\4", info.extract_version, info.flag_bits, info.compress_type, *dos_time(info),
        info.CRC, info.compress_size, info.file_size, len(name), 0,
    )  # fmt: skip
    body = start + LOCAL_HEADER + len(name)
    wrong = []
    # Some readers take the local header and others the table, so both must say the same.
    if data[start:body] != expected + name:
        wrong.append(f"{info.filename}: its own header differs from the directory")
    stored = data[body : body + info.compress_size]
    deflated = info.compress_type == zipfile.ZIP_DEFLATED
    content, ends = inflate(stored) if deflated else (stored, True)
    if not ends or len(content) != info.file_size or zlib.crc32(content) != info.CRC:
        wrong.append(f"{info.filename}: its content does not end where the directory says")
    return content, body + info.compress_size, wrong


def inflate(stored: bytes) -> tuple[bytes, bool]:
    """Uncompress an entry, and tell whether the compressed bytes end with it.

    Raises:
        zipfile.BadZipFile: It is not compressed at all.
    """
    stream = zlib.decompressobj(-15)
    try:
        # -15 above: raw deflate, without zlib's header, as a zip has it.
        content = stream.decompress(stored, LARGEST_ENTRY)
    except zlib.error as error:
        raise zipfile.BadZipFile(f"cannot be read: {error}") from error
    return content, stream.eof and not stream.unused_data


def dos_time(info: zipfile.ZipInfo) -> tuple[int, int]:
    """Give an entry's time as its local header has it: time, then date."""
    year, month, day, hour, minute, second = info.date_time
    return hour << 11 | minute << 5 | second // 2, (year - 1980) << 9 | month << 5 | day
