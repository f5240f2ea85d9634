"""Which Secrets and ConfigMaps a MachineBootstrap refers to, so that a change of one wakes who waits for it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Literal

import msgspec

from machineadm.api.meta import KeyReference
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrapSpec
from machineadm.rendering.objects import ObjectKind

Reference = tuple[ObjectKind, str]
"""Kind and name of what is referred to, in the namespace of who refers to it."""

_KINDS: dict[str, Literal["Secret", "ConfigMap"]] = {"secret": "Secret", "config_map": "ConfigMap"}


def references_of(spec: MachineBootstrapSpec) -> tuple[Reference, ...]:
    """Every object that a spec refers to, once each, in a fixed order."""
    found = set(_below(spec))
    machine = spec.machine
    if machine.bootstrapper_template_config_map_name:
        found.add(("ConfigMap", machine.bootstrapper_template_config_map_name))
    if machine.bootstrapper_template_secret_name:
        found.add(("Secret", machine.bootstrapper_template_secret_name))
    return tuple(sorted(found))


def _below(value: Any) -> Iterator[Reference]:
    if isinstance(value, msgspec.Struct):
        for field in value.__struct_fields__:
            given = getattr(value, field)
            if isinstance(given, KeyReference) and field in _KINDS:
                yield _KINDS[field], given.name
            else:
                yield from _below(given)
    elif isinstance(value, dict):
        for below in value.values():
            yield from _below(below)
    elif isinstance(value, (list, tuple)):
        for below in value:
            yield from _below(below)
