"""Print the completion of this command line, for bash, zsh or fish, to be read by the shell.

bash: source <(machineadm completion bash); zsh: a file _machineadm in $fpath; fish: ~/.config/fish/completions/machineadm.fish.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

import msgspec

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser

SHELLS: Final = ("bash", "zsh", "fish")
# With a name in front it fits a terminal of 100 columns in all three shells.
_LONGEST: Final = 70
"""Characters of a description."""


class Option(msgspec.Struct, frozen=True, kw_only=True):
    """An option as a shell must know it."""

    name: str
    help: str
    takes: str = ""
    """What a value is called; empty: it takes none."""
    choices: tuple[str, ...] = ()

    @property
    # By the metavar, which help shows too: a new option gets its completion without a second place
    # to keep.
    def is_path(self) -> bool:
        """Whether files are offered for its value."""
        return any(word in self.takes for word in ("FILE", "DIR"))


class Command(msgspec.Struct, frozen=True, kw_only=True):
    """A command, or one below another."""

    words: tuple[str, ...]
    """`("check", "node")`."""
    help: str
    below: dict[str, str] = {}
    """Commands below it, and what they do."""
    options: tuple[Option, ...] = ()
    first: tuple[str, ...] = ()
    """What its first argument may be."""


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_argument("shell", choices=SHELLS, help="bash, zsh or fish")


def run(arguments: Namespace) -> int:
    """Print the completion."""
    # All of it is printed as text and nothing asks machineadm again: starting the agent for each
    # press of the tab key would take too long.
    write = {"bash": _bash, "zsh": _zsh, "fish": _fish}[arguments.shell]
    sys.stdout.writelines(f"{line}\n" for line in write(tuple(commands())))
    return 0


def commands() -> Iterator[Command]:
    """Yield every command that help shows, with its options."""
    from importlib import import_module

    from machineadm.cli.main import COMMANDS

    for name, purpose in COMMANDS.items():
        # Every command is imported, which takes a while; this runs once, when a shell's completion
        # is set up.
        module = import_module(f"machineadm.cli.{name.replace('-', '_')}")
        below: dict[str, str] = getattr(module, "COMMANDS", {})
        yield _command((name,), purpose, below)
        for one, what in below.items():
            yield _command((name, one), what, {})


def _command(words: tuple[str, ...], purpose: str, below: dict[str, str]) -> Command:
    from importlib import import_module

    from machineadm.cli.options import Parser

    if below:
        return Command(words=words, help=purpose, below=below)
    module = import_module("machineadm.cli." + ".".join(one.replace("-", "_") for one in words))
    # The same declarations that the command line is read by, so that the two cannot differ.
    parser = Parser(prog=" ".join(("machineadm", *words)))
    module.add_arguments(parser)
    # argparse adds it by itself, so it is in no declaration.
    options = [Option(name="--help", help="show this command's options")]
    first: tuple[str, ...] = ()
    for name, settings in parser.arguments:
        choices = tuple(settings.get("choices") or ())
        if not name.startswith("--"):
            first = choices
            continue
        switch = settings.get("action") == "store_true"
        takes = "" if switch else str(settings.get("metavar") or "VALUE")
        # Without the name of the variable: it is cut off in a menu anyway, and is the same rule for
        # every option.
        told = str(settings.get("help", "")).partition(" [MACHINEADM_")[0]
        options.append(Option(name=name, help=told, takes=takes, choices=choices))
    return Command(words=words, help=purpose, options=tuple(options), first=first)


def _bash(found: tuple[Command, ...]) -> Iterator[str]:
    tops = " ".join(one.words[0] for one in found if len(one.words) == 1)
    yield "# completion of machineadm for bash: source <(machineadm completion bash)"
    yield "_machineadm() {"
    yield "  local cur=${COMP_WORDS[COMP_CWORD]} prev=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]:-} at=2"
    # bash keeps it from one completion to the next.
    yield "  COMPREPLY=()"
    yield f'  if [ "$COMP_CWORD" -eq 1 ]; then COMPREPLY=($(compgen -W \'{tops} --help --version\' -- "$cur")); return; fi'
    yield "  case $command in"
    for one in found:
        if one.below:
            names = " ".join(one.below)
            yield f"    {one.words[0]})"
            yield f'      if [ "$COMP_CWORD" -eq 2 ]; then COMPREPLY=($(compgen -W \'{names}\' -- "$cur")); return; fi'
            yield '      command="$command ${COMP_WORDS[2]}" at=3;;'
    yield "  esac"
    yield "  local options='' first=''"
    # bash takes `--output=json` for three words.
    yield '  if [ "$cur" = = ]; then cur=""; elif [ "$prev" = = ]; then prev=${COMP_WORDS[COMP_CWORD-2]}; fi'
    yield '  case "$command $prev" in'
    for one in found:
        for option in one.options:
            key = f"'{' '.join(one.words)} {option.name}'"
            if option.choices:
                yield f"    {key}) COMPREPLY=($(compgen -W '{' '.join(option.choices)}' -- \"$cur\")); return;;"
            elif option.is_path:
                # Not there in the bash 3.2 of macOS, which operators have on their desks; then
                # nothing is offered.
                yield f"    {key}) compopt -o default 2>/dev/null; return;;"
            elif option.takes:
                # Nothing is offered for a value that can be anything: files would be offered in its
                # place.
                yield f"    {key}) return;;"
    yield "  esac"
    yield "  case $command in"
    for one in found:
        names = " ".join(option.name for option in one.options)
        if names:
            yield f"    '{' '.join(one.words)}') options='{names}' first='{' '.join(one.first)}';;"
    yield "  esac"
    yield '  if [ "$COMP_CWORD" -eq "$at" ] && [ -n "$first" ] && [ "${cur#-}" = "$cur" ]; then options=$first; fi'
    yield '  COMPREPLY=($(compgen -W "$options" -- "$cur"))'
    yield "}"
    # By both names: the packages install the first, and the release's file has the second.
    yield "complete -F _machineadm machineadm machineadm.pyz"


def _zsh(found: tuple[Command, ...]) -> Iterator[str]:
    yield "#compdef machineadm machineadm.pyz"
    yield "_machineadm() {"
    yield "  local -a commands"
    yield "  if (( CURRENT == 2 )); then"
    yield "    commands=("
    yield from (f"      {_pair(one.words[0], one.help)}" for one in found if len(one.words) == 1)
    yield "    )"
    yield "    _describe command commands; return"
    yield "  fi"
    yield "  local command=$words[2]"
    yield "  case $command in"
    for one in found:
        if one.below:
            yield f"    {one.words[0]})"
            yield "      if (( CURRENT == 3 )); then"
            yield "        commands=("
            yield from (f"          {_pair(name, what)}" for name, what in one.below.items())
            yield "        )"
            yield "        _describe command commands; return"
            yield "      fi"
            yield '      command="$command $words[3]"; shift words; (( CURRENT-- ));;'
    yield "  esac"
    # _arguments counts words from the command, so those before it have to go.
    yield "  shift words; (( CURRENT-- ))"
    yield "  case $command in"
    for one in found:
        if one.below:
            continue
        yield f"    '{' '.join(one.words)}') _arguments \\"
        for option in one.options:
            yield f"      {_quoted(_zsh_option(option))} \\"
        if one.first:
            yield f"      {_quoted(_first(one))} \\"
        yield "      && return;;"
    yield "  esac"
    yield "}"
    # Sourced it registers itself; from $fpath the file is the function.
    yield 'if [[ $funcstack[1] == _machineadm ]]; then _machineadm "$@"; else compdef _machineadm machineadm machineadm.pyz; fi'


def _first(one: Command) -> str:
    words = " ".join(one.first)
    return f"1:argument:({words})"


def _zsh_option(option: Option) -> str:
    # Brackets and colons end the parts of a specification of _arguments.
    told = _short(option.help).replace("[", "(").replace("]", ")").replace(":", r"\:")
    # The asterisk: an option may be given again, and zsh would no longer offer it.
    text = f"*{option.name}[{told}]"
    if not option.takes:
        return text
    # A blank is zsh's way to say that a value is needed and nothing is offered.
    action = "_files" if option.is_path else " "
    if option.choices:
        action = f"({' '.join(option.choices)})"
    takes = option.takes.replace(":", " ")
    return f"{text}:{takes}:{action}"


def _fish(found: tuple[Command, ...]) -> Iterator[str]:
    tops = " ".join(one.words[0] for one in found if len(one.words) == 1)
    yield "# completion of machineadm for fish"
    # -f: no file names where a command is expected.
    yield "complete -c machineadm -f"
    for one in found:
        if len(one.words) == 1:
            where = f"not __fish_seen_subcommand_from {tops}"
            yield f"complete -c machineadm -n {_quoted(where)} -a {one.words[0]} -d {_quoted(_short(one.help))}"
            for name, what in one.below.items():
                where = f"__fish_seen_subcommand_from {one.words[0]}; and not __fish_seen_subcommand_from {' '.join(one.below)}"
                yield f"complete -c machineadm -n {_quoted(where)} -a {name} -d {_quoted(_short(what))}"
        # By words that were seen and not by their places, since options may stand between them.
        where = "; and ".join(f"__fish_seen_subcommand_from {word}" for word in one.words)
        if one.first:
            yield f"complete -c machineadm -n {_quoted(where)} -a {_quoted(' '.join(one.first))}"
        for option in one.options:
            value = (
                f" -x -a {_quoted(' '.join(option.choices))}"
                if option.choices
                else " -r -F"
                if option.is_path
                else " -x"
                if option.takes
                else ""
            )
            yield f"complete -c machineadm -n {_quoted(where)} -l {option.name[2:]}{value} -d {_quoted(_short(option.help))}"


def _pair(name: str, text: str) -> str:
    """A name and what it is, as zsh's _describe takes them."""
    # The first colon is what separates the two for _describe.
    told = _short(text).replace(":", r"\:")
    return _quoted(f"{name}:{told}")


def _short(text: str) -> str:
    line = " ".join(text.split())
    return line if len(line) <= _LONGEST else f"{line[: _LONGEST - 3].rstrip()}..."


def _quoted(text: str) -> str:
    """A word in single quotes, as all three shells read it: ours have neither backslashes before quotes nor line breaks."""
    return "'" + text.replace("'", "'\\''") + "'"
