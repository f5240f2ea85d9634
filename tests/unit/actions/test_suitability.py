"""Whether a machine can become a node: each flaw on a machine that has it, and none on one that has not."""

from __future__ import annotations

import json
from typing import Any

import pytest

from machineadm.actions.suitability import KUBEADM_NAMES, Flaw, flaws
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.codes.machine import TABLE
from machineadm.config.machine_paths import MANIFESTS
from machineadm.host.facts import Facts
from machineadm.host.ports.disks import Space
from tests.configurations import TOKEN, configuration
from tests.fakes.host import FakeHost, offline_host

FACTS = Facts(machine_id="a" * 32, hostname="n1")
V2 = "cgroup2 /sys/fs/cgroup cgroup2 rw,nosuid 0 0\n"
V1 = "tmpfs /sys/fs/cgroup tmpfs ro 0 0\ncgroup /sys/fs/cgroup/cpu cgroup rw 0 0\n"
TCP = "  sl  local_address rem_address   st\n"
SWAPS = "Filename\tType\tSize\tUsed\tPriority\n"
WORKER = {"kubernetes.role": {"type": "JoinWorker", "discovery": TOKEN}}


def asked(spec: dict[str, Any] | None = None) -> KubernetesConfig:
    found = configuration(spec).spec.kubernetes
    assert found is not None
    return found


def good(versions: dict[str, str] | None = None) -> FakeHost:
    """A machine that suits: two CPUs, a runtime, all tools."""
    host = FakeHost()
    host.put("/proc/self/mounts", V2)
    host.put("/proc/swaps", SWAPS)
    host.put("/proc/net/tcp", TCP)
    host.put("/proc/sys/net/ipv4/ip_forward", "1\n")
    host.put("/proc/cpuinfo", "processor\t: 0\n\nprocessor\t: 1\n")
    host.put("/proc/meminfo", "MemTotal:        4000000 kB\n")
    host.put("/run/containerd/containerd.sock")
    said = {
        "kubelet": "Kubernetes v1.34.4",
        "containerd": "containerd github.com/containerd/containerd v2.1.4 abc",
    }
    for program, output in {**said, **(versions or {})}.items():
        host.commands.on(program, "--version", output=output)
    host.network.names["n1"] = True
    return host


def told(found: tuple[Flaw, ...]) -> list[tuple[str, str]]:
    return [(one.code, one.severity) for one in found]


def judged(host: FakeHost, spec: dict[str, Any] | None = None) -> list[tuple[str, str]]:
    return told(flaws(asked(spec), FACTS, host))


@pytest.mark.parametrize(
    "spec", [None, WORKER, {"kubernetes.version": "v1.30.4"}, {"kubernetes.version": "v1.37.1"}]
)
def test_nothing_is_wrong_with_a_good_machine(spec: dict[str, Any] | None) -> None:
    version = asked(spec).version
    host = good({"kubelet": f"Kubernetes {version}"})

    assert judged(host, spec) == []
    assert host.mutations() == []


def test_of_a_tree_nothing_is_said() -> None:
    assert flaws(asked(), FACTS, offline_host()) == ()


def test_what_cannot_be_found_out_is_not_held_against_the_machine() -> None:
    host = good()
    for path in ("/proc/self/mounts", "/proc/swaps", "/proc/net/tcp", "/proc/cpuinfo", "/proc/meminfo",
                 "/proc/sys/net/ipv4/ip_forward"):  # fmt: skip
        host.files.remove(path)
    host.disks.spaces.clear()
    host.network.names.clear()

    assert judged(host) == []


NEW = {"kubernetes.version": "v1.36.1"}


@pytest.mark.parametrize(
    ("version", "config", "ignored", "wanted"),
    [
        ("v1.34.4", None, [], []),
        ("v1.35.0", None, [], [("MA4501", "error")]),
        # kubeadm goes on, and the kubelet does not
        ("v1.35.0", None, ["SystemVerification"], [("MA4501", "error")]),
        ("v1.35.0", None, ["MA4501"], []),
        ("v1.35.0", {"failCgroupV1": True}, ["SystemVerification"], [("MA4501", "error")]),
        # the kubelet goes on, and kubeadm does not
        ("v1.35.0", {"failCgroupV1": False}, [], [("MA4501", "error")]),
        ("v1.35.0", {"failCgroupV1": False}, ["systemverification"], []),
        ("v1.37.2", {"failCgroupV1": False}, ["MA4501"], []),
    ],
)
def test_cgroup_v1_is_refused_by_kubelets_and_kubeadms_that_refuse_it(
    version: str,
    config: dict[str, Any] | None,
    ignored: list[str],
    wanted: list[tuple[str, str]],
) -> None:
    host = good({"kubelet": f"Kubernetes {version}"})
    host.put("/proc/self/mounts", V1)
    spec: dict[str, Any] = {
        "kubernetes.version": version,
        "kubernetes.node.ignorePreflightErrors": ignored,
    }
    if config is not None:
        spec["kubernetes.node.kubelet.config"] = config

    assert judged(host, spec) == wanted
    shared = {
        "kubernetes.version": version,
        "kubernetes.node.ignorePreflightErrors": ignored,
        **({"kubernetes.cluster.kubelet": config} if config else {}),
    }
    assert judged(host, shared) == wanted


