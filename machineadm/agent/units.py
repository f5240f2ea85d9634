"""systemd units that start the agent again: to resume after a reboot, and for the commands of every boot."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar

import msgspec

from machineadm.actions.perform import perform, services_of
from machineadm.agent.own_file import (
    BOOT_CONFIGURATION,
    BOOT_NODE,
    AgentFile,
    copies_of_agent,
    forget_agent,
    lasting_command,
)
from machineadm.host.effects import (
    DisableUnit,
    DropState,
    Effect,
    EnableUnit,
    KeepState,
    RemoveFile,
    WriteFile,
)
from machineadm.host.ports import FileKind, Host
from machineadm.plan.model import FollowUp, Outcome, Phase, Work, digest_of
from machineadm.redaction import Secret
from machineadm.sources.stream import SIGNATURE, Stream

# /etc and not /run: it has to be there at the next boot.
UNITS = "/etc/systemd/system"
RESUME_UNIT = "machineadm-resume.service"
BOOT_UNIT = "machineadm-boot.service"
# The target of a system without a graphical login, which every system of ours reaches.
_WANTED_BY = "multi-user.target"
_RESUME = "resume"
_ENVIRONMENT = "environment"
_RESUME_ENVIRONMENT = f"{_RESUME}/{_ENVIRONMENT}"
"""Private, as a unit is not: a proxy's URL may hold a password."""


def has_systemd(host: Host) -> bool:
    """Whether systemd runs the machine (sd_booted(3))."""
    found = host.files.stat("/run/systemd/system")
    return host.services is not None and found is not None and found.kind is FileKind.DIRECTORY


