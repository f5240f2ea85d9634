"""Running programs: built environment, own process group, bounded and redacted output.

The kernel kills a child when the agent dies (PR_SET_PDEATHSIG). A grandchild survives that, but it has inherited the lock's
descriptor, so it still keeps a second agent out.
"""

from __future__ import annotations

import collections
import contextlib
import enum
import os
import select
import signal
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from machineadm.errors import HostError
from machineadm.host.linux.clock import Interruption, LinuxClock
from machineadm.host.linux.descriptors import write_all
from machineadm.host.linux.environment import proxy_variables
from machineadm.host.ports import CommandResult
from machineadm.redaction import Redactor, Secret
from machineadm.terminal import printable

if TYPE_CHECKING:
    import subprocess

KEPT = 64 * 1024
"""Bytes of output that a result carries."""
LONGEST_LINE = 16 * 1024
"""Characters of one line that are shown; the rest of it is dropped."""
GRACE = 5.0
"""Seconds between SIGTERM and SIGKILL."""
_POLL = 0.2
_DRAIN = 0.5
_SEARCH = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")
_PR_SET_PDEATHSIG = 1


class LinuxCommands:
    """The Commands port.

    Args:
        interruption: What ends a command early.
        redactor: Removes secrets from output.
        log: Takes each line of output.
        inherited: Gives the descriptors that children inherit beside the standard three.
    """

    def __init__(
        self,
        interruption: Interruption,
        *,
        redactor: Redactor,
        log: Callable[[str], None],
        inherited: Callable[[], tuple[int, ...]] = lambda: (),
    ) -> None:
        self._interruption = interruption
        self._clock = LinuxClock(interruption)
        self._redactor = redactor
        self._log = log
        self._inherited = inherited

    def run(
        self,
        argv: Sequence[str],
        *,
        environment: Mapping[str, str | Secret] | None = None,
        directory: str = "/",
        timeout: float | None = None,
        input: bytes | None = None,
        quiet: bool = False,
        note: str = "",
        attend: Callable[[str], None] | None = None,
    ) -> CommandResult:
        """See `Commands.run`."""
        self._interruption.check()
        # Before the program's first line, so that the log says what it is run for even if it
        # hangs.
        if note:
            self._log(note)
        # Within this a signal raises nothing: the process must get its SIGTERM and time to clean up, and `_attend` asks
        # often whether the run must end.
        with self._interruption.held():
            # Within `held`: a signal between fork and the first look would leave a child that
            # nobody ends.
            process = self._start(argv, environment or {}, directory, input)
            output = _Output(
                self._redactor, None if quiet else self._log, attended=attend is not None
            )
            end = None if timeout is None else self._clock.monotonic() + timeout
            self._interruption.groups.add(process.pid)
            try:
                stopped = self._attend(process, output, end, attend)
            finally:
                _clear_away(process)
                self._interruption.groups.discard(process.pid)
            # After the process is gone: a last line without a line break is often the one that
            # says why it failed.
            output.end()
            if attend is not None:
                attend(output.news())
        # Only now, when the process is gone and its output taken: what it has said belongs into
        # the log of the run that ends.
        if stopped is _Stop.INTERRUPTION:
            self._interruption.check()
        return CommandResult(
            exit_code=process.returncode,
            output=output.text(),
            timed_out=stopped is _Stop.TIMEOUT,
        )

    def _start(
        self,
        argv: Sequence[str],
        environment: Mapping[str, str | Secret],
        directory: str,
        input_: bytes | None,
    ) -> subprocess.Popen[bytes]:
        import subprocess

        # Built and not inherited: what a first-boot tool has in its environment would make a
        # first run differ from a resumed one.
        variables = built_environment(environment)
        program = _program(argv[0], directory, variables["PATH"])
        with contextlib.ExitStack() as held:
            # A program that asks a question gets the end of its input, and fails now instead of
            # waiting until the deadline.
            stdin = subprocess.DEVNULL if input_ is None else held.enter_context(_in_memory(input_))
            try:
                return subprocess.Popen(
                    argv,
                    executable=program,
                    stdin=stdin,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.STDOUT,
                    cwd=directory,
                    env=variables,
                    # A process group of its own, so that a timeout ends everything the program started, and not us. A
                    # session of its own has no terminal either: Ctrl-C reaches us alone, and we pass it on in order.
                    start_new_session=True,
                    # The lock: while an orphan runs, no second agent can.
                    pass_fds=self._inherited(),
                    preexec_fn=_die_with_parent(os.getpid()),
                    # The pipe is read by descriptor after select(2); a buffered reader would hide
                    # output from it.
                    bufsize=0,
                )
            except (OSError, ValueError, subprocess.SubprocessError) as error:
                # A ValueError quotes the value it rejects, which may be a secret of the environment; hence no `from error`.
                reason = error.strerror if isinstance(error, OSError) else "invalid arguments"
                raise HostError(
                    "MA3202",
                    f"cannot run {argv[0]}: {reason}",
                    hint="check its mode and its #! line, whose program must exist",
                ) from None

    def _attend(
        self,
        process: subprocess.Popen[bytes],
        output: _Output,
        end: float | None,
        attend: Callable[[str], None] | None,
    ) -> _Stop | None:
        """Pass output on until the process has ended.

        Returns:
            Why it had to be stopped, if it had.
        """
        pipe: int | None = _output_of(process)
        stopped: _Stop | None = None
        stopped_at = 0.0
        # Until the process ends, not until the pipe does: a daemon that it has started may hold the
        # pipe open for ever.
        while process.poll() is None:
            if attend is not None:
                attend(output.news())
            now = self._clock.monotonic()
            if stopped is None:
                stopped = self._reason_to_stop(now, end)
                if stopped is not None:
                    stopped_at = now
                    _signal_group(process, signal.SIGTERM)
            elif now - stopped_at >= GRACE:
                _signal_group(process, signal.SIGKILL)
            patience = self._patience(end) if stopped is None else _POLL
            # Also while it is being stopped: a program that cannot write blocks, and would never
            # get to its own cleanup.
            pipe = self._take(pipe, output, patience)
        # The program may have ended at SIGTERM while its children did not; they must not go on beside a cleanup.
        if stopped is not None:
            _signal_group(process, signal.SIGKILL)
        self._drain(pipe, output)
        return stopped

    def _reason_to_stop(self, now: float, end: float | None) -> _Stop | None:
        if self._interruption.due():
            return _Stop.INTERRUPTION
        return _Stop.TIMEOUT if end is not None and now >= end else None

    def _drain(self, pipe: int | None, output: _Output) -> None:
        """Take what the process wrote last. Others that still hold the pipe open are not waited for."""
        # Bounded, because a daemon that has inherited the pipe may write to it without end.
        until = self._clock.monotonic() + _DRAIN
        while pipe is not None and self._clock.monotonic() < until:
            if not select.select([pipe], [], [], 0)[0]:
                return
            pipe = _read(pipe, output)

    def _patience(self, end: float | None) -> float:
        """Seconds to wait for output before looking at process, timeout and deadline again."""
        left = [_POLL]
        if end is not None:
            left.append(end - self._clock.monotonic())
        remaining = self._interruption.remaining()
        if remaining is not None:
            left.append(remaining)
        return max(0.0, min(left))

    def _take(self, pipe: int | None, output: _Output, patience: float) -> int | None:
        """Wait for output or a signal; None once the pipe has ended."""
        # Its descriptor stays readable once a signal has come, and would turn this wait into a busy loop.
        watched: list[Any] = [] if self._interruption.due() else [self._interruption]
        if pipe is None:
            # The process has closed its output, so it is probably about to end.
            select.select(watched, [], [], min(patience, 0.01))
            return None
        ready = select.select([*watched, pipe], [], [], patience)[0]
        return _read(pipe, output) if pipe in ready else pipe


