"""The commands of every boot: kept for later boots, and run there."""

from __future__ import annotations

import msgspec

from machineadm import planner
from machineadm.agent.intake import accept
from machineadm.agent.own_file import BOOT_CONFIGURATION, BOOT_NODE
from machineadm.agent.units import BootUnit, NoBootUnit
from machineadm.agent.wiring import Machine
from machineadm.api.v1alpha1.commands import Commands
from machineadm.api.v1alpha1.machine import (
    MachineConfig,
    MachineConfiguration,
    MachineConfigurationSpec,
)
from machineadm.config.defaulting import realise
from machineadm.config.secrets import secrets_of
from machineadm.documents.encoding import encode_json
from machineadm.errors import MachineadmError
from machineadm.execution.context import Context
from machineadm.execution.events import Observer
from machineadm.execution.journal import Journal
from machineadm.execution.ledger import Ledger
from machineadm.execution.looking import look
from machineadm.execution.runner import execute
from machineadm.host.facts import gather
from machineadm.host.ports import Host
from machineadm.plan.model import Phase, Plan, Step
from machineadm.sources.stream import Stream


def with_boot_commands(
    plan: Plan,
    configuration: MachineConfiguration,
    machine: Machine,
    node: tuple[tuple[str, str], ...],
) -> Plan:
    """The plan with the step that makes the boot commands run at later boots, right after them.

    Args:
        plan: The plan.
        configuration: As it was read.
        machine: Names the agent that the unit starts.
        node: What commands learn about the node.
    """
    commands = configuration.spec.machine.commands.boot
    step: Step
    if commands:
        # Only the commands: the copy lies on the disk of a node, and has no use for the rest of its
        # secrets.
        kept = boot_configuration(configuration)
        step = BootUnit(
            agent=machine.agent, configuration=kept, options=machine.directory_options, node=node
        )
    elif machine.host.state.read(BOOT_CONFIGURATION, durable=True) is not None:
        step = NoBootUnit()
    else:
        return plan
    first = [one for one in plan.steps if one.phase is Phase.BOOT]
    # After the commands have run once: a unit for commands that fail would run them at each boot.
    steps = (*first, step, *plan.steps[len(first) :])
    return msgspec.structs.replace(plan, steps=steps)


def boot_configuration(configuration: MachineConfiguration) -> bytes:
    """A configuration with only the boot commands and their secrets, for the state directory."""
    machine = MachineConfig(commands=Commands(boot=configuration.spec.machine.commands.boot))
    kept = msgspec.structs.replace(
        configuration, metadata=None, spec=MachineConfigurationSpec(machine=machine)
    )
    # In clear text, since nobody is there at a boot to open it; the state directory is root's
    # alone.
    return encode_json(kept, reveal=True) + b"\n"


def _kept_node(host: Host) -> tuple[tuple[str, str], ...] | None:
    """What the commands learned at the first boot; None if an earlier release kept nothing."""
    content = host.state.read(BOOT_NODE, durable=True)
    if content is None:
        return None
    return tuple(msgspec.json.decode(content, type=dict[str, str]).items())


def run_boot_commands(machine: Machine, observe: Observer) -> None:
    """Run the kept boot commands that have not run in this boot yet. Reports only to console and log.

    Raises:
        MachineadmError: One failed. The machine goes on booting all the same.
    """
    host = machine.host
    kept = host.state.read(BOOT_CONFIGURATION, durable=True)
    # The unit may have been left by a kill between two removals.
    if kept is None:
        return
    host.state.lock()
    # It was accepted when it was kept. What was allowed then by options must not be refused at a boot.
    accepted = accept(
        (Stream(name=BOOT_CONFIGURATION, data=kept),),
        mode="preparation",
        allow_unknown_version=True,
    )
    configuration = realise(accepted.configuration)
    # Before anything runs: what the commands print goes to the journal.
    machine.redactor.learn(secrets_of(configuration))
    facts = gather(host)
    plan = planner.plan(
        configuration,
        facts,
        mode="preparation",
        run_directory=host.state.run_directory,
        node=_kept_node(host),
    )
    journal = Journal(host.state, host.clock, machine_id=facts.machine_id, boot_id=facts.boot_id)
    # A machine that is being taken back must not have commands of its old configuration run on it.
    if journal.resetting:
        return
    ledger = Ledger(host.state, machine_id=facts.machine_id, boot_id=facts.boot_id)
    # In a mode of its own: to a plan with boot commands only, everything that the whole configuration owns would look as if
    # no longer declared.
    context = Context(plan, host, journal, ledger, mode="boot")
    try:
        execute(context, look(context), observe)
    except MachineadmError as error:
        # On the console: there is no report of a boot, and the unit's log may be read by nobody.
        machine.announce(machine.redactor.text(f"machineadm: {error.code} {error.message}"))
        raise
