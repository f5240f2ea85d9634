"""podman's service, rootful and rootless, with images of the test service; and what its clients send, recorded."""

from __future__ import annotations

import contextlib
import io
import json
import os
import shutil
import signal
import socket
import subprocess
import tarfile
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tests.real import missing

USER = 54321
GROUP = 4321
ENTRYPOINT = ["--change", 'ENTRYPOINT ["/plugin"]']
IMAGES = {
    "localhost/probe:1": ENTRYPOINT,
    "localhost/probe-user:1": [*ENTRYPOINT, "--change", f"USER {USER}:{USER}"],
}


class Podman:
    """A service of podman with a store of its own.

    Args:
        directory: For all that it has.
        user: Who runs it; 0 for root.
    """

    def __init__(self, directory: Path, user: int = 0) -> None:
        self.directory = directory
        self.user = user
        self.socket = directory / "s"
        # Stock limits would be raised to what the machine may not have.
        (directory / "containers.conf").write_text("[containers]\ndefault_ulimits=[]\n")
        self.environment = {
            "PATH": os.environ["PATH"],
            "HOME": str(directory),
            "XDG_RUNTIME_DIR": str(directory),
            "CONTAINERS_CONF": str(directory / "containers.conf"),
        }
        self.command = [
            *("podman", "--storage-driver=vfs", "--runtime=runc", "--cgroup-manager=cgroupfs"),
            *("--events-backend=file", f"--root={directory}/root", f"--runroot={directory}/run"),
        ]

    def __call__(self, *words: str, data: bytes = b"") -> str:
        """Run a command of podman.

        Raises:
            RuntimeError: It fails.
        """
        ran = subprocess.run(
            [*self.command, *words],
            input=data,
            capture_output=True,
            check=False,
            timeout=120,
            **self._who(),
        )
        if ran.returncode:
            raise RuntimeError(f"podman {words[0]}: {ran.stderr.decode()[-2000:]}")
        return str(ran.stdout.decode()).strip()

    def _who(self) -> dict[str, Any]:
        names = {"user": self.user, "group": self.user, "extra_groups": []} if self.user else {}
        return {"env": self.environment, "cwd": str(self.directory), **names}

    @contextlib.contextmanager
    def serving(self) -> Iterator[Podman]:
        """The service, until the end of the block."""
        with (self.directory / "log").open("wb") as log:
            service = subprocess.Popen(
                [*self.command, "system", "service", "--time=0", f"unix://{self.socket}"],
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                **self._who(),
            )
        try:
            end = time.monotonic() + 30
            while not self.socket.exists():
                assert service.poll() is None, (self.directory / "log").read_text()
                assert time.monotonic() < end, "podman's service does not come"
                time.sleep(0.05)
            yield self
        finally:
            with contextlib.suppress(RuntimeError):
                self("rm", "--all", "--force", "--time=0")
            # The group: in a namespace of a user podman is a child of itself.
            os.killpg(service.pid, signal.SIGTERM)
            service.wait(30)
            with contextlib.suppress(ProcessLookupError):
                os.killpg(service.pid, signal.SIGKILL)
            # And what holds that namespace open until it is told.
            for file in self.directory.rglob("pause.pid"):
                with contextlib.suppress(ProcessLookupError):
                    os.kill(int(file.read_text()), signal.SIGKILL)

    def load(self, plugin: str) -> dict[str, str]:
        """Make the images of a plugin that needs no libraries; returns the digits of their ids."""
        layer = io.BytesIO()
        with tarfile.open(fileobj=layer, mode="w") as archive:
            archive.add(plugin, "plugin")
            archive.addfile(directory_of("tmp"))
        return {
            name: self("import", *changes, "-", name, data=layer.getvalue()).removeprefix("sha256:")
            for name, changes in IMAGES.items()
        }

    def inspect(self, container: str) -> dict[str, Any]:
        """What podman's own command line says of a container."""
        (found,) = json.loads(self("inspect", "--type=container", container))
        return dict(found)

    def containers(self) -> list[str]:
        """Names of all containers, running or not."""
        return self("ps", "--all", "--format={{.Names}}").split()


