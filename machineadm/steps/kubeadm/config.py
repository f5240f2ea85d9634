"""The step that lays out what kubeadm reads, below the run directory."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.host.ports import Host
from machineadm.plan.files import counted
from machineadm.plan.model import (
    Change,
    ControlPlaneExtras,
    FileChange,
    Outcome,
    Outlook,
    Phase,
    digest_of,
)
from machineadm.steps.kubeadm.record import read_record
from machineadm.steps.kubeadm.remains import refuse_lost_node
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

    def check(self, host: Host) -> Outlook:
        """See `Step.check`.

        Raises:
            KubeadmError: kubeadm is done with them, but the node that it made is gone.
        """
        record = read_record(host, self.machine)
        if record is not None and record.event == "done" and record.digest == self.purpose:
            refuse_lost_node(host, record)
            return Outlook(change=Change.ALREADY_IN_PLACE, summary="kubeadm is done with them")
        files = self._files(host, _moment(host))
        changes = self._changes(host, files)
        if not changes:
            return Outlook(change=Change.ALREADY_IN_PLACE)
        return Outlook(
            change=Change.CHANGED, summary=f"{counted(len(changes))} for kubeadm", files=changes
        )

    def apply(self, host: Host) -> Outcome:
        """See `Step.apply`."""
        now = host.clock.now()
        wanted = self._files(host, now).encode(reveal=True)
        for stale in sorted(_written(host) - wanted.keys()):
            host.state.remove(stale, durable=False)
        host.state.write(MANIFEST, msgspec.json.encode(sorted(wanted)), durable=False)
        for name, content in wanted.items():
            host.state.write(name, content, durable=False)
        host.state.write(RENDERED_AT, str(now).encode(), durable=False)
        return Outcome(change=Change.CHANGED, message=f"wrote {counted(len(wanted))}")

    def _files(self, host: Host, now: float) -> KubeadmFiles:
        files = render(
            self.kubernetes,
            self.extras,
            run_directory=self.run_directory,
            now=now,
        )
        folder = self.kubernetes.patches_directory
        if folder is None or not copies_patches(self.kubernetes):
            return files
        copied = tuple(
            (name, host.files.read(f"{folder}/{name}") or b"")
            for name in host.files.list(folder)
            if name.endswith((".yaml", ".json"))
        )
        return msgspec.structs.replace(files, patches=(*copied, *files.patches))

    def _changes(self, host: Host, files: KubeadmFiles) -> tuple[FileChange, ...]:
        """What differs.

        A file that is not there yet is shown with its secrets masked; one that is, not at all: it may hold the secrets of
        an earlier configuration, which nobody can mask.
        """
        revealed, masked = files.encode(reveal=True), files.encode(reveal=False)
        found = {
            name: host.state.read(name, durable=False)
            for name in sorted(revealed.keys() | _written(host))
        }
        return tuple(
            FileChange(
                path=f"{self.run_directory}/{name}",
                before=before,
                after=masked.get(name),
                sensitive=before is not None,
            )
            for name, before in found.items()
            if before != revealed.get(name)
        )


def remove_files(host: Host) -> None:
    """Remove all that was laid out: kubeadm is done, and secrets are not left lying about."""
    for name in sorted(_written(host)):
        host.state.remove(name, durable=False)
    host.state.remove(MANIFEST, durable=False)
    host.state.remove(RENDERED_AT, durable=False)


def _moment(host: Host) -> float:
    """When the files were rendered that are to be compared: a token's lifetime in them counts from there.

    On a running system it is now: kubeadm is about to read them.
    """
    written = host.state.read(RENDERED_AT, durable=False) if host.offline else None
    return float(written) if written else host.clock.now()


def _written(host: Host) -> set[str]:
    """The files of the last time, by our own list of them: kubeadm applies whatever lies in its folder of patches."""
    content = host.state.read(MANIFEST, durable=False)
    if content is None:
        return set()
    try:
        names = msgspec.json.decode(content, type=list[str])
    except msgspec.DecodeError:
        return set()
    return {name for name in names if name.startswith((PATCHES, "kubeadm/"))}
