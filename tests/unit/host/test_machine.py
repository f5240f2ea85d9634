"""Accounts, facts, the adapter as a whole, and the host on which nothing happens."""

import os
import shlex
from collections.abc import Callable
from functools import partial
from pathlib import Path

import pytest

from machineadm.errors import HostError, InternalError
from machineadm.host.facts import gather, os_release
from machineadm.host.linux.accounts import LinuxAccounts
from machineadm.host.linux.adapter import linux_host
from machineadm.host.overlay.host import Overlay
from machineadm.host.ports import FileWrite
from tests.fakes.host import FakeFiles, FakeHost, offline_host

PASSWD = "root:x:0:0::/root:/bin/sh\netcd:x:999:998::/:/bin/false\nbroken\n:x:1:1\n"


def accounts(
    passwd: str = PASSWD, group: str = "root:x:0:\nssl-cert:x:101:etcd\n"
) -> LinuxAccounts:
    files = FakeFiles()
    files.put("/etc/passwd", passwd)
    files.put("/etc/group", group)
    return LinuxAccounts(files, running=False)


def test_names_and_numbers_are_looked_up_in_the_root() -> None:
    assert accounts().uid("etcd") == 999
    assert accounts().gid("ssl-cert") == 101
    assert accounts().login_gid("etcd") == 998
    assert accounts().login_gid("999") == 998
    assert accounts().uid("1234") == accounts().gid("1234") == 1234
    assert accounts().uid("nobody-here") is None
    assert accounts().login_gid("1234") is None


def test_root_is_known_in_an_empty_tree() -> None:
    empty = LinuxAccounts(FakeFiles(), running=False)

    assert (empty.uid("root"), empty.gid("root"), empty.login_gid("root")) == (0, 0, 0)
    assert empty.uid("daemon") is None


def test_the_running_system_also_asks_nss() -> None:
    running = LinuxAccounts(FakeFiles(), running=True)

    assert (running.uid("daemon"), running.gid("daemon"), running.login_gid("daemon")) == (1, 1, 1)
    assert running.uid("no-such-user") is None
    assert running.gid("no-such-group") is None


def test_facts_of_a_running_machine() -> None:
    host = FakeHost()
    host.put("/etc/os-release", 'NAME="Debian GNU/Linux"\nID=debian\nVERSION_ID="12"\n# x=1\nbad\n')
    host.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    host.put("/proc/sys/kernel/random/boot_id", "b-1\n")
    host.commands.on("kubeadm", "version", output="W1121 warning\nv1.34.4\n")
    facts = gather(host)

    assert (facts.platform, facts.architecture) == ("linux", "amd64")
    assert (facts.distribution, facts.distribution_version) == ("debian", "12")
    assert facts.hostname == "machine"
    assert facts.machine_id == "0123456789abcdef0123456789abcdef"
    assert facts.boot_id == "b-1"
    assert facts.kubeadm_version == "v1.34.4"
    assert (facts.effective_root, facts.offline) == (True, False)
    assert host.mutations() == []


def test_facts_of_a_tree_ask_no_program() -> None:
    host = offline_host(files=FakeFiles(uid=1000))
    host.put("/etc/hostname", "image\n")
    host.put("/etc/machine-id", "uninitialized\n")
    host.put("/usr/lib/os-release", "ID='flatcar'\n")
    facts = gather(host)

    assert (facts.hostname, facts.machine_id, facts.distribution) == ("image", "", "flatcar")
    assert (facts.kubeadm_version, facts.boot_id) == (None, "")
    assert (facts.effective_root, facts.offline) == (False, True)


def test_no_kubeadm_or_a_broken_one_is_no_version() -> None:
    host = FakeHost()
    host.commands.missing.add("kubeadm")
    assert gather(host).kubeadm_version is None
    host = FakeHost()
    host.commands.on("kubeadm", exit_code=1, output="v1")
    assert gather(host).kubeadm_version is None


