"""The same behaviour of the ports, in memory and on Linux."""

import hashlib
import itertools
import os
import subprocess
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import cast

import pytest

from machineadm.errors import HostError, LockedError
from machineadm.host.linux.accounts import LinuxAccounts
from machineadm.host.linux.clock import Interruption, LinuxClock
from machineadm.host.linux.commands import LinuxCommands
from machineadm.host.linux.disks import LinuxDisks
from machineadm.host.linux.files import LinuxFiles
from machineadm.host.linux.kernel import LinuxKernel
from machineadm.host.linux.metadata import LinuxMetadata
from machineadm.host.linux.network import LinuxNetwork
from machineadm.host.linux.queries import LinuxQueries
from machineadm.host.linux.services import SystemdServices
from machineadm.host.linux.state import LinuxState
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import (
    Accounts,
    Clock,
    CommandResult,
    Commands,
    Disks,
    Fetch,
    FileKind,
    Files,
    FileWrite,
    Kernel,
    Metadata,
    MetadataAnswer,
    Network,
    Queries,
    Services,
    State,
)
from machineadm.host.ports.kernel import sysctl_parts
from machineadm.redaction import Redactor
from machineadm.sources.downloads import Downloads
from tests.fakes.host import (
    Call,
    FakeAccounts,
    FakeClock,
    FakeCommands,
    FakeDisks,
    FakeFetch,
    FakeFiles,
    FakeKernel,
    FakeMetadata,
    FakeNetwork,
    FakeQueries,
    FakeServices,
    FakeState,
)
from tests.real import missing
from tests.servers.metadata import MetadataService


class Ground:
    """Files to judge, and ways to prepare them that are none of theirs."""

    def __init__(self, files: Files, root: Path | None) -> None:
        self.files = files
        self.root = root

    def link(self, path: str, target: str, *, uid: int | None = None) -> None:
        if self.root is None:
            cast("FakeFiles", self.files).put_link(path, target, uid=uid or 0)
        else:
            below = self.root / path.lstrip("/")
            below.parent.mkdir(parents=True, exist_ok=True)
            below.symlink_to(target)
            if uid is not None:
                os.lchown(below, uid, uid)

    def give(self, path: str, uid: int) -> None:
        if self.root is None:
            cast("FakeFiles", self.files).nodes[path].uid = uid
        else:
            os.chown(self.root / path.lstrip("/"), uid, uid)

    def overwrite(self, path: str, content: bytes) -> None:
        """In place, as a program of somebody else does."""
        if self.root is None:
            cast("FakeFiles", self.files).put(path, content)
        else:
            (self.root / path.lstrip("/")).write_bytes(content)

    def pipe(self, path: str) -> None:
        if self.root is None:
            cast("FakeFiles", self.files).special(path)
        else:
            os.mkfifo(self.root / path.lstrip("/"))


