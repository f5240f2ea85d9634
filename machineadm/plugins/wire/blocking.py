"""Handlers that block: plain functions, each call in its own thread.

A function takes the request and the call. Where requests stream it takes an iterator of them; where replies stream it
returns one. An RpcError that it raises reaches the caller. Of any other exception the caller gets only the type's name; the
rest goes to the log.
"""

from __future__ import annotations

import asyncio
import concurrent.futures
import logging
import threading
from collections.abc import Callable, Coroutine, Generator, Iterator, Mapping
from typing import Any, TypeVar

from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError

from machineadm.plugins.wire.broker import Broker
from machineadm.plugins.wire.channels import Channel
from machineadm.plugins.wire.rpc import Method, RpcError, Serve, ServerStream, methods

T = TypeVar("T")
Function = Callable[[Any, "Call"], Any]
_log = logging.getLogger(__name__)


class Call:
    """One call that is being served, to the function that serves it.

    Args:
        broker: For further connections to the caller's process.
    """

    def __init__(self, broker: Broker | None) -> None:
        # Of threading, since the function that looks at it runs in no loop.
        self.cancelled = threading.Event()
        """Set when nobody waits for the reply any more."""

        self._broker = broker
        self._loop = asyncio.get_running_loop()
        self._pending: set[concurrent.futures.Future[Any]] = set()

    def dial(self, number: int) -> Dialled:
        """Connect to what the other side serves under a number that it sent.

        Raises:
            OSError: The other side does not serve that number.
        """
        return Dialled(self, self.run(self._required().dial(number)))

    def serve(self, handlers: Mapping[str, Handler]) -> int:
        """Serve the other side; returns the number, which it has five seconds to dial."""
        broker = self._required()
        number = broker.next_id()
        self.run(broker.accept(number, handlers))
        return number

    def run(self, work: Coroutine[Any, Any, T]) -> T:
        """Run a coroutine in the server's loop.

        Raises:
            RpcError: The call was cancelled meanwhile.
        """
        future = asyncio.run_coroutine_threadsafe(work, self._loop)
        self._pending.add(future)
        # cancel() may have walked the set before this future was in it: without a second look the
        # thread would wait for ever.
        if self.cancelled.is_set():
            future.cancel()
        try:
            return future.result()
        except (concurrent.futures.CancelledError, asyncio.CancelledError):
            raise RpcError(Status.CANCELLED, "") from None
        finally:
            self._pending.discard(future)

    def cancel(self) -> None:
        """Nobody waits any more."""
        self.cancelled.set()
        for future in list(self._pending):
            future.cancel()

    def _required(self) -> Broker:
        if self._broker is None:
            raise RpcError(Status.UNAVAILABLE, "there is no broker on this connection")
        return self._broker


class Dialled:
    """A connection to the other side.

    Args:
        served: The call during which it was made.
        channel: To the other side.
    """

    def __init__(self, served: Call, channel: Channel) -> None:
        self._served = served
        self._channel = channel

    def call(self, method: Method, request: Any, *, timeout: float = 30) -> Any:
        """Make a call with one request and one reply.

        Raises:
            RpcError: It failed.
        """
        return self._served.run(self._channel.call(method, request, timeout=timeout))

    def close(self) -> None:
        """Close the connection."""

        # close() of a channel touches its transport, which only the loop's thread may do.
        async def close() -> None:
            self._channel.close()

        self._served.run(close())


def blocking_handlers(
    service: Any, functions: Mapping[str, Function], broker: Broker | None
) -> dict[str, Handler]:
    """Build the handlers of a service from plain functions.

    Args:
        service: Its descriptor, from a generated module.
        functions: By method name; a method without one is answered with UNIMPLEMENTED.
        broker: For further connections.
    """
    known = methods(service)
    return {
        known[name].path: Handler(
            _served(function, known[name].cardinality, broker),
            known[name].cardinality,
            known[name].request,
            known[name].reply,
        )
        for name, function in functions.items()
    }


def _served(function: Function, cardinality: Cardinality, broker: Broker | None) -> Serve:
    async def serve(stream: ServerStream) -> None:
        served = Call(broker)
        loop = asyncio.get_running_loop()
        # Here and not in the thread: the first message is read in the loop, so the function gets a
        # value and no coroutine.
        request = None if cardinality.client_streaming else await stream.recv_message()
        done: asyncio.Future[None] = loop.create_future()

        def work() -> None:
            error: BaseException | None = None
            try:
                _work(function, cardinality, request, stream, served)
            # SystemExit too, which would end this thread in silence while the caller waits.
            except BaseException as fault:
                error = fault
            try:
                loop.call_soon_threadsafe(_finish, done, error)
            except RuntimeError:
                pass  # the loop is closed: the plugin has ended, and nobody waits for the result

        # A thread for each call, not a pool: with all workers blocked, the call that lets them go on
        # (StopProvider, say) would wait for a free one. Daemon: a function that never returns must
        # not keep the plugin alive after its host.
        threading.Thread(target=work, daemon=True, name="plugin-call").start()
        try:
            await done
        except asyncio.CancelledError:
            served.cancel()
            raise

    return serve


def _work(
    function: Function,
    cardinality: Cardinality,
    request: Any,
    stream: ServerStream,
    served: Call,
) -> None:
    given = _requests(stream, served) if cardinality.client_streaming else request
    # In a thread of its own, so it may block; only what touches the stream goes back to the loop.
    result = function(given, served)
    if not cardinality.server_streaming:
        served.run(stream.send_message(result))
        return
    try:
        for reply in result:
            served.run(stream.send_message(reply))
    finally:
        # Now, not when somebody collects it: it may hold a connection or a file.
        if isinstance(result, Generator):
            result.close()


def _requests(stream: ServerStream, served: Call) -> Iterator[Any]:
    # None is the end of the client's half of the stream (END_STREAM), not a message.
    while (request := served.run(stream.recv_message())) is not None:
        yield request


def _finish(done: asyncio.Future[None], error: BaseException | None) -> None:
    # The caller gave up meanwhile: setting a result on a cancelled future would raise in the loop.
    if done.done():
        return
    if error is None:
        done.set_result(None)
    elif isinstance(error, RpcError):
        done.set_exception(GRPCError(error.status, error.text))
    else:
        _log.error("a call failed", exc_info=error)
        text = f"{type(error).__name__}; the plugin's log has more"
        done.set_exception(GRPCError(Status.UNKNOWN, text))
