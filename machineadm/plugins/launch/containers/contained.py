"""A plugin's container: its start, what it prints, its end."""

from __future__ import annotations

import asyncio
import os
import secrets
import signal
from collections.abc import Callable
from typing import Any, Final, TypeVar

from msgspec.structs import replace

from machineadm.errors import PluginError
from machineadm.plugins.launch.containers.creating import (
    body_of,
    is_rootless,
    missing,
    refused,
    require_image,
    share_with_all_users_of_a_namespace,
    user_of,
)
from machineadm.plugins.launch.containers.engine import Engine, EngineRefusalError, located
from machineadm.plugins.launch.containers.leftovers import labels_of, remove, state_of, sweep
from machineadm.plugins.launch.diagnose import explained
from machineadm.plugins.launch.environment import protocol_of
from machineadm.plugins.launch.model import INSIDE, Command, Container
from machineadm.plugins.launch.started import FirstLine, Lines, Started
from machineadm.plugins.wire.logs import Record
from machineadm.plugins.wire.sockets import Mount

T = TypeVar("T")

Watch = Callable[[Engine], Callable[[], None]]
"""Makes sure that somebody removes this host's containers if it is killed; what it returns says that one may be left."""

# The engine's frames name the stream by its descriptor.
_STDERR: Final = 2
_PIECE: Final = 64 * 1024


