"""Run the commands of every boot (called by machineadm-boot.service)."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_directories()
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Run the boot commands."""
    from machineadm.agent.boot import run_boot_commands
    from machineadm.agent.wiring import connect
    from machineadm.cli.progress import LEFT_OUT, Progress
    from machineadm.cli.refusal import refusals
    from machineadm.cli.streams import report_on_stdout

    # Before anything is printed: systemd's journal is the reader, and a journal that stalls must
    # not hold up the boot.
    report_on_stdout(LEFT_OUT.format if arguments.output == "json" else None)
    progress = Progress(output=arguments.output)
    with connect(
        root=arguments.root,
        run_directory=arguments.run_dir,
        state_directory=arguments.state_dir,
        log=progress.log,
    ) as machine:
        # The machine's own from here on: it learns the secrets of the configuration that was kept
        # for each boot.
        progress.redactor = machine.redactor
        with refusals(machine.redactor) as refusal, progress:
            # No configuration is given: what each boot runs was noted by the run that set the
            # machine up.
            run_boot_commands(machine, progress.observe)
    return refusal.exit_code
