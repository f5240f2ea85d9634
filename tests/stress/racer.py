"""An ordinary user who races: runs on the machine, by its own Python, until it is killed. Argument: a seed."""

from __future__ import annotations

import contextlib
import ctypes
import itertools
import os
import pathlib
import platform
import random
import shutil
import socket
import sys
from pathlib import Path

# Not as one word: this file is everybody's to read.
CANARY = b"-".join([b"CANARY", b"OF", b""])
HOME = "/home/mallory"
LOOT = "/tmp/loot"
PLACES = [
    f"{HOME}/app",
    f"{HOME}/app/deep",
    f"{HOME}/app/deep/down",
    f"{HOME}/.ssh",
    "/tmp/shared",
    "/var/tmp/shared",
]
FILES = [
    f"{HOME}/.bashrc",
    f"{HOME}/.ssh/authorized_keys",
    f"{HOME}/app/settings",
    f"{HOME}/app/deep/down/settings",
    f"{HOME}/app/secret",
    f"{HOME}/app/current",
    "/tmp/shared/page",
    "/tmp/one",
    "/tmp/one-secret",
    "/var/tmp/shared/page",
]
DIRECTORIES = ["/etc", "/etc/cron.d", "/root", "/root/kept", "/usr/local/bin", f"{HOME}/elsewhere"]
SECRETS = ["/root/kept/secret", "/etc/kept-secret", "/etc/motd", "/etc/passwd"]
EXCHANGE = 2
SYS_RENAMEAT2 = {"x86_64": 316, "aarch64": 276}[platform.machine()]
AT_FDCWD = -100
TURNS = 400

libc = ctypes.CDLL(None, use_errno=True)


def exchange(one: str, other: str) -> bool:
    """renameat2(2): both names at once, so that there is no instant without either."""
    done = libc.syscall(SYS_RENAMEAT2, AT_FDCWD, one.encode(), AT_FDCWD, other.encode(), EXCHANGE)
    return bool(done == 0)


def names(place: str) -> list[str]:
    return [path.name for path in Path(place).iterdir()]


def clear(path: str) -> None:
    with contextlib.suppress(OSError):
        pathlib.Path(path).unlink()
    if pathlib.Path(path).is_dir() and not pathlib.Path(path).is_symlink():
        shutil.rmtree(path, ignore_errors=True)


def loot(data: bytes, where: str) -> None:
    if CANARY in data:
        with pathlib.Path(LOOT).open("ab") as file:
            file.write(b"read at %s: %s\n" % (where.encode(), data[:200]))


def read(path: str) -> None:
    """What can be read at a path, never waiting for a FIFO."""
    try:
        descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_NOFOLLOW)
    except OSError:
        return
    with contextlib.suppress(OSError):
        loot(os.read(descriptor, 1 << 16), path)
    os.close(descriptor)


def swap_directories(draw: random.Random) -> None:
    """A directory on the way is one instant itself, the next a link to root's."""
    place = draw.choice(PLACES)
    link = f"{place}.link"
    clear(link)
    pathlib.Path(link).symlink_to(draw.choice(DIRECTORIES))
    with contextlib.suppress(OSError):
        pathlib.Path(place).mkdir(parents=True)
    for _ in range(TURNS):
        exchange(place, link)
    if pathlib.Path(place).is_symlink():
        exchange(place, link)


def swap_files(draw: random.Random) -> None:
    """A file is one instant itself, the next something else."""
    path = draw.choice(FILES)
    other = f"{path}.other"
    clear(other)
    make = draw.choice([link_to_secret, fifo, hard_link, directory, device_like, huge])
    make(draw, other)
    if not os.path.lexists(path):
        pathlib.Path(path).open("ab").close()
    for _ in range(TURNS):
        exchange(path, other)


def stand_in_the_way(draw: random.Random) -> None:
    """Something else is there, and stays for a while."""
    path = draw.choice(FILES)
    clear(path)
    draw.choice([link_to_secret, fifo, hard_link, directory, device_like, huge])(draw, path)


def link_to_secret(draw: random.Random, path: str) -> None:
    pathlib.Path(path).symlink_to(draw.choice(SECRETS))


def fifo(draw: random.Random, path: str) -> None:
    os.mkfifo(path)


def hard_link(draw: random.Random, path: str) -> None:
    try:
        os.link(draw.choice(SECRETS), path)
    except OSError:  # fs.protected_hardlinks
        os.link(f"{HOME}/own", path)


def directory(draw: random.Random, path: str) -> None:
    pathlib.Path(f"{path}/in/it").mkdir(parents=True)


def device_like(draw: random.Random, path: str) -> None:
    with socket.socket(socket.AF_UNIX) as one:
        one.bind(path)


def huge(draw: random.Random, path: str) -> None:
    with pathlib.Path(path).open("ab") as file:
        file.truncate(1 << 36)


def catch_temporary_files(draw: random.Random) -> None:
    """What the run makes beside a file before it has its name."""
    place = draw.choice([*PLACES, HOME, "/tmp", "/var/tmp"])
    for turn in range(TURNS):
        for name in names(place):
            path = f"{place}/{name}"
            if "machineadm" not in name:
                continue
            read(path)
            if turn % 3 == 0:
                with contextlib.suppress(OSError):
                    os.link(path, f"{HOME}/elsewhere/{turn}-{name}")
            elif turn % 3 == 1:
                with contextlib.suppress(OSError):
                    pathlib.Path(path).rename(f"{path}.taken")
                    pathlib.Path(path).symlink_to(draw.choice(SECRETS))
    for name in names(f"{HOME}/elsewhere"):
        read(f"{HOME}/elsewhere/{name}")


def read_files(draw: random.Random) -> None:
    """Whatever is there for an instant with a mode too wide."""
    path = draw.choice(FILES)
    for _ in range(TURNS):
        read(path)


def read_processes(draw: random.Random) -> None:
    """Command lines are everybody's to read."""
    for name in names("/proc"):
        if name.isdigit():
            read(f"/proc/{name}/cmdline")
            read(f"/proc/{name}/environ")


def take_away(draw: random.Random) -> None:
    """Modes and whole directories."""
    place = draw.choice(PLACES)
    pathlib.Path(place).chmod(draw.choice([0, 0o500, 0o700, 0o777, 0o1777]))
    for _ in range(TURNS // 10):
        with contextlib.suppress(OSError):
            pathlib.Path(place).rename(f"{place}.gone")
            pathlib.Path(f"{place}.gone").rename(place)


TRICKS = [
    swap_directories,
    swap_directories,
    swap_files,
    swap_files,
    stand_in_the_way,
    catch_temporary_files,
    catch_temporary_files,
    read_files,
    read_processes,
    take_away,
]


def main() -> None:
    draw = random.Random(int(sys.argv[1]))  # noqa: S311 - reproducible by its seed
    pathlib.Path(f"{HOME}/elsewhere").mkdir(exist_ok=True, parents=True)
    pathlib.Path(f"{HOME}/own").open("ab").close()
    # Each seed leans to some of the tricks: a race is won by trying the same many times.
    mine = draw.sample(TRICKS, draw.randint(2, len(TRICKS)))
    for turn in itertools.count():
        try:
            draw.choice(mine)(draw)
        except OSError:
            if turn % 50 == 0:
                for place in PLACES:
                    with contextlib.suppress(OSError):
                        pathlib.Path(place).chmod(0o755)


if __name__ == "__main__":
    main()
