"""The command line: subcommands, options, environment, exit codes, errors in one line."""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from importlib import import_module
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.cli.check import COMMANDS as CHECK
from machineadm.cli.main import COMMANDS, main
from machineadm.cli.options import Parser, duration
from machineadm.cli.plugin import COMMANDS as PLUGIN
from machineadm.errors import UsageError


def test_nothing_asked_is_a_usage_error_that_shows_the_commands(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main([]) == 2

    shown = capsys.readouterr().out
    assert all(command in shown for command in COMMANDS)


@pytest.mark.parametrize(
    "argv",
    [
        ["bootstrop"],
        ["version", "--nonsense"],
        ["plan"],
        ["status", "--root", ""],
        ["explain"],
        ["--path", "x"],
    ],
)
def test_a_mistake_on_the_command_line_is_coded_and_exits_2(
    argv: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("machineadm: MA7001 ")
    assert "hint: " in captured.err


def test_an_unexpected_exception_is_one_line_and_exits_70(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("MACHINEADM_DEBUG", raising=False)
    monkeypatch.setitem(sys.modules, "machineadm.cli.explain", None)

    assert main(["explain", "MA6001"]) == 70

    assert capsys.readouterr().err.startswith("machineadm: MA9001 unexpected ModuleNotFoundError\n")


def test_explain_knows_a_code_in_any_case(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["explain", "ma6001"]) == 0
    assert capsys.readouterr().out.startswith("MA6001: another run holds the lock\n")


def test_a_reader_that_has_gone_leaves_no_message() -> None:
    script = "import sys; from machineadm.cli.main import main; sys.exit(main(['version']))"
    process = subprocess.Popen(
        [sys.executable, "-c", f"import time; time.sleep(0.3); {script}"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    assert process.stdout is not None
    assert process.stderr is not None
    process.stdout.close()

    with process.stderr:
        assert process.stderr.read() == b""
    assert process.wait() == 0


@pytest.mark.parametrize(
    ("text", "seconds"),
    [("30m", 1800), ("1h30m", 5400), ("500ms", 0.5), ("1.5s", 1.5), ("1h0m1s", 3601)],
)
def test_durations_are_read_as_go_writes_them(text: str, seconds: float) -> None:
    assert duration(text) == pytest.approx(seconds)


@pytest.mark.parametrize("text", ["", "30", "m", "-1s", "1 h", "0s", "30m\n", "1d", "٣s"])
def test_what_is_no_duration_is_refused(text: str) -> None:
    with pytest.raises(argparse.ArgumentTypeError):
        duration(text)


def parse(*argv: str) -> argparse.Namespace:
    parser = Parser(prog="machineadm toy")
    parser.add_option("--deadline", type=duration, default=60.0, help="seconds")
    parser.add_option("--path", action="append", required=True, help="files")
    parser.add_option("--dry-run", action="store_true", help="look only")
    parser.add_output()
    return parser.read(list(argv))


WORDS = st.sampled_from(
    [
        "--path", "--path=a", "--path=", "--output", "--output=json", "--output=yaml", "--mode",
        "--mode=preparation", "--root", "--root=/r", "--state-dir=/s", "--state-dir=s", "--run-dir",
        "--passphrase-file=f", "--passphrase-fd", "--deadline", "--deadline=2m", "--timeout=x",
        "--dry-run", "--dry-run=1", "--wait", "--verify-cache", "--digest", "--nope", "--pat=a",
        "-", "--", "-1", "-h", "a", "json", "preparation", "/d", "30m", "", "v1.34.4", "ä", "--a b",
    ]
)  # fmt: skip


BELOW = [
    *(f"plugin.{name.replace('-', '_')}" for name in PLUGIN),
    *(f"check.{name}" for name in CHECK),
]


@given(
    command=st.sampled_from([*(COMMANDS.keys() - {"plugin", "check"}), *BELOW, "boot"]),
    argv=st.lists(WORDS, max_size=6),
)
def test_what_is_read_without_argparse_is_what_argparse_reads(
    command: str, argv: list[str]
) -> None:
    parser = Parser(prog=f"machineadm {command}")
    import_module(f"machineadm.cli.{command.replace('-', '_')}").add_arguments(parser)

    plain = parser.plain(argv)

    if plain is not None:
        assert plain == vars(parser.judge(argv))


@pytest.mark.parametrize(
    ("command", "argv"),
    [
        ("plan", ["--path", "a", "--path=-", "--output", "json", "--root=/r"]),
        ("bootstrap", ["--path", "a", "--dry-run", "--mode", "preparation"]),
        ("validate", ["--path=a", "--kubernetes-version=1.34.4"]),
        ("status", ["--wait"]),
        ("version", []),
    ],
)
def test_what_people_write_is_read_without_argparse(command: str, argv: list[str]) -> None:
    parser = Parser(prog=f"machineadm {command}")
    import_module(f"machineadm.cli.{command.replace('-', '_')}").add_arguments(parser)

    assert parser.plain(argv) is not None


@pytest.mark.parametrize(
    "argv",
    [
        ["--path"],
        ["--path", "--output"],
        ["a"],
        ["--nope"],
        ["--output", "xml"],
        [],
        ["--dry-run=1"],
    ],
)
def test_a_mistake_is_told_in_the_words_of_argparse(argv: list[str]) -> None:
    with pytest.raises(UsageError) as refusal:
        parse(*argv)

    assert refusal.value.code == "MA7001"
    assert "argument" in str(refusal.value)


@pytest.mark.parametrize(
    ("argv", "meant"),
    [
        (["validate", "node.yaml"], "each file is given by --path FILE"),
        (["plan", "--mode", "preparation", "node.yaml"], "each file is given by --path FILE"),
        (["bootstrap", "--path", "a.yaml", "b.yaml"], "each file is given by --path FILE"),
        (["validate", "--pth", "node.yaml"], "did you mean --path?"),
        (["bootstrap", "--path", "a.yaml", "--dead-line=3m"], "did you mean --deadline?"),
        (["status", "--wiat"], "did you mean --wait?"),
    ],
)
def test_what_people_write_first_is_told_how_it_is_written(
    argv: list[str], meant: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(argv) == 2

    said = capsys.readouterr().err
    assert f"hint: {meant}; machineadm {argv[0]} --help" in said


def test_the_environment_gives_every_option(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINEADM_DEADLINE", "2m")
    monkeypatch.setenv("MACHINEADM_PATH", "a.yaml\nb.yaml")
    monkeypatch.setenv("MACHINEADM_DRY_RUN", "1")
    monkeypatch.setenv("MACHINEADM_OUTPUT", "json")

    options = parse()

    assert options.deadline == 120
    assert options.path == ["a.yaml", "b.yaml"]
    assert options.dry_run is True
    assert options.output == "json"


def test_the_command_line_wins_over_the_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINEADM_PATH", "a.yaml")
    monkeypatch.setenv("MACHINEADM_DEADLINE", "2m")

    options = parse("--path", "b.yaml", "--deadline", "3m")

    assert options.path == ["b.yaml"]
    assert options.deadline == 180


def test_the_environment_never_weakens_a_check(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINEADM_ALLOW_ANYTHING", "1")
    parser = Parser(prog="machineadm toy")
    parser.add_option("--allow-anything", action="store_true", help="weak")

    assert parser.read([]).allow_anything is False


@pytest.mark.parametrize(
    ("variable", "value"),
    [("MACHINEADM_OUTPUT", "yaml"), ("MACHINEADM_DRY_RUN", "maybe"), ("MACHINEADM_DEADLINE", "x")],
)
def test_a_wrong_value_in_the_environment_is_a_usage_error(
    variable: str, value: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv(variable, value)

    with pytest.raises(UsageError):
        parse("--path", "a.yaml")


EXAMPLE = Path(__file__).parents[3] / "examples" / "worker.yaml"


def shell(command: str, *arguments: str | Path) -> subprocess.CompletedProcess[str]:
    """Run `machineadm` as a shell does."""
    line = f"{sys.executable} -m machineadm {command}"
    return subprocess.run(
        ["/bin/bash", "-c", line, "bash", *map(str, arguments)],
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )


@pytest.mark.parametrize(
    "streams",
    [
        "--output json | head -c1 >/dev/null; exit ${PIPESTATUS[0]}",
        ">&- 2>&- <&-",
        "2>/dev/full >/dev/full",
    ],
)
def test_a_run_goes_on_and_keeps_its_exit_code_when_nobody_listens(
    tmp_path: Path, streams: str
) -> None:
    ended = shell(f'bootstrap --root "$1" --path "$2" {streams}', tmp_path, EXAMPLE)

    assert ended.returncode == 0
    status = json.loads((tmp_path / "run/machineadm/status.json").read_text())
    assert status["phase"] == "Prepared"


def test_a_file_name_that_is_no_text_is_shown_all_the_same(tmp_path: Path) -> None:
    ended = shell("""validate --output json --path "$1"/$'\\xff'""", tmp_path)
    assert ended.returncode == 2
    assert "MA7004" in ended.stderr

    (tmp_path / "\udcff").write_text("x: 1\n")
    ended = shell("""validate --output json --path "$1"/$'\\xff'""", tmp_path)
    assert ended.returncode == 3
    assert json.loads(ended.stdout)["problems"]


def test_several_paths_are_one_stream_and_one_of_them_may_be_standard_input(tmp_path: Path) -> None:
    second = tmp_path / "second.yaml"
    second.write_text("apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: Nothing\n")

    ended = shell('validate --path - --path "$2" < "$1"', EXAMPLE, second)

    assert ended.returncode == 3
    assert ended.stdout.startswith(f"machineadm: 1 problem in {second}\n")


def test_the_proposals_spelling_is_bootstrap(tmp_path: Path) -> None:
    ended = shell('--bootstrap --path "$2" --root "$1"', tmp_path, EXAMPLE)

    assert ended.returncode == 0
    assert ended.stdout.startswith("Prepared ")


def test_a_dry_run_is_a_plan(tmp_path: Path) -> None:
    ended = shell('bootstrap --dry-run --path "$2" --root "$1"', tmp_path, EXAMPLE)

    assert ended.returncode == 10
    assert ended.stdout.startswith("Plan: ")
    assert list(tmp_path.iterdir()) == []


REFUSED = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\nspec: {machine: {fils: []}}\n"


@pytest.mark.parametrize("command", ["version", "validate --path examples/worker.yaml"])
def test_output_that_cannot_be_written_is_no_fault_of_ours(command: str) -> None:
    assert shell(f"{command} >&-").returncode == 0

    full = shell(f"{command} --output json >/dev/full")
    assert full.returncode == 2
    assert full.stderr.startswith("machineadm: MA7005 ")


def test_a_closed_standard_input_holds_no_configuration() -> None:
    ended = shell("validate --path - <&-")

    assert ended.returncode == 3
    assert "MA1001" in ended.stdout


def test_an_empty_variable_names_no_path(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MACHINEADM_PATH", "")

    assert "required: --path" in shell("validate").stderr
    assert "path is empty" in shell("validate --path ''").stderr


def test_a_newline_in_a_files_name_leaves_each_problem_its_line(tmp_path: Path) -> None:
    (tmp_path / "a\nb.yaml").write_text(REFUSED)

    ended = shell("""validate --path "$1"/$'a\\nb.yaml'""", tmp_path)

    assert ended.stdout.splitlines()[1].startswith(f"{tmp_path}/a\\nb.yaml:3:")


def test_a_refused_configuration_gives_its_problems_to_programs_too(tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text(REFUSED)
    options = '--root "$1" --path "$1"/node.yaml --mode preparation --output json'

    validated = shell('validate --path "$1"/node.yaml --mode preparation --output json', tmp_path)
    planned = shell(f"plan {options}", tmp_path)
    bootstrapped = shell(f"bootstrap {options}", tmp_path)

    assert planned.returncode == bootstrapped.returncode == 3
    assert planned.stdout == validated.stdout
    first, last = map(json.loads, bootstrapped.stdout.splitlines())
    assert first["event"] == "configurationRefused"
    assert first["problems"] == json.loads(validated.stdout)["problems"]
    assert last["event"] == "runEnded"
