"""Killed at any port call and run again: the machine of a run that nobody disturbed.

One property for every example and for configurations that are drawn here; `make test` takes a seeded sample of instants, `make
conformance` all of them.
"""

from __future__ import annotations

import io
import random
import tarfile
import threading
from collections import Counter
from collections.abc import Container
from pathlib import Path
from typing import Any, cast

import msgspec

from machineadm.config.machine_paths import KUBEADM_PHASES
from machineadm.errors import InternalError, MachineadmError
from machineadm.execution.ledger import Ledger
from machineadm.host.ports import Host
from tests.checkpoint import Checkpoint
from tests.fakes.blocks import FakeBlocks
from tests.fakes.containerd import FakeContainerd
from tests.fakes.domain import FakeDomain
from tests.fakes.host import FakeHost, FakeProviders
from tests.fakes.images import DIGEST, FakeImages
from tests.fakes.killing import Killed, Reaper, watched
from tests.fakes.kubeadm import Cluster, FakeKubeadm
from tests.fakes.packages import FakePackages
from tests.fakes.shadow import FakeShadow
from tests.unit.agent.stage import AGENT, Stage

EXAMPLES = sorted(Path("examples").glob("*.yaml"))
CASES = sorted(Path("tests/cases").glob("*/*/in.yaml"))
_VOLATILE = ("/run/cluster-api/", "/proc/")
_USERS = ("nobody", "etcd", "backup")
_MAY_BE_REPEATED = ("kubeadm", "systemctl", "dpkg", "apt-get", "apt-mark", "zypper", "dnf", "adcli")
"""What a step runs that looks at the machine each time: all of the step that was cut off is repeated."""

DRAWN = 200
PART = 20
_CHOSEN_OF = 100
"""Of the first so many machines of each drawn configuration one is chosen, at which two runs in turn are killed."""

ARCHIVE_URL = "https://example.com/tools.tar"


def _archive() -> bytes:
    out = io.BytesIO()
    with tarfile.open(fileobj=out, mode="w") as tar:
        entry = tarfile.TarInfo("./bin/tool")
        entry.size, entry.mode = 5, 0o755
        tar.addfile(entry, io.BytesIO(b"tool\n"))
    return out.getvalue()


ARCHIVE = _archive()


class Subject:
    """One configuration on a machine of its own.

    Args:
        directory: A scratch directory.
        text: The configuration.
    """

    def __init__(self, directory: Path, text: str) -> None:
        directory.mkdir(parents=True, exist_ok=True)
        self.stage = Stage(directory)
        self.stage.file.write_text(text)
        host = self.real = self.stage.host
        for number, user in enumerate(_USERS, start=900):
            host.accounts.users.setdefault(user, number)
            host.accounts.groups.setdefault(user, number)
        host.kernel.parameters = _Any({"net.ipv4.ip_forward": "0"})
        cast("FakeProviders", host.providers).attesting = {"tpm"}
        FakeShadow(host)
        FakeBlocks(host)
        host.put("/usr/lib/systemd/system/systemd-timesyncd.service")
        host.put("/etc/os-release", "ID=debian\n")
        if "packages:" in text or "packageRepositories:" in text:
            format_ = next((one for one in ("dnf", "zypper") if f"format: {one}" in text), "apt")
            packages = FakePackages(host, format_)
            packages.available = {name: ["1.34.4-1.1"] for name in ("kubeadm", "kubelet")}
        if "archives:" in text:
            host.fetch.bodies[ARCHIVE_URL] = ARCHIVE
        host.commands.on("update-ca-certificates", effect=lambda _: _update_certificates(host))
        host.commands.on("timedatectl", output="yes\n")
        if "containerRuntime:" in text:
            FakeContainerd(host)
        if "domainJoin:" in text:
            FakeDomain(host)
        if "selinux:" in text:
            host.put("/etc/selinux/config", "SELINUX=permissive\nSELINUXTYPE=targeted\n")
            host.put("/sys/fs/selinux/enforce", "0")
            host.commands.on(
                "setenforce", effect=lambda call: host.put("/sys/fs/selinux/enforce", call.argv[1])
            )
        if "images:" in text:
            FakeImages(host).remote = {"registry.example.com/app:1": DIGEST}
        self.cluster = Cluster() if "type: Initialize" in text else Cluster("first")
        kubeadm = FakeKubeadm(host, self.cluster)
        kubeadm.version = _version(text)

    @property
    def host(self) -> FakeHost:
        """Its machine."""
        return self.stage.host

    def run(self, watcher: Reaper | Stops | None = None) -> None:
        """One bootstrap."""
        stage = self.stage
        if watcher is not None:
            stage.host = watcher.over(self.real)  # type: ignore[assignment]
        try:
            stage.run()
        finally:
            stage.host = self.real
            self.real.state.held = self.real.state.held and watcher is None

    def as_it_is(self) -> dict[str, object]:
        """All of the machine that lasts."""
        host = self.host
        machine_id = (host.text("/etc/machine-id") or "").strip()
        ledger = Ledger(host.state, machine_id=machine_id, boot_id="")
        files = {
            path: (node.kind, node.mode, node.uid, node.gid, node.content, node.target)
            for path, node in host.files.nodes.items()
            if not path.startswith(_VOLATILE)
        }
        return {
            "files": files,
            "modules": sorted(host.kernel.modules),
            "parameters": dict(host.kernel.parameters),
            "hostname": host.kernel.name,
            "enabled": sorted(host.services.enabled_units),
            "active": sorted(host.services.active_units),
            "run": sorted(
                name for name in host.state.run_files if name not in ("status.json", KUBEADM_PHASES)
            ),
            "pending": bool(ledger.pending),
            # Listed and not there, or there and not listed.
            "orphans": set(ledger.contents) ^ set(host.state.list("kept")),
        }

    def commands(self) -> Counter[tuple[str, ...]]:
        """How often each command was run that must not run more often than once and once more."""
        return Counter(
            argv for argv in self.host.commands.argvs() if argv[0] not in _MAY_BE_REPEATED
        )


