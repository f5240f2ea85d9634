"""The engine's API: a few calls of HTTP over a Unix socket.

https://docs.docker.com/reference/api/engine/ says what each call takes. Blocking: whoever has a loop calls it in a thread; `attach`
alone is for the loop, because its stream lasts as long as the container.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import socket
import struct
import sys
from collections.abc import Mapping
from typing import Any, Final
from urllib.parse import quote, urlencode

from machineadm.errors import PluginError

ANSWER: Final = 60.0
"""Seconds that the engine has for an answer: it copies the image's files where its storage has no layers."""

NEWEST: Final = (1, 47)
"""Version of the API that this is written for; the engine's own is used if that is older."""

VARIABLE: Final = "DOCKER_HOST"
"""Names the socket, `unix:///PATH`, for the engine's own command line and for this."""

# A bound for the memory, whatever listens at the socket.
_MOST: Final = 16 << 20
# podman's first: its docker.sock, where there is one, leads to the same service.
_SOCKETS: Final = ("podman/podman.sock", "docker.sock")
_HINT: Final = (
    "a plugin in a container needs Docker, or podman with podman.socket enabled; containerd alone "
    "does not serve this API: there, name the plugin by path or catalog"
)


class EngineRefusalError(Exception):
    """The engine answered with an error.

    Args:
        status: Of HTTP.
        message: The engine's own words.
    """

    def __init__(self, status: int, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.message = message


class Engine:
    """A container engine; `located` finds it.

    Args:
        path: Its socket.
        version: Of the API, such as `1.41`; empty: the engine's newest.
    """

    def __init__(self, path: str, version: str = "") -> None:
        self.path = path
        self.version = version

    def ask(
        self,
        method: str,
        path: str,
        query: Mapping[str, Any] | None = None,
        body: Any = None,
        *,
        timeout: float = ANSWER,
    ) -> Any:
        """Make a call.

        Args:
            method: Of HTTP.
            path: Behind the version, `/containers/json`.
            query: What is an object is sent as JSON.
            body: Sent as JSON, if any.
            timeout: Seconds without a byte.

        Returns:
            The answer's JSON; None without any.

        Raises:
            EngineRefusalError: It answers with an error.
            PluginError: MA7235: It does not answer.
        """
        # A new one for each call: no state of an earlier call, and no idle connection that the
        # engine has closed.
        connection = _Connection(self.path, timeout)
        try:
            data = None if body is None else json.dumps(body)
            connection.request(
                method, self.target(path, query), data, {"Content-Type": "application/json"}
            )
            response = connection.getresponse()
            content = response.read(_MOST)
            # Where a number of bytes is asked for, a short answer is not an error to the library.
            cut = bool(response.length)
        except (OSError, http.client.HTTPException) as error:
            silence: PluginError = silent(self.path, error)
            raise silence from error
        finally:
            connection.close()
        if cut:
            unfinished: PluginError = silent(self.path, EOFError("its answer is cut off"))
            raise unfinished
        # An error's body is JSON with `message`, on every path of the API.
        if response.status >= 400:
            raise EngineRefusalError(response.status, _message(content) or response.reason)
        return _json(content)

    def target(self, path: str, query: Mapping[str, Any] | None = None) -> str:
        """The path of a call with version and query."""
        texts = {
            key: one if isinstance(one, str) else json.dumps(one)
            for key, one in (query or {}).items()
        }
        version = f"/v{self.version}" if self.version else ""
        return version + quote(path) + (f"?{urlencode(texts)}" if texts else "")

    def trusted(self) -> None:
        """Refuse an engine of somebody else: it sees all that the plugin is told.

        Raises:
            PluginError: MA7237: Another user listens at the socket.
            OSError: Nobody does.
        """
        with socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(5)
            connection.connect(self.path)
            # struct ucred of Linux: pid, uid, gid; 12 bytes.
            found = connection.getsockopt(socket.SOL_SOCKET, socket.SO_PEERCRED, 12)
        # The user that listens, not who owns the file: the file may be a link, and its directory another's.
        _, user, _ = struct.unpack("iII", found)
        if user not in (0, os.geteuid()):
            raise PluginError(
                "MA7237",
                f"the container engine at {self.path} belongs to user {user}, so it is not trusted",
                hint="use an engine that root runs, or your own",
            )

    def negotiate(self) -> None:
        """Ask whether it is there, and agree on a version of the API.

        Raises:
            PluginError: MA7235: It does not answer as an engine.
        """
        connection = _Connection(self.path, 10)
        try:
            # Without a version in the path, since this is how it is learned.
            connection.request("GET", "/_ping")
            response = connection.getresponse()
            response.read(_MOST)
        except (OSError, http.client.HTTPException) as error:
            silence: PluginError = silent(self.path, error)
            raise silence from error
        finally:
            connection.close()
        own = response.getheader("Api-Version", "")
        major, _, minor = own.partition(".")
        if response.status != 200 or not (major.isdecimal() and minor.isdecimal()):
            raise PluginError(
                "MA7235",
                f"what listens at {self.path} is not a container engine",
                hint="look at DOCKER_HOST, and at what listens there",
            )
        # The older of both: an engine refuses a version that it does not know.
        self.version = "{}.{}".format(*min(NEWEST, (int(major), int(minor))))

    async def attach(self, container: str) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
        """Open the stream of what a container prints, before it is started: what it prints first is not lost then.

        Returns:
            A reader of frames (a byte 1 for standard output or 2 for standard error, three zeros, the length in four bytes, the
            data), and the connection, which the caller closes.

        Raises:
            EngineRefusalError: It answers with an error.
            PluginError: MA7235: It does not answer.
        """
        query = {"stream": "1", "stdout": "1", "stderr": "1"}
        target = self.target(f"/containers/{container}/attach", query)
        # By hand: http.client would read ahead into its own buffer, and the first frames would be
        # lost there.
        request = (
            f"POST {target} HTTP/1.1\r\nHost: localhost\r\nContent-Length: 0\r\n"
            "Connection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        )
        try:
            reader, writer = await asyncio.open_unix_connection(self.path)
        except OSError as error:
            silence: PluginError = silent(self.path, error)
            raise silence from error
        try:
            writer.write(request.encode())
            head = await asyncio.wait_for(reader.readuntil(b"\r\n\r\n"), 10)
            status = int(head.split(b" ", 2)[1])
            # A connection that is taken over answers 101; older engines 200, and send frames all
            # the same.
            told = b"" if status in (101, 200) else await asyncio.wait_for(reader.read(4096), 5)
        except BaseException as error:
            writer.close()
            if isinstance(error, (OSError, EOFError, ValueError, asyncio.TimeoutError)):
                silence = silent(self.path, error)
                raise silence from error
            raise
        if status not in (101, 200):
            writer.close()
            raise EngineRefusalError(status, _message(told) or f"attach is answered with {status}")
        return reader, writer


def located(platform: str = sys.platform) -> Engine:
    """Find the engine of this machine.

    Raises:
        PluginError: MA7231: There is none. MA7236: This is not Linux. MA7237: It is somebody else's.
    """
    if platform != "linux":
        raise PluginError(
            "MA7236",
            f"plugins run in containers on Linux alone, and this is {platform}",
            hint="name the plugin by path or catalog",
        )
    reasons = []
    for path in _candidates():
        engine = Engine(path)
        try:
            engine.trusted()
        except OSError as error:
            reasons.append(f"{path}: {(error.strerror or str(error)).lower()}")
            # Another socket may be the one that is served.
            continue
        engine.negotiate()
        return engine
    message = f"there is no container engine with the Docker API ({'; '.join(reasons)})"
    raise PluginError("MA7231", message, hint=_HINT)


def silent(path: str, error: BaseException) -> PluginError:
    """Build the error for an engine that does not answer."""
    reason = str(error).lower() or type(error).__name__
    return PluginError(
        "MA7235",
        f"the container engine at {path} does not answer: {reason}",
        hint="look at its service: `systemctl status docker podman.socket`",
    )


def _candidates() -> list[str]:
    """Sockets, the first that somebody listens at counts.

    Raises:
        PluginError: MA7231: The variable names something else than a socket.
    """
    given = os.environ.get(VARIABLE, "")
    # It counts alone, as for the engine's own command line; a TCP address would be another
    # machine's.
    if given:
        if not given.startswith("unix:///"):
            raise PluginError(
                "MA7231",
                f"{VARIABLE} does not name a Unix socket",
                hint="a plugin's container must be on this machine: unix:///PATH",
            )
        return [given.removeprefix("unix://")]
    directories = ["/run"]
    own = os.environ.get("XDG_RUNTIME_DIR", "")
    # An ordinary user's own engine first.
    if own and os.geteuid():
        directories.insert(0, own)
    return [f"{directory}/{name}" for directory in directories for name in _SOCKETS]


class _Connection(http.client.HTTPConnection):
    """HTTP over a Unix socket."""

    def __init__(self, path: str, timeout: float) -> None:
        super().__init__("localhost", timeout=timeout)
        self._path = path

    def connect(self) -> None:
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.settimeout(self.timeout)
        self.sock.connect(self._path)


def _json(content: bytes) -> Any:
    try:
        return json.loads(content)
    except (ValueError, RecursionError):
        return None


def _message(content: bytes) -> str:
    answer = _json(content)
    found = answer.get("message", "") if isinstance(answer, dict) else ""
    return " ".join(str(found).split())[:1000]
