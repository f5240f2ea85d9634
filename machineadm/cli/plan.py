"""Show what bootstrap would do, step by step; exits 0 if nothing would change, 10 if anything would, 5 if bootstrap would refuse this machine."""

from __future__ import annotations

import os
import sys
from typing import TYPE_CHECKING

from machineadm.cli.options import add_configuration, machine_of, request_of

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.agent.request import Request
    from machineadm.agent.wiring import Machine
    from machineadm.cli.options import Parser
    from machineadm.errors import HostError
    from machineadm.execution.events import Event
    from machineadm.redaction import Redactor

# Not 1 or 2: both are taken, by shells and by mistakes on the command line. 0 means "no change", so
# `plan && echo in place` works.
SOMETHING_TO_DO = 10


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    add_configuration(parser)
    parser.add_option(
        "--profile",
        choices=("cis", "stig"),
        help="plan as if complianceProfiles named this one, and list what it sets",
    )


def run(arguments: Namespace) -> int:
    """Print the plan."""
    # Only `bootstrap --dry-run` has the deadline's option.
    request = request_of(
        arguments,
        deadline=getattr(arguments, "deadline", None),
        # Nor has `bootstrap --dry-run` this one: it must show what a run would do.
        profile=getattr(arguments, "profile", None) or "",
    )
    with machine_of(arguments) as machine:
        return show(request, machine, as_json=arguments.output == "json")


def show(request: Request, machine: Machine, *, as_json: bool) -> int:
    """Print the plan, and behind it why `bootstrap` would refuse this machine.

    Returns:
        The exit code.
    """
    from machineadm.agent.bootstrap import look_ahead
    from machineadm.cli.main import describe
    from machineadm.cli.refusal import refusals
    from machineadm.plan.look import anything_to_do
    from machineadm.plan.render import render_json, render_text

    # Kept, as the values of references are wanted in the plan itself and warnings before it.
    told: list[Event] = []
    refused: list[HostError] = []
    redactor = machine.redactor
    with refusals(redactor, problems_as_json=as_json) as refusal:
        # refuse= instead of raising: the plan is worth showing even where the machine would be
        # refused, to see all at once.
        looks = look_ahead(request, machine, told.append, refuse=refused.append)
    # Nothing was planned, so there is nothing to show; the refusal has been printed.
    if refusal.exit_code:
        return refusal.exit_code
    for event in told:
        _warn(event, redactor)
    values = _values(told)
    if as_json:
        # Refusals are within: a program reads one document and must not have to parse standard
        # error.
        sys.stdout.write(render_json(looks, redactor, values, refused))
    else:
        # https://no-color.org
        colour = sys.stdout.isatty() and not os.environ.get("NO_COLOR")
        sys.stdout.writelines(render_text(looks, redactor, values, colour=colour))
    if refused:
        sys.stdout.flush()  # both may go to one terminal, and the reasons belong behind the plan
        sys.stderr.writelines(redactor.text(f"{describe(one)}\n") for one in refused)
        sys.stderr.write("machineadm: bootstrap would refuse this machine; nothing was changed\n")
        # The first is the one that bootstrap would end with.
        return refused[0].exit_code
    return SOMETHING_TO_DO if anything_to_do(looks) else 0


def _values(told: list[Event]) -> tuple[tuple[str, str, str], ...]:
    """The values of the configuration's references and of its profiles: path, value, origin."""
    if not told:
        return ()
    from machineadm.execution.events import ProfilesApplied, ReferencesResolved

    return tuple(
        (one.path, one.value, one.origin)
        for event in told
        if isinstance(event, ReferencesResolved | ProfilesApplied)
        for one in event.values
    )


def _warn(event: Event, redactor: Redactor) -> None:
    """Print a warning on standard error, because standard output is for the plan alone."""
    from machineadm.documents import printing
    from machineadm.execution.events import ConfigurationWarned

    if isinstance(event, ConfigurationWarned):
        sys.stderr.write(redactor.text(printing.lines(event.problems)))
