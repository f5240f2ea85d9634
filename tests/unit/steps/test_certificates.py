"""Certificates of the configuration, as kubeadm and the components find them."""

from __future__ import annotations

import msgspec

from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.steps.certificates import plan_certificates
from tests.kubeadm_cases import GOLDEN, files_of, kubernetes_of


def test_a_worker_has_none() -> None:
    assert plan_certificates(kubernetes_of(GOLDEN / "maximal" / "join-worker.yaml")) == ()


def test_certificates_go_where_kubeadm_looks_for_them() -> None:
    paths = {
        file.path
        for file in files_of(kubernetes_of(GOLDEN / "maximal" / "init.yaml"))
        if "certificates" in file.path
    }

    assert paths == {
        f"/etc/kubernetes/certificates/{name}"
        for name in (
            "ca.crt",
            "ca.key",
            "etcd/ca.crt",
            "etcd/ca.key",
            "front-proxy-ca.crt",
            "front-proxy-ca.key",
            "sa.pub",
            "sa.key",
        )
    }


def test_external_etcds_certificates_go_to_the_files_that_the_cluster_names() -> None:
    kubernetes = msgspec.convert(
        {
            "version": "v1.34.4",
            "role": {"type": "Initialize"},
            "cluster": {
                "etcd": {
                    "external": {
                        "endpoints": ["https://etcd.example.com:2379"],
                        "caFile": "/etc/etcd/authority.crt",
                        "certFile": "/etc/etcd/client.crt",
                        "keyFile": "/etc/etcd/client.key",
                    }
                }
            },
            "controlPlane": {
                "certificates": {
                    "ca": {"certificate": "CA"},
                    "etcdCA": {"certificate": "ETCD"},
                    "apiserverEtcdClient": {"certificate": "CLIENT", "key": "KEY"},
                }
            },
        },
        type=KubernetesConfig,
        dec_hook=lambda type_, value: type_(value),
    )

    written = {file.path: file.content for file in files_of(kubernetes)}

    assert written == {
        "/etc/kubernetes/pki/ca.crt": b"CA\n",
        "/etc/etcd/authority.crt": b"ETCD\n",
        "/etc/etcd/client.crt": b"CLIENT\n",
        "/etc/etcd/client.key": b"KEY\n",
    }
