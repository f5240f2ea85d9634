"""Machines to be tortured: a Debian root of its own in namespaces of its own, and a tree that another machine prepares."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
from pathlib import Path

import msgspec

from machineadm.execution.ledger import Ledger
from machineadm.host.linux.state import LinuxState
from machineadm.host.linux.tree import Tree

RUN, STATE = "run/machineadm", "var/lib/machineadm"
TOLD = ("journal.jsonl", "status.json", "ledger.json", "lock")
"""What tells of a run, not of the machine that came out. The ledger is compared by what it says."""
KUBEADM = """\
#!/bin/sh
# A worker joins by one file.
case "$1" in
version) echo v1.34.4 ;;
reset) rm -f /etc/kubernetes/kubelet.conf ;;
join)
  echo join >> /root/kubeadm
  mkdir -p /etc/kubernetes
  echo 'client-certificate-data: x' > /etc/kubernetes/.new
  mv /etc/kubernetes/.new /etc/kubernetes/kubelet.conf ;;
esac
"""
# In namespaces of its own, which take mounts, host name, parameters and processes along when they end. Its boot is the one
# that is named: what the agent remembers of this boot must not count in the next.
ENTER = """\
set -e
mount -t overlay overlay -o "lowerdir=$LOWER,upperdir=$UPPER,workdir=$WORK" "$ROOT"
mount -t proc proc "$ROOT/proc"
mount --rbind /dev "$ROOT/dev"
mount --bind "$BOOT" "$ROOT/proc/sys/kernel/random/boot_id"
mount --bind "$AGENT" "$ROOT/root/agent"
exec "$@"
"""


class Machine:
    """A Debian root whose changes lie in a directory; the agent runs there as on a machine, without systemd.

    Args:
        directory: A scratch directory, on a file system that an overlay can lie on.
        agent: The packed agent, or what stands for it.
        root: The root, which stays as it is.
        configuration: The configuration's text.
        cache: What the agent has kept at an earlier start, so that a run is short; None: nothing.
    """

    def __init__(
        self, directory: Path, agent: Path, root: Path, configuration: str, cache: Path | None
    ) -> None:
        self.directory, self.agent, self.lower = directory, agent, root
        self.upper, self.boots = directory / "upper", 0
        for name in ("upper/root", "upper/usr/bin", "work", "root"):
            (directory / name).mkdir(parents=True)
        for name in ("upper", "upper/usr", "upper/usr/bin"):
            (directory / name).chmod(0o755)
        (self.upper / "root").chmod(0o700)
        (self.upper / "root/agent").touch()
        (self.upper / "root/node.yaml").write_text(configuration)
        # There is nobody whom a real systemctl could ask.
        for name, script in {"kubeadm": KUBEADM, "systemctl": "#!/bin/sh\n"}.items():
            program = self.upper / "usr/bin" / name
            program.write_text(script)
            program.chmod(0o755)
        if cache is not None:
            shutil.copytree(cache, self.upper / "root/cache", symlinks=True)
        self.boot()

    def boot(self) -> None:
        """The next boot: nothing of /run is left, and the kernel says another boot_id."""
        self.boots += 1
        (self.directory / "boot").write_text(f"00000000-0000-4000-8000-{self.boots:012d}\n")
        shutil.rmtree(self.upper / "run", ignore_errors=True)

    def run(self, *front: str) -> subprocess.CompletedProcess[str]:
        """Bootstrap.

        Args:
            front: What stands in front of the agent's command line.
        """
        directory = self.directory
        work = directory / "work"
        shutil.rmtree(work)  # an overlay that was not unmounted leaves something there
        work.mkdir()
        return subprocess.run(
            [
                *("unshare", "--mount", "--pid", "--net", "--uts", "--fork", "--kill-child"),
                *("bash", "-c", ENTER, "enter", *front, "chroot", str(directory / "root")),
                *("/root/agent", "bootstrap", "--path", "/root/node.yaml"),
            ],
            env={
                "PATH": "/usr/sbin:/usr/bin:/sbin:/bin",
                "MACHINEADM_CACHE": "/root/cache",
                "LOWER": str(self.lower),
                "UPPER": str(self.upper),
                "WORK": str(work),
                "ROOT": str(directory / "root"),
                "BOOT": str(directory / "boot"),
                "AGENT": str(self.agent),
            },
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=300,
        )

    def facts(self) -> dict[str, object]:
        """The machine that came out: what differs from the root, and what the agent says that it owns."""
        found: dict[str, object] = {}
        for path, facts in _walk(self.upper).items():
            if not is_passing(path) and facts != facts_of(self.lower / path):
                found[path] = facts
        machine_id = _text(self.upper / "etc/machine-id") or _text(self.lower / "etc/machine-id")
        state = LinuxState(
            Tree(str(self.upper)), run_directory=f"/{RUN}", state_directory=f"/{STATE}"
        )
        ledger = Ledger(state, machine_id=machine_id.strip(), boot_id="")
        for holding in ledger.holdings():
            # States on the way that do not count are a memory of what happened, not of what is.
            found[f"owned: {holding.kind} {holding.name}"] = msgspec.structs.replace(
                holding, strays=()
            )
        found["pending"] = repr(ledger.pending)
        return found

    def phase(self) -> str:
        """Of the last report, '' if there is none."""
        return _phase(self.upper / RUN / "status.json")

    def lines(self) -> list[str]:
        """What the commands of the configuration have left, a line each time."""
        return _text(self.upper / "root/log").split()

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.directory)


class Image:
    """A tree that is prepared by `bootstrap --root`, as image builders do.

    Args:
        directory: A scratch directory.
        agent: The packed agent, or what stands for it.
        configuration: The configuration's text.
        cache: Where the agent keeps what it unpacked.
    """

    def __init__(self, directory: Path, agent: Path, configuration: str, cache: Path) -> None:
        self.directory, self.agent, self.cache = directory, agent, cache
        self.upper = directory / "tree"
        (self.upper / "etc").mkdir(parents=True)
        (self.upper / "etc/hosts").write_text("127.0.0.1 localhost\n")
        (directory / "node.yaml").write_text(configuration)

    def boot(self) -> None:
        """Nobody boots it: it is the other machine that did."""
        shutil.rmtree(self.upper / "run", ignore_errors=True)

    def run(self, *front: str) -> subprocess.CompletedProcess[str]:
        """Prepare it."""
        configuration = str(self.directory / "node.yaml")
        return subprocess.run(
            [
                *(*front, str(self.agent), "bootstrap", "--root", str(self.upper)),
                *("--path", configuration),
            ],
            env={"PATH": os.environ["PATH"], "MACHINEADM_CACHE": str(self.cache)},
            capture_output=True,
            text=True,
            errors="replace",
            check=False,
            timeout=300,
        )

    def facts(self) -> dict[str, object]:
        """The tree that came out."""
        return {path: facts for path, facts in _walk(self.upper).items() if not is_passing(path)}

    def phase(self) -> str:
        """Of the last report, '' if there is none."""
        return _phase(self.upper / RUN / "status.json")

    def lines(self) -> list[str]:
        """Below a root no command runs."""
        return []

    def remove(self) -> None:
        """Remove everything."""
        shutil.rmtree(self.directory)


def _walk(tree: Path) -> dict[str, object]:
    found = {}
    for directory, directories, files in os.walk(tree):
        for name in (*directories, *files):
            path = Path(directory, name)
            found[str(path.relative_to(tree))] = facts_of(path)
    return found


def facts_of(path: Path) -> object:
    """Mode, owner and what is in it; None if there is nothing."""
    try:
        status = path.lstat()
    except OSError:
        return None
    facts: tuple[object, ...] = (stat.filemode(status.st_mode), status.st_uid, status.st_gid)
    if stat.S_ISREG(status.st_mode):
        facts += (path.read_bytes(),)
    elif stat.S_ISLNK(status.st_mode):
        facts += (str(path.readlink()),)
    return facts


def is_passing(path: str) -> bool:
    """It tells when something happened, or is the tools' own: nothing that a later boot reads."""
    ours = (
        "root/cache",
        "root/agent",
        "root/node.yaml",
        "root/log",
        "root/kubeadm",
        "usr/bin/kubeadm",
    )
    places = ("run", "proc", "dev", *ours)
    told = path in [f"{STATE}/{name}" for name in TOLD]
    backup = path.startswith("etc/") and path.endswith("-")  # passwd's, one change old
    return (
        told or backup or path.startswith(tuple(f"{place}/" for place in places)) or path in places
    )


def _text(path: Path) -> str:
    return path.read_text() if path.exists() else ""


def _phase(path: Path) -> str:
    try:
        phase: str = json.loads(path.read_text())["phase"]
    except (OSError, ValueError, KeyError):
        return ""
    return phase
