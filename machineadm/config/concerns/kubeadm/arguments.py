"""Arguments of components: flags that the program has in this version, with values that it can parse.

A program exits at once on an unknown flag or a value that it cannot parse. The flags are those of `config/upstream`.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Sequence
from typing import TYPE_CHECKING, Any, Final

from machineadm.api.v1alpha1.cluster import LocalEtcd
from machineadm.config.rules.model import Context, Rules, asked_version, finding
from machineadm.config.rules.objects import is_filled_in_elsewhere
from machineadm.config.versions import judged_minor

if TYPE_CHECKING:
    from machineadm.api.finding import Finding
    from machineadm.api.v1alpha1.control_plane import ControlPlaneConfig
    from machineadm.api.v1alpha1.control_plane_files import AdmissionPlugins
    from machineadm.api.v1alpha1.node import NodeConfig

_LONGEST: Final = 4096
"""Longer values are not matched."""

# Their fields are better than the argument: typed, and without a second place that could say
# something else.
_OURS: Final = {
    ("kubelet", "hostname-override"): "node.name",
    ("kubelet", "provider-id"): "node.providerID",
    ("kubelet", "node-labels"): "node.labels",
    ("kubelet", "register-with-taints"): "node.taints",
    # kubeadm writes this one from criSocket and asks the runtime there itself, so both must be the
    # same.
    ("kubelet", "container-runtime-endpoint"): "node.criSocket",
    ("kube-apiserver", "audit-policy-file"): "controlPlane.auditPolicy.policy",
    ("kube-apiserver", "encryption-provider-config"): "controlPlane.encryptionAtRest",
    ("kube-apiserver", "authentication-config"): "controlPlane.authentication.structured",
    ("kube-apiserver", "authorization-config"): "controlPlane.authorization.structured",
    ("kube-apiserver", "admission-control-config-file"): "controlPlane.admission.config",
    ("kube-apiserver", "enable-admission-plugins"): "controlPlane.admission.plugins.enabled",
    ("kube-apiserver", "disable-admission-plugins"): "controlPlane.admission.plugins.disabled",
}
"""Fields of ours below spec.kubernetes, for who writes the argument wrongly."""

_ELSEWHERE: Final = frozenset({("kubelet", "node-labels"), ("kubelet", "register-with-taints")})
"""Arguments whose values the rules of our own fields judge."""

_GONE: Final = {
    (
        "kubelet",
        "container-runtime",
    ): "every runtime is remote: node.criSocket says where it listens",
    (
        "kubelet",
        "pod-infra-container-image",
    ): "the container runtime's own configuration names the pause image",
    ("kubelet", "network-plugin"): "the container runtime sets up networks",
}
"""What to do about flags that people still write."""


def judge_arguments(
    arguments: Sequence[Any], path: str, program: str, minor: int, others: Container[str] = ()
) -> Iterator[Finding]:
    """Find the arguments that a program of a version would refuse.

    Args:
        arguments: Each with a name and a value.
        path: Of the list.
        program: `kubelet`, `kube-apiserver`.
        minor: The minor version of Kubernetes 1.
        others: Names of arguments that fields of ours give the program.
    """
    from machineadm.config import upstream

    # Read from the sources of each release, since a flag that is gone keeps the program from
    # starting at all.
    flags = upstream.names()["flags"][program]
    given: dict[str, str] = {}
    places: dict[str, str] = {}
    for index, argument in enumerate(arguments):
        at = f"{path}[{index}]"
        # Kubernetes' programs take max_pods for max-pods; etcd does not.
        name = argument.name if program == "etcd" else argument.name.replace("_", "-")
        kind = upstream.at(flags[name], minor) if name in flags else None
        if kind is None:
            yield _unknown(name, flags, f"{at}.name", program, minor)
        elif not isinstance(argument.value, str) or (program, name) in _ELSEWHERE:
            continue  # it comes from elsewhere, or the rule of our own field says more of it
        # Only values that can be parsed are compared with others afterwards.
        elif problem := _misfit(argument.value, program, name, kind, minor):
            yield finding("MA1412", f"{at}.value", problem, _hint(program, name))
        else:
            # The last one of a name counts, as with Go's flags; kubeadm passes repeated ones on.
            given[name], places[name] = argument.value, f"{at}.value"
            if name == "feature-gates" and program != "etcd":
                yield from _gates(argument.value, f"{at}.value", program, minor)
            elif name in _PLUGINS:
                names = filter(None, (each.strip() for each in argument.value.split(",")))
                yield from _plugins([(each, f"{at}.value") for each in names], minor)
    # After all of them are known; the table of dependencies is loaded for these alone.
    if given:
        from machineadm.config.passed_on import flag_sets

        for name, problem in flag_sets.problems(program, given, minor, others):
            if not is_filled_in_elsewhere(given[name]):
                yield finding("MA1412", places[name], problem, _hint(program, name))
    # Flags of the kubelet are laid over its configuration, and the result is validated as a whole.
    if program == "kubelet":
        yield from _as_configuration(arguments, path, minor)


_PLUGINS: Final = ("enable-admission-plugins", "disable-admission-plugins", "admission-control")


# The others have the field's name with hyphens; these predate it.
_FIELDS: Final = {
    "event-qps": "eventRecordQPS",
    "registry-qps": "registryPullQPS",
    "image-gc-high-threshold": "imageGCHighThresholdPercent",
    "image-gc-low-threshold": "imageGCLowThresholdPercent",
    "reserved-cpus": "reservedSystemCPUs",
    "minimum-image-ttl-duration": "imageMinimumGCAge",
}
"""Fields of a KubeletConfiguration that flags of the kubelet set under other names."""


def _as_configuration(arguments: Sequence[Any], path: str, minor: int) -> Iterator[Finding]:
    """Judge the kubelet's flags that stand for a field of its configuration by the rules of that."""
    from machineadm.config import upstream
    from machineadm.config.passed_on import kubelet
    from machineadm.config.passed_on.flags import integer, type_problem

    flags = upstream.names()["flags"]["kubelet"]
    fields = upstream.fields()["types"]["kubelet.KubeletConfiguration"]
    named = {field.lower(): field for field in fields}
    document: dict[str, Any] = {}
    places: dict[str, str] = {}
    for index, argument in enumerate(arguments):
        name = argument.name.replace("_", "-")
        kind = upstream.at(flags[name], minor) if name in flags else None
        field = _FIELDS.get(name) or named.get(name.replace("-", "").lower())
        # A flag that has no field (--v, --hostname-override) is not part of the configuration.
        if kind is None or field is None or not isinstance(argument.value, str):
            continue
        kind = kind.rstrip("!?")
        if (
            kind not in _JUDGED
            # Told already: a value that does not parse would only cause a second problem.
            or type_problem(name, argument.value, kind)
            or len(argument.value) > 64
        ):
            continue
        value: Any = argument.value
        if kind.startswith("int"):
            value = integer(value)
        elif kind == "bool":
            value = value.lower() in ("1", "t", "true")
        elif kind == "stringSlice":
            value = value.split(",") if value else []
        # An empty string is "not set" to a flag.
        elif not value:
            continue
        document[field] = value
        places[field] = f"{path}[{index}].value"
    for each in kubelet.problems(document, "", minor, {}) if document else ():
        field = each.path.partition("[")[0]
        if field in places and not is_filled_in_elsewhere(str(document[field])):
            yield finding("MA1412", places[field], each.message, each.hint)