def _update_certificates(host: FakeHost) -> None:
    """What update-ca-certificates does."""
    directory = "/usr/local/share/ca-certificates"
    files = [host.text(f"{directory}/{name}") or "" for name in host.files.list(directory)]
    host.put("/etc/ssl/certs/ca-certificates.crt", "".join(files))


class _Any(dict[str, str]):
    """Parameters of a kernel that has them all."""

    def __contains__(self, name: object) -> bool:
        return True

    def get(self, name: str, default: Any = None) -> Any:
        return super().get(name, default or "0")


def _version(text: str) -> str:
    for line in text.splitlines():
        key, _, value = line.strip().partition(":")
        if key.strip('"') == "version" and value.strip().strip('",').startswith("v1."):
            return value.strip().strip('",')
    return "v1.34.4"


def undisturbed(directory: Path, text: str) -> tuple[Subject, int]:
    """A run that nobody disturbs, and how many port calls it makes."""
    subject, reaper = Subject(directory, text), Reaper()
    subject.run(reaper)
    return subject, reaper.calls


def check_instant(directory: Path, text: str, at: int, *, after: bool, reference: Subject) -> None:
    """Kill a run at one instant, run again, and compare.

    Raises:
        AssertionError: It is another machine.
    """
    subject = Subject(directory, text)
    reaper = Reaper(at, after=after)
    try:
        subject.run(reaper)
    except Killed:
        pass
    except InternalError:
        # A thread of the run was killed: the run tells of it in its own words.
        if reaper.calls < at:
            raise
    again(subject, reference, f"killed at {at} (after={after})")


def again(subject: Subject, reference: Subject, killed: str, *, kills: int = 1) -> None:
    """Run again where a run was killed, and compare.

    Raises:
        AssertionError: It is another machine.
    """
    try:
        subject.run()
    except MachineadmError as error:
        raise AssertionError(f"{killed}: {error.code} {error}") from error
    compare(subject, reference, killed, kills=kills)


def compare(subject: Subject, reference: Subject, killed: str, *, kills: int = 1) -> None:
    """Compare a machine with that of a run that nobody disturbed. Each kill may have a command run once more.

    Raises:
        AssertionError: It is another machine.
    """
    found, wanted = subject.as_it_is(), reference.as_it_is()
    for part, value in wanted.items():
        assert found[part] == value, f"{killed}: {part} differs: {found[part]} is not {value}"
    twice = 0
    for argv, times in reference.commands().items():
        ran = subject.commands()[argv]
        assert times <= ran <= times + kills, f"{killed}: {argv} ran {ran} times"
        twice += ran - times
    assert twice <= kills, f"{killed}: {twice} commands ran twice"


