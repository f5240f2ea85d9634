"""Whether a machine can become the node that a configuration asks for.

What kubeadm's preflight would find, and what only a kubelet would, reported before anything is touched. Queries only. What cannot
be found out is not held against the machine. Whatever needs the network is a warning at most.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final, Literal

import msgspec
from msgspec.structs import replace

from machineadm.api.v1alpha1.discovery import TokenDiscovery
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinWorker
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.errors import HostError
from machineadm.host.facts import Facts
from machineadm.host.ports import Host
from machineadm.semver import Semver

Severity = Literal["error", "warning"]

_CGROUP_MINOR: Final = 35
"""The first kubelet that does not start with cgroup v1 unless `failCgroupV1: false` says so."""

_CONTAINERD_2_WANTED: Final = 36
_CONTAINERD_2_NEEDED: Final = 38
"""Kubelets from 1.36 on warn of containerd 1.x; those from 1.38 on do not work with it (KEP-4033)."""

_CPUS: Final = 2
_MEMORY: Final = 1700 << 20
"""What kubeadm asks of a control plane machine, in bytes: its MB are of 1024 * 1024 (cmd/kubeadm/app/preflight, MemCheck)."""

_ROOM: Final = 2 << 30
_SHARE: Final = 0.15
"""Below this share of the image file system a kubelet begins to evict; below this room no images fit."""

_NODE_PORTS: Final = (10250,)
_PLANE_PORTS: Final = (10257, 10259)
_ETCD_PORTS: Final = (2379, 2380)

_SOCKETS: Final = (
    "/run/containerd/containerd.sock",
    "/var/run/containerd/containerd.sock",
    "/run/crio/crio.sock",
    "/var/run/crio/crio.sock",
    "/run/cri-dockerd.sock",
    "/var/run/cri-dockerd.sock",
)
"""Where kubeadm looks when nobody tells it."""

_TOOLS: Final = ("kubeadm", "kubelet", "losetup", "mount", "cp")
_KUBERNETES: Final = "install it: `packages` of spec.machine.linuxConfiguration, the image, or docs/first-node.md by hand"
_PACKAGES: Final = {
    "kubeadm": _KUBERNETES,
    "kubelet": _KUBERNETES,
    "losetup": "install the package util-linux (on Debian: mount)",
    "mount": "install the package mount (elsewhere than on Debian: util-linux)",
    "cp": "install the package coreutils",
    "conntrack": "install the package conntrack (elsewhere than on Debian: conntrack-tools)",
}
"""Where a tool comes from: no package has the name of some of them."""

_CONNTRACK_MINOR: Final = 32
"""kubeadm before it asks for conntrack, too."""

_OLDEST_KUBELET: Final = 3
"""A kubelet may be so many minor versions older than the control plane."""

_TRACES: Final = ("/etc/kubernetes/kubelet.conf", "/etc/kubernetes/manifests/kube-apiserver.yaml")

_CLOCK: Final = 60
"""Seconds by which a clock may differ: the time of an answer has no fractions, and comes late by as much as the answer took."""

_TIMEOUT: Final = 5.0
_PATIENCE: Final = 2.0

KUBEADM_NAMES: Final[dict[str, tuple[str, ...]]] = {
    "MA4503": ("swap",),
    "MA4505": ("cri",),
    "MA4507": ("filecontent--proc-sys-net-ipv4-ip_forward",),
    "MA4508": ("mem",),
    "MA4509": ("numcpu",),
    "MA4511": ("kubeletversion",),
    "MA4513": ("hostname",),
}
"""Names of kubeadm's checks that say the same, in lower case: who ignores one of these ignores ours. SystemVerification is not one:
kubeadm goes on without it, and the kubelet does not (see _cgroups)."""


_LASTING: Final = frozenset({"MA4508", "MA4509"})
"""What nothing on the machine changes."""

_OF_THE_KUBELET: Final = frozenset({"MA4501", "MA4503"})
"""What a command may change, or a file only if the kubelet is started with it."""

REFUSED: Final = _LASTING | _OF_THE_KUBELET
"""Flaws that a run is refused for: before it touches anything where nothing can change them, and before kubeadm runs where nothing
has. Of the others kubeadm's own preflight tells when it is its turn."""

