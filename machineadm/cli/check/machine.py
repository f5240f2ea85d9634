"""Can this machine become the node that a configuration asks for? Exits 10 if it cannot, and touches nothing."""

from __future__ import annotations

from typing import TYPE_CHECKING

from machineadm.cli.check.common import WRONG, print_flaws
from machineadm.cli.passphrases import passphrases_of

if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_path(required=False, directories=True)
    parser.add_merge()
    parser.add_opening()
    parser.add_output("sarif")


def run(arguments: Namespace) -> int:
    """Print all that is wrong; 10 if there is an error among it.

    Raises:
        ProblemsError: The configuration has problems of its own.
    """
    from machineadm.actions.suitability import flaws
    from machineadm.agent.image import read_inputs
    from machineadm.agent.intake import accept
    from machineadm.agent.wiring import connect
    from machineadm.cli.options import RUN_DIRECTORY, STATE_DIRECTORY
    from machineadm.cli.refusal import refusals
    from machineadm.documents.opening import Opener
    from machineadm.host.facts import gather

    with (
        # This machine and no tree: memory, ports and modules are only to be asked of what runs.
        connect(root=None, run_directory=RUN_DIRECTORY, state_directory=STATE_DIRECTORY) as machine,
        refusals(machine.redactor) as refusal,
    ):
        # Without a configuration any node's needs are checked, which is what an image is tried
        # with.
        kubernetes = prepared = None
        if arguments.path:
            opener = Opener(
                passphrases=passphrases_of(arguments),
                allow_unauthenticated=arguments.allow_unauthenticated_encryption,
            )
            streams = read_inputs(arguments.path, machine.host, merge=arguments.merge).whole
            # A configuration without `kubernetes` can be checked too: then it is only asked what
            # any node needs.
            accepted = accept(streams, mode="preparation", opener=opener)
            spec = accepted.configuration.spec
            kubernetes, prepared = spec.kubernetes, spec.machine
        # After the configuration was accepted, so that a flaw is never reported of one that cannot
        # be used anyway.
        found = flaws(kubernetes, gather(machine.host), machine.host, machine=prepared)
        print_flaws(found, arguments.output, nothing="nothing is wrong with this machine")
        # Warnings leave the exit code at 0: kubeadm's preflight would let them pass as well.
        if any(one.severity == "error" for one in found):
            return WRONG
    return refusal.exit_code