# Maps and the like are written otherwise as a flag than in a document.
_JUDGED: Final = frozenset({"int", "int32", "int64", "duration", "string", "bool", "stringSlice"})


def _unknown(name: str, flags: dict[str, Any], path: str, program: str, minor: int) -> Finding:
    from machineadm.config import upstream
    from machineadm.nearest import suggest

    hint = _hint(program, name)
    # A known flag of another release: to say from when to when helps more than a guess.
    if name in flags:
        wanted = upstream.versions_of(flags[name])
        message = f"--{name} is an argument of {program} {wanted}, this machine asks for 1.{minor}"
        return finding("MA1441", path, message, hint)
    # Only those of this version: to suggest one that is gone would start the next round.
    known = [each for each, kind in flags.items() if upstream.at(kind, minor) is not None]
    meant = "" if hint else suggest(name, known)
    guess = f'; did you mean "{meant}"?' if meant else ""
    return finding("MA1441", path, f"{program} 1.{minor} has no argument --{name}{guess}", hint)


def _hint(program: str, name: str) -> str:
    if gone := _GONE.get((program, name)):
        return gone
    if ours := _OURS.get((program, name)):
        return f"better write spec.kubernetes.{ours}"
    # Of the other programs no type of ours has fields by the flags' names.
    if program != "kubelet":
        return ""
    from machineadm.api.v1alpha1.node import NodeKubelet

    words = name.replace("-", "").lower()
    # --max-pods and maxPods: the same letters but for hyphens and case.
    own = {field.lower(): field for field in NodeKubelet.__struct_encode_fields__}
    if words in own:
        return f"better write spec.kubernetes.node.kubelet.{own[words]}"
    return ""


def _misfit(value: str, program: str, name: str, kind: str, minor: int) -> str:
    """Why the program would refuse a value; empty where it would not, or where nobody can tell."""
    from machineadm.config.passed_on.flags import type_problem, value_problem

    if is_filled_in_elsewhere(value) or len(value) > _LONGEST:
        return ""
    problem = type_problem(name, value, kind.rstrip("!?")) or value_problem(
        program, name, value, minor
    )
    # etcd has no table of Kubernetes' types behind its flags, so its rules are in a module of their
    # own.
    if not problem and program == "etcd":
        from machineadm.config.passed_on import etcd_flags

        problem = etcd_flags.value_problem(name, value, minor)
    return problem