_ARGUMENT_FILES: Final = ("/etc/default/kubelet", "/etc/sysconfig/kubelet")
"""Where the packages of kubeadm let the image put arguments (KUBELET_EXTRA_ARGS)."""

_DROP_INS: Final = tuple(
    f"{place}/systemd/system/kubelet.service.d" for place in ("/etc", "/usr/lib", "/lib")
)


class Flaw(msgspec.Struct, frozen=True, kw_only=True):
    """Why a machine cannot become the node, or is not what it should be."""

    code: str
    """Stable code, `MA` and four digits."""

    severity: Severity
    message: str
    """In one line."""

    hint: str = ""
    path: str = ""
    """Field of the configuration that asks for it; may be empty."""

    changes: tuple[str, ...] = ()
    """What would put it right, as a plan shows it; without secrets."""

    file: str = ""
    line: int = 0
    column: int = 0
    """A machine has no lines; for what prints findings."""


def flaws(
    kubernetes: KubernetesConfig | None,
    facts: Facts,
    host: Host,
    *,
    machine: MachineConfig | None = None,
    online: bool = True,
    only: frozenset[str] = frozenset(),
) -> tuple[Flaw, ...]:
    """Everything that is wrong with a machine, except what `ignorePreflightErrors` names.

    Args:
        kubernetes: What the machine will become; None for any node.
        facts: Of the machine.
        host: Only queried. A tree has no flaws.
        machine: What is done to the machine before kubeadm runs. If that may fix a flaw, the flaw is a warning.
        online: Query name servers as well.
        only: Codes to look for; empty means all.
    """
    if host.offline:
        return ()
    ignored = _ignored(kubernetes)
    # kubeadm takes `all` in the same place, in any case of letters.
    if "all" in ignored:
        return ()
    found = [*_local(kubernetes, facts, host, only)]
    if online:
        found += _elsewhere(kubernetes, machine, facts, host)
    return tuple(
        replace(one, severity="warning")
        if _may_change(one.code, machine) or _is_skipped(one.code, kubernetes)
        else one
        for one in found
        if not _is_ignored(one.code, ignored) and not _is_set_right(one.code, machine)
    )


def _may_change(code: str, machine: MachineConfig | None) -> bool:
    """Whether a command, a file, an image or a runtime setting may fix a flaw before kubeadm runs."""
    if machine is None or code in _LASTING:
        return False
    linux = machine.linux_configuration
    acts = bool(
        machine.commands.boot
        or machine.commands.pre_kubeadm
        or machine.plugins
        or (linux is not None and (linux.systemd_units or linux.packages or linux.archives))
    )
    if code in _OF_THE_KUBELET:
        return acts or any("kubelet" in file.path for file in machine.files)
    return acts or bool(machine.files or machine.images or machine.container_runtime)


def _is_skipped(code: str, kubernetes: KubernetesConfig | None) -> bool:
    """Whether kubeadm is configured to ignore what only kubeadm objects to."""
    return code in _LASTING and kubernetes is not None and "preflight" in kubernetes.skip_phases


def _is_set_right(code: str, machine: MachineConfig | None) -> bool:
    """Whether the configuration itself fixes the flaw."""
    linux = machine.linux_configuration if machine is not None else None
    if linux is None:
        return False
    if code == "MA4503":
        return linux.swap is not None and not linux.swap.enabled
    names = ("net.ipv4.ip_forward", "net/ipv4/ip_forward")
    return code == "MA4507" and any(linux.sysctls.get(name) == "1" for name in names)


def _ignored(kubernetes: KubernetesConfig | None) -> frozenset[str]:
    node = kubernetes.node if kubernetes is not None else None
    return frozenset(name.lower() for name in (node.ignore_preflight_errors if node else ()))


def _is_ignored(code: str, ignored: frozenset[str]) -> bool:
    return code.lower() in ignored or any(name in ignored for name in KUBEADM_NAMES.get(code, ()))


