"""The last word on the console: there if there is one, and never a reason to fail."""

from __future__ import annotations

import contextlib
import socket
from pathlib import Path

import pytest

from machineadm.host.linux import console


def test_the_console_gets_a_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "console"
    place.touch()
    monkeypatch.setattr(console, "CONSOLE", str(place))

    console.announce("machineadm: MA3204 it broke")

    assert place.read_bytes() == b"\r\nmachineadm: MA3204 it broke\r\n"


def test_without_a_console_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "CONSOLE", str(tmp_path / "none"))

    console.announce("machineadm: MA3204 it broke")


@pytest.fixture
def log(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where a system log listens, and no console."""
    monkeypatch.setattr(console, "CONSOLE", str(tmp_path / "none"))
    monkeypatch.setattr(console, "SYSTEM_LOG", str(tmp_path / "log"))
    return tmp_path / "log"


def test_the_system_log_gets_it_as_an_error_of_ours(log: Path) -> None:
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
        server.bind(str(log))

        console.announce("machineadm: MA3204 it\0 broke")

        said = server.recv(4096).decode()
    assert said.startswith("<27>machineadm[")
    assert said.endswith("]: machineadm: MA3204 it broke")


def test_a_system_log_that_takes_nothing_is_not_waited_for(log: Path) -> None:
    with (
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server,
        socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as other,
    ):
        server.bind(str(log))
        other.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while True:
                other.sendto(b"x", str(log))

        console.announce("machineadm: MA3204 it broke")


@pytest.mark.parametrize("what", ["nothing", "a file", "a socket that nobody holds"])
def test_without_a_system_log_nothing_happens(log: Path, what: str) -> None:
    if what == "a file":
        log.touch()
    elif what == "a socket that nobody holds":
        with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as server:
            server.bind(str(log))

    console.announce("machineadm: MA3204 it broke")
