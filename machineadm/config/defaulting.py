"""Convert a checked configuration to the form that the planner works with.

Constant defaults are in the types. This module adds those that depend on other fields, and nothing that
kubeadm would choose better by itself: what is absent in KubernetesConfig stays absent.
"""

from __future__ import annotations

from msgspec.structs import replace

from machineadm.api.v1alpha1.files import FileConfig
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import (
    MachineConfig,
    MachineConfiguration,
    MachineConfigurationSpec,
)
from machineadm.config.digest import digest
from machineadm.config.model import Configuration
from machineadm.config.secrets import is_sensitive


def realise(configuration: MachineConfiguration) -> Configuration:
    """Return the two roots with their defaults. Call this only if the checks found nothing."""
    spec = _hardened(configuration.spec)
    machine = _machine(spec.machine)
    kubernetes = _kubernetes(spec.kubernetes) if spec.kubernetes is not None else None
    # The digest is of what is applied, so it is computed after defaults: a default that is spelled
    # out changes nothing.
    return Configuration(
        machine=machine,
        kubernetes=kubernetes,
        agent=spec.agent,
        digest=digest(machine, kubernetes, spec.agent),
    )


def _hardened(spec: MachineConfigurationSpec) -> MachineConfigurationSpec:
    linux = spec.machine.linux_configuration
    # Most configurations name no profile; the catalogue is then not read.
    if linux is None or not linux.compliance_profiles:
        return spec
    from machineadm.config.hardening import harden

    return harden(spec).spec


def _machine(machine: MachineConfig) -> MachineConfig:
    return replace(machine, files=tuple(_file(file) for file in machine.files))


def _file(file: FileConfig) -> FileConfig:
    return replace(
        file,
        # Decided once, here: whatever shows a file later asks only this field.
        sensitive=is_sensitive(file),
        # Two spellings of one thing would give two digests, and a run where nothing has changed.
        encoding="gzip+base64" if file.encoding == "gzip" else file.encoding,
    )


def _kubernetes(kubernetes: KubernetesConfig) -> KubernetesConfig:
    # Nearly always; the module of certificates is then not imported.
    if kubernetes.control_plane is None or kubernetes.control_plane.certificates is None:
        return kubernetes
    from machineadm.config.concerns.certificates import with_etcd_files

    return with_etcd_files(kubernetes)
