"""Standard streams that are closed, hang up, are not read, or cannot write a character: none of it is a fault of the program."""

from __future__ import annotations

import io
import os
import stat
import sys
import time
from collections.abc import Callable
from typing import TextIO

PATIENCE = 2.0
"""Seconds that a run waits for a reader that has stopped reading; it has them again after twenty."""
# Less credit than this is none: a reader that takes one line a second would otherwise be waited
# for, again and again, a moment each.
_LEAST = 0.1
_PIECE = 4096
"""What a pipe takes without waiting once it is said to be writable (PIPE_BUF)."""


class UnwrittenError(OSError):
    """The result of a command could not be written."""


class Output(io.RawIOBase):
    """A standard stream that takes everything written to it, and holds up nobody.

    The reader may go away: then the rest is lost, which is not an error. Progress (`is_result` False) is also lost if it cannot
    be written or is not read: a run must not wait for the reader of its log.

    Args:
        descriptor: The stream's.
        is_result: The stream has what the command is for: it waits as long as it takes, and what cannot be written is
            an error.
        note: Says how many lines were left out.
    """

    def __init__(
        self, descriptor: int, *, is_result: bool, note: Callable[[int], str] | None = None
    ) -> None:
        super().__init__()
        self._descriptor = descriptor
        self._is_result = is_result
        self._note = note or _left_out
        # A result waits for its reader, so it needs no descriptor that does not block.
        self._own = None if is_result else _without_waiting(descriptor)
        self._rest = b""
        """What a reader that stalls has not taken of a piece of text that it took the beginning of."""
        self._lost = 0
        self._credit = PATIENCE
        self._looked = time.monotonic()

    def writable(self) -> bool:
        """See `io.IOBase.writable`."""
        return True

    def fileno(self) -> int:
        """See `io.IOBase.fileno`."""
        return self._descriptor

    def isatty(self) -> bool:
        """See `io.IOBase.isatty`."""
        return os.isatty(self._descriptor)

    def write(self, data: object, /) -> int:
        """Write all of it, or give it up.

        Raises:
            UnwrittenError: It is a result that cannot be written.
        """
        content = bytes(data)  # type: ignore[call-overload]
        try:
            if self._is_result:
                self._write_result(content)
            else:
                self._write_log(content)
        # Whoever has gone has seen enough (`| head`): no error, neither for a result nor for a log.
        except BrokenPipeError:
            pass
        except OSError as error:
            if self._is_result:
                raise UnwrittenError(error.errno, error.strerror) from error
        return len(content)

    def _write_result(self, content: bytes) -> None:
        left = memoryview(content)
        while left:
            try:
                left = left[os.write(self._descriptor, left) :]
            except BlockingIOError:
                # O_NONBLOCK belongs to the open file, and another process that shares it has set it.
                self._is_ready(None)

    def _write_log(self, content: bytes) -> None:
        # The remainder of a torn line first, so that lines stay whole.
        self._rest = self._as_far_as_it_goes(self._rest)
        # Said where lines are missing, since a log with a gap that nobody sees is worse than none.
        note = self._note(self._lost).encode() if self._lost else b""
        for piece in (note, content):
            # A piece that was begun is completed later, so that no line is torn. One that was not begun is left out.
            if not self._rest and (rest := self._as_far_as_it_goes(piece)) != piece:
                self._rest = rest
                self._lost = 0
            elif piece is content:
                self._lost += content.count(b"\n")

    def _as_far_as_it_goes(self, content: bytes) -> bytes:
        """Write until the reader has kept us waiting for too long, and return what is left."""
        while content:
            if self._own is None and not self._is_ready(self._patience()):
                break
            try:
                written = os.write(
                    self._descriptor if self._own is None else self._own, content[:_PIECE]
                )
            except BlockingIOError:
                if not self._is_ready(self._patience()):
                    break
            else:
                content = content[written:]
        return content

    def _patience(self) -> float:
        now = time.monotonic()
        # Earned back ten times slower than it is spent: a reader that is slow for ever costs the
        # run a tenth of its time at most.
        self._credit = min(PATIENCE, self._credit + (now - self._looked) / 10)
        self._looked = now
        # poll(2) rounds up to a millisecond, which adds up over many lines.
        return self._credit if self._credit > _LEAST else 0.0

    def _is_ready(self, seconds: float | None) -> bool:
        import select

        poll = select.poll()
        poll.register(self._descriptor if self._own is None else self._own, select.POLLOUT)
        began = time.monotonic()
        ready = bool(poll.poll(None if seconds is None else seconds * 1000))
        self._looked = time.monotonic()
        self._credit = max(0.0, self._credit - (self._looked - began))
        return ready


def make_safe() -> None:
    """Give the process all three standard streams, and make them accept any text.

    The number of a closed one would go to the next file that is opened, and whatever is printed would be written into it.
    """
    for descriptor in range(3):
        try:
            os.fstat(descriptor)
        except OSError:
            # The lowest free number is what open(2) gives, so in ascending order each gap is filled
            # by its own stream.
            os.open(os.devnull, os.O_RDWR)
    # Python has decided at its start that there is none, and does not look again.
    if sys.stdin is None:
        sys.stdin = os.fdopen(os.open(os.devnull, os.O_RDONLY))
    if sys.stdout is None or sys.stdout is sys.__stdout__:
        # A result is buffered, since many commands write it line by line; a log is not, so that it
        # is seen as it happens.
        sys.stdout = _text(io.BufferedWriter(Output(1, is_result=True)), sys.stdout)
    if sys.stderr is None or sys.stderr is sys.__stderr__:
        sys.stderr = _text(Output(2, is_result=False), sys.stderr)


def report_on_stdout(note: Callable[[int], str] | None = None) -> None:
    """Let standard output hold up nobody: what is printed there is not the purpose of the command.

    Args:
        note: As of `Output`.
    """
    # Only what make_safe() has set: a caller that replaced the stream, such as a test, keeps its
    # own.
    if isinstance(getattr(sys.stdout.buffer, "raw", None), Output):
        sys.stdout = _text(Output(1, is_result=False, note=note), sys.stdout)


def silence(stream: TextIO) -> None:
    """Discard whatever is written to a stream from now on, including what is still buffered."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    # The descriptor and not the object: what is still in the buffer goes there as well, without an
    # error.
    os.dup2(nowhere, stream.fileno())
    os.close(nowhere)


def _text(output: io.RawIOBase | io.BufferedWriter, before: TextIO | None) -> io.TextIOWrapper:
    # File names can hold bytes that are not text, and the locale's encoding may lack characters: neither must fail.
    encoding = before.encoding if before is not None else "utf-8"
    return io.TextIOWrapper(
        output,  # type: ignore[arg-type]
        encoding=encoding,
        errors="backslashreplace",
        newline="\n",
        write_through=True,
    )


def _without_waiting(descriptor: int) -> int | None:
    """The same pipe or terminal, opened again for us: O_NONBLOCK on the shared open file would make others fail."""
    try:
        kind = os.fstat(descriptor).st_mode
        if stat.S_ISFIFO(kind) or stat.S_ISCHR(kind):
            flags = os.O_WRONLY | os.O_NONBLOCK | os.O_NOCTTY | os.O_CLOEXEC
            return os.open(f"/proc/self/fd/{descriptor}", flags)
    except OSError:
        pass  # a socket, or somebody else's terminal
    return None


def _left_out(lines: int) -> str:
    return f"machineadm: {lines} lines were dropped here: nobody was reading\n"