def _local(
    kubernetes: KubernetesConfig | None, facts: Facts, host: Host, only: frozenset[str]
) -> Iterator[Flaw]:
    version = _version(kubernetes.version) if kubernetes is not None else None
    worker = kubernetes is None or isinstance(kubernetes.role, JoinWorker)
    checks: tuple[tuple[frozenset[str], Callable[[], Iterator[Flaw]]], ...] = (
        (frozenset({"MA4501"}), lambda: _cgroups(kubernetes, version, host)),
        (frozenset({"MA4502"}), lambda: _containerd(version, host)),
        (frozenset({"MA4503"}), lambda: _swap(kubernetes, host)),
        (frozenset({"MA4504", "MA4512"}), lambda: _ports(kubernetes, host, worker=worker)),
        (frozenset({"MA4505"}), lambda: _socket(kubernetes, host)),
        (frozenset({"MA4506"}), lambda: _tools(version, host)),
        (frozenset({"MA4507"}), lambda: _forwarding(host)),
        (frozenset({"MA4508", "MA4509"}), lambda: _size(host, worker=worker)),
        (frozenset({"MA4510"}), lambda: _room(host)),
        (frozenset({"MA4511"}), lambda: _kubelet(version, host)),
        (frozenset({"MA4515"}), lambda: _identity(facts, host)),
        (frozenset({"MA4516"}), lambda: _selinux(host)),
    )
    # A check that was not asked for is not run: some start programs, and a plan that needs one code
    # must stay fast.
    for codes, check in checks:
        if not only or codes & only:
            yield from check()


def _error(code: str, message: str, hint: str, path: str = "") -> Flaw:
    return Flaw(code=code, severity="error", message=message, hint=hint, path=path)


def _warning(code: str, message: str, hint: str, path: str = "") -> Flaw:
    return Flaw(code=code, severity="warning", message=message, hint=hint, path=path)


def _version(text: str) -> Semver | None:
    try:
        return Semver.parse(text)
    except ValueError:
        return None


def _setting(kubernetes: KubernetesConfig | None, name: str) -> object:
    """A setting of the kubelet in this configuration, the node's own before the cluster's; None if it is not set."""
    if kubernetes is None:
        return None
    node, cluster = kubernetes.node, kubernetes.cluster
    config = (node.kubelet.config if node is not None and node.kubelet is not None else None) or {}
    shared = (cluster.kubelet if cluster is not None else None) or {}
    return config.get(name, shared.get(name))


def _may_be_told(
    kubernetes: KubernetesConfig | None, given: object, argument: str, host: Host
) -> bool:
    """Whether the kubelet may be configured elsewhere, which is not visible here: then a machine is not refused for it.

    Args:
        kubernetes: What the machine is to become.
        given: What the configuration says of it; None where it says nothing.
        argument: Of the kubelet; it overrides every configuration.
        host: What the image starts its kubelet with.
    """
    if kubernetes is not None:
        # The kubelet of a machine that joins takes its configuration from the cluster.
        if given is None and not isinstance(kubernetes.role, Initialize):
            return True
        # A patch may set anything, and reading all forms of one would be a second kubeadm.
        patched = any(one.target == "kubeletconfiguration" for one in kubernetes.patches)
        if patched or kubernetes.patches_directory is not None:
            return True
        node = kubernetes.node
        if node is not None and any(one.name == argument for one in node.extra_args):
            return True
    # Where kubeadm's packages put their arguments: an image that has said it there is not refused
    # for a default.
    drop_ins = (f"{place}/{name}" for place in _DROP_INS for name in _names_in(host, place))
    return any(f"--{argument}" in _text(host, path) for path in (*_ARGUMENT_FILES, *drop_ins))


def _names_in(host: Host, directory: str) -> tuple[str, ...]:
    try:
        return host.files.list(directory)
    except HostError:
        return ()


def _text(host: Host, path: str) -> str:
    try:
        return (host.files.read(path) or b"").decode(errors="replace")
    except HostError:
        return ""


