"""Whose links root follows, and what it reads and writes where somebody else has prepared the place."""

import os
import shutil
import signal
import stat
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.agent.wiring import connect
from machineadm.errors import HostError, LockedError, MachineadmError
from machineadm.host.linux.accounts import LinuxAccounts
from machineadm.host.linux.descriptors import create_temporary
from machineadm.host.linux.state import LinuxState
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import FileWrite, Host
from machineadm.plan.model import Phase
from tests.applying import apply as do
from tests.fakes.host import FakeClock, FakeState
from tests.real import missing
from tests.writing import files_below, write

USER, OTHER = 4001, 4002
SECRET = b"root:$6$secret:19000:0:99999:7:::\n"


@pytest.fixture
def tree() -> Iterator[Path]:
    """A machine with a user who owns what lies in the home directory."""
    if os.geteuid() != 0:
        missing("this test must run as root")
    # Not in tmp_path: no user gets there.
    root = Path(tempfile.mkdtemp(prefix="machineadm-links-"))
    root.chmod(0o755)
    for directory in ("etc/cron.d", "root/.ssh", "home/user/own", "home/other/own", "tmp"):
        (root / directory).mkdir(parents=True)
    (root / "tmp").chmod(0o1777)
    (root / "root").chmod(0o700)
    user = f"user:x:{USER}:{USER}::/home/user:/bin/sh\n"
    (root / "etc/passwd").write_text(f"root:x:0:0::/root:/bin/sh\n{user}")
    (root / "etc/group").write_text(f"root:x:0:\nuser:x:{USER}:\n")
    put(root / "etc/shadow", SECRET, mode=0o600)
    for name, uid in (("user", USER), ("other", OTHER)):
        for home in (root / "home" / name, root / "home" / name / "own"):
            os.chown(home, uid, uid)
    yield root
    shutil.rmtree(root)


def link(path: Path, target: str, uid: int = USER) -> None:
    path.symlink_to(target)
    os.lchown(path, uid, uid)


def put(path: Path, content: bytes = b"x", *, uid: int = 0, mode: int = 0o644) -> None:
    path.write_bytes(content)
    os.chown(path, uid, uid)
    path.chmod(mode)


def code_of(work: Callable[[], object]) -> str:
    with pytest.raises(MachineadmError) as caught:
        work()
    return caught.value.code


def apply(root: Path, *files: PlannedFile) -> None:
    below = files_below(root)
    host = Host(
        files=below,
        accounts=LinuxAccounts(below, running=False),
        clock=FakeClock(),
        state=FakeState(),
        offline=True,
    )
    do(WriteFiles(name="files/write", phase=Phase.PREPARE, files=files), host)


def append(path: str, content: bytes = b"added\n", *, owner: str | None = None) -> PlannedFile:
    return PlannedFile(path=path, content=content, mode=None, owner=owner, append=True)


def everything(root: Path, *but: str) -> dict[str, tuple[object, ...]]:
    """Mode, owner and content of all that lies below a root, but below some places."""
    found: dict[str, tuple[object, ...]] = {}
    for path in sorted(root.rglob("*")):
        name = str(path.relative_to(root))
        if not name.startswith(but or ("\0",)):
            status = path.lstat()
            content = path.read_bytes() if stat.S_ISREG(status.st_mode) else b""
            found[name] = status.st_mode, status.st_uid, content
    return found


# Links on the way.


def test_a_users_link_into_a_shared_directory_leads_root_nowhere_else(tree: Path) -> None:
    link(tree / "tmp/app", "/etc/cron.d")
    link(tree / "home/user/.ssh", "/root/.ssh")
    link(tree / "tmp/chain", "/tmp/app")
    link(tree / "home/user/up", "../../root/.ssh")
    before = everything(tree)

    for path in (
        "/tmp/app/job",
        "/home/user/.ssh/authorized_keys",
        "/tmp/chain/x",
        "/home/user/up/x",
    ):
        assert code_of(lambda path=path: write(tree, path)) == "MA3013"  # type: ignore[misc]
        assert code_of(lambda path=path: apply(tree, append(path))) == "MA3013"  # type: ignore[misc]
    assert everything(tree) == before


