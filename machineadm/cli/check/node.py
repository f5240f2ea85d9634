"""Is this machine still what its configuration says, and does its node live? Exits 10 if not, and touches nothing.

What a run of bootstrap would change is drift, shown as a plan shows it. Then how the last run ended, and whether runtime, kubelet and certificates are well.
"""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.check.common import WRONG, print_flaws
from machineadm.cli.options import add_configuration, machine_of, request_of

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.agent.request import Request
    from machineadm.agent.wiring import Machine
    from machineadm.cli.options import Parser
    from machineadm.execution.events import Event


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    # The options of bootstrap: what departs can only be told by planning the same run again.
    add_configuration(
        parser, "sarif", preparation="the machine was only prepared and is not a node"
    )


def run(arguments: Namespace) -> int:
    """Print what departs from the configuration."""
    request = request_of(arguments)
    with machine_of(arguments) as machine:
        return show(request, machine, output=arguments.output)


def show(request: Request, machine: Machine, *, output: str) -> int:
    """Print what departs from the configuration.

    Returns:
        The exit code.
    """
    from machineadm.agent.node_check import departures
    from machineadm.cli.refusal import refusals

    # Kept: of a configuration that is refused no warning is shown, only what is wrong.
    told: list[Event] = []
    with refusals(machine.redactor, problems_as_json=output == "json") as refusal:
        found = departures(request, machine, told.append)
    # A configuration that cannot be read says nothing about the machine, so its own code is the
    # answer and not 10.
    if refusal.exit_code:
        return refusal.exit_code
    for event in told:
        _warn(event, machine)
    print_flaws(found, output, nothing="this machine is what its configuration says")
    return WRONG if any(one.severity == "error" for one in found) else 0


def _warn(event: Event, machine: Machine) -> None:
    from machineadm.documents import printing
    from machineadm.execution.events import ConfigurationWarned

    # Of all events only this one is about the configuration; the others tell of a run, and there
    # was none.
    if isinstance(event, ConfigurationWarned):
        sys.stderr.write(machine.redactor.text(printing.lines(event.problems)))
