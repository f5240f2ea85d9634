"""The exit code is one of the table, whoever reads, does not read, or cannot take what a command prints."""

from __future__ import annotations

import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

TABLE = {0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 70}
ROOT = Path(__file__).parents[2]
EXAMPLES = ROOT / "examples"
WORKER, RENDERED = EXAMPLES / "worker.yaml", EXAMPLES / "rendering/worker.yaml"

COMMANDS = {
    "bootstrap": ('bootstrap --root "$1" --path "$2"', 0),
    "bootstrap of what is refused": ('bootstrap --root "$1" --path "$3"', 3),
    "bootstrap in JSON": ('bootstrap --root "$1" --path "$2" --output json', 0),
    "plan": ('plan --root "$1" --path "$2"', 10),
    "plan in JSON": ('plan --root "$1" --path "$2" --output json', 10),
    "validate of what is refused": ('validate --path "$3"', 3),
    "validate of what is not there": ('validate --path "$1/none"', 2),
    "render": ('render --path "$4"', 0),
    "encrypt": ('encrypt --provider x --passphrase-file "$5" --iterations 10000 --path "$2"', 0),
    "decrypt of what is plain": ('decrypt --path "$2"', 4),
    "convert": ('convert --kubernetes-version v1.34.4 --path "$6"', 0),
    "convert what is none": ('convert --path "$3"', 3),
    "reset": ('reset --root "$1"', 0),
    "reset ahead": ('reset --root "$1" --dry-run', 0),
    "boot commands": ('boot --root "$1"', 0),
    "plugins": ('plugin list --plugin-dir "$1"', 0),
    "a plugin that is not there": ("plugin describe infrastructure/none", 7),
    "status where nothing ran": ('status --root "$1"', 3),
    "facts": ('facts --root "$1"', 0),
    "facts for a configuration": ('facts --root "$1" --path "$2" --output json', 0),
    "explain": ("explain MachineConfiguration.spec", 0),
    "schema": ("schema MachineConfiguration", 0),
    "version": ("version", 0),
    "version in JSON": ("version --output json", 0),
    "the help of all": ("--help", 0),
    "the help of one": ("bootstrap --help", 0),
    "no command": ("nonsense", 2),
}
# A bootstrap has done, or refused, what it was asked for; the others' results are errors, on standard error.
SAID_ELSEWHERE = {
    "bootstrap",
    "bootstrap of what is refused",
    "bootstrap in JSON",
    "validate of what is not there",
    "decrypt of what is plain",
    "convert what is none",
    "reset",
    "boot commands",
    "a plugin that is not there",
    "status where nothing ran",
    "no command",
}
NOBODY_READS = {
    "output": "| true; exit ${PIPESTATUS[0]}",
    "output after one byte": "| head -c1 >/dev/null; exit ${PIPESTATUS[0]}",
    "both": "2>&1 | true; exit ${PIPESTATUS[0]}",
}
NOWHERE = {
    "closed": ">&- 2>&- <&-",
    "errors on a full disk": "2>/dev/full >/dev/null",
    "errors closed": "2>&- >/dev/null",
}
FULL = {
    "output": ">/dev/full",
    "both": ">/dev/full 2>/dev/full",
    "errors closed": ">/dev/full 2>&-",
}


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> tuple[str, ...]:
    directory = tmp_path_factory.mktemp("codes")
    refused, passphrase = directory / "refused.yaml", directory / "word"
    theirs = directory / "theirs.yaml"
    theirs.write_text(
        "apiVersion: bootstrap.cluster.x-k8s.io/v1beta1\nkind: KubeadmConfigTemplate\n"
        "metadata: {name: a}\nspec: {template: {spec: {preKubeadmCommands: [date]}}}\n"
    )
    refused.write_text("kind: Nothing\n")
    passphrase.write_text("s3cr3t")
    return str(WORKER), str(refused), str(RENDERED), str(passphrase), str(theirs)


