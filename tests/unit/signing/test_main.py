"""`python -m signing`: commands, their help, and exit codes."""

import pytest

from signing.__main__ import COMMANDS, main


@pytest.mark.parametrize("arguments", [[], ["sing"], [""], ["--version"]])
def test_without_a_command_the_commands_are_shown(
    arguments: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(arguments) == 2

    shown = capsys.readouterr()
    assert not shown.out
    assert all(name in shown.err for name in COMMANDS)


def test_help_is_no_mistake(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    shown = capsys.readouterr().out
    assert all(name in shown for name in COMMANDS)


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_has_help_and_refuses_what_it_does_not_know(command: str) -> None:
    with pytest.raises(SystemExit, match=r"^0$"):
        main([command, "--help"])
    with pytest.raises(SystemExit, match=r"^2$"):
        main([command, "--no-such-option"])
