"""The host: starts plugins, and ends all of them, whatever happens.

    with Host() as host:
        plugin = host.start(command)
        reply = plugin.call(METHODS["Echo"], request)

Its interface is synchronous and works from any thread; one event loop in its own thread does all the work.
"""

from __future__ import annotations

import asyncio
import contextlib
import itertools
import threading
import time
from collections.abc import Callable, Coroutine, Iterator, Mapping
from types import TracebackType
from typing import TYPE_CHECKING, Any, Final, TypeVar

from grpclib.const import Handler

from machineadm.plugins.launch.guard import Guard
from machineadm.plugins.launch.model import Command, Reattach
from machineadm.plugins.launch.running import Running, launch, reattach
from machineadm.plugins.wire.logs import Record
from machineadm.plugins.wire.rpc import Method, RpcError, translated
from machineadm.plugins.wire.tasks import beside

if TYPE_CHECKING:
    from machineadm.plugins.wire.channels import Channel

T = TypeVar("T")
# For what answers from memory or from the network; what takes longer by nature has a bound of its
# own, in its kind.
CALL: Final = 30.0
"""Seconds that a call may take if its caller says nothing."""
_REST: Final = 4.0
"""Seconds in which what was cancelled must have ended: it asks a process to end, waits two seconds, and kills it."""

Listen = Callable[[str, Record], None]
Output = Callable[[str, str, bytes], None]


