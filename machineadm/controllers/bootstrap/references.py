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
    # Whatever type has such a field, also one that is added later: a list of paths would be
    # forgotten once, and its machine would wait for ever.
    found = set(_below(spec))
    machine = spec.machine
    # These two are plain names and not KeyReferences, as the proposal has them.
    if machine.bootstrapper_template_config_map_name:
        found.add(("ConfigMap", machine.bootstrapper_template_config_map_name))
    if machine.bootstrapper_template_secret_name:
        found.add(("Secret", machine.bootstrapper_template_secret_name))
    # Sorted: they are read in this order, and the data is derived from what is read.
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