def test_the_error_names_the_link_its_owner_and_where_it_leads(tree: Path) -> None:
    link(tree / "home/user/.ssh", "/root/\n.ssh")

    (tree / "root/\n.ssh").mkdir()
    with pytest.raises(HostError) as caught:
        write(tree, "/home/user/.ssh/x")
    assert "'.ssh' is a link of user 4001" in caught.value.message
    assert "'/root/\\n.ssh'" in caught.value.message
    assert "\n" not in caught.value.message


def test_links_of_root_are_followed_wherever_they_lie(tree: Path) -> None:
    link(tree / "var", "/etc", 0)
    link(tree / "home/user/conf", "/etc/cron.d", 0)
    link(tree / "tmp/conf", "../home/user/own", 0)
    for path in ("/var/a", "/home/user/conf/b", "/tmp/conf/c"):
        write(tree, path)

    assert (tree / "etc/a").exists()
    assert (tree / "etc/cron.d/b").exists()
    assert (tree / "home/user/own/c").exists()


def test_a_users_link_by_way_of_roots_link_still_has_to_end_in_the_users_directory(
    tree: Path,
) -> None:
    link(tree / "home/user/conf", "/etc/cron.d", 0)
    link(tree / "home/user/mine", "/home/user/own", 0)
    link(tree / "home/user/a", "conf")
    link(tree / "home/user/b", "mine")
    write(tree, "/home/user/b/file")

    assert (tree / "home/user/own/file").exists()
    assert code_of(lambda: write(tree, "/home/user/a/file")) == "MA3013"


def test_a_link_of_roots_that_a_user_gave_a_further_name_is_not_followed(tree: Path) -> None:
    link(tree / "etc/jobs", "/etc/cron.d", 0)
    os.link(tree / "etc/jobs", tree / "home/user/jobs", follow_symlinks=False)
    os.link(tree / "etc/jobs", tree / "tmp/jobs", follow_symlinks=False)

    for path in ("/home/user/jobs/x", "/tmp/jobs/x"):
        assert code_of(lambda path=path: write(tree, path)) == "MA3013"  # type: ignore[misc]
    write(tree, "/etc/jobs/x")  # where root alone may write, the further name is root's


def test_directories_of_others_refuse_nothing(tree: Path) -> None:
    (tree / "var/lib/etcd").mkdir(parents=True)
    os.chown(tree / "var/lib/etcd", OTHER, OTHER)
    write(tree, "/var/lib/etcd/a/b")
    put(tree / "home/user/.bashrc", b"a\n", uid=USER, mode=0o600)
    apply(tree, append("/home/user/.bashrc"))

    assert (tree / "var/lib/etcd/a/b").exists()
    assert (tree / "home/user/.bashrc").read_bytes() == b"a\nadded\n"


@pytest.mark.parametrize("made", [True, False])
def test_authorized_keys_of_a_user_are_appended_to(tree: Path, made: bool) -> None:
    keys = tree / "home/user/.ssh/authorized_keys"
    if made:
        keys.parent.mkdir()
        os.chown(keys.parent, USER, USER)
        put(keys, b"old\n", uid=USER, mode=0o600)
    file = PlannedFile(
        path="/home/user/.ssh/authorized_keys",
        content=b"new\n",
        mode=0o600,
        owner="user",
        append=True,
    )
    apply(tree, file)
    apply(tree, file)

    assert keys.read_bytes() == (b"old\nnew\n" if made else b"new\n")
    assert (keys.stat().st_uid, keys.stat().st_mode & 0o777) == (USER, 0o600)


def test_below_a_root_its_owner_counts_as_root(tree: Path) -> None:
    os.chown(tree, USER, USER)
    link(tree / "home/user/conf", "/etc/cron.d")
    link(tree / "home/other/conf", "/etc/cron.d", OTHER)
    put(tree / "etc/theirs", b"a\n", uid=USER)
    put(tree / "etc/others", b"a\n", uid=OTHER)
    write(tree, "/home/user/conf/x")
    apply(tree, append("/etc/theirs"))

    assert (tree / "etc/cron.d/x").exists()
    assert (tree / "etc/theirs").read_bytes() == b"a\nadded\n"
    assert code_of(lambda: write(tree, "/home/other/conf/x")) == "MA3013"
    assert code_of(lambda: apply(tree, append("/etc/others"))) == "MA3015"


