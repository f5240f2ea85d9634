"""Completion in fish and zsh themselves; bash is asked by the unit tests."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from tests.debian import require

ROOT = Path(__file__).parents[2]
# zsh's own functions are replaced by some that print what they are given: the real ones need a terminal.
ZSH = """
autoload -Uz compinit; compinit -u -D
source {script}
_describe() {{ local -a given; given=(${{(P)2}}); print -r -- ${{given%%:*}}; }}
_arguments() {{ print -rl -- "$@"; }}
words=({words} ""); CURRENT=$#words
_machineadm
"""


@pytest.fixture(scope="module")
def scripts(tmp_path_factory: pytest.TempPathFactory) -> Path:
    require(fish="fish", zsh="zsh")
    directory = tmp_path_factory.mktemp("completion")
    for shell in ("fish", "zsh"):
        argv = [sys.executable, "-m", "machineadm", "completion", shell]
        done = subprocess.run(argv, cwd=ROOT, capture_output=True, text=True, check=True)
        (directory / shell).write_text(done.stdout)
    return directory


def asked(*argv: str) -> list[str]:
    done = subprocess.run(argv, capture_output=True, text=True, check=True)
    assert done.stderr == ""
    return done.stdout.splitlines()


@pytest.mark.parametrize(
    ("line", "offered"),
    [
        ("machineadm pl", ["plan", "plugin"]),
        ("machineadm check ", ["compliance", "machine", "node", "os"]),
        ("machineadm plan --output ", ["json", "text"]),
        ("machineadm check node --mo", ["--mode"]),
        ("machineadm completion ", ["bash", "fish", "zsh"]),
    ],
)
def test_fish_offers_commands_options_and_values(
    line: str, offered: list[str], scripts: Path
) -> None:
    lines = asked("fish", "--no-config", "-c", f"source {scripts / 'fish'}; complete -C '{line}'")

    assert sorted(one.partition("\t")[0] for one in lines) == offered


@pytest.mark.parametrize(
    ("words", "offered"),
    [
        ("machineadm", {"bootstrap", "check", "version"}),
        ("machineadm check", {"node", "os"}),
        ("machineadm check node", {"*--path[", "*--mode["}),
        ("machineadm completion", {"1:argument:(bash zsh fish)"}),
    ],
)
def test_zsh_reads_it_and_is_told_of_commands_and_options(
    words: str, offered: set[str], scripts: Path
) -> None:
    lines = asked("zsh", "-f", "-c", ZSH.format(script=scripts / "zsh", words=words))

    found = [word for line in lines for word in (line, *line.split())]
    assert {one for one in offered if any(word.startswith(one) for word in found)} == offered
