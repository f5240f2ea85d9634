"""No test of plugins may leave anything behind: neither process nor socket, temporary file, thread nor key."""

from __future__ import annotations

import os
import shutil
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

Script = Callable[..., str]


def processes_below(directory: str) -> list[int]:
    """Processes whose environment names a directory."""
    found = []
    for entry in Path("/proc").glob("[0-9]*"):
        try:
            environment = (entry / "environ").read_bytes()
        except OSError:
            continue
        if f"={directory}/".encode() in environment and int(entry.name) != os.getpid():
            found.append(int(entry.name))
    return found


def descriptors_of(directory: str) -> list[str]:
    """What of plugins this process still has open: files of theirs, the memory that held a key or a program."""
    found = []
    for entry in Path("/proc/self/fd").iterdir():
        try:
            name = str(entry.readlink())
        except OSError:
            continue
        if name.startswith((f"{directory}/", "/memfd:machineadm")):
            found.append(name)
    return found


def remains(directory: str) -> dict[str, object]:
    """What is left of plugins."""
    threads = [one.name for one in threading.enumerate() if one.name.startswith("plugin")]
    return {
        "files": sorted(path.name for path in Path(directory).iterdir()),
        "processes": processes_below(directory),
        "threads": threads,
        "descriptors": descriptors_of(directory),
    }


NOTHING: dict[str, object] = {"files": [], "processes": [], "threads": [], "descriptors": []}


@pytest.fixture(autouse=True)
def plugins_directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """Where hosts put sockets in this test; empty afterwards, and nothing runs that was started there."""
    del tmp_path  # pytest has made its own directory before
    directory = tempfile.mkdtemp(prefix="mp-", dir="/tmp")
    monkeypatch.setattr(tempfile, "tempdir", directory)
    yield directory
    end = time.monotonic() + 60
    while remains(directory) != NOTHING and time.monotonic() < end:
        time.sleep(0.02)
    assert remains(directory) == NOTHING
    shutil.rmtree(directory)


@pytest.fixture
def script(tmp_path: Path) -> Script:
    """Makes a program of a text."""

    def make(body: str, name: str = "plugin") -> str:
        path = tmp_path / name
        path.write_text(body if body.startswith("#!") else f"#!/bin/sh\n{body}\n")
        path.chmod(0o755)
        return str(path)

    return make
