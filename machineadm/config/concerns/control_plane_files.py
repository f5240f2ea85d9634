"""Configuration that the API server reads from files: audit, encryption, authentication, authorization, admission."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.formats import address, seconds
from machineadm.api.meta import AbsolutePath
from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig
from machineadm.api.v1alpha1.control_plane_files import (
    Admission,
    AdmissionPlugins,
    AuditPolicy,
    AuditWebhook,
    Authentication,
    AuthenticationWebhook,
    Authorization,
    AuthorizationWebhook,
    EncryptionAtRest,
    EncryptionProvider,
    KmsProvider,
    Oidc,
)
from machineadm.config.passed_on import judge
from machineadm.config.paths import child, is_set
from machineadm.config.rules.model import Context, Rules, asked_version, finding, warning
from machineadm.config.rules.names import is_address, misfit
from machineadm.config.rules.objects import is_filled_in_elsewhere, sequence
from machineadm.config.versions import judged_minor

# Kinds that the API server keeps in etcd itself and that no request can name, so it refuses them in
# this list.
_NOT_REST: Final = ("apiserveripinfo", "serviceipallocations", "servicenodeportallocations")
# Their objects are stored under another group: events in the core group, `extensions` nowhere any
# more.
_NEVER_ENCRYPTED: Final = ("events.k8s.io", "extensions")

_AES_SIZES: Final = (16, 24, 32)
# AES-128, -192 and -256 for two of them; secretbox (XSalsa20 and Poly1305) has keys of 32 bytes
# only.
_KEY_SIZES: Final = {"aescbc": _AES_SIZES, "aesgcm": _AES_SIZES, "secretbox": (32,)}

_OWN_ARGUMENTS: Final = (
    ("auditPolicy", ("audit-*",)),
    ("encryptionAtRest", ("encryption-provider-config",)),
    ("authentication.webhook", ("authentication-token-webhook-*",)),
    ("authentication.oidc", ("oidc-*",)),
    ("authentication.structured", ("authentication-config", "oidc-*", "anonymous-auth")),
    (
        "authorization",
        ("authorization-mode", "authorization-config", "authorization-webhook-*"),
    ),
    ("admission.plugins", ("enable-admission-plugins", "disable-admission-plugins")),
    ("admission.config", ("admission-control-config-file",)),
)
"""Fields of ControlPlaneConfig, and the API server's arguments that they are turned into; `*` is any end."""


def _arguments_leave_our_own_alone(
    control_plane: ControlPlaneConfig, _context: Context
) -> Iterator[Finding]:
    if control_plane.api_server is None:
        return
    for index, argument in enumerate(control_plane.api_server.extra_args):
        # kubeadm merges arguments by name: the configuration's would win, and the field would be
        # without effect.
        for field, arguments in _OWN_ARGUMENTS:
            if _is_one_of(argument.name, arguments) and _has(control_plane, field):
                yield finding(
                    "MA1320",
                    f"apiServer.extraArgs[{index}].name",
                    f"{argument.name} is set by controlPlane.{field}",
                )


def _is_one_of(name: str, arguments: tuple[str, ...]) -> bool:
    return any(
        name.startswith(each[:-1]) if each.endswith("*") else name == each for each in arguments
    )


def _has(control_plane: ControlPlaneConfig, field: str) -> bool:
    top, _, below = field.partition(".")
    if not is_set(control_plane, top):
        return False
    value = getattr(control_plane, top) if below else None
    # Without a part below, the whole field asks for the argument.
    return value is None or is_set(value, below)


def _audit_document(audit: AuditPolicy, context: Context) -> Iterator[Finding]:
    # Level None in a rule is how auditing is switched off.
    yield from judge(audit.policy, "policy", "Policy", context)
    # An empty policy is the one that anybody would write to switch auditing off, and it keeps the
    # API server from starting.
    if not sequence(audit.policy, "rules"):
        yield finding("MA1313", "policy", "has no rules; the API server would refuse it")


def _key_sizes(provider: EncryptionProvider, _context: Context) -> Iterator[Finding]:
    import binascii

    for field, sizes in _KEY_SIZES.items():
        keys = getattr(provider, field)
        for index, key in enumerate(keys.keys if keys is not None else ()):
            # It comes from elsewhere, and is judged when it has come.
            if key.secret is None:
                continue
            try:
                # The decoded size: the API server takes the bytes for an AES key, and ends if there
                # are 31 of them.
                size = len(binascii.a2b_base64(key.secret.reveal()))
            except ValueError:  # binascii.Error is one, and so is a character beyond ASCII
                size = 0
            if size not in sizes:
                # AES-128, -192 and -256; secretbox takes 32 bytes only.
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
                    "MA1306", f"providers[{index}].kms.name", "is also the name of an earlier one"
                )
            # The name is a prefix of what is stored in etcd: two keys with one name could not be
            # told apart when they are read back.
            seen.add(provider.kms.name)


