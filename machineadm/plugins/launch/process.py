"""A plugin's process: its pipes and its end."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import threading
from collections.abc import Callable

from machineadm.errors import PluginError
from machineadm.plugins.launch.diagnose import unstartable
from machineadm.plugins.launch.environment import environment_of
from machineadm.plugins.launch.executable import executable_of, open_executable
from machineadm.plugins.launch.guard import end_all_below
from machineadm.plugins.launch.model import Command
from machineadm.plugins.launch.started import FirstLine, Lines, Started
from machineadm.plugins.wire.logs import Record


class Process(Started):
    """A started process; `start` makes it.

    Args:
        process: With pipes.
        directory: For its sockets and temporary files.
        listen: Gets its log.
    """

    def __init__(
        self,
        process: subprocess.Popen[bytes],
        directory: str,
        listen: Callable[[Record], None],
    ) -> None:
        super().__init__(listen)
        self.pid = process.pid
        self._process = process
        self._directory = directory
        self._reaping = threading.Lock()
        self._transports: list[asyncio.BaseTransport] = []

    async def attend(self) -> None:
        """Read its pipes and wait for its end, for as long as it lives."""
        loop = asyncio.get_running_loop()
        # A thread, not asyncio's child watcher: that one reaps at once, and then the process
        # group's number is free for others.
        threading.Thread(target=self._reap, args=(loop,), daemon=True, name="plugin-reaper").start()
        out, _ = await loop.connect_read_pipe(lambda: FirstLine(self.line), self._process.stdout)
        err, _ = await loop.connect_read_pipe(
            lambda: Lines(self.logged, self.log_ended.set), self._process.stderr
        )
        self._transports = [out, err]

    def kill(self) -> None:
        """End it and its group at once, if it has not ended."""
        # Under the reaper's lock: after wait() the number may be another process's.
        with self._reaping:
            if self._process.returncode is None:
                _kill_group(self.pid)

    async def finish(self, *, failed: bool = False) -> None:
        """See `Started.finish`; what it started ends with it."""
        del failed  # a process leaves nothing to look at
        self.kill()
        # First its own end: who is alive may still start children.
        await asyncio.wait({self.exited})
        # Killing the group misses a child that called setsid; its environment still gives it away.
        await asyncio.to_thread(end_all_below, self._directory)
        try:
            await asyncio.wait_for(self.log_ended.wait(), 0.5)
        except asyncio.TimeoutError:
            pass
        # A child that inherited the pipe may hold it open for ever.
        for transport in self._transports:
            transport.close()

    def _reap(self, loop: asyncio.AbstractEventLoop) -> None:
        # WNOWAIT leaves a zombie, so the kernel cannot give its number, which is its group's too, to another process before
        # the group is killed.
        os.waitid(os.P_PID, self.pid, os.WEXITED | os.WNOWAIT)
        with self._reaping:
            _kill_group(self.pid)
            code = self._process.wait()
        try:
            loop.call_soon_threadsafe(self.exit, code)
        except RuntimeError:
            pass  # the host is gone


async def start(
    command: Command, directory: str, certificate: bytes, listen: Callable[[Record], None]
) -> Process:
    """Start a plugin's process.

    Args:
        command: What to start.
        directory: An empty one, of its own.
        certificate: The host's, PEM; empty without AutoMTLS.
        listen: Gets its log.

    Raises:
        PluginError: The file is missing, not the right one, or cannot be executed.
    """
    descriptor = open_executable(command.name, command.path, command.sha256)
    try:
        process = subprocess.Popen(
            [command.path, *command.arguments],
            # argv[0] stays the path, which programs show in their usage; what is executed is the
            # file that was checked.
            executable=executable_of(descriptor),
            # Never the host's own: it may be the stream of documents, and a plugin that reads it
            # would take them away.
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            # asyncio reads the descriptor; a buffer between would keep the first line.
            bufsize=0,
            # No mount is kept busy by it.
            cwd="/",
            env=environment_of(command, directory, certificate),
            # No other descriptor of the host, which may be of a secret file.
            pass_fds=(descriptor,),
            # Its own group can be killed as a whole, and Ctrl-C reaches only the host, which ends plugins in order.
            start_new_session=True,
        )
    except OSError as error:
        refusal: PluginError = unstartable(command.name, command.path, error)
        raise refusal from error
    finally:
        os.close(descriptor)
    started = Process(process, directory, listen)
    started.group = command.group
    await started.attend()
    return started


def _kill_group(pid: int) -> None:
    try:
        os.killpg(pid, signal.SIGKILL)
    # Nothing is left of it, or what is left belongs to others.
    except (ProcessLookupError, PermissionError):
        pass
