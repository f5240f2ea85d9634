"""The cluster's existing certificates and keys, written where kubeadm looks for them.

File names and modes are those that Cluster API's own provider writes: certificates 0640, keys 0600. kubeadm creates what is
missing (first control plane) or downloads it (further ones, with a certificate key).
"""

from __future__ import annotations

from collections.abc import Iterator

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.certificates import CertificatePair, ControlPlaneCertificates
from machineadm.api.v1alpha1.cluster import ExternalEtcd
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.machine_paths import certificates_directory
from machineadm.plan.model import Phase, Step


def plan_certificates(kubernetes: KubernetesConfig) -> tuple[Step, ...]:
    """One step that writes the inlined certificates and keys, or none.

    Args:
        kubernetes: Realised and free of findings.
    """
    config = kubernetes.control_plane
    if config is None or config.certificates is None:
        return ()
    files = tuple(
        _files(config.certificates, certificates_directory(kubernetes), _external_etcd(kubernetes))
    )
    if not files:
        return ()
    return (WriteFiles(name="certificates/files", phase=Phase.PREPARE, files=files),)


def _external_etcd(kubernetes: KubernetesConfig) -> ExternalEtcd | None:
    cluster = kubernetes.cluster
    return cluster.etcd.external if cluster is not None and cluster.etcd is not None else None


def _files(
    given: ControlPlaneCertificates, directory: str, etcd: ExternalEtcd | None
) -> Iterator[PlannedFile]:
    yield from _pair(given.ca, f"{directory}/ca.crt", f"{directory}/ca.key")
    # kubeadm reads the files of an external etcd where its configuration says, which may be
    # anywhere.
    etcd_ca = etcd.ca_file if etcd is not None else None
    yield from _pair(
        given.etcd_ca, etcd_ca or f"{directory}/etcd/ca.crt", f"{directory}/etcd/ca.key"
    )
    yield from _pair(
        given.front_proxy_ca, f"{directory}/front-proxy-ca.crt", f"{directory}/front-proxy-ca.key"
    )
    if (account := given.service_account) is not None:
        if account.public_key is not None:
            yield _certificate(f"{directory}/sa.pub", account.public_key)
        if account.private_key is not None:
            yield _key(f"{directory}/sa.key", account.private_key.reveal())
    client = "apiserver-etcd-client"
    yield from _pair(
        given.apiserver_etcd_client,
        (etcd and etcd.cert_file) or f"{directory}/{client}.crt",
        (etcd and etcd.key_file) or f"{directory}/{client}.key",
    )


def _pair(pair: CertificatePair | None, certificate: str, key: str) -> Iterator[PlannedFile]:
    if pair is None:
        return
    if pair.certificate is not None:
        yield _certificate(certificate, pair.certificate)
    if pair.key is not None:
        yield _key(key, pair.key.reveal())


def _certificate(path: str, content: str) -> PlannedFile:
    return PlannedFile(path=path, content=_with_newline(content), mode=0o640)


def _key(path: str, content: str) -> PlannedFile:
    return PlannedFile(path=path, content=_with_newline(content), mode=0o600, sensitive=True)


def _with_newline(content: str) -> bytes:
    # PEM ends with a line break (RFC 7468), and whoever appends to such a file relies on it.
    return content.encode() if content.endswith("\n") else content.encode() + b"\n"