def _is_cgroup_v1(host: Host) -> bool:
    """Whether the machine runs cgroup v1: v2 mounts a cgroup2 file system at /sys/fs/cgroup itself (cgroups(7)).

    The hybrid layout mounts it below, at /sys/fs/cgroup/unified; a kubelet treats that as v1.
    """
    mounts = [line.split() for line in _text(host, "/proc/self/mounts").splitlines()]
    kinds = {fields[2] for fields in mounts if len(fields) > 2 and fields[1] == "/sys/fs/cgroup"}
    # Nothing mounted there (a container) means not known, and that is not held against the machine.
    return bool(kinds) and "cgroup2" not in kinds


def _cgroups(
    kubernetes: KubernetesConfig | None, version: Semver | None, host: Host
) -> Iterator[Flaw]:
    # Older kubelets only log a warning (KEP-4569), so the same machine is fine for them.
    if version is None or not version.has(_CGROUP_MINOR) or not _is_cgroup_v1(host):
        return
    told = _setting(kubernetes, "failCgroupV1")
    elsewhere = told is not False and _may_be_told(kubernetes, told, "fail-cgroupv1", host)
    # kubeadm looks at the kubelet's version alone, and not at what it is told (system-validators, CgroupsValidator).
    verified = (
        kubernetes is not None
        and "preflight" not in kubernetes.skip_phases
        and "systemverification" not in _ignored(kubernetes)
    )
    if verified and (told is False or elsewhere):
        yield _error(
            "MA4501",
            f"the machine runs cgroup v1, which kubeadm refuses for a kubelet of {version.minor_version} even with failCgroupV1: false",
            "boot with systemd.unified_cgroup_hierarchy=1, or put SystemVerification into node.ignorePreflightErrors, too",
            "spec.kubernetes.version",
        )
    elif told is not False:
        make = _warning if elsewhere else _error
        yield make(
            "MA4501",
            f"the machine runs cgroup v1, with which a kubelet of {version.minor_version} does not start",
            "boot with systemd.unified_cgroup_hierarchy=1, or set failCgroupV1: false in node.kubelet.config and put "
            "SystemVerification into node.ignorePreflightErrors",
            "spec.kubernetes.version",
        )


def _asked(host: Host, *argv: str) -> str:
    """What a program prints as its version; empty if it is missing or fails."""
    if host.queries is None or host.queries.find(argv[0]) is None:
        return ""
    try:
        # Bounded: a containerd that hangs must not hold up a check that only wants to know its
        # version.
        result = host.queries.ask(argv, timeout=_TIMEOUT)
    except HostError:
        return ""
    return result.output if result.exit_code == 0 else ""


def _first_version(output: str) -> Semver | None:
    # The first word that is a version: `kubelet --version` prints `Kubernetes v1.34.0`,
    # containerd four words.
    return next(filter(None, map(_version, output.split())), None)


def _containerd(version: Semver | None, host: Host) -> Iterator[Flaw]:
    if version is None or not version.has(_CONTAINERD_2_WANTED):
        return
    found = _first_version(_asked(host, "containerd", "--version"))
    if found is None or found.major >= 2:
        return
    # A warning as long as the kubelet itself only warns: a machine is not refused for what works.
    make = _error if version.has(_CONTAINERD_2_NEEDED) else _warning
    yield make(
        "MA4502",
        f"containerd is {found}, but Kubernetes {version.minor_version} needs 2.0 or later",
        "install containerd 2",
        "spec.kubernetes.version",
    )


