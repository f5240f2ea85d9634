"""What only file systems of their own show: full and read-only ones, mounts over files, power cuts."""

import contextlib
import ctypes
import fcntl
import os
import shutil
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from machineadm.errors import HostError
from machineadm.host.linux.state import LinuxState
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import FileWrite
from tests.real import missing
from tests.writing import NEW, OLD, WRITER, files_below, leftovers, torn, write, write_again

CLONE_NEWNS = 0x00020000
MOST_ROUNDS = 60


def _call(function: str, *arguments: int) -> None:
    libc = ctypes.CDLL(None, use_errno=True)
    if getattr(libc, function)(*arguments) != 0:
        raise OSError(ctypes.get_errno(), f"{function}: {os.strerror(ctypes.get_errno())}")


@pytest.fixture(autouse=True)
def mounts_of_our_own() -> Iterator[None]:
    """A mount namespace for each test: it takes all mounts with it.

    Seen by everybody, a mount would be copied by whoever makes a namespace meanwhile; unmounted here, its file system
    would live on there, on an image that the next mount takes.
    """
    if os.geteuid() != 0:
        missing("only root can mount")
    here = Path.cwd()
    before = os.open("/proc/self/ns/mnt", os.O_RDONLY)
    _call("unshare", CLONE_NEWNS)
    try:
        subprocess.run(["mount", "--make-rprivate", "/"], check=True)
        yield
    finally:
        _call("setns", before, CLONE_NEWNS)
        os.close(before)
        os.chdir(here)


def mount(*arguments: str) -> None:
    """Mount it until the end of the test."""
    command = ["mount", *arguments]
    outcome = subprocess.run(command, capture_output=True, text=True, check=False)
    if outcome.returncode != 0:
        missing(f"{' '.join(command)}: {outcome.stderr.strip()}")


def test_a_full_disk_is_said_and_leaves_what_was_there(tmp_path: Path) -> None:
    mount("-t", "tmpfs", "-o", "size=256k", "tmpfs", str(tmp_path))
    write(tmp_path, "/a", OLD)

    with pytest.raises(HostError) as caught:
        files_below(tmp_path).write(
            [
                FileWrite(path="/new/b", content=b"b"),
                FileWrite(path="/a", content=bytes(400_000)),
            ]
        )
    assert caught.value.code == "MA3001"
    assert "/a" in caught.value.message
    assert [path.name for path in tmp_path.iterdir()] == ["a"]
    assert (tmp_path / "a").read_bytes() == OLD
    write(tmp_path, "/a", NEW)


def test_inodes_that_are_used_up_are_said(tmp_path: Path) -> None:
    mount("-t", "tmpfs", "-o", "nr_inodes=4", "tmpfs", str(tmp_path))

    with pytest.raises(HostError) as caught:
        files_below(tmp_path).write([FileWrite(path=f"/{n}", content=b"") for n in range(9)])
    assert caught.value.code == "MA3001"
    assert list(tmp_path.iterdir()) == []


def test_a_read_only_file_system_is_said(tmp_path: Path) -> None:
    mount("-t", "tmpfs", "tmpfs", str(tmp_path))
    (tmp_path / "d").mkdir()
    subprocess.run(["mount", "-o", "remount,ro", str(tmp_path)], check=True)

    for path in ("/a", "/d/a", "/e/a"):
        with pytest.raises(HostError) as caught:
            write(tmp_path, path)
        assert caught.value.code == "MA3002"
    state = LinuxState(Tree(str(tmp_path)), run_directory="/run", state_directory="/var/x")
    for work in (
        state.lock,
        lambda: state.append("j", b"x"),
        lambda: state.write("s", b"", durable=True),
    ):
        with pytest.raises(HostError) as caught:
            work()
        assert caught.value.code == "MA3002"


def test_a_file_with_something_mounted_over_it_is_said(tmp_path: Path) -> None:
    for name in ("hosts", "other"):
        (tmp_path / name).write_text(name)
    mount("--bind", str(tmp_path / "other"), str(tmp_path / "hosts"))

    with pytest.raises(HostError) as caught:
        write(tmp_path, "/hosts")
    assert caught.value.code == "MA3007"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["hosts", "other"]


