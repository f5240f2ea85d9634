"""The kubelet's validation of its KubeletConfiguration (k8s.io/kubernetes, pkg/kubelet/apis/config/validation).

When two fields are compared, an absent one has the kubelet's default. What kubeadm adds is not known here.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.logging import logging, metrics_version, tracing
from machineadm.config.passed_on.values import (
    UNIT,
    Once,
    amount,
    between,
    is_absent,
    is_label_value,
    is_qualified,
    length_of_time,
    mapping,
    maps,
    not_negative,
    number,
    one_of,
    refused,
    required,
    strings,
    text,
)
from machineadm.config.paths import child
from machineadm.config.upstream.gates import is_on, unmet
from machineadm.config.upstream.gates import problems as gate_problems

# 0 is allowed as well: it switches the port off.
_MOST_PORTS: Final = 65535

_BOUNDS: Final[tuple[tuple[str, float, float | None], ...]] = (
    ("nodeLeaseDurationSeconds", 0, None),
    ("eventBurst", 0, None),
    ("eventRecordQPS", 0, None),
    ("healthzPort", 0, _MOST_PORTS),
    ("port", 0, _MOST_PORTS),
    ("readOnlyPort", 0, _MOST_PORTS),
    ("imageGCHighThresholdPercent", 0, 100),
    ("imageGCLowThresholdPercent", 0, 100),
    ("iptablesDropBit", 0, 31),
    ("iptablesMasqueradeBit", 0, 31),
    ("kubeAPIBurst", 0, None),
    ("kubeAPIQPS", 0, None),
    # -1 means no limit.
    ("nodeStatusMaxImages", -1, None),
    ("maxOpenFiles", 0, None),
    ("maxPods", 0, None),
    ("podsPerCore", 0, None),
    ("oomScoreAdj", -1000, 1000),
    ("registryBurst", 0, None),
    ("registryPullQPS", 0, None),
    ("maxParallelImagePulls", 1, None),
    ("containerLogMaxWorkers", 1, None),
)
"""Least and greatest of numbers."""

_WORDS: Final = (
    ("topologyManagerPolicy", ("none", "best-effort", "restricted", "single-numa-node")),
    ("topologyManagerScope", ("container", "pod")),
    ("hairpinMode", ("promiscuous-bridge", "hairpin-veth", "none")),
    ("cpuManagerPolicy", ("none", "static")),
    ("memoryManagerPolicy", ("None", "Static")),
    ("cgroupDriver", ("cgroupfs", "systemd")),
)

_ENFORCED: Final = ("pods", "system-reserved", "kube-reserved", "none")
# To enforce CPU alone: memory that is enforced for system daemons kills them.
_COMPRESSIBLE: Final = ("system-reserved-compressible", "kube-reserved-compressible")
_COMPRESSIBLE_MINOR: Final = 32
_NONE_ALONE_MINOR: Final = 31
"""The first minor version that takes `none` without cgroups for QoS classes."""
_NONE: Final = "enforceNodeAllocatable: [none]"

_NEED_GATES: Final = (
    ("imagePullCredentialsVerificationPolicy", "KubeletEnsureSecretPulledImages"),
    ("preloadedImagesVerificationAllowlist", "KubeletEnsureSecretPulledImages"),
    ("shutdownGracePeriodByPodPriority", "GracefulNodeShutdownBasedOnPodPriority"),
    ("shutdownGracePeriod", "GracefulNodeShutdown"),
    ("imageMaximumGCAge", "ImageMaximumGCAge"),
    ("defaultPodSysctls", "DefaultPodSysctls"),
)
"""Fields that may be set where a gate is on."""


def problems(
    document: dict[str, Any], path: str, minor: int, inherited: Mapping[str, Any]
) -> Iterator[Finding]:
    """Yield what the kubelet refuses besides unknown fields."""
    # What the cluster says holds where this node says nothing: a rule about two fields must see
    # both.
    whole = {**inherited, **document}
    gates = {**mapping(inherited, "featureGates"), **mapping(document, "featureGates")}
    # First: with a gate that it does not know the kubelet does not start, whatever else is right.
    yield from gate_problems(
        mapping(document, "featureGates"), child(path, "featureGates"), "kubelet", minor
    )
    yield from unmet(
        mapping(document, "featureGates"), gates, child(path, "featureGates"), "kubelet", minor
    )
    yield from _numbers(document, path)
    # By the document and not by the whole: the cluster's part was judged where it stands.
    yield from _lengths(document, path, minor)
    yield from _pulls(document, path, whole, minor)
    yield from _logs_directory(document, path)
    yield from _sysctls(document, path)
    yield from _later(document, path, whole)
    for name, words in _WORDS:
        yield from one_of(document, name, path, *words)
    yield from _gated(document, path, minor, gates)
    yield from _enforced(document, path, minor, whole)
    yield from _shutdown(document, path)
    yield from _reserved(document, path)
    yield from _taints(document, path)
    if document.get("runOnce") is True:
        yield refused(child(path, "runOnce"), "the kubelet has given it up", "leave it out")
    # System daemons are moved below a root that must be named.
    if not is_absent(document, "systemCgroups") and is_absent(whole, "cgroupRoot"):
        yield refused(child(path, "systemCgroups"), "needs cgroupRoot")
    if document.get("enableSystemLogQuery") is True and not whole.get(
        "enableSystemLogHandler", True
    ):
        yield refused(child(path, "enableSystemLogQuery"), "needs enableSystemLogHandler")
    yield from metrics_version(document, path, minor)
    yield from logging(
        mapping(document, "logging"), child(path, "logging"), "kubelet", minor, gates
    )
    yield from tracing(mapping(document, "tracing"), child(path, "tracing"))
    # By presence: an empty section asks for it as well.
    if "tracing" in document and not is_on("KubeletTracing", "kubelet", minor, gates):
        yield _needs_gate(child(path, "tracing"), "KubeletTracing")


def _numbers(document: dict[str, Any], path: str) -> Iterator[Finding]:
    for name, low, high in _BOUNDS:
        yield from between(document, name, path, low, high)
    files = number(document, "containerLogMaxFiles")
    # With one file there is nothing to rotate into.
    if files is not None and files <= 1:
        yield refused(child(path, "containerLogMaxFiles"), "must be at least 2")
    ids = number(mapping(document, "userNamespaces"), "idsPerPod")
    # A pod gets whole blocks of 65536 ids (KEP-127): images use users up to 65535.
    if ids is not None and (ids < 65536 or ids % 65536 or ids > _MOST_IDS):
        at = child(child(path, "userNamespaces"), "idsPerPod")
        yield refused(at, "must be a multiple of 65536, and 4294901760 at most")
    throttling = number(document, "memoryThrottlingFactor")
    if throttling is not None and not 0 < throttling <= 1:
        yield refused(child(path, "memoryThrottlingFactor"), "must be above 0, and 1 at most")
    yield from _image_thresholds(document, path)


def _image_thresholds(document: dict[str, Any], path: str) -> Iterator[Finding]:
    high = number(document, "imageGCHighThresholdPercent")
    low = number(document, "imageGCLowThresholdPercent")
    # The two defaults fit each other.
    if low is None and high is None:
        return
    if (80 if low is None else low) >= (85 if high is None else high):
        name = "imageGCLowThresholdPercent" if low is not None else "imageGCHighThresholdPercent"
        message = "the low threshold (default 80) must be below the high one (default 85)"
        yield refused(child(path, name), message)


_MOST_IDS: Final = (1 << 32) - 1
_NO_NEGATIVE_AGE: Final = 36
"""The first minor version that refuses a negative `imageMinimumGCAge`."""


def _lengths(document: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    yield from not_negative(document, path, "imageMaximumGCAge")
    if minor >= _NO_NEGATIVE_AGE:
        yield from not_negative(document, path, "imageMinimumGCAge")
    most = length_of_time(document, "imageMaximumGCAge")
    # imageMinimumGCAge is 2 minutes where nobody says, and where it is 0.
    least = length_of_time(document, "imageMinimumGCAge")
    # 0 means that there is no greatest age.
    if most is not None and most > 0 and most <= (least or 120):
        yield refused(
            child(path, "imageMaximumGCAge"), "must be longer than imageMinimumGCAge (default 2m)"
        )
    interval = length_of_time(document, "containerLogMonitorInterval")
    # The kubelet's own bound: each look walks all logs.
    if interval is not None and interval < 3:
        yield refused(child(path, "containerLogMonitorInterval"), "must be at least 3s")


# KEP-2535: whether a pod may use an image that was pulled with another pod's credentials.
_POLICIES: Final = (
    "NeverVerify",
    "NeverVerifyPreloadedImages",
    "NeverVerifyAllowlistedImages",
    "AlwaysVerify",
)
# distribution/reference, without tag and digest.
_IMAGE: Final = (
    r"([A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?(\.[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?)*(:[0-9]+)?/)?"
    r"[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*(/[a-z0-9]+((\.|_|__|-+)[a-z0-9]+)*)*"
)
_LONGEST_IMAGE: Final = 255


def _pulls(
    document: dict[str, Any], path: str, whole: dict[str, Any], minor: int
) -> Iterator[Finding]:
    """How images are pulled, and whether a pod may use one that another has pulled."""
    # One of the two may be the cluster's.
    at_once = number(whole, "maxParallelImagePulls")
    if whole.get("serializeImagePulls") is True and at_once is not None and at_once > 1:
        name = "maxParallelImagePulls"
        name = name if name in document else "serializeImagePulls"
        yield refused(child(path, name), "more pulls at a time need serializeImagePulls: false")
    yield from one_of(document, "imagePullCredentialsVerificationPolicy", path, *_POLICIES)
    name = "preloadedImagesVerificationAllowlist"
    if not is_absent(document, name) and (
        text(whole, "imagePullCredentialsVerificationPolicy") != "NeverVerifyAllowlistedImages"
    ):
        policy = "imagePullCredentialsVerificationPolicy: NeverVerifyAllowlistedImages"
        yield refused(child(path, name), f"needs {policy}")
        return
    for image, at in strings(document, name, path):
        if not _is_pattern(image, minor):
            yield refused(at, "is not an image without a tag, or a path with /* behind it")


_BARE_NAMES: Final = 36
"""The first minor version that does not complete a name without a registry."""


def _is_pattern(image: str, minor: int) -> bool:
    before, star, rest = image.partition("*")
    if image.strip() != image or not image:
        return False
    # The only wildcard is a whole last part.
    if star:
        return not rest and before.endswith("/") and before != "/"
    # A name without a registry was completed to docker.io, so it was another one than the one here.
    first = image.partition("/")[0]
    known = minor >= _BARE_NAMES or (
        "/" in image and ("." in first or ":" in first or first == "localhost")
    )
    return len(image) <= _LONGEST_IMAGE and known and re.fullmatch(_IMAGE, image) is not None


def _logs_directory(document: dict[str, Any], path: str) -> Iterator[Finding]:
    import posixpath

    given = text(document, "podLogsDir")
    # runtimes put this path into file names in ASCII; the kubelet compares it with its clean form.
    if given and not (
        given.startswith("/") and given.isascii() and posixpath.normpath(given) == given
    ):
        yield refused(
            child(path, "podLogsDir"),
            "must be an absolute path in ASCII without .. or a last slash",
        )


_SIGNALS: Final = (
    "memory.available",
    "allocatableMemory.available",
    "pid.available",
    *(
        f"{place}.{what}"
        for place in ("nodefs", "imagefs", "containerfs")
        for what in ("available", "inodesFree")
    ),
)
_KINDS_RESERVED: Final = ("cpu", "memory", "ephemeral-storage", "pid")


def _later(document: dict[str, Any], path: str, whole: dict[str, Any]) -> Iterator[Finding]:
    """Judge what the kubelet's validation passes over, and what it ends at a moment later."""
    from machineadm.config.passed_on.flags import TLS_VERSIONS, cipher_problem

    yield from one_of(document, "tlsMinVersion", path, *TLS_VERSIONS)
    for cipher, at in strings(document, "tlsCipherSuites", path):
        if problem := cipher_problem(cipher):
            yield refused(at, problem)
    for name in ("kubeReserved", "systemReserved"):
        for kind, value in mapping(document, name).items():
            at = child(child(path, name), str(kind))
            if kind not in _KINDS_RESERVED:
                yield refused(at, "is not one of its values", ", ".join(_KINDS_RESERVED))
            elif (found := amount(value)) is None or found < 0:
                yield refused(at, "is not an amount such as 100Mi")
    for name in ("evictionHard", "evictionSoft", "evictionMinimumReclaim"):
        for signal, value in mapping(document, name).items():
            yield from _threshold(name, str(signal), value, child(path, name), whole)
    size = text(document, "containerLogMaxSize")
    if size and (amount(size) is None or (amount(size) or 0) < 0):
        yield refused(child(path, "containerLogMaxSize"), "is not an amount such as 10Mi")


