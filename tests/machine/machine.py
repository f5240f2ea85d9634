"""A machine with systemd for a test, over machine.sh."""

import functools
import itertools
import os
import subprocess
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType

from tests.machine.network import Network
from tests.real import missing

SCRIPT = Path(__file__).parent / "machine.sh"
_CANNOT = 77
_numbers = itertools.count(1)


class BootError(Exception):
    """The machine did not come to "running": a unit failed, or it took too long."""


@functools.cache
def _prepare(*arguments: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([SCRIPT, *arguments], capture_output=True, text=True, check=False)


def require_stage(flavour: str = "bookworm") -> None:
    """Install what the stage needs and build the root; skip or fail the test where that cannot be."""
    for arguments in (("prereq",), ("build", flavour)):
        run = _prepare(*arguments)
        if run.returncode == _CANNOT:
            missing(run.stderr.strip().removeprefix("machine.sh: "))
        if run.returncode != 0:
            raise RuntimeError(f"machine.sh {arguments} failed:\n{run.stderr[-4000:]}")


class Machine:
    """A booted machine; as a context manager it is torn down at the end.

    It has Debian's python3 and no package of it, containerd, runc and no kubeadm, the address 192.0.2.11, and no
    network beyond. Its own files survive a reboot and a crash; /run and /tmp do not.

    Args:
        name: How its name begins.
        flavour: bookworm; bookworm-cloud and trixie-cloud, which have cloud-init (22.4; 25.1 or later) and openssl, too;
            bookworm-services, with the programs for disks, systemd-resolved and systemd-timesyncd; or bookworm-chrony.
        mounts: Files and directories of ours by their paths in it, there before it boots, and read-only.
        network: Where it lives, with whoever else is there; without one it is alone.
        init: The path, in it, of what runs before systemd and then starts /sbin/stage-init.
        may_fail: Failed units are the test's business, as on a machine whose first boot is to fail.
    """

    def __init__(
        self,
        name: str = "m",
        *,
        flavour: str = "bookworm",
        mounts: Mapping[str, Path] | None = None,
        network: Network | None = None,
        init: str = "",
        may_fail: bool = False,
    ) -> None:
        require_stage(flavour)
        self.name = f"{name}-{os.getpid()}-{next(_numbers)}"
        volumes = [f"-v {source}:{path}:ro" for path, source in (mounts or {}).items()]
        self._environment = {
            **os.environ,
            "MACHINE_FLAVOUR": flavour,
            "MACHINE_ARGS": " ".join([os.environ.get("MACHINE_ARGS", ""), *volumes]),
            "MACHINE_NETNS": network.name if network else "",
            "MACHINE_INIT": init,
            "MACHINE_DEGRADED": "1" if may_fail else "",
        }
        self._boot("boot")

    def __enter__(self) -> "Machine":
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.close()

    def exec(
        self, *argv: str, check: bool = True, input: str | None = None, timeout: float = 300
    ) -> "subprocess.CompletedProcess[str]":
        """Run a command in it; output comes back as text, with `input` as its standard input."""
        return subprocess.run(
            [SCRIPT, "exec", self.name, *argv],
            input="" if input is None else input,
            capture_output=True,
            text=True,
            check=check,
            timeout=timeout,
        )

    def popen(self, *argv: str) -> "subprocess.Popen[str]":
        """Start a command in it, to be killed or awaited: its processes live in the machine, not below ours."""
        return subprocess.Popen(
            [SCRIPT, "exec", self.name, *argv],
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def put(self, source: Path, path: str) -> None:
        """Copy a file or directory into it; modes stay."""
        self._run("put", str(source), path)

    def write(self, path: str, text: str, *, mode: str = "0644") -> None:
        """Make a file in it."""
        script = 'umask 077; cat > "$1" && chmod "$2" "$1"'
        self.exec("sh", "-c", script, "sh", path, mode, input=text)

    def get(self, path: str, target: Path) -> None:
        """Copy a file or directory out of it."""
        self._run("get", path, str(target))

    def read(self, path: str) -> str:
        """The text of a file in it."""
        return self.exec("cat", path).stdout

    def boot_id(self) -> str:
        """The kernel's boot id, another one after each boot."""
        return self.read("/proc/sys/kernel/random/boot_id").strip()

    def reboot(self) -> None:
        """`systemctl reboot`, and wait until it runs again."""
        self._boot("reboot")

    def again(self) -> None:
        """Wait until the machine, which goes down by itself, is down, and start it again."""
        self._boot("again")

    def crash(self) -> None:
        """Kill everything in it at once and start it again: what was written survives, processes do not."""
        self._boot("crash")

    def close(self) -> None:
        """Tear it down."""
        self._run("rm")

    def _run(self, verb: str, *argv: str) -> None:
        subprocess.run([SCRIPT, verb, self.name, *argv], capture_output=True, text=True, check=True)

    def _boot(self, verb: str) -> None:
        run = subprocess.run(
            [SCRIPT, verb, self.name],
            env=self._environment,
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        if run.returncode != 0:
            if verb == "boot":
                self.close()
            raise BootError(run.stderr.strip())
