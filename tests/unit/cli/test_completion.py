"""Completion: bash itself completes every command and option of the real parsers."""

from __future__ import annotations

import subprocess
from contextlib import redirect_stdout
from pathlib import Path

import pytest

from machineadm.cli.completion import SHELLS, Command, commands
from machineadm.cli.main import COMMANDS, main

FOUND = tuple(commands())
TRY = """
source "$1"; shift
COMP_WORDS=("$@"); COMP_CWORD=$(($#-1)); COMPREPLY=()
_machineadm
printf '%s\\n' "${COMPREPLY[@]}"
"""


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("completion") / "bash"
    with path.open("w") as file, redirect_stdout(file):
        assert main(["completion", "bash"]) == 0
    return path


def offered(script: Path, *words: str) -> set[str]:
    argv = ["bash", "--norc", "-c", TRY, "bash", str(script), "machineadm", *words]
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return set(done.stdout.split())


def test_every_command_is_offered_and_no_other(script: Path) -> None:
    assert offered(script, "") == {*COMMANDS, "--help", "--version"}
    assert offered(script, "va") == {"validate"}
    assert offered(script, "boot") == {"bootstrap"}


@pytest.mark.parametrize(
    "command", [one for one in FOUND if one.below], ids=lambda one: one.words[0]
)
def test_commands_below_are_offered_with_their_own_options(command: Command, script: Path) -> None:
    assert offered(script, *command.words, "") == set(command.below)
    for name in command.below:
        (below,) = (one for one in FOUND if one.words == (*command.words, name))
        assert offered(script, *below.words, "--") == {option.name for option in below.options}


@pytest.mark.parametrize(
    "command", [one for one in FOUND if not one.below], ids=lambda one: " ".join(one.words)
)
def test_every_option_is_offered_and_the_values_that_it_takes(
    command: Command, script: Path
) -> None:
    assert offered(script, *command.words, "--") == {option.name for option in command.options}
    for option in command.options:
        if option.choices:
            assert offered(script, *command.words, option.name, "") == set(option.choices)
            # bash takes `--output=json` for three words.
            assert offered(script, *command.words, option.name, "=") == set(option.choices)
            assert offered(script, *command.words, option.name, "=", option.choices[0]) >= {
                option.choices[0]
            }
        elif option.takes:
            assert offered(script, *command.words, option.name, "") == set()


def test_the_first_argument_has_its_values(script: Path) -> None:
    assert offered(script, "completion", "") == set(SHELLS)
    assert offered(script, "completion", "f") == {"fish"}


def test_an_unknown_command_is_completed_to_nothing(script: Path) -> None:
    assert offered(script, "nonsense", "--") == set()


@pytest.mark.parametrize("shell", SHELLS)
def test_no_text_of_ours_leaves_its_quotes(shell: str, capfd: pytest.CaptureFixture[str]) -> None:
    assert main(["completion", shell]) == 0

    for line in capfd.readouterr().out.splitlines():
        assert line.replace("'\\''", "").count("'") % 2 == 0, line


def test_another_shell_is_refused_with_those_that_there_are(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["completion", "tcsh"]) == 2
    assert "fish" in capsys.readouterr().err