def _swap(kubernetes: KubernetesConfig | None, host: Host) -> Iterator[Flaw]:
    # The first line is a header.
    areas = _text(host, "/proc/swaps").splitlines()[1:]
    if not areas:
        return
    node = kubernetes.node if kubernetes is not None else None
    # The typed field wins over the same name in free-form config, as it does when the patch is
    # rendered.
    own = node.kubelet.fail_swap_on if node is not None and node.kubelet is not None else None
    fails = own if own is not None else _setting(kubernetes, "failSwapOn")
    # One of them is enough for a message: whoever turns swap off turns off all of it.
    where = areas[0].split()[0]
    if fails is not False:
        make = _warning if _may_be_told(kubernetes, fails, "fail-swap-on", host) else _error
        yield make(
            "MA4503",
            f"swap is on ({where}), and the kubelet does not start with it",
            "set machine.linuxConfiguration.swap.enabled: false, which turns it off; or node.kubelet.failSwapOn: false",
        )
    elif _is_cgroup_v1(host):
        yield _warning(
            "MA4503", f"swap is on ({where}) with cgroup v1, so no pod can use it", "swapoff -a"
        )


def _listening(host: Host) -> frozenset[int]:
    """Ports that somebody listens on; see Documentation/networking/proc_net_tcp.rst of the kernel."""
    found = set()
    for path in ("/proc/net/tcp", "/proc/net/tcp6"):
        for line in _text(host, path).splitlines()[1:]:
            fields = line.split()
            # TCP_LISTEN in the kernel's include/net/tcp_states.h; all numbers here are hexadecimal.
            if len(fields) > 3 and fields[3] == "0A":
                found.add(int(fields[1].rpartition(":")[2], 16))
    return frozenset(found)


def _ports(kubernetes: KubernetesConfig | None, host: Host, *, worker: bool) -> Iterator[Flaw]:
    if any(host.files.stat(path) is not None for path in _TRACES):
        # Then the ports are in use by the node itself, and one finding says more than six.
        yield _warning(
            "MA4512",
            "the machine is a node already",
            "`machineadm reset` removes it; machineadm continues only what it started itself",
        )
        return
    wanted = list(_NODE_PORTS)
    if kubernetes is not None and not worker:
        plane, cluster = kubernetes.control_plane, kubernetes.cluster
        endpoint = plane.local_api_endpoint if plane is not None else None
        wanted += [(endpoint.bind_port if endpoint is not None else None) or 6443, *_PLANE_PORTS]
        etcd = cluster.etcd if cluster is not None else None
        # With external etcd no member runs here.
        if etcd is None or etcd.external is None:
            wanted += _ETCD_PORTS
    listening, ignored = _listening(host), _ignored(kubernetes)
    for port in wanted:
        if port in listening and f"port-{port}" not in ignored:
            yield _error(
                "MA4504",
                f"port {port} is in use",
                f"`ss -ltnp sport = :{port}` shows who listens there",
            )


def _socket(kubernetes: KubernetesConfig | None, host: Host) -> Iterator[Flaw]:
    node = kubernetes.node if kubernetes is not None else None
    given = node.cri_socket if node is not None else None
    # Only the socket that is configured counts; kubeadm does not fall back to another one.
    paths = (given.removeprefix("unix://"),) if given is not None else _SOCKETS
    if not any(host.files.stat(path) is not None for path in paths):
        what = (
            f"{paths[0]} is not there"
            if given is not None
            else "no socket of a container runtime is there"
        )
        yield _error(
            "MA4505",
            what,
            "install and start a container runtime",
            "spec.kubernetes.node.criSocket" if given is not None else "",
        )


def _tools(version: Semver | None, host: Host) -> Iterator[Flaw]:
    old = version is not None and not version.has(_CONNTRACK_MINOR)
    if host.queries is None:
        return
    # All that are missing at once: whoever builds an image wants one list, and not one tool at
    # each try.
    for tool in (*_TOOLS, *(("conntrack",) if old else ())):
        if host.queries.find(tool) is None:
            hint = _PACKAGES.get(tool, f"install {tool}")
            yield _error("MA4506", f"{tool} is not on the path", hint)


def _forwarding(host: Host) -> Iterator[Flaw]:
    if _text(host, "/proc/sys/net/ipv4/ip_forward").strip() == "0":
        yield _error(
            "MA4507",
            "net.ipv4.ip_forward is 0",
            "set it to 1 in spec.machine.linuxConfiguration.sysctls",
        )


