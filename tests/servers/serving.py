"""What the servers have in common: threads, TLS, silence, an end."""

from __future__ import annotations

import socket
import ssl
import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from types import TracebackType
from typing import Any, NamedTuple

from tests.servers.authority import Identity


class Request(NamedTuple):
    """A request as it came."""

    method: str
    path: str
    headers: dict[str, str]
    """Names in lower case."""


class Serving:
    """A server that runs within the context.

    Args:
        handler: Answers; its `owner` is this object.
        address: Host and port to listen on; port 0 picks a free one.
        identity: Certificate and key for TLS; without it plain.
    """

    def __init__(
        self,
        handler: type[Handler],
        *,
        address: tuple[str, int] = ("127.0.0.1", 0),
        identity: Identity | None = None,
    ) -> None:
        self.requests: list[Request] = []
        self.closing = threading.Event()
        self._server = (_Server6 if ":" in address[0] else _Server)(address, handler)
        self._server.owner = self
        self.host, self.port = address[0], self._server.server_port
        self.tls = identity is not None
        if identity is not None:
            context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            context.load_cert_chain(*identity)
            # The handshake is the thread's affair: a client that hangs in it holds up nobody else.
            self._server.socket = context.wrap_socket(
                self._server.socket, server_side=True, do_handshake_on_connect=False
            )

    @property
    def url(self) -> str:
        """Scheme, host and port."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"http{'s' if self.tls else ''}://{host}:{self.port}"

    def run(self) -> None:
        """Serve until the process ends."""
        self._server.serve_forever()

    def __enter__(self) -> Serving:
        threading.Thread(target=self._server.serve_forever, args=(0.05,), daemon=True).start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.closing.set()
        self._server.shutdown()
        self._server.server_close()


class Handler(BaseHTTPRequestHandler):
    """Keeps silence, and keeps connections."""

    protocol_version = "HTTP/1.1"

    owner: Any
    """The Serving that this handler answers for."""

    def setup(self) -> None:
        self.owner = self.server.owner  # type: ignore[attr-defined]
        super().setup()

    def log_message(self, *_: Any) -> None:
        """What was asked for is in `requests`."""


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    block_on_close = False
    owner: Any

    def handle_error(self, request: Any, client_address: Any) -> None:
        """A client that goes away, or distrusts us, is not an error of a server that misbehaves on purpose."""


class _Server6(_Server):
    address_family = socket.AF_INET6
