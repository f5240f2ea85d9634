"""What a rule is given and what it gives."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config.model import Mode
from machineadm.semver import Semver


class Context(msgspec.Struct, frozen=True, kw_only=True):
    """The whole that a value is part of."""

    configuration: MachineConfiguration
    mode: Mode
    kubernetes_version: str | None
    """The version to judge by, instead of the configuration's own."""

    deadline: float | None = None
    """Seconds that the command line gives the run, instead of the configuration's own deadline."""

    read: Callable[[str], tuple[list[Any], str]] | None = None
    """Gives the documents of a YAML text as plain values, or in words what is wrong with it; None where nobody reads for the rules."""

    allow_unknown_version: bool = False
    """The command line allows a Kubernetes that is newer than this release knows."""

    @property
    def kubernetes(self) -> KubernetesConfig | None:
        """The machine's part in a cluster.

        Raises:
            PrunedError: It could not be decoded.
        """
        # A property: rules ask for it where they need it, so what is pruned ends only those.
        return self.configuration.spec.kubernetes


Rule = Callable[[Any, Context], Iterator[Finding]]
"""Looks at one value of the type it is registered for."""

Rules = Mapping[type[msgspec.Struct] | str, tuple[Rule, ...]]
"""By the type that they look at; by its name where that need not be imported."""


def finding(code: str, path: str, message: str, hint: str = "") -> Finding:
    """A finding at a path relative to the value that a rule looks at: `path`, `keys[0].name`, or empty."""
    return Finding(code=code, path=path, message=message, hint=hint)


def warning(code: str, path: str, message: str, hint: str = "") -> Finding:
    """A finding that is shown but does not stop the run."""
    return Finding(code=code, path=path, message=message, severity="warning", hint=hint)


def asked_version(context: Context) -> Semver | None:
    """The version of Kubernetes to judge by; None where it is not a version, which is reported elsewhere.

    Raises:
        PrunedError: It could not be decoded.
    """
    kubernetes = context.kubernetes
    # `validate --kubernetes-version` asks what another version would say.
    asked = context.kubernetes_version or (kubernetes.version if kubernetes is not None else "")
    try:
        return Semver.parse(asked)
    except ValueError:
        return None
