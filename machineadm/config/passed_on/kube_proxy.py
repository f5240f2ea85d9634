"""kube-proxy's validation of its KubeProxyConfiguration (k8s.io/kubernetes, pkg/proxy/apis/config/validation)."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.logging import logging, metrics_version
from machineadm.config.passed_on.values import (
    between,
    length_of_time,
    mapping,
    not_negative,
    one_of,
    refused,
    strings,
    text,
)
from machineadm.config.paths import child
from machineadm.config.upstream.gates import problems as gate_problems

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
    yield from one_of(document, "detectLocalMode", path, *_LOCAL)
    # kube-proxy does not validate the section of a mode that it does not run in.
    mode = text(document, "mode") or text(inherited, "mode")
    for name in ("iptables", *(("nftables",) if mode == "nftables" else ())):
        yield from between(mapping(document, name), "masqueradeBit", child(path, name), 0, 31)
    for name in ("iptables", *((mode,) if mode in ("ipvs", "nftables") else ())):
        yield from _periods(mapping(document, name), child(path, name))
    ipvs, at = mapping(document, "ipvs") if mode == "ipvs" else {}, child(path, "ipvs")
    yield from not_negative(ipvs, at, "tcpTimeout", "tcpFinTimeout", "udpTimeout")
    for cidr, place in strings(ipvs, "excludeCIDRs", at):
        if not _is_range(cidr):
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
    if sync is not None and sync < 0:
        yield refused(child(path, "configSyncPeriod"), "must be more than 0s")
    yield from _addresses(document, path, minor)
    yield from metrics_version(document, path, minor)
    yield from logging(mapping(document, "logging"), child(path, "logging"))


def _periods(backend: dict[str, Any], path: str) -> Iterator[Finding]:
    period, least = length_of_time(backend, "syncPeriod"), length_of_time(backend, "minSyncPeriod")
    if period is not None and period < 0:
        yield refused(child(path, "syncPeriod"), "must be more than 0s")
    if least is not None and least < 0:
        yield refused(child(path, "minSyncPeriod"), "must not be negative")
    elif least is not None and least > (period or 30) >= 0:
        yield refused(
            child(path, "minSyncPeriod"), "must not be longer than syncPeriod (default 30s)"
        )


def _addresses(document: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    bind = text(document, "bindAddress")
    if bind and not _is_address(bind):
        yield refused(child(path, "bindAddress"), "is not an IP address")
    for name in ("healthzBindAddress", "metricsBindAddress"):
        given = text(document, name)
        if given and (problem := _host_port(given)):
            yield refused(child(path, name), problem)
    words = ("primary", *(("localhost", "all") if minor >= _MORE_KEYWORDS else ()))
    for each, at in strings(document, "nodePortAddresses", path):
        if each not in words and not _is_range(each):
            yield refused(at, f"is not a range of addresses, nor {' or '.join(words)}")
    asked = text(document, "detectLocalMode") == "ClusterCIDR"
    cidr = text(document, "clusterCIDR") if asked else ""
    for part in cidr.split(",") if cidr else ():
        if not _is_range(part.strip()):
            yield refused(child(path, "clusterCIDR"), "is not a range of addresses, or two of them")


_MORE_KEYWORDS: Final = 37


def _is_range(cidr: str) -> bool:
    from ipaddress import ip_network

    try:
        ip_network(_without_zeros(cidr), strict=False)
    except ValueError:
        return False
    return "/" in cidr


def _is_address(text_: str) -> bool:
    from ipaddress import ip_address

    try:
        ip_address(_without_zeros(text_))
    except ValueError:
        return False
    return True


def _without_zeros(text_: str) -> str:
    """Kubernetes still reads 010.0.0.1 as 10.0.0.1; Python refuses it."""
    import re

    return re.sub(r"(?<![0-9A-Fa-f:.])0+(?=[0-9])|(?<=\.)0+(?=[0-9])", "", text_)


def _host_port(text_: str) -> str:
    if _is_address(text_.strip("[]")):
        return ""  # kube-proxy adds the port
    host, colon, port = text_.rpartition(":")
    if not colon or not host or (":" in host and not host.startswith("[")):
        return "must be an address and a port: 0.0.0.0:10249"
    if not _is_address(host.strip("[]")):
        return "must have an IP address before its port"
    return (
        ""
        if port.isascii() and port.isdigit() and 0 < int(port[:6]) < 65536
        else "must have a port from 1 to 65535"
    )
