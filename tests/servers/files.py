"""A file server, over TLS or plain, that asks for a header and misbehaves where a path says so.

`/NAME` is a file of the directory. Before it a path may have what is to go wrong, so that a command line and a
configuration can say it:

| path | what happens |
| --- | --- |
| `/~status/503/NAME` | that status |
| `/~flaky/NAME` | 500 at the first request of this path, then the file |
| `/~stall/NAME` | half of the file, then nothing |
| `/~silent/NAME` | no answer at all |
| `/~drip/NAME` | a byte at a time, slower than anybody waits |
| `/~reset/NAME` | half of the file, then the connection is reset |
| `/~truncate/NAME` | half of the file, with the whole one's Content-Length |
| `/~cut/NAME` | half of the file, as if it were all |
| `/~empty/NAME` | no byte, as if it were all |
| `/~endless/NAME` | bytes without an end |
| `/~loop/NAME` | a redirect to itself |
| `/~relative/NAME` | a redirect to `/NAME` without scheme and host |
| `/~redirect/BASE/NAME` | a redirect to BASE (percent-encoded, slashes too), then `/NAME` |
| `/~moved/NAME` | a redirect to `moved` as it is, then `/NAME`: no client has encoded it anew on its way here |
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Callable
from pathlib import Path
from urllib.parse import quote, unquote

from tests.servers.authority import Identity
from tests.servers.serving import Handler, Request, Serving

ENDLESS = bytes(65536)


class FileServer(Serving):
    """Serves a directory.

    Args:
        directory: Its files, those of its directories too.
        header: Name and value that a request for a file must have, or it is answered 401.
        address: Host and port; port 0 picks a free one.
        identity: Certificate and key for TLS; without it plain.
    """

    def __init__(
        self,
        directory: Path,
        *,
        header: tuple[str, str] | None = None,
        address: tuple[str, int] = ("127.0.0.1", 0),
        identity: Identity | None = None,
    ) -> None:
        super().__init__(_Files, address=address, identity=identity)
        self.directory, self.header = directory, header
        self.moved = ""

    def __enter__(self) -> FileServer:
        super().__enter__()
        return self

    def redirecting_to(self, base: str) -> str:
        """The URL below which everything is redirected to the same name below `base`."""
        return f"{self.url}/~redirect/{quote(base, safe='')}"

    @property
    def paths(self) -> list[str]:
        """What was asked for, in order."""
        return [request.path for request in self.requests]


class _Files(Handler):
    owner: FileServer

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        owner = self.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        seen = self.path in owner.paths
        owner.requests.append(Request("GET", self.path, headers))
        fault, _, rest = self.path.removeprefix("/~").partition("/")
        if not self.path.startswith("/~"):
            self._file(self.path[1:])
        elif fault == "flaky" and seen:
            self._file(rest)
        elif fault == "flaky":
            self._answer(500)
        elif fault == "status":
            self._answer(int(rest.partition("/")[0]))
        elif fault == "loop":
            self._answer(302, location=self.path)
        elif fault == "relative":
            self._answer(302, location=f"/{rest}")
        elif fault == "moved":
            self._answer(302, location=f"{owner.moved}/{rest}")
        elif fault == "redirect":
            base, _, name = rest.partition("/")
            self._answer(302, location=f"{unquote(base)}/{name}")
        else:
            self.close_connection = True
            self._broken(FAULTS[fault], rest)

    def _file(self, name: str) -> None:
        owner = self.owner
        if owner.header is not None and self.headers.get(owner.header[0]) != owner.header[1]:
            self._answer(401)
            return
        file = (owner.directory / unquote(name.partition("?")[0])).resolve()
        if not file.is_relative_to(owner.directory.resolve()) or not file.is_file():
            self._answer(404)
            return
        self._answer(200, file.read_bytes())

    def _answer(self, status: int, content: bytes = b"", *, location: str = "") -> None:
        self.send_response(status)
        self.send_header("Content-Length", str(len(content)))
        if location:
            self.send_header("Location", location)
        self.end_headers()
        self.wfile.write(content)

    def _broken(self, fault: Callable[[_Files, bytes], None], name: str) -> None:
        owner = self.owner
        file = owner.directory / name
        fault(self, file.read_bytes() if file.is_file() else b"")

    def begin(self, length: int | None) -> None:
        self.send_response(200)
        if length is not None:
            self.send_header("Content-Length", str(length))
        self.send_header("Connection", "close")
        self.end_headers()

    def wait(self, seconds: float) -> bool:
        """Whether the server goes on after that time."""
        return not self.owner.closing.wait(seconds)


def _stall(to: _Files, content: bytes) -> None:
    to.begin(len(content))
    to.wfile.write(content[: len(content) // 2])
    to.wait(3600)


def _silent(to: _Files, _content: bytes) -> None:
    to.wait(3600)


def _drip(to: _Files, content: bytes) -> None:
    to.begin(len(content))
    for byte in content:
        to.wfile.write(bytes([byte]))
        if not to.wait(0.4):
            return


def _reset(to: _Files, content: bytes) -> None:
    to.begin(len(content))
    to.wfile.write(content[: len(content) // 2])
    time.sleep(0.05)  # so that the half arrives before the reset, which would overtake it
    to.connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
    socket.close(to.connection.detach())


def _truncate(to: _Files, content: bytes) -> None:
    to.begin(len(content))
    to.wfile.write(content[: len(content) // 2])


def _cut(to: _Files, content: bytes) -> None:
    to.begin(None)
    to.wfile.write(content[: len(content) // 2])


def _empty(to: _Files, _content: bytes) -> None:
    to.begin(0)


def _endless(to: _Files, _content: bytes) -> None:
    to.begin(None)
    while to.wait(0):
        to.wfile.write(ENDLESS)


FAULTS: dict[str, Callable[[_Files, bytes], None]] = {
    "stall": _stall,
    "silent": _silent,
    "drip": _drip,
    "reset": _reset,
    "truncate": _truncate,
    "cut": _cut,
    "empty": _empty,
    "endless": _endless,
}
