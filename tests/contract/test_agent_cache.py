"""What the packed agent keeps of itself: every attack on it and every fault, tried for real."""

import importlib.machinery
import io
import marshal
import os
import shutil
import subprocess
import sys
import time
import zipfile
from _imp import source_hash
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.agent_file import import_from, installed, run_agent, start
from tests.real import missing

TAG = sys.implementation.cache_tag
BOOT_ID = Path("/proc/sys/kernel/random/boot_id")
SUFFIX = importlib.machinery.EXTENSION_SUFFIXES[0].strip(".")
RAN = "planted code ran"
PLANTED = f"import os; os.write(2, b'{RAN}'); os._exit(99)\n"
CONFIGURATION = (Path(__file__).parents[2] / "examples/worker.yaml").read_text()


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    return tmp_path / "cache"


@pytest.fixture
def work(agent_file: Path, tmp_path: Path, cache: Path) -> Callable[[], None]:
    """Runs a command that needs the libraries, extension modules included, and does it well."""
    configuration = tmp_path / "node.yaml"
    configuration.write_text(CONFIGURATION)

    def run() -> None:
        outcome = run_agent(agent_file, "validate", "--path", str(configuration), cache=cache)
        assert (outcome.returncode, outcome.stderr) == (0, "")

    return run


@pytest.fixture
def base(work: Callable[[], None], cache: Path) -> Path:
    """The unpacked part that every command needs."""
    work()
    (part,) = cache.glob("agent/*-base")
    return part


def any_library(base: Path) -> Path:
    (library,) = base.glob("msgspec/_core.*.so")
    return library


def listing(directory: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(directory)): path.read_bytes()
        for path in sorted(directory.rglob("*"))
        if path.is_file()
    }


def beside(base: Path, suffix: str) -> Path:
    return base.with_name(base.name + suffix)


def seal(base: Path, boot: str = "on-disk") -> None:
    """Note that the part is as it must be: what only root can do without anybody noticing, or a clean start."""
    base.chmod(0o700)
    beside(base, ".seal").write_text(f"{base.stat().st_ctime_ns} {boot}")


def as_before(path: Path, content: bytes) -> None:
    """Write a content of the same length, and set the time of modification back."""
    before = path.stat()
    assert len(content) == before.st_size
    path.write_bytes(content)
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


# ----------------------------------------------------------------------------------- what is planted
@pytest.mark.parametrize(
    "name",
    [
        "evil.pth",
        "sitecustomize.py",
        "json.py",
        "typing_extensions.py",
        "machineadm/__init__.py",
        "msgspec/__init__.py",
        "msgspec/yaml.abi3.so",
        "msgspec/_core.py",
        "planted/__init__.py",
        "__pycache__/json.py",
        f"msgspec/__pycache__/__init__.{TAG}.pyc",
    ],
)
def test_a_file_that_was_never_unpacked_goes(
    base: Path, work: Callable[[], None], name: str
) -> None:
    planted = base / name
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f"import os; {PLANTED}")

    work()

    assert not planted.exists()


def replace_by_link(path: Path) -> None:
    elsewhere = path.parents[4] / "elsewhere"
    shutil.copy2(path, elsewhere)
    path.unlink()
    path.symlink_to(elsewhere)


def change_byte(path: Path) -> None:
    content = path.read_bytes()
    as_before(path, content[:-2] + bytes([content[-2] ^ 1]) + content[-1:])


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: os.truncate(path, path.stat().st_size - 1),
        lambda path: path.write_bytes(path.read_bytes() + b"\n"),
        lambda path: path.unlink(),
        lambda path: path.chmod(0o666),
        lambda path: path.chmod(0o4755),
        change_byte,
        replace_by_link,
    ],
    ids=[
        "emptied",
        "truncated",
        "grown",
        "deleted",
        "writable",
        "setuid",
        "same-size-and-time",
        "link",
    ],
)
def test_a_file_that_is_not_as_it_was_unpacked_is_unpacked_anew(
    base: Path, work: Callable[[], None], damage: Callable[[Path], object]
) -> None:
    path = any_library(base)
    before = listing(base)
    damage(path)

    work()

    assert listing(base) == before
    assert not path.is_symlink()
    assert path.stat().st_mode == 0o100644


def test_a_change_that_only_the_content_shows_is_found_by_verify_cache(
    agent_file: Path, base: Path, work: Callable[[], None], cache: Path
) -> None:
    before = listing(base)
    change_byte(any_library(base))
    seal(base)
    work()
    assert listing(base) != before

    found = run_agent(agent_file, "version", "--verify-cache", cache=cache)
    again = run_agent(agent_file, "version", "--verify-cache", cache=cache)

    assert found.returncode == 4
    assert "MA7108 differed from the archive and was unpacked again: base/msgspec/" in found.stdout
    assert any_library(base).name in found.stdout
    assert (again.returncode, again.stdout.splitlines()[-1]) == (0, "cache        intact: base")
    assert listing(base) == before