class Contained(Started):
    """A container; `start` and `attached` make it.

    Args:
        engine: That runs it.
        name: Of the container, or its id.
        mount: The directory that both share.
        listen: Gets its log.
        left: Called if it may be left.
        container: What it is, if it was started here.
    """

    def __init__(
        self,
        engine: Engine,
        name: str,
        mount: Mount,
        listen: Callable[[Record], None],
        left: Callable[[], None],
        container: Container | None = None,
    ) -> None:
        super().__init__(listen)
        self.name = name
        self.mount = mount
        self._directory = mount.outside
        self._engine = engine
        self._left = left
        self._debug = container is not None and container.debug
        self._grouped = container is not None and container.group is not None
        self._rootless = False
        self._user = ""
        self._state: dict[str, Any] = {}
        self._reading: asyncio.Task[None] | None = None
        self._watching: asyncio.Task[None] | None = None

    def share(self, container: Container, *, rootless: bool, user: str) -> bool:
        """Let both sides use sockets in the directory.

        Args:
            container: What it is.
            rootless: Whether the engine runs as an ordinary user.
            user: That its image names; empty for root.

        Returns:
            Whether the container must be allowed to write there whatever its user is.

        Raises:
            PluginError: MA7208: It cannot be shared.
        """
        self._rootless, self._user = rootless, user
        # In a namespace the image's user is a number that the host's modes know nothing of.
        override = rootless and bool(user)
        try:
            if override:
                share_with_all_users_of_a_namespace(self._directory)
            # In a namespace the number is another group's: its user is let in as above.
            elif container.group is not None and not rootless:
                self.group = str(container.group)
                # The group first: with the mode first the old group could look inside for a moment.
                os.chown(self._directory, -1, container.group)
                os.chmod(self._directory, 0o770)  # noqa: S103 - the group is to look in
        except OSError as error:
            reason = (error.strerror or str(error)).lower()
            message = f"{self._directory} cannot be shared with the container: {reason}"
            raise PluginError(
                "MA7208", message, hint="look at its file system and its mount options"
            ) from error
        return override

    async def run(self) -> None:
        """Start the created container, and follow it for as long as it lives.

        Raises:
            EngineRefusalError: It cannot be started.
            PluginError: MA7235: The engine does not answer.
        """
        # Before it is started, or what it prints first, its handshake, is lost.
        reader, writer = await self._engine.attach(self.name)
        self._reading = asyncio.get_running_loop().create_task(self._read(reader, writer))
        await _settled(lambda: self._engine.ask("POST", f"/containers/{self.name}/start"))
        self.follow()

    def follow(self) -> None:
        """Wait for its end from now on."""
        self._watching = asyncio.get_running_loop().create_task(self._watch())

    async def cause(self) -> tuple[str, str, str]:
        """See `Started.cause`; the engine knows more than an exit code."""
        code = self.exited.result()
        how = f"signal {signal.Signals(-code).name}" if code < 0 else f"exit code {code}"
        # The engine's own answer before the log: a process that was killed for its memory has no
        # chance to say so.
        if self._state.get("OOMKilled"):
            return how, "it used more memory than it may", "raise container.memory"
        cause, hint = explained(self.log_tail, code)
        # EACCES at bind looks like any failed start; only user and directory together explain it.
        if not cause and "permission denied" in self.log_tail.lower() and self._may_not_write():
            cause = f"its image's user {self._user} must not write into the directory for sockets"
            hint = "set container.group to a number of its own"
        if not cause and self._state.get("Error"):
            cause = f"the engine says: {self._state['Error']}"
        return how, cause, hint

    def refined(self, error: PluginError) -> PluginError:
        """Say where the container is that is kept, and why nobody can connect to another user's socket."""
        hint = error.hint()
        if error.code == "MA7218" and "permission denied" in error.message.lower() and self._user:
            hint = "set container.group: the image does not run as root"
        if self._debug:
            hint = f"{hint}; its container {self.name} is kept: look at its log and its state"
        changed = PluginError(error.code, error.message, hint=hint)
        changed.log_tail = error.log_tail
        return changed

    async def finish(self, *, failed: bool = False) -> None:
        """See `Started.finish`; in debug one that failed is stopped, not removed."""
        code = self.exited.result() if self.exited.done() else 0
        # A container that is still running and failed is kept as well, since its log is what one
        # wants to see.
        keep = self._debug and (failed or code != 0)
        try:
            await _settled(self._stop if keep else self._remove)
        except (EngineRefusalError, PluginError) as error:
            # Not raised: it would hide the error that led here.
            self._left()
            record = Record("warn", f"its container {self.name} is not removed: {error}")
            self._listen(record)
        try:
            # The last lines come after the end; a child that holds the pipe would hold us without a
            # bound.
            await asyncio.wait_for(self.log_ended.wait(), 0.5)
        except asyncio.TimeoutError:
            pass
        tasks = [one for one in (self._reading, self._watching) if one is not None]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self.exit(-signal.SIGKILL)

    def _remove(self) -> None:
        remove(self._engine, self.name)

    def _stop(self) -> None:
        try:
            # KILL and not stop: it was asked to end by the protocol already.
            self._engine.ask("POST", f"/containers/{self.name}/kill")
        except EngineRefusalError:
            # It has ended already, which engines answer in different ways; or it has not.
            if (state_of(self._engine, self.name).get("State") or {}).get("Running"):
                raise

    def _may_not_write(self) -> bool:
        return bool(self._user) and not self._grouped and not self._rootless

    async def _read(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Take its standard output and error apart, which come in one stream."""
        line, log = FirstLine(self.line), Lines(self.logged, self.log_ended.set)
        try:
            while True:
                # Docker's frames (ContainerAttach, "Stream format"): the stream in the first byte,
                # the length in the last four.
                head = await reader.readexactly(8)
                left = int.from_bytes(head[4:], "big")
                # A frame is as long as the plugin likes: in pieces, never all of it in memory.
                while left:
                    data = await reader.read(min(left, _PIECE))
                    if not data:
                        return
                    left -= len(data)
                    (log if head[0] == _STDERR else line).data_received(data)
        except (asyncio.IncompleteReadError, OSError):
            pass  # the end
        finally:
            line.connection_lost(None)
            log.connection_lost(None)
            writer.close()

    async def _watch(self) -> None:
        if self._reading is not None:
            # The stream ends with the container, so that its end is noticed at once.
            await asyncio.wait({self._reading})
        # By polling, since the engine's wait call would hold a thread for each plugin.
        pause = 0.02
        while True:
            try:
                found = await asyncio.to_thread(state_of, self._engine, self.name)
            except PluginError:
                # The engine is gone, which ends no container; whether this one serves show its calls.
                found = {"State": {"Running": True}}
            self._state = found.get("State") or {}
            if not self._state.get("Running"):
                break
            await asyncio.sleep(pause)
            # Often at first, since most ends are those of failed starts.
            pause = min(pause * 2, 2)
        self.exit(_code(self._state))


async def start(
    command: Command,
    container: Container,
    directory: str,
    certificate: bytes,
    listen: Callable[[Record], None],
    watch: Watch,
) -> Contained:
    """Start a plugin's container.

    Args:
        command: What to start.
        container: Its container.
        directory: An empty one, of its own, in the host's.
        certificate: The host's, PEM; empty without AutoMTLS.
        listen: Gets its log.
        watch: See `Watch`.

    Raises:
        PluginError: There is no engine, no such image, or it cannot be started; nothing is left of it.
    """
    # Blocking calls of HTTP, each in a thread: the loop serves the other plugins meanwhile.
    engine = await asyncio.to_thread(located)
    image = await asyncio.to_thread(require_image, command.name, engine, container)
    mount = Mount(directory, INSIDE)
    # A name that no other run has, and that says whose it is in `podman ps`.
    its_name = f"machineadm-plugin-{command.name}-{secrets.token_hex(4)}"
    contained = Contained(engine, its_name, mount, listen, watch(engine), container)
    what = "say what it has"
    try:
        for name in await asyncio.to_thread(sweep, engine, command.name):
            listen(Record("warn", f"container {name} of a run that was killed is removed"))
        override = contained.share(
            container,
            rootless=await asyncio.to_thread(is_rootless, engine),
            user=await asyncio.to_thread(user_of, engine, image),
        )
        group = "" if container.group is None else str(container.group)
        body = body_of(
            container,
            image,
            directory,
            protocol_of(replace(command, group=group), INSIDE, certificate),
            labels_of(command.name, os.path.dirname(directory), debug=container.debug),
            override=override,
        )
        what = f"create a container of {container.reference}"
        query = {"name": contained.name}
        await _settled(lambda: engine.ask("POST", "/containers/create", query, body))
        what = f"start the container of {container.reference}"
        await contained.run()
    except BaseException as error:
        # Shielded: also a start that is cancelled removes what it created.
        await asyncio.shield(contained.finish(failed=True))
        prefix = f"plugin {command.name}: "
        if isinstance(error, PluginError) and not error.message.startswith(prefix):
            raise PluginError(error.code, prefix + error.message, hint=error.hint()) from error
        if isinstance(error, EngineRefusalError):
            # Removed between the look and this.
            if error.status == 404 and what.startswith("create") and "image" in error.message:
                absence: PluginError = missing(command.name, container.reference)
                raise absence from error
            refusal: PluginError = contained.refined(refused(command.name, what, error))
            raise refusal from error
        raise
    return contained


async def attached(name: str, container: str, listen: Callable[[Record], None]) -> Contained:
    """Take over a plugin's container that is running.

    Args:
        name: The plugin's.
        container: Its id or name.
        listen: Gets what is wrong with its end.

    Raises:
        PluginError: MA7230: There is none, it does not run, or it is not a plugin's.
    """
    engine = await asyncio.to_thread(located)
    found = await asyncio.to_thread(state_of, engine, container)
    mounts = found.get("Mounts") or ()
    # Which directory it shares is told by its mount alone.
    source = next((one["Source"] for one in mounts if one.get("Destination") == INSIDE), "")
    running = (found.get("State") or {}).get("Running")
    if not found or not running or not source:
        what = "is not there" if not found else "does not run" if not running else "is not a plugin"
        raise PluginError(
            "MA7230",
            f"plugin {name}: the container {container} {what}",
            hint="start the plugin again, and use the id of its container",
        )
    # Its log belongs to whoever started it, so there is none to wait for.
    contained = Contained(engine, str(found["Id"]), Mount(source, INSIDE), listen, lambda: None)
    contained.log_ended.set()
    contained.follow()
    return contained


async def _settled(work: Callable[[], T]) -> T:
    """Run a call of the engine in a thread; who is cancelled meanwhile waits for its end, because it changes something.

    Raises:
        CancelledError: The caller was cancelled.
    """
    running = asyncio.get_running_loop().create_task(asyncio.to_thread(work))
    # A call that changes the engine's state cannot be taken back; whoever removes the container
    # must come after it.
    try:
        return await asyncio.shield(running)
    except asyncio.CancelledError:
        await asyncio.wait({running})
        raise


def _code(state: dict[str, Any]) -> int:
    """The exit code as `Started` has it: runtimes add 128 to the number of a signal."""
    code = int(state.get("ExitCode", -signal.SIGKILL) or 0)
    # 137 is 128 + SIGKILL, as shells have it.
    known = {int(one) for one in signal.Signals}
    return 128 - code if code - 128 in known else code
