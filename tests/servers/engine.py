"""A container engine for tests: the part of the Docker Engine API that is used, written after its documentation.

A container is a process of the machine. Nothing is mounted: what the process prints has the host's directory replaced by the
container's, and its environment has the host's.
"""

from __future__ import annotations

import contextlib
import http.server
import json
import os
import pathlib
import re
import signal
import socketserver
import struct
import subprocess
import threading
import time
from typing import Any, NamedTuple
from urllib.parse import parse_qs, unquote, urlsplit

from machineadm.plugins.launch.model import INSIDE

BOTH = (("stdout", 1), ("stderr", 2))


class Request(NamedTuple):
    """What was asked."""

    what: str
    """Method and path without version, id and query: `POST /containers/ID/start`."""

    version: str
    query: dict[str, str]
    body: Any


class Box:
    """A container."""

    def __init__(self, number: str, name: str, body: dict[str, Any]) -> None:
        self.id = number
        self.name = name
        self.body = body
        self.process: subprocess.Popen[bytes] | None = None
        self.state: dict[str, Any] = {"Status": "created", "Running": False, "ExitCode": 0}
        self.ended = threading.Event()
        self.attached: list[Any] = []
        self.labels: dict[str, str] = body.get("Labels") or {}
        self.lock = threading.Lock()

    @property
    def directory(self) -> str:
        """The host's directory that is mounted."""
        mounts = (self.body.get("HostConfig") or {}).get("Mounts") or []
        return next((one["Source"] for one in mounts if one["Target"] == INSIDE), "")


class Engine(socketserver.ThreadingUnixStreamServer):
    """The engine, as a context.

    Args:
        path: Its socket.
    """

    daemon_threads = True
    request_queue_size = 64

    def __init__(self, path: str) -> None:
        super().__init__(path, _Handler)
        self.path = path
        self.api = "1.41"
        self.info: dict[str, Any] = {"SecurityOptions": ["name=seccomp,profile=default"]}
        self.images: dict[str, dict[str, Any]] = {}
        """By name and tag."""

        self.boxes: dict[str, Box] = {}
        self.requests: list[Request] = []
        self.answers: dict[str, tuple[int, Any]] = {}
        """Instead of what it would do: a status and a body, by `Request.what`; bytes are sent as they are."""

        self.after_exit: dict[str, Any] = {}
        """Added to the state of a container that has ended."""

    def __enter__(self) -> Engine:
        threading.Thread(target=self.serve_forever, args=(0.02,), daemon=True).start()
        return self

    def __exit__(self, *_: object) -> None:
        self.shutdown()
        self.server_close()
        for box in list(self.boxes.values()):
            end(box)
        pathlib.Path(self.path).unlink()

    def image(self, name: str, program: list[str], *, user: str = "", number: str = "1") -> str:
        """Add an image; returns the digits of its id."""
        digits = (number * 64)[:64]
        config = {"Entrypoint": program, "User": user}
        self.images[name] = {"Id": f"sha256:{digits}", "RepoTags": [name], "Config": config}
        return digits

    def asked(self, what: str) -> list[Request]:
        return [one for one in self.requests if one.what == what]

    def box(self, name: str) -> Box | None:
        return next((one for one in self.boxes.values() if name in (one.id, one.name)), None)


def end(box: Box) -> None:
    """Kill what runs in a container."""
    if box.process is not None:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(box.process.pid, signal.SIGKILL)
        box.ended.wait(10)