class Host:
    """A host of plugins, as a context.

    Args:
        listen: Gets a plugin's name and each entry of its log, in a thread of the host.
        output: Gets a plugin's name, "stdout" or "stderr", and what it prints.
    """

    def __init__(
        self,
        *,
        listen: Listen = lambda _name, _record: None,
        output: Output = lambda _name, _stream, _data: None,
    ) -> None:
        self._listen = listen
        self._output = output
        # A directory for each plugin's sockets: none may find, or take the name of, another's.
        self._numbers = itertools.count(1)
        self._plugins: list[Plugin] = []
        self._loop: asyncio.AbstractEventLoop | None = None
        self._thread: threading.Thread | None = None
        self._guard: Guard | None = None
        self._cut_off = False
        """Something was cancelled in the middle."""

    def __enter__(self) -> Host:
        # First: from here on there is somebody who cleans up, even after SIGKILL.
        self._guard = Guard()
        # A loop of its own in a thread of its own: callers are synchronous, may be several
        # threads, and may be interrupted while the connections must go on (yamux and HTTP/2 answer
        # pings).
        self._loop = asyncio.new_event_loop()
        self._thread = threading.Thread(
            # A daemon: after a crash of the caller, a loop that still runs must not keep the
            # process; the guard ends the plugins.
            target=self._loop.run_forever,
            daemon=True,
            name="plugin-host",
        )
        self._thread.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._loop is None or self._thread is None or self._guard is None:
            return
        try:
            self.end_all()
        finally:
            if self._cut_off:
                # What was cancelled still ends its process. A loop that is stopped before would leave that to nobody,
                # and say so in many lines of asyncio's own.
                with contextlib.suppress(Exception):
                    asyncio.run_coroutine_threadsafe(_the_rest(), self._loop).result(_REST + 1)
            # From this thread nothing else of a loop may be called.
            self._loop.call_soon_threadsafe(self._loop.stop)
            self._thread.join()
            self._loop.close()
            # Last: until the loop is closed a coroutine may still put sockets into the directory.
            self._guard.release()
            self._loop = None

    def start(self, command: Command) -> Plugin:
        """Start a plugin.

        Args:
            command: Which, and how.

        Raises:
            PluginError: It does not start; nothing is left of it.
        """
        running = self.run(
            launch(
                command,
                self._directory(),
                listen=lambda record: self._listen(command.name, record),
                output=lambda stream, data: self._output(command.name, stream, data),
                watch=self._entered().watch,
            )
        )
        return self._known(running)

    def reattach(self, wanted: Reattach) -> Plugin:
        """Connect to a plugin that is already running.

        Raises:
            PluginError: It is not.
        """
        running = self.run(
            reattach(
                wanted,
                self._directory(),
                listen=lambda record: self._listen(wanted.name, record),
                output=lambda stream, data: self._output(wanted.name, stream, data),
            )
        )
        return self._known(running)

    def end_all(self) -> None:
        """End all plugins that were started here, in parallel; there may be none."""
        # Taken first: a second call, from a handler of a signal say, must not end them once more.
        plugins, self._plugins = self._plugins, []

        async def end() -> None:
            # Side by side: each may take its two seconds.
            await asyncio.gather(*(plugin.running.end() for plugin in plugins))

        if plugins:
            self.run(end())

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the host's loop; it is cancelled if the caller is interrupted.

        Raises:
            RuntimeError: The host is not entered, or already left.
        """
        if self._loop is None:
            work.close()
            raise RuntimeError("use a host as a context manager: `with Host() as host`")
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        try:
            return future.result()
        # BaseException: a Ctrl-C or the deadline interrupts the caller, not the loop, which would
        # go on starting the plugin.
        except BaseException:
            if not future.done():
                self._cut_off = True
                future.cancel()
                _settle(future)
            raise

    def _directory(self) -> str:
        # In the guard's directory: it removes that when this process is killed.
        return f"{self._entered().directory}/{next(self._numbers)}"

    def _entered(self) -> Guard:
        if self._guard is None:
            raise RuntimeError("use a host as a context manager: `with Host() as host`")
        return self._guard

    def _known(self, running: Running) -> Plugin:
        plugin = Plugin(self, running)
        # Only what has started: a failed start has cleaned up after itself.
        self._plugins.append(plugin)
        return plugin


async def _the_rest() -> None:
    """Let what was cancelled come to its end; what does not is given up without a word."""
    tasks = asyncio.all_tasks() - {asyncio.current_task()}
    if tasks:
        # Not cancelled once more: that would interrupt what cleans up.
        await asyncio.wait(tasks, timeout=_REST)
    asyncio.get_running_loop().set_exception_handler(lambda *_: None)


def _settle(future: Any) -> None:
    """Wait until a cancelled coroutine has cleaned up; it kills what it started, so this is short."""
    settled = threading.Event()
    future.add_done_callback(lambda _: settled.set())
    # Longer than the two seconds that an end takes, and not for ever: the caller is ending, too.
    settled.wait(5)


class Plugin:
    """A running plugin; `Host.start` makes it.

    Args:
        host: Whose it is.
        running: What runs.
    """

    def __init__(self, host: Host, running: Running) -> None:
        self._host = host
        self.running = running
        self.name = running.name
        self.version = running.version
        """Application version that both speak."""

    @property
    def pid(self) -> int:
        """Its process; 0 if it was not started here."""
        # One to which we have reattached is somebody else's process.
        return self.running.process.pid if self.running.process else 0

    @property
    def directory(self) -> str:
        """Where its sockets are."""
        return self.running.directory

    @property
    def certificate(self) -> bytes:
        """The plugin's own, DER; empty where the connection is in the clear."""
        return self.running.certificate

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine beside it, in the host's loop; see `Host.run`."""
        return self._host.run(work)

    @property
    def log_tail(self) -> str:
        """The last lines of its log."""
        return self.running.log_tail

    def ping(self, timeout: float = CALL) -> None:
        """Check that it serves.

        Raises:
            RpcError: It does not.
        """
        self._host.run(self.running.connection.ping(timeout))

    def call(
        self,
        method: Method,
        request: Any,
        *,
        timeout: float | None = CALL,
        metadata: Mapping[str, str] | None = None,
    ) -> Any:
        """Make a call with one request and one reply.

        Args:
            method: What to call.
            request: The message.
            timeout: Seconds; None: no limit.
            metadata: Headers of the call; names in lower case.

        Raises:
            RpcError: It failed.
        """
        channel = self.running.connection.channel
        return self._host.run(channel.call(method, request, timeout=timeout, metadata=metadata))

    def stream(self, method: Method, *, timeout: float | None = None) -> Calling:
        """Begin a call with several requests or replies."""
        return Calling(self._host, self.running.connection.channel, method, timeout)

    def serve(self, handlers: Mapping[str, Handler]) -> int:
        """Serve the plugin; returns the number, which it has five seconds to dial."""
        broker = self.running.connection.broker
        # Accepted before the number is returned: the message that carries it must not overtake the
        # listener.
        number = broker.next_id()
        self._host.run(broker.accept(number, handlers))
        return number

    def dial(self, number: int) -> Dialled:
        """Connect to what the plugin serves under a number that it sent; once for each number.

        Raises:
            OSError: It does not serve that number.
        """
        # go-plugin's broker forgets a number with its first dial, or after five seconds.
        return Dialled(self._host, self._host.run(self.running.connection.broker.dial(number)))

    def wait(self, timeout: float) -> int | None:
        """Wait for its end; returns its exit code, or None if it still runs or was not started here."""
        process = self.running.process
        if process is None or not self._host.run(process.ended(timeout)):
            return None
        return process.exited.result()

    def end(self) -> None:
        """End it: ask, wait two seconds, kill. May be called again."""
        self._host.run(self.running.end())