class ResumeUnit(msgspec.Struct, frozen=True, kw_only=True):
    """Make the run go on after a reboot: a private copy of its input, and a unit that reads it.

    A work like any other, shown by `plan`, but done beside the journal: docs/adr/0044-the-resume-unit-is-beside-the-journal.md.
    """

    agent: AgentFile
    """What the unit starts."""

    streams: tuple[Stream, ...]
    """The input as it was read."""

    options: tuple[str, ...] = ()
    """Further options of `bootstrap`."""

    instance_data: Stream | None = None
    """What `--instance-data` named, if it did."""

    name: ClassVar[str] = "agent/resumeUnit"
    phase: ClassVar[Phase] = Phase.BOOT
    # Units of a tree would start an agent that is not in the tree.
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        # The input is part of it: another configuration is another unit to do.
        return digest_of(self.name, *(stream.data for stream in self._given()), self.options)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        # The copy before the unit that starts it: a kill in between must not leave a unit without its
        # program.
        effects: list[Effect] = [*copies_of_agent(self.agent, host)]
        # Named by content: until the unit is replaced, the existing one must find all of its old copies, and never a mixture.
        given = self._given()
        # A configuration that was signed anew is a new one: old and new signature must not meet under one name.
        parts = [part for one in given for part in (one.data, one.signature) if part is not None]
        digest = digest_of(str(len(self.streams)), *parts)[:16]
        names = [f"configuration-{digest}-{number}.yaml" for number in range(len(self.streams))]
        names += [f"instance-data-{digest}.yaml"] if self.instance_data is not None else []
        for name, stream in zip(names, given, strict=True):
            effects += _kept(host, f"{_RESUME}/{name}", stream.data)
        signatures = []
        for name, stream in zip(names, self.streams, strict=False):
            if stream.signature is not None:
                # What the image demands it demands of the resumed run, too.
                signatures.append(f"{name}{SIGNATURE}")
                effects += _kept(host, f"{_RESUME}/{signatures[-1]}", stream.signature)
        if self.agent.proxies:
            effects += _kept(host, _RESUME_ENVIRONMENT, environment_file(self.agent.proxies))
        path, unit = f"{UNITS}/{RESUME_UNIT}", self._unit(host, names).encode()
        before = host.files.read(path)
        if before != unit:
            effects.append(WriteFile(path=path, content=unit, before=before))
        # Asked by itself, because a kill may have come between the file and its enabling.
        if host.services is not None and not host.services.enabled(RESUME_UNIT):
            effects.append(EnableUnit(unit=RESUME_UNIT))
        # Last, when no unit reads them any more.
        effects += _without_copies(host, *names, *signatures, _ENVIRONMENT)
        return Work(
            effects=tuple(effects),
            summary=f"unit {RESUME_UNIT}, until the bootstrap has succeeded" if effects else "",
            follow=(FollowUp(kind="daemon-reload"),) if before != unit else (),
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`. What follows is done as well: there is no engine around it.

        Raises:
            HostError: It cannot be arranged.
        """
        perform(work.effects, host)
        if work.follow:
            services_of(host).reload()
        return Outcome(change=work.change, message=f"enabled {RESUME_UNIT}")

    def _given(self) -> tuple[Stream, ...]:
        return self.streams if self.instance_data is None else (*self.streams, self.instance_data)

    def _unit(self, host: Host, names: Sequence[str]) -> str:
        copies = [f"{host.state.state_directory}/{_RESUME}/{name}" for name in names]
        options = ["--path"] * len(self.streams) + ["--instance-data"]
        arguments = [word for pair in zip(options, copies, strict=False) for word in pair]
        return resume_unit(
            (*lasting_command(self.agent, host), "bootstrap", *arguments, *self.options),
            # Without the first copy there is nothing to resume, and the unit must not fail for it
            # at each boot.
            condition=copies[0],
            cache=self.agent.cache,
            environment=f"{host.state.state_directory}/{_RESUME_ENVIRONMENT}",
        )


def disable_resume_unit(host: Host) -> None:
    """Undo a `ResumeUnit`. Writes nothing if there is nothing to undo."""
    # Below another root nothing was enabled.
    if has_systemd(host):
        _uninstall(host, RESUME_UNIT)
    perform(_without_copies(host), host)
    # The unit for boot commands starts the same copy of the agent.
    if host.files.stat(f"{UNITS}/{BOOT_UNIT}") is None:
        forget_agent(host)


def environment_file(variables: Sequence[tuple[str, Secret]]) -> bytes:
    """Variables as EnvironmentFile= reads them (systemd.exec(5)). One with control characters is left out: it is not a proxy."""
    lines = []
    for name, value in variables:
        text = value.reveal()
        # systemd ends a value at a line break, and the rest would be read as further variables.
        if text.isprintable():
            # systemd.exec(5), EnvironmentFile: within double quotes a backslash escapes these four.
            escaped = "".join(f"\\{one}" if one in '"\\$`' else one for one in text)
            lines.append(f'{name}="{escaped}"\n')
    return "".join(lines).encode()


def resume_unit(
    command: Sequence[str], *, condition: str, cache: str = "", environment: str = ""
) -> str:
    """The unit that continues a bootstrap that a reboot cut off.

    Args:
        command: What it starts.
        condition: The copy without which there is nothing to resume.
        cache: As in `AgentFile`: where the usual place is mounted noexec, it will be at the next boot as well.
        environment: File of the variables that the first run had, if there is one.
    """
    return f"""\
# Written by machineadm; removed when the bootstrap has succeeded.
[Unit]
Description=machineadm: continue the bootstrap of this machine
Wants=network-online.target
After=network-online.target coreos-metadata.service
ConditionPathExists={_escaped(condition)}

[Service]
Type=oneshot
{_environment(cache)}{_environment_from(environment)}ExecStart={_command_line(command)}
SyslogIdentifier=machineadm

[Install]
WantedBy={_WANTED_BY}
"""


def boot_unit(command: Sequence[str], *, cache: str = "") -> str:
    """The unit that runs the boot commands at later boots.

    It does not start if the resume unit is enabled: the resumed bootstrap runs the boot commands itself. A bootstrap that
    cloud-init starts comes after it, because both need the lock.

    Args:
        command: What it starts.
        cache: As of `resume_unit`.
    """
    return f"""\
# Written by machineadm: runs commands.boot of the configuration at every boot after the first.
[Unit]
Description=machineadm: commands for every boot
Wants=network-online.target
After=network-online.target
Before=kubelet.service cloud-final.service
ConditionPathExists=!{UNITS}/{_WANTED_BY}.wants/{RESUME_UNIT}

[Service]
Type=oneshot
{_environment(cache)}ExecStart={_command_line(command)}
SyslogIdentifier=machineadm

[Install]
WantedBy={_WANTED_BY}
"""


class BootUnit(msgspec.Struct, frozen=True, kw_only=True):
    """Make the boot commands run at later boots as well."""

    agent: AgentFile
    configuration: bytes
    """The configuration that holds the boot commands alone; may hold secrets."""

    options: tuple[str, ...] = ()
    """Of the command `boot`."""

    node: tuple[tuple[str, str], ...] = ()
    """Variables that say which node this is."""

    name: ClassVar[str] = "commands/bootUnit"
    phase: ClassVar[Phase] = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(
            self.name, self.configuration, self.agent.path or "", self.agent.cache, self.options
        )

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        if not has_systemd(host):
            return Work(summary=_NO_SYSTEMD)
        path, unit = f"{UNITS}/{BOOT_UNIT}", self._unit(host).encode()
        before = host.files.read(path)
        effects: list[Effect] = [*copies_of_agent(self.agent, host)]
        if host.state.read(BOOT_CONFIGURATION, durable=True) != self.configuration:
            effects.append(
                KeepState(name=BOOT_CONFIGURATION, content=self.configuration, durable=True)
            )
        # Kept apart from the configuration, whose digest must not depend on the machine.
        kept = msgspec.json.encode(dict(self.node))
        if host.state.read(BOOT_NODE, durable=True) != kept:
            effects.append(KeepState(name=BOOT_NODE, content=kept, durable=True))
        if before != unit:
            effects.append(WriteFile(path=path, content=unit, before=before))
        if host.services and not host.services.enabled(BOOT_UNIT):
            effects.append(EnableUnit(unit=BOOT_UNIT))
        return Work(
            effects=tuple(effects),
            summary=f"unit {BOOT_UNIT}" if effects else "",
            follow=(FollowUp(kind="daemon-reload"),) if before != unit else (),
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change, message=f"enabled {BOOT_UNIT}")

    def _unit(self, host: Host) -> str:
        command = (*lasting_command(self.agent, host), "boot", *self.options)
        return boot_unit(command, cache=self.agent.cache)


class NoBootUnit(msgspec.Struct, frozen=True, kw_only=True):
    """Stop running boot commands at later boots, because the configuration no longer has any."""

    name: ClassVar[str] = BootUnit.name
    phase: ClassVar[Phase] = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, "none")

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        path = f"{UNITS}/{BOOT_UNIT}"
        before = None if host.files.stat(path) is None else host.files.read(path)
        # Each is checked by itself, because a kill may have left any of them.
        effects: list[Effect] = []
        if host.services is not None and host.services.enabled(BOOT_UNIT):
            effects.append(DisableUnit(unit=BOOT_UNIT))
        if before is not None:
            effects.append(RemoveFile(path=path, before=before))
        effects += (
            DropState(name=name, durable=True)
            # BOOT_CONFIGURATION last: it is what tells the next run that there is something to remove.
            for name in (BOOT_NODE, BOOT_CONFIGURATION)
            if host.state.read(name, durable=True) is not None
        )
        return Work(
            effects=tuple(effects),
            summary=f"removes unit {BOOT_UNIT}" if effects else "",
            follow=(FollowUp(kind="daemon-reload"),) if before is not None else (),
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change, message=f"removed {BOOT_UNIT}")