def test_an_ordinary_user_works_through_links_in_a_tree_of_his_own(tmp_path: Path) -> None:
    """As root the same tree is root's: it has to come out alike."""
    for directory in ("usr/lib", "run", "var"):
        (tmp_path / directory).mkdir(parents=True)
    (tmp_path / "lib").symlink_to("usr/lib")
    (tmp_path / "var/run").symlink_to("/run")
    apply(
        tmp_path,
        PlannedFile(path="/lib/a", content=b"a", owner=f"{os.geteuid()}:{os.getegid()}"),
        append("/var/run/b", owner=f"{os.geteuid()}:{os.getegid()}"),
    )
    state = LinuxState(Tree(str(tmp_path)), run_directory="/var/run/m", state_directory="/lib/m")
    state.lock()
    state.append("journal.jsonl", b"x")

    assert (tmp_path / "usr/lib/a").read_bytes() == b"a"
    assert (tmp_path / "run/b").read_bytes() == b"added\n"
    assert (tmp_path / "usr/lib/m/journal.jsonl").exists()


def test_an_ordinary_user_follows_no_link_of_a_third_one(tree: Path) -> None:
    os.chown(tree, USER, USER)
    link(tree / "mine", "/home/user/own")
    link(tree / "theirs", "/home/user/own", OTHER)
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
            files = files_below(tree)
            files.write([FileWrite(path="/mine/x", content=b"")])
            code = 0 if code_of(lambda: write(tree, "/theirs/y")) == "MA3013" else 3
        finally:
            os._exit(code)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert [path.name for path in (tree / "home/user/own").iterdir()] == ["x"]


def test_files_are_not_read_through_a_users_link(tree: Path) -> None:
    """The passwd file below --root, os-release, patches of kubeadm: what somebody else names is not what was asked for."""
    (tree / "etc/patches").mkdir()
    os.chown(tree / "etc/patches", USER, USER)
    link(tree / "etc/patches/kubelet.yaml", "/etc/shadow")
    link(tree / "etc/patches/etcd.yaml", "../../home/user/own/file")
    link(tree / "etc/patches/roots.yaml", "/etc/shadow", 0)
    put(tree / "home/user/own/file")
    files = files_below(tree)

    for name in ("kubelet", "etcd"):
        assert code_of(lambda name=name: files.read(f"/etc/patches/{name}.yaml")) == "MA3013"  # type: ignore[misc]
    assert files.read("/etc/patches/roots.yaml") == SECRET


def test_a_file_url_is_not_read_through_a_users_link(tree: Path) -> None:
    link(tree / "home/user/app.conf", "../../etc/shadow")
    link(tree / "home/user/dir", "../../etc")
    link(tree / "etc/link", "shadow", 0)
    with connect(root=str(tree), run_directory="/run/m", state_directory="/var/lib/m") as machine:
        fetch = machine.host.fetch
        assert fetch is not None
        for path in ("home/user/app.conf", "home/user/dir/shadow"):
            with pytest.raises(HostError, match="link of user 4001") as caught:
                list(fetch.fetch(f"file://{tree}/{path}"))
            assert caught.value.code == "MA3111"
        assert b"".join(fetch.fetch(f"file://{tree}/etc/link")) == SECRET


# The final name.


@pytest.mark.parametrize("owner", [USER, OTHER, 0])
@pytest.mark.parametrize("target", ["/etc/shadow", "own/rc", "nowhere"])
def test_append_does_not_read_through_a_link_whoever_made_it(
    tree: Path, owner: int, target: str
) -> None:
    put(tree / "home/user/own/rc", uid=USER)
    link(tree / "home/user/.bashrc", target, owner)
    before = everything(tree)

    assert code_of(lambda: apply(tree, append("/home/user/.bashrc"))) == "MA3004"
    assert everything(tree) == before


def make_socket(path: Path) -> None:
    os.mknod(path, 0o600 | stat.S_IFSOCK)


def make_huge(path: Path, size: int) -> None:
    put(path, uid=USER)
    os.truncate(path, size)


@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: os.mkfifo(path), "MA3004"),
        (make_socket, "MA3004"),
        (lambda path: path.mkdir(), "MA3004"),
        (lambda path: os.mknod(path, 0o600 | stat.S_IFCHR, os.makedev(1, 5)), "MA3004"),
        (lambda path: os.link(path.parents[2] / "etc/shadow", path), "MA3015"),
        (lambda path: put(path, uid=OTHER), "MA3015"),
        (lambda path: make_huge(path, 1 << 40), "MA3014"),
        (lambda path: make_huge(path, (64 << 20) + 1), "MA3014"),
    ],
    ids=["pipe", "socket", "directory", "zeroes", "hard link", "stranger's", "1 TiB", "64 MiB + 1"],
)
def test_append_refuses_what_is_not_the_directorys_own_plain_file(
    tree: Path, make: Callable[[Path], object], code: str
) -> None:
    path = tree / "home/user/.profile"
    make(path)
    before = path.lstat()

    assert code_of(lambda: apply(tree, append("/home/user/.profile"))) == code
    assert path.lstat() == before


