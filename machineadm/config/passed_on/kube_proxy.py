"""kube-proxy's validation of its KubeProxyConfiguration (k8s.io/kubernetes, pkg/proxy/apis/config/validation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.logging import logging, metrics_version
from machineadm.config.passed_on.values import (
    Once,
    between,
    is_address,
    is_range,
    length_of_time,
    mapping,
    not_negative,
    one_of,
    refused,
    required,
    strings,
    text,
)
from machineadm.config.paths import child
from machineadm.config.upstream.gates import is_on
from machineadm.config.upstream.gates import problems as gate_problems

# ipvs is deprecated (KEP-5495) and needs its gate from here on.
_IPVS_GATE_MINOR: Final = 37
# nftables is stable from here on, and its gate locked.
_NFTABLES_MINOR: Final = 33
_LOCAL_CIDR_MINOR: Final = 31
"""From then on `clusterCIDR` is read where `detectLocalMode` asks for it."""
_LINUX_MODES: Final = ("iptables", "ipvs", "nftables")
_LOCAL: Final = ("ClusterCIDR", "NodeCIDR", "BridgeInterface", "InterfaceNamePrefix")


def problems(
    document: dict[str, Any], path: str, minor: int, inherited: Mapping[str, Any]
) -> Iterator[Finding]:
    """What kube-proxy refuses beyond wrong fields."""
    yield from gate_problems(
        mapping(document, "featureGates"), child(path, "featureGates"), "kube-proxy", minor
    )
    # One document serves the nodes of every platform: kube-proxy of Windows takes kernelspace.
    yield from one_of(document, "mode", path, *_LINUX_MODES, "kernelspace")
    # What the cluster's document says, then what this one says.
    gates = {**mapping(inherited, "featureGates"), **mapping(document, "featureGates")}
    if minor >= _IPVS_GATE_MINOR and text(document, "mode") == "ipvs":
        yield from _gated_mode("KubeProxyIPVS", path, minor, gates)
    if minor < _NFTABLES_MINOR and text(document, "mode") == "nftables":
        yield from _gated_mode("NFTablesProxyMode", path, minor, gates)
    yield from one_of(document, "detectLocalMode", path, *_LOCAL)
    # kube-proxy does not validate the section of a mode that it does not run in.
    mode = text(document, "mode") or text(inherited, "mode")
    # masqueradeBit of iptables is validated in every mode: ipvs uses it as well.
    for name in ("iptables", *(("nftables",) if mode == "nftables" else ())):
        yield from between(mapping(document, name), "masqueradeBit", child(path, name), 0, 31)
    for name in ("iptables", *((mode,) if mode in ("ipvs", "nftables") else ())):
        yield from _periods(mapping(document, name), child(path, name), 0 if name == "ipvs" else 1)
    ipvs, at = mapping(document, "ipvs") if mode == "ipvs" else {}, child(path, "ipvs")
    yield from not_negative(ipvs, at, "tcpTimeout", "tcpFinTimeout", "udpTimeout")
    for cidr, place in strings(ipvs, "excludeCIDRs", at):
        if not is_range(cidr):
            yield refused(place, "is not a range of addresses such as 10.0.0.0/8")
    conntrack, at = mapping(document, "conntrack"), child(path, "conntrack")
    yield from between(conntrack, "maxPerCore", at, 0)
    yield from between(conntrack, "min", at, 0)
    yield from not_negative(
        conntrack,
        at,
        "tcpEstablishedTimeout",
        "tcpCloseWaitTimeout",
        "udpTimeout",
        "udpStreamTimeout",
    )
    yield from between(document, "oomScoreAdj", path, -1000, 1000)
    yield from between(
        mapping(document, "clientConnection"), "burst", child(path, "clientConnection"), 0
    )
    sync = length_of_time(document, "configSyncPeriod")
    # 0 means the default.
    if sync is not None and sync < 0:
        yield refused(child(path, "configSyncPeriod"), "must be more than 0s")
    if minor < _PORT_RANGE_IGNORED and text(document, "portRange"):
        from machineadm.config.passed_on.flags import port_range_problem

        if problem := port_range_problem(text(document, "portRange")):
            yield refused(child(path, "portRange"), problem)
    yield from _addresses(document, path, minor)
    yield from metrics_version(document, path, minor)
    place = child(path, "logging")
    yield from logging(mapping(document, "logging"), place, "kube-proxy", minor, gates)
    yield from _local(document, path, minor)


def _gated_mode(gate: str, path: str, minor: int, gates: Mapping[str, Any]) -> Iterator[Finding]:
    if not is_on(gate, "kube-proxy", minor, gates):
        yield refused(child(path, "mode"), f"needs the feature gate {gate}")


def _periods(backend: dict[str, Any], path: str, usual: float) -> Iterator[Finding]:
    """How often rules are written.

    Args:
        backend: The section of the mode.
        path: Where it is.
        usual: Seconds of `minSyncPeriod` where none are given.
    """
    period, least = length_of_time(backend, "syncPeriod"), length_of_time(backend, "minSyncPeriod")
    if period is not None and period < 0:
        yield refused(child(path, "syncPeriod"), "must be more than 0s")
    if least is not None and least < 0:
        yield refused(child(path, "minSyncPeriod"), "must not be negative")
    # syncPeriod is 30s where none is given; the shortest one is 1s, or 0s with ipvs.
    elif (least or usual) > (period or 30) >= 0:
        name = "minSyncPeriod" if least else "syncPeriod"
        words = (
            "must not be longer than syncPeriod (default 30s)"
            if least
            else f"must not be shorter than minSyncPeriod (default {usual:g}s)"
        )
        yield refused(child(path, name), words)


def _addresses(document: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    bind = text(document, "bindAddress")
    if bind and not is_address(bind):
        yield refused(child(path, "bindAddress"), "is not an IP address")
    for name in ("healthzBindAddress", "metricsBindAddress"):
        given = text(document, name)
        if given and (problem := _host_port(given)):
            yield refused(child(path, name), problem)
    yield from _node_ports(document, path, minor)


def _node_ports(document: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    # Keywords for addresses of the node (validateKubeProxyNodePortAddress).
    words = ("primary", *(("localhost", "all") if minor >= _MORE_KEYWORDS else ()))
    seen = Once()
    given = list(strings(document, "nodePortAddresses", path))
    for each, at in given:
        if each in words and minor < _MORE_KEYWORDS:
            if len(given) > 1:
                yield refused(at, f"{each} must be the only one")
            return  # what follows is not read
        if each in words:
            yield from seen.again(each, at)
        elif not is_range(each):
            yield refused(at, f"is not a range of addresses, nor {' or '.join(words)}")


_INTERFACES: Final = (
    ("BridgeInterface", "bridgeInterface"),
    ("InterfaceNamePrefix", "interfaceNamePrefix"),
)


def _local(document: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    """How kube-proxy tells traffic of its own pods."""
    mode, cidr = text(document, "detectLocalMode"), text(document, "clusterCIDR")
    local, at = mapping(document, "detectLocal"), child(path, "detectLocal")
    for wanted, name in _INTERFACES:
        if mode == wanted:
            yield from required(local, at, name)
    # The field is in many old documents and ignored by newer versions: not a mistake.
    if not cidr or (mode != "ClusterCIDR" and minor >= _LOCAL_CIDR_MINOR):
        return
    parts, at = cidr.split(","), child(path, "clusterCIDR")
    if not all(map(is_range, parts)):
        yield refused(at, "is not a range of addresses, or two of them", "10.0.0.0/8,fd00::/48")
    elif len(parts) > 2 or len({":" in part for part in parts}) != len(parts):
        yield refused(at, "must be one range, or one of IPv4 and one of IPv6")


# Nothing has used it since userspace proxying went, and from here on it is not looked at either.
_PORT_RANGE_IGNORED: Final = 31
_MORE_KEYWORDS: Final = 37


def _host_port(text_: str) -> str:
    if is_address(text_):
        return ""  # kube-proxy adds the port
    host, colon, port = text_.rpartition(":")
    closed = host.startswith("[") == host.endswith("]")
    if not colon or not host or not closed or (":" in host and not host.startswith("[")):
        return "must be an address and a port: 0.0.0.0:10249"
    if not is_address(host.strip("[]")):
        return "must have an IP address before its port"
    return (
        ""
        if port.isascii() and port.isdecimal() and 0 < int(port[:6]) < 65536
        else "must have a port from 1 to 65535"
    )
