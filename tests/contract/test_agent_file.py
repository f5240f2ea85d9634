"""The packed agent: runs on every interpreter, the same bytes wherever built, safe where it unpacks."""

import hashlib
import os
import shutil
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")


def interpreter(version: str) -> str | None:
    """A CPython of that minor version: on the path, the running one, or one of pyenv's."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [sys.executable] if running == version else []
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    candidates += [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    candidates += [f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"]
    return next((path for path in candidates if shutil.which(path)), None)


def run_agent(
    agent: Path, *arguments: str, cache: Path, python: str = sys.executable, **variables: str
) -> subprocess.CompletedProcess[str]:
    environment = {"PATH": os.environ["PATH"], "MACHINEADM_CACHE": str(cache), **variables}
    return subprocess.run(
        [python, "-IS", str(agent), *arguments],
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )


def installed(*versions: str) -> list[str]:
    """Those of the interpreters that this machine has; which it has is its own matter."""
    return [python for python in map(interpreter, versions) if python is not None]


def test_there_is_an_interpreter_to_try() -> None:
    assert installed(*SUPPORTED)


@pytest.mark.parametrize("python", installed(*SUPPORTED))
def test_one_file_runs_on_every_supported_interpreter(
    agent_file: Path, tmp_path: Path, python: str
) -> None:
    outcome = run_agent(agent_file, "version", cache=tmp_path, python=python)

    assert (outcome.returncode, outcome.stderr) == (0, "")
    # The extension modules of this very interpreter are inside, and whole.
    (libraries,) = tmp_path.glob("agent/*/site-packages")
    probe = "import sys; sys.path.insert(0, sys.argv[1]); import msgspec, yaml; yaml.CSafeLoader"
    subprocess.run([python, "-IS", "-c", probe, str(libraries)], check=True)


@pytest.mark.parametrize("python", installed("3.6", "3.8", "3.9"))
def test_an_older_interpreter_is_told_so(agent_file: Path, tmp_path: Path, python: str) -> None:
    outcome = run_agent(agent_file, "version", cache=tmp_path, python=python)

    assert outcome.returncode == 2
    assert outcome.stderr.startswith("machineadm: needs CPython 3.10 to 3.14, this is 3.")
    assert not list(tmp_path.iterdir())


def test_a_folder_that_others_can_write_to_is_never_unpacked_to(
    agent_file: Path, tmp_path: Path
) -> None:
    planted = tmp_path / "agent"
    planted.mkdir()
    planted.chmod(0o777)

    outcome = run_agent(agent_file, "version", cache=tmp_path)

    assert outcome.returncode == 5
    assert f"{planted} must be a folder of this user" in outcome.stderr
    assert not list(planted.iterdir())


def test_a_symbolic_link_is_never_unpacked_through(agent_file: Path, tmp_path: Path) -> None:
    elsewhere = tmp_path / "elsewhere"
    elsewhere.mkdir(mode=0o700)
    (tmp_path / "agent").symlink_to(elsewhere)

    outcome = run_agent(agent_file, "version", cache=tmp_path)

    assert outcome.returncode == 5
    assert not list(elsewhere.iterdir())


def test_a_kill_while_it_unpacks_leaves_nothing_that_a_later_run_would_trust(
    agent_file: Path, tmp_path: Path
) -> None:
    outcome = run_agent(agent_file, "version", cache=tmp_path)
    assert outcome.returncode == 0
    (unpacked,) = (tmp_path / "agent").iterdir()
    half = tmp_path / "agent/.new-half"
    (half / "site-packages/machineadm").mkdir(parents=True)
    shutil.rmtree(unpacked)

    outcome = run_agent(agent_file, "version", cache=tmp_path)

    assert outcome.returncode == 0, outcome.stderr
    assert (unpacked / "site-packages/machineadm/cli/main.py").exists()


def test_first_runs_at_the_same_time_all_succeed(agent_file: Path, tmp_path: Path) -> None:
    environment = {"PATH": os.environ["PATH"], "MACHINEADM_CACHE": str(tmp_path)}
    command = [sys.executable, "-IS", str(agent_file), "version"]

    runs = [subprocess.Popen(command, env=environment, stdout=subprocess.DEVNULL) for _ in range(4)]

    assert [run.wait() for run in runs] == [0, 0, 0, 0]
    assert len(list((tmp_path / "agent").iterdir())) == 1


def test_no_room_to_unpack_is_said_plainly(agent_file: Path, tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")

    outcome = run_agent(agent_file, "version", cache=tmp_path / "file")

    assert outcome.returncode == 5
    assert outcome.stderr.startswith("machineadm: cannot unpack: ")
    assert "MACHINEADM_CACHE" in outcome.stderr
    assert "Traceback" not in outcome.stderr


def test_libraries_that_cannot_be_loaded_are_told_with_a_remedy(
    agent_file: Path, tmp_path: Path
) -> None:
    run_agent(agent_file, "version", cache=tmp_path)
    for library in tmp_path.rglob("_core*.so"):
        # As the loader sees a file system that is mounted noexec: there, and of no use.
        library.write_bytes(b"")

    outcome = run_agent(agent_file, "validate", "--path", "/dev/null", cache=tmp_path)

    assert outcome.returncode == 5
    assert outcome.stderr.startswith("machineadm: MA7006 ")
    assert "MACHINEADM_CACHE" in outcome.stderr


def test_no_variable_of_the_packer_makes_it_run_other_code(
    agent_file: Path, tmp_path: Path
) -> None:
    planted = tmp_path / "planted"
    planted.mkdir()
    (planted / "machineadm.py").write_text("raise SystemExit(99)")
    elsewhere = tmp_path / "elsewhere"

    outcome = run_agent(
        agent_file,
        "version",
        cache=tmp_path / "cache",
        SHIV_ROOT=str(elsewhere),
        SHIV_ENTRY_POINT="machineadm:missing",
        SHIV_INTERPRETER="1",
        SHIV_PREPEND_PYTHONPATH=str(planted),
        PYTHONPATH=str(planted),
    )

    assert outcome.returncode == 0, outcome.stderr
    assert not elsewhere.exists()


def test_what_it_unpacks_is_writable_by_its_user_alone(agent_file: Path, tmp_path: Path) -> None:
    before = os.umask(0)
    try:
        run_agent(agent_file, "version", cache=tmp_path)
    finally:
        os.umask(before)

    unpacked = [path for path in (tmp_path / "agent").rglob("*") if not path.is_symlink()]
    assert unpacked
    assert not [path for path in unpacked if path.stat().st_mode & 0o022]


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
    assert not [name for name in names if name.endswith((".pyc", ".pyi", ".pth"))]
