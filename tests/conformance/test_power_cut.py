"""A power cut right after a first run leaves nothing that a later boot would load, on file systems of nodes.

The file system is one of a loop device, and is cut off as xfstests do it: by the ioctl that ends all writing at once,
without what the journal has not written yet. The next boot has another boot_id; here one is mounted over the kernel's.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.real import missing

CONFIGURATION = Path(__file__).parents[2] / "examples/worker.yaml"
# Runs in a mount namespace of its own, which takes its mounts along when it ends.
SCRIPT = r"""
import ctypes, fcntl, glob, json, os, struct, subprocess, sys, time

agent, configuration, image, mount, make, options, wait, planted = sys.argv[1:]
BOOT = "/proc/sys/kernel/random/boot_id"
GOING_DOWN = 0x8004587D  # XFS_IOC_GOINGDOWN, EXT4_IOC_SHUTDOWN
NO_LOG_FLUSH = 2


def run(*arguments):
    environment = {"MACHINEADM_CACHE": f"{mount}/cache", "PATH": os.environ["PATH"]}
    command = [sys.executable, "-IS", agent, *arguments]
    ended = subprocess.run(command, env=environment, capture_output=True, text=True)
    return [ended.returncode, ended.stdout, ended.stderr]


def attach():
    subprocess.run(["mount", "-o", f"loop,{options}", image, mount], check=True)


def cut():
    held = os.open(mount, os.O_RDONLY)
    fcntl.ioctl(held, GOING_DOWN, struct.pack("I", NO_LOG_FLUSH))
    os.close(held)
    subprocess.run(["umount", mount], check=True)


def commit():
    # What any other program does meanwhile: it flushes a file, and the journal with it.
    with open(f"{mount}/other", "wb") as file:
        file.write(b"x")
        file.flush()
        os.fsync(file.fileno())


subprocess.run(["truncate", "--size=400M", image], check=True)
subprocess.run([*make.split(), image], check=True, stdout=subprocess.DEVNULL)
attach()
first = run("validate", "--path", configuration)
if wait == "commit":
    commit()
elif wait == "sync":
    subprocess.run(["sync", "--file-system", mount], check=True)
else:
    time.sleep(float(wait))
cut()
attach()
with open("/run/boot_id", "w") as file:
    file.write("11111111-2222-3333-4444-555555555555\n")
subprocess.run(["mount", "--bind", "/run/boot_id", BOOT], check=True)
parts = glob.glob(f"{mount}/cache/agent/*-base")
libraries = glob.glob(f"{mount}/cache/agent/*-base/*/*.so")
found = {"parts": len(parts), "whole": 0, "sizes": [os.stat(p).st_size for p in libraries]}
for path in libraries:
    with open(path, "rb") as file:
        content = file.read()
    found["whole"] += content[:4] == b"\x7fELF" and content[-4096:].strip(b"\0") != b""
if planted == "trusting":
    for part in parts:
        with open(part + ".seal", "w") as file:
            file.write(f"{os.lstat(part).st_ctime_ns} on-disk")
second = run("validate", "--path", configuration)
verified = run("version", "--verify-cache")
seals = [open(path).read() for path in glob.glob(f"{mount}/cache/agent/*.seal")]
subprocess.run(["umount", mount], check=True)
print(json.dumps({"first": first, "found": found, "second": second, "verified": verified, "seals": seals}))
"""


class FileSystem(NamedTuple):
    """How it is made and mounted."""

    make: str
    options: str = "rw"


FILE_SYSTEMS = {
    "ext4": FileSystem("mkfs.ext4 -q"),
    # The worst that ext4 allows: names, sizes and times may be on the disk long before the content is.
    "ext4-writeback": FileSystem("mkfs.ext4 -q", "nodelalloc,data=writeback"),
    "xfs": FileSystem("mkfs.xfs -q -f"),
}


def cut_power(
    file_system: FileSystem, wait: str, agent: Path, scratch: Path, *, planted: str = "nothing"
) -> Any:
    if os.geteuid() != 0:
        missing("only root can mount")
    program = file_system.make.split()[0]
    if shutil.which(program) is None:
        missing(f"there is no {program}: apt-get install e2fsprogs xfsprogs")
    (scratch / "mount").mkdir()
    script = scratch / "cut.py"
    script.write_text(SCRIPT)
    arguments = [script, agent, CONFIGURATION, scratch / "image", scratch / "mount"]
    words = [file_system.make, file_system.options, wait, planted]
    # /run is the namespace's own, so that the other boot's id is seen by nobody else.
    enter = 'mount -t tmpfs none /run && exec "$@"'
    outcome = subprocess.run(
        [
            "unshare",
            "--mount",
            "sh",
            "-c",
            enter,
            "sh",
            sys.executable,
            *map(str, arguments),
            *words,
        ],
        capture_output=True,
        text=True,
        check=False,
    )
    assert outcome.returncode == 0, outcome.stderr
    return json.loads(outcome.stdout)


@pytest.mark.parametrize("wait", ["0", "commit", "0.3", "6", "sync"])
@pytest.mark.parametrize("name", FILE_SYSTEMS)
def test_after_a_power_cut_only_what_is_whole_is_loaded(
    name: str, wait: str, agent_file: Path, tmp_path: Path
) -> None:
    said = cut_power(FILE_SYSTEMS[name], wait, agent_file, tmp_path)

    for run in ("first", "second"):
        code, _, errors = said[run]
        assert (code, errors) == (0, ""), said
    code, text, _ = said["verified"]
    assert code == 0, said
    assert text.splitlines()[-1] == "cache        intact: base"


def test_an_agent_that_trusts_lstat_alone_would_load_what_the_cut_left(
    agent_file: Path, tmp_path: Path
) -> None:
    """The planted fault: the note says that the disk has everything, which it has not."""
    said = cut_power(
        FILE_SYSTEMS["ext4-writeback"], "commit", agent_file, tmp_path, planted="trusting"
    )

    assert said["found"]["parts"] == 1
    assert all(said["found"]["sizes"])
    assert said["found"]["whole"] < len(said["found"]["sizes"])
    assert said["second"][0] != 0
    assert "MA7108" in said["second"][2]


def test_what_a_later_boot_has_compared_is_not_compared_again(
    agent_file: Path, tmp_path: Path
) -> None:
    said = cut_power(FILE_SYSTEMS["ext4"], "sync", agent_file, tmp_path)

    assert said["found"]["whole"] == len(said["found"]["sizes"]) > 0
    assert [seal.split(" ")[1] for seal in said["seals"]] == ["on-disk"]
