"""The packed agent: runs on every interpreter, isolated, says its version at once, the same bytes wherever built."""

import hashlib
import io
import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

from tests.agent_file import SUPPORTED, import_from, installed, run_agent, start

ROOT = Path(__file__).parents[2]
LIBRARIES = (
    "msgspec",
    "yaml._yaml",
    "cryptography.x509",
    "grpclib.client",
    "google.protobuf.message",
)


def test_there_is_an_interpreter_to_try() -> None:
    assert installed(*SUPPORTED)


@pytest.mark.parametrize("python", installed(*SUPPORTED))
def test_one_file_runs_on_every_supported_interpreter(
    agent_file: Path, tmp_path: Path, python: str
) -> None:
    version = run_agent(agent_file, "version", cache=tmp_path, python=python)
    help_text = run_agent(agent_file, "plan", "--help", cache=tmp_path, python=python)
    # The extension modules of this very interpreter are inside, and whole.
    imported = import_from(agent_file, *LIBRARIES, cache=tmp_path, python=python)

    assert (version.returncode, version.stderr) == (0, "")
    assert (help_text.returncode, help_text.stderr) == (0, "")
    assert (imported.returncode, imported.stderr) == (0, "")


# Imports what is run late, and says what of it has run by then, and what each is good for in the end.
SELDOM = """
import sys
sys.path.insert(0, sys.argv[1])
import front
front.prepare()
import msgspec, uuid, textwrap, platform, parts
waiting = [name for name in parts.LATE if hasattr(sys.modules[name], "__getattr__")]
print(*sorted(set(parts.LATE) - set(waiting)))
import datetime, _datetime
print(datetime.datetime is _datetime.datetime, "waiting" if hasattr(datetime, "__getattr__") else "run", datetime.date(2030, 1, 2).strftime("%Y"))
print(platform.system())
print("released" if "release" in vars(platform) else "waiting")
from textwrap import wrap
print(wrap("a b", 1), msgspec.inspect.type_info(int), platform.release(), platform.system())
print(msgspec.yaml.decode(b"[1]"), msgspec.toml.decode(b"a = 1") if sys.version_info >= (3, 11) else "")
try:
    textwrap.nonsense
except AttributeError as error:
    print(error)
try:
    datetime.nonsense
except AttributeError as error:
    print(error, datetime.datetime is _datetime.datetime)
print(textwrap.__loader__.get_source("textwrap")[:3], textwrap.__spec__.loader is textwrap.__loader__)
"""


@pytest.mark.parametrize("python", installed(*SUPPORTED))
def test_what_seldom_serves_is_run_when_something_of_it_is_asked_for(
    agent_file: Path, tmp_path: Path, python: str
) -> None:
    outcome = start(python, "-ISc", SELDOM, str(agent_file), cache=tmp_path)

    assert (outcome.returncode, outcome.stderr) == (0, "")
    run, dates, system, release, used, decoded, missing, none, loader = outcome.stdout.splitlines()
    assert run == ""
    assert dates == "True waiting 2030"
    assert none == "module 'datetime' has no attribute 'nonsense' True"
    assert (system, release) == ("Linux", "waiting")
    assert (
        used
        == f"['a', 'b'] IntType(gt=None, ge=None, lt=None, le=None, multiple_of=None) {os.uname().release} Linux"
    )
    assert decoded.startswith("[1]")
    assert missing == "module 'textwrap' has no attribute 'nonsense'"
    assert loader == '""" True'


# Runs a command of the agent's, and tells at its end which of the modules that are run late have run.
RUN_LATE = """
import atexit, runpy, sys
def tell():
    late = sys.modules["parts"].LATE
    waiting = [name for name in late if hasattr(sys.modules.get(name), "__getattr__")]
    print(*sorted(set(late) & set(sys.modules) - set(waiting)), file=sys.stderr)
atexit.register(tell)
sys.argv = sys.argv[1:]
runpy.run_path(sys.argv[0], run_name="__main__")
"""


