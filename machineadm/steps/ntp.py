"""The clock: the time service that the machine has, the servers that it asks, and a wait until it has set the clock."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.perform import perform, services_of
from machineadm.actions.running import have_run, to_run
from machineadm.actions.waits import is_met
from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.ntp import Ntp
from machineadm.config.machine_paths import CHRONY, TIMESYNCD, UNITS
from machineadm.errors import StepError
from machineadm.host.effects import DisableUnit, Effect, RunProgram, WaitFor
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Step, Work, digest_of

_TIMESYNCD_UNIT: Final = "systemd-timesyncd.service"
_SERVICES: Final = ("chrony.service", "chronyd.service", _TIMESYNCD_UNIT)
"""Units of time services, by name: chrony's on Debian and its kin, chrony's elsewhere, systemd's own."""

_UNIT_DIRECTORIES: Final = (UNITS, "/usr/lib/systemd/system", "/lib/systemd/system")
_WANTS: Final = ("multi-user.target.wants", "sysinit.target.wants")
_NOT_REACHED: Final = "MA3031"


class ConfigureSources(msgspec.Struct, frozen=True, kw_only=True):
    """Tell the time service which servers to ask, in a file of our own beside its configuration."""

    ntp: Ntp
    name: str = "ntp/sources"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.ntp.servers, self.ntp.pools)

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`: what it writes on one machine or another."""
        # Of both families: a plan is made before anybody knows which service the machine has, and
        # what was written under the one must not look abandoned under the other.
        chrony = (file for configuration in CHRONY for file in self._of_chrony(configuration))
        files = (self._of_timesyncd(), *chrony)
        return WriteFiles(name=self.name, phase=self.phase, files=files).owned()

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: No time service is installed.
        """
        return self._inner(host).check(host)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        return self._inner(host).apply(host, work)

    def _inner(self, host: Host) -> WriteFiles:
        unit = _service(host)
        files: tuple[PlannedFile, ...] = (self._of_timesyncd(),)
        if unit != _TIMESYNCD_UNIT:
            configuration = _configuration_of_chrony(host, unit)
            own, including = self._of_chrony(configuration)
            # Debian's chrony.conf has the directory already. A second line would read the servers
            # twice, and each would be asked twice.
            files = (own,) if _includes(configuration, host) else (own, including)
        # A restart and no reload: timesyncd reads its servers only at its start, and chronyd has
        # no signal for reading its configuration again.
        restart = FollowUp(kind="restart", target=unit)
        return WriteFiles(name=self.name, phase=self.phase, files=files, follow=(restart,))

    def _of_timesyncd(self) -> PlannedFile:
        # An empty value forgets the servers of the files before; timesyncd.conf(5). A pool is a name like any other.
        # One list: timesyncd asks one server at a time, and takes the next where it does not
        # answer.
        names = " ".join((*self.ntp.servers, *self.ntp.pools))
        return PlannedFile(path=TIMESYNCD, content=f"[Time]\nNTP=\nNTP={names}\n".encode())

    def _of_chrony(self, configuration: str) -> tuple[PlannedFile, PlannedFile]:
        """Our own file, and the line that has chrony read it where nothing else does."""
        # The distribution's sources stay in its file; `prefer` has ours used as long as one of them answers. chrony.conf(5).
        lines = [f"server {name} iburst prefer\n" for name in self.ntp.servers]
        lines += [f"pool {name} iburst prefer\n" for name in self.ntp.pools]
        return (
            PlannedFile(path=CHRONY[configuration], content="".join(lines).encode()),
            # Not `include`: it ends chronyd where the directory is missing, and what was appended stays when our file is taken back.
            PlannedFile(
                path=configuration,
                content=f"confdir {_directory(configuration)}\n".encode(),
                mode=None,
                owner=None,
                append=True,
            ),
        )


class RunService(msgspec.Struct, frozen=True, kw_only=True):
    """Have the time service run, now and at later boots."""

    name: str = "ntp/service"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Needing.needs`: a service that is restarted with its new servers need not be started."""
        return _restarts()

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name)

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: No time service is installed.
        """
        unit = _service(host)
        effects = to_run(unit, host)
        return Work(effects=tuple(effects), summary=f"starts {unit}" if effects else f"{unit} runs")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: It does not run.
        """
        unit = _service(host)
        if not have_run(unit, work.effects, host):
            raise StepError(
                "MA3543",
                f"{self.name}: {unit} was started, and does not run",
                hint=f"systemctl status {unit}; in a container the clock is the host's: leave `ntp` out",
            )
        return Outcome(change=work.change, message=work.summary)


class StopServices(msgspec.Struct, frozen=True, kw_only=True):
    """Have no time service run, now or at later boots."""

    name: str = "ntp/off"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        services = services_of(host)
        effects: list[Effect] = []
        # All of them: with one left enabled, a boot would start it, and `enabled: false` would
        # not hold.
        for unit in _installed(host):
            if services.enabled(unit):
                effects.append(DisableUnit(unit=unit))
            if services.active(unit):
                effects.append(RunProgram(title="systemctl", argv=("systemctl", "stop", unit)))
        summary = "stops the time service" if effects else "no time service runs"
        return Work(effects=tuple(effects), summary=summary)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        for effect in work.effects:
            if isinstance(effect, RunProgram):
                services_of(host).stop(effect.argv[-1])
            else:
                perform((effect,), host)
        return Outcome(change=work.change, message=work.summary)


class AwaitSync(msgspec.Struct, frozen=True, kw_only=True):
    """Wait until the time service has set the clock."""

    timeout: float
    """Seconds."""
    name: str = "ntp/sync"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    @property
    def needs(self) -> tuple[str, ...]:
        """See `Needing.needs`: the clock is to be set by the servers of the configuration."""
        return _restarts()

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, str(self.timeout))

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        wait = WaitFor(
            condition="synchronization",
            budget=self.timeout,
            reason="certificates need a clock that is right",
        )
        # A plan asks once and does not wait; it would otherwise stand there for as long as a run
        # may.
        if is_met(wait.condition, host):
            return Work(summary="the clock is synchronized")
        return Work(effects=(wait,), summary=f"waits up to {self.timeout:g} s for the clock")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: The clock is not synchronized in time.
        """
        try:
            perform(work.effects, host)
        except StepError as error:
            if error.code != _NOT_REACHED:
                raise
            raise StepError(
                "MA3542",
                f"{self.name}: the clock is not synchronized after {self.timeout:g} s",
                hint="`chronyc sources` or `timedatectl timesync-status` shows which servers answer (UDP port 123)",
                passing=True,
            ) from error
        return Outcome(change=work.change, message="the clock is synchronized")


