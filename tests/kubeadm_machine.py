"""A machine on which a plan with kubeadm is carried out, in memory."""

from __future__ import annotations

import msgspec

from machineadm.actions.extras import ControlPlaneExtras
from machineadm.actions.files import WriteFiles
from machineadm.api.v1alpha1.commands import Command
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.machine_paths import KUBEADM_PHASES
from machineadm.host.facts import Facts
from machineadm.plan.model import Phase, Plan, Step
from machineadm.steps.certificates import plan_certificates
from machineadm.steps.commands import plan_commands
from machineadm.steps.kubeadm import emptied_by_reset, plan_kubeadm
from machineadm.steps.static_pods import plan_static_pods
from tests.applying import carry_out
from tests.fakes.host import FakeHost
from tests.fakes.kubeadm import KUBELET, Cluster, FakeKubeadm
from tests.kubeadm_cases import GOLDEN, RUN_DIRECTORY, kubernetes_of

FACTS = Facts(machine_id="m1", kubeadm_version="v1.34.4")
ROLES = ("init", "init-bare", "join-control-plane", "join-worker")
"""`init-bare`: nothing is given, so kubeadm makes the authorities itself."""


def configuration(role: str) -> KubernetesConfig:
    """Small, but with certificates and a static pod that a reset takes away, for those that may have them."""
    small = kubernetes_of(GOLDEN / "small" / f"{role.removesuffix('-bare')}.yaml")
    if role in {"init-bare", "join-worker"}:
        return small
    maximal = kubernetes_of(GOLDEN / "maximal" / f"{role}.yaml")
    return msgspec.structs.replace(small, control_plane=maximal.control_plane)


class Machine:
    """A machine, its cluster, and runs of the agent on it."""

    def __init__(self, role: str, *, local_mode: bool = True) -> None:
        self.host = FakeHost()
        self.role = role
        self.cluster = Cluster() if role.startswith("init") else Cluster("first")
        self.kubeadm = FakeKubeadm(self.host, self.cluster, local_mode=local_mode)
        self.kubernetes = configuration(role)
        self.commands: tuple[Command, ...] = ()

    def declared(self) -> set[str]:
        """Paths that the configuration writes."""
        steps = (s for s in self._before() if isinstance(s, WriteFiles))
        return {file.path for step in steps for file in step.files}

    def plan(self) -> Plan:
        """The steps that serve kubeadm."""
        kubeadm = plan_kubeadm(
            self.kubernetes, FACTS, ControlPlaneExtras(), RUN_DIRECTORY, declared=self.declared()
        )
        commands = plan_commands(self.commands, Phase.PRE_KUBEADM)
        return Plan(
            steps=(*self._before(), *commands, *kubeadm), emptied=emptied_by_reset(self.kubernetes)
        )

    def _before(self) -> tuple[Step, ...]:
        return (*plan_certificates(self.kubernetes), *plan_static_pods(self.kubernetes))

    def run(self) -> None:
        """As `bootstrap`: every step is asked before the first one acts."""
        carry_out(self.plan(), self.host)

    def as_it_is(self) -> tuple[object, ...]:
        """All that must not depend on whether kubeadm was killed."""
        files = {path: node.content for path, node in self.host.files.nodes.items() if node.content}
        cluster = (self.cluster.members, sorted(self.cluster.objects), self.cluster.ready)
        # Times, for pictures: no run depends on them.
        run = {
            name: data for name, data in self.host.state.run_files.items() if name != KUBEADM_PHASES
        }
        return (files, self.host.services.active(KUBELET), *cluster, run)


def finished(role: str, *, local_mode: bool) -> tuple[object, ...]:
    machine = Machine(role, local_mode=local_mode)
    machine.run()
    return machine.as_it_is()


def instants(role: str, *, local_mode: bool) -> int:
    machine = Machine(role, local_mode=local_mode)
    machine.run()
    return machine.kubeadm.instants


def change(machine: Machine) -> None:
    machine.kubernetes = msgspec.structs.replace(machine.kubernetes, skip_phases=("addon/coredns",))