def _threshold(
    name: str, signal: str, value: Any, path: str, whole: dict[str, Any]
) -> Iterator[Finding]:
    at = child(path, signal)
    if signal not in _SIGNALS:
        yield refused(at, "is not a signal such as memory.available", ", ".join(_SIGNALS))
        return
    if name == "evictionSoft" and signal not in mapping(whole, "evictionSoftGracePeriod"):
        yield refused(at, "needs its evictionSoftGracePeriod")
    # Of the capacity, so at most 100.
    share = value.removesuffix("%") if isinstance(value, str) and value.endswith("%") else None
    found = amount(value if share is None else share)
    if found is None or found < 0 or (share is not None and found > 100 * UNIT):
        yield refused(at, "is not an amount such as 100Mi, or a share such as 10%")
    # The threshold parser takes 0% and 100% for "off", but an amount must be positive.
    elif share is None and found == 0 and name != "evictionMinimumReclaim":
        yield refused(at, "must be more than 0", "0% disables a signal")


_SYSCTL: Final = r"([a-z0-9]([-_a-z0-9]*[a-z0-9])?[./])*[a-z0-9]([-_a-z0-9]*[a-z0-9])?"
# What the kernel keeps by IPC or network namespace, so that a pod may set it for itself.
_NAMESPACED: Final = ("kernel.shm", "kernel.msg", "fs.mqueue.", "net.")