@pytest.mark.parametrize(
    ("version", "containerd", "wanted"),
    [
        ("v1.35.1", "1.7.27", []),
        ("v1.36.1", "1.7.27", [("MA4502", "warning")]),
        ("v1.38.0", "v1.7.27", [("MA4502", "error")]),
        ("v1.38.0", "v2.0.0", []),
        ("v1.38.0", "nonsense", []),
    ],
)
def test_containerd_1_is_too_old_for_later_kubelets(
    version: str, containerd: str, wanted: list[tuple[str, str]]
) -> None:
    host = good({"kubelet": f"Kubernetes {version}", "containerd": f"containerd x {containerd} y"})

    assert judged(host, {"kubernetes.version": version}) == wanted


def test_swap_is_refused_unless_the_kubelet_is_told_to_bear_it() -> None:
    host = good()
    host.put("/proc/swaps", f"{SWAPS}/dev/sda2 partition 1 0 -2\n")

    assert judged(host) == [("MA4503", "error")]
    assert judged(host, {"kubernetes.node.kubelet.failSwapOn": False}) == []
    host.put("/proc/self/mounts", V1)
    assert judged(host, {"kubernetes.node.kubelet.failSwapOn": False}) == [("MA4503", "warning")]


@pytest.mark.parametrize(
    ("port", "spec", "taken"),
    [
        (10250, None, True), (6443, None, True), (2379, None, True), (10257, None, True), (80, None, False),
        (10250, WORKER, True), (6443, WORKER, False),
        (2379, {"kubernetes.cluster.etcd.external.endpoints": ["http://e:2379"]}, False),
        (6443, {"kubernetes.controlPlane.localAPIEndpoint.bindPort": 7443}, False),
        (7443, {"kubernetes.controlPlane.localAPIEndpoint.bindPort": 7443}, True),
        (6443, {"kubernetes.node.ignorePreflightErrors": ["Port-6443"]}, False),
    ],
)  # fmt: skip
def test_a_port_that_the_node_needs_is_free(
    port: int, spec: dict[str, Any] | None, taken: bool
) -> None:
    host = good()
    host.put(
        "/proc/net/tcp6",
        f"{TCP}   0: {'0' * 32}:{port:04X} {'0' * 32}:0000 0A\n   1: 0:{443:04X} 0:0 01\n",
    )

    assert judged(host, spec) == ([("MA4504", "error")] if taken else [])


def test_ports_of_a_node_are_its_own() -> None:
    host = good()
    host.put("/proc/net/tcp", f"{TCP}   0: 00000000:280A 00000000:0000 0A\n")
    host.put(f"{MANIFESTS}/kube-apiserver.yaml")

    assert judged(host) == [("MA4512", "warning")]


def test_a_container_runtime_is_there() -> None:
    host = good()
    host.files.remove("/run/containerd/containerd.sock")

    assert judged(host) == [("MA4505", "error")]
    host.put("/run/crio/crio.sock")
    assert judged(host) == []
    spec = {"kubernetes.node.criSocket": "unix:///run/other.sock"}
    (found,) = flaws(asked(spec), FACTS, host)
    assert (found.code, found.path) == ("MA4505", "spec.kubernetes.node.criSocket")


@pytest.mark.parametrize("tool", ["kubeadm", "kubelet", "losetup", "mount", "cp", "conntrack"])
def test_what_kubeadm_calls_is_there(tool: str) -> None:
    host = good({"kubelet": "Kubernetes v1.31.0"})
    host.commands.missing.add(tool)

    assert judged(host, {"kubernetes.version": "v1.31.4"}) == [("MA4506", "error")]


@pytest.mark.parametrize(
    ("tool", "package"),
    [("losetup", "util-linux"), ("cp", "coreutils"), ("conntrack", "conntrack-tools")],
)
def test_a_missing_tool_is_told_with_the_package_that_has_it(tool: str, package: str) -> None:
    host = good({"kubelet": "Kubernetes v1.31.0"})
    host.commands.missing.add(tool)

    (flaw,) = flaws(asked({"kubernetes.version": "v1.31.4"}), FACTS, host)

    assert package in flaw.hint


