"""The kernel's command line: what it lacks is added to the boot loader's configuration, and a reboot is asked for."""

from __future__ import annotations

from collections.abc import Sequence
from typing import ClassVar, Final

import msgspec

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.perform import perform
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.config.machine_paths import GRUB
from machineadm.errors import StepError
from machineadm.host.effects import Effect, KeepState, RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import FollowUp, Outcome, Owned, Phase, Step, Work, digest_of

_RUNNING: Final = "/proc/cmdline"
RECORD: Final = "kernel-arguments"
"""In the state directory: the boot in which they were added."""

_TIMEOUT: Final = 300.0
_REBOOT: Final = FollowUp(kind="reboot")
_UPDATE: Final = FollowUp(kind="run", target="update-grub", argv=("update-grub",))


class SetKernelArguments(msgspec.Struct, frozen=True, kw_only=True):
    """Have the kernel started with these arguments.

    By a file for update-grub (Debian, Ubuntu), or by grubby (Fedora, RHEL and their kin).
    """

    arguments: tuple[str, ...]
    boot_id: str
    name: str = "kernel_arguments/set"
    phase: Phase = Phase.PREPARE
    live: ClassVar[bool] = True
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.arguments)

    def owned(self) -> tuple[Owned, ...]:
        """See `Owning.owned`: the file, where there is one. What grubby was told stays."""
        return tuple(msgspec.structs.replace(one, then=(_UPDATE,)) for one in self._file().owned())

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: Nobody here can set them; or they were set, and the kernel that was started since lacks them.
        """
        missing = self._missing(host)
        # Where the file is there, it must say all of them, also those that the kernel has by now.
        changes: tuple[Effect, ...] = ()
        follow: tuple[FollowUp, ...] = ()
        # A file of an earlier configuration may say more than this one, though the kernel has all
        # that is asked for now.
        if missing or host.files.stat(GRUB) is not None:
            changes, follow = self._changes(missing, host)
        if not missing:
            summary = (
                "the boot loader does not say all of them" if changes else "the kernel has them"
            )
            return Work(effects=changes, summary=summary, follow=follow)
        lacks = f"the kernel lacks {' '.join(missing)}"
        if not changes:
            # Set already: in this boot, or in one before, which would mean that the boot loader does not listen.
            # By the boot: in the one in which they were set the kernel cannot have them yet, and
            # a second run there is no failure.
            record = (host.state.read(RECORD, durable=True) or b"").decode(errors="replace")
            if record == self.boot_id:
                return Work(summary=f"{lacks} until the machine reboots")
            if record:
                raise StepError(
                    "MA3622",
                    f"{self.name}: {lacks}, though they were set before it was started",
                    hint="does this machine boot by GRUB's configuration? In containers and with images of their own "
                    "kernel command line, set them there",
                )
        record_now = KeepState(name=RECORD, content=self.boot_id.encode(), durable=True)
        # Only if the running kernel lacks any: one that somebody has added by hand and booted
        # with needs no second boot.
        reboots = (_REBOOT,) if missing else ()
        return Work(
            effects=(record_now, *changes),
            summary=lacks if missing else "",
            follow=(*follow, *reboots),
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: grubby fails.
        """
        for effect in work.effects:
            if not isinstance(effect, RunProgram):
                perform((effect,), host)
                continue
            if host.commands is None:
                raise StepError("MA3402", f"{self.name}: no program can be run below another root")
            done = host.commands.run(effect.argv, timeout=_TIMEOUT)
            if done.timed_out or done.exit_code != 0:
                raise StepError(
                    "MA3623",
                    f"{self.name}: {effect.title} failed",
                    hint="its words are in the report; `grubby --info=ALL` shows the entries",
                    log_tail=done.output,
                )
        return Outcome(change=work.change, message=work.summary)

    def _missing(self, host: Host) -> list[str]:
        running = (host.files.read(_RUNNING) or b"").decode(errors="replace").split()
        # As whole words: `quiet` within another argument's value is not the argument.
        return [one for one in self.arguments if one not in running]

    def _changes(
        self, missing: Sequence[str], host: Host
    ) -> tuple[tuple[Effect, ...], tuple[FollowUp, ...]]:
        """What adds them to the boot loader's configuration.

        Raises:
            StepError: This machine has neither program.
        """
        find = host.queries.find if host.queries is not None else (lambda _: None)
        # First: where update-grub is, GRUB's entries are generated, and what grubby puts into
        # them would be gone at the next kernel update.
        if find("update-grub") is not None:
            work = self._file().check(host)
            return work.effects, ((_UPDATE,) if work.effects else ())
        if find("grubby") is None:
            raise StepError(
                "MA3621",
                f"{self.name}: the kernel lacks {' '.join(missing)}, and neither update-grub nor grubby is here to set them",
                hint="put them into the image, or set them with the boot loader's own program in commands.boot",
            )
        asked = ("grubby", "--info=DEFAULT")
        said = host.queries.ask(asked, timeout=_TIMEOUT).output if host.queries is not None else ""
        # grubby prints args="..." in one line; without its quotes the first and the last argument
        # are words like the others.
        told = said.replace('"', " ").split()
        new = [one for one in missing if one not in told]
        argv = ("grubby", "--update-kernel=ALL", f"--args={' '.join(new)}")
        return ((RunProgram(title="grubby", argv=argv),) if new else ()), ()

    def _file(self) -> WriteFiles:
        # At the end: of two that contradict each other, the kernel takes the last.
        line = f'GRUB_CMDLINE_LINUX="$GRUB_CMDLINE_LINUX {" ".join(self.arguments)}"\n'
        file = PlannedFile(path=GRUB, content=line.encode())
        return WriteFiles(name=self.name, phase=self.phase, files=(file,))


def plan_kernel_arguments(linux: LinuxConfiguration, *, boot_id: str) -> tuple[Step, ...]:
    """The step, or none."""
    if not linux.kernel_arguments:
        return ()
    return (SetKernelArguments(arguments=linux.kernel_arguments, boot_id=boot_id),)