def test_verify_cache_does_not_run_what_it_verifies(
    agent_file: Path, base: Path, cache: Path
) -> None:
    path = any_library(base)
    as_before(path, b"\0" * path.stat().st_size)
    plant_code(base, PLANTED)
    seal(base)

    outcome = run_agent(agent_file, "version", "--verify-cache", cache=cache)

    assert outcome.returncode == 4
    assert RAN not in outcome.stderr
    assert not beside(base, ".code").exists()


def kept_names(base: Path) -> list[str]:
    """The modules whose code is kept."""
    kept = beside(base, ".code").read_bytes()
    return list(marshal.loads(kept[16 : 16 + int.from_bytes(kept[4:8], "little")]))  # noqa: S302 - of this very test


def plant_code(base: Path, source: str, *, sealed: bool = True, only: str = "") -> None:
    """Write a file of compiled modules, all of which are that source, or the one that is named."""
    path = beside(base, ".code")
    kept = path.read_bytes()
    room = int.from_bytes(kept[4:8], "little")
    planted = marshal.dumps(compile(source, "planted", "exec", dont_inherit=True))
    at = 16 + room
    code_seal = source_hash(at, planted) if sealed else bytes(8)
    names = marshal.loads(kept[16:at])  # noqa: S302 - of this very test
    lies = dict.fromkeys([only] if only else names, (at, len(planted), code_seal))
    index = marshal.dumps(lies)
    index = index.ljust(room, b"\0")
    path.write_bytes(kept[:8] + source_hash(0, index) + index + planted)


def test_the_planting_of_these_tests_would_be_seen(
    agent_file: Path, base: Path, cache: Path, tmp_path: Path
) -> None:
    plant_code(base, PLANTED)

    outcome = run_agent(agent_file, "validate", "--path", str(tmp_path / "node.yaml"), cache=cache)

    assert (outcome.returncode, outcome.stderr) == (99, RAN)


def test_compiled_modules_are_forgotten_by_verify_cache(
    agent_file: Path, base: Path, work: Callable[[], None], cache: Path
) -> None:
    plant_code(base, PLANTED)

    outcome = run_agent(agent_file, "version", "--verify-cache", cache=cache)

    assert outcome.returncode == 0
    assert not beside(base, ".code").exists()
    work()