def directory_of(name: str) -> tarfile.TarInfo:
    entry = tarfile.TarInfo(name)
    entry.type = tarfile.DIRTYPE
    entry.mode = 0o1777
    return entry


@contextlib.contextmanager
def podman(*, rootless: bool = False) -> Iterator[Podman]:
    """podman's service; skips the test where it cannot be had."""
    for program in ("podman", "runc"):
        if shutil.which(program) is None:
            missing(f"{program} is not installed: no container engine can be started")
    if os.geteuid():
        missing("not root: podman's service needs it here")
    user = rootless_user() if rootless else 0
    directory = Path(tempfile.mkdtemp(prefix="mpod-", dir="/tmp"))
    try:
        if user:
            os.chown(directory, user, user)
        with Podman(directory, user).serving() as found:
            yield found
    finally:
        # Layers of a namespace belong to its numbers, which root may remove.
        subprocess.run(
            ["umount", "--recursive", "--lazy", f"{directory}/root"],
            check=False,
            stderr=subprocess.DEVNULL,
        )
        shutil.rmtree(directory, ignore_errors=True)


def rootless_user() -> int:
    """An ordinary user with numbers of its own below it, made for these tests if it is not there."""
    if shutil.which("newuidmap") is None:
        missing(
            "newuidmap (package uidmap) is not installed: podman cannot run as an ordinary user"
        )
    import pwd

    name = "machineadm-rootless"
    try:
        return pwd.getpwnam(name).pw_uid
    except KeyError:
        subprocess.run(["useradd", "--no-create-home", name], check=True)
        return pwd.getpwnam(name).pw_uid


class Recorder:
    """A socket before the engine's: passes everything on, and keeps what clients send.

    Args:
        path: Its own.
        engine: The engine's.
    """

    def __init__(self, path: Path, engine: Path) -> None:
        self._engine = engine
        self._listener = socket.socket(socket.AF_UNIX)
        self._listener.bind(str(path))
        self._listener.listen(64)
        self._sent: list[bytearray] = []
        self._threads = [threading.Thread(target=self._serve, daemon=True)]
        self._threads[0].start()

    def close(self) -> None:
        """Take no further connection, and wait for the end of those that are there."""
        self._listener.shutdown(socket.SHUT_RDWR)
        for thread in self._threads:
            thread.join(30)
        self._listener.close()

    def take(self) -> list[tuple[str, Any]]:
        """Method and path, and the body, of each request so far; then forget them."""
        sent, self._sent = self._sent, []
        return [one for data in sent for one in requests_in(bytes(data))]

    def _serve(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listener.accept()
                thread = threading.Thread(target=self._relay, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _relay(self, client: socket.socket) -> None:
        kept = bytearray()
        self._sent.append(kept)
        with client, socket.socket(socket.AF_UNIX) as engine:
            engine.connect(str(self._engine))
            back = threading.Thread(target=_pass, args=(engine, client, None), daemon=True)
            back.start()
            _pass(client, engine, kept)
            back.join(30)


def requests_in(data: bytes) -> list[tuple[str, Any]]:
    """The requests of one connection."""
    found = []
    while b"\r\n\r\n" in data:
        head, _, data = data.partition(b"\r\n\r\n")
        first, *lines = head.decode().split("\r\n")
        headers = {key.lower(): value for key, _, value in (one.partition(": ") for one in lines)}
        length = int(headers.get("content-length", 0))
        body, data = data[:length], data[length:]
        found.append((first.rpartition(" ")[0], json.loads(body) if body else None))
    return found


def _pass(source: socket.socket, target: socket.socket, copy: bytearray | None) -> None:
    with contextlib.suppress(OSError):
        while data := source.recv(65536):
            if copy is not None:
                copy += data
            target.sendall(data)
    with contextlib.suppress(OSError):
        target.shutdown(socket.SHUT_WR)