@pytest.mark.parametrize("python", installed(*SUPPORTED))
def test_a_plan_runs_nothing_that_seldom_serves(
    agent_file: Path, tmp_path: Path, python: str
) -> None:
    root, example = tmp_path / "root", ROOT / "examples/control-plane.yaml"
    root.mkdir()
    words = ["plan", "--root", str(root), "--path", str(example)]

    outcome = start(python, "-ISc", RUN_LATE, str(agent_file), *words, cache=tmp_path / "cache")

    assert (outcome.returncode, outcome.stderr) == (10, "\n")


@pytest.mark.parametrize("python", installed("2.7", "3.6", "3.8", "3.9"))
@pytest.mark.parametrize("options", [[], ["-sE"]])
def test_an_older_interpreter_is_told_so_in_one_line(
    agent_file: Path, tmp_path: Path, python: str, options: list[str]
) -> None:
    outcome = start(python, *options, str(agent_file), "version", cache=tmp_path)

    assert (outcome.returncode, outcome.stdout) == (2, "")
    (line,) = outcome.stderr.splitlines()
    assert line.startswith("machineadm: MA7101 this is cpython ")
    assert "needed: CPython 3.10 to 3.14" in line
    assert not list(tmp_path.iterdir())


# What an interpreter of another kind says of itself; none of them is on this machine.
STRANGERS = [
    ("sys.implementation.name = 'pypy'", "MA7101 this is pypy 3."),
    ("sys.version_info = (3, 15, 0)", "MA7101 this is cpython 3.15.0; "),
    (
        "_imp.extension_suffixes = lambda: ['.cpython-313t-{}-linux-gnu.so']",
        "MA7101 this is a special",
    ),
    ("_imp.extension_suffixes = lambda: ['.cpython-312-{}-linux-musl.so']", "MA7103 this Python"),
    (
        "_imp.extension_suffixes = lambda: ['.cpython-311-riscv64-linux-gnu.so']",
        "MA7102 this file is",
    ),
    ("posix.confstr = lambda name: 'glibc 2.12'", "MA7103 this machine has glibc 2.12; "),
    ("posix.confstr = lambda name: None", "MA7103 this machine has another C library"),
]


@pytest.mark.parametrize(("pretence", "line"), STRANGERS)
def test_any_other_interpreter_is_told_what_is_needed(
    agent_file: Path, tmp_path: Path, pretence: str, line: str
) -> None:
    pretence = pretence.format(os.uname().machine)
    program = f"import sys, _imp, posix, runpy; {pretence}; runpy.run_path({str(agent_file)!r})"

    outcome = start(sys.executable, "-ISc", program, cache=tmp_path)

    assert outcome.returncode == 2
    assert outcome.stderr.startswith(f"machineadm: {line}")
    assert len(outcome.stderr.splitlines()) == 1
    assert not list(tmp_path.iterdir())


def test_version_is_said_without_unpacking_as_the_command_says_it(
    agent_file: Path, tmp_path: Path
) -> None:
    text = run_agent(agent_file, "version", cache=tmp_path)
    document = run_agent(agent_file, "version", "--output", "json", cache=tmp_path)
    untouched = list(tmp_path.iterdir())
    # A variable instead of an option is left to the command itself.
    command = run_agent(agent_file, "version", cache=tmp_path, MACHINEADM_OUTPUT="json")
    as_text = run_agent(agent_file, "version", cache=tmp_path, MACHINEADM_OUTPUT="text")

    assert untouched == []
    assert document.stdout == command.stdout
    assert text.stdout == as_text.stdout
    assert json.loads(document.stdout)["python"] == ".".join(map(str, sys.version_info[:3]))


def test_version_can_tell_the_digest_of_the_file(agent_file: Path, tmp_path: Path) -> None:
    outcome = run_agent(agent_file, "version", "--digest", "--output=json", cache=tmp_path)

    digest = hashlib.sha256(agent_file.read_bytes()).hexdigest()
    assert json.loads(outcome.stdout)["sha256"] == digest
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("arguments", [["version", "--nonsense"], ["version", "--output", "yaml"]])
def test_a_mistyped_version_is_refused_as_any_command_is(
    agent_file: Path, tmp_path: Path, arguments: list[str]
) -> None:
    outcome = run_agent(agent_file, *arguments, cache=tmp_path)

    assert outcome.returncode == 2
    assert outcome.stderr.startswith("machineadm: MA7001 ")