def _resources_can_be_encrypted(
    encryption: EncryptionAtRest, _context: Context
) -> Iterator[Finding]:
    """Judge them as the API server does (k8s.io/apiserver, pkg/apis/apiserver/validation)."""
    # `secrets` and `secrets.` are the same: the group follows the first dot, and the core group's name is empty.
    named = [
        ("", "") if resource == "*" else resource.partition(".")[::2]
        for resource in encryption.resources
    ]
    for index, resource in enumerate(encryption.resources):
        if problem := _no_resource(resource, index, named):
            yield finding("MA1323", f"resources[{index}]", problem)


def _no_resource(resource: str, index: int, named: list[tuple[str, str]]) -> str:
    name, group = named[index]
    if resource == "*":
        return "is not a resource; *.* means all of them, *. those of the core group"
    if resource in _NOT_REST:
        return f"{resource} is not a resource of the API"
    # The API server takes `*.*` and `*.group` only.
    if group == "*" and name != "*":
        return f"{resource} is in several groups: name one"
    if group in _NEVER_ENCRYPTED:
        return f"the API server does not encrypt group {group}"
    if (name, group) in named[:index]:
        return f"{resource} is in the list already"
    if (name, group) != ("*", "*") and ("*", "*") in named:
        return f"*.* already includes {resource}"
    if name != "*" and ("*", group) in named:
        return f"*.{group} already includes {resource}"
    return ""


def _sockets_can_be_mounted(encryption: EncryptionAtRest, _context: Context) -> Iterator[Finding]:
    """The API server parses the endpoint as a URL, and its pod mounts the socket's directory."""
    for index, provider in enumerate(encryption.providers):
        if provider.kms is not None and (problem := _no_socket(provider.kms.endpoint)):
            field = f"providers[{index}].kms.endpoint"
            yield finding("MA1322", field, problem, "unix:///run/kms/socket.sock")


def _no_socket(endpoint: str) -> str:
    # Nothing else is a scheme of a key service: the API server has only unix sockets for them.
    path = endpoint.removeprefix("unix://")
    # ParseEndpoint of the API server takes unix:///@name for the abstract socket @name.
    if path.startswith("/@"):
        return "is an abstract socket, which has no directory to be mounted"
    if set(path) & set("%?#"):
        return "is read as a URL, in which %, ? and # mean something else"
    return misfit(AbsolutePath, path)


def _calls_take_time(kms: KmsProvider, _context: Context) -> Iterator[Finding]:
    # The API server refuses a timeout of 0 as well (validateKMSTimeout).
    if kms.timeout is not None and seconds(kms.timeout) <= 0:
        yield finding("MA1312", "timeout", "must be longer than 0s")


def _something_encrypts(encryption: EncryptionAtRest, _context: Context) -> Iterator[Finding]:
    # The API server accepts it, and secrets would be in etcd in the clear, although encryption was
    # asked for.
    if all(provider.identity is not None for provider in encryption.providers):
        yield finding("MA1323", "providers", "with identity alone, nothing is encrypted")


def _authentication_document(authentication: Authentication, context: Context) -> Iterator[Finding]:
    yield from judge(
        authentication.structured,
        "structured",
        "AuthenticationConfiguration",
        context,
        inherited={"featureGates": _gates(context)},
    )


def _gates(context: Context) -> dict[str, bool]:
    """What the API server's arguments say of feature gates."""
    kubernetes = context.kubernetes
    plane = kubernetes.control_plane if kubernetes is not None else None
    server = plane.api_server if plane is not None else None
    given = [
        each.value
        for each in (server.extra_args if server is not None else ())
        if each.name.replace("_", "-") == "feature-gates" and isinstance(each.value, str)
    ]
    if not given:
        return {}
    from machineadm.config.passed_on.flag_sets import gates_of

    return gates_of(given[-1])


def _authorization_document(authorization: Authorization, context: Context) -> Iterator[Finding]:
    yield from judge(authorization.structured, "structured", "AuthorizationConfiguration", context)


def _kubeconfig_is_one(
    webhook: AuditWebhook | AuthenticationWebhook | AuthorizationWebhook, context: Context
) -> Iterator[Finding]:
    if webhook.kubeconfig is None or context.read is None:
        return
    content = webhook.kubeconfig.reveal()
    # A warning of its own names the placeholder; what it will become cannot be judged.
    if is_filled_in_elsewhere(content):
        return
    from machineadm.config.passed_on import kubeconfig

    minor = judged_minor(asked_version(context))
    yield from kubeconfig.judge(content, "kubeconfig", minor, context.read)