def test_one_batch_covers_several_file_systems(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    mount("-t", "tmpfs", "tmpfs", str(tmp_path / "run"))
    files_below(tmp_path).write(
        [FileWrite(path=path, content=b"x") for path in ("/run/a", "/etc/b", "/run/c/d")]
    )

    assert (tmp_path / "run/c/d").read_bytes() == b"x"
    assert (tmp_path / "etc/b").read_bytes() == b"x"


class Disk:
    """An ext4 on a file that loses its power, or is looked at as a power cut would leave it."""

    SHUTDOWN, NO_FLUSH = 0x8004587D, struct.pack("I", 2)
    """EXT4_IOC_SHUTDOWN: from here on nothing reaches the disk."""

    def __init__(self, directory: Path) -> None:
        self._image, self._copy = directory / "image", directory / "copy"
        self.mounted = directory / "mounted"
        self.mounted.mkdir()
        with self._image.open("wb") as image:
            image.truncate(64 << 20)
        subprocess.run(["mkfs.ext4", "-q", str(self._image)], check=True)

    @contextlib.contextmanager
    def use(self, options: str, *, copy: bool = False) -> Iterator[Path]:
        image = self._copy if copy else self._image
        mount("-o", f"loop,{options}", str(image), str(self.mounted))
        yield self.mounted
        # After a failure the whole namespace goes, and with it the mount.
        subprocess.run(["umount", str(self.mounted)], check=True)

    def keep(self) -> None:
        """Take what is on the disk now, the kernel's caches left out."""
        subprocess.run(["cp", "--sparse=always", self._image, self._copy], check=True)

    def cut_the_power(self) -> None:
        fd = os.open(self.mounted, os.O_RDONLY)
        try:
            fcntl.ioctl(fd, self.SHUTDOWN, self.NO_FLUSH)
        finally:
            os.close(fd)

    def run_until_the_power_is_cut(self, program: str, seconds: float) -> None:
        """Cut it so many seconds after the first line that the program prints."""
        # Without ext4's own repair of programs that rename without a flush, and with frequent commits of the journal.
        with (
            self.use("noauto_da_alloc,commit=1") as root,
            subprocess.Popen(
                [sys.executable, "-c", program, str(root)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
            ) as writer,
        ):
            assert writer.stdout is not None
            writer.stdout.readline()
            time.sleep(seconds)
            self.cut_the_power()
            writer.kill()


@pytest.fixture
def disk(tmp_path: Path) -> Disk:
    if shutil.which("mkfs.ext4") is None:
        missing("there is no mkfs.ext4")
    return Disk(tmp_path)


def test_what_was_written_survives_a_power_cut(disk: Disk) -> None:
    with disk.use("commit=300") as root:
        write(root, "/etc/a", OLD)
        files_below(root).write(
            [FileWrite(path=f"/etc/{name}", content=NEW, mode=0o600) for name in "abc"]
        )
        files_below(root).make_directory("/var/lib/etcd", mode=0o700)
        state = LinuxState(Tree(str(root)), run_directory="/run/m", state_directory="/var/lib/m")
        state.append("journal.jsonl", b"1\n")
        state.append("journal.jsonl", b"2\n")
        state.write("resume/status.json", b"x", durable=True)
        files_below(root).remove("/etc/c")
        disk.keep()
        del state  # its descriptors would keep the disk busy

    with disk.use("rw", copy=True) as after:
        assert sorted(path.name for path in (after / "etc").iterdir()) == ["a", "b"]
        for name in "ab":
            assert (after / "etc" / name).read_bytes() == NEW
        assert (after / "var/lib/etcd").stat().st_mode & 0o777 == 0o700
        assert (after / "var/lib/m/journal.jsonl").read_bytes() == b"1\n2\n"
        assert (after / "var/lib/m/resume/status.json").read_bytes() == b"x"


def test_the_judge_sees_what_was_not_flushed(disk: Disk) -> None:
    with disk.use("commit=300") as root:
        (root / "new").write_bytes(NEW)
        Path(root / "new").rename(root / "a")
        disk.keep()

    with disk.use("rw", copy=True) as after:
        assert not (after / "a").exists()


def test_a_power_cut_at_any_instant_leaves_every_file_old_or_new(disk: Disk) -> None:
    left = 0
    for round_ in range(MOST_ROUNDS):
        if round_ >= 5 and left:
            break
        disk.run_until_the_power_is_cut(WRITER, 0.3 + 0.05 * (round_ % 5))
        with disk.use("rw") as after:
            assert torn(after) == []
            left += len(leftovers(after))
            write_again(after)
            assert leftovers(after) == []
    assert left > 0, "no cut came in the middle of a write: the test shows nothing"


BARE_WRITER = """
import os, sys
contents = b"old " * 5000, b"new " * 9000
os.makedirs(f"{sys.argv[1]}/d0")
while True:
    for content in contents:
        for n in range(9):
            path = f"{sys.argv[1]}/d0/f{n}"
            with open(path + ".tmp", "wb") as file:
                file.write(content)
            os.rename(path + ".tmp", path)
    with open(f"{sys.argv[1]}/other", "ab") as other:
        other.write(b"x")
        os.fsync(other.fileno())
    print("written", flush=True)
"""


def test_the_judge_sees_files_torn_by_a_rename_without_a_flush(disk: Disk) -> None:
    disk.run_until_the_power_is_cut(BARE_WRITER, 0.5)
    with disk.use("rw") as after:
        assert torn(after) != []