def test_version_into_a_full_device_is_told(agent_file: Path, tmp_path: Path) -> None:
    with Path("/dev/full").open("w") as full:
        outcome = subprocess.run(
            [sys.executable, "-IS", str(agent_file), "version"],
            env={"MACHINEADM_CACHE": str(tmp_path)},
            stdout=full,
            stderr=subprocess.PIPE,
            text=True,
            check=False,
        )

    assert outcome.returncode == 2
    assert outcome.stderr.startswith("machineadm: MA7005 ")


PLANTED = "import os; os.write(2, b'planted code ran'); raise SystemExit(99)"


def test_modules_that_lie_about_are_not_imported(agent_file: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    for name in (
        "machineadm",
        "msgspec",
        "yaml",
        "zlib",
        "front",
        "unpack",
        "hashlib",
        "cryptography",
    ):
        (planted / f"{name}.py").write_text(PLANTED)
    (planted / "sitecustomize.py").write_text(PLANTED)
    (planted / "usercustomize.py").write_text(PLANTED)

    outcome = start(
        sys.executable,
        "-IS",
        str(agent_file),
        "plan",
        "--help",
        cache=tmp_path / "cache",
        cwd=planted,
        PYTHONPATH=str(planted),
        PYTHONHOME=str(planted),
        PYTHONSTARTUP=str(planted / "json.py"),
        HOME=str(planted),
    )

    assert (outcome.returncode, outcome.stderr) == (0, "")


def test_it_starts_itself_again_when_it_is_not_isolated(agent_file: Path, tmp_path: Path) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    # Nothing that an interpreter imports by itself: that runs before the agent does.
    for name in ("msgspec", "yaml", "argparse", "textwrap", "front", "unpack", "fcntl", "hashlib"):
        (planted / f"{name}.py").write_text(PLANTED)

    outcome = start(
        sys.executable,
        str(agent_file),
        "plan",
        "--help",
        cache=tmp_path / "cache",
        cwd=planted,
        PYTHONPATH=str(planted),
    )

    assert (outcome.returncode, outcome.stderr) == (0, "")
    assert outcome.stdout.startswith("usage: machineadm plan")


def test_no_variable_of_the_packer_makes_it_run_other_code(
    agent_file: Path, tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "machineadm.py").write_text(PLANTED)
    elsewhere = tmp_path / "elsewhere"

    outcome = run_agent(
        agent_file,
        "plan",
        "--help",
        cache=tmp_path / "cache",
        SHIV_ROOT=str(elsewhere),
        SHIV_ENTRY_POINT="machineadm:missing",
        SHIV_INTERPRETER="1",
        SHIV_FORCE_EXTRACT="1",
        SHIV_PREPEND_PYTHONPATH=str(planted),
    )

    assert outcome.returncode == 0, outcome.stderr
    assert not elsewhere.exists()


def build(output: Path, umask: int, zone: str) -> str:
    """Build the agent anew; returns its digest."""
    before = os.umask(umask)
    try:
        subprocess.run(
            [sys.executable, str(ROOT / "build/package.py"), "--output", str(output)],
            cwd="/",
            env=os.environ | {"TZ": zone},
            stdout=subprocess.DEVNULL,
            check=True,
        )
    finally:
        os.umask(before)
    return hashlib.sha256(output.read_bytes()).hexdigest()


def test_the_same_checkout_gives_the_same_bytes(tmp_path: Path) -> None:
    first = build(tmp_path / "first" / "agent.pyz", 0o077, "Asia/Tokyo")
    second = build(tmp_path / "a" / "second" / "agent.pyz", 0o000, "America/New_York")

    assert first == second
    with zipfile.ZipFile(tmp_path / "first" / "agent.pyz") as archive:
        assert {entry.external_attr >> 16 for entry in archive.infolist()} == {0o100644}
        names = archive.namelist()
        assert names == sorted(names)
        for part in [name for name in names if name.startswith("parts/")]:
            with zipfile.ZipFile(io.BytesIO(archive.read(part))) as inner:
                assert inner.namelist() == sorted(inner.namelist())
                modes = {entry.external_attr >> 16 for entry in inner.infolist()}
                assert modes <= {0o100644, 0o40755}
                names += inner.namelist()
    assert not [name for name in names if name.endswith((".pyc", ".pyi", ".pth"))]