def test_os_release_survives_stray_quotes() -> None:
    host = FakeHost()
    host.put("/etc/os-release", "ID='x\nVERSION_ID=\n")

    assert os_release(host) == {"ID": "'x", "VERSION_ID": ""}


@pytest.mark.parametrize(
    "value",
    ['"a b"', "a", "", '""', "'a  b'", '"a \\"b\\" c"', "a b", '"a" "b"', "\\$x", '"$x `y` #z"'],
)
def test_os_release_is_read_as_shlex_reads_it(value: str) -> None:
    host = FakeHost()
    host.put("/etc/os-release", f"ID={value}\n")

    assert os_release(host) == {"ID": "".join(shlex.split(value))}


def test_a_tree_has_nothing_that_could_be_run(tmp_path: Path) -> None:
    host = linux_host(root=str(tmp_path))

    assert host.offline
    assert (host.commands, host.kernel, host.services) == (None, None, None)
    host.state.write("status.json", b"x", durable=False)
    host.state.append("journal.jsonl", b"x")
    assert (tmp_path / "run/machineadm/status.json").stat().st_mode & 0o777 == 0o600
    assert (tmp_path / "run/machineadm").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "var/lib/machineadm/journal.jsonl").exists()


def test_the_running_system_has_all_ports(tmp_path: Path) -> None:
    host = linux_host(run_directory=str(tmp_path))

    assert not host.offline
    assert host.commands is not None
    assert host.commands.run(["true"]).exit_code == 0
    assert host.kernel is not None
    assert host.kernel.hostname() == os.uname().nodename
    assert gather(host).boot_id == Path("/proc/sys/kernel/random/boot_id").read_text().strip()


def test_a_root_that_is_no_directory_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        linux_host(root=str(tmp_path / "none"))
    assert caught.value.code == "MA3010"


def test_on_an_overlay_queries_pass() -> None:
    real = FakeHost()
    real.put("/etc/f", "x")
    real.commands.on("kubeadm", output="v1.34.4\n")
    host = Overlay(real).host

    assert host.files.read("/etc/f") == b"x"
    assert host.files.sha512("/etc/f") == real.files.sha512("/etc/f")
    assert host.files.can_give(5, 5)
    assert gather(host).kubeadm_version == "v1.34.4"


def test_the_overlay_of_a_tree_has_no_commands_either() -> None:
    host = Overlay(offline_host()).host

    assert (host.commands, host.kernel, host.services, host.offline) == (None, None, None, True)


def test_a_check_that_acts_is_a_mistake_of_ours() -> None:
    real = FakeHost()
    host = Overlay(real).host
    assert host.commands is not None
    assert host.kernel is not None
    assert host.services is not None
    deeds: list[Callable[[], object]] = [
        partial(host.files.write, [FileWrite(path="/f", content=b"")]),
        partial(host.files.link, "/f", "g"),
        partial(host.files.make_directory, "/d"),
        partial(host.files.remove, "/f"),
        partial(host.commands.run, ["rm", "-rf", "/"]),
        partial(host.kernel.load, "overlay"),
        partial(host.kernel.set_sysctl, "net.ipv4.ip_forward", "1"),
        partial(host.kernel.set_hostname, "x"),
        host.services.reload,
        partial(host.services.enable, "a.service"),
        partial(host.services.disable, "a.service"),
        partial(host.services.restart, "a.service"),
        partial(host.services.reload_unit, "a.service"),
        partial(host.services.stop, "a.service"),
        host.services.reboot,
        partial(host.state.write, "a", b"", durable=True),
        partial(host.state.append, "a", b""),
        partial(host.state.remove, "a", durable=True),
        host.state.lock,
        partial(host.clock.sleep, 1),
    ]
    for deed in deeds:
        with pytest.raises(InternalError) as caught:
            deed()
        assert caught.value.code == "MA9002"

    assert real.mutations() == []
    assert real.state.writes == []
    assert not real.state.held
