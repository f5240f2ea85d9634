"""Rules for control plane machines."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.control_plane import (
    Admission,
    AdmissionPlugins,
    ApiServer,
    AuditPolicy,
    AuditWebhook,
    Authentication,
    AuthenticationWebhook,
    Authorization,
    AuthorizationWebhook,
    CertificatePair,
    ControlPlaneCertificates,
    ControlPlaneConfig,
    EncryptionAtRest,
    EncryptionProvider,
    ServiceAccountKeys,
    StaticPod,
)
from machineadm.config.paths import is_set
from machineadm.config.rules.cluster import names_fit
from machineadm.config.rules.model import Context, Rules, finding, one_of
from machineadm.config.rules.objects import (
    ADMISSION,
    AUTHENTICATION,
    AUTHORIZATION,
    POD,
    POLICY,
    is_kind,
    mapping,
    sequence,
)
from machineadm.config.rules.pem import CERTIFICATE, PRIVATE_KEY, PUBLIC_KEY, pem_problem

_KUBEADM_PODS: Final = frozenset(
    {"etcd", "kube-apiserver", "kube-controller-manager", "kube-scheduler"}
)

_NOT_REST: Final = ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations")
_NEVER_ENCRYPTED: Final = ("events.k8s.io", "extensions")

_AES_SIZES: Final = (16, 24, 32)
_KEY_SIZES: Final = {"aescbc": _AES_SIZES, "aesgcm": _AES_SIZES, "secretbox": (32,)}

_OWN_ARGUMENTS: Final = (
    ("auditPolicy", "audit-.*"),
    ("encryptionAtRest", "encryption-provider-config"),
    ("authentication.webhook", "authentication-token-webhook-.*"),
    ("authentication.oidc", "oidc-.*"),
    ("authentication.structured", "authentication-config|oidc-.*|anonymous-auth"),
    ("authorization", "authorization-(mode|config|webhook-.*)"),
    ("admission.plugins", "(enable|disable)-admission-plugins"),
    ("admission.config", "admission-control-config-file"),
)
"""Fields of ControlPlaneConfig, and the API server's arguments that they are turned into."""


def _certificate_names(server: ApiServer, _context: Context) -> Iterator[Finding]:
    yield from names_fit(server.cert_sans, "certSANs")


def _arguments_leave_our_own_alone(
    control_plane: ControlPlaneConfig, _context: Context
) -> Iterator[Finding]:
    if control_plane.api_server is None:
        return
    for index, argument in enumerate(control_plane.api_server.extra_args):
        for field, arguments in _OWN_ARGUMENTS:
            if re.fullmatch(arguments, argument.name) and _has(control_plane, field):
                yield finding(
                    "MA1320",
                    f"apiServer.extraArgs[{index}].name",
                    f"{argument.name} is set by controlPlane.{field}",
                )


def _has(control_plane: ControlPlaneConfig, field: str) -> bool:
    top, _, below = field.partition(".")
    if not is_set(control_plane, top):
        return False
    value = getattr(control_plane, top) if below else None
    return value is None or is_set(value, below)


def _audit_has_a_sink(audit: AuditPolicy, _context: Context) -> Iterator[Finding]:
    if audit.log is None and audit.webhook is None:
        yield finding("MA1302", "", "log or webhook is required: where shall the records go?")


def _audit_document(audit: AuditPolicy, _context: Context) -> Iterator[Finding]:
    yield from is_kind(audit.policy, "policy", POLICY)
    if not sequence(audit.policy, "rules"):
        yield finding("MA1313", "policy", "has no rules, so the API server would refuse it")


def _one_kubeconfig(
    webhook: AuditWebhook | AuthenticationWebhook | AuthorizationWebhook, _context: Context
) -> Iterator[Finding]:
    yield from one_of(webhook, "kubeconfig", "kubeconfig_from")


