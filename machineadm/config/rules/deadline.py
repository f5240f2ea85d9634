"""Rules for the time that a run has, and for parts of it that may take longer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.commands import Command
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.model import DEADLINE
from machineadm.config.rules.model import Context, finding

# From the type, so that there is one place to change it.
_DEFAULT: Final = Command().timeout


def takes_time(spec: MachineConfigurationSpec, _context: Context) -> Iterator[Finding]:
    """A run with no time would end before it begins."""
    if spec.deadline is not None and seconds(spec.deadline) <= 0:
        yield finding("MA1312", "deadline", "must be longer than 0s")


def nothing_outlasts_the_run(spec: MachineConfigurationSpec, context: Context) -> Iterator[Finding]:
    """A timeout longer than the whole run never takes effect.

    A command line that gives the run less time than the configuration does so once, on purpose: it refuses nothing.
    """
    # What the configuration says, or the built-in default where it is silent.
    allowed = seconds(spec.deadline or DEADLINE)
    if context.deadline is not None and context.deadline >= allowed:
        allowed, limit = context.deadline, f"{context.deadline:.9g}s by --deadline"
    else:
        limit = f"{spec.deadline} by spec.deadline" if spec.deadline else f"{DEADLINE} by default"
    hint = "allow the run more time with spec.deadline or --deadline"
    for path, command in _commands(spec):
        # The default is not the user's choice: a shorter run must not need a timeout for each command.
        if command.timeout == _DEFAULT:
            continue
        # The limit counts repetitions.
        attempts = command.retries.limit + 1
        if seconds(command.timeout) > allowed:
            message = f"{command.timeout} is longer than the whole run may take, {limit}"
            yield finding("MA1312", f"{path}.timeout", message, hint)
        elif attempts * seconds(command.timeout) > allowed:
            # Most attempts fail long before their timeout, so this is only a warning.
            message = f"{attempts} attempts of {command.timeout} may take longer than the whole run, {limit}"
            found = finding("MA1312", f"{path}.retries.limit", message, hint)
            yield replace(found, severity="warning")
    for path, duration in (*_health_checks(spec), *_clock(spec)):
        if seconds(duration) > allowed:
            message = f"{duration} is longer than the whole run may take, {limit}"
            yield finding("MA1312", path, message, hint)


def _commands(spec: MachineConfigurationSpec) -> Iterator[tuple[str, Command]]:
    commands = spec.machine.commands
    names = zip(commands.__struct_fields__, commands.__struct_encode_fields__, strict=True)
    for field, name in names:
        # The one field that is not a list of commands.
        if field == "kubeadm_file":
            continue
        for index, command in enumerate(getattr(commands, field)):
            yield f"machine.commands.{name}[{index}]", command


def _clock(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    linux = spec.machine.linux_configuration
    sync = linux.ntp.require_sync if linux is not None and linux.ntp is not None else None
    # As with commands, the default is not the user's choice.
    if sync is not None and sync.timeout != type(sync)().timeout:
        yield "machine.linuxConfiguration.ntp.requireSync.timeout", sync.timeout


def _health_checks(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    timeouts = spec.kubernetes.timeouts if spec.kubernetes is not None else None
    if timeouts is not None:
        names = zip(timeouts.__struct_fields__, timeouts.__struct_encode_fields__, strict=True)
        for field, name in names:
            # kubeadm's own default is far below any deadline, and is not the user's choice.
            if (duration := getattr(timeouts, field)) is not None:
                yield f"kubernetes.timeouts.{name}", duration
