"""What is asked of kubeadm: the step's values, for the plan and for the attempt that carries it out."""

from __future__ import annotations

from typing import Literal

import msgspec

from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.host.effects import RunProgram
from machineadm.host.facts import Facts
from machineadm.host.ports import Host
from machineadm.plan.model import Work
from machineadm.steps.kubeadm.config import LayOutFiles
from machineadm.steps.kubeadm.scene import KUBELET_CONF, Scene


class Order(msgspec.Struct, frozen=True, kw_only=True):
    """One `kubeadm init` or `kubeadm join`."""

    verb: Literal["init", "join"]
    arguments: tuple[str, ...]
    """After the verb; no secret among them."""

    skip_phases: tuple[str, ...]
    """Those of the configuration: the command line, where it names any, replaces them."""

    version: str
    scene: Scene
    machine: str
    rendered: str
    """Digest of what kubeadm reads, without secrets: a fresh token makes no other node."""

    external_authority: bool
    """The CA's key is elsewhere, so the configuration brings kubelet.conf itself."""

    tokens: LayOutFiles | None = None
    """Set where a bootstrap token has to expire at a given time: kubeadm takes a lifetime, which counts from when it makes
    the token, minutes after its configuration was written."""

    asked: tuple[KubernetesConfig, Facts] | None = None
    """The node that the machine is to become, and what was known of the machine: whether it can is judged once more before
    kubeadm runs. No part of the digest."""

    @property
    def name(self) -> str:
        """Of the step."""
        return f"kubeadm/{self.verb}"

    def digest(self) -> str:
        """Of the step."""
        # Of what kubeadm reads and of nothing else: another file of the machine, or another
        # deadline, makes no other node.
        return self.rendered

    def argv(self, *, done: tuple[str, ...] = ()) -> tuple[str, ...]:
        """The command line.

        Args:
            done: Phases that an earlier run has done and this one skips.
        """
        # The flag replaces skipPhases of the file that kubeadm reads, so those of the configuration
        # must be repeated.
        skipped = (f"--skip-phases={','.join((*done, *self.skip_phases))}",) if done else ()
        return ("kubeadm", self.verb, *self.arguments, *skipped)

    def is_node(self, host: Host) -> bool:
        """Whether somebody has made the machine a node already."""
        # By the one file that every node has: a worker has no manifests of its own.
        return host.files.stat(KUBELET_CONF) is not None and not self.external_authority

    def work(self, *, after: str = "") -> Work:
        """The run of kubeadm, as a plan shows it.

        Args:
            after: What is done before.
        """
        argv = self.argv()
        # The command line may be shown: secrets are in the file that it names, and never among
        # the arguments.
        summary = f"{after}{' '.join(argv)} for Kubernetes {self.version}"
        return Work(effects=(RunProgram(title="kubeadm", argv=argv),), summary=summary)