_NO_ID: Final = "0" * 32
_HEXADECIMAL: Final = frozenset("0123456789abcdef")
_OWN_ID: Final = (
    "run `rm /etc/machine-id && systemd-machine-id-setup`, and reboot; nodes are identified by it"
)
"""How a machine gets an id of its own."""

_FIRST_BOOT: Final = 600 * 10**9
"""Nanoseconds that a first boot takes at most: systemd writes the id before cloud-init knows the instance."""


def _identity(facts: Facts, host: Host) -> Iterator[Flaw]:
    # Warnings alone: systemd makes one at the next boot, and kubeadm itself does not ask for it.
    found = facts.machine_id
    if not found:
        yield _warning(
            "MA4515",
            "/etc/machine-id is empty",
            "run systemd-machine-id-setup; nodes are identified by it",
        )
    # machine-id(5): 32 hexadecimal digits in lower case, not all of them zero.
    elif len(found) != len(_NO_ID) or not set(found) <= _HEXADECIMAL or found == _NO_ID:
        yield _warning("MA4515", "/etc/machine-id holds no machine-id", _OWN_ID)
    elif _is_older_than_instance(host):
        yield _warning(
            "MA4515",
            "/etc/machine-id is older than this instance: machines of the same image or disk may share it",
            _OWN_ID,
        )


def _is_older_than_instance(host: Host) -> bool:
    """Whether the id was there before the first boot of what cloud-init calls an instance; False where that is not known."""
    # No machine can know the id of another one, but an image that has one hands it on to all.
    instance = _text(host, "/var/lib/cloud/data/instance-id").strip()
    if not instance or "/" in instance:
        return False
    directory = f"/var/lib/cloud/instances/{instance}"
    own = host.files.stat("/etc/machine-id")
    # When the directory was made and not when it was changed: every boot writes to it.
    booted = host.files.born(directory) if host.files.stat(directory) is not None else None
    return own is not None and booted is not None and own.changed < booted - _FIRST_BOOT


def _size(host: Host, *, worker: bool) -> Iterator[Flaw]:
    if worker:
        return
    cpus = sum(line.startswith("processor") for line in _text(host, "/proc/cpuinfo").splitlines())
    # No such line means not known, and that is not held against the machine.
    if 0 < cpus < _CPUS:
        yield _error(
            "MA4509",
            f"the machine has {cpus} CPU, and a control plane machine needs {_CPUS}",
            "take a larger machine, or put NumCPU into node.ignorePreflightErrors",
        )
    for line in _text(host, "/proc/meminfo").splitlines():
        name, _, rest = line.partition(":")
        if name == "MemTotal" and rest.split()[0].isdecimal():
            memory = int(rest.split()[0]) * 1024
            if memory < _MEMORY:
                yield _error(
                    "MA4508",
                    f"the machine has {memory >> 20} MiB of memory, and a control plane machine needs 1700 MiB",
                    "take a larger machine, or put Mem into node.ignorePreflightErrors",
                )


def _room(host: Host) -> Iterator[Flaw]:
    if host.disks is None:
        return
    # Both, because images have a file system of their own on many machines, and either one that
    # is full keeps pods from starting.
    for path, whose in (("/var/lib/kubelet", "the kubelet"), ("/var/lib/containerd", "images")):
        space = host.disks.space(path)
        # Some pseudo file systems have no size; a share of nothing says nothing.
        if space is None or not space.total:
            continue
        if space.free < _ROOM or space.free / space.total < _SHARE:
            yield _warning(
                "MA4510",
                f"the file system of {path} ({whose}) has {space.free >> 20} MiB free of {space.total >> 20} MiB",
                "a kubelet evicts pods below 10 or 15 percent; make room, or a file system of its own",
            )


