"""Signals and the deadline reach a run wherever it is, once; and what they do not reach is ended from without."""

from __future__ import annotations

import contextlib
import os
import re
import signal
import socket
import subprocess
import sys
import textwrap
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from machineadm.errors import InterruptedRunError
from machineadm.host.linux.clock import RESPITE, Interruption


@pytest.fixture
def silent() -> Iterator[socket.socket]:
    """A connection on which nobody ever says a word."""
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours


def _fifo_without_a_writer(directory: Path, _silent: socket.socket) -> None:
    os.mkfifo(directory / "fifo")
    (directory / "fifo").read_bytes()


def _pipe_without_a_reader(_directory: Path, _silent: socket.socket) -> None:
    _, write = os.pipe()
    while True:
        os.write(write, bytes(65536))


def _silent_peer(_directory: Path, silent: socket.socket) -> None:
    silent.recv(1)


def _silent_peer_that_is_read_by_lines(_directory: Path, silent: socket.socket) -> None:
    with silent.makefile("rb") as file:
        file.readline()


def _computation(_directory: Path, _silent: socket.socket) -> None:
    while True:
        pass


def _pattern_that_backtracks(_directory: Path, _silent: socket.socket) -> None:
    re.match(r"(a+)+$", "a" * 64 + "b")


PLACES = (
    _fifo_without_a_writer,
    _pipe_without_a_reader,
    _silent_peer,
    _silent_peer_that_is_read_by_lines,
    _computation,
    _pattern_that_backtracks,
)
Place = Callable[[Path, socket.socket], None]


@pytest.mark.parametrize("place", PLACES)
def test_the_deadline_reaches_a_run_that_does_not_ask(
    place: Place, tmp_path: Path, silent: socket.socket
) -> None:
    with pytest.raises(InterruptedRunError) as caught, Interruption(deadline=0.2):
        place(tmp_path, silent)

    assert caught.value.code == "MA6003"


@pytest.mark.parametrize("place", PLACES)
def test_a_signal_reaches_a_run_that_does_not_ask(
    place: Place, tmp_path: Path, silent: socket.socket
) -> None:
    killer = ["sh", "-c", f"sleep 0.2; kill -TERM {os.getpid()}"]

    with (
        pytest.raises(InterruptedRunError, match="SIGTERM") as caught,
        Interruption(),
        subprocess.Popen(killer),
    ):
        place(tmp_path, silent)

    assert caught.value.code == "MA6002"


def test_what_cleans_up_behind_an_interruption_is_not_interrupted_again() -> None:
    cleaned = False
    with Interruption(deadline=1):
        try:
            time.sleep(60)
        except InterruptedRunError:
            for _ in range(3):
                os.kill(os.getpid(), signal.SIGTERM)
                time.sleep(0.05)
            cleaned = True

    assert cleaned


def test_who_asks_for_itself_is_left_alone_until_it_has_ended() -> None:
    seen = []

    def run(interruption: Interruption) -> None:
        with interruption.held():
            time.sleep(1.3)
            seen.append(interruption.due())
        time.sleep(60)

    with pytest.raises(InterruptedRunError), Interruption(deadline=1) as interruption:
        run(interruption)

    assert seen == [True]


def test_what_another_thread_asks_or_holds_keeps_nothing_from_the_run() -> None:
    over = threading.Event()

    def work(interruption: Interruption) -> None:
        with interruption.held(), contextlib.suppress(InterruptedRunError):
            interruption.wait(60)
        over.wait(60)

    def run(interruption: Interruption) -> None:
        threading.Thread(target=work, args=(interruption,), daemon=True).start()
        time.sleep(60)

    with pytest.raises(InterruptedRunError), Interruption(deadline=0.2) as interruption:
        run(interruption)
    over.set()


def test_the_report_of_a_run_is_not_interrupted() -> None:
    with Interruption(deadline=1) as interruption:
        interruption.settle()
        time.sleep(1.3)
        assert interruption.due()


@pytest.mark.parametrize(("first", "then"), [(60.0, 2.0), (2.0, 60.0), (None, 2.0)])
def test_a_deadline_may_be_set_later_and_counts_from_the_beginning(
    first: float | None, then: float
) -> None:
    began = time.monotonic()

    with Interruption(deadline=first) as interruption:
        interruption.limit(then)
        try:
            time.sleep(2.5)
        except InterruptedRunError:
            assert then == 2.0
            assert time.monotonic() - began >= then
        else:
            assert then == 60.0


def test_afterwards_signals_mean_what_they_meant_before() -> None:
    before = [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)]
    descriptors = len(list(Path("/proc/self/fd").iterdir()))

    for _ in range(3):
        with Interruption(deadline=60):
            pass

    assert [signal.getsignal(number) for number in (signal.SIGTERM, signal.SIGALRM)] == before
    assert signal.getitimer(signal.ITIMER_REAL) == (0.0, 0.0)
    # Each keeps the pair that `fileno` is one end of.
    assert len(list(Path("/proc/self/fd").iterdir())) == descriptors + 3 * 2


