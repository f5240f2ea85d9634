"""Take back what machineadm did to this machine, kubeadm's reset included, and say what stays; with --dry-run only show it. Exits 9 if the running machine must do the rest."""

from __future__ import annotations

import sys
from typing import TYPE_CHECKING

from machineadm.cli.options import duration
from machineadm.config.model import DEADLINE

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.agent.reset import Prospect
    from machineadm.agent.wiring import Machine
    from machineadm.cli.options import Parser
    from machineadm.cli.progress import Progress
    from machineadm.execution.events import Event, ResetEnded

SOMETHING_TO_DO = 10
# As a bootstrap that was cut off: the same command goes on.
RUN_AGAIN = 9


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_option(
        "--dry-run", action="store_true", help="show what would be done; exits 10 if anything would"
    )
    parser.add_option(
        "--yes",
        action="store_true",
        help="reset a node that is finished, or that others made, without being asked",
    )
    parser.add_option(
        "--deadline",
        type=duration,
        metavar="DURATION",
        help=f"time for all of it (default {DEADLINE})",
    )
    parser.add_directories()
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Reset, and say what stays."""
    from machineadm.agent.wiring import connect
    from machineadm.api.formats import seconds
    from machineadm.cli.progress import LEFT_OUT, Progress
    from machineadm.cli.streams import report_on_stdout

    as_json = arguments.output == "json"
    # What a dry run prints is its result and must arrive whole.
    if not arguments.dry_run:
        report_on_stdout(LEFT_OUT.format if as_json else None)
    progress = Progress(output=arguments.output)
    with connect(
        root=arguments.root,
        run_directory=arguments.run_dir,
        state_directory=arguments.state_dir,
        deadline=seconds(DEADLINE) if arguments.deadline is None else arguments.deadline,
        log=progress.log,
    ) as machine:
        progress.redactor = machine.redactor
        if arguments.dry_run:
            return _show(machine, as_json=as_json)
        return _reset(machine, progress, arguments)


def _show(machine: Machine, *, as_json: bool) -> int:
    from machineadm.agent.reset import look_at_reset
    from machineadm.plan.render import render_json, render_text
    from machineadm.terminal import printable

    prospect = look_at_reset(machine)
    if as_json:
        import msgspec

        told = {
            **msgspec.json.decode(render_json(prospect.looks, machine.redactor)),
            "stays": prospect.left,
            "unproved": prospect.unproved,
            "forgets": prospect.known,
        }
        sys.stdout.write(msgspec.json.encode(told).decode() + "\n")
    else:
        # The same rendering as a plan's, so that what goes can be compared with what came.
        sys.stdout.writelines(render_text(prospect.looks, machine.redactor))
        sys.stdout.writelines(f"{printable(line)}\n" for line in prospect.left)
        if prospect.known:
            sys.stdout.write("and forgets what it did: journal, ledger, report\n")
        if prospect.unproved:
            sys.stdout.write(f"needs --yes: {printable(', '.join(prospect.unproved))}\n")
    # As `plan`, so that one command tells whether a machine is clean.
    return SOMETHING_TO_DO if prospect.anything_to_do else 0


def _reset(machine: Machine, progress: Progress, arguments: Namespace) -> int:
    from machineadm.agent.reset import reset
    from machineadm.cli.refusal import refusals
    from machineadm.execution.events import ResetEnded

    ended: list[ResetEnded] = []

    def observe(event: Event) -> None:
        progress.observe(event)
        if isinstance(event, ResetEnded):
            ended.append(event)

    with refusals(machine.redactor) as refusal, progress:
        reset(machine, observe, confirm=lambda prospect: arguments.yes or _asked(prospect))
    if arguments.output == "text":
        from machineadm.terminal import printable

        for event in ended:
            sys.stdout.writelines(f"{printable(line)}\n" for line in event.left)
            sys.stdout.write(_how(event))
    if refusal.exit_code == 0 and not all(event.complete for event in ended):
        # Not 0: until a reset on the running machine has ended, no bootstrap begins.
        return RUN_AGAIN
    return refusal.exit_code


def _how(event: ResetEnded) -> str:
    if not event.done:
        return "nothing to reset\n"
    return (
        "reset\n"
        if event.complete
        else "reset, but for what the running machine must do: run `machineadm reset` there\n"
    )


def _asked(prospect: Prospect) -> bool:
    """Whether a person at the terminal confirms it. Without a terminal nobody can, and --yes is needed."""
    # Both: a question that is redirected into a log would wait for an answer that nobody knows to
    # give.
    if not (sys.stdin.isatty() and sys.stderr.isatty()):
        # No is the answer of nobody.
        return False
    from machineadm.terminal import printable

    lines = "".join(f"  {printable(path)}\n" for path in prospect.unproved)
    sys.stderr.write(
        f"kubeadm reset would take a node that is finished, or the work of others:\n{lines}"
        "Type yes to reset it: "
    )
    sys.stderr.flush()
    # The whole word: a y out of habit must not take a node out of its cluster.
    return sys.stdin.readline().strip() == "yes"