def test_a_users_file_in_a_shared_directory_is_not_appended_to(tree: Path) -> None:
    put(tree / "tmp/log", b"a\n", uid=USER)
    put(tree / "tmp/roots", b"a\n")
    apply(tree, append("/tmp/roots"))

    assert code_of(lambda: apply(tree, append("/tmp/log"))) == "MA3015"
    assert (tree / "tmp/roots").read_bytes() == b"a\nadded\n"


@pytest.mark.parametrize(
    "make",
    [
        lambda path: link(path, "/etc/shadow"),
        lambda path: link(path, "/etc/shadow", 0),
        lambda path: link(path, "nowhere"),
        lambda path: os.link(path.parents[2] / "etc/shadow", path),
        lambda path: make_huge(path, 1 << 40),
    ],
    ids=["link", "root's link", "dangling", "hard link", "1 TiB"],
)
def test_what_is_replaced_is_neither_read_nor_written_to(
    tree: Path, make: Callable[[Path], object]
) -> None:
    path = tree / "home/user/file"
    make(path)
    apply(tree, PlannedFile(path="/home/user/file", content=b"new"))

    assert (path.read_bytes(), path.lstat().st_uid, path.lstat().st_nlink) == (b"new", 0, 1)
    assert (tree / "etc/shadow").read_bytes() == SECRET
    assert (tree / "etc/shadow").stat().st_mode & 0o777 == 0o600


def test_content_that_is_what_a_link_leads_to_still_replaces_the_link(tree: Path) -> None:
    link(tree / "home/user/file", "/etc/shadow")
    apply(tree, PlannedFile(path="/home/user/file", content=SECRET, mode=0o600))

    assert not (tree / "home/user/file").is_symlink()


# Temporary names.


def test_names_like_our_temporary_ones_stop_nothing(tree: Path) -> None:
    for number in range(20):
        (tree / f"tmp/.machineadm-{number}.tmp/x").mkdir(parents=True)
    os.mkfifo(tree / "tmp/.machineadm-fifo.tmp")
    put(tree / "tmp/.machineadm-left.tmp")
    write(tree, "/tmp/a")

    names = {path.name for path in (tree / "tmp").iterdir()}
    assert {"a", ".machineadm-0.tmp", ".machineadm-19.tmp"} <= names
    assert ".machineadm-left.tmp" not in names


def test_a_temporary_name_cannot_be_foreseen_from_another(tmp_path: Path) -> None:
    directory = os.open(tmp_path, os.O_RDONLY)
    made = [create_temporary(directory) for _ in range(50)]
    for fd, _ in made:
        os.close(fd)
    os.close(directory)

    parts = [name.removeprefix(".machineadm-").removesuffix(".tmp") for _, name in made]
    assert len({part[:8] for part in parts}) == len({part[-8:] for part in parts}) == 50
    assert {path.stat().st_mode & 0o777 for path in tmp_path.iterdir()} == {0o600}


# The agent's own directories.


def state_of(root: Path, run: str = "/run/m", state: str = "/var/lib/m") -> LinuxState:
    return LinuxState(Tree(str(root)), run_directory=run, state_directory=state)


STATE_WORK: tuple[Callable[[LinuxState], object], ...] = (
    lambda state: state.read("journal.jsonl", durable=True),
    lambda state: state.append("journal.jsonl", b"x"),
)


@pytest.mark.parametrize("work", STATE_WORK)
@pytest.mark.parametrize(
    ("make", "code"),
    [
        (lambda path: os.mkfifo(path), "MA3004"),
        (make_socket, "MA3004"),
        (lambda path: path.mkdir(), "MA3004"),
        (lambda path: path.symlink_to("/etc/passwd"), "MA3004"),
    ],
    ids=["pipe", "socket", "directory", "link"],
)
def test_a_state_file_that_is_no_plain_file_is_refused_at_once(
    tmp_path: Path,
    work: Callable[[LinuxState], object],
    make: Callable[[Path], object],
    code: str,
) -> None:
    (tmp_path / "var/lib/m").mkdir(parents=True)
    make(tmp_path / "var/lib/m/journal.jsonl")

    assert code_of(lambda: work(state_of(tmp_path))) == code


