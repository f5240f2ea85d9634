"""An HTTP proxy that asks for user and password: CONNECT for https, whole URLs for http."""

from __future__ import annotations

import base64
import http.client
import select
import socket
from contextlib import closing
from urllib.parse import urlsplit

from tests.servers.serving import Handler, Request, Serving


class Proxy(Serving):
    """Passes requests on for whoever knows the password.

    Args:
        user: The user; empty: whoever asks.
        password: The password.
        address: Host and port; port 0 picks a free one.
    """

    def __init__(
        self, user: str = "", password: str = "", *, address: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        super().__init__(_Proxy, address=address)
        self.user, self.password = user, password

    def __enter__(self) -> Proxy:
        super().__enter__()
        return self

    @property
    def url_with_password(self) -> str:
        """As proxy variables have it."""
        return f"http://{self.user}:{self.password}@{self.host}:{self.port}"

    @property
    def wanted(self) -> str | None:
        """The value of Proxy-Authorization that opens it."""
        if not self.user:
            return None
        return "Basic " + base64.b64encode(f"{self.user}:{self.password}".encode()).decode()


class _Proxy(Handler):
    owner: Proxy

    def _admitted(self) -> bool:
        owner = self.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Request(self.command, self.path, headers))
        if owner.wanted is None or self.headers.get("Proxy-Authorization") == owner.wanted:
            return True
        self.send_response(407)
        self.send_header("Proxy-Authenticate", 'Basic realm="proxy"')
        self.send_header("Content-Length", "0")
        self.end_headers()
        return False

    def do_CONNECT(self) -> None:  # noqa: N802 - as http.server calls it
        if not self._admitted():
            return
        host, _, port = self.path.rpartition(":")
        try:
            there = socket.create_connection((host.strip("[]"), int(port)), timeout=10)
        except OSError:
            self.send_error(502)
            return
        with there:
            self.send_response(200)
            self.end_headers()
            self.close_connection = True
            self._pass_on(there)

    def _pass_on(self, there: socket.socket) -> None:
        ends = {self.connection: there, there: self.connection}
        while not self.owner.closing.is_set():
            for ready in select.select(list(ends), [], [], 0.2)[0]:
                data = ready.recv(65536)
                if not data:
                    return
                ends[ready].sendall(data)

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        if not self._admitted():
            return
        url = urlsplit(self.path)
        there = http.client.HTTPConnection(url.hostname or "", url.port or 80, timeout=10)
        headers = {
            name: value
            for name, value in self.headers.items()
            if not name.lower().startswith("proxy-")
        }
        try:
            with closing(there):
                there.request("GET", url._replace(scheme="", netloc="").geturl(), headers=headers)
                answer = there.getresponse()
                content = answer.read()
        except OSError:
            self.send_error(502)
            return
        self.send_response(answer.status)
        for name, value in answer.getheaders():
            if name.lower() not in ("transfer-encoding", "connection", "content-length"):
                self.send_header(name, value)
        self.send_header("Content-Length", str(len(content)))
        self.end_headers()
        self.wfile.write(content)
