"""Which parts of the contract with an operating system (docs/os-contract.md) hold here, line by line; touches nothing.

Exits 10 if one does not hold that every configuration needs.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.check.common import WRONG, print_flaws

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Sequence

    from machineadm.actions.os_contract import Held
    from machineadm.cli.options import Parser
    from machineadm.host.ports import Host


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_output("sarif")


def run(arguments: Namespace) -> int:
    """Print each part of the contract."""
    from machineadm.agent.wiring import connect
    from machineadm.cli.options import RUN_DIRECTORY, STATE_DIRECTORY

    with connect(
        # A contract with an operating system that runs; files of a tree prove little of it.
        root=None,
        run_directory=RUN_DIRECTORY,
        state_directory=STATE_DIRECTORY,
    ) as machine:
        return show(machine.host, output=arguments.output)


def show(host: Host, *, output: str) -> int:
    """Print each part of the contract.

    Returns:
        The exit code.
    """
    from machineadm.actions.os_contract import held

    found = tuple(held(host))
    if output == "sarif":
        _print_sarif(found)
    elif output == "json":
        _print_json(found)
    else:
        sys.stdout.writelines(_line(one) for one in found)
    # What a configuration may do without is shown as absent and breaks nothing.
    broken = any(one.part.required and not one.answer.holds for one in found)
    return WRONG if broken else 0


def _line(one: Held) -> str:
    word = "holds " if one.answer.holds else "FAILS " if one.part.required else "absent"
    needed = "" if one.answer.holds else f" (for {one.part.needed_for})"
    return f"{word}  {one.part.row}: {one.answer.found}{needed}\n"


def _print_json(found: Sequence[Held]) -> None:
    import msgspec

    parts = [
        {
            "part": one.part.row,
            "neededFor": one.part.needed_for,
            "required": one.part.required,
            "holds": one.answer.holds,
            "found": one.answer.found,
        }
        for one in found
    ]
    sys.stdout.write(msgspec.json.encode({"contract": parts}).decode() + "\n")


def _print_sarif(found: Sequence[Held]) -> None:
    from machineadm.actions.suitability import Flaw

    flaws = [
        Flaw(
            code="MA4621" if one.part.required else "MA4622",
            # So that a viewer's counts agree with the exit code.
            severity="error" if one.part.required else "warning",
            message=f"{one.part.row}: {one.answer.found}",
            hint=f"needed for {one.part.needed_for}",
        )
        for one in found
        if not one.answer.holds
    ]
    print_flaws(flaws, "sarif", nothing="")
