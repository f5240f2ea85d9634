"""All problems of a configuration that one field alone does not show, in one pass."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from typing import Final

import msgspec
from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.pruned import PrunedError
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config import support
from machineadm.config.model import Mode
from machineadm.config.paths import holds_pruned, structs_in
from machineadm.config.rules import (
    cluster,
    commands,
    files,
    kubernetes,
    machine,
    versions,
    writers,
)
from machineadm.config.rules.model import Context, Rule, Rules

THEMES: Final = {
    "machineadm.api.v1alpha1.control_plane": "machineadm.config.rules.control_plane",
    "machineadm.api.v1alpha1.node": "machineadm.config.rules.node",
}
"""Rules that look at the types of one module alone: loaded where the configuration has one of them."""


def check(
    configuration: MachineConfiguration,
    *,
    mode: Mode = "provisioning",
    kubernetes_version: str | None = None,
) -> list[Finding]:
    """Every finding of every rule, in the order of the configuration's fields.

    Args:
        configuration: As decoded. What could not be decoded is `PRUNED` in it; a rule that would have to
            know it says nothing.
        mode: `preparation` does without Kubernetes.
        kubernetes_version: A version to judge by in place of `spec.kubernetes.version`: "v1.34.4".
    """
    context = Context(configuration=configuration, mode=mode, kubernetes_version=kubernetes_version)
    structs = list(structs_in(configuration.spec, "spec"))
    chosen = tables({type(value).__module__ for value, _ in structs})
    return [
        finding
        for value, path in structs
        for table in chosen
        for rule in table.get(type(value), ())
        for finding in _run(rule, value, path, context)
    ]


def tables(modules: set[str]) -> tuple[Rules, ...]:
    """The rules of all themes that may have to say something, by the type that each looks at.

    Args:
        modules: Those whose types the configuration has.
    """
    themes: list[Rules] = [
        import_module(rules).RULES for types, rules in THEMES.items() if types in modules
    ]
    return (
        support.RULES,
        machine.RULES,
        files.RULES,
        commands.RULES,
        kubernetes.RULES,
        cluster.RULES,
        *themes,
        versions.RULES,
        writers.RULES,
    )


def _run(rule: Rule, value: msgspec.Struct, path: str, context: Context) -> Iterator[Finding]:
    """A rule's findings, their paths made absolute, up to where it meets something pruned.

    Raises:
        TypeError: The rule itself is at fault; nothing is pruned.
    """
    try:
        for finding in rule(value, context):
            yield replace(finding, path=_join(path, finding.path))
    except PrunedError:
        return
    except TypeError:
        # Functions written in C take PRUNED for any object of a wrong type.
        if not holds_pruned(context.configuration):
            raise


def _join(path: str, relative: str) -> str:
    return path + relative if relative.startswith("[") or not relative else f"{path}.{relative}"
