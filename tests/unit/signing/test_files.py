"""Files are written whole, with their final mode, or not at all."""

import os
import stat
from pathlib import Path

import pytest

from machineadm.errors import HostError
from signing import files


def test_a_file_is_replaced_with_its_mode_whatever_the_umask(tmp_path: Path) -> None:
    before = os.umask(0o077)
    try:
        assert files.replace(tmp_path / "a", b"one")
    finally:
        os.umask(before)

    assert (tmp_path / "a").read_bytes() == b"one"
    assert stat.S_IMODE((tmp_path / "a").stat().st_mode) == 0o644


def test_a_file_that_is_right_is_left_alone(tmp_path: Path) -> None:
    files.replace(tmp_path / "a", b"one")
    inode = (tmp_path / "a").stat().st_ino

    assert not files.replace(tmp_path / "a", b"one")
    assert (tmp_path / "a").stat().st_ino == inode
    assert files.replace(tmp_path / "a", b"two")


def test_a_link_is_replaced_and_not_written_through(tmp_path: Path) -> None:
    (tmp_path / "target").write_bytes(b"precious")
    (tmp_path / "a").symlink_to("target")

    files.replace(tmp_path / "a", b"one")

    assert (tmp_path / "target").read_bytes() == b"precious"
    assert not (tmp_path / "a").is_symlink()


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path: Path) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "a/b").touch()

    for write in (files.replace, lambda path, data: files.create(path, data, mode=0o600)):
        with pytest.raises(HostError):
            write(tmp_path / "a", b"one")
        with pytest.raises(HostError) as caught:
            write(tmp_path / "none/a", b"one")
        assert caught.value.code == "MA1821"
    assert [path.name for path in tmp_path.iterdir()] == ["a"]


def test_an_existing_file_is_never_created_over(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"precious")

    with pytest.raises(HostError) as caught:
        files.create(tmp_path / "a", b"one", mode=0o600)

    assert caught.value.code == "MA1808"
    assert (tmp_path / "a").read_bytes() == b"precious"
