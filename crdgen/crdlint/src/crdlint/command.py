"""The command line: files in, violations out, exit code 1 if there is an error."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from crdlint import VERSION, rendering
from crdlint.checking import check_file, is_definition
from crdlint.model import Violation
from crdlint.reading import ReadingError, read
from crdlint.released import Released

USAGE: Final = "usage: crdlint FILE... [--released DIR] [--ours] [--output text|json]"
HELP: Final = f"""\
{USAGE}

Checks CustomResourceDefinitions as the Kubernetes API server would. - is standard input.

  --released DIR       also report changes that break users of the CRDs in DIR
  --ours               sizes that kubectl or etcd may refuse are errors, not warnings
  --output text|json   text (default) or json
  --version            print the version
"""
# Anywhere on the line: who asks for help has often begun to write the rest.
_ANSWERS: Final = {"-h": HELP, "--help": HELP, "--version": f"crdlint {VERSION}\n"}
_FRAMES: Final = 10_000  # a schema of the greatest depth that is read, several calls a level


class UsageError(Exception):
    """The command line cannot be understood."""


class Options(NamedTuple):
    """The command line."""

    files: list[str]
    released: str = ""
    output: str = "text"
    ours: bool = False


def run(arguments: Sequence[str]) -> int:
    """Check files and say what is wrong with them.

    Args:
        arguments: The command line after the program's name; the file `-` is standard input.

    Returns:
        0 if there is no error, 1 if there is, 2 if the command line is wrong.
    """
    for option, answer in _ANSWERS.items():
        if option in arguments:
            sys.stdout.write(answer)
            return 0
    try:
        options = parse(arguments)
    except UsageError as error:
        sys.stderr.write(f"crdlint: {error}\n{USAGE}\n")
        return 2
    # All are found before one is printed, since JSON is one list.
    violations = list(check_files(options))
    render = rendering.as_json if options.output == "json" else rendering.as_text
    sys.stdout.write(render(violations))
    # Warnings pass: they are about what could not be judged.
    return 1 if any(v.severity == "error" for v in violations) else 0


def parse(arguments: Sequence[str]) -> Options:
    """Read the command line.

    Args:
        arguments: The command line after the program's name.

    Returns:
        What it says.

    Raises:
        UsageError: It cannot be understood.
    """
    files: list[str] = []
    named = {"--released": "", "--output": "text"}
    ours = False
    rest = iter(arguments)
    for argument in rest:
        name, equals, value = argument.partition("=")
        if argument == "--ours":
            ours = True
        elif name in named:
            named[name] = value if equals else next(rest, "")
            if not named[name]:
                raise UsageError(f"{name} needs a value")
        elif argument.startswith("-") and argument != "-":
            raise UsageError(f"unknown option {argument}")
        else:
            files.append(argument)
    if named["--output"] not in ("text", "json"):
        raise UsageError("--output must be text or json")
    if not files:
        raise UsageError("no file was given")
    return Options(files, named["--released"], named["--output"], ours)


def check_files(options: Options) -> Iterable[Violation]:
    """Check all files of a command line.

    Args:
        options: The command line.

    Yields:
        The violations, file by file.
    """
    # Here and not at import: a library must not change its caller's process.
    sys.setrecursionlimit(max(sys.getrecursionlimit(), _FRAMES))
    released, problems = _released(options.released)
    yield from problems
    for file in options.files:
        try:
            data = sys.stdin.buffer.read() if file == "-" else Path(file).read_bytes()
        except OSError as error:
            yield Violation("CRD001", file, "", f"cannot be read: {error.strerror}")
        else:
            yield from check_file(data, file, released, ours=options.ours)


def _released(directory: str) -> tuple[Released | None, list[Violation]]:
    if not directory:
        return None, []
    raws, problems = [], []
    paths = sorted(p for p in Path(directory).glob("*") if p.suffix in (".yaml", ".yml", ".json"))
    if not paths:
        problems.append(Violation("CRD001", directory, "", "has no released CRD"))
    for path in paths:
        try:
            raws += [d.value for d in read(path.read_bytes()) if is_definition(d.value)]
        except (OSError, ReadingError) as error:
            problems.append(Violation("CRD001", str(path), "", str(error)))
    return Released(raws), problems
