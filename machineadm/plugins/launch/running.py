"""A running plugin: its start and its end are bounded in time, and nothing of it is left afterwards."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import ssl
import time
from collections.abc import Awaitable, Callable
from functools import partial
from typing import TYPE_CHECKING, Any, Final

from grpclib.const import Status

from machineadm.errors import PluginError
from machineadm.plugins.launch.guard import no_place
from machineadm.plugins.launch.model import Command, Reattach
from machineadm.plugins.launch.process import start
from machineadm.plugins.launch.started import Started
from machineadm.plugins.wire.certificates import new_identity
from machineadm.plugins.wire.handshake import Line, parse
from machineadm.plugins.wire.logs import Record
from machineadm.plugins.wire.rpc import RpcError

if TYPE_CHECKING:
    from machineadm.plugins.launch.containers.contained import Watch
    from machineadm.plugins.wire.connection import Connection, Output

GRACE: Final = 2.0
"""Seconds between the request to end and SIGKILL, as in go-plugin."""


_LATE: Final = "read the last lines of its log; on a busy machine try again"


class Running:
    """A plugin, connected.

    Args:
        name: Its name in messages.
        version: Application version that both speak.
        connection: To it.
        process: Its process; None if somebody else started it.
        directory: Removed at its end.
        pid: Of a process that somebody else started and that this host must end.
        test: Never ended.
        certificate: Of the plugin, DER; empty without TLS.
    """

    def __init__(
        self,
        name: str,
        version: int,
        connection: Connection,
        process: Started | None,
        directory: str,
        *,
        pid: int = 0,
        test: bool = False,
        certificate: bytes = b"",
    ) -> None:
        self.name = name
        self.version = version
        self.connection = connection
        self.process = process
        self.directory = directory
        self.certificate = certificate
        self._pid = pid
        self._test = test
        self._ending: asyncio.Task[None] | None = None

    @property
    def log_tail(self) -> str:
        """The last lines of its log, if this host reads it."""
        return self.process.log_tail if self.process else ""

    async def end(self) -> None:
        """Ask it to end, and kill it after two seconds. Runs once, however often it is called."""
        if self._ending is None:
            self._ending = asyncio.get_running_loop().create_task(self._end())
        # Shielded: a caller that is cancelled, by the run's deadline for one, must not leave the
        # plugin alive.
        await asyncio.shield(self._ending)

    async def _end(self) -> None:
        try:
            # Whoever debugs it ends it, as with go-plugin's ReattachConfig.Test.
            if self._test:
                await self.connection.close()
                return
            # First the request: a plugin may have something to give back.
            await self.connection.shut_down()
            if self.process is not None:
                # As go-plugin's Client.Kill waits.
                await self.process.ended(GRACE)
                await self.process.finish()
            elif self._pid:
                await _end_foreign(self._pid)
        finally:
            # Last, since a process that is alive makes new files.
            shutil.rmtree(self.directory, ignore_errors=True)


async def launch(
    command: Command,
    directory: str,
    *,
    listen: Callable[[Record], None],
    output: Output,
    watch: Watch,
) -> Running:
    """Start a plugin and connect to it.

    Args:
        command: What to start.
        directory: Created here, for its sockets and temporary files; removed at its end.
        listen: Gets its log.
        output: Gets what it prints after its start.
        watch: Has its container removed if this host is killed.

    Raises:
        PluginError: It cannot be started, is not a plugin, or does not fit; nothing of it is left.
    """
    # One end for all of the start: a bound for each part would add up.
    end = time.monotonic() + command.start_timeout
    _make(directory)
    process: Started | None = None
    try:
        if command.group:
            _share(directory, command.group)
        # In a thread: a P-521 key and its signature take long enough to delay the other plugins
        # that start in this loop.
        identity = await asyncio.to_thread(new_identity) if command.mtls else None
        certificate = identity.certificate if identity else b""
        if command.container is None:
            process = await start(command, directory, certificate, listen)
        else:
            process = await _contained(command, directory, certificate, listen, watch, end)
        # Not before: the plugin is making its key on another core, which takes longer than this import.
        from machineadm.plugins.wire.connection import opened

        line = await _shaken_hands(command, process, end)
        opening = partial(opened, identity=identity, directory=directory, output=output)
        connection = await _connected(command, line, process, opening, end)
    except BaseException as error:
        if process is not None:
            # Shielded: a start that is cancelled must still kill what it started.
            await asyncio.shield(process.finish(failed=True))
        shutil.rmtree(directory, ignore_errors=True)
        if isinstance(error, PluginError) and process is not None:
            named: PluginError = _named(command.name, error, process)
            raise named from error
        raise
    return Running(
        command.name,
        line.version,
        connection,
        process,
        directory,
        certificate=line.certificate,
    )


async def reattach(
    wanted: Reattach, directory: str, *, listen: Callable[[Record], None], output: Output
) -> Running:
    """Connect to a plugin that is already running, without TLS, as go-plugin does.

    Raises:
        PluginError: Nothing listens there; no process is ended because of that.
    """
    from machineadm.plugins.wire.connection import opened

    process: Started | None = None
    if wanted.container:
        from machineadm.plugins.launch.containers.contained import attached

        process = await attached(wanted.name, wanted.container, listen)
    _make(directory)
    mount = process.mount if process else None
    try:
        connection = await opened(
            wanted.address,
            # What both share, if it is a container: it cannot see another one.
            directory=mount.outside if mount else directory,
            identity=None,
            peer=b"",
            multiplexed=False,
            output=output,
            mount=mount,
        )
    except OSError as error:
        # Nothing but our own directory: a wrong address must end no process.
        shutil.rmtree(directory, ignore_errors=True)
        raise PluginError(
            "MA7230",
            f"plugin {wanted.name}: nothing listens on {wanted.address}: {error}",
            hint="start the plugin again, and use the address that it prints",
        ) from error
    return Running(
        wanted.name,
        wanted.version,
        connection,
        process,
        directory,
        pid=wanted.pid,
        test=wanted.test,
    )


async def _contained(
    command: Command,
    directory: str,
    certificate: bytes,
    listen: Callable[[Record], None],
    watch: Watch,
    end: float,
) -> Started:
    """Start a container, within the time of the plugin's start.

    Raises:
        PluginError: It cannot be started.
    """
    # Here alone: most plugins are processes, and need none of HTTP.
    from machineadm.plugins.launch.containers.contained import start as start_container

    assert command.container is not None  # noqa: S101 - the caller looked
    starting = start_container(command, command.container, directory, certificate, listen, watch)
    try:
        return await asyncio.wait_for(starting, max(end - time.monotonic(), 0.1))
    except asyncio.TimeoutError:
        raise PluginError(
            "MA7212",
            f"plugin {command.name}: its container was not started within {command.start_timeout:g} s",
            hint="look at the container engine's own log, and at how busy the machine is",
        ) from None


async def _shaken_hands(command: Command, process: Started, end: float) -> Line:
    """Wait for the handshake line.

    Raises:
        PluginError: There is no line, or it does not fit.
    """
    left = max(end - time.monotonic(), 0)
    # End of output and exit race when a plugin dies early; both are watched so that the exit code
    # gets into the message.
    either: set[asyncio.Future[Any]] = {process.line, process.exited}
    # Both: who waits for the line alone waits the whole time for a plugin that died.
    await asyncio.wait(either, timeout=left, return_when=asyncio.FIRST_COMPLETED)
    if process.exited.done() and not process.line.done():
        # What it printed before it ended may still be in the pipe.
        await asyncio.wait({process.line}, timeout=0.5)
        if not process.line.done():
            # A child that it started holds its output open; waiting for that one would take the whole timeout.
            raise await _ended_early(process)
    if not process.line.done():
        raise PluginError(
            "MA7212",
            f"it did not print its handshake within {command.start_timeout:g} s",
            hint="run it yourself with its cookie: it must print its handshake line at once",
        )
    text = process.line.result()
    # The end of its output; the reason comes with its exit, a moment later.
    if not text.strip():
        await process.ended(min(1.0, max(end - time.monotonic(), 0)))
        raise await _ended_early(process)
    return parse(
        text, versions=command.versions, mtls=command.mtls, multiplexed=command.multiplexed
    )


async def _ended_early(process: Started) -> PluginError:
    if not process.exited.done():
        return PluginError(
            "MA7211",
            "it closed its standard output without a handshake line",
            hint="a plugin must print its handshake line first, and nothing else",
        )
    # The reason is often in its last lines, which may still be in the pipe.
    try:
        await asyncio.wait_for(process.log_ended.wait(), 0.5)
    except asyncio.TimeoutError:
        pass
    how, cause, hint = await process.cause()
    return PluginError(
        "MA7211",
        f"it exited ({how}) before its handshake{': ' + cause if cause else ''}",
        hint=hint or "read the last lines of its log",
    )


async def _connected(
    command: Command,
    line: Line,
    process: Started,
    opening: Callable[..., Awaitable[Connection]],
    end: float,
) -> Connection:
    """Connect and check that it serves.

    Raises:
        PluginError: It does not serve, or another process answers at its address.
    """

    async def connect() -> Connection:
        connection = await opening(
            line.address,
            group=process.group,
            peer=line.certificate,
            multiplexed=command.multiplexed,
            mount=process.mount,
        )
        try:
            # Within the time of the start, so that "started" means "serves".
            await connection.ping(max(end - time.monotonic(), 0.1))
        except BaseException as error:
            # An old library has no health service; that it answered at all is enough.
            if not isinstance(error, RpcError) or error.status is not Status.UNIMPLEMENTED:
                await connection.close()
                raise
        return connection

    connecting = asyncio.get_running_loop().create_task(connect())
    # A plugin that dies after its line would otherwise show as a refused connection, without its
    # exit code and its log.
    both: set[asyncio.Future[Any]] = {connecting, process.exited}
    done, _ = await asyncio.wait(
        both,
        timeout=max(end - time.monotonic(), 0.1),
        return_when=asyncio.FIRST_COMPLETED,
    )
    if connecting not in done:
        connecting.cancel()
        # Cancelling is not closing: it may have connected just now, and then its socket is closed
        # below.
        await asyncio.wait({connecting})
        if not connecting.cancelled() and connecting.exception() is None:
            await connecting.result().close()
        if process.exited.done():
            raise await _ended_early(process)
        raise PluginError(
            "MA7212", f"it was not ready within {command.start_timeout:g} s", hint=_LATE
        )
    try:
        return connecting.result()
    # Somebody else answers at its address.
    except ssl.SSLCertVerificationError as error:
        raise PluginError(
            "MA7216",
            "the server at its address has another certificate than the one it sent",
            hint="start it again; if that repeats, an attacker may be on the path",
        ) from error
    except ValueError as error:
        raise PluginError(
            "MA7216",
            f"its certificate cannot be read: {error}",
            hint="this is a bug in the plugin: ask its author",
        ) from error
    except RpcError as error:
        if error.status is Status.DEADLINE_EXCEEDED:
            message = f"it was not ready within {command.start_timeout:g} s"
            raise PluginError("MA7212", message, hint=_LATE) from error
        raise PluginError(
            "MA7218", f"it does not serve: {error}", hint="read the last lines of its log"
        ) from error
    except OSError as error:
        raise PluginError(
            "MA7218",
            f"cannot connect to {line.address}: {error}",
            hint="read the last lines of its log",
        ) from error


def _named(name: str, error: PluginError, process: Started) -> PluginError:
    """Add the plugin's name and the last lines of its log to an error."""
    prefix = f"plugin {name}: "
    message = error.message if error.message.startswith(prefix) else prefix + error.message
    named = PluginError(error.code, message, hint=error.hint())
    named.log_tail = process.log_tail
    return process.refined(named)


async def _end_foreign(pid: int) -> None:
    """Wait for a process that is not our child, then end it."""
    # Not our child, so waitpid(2) would fail: polled, as go-plugin does.
    end = time.monotonic() + GRACE
    while time.monotonic() < end and _lives(pid):
        await asyncio.sleep(0.05)
    if _lives(pid):
        # Straight to SIGKILL, as go-plugin does: the request to end was the polite part.
        os.kill(pid, signal.SIGKILL)


def _lives(pid: int) -> bool:
    # Signal 0 only asks (kill(2)).
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    # EPERM: it is there, and another user's.
    except PermissionError:
        return True
    return True


def _make(directory: str) -> None:
    try:
        os.mkdir(directory, 0o700)
    except OSError as error:
        refusal: PluginError = no_place(error)
        raise refusal from error


def _share(directory: str, group: str) -> None:
    from machineadm.plugins.wire.sockets import group_number

    # The group first: with the mode first the old group could look inside for a moment.
    os.chown(directory, -1, group_number(group))
    os.chmod(directory, 0o770)  # noqa: S103 - the group is to look in