def test_packets_are_forwarded() -> None:
    host = good()
    host.put("/proc/sys/net/ipv4/ip_forward", "0\n")

    assert judged(host) == [("MA4507", "error")]


def test_a_control_plane_machine_is_large_enough() -> None:
    host = good()
    host.put("/proc/cpuinfo", "processor\t: 0\n")
    host.put("/proc/meminfo", "MemFree: 1 kB\nMemTotal:        1000000 kB\n")

    assert judged(host) == [("MA4509", "error"), ("MA4508", "error")]
    assert judged(host, WORKER) == []
    assert judged(host, {"kubernetes.node.ignorePreflightErrors": ["NumCPU", "mem"]}) == []


def test_there_is_room_for_images() -> None:
    host = good()
    host.disks.spaces["/var/lib/containerd"] = Space(free=10 << 30, total=100 << 30)

    assert judged(host) == [("MA4510", "warning")]


@pytest.mark.parametrize(
    ("kubelet", "wanted"),
    [
        ("v1.34.9", []),
        ("v1.35.0", [("MA4511", "error")]),
        ("v1.31.0", []),
        ("v1.30.9", [("MA4511", "error")]),
        ("?", []),
    ],
)
def test_the_kubelet_is_of_a_version_that_fits(kubelet: str, wanted: list[tuple[str, str]]) -> None:
    assert judged(good({"kubelet": f"Kubernetes {kubelet}"})) == wanted


def test_names_that_do_not_resolve_are_warned_of() -> None:
    host = good()
    host.network.names |= {"n1": False, "api.example.com": False}

    found = flaws(asked(WORKER), FACTS, host)

    assert told(found) == [("MA4513", "warning"), ("MA4514", "warning")]
    assert found[1].path == "spec.kubernetes.role.discovery.endpoint"
    assert told(flaws(asked(WORKER), FACTS, host, online=False)) == []
    endpoint = {"kubernetes.cluster.controlPlaneEndpoint": "192.0.2.1:6443"}
    assert told(flaws(asked(endpoint), FACTS, host)) == [("MA4513", "warning")]


API_SERVER = "https://api.example.com:6443"


@pytest.mark.parametrize(
    ("ahead", "said"), [(0.0, ""), (59.0, ""), (-59.0, ""), (61.0, "61 s behind"), (-3600.0, "3600 s ahead of")]
)  # fmt: skip
def test_a_clock_that_is_off_is_warned_of(ahead: float, said: str) -> None:
    host = good()
    host.network.clocks[API_SERVER] = ahead

    found = flaws(asked(WORKER), FACTS, host)

    assert told(found) == ([("MA4517", "warning")] if said else [])
    assert all(f"the clock is {said} that of {API_SERVER}" in one.message for one in found)
    assert told(flaws(asked(WORKER), FACTS, host, online=False)) == []


def test_without_an_api_server_a_source_of_files_knows_the_time() -> None:
    host = good()
    host.network.clocks["https://files.example.com"] = 600.0
    source = {"url": "https://files.example.com/a/b", "sha256": "a" * 64}
    given = configuration({"machine.files": [{"path": "/a", "source": source}]}).spec

    found = flaws(given.kubernetes, FACTS, host, machine=given.machine)

    assert told(found) == [("MA4517", "warning")]


def test_a_machine_has_an_id() -> None:
    assert told(flaws(asked(), Facts(hostname="n1"), good())) == [("MA4515", "warning")]


@pytest.mark.parametrize(
    ("text", "fits"),
    [
        ("a" * 32, True),
        ("0" * 32, False),
        ("A" * 32, False),
        ("a" * 31, False),
        ("0a1b2c3d-0a1b-2c3d-4e5f-0a1b2c3d4e5f", False),
    ],
)
def test_an_id_is_one_that_systemd_takes(text: str, fits: bool) -> None:
    found = told(flaws(asked(), Facts(machine_id=text, hostname="n1"), good()))

    assert found == ([] if fits else [("MA4515", "warning")])


@pytest.mark.parametrize(
    ("minutes", "told_of"), [(60, True), (11, True), (9, False), (0, False), (-60, False)]
)
def test_an_id_that_is_older_than_the_instance_came_with_its_image(
    minutes: int, told_of: bool
) -> None:
    """A minute or so before it is right: systemd writes the id before cloud-init runs."""
    host = good()
    host.put("/etc/machine-id", "a" * 32)
    host.put("/var/lib/cloud/data/instance-id", "i-1\n")
    host.put("/var/lib/cloud/instances/i-1/boot-finished", "")
    born = 10**18
    host.files.nodes["/var/lib/cloud/instances/i-1"].born = born
    host.files.nodes["/etc/machine-id"].changed = born - minutes * 60 * 10**9

    assert judged(host) == ([("MA4515", "warning")] if told_of else [])


