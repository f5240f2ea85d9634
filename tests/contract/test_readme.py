"""What README.md says is so."""

import re
from pathlib import Path

import pytest

from machineadm import errors
from machineadm.cli.completion import commands
from machineadm.cli.main import main

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text()


def test_every_make_target_that_it_names_exists() -> None:
    makefiles = [ROOT / "Makefile", *ROOT.glob("tests/*.mk")]
    targets = set(re.findall(r"^([a-z0-9-]+):", "".join(map(Path.read_text, makefiles)), re.M))

    named = set(re.findall(r"^make ([a-z0-9-]+)|`make ([a-z0-9-]+)`", README, re.M))

    assert {first or second for first, second in named} - targets == set()


def test_every_file_that_it_links_to_exists() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)", README)

    assert links
    assert [link for link in links if not (ROOT / link).exists()] == []


def test_its_exit_codes_are_those_of_the_errors() -> None:
    rows = {int(code) for code in re.findall(r"^\| (\d+) \|", README, re.M)}
    raised = {
        found.exit_code
        for found in vars(errors).values()
        if isinstance(found, type) and issubclass(found, errors.MachineadmError)
    }

    # 0, 10 and 11 are ends that are not errors; 7 belongs to plugins.
    assert rows - raised <= {0, 7, 10, 11}
    assert raised <= rows


def test_its_help_text_is_what_the_agent_prints(capsys: pytest.CaptureFixture[str]) -> None:
    main(["--help"])

    assert f"```text\n{capsys.readouterr().out}```\n" in README


def test_its_commands_have_the_options_that_it_shows(capsys: pytest.CaptureFixture[str]) -> None:
    blocks = "".join(re.findall(r"^```sh\n(.*?)^```", README, re.M | re.S))
    shown = re.findall(r"^machineadm ([a-z]+)([^#\n]*)", blocks, re.M)
    assert shown
    below = {one.words[0]: one.below for one in commands() if one.below}
    for command, rest in shown:
        words = [command, *rest.split()[:1]] if command in below else [command]
        with pytest.raises(SystemExit, match="0"):
            main([*words, "--help"])
        options = set(re.findall(r"--[a-z-]+", capsys.readouterr().out))
        assert set(re.findall(r"--[a-z-]+", rest)) <= options, command


def test_its_configurations_are_valid(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    blocks = re.findall(r"^```yaml\n(.*?)^```", README, re.M | re.S)
    assert blocks
    for block in blocks:
        path = tmp_path / "node.yaml"
        path.write_text(block)
        code = main(["validate", "--path", str(path)])
        assert code == 0, capsys.readouterr().out
