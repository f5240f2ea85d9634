"""Two archives are compared by all but the compressed bytes, and nothing hides between entries."""

import io
import zipfile
from collections.abc import Callable

import pytest

from comparison import differences

CONTENTS = {"a.py": b"print('a')\n" * 500, "b.py": b"print('b')\n" * 500}


def archive(
    contents: dict[str, bytes] = CONTENTS,
    *,
    level: int = 9,
    mode: int = 0o644,
    year: int = 2026,
    start: bytes = b"#!/usr/bin/python3 -IS\n",
    comment: bytes = b"",
) -> bytes:
    file = io.BytesIO(start)
    file.seek(len(start))
    with zipfile.ZipFile(file, "w") as target:
        for name, content in contents.items():
            entry = zipfile.ZipInfo(name, (year, 1, 1, 12, 30, 42))
            entry.external_attr = mode << 16
            entry.compress_type = zipfile.ZIP_DEFLATED
            target.writestr(entry, content, compresslevel=level)
        target.comment = comment
    return file.getvalue()


def test_another_compression_is_no_difference() -> None:
    first, second = archive(level=9), archive(level=1)

    assert first != second
    assert differences(first, second) == []


CHANGES: list[tuple[str, Callable[[], bytes]]] = [
    ("a.py: content differs", lambda: archive(CONTENTS | {"a.py": b"print('x')\n"})),
    ("c.py: not in the build", lambda: archive(CONTENTS | {"c.py": b""})),
    ("b.py: missing", lambda: archive({"a.py": CONTENTS["a.py"]})),
    ("a.py: external_attr is mode 755 instead of mode 644", lambda: archive(mode=0o755)),
    ("a.py: date_time is (2025, 1, 1, 12, 30, 42) instead", lambda: archive(year=2025)),
    ("starts with b'#!/bin/sh\\n'", lambda: archive(start=b"#!/bin/sh\n")),
    ("ends with the comment b'hello'", lambda: archive(comment=b"hello")),
    ("its entries are in another order", lambda: archive(dict(reversed(CONTENTS.items())))),
]


@pytest.mark.parametrize(("said", "changed"), CHANGES, ids=[said for said, _ in CHANGES])
def test_every_other_change_is_named(said: str, changed: Callable[[], bytes]) -> None:
    found = differences(changed(), archive())

    assert [line for line in found if line.startswith(said)], found


def test_archives_within_the_archive_are_compared_in_the_same_way() -> None:
    outer = archive({"part.zip": archive(level=9)})

    assert differences(archive({"part.zip": archive(level=1)}), outer) == []
    assert differences(archive({"part.zip": archive(mode=0o755)}), outer) == [
        f"part.zip: {name}: external_attr is mode 755 instead of mode 644" for name in CONTENTS
    ]


def test_bytes_between_entries_are_found() -> None:
    plain = archive({"a.py": CONTENTS["a.py"]})
    directory = plain.index(b"PK\1\2")
    smuggled = bytearray(plain[:directory] + b"smuggled" + plain[directory:])
    end = smuggled.index(b"PK\5\6")
    smuggled[end + 16 : end + 20] = (directory + 8).to_bytes(4, "little")
    assert zipfile.ZipFile(io.BytesIO(smuggled)).read("a.py") == CONTENTS["a.py"]

    assert "bytes belong to no entry" in " ".join(differences(bytes(smuggled), plain))


def test_bytes_behind_the_end_of_a_compressed_content_are_found() -> None:
    plain = archive({"a.py": CONTENTS["a.py"]})
    smuggled = bytearray(plain)
    start = len(b"#!/usr/bin/python3 -IS\n")
    directory, end = plain.index(b"PK\1\2"), plain.index(b"PK\5\6")
    size = int.from_bytes(plain[start + 18 : start + 22], "little")
    for place in (start + 18, directory + 20):
        smuggled[place : place + 4] = (size + 4).to_bytes(4, "little")
    smuggled[end + 16 : end + 20] = (directory + 4).to_bytes(4, "little")
    smuggled[directory:directory] = b"evil"
    assert zipfile.ZipFile(io.BytesIO(smuggled)).read("a.py") == CONTENTS["a.py"]

    assert "does not end where" in " ".join(differences(bytes(smuggled), plain))


def test_a_local_header_that_tells_another_name_is_found() -> None:
    plain = archive()
    lying = plain.replace(b"a.py", b"z.py", 1)

    assert differences(lying, plain) == ["a.py: its own header differs from the directory"]


def test_what_is_no_archive_is_refused() -> None:
    with pytest.raises(zipfile.BadZipFile):
        differences(b"#!/bin/sh\n", archive())
