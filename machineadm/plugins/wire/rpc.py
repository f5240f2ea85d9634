"""What a call is: methods of services, their handlers, the error of a call that failed.

Channels and servers are in `channels`, apart: they need the whole of grpclib, and a host needs them only once its plugin is starting.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Awaitable, Callable
from typing import TYPE_CHECKING, Any, Final

import msgspec
from google.protobuf.message_factory import GetMessageClass
from grpclib.const import Cardinality, Handler, Status
from grpclib.exceptions import GRPCError, StreamTerminatedError

if TYPE_CHECKING:
    import grpclib.server

    ServerStream = grpclib.server.Stream[Any, Any]
else:
    ServerStream = Any

# HTTP/2's CANCEL (RFC 9113, 7), in the words of grpclib's exception.
CANCEL: Final = "error_code: 8"

Serve = Callable[[ServerStream], Awaitable[None]]


class RpcError(Exception):
    """A call failed.

    Args:
        status: From the peer, or from gRPC itself.
        text: From the peer.
    """

    def __init__(self, status: Status, text: str) -> None:
        super().__init__(f"{status.name}: {text}" if text else status.name)
        self.status = status
        self.text = text


class Method(msgspec.Struct, frozen=True):
    """A method of a service."""

    path: str
    cardinality: Cardinality
    request: type[Any]
    reply: type[Any]


def methods(service: Any) -> dict[str, Method]:
    """The methods of a service, by name.

    Args:
        service: Its descriptor, out of a generated module.
    """
    return {
        one.name: Method(
            f"/{service.full_name}/{one.name}",
            _CARDINALITIES[one.client_streaming, one.server_streaming],
            GetMessageClass(one.input_type),
            GetMessageClass(one.output_type),
        )
        for one in service.methods
    }


def handlers(service: Any, **serve: Serve) -> dict[str, Handler]:
    """Build the handlers of a service.

    Args:
        service: Its descriptor, out of a generated module.
        **serve: What serves a method, by its name; a method not named is answered with UNIMPLEMENTED.
    """
    known = methods(service)
    return {
        known[name].path: Handler(
            function, known[name].cardinality, known[name].request, known[name].reply
        )
        for name, function in serve.items()
    }


def translated(error: Exception, began: float, timeout: float | None) -> RpcError:
    """Turn what can go wrong with a call into one type."""
    if isinstance(error, RpcError):
        return error
    if isinstance(error, GRPCError):
        return RpcError(error.status, error.message or "")
    # Our own timer: grpclib raises asyncio's error for it.
    if isinstance(error, asyncio.TimeoutError):
        return RpcError(Status.DEADLINE_EXCEEDED, "")
    if isinstance(error, StreamTerminatedError) and CANCEL in str(error):
        # The peer gets the deadline in a header, and a Go server may cancel the stream before our own timer fires.
        late = timeout is not None and time.monotonic() - began > timeout * 0.9
        return RpcError(Status.DEADLINE_EXCEEDED if late else Status.CANCELLED, "")
    # As grpc-go has it for a connection that is gone: it is taken for a plugin that has ended.
    if isinstance(error, (StreamTerminatedError, OSError)):
        return RpcError(Status.UNAVAILABLE, str(error))
    return RpcError(Status.INTERNAL, f"{type(error).__name__}: {error}")


_CARDINALITIES: Final = {
    (False, False): Cardinality.UNARY_UNARY,
    (False, True): Cardinality.UNARY_STREAM,
    (True, False): Cardinality.STREAM_UNARY,
    (True, True): Cardinality.STREAM_STREAM,
}
