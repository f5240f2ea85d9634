"""The time that another server tells, whoever it says it is."""

from __future__ import annotations

import http.server
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from email.utils import formatdate
from pathlib import Path

import pytest

from machineadm.host.linux.network import LinuxNetwork
from tests.servers.authority import Authority

AHEAD = 7200.0


class Late(http.server.BaseHTTPRequestHandler):
    """Answers nobody's question, from another time."""

    def do_HEAD(self) -> None:
        self.send_error(403)

    def date_time_string(self, timestamp: float | None = None) -> str:
        del timestamp
        return formatdate(time.time() + AHEAD, usegmt=True)

    def log_message(self, *_args: object) -> None:
        """Say nothing."""


@pytest.fixture
def server(tmp_path: Path) -> Iterator[str]:
    identity = Authority().identity(tmp_path, "another.example")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    with http.server.HTTPServer(("127.0.0.1", 0), Late) as listening:
        listening.socket = context.wrap_socket(listening.socket, server_side=True)
        thread = threading.Thread(target=listening.serve_forever, daemon=True)
        thread.start()
        yield f"https://127.0.0.1:{listening.server_address[1]}"
        listening.shutdown()
        thread.join()


def test_a_server_tells_the_time_whatever_its_status_and_certificate(server: str) -> None:
    _names, clocks = LinuxNetwork().resolve((), 5.0, (server,))

    assert clocks[server] == pytest.approx(AHEAD, abs=10)


def test_of_a_server_that_does_not_answer_nothing_is_known() -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        asked = f"https://127.0.0.1:{silent.getsockname()[1]}"
        begun = time.monotonic()

        answers = LinuxNetwork().resolve((), 0.5, (asked, "https://127.0.0.1:1"))

        assert answers == ({}, {})
        assert time.monotonic() - begun < 60