class _Stop(enum.Enum):
    """Why a process was stopped."""

    TIMEOUT = enum.auto()
    INTERRUPTION = enum.auto()


class _Output:
    """A program's output on its way to log and report: by lines, redacted, bounded."""

    def __init__(
        self, redactor: Redactor, log: Callable[[str], None] | None, *, attended: bool = False
    ) -> None:
        self._redactor = redactor
        self._attended = attended
        self._log = log
        self._partial = bytearray()
        self._cut = False
        # More of a line is kept than is shown, so that a secret at the limit is seen whole, and redacted, before the cut.
        self._overlap = redactor.longest * 4
        self._kept: collections.deque[str] = collections.deque()
        self._size = 0
        self._news: list[str] = []

    def feed(self, data: bytes) -> None:
        """Take bytes and pass on every complete line."""
        *lines, rest = data.split(b"\n")
        for line in lines:
            self._extend(line)
            self._line()
        self._extend(rest)

    def end(self) -> None:
        """No more bytes will come: what is left is a last line without a line break."""
        if self._partial:
            self._line()

    def text(self) -> str:
        """The last part of the output."""
        text = "".join(self._kept).encode()
        # The cut may fall inside a character.
        # In bytes, since the report is limited in bytes, and one character may be four of them.
        return text[-KEPT:].decode(errors="ignore")

    def news(self) -> str:
        """The lines since the last call."""
        text = "".join(self._news)
        self._news.clear()
        return text

    def _extend(self, data: bytes) -> None:
        # Four bytes for each character, the longest that UTF-8 has: the cut by characters comes
        # after decoding.
        room = LONGEST_LINE * 4 + self._overlap - len(self._partial)
        self._partial += data[:room]
        self._cut = self._cut or len(data) > room

    def _line(self) -> None:
        text = self._redactor.text(
            bytes(self._partial).removesuffix(b"\r").decode(errors="replace")
        )
        shown = LONGEST_LINE
        if self._cut:
            # What was dropped may have been the rest of a secret, whose first part would not be recognised.
            shown = max(0, min(shown, len(text) - self._redactor.longest))
        if self._cut or len(text) > LONGEST_LINE:
            text = text[:shown] + " [line cut]"
        self._partial.clear()
        self._cut = False
        # Escape sequences must not act on the terminal of a reader of the log. After redaction: an escape within a secret
        # would keep it from being recognised.
        text = printable(text)
        self._kept.append(f"{text}\n")
        if self._attended:
            self._news.append(f"{text}\n")
        self._size += len(text) + 1
        # The end of the output is what counts: programs report why they fail last.
        # As long as what is left would still be enough: the oldest line may go only if the rest
        # fills the report.
        while self._size - len(self._kept[0]) > KEPT:
            self._size -= len(self._kept.popleft())
        if self._log is not None:
            self._log(text)