def _one_provider(provider: EncryptionProvider, _context: Context) -> Iterator[Finding]:
    yield from one_of(provider, "aescbc", "aesgcm", "secretbox", "kms", "identity")


def _key_sizes(provider: EncryptionProvider, _context: Context) -> Iterator[Finding]:
    import binascii

    for field, sizes in _KEY_SIZES.items():
        keys = getattr(provider, field)
        for index, key in enumerate(keys.keys if keys is not None else ()):
            try:
                size = len(binascii.a2b_base64(key.secret.reveal()))
            except ValueError:  # binascii.Error is one, and so is a character beyond ASCII
                size = 0
            if size not in sizes:
                wanted = " or ".join((", ".join(map(str, sizes[:-1])), str(sizes[-1])))
                yield finding(
                    "MA1318",
                    f"{field}.keys[{index}].secret",
                    f"must be {wanted.removeprefix(' or ')} bytes in base64",
                    "head -c 32 /dev/urandom | base64",
                )


def _kms_names_differ(encryption: EncryptionAtRest, _context: Context) -> Iterator[Finding]:
    seen = set()
    for index, provider in enumerate(encryption.providers):
        if provider.kms is not None:
            if provider.kms.name in seen:
                yield finding(
                    "MA1306", f"providers[{index}].kms.name", "is the name of an earlier one, too"
                )
            seen.add(provider.kms.name)


def _resources_can_be_encrypted(
    encryption: EncryptionAtRest, _context: Context
) -> Iterator[Finding]:
    """As the API server judges them (k8s.io/apiserver, pkg/apis/apiserver/validation)."""
    groups = {resource: resource.partition(".")[2] for resource in encryption.resources}
    for index, resource in enumerate(encryption.resources):
        if problem := _no_resource(resource, groups):
            yield finding("MA1323", f"resources[{index}]", problem)


def _no_resource(resource: str, groups: dict[str, str]) -> str:
    group = groups[resource]
    if resource == "*":
        return "is no resource: *.* are all of them"
    if resource in _NOT_REST:
        return f"{resource} is no resource of the API"
    if group == "*" and resource != "*.*":
        return f"{resource} is in several groups: name one"
    if group in _NEVER_ENCRYPTED:
        return f"the API server does not encrypt group {group}"
    if resource != "*.*" and "*.*" in groups:
        return f"{resource} is among *.*, too"
    if not resource.startswith("*.") and group and f"*.{group}" in groups:
        return f"{resource} is among *.{group}, too"
    return ""


def _something_encrypts(encryption: EncryptionAtRest, _context: Context) -> Iterator[Finding]:
    if all(provider.identity is not None for provider in encryption.providers):
        yield finding("MA1323", "providers", "identity alone encrypts nothing")


def _one_authenticator(authentication: Authentication, _context: Context) -> Iterator[Finding]:
    yield from one_of(authentication, "oidc", "structured", required=False)
    yield from is_kind(authentication.structured, "structured", AUTHENTICATION)


def _structured_or_modes(authorization: Authorization, _context: Context) -> Iterator[Finding]:
    yield from one_of(authorization, "structured", "modes", required=False)
    yield from is_kind(authorization.structured, "structured", AUTHORIZATION)


def _webhook_mode_with_webhook(
    authorization: Authorization, _context: Context
) -> Iterator[Finding]:
    asked = "Webhook" in authorization.modes
    if asked and authorization.webhook is None:
        yield finding("MA1303", "webhook", "is required with mode Webhook")
    if not asked and authorization.webhook is not None:
        yield finding("MA1303", "modes", "must have Webhook for webhook to be asked")


def _admission_document(admission: Admission, _context: Context) -> Iterator[Finding]:
    yield from is_kind(admission.config, "config", ADMISSION)
    for index, plugin in enumerate(sequence(admission.config or {}, "plugins")):
        if isinstance(plugin, dict) and "path" in plugin:
            yield finding(
                "MA1313",
                f"config.plugins[{index}].path",
                "the API server does not see that file",
                "write what is in it as configuration",
            )


