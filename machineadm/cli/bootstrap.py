"""Make this machine what the configuration says: decode, validate, plan, act, report."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machineadm.cli.options import (
    ALLOW_UNAUTHENTICATED,
    ALLOW_UNKNOWN_VERSION,
    add_configuration,
    duration,
    machine_of,
    request_of,
)
from machineadm.cli.passphrases import passphrases_of
from machineadm.config.model import DEADLINE

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    add_configuration(parser)
    parser.add_option("--dry-run", action="store_true", help="as `plan`, with its exit codes")
    parser.add_option(
        "--deadline",
        type=duration,
        metavar="DURATION",
        help=f"time for the whole run (default: the configuration's, else {DEADLINE})",
    )


def run(arguments: Namespace) -> int:
    """Bootstrap, and show how it went."""
    if arguments.dry_run:
        # Imported here: a real run never needs the rendering of plans.
        from machineadm.cli import plan

        return plan.run(arguments)
    from machineadm.agent.bootstrap import bootstrap
    from machineadm.api.formats import seconds
    from machineadm.cli.progress import LEFT_OUT, Progress
    from machineadm.cli.refusal import refusals
    from machineadm.cli.status import show
    from machineadm.cli.streams import report_on_stdout

    # Only the run counts: whether anybody reads its output must change neither its course nor its exit code.
    report_on_stdout(LEFT_OUT.format if arguments.output == "json" else None)
    progress = Progress(output=arguments.output)
    # Only if it was given: a resumed run must take the configuration's own, which somebody may have
    # raised meanwhile.
    given = () if arguments.deadline is None else ("--deadline", f"{arguments.deadline:.9g}s")
    passphrases = passphrases_of(arguments)
    passphrases.log = progress.log
    # A resumed run reads the same input with nobody at the keyboard: what was allowed this time
    # must be allowed again.
    lenient = (
        *((ALLOW_UNAUTHENTICATED,) if arguments.allow_unauthenticated_encryption else ()),
        *((ALLOW_UNKNOWN_VERSION,) if arguments.allow_unknown_version else ()),
    )
    request = request_of(
        arguments,
        options=("--mode", arguments.mode, *given, *lenient),
        deadline=arguments.deadline,
        passphrases=passphrases,
    )
    with machine_of(
        arguments,
        deadline=seconds(DEADLINE) if arguments.deadline is None else arguments.deadline,
        log=progress.log,
    ) as machine:
        progress.redactor = machine.redactor
        # Progress is the inner one: it ends an unfinished line before the refusal is printed below
        # it.
        with refusals(machine.redactor) as refusal, progress:
            bootstrap(request, machine, progress.observe)
        # A failure has been printed already, with its hint.
        if refusal.exit_code == 0 and arguments.output == "text":
            show(machine.host.state)
    return refusal.exit_code