def _sysctls(document: dict[str, Any], path: str) -> Iterator[Finding]:
    seen, at = Once(), child(path, "defaultPodSysctls")
    for name in mapping(document, "defaultPodSysctls"):
        if not isinstance(name, str):
            continue
        # Both forms name one file of /proc/sys.
        dotted = name.replace("/", ".")
        if len(name) > 253 or not re.fullmatch(_SYSCTL, name):
            yield refused(child(at, name), "is not the name of a kernel parameter")
        elif dotted != "kernel.sem" and not dotted.startswith(_NAMESPACED):
            yield refused(child(at, name), "is not a parameter that each pod has for itself")
        yield from seen.again(dotted, child(at, name))


def _gated(
    document: dict[str, Any], path: str, minor: int, gates: Mapping[str, Any]
) -> Iterator[Finding]:
    def on(gate: str) -> bool:
        return is_on(gate, "kubelet", minor, gates)

    for name, gate in _NEED_GATES:
        # A length of 0 is the default of these fields and asks for nothing.
        given = length_of_time(document, name)
        if not is_absent(document, name) and given != 0 and not on(gate):
            yield _needs_gate(child(path, name), gate)
    quota = length_of_time(document, "cpuCFSQuotaPeriod")
    if quota is not None:
        at = child(path, "cpuCFSQuotaPeriod")
        # 100ms is the kernel's own period.
        if not on("CustomCPUCFSQuotaPeriod") and quota != 0.1:
            yield _needs_gate(at, "CustomCPUCFSQuotaPeriod")
        elif not 0.001 <= quota <= 1:
            yield refused(at, "must be between 1ms and 1s")
    if document.get("enableSystemLogQuery") is True and not on("NodeLogQuery"):
        yield _needs_gate(child(path, "enableSystemLogQuery"), "NodeLogQuery")
    if document.get("serverTLSBootstrap") is True and not on("RotateKubeletServerCertificate"):
        yield _needs_gate(child(path, "serverTLSBootstrap"), "RotateKubeletServerCertificate")
    factor = number(document, "memoryThrottlingFactor") if minor >= _FACTOR_GATE_MINOR else None
    if factor is not None and 0 < factor <= 1 and factor != _OLD_FACTOR and not on("MemoryQoS"):
        yield _needs_gate(child(path, "memoryThrottlingFactor"), "MemoryQoS")
    if text(document, "memoryReservationPolicy") == "TieredReservation" and not on("MemoryQoS"):
        yield _needs_gate(child(path, "memoryReservationPolicy"), "MemoryQoS")
    yield from _restarts(mapping(document, "crashLoopBackOff"), child(path, "crashLoopBackOff"), on)
    swap = mapping(document, "memorySwap")
    if on("NodeSwap"):
        words = (
            ("LimitedSwap", "NoSwap")
            if minor >= _NO_SWAP_MINOR
            else ("LimitedSwap", "UnlimitedSwap")
        )
        yield from one_of(swap, "swapBehavior", child(path, "memorySwap"), *words)
    elif text(swap, "swapBehavior"):
        yield _needs_gate(child(child(path, "memorySwap"), "swapBehavior"), "NodeSwap")


