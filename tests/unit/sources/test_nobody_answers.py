"""Sources that drip, keep silence or never end: the deadline ends them all, whether they are asked for by a step or as input."""

from __future__ import annotations

import contextlib
import gc
import os
import socket
import sys
import threading
import time
import warnings
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machineadm.errors import HostError, InterruptedRunError
from machineadm.host.linux.clock import Interruption
from machineadm.sources.configuration import read
from machineadm.sources.downloads import Downloads

Answer = Callable[[socket.socket], None]
OK = b"HTTP/1.1 200 OK\r\n"


def drip(begin: bytes, drop: bytes = b"a") -> Answer:
    """Says something, and then a little for ever."""

    def answer(peer: socket.socket) -> None:
        peer.recv(65536)
        peer.sendall(begin)
        while True:
            peer.sendall(drop)
            time.sleep(0.05)

    return answer


def silence(peer: socket.socket) -> None:
    """Takes everything and says nothing."""
    while peer.recv(65536):
        pass


ANSWERS: dict[str, Answer] = {
    "a body of known length": drip(OK + b"Content-Length: 500000\r\n\r\n"),
    "a body in chunks": drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"1\r\na\r\n"),
    "a chunk's length": drip(OK + b"Transfer-Encoding: chunked\r\n\r\n", b"0"),
    "a body until the connection ends": drip(OK + b"\r\n"),
    "a status line": drip(b"HTTP/1.1 200 "),
    "a header": drip(OK + b"X: "),
    "headers without end": drip(b"HTTP/1.1 100 Continue\r\n\r\n", b"HTTP/1.1 100 Continue\r\n\r\n"),
    "nothing": silence,
}


@contextlib.contextmanager
def serving(answer: Answer) -> Iterator[int]:
    """A server on a port."""
    with socket.create_server(("127.0.0.1", 0)) as server:

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    peer, _ = server.accept()
                    threading.Thread(target=attend, args=(peer,), daemon=True).start()

        def attend(peer: socket.socket) -> None:
            with contextlib.suppress(OSError), peer:
                answer(peer)

        threading.Thread(target=serve, daemon=True).start()
        yield server.getsockname()[1]
        server.shutdown(socket.SHUT_RDWR)


def ended_by_its_deadline(download: Callable[[Interruption], object]) -> None:
    with warnings.catch_warnings():
        # A connection that was cut off is closed when it is forgotten.
        warnings.simplefilter("ignore", ResourceWarning)
        code, before = "", None
        try:
            with Interruption(deadline=0.5) as interruption:
                download(interruption)
        except InterruptedRunError as error:
            code, before = error.code, error.__context__
        gc.collect()
    assert code == "MA6003"
    # Otherwise the source gave up by itself, and the deadline was only noticed then.
    while before is not None:
        assert "timed out" not in str(before), "it was the source's own timeout"
        before = before.__context__


@pytest.mark.parametrize("name", ANSWERS)
def test_a_server_that_drips_is_ended_by_the_deadline(name: str) -> None:
    with serving(ANSWERS[name]) as port:
        url = f"http://127.0.0.1:{port}/x"
        ended_by_its_deadline(lambda one: list(Downloads(one.wait).fetch(url)))


@pytest.mark.parametrize("name", ["nothing", "a header"])
def test_a_handshake_that_does_not_end_is_ended_by_the_deadline(name: str) -> None:
    with serving(ANSWERS[name]) as port:
        ended_by_its_deadline(lambda one: read(f"https://127.0.0.1:{port}/x", sleep=one.wait))


@pytest.mark.parametrize("scheme", ["http", "https"])
@pytest.mark.parametrize("name", ["nothing", "a header"])
def test_a_proxy_that_does_not_answer_is_ended_by_the_deadline(
    name: str, scheme: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(ANSWERS[name]) as port:
        monkeypatch.setenv(f"{scheme}_proxy", f"http://127.0.0.1:{port}")
        ended_by_its_deadline(lambda one: read(f"{scheme}://mirror.example/x", sleep=one.wait))


def test_a_redirect_to_one_that_drips_is_ended_by_the_deadline() -> None:
    with serving(ANSWERS["a body in chunks"]) as slow:

        def redirect(peer: socket.socket) -> None:
            peer.recv(65536)
            location = f"Location: http://127.0.0.1:{slow}/x\r\n"
            peer.sendall(f"HTTP/1.1 302 Found\r\n{location}Content-Length: 0\r\n\r\n".encode())

        with serving(redirect) as port:
            ended_by_its_deadline(lambda one: read(f"http://127.0.0.1:{port}/x", sleep=one.wait))


@pytest.fixture
def deaf_resolver(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Name resolution as it is when no server of names answers: the C library waits, whatever comes."""
    over = threading.Event()

    def wait(*_: object, **__: object) -> list[object]:
        over.wait(60)
        return []

    monkeypatch.setattr(socket, "getaddrinfo", wait)
    yield
    over.set()


@pytest.mark.usefixtures("deaf_resolver")
@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_nobody_resolves_is_ended_by_the_deadline(scheme: str) -> None:
    ended_by_its_deadline(lambda one: read(f"{scheme}://mirror.example/x", sleep=one.wait))


@pytest.mark.usefixtures("deaf_resolver")
def test_a_name_that_nobody_resolves_is_a_failure_that_may_pass() -> None:
    pauses: list[float] = []

    with pytest.raises(HostError, match="name resolution timed out") as caught:
        list(Downloads(pauses.append, timeout=0.05).fetch("http://mirror.example/x"))

    assert caught.value.code == "MA3102"
    assert len(pauses) > 1


def test_a_fifo_that_nobody_writes_to_is_ended_by_the_deadline(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "node.yaml")

    ended_by_its_deadline(lambda _: read(str(tmp_path / "node.yaml")))


def test_a_fifo_that_never_ends_is_ended_by_the_deadline(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "node.yaml")
    held = os.open(tmp_path / "node.yaml", os.O_RDWR)
    os.write(held, b"kind: ")

    ended_by_its_deadline(lambda _: read(f"file://{tmp_path}/node.yaml"))
    os.close(held)


def test_a_standard_input_that_never_ends_is_ended_by_the_deadline(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    ours, theirs = os.pipe()
    with os.fdopen(ours) as file, os.fdopen(theirs, "w") as writer:
        writer.write("kind: ")
        writer.flush()
        monkeypatch.setattr(sys, "stdin", file)
        ended_by_its_deadline(lambda _: read("-"))