@pytest.mark.parametrize("instance", ["", "i-2", "../../etc"])
def test_of_an_instance_that_nobody_knows_nothing_is_said(instance: str) -> None:
    host = good()
    host.put("/etc/machine-id", "a" * 32)
    host.put("/var/lib/cloud/data/instance-id", instance)

    assert judged(host) == []


def test_selinux_knows_containers() -> None:
    host = good()
    host.put("/sys/fs/selinux/enforce", "1")
    host.put(
        "/etc/selinux/targeted/contexts/files/file_contexts",
        "/usr/bin/x system_u:object_r:bin_t:s0\n",
    )

    assert judged(host) == [("MA4516", "warning")]
    host.put("/etc/selinux/targeted/contexts/files/file_contexts", "a container_runtime_exec_t\n")
    assert judged(host) == []


def test_a_code_of_ours_can_be_ignored_and_all_ignores_everything() -> None:
    host = good()
    host.put("/proc/swaps", f"{SWAPS}/dev/sda2 partition 1 0 -2\n")
    host.put("/proc/sys/net/ipv4/ip_forward", "0\n")

    def left(*names: str) -> list[tuple[str, str]]:
        return judged(host, {"kubernetes.node.ignorePreflightErrors": list(names)})

    assert left("MA4503") == [("MA4507", "error")]
    assert left("ma4503", "MA4507") == []
    assert left("Swap") == [("MA4507", "error")]
    assert left("all") == []


def test_names_of_kubeadm_stand_for_codes_that_there_are() -> None:
    assert KUBEADM_NAMES.keys() <= TABLE.keys()
    assert all(name == name.lower() for names in KUBEADM_NAMES.values() for name in names)


def test_without_a_configuration_any_node_is_meant() -> None:
    host = good()
    host.put("/proc/cpuinfo", "processor\t: 0\n")

    assert told(flaws(None, FACTS, host)) == []
    assert json.dumps([one.code for one in flaws(None, Facts(), host)]) == '["MA4515"]'


def test_what_the_configuration_does_before_kubeadm_may_take_a_flaw_away() -> None:
    host = good()
    host.put("/proc/swaps", f"{SWAPS}/dev/sda2 partition 1 0 -2\n")
    host.put("/proc/sys/net/ipv4/ip_forward", "0\n")
    host.put("/proc/cpuinfo", "processor\t: 0\n")

    def left(spec: dict[str, Any]) -> list[tuple[str, str]]:
        given = configuration(spec).spec
        return told(flaws(given.kubernetes, FACTS, host, machine=given.machine))

    assert left({}) == [("MA4503", "error"), ("MA4507", "error"), ("MA4509", "error")]
    assert left({"machine.files": [{"path": "/etc/a", "content": "b"}]}) == [
        ("MA4503", "error"), ("MA4507", "warning"), ("MA4509", "error")]  # fmt: skip
    assert left({"machine.commands.preKubeadm": [{"argv": ["a"]}]}) == [
        ("MA4503", "warning"), ("MA4507", "warning"), ("MA4509", "error")]  # fmt: skip
    forwarding = {"machine.linuxConfiguration.sysctls": {"net.ipv4.ip_forward": "1"}}
    assert left(forwarding) == [("MA4503", "error"), ("MA4509", "error")]


V1_AND_SWAP = [("MA4501", "error"), ("MA4503", "error")]
UNSEEN = [("MA4501", "warning"), ("MA4503", "warning")]
UNVERIFIED = {"kubernetes.node.ignorePreflightErrors": ["SystemVerification"]}
INITIALIZE = {"kubernetes.role": {"type": "Initialize"}}
CONTROL_PLANE = {"kubernetes.role": {"type": "JoinControlPlane", "discovery": TOKEN}}


def patch(target: str) -> dict[str, Any]:
    return {"kubernetes.patches": [{"target": target, "patch": "failSwapOn: false"}]}


def argument(name: str, value: str) -> dict[str, Any]:
    return {"kubernetes.node.extraArgs": [{"name": name, "value": value}]}


