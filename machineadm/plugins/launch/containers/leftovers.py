"""What is left after a host that was killed: a process that waits for the host's end removes its containers, and so does the next host.

Labels say whose a container is, because nothing that the host keeps survives it.
"""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import sys
import tempfile
from typing import Any, Final

from machineadm.plugins.launch.containers.engine import Engine, EngineRefusalError

HOST: Final = "machineadm.plugin.host"
"""Label: which process started the container."""

DIRECTORY: Final = "machineadm.plugin.directory"
"""Label: the host's directory for sockets."""

NAME: Final = "machineadm.plugin.name"
DEBUG: Final = "machineadm.plugin.debug"
"""Label: kept after a failure, until a plugin of the same name is started again."""

_DONE: Final = b"done"
# Several rounds: the engine may be creating one while the host is killed.
_SCRIPT: Final = r"""
import http.client, json, signal, socket, sys, time, urllib.parse

for number in (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM):
    signal.signal(number, signal.SIG_IGN)
path, version, filters = sys.argv[1:]

def ask(method, target):
    connection = http.client.HTTPConnection("localhost", timeout=30)
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(path)
    connection.request(method, "/v" + version + target)
    answer = connection.getresponse().read()
    connection.close()
    return answer

if sys.stdin.buffer.read() != b"done":
    for pause in (0, 0.2, 0.4, 0.8, 1.6):
        time.sleep(pause)
        try:
            query = urllib.parse.urlencode({"all": "1", "filters": filters})
            for one in json.loads(ask("GET", "/containers/json?" + query)):
                ask("DELETE", "/containers/" + one["Id"] + "?force=1&v=1")
        except Exception:
            pass
"""


class Watcher:
    """A process that removes a host's containers when the host ends without having done so.

    Args:
        engine: That runs them.
        directory: The host's, as in the label.
    """

    def __init__(self, engine: Engine, directory: str) -> None:
        filters = json.dumps({"label": [f"{DIRECTORY}={directory}"]})
        self.unsure = False
        """Whether a container may be left; then it looks at the host's end, too."""

        # Beside the shell of guard.py, which cannot speak HTTP over a socket.
        self._process = subprocess.Popen(
            # -I and -S: neither environment nor site directories may bring code into what runs as
            # root.
            [sys.executable, "-I", "-S", "-c", _SCRIPT, engine.path, engine.version, filters],
            # The pipe closes when the host ends, however it ends; that is what it waits for.
            stdin=subprocess.PIPE,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            cwd="/",
            # Not the host's environment, which may have secrets.
            env={"PATH": os.defpath},
            start_new_session=True,
        )

    def release(self) -> None:
        """End it after an orderly end."""
        pipe = self._process.stdin
        if pipe is not None:
            try:
                if not self.unsure:
                    pipe.write(_DONE)
                pipe.close()
            except OSError:
                pass  # it was killed itself
        try:
            # It may be asking the engine just now; the agent must not hang for it.
            self._process.wait(30)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()


def own_label() -> str:
    """The value of the label `HOST` of this process: a boot, a namespace, a number, and when the process began."""
    return "/".join((*_world(), str(os.getpid()), _began(os.getpid())))


def sweep(engine: Engine, name: str) -> list[str]:
    """Remove the containers of hosts that were killed, and of this plugin what was kept for a look.

    Args:
        engine: That has them.
        name: Of the plugin that is about to be started.

    Returns:
        Names of those that are removed.

    Raises:
        EngineRefusalError: It does not list them.
        PluginError: MA7235: It does not answer.
    """
    # Only containers with our label are listed, so nobody else's are touched.
    query = {"all": "1", "filters": {"label": [HOST]}}
    removed = []
    for one in engine.ask("GET", "/containers/json", query) or ():
        labels = one.get("Labels") or {}
        its_own = labels.get(NAME) == name
        # Kept for a person; its plugin's next start ends that.
        if DEBUG in labels and one.get("State") != "running":
            over = its_own
        else:
            over = _is_over(labels.get(HOST, ""))
        if not over:
            continue
        remove(engine, one["Id"])
        _remove_directory(labels.get(DIRECTORY, ""))
        removed.append(str((one.get("Names") or [one["Id"]])[0]).lstrip("/"))
    return removed


def remove(engine: Engine, container: str) -> None:
    """End a container at once and remove it; one that is not there is removed.

    Raises:
        EngineRefusalError: It is not removed.
        PluginError: MA7235: The engine does not answer.
    """
    try:
        # v: its anonymous volumes go with it.
        engine.ask("DELETE", f"/containers/{container}", {"force": "1", "v": "1"})
    except EngineRefusalError as error:
        # 409: somebody is removing it, such as the process above.
        if error.status not in (404, 409):
            raise


def _is_over(owner: str) -> bool:
    """Whether the process of a label has ended; not so where that cannot be seen from here."""
    parts = owner.split("/")
    # A label that is not ours says nothing.
    if len(parts) != 4 or not parts[2].isdecimal():
        return False
    its_boot, its_namespace, number, began = parts
    boot, namespace = _world()
    # Numbers of processes begin again with each boot.
    if its_boot != boot:
        return True
    return its_namespace == namespace and _began(int(number)) != began


def _world() -> tuple[str, str]:
    with open("/proc/sys/kernel/random/boot_id", encoding="ascii") as file:
        boot = file.read().strip()
    # A number of a process means something within its namespace alone.
    return boot, str(os.stat("/proc/self/ns/pid").st_ino)


def _began(number: int) -> str:
    """When a process began, in ticks since the boot; empty if there is none."""
    try:
        with open(f"/proc/{number}/stat", "rb") as file:
            # Behind the program's name, which may hold blanks and brackets: the 22nd field.
            return file.read().rpartition(b")")[2].split()[19].decode()
    except (OSError, IndexError):
        return ""


def _remove_directory(directory: str) -> None:
    """Remove the directory of a host that was killed together with what cleans up after it."""
    parent, _, name = directory.rpartition("/")
    # A label can be set by whoever may use the engine: only a directory as guard makes it is
    # removed.
    if parent not in (tempfile.gettempdir(), "/tmp") or not name.startswith("machineadm-"):  # noqa: S108 - where guard makes them
        return
    try:
        found = os.lstat(directory)
    except OSError:
        return
    if stat.S_ISDIR(found.st_mode) and found.st_uid == os.geteuid():
        shutil.rmtree(directory, ignore_errors=True)


Labels = dict[str, str]


def labels_of(name: str, directory: str, *, debug: bool) -> Labels:
    """The labels of a container that this process starts."""
    labels = {HOST: own_label(), DIRECTORY: directory, NAME: name}
    return labels | ({DEBUG: "true"} if debug else {})


def state_of(engine: Engine, container: str) -> dict[str, Any]:
    """What the engine says of a container; empty if it is gone.

    Raises:
        PluginError: MA7235: The engine does not answer.
    """
    try:
        found: dict[str, Any] = engine.ask("GET", f"/containers/{container}/json") or {}
    except EngineRefusalError:
        return {}
    return found