def test_what_is_left_to_tell_knows_how_long_the_process_still_lives() -> None:
    nobody, late, over = Interruption(), Interruption(3600), Interruption(0)
    asked = Interruption(3600)
    asked.take(signal.SIGTERM)

    assert nobody.respite() == float("inf")
    assert 3600 - 60 < late.respite() <= 3600 + RESPITE
    for one in (asked, over):
        assert one.respite() <= RESPITE


# ------------------------------------------------------------------------ in processes of their own
# Derives a key for years; no handler of Python's has its turn meanwhile.
DEAF = "import hashlib; hashlib.pbkdf2_hmac('sha512', b'x', b'salt', 2**31 - 1)"
RUN = """
    import os, sys, time
    from machineadm.host.linux import clock
    clock.RESPITE, clock.LAST_WORD = 0.3, 0.3
    with clock.Interruption({deadline}) as interruption:
        {word}
        print("begun", flush=True)
        {hang}
    print("not reached")
"""


def ended(*, deadline: str = "None", word: str = "pass", hang: str = DEAF) -> tuple[int, str]:
    """Exit code and standard error of a process; without a deadline it gets a signal."""
    script = textwrap.dedent(RUN).format(deadline=deadline, word=word, hang=hang)
    with subprocess.Popen(
        [sys.executable, "-c", script], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "begun\n"
        if deadline == "None":
            time.sleep(0.5)  # until it is in there
            process.send_signal(signal.SIGHUP)
        out, err = process.communicate(timeout=60)
        assert out == ""
    return process.returncode, err


@pytest.mark.parametrize(("deadline", "code"), [("1.5", "MA6003"), ("None", "MA6002")])
def test_a_run_that_nothing_reaches_is_ended_all_the_same(deadline: str, code: str) -> None:
    exit_code, said = ended(deadline=deadline)

    assert exit_code == 9
    assert said.startswith(f"machineadm: {code} ")


@pytest.mark.parametrize(
    "word",
    ["lambda error: time.sleep(60)", "lambda error: 1 / 0", "lambda error: os.write(2, b'x') * 9"],
    ids=["that hangs", "that breaks", "that is said"],
)
def test_the_last_word_holds_nobody_up(word: str) -> None:
    assert ended(deadline="1.5", word=f"interruption.at_last({word})")[0] == 9


def test_the_exit_code_is_that_of_an_end_that_was_decided_before() -> None:
    assert ended(deadline="1.5", word="interruption.at_last(lambda error: 5)") == (5, "")


@pytest.mark.parametrize(
    "hang",
    ["interruption.settle(); time.sleep(60)", "interruption._held += 1; time.sleep(60)"],
    ids=["a report", "a command"],
)
def test_what_must_not_be_interrupted_is_ended_too_when_it_does_not_end(hang: str) -> None:
    assert ended(deadline="1.5", hang=hang)[0] == 9


CHILD = "(trap '' TERM HUP INT; echo $BASHPID > {note}; read < {fifo}) &"
SAID = "until [ -s {note} ]; do :; done; echo said"
SURVIVORS = {
    "that is waited for": f"{CHILD} {SAID}; wait",
    "behind one that has ended": f"{CHILD} {SAID}",
    "below one that is stopped": f"{CHILD} {SAID}; kill -STOP $$",
}


@pytest.mark.parametrize("script", SURVIVORS.values(), ids=SURVIVORS)
def test_no_child_outlives_a_run_that_is_ended_by_force(script: str, tmp_path: Path) -> None:
    note, fifo = tmp_path / "note", tmp_path / "fifo"
    os.mkfifo(fifo)
    argv = ["bash", "-c", script.format(note=note, fifo=fifo)]
    # A busy machine may have no child yet when it ends.
    for deadline in ("1.5", "6", "24"):
        # It hangs over the line that the command has printed, and attends to nothing any more.
        exit_code, _ = ended(
            deadline=deadline,
            hang="from machineadm.host.linux.commands import LinuxCommands; "
            "from machineadm.redaction import Redactor; "
            "LinuxCommands(interruption, redactor=Redactor(), log=lambda _: exec('while True: pass'))"
            f".run({argv!r})",
        )
        assert exit_code == 9
        if note.exists() and note.read_text():
            break
    left = Path(f"/proc/{note.read_text().strip()}/cmdline")
    end = time.monotonic() + 30
    while is_alive(left) and time.monotonic() < end:
        time.sleep(0.02)  # what is killed is gone a moment later

    assert not is_alive(left)


def is_alive(command_line: Path) -> bool:
    """Whether the process runs; of a zombie, which a first process that waits for nobody keeps, the line is empty."""
    try:
        return command_line.read_bytes() != b""
    except (FileNotFoundError, ProcessLookupError):
        return False
