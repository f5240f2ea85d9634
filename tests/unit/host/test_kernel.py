"""The kernel's files, laid out by the test; modprobe and systemctl answered by script."""

import os
from pathlib import Path

import pytest

from machineadm.errors import HostError
from machineadm.host.linux.kernel import LinuxKernel
from machineadm.host.linux.services import SystemdServices
from machineadm.host.ports.kernel import sysctl_parts
from tests.fakes.host import FakeCommands, FakeQueries
from tests.real import missing


class Machine:
    def __init__(self, root: Path) -> None:
        self.root = root
        self.commands = FakeCommands()
        self.kernel = LinuxKernel(
            self.commands,
            proc=str(root / "proc"),
            sys=str(root / "sys"),
            modules=str(root / "modules"),
        )

    def put(self, path: str, text: str) -> Path:
        file = self.root / path
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text)
        return file


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path)


@pytest.mark.parametrize(
    ("name", "parts"),
    [
        ("net.ipv4.ip_forward", ["net", "ipv4", "ip_forward"]),
        ("net/ipv4/ip_forward", ["net", "ipv4", "ip_forward"]),
        ("net.ipv4.conf.eth0/100.rp_filter", ["net", "ipv4", "conf", "eth0.100", "rp_filter"]),
        ("net/ipv4/conf/eth0.100/rp_filter", ["net", "ipv4", "conf", "eth0.100", "rp_filter"]),
        ("single", ["single"]),
    ],
)
def test_names_of_parameters_are_read_as_sysctl_reads_them(name: str, parts: list[str]) -> None:
    assert sysctl_parts(name) == parts


def test_a_parameter_is_read_and_set(machine: Machine) -> None:
    file = machine.put("proc/sys/net/ipv4/tcp_rmem", "4096\t131072\t6291456\n")

    assert machine.kernel.sysctl("net.ipv4.tcp_rmem") == "4096 131072 6291456"
    machine.kernel.set_sysctl("net/ipv4/tcp_rmem", "1 2 3")
    assert file.read_text().startswith("1 2 3\n")


def test_an_unknown_parameter_is_none_and_never_made(machine: Machine) -> None:
    machine.put("proc/sys/net/x", "1\n")

    assert machine.kernel.sysctl("net.bridge.y") is None
    assert machine.kernel.sysctl("net") is None
    for name in ("net.y", "net.bridge.y", "net"):
        with pytest.raises(HostError) as caught:
            machine.kernel.set_sysctl(name, "1")
        assert caught.value.code == "MA3304"
    assert [path.name for path in (machine.root / "proc/sys/net").iterdir()] == ["x"]


@pytest.mark.parametrize("name", ["/etc/passwd", "net/../../../etc/passwd", "net..x", ""])
def test_no_parameter_leads_elsewhere(machine: Machine, name: str) -> None:
    with pytest.raises(HostError) as caught:
        machine.kernel.set_sysctl(name, "1")
    assert caught.value.code == "MA3304"


def test_what_the_kernel_refuses_is_said_in_its_words() -> None:
    if os.geteuid() != 0:
        missing("only root may write parameters at all")
    kernel = LinuxKernel(FakeCommands())

    with pytest.raises(HostError, match=r"Invalid argument|Read-only") as caught:
        kernel.set_sysctl("vm.overcommit_memory", "77")
    assert caught.value.code == "MA3305"


def test_a_pattern_stands_for_all_that_are_there(machine: Machine) -> None:
    for name in ("all", "eth0.100"):
        machine.put(f"proc/sys/net/ipv4/conf/{name}/rp_filter", "0\n")
    names = machine.kernel.sysctl_names("net.ipv4.conf.*.rp_filter")

    assert names == ("net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0/100.rp_filter")
    assert [machine.kernel.sysctl(name) for name in names] == ["0", "0"]
    assert machine.kernel.sysctl_names("a.b") == ("a.b",)


def test_modules_are_loaded_or_built_in(machine: Machine) -> None:
    (machine.root / "sys/module/br_netfilter").mkdir(parents=True)
    machine.put("modules/modules.builtin", "kernel/fs/overlayfs/overlay.ko\nkernel/a/ip-vs.ko.xz\n")

    for name in ("br_netfilter", "br-netfilter", "overlay", "ip_vs", "ip-vs"):
        assert machine.kernel.loaded(name)
    assert not machine.kernel.loaded("over")


def test_modprobe_loads(machine: Machine) -> None:
    machine.kernel.load("overlay")

    assert machine.commands.argvs(quiet=True) == [("modprobe", "--", "overlay")]


def test_a_module_that_does_not_load_is_an_error_with_modprobes_words(machine: Machine) -> None:
    machine.commands.on(
        "modprobe", exit_code=1, output="modprobe: FATAL: Module x not found in directory /lib\n"
    )

    with pytest.raises(HostError, match="FATAL: Module x not found") as caught:
        machine.kernel.load("x")
    assert caught.value.code == "MA3301"


def test_the_host_name_is_the_running_one(machine: Machine) -> None:
    assert machine.kernel.hostname() == os.uname().nodename


def test_units_are_asked_and_told_through_systemctl() -> None:
    commands = FakeCommands()
    services = SystemdServices(commands, FakeQueries(commands))
    commands.on("systemctl", "--quiet", "is-active", exit_code=3)
    services.reload()
    services.enable("a.service")
    services.disable("b.service")
    services.restart("c.service")

    assert services.enabled("a.service")
    assert not services.active("a.service")
    assert commands.argvs() == [
        ("systemctl", "daemon-reload"),
        ("systemctl", "enable", "--", "a.service"),
        ("systemctl", "disable", "--", "b.service"),
        ("systemctl", "restart", "--", "c.service"),
    ]


def test_a_unit_that_does_not_start_is_an_error() -> None:
    commands = FakeCommands()
    commands.on("systemctl", "restart", exit_code=1, output="Job for x.service failed.\n")

    with pytest.raises(HostError, match=r"restart x\.service failed: Job for x") as caught:
        SystemdServices(commands, FakeQueries(commands)).restart("x.service")
    assert caught.value.code == "MA3401"


def test_stopping_what_does_not_exist_is_fine() -> None:
    commands = FakeCommands()
    commands.on("systemctl", "stop", exit_code=5, output="Unit x.service not loaded.\n")
    SystemdServices(commands, FakeQueries(commands)).stop("x.service")