class Dialled:
    """A further connection to a plugin.

    Args:
        host: Whose it is.
        channel: To the plugin.
    """

    def __init__(self, host: Host, channel: Channel) -> None:
        self._host = host
        self._channel = channel

    def call(self, method: Method, request: Any, *, timeout: float | None = CALL) -> Any:
        """See `Plugin.call`.

        Raises:
            RpcError: It failed.
        """
        return self._host.run(self._channel.call(method, request, timeout=timeout))


class Calling:
    """A call with several requests or replies, as a context; leaving it early cancels it.

    Args:
        host: Whose loop it runs in.
        channel: To the plugin.
        method: What to call.
        timeout: Seconds for the whole call.
    """

    def __init__(self, host: Host, channel: Channel, method: Method, timeout: float | None) -> None:
        self._host = host
        self._channel = channel
        self._method = method
        self._timeout = timeout
        # Bounded, so that a slow peer slows the caller down; otherwise a large upload would be in
        # memory as a whole.
        self._requests: asyncio.Queue[Any] = asyncio.Queue(4)
        self._replies: asyncio.Queue[Any] = asyncio.Queue(4)
        self._task: asyncio.Task[None] | None = None
        self._over = False

    def __enter__(self) -> Calling:
        self._host.run(self._begin())
        return self

    def __exit__(self, *_: object) -> None:
        self._host.run(self._cancel())

    def send(self, request: Any) -> None:
        """Send a request; waits if the peer is slow. What fails shows at `receive`."""
        self._host.run(self._put(request))

    def end(self) -> None:
        """Tell the peer that there are no further requests."""
        self._host.run(self._put(None))

    def receive(self) -> Any:
        """Wait for the next reply; None after the last.

        Raises:
            RpcError: The call failed.
        """
        if self._over:
            return None
        reply = self._host.run(self._replies.get())
        # Remembered: nothing is put into the queue any more, and the next get() would wait for
        # ever.
        if reply is None or isinstance(reply, RpcError):
            self._over = True
        if isinstance(reply, RpcError):
            raise reply
        return reply

    def __iter__(self) -> Iterator[Any]:
        while (reply := self.receive()) is not None:
            yield reply

    async def _begin(self) -> None:
        self._task = asyncio.get_running_loop().create_task(self._run())

    async def _put(self, request: Any) -> None:
        assert self._task is not None  # noqa: S101 - the context is entered
        putting = asyncio.get_running_loop().create_task(self._requests.put(request))
        # Both: when the call has failed nobody takes from the queue any more, and put() would wait
        # for ever.
        await asyncio.wait({putting, self._task}, return_when=asyncio.FIRST_COMPLETED)
        # Harmless if it is done; and if the call is over, nobody else would ever take it back.
        putting.cancel()

    async def _cancel(self) -> None:
        if self._task is not None:
            self._task.cancel()
            # Waited for: the stream must be reset before the connection is used or closed.
            await asyncio.wait({self._task})

    async def _run(self) -> None:
        began = time.monotonic()
        method = self._method
        try:
            async with self._channel.request(
                method.path, method.cardinality, method.request, method.reply, timeout=self._timeout
            ) as stream:
                # The headers at once: a server may answer, or refuse, before there is a first
                # message.
                await stream.send_request()
                # Beside the receiving: a peer that answers while it still reads would otherwise
                # wait for us, and we for it, each with a full window.
                sending = beside(self._send(stream))
                try:
                    async for reply in stream:
                        await self._replies.put(reply)
                finally:
                    sending.cancel()
                    # wait() and not await: how the sending failed shows in the replies.
                    await asyncio.wait({sending})
        except Exception as error:
            # A value and not a raise: the error belongs to the thread that calls receive().
            await self._replies.put(translated(error, began, self._timeout))
        else:
            await self._replies.put(None)

    async def _send(self, stream: Any) -> None:
        while (request := await self._requests.get()) is not None:
            await self._channel.send(stream, request)
        await stream.end()