class _Handler(http.server.BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server: Engine

    def address_string(self) -> str:
        return "unix"

    def log_message(self, *_: object) -> None:
        pass

    def do_GET(self) -> None:
        self._handle()

    def do_POST(self) -> None:
        self._handle()

    def do_DELETE(self) -> None:
        self._handle()

    def _handle(self) -> None:
        found = urlsplit(self.path)
        version, path = re.fullmatch(r"(?:/v([0-9.]+))?(/.*)", found.path).groups()  # type: ignore[union-attr]
        query = {key: values[-1] for key, values in parse_qs(found.query).items()}
        length = int(self.headers.get("Content-Length") or 0)
        body = json.loads(self.rfile.read(length)) if length else None
        parts = unquote(path).strip("/").split("/")
        name = ""
        if len(parts) > 1 and parts[1:] not in (["create"], ["json"]):
            name = parts[1]
            parts[1] = "ID"
        what = f"{self.command} /{'/'.join(parts)}"
        self.server.requests.append(Request(what, version or "", query, body))
        if what in self.server.answers:
            status, content = self.server.answers[what]
            self._answer(status, content)
            return
        action = getattr(self, _ACTIONS.get(what, "unknown"))
        action(name, query, body)

    def _answer(self, status: int, content: Any = None) -> None:
        if isinstance(content, bytes):
            self.wfile.write(content)
            self.close_connection = True
            return
        data = b"" if content is None else json.dumps(content).encode()
        self.send_response(status)
        self.send_header("Api-Version", self.server.api)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        with contextlib.suppress(BrokenPipeError):
            self.wfile.write(data)

    def _error(self, status: int, message: str) -> None:
        self._answer(status, {"message": message})

    def unknown(self, *_: Any) -> None:
        self._error(404, "page not found")

    def ping(self, *_: Any) -> None:
        self._answer(200, "OK")

    def info(self, *_: Any) -> None:
        self._answer(200, self.server.info)

    def images(self, _: str, query: dict[str, str], __: Any) -> None:
        wanted = json.loads(query["filters"])["reference"]
        found = [
            one
            for name, one in self.server.images.items()
            if name in wanted or name.rpartition(":")[0] in wanted
        ]
        self._answer(200, found)

    def image(self, name: str, *_: Any) -> None:
        found = self._image(name)
        if found is None:
            self._error(404, f"no such image: {name}")
        else:
            self._answer(200, found)

    def _image(self, name: str) -> dict[str, Any] | None:
        images = self.server.images
        return images.get(name) or next((i for i in images.values() if i["Id"] == name), None)

    def containers(self, _: str, query: dict[str, str], __: Any) -> None:
        labels = json.loads(query.get("filters", "{}")).get("label", [])
        found = [
            {
                "Id": box.id,
                "Names": [f"/{box.name}"],
                "Labels": box.labels,
                "State": box.state["Status"],
            }
            for box in list(self.server.boxes.values())
            if query.get("all") == "1" or box.state["Running"]
            if all(_labelled(box.labels, label) for label in labels)
        ]
        self._answer(200, found)

    def create(self, _: str, query: dict[str, str], body: dict[str, Any]) -> None:
        if self._image(body["Image"]) is None:
            self._error(404, f"No such image: {body['Image']}")
            return
        number = f"{len(self.server.requests):064x}"
        self.server.boxes[number] = Box(number, query["name"], body)
        self._answer(201, {"Id": number, "Warnings": []})

    def attach(self, name: str, *_: Any) -> None:
        box = self.server.box(name)
        if box is None:
            self._error(404, f"no such container: {name}")
            return
        upgrade = b"HTTP/1.1 101 UPGRADED\r\nConnection: Upgrade\r\nUpgrade: tcp\r\n\r\n"
        self.wfile.write(upgrade)
        self.wfile.flush()
        box.attached.append(self.wfile)
        self.close_connection = True
        box.ended.wait()

    def start(self, name: str, *_: Any) -> None:
        box = self.server.box(name)
        if box is None:
            self._error(404, f"no such container: {name}")
            return
        image = self._image(box.body["Image"]) or {}
        program = box.body.get("Entrypoint") or image["Config"]["Entrypoint"]
        environment = dict(one.split("=", 1) for one in box.body["Env"])
        environment["PLUGIN_UNIX_SOCKET_DIR"] = environment["TMPDIR"] = box.directory
        try:
            box.process = subprocess.Popen(
                [*program, *(box.body.get("Cmd") or [])],
                env={"PATH": os.defpath, **environment},
                stdin=subprocess.DEVNULL,
                stdout=subprocess.PIPE,
                stderr=subprocess.PIPE,
                start_new_session=True,
            )
        except OSError as error:
            self._error(400, f"exec: {program[0]}: {error.strerror}")
            return
        box.state |= {"Status": "running", "Running": True, "Pid": box.process.pid}
        threading.Thread(target=self.server_side(box), daemon=True).start()
        self._answer(204)

    def server_side(self, box: Box) -> Any:
        after = self.server.after_exit

        def follow() -> None:
            process = box.process
            assert process is not None
            pumps = [
                threading.Thread(target=_pump, args=(box, getattr(process, name), number))
                for name, number in BOTH
            ]
            for pump in pumps:
                pump.start()
            process.wait()
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)  # as a namespace of processes ends
            for pump in pumps:
                pump.join()
            code = process.returncode
            box.state |= {"Status": "exited", "Running": False, "Pid": 0}
            box.state |= {"ExitCode": 128 - code if code < 0 else code, **after}
            box.ended.set()

        return follow

    def inspect(self, name: str, *_: Any) -> None:
        box = self.server.box(name)
        if box is None:
            self._error(404, f"no such container: {name}")
            return
        mounts = [{"Type": "bind", "Source": box.directory, "Destination": INSIDE}]
        content = {"Id": box.id, "Name": f"/{box.name}", "State": box.state}
        self._answer(200, content | {"Mounts": mounts if box.directory else []})

    def kill(self, name: str, *_: Any) -> None:
        box = self.server.box(name)
        if box is None or not box.state["Running"]:
            self._error(404 if box is None else 409, f"container {name} is not running")
            return
        end(box)
        self._answer(204)

    def remove(self, name: str, query: dict[str, str], _: Any) -> None:
        box = self.server.box(name)
        if box is None:
            self._error(404, f"no such container: {name}")
        elif box.state["Running"] and query.get("force") != "1":
            self._error(409, "stop the container before you remove it")
        else:
            end(box)
            box.ended.set()
            self.server.boxes.pop(box.id, None)
            self._answer(204)


_ACTIONS = {
    "GET /_ping": "ping",
    "GET /info": "info",
    "GET /images/json": "images",
    "GET /images/ID/json": "image",
    "GET /containers/json": "containers",
    "POST /containers/create": "create",
    "POST /containers/ID/attach": "attach",
    "POST /containers/ID/start": "start",
    "GET /containers/ID/json": "inspect",
    "POST /containers/ID/kill": "kill",
    "DELETE /containers/ID": "remove",
}


def _labelled(labels: dict[str, str], wanted: str) -> bool:
    name, equals, value = wanted.partition("=")
    return name in labels and (not equals or labels[name] == value)


def _pump(box: Box, pipe: Any, number: int) -> None:
    end_of_wait = time.monotonic() + 5
    while data := os.read(pipe.fileno(), 65536):
        while not box.attached and time.monotonic() < end_of_wait:
            time.sleep(0.01)
        if number == 1:
            data = data.replace(box.directory.encode(), INSIDE.encode())
        frame = struct.pack(">BxxxI", number, len(data)) + data
        with box.lock:
            for file in box.attached:
                try:
                    file.write(frame)
                    file.flush()
                except (OSError, ValueError):
                    pass
    pipe.close()
