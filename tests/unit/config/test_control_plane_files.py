"""What the API server reads from files: every rule between fields, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

import base64
import ssl
from typing import Any

from tests.rulecases import (
    ADMISSION,
    AUTHENTICATION,
    AUTHORIZATION,
    CERTIFICATE,
    CP,
    KEY16,
    KEY32,
    KUBECONFIG,
    POLICY,
    PUBLIC,
    C,
    Case,
    encryption,
    judging,
    keys,
)

OIDC = f"{C}.authentication.oidc"


def oidc(**fields: Any) -> dict[str, Any]:
    return {f"{CP}.authentication.oidc": {"issuerURL": "https://a", "clientID": "b", **fields}}


def pem(der: bytes) -> str:
    return ssl.DER_cert_to_PEM_cert(der)


CASES = [
    Case("an argument of ours is set by its field",
         {f"{CP}.apiServer.extraArgs": [{"name": "audit-log-path", "value": "-"}],
          f"{CP}.auditPolicy": {"policy": POLICY, "log": {}}},
         [("MA1320", f"{C}.apiServer.extraArgs[0].name")],
         {f"{CP}.apiServer.extraArgs": [{"name": "audit-log-path", "value": "-"}]}),
    Case("an argument of ours below a field is set by it",
         {f"{CP}.apiServer.extraArgs": [{"name": "oidc-client-id", "value": "a"}],
          f"{CP}.authentication.oidc": {"issuerURL": "https://a", "clientID": "b"}},
         [("MA1320", f"{C}.apiServer.extraArgs[0].name")],
         {f"{CP}.apiServer.extraArgs": [{"name": "oidc-client-id", "value": "a"}, {"name": "oidc-issuer-url", "value": "https://a"}],
          f"{CP}.authentication.webhook.kubeconfig": KUBECONFIG}),
    Case("audit records go somewhere",
         {f"{CP}.auditPolicy": {"policy": POLICY}}, [("MA1302", f"{C}.auditPolicy")],
         {f"{CP}.auditPolicy": {"policy": POLICY, "log": {}}}),
    Case("an audit policy is one",
         {f"{CP}.auditPolicy": {"policy": {"kind": "Policy"}, "log": {}}},
         [("MA1313", f"{C}.auditPolicy.policy"), ("MA1313", f"{C}.auditPolicy.policy")],
         {f"{CP}.auditPolicy": {"policy": POLICY, "log": {}}}),
    Case("webhooks have one kubeconfig",
         {f"{CP}.auditPolicy": {"policy": POLICY, "webhook": {}}, f"{CP}.authentication.webhook": {},
          f"{CP}.authorization": {"modes": ["Webhook"], "webhook": {}}},
         [("MA1302", f"{C}.auditPolicy.webhook"), ("MA1302", f"{C}.authentication.webhook"),
          ("MA1302", f"{C}.authorization.webhook")],
         {f"{CP}.auditPolicy": {"policy": POLICY, "webhook": {"kubeconfig": KUBECONFIG}}}),
    Case("a kubeconfig is one that the API server can read",
         {f"{CP}.authentication.webhook.kubeconfig": KUBECONFIG.replace("current-context: d", "current-context: e")},
         [("MA1440", f"{C}.authentication.webhook.kubeconfig")],
         {f"{CP}.authentication.webhook.kubeconfig": KUBECONFIG}),
    Case("a provider encrypts one way",
         encryption({**keys("aescbc", KEY32), "identity": {}}, {}),
         [("MA1301", f"{C}.encryptionAtRest.providers[0].identity"),
          ("MA1302", f"{C}.encryptionAtRest.providers[1]")],
         encryption(keys("aescbc", KEY32), {"identity": {}})),
    Case("a key has the size that its cipher takes",
         encryption(keys("secretbox", KEY16), keys("aescbc", base64.b64encode(b"k" * 20).decode())),
         [("MA1318", f"{C}.encryptionAtRest.providers[0].secretbox.keys[0].secret"),
          ("MA1318", f"{C}.encryptionAtRest.providers[1].aescbc.keys[0].secret")],
         encryption(keys("secretbox", KEY32), keys("aesgcm", KEY16))),
    Case("key services have names of their own",
         encryption(*[{"kms": {"name": "a", "endpoint": "unix:///run/a/s"}}] * 2),
         [("MA1306", f"{C}.encryptionAtRest.providers[1].kms.name")],
         encryption({"kms": {"name": "a", "endpoint": "unix:///run/a/s"}}, {"kms": {"name": "b", "endpoint": "unix:///run/a/t"}})),
    Case("encryption encrypts",
         encryption({"identity": {}}), [("MA1323", f"{C}.encryptionAtRest.providers")],
         encryption({"identity": {}}, keys("aescbc", KEY32))),
    Case("what is encrypted is a resource, and once",
         {**encryption(keys("aescbc", KEY32)),
          f"{CP}.encryptionAtRest.resources": [
              "*", "apiserveripinfo", "events.events.k8s.io", "pods.*", "secrets", "*.apps", "deployments.apps"]},
         [("MA1323", f"{C}.encryptionAtRest.resources[{i}]") for i in (0, 1, 2, 3, 6)],
         {**encryption(keys("aescbc", KEY32)),
          f"{CP}.encryptionAtRest.resources": ["secrets", "*.apps", "widgets.example.com"]}),
    Case("a resource of the core group is told by its name, with or without a dot, and once",
         {**encryption(keys("aescbc", KEY32)), f"{CP}.encryptionAtRest.resources": ["secrets", "secrets.", "*."]},
         [("MA1323", f"{C}.encryptionAtRest.resources[0]"), ("MA1323", f"{C}.encryptionAtRest.resources[1]")],
         {**encryption(keys("aescbc", KEY32)), f"{CP}.encryptionAtRest.resources": ["secrets.", "configmaps", "*.apps"]}),
    Case("all of the core group are told by its empty name",
         {**encryption(keys("aescbc", KEY32)), f"{CP}.encryptionAtRest.resources": ["*.", "*"]},
         [("MA1323", f"{C}.encryptionAtRest.resources[1]")],
         {**encryption(keys("aescbc", KEY32)), f"{CP}.encryptionAtRest.resources": ["*.", "*.apps"]}),
    *[Case(f"a socket is a plain path: {path}",
           encryption({"kms": {"name": "a", "endpoint": f"unix://{path}"}}),
           [("MA1322", f"{C}.encryptionAtRest.providers[0].kms.endpoint")],
           encryption({"kms": {"name": "a", "endpoint": "unix:///run/a/s"}}))
      for path in ("/run/../k/s", "/run/k/..", "/run//s", "/@kms", "/run/k%2fs", "/run/k/s?a", "/run/k/#s", "/run/./s")],
    Case("a call of a key service takes time",
         encryption({"kms": {"name": "a", "endpoint": "unix:///run/a/s", "timeout": "0s"}}),
         [("MA1312", f"{C}.encryptionAtRest.providers[0].kms.timeout")],
         encryption({"kms": {"name": "a", "endpoint": "unix:///run/a/s", "timeout": "1ms"}})),
    *[Case(f"an issuer is a plain address: {url}", oidc(issuerURL=url), [("MA1322", f"{OIDC}.issuerURL")],
           oidc(issuerURL="https://a/b?#"))
      for url in ("https://a?x=1", "https://a/b#c", "https://u@a", "https://@a/b", "https://u:p@a/b", "https://a/%zz", "https://a/%2", "https://[f2d00::1]/x")],
    Case("a claim has a name that an argument can say",
         oidc(requiredClaims={"a=b": "c", " a": "b", "d": "e ", " ": "f"}),  # two of them warnings
         [("MA1323", f'{OIDC}.requiredClaims["a=b"]'), ("MA1323", f'{OIDC}.requiredClaims[" a"]'),
          ("MA1323", f"{OIDC}.requiredClaims.d"), ("MA1323", f'{OIDC}.requiredClaims[" "]')],
         oidc(requiredClaims={"a": "b=c", "a.b/c": "d e"})),
    *[Case(f"an issuer's CA is one: {what}", oidc(certificateAuthority=text), [("MA1317", f"{OIDC}.certificateAuthority")],
           oidc(certificateAuthority=CERTIFICATE * 2))
      for what, text in (
          ("no X.509", pem(b"\0\0\0")), ("an empty sequence", pem(b"\x30\x00")), ("a key", PUBLIC),
          ("a sequence of others", pem(b"\x30\x03\x02\x01\x00")), ("one of two", CERTIFICATE + pem(b"\x30\x00")),
          ("cut off", pem(ssl.PEM_cert_to_DER_cert(CERTIFICATE)[:-1])))],
    Case("all resources are all there are",
         {**encryption(keys("aescbc", KEY32)), f"{CP}.encryptionAtRest.resources": ["secrets", "*.*"]},
         [("MA1323", f"{C}.encryptionAtRest.resources[0]")],
         {**encryption(keys("aescbc", KEY32)), f"{CP}.encryptionAtRest.resources": ["*.*"]}),
    Case("authentication is structured or not",
         {f"{CP}.authentication": {"oidc": {"issuerURL": "https://a", "clientID": "b"}, "structured": AUTHENTICATION}},
         [("MA1301", f"{C}.authentication.structured")], {f"{CP}.authentication.structured": AUTHENTICATION}),
    Case("authorization is structured or not",
         {f"{CP}.authorization": {"modes": ["RBAC"], "structured": AUTHORIZATION}},
         [("MA1301", f"{C}.authorization.modes")], {f"{CP}.authorization.structured": AUTHORIZATION}),
    Case("structured authentication is that",
         {f"{CP}.authentication.structured": AUTHORIZATION}, [("MA1313", f"{C}.authentication.structured.kind")],
         {f"{CP}.authentication.structured": AUTHENTICATION}),
    Case("structured authorization is that",
         {f"{CP}.authorization.structured": AUTHENTICATION}, [("MA1313", f"{C}.authorization.structured.kind")],
         {f"{CP}.authorization.structured": AUTHORIZATION}),
    Case("mode Webhook has a webhook",
         {f"{CP}.authorization.modes": ["Webhook"]}, [("MA1303", f"{C}.authorization.webhook")],
         {f"{CP}.authorization.modes": ["Node", "RBAC"]}),
    Case("a webhook has its mode",
         {f"{CP}.authorization": {"modes": ["RBAC"], "webhook": {"kubeconfig": KUBECONFIG}}},
         [("MA1303", f"{C}.authorization.modes")],
         {f"{CP}.authorization": {"modes": ["Webhook"], "webhook": {"kubeconfig": KUBECONFIG}}}),
    Case("settings of admission stand in their document",
         {f"{CP}.admission.config": {**ADMISSION, "plugins": [{"name": "A", "path": "/a"}]}},
         [("MA1313", f"{C}.admission.config.plugins[0].path")],
         {f"{CP}.admission.config": {**ADMISSION, "plugins": [{"name": "A", "configuration": {}}]}}),
    Case("a plugin is on or off",
         {f"{CP}.admission.plugins": {"enabled": ["EventRateLimit"], "disabled": ["PodSecurity", "EventRateLimit"]}},
         [("MA1306", f"{C}.admission.plugins.disabled[1]")],
         {f"{CP}.admission.plugins": {"enabled": ["EventRateLimit"], "disabled": ["PodSecurity"]}}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
