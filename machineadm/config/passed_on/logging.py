"""What components share: their logs (k8s.io/component-base, logs/api/v1), their metrics' versions, their traces."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.values import (
    amount,
    between,
    is_url,
    mapping,
    maps,
    one_of,
    refused,
    required,
    text,
)
from machineadm.config.paths import child
from machineadm.config.upstream.gates import is_on
from machineadm.config.upstream.walk import duration_seconds
from machineadm.config.versions import FLUSHED_MINOR

_MOST_VERBOSE: Final = 2147483647


def logging(
    document: dict[str, Any], path: str, program: str, minor: int, gates: Mapping[str, Any]
) -> Iterator[Finding]:
    """Judge a LoggingConfiguration.

    Args:
        document: The configuration.
        path: Where it is.
        program: Whose it is: `kubelet`.
        minor: The minor version of Kubernetes 1.
        gates: The feature gates that the program is given.
    """
    yield from one_of(document, "format", path, "text", "json")
    yield from between(document, "verbosity", path, 0, _MOST_VERBOSE)
    modules = list(maps(document, "vmodule", path))
    # klog's own feature, which zap's JSON does not have.
    if modules and text(document, "format") not in ("", "text"):
        yield refused(child(path, "vmodule"), "is only for format text")
    for each, at in modules:
        yield from required(each, at, "filePattern")
        if set("=,") & set(text(each, "filePattern")):
            yield refused(child(at, "filePattern"), "must have no equals sign and no comma")
        yield from between(each, "verbosity", at, 0, _MOST_VERBOSE)
    # Nanoseconds, or a duration; 0 is the default.
    flush = document.get("flushFrequency")
    if isinstance(flush, str):
        flush = duration_seconds(flush)
    if minor >= FLUSHED_MINOR and isinstance(flush, (int, float)) and flush < 0:
        yield refused(child(path, "flushFrequency"), "must not be negative")
    # These two may change without notice, so they are behind a gate.
    if not is_on("LoggingAlphaOptions", program, minor, gates):
        options, at = mapping(document, "options"), child(path, "options")
        for name in ("text", "json"):
            part, below = mapping(options, name), child(at, name)
            if part.get("splitStream") is True:
                yield refused(child(below, "splitStream"), _ALPHA)
            if amount(part.get("infoBufferSize")):
                yield refused(child(below, "infoBufferSize"), _ALPHA)


_ALPHA: Final = "needs the feature gate LoggingAlphaOptions"


def metrics_version(document: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    """Hidden metrics are those of the preceding minor version, no others."""
    given = text(document, "showHiddenMetricsForVersion")
    if given and given != f"1.{minor - 1}":
        at = child(path, "showHiddenMetricsForVersion")
        yield refused(at, f"must be 1.{minor - 1}, the version before", "or leave it out")


def tracing(document: dict[str, Any], path: str) -> Iterator[Finding]:
    """A TracingConfiguration (k8s.io/component-base, tracing/api/v1)."""
    # Per million, so that a rate is an integer in an API.
    rate = document.get("samplingRatePerMillion")
    if isinstance(rate, int) and not 0 <= rate <= 1_000_000:
        yield refused(child(path, "samplingRatePerMillion"), "must be between 0 and 1000000")
    endpoint = text(document, "endpoint")
    at = child(path, "endpoint")
    # gRPC's syntax of targets: without a scheme it is a name for DNS.
    whole = endpoint if "//" in endpoint else f"dns://{endpoint}"
    if whole.partition(":")[0].lower() not in ("dns", "unix", "unix-abstract"):
        yield refused(at, "must be host:port, dns:, unix: or unix-abstract:, without http")
    elif not is_url(whole):
        yield refused(at, "is not host:port")
