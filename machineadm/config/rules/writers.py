"""Each file of the machine has one writer: what another field writes is not among `files`.

Two writers would undo each other's work on every run, and the last one would win without a word.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.control_plane import CertificatePair, ControlPlaneConfig
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.defaulting import CERTIFICATES_DIRECTORY, with_etcd_files
from machineadm.config.paths import is_set
from machineadm.config.rules.model import Context, Rules, finding

_LINUX: Final = (
    ("hostname", "/etc/hostname"),
    ("sysctls", "/etc/sysctl.d/90-machineadm.conf"),
    ("kernelModules", "/etc/modules-load.d/90-machineadm.conf"),
)
_OWN_FOLDER: Final = "/etc/kubernetes/machineadm/"


def _each_file_has_one_writer(
    spec: MachineConfigurationSpec, _context: Context
) -> Iterator[Finding]:
    writers = dict(_writers(spec))
    for index, file in enumerate(spec.machine.files):
        field = writers.get(file.path)
        if file.path.startswith(_OWN_FOLDER):
            field = "machineadm itself"
        if field is not None:
            yield finding(
                "MA1306", f"machine.files[{index}].path", f"{file.path} is written by {field}"
            )


def _writers(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """Path, and the field that has it written."""
    if spec.machine.linux_configuration is not None:
        yield from _linux(spec.machine.linux_configuration)
    if spec.kubernetes is not None and spec.kubernetes.control_plane is not None:
        yield from _static_pods(spec.kubernetes.control_plane)
        yield from _certificates(spec.kubernetes)


def _linux(linux: LinuxConfiguration) -> Iterator[tuple[str, str]]:
    for field, path in _LINUX:
        if is_set(linux, field):
            yield path, f"linuxConfiguration.{field}"


def _static_pods(control_plane: ControlPlaneConfig) -> Iterator[tuple[str, str]]:
    for pod in control_plane.static_pods:
        yield f"/etc/kubernetes/manifests/{pod.name}.yaml", "controlPlane.staticPods"


def _certificates(kubernetes: KubernetesConfig) -> Iterator[tuple[str, str]]:
    kubernetes = with_etcd_files(kubernetes)
    control_plane, cluster = kubernetes.control_plane, kubernetes.cluster
    given = control_plane.certificates if control_plane is not None else None
    if given is None:
        return
    settings = cluster.certificates if cluster is not None else None
    folder = (settings.directory if settings is not None else None) or CERTIFICATES_DIRECTORY
    etcd = cluster.etcd.external if cluster is not None and cluster.etcd is not None else None
    etcd_ca = (etcd.ca_file if etcd is not None else None) or f"{folder}/etcd/ca.crt"
    yield from _pair("ca", given.ca, f"{folder}/ca.crt", f"{folder}/ca.key")
    yield from _pair("etcdCA", given.etcd_ca, etcd_ca, f"{folder}/etcd/ca.key")
    proxy = f"{folder}/front-proxy-ca"
    yield from _pair("frontProxyCA", given.front_proxy_ca, f"{proxy}.crt", f"{proxy}.key")
    if given.service_account is not None:
        yield f"{folder}/sa.pub", "controlPlane.certificates.serviceAccount"
        yield f"{folder}/sa.key", "controlPlane.certificates.serviceAccount"
    if etcd is not None and etcd.cert_file is not None and etcd.key_file is not None:
        client = given.apiserver_etcd_client
        yield from _pair("apiserverEtcdClient", client, etcd.cert_file, etcd.key_file)


def _pair(
    field: str, pair: CertificatePair | None, certificate: str, key: str
) -> Iterator[tuple[str, str]]:
    if pair is not None:
        yield certificate, f"controlPlane.certificates.{field}"
        if pair.key is not None:
            yield key, f"controlPlane.certificates.{field}"


RULES: Final[Rules] = {MachineConfigurationSpec: (_each_file_has_one_writer,)}
