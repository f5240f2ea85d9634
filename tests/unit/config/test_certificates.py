"""Certificates that the cluster has already: every rule between fields, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import (
    ACCOUNT,
    CERTIFICATE,
    CP,
    ETCD,
    FILES,
    HTTPS,
    PAIR,
    PRIVATE,
    PUBLIC,
    C,
    Case,
    judging,
)

CASES = [
    Case("etcd's client certificate goes with an external etcd",
         {f"{CP}.certificates.apiserverEtcdClient": PAIR},
         [("MA1304", "spec.kubernetes.controlPlane.certificates.apiserverEtcdClient")],
         {f"{CP}.certificates.apiserverEtcdClient": PAIR, ETCD: {"external": {"endpoints": HTTPS, **FILES}}}),
    Case("a client has its key",
         {f"{CP}.certificates.apiserverEtcdClient.certificate": CERTIFICATE,
          ETCD: {"external": {"endpoints": HTTPS, **FILES}}},
         [("MA1303", "spec.kubernetes.controlPlane.certificates.apiserverEtcdClient.key")],
         {f"{CP}.certificates.apiserverEtcdClient": PAIR, ETCD: {"external": {"endpoints": HTTPS, **FILES}}}),
    Case("a certificate is one",
         {f"{CP}.certificates.ca": {"certificate": PUBLIC}}, [("MA1317", f"{C}.certificates.ca.certificate")],
         {f"{CP}.certificates.ca": {"certificate": CERTIFICATE + CERTIFICATE}}),
    Case("a certificate's key is one",
         {f"{CP}.certificates.ca": {"certificate": CERTIFICATE, "key": PRIVATE + PRIVATE}},
         [("MA1317", f"{C}.certificates.ca.key")], {f"{CP}.certificates.ca": PAIR}),
    Case("a service account's public key is public",
         {f"{CP}.certificates.serviceAccount": {"publicKey": PRIVATE, "privateKey": PRIVATE}},
         [("MA1317", f"{C}.certificates.serviceAccount.publicKey")],
         {f"{CP}.certificates.serviceAccount": ACCOUNT}),
    Case("a service account's private key is private",
         {f"{CP}.certificates.serviceAccount": {"publicKey": PUBLIC, "privateKey": PUBLIC}},
         [("MA1317", f"{C}.certificates.serviceAccount.privateKey")],
         {f"{CP}.certificates.serviceAccount": ACCOUNT}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
