"""systemd units: their files, judged by systemd before they are written, and whether they start and run."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import ClassVar, Final

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.judged import JudgedFiles
from machineadm.actions.masking import MaskUnit
from machineadm.actions.perform import perform, services_of
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.units import SystemdUnit
from machineadm.config.machine_paths import UNITS
from machineadm.errors import StepError
from machineadm.host.effects import DisableUnit, EnableUnit, RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Step, Work, digest_of

_TIMEOUT: Final = 60.0
_CANDIDATES: Final = "units"
_NOT_UNDERSTOOD: Final = r"Unknown (?:section|key)|Failed to parse|Assignment outside of section|Missing '='|Invalid section"
"""What systemd says of a line that it ignores."""

_REFUSED: Final = r"bad unit file|has no ExecStart|lacks (?:both )?ExecStart|Refusing\."
"""What it says of a whole unit that it refuses. That a program is not there yet is not a fault of the text."""

_STAND_INS: Final = {"service": "[Service]\nType=oneshot\nExecStart=/bin/true\n"}


class WriteUnit(JudgedFiles, frozen=True, kw_only=True):
    """Write a unit's file and drop-ins, after systemd has checked them: it would ignore a line with a typo at every boot."""

    unit: SystemdUnit
    live: ClassVar[bool] = False
    program: ClassVar[str] = "systemd-analyze"

    @property
    def files(self) -> WriteFiles:
        """See `JudgedFiles.files`."""
        unit, path = self.unit, f"{UNITS}/{self.unit.name}"
        files = [PlannedFile(path=path, content=unit.contents.encode())] if unit.contents else []
        files += [
            PlannedFile(path=f"{path}.d/{one.name}", content=one.contents.encode())
            for one in unit.drop_ins
        ]
        follow = [FollowUp(kind="daemon-reload")]
        if unit.state == "Restarted":
            follow.append(FollowUp(kind="restart", target=unit.name))
        return WriteFiles(
            name=self.name, phase=self.phase, files=tuple(files), follow=tuple(follow)
        )

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        unit = self.unit
        if unit.contents is None or unit.state != "Started":
            return JudgedFiles.owned(self)
        # `EnsureState` starts it, and what it starts would outlive its file.
        stop = FollowUp(kind="stop", target=unit.name)
        own = f"{UNITS}/{unit.name}"
        return tuple(
            msgspec.structs.replace(one, then=(stop,)) if one.name == own else one
            for one in JudgedFiles.owned(self)
        )

    def judge(self, host: Host) -> None:
        """Have systemd check the texts in a directory of their own, where nothing starts them.

        Raises:
            StepError: systemd does not understand them.
        """
        unit, below = self.unit, f"{_CANDIDATES}/{self.unit.name}"
        texts = {f"{below}.d/{one.name}": one.contents for one in unit.drop_ins}
        # Drop-ins for a unit of the system are checked with a stand-in: which keys exist depends only on the unit's type.
        texts[below] = unit.contents or _STAND_INS.get(unit.name.rpartition(".")[2], "[Unit]\n")
        fault = _NOT_UNDERSTOOD if unit.contents is None else f"{_NOT_UNDERSTOOD}|{_REFUSED}"
        directory = f"{host.state.run_directory}/{_CANDIDATES}"
        try:
            for name, text in texts.items():
                host.state.write(name, text.encode(), durable=False)
            # By systemd itself: which keys exist depends on its version, and no table of ours
            # would be right for all of them.
            argv = ["systemd-analyze", "verify", f"{host.state.run_directory}/{below}"]
            said = host.queries.ask(argv, timeout=_TIMEOUT) if host.queries else None
        finally:
            for name in texts:
                host.state.remove(name, durable=False)
        lines = said.output.replace(directory, UNITS).splitlines() if said is not None else []
        # systemd-analyze also complains about units that this one depends on; those are not this
        # configuration's.
        faults = [one for one in lines if unit.name in one and re.search(fault, one)]
        if faults:
            raise StepError(
                "MA3531",
                f"{unit.name}: systemd does not understand it: {faults[0].strip()}",
                hint="`systemd-analyze verify FILE` shows the same",
                log_tail="\n".join(faults),
            )


class EnsureEnabled(msgspec.Struct, frozen=True, kw_only=True):
    """Have a unit start at boot, or not."""

    unit: str
    enabled: bool
    name: str
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.unit, str(self.enabled))

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`."""
        # Only what is enabled: a unit that is to be disabled has nothing that could be taken back
        # but to be enabled.
        return (Owned(kind="unit", name=self.unit),) if self.enabled else ()

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        if services_of(host).enabled(self.unit) == self.enabled:
            return Work(summary=f"{self.unit} is {'' if self.enabled else 'not '}enabled")
        effect = EnableUnit(unit=self.unit) if self.enabled else DisableUnit(unit=self.unit)
        verb = "enables" if self.enabled else "disables"
        return Work(effects=(effect,), summary=f"{verb} {self.unit}")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change, message=work.summary)


class EnsureState(msgspec.Struct, frozen=True, kw_only=True):
    """Have a unit run now, or not."""

    unit: str
    started: bool
    name: str
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.unit, str(self.started))

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        if services_of(host).active(self.unit) == self.started:
            return Work(summary=f"{self.unit} {'runs' if self.started else 'does not run'}")
        verb = "start" if self.started else "stop"
        effect = RunProgram(title="systemctl", argv=("systemctl", verb, self.unit))
        return Work(effects=(effect,), summary=f"{verb}s {self.unit}")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        services = services_of(host)
        if work.effects and self.started:
            # Its file may have been written a moment ago, and the follow-up that reloads systemd comes only at the end of the
            # phase.
            services.reload()
            services.restart(self.unit)
        elif work.effects:
            services.stop(self.unit)
        return Outcome(change=work.change, message=work.summary)


def plan_units(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """The steps of each unit, in the order of the configuration."""
    # In the configuration's order: a unit may need another one of the list, and systemd's own
    # ordering counts at boot alone.
    return tuple(step for unit in linux.systemd_units for step in _steps(unit))


def _steps(unit: SystemdUnit) -> Iterator[Step]:
    place = f"units/{unit.name}"
    # First: a masked unit can neither be enabled nor started, and a unit file cannot be where the
    # link to /dev/null is.
    if unit.masked is not None:
        yield MaskUnit(path=f"{UNITS}/{unit.name}", masked=unit.masked, name=f"{place}/mask")
    if unit.contents is not None or unit.drop_ins:
        yield WriteUnit(unit=unit, name=f"{place}/files")
    if unit.enabled is not None:
        yield EnsureEnabled(unit=unit.name, enabled=unit.enabled, name=f"{place}/enabled")
    if unit.state in ("Started", "Stopped"):
        yield EnsureState(unit=unit.name, started=unit.state == "Started", name=f"{place}/state")