def search_path() -> str:
    """PATH for programs: the agent's own, then the standard directories."""
    own = [
        directory
        for directory in os.environ.get("PATH", "").split(":")
        # A relative one would be looked up in the working directory of each command: anyone who can
        # write there could have root run their program.
        if directory.startswith("/")
    ]
    return ":".join(dict.fromkeys([*own, *_SEARCH]))


def built_environment(additions: Mapping[str, str | Secret]) -> dict[str, str]:
    """The environment of a child: a fixed few variables, the proxy's, and what is given. Nothing else of ours."""
    built = {
        "PATH": search_path(),
        # systemd sets no HOME for system services (systemd.exec(5)), and kubectl and ssh look for
        # their files there.
        "HOME": os.environ.get("HOME", "/root"),
        # Output is searched for known messages and goes into reports, so it must not depend on the
        # machine's locale.
        "LANG": "C.UTF-8",
    }
    built.update(proxy_variables())
    for name, value in additions.items():
        built[name] = value.reveal() if isinstance(value, Secret) else value
    return built


def find_program(program: str, path: str) -> str | None:
    """Absolute path of a program in the directories of a search path, or None."""
    for directory in path.split(":"):
        candidate = f"{directory or '.'}/{program}"
        # As execvp(3), which passes over what it may not execute and goes on looking.
        if os.path.isfile(candidate) and os.access(candidate, os.X_OK):
            return candidate
    return None


def _program(name: str, directory: str, path: str) -> str:
    """Path of the program, found as execvp(3) finds it.

    Raises:
        HostError: There is no such program, or no such working directory.
    """
    # Popen reports a missing directory with the same ENOENT as a missing program, and the operator
    # would look for the wrong one.
    if not os.path.isdir(directory):
        raise HostError("MA3203", f"cannot run {name}: there is no working directory {directory}")
    program = os.path.join(directory, name) if "/" in name else find_program(name, path)
    if program is None or not os.path.exists(program):
        raise HostError(
            "MA3201",
            f"cannot run {name}: program not found",
            hint=f"install it, or use its full path; searched: {path}",
        )
    return program


def _die_with_parent(parent: int) -> Callable[[], None]:
    """What a child does between fork and exec.

    Everything is looked up before the fork: afterwards a lock that another thread held would stay locked for ever.
    """
    import ctypes

    prctl = ctypes.CDLL(None).prctl

    def prepare() -> None:
        # Sent when the thread that forked ends (prctl(2)); that thread stays here until the child
        # has ended.
        prctl(_PR_SET_PDEATHSIG, signal.SIGKILL, 0, 0, 0)
        # The agent died before prctl took effect, so no signal will ever come.
        if os.getppid() != parent:
            os._exit(127)
        # Whoever started the agent may have set another one, and files of the user's commands would
        # depend on it.
        os.umask(0o022)

    return prepare


@contextlib.contextmanager
def _in_memory(data: bytes) -> Iterator[int]:
    """A descriptor to read the data from. The data never reaches a disk, and unlike a pipe this holds any amount without a reader."""
    # Not a file of /tmp, which may be a disk; and a pipe takes only 64 KiB (pipe(7)) before a
    # writer has to wait for its reader.
    fd = os.memfd_create("input", os.MFD_CLOEXEC)
    try:
        write_all(fd, data)
        # The child shares the offset with us, and would start to read where we have ended to
        # write.
        os.lseek(fd, 0, os.SEEK_SET)
        yield fd
    finally:
        os.close(fd)


def _output_of(process: subprocess.Popen[bytes]) -> int | None:
    return None if process.stdout is None else process.stdout.fileno()


def _clear_away(process: subprocess.Popen[bytes]) -> None:
    """Leave no process running that nobody watches any more, and no descriptor open."""
    if process.poll() is None:
        _signal_group(process, signal.SIGKILL)
        process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _read(pipe: int, output: _Output) -> int | None:
    data = os.read(pipe, 65536)
    output.feed(data)
    return pipe if data else None


def _signal_group(process: subprocess.Popen[bytes], number: signal.Signals) -> None:
    with contextlib.suppress(ProcessLookupError):
        # The group, by the leader's number: after start_new_session they are the same.
        os.killpg(process.pid, number)
