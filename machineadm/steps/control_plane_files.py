"""Files that the API server reads: audit policy, encryption at rest, authentication, authorization, admission.

They are in one directory, 0600, which is mounted into the API server as a directory: a file mounted by itself keeps the old
inode, so the API server would never see a replacement. The arguments and mounts they need go to kubeadm as a value
(`ControlPlaneExtras`). kubeadm keeps those in the cluster, so a further control plane needs only the files.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from machineadm.actions.extras import ControlPlaneExtras, Volume
from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig
from machineadm.api.v1alpha1.control_plane_files import (
    Admission,
    AuditPolicy,
    Authentication,
    Authorization,
    EncryptionAtRest,
    EncryptionKeys,
    EncryptionProvider,
    Oidc,
)
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.machine_paths import OWN, audit_log_directory, socket_directories
from machineadm.config.versions import authentication_api, authorization_api
from machineadm.documents.encoding import encode_yaml
from machineadm.plan.model import Phase, Step
from machineadm.redaction import Secret

_APISERVER_CONFIG = "apiserver.config.k8s.io"
# kubeadm starts the API server with this plugin enabled. An argument of ours replaces kubeadm's, so it must repeat it.
_KUBEADM_ADMISSION = "NodeRestriction"

Argument = tuple[str, str]


class _Part(msgspec.Struct, frozen=True):
    """What one concern of the API server needs."""

    files: tuple[PlannedFile, ...] = ()
    arguments: tuple[Argument, ...] = ()
    volumes: tuple[Volume, ...] = ()


def plan_control_plane_files(
    kubernetes: KubernetesConfig,
) -> tuple[tuple[Step, ...], ControlPlaneExtras]:
    """The step that writes the API server's files, and what they need in kubeadm's configuration.

    Args:
        kubernetes: Realised and free of findings.

    Returns:
        No step and no extras if the configuration asks for none of it.
    """
    config = kubernetes.control_plane
    if config is None:
        return (), ControlPlaneExtras()
    parts = tuple(_parts(config, kubernetes.version))
    files = tuple(file for part in parts for file in part.files)
    shared = (Volume(name="machineadm", path=OWN, path_type="Directory"),) if files else ()
    # By path: two concerns may need the same directory, and a Pod with one mounted twice at a path
    # is invalid.
    volumes = {volume.path: volume for part in parts for volume in part.volumes}
    extras = ControlPlaneExtras(
        api_server_args=tuple(argument for part in parts for argument in part.arguments),
        api_server_volumes=(*shared, *volumes.values()),
    )
    if not files:
        return (), extras
    step = WriteFiles(name="controlPlane/files", phase=Phase.PREPARE, files=files)
    return (step,), extras


def _parts(config: ControlPlaneConfig, version: str) -> Iterator[_Part]:
    if config.audit_policy is not None:
        yield _audit(config.audit_policy, audit_log_directory(config))
    if config.encryption_at_rest is not None:
        yield _encryption(config.encryption_at_rest, tuple(socket_directories(config)))
    if config.authentication is not None:
        yield from _authentication(config.authentication, version)
    if config.authorization is not None:
        yield _authorization(config.authorization, version)
    if config.admission is not None:
        yield _admission(config.admission)


def _file(name: str, content: bytes, *, sensitive: bool = False) -> PlannedFile:
    # 0600 also where nothing is secret: the API server runs as root in its pod, and nobody else
    # has to read its policy.
    return PlannedFile(path=f"{OWN}/{name}", content=content, mode=0o600, sensitive=sensitive)


def _document(name: str, kind: str, api_version: str, given: dict[str, Any]) -> PlannedFile:
    """A document passed on, with its kind if the configuration left it out."""
    return _file(name, encode_yaml({"apiVersion": api_version, "kind": kind, **given}))


def _kubeconfig(name: str, content: Secret | None) -> tuple[PlannedFile, ...]:
    if content is None:
        return ()
    return (_file(name, content.reveal().encode(), sensitive=True),)


def _given(*arguments: tuple[str, object]) -> tuple[Argument, ...]:
    """The arguments that have a value, written as the API server reads them."""
    return tuple((name, _text(value)) for name, value in arguments if value is not None)


def _text(value: object) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)


def _audit(audit: AuditPolicy, directory: str | None) -> _Part:
    arguments = [("audit-policy-file", f"{OWN}/audit-policy.yaml")]
    files = [_document("audit-policy.yaml", "Policy", "audit.k8s.io/v1", audit.policy)]
    volumes: tuple[Volume, ...] = ()
    if (log := audit.log) is not None and directory is not None:
        volumes = (
            Volume(
                name="machineadm-audit-log",
                path=directory,
                read_only=False,
                path_type="DirectoryOrCreate",
            ),
        )
        arguments += _given(
            ("audit-log-path", log.path),
            ("audit-log-format", log.format),
            ("audit-log-mode", log.mode),
            ("audit-log-maxage", log.max_age),
            ("audit-log-maxbackup", log.max_backups),
            ("audit-log-maxsize", log.max_size),
            ("audit-log-compress", log.compress),
        )
    if (webhook := audit.webhook) is not None:
        batch = webhook.batch
        files += _kubeconfig("audit-webhook.conf", webhook.kubeconfig)
        arguments += _given(
            ("audit-webhook-config-file", f"{OWN}/audit-webhook.conf"),
            ("audit-webhook-mode", webhook.mode),
            ("audit-webhook-initial-backoff", webhook.initial_backoff),
            ("audit-webhook-batch-buffer-size", batch.buffer_size if batch else None),
            ("audit-webhook-batch-max-size", batch.max_size if batch else None),
            ("audit-webhook-batch-max-wait", batch.max_wait if batch else None),
        )
    return _Part(tuple(files), tuple(arguments), volumes)


def _encryption(encryption: EncryptionAtRest, sockets: tuple[str, ...]) -> _Part:
    document = {
        "apiVersion": f"{_APISERVER_CONFIG}/v1",
        "kind": "EncryptionConfiguration",
        "resources": [
            {
                "resources": list(encryption.resources),
                "providers": [_provider(provider) for provider in encryption.providers],
            }
        ],
    }
    return _Part(
        # Revealed only here, into a file of 0600: the API server reads the keys themselves.
        (_file("encryption.yaml", encode_yaml(document, reveal=True), sensitive=True),),
        (("encryption-provider-config", f"{OWN}/encryption.yaml"),),
        tuple(
            Volume(
                name=f"machineadm-kms-{number}",
                path=directory,
                read_only=False,
                # A KMS plugin that starts later puts its socket there; without the directory the
                # API server would not start.
                path_type="DirectoryOrCreate",
            )
            for number, directory in enumerate(sockets)
        ),
    )


def _provider(provider: EncryptionProvider) -> dict[str, object]:
    if (kms := provider.kms) is not None:
        timeout = {} if kms.timeout is None else {"timeout": kms.timeout}
        return {"kms": {"apiVersion": "v2", "name": kms.name, "endpoint": kms.endpoint, **timeout}}
    ciphers: dict[str, EncryptionKeys | None] = {
        "aescbc": provider.aescbc,
        "aesgcm": provider.aesgcm,
        "secretbox": provider.secretbox,
    }
    for name, keys in ciphers.items():
        if keys is not None:
            # In the order that was given: the API server encrypts with the first key, and
            # decrypts with any.
            listed = [{"name": key.name, "secret": key.secret} for key in keys.keys]
            return {name: {"keys": listed}}
    return {"identity": {}}


def _authentication(authentication: Authentication, version: str) -> Iterator[_Part]:
    if (webhook := authentication.webhook) is not None:
        yield _Part(
            _kubeconfig("authentication-webhook.conf", webhook.kubeconfig),
            _given(
                (
                    "authentication-token-webhook-config-file",
                    f"{OWN}/authentication-webhook.conf",
                ),
                ("authentication-token-webhook-cache-ttl", webhook.cache_ttl),
                ("authentication-token-webhook-version", webhook.version),
            ),
        )
    if authentication.oidc is not None:
        yield _oidc(authentication.oidc)
    if authentication.structured is not None:
        yield _Part(
            (
                _document(
                    "authentication.yaml",
                    "AuthenticationConfiguration",
                    authentication_api(version),
                    authentication.structured,
                ),
            ),
            (("authentication-config", f"{OWN}/authentication.yaml"),),
        )


def _oidc(oidc: Oidc) -> _Part:
    files: tuple[PlannedFile, ...] = ()
    if oidc.certificate_authority is not None:
        files = (_file("oidc-ca.crt", oidc.certificate_authority.encode()),)
    return _Part(
        files,
        _given(
            ("oidc-issuer-url", oidc.issuer_url),
            ("oidc-client-id", oidc.client_id),
            ("oidc-username-claim", oidc.username_claim),
            ("oidc-username-prefix", oidc.username_prefix),
            ("oidc-groups-claim", oidc.groups_claim),
            ("oidc-groups-prefix", oidc.groups_prefix),
            # One argument for each claim, because the API server does not split this flag at commas.
            *(
                ("oidc-required-claim", f"{claim}={value}")
                for claim, value in oidc.required_claims.items()
            ),
            ("oidc-signing-algs", ",".join(oidc.signing_algorithms) or None),
            ("oidc-ca-file", f"{OWN}/oidc-ca.crt" if files else None),
        ),
    )


def _authorization(authorization: Authorization, version: str) -> _Part:
    if authorization.structured is not None:
        file = _document(
            "authorization.yaml",
            "AuthorizationConfiguration",
            authorization_api(version),
            authorization.structured,
        )
        return _Part((file,), (("authorization-config", file.path),))
    webhook = authorization.webhook
    files = _kubeconfig("authorization-webhook.conf", webhook.kubeconfig if webhook else None)
    return _Part(
        files,
        _given(
            ("authorization-mode", ",".join(authorization.modes) or None),
            ("authorization-webhook-config-file", files[0].path if files else None),
            (
                "authorization-webhook-cache-authorized-ttl",
                webhook.authorized_ttl if webhook else None,
            ),
            (
                "authorization-webhook-cache-unauthorized-ttl",
                webhook.unauthorized_ttl if webhook else None,
            ),
            ("authorization-webhook-version", webhook.version if webhook else None),
        ),
    )


def _admission(admission: Admission) -> _Part:
    files: tuple[PlannedFile, ...] = ()
    if admission.config is not None:
        files = (
            _document(
                "admission.yaml",
                "AdmissionConfiguration",
                f"{_APISERVER_CONFIG}/v1",
                admission.config,
            ),
        )
    enabled = admission.plugins.enabled if admission.plugins else ()
    disabled = admission.plugins.disabled if admission.plugins else ()
    # The API server refuses a plugin that is both enabled and disabled. So if kubeadm's default is disabled and nothing else is
    # enabled, an empty argument has to replace kubeadm's.
    alone = not enabled and _KUBEADM_ADMISSION in disabled
    if enabled and _KUBEADM_ADMISSION not in disabled:
        enabled = tuple(dict.fromkeys((_KUBEADM_ADMISSION, *enabled)))
    return _Part(
        files,
        _given(
            ("enable-admission-plugins", ",".join(enabled) if enabled or alone else None),
            ("disable-admission-plugins", ",".join(disabled) or None),
            ("admission-control-config-file", files[0].path if files else None),
        ),
    )
