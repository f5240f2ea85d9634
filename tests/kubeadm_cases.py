"""The cases of kubeadm's rendering: what goes in, what all the steps that serve kubeadm make of it."""

from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config.defaulting import realise
from machineadm.config.validation import check
from machineadm.documents.decoding import decode
from machineadm.plan.model import Step
from machineadm.steps.certificates import plan_certificates
from machineadm.steps.control_plane_files import plan_control_plane_files
from machineadm.steps.kubeadm.render import KubeadmFiles, render
from machineadm.steps.static_pods import plan_static_pods

GOLDEN = Path(__file__).parent / "contract" / "golden"
RUN_DIRECTORY = "/run/machineadm"
NOW = 1_800_000_000.0
ROLES = ("init", "join-control-plane", "join-worker")
VERSIONS = {"v1beta3": "v1.30.4", "v1beta4": "v1.34.4"}


class Case(NamedTuple):
    """One input for one version of kubeadm's API."""

    size: str
    role: str
    api: str

    @property
    def input(self) -> Path:
        older = self.size == "maximal" and self.api == "v1beta3"
        return GOLDEN / (f"{self.size}-v1beta3" if older else self.size) / f"{self.role}.yaml"

    @property
    def output(self) -> Path:
        return GOLDEN / self.size / self.api / self.role

    def read(self) -> KubernetesConfig:
        """The realised configuration, for a version of Kubernetes with this API."""
        return kubernetes_of(self.input, VERSIONS[self.api])


CASES = [
    Case(size, role, api)
    for size in ("small", "maximal")
    for role in ROLES
    for api in ("v1beta3", "v1beta4")
]


def kubernetes_of(path: Path, version: str | None = None) -> KubernetesConfig:
    """The Kubernetes part of a configuration file, checked and realised as the agent does it."""
    (document,) = decode(path.read_bytes(), file=path.name)
    assert not document.problems, document.problems
    value = document.value
    assert isinstance(value, MachineConfiguration)
    assert value.spec.kubernetes is not None
    if version is not None:
        kubernetes = replace(value.spec.kubernetes, version=version)
        value = replace(value, spec=replace(value.spec, kubernetes=kubernetes))
    findings = check(value)
    assert not findings, findings
    realised = realise(value).kubernetes
    assert realised is not None
    return realised


def rendered(kubernetes: KubernetesConfig, run_directory: str = RUN_DIRECTORY) -> KubeadmFiles:
    """What kubeadm reads."""
    _, extras = plan_control_plane_files(kubernetes)
    return render(kubernetes, extras, run_directory=run_directory, now=NOW)


def files_of(kubernetes: KubernetesConfig) -> list[PlannedFile]:
    """What is written for the components."""
    steps: tuple[Step, ...] = (
        *plan_control_plane_files(kubernetes)[0],
        *plan_certificates(kubernetes),
        *plan_static_pods(kubernetes),
    )
    return [file for step in steps if isinstance(step, WriteFiles) for file in step.files]


def tree(kubernetes: KubernetesConfig) -> dict[str, bytes]:
    """All of it, by absolute path and with its mode in front."""
    files = rendered(kubernetes).encode(reveal=True)
    found = {f"{RUN_DIRECTORY}/{name}": content for name, content in files.items()}
    for file in files_of(kubernetes):
        assert isinstance(file.content, bytes)
        found[file.path] = file.content
    return found