@pytest.fixture(params=["fake", "linux"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Ground:
    if request.param == "fake":
        return Ground(FakeFiles(uid=os.geteuid()), None)
    root = tmp_path / "root"
    root.mkdir()
    return Ground(LinuxFiles(Tree(str(root))), root)


def put(ground: Ground, path: str, content: bytes = b"x", mode: int = 0o644) -> None:
    ground.files.write([FileWrite(path=path, content=content, mode=mode)])


def test_a_written_file_has_content_mode_and_owner(ground: Ground) -> None:
    put(ground, "/etc/app/app.conf", b"a = 1\n", 0o640)

    stat = ground.files.stat("/etc/app/app.conf")
    assert stat is not None
    assert (stat.kind, stat.mode, stat.size) == (FileKind.FILE, 0o640, 6)
    assert stat.uid == os.geteuid()
    assert ground.files.read("/etc/app/app.conf") == b"a = 1\n"
    assert ground.files.sha256("/etc/app/app.conf") == hashlib.sha256(b"a = 1\n").hexdigest()
    assert ground.files.sha512("/etc/app/app.conf") == hashlib.sha512(b"a = 1\n").hexdigest()


def test_a_change_in_place_is_no_birth(ground: Ground) -> None:
    put(ground, "/etc/app.conf")
    first = ground.files.born("/etc/app.conf")
    time.sleep(0.02)
    ground.overwrite("/etc/app.conf", b"changed in place")
    second = ground.files.born("/etc/app.conf")
    time.sleep(0.02)
    put(ground, "/etc/app.conf", b"replaced")
    third = ground.files.born("/etc/app.conf")

    assert first == second
    if first is not None:  # not every file system keeps it
        assert third is not None
        assert third > first


def test_what_is_not_there_was_never_born(ground: Ground) -> None:
    put(ground, "/etc/sub/file")

    assert ground.files.born("/etc/other") is None
    assert ground.files.born("/other/file") is None


def test_missing_parents_are_made_for_all_to_enter_whatever_the_umask(ground: Ground) -> None:
    before = os.umask(0o077)
    try:
        put(ground, "/opt/deep/er/file", mode=0o666)
    finally:
        os.umask(before)

    parent, file = ground.files.stat("/opt/deep"), ground.files.stat("/opt/deep/er/file")
    assert parent is not None
    assert file is not None
    assert (parent.kind, parent.mode, file.mode) == (FileKind.DIRECTORY, 0o755, 0o666)


def test_setuid_bits_stay(ground: Ground) -> None:
    ground.files.write(
        [FileWrite(path="/bin/tool", content=b"", mode=0o6755, uid=os.geteuid(), gid=os.getegid())]
    )

    stat = ground.files.stat("/bin/tool")
    assert stat is not None
    assert stat.mode == 0o6755


def test_what_is_absent_is_none_or_empty(ground: Ground) -> None:
    put(ground, "/file")

    assert ground.files.stat("/nothing") is None
    assert ground.files.stat("/no/thing") is None
    assert ground.files.stat("/file/below") is None
    assert ground.files.read("/no/thing") is None
    assert ground.files.sha256("/nothing") is None
    assert ground.files.list("/nothing") == ()
    ground.files.remove("/no/thing")


def test_a_directory_lists_its_names_sorted(ground: Ground) -> None:
    for name in ("b", "a", "c/d"):
        put(ground, f"/etc/conf/{name}")

    assert ground.files.list("/etc/conf") == ("a", "b", "c")
    assert "etc" in ground.files.list("/")


def test_links_are_read_through_below_the_root(ground: Ground) -> None:
    put(ground, "/usr/lib/os-release", b"ID=x\n")
    ground.link("/etc/os-release", "../usr/lib/os-release")
    ground.link("/etc/absolute", "/usr/lib/os-release")
    ground.link("/etc/beyond", "../../../../../../usr/lib/os-release")

    for path in ("/etc/os-release", "/etc/absolute", "/etc/beyond"):
        assert ground.files.read(path) == b"ID=x\n"
    stat = ground.files.stat("/etc/os-release")
    assert stat is not None
    assert stat.kind is FileKind.LINK


def test_a_link_to_a_directory_leads_below_the_root(ground: Ground) -> None:
    ground.link("/var/run", "/run")
    put(ground, "/var/run/app/pid", b"1")

    assert ground.files.read("/run/app/pid") == b"1"
    assert ground.files.list("/var/run/app") == ("pid",)


def test_a_link_at_the_final_path_is_replaced(ground: Ground) -> None:
    put(ground, "/etc/old", b"old")
    ground.link("/etc/link", "old")
    put(ground, "/etc/link", b"new")

    stat = ground.files.stat("/etc/link")
    assert stat is not None
    assert stat.kind is FileKind.FILE
    assert ground.files.read("/etc/old") == b"old"


def test_links_in_a_circle_are_an_error(ground: Ground) -> None:
    ground.link("/a", "b")
    ground.link("/b", "a")

    with pytest.raises(HostError) as caught:
        put(ground, "/a/file")
    assert caught.value.code == "MA3006"


def test_a_directory_at_the_final_path_is_an_error(ground: Ground) -> None:
    put(ground, "/etc/app/file")

    with pytest.raises(HostError) as caught:
        put(ground, "/etc/app")
    assert caught.value.code == "MA3004"
    with pytest.raises(HostError):
        ground.files.read("/etc/app")


def test_a_file_on_the_way_is_an_error(ground: Ground) -> None:
    put(ground, "/etc/app")

    with pytest.raises(HostError) as caught:
        put(ground, "/etc/app/file")
    assert caught.value.code == "MA3005"


def test_a_pipe_is_not_read(ground: Ground) -> None:
    put(ground, "/run/x")
    ground.pipe("/run/pipe")

    with pytest.raises(HostError) as caught:
        ground.files.read("/run/pipe")
    assert caught.value.code == "MA3004"


def test_a_file_that_is_too_large_is_not_read(ground: Ground) -> None:
    put(ground, "/f", b"12345")

    assert ground.files.read("/f", limit=5) == b"12345"
    for read in (ground.files.read, ground.files.read_for_append):
        with pytest.raises(HostError) as caught:
            read("/f", limit=4)
        assert caught.value.code == "MA3014"


def test_what_is_appended_to_comes_with_its_mode_and_owner(ground: Ground) -> None:
    put(ground, "/f", b"a\n", 0o640)
    found = ground.files.read_for_append("/f")

    assert found is not None
    assert (found.content, found.stat) == (b"a\n", ground.files.stat("/f"))
    assert ground.files.read_for_append("/absent") is None
    assert ground.files.read_for_append("/no/directory") is None


def test_what_would_be_replaced_is_not_read_through_a_link(ground: Ground) -> None:
    put(ground, "/etc/shadow", b"secret", 0o600)
    ground.link("/etc/link", "shadow")
    ground.link("/etc/dangling", "nothing")

    for path in ("/etc/link", "/etc/dangling"):
        for read in (ground.files.read_for_append, ground.files.sha256, ground.files.sha512):
            with pytest.raises(HostError) as caught:
                read(path)
            assert caught.value.code == "MA3004"


USER, OTHER = 4001, 4002


@pytest.mark.parametrize(
    ("target", "owner", "followed"),
    [
        ("own", USER, True),
        ("/home/user/own", USER, True),
        ("../user/own", USER, True),
        ("own", OTHER, False),
        ("/etc/app", USER, False),
        ("/etc/app", 0, True),
        ("roots", USER, False),
        ("file", USER, False),
    ],
)
def test_a_users_link_leads_only_into_the_users_own_directories(
    ground: Ground, target: str, owner: int, followed: bool
) -> None:
    if os.geteuid() != 0:
        missing("this test must run as root")
    for directory in ("/home/user/own", "/etc/app"):
        put(ground, f"{directory}/file", b"before")
    put(ground, "/home/user/file")
    ground.give("/home/user", USER)
    ground.give("/home/user/own", USER)
    ground.link("/home/user/roots", "/etc/app")
    ground.link("/home/user/link", target, uid=owner)
    work: tuple[Callable[[], object], ...] = (
        lambda: ground.files.read("/home/user/link/file"),
        lambda: ground.files.list("/home/user/link"),
        lambda: ground.files.stat("/home/user/link/file"),
        lambda: ground.files.read_for_append("/home/user/link/file"),
        lambda: put(ground, "/home/user/link/new"),
        lambda: ground.files.make_directory("/home/user/link/directory"),
        lambda: ground.files.remove("/home/user/link/file"),
    )
    for step in work:
        if followed:
            step()
        else:
            with pytest.raises(HostError) as caught:
                step()
            assert caught.value.code == "MA3013"

    names = {"file"} if not followed else {"new", "directory"}
    changed = "/etc/app" if target == "/etc/app" else "/home/user/own"
    assert set(ground.files.list(changed)) == names


def test_nothing_is_made_where_a_users_link_leads_nowhere(ground: Ground) -> None:
    if os.geteuid() != 0:
        missing("this test must run as root")
    ground.link("/home/user/link", "/etc/new/../../home/user", uid=USER)
    ground.give("/home/user", USER)

    work: tuple[Callable[[], object], ...] = (
        lambda: put(ground, "/home/user/link/file"),
        lambda: ground.files.make_directory("/home/user/link/directory"),
    )
    for step in work:
        with pytest.raises(HostError) as caught:
            step()
        assert caught.value.code == "MA3013"
    assert ground.files.read("/home/user/link/file") is None
    assert ground.files.stat("/etc") is None


def test_content_that_fails_on_the_way_leaves_nothing_of_its_batch(ground: Ground) -> None:
    def chunks() -> Iterator[bytes]:
        yield b"first"
        raise HostError("MA3103", "the connection broke")

    with pytest.raises(HostError, match="broke"):
        ground.files.write(
            [FileWrite(path="/srv/a/1", content=b"1"), FileWrite(path="/srv/b/2", content=chunks)]
        )
    assert ground.files.list("/srv") == ()
    assert ground.files.stat("/srv") is None


def test_content_comes_in_chunks(ground: Ground) -> None:
    ground.files.write([FileWrite(path="/f", content=lambda: [b"a", b"", b"b" * 100_000])])

    assert ground.files.read("/f") == b"a" + b"b" * 100_000


def test_of_several_entries_with_one_path_the_last_wins(ground: Ground) -> None:
    ground.files.write([FileWrite(path="/f", content=b"1"), FileWrite(path="/f", content=b"2")])

    assert ground.files.read("/f") == b"2"


def test_a_removed_file_is_gone_and_a_link_goes_without_its_target(ground: Ground) -> None:
    put(ground, "/a")
    ground.link("/b", "a")
    ground.files.remove("/b")
    assert ground.files.read("/a") == b"x"
    ground.files.remove("/a")

    assert ground.files.list("/") == ()


def test_what_lies_below_a_file_is_not_there_and_removing_it_is_no_error(ground: Ground) -> None:
    put(ground, "/etc/file")

    for path in ("/etc/file/below", "/etc/file/further/below"):
        ground.files.remove(path)
        assert ground.files.stat(path) is None
        assert ground.files.read(path) is None
        assert ground.files.sha256(path) is None
        assert ground.files.readlink(path) is None
    assert ground.files.read("/etc/file") == b"x"


def test_directories_are_made_once_and_keep_their_mode(ground: Ground) -> None:
    ground.files.make_directory("/var/lib/etcd", mode=0o700)
    ground.files.make_directory("/var/lib/etcd", mode=0o755)

    stat, parent = ground.files.stat("/var/lib/etcd"), ground.files.stat("/var/lib")
    assert stat is not None
    assert parent is not None
    assert (stat.mode, parent.mode) == (0o700, 0o755)


def test_no_directory_is_made_over_a_file(ground: Ground) -> None:
    put(ground, "/f")

    with pytest.raises(HostError) as caught:
        ground.files.make_directory("/f")
    assert caught.value.code == "MA3005"


def test_a_directory_that_is_there_gets_mode_and_owner_only_with_an_owner(ground: Ground) -> None:
    own = (os.geteuid(), os.getegid())
    for mode, owner, then in ((0o700, None, 0o700), (0o750, None, 0o700), (0o2750, own, 0o2750)):
        ground.files.make_directory("/var/deep/data", mode=mode, owner=owner)
        stat = ground.files.stat("/var/deep/data")
        assert stat is not None
        assert (stat.kind, stat.mode) == (FileKind.DIRECTORY, then)
    ground.files.make_directory("/var/other", mode=0o711, owner=own)
    stat = ground.files.stat("/var/other")
    assert stat is not None
    assert (stat.mode, stat.uid, stat.gid) == (0o711, *own)


@pytest.mark.skipif(os.geteuid() != 0, reason="gives a directory away: needs root")
def test_a_directory_is_given_to_its_owner(ground: Ground) -> None:
    for mode in (0o2770, 0o700):
        ground.files.make_directory("/var/data", mode=mode, owner=(12, 34))
        stat = ground.files.stat("/var/data")
        assert stat is not None
        assert (stat.mode, stat.uid, stat.gid) == (mode, 12, 34)


def test_a_link_in_a_directory_s_place_gets_no_mode_and_no_owner(ground: Ground) -> None:
    ground.files.make_directory("/var/private", mode=0o700)
    ground.link("/var/link", "/var/private")

    with pytest.raises(HostError) as caught:
        ground.files.make_directory("/var/link", mode=0o777, owner=(os.geteuid(), os.getegid()))

    assert caught.value.code == "MA3005"
    stat = ground.files.stat("/var/private")
    assert stat is not None
    assert stat.mode == 0o700


def test_only_an_empty_directory_is_removed(ground: Ground) -> None:
    put(ground, "/var/full/file")
    ground.files.make_directory("/var/empty")
    for path in ("/var/full", "/var/empty", "/var/none", "/none/none"):
        ground.files.remove_directory(path)

    assert ground.files.list("/var") == ("full",)
    with pytest.raises(HostError) as caught:
        ground.files.remove_directory("/var/full/file")
    assert caught.value.code == "MA3005"


@pytest.fixture(params=["fake", "linux"])
def state(request: pytest.FixtureRequest, tmp_path: Path) -> State:
    if request.param == "fake":
        return FakeState()
    tree = Tree(str(tmp_path))
    return LinuxState(tree, run_directory="/run/m", state_directory="/var/lib/m")


@pytest.mark.parametrize("durable", [True, False])
def test_state_is_read_as_it_was_written(state: State, durable: bool) -> None:
    assert state.read("a/b.json", durable=durable) is None
    state.write("a/b.json", b"1", durable=durable)
    state.write("a/b.json", b"2", durable=durable)

    assert state.read("a/b.json", durable=durable) == b"2"
    assert state.read("a/b.json", durable=not durable) is None
    state.remove("a/b.json", durable=durable)
    state.remove("a/b.json", durable=durable)
    assert state.read("a/b.json", durable=durable) is None


def test_what_is_kept_in_a_subdirectory_of_the_state_is_listed(state: State) -> None:
    assert state.list("kept") == ()
    for name in ("kept/b", "kept/a", "kept/c", "keptt", "other/d"):
        state.write(name, b"", durable=True)
    state.write("kept/volatile", b"", durable=False)
    state.remove("kept/c", durable=True)

    assert state.list("kept") == ("a", "b")
    assert state.list("other") == ("d",)
    assert state.list("keptt") == ()


def test_appended_state_grows(state: State) -> None:
    state.append("journal.jsonl", b"1\n")
    state.append("journal.jsonl", b"2\n")

    assert state.read("journal.jsonl", durable=True) == b"1\n2\n"


def test_a_lock_is_taken_once_more_by_its_holder(state: State) -> None:
    state.lock()
    state.lock()


def test_a_second_run_does_not_get_the_lock(tmp_path: Path) -> None:
    first, second = (
        LinuxState(Tree(str(tmp_path)), run_directory="/run/m", state_directory="/var/lib/m")
        for _ in range(2)
    )
    first.lock()

    with pytest.raises(LockedError) as caught:
        second.lock()
    assert caught.value.exit_code == 8


def test_who_asks_for_the_lock_sees_another_holder_and_takes_nothing(tmp_path: Path) -> None:
    state = LinuxState(Tree(str(tmp_path)), run_directory="/run/m", state_directory="/var/lib/m")
    assert not state.locked_by_other()
    state.lock()
    assert not state.locked_by_other()  # it is our own

    with subprocess.Popen(["sleep", "100"], pass_fds=state.lock_descriptors) as orphan:
        assert state.locked_by_other()
        orphan.kill()

    assert not state.locked_by_other()


@pytest.fixture(params=["fake", "linux"])
def clock(request: pytest.FixtureRequest) -> Clock:
    return FakeClock() if request.param == "fake" else LinuxClock(Interruption())


def test_sleeping_takes_at_least_its_time(clock: Clock) -> None:
    before = clock.monotonic(), clock.now()
    clock.sleep(0.02)

    assert clock.monotonic() - before[0] >= 0.02
    assert clock.now() > before[1]


@pytest.fixture(params=["fake", "linux"])
def accounts(request: pytest.FixtureRequest) -> Accounts:
    if request.param == "fake":
        return FakeAccounts()
    files = FakeFiles()
    files.put("/etc/passwd", "root:x:0:0::/:/\nnobody:x:65534:65534::/:/\n")
    files.put("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
    return LinuxAccounts(files, running=False)


def test_accounts_are_known_by_name_and_number(accounts: Accounts) -> None:
    assert (accounts.uid("root"), accounts.gid("root"), accounts.login_gid("root")) == (0, 0, 0)
    assert (accounts.uid("nobody"), accounts.gid("nogroup")) == (65534, 65534)
    assert accounts.login_gid("nobody") == accounts.login_gid("65534") == 65534
    assert (accounts.uid("7"), accounts.gid("8")) == (7, 8)
    assert accounts.uid("stranger") is None
    assert accounts.gid("stranger") is None
    assert accounts.login_gid("stranger") is None
    assert accounts.login_gid("7") is None


@pytest.fixture(params=["fake", "linux"])
def commands(request: pytest.FixtureRequest) -> Commands:
    if request.param == "linux":
        return LinuxCommands(Interruption(), redactor=Redactor(), log=lambda _: None)
    fake = FakeCommands()
    fake.missing.add("no-such-program")
    fake.on("false", exit_code=1)
    fake.on("echo", output="hello\n")
    return fake


def test_commands_end_with_code_and_output(commands: Commands) -> None:
    assert commands.run(["true"]).exit_code == 0
    assert commands.run(["false"]).exit_code == 1
    assert commands.run(["echo", "hello"]).output == "hello\n"


def test_a_missing_program_is_found_out(commands: Commands) -> None:
    with pytest.raises(HostError) as caught:
        commands.run(["no-such-program"])
    assert caught.value.code == "MA3201"


def test_whoever_attends_to_a_program_is_called_while_it_runs(commands: Commands) -> None:
    calls: list[float] = []

    result = commands.run(["sleep", "1.3"], attend=lambda _: calls.append(time.monotonic()))

    assert result.exit_code == 0
    assert calls
    assert all(later - before < 1.0 for before, later in itertools.pairwise(calls))


@pytest.fixture(params=["fake", "linux"])
def queries(request: pytest.FixtureRequest) -> Queries:
    if request.param == "linux":
        return LinuxQueries(
            LinuxCommands(Interruption(), redactor=Redactor(), log=_no_query_is_logged)
        )
    fake = FakeCommands()
    fake.missing.add("no-such-program")
    fake.on("echo", output="hello\n")
    return FakeQueries(fake)


def _no_query_is_logged(line: str) -> None:
    raise AssertionError(line)


def test_a_query_is_answered_and_never_logged(queries: Queries) -> None:
    assert queries.ask(["echo", "hello"], timeout=10).output == "hello\n"
    assert queries.find("no-such-program") is None
    assert queries.find("true") is not None
    with pytest.raises(HostError) as caught:
        queries.ask(["no-such-program"], timeout=10)
    assert caught.value.code == "MA3201"


@pytest.fixture(params=["fake", "linux"])
def kernel(request: pytest.FixtureRequest, tmp_path: Path) -> Kernel:
    parameters = {
        "net.ipv4.conf.all.rp_filter": "0",
        "net.ipv4.conf.eth0/100.rp_filter": "0",
        "net.ipv4.ip_forward": "0",
    }
    if request.param == "fake":
        fake = FakeKernel()
        fake.parameters = dict(parameters)
        return fake
    for name, value in parameters.items():
        path = tmp_path.joinpath("sys", *sysctl_parts(name))
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(f"{value}\n")
    return LinuxKernel(FakeCommands(), proc=str(tmp_path))


@pytest.mark.parametrize("pattern", ["net.ipv4.conf.*.rp_filter", "net/ipv4/conf/*/rp_filter"])
def test_a_pattern_of_parameters_stands_for_names_with_dots(kernel: Kernel, pattern: str) -> None:
    assert kernel.sysctl_names(pattern) == (
        "net.ipv4.conf.all.rp_filter",
        "net.ipv4.conf.eth0/100.rp_filter",
    )


def test_both_spellings_of_a_parameter_are_one(kernel: Kernel) -> None:
    kernel.set_sysctl("net/ipv4/conf/eth0.100/rp_filter", "2")

    assert kernel.sysctl("net.ipv4.conf.eth0/100.rp_filter") == "2"
    assert kernel.sysctl("net.ipv4.nothing") is None
    with pytest.raises(HostError) as caught:
        kernel.set_sysctl("net.ipv4.nothing", "1")
    assert caught.value.code == "MA3304"


def test_a_link_is_made_read_and_replaced(ground: Ground) -> None:
    ground.files.link("/etc/deep/link", "../old")
    ground.files.link("/etc/deep/link", "/run/new")

    assert ground.files.readlink("/etc/deep/link") == "/run/new"
    assert ground.files.list("/etc/deep") == ("link",)
    assert ground.files.readlink("/etc/deep") is None
    assert ground.files.readlink("/nothing/there") is None


def test_a_changed_file_shows_another_instant_of_change(ground: Ground) -> None:
    put(ground, "/f", b"1")
    before = ground.files.stat("/f")
    time.sleep(0.02)
    put(ground, "/f", b"2")
    after = ground.files.stat("/f")

    assert before is not None
    assert after is not None
    assert after.changed > before.changed


class _Ran:
    """Commands that answer what systemctl would of units that are known."""

    def __init__(self) -> None:
        self.enabled: set[str] = set()
        self.active: set[str] = set()

    def effect(self, call: Call) -> CommandResult:
        words = [word for word in call.argv[1:] if not word.startswith("-")]
        verb, unit = words[0], words[1] if len(words) > 1 else ""
        if verb == "enable":
            self.enabled.add(unit)
        elif verb == "disable":
            self.enabled.discard(unit)
        elif verb == "restart":
            self.active.add(unit)
        elif verb == "stop":
            self.active.discard(unit)
        asked = {"is-enabled": self.enabled, "is-active": self.active}.get(verb)
        return CommandResult(exit_code=0 if asked is None or unit in asked else 3, output="")


@pytest.fixture(params=["fake", "linux"])
def services(request: pytest.FixtureRequest) -> Services:
    if request.param == "fake":
        return FakeServices()
    commands = FakeCommands()
    commands.on("systemctl", effect=_Ran().effect)
    return SystemdServices(commands, FakeQueries(commands))


def test_a_unit_is_as_it_was_told_to_be(services: Services) -> None:
    assert not services.enabled("x.service")
    services.enable("x.service")
    services.restart("x.service")
    assert services.enabled("x.service")
    assert services.active("x.service")
    services.stop("x.service")
    services.disable("x.service")
    assert not services.active("x.service")
    assert not services.enabled("x.service")
    services.reload()


@pytest.fixture(params=["fake", "linux"])
def fetch(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Fetch, str]:
    (tmp_path / "body").write_bytes(b"x" * 200_000)
    if request.param == "linux":
        return Downloads(lambda _: None), f"file://{tmp_path}/"
    fake = FakeFetch()
    fake.bodies["mem://body"] = b"x" * 200_000
    return fake, "mem://"


def test_a_download_gives_its_body_and_an_absent_one_an_error(fetch: tuple[Fetch, str]) -> None:
    port, base = fetch

    assert b"".join(port.fetch(f"{base}body")) == b"x" * 200_000
    with pytest.raises(HostError) as caught:
        b"".join(port.fetch(f"{base}nothing"))
    assert caught.value.code.startswith("MA31")


@pytest.fixture(params=["fake", "linux"])
def network(request: pytest.FixtureRequest, tmp_path: Path) -> Network:
    """One interface eth0 with three addresses, lo beside it."""
    if request.param == "fake":
        fake = FakeNetwork()
        fake.addresses[("lo", 4)] = "127.0.0.1"
        fake.addresses[("eth0", 6)] = "2001:db8::10"
        fake.macs["eth0"] = "52:54:00:ab:cd:ef"
        return fake
    for name, mac in (("eth0", "52:54:00:AB:CD:EF"), ("lo", "00:00:00:00:00:00")):
        (tmp_path / "sys/class/net" / name).mkdir(parents=True)
        (tmp_path / "sys/class/net" / name / "address").write_text(f"{mac}\n")
    (tmp_path / "proc/net").mkdir(parents=True)
    (tmp_path / "proc/net/if_inet6").write_text(
        "fe800000000000000000000000000001 02 40 20 80     eth0\n"
        "20010db8000000000000000000000010 02 40 00 80     eth0\n"
        "20010db8000000000000000000000011 02 40 00 80     eth0\n"
    )
    return LinuxNetwork(str(tmp_path / "sys"), str(tmp_path / "proc"))


def test_an_interface_has_its_addresses(network: Network) -> None:
    assert network.interfaces() == ("eth0", "lo")
    assert network.hardware("eth0") == "52:54:00:ab:cd:ef"
    assert network.hardware("lo") is None
    assert network.address("eth0", 6) == "2001:db8::10"
    assert network.address("lo", 6) is None
    assert network.address("lo", 4) == "127.0.0.1"


def test_a_name_resolves_or_not_and_of_others_nothing_is_known(network: Network) -> None:
    asked = ("localhost", "no.such.host.invalid")

    answers, clocks = network.resolve(asked, 20.0)

    assert answers["localhost"] is True
    assert answers.get("no.such.host.invalid") is not True
    assert clocks == {}
    assert network.resolve((), 0.0) == ({}, {})
    assert network.resolve(("another.invalid",), 0.0)[0].keys() <= {"another.invalid"}


def test_an_interface_that_is_not_there_has_none(network: Network) -> None:
    assert network.address("eth7", 4) is None
    assert network.address("eth7", 6) is None
    assert network.address("a" * 40, 4) is None
    assert network.hardware("eth7") is None
    assert network.hardware("../../../etc") is None


@pytest.fixture(params=["fake", "linux"])
def metadata(request: pytest.FixtureRequest) -> Iterator[tuple[Metadata, str]]:
    """A service with one answer, and where it is."""
    with MetadataService("GCE") as service:
        if request.param == "linux":
            yield LinuxMetadata(), service.url
            return
        fake = FakeMetadata()
        path = "/computeMetadata/v1/instance/name"
        fake.answers[("GET", service.url + path)] = MetadataAnswer(
            status=200, body=b"worker", headers={"metadata-flavor": "Google"}
        )
        fake.on(f"{service.url}/nothing", status=404)
        yield fake, service.url


def test_a_metadata_service_is_asked(metadata: tuple[Metadata, str]) -> None:
    port, url = metadata

    found = port.ask(
        f"{url}/computeMetadata/v1/instance/name", headers={"Metadata-Flavor": "Google"}, timeout=5
    )

    assert (found.status, found.body) == (200, b"worker")
    assert found.headers["metadata-flavor"] == "Google"


def test_a_service_that_is_not_there_is_a_coded_error(metadata: tuple[Metadata, str]) -> None:
    port, _ = metadata

    with pytest.raises(HostError) as caught:
        port.ask("http://127.0.0.1:9/", timeout=0.5)

    assert caught.value.code == "MA3521"
    assert "http://127.0.0.1:9/" in caught.value.message


def test_no_time_left_is_no_answer(metadata: tuple[Metadata, str]) -> None:
    port, _ = metadata

    with pytest.raises(HostError):
        port.ask("http://192.0.2.1/", timeout=0.01)


@pytest.mark.parametrize("disks", [FakeDisks(), LinuxDisks()], ids=["fake", "linux"])
def test_a_file_system_has_room_also_for_what_is_not_there_yet(disks: Disks) -> None:
    found = disks.space("/")

    assert found is not None
    assert 0 <= found.free <= found.total
    assert found.total > 0
    assert disks.space("/no/such/directory") is not None