def _issuer_is_read(oidc: Oidc, _context: Context) -> Iterator[Finding]:
    """Judge it as the API server does (k8s.io/apiserver, pkg/apis/apiserver/validation)."""
    # By hand and not by urllib: Go and Python disagree about hosts, and it is Go that will read it.
    rest, _, fragment = oidc.issuer_url.partition("#")
    rest, _, query = rest.partition("?")
    problem = ""
    host = address(oidc.issuer_url).host
    if host.startswith("[") and not is_address(host[1:-1]):
        problem = f"{host} is not an IPv6 address"
    elif re.search("%(?![0-9A-Fa-f]{2})", rest + fragment):
        problem = "has a % that is not followed by two hexadecimal digits"
    # An empty user is one to the API server: https://@host.
    elif "@" in rest.partition("://")[2].partition("/")[0]:
        problem = "must not have a user or a password"
    elif query or fragment:
        problem = f"must not have a {'query' if query else 'fragment'}"
    if problem:
        yield finding("MA1322", "issuerURL", problem, "https://issuer.example.com/path")


def _claims_are_told_apart(oidc: Oidc, _context: Context) -> Iterator[Finding]:
    """Each becomes `claim=value`, which the API server splits at the first `=` and trims."""
    for claim, value in oidc.required_claims.items():
        path = child("requiredClaims", claim)
        # The flag is split at the first `=`, the field of the structured form is not.
        if "=" in claim:
            yield finding(
                "MA1323",
                path,
                "the API server would read the part before = as the claim",
                "authentication.structured takes any name",
            )
        elif not claim.strip():
            yield finding("MA1323", path, "is the name of no claim")
        # Only a warning: a claim without its blanks may be what was meant.
        elif claim.strip() != claim or value.strip() != value:
            yield warning(
                "MA1323", path, "blanks at an end are lost", "authentication.structured keeps them"
            )


def _authority_is_one(oidc: Oidc, _context: Context) -> Iterator[Finding]:
    # The API server does not start with a CA file that holds no certificate.
    if oidc.certificate_authority is not None:
        from machineadm.config.rules.pem import certificates_problem

        if problem := certificates_problem(oidc.certificate_authority):
            yield finding("MA1317", "certificateAuthority", problem)


def _webhook_mode_with_webhook(
    authorization: Authorization, _context: Context
) -> Iterator[Finding]:
    # The mode without a kubeconfig keeps the API server from starting.
    asked = "Webhook" in authorization.modes
    if asked and authorization.webhook is None:
        yield finding("MA1303", "webhook", "is required with mode Webhook")
    # Not an error to the API server, but whoever writes a webhook wants it asked.
    if not asked and authorization.webhook is not None:
        yield finding("MA1303", "modes", "must include Webhook, or webhook is never used")


def _admission_document(admission: Admission, context: Context) -> Iterator[Finding]:
    yield from judge(admission.config, "config", "AdmissionConfiguration", context)
    for index, plugin in enumerate(sequence(admission.config or {}, "plugins")):
        # A path is resolved inside the API server's pod, where only our own directory is mounted.
        if isinstance(plugin, dict) and "path" in plugin:
            yield finding(
                "MA1313",
                f"config.plugins[{index}].path",
                "the API server does not see this file",
                "put its content into the configuration",
            )


def _on_or_off(plugins: AdmissionPlugins, _context: Context) -> Iterator[Finding]:
    # The API server refuses a plugin that is in both (AdmissionOptions.Validate).
    enabled = set(plugins.enabled)
    for index, name in enumerate(plugins.disabled):
        if name in enabled:
            yield finding("MA1306", f"disabled[{index}]", f"{name} is also in enabled")


RULES: Final[Rules] = {
    ControlPlaneConfig: (_arguments_leave_our_own_alone,),
    AuditPolicy: (_audit_document,),
    EncryptionAtRest: (
        _kms_names_differ,
        _sockets_can_be_mounted,
        _something_encrypts,
        _resources_can_be_encrypted,
    ),
    EncryptionProvider: (_key_sizes,),
    KmsProvider: (_calls_take_time,),
    Oidc: (_issuer_is_read, _claims_are_told_apart, _authority_is_one),
    Authentication: (_authentication_document,),
    Authorization: (_authorization_document, _webhook_mode_with_webhook),
    Admission: (_admission_document,),
    AuditWebhook: (_kubeconfig_is_one,),
    AuthenticationWebhook: (_kubeconfig_is_one,),
    AuthorizationWebhook: (_kubeconfig_is_one,),
    AdmissionPlugins: (_on_or_off,),
}
