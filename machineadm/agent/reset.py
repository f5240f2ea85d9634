"""Taking back everything that machineadm did to a machine, as far as its earlier state is known."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec

from machineadm.agent.instance_data import KEPT as INSTANCE_DATA
from machineadm.agent.own_file import BOOT_CONFIGURATION, BOOT_NODE, COPY
from machineadm.agent.preflight import require_root
from machineadm.agent.units import NoUnits
from machineadm.agent.wiring import Machine
from machineadm.config.machine_paths import IMAGE_RECORDS, KUBEADM_PHASES
from machineadm.errors import UsageError
from machineadm.execution.context import Context
from machineadm.execution.events import Observer, ResetEnded
from machineadm.execution.history import Histories
from machineadm.execution.journal import JOURNAL, OF_ANOTHER, Journal
from machineadm.execution.ledger import KEPT, LEDGER, Ledger
from machineadm.execution.looking import look
from machineadm.execution.runner import execute
from machineadm.execution.taking_back import TakeEverythingBack
from machineadm.host.facts import gather
from machineadm.host.ports import Host
from machineadm.plan.look import Look, anything_to_do
from machineadm.plan.model import Plan
from machineadm.reporting.reporter import TRACE
from machineadm.reporting.sinks import STATUS, Sinks
from machineadm.steps.attestation import KEPT as ATTESTED
from machineadm.steps.kernel_arguments import RECORD as KERNEL_ARGUMENTS
from machineadm.steps.kubeadm.attempt import REFUSALS
from machineadm.steps.kubeadm.config import remove_files
from machineadm.steps.kubeadm.record import NAME as RECORD
from machineadm.steps.kubeadm.resetting import LEAVES, ResetNode
from machineadm.steps.kubeadm.shown import remove_shown

_MODE = "reset"
# The rest is a number: `--dry-run` has the list.
_MOST_NAMED = 4
PLUGINS = "plugins"
"""Where plugins' own data is kept below the state directory: a file for each."""


class Prospect(msgspec.Struct, frozen=True, kw_only=True):
    """What a reset would do."""

    looks: tuple[Look, ...]
    left: tuple[str, ...]
    """What stays on the machine, a line for each."""

    unproved: tuple[str, ...]
    """What kubeadm's reset would take that no record proves to be of a bootstrap of ours that has not ended."""

    known: bool
    """Anything is recorded of this machine, which a reset forgets."""

    @property
    def anything_to_do(self) -> bool:
        """Whether a reset would change anything."""
        return self.known or anything_to_do(self.looks)


def look_at_reset(machine: Machine) -> Prospect:
    """What `reset` would do. Changes nothing.

    Raises:
        MachineadmError: It would fail from the start.
    """
    prospect, _ = _look(machine)
    return prospect


def reset(
    machine: Machine,
    observe: Observer = lambda _: None,
    *,
    confirm: Callable[[Prospect], bool],
) -> None:
    """Take everything back, and forget it.

    After a kill anywhere the next reset goes on. Until then no bootstrap begins.

    Args:
        machine: The machine, or a tree.
        observe: Told of every event.
        confirm: Asked if more would be removed than is proved to belong to a bootstrap that has not ended.

    Raises:
        MachineadmError: It failed.
        UsageError: It was not confirmed.
    """
    host = machine.host
    require_root(is_root=machine.is_root, offline=host.offline, what="resetting")
    # The lock of bootstrap: neither may begin while the other works.
    host.state.lock()
    prospect, context = _look(machine)
    if prospect.unproved and not confirm(prospect):
        shown = ", ".join(prospect.unproved[:_MOST_NAMED])
        more = (
            f" and {len(prospect.unproved) - _MOST_NAMED} more"
            if len(prospect.unproved) > _MOST_NAMED
            else ""
        )
        raise UsageError(
            "MA6032",
            f"kubeadm reset would take {shown}{more}: a node that is finished, or the work of others. Nothing was changed",
            hint="look at `machineadm reset --dry-run`; if all of it may be lost, say --yes",
        )
    complete = True
    if prospect.anything_to_do:
        # On the disk before the first removal: a bootstrap on a machine that is half taken back
        # would take the rest for somebody else's.
        context.journal.reset_begins()
        complete = execute(context, prospect.looks, observe).complete
        # Otherwise the record is needed by the run that finishes, on the running system.
        if complete:
            _forget(machine)
    observe(
        ResetEnded(
            time=host.clock.now(),
            done=prospect.anything_to_do,
            complete=complete,
            left=(*prospect.left, *context.following.failed),
        )
    )