def _kubelet(version: Semver | None, host: Host) -> Iterator[Flaw]:
    # The kubelet's own word: the package's version may have a distribution's suffix that no
    # parser of versions knows.
    found = _first_version(_asked(host, "kubelet", "--version"))
    if version is None or found is None:
        return
    # A kubelet must never be newer than the API server (version skew policy), so this is as wrong
    # as one that is too old.
    if (found.major, found.minor) > (version.major, version.minor):
        problem = "newer than the Kubernetes that the configuration asks for"
    elif version.minor - found.minor > _OLDEST_KUBELET:
        problem = f"more than {_OLDEST_KUBELET} minor versions older than the Kubernetes that the configuration asks for"
    else:
        return
    yield _error(
        "MA4511",
        f"the kubelet is {found}, {problem} ({version})",
        f"install kubelet {version.minor_version}",
        "spec.kubernetes.version",
    )


def _selinux(host: Host) -> Iterator[Flaw]:
    if _text(host, "/sys/fs/selinux/enforce").strip() != "1":
        return
    # Read and not asked of semodule, which needs root and takes seconds.
    contexts = _text(host, "/etc/selinux/targeted/contexts/files/file_contexts")
    # container-selinux defines this type. Without it the policy has no domain to run a container
    # runtime in.
    if contexts and "container_runtime_exec_t" not in contexts:
        yield _warning(
            "MA4516",
            "SELinux is enforcing, and its policy knows no container runtime",
            "install container-selinux",
        )


def _elsewhere(
    kubernetes: KubernetesConfig | None, machine: MachineConfig | None, facts: Facts, host: Host
) -> Iterator[Flaw]:
    """Names that do not resolve, and a clock that is off. All are asked at the same time, for two seconds in all."""
    if host.network is None:
        return
    asked = {}
    if facts.hostname:
        asked[facts.hostname] = ("MA4513", "the host name", "")
    if (endpoint := _endpoint(kubernetes)) is not None:
        name, path = endpoint
        asked[name] = ("MA4514", "the endpoint", path)
    servers = _servers(kubernetes, machine)
    answers, clocks = host.network.resolve(tuple(asked), _PATIENCE, servers)
    for server, ahead in clocks.items():
        if abs(ahead) > _CLOCK:
            yield _warning(
                "MA4517",
                f"the clock is {abs(ahead):.0f} s {'behind' if ahead > 0 else 'ahead of'} that of {server}",
                "set it, for certificates and tokens are valid for a time: machine.linuxConfiguration.ntp",
            )
    # In the order in which they were asked, whatever the order of the answers: two runs must
    # print the same.
    for name, (code, what, path) in asked.items():
        # None means that no answer came in time: a slow name server is not a flaw of the machine.
        if answers.get(name) is False:
            yield _warning(
                code, f"{what} {name} does not resolve", "add it to DNS or /etc/hosts", path
            )


def _servers(kubernetes: KubernetesConfig | None, machine: MachineConfig | None) -> tuple[str, ...]:
    """Who knows the time among those that the machine will talk to anyway: the API server, else a source of files."""
    role = kubernetes.role if kubernetes is not None else None
    if role is not None and not isinstance(role, Initialize):
        if isinstance(role.discovery, TokenDiscovery):
            return (f"https://{role.discovery.endpoint}",)
        given = getattr(role.discovery, "kubeconfig", None)
        if given is not None and given.server.startswith("https://"):
            return (given.server.rstrip("/"),)
    for file in machine.files if machine is not None else ():
        if file.source is not None and file.source.url.startswith("https://"):
            return ("/".join(file.source.url.split("/")[:3]),)
    return ()


def _endpoint(kubernetes: KubernetesConfig | None) -> tuple[str, str] | None:
    """The host that a machine will talk to, and the field that names it."""
    if kubernetes is None:
        return None
    role, cluster = kubernetes.role, kubernetes.cluster
    given, path = None, ""
    if isinstance(role, Initialize):
        given = cluster.control_plane_endpoint if cluster is not None else None
        path = "spec.kubernetes.cluster.controlPlaneEndpoint"
    elif role is not None and isinstance(role.discovery, TokenDiscovery):
        given, path = role.discovery.endpoint, "spec.kubernetes.role.discovery.endpoint"
    if given is None or given.startswith("["):
        return None
    host = given.rpartition(":")[0] or given
    return None if host.replace(".", "").isdecimal() or ":" in host else (host, path)
