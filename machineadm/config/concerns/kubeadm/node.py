"""Rules for the settings of one node."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.api.formats import seconds
from machineadm.api.meta import LabelValue, QualifiedName
from machineadm.api.v1alpha1.node import CriSocket, NodeConfig, NodeKubelet, NodeName, ProviderId
from machineadm.config.passed_on import judge
from machineadm.config.paths import child, is_set
from machineadm.config.rules.model import Context, Rules, asked_version, finding
from machineadm.config.rules.names import misfit
from machineadm.config.rules.objects import is_filled_in_elsewhere
from machineadm.config.versions import judged_minor

# What a cloud or the kubelet itself says of its node; NodeRestriction lets a kubelet set them.
_OWN_LABELS: Final = frozenset(
    {
        "kubernetes.io/hostname",
        "kubernetes.io/os",
        "kubernetes.io/arch",
        "beta.kubernetes.io/os",
        "beta.kubernetes.io/arch",
        "beta.kubernetes.io/instance-type",
        "node.kubernetes.io/instance-type",
        "failure-domain.beta.kubernetes.io/zone",
        "failure-domain.beta.kubernetes.io/region",
        "topology.kubernetes.io/zone",
        "topology.kubernetes.io/region",
    }
)
_OWN_DOMAINS: Final = ("kubelet.kubernetes.io", "node.kubernetes.io")
_RESERVED_DOMAINS: Final = ("kubernetes.io", "k8s.io")
"""Labels that the kubelet may give its node though they are in a reserved domain (k8s.io/kubelet,
pkg/apis/well_known_labels.go); the kubelet does not start with any other one of these."""

_OWN_ARGUMENTS: Final = (
    ("name", "hostname-override"),
    ("providerID", "provider-id"),
    ("labels", "node-labels"),
    ("taints", "register-with-taints"),
    ("criSocket", "container-runtime-endpoint"),
)
"""Fields of NodeConfig, and the kubelet's argument that each is turned into."""

_FIELDS: Final = {argument: field for field, argument in _OWN_ARGUMENTS}
_EFFECTS: Final = ("NoSchedule", "PreferNoSchedule", "NoExecute")


def _labels_are_the_nodes_to_give(node: NodeConfig, _context: Context) -> Iterator[Finding]:
    # A label whose value comes later is refused for its key as well.
    for field, key in (
        *(("labels", key) for key in node.labels),
        *(("labelsFrom", key) for key in node.labels_from),
    ):
        if not _may_label(key):
            yield finding(
                "MA1314",
                child(field, key),
                f"a kubelet must not set the label {key} on its node",
                "label the node from the cluster, or use your own label domain",
            )


def _each_label_once(node: NodeConfig, _context: Context) -> Iterator[Finding]:
    for key in node.labels_from:
        if key in node.labels:
            yield finding("MA1306", child("labelsFrom", key), f"{key} is already in labels")


def _may_label(key: str) -> bool:
    domain = key.partition("/")[0] if "/" in key else ""
    return (
        # NodeRestriction stops a node that was taken over from labelling itself as a control plane;
        # the kubelet itself refuses at its start.
        not _within(domain, _RESERVED_DOMAINS)
        or key in _OWN_LABELS
        or _within(domain, _OWN_DOMAINS)
    )


def _within(domain: str, parents: tuple[str, ...]) -> bool:
    return any(domain == parent or domain.endswith(f".{parent}") for parent in parents)


def _each_taint_once(node: NodeConfig, _context: Context) -> Iterator[Finding]:
    seen = set()
    for index, taint in enumerate(node.taints or ()):
        if (taint.key, taint.effect) in seen:
            yield finding(
                "MA1306", f"taints[{index}]", f"{taint.key}:{taint.effect} is a duplicate"
            )
        seen.add((taint.key, taint.effect))


def _reject_all_with_other_names(node: NodeConfig, _context: Context) -> Iterator[Finding]:
    """Kubeadm accepts the names of its checks in any case, and `all` only without others."""
    # ValidateIgnorePreflightErrors lowers them too, so IsPrivilegedUser and isprivilegeduser are
    # one.
    names = [name.lower() for name in node.ignore_preflight_errors]
    if "all" in names and len(names) > 1:
        yield finding(
            "MA1323",
            "ignorePreflightErrors",
            "all includes the others, and kubeadm accepts it only alone",
        )


def _socket_has_a_scheme(node: NodeConfig, _context: Context) -> Iterator[Finding]:
    # A bare path is old and still in use: kubeadm puts unix:// in front and warns.
    if node.cri_socket is not None and not node.cri_socket.startswith(
        ("unix:///", "npipe://", "/")
    ):
        yield finding(
            "MA1322", "criSocket", "must be unix:// and an absolute path, or npipe:// on Windows"
        )


