"""A file that is large by its length alone costs its maker nothing, and must not cost a run its time."""

from __future__ import annotations

import hashlib
import os
import threading
from pathlib import Path

import pytest

from machineadm.execution.seen import Eyes
from machineadm.host.linux.adapter import linux_host
from machineadm.host.linux.files import LinuxFiles
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import LARGEST_READ, is_hollow

HOLLOW = 1 << 40


@pytest.fixture
def files(tmp_path: Path) -> LinuxFiles:
    return LinuxFiles(Tree(str(tmp_path)))


def test_a_file_of_holes_is_not_read_and_has_no_digest(files: LinuxFiles, tmp_path: Path) -> None:
    (tmp_path / "page").touch()
    os.truncate(tmp_path / "page", HOLLOW)

    # Read, it would take a quarter of an hour.
    assert files.sha256("/page") == ""
    assert files.sha512("/page") == ""


@pytest.mark.parametrize("size", [0, 1, 4096, 1 << 20])
def test_a_small_file_with_holes_has_its_digest(
    files: LinuxFiles, tmp_path: Path, size: int
) -> None:
    (tmp_path / "page").touch()
    os.truncate(tmp_path / "page", size)

    assert files.sha256("/page") == hashlib.sha256(bytes(size)).hexdigest()


@pytest.mark.parametrize(
    ("size", "allocated", "hollow"),
    [
        (LARGEST_READ, 0, False),
        (LARGEST_READ + 1, 0, True),
        # An archive on a file system that compresses.
        (1 << 30, (1 << 30) // 20, False),
        (1 << 30, 1 << 30, False),
        (1 << 30, 4096, True),
    ],
)
def test_what_a_file_system_compresses_is_not_hollow(
    size: int, allocated: int, *, hollow: bool
) -> None:
    assert is_hollow(size, allocated) is hollow


def test_two_files_of_holes_are_not_taken_for_one(tmp_path: Path) -> None:
    (tmp_path / "page").touch()
    os.truncate(tmp_path / "page", HOLLOW)
    host = linux_host(root=str(tmp_path))
    first, changed = Eyes(host).look("/page"), (tmp_path / "page").stat().st_ctime_ns

    # The kernel's clock has ticks of some milliseconds.
    while (tmp_path / "page").stat().st_ctime_ns == changed:
        with (tmp_path / "page").open("r+b") as file:
            file.write(b"x")

    assert Eyes(host).look("/page") != first


def test_a_file_that_grows_while_it_is_read_ends(files: LinuxFiles, tmp_path: Path) -> None:
    page, done = tmp_path / "page", threading.Event()
    page.write_bytes(b"x" * (8 << 20))

    def grow() -> None:
        with page.open("ab") as file:
            while not done.is_set() and file.tell() < 1 << 28:
                file.write(b"y" * (1 << 20))
                file.flush()

    growing = threading.Thread(target=grow)
    growing.start()
    try:
        assert files.sha256("/page")
    finally:
        done.set()
        growing.join()