class Stops:
    """One run that is stopped at each of its port calls: the next run does the rest, is compared, and is undone.

    A kill before a call leaves the machine that the call before it left, so looking behind each call sees both. Where a call
    has changed nothing at all, not even the time, the run behind it would be the one that was just seen; it is not run twice.

    Args:
        subject: The machine, as the run finds it.
        reference: The machine of a run that nobody disturbed.
        kills: How many runs were killed before this one.
        killed_twice: Numbers of different machines at which the next run is stopped at each of its calls, too.

    Attributes:
        instants: Port calls at which a run was stopped, those while kubeadm runs among them.
        machines: Different machines among them, each of which a run has finished.
    """

    def __init__(
        self,
        subject: Subject,
        reference: Subject,
        *,
        kills: int = 0,
        killed_twice: Container[int] = (),
    ) -> None:
        self.instants = self.machines = 0
        self._subject, self._reference, self._kills = subject, reference, kills
        self._killed_twice = killed_twice
        self._lock = threading.RLock()
        self._last: Checkpoint | None = None
        self._error: Exception | None = None
        subject.run(self)
        if self._error is not None:
            raise self._error

    def over(self, host: Host) -> Host:
        """The host with every port watched."""
        return watched(host, self._call)

    def _call(self, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        # One at a time: a thread of a run that was killed does nothing.
        with self._lock:
            try:
                return method(*args, **kwargs)
            finally:
                self._stop()

    def _stop(self) -> None:
        self.instants += 1
        if self._error is not None:
            return
        subject = self._subject
        outer, subject.stage.host = subject.stage.host, subject.real
        here = Checkpoint(subject)
        if here != self._last:
            self.machines += 1
            subject.host.state.held = False
            try:
                self._go_on(f"killed at instant {self.instants}")
            except Exception as error:
                # Raised when the run has ended: from here the run might handle it.
                self._error = error
            here.restore()
        subject.stage.host, self._last = outer, here

    def _go_on(self, killed: str) -> None:
        subject, reference, kills = self._subject, self._reference, self._kills + 1
        killed += f", run {kills}"
        if self.machines not in self._killed_twice:
            again(subject, reference, killed, kills=kills)
            return
        try:
            further = Stops(subject, reference, kills=kills)
        except MachineadmError as error:
            raise AssertionError(f"{killed}: {error.code} {error}") from error
        compare(subject, reference, killed, kills=kills)
        self.instants += further.instants
        self.machines += further.machines


class Walk(Stops):
    """A run of a configuration that is stopped at each of its port calls.

    Args:
        directory: A scratch directory.
        text: The configuration.
        killed_twice: See `Stops`.
    """

    def __init__(self, directory: Path, text: str, *, killed_twice: Container[int] = ()) -> None:
        reference, _ = undisturbed(directory / "reference", text)
        subject = Subject(directory / "killed", text)
        super().__init__(subject, reference, killed_twice=killed_twice)
        assert self.machines > 1
        compare(subject, reference, "not killed, but looked at")


def walk_drawn(first: int, directory: Path) -> dict[str, int]:
    """Stop the runs of some drawn configurations at every call.

    Args:
        first: Number of the first; there are `PART`.
        directory: A scratch directory.

    Returns:
        What was counted.
    """
    instants = machines = 0
    for number in range(first, first + PART):
        chosen = random.Random(number).randint(1, _CHOSEN_OF)  # noqa: S311 - reproducible by its seed
        walk = Walk(directory / str(number), drawn(number), killed_twice={chosen})
        instants += walk.instants
        machines += walk.machines
    return {"configurations": PART, "instants": instants, "different machines": machines}


def drawn(seed: int) -> str:
    """A configuration of files, commands, kernel settings and a worker's join, as JSON."""
    chance = random.Random(seed)  # noqa: S311 - a test's configuration, reproducible by its seed
    paths = ["/etc/a", "/etc/b", "/etc/deep/er/c", "/etc/kubernetes/manifests/pod.yaml", "/opt/x"]
    files: list[dict[str, Any]] = []
    for path in chance.sample(paths, chance.randint(0, 4)):
        file: dict[str, Any] = {"path": path, "content": f"content {chance.randint(0, 9)}\n"}
        if chance.random() < 0.3:
            file["append"] = True
        if chance.random() < 0.3:
            file["permissions"] = chance.choice(["0600", "0640", "4755"])
        if chance.random() < 0.3:
            file["owner"] = chance.choice(["nobody:root", "etcd:etcd", "12:34"])
        files.append(file)
    commands = {
        when: [{"argv": [f"{when}-{n}", str(chance.randint(0, 3))]} for n in range(count)]
        for when in ("boot", "preKubeadm", "postKubeadm")
        if (count := chance.randint(0, 3))
    }
    linux: dict[str, Any] = {}
    if chance.random() < 0.5:
        linux["hostname"] = f"node-{seed}"
    if chance.random() < 0.5:
        linux["kernelModules"] = chance.sample(["overlay", "br_netfilter", "nf-conntrack"], 2)
    if chance.random() < 0.5:
        linux["sysctls"] = {"net.ipv4.ip_forward": "1", "vm.swappiness": "0"}
    discovery = {
        "type": "Token",
        "token": "abcdef.0123456789abcdef",
        "endpoint": "10.0.0.1:6443",
        "caCertHashes": ["sha256:" + "1" * 64],
    }
    machine: dict[str, Any] = {"files": files, "commands": commands}
    if linux:
        machine["linuxConfiguration"] = linux
    role = {"type": "JoinWorker", "discovery": discovery}
    configuration = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "MachineConfiguration",
        "spec": {"machine": machine, "kubernetes": {"version": "v1.34.4", "role": role}},
    }
    return msgspec.json.encode(configuration).decode()


__all__ = [
    "AGENT",
    "CASES",
    "DRAWN",
    "EXAMPLES",
    "PART",
    "Subject",
    "Walk",
    "check_instant",
    "drawn",
    "undisturbed",
    "walk_drawn",
]