def _arguments_keep_the_rules_of_their_fields(
    node: NodeConfig, _context: Context
) -> Iterator[Finding]:
    """An argument must satisfy the rules of the field that it replaces: with a bad value the kubelet does not start."""
    judges: dict[str, Callable[[str], Iterator[tuple[str, str]]]] = {
        # Each is a list of pairs in one text, which no type of ours describes.
        "node-labels": _wrong_labels,
        "register-with-taints": _wrong_taints,
        "provider-id": _wrong(ProviderId),
        "hostname-override": _wrong(NodeName),
        "container-runtime-endpoint": _wrong(CriSocket),
    }
    for index, argument in enumerate(node.extra_args):
        if argument.value is None:
            continue
        # Most arguments have no field of ours; those are judged by their program's flags
        # (arguments.py).
        for code, problem in judges.get(argument.name, _nothing)(argument.value):
            hint = "label the node from the cluster, or use your own label domain"
            yield finding(
                code,
                f"extraArgs[{index}].value",
                problem,
                hint if code == "MA1314" else f"see node.{_FIELDS[argument.name]}",
            )


def _nothing(_value: str) -> Iterator[tuple[str, str]]:
    yield from ()


def _wrong(type_: Any) -> Callable[[str], Iterator[tuple[str, str]]]:
    def judge(value: str) -> Iterator[tuple[str, str]]:
        problem = "" if is_filled_in_elsewhere(value) else misfit(type_, value)
        if problem:
            yield "MA1412", f"the value {problem}"

    return judge


def _wrong_labels(value: str) -> Iterator[tuple[str, str]]:
    for pair in filter(None, value.split(",")):
        # Blanks are cut as the kubelet cuts them (ConfigurationMap of component-base).
        key, equals, label = (part.strip() for part in pair.partition("="))
        if is_filled_in_elsewhere(key):
            continue
        if problem := misfit(QualifiedName, key):
            yield "MA1412", f"{key!r} {problem}"
        elif not equals:
            yield "MA1412", f"{key!r} has no value: write key=value, or key= for an empty one"
        # NodeRestriction: the API server rejects the node, and the kubelet itself refuses to start
        # with such a label.
        elif not _may_label(key):
            yield "MA1314", f"a kubelet must not set the label {key} on its node"
        if not is_filled_in_elsewhere(label) and (problem := misfit(LabelValue, label)):
            yield "MA1412", f"the value of {key} {problem}"


def _wrong_taints(value: str) -> Iterator[tuple[str, str]]:
    seen = set()
    for taint in filter(None, value.split(",")):
        if is_filled_in_elsewhere(taint):
            continue
        # From the right: a value cannot hold a colon, a key's prefix cannot either, but a mistake
        # may.
        pair, colon, effect = taint.rpartition(":")
        key, _, text = pair.partition("=")
        if not colon or effect not in _EFFECTS:
            yield (
                "MA1412",
                f"{taint!r} is not a taint: key=value:effect, effect {', '.join(_EFFECTS)}",
            )
        elif problem := misfit(QualifiedName, key):
            yield "MA1412", f"{key!r} {problem}"
        elif problem := misfit(LabelValue, text):
            yield "MA1412", f"the value of {key} {problem}"
        elif (key, effect) in seen:
            yield "MA1306", f"{key}:{effect} is a duplicate"
        seen.add((key, effect))


def _arguments_leave_our_own_alone(node: NodeConfig, _context: Context) -> Iterator[Finding]:
    for index, argument in enumerate(node.extra_args):
        # kubeadm lets kubeletExtraArgs win over nodeRegistration, so the field would be without
        # effect.
        for field, name in _OWN_ARGUMENTS:
            given = next((one for one in (field, f"{field}From") if _has(node, one)), None)
            if argument.name == name and given is not None:
                yield finding(
                    "MA1320", f"extraArgs[{index}].name", f"{name} is set by node.{given}"
                )
        kubelet = node.kubelet
        # Apart, since this field is of the kubelet's own part and is given as the argument, too.
        if argument.name == "node-ip" and kubelet is not None:
            given = next((one for one in ("nodeIP", "nodeIPFrom") if is_set(kubelet, one)), None)
            if given is not None:
                yield finding(
                    "MA1320",
                    f"extraArgs[{index}].name",
                    f"node-ip is set by node.kubelet.{given}",
                )


def _has(node: NodeConfig, field: str) -> bool:
    return field in node.__struct_encode_fields__ and is_set(node, field)


def _kubelet_document(kubelet: NodeKubelet, context: Context) -> Iterator[Finding]:
    yield from judge(
        kubelet.config,
        "config",
        "KubeletConfiguration",
        context,
        optional=True,
        inherited=_inherited(kubelet, context),
    )
    minor = judged_minor(asked_version(context))
    # Our own field beside the document; both end in one map of the kubelet.
    if kubelet.feature_gates and minor is not None:
        from machineadm.config.upstream.gates import problems, unmet

        yield from problems(kubelet.feature_gates, "featureGates", "kubelet", minor)
        whole = _inherited(kubelet, context)["featureGates"]
        yield from unmet(kubelet.feature_gates, whole, "featureGates", "kubelet", minor)
    for name in kubelet.config or ():
        if name in kubelet.__struct_encode_fields__:
            yield finding(
                "MA1320",
                child("config", name),
                f"belongs in node.kubelet.{name}",
                "set it there, where it is validated",
            )


