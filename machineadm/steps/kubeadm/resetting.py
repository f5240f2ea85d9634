"""kubeadm's reset as a person asks for it: without a configuration, and for whatever is there."""

from __future__ import annotations

from typing import ClassVar, cast

import msgspec

from machineadm.config.machine_paths import CERTIFICATES
from machineadm.errors import StepError
from machineadm.host.effects import RunProgram
from machineadm.host.ports import Host
from machineadm.plan.model import Change, Outcome, Phase, Work, digest_of
from machineadm.steps.kubeadm.evidence import gather_evidence
from machineadm.steps.kubeadm.record import Record, forget, read_record
from machineadm.steps.kubeadm.remains import reset, reset_command
from machineadm.steps.kubeadm.scene import ETCD_DATA, Role, Scene

LEAVES = (
    "kubeadm leaves /etc/cni/net.d, rules of iptables, nftables or IPVS, and kubeconfigs that were copied elsewhere",
    "a Node object and an etcd member that kubeadm could not remove stay in the cluster",
)
"""What a reset of kubeadm does not take."""


class ResetNode(msgspec.Struct, frozen=True, kw_only=True):
    """Have kubeadm take back what it did on this machine, whoever ran it."""

    machine: str
    """machine-id."""

    name: ClassVar[str] = "reset/kubeadm"
    phase: ClassVar[Phase] = Phase.KUBEADM
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, self.machine)

    def unproved(self, host: Host) -> tuple[str, ...]:
        """What the reset would remove without a record that proves it the work of a kubeadm that machineadm started and that has not joined.

        A finished node is never proved: it has been at work since.
        """
        if not self._is_there(host):
            return ()
        evidence = gather_evidence(self._scene(host), host, self._record(host))
        return (*evidence.foreign, *evidence.spoils)

    def emptied(self, host: Host) -> tuple[str, ...]:
        """See `Plan.emptied`: as `emptied_by_reset`, of what is recorded instead of a configuration."""
        return self._scene(host).emptied()

    def check(self, host: Host) -> Work:
        """See `Step.check`.

        Raises:
            StepError: There is a node below another root, or no kubeadm that could reset it.
        """
        if not self._is_there(host):
            return Work(summary="nothing of kubeadm is here")
        if host.offline:
            raise StepError(
                "MA6033",
                "this tree holds a node, and kubeadm can be reset only on the running machine",
                hint="boot the machine and run `machineadm reset` there",
            )
        # Here and not where it runs: by then the units would be gone.
        if host.queries is not None and host.queries.find("kubeadm") is None:
            raise StepError(
                "MA6034",
                "this machine holds a node, and there is no kubeadm to reset it. Nothing was changed",
                hint="install the kubeadm of the node's version, or put it on PATH, and run `machineadm reset` again",
            )
        argv = reset_command(self._scene(host))
        return Work(
            effects=(RunProgram(title="kubeadm", argv=argv),),
            summary="runs kubeadm reset, which takes the node, its certificates and etcd's data",
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            KubeadmError: kubeadm fails.
        """
        del work
        reset(self._scene(host), host, "asked for by machineadm reset")
        # After kubeadm's reset and not before: a kill in between leaves a record of what is gone,
        # and the next reset finds nothing of it.
        forget(host)
        return Outcome(change=Change.CHANGED, message="kubeadm was reset")

    def _is_there(self, host: Host) -> bool:
        scene = self._scene(host)
        # Any of them: half a node is still in the way of the next kubeadm, and its data may still
        # be somebody's.
        return any(host.files.stat(path) is not None for path in (*scene.traces(), scene.member))

    def _record(self, host: Host) -> Record:
        # Without windows nothing is proved ours, so all that is there needs the person's yes.
        nothing_known = Record(machine=self.machine, digest="", event="started")
        return read_record(host, self.machine) or nothing_known

    def _scene(self, host: Host) -> Scene:
        record = self._record(host)
        return Scene(
            role=cast("Role", record.role or "JoinControlPlane"),
            certificates=record.certificates or CERTIFICATES,
            etcd_data=record.etcd_data or ETCD_DATA,
            cri_socket=record.cri_socket,
            # A person has asked for the reset, so no API server is waited for.
            patience=0.0,
        )