def on_v1_with_swap(
    spec: dict[str, Any], files: dict[str, str] | None = None
) -> list[tuple[str, str]]:
    """What is said of the kubelet, cgroup v1 and swap where the configuration is this, and the image has these files."""
    host = good({"kubelet": "Kubernetes v1.36.1"})
    host.put("/proc/self/mounts", V1)
    host.put("/proc/swaps", f"{SWAPS}/dev/sda2 partition 1 0 -2\n")
    for path, text in (files or {}).items():
        host.put(path, text)
    given = configuration({**NEW, **UNVERIFIED, **spec}).spec
    asked_of = frozenset({"MA4501", "MA4503"})
    return told(
        flaws(given.kubernetes, FACTS, host, machine=given.machine, online=False, only=asked_of)
    )


@pytest.mark.parametrize(
    ("spec", "wanted"),
    [
        (INITIALIZE, V1_AND_SWAP),
        # A joining kubelet takes the cluster's configuration, which nobody here has seen.
        (WORKER, UNSEEN),
        (CONTROL_PLANE, UNSEEN),
        ({**WORKER, "kubernetes.node.kubelet.failSwapOn": True}, [("MA4501", "warning"), ("MA4503", "error")]),
        ({**WORKER, "kubernetes.node.kubelet.config": {"failCgroupV1": True}}, [("MA4501", "error"), ("MA4503", "warning")]),
        (patch("kubeletconfiguration"), UNSEEN),
        (patch("etcd"), V1_AND_SWAP),
        ({"kubernetes.patchesDirectory": "/etc/patches"}, UNSEEN),
        (argument("fail-swap-on", "false"), [("MA4501", "error"), ("MA4503", "warning")]),
        (argument("fail-cgroupv1", "false"), [("MA4501", "warning"), ("MA4503", "error")]),
        (argument("v", "2"), V1_AND_SWAP),
        ({"machine.files": [{"path": "/etc/default/kubelet", "content": "a"}]}, UNSEEN),
        ({"machine.files": [{"path": "/etc/a", "content": "a"}]}, V1_AND_SWAP),
        ({"machine.linuxConfiguration.systemdUnits": [{"name": "dev-sda2.swap", "masked": True}]}, UNSEEN),
        # machineadm itself turns it off.
        ({"machine.linuxConfiguration.swap": {"enabled": False}}, [("MA4501", "error")]),
        ({"machine.linuxConfiguration.swap": {"enabled": True}}, V1_AND_SWAP),
    ],
)  # fmt: skip
def test_a_kubelet_that_may_be_told_otherwise_where_nobody_sees_it_is_no_error(
    spec: dict[str, Any], wanted: list[tuple[str, str]]
) -> None:
    assert on_v1_with_swap(spec) == wanted


@pytest.mark.parametrize(
    "path",
    [
        "/etc/default/kubelet",
        "/etc/sysconfig/kubelet",
        "/etc/systemd/system/kubelet.service.d/20-swap.conf",
        "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf",
    ],
)
def test_arguments_that_the_image_gives_the_kubelet_count(path: str) -> None:
    text = "KUBELET_EXTRA_ARGS=--fail-swap-on=false --fail-cgroupv1=false\n"

    assert on_v1_with_swap(INITIALIZE, {path: text}) == UNSEEN
    assert on_v1_with_swap(INITIALIZE, {path: "KUBELET_EXTRA_ARGS=\n"}) == V1_AND_SWAP


@pytest.mark.parametrize("spec", [WORKER, CONTROL_PLANE, patch("kubeletconfiguration")])
def test_what_kubeadm_refuses_is_an_error_wherever_the_kubelet_is_told(
    spec: dict[str, Any],
) -> None:
    only = {"kubernetes.node.ignorePreflightErrors": ["Swap"]}

    assert on_v1_with_swap({**only, **spec}) == [("MA4501", "error")]
    skipped = {"kubernetes.skipPhases": ["preflight"]}
    assert on_v1_with_swap({**only, **skipped, **spec}) == [("MA4501", "warning")]


def test_whoever_skips_kubeadms_preflight_is_not_held_to_it() -> None:
    host = good()
    host.put("/proc/cpuinfo", "processor\t: 0\n")

    assert judged(host, {"kubernetes.skipPhases": ["preflight"]}) == [("MA4509", "warning")]
    assert judged(host, {"kubernetes.skipPhases": ["addon/kube-proxy"]}) == [("MA4509", "error")]


@pytest.mark.parametrize(("kib", "enough"), [(1700 * 1024, True), (1700 * 1024 - 1, False)])
def test_memory_is_counted_as_kubeadm_counts_it(kib: int, enough: bool) -> None:
    """In units of 1024 * 1024, whatever it calls them."""
    host = good()
    host.put("/proc/meminfo", f"MemTotal: {kib} kB\n")

    assert judged(host) == ([] if enough else [("MA4508", "error")])
