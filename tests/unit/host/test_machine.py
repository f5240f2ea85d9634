"""Accounts, facts, the adapter as a whole, and the host on which nothing happens."""

import os
import shlex
from pathlib import Path

import pytest

from machineadm.errors import HostError
from machineadm.host.facts import gather, os_release
from machineadm.host.linux.accounts import LinuxAccounts
from machineadm.host.linux.adapter import linux_host
from machineadm.host.ports import FileKind, FileWrite
from machineadm.host.recording import recording
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


def test_a_root_that_is_no_folder_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(HostError) as caught:
        linux_host(root=str(tmp_path / "none"))
    assert caught.value.code == "MA3010"


def test_on_a_recording_host_nothing_happens_and_later_queries_see_it() -> None:
    real = FakeHost()
    real.put("/etc/old", "old")
    real.state.state_files["journal.jsonl"] = b"1\n"
    host = recording(real)
    assert host.kernel is not None
    assert host.services is not None
    assert host.commands is not None

    host.files.write([FileWrite(path="/etc/new", content=b"new", mode=0o600)])
    host.files.write([FileWrite(path="/etc/chunks", content=lambda: [b"a", b"b"])])
    host.files.make_directory("/var/x", mode=0o700)
    host.files.remove("/etc/old")
    host.kernel.load("overlay")
    host.kernel.set_sysctl("net.ipv4.ip_forward", "1")
    host.kernel.set_hostname("other")
    host.services.enable("a.service")
    host.services.restart("a.service")
    host.services.stop("b.service")
    host.services.reload()
    host.commands.run(["rm", "-rf", "/"])
    host.state.append("journal.jsonl", b"2\n")
    host.state.write("status.json", b"x", durable=False)
    host.state.lock()
    host.clock.sleep(60)

    new = host.files.stat("/etc/new")
    assert new is not None
    assert (new.mode, new.size, host.files.read("/etc/new")) == (0o600, 3, b"new")
    assert host.files.read("/etc/chunks") == b"ab"
    assert host.files.sha256("/etc/chunks") is not None
    assert host.files.list("/etc") == ("chunks", "new")
    assert host.files.read("/etc/old") is None
    folder = host.files.stat("/var/x")
    assert folder is not None
    assert (folder.kind, folder.mode) == (FileKind.DIRECTORY, 0o700)
    assert host.kernel.loaded("overlay")
    assert host.kernel.sysctl("net.ipv4.ip_forward") == "1"
    assert host.kernel.hostname() == "other"
    assert host.services.enabled("a.service")
    assert host.services.active("a.service")
    assert host.state.read("journal.jsonl", durable=True) == b"1\n2\n"
    assert host.state.read("status.json", durable=False) == b"x"

    assert real.mutations() == []
    assert real.state.writes == []
    assert real.clock.slept == []
    assert not real.state.held
    assert real.commands.calls == []


def test_on_a_recording_host_queries_pass() -> None:
    real = FakeHost()
    real.put("/etc/f", "x")
    real.commands.on("kubeadm", output="v1.34.4\n")
    host = recording(real)

    assert host.files.read("/etc/f") == b"x"
    assert host.files.sha512("/etc/f") == real.files.sha512("/etc/f")
    assert host.files.can_give(5, 5)
    assert gather(host).kubeadm_version == "v1.34.4"


def test_a_recording_host_of_a_tree_has_no_commands_either() -> None:
    host = recording(offline_host())

    assert (host.commands, host.kernel, host.services, host.offline) == (None, None, None, True)