def _on_or_off(plugins: AdmissionPlugins, _context: Context) -> Iterator[Finding]:
    enabled = set(plugins.enabled)
    for index, name in enumerate(plugins.disabled):
        if name in enabled:
            yield finding("MA1306", f"disabled[{index}]", f"{name} is among enabled, too")


def _one_manifest(pod: StaticPod, _context: Context) -> Iterator[Finding]:
    yield from one_of(pod, "manifest", "manifest_from")


def _not_one_of_kubeadms(pod: StaticPod, _context: Context) -> Iterator[Finding]:
    if pod.name in _KUBEADM_PODS:
        yield finding("MA1306", "name", f"{pod.name} is a pod of kubeadm's own")


def _pod_document(pod: StaticPod, _context: Context) -> Iterator[Finding]:
    if pod.manifest is None:
        return
    yield from is_kind(pod.manifest, "manifest", POD)
    if not mapping(pod.manifest, "metadata").get("name"):
        yield finding("MA1313", "manifest", "metadata.name is missing")
    if not sequence(mapping(pod.manifest, "spec"), "containers"):
        yield finding("MA1313", "manifest", "spec.containers is missing")


def _pair_is_pem(pair: CertificatePair, _context: Context) -> Iterator[Finding]:
    if problem := pem_problem(pair.certificate, CERTIFICATE, what="a certificate", single=False):
        yield finding("MA1317", "certificate", problem)


def _pair_key_is_pem(pair: CertificatePair, _context: Context) -> Iterator[Finding]:
    if pair.key is not None and (
        problem := pem_problem(
            pair.key.reveal(), PRIVATE_KEY, what="an unencrypted private key", single=True
        )
    ):
        yield finding("MA1317", "key", problem)


def _account_keys_are_pem(keys: ServiceAccountKeys, _context: Context) -> Iterator[Finding]:
    if problem := pem_problem(keys.public_key, PUBLIC_KEY, what="a public key", single=False):
        yield finding("MA1317", "publicKey", problem)


def _account_signing_key_is_pem(keys: ServiceAccountKeys, _context: Context) -> Iterator[Finding]:
    if problem := pem_problem(
        keys.private_key.reveal(), PRIVATE_KEY, what="an unencrypted private key", single=True
    ):
        yield finding("MA1317", "privateKey", problem)


def _client_has_its_key(
    certificates: ControlPlaneCertificates, _context: Context
) -> Iterator[Finding]:
    client = certificates.apiserver_etcd_client
    if client is not None and client.key is None:
        yield finding(
            "MA1303", "apiserverEtcdClient.key", "is required: a client proves itself by it"
        )


RULES: Final[Rules] = {
    ControlPlaneConfig: (_arguments_leave_our_own_alone,),
    ApiServer: (_certificate_names,),
    AuditPolicy: (_audit_has_a_sink, _audit_document),
    AuditWebhook: (_one_kubeconfig,),
    AuthenticationWebhook: (_one_kubeconfig,),
    AuthorizationWebhook: (_one_kubeconfig,),
    EncryptionAtRest: (_kms_names_differ, _something_encrypts, _resources_can_be_encrypted),
    EncryptionProvider: (_one_provider, _key_sizes),
    Authentication: (_one_authenticator,),
    Authorization: (_structured_or_modes, _webhook_mode_with_webhook),
    Admission: (_admission_document,),
    AdmissionPlugins: (_on_or_off,),
    StaticPod: (_one_manifest, _not_one_of_kubeadms, _pod_document),
    CertificatePair: (_pair_is_pem, _pair_key_is_pem),
    ServiceAccountKeys: (_account_keys_are_pem, _account_signing_key_is_pem),
    ControlPlaneCertificates: (_client_has_its_key,),
}