def test_a_pipe_in_the_place_of_a_lock_is_refused_at_once(tmp_path: Path) -> None:
    (tmp_path / "run/m").mkdir(parents=True)
    os.mkfifo(tmp_path / "run/m/lock")

    assert code_of(state_of(tmp_path).lock) == "MA3004"
    assert not state_of(tmp_path).locked_by_other()


@pytest.mark.parametrize(
    "make",
    [
        os.mkfifo,
        make_socket,
        lambda path: path.mkdir(),
        lambda path: path.symlink_to("/etc/passwd"),
    ],
    ids=["pipe", "socket", "directory", "link"],
)
def test_what_is_in_the_place_of_the_states_lock_is_named(
    tmp_path: Path, make: Callable[[Path], object]
) -> None:
    (tmp_path / "var/lib/m").mkdir(parents=True)
    make(tmp_path / "var/lib/m/lock")
    state = state_of(tmp_path)

    state.lock()
    with pytest.raises(HostError) as caught:
        state.append("journal.jsonl", b"x")

    assert "/var/lib/m/lock" in caught.value.message


def test_a_huge_state_file_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "var/lib/m").mkdir(parents=True)
    (tmp_path / "var/lib/m/journal.jsonl").touch()
    os.truncate(tmp_path / "var/lib/m/journal.jsonl", 1 << 40)

    assert code_of(lambda: state_of(tmp_path).read("journal.jsonl", durable=True)) == "MA3014"


def test_directories_in_the_way_of_a_state_files_temporary_name_stop_nothing(
    tmp_path: Path,
) -> None:
    for name in (".status.json.tmp", ".machineadm-x.tmp"):
        (tmp_path / "var/lib/m" / name / "x").mkdir(parents=True)
    state = state_of(tmp_path)
    state.write("status.json", b"1", durable=True)

    assert state.read("status.json", durable=True) == b"1"


def test_what_a_killed_run_left_beside_its_state_goes_with_the_next(tmp_path: Path) -> None:
    left = tmp_path / "var/lib/m/resume/.machineadm-1234.tmp"
    left.parent.mkdir(parents=True)
    left.touch()
    state_of(tmp_path).write("resume/a", b"", durable=True)
    assert left.exists()  # without the lock it may be another run's, at work
    state = state_of(tmp_path)
    state.lock()
    state.write("resume/a", b"", durable=True)

    assert not left.exists()


@pytest.mark.parametrize("which", ["run/m", "var/lib/m"])
@pytest.mark.parametrize("mode", [0o777, 0o770, 0o1777, 0o702])
def test_a_directory_that_others_may_write_to_is_not_used_for_state(
    tmp_path: Path, which: str, mode: int
) -> None:
    (tmp_path / which).mkdir(parents=True)
    (tmp_path / which / "status.json").write_text("forged")
    (tmp_path / which).chmod(mode)
    state, durable = state_of(tmp_path), which != "run/m"

    assert code_of(lambda: state.read("status.json", durable=durable)) == "MA6011"
    assert code_of(lambda: state.write("status.json", b"", durable=durable)) == "MA6011"
    assert code_of(lambda: state.remove("status.json", durable=durable)) == "MA6011"
    assert (tmp_path / which / "status.json").read_text() == "forged"


@pytest.mark.parametrize("which", ["run/m", "var/lib/m"])
def test_a_directory_of_somebody_else_is_not_used_for_state(tree: Path, which: str) -> None:
    (tree / which).mkdir(parents=True, mode=0o700)
    os.chown(tree / which, USER, USER)
    state, durable = state_of(tree), which != "run/m"

    assert code_of(lambda: state.write("status.json", b"", durable=durable)) == "MA6011"
    os.chown(tree, USER, USER)  # then it is the owner's of the root
    state_of(tree).write("status.json", b"", durable=durable)


