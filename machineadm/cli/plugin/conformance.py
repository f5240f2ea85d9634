"""Drive a plugin, in any language, through all that a host expects of its kind, and print a table. Exit 7 if a check fails."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.plugin import common
from machineadm.errors import PluginError, UsageError

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's arguments."""
    parser.add_argument(
        "command", metavar="COMMAND", help="the plugin's executable; it need not be installed"
    )
    # For plugins in languages with an interpreter: the command is `python3`, its argument the file.
    parser.add_argument(
        "arguments", metavar="ARGUMENT", nargs="*", default=[], help="its arguments, behind --"
    )
    parser.add_option(
        "--kind",
        metavar="KIND",
        help="its kind; default: as its name says, machineadm-plugin-KIND-NAME",
    )
    parser.add_option("--settings", metavar="JSON|@FILE", help="its settings, as in plugins.yaml")
    parser.add_option(
        "--input",
        metavar="JSON|@FILE",
        help='inputs that it knows: {"provider": "vault"}, {"location": "...", "report": "..."}, {"PROVIDER": {INPUTS}}, {"scope": "..."}',
    )
    parser.add_option(
        # Off by default: an author may try this with an account that is in use.
        "--writes",
        action="store_true",
        help="also call methods that change something",
    )
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Drive it.

    Raises:
        UsageError: Its kind is not known.
        PluginError: MA7255: It does not conform.
    """
    from pathlib import Path

    from machineadm.plugins.inspection.conformance.model import Subject
    from machineadm.plugins.inspection.conformance.suite import judge
    from machineadm.terminal import printable

    subject = Subject(
        kind=_kind(arguments),
        # Absolute: a plugin is started by its path and never looked for in PATH.
        path=str(Path.cwd() / arguments.command),
        arguments=tuple(arguments.arguments),
        settings=common.inputs_of(arguments.settings, option="--settings") or None,
        inputs=common.inputs_of(arguments.input),
        writes=arguments.writes,
    )
    results = []
    for result in judge(subject):
        results.append(result)
        if arguments.output == "text":
            line = f"{result.verdict:8} {result.check}"
            detail = f": {printable(result.detail)}" if result.detail else ""
            sys.stdout.write(f"{line}{detail}\n")
            # Each line as it comes: a check that waits for a timeout should not hide the results
            # before it.
            sys.stdout.flush()
    if arguments.output == "json":
        common.print_json(
            [{"check": one.check, "verdict": one.verdict, "detail": one.detail} for one in results]
        )
    failed = sum(one.verdict == "FAILED" for one in results)
    skipped = sum(one.verdict == "skipped" for one in results)
    # An error and no exit code of its own: 7 is what every failure of a plugin gives.
    if failed:
        raise PluginError(
            "MA7255",
            f"{arguments.command} fails {failed} of {len(results)} checks of kind {subject.kind}",
            hint="the table says what was expected",
        )
    if arguments.output == "text":
        sys.stdout.write(f"{len(results) - skipped} checks passed, {skipped} skipped\n")
    return 0


def _kind(arguments: Namespace) -> str:
    """The kind from the option, or from the file's name.

    Raises:
        UsageError: MA7001: Neither is a kind.
    """
    from machineadm.plugins.catalogs.model import KINDS
    from machineadm.plugins.discovery import PREFIX

    name = arguments.command.rpartition("/")[2].removeprefix(PREFIX)
    # By prefix over the known kinds, because a kind has hyphens itself and so cannot be cut at one.
    kind = arguments.kind or next((one for one in KINDS if name.startswith(f"{one}-")), "")
    if kind not in KINDS:
        problem = (
            f"--kind: {arguments.kind!r} is not a kind"
            if arguments.kind
            else f"which kind is {arguments.command}?"
        )
        raise UsageError("MA7001", problem, hint=f"--kind: {', '.join(KINDS)}")
    return str(kind)
