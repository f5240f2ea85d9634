"""Rules for the time that a run has, and for parts of it that may take longer."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from machineadm.api.finding import Finding
from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.commands import Command, RetryPolicy
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.model import DEADLINE
from machineadm.config.rules.model import Context, finding, warning

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.instance_data import InstanceData

# From the type, so that there is one place to change it.
_DEFAULT: Final = Command().timeout
LONGEST_PAUSE: Final = 300.0
LONGEST_BACKOFF: Final = 3600.0


def pause_before(retries: RetryPolicy, attempt: int) -> float:
    """Seconds before a retry.

    Args:
        retries: What the command has.
        attempt: Which retry, from 1.
    """
    first: float = seconds(retries.backoff)
    # The exponent is bounded, since 2.0 ** 1024 overflows. A first pause above the cap is what somebody asked for, so
    # it is not cut to the cap.
    return min(first * 2.0 ** min(attempt - 1, 20), max(first, LONGEST_PAUSE))


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
        each = 0.0 if command.timeout == _DEFAULT else seconds(command.timeout)
        # The limit counts repetitions.
        attempts = command.retries.limit + 1
        pauses = _pauses(command.retries)
        if each > allowed:
            message = f"{command.timeout} is longer than the whole run may take, {limit}"
            yield finding("MA1312", f"{path}.timeout", message, hint)
        elif (
            # Nobody chose the default, and a run of three seconds may have commands.
            command.retries.backoff != RetryPolicy().backoff
            and LONGEST_BACKOFF >= seconds(command.retries.backoff) > allowed
        ):
            message = f"{command.retries.backoff} is longer than the whole run may take, {limit}"
            yield finding("MA1312", f"{path}.retries.backoff", message, hint)
        elif attempts * each + pauses > allowed:
            # Most attempts fail long before their timeout, and some people mean "until the run ends", so this is only a
            # warning.
            of = f" of {command.timeout}" if each else ""
            between = " and the pauses between them" if pauses else ""
            message = (
                f"{attempts} attempts{of}{between} may take longer than the whole run, {limit}"
            )
            yield warning("MA1312", f"{path}.retries.limit", message, hint)
    for path, duration in (*_health_checks(spec), *_clock(spec), *_instance_data(spec)):
        if seconds(duration) > allowed:
            message = f"{duration} is longer than the whole run may take, {limit}"
            yield finding("MA1312", path, message, hint)


def _pauses(retries: RetryPolicy) -> float:
    """Seconds of all pauses together; none if nobody chose the first, or if it is refused anyway."""
    if retries.backoff == RetryPolicy().backoff or seconds(retries.backoff) > LONGEST_BACKOFF:
        return 0.0
    return sum(pause_before(retries, attempt) for attempt in range(1, retries.limit + 1))


def _instance_data(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    settings = spec.machine.instance_data
    if settings is None:
        return
    if settings.timeout != type(settings)().timeout:
        yield "machine.instanceData.timeout", settings.timeout
    for index, source in enumerate(settings.sources):
        if source.timeout is not None:
            yield f"machine.instanceData.sources[{index}].timeout", source.timeout


def no_source_outlasts_all(settings: InstanceData, _context: Context) -> Iterator[Finding]:
    """A source that may take longer than all of them together is cut off before its own time is up."""
    for path, duration in (
        ("timeout", settings.timeout),
        *((f"sources[{i}].timeout", one.timeout) for i, one in enumerate(settings.sources)),
    ):
        if duration is not None and seconds(duration) <= 0:
            yield finding("MA1312", path, "must be longer than 0s")
    for index, source in enumerate(settings.sources):
        if source.timeout is not None and seconds(source.timeout) > seconds(settings.timeout):
            message = (
                f"{source.timeout} is longer than all sources together may take, {settings.timeout}"
            )
            yield warning(
                "MA1312", f"sources[{index}].timeout", message, "set instanceData.timeout as well"
            )


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