class NoUnits(msgspec.Struct, frozen=True, kw_only=True):
    """Make sure that nothing starts the agent again: neither a resumed run nor boot commands."""

    name: ClassVar[str] = "reset/units"
    phase: ClassVar[Phase] = Phase.BOOT
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        effects: list[Effect] = []
        removed = False
        # Both, whatever the journal says: a unit that is left would start the agent on a machine
        # that was reset.
        for unit in (RESUME_UNIT, BOOT_UNIT):
            path = f"{UNITS}/{unit}"
            if host.services is not None and host.services.enabled(unit):
                effects.append(DisableUnit(unit=unit))
            if host.files.stat(path) is not None:
                removed = True
                effects.append(RemoveFile(path=path, before=host.files.read(path)))
        return Work(
            effects=tuple(effects),
            summary="removes the units that start machineadm" if effects else "",
            follow=(FollowUp(kind="daemon-reload"),) if removed else (),
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change)


_NO_SYSTEMD = "there is no systemd, so nothing will run them at later boots"


def _kept(host: Host, name: str, content: bytes) -> tuple[Effect, ...]:
    if host.state.read(name, durable=True) == content:
        return ()
    return (KeepState(name=name, content=content, durable=True),)


def _without_copies(host: Host, *but: str) -> tuple[Effect, ...]:
    return tuple(
        DropState(name=f"{_RESUME}/{name}", durable=True)
        for name in host.state.list(_RESUME)
        if name not in but
    )


def _uninstall(host: Host, unit: str) -> None:
    path, services = f"{UNITS}/{unit}", host.services
    if services is None or host.files.stat(path) is None:
        return
    services.disable(unit)
    host.files.remove(path)
    services.reload()


def _environment_from(file: str) -> str:
    # The hyphen: no error where the file is missing, as without proxies.
    return f"EnvironmentFile=-{_escaped(file)}\n" if file else ""


def _environment(cache: str) -> str:
    return f"Environment={_quoted(f'MACHINEADM_CACHE={cache}')}\n" if cache else ""


def _command_line(command: Sequence[str]) -> str:
    """A command for ExecStart=, with any characters (systemd.service(5), "Command lines"): systemd expands `$` and `%`."""
    # `$` after quoting: systemd expands variables within double quotes as well.
    return " ".join(_quoted(word).replace("$", "$$") for word in command)


def _quoted(word: str) -> str:
    # Backslashes first, or those that are added would be doubled.
    quoted = word.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{_escaped(quoted)}"'


def _escaped(text: str) -> str:
    # systemd.unit(5), Specifiers: a lone percent sign would be expanded, or refused.
    return text.replace("%", "%%")
