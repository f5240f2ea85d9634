"""What each version of Kubernetes supports: a field that the requested version cannot express is refused, never dropped."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Final

from machineadm.api.v1alpha1.cluster import ClusterConfig, LocalEtcd, ProxyAddon
from machineadm.api.v1alpha1.kubeadm import Initialize, Patch
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.config.paths import child, is_set, select
from machineadm.config.rules.model import Context, Rules, asked_version, finding, warning
from machineadm.config.rules.objects import mapping
from machineadm.config.versions import (
    NEWEST_MINOR,
    OLDEST_MINOR,
    STRUCTURED_MINOR,
    V1BETA4_MINOR,
    judged_minor,
)

if TYPE_CHECKING:
    from machineadm.api.finding import Finding
    from machineadm.api.v1alpha1.control_plane import ApiServer, Component
    from machineadm.api.v1alpha1.control_plane_files import Oidc
    from machineadm.api.v1alpha1.node import NodeConfig
    from machineadm.semver import Semver

_NEEDS: Final = (
    # v1beta4 of kubeadm's API, which Kubernetes 1.31 brings, has them; v1beta3 has no word for them.
    ("cluster.certificates.keyAlgorithm", V1BETA4_MINOR),
    ("cluster.certificates.validity", V1BETA4_MINOR),
    ("cluster.certificates.caValidity", V1BETA4_MINOR),
    ("cluster.dns.disabled", V1BETA4_MINOR),
    ("cluster.proxyAddon.disabled", V1BETA4_MINOR),
    ("cluster.etcd.local.extraEnv", V1BETA4_MINOR),
    ("controlPlane.apiServer.extraEnv", V1BETA4_MINOR),
    ("controlPlane.controllerManager.extraEnv", V1BETA4_MINOR),
    ("controlPlane.scheduler.extraEnv", V1BETA4_MINOR),
    ("node.imagePullSerial", V1BETA4_MINOR),
    ("timeouts.etcdAPICall", V1BETA4_MINOR),
    ("timeouts.kubeletHealthCheck", V1BETA4_MINOR),
    ("timeouts.kubernetesAPICall", V1BETA4_MINOR),
    ("timeouts.tlsBootstrap", V1BETA4_MINOR),
    ("timeouts.upgradeManifests", V1BETA4_MINOR),
    # Came to v1beta4 later than the others: an earlier kubeadm does not know it.
    ("cluster.etcd.external.httpEndpoints", 35),
    # The components' own.
    ("controlPlane.authentication.structured", STRUCTURED_MINOR),
    ("controlPlane.authorization.structured", STRUCTURED_MINOR),
)
"""Fields of KubernetesConfig, and the first minor version that can express them."""


def needs(path: str, wanted: str, version: Semver, hint: str = "") -> Finding:
    """Return the finding for a field that only other versions of Kubernetes have."""
    return finding(
        "MA1310", path, f"needs Kubernetes {wanted}, and this machine uses {version}", hint
    )


def _version_is_known(kubernetes: KubernetesConfig, context: Context) -> Iterator[Finding]:
    version = asked_version(context)
    # v1beta3 is in older ones, too; their components have flags and gates that no table here knows.
    if version is not None and not version.has(OLDEST_MINOR):
        yield finding(
            "MA1311",
            "version",
            f"{version} is too old: this release supports kubeadm 1.{OLDEST_MINOR} and later",
        )
    # A typo in nearly all cases: v11.34.0.
    elif version is not None and version.major > 1:
        yield finding("MA1311", "version", f"{version}: there is no such Kubernetes yet")
    # Unknown is not wrong: but what cannot be judged must be allowed explicitly, or a typo in a
    # field passes silently.
    elif version is not None and version.has(NEWEST_MINOR + 1):
        allowed = kubernetes.allow_unknown_version or context.allow_unknown_version
        known = f"1.{OLDEST_MINOR} to 1.{NEWEST_MINOR}"
        if allowed:
            yield warning(
                "MA1444",
                "version",
                f"{version} is newer than this release knows ({known}): fields, arguments, feature gates, phases "
                "and admission plugins of that version are not judged",
            )
        else:
            yield finding(
                "MA1311",
                "version",
                f"{version} is newer than this release knows ({known})",
                "use a later release, or kubernetes.allowUnknownVersion: true to pass on what it cannot judge",
            )


def _fields_have_their_version(kubernetes: KubernetesConfig, context: Context) -> Iterator[Finding]:
    version = asked_version(context)
    if version is None:
        return
    for path, minor in _NEEDS:
        # Once by field and not by place: the few that are set are then walked for their paths.
        if not version.has(minor):
            for _value, at in select(kubernetes, tuple(path.split(".")), ""):
                yield needs(at, f"1.{minor} or later", version)


def _p384_came_later(kubernetes: KubernetesConfig, context: Context) -> Iterator[Finding]:
    version = asked_version(context)
    # Before v1beta4 the field itself is refused (above), and once is enough.
    if version is None or version.has(34) or not version.has(V1BETA4_MINOR):
        return
    for value, at in select(kubernetes, ("cluster", "certificates", "keyAlgorithm"), ""):
        if value == "ECDSA-P384":
            yield needs(at, "1.34 or later for ECDSA-P384", version)


def _patches_apply(kubernetes: KubernetesConfig, context: Context) -> Iterator[Finding]:
    # Without patches the module, with all manifests of kubeadm, is not even imported.
    if kubernetes.patches and context.read is not None:
        from machineadm.config.concerns.kubeadm.patches import patches_apply

        yield from patches_apply(kubernetes, context, context.read)


def _two_timeouts_by_role(kubernetes: KubernetesConfig, context: Context) -> Iterator[Finding]:
    """v1beta3 has one timeout in ClusterConfiguration.apiServer and one in JoinConfiguration.discovery."""
    version = asked_version(context)
    if version is None or version.has(V1BETA4_MINOR) or kubernetes.timeouts is None:
        return
    first = isinstance(kubernetes.role, Initialize)
    # v1beta3 has the other one in the document that this role does not have.
    field = "discovery" if first else "controlPlaneComponentHealthCheck"
    if kubernetes.role is not None and is_set(kubernetes.timeouts, field):
        yield needs(
            f"timeouts.{field}",
            "1.31 or later for this role",
            version,
            f"1.29 and 1.30 support it with {'join roles' if first else 'role Initialize'} only",
        )


def _patches_have_their_version(patch: Patch, context: Context) -> Iterator[Finding]:
    version = asked_version(context)
    for target, minor in (("corednsdeployment", 31), ("kubeproxydaemonset", 37)):
        if version is not None and patch.target == target and not version.has(minor):
            yield needs("target", f"1.{minor} or later for {target}", version)


def _ipvs_is_going(addon: ProxyAddon, context: Context) -> Iterator[Finding]:
    version = asked_version(context)
    if version is None or not version.has(_IPVS_DEPRECATED):
        return
    # At both places where it can be said; if it is at both, another rule tells.
    for path, mode in (("mode", addon.mode), ("config.mode", (addon.config or {}).get("mode"))):
        if mode == "ipvs":
            yield warning(
                "MA1445",
                path,
                f"ipvs is deprecated from Kubernetes 1.{_IPVS_DEPRECATED} on, and will be removed",
                "nftables",
            )


_IPVS_DEPRECATED: Final = 35


def _nftables_came_later(addon: ProxyAddon, context: Context) -> Iterator[Finding]:
    version = asked_version(context)
    if version is None or version.has(31) or addon.mode != "nftables":
        return
    # Alpha in 1.29 and 1.30: kube-proxy refuses the mode without its gate (KEP-3866).
    if mapping(addon.config or {}, "featureGates").get("NFTablesProxyMode") is not True:
        yield needs(
            "mode",
            "1.31 or later for nftables",
            version,
            "or config.featureGates with NFTablesProxyMode: true",
        )


def _arguments_come_once(
    component: ApiServer | Component | LocalEtcd | NodeConfig, context: Context
) -> Iterator[Finding]:
    """v1beta3 has a map of arguments, so each name can occur only once."""
    version = asked_version(context)
    if version is None or version.has(V1BETA4_MINOR):
        return
    seen: set[str] = set()
    for index, argument in enumerate(component.extra_args):
        # A map keeps one of the two, and which is not what was written.
        if argument.name in seen:
            yield needs(
                f"extraArgs[{index}].name", f"1.31 or later to give {argument.name} twice", version
            )
        seen.add(argument.name)


def _claims_come_one_by_one(oidc: Oidc, context: Context) -> Iterator[Finding]:
    """Each becomes an argument of the same name (see `_arguments_come_once`)."""
    version = asked_version(context)
    if version is not None and not version.has(V1BETA4_MINOR) and len(oidc.required_claims) > 1:
        yield needs("requiredClaims", "1.31 or later for more than one", version)


def _gates_are_known(cluster: ClusterConfig, context: Context) -> Iterator[Finding]:
    version = asked_version(context)
    if version is None or judged_minor(version) is None or not cluster.feature_gates:
        return
    from machineadm.config import upstream

    # kubeadm has its own set, apart from that of the components.
    gates = upstream.names()["gates"]["kubeadm"]
    for name in cluster.feature_gates:
        yield from _known(name, gates, child("featureGates", name), version)


def _phases_are_known(kubernetes: KubernetesConfig, context: Context) -> Iterator[Finding]:
    version = asked_version(context)
    if judged_minor(version) is None or version is None or kubernetes.role is None:
        return
    if not kubernetes.skip_phases:
        return
    from machineadm.config import upstream

    # The two commands have different phases, some by the same name.
    role = "init" if isinstance(kubernetes.role, Initialize) else "join"
    phases = upstream.names()["phases"][role]
    for index, name in enumerate(kubernetes.skip_phases):
        yield from _known(name, phases, f"skipPhases[{index}]", version)


def _known(name: str, names: dict[str, Any], path: str, version: Semver) -> Iterator[Finding]:
    """Check that kubeadm knows a name in this version."""
    from machineadm.config import upstream

    entry = names.get(name)
    if entry is None:
        yield finding(
            "MA1315",
            path,
            f"kubeadm {version.minor_version} does not have {name}",
            _nearest(name, names, version.minor),
        )
    elif upstream.at(entry, version.minor) is None:
        yield needs(path, f"{upstream.versions_of(entry)} for {name}", version)


def _nearest(name: str, names: dict[str, Any], minor: int) -> str:
    from machineadm.config import upstream
    from machineadm.nearest import suggest

    known = [each for each, entry in names.items() if upstream.at(entry, minor) is not None]
    if near := suggest(name, known):
        return f'did you mean "{near}"?'
    # Without subphases: they are more than anybody reads in a line.
    return f"it has {', '.join(sorted(each for each in known if '/' not in each))}"


_COMPONENT: Final = (_arguments_come_once,)

RULES: Final[Rules] = {
    KubernetesConfig: (
        _version_is_known,
        _fields_have_their_version,
        _p384_came_later,
        _patches_apply,
        _two_timeouts_by_role,
        _phases_are_known,
    ),
    ClusterConfig: (_gates_are_known,),
    Patch: (_patches_have_their_version,),
    ProxyAddon: (_nftables_came_later, _ipvs_is_going),
    "Oidc": (_claims_come_one_by_one,),
    "ApiServer": _COMPONENT,
    "Component": _COMPONENT,
    LocalEtcd: _COMPONENT,
    "NodeConfig": _COMPONENT,
}
