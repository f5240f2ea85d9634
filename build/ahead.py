"""`ahead.py` of the packed agent: a second process compiles what a first run is going to import.

Compiling is half of a first run. The modules that a plan imports are known (build/foresight.py). This process takes them in
that order and the other one from the end, until they meet. The other one sends what it compiles through a pipe, and ends
when it reaches the beginning, or when nobody reads the pipe any more.
"""

from __future__ import annotations

import contextlib
import fcntl
import marshal
import os
import signal

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable
    from types import CodeType
    from typing import NoReturn

PIPE_SIZE = (
    1031  # F_SETPIPE_SZ of fcntl(2); Python names it where it was built with a header that does
)
ROOM = 1 << 20


class Ahead:
    """The other process, as this one sees it.

    Args:
        paths: What to compile, in the order in which it is imported.
        compiled: Compiles the module of a path.

    Raises:
        OSError: There can be no other process.
    """

    def __init__(self, paths: list[str], compiled: Callable[[str], CodeType]) -> None:
        self.places = {path: place for place, path in enumerate(paths)}
        self.found: dict[str, bytes] = {}
        self.rest = b""
        # One byte a module: this process has come to it.
        self.marks = os.memfd_create("machineadm-marks", os.MFD_CLOEXEC)
        os.truncate(self.marks, len(paths))
        self.pipe, theirs = os.pipe2(os.O_CLOEXEC)
        # The first process only looks whether something came; it never waits for the other, which
        # would cost more than compiling.
        os.set_blocking(self.pipe, False)
        with contextlib.suppress(OSError):  # then the other process waits now and then
            fcntl.fcntl(theirs, PIPE_SIZE, ROOM)
        self.child = os.fork()
        if self.child == 0:
            self.work(paths, compiled, theirs)
        os.close(theirs)

    def work(self, paths: list[str], compiled: Callable[[str], CodeType], pipe: int) -> NoReturn:
        """Do the work of the other process."""
        try:
            signal.signal(signal.SIGINT, signal.SIG_DFL)  # Ctrl-C ends it without a traceback
            os.close(self.pipe)
            for path in reversed(paths):
                if os.pread(self.marks, 1, self.places[path]) == b"\0":
                    message = marshal.dumps((path, marshal.dumps(compiled(path))))
                    message = len(message).to_bytes(4, "little") + message
                    while message:
                        message = message[os.write(pipe, message) :]
        finally:
            # Not sys.exit: exit functions and buffers are the first process's, and must run once.
            os._exit(0)

    def take(self, path: str) -> bytes | None:
        """Return the compiled module if the other process was first; else mark it as this one's."""
        if path not in self.places:
            return None
        self.receive()
        if path not in self.found and self.child > 0:
            # Without memory for the mark the other process compiles the module, too, and nobody reads it.
            with contextlib.suppress(OSError):
                os.pwrite(self.marks, b"!", self.places[path])
        return self.found.pop(path, None)

    def receive(self) -> None:
        """Read what was sent."""
        while self.child > 0:
            try:
                data = os.read(self.pipe, ROOM)
            except BlockingIOError:
                return
            if not data:
                self.end()
            self.rest += data
            while len(self.rest) >= 4:
                size = 4 + int.from_bytes(self.rest[:4], "little")
                if len(self.rest) < size:
                    break
                path, code = marshal.loads(self.rest[4:size])  # noqa: S302 - of this very program
                self.found[path] = code
                self.rest = self.rest[size:]

    def end(self) -> None:
        """Kill the other process and release everything."""
        if self.child > 0:
            os.kill(self.child, signal.SIGKILL)
            os.waitpid(self.child, 0)
            self.child = 0
            os.close(self.pipe)
            os.close(self.marks)