def _inherited(kubelet: NodeKubelet, context: Context) -> dict[str, Any]:
    """Return the settings that this node's kubelet gets from the cluster and from our own fields."""
    cluster = context.kubernetes.cluster if context.kubernetes is not None else None
    inherited = dict((cluster.kubelet if cluster is not None else None) or {})
    gates = inherited.get("featureGates")
    # The node's own gates win over the cluster's, gate by gate.
    inherited["featureGates"] = {
        **(gates if isinstance(gates, dict) else {}),
        **kubelet.feature_gates,
    }
    return inherited


def _images_are_removed_downwards(kubelet: NodeKubelet, _context: Context) -> Iterator[Finding]:
    high = kubelet.image_gc_high_threshold_percent
    # Either may be given alone, and is then compared with the other's default.
    low = kubelet.image_gc_low_threshold_percent
    # The kubelet's own defaults; setting one of them alone is how people get here.
    if (80 if low is None else low) >= (85 if high is None else high):
        yield finding(
            "MA1312",
            "imageGCLowThresholdPercent" if low is not None else "imageGCHighThresholdPercent",
            "the low threshold (default 80) must be below the high one (default 85)",
        )


def _soft_evictions_have_a_grace_period(
    kubelet: NodeKubelet, _context: Context
) -> Iterator[Finding]:
    soft, grace = kubelet.eviction_soft, kubelet.eviction_soft_grace_period
    for signal in soft:
        # Without a grace period the kubelet does not start (eviction, ParseThresholdConfig).
        if signal not in grace:
            yield finding(
                "MA1303", child("evictionSoft", signal), "needs its evictionSoftGracePeriod"
            )
    # The other way is not an error to the kubelet, which ignores it; whoever wrote it expects an
    # eviction.
    for signal in grace:
        if signal not in soft:
            yield finding(
                "MA1303", child("evictionSoftGracePeriod", signal), "needs its evictionSoft"
            )


def _thresholds_are_more_than_nothing(kubelet: NodeKubelet, _context: Context) -> Iterator[Finding]:
    """The kubelet does not start with an amount of 0, though it takes 0% (pkg/kubelet/eviction)."""
    for field, thresholds in (
        ("evictionHard", kubelet.eviction_hard),
        ("evictionSoft", kubelet.eviction_soft),
    ):
        for signal, value in thresholds.items():
            # What is left of a zero amount without its digits and unit is nothing: 0, 0Mi, 0.0G.
            if not value.endswith("%") and not value.strip("0.kKMGTPEim"):
                yield finding(
                    "MA1312", child(field, signal), "must be more than 0", "0% disables a signal"
                )


def _cpus_are_counted_upwards(kubelet: NodeKubelet, _context: Context) -> Iterator[Finding]:
    for part in (kubelet.reserved_system_cpus or "").split(","):
        first, _, last = part.partition("-")
        # The kernel's list format (cpuset(7)), in which 3-1 is an error.
        if last and int(first) > int(last):
            yield finding("MA1312", "reservedSystemCPUs", f"{part} ends before it begins")


def _parallel_pulls_are_not_serial(kubelet: NodeKubelet, _context: Context) -> Iterator[Finding]:
    """Without serializeImagePulls the kubelet assumes false if there is more than one (pkg/kubelet/apis/config)."""
    parallel, serial = kubelet.max_parallel_image_pulls, kubelet.serialize_image_pulls
    # The kubelet does not start with both (ValidateKubeletConfiguration).
    if parallel is not None and parallel > 1 and serial:
        yield finding(
            "MA1323", "maxParallelImagePulls", "more than one requires serializeImagePulls: false"
        )


def _critical_pods_share_the_shutdown(kubelet: NodeKubelet, _context: Context) -> Iterator[Finding]:
    """The kubelet's own validation: both are 0 or at least a second, and the part is not longer than the whole."""
    whole = seconds(kubelet.shutdown_grace_period or "0s")
    part = seconds(kubelet.shutdown_grace_period_critical_pods or "0s")
    if part > whole:
        yield finding(
            "MA1312", "shutdownGracePeriodCriticalPods", "is longer than shutdownGracePeriod"
        )
    for field, given in (
        ("shutdownGracePeriod", whole),
        ("shutdownGracePeriodCriticalPods", part),
    ):
        if 0 < given < 1:
            yield finding("MA1312", field, "must be 0s or at least 1s")


RULES: Final[Rules] = {
    NodeConfig: (
        _labels_are_the_nodes_to_give,
        _each_label_once,
        _each_taint_once,
        _reject_all_with_other_names,
        _socket_has_a_scheme,
        _arguments_leave_our_own_alone,
        _arguments_keep_the_rules_of_their_fields,
    ),
    NodeKubelet: (
        _kubelet_document,
        _images_are_removed_downwards,
        _soft_evictions_have_a_grace_period,
        _thresholds_are_more_than_nothing,
        _cpus_are_counted_upwards,
        _parallel_pulls_are_not_serial,
        _critical_pods_share_the_shutdown,
    ),
}
