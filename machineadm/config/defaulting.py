"""A checked configuration to the form that the planner works with.

Constant defaults stand in the types. Here are those that depend on other fields, and nothing that
kubeadm would choose better by itself: what is absent in KubernetesConfig stays so.
"""

from __future__ import annotations

from typing import Final

from msgspec.structs import replace

from machineadm.api.v1alpha1.cluster import ClusterConfig, EtcdConfig, ExternalEtcd
from machineadm.api.v1alpha1.control_plane import ControlPlaneCertificates
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfig, MachineConfiguration
from machineadm.config.digest import digest
from machineadm.config.model import Configuration
from machineadm.config.secrets import is_sensitive

CERTIFICATES_DIRECTORY: Final = "/etc/kubernetes/pki"
"""kubeadm's own default."""


def realise(configuration: MachineConfiguration) -> Configuration:
    """The two roots with their defaults. Call it only when the checks have found nothing."""
    spec = configuration.spec
    machine = _machine(spec.machine)
    kubernetes = with_etcd_files(spec.kubernetes) if spec.kubernetes is not None else None
    return Configuration(
        machine=machine,
        kubernetes=kubernetes,
        agent=spec.agent,
        digest=digest(machine, kubernetes, spec.agent),
    )


def _machine(machine: MachineConfig) -> MachineConfig:
    return replace(machine, files=tuple(_file(file) for file in machine.files))


def _file(file: FileConfig) -> FileConfig:
    return replace(
        file,
        sensitive=is_sensitive(file),
        encoding="gzip+base64" if file.encoding == "gzip" else file.encoding,
    )


def with_etcd_files(kubernetes: KubernetesConfig) -> KubernetesConfig:
    """With the files that the certificates of an external etcd are written to, where they are inlined."""
    cluster = kubernetes.cluster
    if cluster is None or cluster.etcd is None or cluster.etcd.external is None:
        return kubernetes
    control_plane = kubernetes.control_plane
    certificates = control_plane.certificates if control_plane is not None else None
    if certificates is None:
        return kubernetes
    external = _external_etcd(cluster.etcd.external, cluster, certificates)
    return replace(kubernetes, cluster=replace(cluster, etcd=EtcdConfig(external=external)))


def _external_etcd(
    external: ExternalEtcd, cluster: ClusterConfig, certificates: ControlPlaneCertificates
) -> ExternalEtcd:
    """Where inlined certificates go when the configuration names no files for them."""
    directory = cluster.certificates.directory if cluster.certificates is not None else None
    directory = directory or CERTIFICATES_DIRECTORY
    if certificates.etcd_ca is not None and external.ca_file is None:
        external = replace(external, ca_file=f"{directory}/etcd/ca.crt")
    if certificates.apiserver_etcd_client is not None and external.cert_file is None:
        external = replace(
            external,
            cert_file=f"{directory}/apiserver-etcd-client.crt",
            key_file=f"{directory}/apiserver-etcd-client.key",
        )
    return external
