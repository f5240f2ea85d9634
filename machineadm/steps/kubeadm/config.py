"""The step that writes what kubeadm reads, below the run directory."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.actions.extras import ControlPlaneExtras
from machineadm.actions.files import counted
from machineadm.actions.perform import perform
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.host.effects import DropState, KeepState
from machineadm.host.ports import Host
from machineadm.plan.model import Outcome, Phase, Work, digest_of
from machineadm.steps.kubeadm.record import read_record
from machineadm.steps.kubeadm.render import CONFIG, PATCHES, KubeadmFiles, copies_patches, render

MANIFEST = "kubeadm/written.json"
RENDERED_AT = "kubeadm/rendered-at"


class LayOutFiles(msgspec.Struct, frozen=True, kw_only=True):
    """Write kubeadm's configuration, patches and discovery file, 0600, and remove those of an earlier one."""

    kubernetes: KubernetesConfig
    extras: ControlPlaneExtras
    run_directory: str
    machine: str
    purpose: str
    """Digest of the step that runs kubeadm: once that one is done, the files need not be there."""

    # In kubeadm's phase, after all commands: one of them may bring the image's directory of
    # patches, which is read here.
    name: str = "kubeadm/config"
    phase: Phase = Phase.KUBEADM
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.purpose)

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            KubeadmError: kubeadm no longer needs the files, but the node that it made is gone.
        """
        record = read_record(host, self.machine)
        if record is not None and record.event == "done" and record.digest == self.purpose:
            from machineadm.steps.kubeadm.remains import refuse_lost_node

            # Here, although nothing is written: this step is looked at before the one that runs
            # kubeadm, and a plan must say it.
            refuse_lost_node(host, record)
            return Work(summary="kubeadm no longer needs them")
        now = _moment(host)
        effects = self._effects(host, self._files(host, now))
        if not effects:
            return Work()
        # The list is written before the files. After a kill in between, a name without a file does no harm, but a file
        # that is not on the list would stay for ever, with its secrets.
        wanted = [effect.name for effect in effects if isinstance(effect, KeepState)]
        listed = msgspec.json.encode(sorted({*wanted, *self._unchanged(host, effects)}))
        return Work(
            effects=(
                *(effect for effect in effects if isinstance(effect, DropState)),
                KeepState(name=MANIFEST, content=listed, durable=False),
                *(effect for effect in effects if isinstance(effect, KeepState)),
                KeepState(name=RENDERED_AT, content=str(now).encode(), durable=False),
            ),
            summary=f"{counted(len(effects))} for kubeadm",
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change, message=work.summary)

    def content(self, host: Host) -> bytes:
        """Kubeadm's configuration as it would be written now, with its secrets."""
        return self._files(host, host.clock.now()).encode(reveal=True)[CONFIG]

    def _files(self, host: Host, now: float) -> KubeadmFiles:
        files = render(
            self.kubernetes,
            self.extras,
            run_directory=self.run_directory,
            now=now,
        )
        directory = self.kubernetes.patches_directory
        if directory is None or not copies_patches(self.kubernetes):
            return files
        copied = tuple(
            # Read at each check: a command may have put a patch into the directory a moment ago.
            (name, host.files.read(f"{directory}/{name}") or b"")
            for name in host.files.list(directory)
            # As kubeadm itself, which passes over every other file of a directory of patches.
            if name.endswith((".yaml", ".json"))
        )
        return msgspec.structs.replace(files, patches=(*copied, *files.patches))

    def _effects(self, host: Host, files: KubeadmFiles) -> tuple[KeepState | DropState, ...]:
        """What differs.

        A new file is shown with its secrets masked. An existing one is not shown at all: it may hold secrets of an earlier
        configuration, which this run does not know and cannot mask.
        """
        revealed, masked = files.encode(reveal=True), files.encode(reveal=False)
        effects: list[KeepState | DropState] = []
        # With those of an earlier configuration, which must go: kubeadm would apply a patch that
        # nobody asks for any more.
        for name in sorted(revealed.keys() | _written(host)):
            before, path = host.state.read(name, durable=False), f"{self.run_directory}/{name}"
            if name not in revealed:
                effects.append(DropState(name=name, durable=False, path=path))
            elif before != revealed[name]:
                effects.append(
                    KeepState(
                        name=name,
                        content=revealed[name],
                        durable=False,
                        path=path,
                        before=before,
                        shown=masked.get(name),
                        sensitive=before is not None,
                    )
                )
        return tuple(effects)

    def _unchanged(self, host: Host, effects: tuple[KeepState | DropState, ...]) -> set[str]:
        return _written(host) - {effect.name for effect in effects}


def remove_files(host: Host) -> None:
    """Remove everything that was written for kubeadm: it is done, and the files hold secrets."""
    for name in sorted(_written(host)):
        host.state.remove(name, durable=False)
    host.state.remove(RENDERED_AT, durable=False)
    # The list goes last: after a kill in between, the next run finds by it what is left.
    host.state.remove(MANIFEST, durable=False)


def _moment(host: Host) -> float:
    """The time for which the files to compare with were rendered: a token's lifetime in them counts from then.

    On a running system it is now, because kubeadm is about to read them.
    """
    written = host.state.read(RENDERED_AT, durable=False) if host.offline else None
    return float(written) if written else host.clock.now()


def _written(host: Host) -> set[str]:
    """The files written last time, by our own list: a patch left behind would be applied, as kubeadm applies all in its directory."""
    content = host.state.read(MANIFEST, durable=False)
    if content is None:
        return set()
    try:
        names = msgspec.json.decode(content, type=list[str])
    except (ValueError, RecursionError):
        return set()
    # The list may be damaged or stale: nothing outside of these two directories is ever removed by
    # it.
    return {name for name in names if name.startswith((PATCHES, "kubeadm/"))}
