"""Trees on the real file system that stand for machines, and what can be seen of them."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from machineadm.agent.own_file import AgentFile
from machineadm.agent.wiring import Machine
from machineadm.host.linux.accounts import LinuxAccounts
from machineadm.host.linux.clock import Interruption, LinuxClock
from machineadm.host.linux.commands import LinuxCommands
from machineadm.host.linux.files import LinuxFiles
from machineadm.host.linux.queries import LinuxQueries
from machineadm.host.linux.state import LinuxState
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import Host
from machineadm.redaction import Redactor
from tests.fakes.host import FakeKernel

RUN = "run/machineadm"
STATE = "var/lib/machineadm"
UNWATCHED = (RUN, "run/cluster-api")
"""Where a run may always write."""

KUBEADM = """\
#!/bin/sh
# Stands for kubeadm on a tree: a worker joins by one file. Its arguments and what it reads are kept.
tree={tree}
case "$1" in
version) echo {version} ;;
reset) rm -f "$tree/etc/kubernetes/kubelet.conf" ;;
join|init)
  echo "$0 $*" >> "$tree/../kubeadm.argv"
  tr '\\0' ' ' < /proc/$$/cmdline >> "$tree/../kubeadm.argv"
  {behaviour}
  mkdir -p "$tree/etc/kubernetes"
  echo 'client-certificate-data: x' > "$tree/etc/kubernetes/.new"
  mv "$tree/etc/kubernetes/.new" "$tree/etc/kubernetes/kubelet.conf"
  ;;
esac
"""


def seen(tree: Path, *, times: bool = True) -> dict[str, tuple[object, ...]]:
    """Everything below a tree but where a run may always write: kind, mode, owner, content, times, inode."""
    found = {}
    for directory, directories, files in os.walk(tree):
        here = Path(directory).relative_to(tree)
        directories[:] = [name for name in directories if str(here / name) not in UNWATCHED]
        for name in [*directories, *files, "."]:
            path = Path(directory) / name
            status = path.lstat()
            facts: tuple[object, ...] = (
                stat.filemode(status.st_mode),
                status.st_uid,
                status.st_gid,
            )
            if stat.S_ISREG(status.st_mode):
                facts += (path.read_bytes(),)
            # The directory `run` changes when the run directory is made in it.
            if times and str(here / name) not in ("run", "run/."):
                facts += (status.st_mtime_ns, status.st_ino)
            found[str(here / name)] = facts
    return found


def fake_kubeadm(
    directory: Path, tree: Path, behaviour: str = ":", *, version: str = "v1.34.4"
) -> None:
    """Put a kubeadm into a directory that is put on PATH."""
    directory.mkdir(exist_ok=True)
    program = directory / "kubeadm"
    program.write_text(KUBEADM.format(tree=tree, behaviour=behaviour, version=version))
    program.chmod(0o755)


class Kernel(FakeKernel):
    """One that has every parameter, so that a test needs no root and harms no machine."""

    def sysctl(self, name: str) -> str | None:
        return self.parameters.setdefault(name, "0")

    def set_sysctl(self, name: str, value: str) -> None:
        self.parameters[name] = value


def running_tree(tree: Path, *, log: Callable[[str], None] = lambda _: None) -> Machine:
    """A machine whose files are a tree and whose commands are really run: a running system in a directory."""
    interruption = Interruption()
    base = Tree(str(tree))
    files = LinuxFiles(base)
    redactor = Redactor()
    state = LinuxState(base, run_directory=f"/{RUN}", state_directory=f"/{STATE}")
    commands = LinuxCommands(
        interruption,
        redactor=redactor,
        log=log,
        inherited=lambda: state.lock_descriptors,
    )
    kernel = Kernel()
    kernel.modules.add("overlay")
    host = Host(
        files=files,
        accounts=LinuxAccounts(files, running=False),
        clock=LinuxClock(interruption),
        state=state,
        commands=commands,
        queries=LinuxQueries(commands),
        kernel=kernel,
        architecture="amd64",
    )
    return Machine(
        host=host,
        redactor=redactor,
        agent=AgentFile(python=sys.executable, path=None),
        digest=lambda: "",
        is_root=True,
        announce=lambda _: None,
    )


def machineadm(
    *arguments: str | Path, user: int | None = None, environment: dict[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    """Run the command line in a process of its own.

    Args:
        arguments: Of the command line.
        user: Number of the user who runs it; None: the one who runs the tests.
        environment: Beside PATH.
    """
    return subprocess.run(
        [*as_user(user), sys.executable, "-m", "machineadm", *map(str, arguments)],
        cwd=Path(__file__).parents[2],
        env={"PATH": os.environ["PATH"], "PYTHONDONTWRITEBYTECODE": "1", **(environment or {})},
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


def as_user(user: int | None) -> tuple[str, ...]:
    """What has a command run as somebody else.

    Where the interpreter lies in a directory of root's, that user is let through there: in all else, as in giving files away,
    they stay an ordinary one.
    """
    if user is None:
        return ()
    become = ("setpriv", f"--reuid={user}", f"--regid={user}", "--clear-groups")
    reached = subprocess.run([*become, sys.executable, "-c", ""], capture_output=True, check=False)
    if reached.returncode == 0:
        return become
    return (*become, "--inh-caps=+dac_override", "--ambient-caps=+dac_override")
