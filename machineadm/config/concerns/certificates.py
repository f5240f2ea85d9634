"""Certificates and keys that the cluster already has, where kubeadm looks for them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.certificates import (
    CertificatePair,
    ControlPlaneCertificates,
    ServiceAccountKeys,
)
from machineadm.api.v1alpha1.cluster import EtcdConfig, ExternalEtcd
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.machine_paths import certificates_directory
from machineadm.config.rules.model import Context, Rules, finding
from machineadm.config.rules.pem import CERTIFICATE, PRIVATE_KEY, PUBLIC_KEY, pem_problem


def with_etcd_files(kubernetes: KubernetesConfig) -> KubernetesConfig:
    """Add the paths of the files that inlined certificates of an external etcd are written to."""
    cluster = kubernetes.cluster
    external = cluster.etcd.external if cluster is not None and cluster.etcd is not None else None
    certificates = _given(kubernetes)
    if cluster is None or external is None or certificates is None:
        return kubernetes
    external = _external_etcd(external, certificates_directory(kubernetes), certificates)
    # Here and not in a step, so that rules, plan and kubeadm's configuration name the same files.
    return replace(kubernetes, cluster=replace(cluster, etcd=EtcdConfig(external=external)))


def _given(kubernetes: KubernetesConfig) -> ControlPlaneCertificates | None:
    return kubernetes.control_plane.certificates if kubernetes.control_plane is not None else None


def _external_etcd(
    external: ExternalEtcd, directory: str, certificates: ControlPlaneCertificates
) -> ExternalEtcd:
    """Choose files for inlined certificates if the configuration names none."""
    # A path of the configuration stays: the certificate is then written there.
    if certificates.etcd_ca is not None and external.ca_file is None:
        external = replace(external, ca_file=f"{directory}/etcd/ca.crt")
    # kubeadm wants certFile and keyFile together (ValidateEtcd), so both are chosen or none.
    if certificates.apiserver_etcd_client is not None and external.cert_file is None:
        external = replace(
            external,
            cert_file=f"{directory}/apiserver-etcd-client.crt",
            key_file=f"{directory}/apiserver-etcd-client.key",
        )
    return external


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    if spec.kubernetes is None:
        return
    kubernetes = with_etcd_files(spec.kubernetes)
    given, cluster = _given(kubernetes), kubernetes.cluster
    if given is None:
        return
    directory = certificates_directory(kubernetes)
    etcd = cluster.etcd.external if cluster is not None and cluster.etcd is not None else None
    # With a local etcd kubeadm looks in its own place only.
    etcd_ca = (etcd.ca_file if etcd is not None else None) or f"{directory}/etcd/ca.crt"
    yield from _pair("ca", given.ca, f"{directory}/ca.crt", f"{directory}/ca.key")
    yield from _pair("etcdCA", given.etcd_ca, etcd_ca, f"{directory}/etcd/ca.key")
    proxy = f"{directory}/front-proxy-ca"
    yield from _pair("frontProxyCA", given.front_proxy_ca, f"{proxy}.crt", f"{proxy}.key")
    # Both files from one field: the API server signs with one and verifies with the other, and
    # every machine of a control plane must have the same pair.
    if given.service_account is not None:
        yield f"{directory}/sa.pub", "controlPlane.certificates.serviceAccount"
        yield f"{directory}/sa.key", "controlPlane.certificates.serviceAccount"
    if etcd is not None and etcd.cert_file is not None and etcd.key_file is not None:
        client = given.apiserver_etcd_client
        yield from _pair("apiserverEtcdClient", client, etcd.cert_file, etcd.key_file)


def _pair(
    field: str, pair: CertificatePair | None, certificate: str, key: str
) -> Iterator[tuple[str, str]]:
    if pair is not None:
        yield certificate, f"controlPlane.certificates.{field}"
        # A CA without its key is an external one to kubeadm, which then creates no certificate
        # itself (UsingExternalCA).
        if pair.key is not None or pair.key_from is not None:
            yield key, f"controlPlane.certificates.{field}"


def _pair_is_pem(pair: CertificatePair, _context: Context) -> Iterator[Finding]:
    if pair.certificate is not None and (
        problem := pem_problem(pair.certificate, CERTIFICATE, what="a certificate", single=False)
    ):
        yield finding("MA1317", "certificate", problem)


def _pair_key_is_pem(pair: CertificatePair, _context: Context) -> Iterator[Finding]:
    # Nobody is there at a first boot to enter the passphrase of an encrypted one.
    if pair.key is not None and (
        problem := pem_problem(
            pair.key.reveal(), PRIVATE_KEY, what="an unencrypted private key", single=True
        )
    ):
        yield finding("MA1317", "key", problem)


def _account_keys_are_pem(keys: ServiceAccountKeys, _context: Context) -> Iterator[Finding]:
    if keys.public_key is not None and (
        problem := pem_problem(keys.public_key, PUBLIC_KEY, what="a public key", single=False)
    ):
        yield finding("MA1317", "publicKey", problem)


def _account_signing_key_is_pem(keys: ServiceAccountKeys, _context: Context) -> Iterator[Finding]:
    if keys.private_key is not None and (
        problem := pem_problem(
            keys.private_key.reveal(), PRIVATE_KEY, what="an unencrypted private key", single=True
        )
    ):
        yield finding("MA1317", "privateKey", problem)


def _client_has_its_key(
    certificates: ControlPlaneCertificates, _context: Context
) -> Iterator[Finding]:
    # Unlike a CA, which may come without: of that only the certificate may be known here.
    client = certificates.apiserver_etcd_client
    if client is not None and client.key is None and client.key_from is None:
        yield finding(
            "MA1303", "apiserverEtcdClient.key", "is required: a client authenticates with it"
        )


def _client_goes_with_external_etcd(
    kubernetes: KubernetesConfig, _context: Context
) -> Iterator[Finding]:
    certificates = _given(kubernetes)
    if certificates is None or certificates.apiserver_etcd_client is None:
        return
    cluster = kubernetes.cluster
    # For its own etcd kubeadm signs the client's certificate itself.
    if cluster is None or cluster.etcd is None or cluster.etcd.external is None:
        yield finding(
            "MA1304",
            "controlPlane.certificates.apiserverEtcdClient",
            "is only allowed with cluster.etcd.external",
        )


RULES: Final[Rules] = {
    KubernetesConfig: (_client_goes_with_external_etcd,),
    CertificatePair: (_pair_is_pem, _pair_key_is_pem),
    ServiceAccountKeys: (_account_keys_are_pem, _account_signing_key_is_pem),
    ControlPlaneCertificates: (_client_has_its_key,),
}
