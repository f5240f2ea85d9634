"""What components share: their logs (k8s.io/component-base, logs/api/v1), their metrics' versions, their traces."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.config.passed_on.values import between, maps, one_of, refused, required, text
from machineadm.config.paths import child

_MOST_VERBOSE: Final = 2147483647


def logging(document: dict[str, Any], path: str) -> Iterator[Finding]:
    """A LoggingConfiguration."""
    yield from one_of(document, "format", path, "text", "json")
    yield from between(document, "verbosity", path, 0, _MOST_VERBOSE)
    modules = list(maps(document, "vmodule", path))
    if modules and text(document, "format") == "json":
        yield refused(child(path, "vmodule"), "is for format text alone")
    for each, at in modules:
        yield from required(each, at, "filePattern")
        if set("=,") & set(text(each, "filePattern")):
            yield refused(child(at, "filePattern"), "must have no equals sign and no comma")


def metrics_version(document: dict[str, Any], path: str, minor: int) -> Iterator[Finding]:
    """Hidden metrics are those of the preceding minor version, no others."""
    given = text(document, "showHiddenMetricsForVersion")
    if given and given != f"1.{minor - 1}":
        at = child(path, "showHiddenMetricsForVersion")
        yield refused(at, f"must be 1.{minor - 1}, the version before", "or leave it out")


def tracing(document: dict[str, Any], path: str) -> Iterator[Finding]:
    """A TracingConfiguration (k8s.io/component-base, tracing/api/v1)."""
    rate = document.get("samplingRatePerMillion")
    if isinstance(rate, int) and not 0 <= rate <= 1_000_000:
        yield refused(child(path, "samplingRatePerMillion"), "must be between 0 and 1000000")
    endpoint = text(document, "endpoint")
    scheme = re.match(r"([a-z][a-z0-9+.-]*)://", endpoint)
    if scheme and scheme[1] not in ("dns", "unix", "unix-abstract"):
        at = child(path, "endpoint")
        yield refused(at, "must be host:port, dns:, unix: or unix-abstract:, without http")