def exit_codes(command: str, streams: dict[str, str], files: tuple[str, ...], at: Path) -> set[int]:
    """What a shell says of a command with each of these redirections."""

    def one(number: int, redirection: str) -> int:
        root = at / str(number)
        root.mkdir()
        # -u: nothing is held back until the end.
        line = f"{sys.executable} {'-u' * (number % 2)} -m machineadm {command} {redirection}"
        ended = subprocess.run(
            ["/bin/bash", "-c", line, "bash", str(root), *files],
            cwd=ROOT,
            capture_output=True,
            text=True,
            check=False,
            timeout=120,
        )
        assert "Traceback" not in ended.stderr
        assert "Exception ignored" not in ended.stderr
        return ended.returncode

    with ThreadPoolExecutor(3) as pool:
        return set(pool.map(one, range(len(streams)), streams.values()))


@pytest.mark.parametrize("name", COMMANDS)
def test_a_reader_that_has_gone_does_not_change_the_exit_code(
    name: str, files: tuple[str, ...], tmp_path: Path
) -> None:
    command, code = COMMANDS[name]

    assert exit_codes(command, NOBODY_READS, files, tmp_path) == {code}


@pytest.mark.parametrize("name", COMMANDS)
def test_standard_streams_that_lead_nowhere_do_not_change_the_exit_code(
    name: str, files: tuple[str, ...], tmp_path: Path
) -> None:
    command, code = COMMANDS[name]

    assert exit_codes(command, NOWHERE, files, tmp_path) == {code}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_result_that_is_lost_on_a_full_disk_is_an_error_of_the_table(
    name: str, files: tuple[str, ...], tmp_path: Path
) -> None:
    command, code = COMMANDS[name]

    found = exit_codes(command, FULL, files, tmp_path)

    assert found <= TABLE
    assert found == ({code} if name in SAID_ELSEWHERE else {2})


# What the packed agent says before it has its libraries: of its cache, and of an interpreter that cannot run it.
EARLY = {
    "an unsafe cache": ('-I -S "$1" validate --path "$2"', 0),
    "an unsafe cache, and problems": ('-I -S "$1" validate --path "$3"', 3),
    "an interpreter that is not fit": (
        "-ISc 'import sys, runpy; sys.version_info = (3, 9, 0); runpy.run_path(sys.argv[1])' \"$1\"",
        2,
    ),
}


@pytest.mark.parametrize("name", EARLY)
def test_what_is_said_before_the_start_changes_no_exit_code(
    name: str, files: tuple[str, ...], tmp_path: Path, agent_file: Path
) -> None:
    arguments, code = EARLY[name]
    cache = tmp_path / "cache"
    cache.mkdir()
    cache.chmod(0o777)

    for streams in (*NOWHERE.values(), "2>&1 | true; exit ${PIPESTATUS[0]}"):
        line = f"{sys.executable} {arguments} {streams}"
        ended = subprocess.run(
            ["/bin/bash", "-c", line, "bash", str(agent_file.resolve()), *files],
            capture_output=True,
            check=False,
            timeout=120,
            env={"PATH": "/usr/bin:/bin", "MACHINEADM_CACHE": str(cache / "below")},
        )
        assert (ended.returncode, streams) == (code, streams)


def test_an_interrupted_command_says_so_and_exits_as_the_table_has_it() -> None:
    with subprocess.Popen(
        [sys.executable, "-m", "machineadm", "validate", "--path", "-"],
        stdin=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        # A shell that starts it in the background has it ignore SIGINT.
        preexec_fn=_heed_interrupts,
    ) as process:
        assert process.stdin is not None
        process.stdin.write("kind: ")
        process.stdin.flush()
        _wait_until_it_reads(process.pid)
        process.send_signal(2)
        _, said = process.communicate(timeout=60)

    assert (process.returncode, said.partition("\n")[0]) == (
        9,
        "machineadm: MA6002 interrupted by SIGINT",
    )


def _heed_interrupts() -> None:
    import signal

    signal.signal(signal.SIGINT, signal.default_int_handler)


def _wait_until_it_reads(pid: int) -> None:
    import time

    while "read" not in Path(f"/proc/{pid}/wchan").read_text():
        time.sleep(0.05)
