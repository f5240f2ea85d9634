"""SELinux: its mode, now and at later boots."""

from __future__ import annotations

from typing import ClassVar, Final

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.machine_paths import SELINUX, SELINUX_RELABEL
from machineadm.errors import HostError, StepError
from machineadm.host.effects import RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Step, Work, digest_of

ENFORCE: Final = "/sys/fs/selinux/enforce"
"""Of the kernel: 1 enforcing, 0 permissive; there is none where SELinux is off."""
_REBOOT: Final = FollowUp(kind="reboot")
_TIMEOUT: Final = 60.0


class ConfigureMode(msgspec.Struct, frozen=True, kw_only=True):
    """Write the mode of later boots. A machine that comes from `Disabled` must give its files labels first, or it does not boot."""

    mode: str
    name: str = "selinux/configuration"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.mode)

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`: the mode that was there comes back."""
        return (Owned(kind="file", name=SELINUX, declared=self.digest()),)

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: SELinux is not installed.
        """
        return self._inner(host).check(host)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        return self._inner(host).apply(host, work)

    def _inner(self, host: Host) -> WriteFiles:
        there = host.files.read(SELINUX)
        if there is None:
            if self.mode != "Disabled":
                raise StepError(
                    "MA3601",
                    f"{self.name}: there is no {SELINUX}: SELinux is not installed",
                    hint="use an image with SELinux and a policy, or leave `selinux` out",
                )
            return WriteFiles(name=self.name, phase=self.phase, files=())
        files = [PlannedFile(path=SELINUX, content=_with_mode(there, self.mode), mode=None, owner=None)]  # fmt: skip
        # Of a tree nobody can tell: selinuxfs there is that of the machine which prepares the
        # image.
        is_off = not host.offline and host.files.stat(ENFORCE) is None
        follow: tuple[FollowUp, ...] = ()
        # A container sees no SELinux either: then nothing is asked of the machine that its file says already.
        if is_off and self.mode != "Disabled" and _mode(there) == "disabled":
            # With it the distribution's boot relabels everything and reboots (selinux-
            # autorelabel); files made while SELinux was off have no label.
            files.append(PlannedFile(path=SELINUX_RELABEL, content=b""))
            follow = (_REBOOT,)
        elif self.mode == "Disabled" and not is_off and not host.offline:
            follow = (_REBOOT,)
        return WriteFiles(name=self.name, phase=self.phase, files=tuple(files), follow=follow)


class UseMode(msgspec.Struct, frozen=True, kw_only=True):
    """Have the running kernel enforce the policy, or only report. A kernel without SELinux has neither before it boots again."""

    mode: str
    name: str = "selinux/mode"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.mode)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        now = _running(host)
        if now == "Disabled" or self.mode in ("Disabled", now):
            return Work(summary=f"SELinux is {_told(now)}")
        # By number: the words are setenforce's own, the numbers those of the kernel's file.
        value = "1" if self.mode == "Enforcing" else "0"
        effect = RunProgram(title="setenforce", argv=("setenforce", value))
        return Work(effects=(effect,), summary=f"{now} -> {self.mode}")

    def apply(self, host: Host, work: Work) -> Outcome:
        """Switch, and see whether the kernel did.

        Raises:
            HostError: It did not.
        """
        for effect in work.effects:
            if isinstance(effect, RunProgram) and host.commands is not None:
                host.commands.run(effect.argv, timeout=_TIMEOUT)
                # Read back from the kernel: a policy can forbid the switch, and setenforce's
                # message is the same for both causes.
                if _running(host) != self.mode:
                    raise HostError(
                        "MA3602",
                        f"{self.name}: setenforce was run, and SELinux is {_told(_running(host))}",
                        hint="`setenforce` by hand says why; a policy may forbid it (secure_mode_policyload)",
                    )
        return Outcome(change=work.change, message=f"SELinux is {_told(_running(host))}")


def plan_selinux(linux: LinuxConfiguration) -> tuple[Step, ...]:
    """The steps of SELinux, or none."""
    if linux.selinux is None:
        return ()
    return (ConfigureMode(mode=linux.selinux.mode), UseMode(mode=linux.selinux.mode))


def _running(host: Host) -> str:
    value = (host.files.read(ENFORCE) or b"").strip()
    # selinuxfs is not mounted where the kernel runs without SELinux, so no file means off.
    return {b"1": "Enforcing", b"0": "Permissive"}.get(value, "Disabled")


def _told(mode: str) -> str:
    """A mode with what it means for whoever reads the report."""
    means = {
        "Enforcing": "what the policy forbids is refused",
        "Permissive": "what the policy forbids is only logged",
        "Disabled": "this kernel runs without it",
    }
    return f"{mode}: {means[mode]}"


def _mode(content: bytes) -> str:
    for line in content.decode(errors="replace").splitlines():
        key, equals, value = line.partition("=")
        if equals and key.strip() == "SELINUX":
            return value.strip().lower()
    return ""


def _with_mode(content: bytes, mode: str) -> bytes:
    """The file with another mode, and everything else as it is."""
    found, lines = False, []
    for line in content.decode(errors="surrogateescape").splitlines():
        if line.partition("=")[0].strip() == "SELINUX":
            # In its place and not at the end: people who read the file look where the comment
            # above it is.
            line = f"SELINUX={mode.lower()}"
            if found:
                continue
            found = True
        lines.append(line)
    if not found:
        lines.append(f"SELINUX={mode.lower()}")
    return "".join(f"{line}\n" for line in lines).encode(errors="surrogateescape")