def truncate_code(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def zero_code(path: Path) -> None:
    content = path.read_bytes()
    path.write_bytes(content[: len(content) // 3] + bytes(len(content) - len(content) // 3))


def link_code(path: Path) -> None:
    elsewhere = path.parents[1] / "elsewhere"
    path.rename(elsewhere)
    path.symlink_to(elsewhere)


@pytest.mark.parametrize(
    "damage",
    [
        lambda path: path.write_bytes(b""),
        lambda path: path.write_bytes(b"\0" * 50_000),
        lambda path: path.write_bytes(path.read_bytes()[:20]),
        lambda path: path.write_bytes(b"\x01\x02\x03\x04" + path.read_bytes()[4:]),
        truncate_code,
        zero_code,
    ],
    ids=["emptied", "zeros", "a-head", "another-interpreters", "half", "a-third"],
)
def test_compiled_modules_that_are_not_whole_are_compiled_anew(
    base: Path, work: Callable[[], None], damage: Callable[[Path], object]
) -> None:
    path = beside(base, ".code")
    before = path.stat().st_size
    damage(path)

    work()

    assert path.stat().st_size == before


@pytest.mark.parametrize(
    "damage",
    [lambda path: path.chmod(0o666), lambda path: path.chmod(0o620), link_code],
    ids=["writable", "writable-by-the-group", "link"],
)
def test_compiled_modules_that_somebody_else_may_have_written_are_not_used(
    base: Path, work: Callable[[], None], damage: Callable[[Path], object]
) -> None:
    path = beside(base, ".code")
    plant_code(base, PLANTED)
    damage(path)

    work()

    assert not path.is_symlink()
    assert path.stat().st_mode == 0o100600


def test_compiled_modules_whose_seal_is_wrong_are_not_run(
    base: Path, work: Callable[[], None]
) -> None:
    plant_code(base, PLANTED, sealed=False)

    work()


def test_the_finders_are_kept_compiled_and_what_judges_kept_code_is_not(base: Path) -> None:
    start_of_it = {path.name for path in (Path(__file__).parents[2] / "build").glob("*.py")}

    assert start_of_it & {*kept_names(base)} == {"parts.py"}


def test_kept_finders_are_the_ones_that_run(
    agent_file: Path, base: Path, cache: Path, tmp_path: Path
) -> None:
    plant_code(base, PLANTED, only="parts.py")

    outcome = run_agent(agent_file, "validate", "--path", str(tmp_path / "node.yaml"), cache=cache)
    version = run_agent(agent_file, "version", cache=cache)

    assert (outcome.returncode, outcome.stderr) == (99, RAN)
    assert (version.returncode, version.stderr) == (0, "")


def test_finders_whose_seal_is_wrong_are_compiled_and_kept_anew(
    base: Path, work: Callable[[], None]
) -> None:
    plant_code(base, PLANTED, sealed=False, only="parts.py")

    work()

    assert len(kept_names(base)) > 1
    anew = beside(base, ".code").stat()
    work()
    assert beside(base, ".code").stat().st_ino == anew.st_ino


def test_finders_that_alone_are_damaged_are_kept_anew(base: Path, work: Callable[[], None]) -> None:
    path = beside(base, ".code")
    whole = path.read_bytes()
    room = int.from_bytes(whole[4:8], "little")
    at, size, _ = marshal.loads(whole[16 : 16 + room])["parts.py"]  # noqa: S302 - of this very test
    path.write_bytes(whole[:at] + bytes(size) + whole[at + size :])

    work()
    repaired = path.stat()
    work()

    assert "parts.py" in kept_names(base)
    assert path.read_bytes().count(bytes(size)) == 0
    assert path.stat().st_ino == repaired.st_ino


def test_what_each_command_compiles_is_kept_beside_that_of_the_others(
    agent_file: Path, base: Path, work: Callable[[], None], cache: Path
) -> None:
    first = beside(base, ".code").stat()
    work()
    again = beside(base, ".code").stat()
    run_agent(agent_file, "explain", "MA7108", cache=cache)
    more = beside(base, ".code").stat()
    work()

    assert again.st_ino == first.st_ino
    assert more.st_size > first.st_size
    assert beside(base, ".code").stat().st_ino == more.st_ino


def test_nothing_is_compiled_twice_or_written_to_pycache(
    base: Path, work: Callable[[], None], cache: Path
) -> None:
    work()

    assert not list(cache.rglob("__pycache__"))
    assert {path.suffix for path in base.rglob("*") if path.is_file()} == {".so"}


def test_an_agent_that_is_replaced_while_it_runs_reads_on_in_itself(
    agent_file: Path, cache: Path, tmp_path: Path
) -> None:
    own = tmp_path / "agent.pyz"
    shutil.copy(agent_file, own)
    command = [sys.executable, "-IS", "agent.pyz", "validate", "--path", "-"]
    with subprocess.Popen(
        command,
        env={"MACHINEADM_CACHE": str(cache)},
        cwd=tmp_path,
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as running:
        wait_until(lambda: bool(list(cache.glob("agent/*-base"))))
        other = tmp_path / "other"
        other.write_bytes(b"something else")
        other.rename(own)
        _, errors = running.communicate(CONFIGURATION)

    assert (running.returncode, errors) == (0, "")


# -------------------------------------------------------------------------------------- after a boot
def test_a_part_of_another_boot_is_compared_by_content_once(
    base: Path, work: Callable[[], None]
) -> None:
    seal(base, "00000000-0000-0000-0000-000000000000")
    before = any_library(base).stat().st_ino

    work()
    settled = beside(base, ".seal").read_text()
    work()

    assert settled == f"{base.stat().st_ctime_ns} on-disk"
    assert any_library(base).stat().st_ino == before


def test_what_a_power_cut_made_of_a_part_is_never_loaded(
    base: Path, work: Callable[[], None]
) -> None:
    before = listing(base)
    path = any_library(base)
    as_before(path, b"\0" * path.stat().st_size)  # as lstat shows it, nothing has happened
    seal(base, "00000000-0000-0000-0000-000000000000")

    work()

    assert listing(base) == before


@pytest.mark.parametrize(
    "note",
    [
        "",
        "\0" * 56,
        "{ctime}",
        "{ctime} ",
        "0 on-disk",
        "0 {boot}",
        "{ctime} On-disk",
        "{ctime} {boot}x",
        "{ctime}\n{boot}",
    ],
)
def test_a_note_that_does_not_say_enough_counts_for_nothing(
    base: Path, work: Callable[[], None], note: str
) -> None:
    path = any_library(base)
    as_before(path, b"\0" * path.stat().st_size)
    base.chmod(0o700)
    boot = BOOT_ID.read_text().strip()
    beside(base, ".seal").write_text(note.format(ctime=base.stat().st_ctime_ns, boot=boot))

    work()

    assert path.read_bytes()[:4] == b"\x7fELF"
    # Compared in the boot in which it was written: the disk may still have something else.
    assert beside(base, ".seal").read_text() == f"{base.stat().st_ctime_ns} {boot}"


def test_a_note_that_others_may_write_counts_for_nothing(
    base: Path, work: Callable[[], None]
) -> None:
    path = any_library(base)
    as_before(path, b"\0" * path.stat().st_size)
    seal(base)
    beside(base, ".seal").chmod(0o666)

    work()

    assert path.read_bytes()[:4] == b"\x7fELF"


def test_unpacking_does_not_wait_for_the_disk(
    agent_file: Path, cache: Path, tmp_path: Path
) -> None:
    configuration = tmp_path / "node.yaml"
    configuration.write_text(CONFIGURATION)
    log = tmp_path / "log"
    strace = shutil.which("strace")
    if strace is None:
        missing("there is no strace: apt-get install it")

    command = [sys.executable, "-IS", str(agent_file), "validate", "--path", str(configuration)]
    subprocess.run(
        [strace, "-f", "-o", str(log), "-e", "trace=fsync,fdatasync,sync,syncfs,rename", *command],
        env={"MACHINEADM_CACHE": str(cache)},
        check=True,
    )

    calls = log.read_text()
    assert "-base" in calls
    assert "sync" not in calls


def test_a_library_that_cannot_be_loaded_is_repaired_and_told(
    agent_file: Path, base: Path, work: Callable[[], None], cache: Path, tmp_path: Path
) -> None:
    path = any_library(base)
    as_before(path, b"\0" * path.stat().st_size)
    seal(base)

    outcome = run_agent(agent_file, "validate", "--path", str(tmp_path / "node.yaml"), cache=cache)

    assert outcome.returncode == 5
    assert outcome.stderr.startswith("machineadm: MA7108 ")
    assert "rerun the same command" in outcome.stderr
    work()


def test_a_cache_out_of_an_image_is_used_as_it_is(
    base: Path, work: Callable[[], None], cache: Path
) -> None:
    moved = cache.with_name("moved")
    shutil.copytree(cache, moved, symlinks=True)
    shutil.rmtree(cache)
    moved.rename(cache)
    before = {path: path.stat().st_ino for path in base.rglob("*.so")}

    work()
    sealed = base.stat().st_ctime_ns
    work()

    assert before == {path: path.stat().st_ino for path in base.rglob("*.so")}
    assert base.stat().st_ctime_ns == sealed


# ------------------------------------------------------------------------------------------ the place
def as_root() -> None:
    if os.geteuid() != 0:
        missing("only root can give a file to somebody else, or mount")


def make_writable(cache: Path) -> None:
    (cache / "agent").mkdir(parents=True)
    (cache / "agent").chmod(0o777)


def make_group_writable(cache: Path) -> None:
    cache.mkdir()
    cache.chmod(0o775)


def make_foreign(cache: Path) -> None:
    as_root()
    (cache / "agent").mkdir(parents=True, mode=0o700)
    os.chown(cache / "agent", 54321, 54321)


def make_foreign_above(cache: Path) -> None:
    as_root()
    (cache / "agent").mkdir(parents=True, mode=0o700)
    os.chown(cache, 54321, 54321)


def make_link_to_foreign(cache: Path) -> None:
    make_foreign(cache)
    (cache / "agent").rename(cache / "elsewhere")
    (cache / "agent").symlink_to(cache / "elsewhere")


def make_file(cache: Path) -> None:
    cache.mkdir()
    (cache / "agent").write_text("")


@pytest.mark.parametrize(
    "make",
    [
        make_writable,
        make_group_writable,
        make_foreign,
        make_foreign_above,
        make_link_to_foreign,
        make_file,
    ],
)
def test_an_unsafe_place_is_never_used_and_the_agent_works_all_the_same(
    agent_file: Path, cache: Path, tmp_path: Path, make: Callable[[Path], None]
) -> None:
    configuration = tmp_path / "node.yaml"
    configuration.write_text(CONFIGURATION)
    make(cache)
    before = sorted(cache.rglob("*"))

    outcome = run_agent(agent_file, "validate", "--path", str(configuration), cache=cache)

    assert outcome.returncode == 0
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("machineadm: MA7104 ")
    assert str(cache) in line
    assert sorted(cache.rglob("*")) == before


def test_a_part_that_somebody_else_put_there_goes(base: Path, work: Callable[[], None]) -> None:
    as_root()
    for path in base.rglob("*.so"):
        path.write_bytes(bytes(path.stat().st_size))
    for path in (base, *base.rglob("*")):
        os.chown(path, 54321, 54321)

    work()

    assert base.stat().st_uid == 0
    assert not [path for path in base.rglob("*") if path.stat().st_uid != 0]


@pytest.mark.parametrize("suffix", [".code", ".seal"])
def test_what_somebody_else_put_beside_a_part_is_not_used(
    base: Path, work: Callable[[], None], suffix: str
) -> None:
    as_root()
    plant_code(base, PLANTED)
    os.chown(beside(base, ".code"), 54321, 54321)
    os.chown(beside(base, suffix), 54321, 54321)

    work()

    assert beside(base, suffix).stat().st_uid == 0


def test_a_link_in_a_parts_place_is_not_followed(base: Path, work: Callable[[], None]) -> None:
    elsewhere = base.parent.parent / "elsewhere"
    base.rename(elsewhere)
    base.symlink_to(elsewhere)

    work()

    assert not base.is_symlink()


@pytest.mark.parametrize("mode", [0o777, 0o770])
def test_a_part_whose_directory_others_may_write_to_goes(
    base: Path, work: Callable[[], None], mode: int
) -> None:
    base.chmod(mode)

    work()

    assert base.stat().st_mode & 0o777 == 0o700


def test_a_part_is_repaired_though_an_earlier_repair_was_killed(
    base: Path, work: Callable[[], None]
) -> None:
    shutil.copytree(base, base.with_name(f".old-{base.name}"))
    any_library(base).write_bytes(b"")

    work()

    assert any_library(base).stat().st_size
    assert not list(base.parent.glob(".old-*"))


def test_what_it_unpacks_is_writable_by_its_user_alone(
    work: Callable[[], None], cache: Path
) -> None:
    before = os.umask(0)
    try:
        work()
    finally:
        os.umask(before)

    unpacked = list(cache.rglob("*"))
    assert unpacked
    assert not [path for path in [cache, *unpacked] if path.stat().st_mode & 0o022]


# --------------------------------------------------------------------------------- places of the users
@pytest.fixture
def public(agent_file: Path) -> Iterator[Path]:
    """A directory that any user may enter, with the agent in it."""
    directory = Path(f"/tmp/machineadm-public-{os.getpid()}")
    directory.mkdir(mode=0o755)
    directory.chmod(0o755)
    shutil.copy(agent_file, directory / "agent.pyz")
    (directory / "agent.pyz").chmod(0o755)
    (directory / "node.yaml").write_text(CONFIGURATION)
    (directory / "node.yaml").chmod(0o644)
    yield directory
    shutil.rmtree(directory)


def in_namespace(script: str, **variables: str) -> "subprocess.CompletedProcess[str]":
    """Run a shell script as root with mounts of its own."""
    as_root()
    return subprocess.run(
        ["unshare", "--mount", "--pid", "--fork", "--mount-proc", "sh", "-euc", script],
        env={"PATH": os.environ["PATH"], "PYTHON": sys.executable, **variables},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.mark.parametrize("home", [{}, {"HOME": ""}, {"HOME": "/tmp/evil"}, {"HOME": "relative"}])
def test_root_has_one_place_whatever_home_says(public: Path, home: dict[str, str]) -> None:
    outcome = in_namespace(
        f"""mount -t tmpfs -o mode=755 none /var/cache; cd {public}
        "$PYTHON" -IS agent.pyz validate --path node.yaml >/dev/null
        ls -d /var/cache/machineadm/agent/*-base; ls {public}""",
        **home,
    )

    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stderr == ""
    assert outcome.stdout.splitlines()[1:] == ["agent.pyz", "node.yaml"]


SYSTEM_PYTHON = "/usr/bin/python3"  # one that any user may run


def as_user(uid: int, script: str) -> "subprocess.CompletedProcess[str]":
    if (
        SYSTEM_PYTHON not in [os.path.realpath(p) for p in installed("3.10")]
        and not Path(SYSTEM_PYTHON).exists()
    ):
        missing(f"no {SYSTEM_PYTHON}")
    return in_namespace(
        f"setpriv --reuid={uid} --regid={uid} --clear-groups sh -euc '{script}'",
        PYTHON=SYSTEM_PYTHON,
    )


def test_a_user_without_an_entry_runs_from_memory(public: Path) -> None:
    outcome = as_user(
        54321, f'cd {public}; "$PYTHON" -IS agent.pyz validate --path node.yaml >/dev/null'
    )

    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_a_users_place_is_in_the_home_that_the_user_database_names(public: Path) -> None:
    as_root()
    home = public / "home"
    home.mkdir(mode=0o700)
    os.chown(home, 54321, 54321)
    passwd = public / "passwd"
    passwd.write_text(f"somebody:x:54321:54321::{home}:/bin/sh\n")

    outcome = in_namespace(
        f"""mount --bind {passwd} /etc/passwd; cd {public}
        HOME=/tmp/evil setpriv --reuid=54321 --regid=54321 --clear-groups \
          {SYSTEM_PYTHON} -IS agent.pyz validate --path node.yaml >/dev/null
        ls -d {home}/.cache/machineadm/agent/*-base"""
    )

    assert (outcome.returncode, outcome.stderr) == (0, "")


# --------------------------------------------------------------------------------------- file systems
@pytest.mark.parametrize(
    "mount",
    ["-o ro,mode=755", "-o noexec,mode=755", "-o size=100k,mode=755", "-o size=500k,mode=755"],
)
def test_it_works_where_nothing_can_be_kept(public: Path, mount: str) -> None:
    outcome = in_namespace(
        f"""mount -t tmpfs {mount} none /var/cache; cd {public}
        "$PYTHON" -IS agent.pyz validate --path node.yaml >/dev/null
        find /var/cache -name "*-base" """
    )

    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_it_works_where_there_is_no_room_for_what_is_compiled(public: Path) -> None:
    outcome = in_namespace(
        f"""mount -t tmpfs -o size=900k,mode=755 none /var/cache; cd {public}
        "$PYTHON" -IS agent.pyz validate --path node.yaml >/dev/null
        "$PYTHON" -IS agent.pyz validate --path node.yaml >/dev/null
        ls -A /var/cache/machineadm/agent"""
    )

    names = outcome.stdout.split()
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert [name for name in names if name.endswith("-base")]
    assert not [name for name in names if name.endswith(".code") or ".new-" in name]


def test_where_the_kernel_does_not_tell_the_boot_the_disk_is_waited_for(public: Path) -> None:
    outcome = in_namespace(
        f"""mount -t tmpfs -o mode=755 none /var/cache; cd {public}
        mount --bind /dev/null {BOOT_ID}
        "$PYTHON" -IS agent.pyz validate --path node.yaml >/dev/null
        cat /var/cache/machineadm/agent/*.seal"""
    )

    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.endswith(" on-disk")


def test_a_cache_that_was_made_before_serves_when_it_is_read_only(public: Path) -> None:
    outcome = in_namespace(
        f"""mount -t tmpfs -o mode=755 none /var/cache; cd {public}
        "$PYTHON" -IS agent.pyz validate --path node.yaml >/dev/null
        mount -o remount,ro /var/cache
        "$PYTHON" -IS agent.pyz validate --path node.yaml >/dev/null
        "$PYTHON" -IS agent.pyz version --verify-cache | tail -1"""
    )

    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("cache        ")


def test_memory_serves_where_programs_may_not_be_started_from_it(public: Path) -> None:
    if not Path("/proc/sys/vm/memfd_noexec").exists():
        missing("this kernel has no vm.memfd_noexec")
    outcome = in_namespace(
        f"""mount -t tmpfs -o noexec,mode=755 none /var/cache; cd {public}
        echo 2 > /proc/sys/vm/memfd_noexec
        "$PYTHON" -IS agent.pyz validate --path node.yaml >/dev/null"""
    )

    assert (outcome.returncode, outcome.stdout, outcome.stderr) == (0, "", "")


def test_where_nothing_can_be_loaded_it_says_so(public: Path) -> None:
    outcome = in_namespace(
        f"""mount -t tmpfs -o noexec,mode=755 none /var/cache; cd {public}
        mount -t tmpfs none /proc
        "$PYTHON" -IS agent.pyz validate --path node.yaml"""
    )

    assert outcome.returncode == 5
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("machineadm: MA7106 ")
    assert "MACHINEADM_CACHE" in line


def test_from_memory_everything_can_be_imported(agent_file: Path, cache: Path) -> None:
    make_file(cache)

    outcome = import_from(
        agent_file,
        *(
            "msgspec",
            "yaml._yaml",
            "cryptography.x509",
            "grpclib.client",
            "google.protobuf.message",
        ),
        cache=cache,
    )

    assert outcome.returncode == 0, outcome.stderr
    assert outcome.stdout.count("/proc/self/fd/") >= 1
    assert list(cache.parent.glob("cache/**/*-base")) == []


# -------------------------------------------------------------------------------- kills, and many at once
KILLS = {"mkdir": 4, "openat": 90, "utimensat": 2, "rename": 3, "write": 8, "unlink": 2}


@pytest.mark.parametrize("call", KILLS)
def test_a_kill_at_any_call_leaves_nothing_that_a_later_run_would_trust(
    agent_file: Path, work: Callable[[], None], cache: Path, tmp_path: Path, call: str
) -> None:
    strace = shutil.which("strace")
    if strace is None:
        missing("there is no strace: apt-get install it")
    command = [sys.executable, "-IS", str(agent_file), "validate"]
    command += ["--path", str(tmp_path / "node.yaml")]
    left = set()
    for number in range(1, KILLS[call] + 1, max(1, KILLS[call] // 10)):
        inject = f"inject={call}:signal=SIGKILL:when={number}"
        killed = subprocess.run(
            [strace, "-qq", "-o", "/dev/null", "-e", inject, *command],
            env={"MACHINEADM_CACHE": str(cache)},
            check=False,
        )
        left |= {path.name.partition("-")[0] for path in cache.glob("agent/*")}
        checked = run_agent(agent_file, "version", "--verify-cache", cache=cache)
        assert checked.returncode == 0, checked.stdout
        work()
        assert {path.name.rpartition("-")[2] for path in (cache / "agent").iterdir()} == {
            ".lock", "base", "base.code", "base.seal",
        }  # fmt: skip
        shutil.rmtree(cache)
        if killed.returncode == 0:
            break  # there is no such call any more

    assert call not in ("utimensat", "rename") or ".new" in left


def test_first_runs_at_the_same_time_all_succeed(
    agent_file: Path, cache: Path, tmp_path: Path
) -> None:
    configuration = tmp_path / "node.yaml"
    configuration.write_text(CONFIGURATION)
    command = [sys.executable, "-IS", str(agent_file), "validate", "--path", str(configuration)]
    environment = {"MACHINEADM_CACHE": str(cache)}

    runs = [subprocess.Popen(command, env=environment) for _ in range(4)]

    assert [run.wait() for run in runs] == [0, 0, 0, 0]
    assert len(list(cache.glob("agent/*-base"))) == 1
    # And the lock, the note and what was compiled.
    assert len(list((cache / "agent").iterdir())) == 4


def test_what_killed_runs_left_goes_with_the_next_unpacking(
    work: Callable[[], None], cache: Path
) -> None:
    for name in (".new-0123456789abcdef-cpython-311-base", ".old-x"):
        (cache / "agent" / name / "machineadm").mkdir(parents=True)
    cache.chmod(0o700)
    (cache / "agent").chmod(0o700)

    work()

    assert not list(cache.glob("agent/.new-*"))
    assert not list(cache.glob("agent/.old-*"))


# ------------------------------------------------------------------------------- other builds and parts
def other_build(agent: Path, path: Path) -> Path:
    """The same agent as if its content were another."""
    with zipfile.ZipFile(agent) as source, path.open("wb") as file:
        file.write(b"#!/usr/bin/python3 -IS\n")
        with zipfile.ZipFile(file, "w") as target:
            for entry in source.infolist():
                content = source.read(entry)
                if entry.filename == "cache.py":
                    before = content.index(b'\nCONTENT = "') + len(b'\nCONTENT = "')
                    content = content[:before] + b"0123456789abcdef" + content[before + 16 :]
                target.writestr(entry, content)
    return path


def test_another_build_takes_the_place_of_the_one_before_and_back(
    agent_file: Path, base: Path, work: Callable[[], None], cache: Path, tmp_path: Path
) -> None:
    other = other_build(agent_file, tmp_path / "other.pyz")

    upgraded = run_agent(other, "plan", "--help", cache=cache)
    after_upgrade = [path.name for path in cache.glob("agent/*-base")]
    work()
    after_return = [path.name for path in cache.glob("agent/*-base")]
    left = [path.name for path in cache.glob("agent/0123456789abcdef*")]

    assert upgraded.returncode == 0
    assert after_upgrade == [f"0123456789abcdef-{TAG}-base"]
    assert after_return == [base.name]
    assert left == []


def test_a_build_that_runs_is_not_removed(
    agent_file: Path, base: Path, cache: Path, tmp_path: Path
) -> None:
    other = other_build(agent_file, tmp_path / "other.pyz")
    command = [sys.executable, "-IS", str(agent_file), "validate", "--path", "-"]
    with subprocess.Popen(
        command, env={"MACHINEADM_CACHE": str(cache)}, stdin=subprocess.PIPE, text=True
    ) as running:
        assert running.stdin
        wait_until(lambda: f"{base}" in opened_by(running.pid))

        run_agent(other, "plan", "--help", cache=cache)

        assert base.is_dir()
        running.communicate(CONFIGURATION)
    assert running.returncode == 0


def opened_by(pid: int) -> list[str]:
    directory = Path(f"/proc/{pid}/fd")
    return [str(entry.readlink()) for entry in directory.iterdir() if entry.is_symlink()]


def wait_until(condition: Callable[[], bool]) -> None:
    for _ in range(500):
        if condition():
            return
        time.sleep(0.01)
    raise AssertionError("it never came to that")


def test_another_interpreters_part_stays(base: Path, cache: Path, work: Callable[[], None]) -> None:
    other = base.with_name(base.name.replace(TAG, "cpython-399"))
    base.rename(other)
    beside(base, ".code").rename(beside(other, ".code"))

    work()

    assert other.is_dir()
    assert beside(other, ".code").is_file()
    assert base.is_dir()


def test_the_hosts_side_of_plugins_lies_beside_grpc_and_is_looked_at_with_it(
    agent_file: Path, cache: Path
) -> None:
    names = {part: set(members_of(agent_file, part)) for part in ("base", "rpc")}
    assert not [name for name in names["base"] if name.startswith("machineadm/plugins/")]
    assert "machineadm/plugins/asking.py" in names["rpc"]
    assert not [name for name in names["rpc"] if name.startswith("machineadm/plugins/sdk/")]

    outcome = import_from(agent_file, "machineadm.host.linux.providers", cache=cache)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert not list(cache.glob("agent/*-rpc"))
    outcome = import_from(agent_file, "machineadm.plugins.asking", cache=cache)
    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert len(list(cache.glob("agent/*-rpc"))) == 1


def members_of(agent_file: Path, part: str) -> list[str]:
    """The files of a part."""
    with zipfile.ZipFile(agent_file) as agent:
        return [
            line.split(" ", 2)[2] for line in agent.read(f"manifest/{part}").decode().splitlines()
        ]


def test_cryptography_is_unpacked_when_it_is_imported_first(
    agent_file: Path, base: Path, cache: Path
) -> None:
    before = [path.name for path in cache.glob("agent/*-crypto")]

    outcome = import_from(agent_file, "cryptography.hazmat.primitives.ciphers", cache=cache)

    assert before == []
    assert outcome.returncode == 0, outcome.stderr
    assert len(list(cache.glob("agent/*-crypto"))) == 1
    assert not list(cache.glob("agent/*-rpc"))


@pytest.mark.parametrize(("version", "there"), [("3.10", True), ("3.11", False), ("3.13", False)])
def test_typing_extensions_is_on_the_path_of_the_oldest_interpreter_alone(
    agent_file: Path, cache: Path, version: str, there: bool
) -> None:
    for python in installed(version):
        plain = import_from(agent_file, "msgspec", "typing_extensions", cache=cache, python=python)
        outcome = import_from(
            agent_file, "grpclib.client", "typing_extensions", cache=cache, python=python
        )

        assert "No module named 'typing_extensions'" in plain.stderr
        assert (outcome.returncode == 0) is there, outcome.stderr
        assert outcome.stdout.startswith("grpclib.client ")


# ------------------------------------------------------------------------------------ the file itself
@pytest.mark.parametrize("name", ["machineadm/cli/main.py", f"msgspec/_core.{SUFFIX}"])
def test_a_damaged_file_is_refused_and_nothing_of_it_is_run(
    agent_file: Path, cache: Path, tmp_path: Path, name: str
) -> None:
    damaged = tmp_path / "damaged.pyz"
    content = bytearray(agent_file.read_bytes())
    with zipfile.ZipFile(agent_file) as archive:
        part = archive.getinfo("parts/base.zip")
        with zipfile.ZipFile(io.BytesIO(archive.read(part))) as inner:
            library = inner.getinfo(name)
    start = part.header_offset + library.header_offset + library.compress_size // 2
    content[start : start + 100] = bytes(100)
    damaged.write_bytes(content)

    outcome = run_agent(damaged, "plan", "--help", cache=cache)

    assert outcome.returncode == 4
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("machineadm: MA7105 ")
    assert list((cache / "agent").iterdir()) == [cache / "agent/.lock"]


# Runs a plan in a session of its own, with one processor or two, and with something wrong with the second process.
PLAN_AHEAD = """
import builtins, fcntl, os, runpy, sys, termios, time
os.setsid()
fork, pipe2, wrong, compile_one = os.fork, os.pipe2, sys.argv[1], compile
forks, compiled, pipes = [], [], []
def counting(source, path, *arguments, **options):
    compiled.append(os.fsdecode(path).removeprefix(sys.argv[0] + "/"))
    return compile_one(source, path, *arguments, **options)
builtins.compile = counting
def remembered(flags):
    pipes.append(pipe2(flags))
    return pipes[-1]
os.pipe2 = remembered
def counted():
    if wrong == "refused":
        raise BlockingIOError(11, "no more processes")
    child = fork()
    if child:
        forks.append(child)
    if child and wrong == "killed":
        os.kill(child, 9)
    elif child:
        # On a busy machine the first process may have compiled all before the second gets any time.
        while int.from_bytes(fcntl.ioctl(pipes[-1][0], termios.FIONREAD, bytes(4)), sys.byteorder) < 1 << 15:
            time.sleep(0.001)
    return child
os.fork = counted
processors = os.sched_getaffinity(0)
os.sched_getaffinity = lambda process: set(sorted(processors)[:1]) if wrong == "one processor" else {0, 1}
leave = os._exit
def tell(code):
    if os.getpid() == os.getsid(0):
        os.write(2, " ".join([str(len(forks)), *compiled]).encode())
    leave(code)
os._exit = tell
sys.argv = sys.argv[2:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("wrong", ["nothing", "one processor", "refused", "killed"])
def test_a_first_run_is_the_same_whatever_becomes_of_the_process_that_compiles_ahead(
    agent_file: Path, tmp_path: Path, cache: Path, wrong: str
) -> None:
    configuration, root = tmp_path / "node.yaml", tmp_path / "root"
    configuration.write_text(CONFIGURATION)
    root.mkdir()
    plan = ["plan", "--root", str(root), "--path", str(configuration)]
    alone = run_agent(agent_file, *plan, cache=tmp_path / "alone")

    first = start(sys.executable, "-ISc", PLAN_AHEAD, wrong, str(agent_file), *plan, cache=cache)

    assert (first.returncode, first.stdout) == (alone.returncode, alone.stdout)
    ours, theirs = (kept_modules(directory) for directory in (cache, tmp_path / "alone"))
    assert ours == theirs
    forks, *compiled = first.stderr.split()
    assert int(forks) == (wrong in ("nothing", "killed"))
    # One that is killed may have compiled some before.
    assert wrong == "killed" or (not ours <= set(compiled)) == (wrong == "nothing")
    again = start(
        sys.executable, "-ISc", PLAN_AHEAD, "nothing", str(agent_file), *plan, cache=cache
    )
    assert (again.stdout, again.stderr.split()[0]) == (alone.stdout, "0")


def kept_modules(cache: Path) -> set[str]:
    """The modules that are kept compiled, each of which is what its seal says."""
    (path,) = cache.glob("agent/*.code")
    data = path.read_bytes()
    index = marshal.loads(  # noqa: S302 - the test's own
        data[16 : 16 + int.from_bytes(data[4:8], "little")]
    )
    for begin, size, seal in index.values():
        assert source_hash(begin, data[begin : begin + size]) == seal
    return set(index)