_OLD_FACTOR: Final = 0.9
# Before it the factor was ignored without the gate, and 0.9 was its default.
_FACTOR_GATE_MINOR: Final = 37
# From here on UnlimitedSwap is gone and NoSwap there (KEP-2400).
_NO_SWAP_MINOR: Final = 30


def _needs_gate(path: str, gate: str) -> Finding:
    return refused(path, f"needs the feature gate {gate}", f"add featureGates with {gate}: true")


def _restarts(restarts: dict[str, Any], path: str, on: Any) -> Iterator[Finding]:
    period, at = (
        length_of_time(restarts, "maxContainerRestartPeriod"),
        child(path, "maxContainerRestartPeriod"),
    )
    if period is None:
        return
    if not on("KubeletCrashLoopBackOffMax"):
        yield _needs_gate(at, "KubeletCrashLoopBackOffMax")
    # 300s is the longest pause of crash loops without the field.
    elif not 1 <= period <= 300:
        yield refused(at, "must be between 1s and 300s")


def _enforced(
    document: dict[str, Any], path: str, minor: int, whole: dict[str, Any]
) -> Iterator[Finding]:
    known = _ENFORCED + (_COMPRESSIBLE if minor >= _COMPRESSIBLE_MINOR else ())
    given = [each for each, _at in strings(document, "enforceNodeAllocatable", path)]
    for each, at in strings(document, "enforceNodeAllocatable", path):
        # The same cgroup, of which only CPU is limited.
        part = each.removesuffix("-compressible")
        cgroup = {"system-reserved": "systemReservedCgroup", "kube-reserved": "kubeReservedCgroup"}
        if each not in known:
            yield refused(at, "is not one of its values", f"it is one of {', '.join(known)}")
        elif each == "none" and len(given) > 1:
            yield refused(at, "none must be the only one")
        elif part in cgroup and is_absent(whole, cgroup[part]):
            yield refused(at, f"needs {cgroup[part]}")
        elif each != part and part in given:
            yield refused(at, f"not together with {part}", "keep one")
        elif whole.get("cgroupsPerQOS") is False and (each != "none" or minor < _NONE_ALONE_MINOR):
            yield refused(at, "needs cgroupsPerQOS: true")
    if document.get("cgroupsPerQOS") is False and "enforceNodeAllocatable" not in whole:
        # The kubelet enforces pods where nobody says what.
        words = "enforceNodeAllocatable: []" if minor < _NONE_ALONE_MINOR else _NONE
        yield refused(child(path, "cgroupsPerQOS"), f"false needs {words}")
    seen = Once()
    for each, at in strings(document, "enforceNodeAllocatable", path):
        yield from seen.again(each, at)


