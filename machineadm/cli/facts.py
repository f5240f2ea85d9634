"""Show what this machine knows of itself, from which source, and what a configuration would take of it."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.passphrases import passphrases_of

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.agent.facts import Fact, Report, Taken
    from machineadm.agent.wiring import Machine
    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_path(required=False, directories=True)
    parser.add_opening()
    parser.add_instance_data()
    parser.add_directories()
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Print it.

    Raises:
        HostError: The configuration refers to something that nobody knows.
    """
    from machineadm.agent.facts import report
    from machineadm.agent.wiring import connect
    from machineadm.cli.refusal import refusals

    as_json = arguments.output == "json"
    with (
        connect(
            root=arguments.root,
            run_directory=arguments.run_dir,
            state_directory=arguments.state_dir,
        ) as machine,
        # Inside of the machine, so that a refusal's text is masked by what the machine has learned.
        refusals(machine.redactor, problems_as_json=as_json) as refusal,
    ):
        # Everything is asked before anything is printed: the width of the table depends on all
        # names.
        found = report(
            machine,
            paths=tuple(arguments.path or ()),
            instance_data=arguments.instance_data,
            passphrases=passphrases_of(arguments),
            allow_unauthenticated=arguments.allow_unauthenticated_encryption,
        )
        # Before the error: the facts show what could be used instead.
        _print(found, machine, as_json=as_json)
        if found.error is not None:
            raise found.error
    return refusal.exit_code


def _print(found: Report, machine: Machine, *, as_json: bool) -> None:
    import msgspec

    from machineadm.terminal import printable

    if as_json:
        told = {
            "platform": found.platform,
            "facts": [msgspec.to_builtins(one) for one in found.facts],
            "taken": [msgspec.to_builtins(one) for one in found.taken],
        }
        text = msgspec.json.encode(told).decode() + "\n"
    else:
        # The platform first: which sources were asked at all depends on it.
        lines = [f"platform: {found.platform or 'not recognised'}", *_rows(found.facts)]
        if found.taken:
            lines += ["", "used by the configuration:", *_references(found.taken)]
        # Values come from a metadata service or a kernel command line: neither may send escape
        # sequences to a terminal.
        text = "".join(printable(part) + "\n" for line in lines for part in line.split("\n"))
    sys.stdout.write(machine.redactor.text(text))


def _rows(facts: tuple[Fact, ...]) -> list[str]:
    """Name, value and source of what is known; then the unknown names, grouped by their reason, which many share."""
    known = [one for one in facts if one.source]
    width = max((len(one.name) for one in known), default=0)
    unknown: dict[str, list[str]] = {}
    for one in facts:
        if not one.source:
            # By reason, because one server that does not answer would be told of twenty times.
            unknown.setdefault(one.reason, []).append(one.name)
    return [
        *(f"{one.name:{width}}  {one.value} ({one.source})" for one in known),
        *(f"not known: {', '.join(names)}\n  {reason}" for reason, names in unknown.items()),
    ]


def _references(taken: tuple[Taken, ...]) -> list[str]:
    return [f"  {one.path} = {one.value} ({one.source})" for one in taken]
