"""Standard streams hold nobody up, whoever is, or is not, at their other end."""

from __future__ import annotations

import contextlib
import errno
import os
import pty
import socket
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable, Iterator

import pytest

from machineadm.cli.streams import PATIENCE, Output, UnwrittenError

Ends = tuple[int, int]


def _pipe() -> Ends:
    read, write = os.pipe()
    return write, read


def _terminal() -> Ends:
    master, slave = pty.openpty()
    return slave, master


def _socket() -> Ends:
    one, other = socket.socketpair()
    return one.detach(), other.detach()


@pytest.fixture(params=[_pipe, _terminal, _socket])
def stalled(request: pytest.FixtureRequest) -> Iterator[Ends]:
    """What is written to, full to the brim, and what would be read from."""
    kind: Callable[[], Ends] = request.param
    write, read = kind()
    os.set_blocking(write, False)
    for _ in range(5):
        for size in (128, 1):
            with contextlib.suppress(BlockingIOError):
                while True:
                    os.write(write, b"x" * size)
        # A terminal passes on what it took in its own time, and then has room again.
        time.sleep(0.02)
    os.set_blocking(write, True)
    yield write, read
    os.close(write)
    os.close(read)


def drain(read: int) -> str:
    """Read all there is."""
    os.set_blocking(read, False)
    taken = b""
    with contextlib.suppress(BlockingIOError):
        while chunk := os.read(read, 65536):
            taken += chunk
    return taken.decode().replace("\r\n", "\n").lstrip("x")


def test_a_reader_that_stopped_reading_is_waited_for_once(stalled: Ends) -> None:
    output = Output(stalled[0], is_result=False)
    began = time.monotonic()

    for number in range(5000):
        output.write(f"line {number}\n".encode())

    # Each of them, waited for, would take hours.
    assert PATIENCE - 0.1 <= time.monotonic() - began < PATIENCE + 60


def test_a_reader_that_reads_again_is_told_what_it_missed(stalled: Ends) -> None:
    output = Output(stalled[0], is_result=False)
    for number in range(3):
        output.write(f"line {number}\nand more\n".encode())
    drain(stalled[1])

    output.write(b"the next\n")

    assert drain(stalled[1]) == (
        "machineadm: 6 lines were dropped here: nobody was reading\nthe next\n"
    )


def test_a_line_that_was_begun_is_ended_before_the_next() -> None:
    write, read = _pipe()
    output = Output(write, is_result=False, note="({} gone)\n".format)
    long = b"a" * 70_000 + b"\n"

    output.write(long)
    output.write(b"lost\n")
    first = os.read(read, 65536)
    output.write(b"b\n")

    assert (first + os.read(read, 65536)).decode() == long.decode() + "(1 gone)\nb\n"


@pytest.mark.parametrize("is_result", [True, False])
def test_a_reader_that_has_gone_is_no_error(is_result: bool) -> None:
    write, read = _pipe()
    os.close(read)

    assert Output(write, is_result=is_result).write(b"line\n") == 5


def test_a_result_that_cannot_be_written_is_an_error_and_a_log_is_none() -> None:
    full = os.open("/dev/full", os.O_WRONLY)

    assert Output(full, is_result=False).write(b"line\n") == 5
    with pytest.raises(UnwrittenError) as caught:
        Output(full, is_result=True).write(b"line\n")
    assert caught.value.errno == errno.ENOSPC


def test_a_result_waits_for_its_reader_even_on_a_pipe_that_does_not() -> None:
    """Whoever shares a pipe may have made it one that does not wait."""
    script = """
        import os, sys
        os.set_blocking(1, False)
        from machineadm.cli.streams import make_safe
        make_safe()
        sys.stdout.write("x" * 1_000_000)
        sys.stdout.flush()
    """
    with subprocess.Popen(
        [sys.executable, "-c", textwrap.dedent(script)], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        time.sleep(0.5)
        assert len(process.stdout.read()) == 1_000_000
    assert process.returncode == 0
