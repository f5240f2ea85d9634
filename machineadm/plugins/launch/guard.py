"""Cleanup after a killed host: a shell that waits for the host's end, kills what it started and removes its sockets.

go-plugin has nothing like it: plugins stay as orphans. The environment shows what belongs to a host: every process that it
starts, and whatever those start, has PLUGIN_UNIX_SOCKET_DIR below the host's own directory.
"""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import tempfile
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Final

from machineadm.errors import PluginError
from machineadm.plugins.wire.handshake import SOCKET_DIRECTORY

if TYPE_CHECKING:
    from machineadm.plugins.launch.containers.engine import Engine
    from machineadm.plugins.launch.containers.leftovers import Watcher

# Four rounds: a process that the host was starting has its environment only a moment after the fork.
_SCRIPT: Final = r"""
trap '' HUP INT QUIT TERM
cat >/dev/null
for pause in 0.1 0.2 0.4 0.8; do
  for entry in /proc/[0-9]*; do
    grep -qsz "^$2=$1/" "$entry/environ" && kill -9 "${entry#/proc/}"
  done
  sleep $pause
  [ -d "$1" ] || break
  [ "$pause" = 0.1 ] || rm -rf -- "$1"
done
"""


class Guard:
    """A host's directory for sockets, and the shell that removes it whatever happens to the host.

    Raises:
        PluginError: MA7208: The directory cannot be created.
    """

    def __init__(self) -> None:
        self._watcher: Watcher | None = None
        try:
            self.directory = tempfile.mkdtemp(prefix="machineadm-", dir=_short_directory())
        except OSError as error:
            raise no_place(error) from error
        try:
            self._shell = subprocess.Popen(
                ["/bin/sh", "-c", _SCRIPT, "guard", self.directory, SOCKET_DIRECTORY],
                # The pipe closes when the host ends, however it ends; that is what the script waits for.
                stdin=subprocess.PIPE,
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
                cwd="/",
                env={"PATH": os.defpath},
                # A Ctrl-C for the host's group must not end what cleans up after it.
                start_new_session=True,
            )
        except BaseException as error:
            os.rmdir(self.directory)
            if isinstance(error, OSError):
                raise no_place(error) from error
            raise

    def watch(self, engine: Engine) -> Callable[[], None]:
        """Have this host's containers removed, too; returns what says that one of them may be left."""
        if self._watcher is None:
            from machineadm.plugins.launch.containers.leftovers import Watcher

            self._watcher = Watcher(engine, self.directory)
        watcher = self._watcher

        def left() -> None:
            watcher.unsure = True

        return left

    def release(self) -> None:
        """Remove the directory after an orderly end."""
        if self._watcher is not None:
            self._watcher.release()
        end_all_below(self.directory)
        shutil.rmtree(self.directory, ignore_errors=True)
        # The whole group: the shell has a child while it waits.
        try:
            os.killpg(self._shell.pid, signal.SIGKILL)
        except ProcessLookupError:
            pass
        self._shell.wait()
        if self._shell.stdin is not None:
            self._shell.stdin.close()


def no_place(error: OSError) -> PluginError:
    """Build the error for a directory that cannot be created."""
    reason = (error.strerror or str(error)).lower()
    return PluginError(
        "MA7208",
        f"cannot create a directory for plugins' sockets: {error.filename}: {reason}",
        hint="free space in the temporary directory, or set TMPDIR to another one",
    )


def end_all_below(directory: str) -> None:
    """End every process that was started with sockets in a directory or below it, and what those started."""
    _kill_all_below(directory)
    for _ in range(50):
        # Look again: a process in the middle of execve has no environment for a moment.
        time.sleep(0.02)
        if not _kill_all_below(directory):
            return


def _kill_all_below(directory: str) -> bool:
    """Kill those that exist now; returns whether there were any."""
    found = False
    wanted = f"{SOCKET_DIRECTORY}={directory}".encode()
    for name in os.listdir("/proc"):
        # Not itself: an agent that a plugin started has the variable, too.
        if not name.isdecimal() or int(name) == os.getpid():
            continue
        try:
            with open(f"/proc/{name}/environ", "rb") as file:
                entries = file.read().split(b"\0")
            if any(entry == wanted or entry.startswith(wanted + b"/") for entry in entries):
                os.kill(int(name), signal.SIGKILL)
                # SIGKILL at once: plugins were asked to end before this.
                found = True
        except OSError:
            pass  # ended, or somebody else's
    return found


def _short_directory() -> str:
    """Return the directory for sockets, short enough: sun_path holds 107 bytes."""
    directory = tempfile.gettempdir()
    return directory if len(directory) <= 40 else "/tmp"  # noqa: S108 - mkdtemp makes a directory of its own there