def test_an_unusable_state_directory_is_told_when_there_is_somebody_to_report_it(
    tmp_path: Path,
) -> None:
    (tmp_path / "var/lib/m").mkdir(parents=True)
    (tmp_path / "var/lib/m").chmod(0o777)
    state = state_of(tmp_path)
    state.lock()
    state.write("status.json", b"", durable=False)

    assert code_of(lambda: state.append("journal.jsonl", b"")) == "MA6011"


@pytest.mark.parametrize("mode", [0o755, 0o750, 0o711, 0o500])
def test_a_run_closes_its_directories_to_others(tmp_path: Path, mode: int) -> None:
    for which in ("run/m", "var/lib/m"):
        (tmp_path / which).mkdir(parents=True)
        (tmp_path / which).chmod(mode)
    state_of(tmp_path).lock()

    assert (tmp_path / "run/m").stat().st_mode & 0o777 == 0o700
    assert (tmp_path / "var/lib/m").stat().st_mode & 0o777 == 0o700


def test_two_run_directories_do_not_share_one_state_directory(tmp_path: Path) -> None:
    (tmp_path / "var/lib/m").mkdir(parents=True)
    first, second = state_of(tmp_path, "/run/a"), state_of(tmp_path, "/run/b")
    first.lock()

    with pytest.raises(LockedError) as caught:
        second.lock()
    assert (caught.value.exit_code, second.lock_descriptors) == (8, ())
    assert "/var/lib/m/lock" in caught.value.message
    state_of(tmp_path, "/run/b", "/var/lib/other").lock()  # nor did it keep its own


def test_two_first_runs_do_not_share_the_state_directory_that_one_of_them_makes(
    tmp_path: Path,
) -> None:
    first, second = state_of(tmp_path, "/run/a"), state_of(tmp_path, "/run/b")
    first.lock()
    second.lock()
    assert not (tmp_path / "var").exists()
    first.append("journal.jsonl", b"1\n")

    with pytest.raises(LockedError):
        second.append("journal.jsonl", b"2\n")
    for fd in first.lock_descriptors:
        os.close(fd)
    with pytest.raises(LockedError):  # what it knows of the journal is old
        second.append("journal.jsonl", b"2\n")
    assert (tmp_path / "var/lib/m/journal.jsonl").read_bytes() == b"1\n"


def test_the_state_is_locked_as_long_as_a_child_lives(tmp_path: Path) -> None:
    (tmp_path / "var/lib/m").mkdir(parents=True)
    state = state_of(tmp_path, "/run/a")
    state.lock()
    assert len(state.lock_descriptors) == 2
    with subprocess.Popen(["sleep", "100"], pass_fds=state.lock_descriptors) as orphan:
        assert state_of(tmp_path, "/run/b").locked_by_other()
        orphan.kill()


@pytest.mark.parametrize("mode", [0o700, 0o600, 0o000])
def test_a_closed_run_directory_of_somebody_else_keeps_no_user_from_his_own_state(
    tree: Path, mode: int
) -> None:
    (tree / "run/m").mkdir(parents=True)
    (tree / "run/m/lock").touch()
    (tree / "run/m").chmod(mode)
    os.chown(tree / "home/user/own", USER, USER)

    def use() -> int:
        mine = state_of(tree, "/run/m", "/home/user/own/m")
        mine.write("plugins/x.json", b"{}", durable=True)
        free = not mine.locked_by_other()
        os.chmod(tree / "home/user/own/m", 0)  # noqa: PTH101 - as the user
        return 0 if free and code_of(mine.locked_by_other).startswith("MA30") else 3

    assert as_user(use) == 0


def as_user(work: Callable[[], int]) -> int:
    """What work returns that an ordinary user does, in a process of its own."""
    child = os.fork()
    if child == 0:
        code = 1
        try:
            os.setgroups([])
            os.setgid(USER)
            os.setuid(USER)
            code = work()
        finally:
            os._exit(code)
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


# Races: a user who exchanges what root is about to use.

SWAPPER = """
import ctypes, os, sys
uid, pairs = int(sys.argv[1]), [os.fsencode(name) for name in sys.argv[2:]]
os.setgroups([]); os.setgid(uid); os.setuid(uid)
exchange = ctypes.CDLL(None).renameat2
print("ready", flush=True)
while True:
    for here, there in zip(pairs[::2], pairs[1::2]):
        exchange(-100, here, -100, there, 2)
"""


