"""Compression for archives: the contents come back, whatever the cache holds, and the bytes do not depend on the machine."""

import subprocess
import sys
import zipfile
import zlib
from pathlib import Path

import pytest

import archive
import deflate
from deflate import deflated
from tests.package_parts import ROOT

TEXT = (ROOT / "build/deflate.py").read_bytes()
CONTENTS = [b"", b"a", TEXT, TEXT * 30, bytes(range(256)) * 4]


def inflated(stream: bytes) -> bytes:
    """What an interpreter of the agent reads (`content` in build/front.py)."""
    return zlib.decompress(stream, -15)


def test_contents_come_back_in_their_order(tmp_path: Path) -> None:
    assert [*map(inflated, deflated(CONTENTS, tmp_path))] == CONTENTS


def test_it_takes_fewer_bytes_than_zlib(tmp_path: Path) -> None:
    (stream,) = deflated([TEXT], tmp_path)

    assert len(stream) < len(zlib.compress(TEXT, 9)) - 6


def test_what_is_kept_is_not_compressed_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = deflated(CONTENTS, tmp_path)
    monkeypatch.delattr(deflate, "compress")

    assert deflated(CONTENTS, tmp_path) == first


@pytest.mark.parametrize(
    "kept",
    [
        b"",
        b"not a stream",
        zlib.compress(b"another content")[2:-4],
        zlib.compress(TEXT + b"x")[2:-4],
        zlib.compress(TEXT)[2:-5],
        zlib.compress(TEXT)[2:-4] + b"x",
    ],
    ids=["empty", "noise", "another", "longer", "cut", "with a tail"],
)
def test_what_is_kept_is_used_only_for_its_content(tmp_path: Path, kept: bytes) -> None:
    first = deflated([TEXT], tmp_path)
    (file,) = tmp_path.iterdir()
    file.write_bytes(kept)

    assert deflated([TEXT], tmp_path) == first
    assert file.read_bytes() == first[0]


def test_a_cache_that_cannot_be_written_stops_nothing(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    (stream,) = deflated([TEXT], tmp_path / "file/cache")

    assert inflated(stream) == TEXT


def test_the_processor_does_not_show_in_the_bytes(tmp_path: Path) -> None:
    # zopfli weighs costs by logarithms, which the C library has for processors with and without these.
    script = "import sys, pathlib, deflate; sys.stdout.buffer.write(deflate.deflated([pathlib.Path(deflate.__file__).read_bytes() * 9], pathlib.Path(sys.argv[1]))[0])"
    streams = {
        subprocess.run(
            [sys.executable, "-c", script, str(tmp_path / str(number))],
            env={"PYTHONPATH": str(ROOT / "build"), "GLIBC_TUNABLES": tunables},
            capture_output=True,
            check=True,
        ).stdout
        for number, tunables in enumerate(["", "glibc.cpu.hwcaps=-AVX2,-FMA,-FMA4"])
    }

    assert len(streams) == 1


def test_an_archive_is_one_that_others_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("MACHINEADM_CACHE", str(tmp_path / "cache"))
    files = {"a.py": TEXT, "empty": b"", "directory/": b"", "ümlaut": b"x", "stored": TEXT}
    path = tmp_path / "archive.zip"
    with path.open("wb") as file:
        file.write(b"#!something before it\n")
        archive.add(file, files, stored={"stored", "directory/"})

    with zipfile.ZipFile(path) as read:
        assert read.testzip() is None
        assert {name: read.read(name) for name in read.namelist()} == files
        assert read.namelist() == sorted(files)
        kinds = {info.filename: info.compress_type for info in read.infolist()}
        assert kinds["a.py"] == zipfile.ZIP_DEFLATED
        assert kinds["stored"] == zipfile.ZIP_STORED


def test_what_cannot_be_kept_leaves_nothing_behind(tmp_path: Path) -> None:
    (stream,) = deflated([TEXT], tmp_path)
    (file,) = tmp_path.iterdir()
    file.unlink()
    file.mkdir()

    assert deflated([TEXT], tmp_path) == [stream]
    assert [*tmp_path.iterdir()] == [file]