def _shutdown(document: dict[str, Any], path: str) -> Iterator[Finding]:
    whole = length_of_time(document, "shutdownGracePeriod") or 0
    part = length_of_time(document, "shutdownGracePeriodCriticalPods") or 0
    for name, given in (("shutdownGracePeriod", whole), ("shutdownGracePeriodCriticalPods", part)):
        if given < 0 or 0 < given < 1:
            yield refused(child(path, name), "must be 0s or at least 1s")
    # The critical pods' part is the end of the whole.
    if part > whole:
        yield refused(
            child(path, "shutdownGracePeriodCriticalPods"),
            "must not be longer than shutdownGracePeriod",
        )
    if not is_absent(document, "shutdownGracePeriodByPodPriority") and (whole > 0 or part > 0):
        yield refused(
            child(path, "shutdownGracePeriodByPodPriority"), "not together with shutdownGracePeriod"
        )


_HUGE_PAGES: Final = "hugepages-"


def _reserved(document: dict[str, Any], path: str) -> Iterator[Finding]:
    cpus, at = text(document, "reservedSystemCPUs"), child(path, "reservedSystemCPUs")
    if cpus:
        if len(cpus) > 4096 or not re.fullmatch(r"[0-9]+(-[0-9]+)?(,[0-9]+(-[0-9]+)?)*", cpus):
            yield refused(at, "is not a list of CPUs such as 0-3,8")
        elif any(_runs_backwards(part) for part in cpus.split(",")):
            yield refused(at, "has a range that ends before it begins")
        # The CPUs are taken away from pods altogether, so there is no cgroup to limit.
        for name in ("systemReservedCgroup", "kubeReservedCgroup"):
            if not is_absent(document, name):
                yield refused(at, f"not together with {name}")
    # By NUMA node and kind of memory: amounts of one pair would be added up by nobody.
    pairs = set()
    for each, place in maps(document, "reservedMemory", path):
        node = number(each, "numaNode")
        for name in mapping(each, "limits"):
            below = child(child(place, "limits"), name)
            if name != "memory" and not str(name).startswith(_HUGE_PAGES):
                yield refused(below, "must be memory, or hugepages- and a size")
            elif amount(mapping(each, "limits")[name]) == 0:
                yield refused(below, "must be more than 0")
            if (node, name) in pairs:
                yield refused(below, f"is a duplicate for NUMA node {node or 0:.0f}")
            pairs.add((node, name))


def _runs_backwards(part: str) -> bool:
    first, _, last = part.partition("-")
    # At most nine digits: more cannot be a CPU, and int() of a long text takes time.
    return bool(last) and int(first[:9]) > int(last[:9])


def _taints(document: dict[str, Any], path: str) -> Iterator[Finding]:
    for taint, at in maps(document, "registerWithTaints", path):
        if not is_qualified(text(taint, "key")):
            yield refused(child(at, "key"), "is not a key such as example.com/gpu")
        if not is_label_value(text(taint, "value")):
            yield refused(child(at, "value"), "is not the value of a label")
        yield from required(taint, at, "effect")
        # The kubelet refuses it for taints that it registers with.
        if "timeAdded" in taint:
            yield refused(child(at, "timeAdded"), "the API server sets it", "leave it out")