def _look(machine: Machine) -> tuple[Prospect, Context]:
    host = machine.host
    facts = gather(host)
    journal = Journal(host.state, host.clock, machine_id=facts.machine_id, boot_id=facts.boot_id)
    ledger = Ledger(host.state, machine_id=facts.machine_id, boot_id=facts.boot_id)
    # In the reverse order of making: a file goes before its directory, a unit before its program.
    everything = tuple(reversed(ledger.holdings()))
    node = ResetNode(machine=facts.machine_id)
    empty = Plan(steps=(), emptied=node.emptied(host))
    back = TakeEverythingBack(everything, ledger, Histories(empty, ledger, journal))
    # Units first, so that no reboot in between starts a bootstrap again; kubeadm before the files
    # that it reads; the rest last.
    context = Context(Plan(steps=(NoUnits(), node, back)), host, journal, ledger, mode=_MODE)
    looks = look(context)
    # Looked at by itself, for what it cannot take back.
    work, stays = back.look(host)
    stopped = frozenset(one.target for one in work.follow if one.kind == "stop")
    # Told and not hidden: a reset promises the earlier state as far as it is known.
    left = [*stays]
    left += _of_no_holding(journal, ledger, stopped)
    left += _of_another_machine(journal, ledger, host)
    if commands := journal.commands_done():
        count = "a command" if commands == 1 else f"{commands} commands"
        left.append(f"what {count} of the configuration did besides the files that it declares")
    if any(one.step is node and one.work.effects for one in looks):
        left += LEAVES
    prospect = Prospect(
        looks=looks,
        left=tuple(left),
        unproved=node.unproved(host),
        # The copies are written before the journal, so a run killed in between leaves only them, with the input's secrets.
        known=not journal.is_empty or bool(everything) or bool(host.state.list("resume")),
    )
    return prospect, context


def _of_another_machine(journal: Journal, ledger: Ledger, host: Host) -> Iterator[str]:
    """What is here of the machine that this one was cloned from. Its records say nothing of this one, so nothing takes it back."""
    names = [one.name for one in ledger.of_another if one.kind == "file"]
    if names:
        more = f" and {len(names) - _MOST_NAMED} more" if len(names) > _MOST_NAMED else ""
        verb = "stays" if len(names) == 1 else "stay"
        shown = ", ".join(names[:_MOST_NAMED])
        yield f"{shown}{more} {verb}: written on the machine that this one was cloned from, whose machine-id is another"
    aside = [
        one for one in host.files.list(host.state.state_directory) if one.startswith(OF_ANOTHER)
    ]
    if aside or journal.is_of_another:
        where = " ".join([f"in {host.state.state_directory}", *sorted(aside)])
        yield f"the journal of the machine that this one was cloned from stays {where}"


def _of_no_holding(journal: Journal, ledger: Ledger, stopped: frozenset[str]) -> Iterator[str]:
    """What steps did that the ledger holds nothing of, so that nothing takes it back."""
    for concern in journal.concerns_done():
        match concern.split("/"):
            # An earlier build made the account, and its ledger did not name it.
            case ["users", ("user" | "group") as kind, name] if (
                ledger.holding("account", f"{kind} {name}") is None
            ):
                yield f"{kind} {name} stays"
            case ["swap", "off"]:
                yield "swap that was turned off stays off until the next boot"
            case ["units", unit, "enabled"] if ledger.holding("unit", unit) is None:
                yield f"{unit} stays disabled"
            case ["units", unit, "state"] if unit not in stopped:
                yield f"{unit} stays as it was put: started or stopped"
            case ["storage", what] if what.startswith(("disk", "filesystem")):
                yield f"what {concern} has made on a disk stays"
            case _:
                pass


def _forget(machine: Machine) -> None:
    """Remove everything that is recorded. The journal goes last, because it says that a reset was begun."""
    host = machine.host
    state = host.state
    # First: whoever reads them must not take this machine for a node any more.
    Sinks(state, host.files).remove_sentinels()
    state.remove(STATUS, durable=False)
    # All of these may hold secrets: what kubeadm reads has its tokens.
    remove_files(host)
    remove_shown(host)
    for name in (REFUSALS, ATTESTED, TRACE, KUBEADM_PHASES):
        state.remove(name, durable=False)
    below = [f"{name}/{one}" for name in ("resume", KEPT) for one in state.list(name)]
    # What plugins had kept. A plugin itself in this place was put there by a person, and stays.
    below += [f"{PLUGINS}/{one}" for one in state.list(PLUGINS) if one.endswith(".json")]
    # Of images: the images themselves stay, as kubeadm reset leaves those of others.
    below += [f"{IMAGE_RECORDS}/{one}" for one in state.list(IMAGE_RECORDS)]
    for name in (
        STATUS,
        RECORD,
        BOOT_NODE,
        BOOT_CONFIGURATION,
        COPY,
        INSTANCE_DATA,
        KERNEL_ARGUMENTS,
        LEDGER,
        *below,
        JOURNAL,
    ):
        if state.read(name, durable=True) is not None:
            state.remove(name, durable=True)