def _gates(value: str, path: str, program: str, minor: int) -> Iterator[Finding]:
    """`Name=true,Other=false`; the components of the control plane take `kube:Name=true`, too."""
    from machineadm.config.passed_on.flags import BOOLEANS
    from machineadm.config.upstream.gates import problem, unmet

    given: dict[str, bool] = {}
    for pair in filter(None, value.split(",")):
        name, equals, state = (part.strip() for part in pair.partition("="))
        # component-base registers the gates of several components by a name in front; `kube` is the
        # default.
        name = name.removeprefix("kube:")
        if is_filled_in_elsewhere(pair):
            continue
        # strconv.ParseBool: 1, t, T, TRUE, true, True and their opposites, and nothing else.
        if not equals or state not in BOOLEANS:
            yield finding("MA1412", path, f"{name or 'a pair'} must be =true or =false")
        else:
            given[name] = state in ("1", "t", "T", "TRUE", "true", "True")
            yield from problem(name, given[name], path, program, minor)
    # As a whole, since 1.35's components check what gates need of each other only after all are
    # set.
    for each in unmet(given, given, "", program, minor):
        yield finding(each.code, path, each.message, each.hint)


def _minor(context: Context) -> int | None:
    return judged_minor(asked_version(context))


def _components(control_plane: ControlPlaneConfig, context: Context) -> Iterator[Finding]:
    minor = _minor(context)
    if minor is None:
        return
    for field, program, component in (
        ("apiServer", "kube-apiserver", control_plane.api_server),
        ("controllerManager", "kube-controller-manager", control_plane.controller_manager),
        ("scheduler", "kube-scheduler", control_plane.scheduler),
    ):
        if component is not None and component.extra_args:
            others = _given_by_fields(control_plane) if program == "kube-apiserver" else ()
            path = f"{field}.extraArgs"
            yield from judge_arguments(component.extra_args, path, program, minor, others)


def _given_by_fields(control_plane: ControlPlaneConfig) -> Container[str]:
    """Arguments of the API server that fields beside `extraArgs` stand for, or rules of their own judge (components.py)."""
    # Judged beside the modes (components.py): from here it would be told twice.
    found = ["authorization-policy-file"]
    authentication, authorization = control_plane.authentication, control_plane.authorization
    if authentication is not None and authentication.oidc is not None:
        found += ["oidc-issuer-url", "oidc-client-id"]
    if authorization is not None:
        found += ["authorization-mode" if authorization.modes else "authorization-config"]
        found += ["authorization-webhook-config-file"] if authorization.webhook is not None else []
    if control_plane.encryption_at_rest is not None:
        found.append("encryption-provider-config")
    return found


def _kubelet(node: NodeConfig, context: Context) -> Iterator[Finding]:
    minor = _minor(context)
    if minor is not None and node.extra_args:
        yield from judge_arguments(node.extra_args, "extraArgs", "kubelet", minor)


def _etcd(etcd: LocalEtcd, context: Context) -> Iterator[Finding]:
    minor = _minor(context)
    # Another image is another etcd.
    if minor is None or not etcd.extra_args or (etcd.image is not None and etcd.image.tag):
        return
    yield from judge_arguments(etcd.extra_args, "extraArgs", "etcd", minor)


def _admission(plugins: AdmissionPlugins, context: Context) -> Iterator[Finding]:
    minor = _minor(context)
    if minor is None:
        return
    # In both lists: an unknown plugin keeps the API server from starting even where it is disabled.
    for field, names in (("enabled", plugins.enabled), ("disabled", plugins.disabled)):
        places = [(name, f"{field}[{index}]") for index, name in enumerate(names)]
        yield from _plugins(places, minor)


def _plugins(places: Sequence[tuple[str, str]], minor: int) -> Iterator[Finding]:
    """Names of admission plugins that the API server of a version does not have: it would not start."""
    from machineadm.config import upstream
    from machineadm.nearest import suggest

    plugins = upstream.names()["plugins"]
    known = [name for name, entry in plugins.items() if upstream.at(entry, minor) is not None]
    for name, path in places:
        if name in known or is_filled_in_elsewhere(name):
            continue
        if name in plugins:
            wanted = upstream.versions_of(plugins[name])
            yield finding(
                "MA1443",
                path,
                f"{name} is a plugin of Kubernetes {wanted}, this machine asks for 1.{minor}",
            )
        else:
            meant = suggest(name, known)
            guess = f'; did you mean "{meant}"?' if meant else ""
            yield finding("MA1443", path, f"the API server 1.{minor} has no such plugin{guess}")


RULES: Final[Rules] = {
    # By name: the type is in a branch that need not be imported for this module.
    "ControlPlaneConfig": (_components,),
    "NodeConfig": (_kubelet,),
    LocalEtcd: (_etcd,),
    "AdmissionPlugins": (_admission,),
}