@contextmanager
def swapping(*pairs: tuple[Path, Path]) -> Iterator[subprocess.Popen[bytes]]:
    """A user's process that exchanges the names of each pair, again and again."""
    names = [str(path) for pair in pairs for path in pair]
    with subprocess.Popen(
        [sys.executable, "-c", SWAPPER, str(USER), *names], stdout=subprocess.PIPE
    ) as process:
        assert process.stdout is not None
        process.stdout.readline()
        try:
            yield process
        finally:
            assert process.poll() is None, "the user gave up"
            process.send_signal(signal.SIGKILL)


@pytest.fixture
def race(tree: Path) -> Path:
    """What root uses in the user's home has a twin there that leads to something of root's."""
    home = tree / "home/user"
    (home / "d").mkdir()
    os.chown(home / "d", USER, USER)
    put(home / "d/rc", b"mine\n", uid=USER)
    put(home / "rc", b"mine\n", uid=USER)
    put(tree / "root/.ssh/rc", SECRET, mode=0o600)
    link(home / "to-root", "../../root/.ssh")
    link(home / "to-shadow", "../../etc/shadow")
    return tree


@contextmanager
def halted(process: subprocess.Popen[bytes]) -> Iterator[None]:
    """While somebody looks, nobody moves."""
    process.send_signal(signal.SIGSTOP)
    os.waitid(os.P_PID, process.pid, os.WSTOPPED)
    try:
        yield
    finally:
        process.send_signal(signal.SIGCONT)


SECONDS, MOST_SECONDS = 1.5, 20


def against_the_swapper(race: Path, work: Callable[[int], None]) -> Counter[str]:
    """How the work ended each time, by code; and how often a user could have seen the secret then.

    On a busy machine one of the two may not get his turn: then it goes on until the work was both done and refused.
    """
    home = race / "home"
    ends: Counter[str] = Counter()
    begin = time.monotonic()
    pairs = [
        (home / "user" / a, home / "user" / b) for a, b in (("d", "to-root"), ("rc", "to-shadow"))
    ]
    with swapping(*pairs) as process:
        while (took := time.monotonic() - begin) < MOST_SECONDS:
            if took > SECONDS and (
                ends["seen"] or (ends["done"] and ends["MA3013"] + ends["MA3004"])
            ):
                break
            try:
                work(ends.total())
            except HostError as error:
                ends[error.code] += 1
            except OSError:
                ends["OSError"] += 1
            else:
                ends["done"] += 1
            with halted(process):
                plain = [
                    path for path in home.rglob("*") if not path.is_symlink() and path.is_file()
                ]
                ends["seen"] += sum(SECRET in path.read_bytes() for path in plain)
                if {home / "user/rc", home / "user/to-shadow"} <= {*plain}:
                    # It came under root's rename, and is gone: the user makes another.
                    (home / "user/to-shadow").unlink()
                    link(home / "user/to-shadow", "../../etc/shadow")
    return ends


@pytest.mark.parametrize(
    "work",
    [
        lambda race, line: apply(race, append("/home/user/rc", line)),
        lambda race, line: apply(race, append("/home/user/d/rc", line, owner="user")),
        lambda race, line: apply(race, PlannedFile(path="/home/user/d/new", content=line)),
        lambda race, line: files_below(race).make_directory(f"/home/user/d/{line.decode()}"),
        lambda race, line: files_below(race).remove("/home/user/d/rc"),
        lambda race, line: files_below(race).link(f"/home/user/d/link{line.decode()}", "x"),
    ],
    ids=["append", "append below", "write", "make", "remove", "link"],
)
def test_a_user_who_exchanges_directories_and_files_for_links_gains_nothing(
    race: Path, work: Callable[[Path, bytes], None]
) -> None:
    before = everything(race, "home")
    ends = against_the_swapper(race, lambda number: work(race, b"%d" % number))

    assert everything(race, "home") == before
    assert ends["seen"] == 0
    assert ends["done"], f"the user was faster every time: {ends}"
    assert ends["MA3013"] + ends["MA3004"], f"the user was never in time: {ends}"


def test_the_judge_sees_what_is_gained_from_one_who_works_by_path(race: Path) -> None:
    before = everything(race, "home")

    def work(number: int) -> None:
        content = (race / "home/user/rc").read_bytes()
        (race / "home/user/new").write_bytes(content)
        (race / "home/user/d" / f"{number}").write_bytes(b"x")

    assert against_the_swapper(race, work)["seen"]
    assert everything(race, "home") != before