def plan_ntp(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """The steps of the clock, or none."""
    ntp = linux.ntp
    if ntp is None:
        return ()
    if not ntp.enabled:
        return (StopServices(),)
    steps: list[Step] = []
    if ntp.servers or ntp.pools:
        steps.append(ConfigureSources(ntp=ntp))
    # Also without servers: the distribution's own are fine, and a service that is installed need
    # not be enabled.
    steps.append(RunService())
    if ntp.require_sync is not None:
        steps.append(AwaitSync(timeout=seconds(ntp.require_sync.timeout)))
    return tuple(steps)


def _restarts() -> tuple[str, ...]:
    return tuple(FollowUp(kind="restart", target=unit).key for unit in _SERVICES)


def _installed(host: Host) -> list[str]:
    """The time services that can be started, in the order of their table."""

    def is_there(unit: str) -> bool:
        # A masked unit is a link to /dev/null.
        if host.files.readlink(f"{UNITS}/{unit}") == "/dev/null":
            return False
        return any(host.files.stat(f"{place}/{unit}") is not None for place in _UNIT_DIRECTORIES)

    found = [unit for unit in _SERVICES if is_there(unit)]
    # Debian's chrony.service has the other name as an alias.
    return [one for one in found if one != "chronyd.service" or "chrony.service" not in found]


def _service(host: Host) -> str:
    """The unit of the machine's time service: the one that is in use, where there are several.

    Raises:
        StepError: There is none.
    """
    found = _installed(host)
    if not found:
        raise StepError(
            "MA3541",
            "ntp: neither chrony nor systemd-timesyncd is installed",
            hint="install one in the image or in commands.boot, or leave `ntp` out",
        )
    if len(found) == 1:
        return found[0]
    # Debian's chrony and systemd-timesyncd conflict, but images exist that have both: the one
    # that runs has the clock.
    return next((unit for unit in found if _is_in_use(unit, host)), found[0])


def _is_in_use(unit: str, host: Host) -> bool:
    if host.services is not None:
        return host.services.enabled(unit) or host.services.active(unit)
    # Of a tree only its links tell.
    links = (f"{UNITS}/{wants}/{unit}" for wants in _WANTS)
    return any(host.files.readlink(link) is not None for link in links)


def _configuration_of_chrony(host: Host, unit: str) -> str:
    there = (path for path in CHRONY if host.files.stat(path) is not None)
    debian, others = CHRONY
    return next(there, debian if unit == "chrony.service" else others)


def _directory(configuration: str) -> str:
    return CHRONY[configuration].rpartition("/")[0]


def _includes(configuration: str, host: Host) -> bool:
    """Whether chrony reads our file by a line of its configuration that is there already."""
    content = (host.files.read(configuration) or b"").decode(errors="replace")
    directory = _directory(configuration)
    for line in content.splitlines():
        directive, *values = line.split() or [""]
        if directive.lower() == "confdir" and directory in [one.rstrip("/") for one in values]:
            return True
        if directive.lower() == "include" and values == [f"{directory}/*.conf"]:
            return True
    return False
