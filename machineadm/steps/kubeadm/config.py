"""The step that lays out what kubeadm reads, below the run directory."""

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
from machineadm.steps.kubeadm.render import PATCHES, KubeadmFiles, copies_patches, render

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
            KubeadmError: kubeadm no longer needs them, but the node that it made is gone.
        """
        record = read_record(host, self.machine)
        if record is not None and record.event == "done" and record.digest == self.purpose:
            from machineadm.steps.kubeadm.remains import refuse_lost_node

            refuse_lost_node(host, record)
            return Work(summary="kubeadm no longer needs them")
        now = _moment(host)
        effects = self._effects(host, self._files(host, now))
        if not effects:
            return Work()
        # The list goes first: what is on it and not there does no harm, what is there and not on it stays for ever.
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
            (name, host.files.read(f"{directory}/{name}") or b"")
            for name in host.files.list(directory)
            if name.endswith((".yaml", ".json"))
        )
        return msgspec.structs.replace(files, patches=(*copied, *files.patches))

    def _effects(self, host: Host, files: KubeadmFiles) -> tuple[KeepState | DropState, ...]:
        """What differs.

        A file that is not there yet is shown with its secrets masked; one that is, not at all: it may hold the secrets of
        an earlier configuration, which nobody can mask.
        """
        revealed, masked = files.encode(reveal=True), files.encode(reveal=False)
        effects: list[KeepState | DropState] = []
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
    """Remove all that was laid out: kubeadm is done, and secrets are not left lying about."""
    for name in sorted(_written(host)):
        host.state.remove(name, durable=False)
    host.state.remove(RENDERED_AT, durable=False)
    # The list goes last: without it nobody would find what a kill in between has left.
    host.state.remove(MANIFEST, durable=False)


def _moment(host: Host) -> float:
    """When the files were rendered that are to be compared: a token's lifetime in them counts from there.

    On a running system it is now: kubeadm is about to read them.
    """
    written = host.state.read(RENDERED_AT, durable=False) if host.offline else None
    return float(written) if written else host.clock.now()


def _written(host: Host) -> set[str]:
    """The files of the last time, by our own list of them: kubeadm applies whatever lies in its directory of patches."""
    content = host.state.read(MANIFEST, durable=False)
    if content is None:
        return set()
    try:
        names = msgspec.json.decode(content, type=list[str])
    except msgspec.DecodeError:
        return set()
    return {name for name in names if name.startswith((PATCHES, "kubeadm/"))}
