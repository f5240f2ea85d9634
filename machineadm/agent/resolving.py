"""All references of a configuration resolved on this machine: which resolvers there are, and what a run remembers of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec

from machineadm.agent.instance_data import (
    InstanceValues,
    given_by,
    keep_values,
    kept_values,
    lookup_of,
)
from machineadm.agent.intake import Accepted, Intake, ProblemsError
from machineadm.agent.providing import Described, ProviderValues
from machineadm.agent.references import Value, resolve
from machineadm.agent.wiring import Machine
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config.model import Mode
from machineadm.config.references import Reference
from machineadm.documents.model import Problem
from machineadm.errors import UsageError
from machineadm.execution.events import (
    Event,
    InstanceDataChanged,
    ReferencesResolved,
    ResolvedValue,
)
from machineadm.host.instance.lookup import Lookup, Timeless
from machineadm.host.overlay.providers import OverlayProviders
from machineadm.host.ports import Host
from machineadm.redaction import MASK
from machineadm.sources.stream import Stream, read_streams

_SHOWN = 200
"""Characters of a value that a plan shows."""


class Resolved(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration without references, except those that only the machine itself can resolve later."""

    configuration: MachineConfiguration
    warnings: tuple[Problem, ...]
    machine_id: str
    used: Mapping[str, str]
    """Instance data by name."""

    asked: tuple[Described, ...] = ()
    """In a plan: the providers that a run would ask."""

    given: Stream | None
    """What `--instance-data` names, for a run that goes on after a reboot."""

    def keep(self, host: Host) -> None:
        """Keep the values: once kubeadm has started they are this machine's for good."""
        if self.used and not host.offline:
            keep_values(host, self.machine_id, self.used)


def resolved(
    accepted: Accepted,
    machine: Machine,
    *,
    machine_id: str,
    instance_data: str | None,
    mode: Mode,
    deadline: float | None,
    listen: Callable[[Event], None],
    ahead: bool = False,
) -> Resolved:
    """Resolve what a configuration refers to, and report it.

    Args:
        accepted: The configuration.
        machine: The machine, or a tree. Its redactor learns what is secret.
        machine_id: Its own.
        instance_data: The file of `--instance-data`.
        mode: As of `intake.examine`.
        deadline: As of `intake.examine`.
        listen: Told of the values.
        ahead: For a plan: no provider is executed.

    Raises:
        MachineadmError: There is no value, or it does not fit its field.
    """
    host = machine.host
    # Read once and kept: a resumed run gets a copy of these bytes.
    given = read_given(instance_data)
    values = InstanceValues(
        lookup_of(host, accepted.configuration.spec.machine.instance_data, given_by(given)),
        kept=kept_values(host, machine_id),
        # Below another root only some values can be known; the rest waits for the machine.
        partial=host.offline,
    )
    provided = _provided(host, ahead=ahead)
    resolvers = (values, *(() if provided is None else (provided,)))
    found = resolve(accepted, resolvers, mode=mode, deadline=deadline)
    # Before the events below, which are printed.
    machine.redactor.learn(found.secrets)
    now = host.clock.now()
    if found.values:
        shown = tuple(
            ResolvedValue(path=one.path, value=shown_value(one, value), origin=value.origin)
            for one, value in found.values
        )
        listen(ReferencesResolved(time=now, values=shown))
    # Told although the kept value wins: a machine that was renamed by its cloud looks wrong to
    # whoever compares.
    if values.changed:
        listen(InstanceDataChanged(time=now, changes=tuple(sorted(values.changed.items()))))
    return Resolved(
        configuration=found.accepted.configuration,
        warnings=found.accepted.warnings,
        machine_id=machine_id,
        used=values.values,
        asked=() if provided is None else tuple(provided.described),
        given=given,
    )


def _provided(host: Host, *, ahead: bool) -> ProviderValues | None:
    """Who asks providers; in a plan a stand-in that cannot execute any."""
    if host.providers is None:
        return None
    if ahead:
        # Before any is asked: plugins keep nothing for a plan, and get no tokens from their host.
        host.providers.only_look()
    return ProviderValues(
        OverlayProviders(host.providers) if ahead else host.providers, ahead=ahead
    )


def with_given(found: Intake, path: str, *, mode: Mode, kubernetes_version: str | None) -> Intake:
    """The findings for a configuration with its references resolved from a file. Other references stay unresolved.

    Args:
        found: The findings without the file; returned unchanged if they have errors.
        path: Of the file.
        mode: As of `intake.examine`.
        kubernetes_version: As of `intake.examine`.
    """
    given = given_by(read_given(path))
    # Problems of its own come first; resolving would only add others to them.
    if found.errors or found.configuration is None or found.document is None or given is None:
        return found
    accepted = Accepted(
        configuration=found.configuration, document=found.document, warnings=found.warnings
    )
    # Nothing of this machine is asked: `validate` runs anywhere.
    values = InstanceValues(Lookup([(given, None)], Timeless()), partial=True)
    try:
        done = resolve(accepted, (values,), mode=mode, kubernetes_version=kubernetes_version)
    except ProblemsError as error:
        return msgspec.structs.replace(found, problems=error.problems)
    return msgspec.structs.replace(
        found, configuration=done.accepted.configuration, problems=done.accepted.warnings
    )


def read_given(path: str | None) -> Stream | None:
    """The file that `--instance-data` names, as it is.

    Raises:
        UsageError: It cannot be read.
    """
    if path is None:
        return None
    # Standard input may be the configuration, and a resumed run has none.
    if path == "-":
        raise UsageError("MA7004", "--instance-data takes a file, not standard input")
    (stream,) = read_streams((path,))
    return stream


def shown_value(reference: Reference, value: Value) -> str:
    """A value as it is shown: masked if its field is a secret, and never a whole file."""
    text = value.value
    if not value.known:
        return "not known before it is asked"
    if value.secret or reference.target == "secret":
        return MASK
    # A file may hold a secret that nobody has marked.
    if reference.target in ("content", "object") or isinstance(text, bytes):
        return f"{len(text if isinstance(text, bytes) else text.encode())} bytes"
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."
