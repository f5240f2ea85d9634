"""A walk over all types of the api, by msgspec's own view of them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import msgspec
from msgspec import inspect

from machineadm.api.resources import RESOURCES
from machineadm.api.scheme import KINDS
from machineadm.api.v1alpha1.status import BootstrapStatus


class Place(NamedTuple):
    """A type where it is used."""

    path: str  # Struct.wireName, with [] for items and {} and {}= for keys and values of a map
    type: inspect.Type
    extra: dict[str, Any]


def structs() -> list[type[msgspec.Struct]]:
    """Every Struct that a kind is made of."""
    found: dict[type[msgspec.Struct], None] = {}
    managed = [version.type for resource in RESOURCES for version in resource.versions]
    for kind in (*KINDS.values(), BootstrapStatus, *managed):
        _collect(inspect.type_info(kind), found)
    return list(found)


def places() -> Iterator[Place]:
    """Every type below every field of every Struct, each Struct once."""
    for struct in structs():
        info = inspect.type_info(struct)
        assert isinstance(info, inspect.StructType)
        for field in info.fields:
            yield from _places(field.type, f"{struct.__name__}.{field.encode_name}", {})


def _places(type_: inspect.Type, path: str, extra: dict[str, Any]) -> Iterator[Place]:
    if isinstance(type_, inspect.Metadata):
        yield from _places(type_.type, path, {**extra, **(type_.extra or {})})
        return
    if isinstance(type_, inspect.UnionType):
        for each in type_.types:
            yield from _places(each, path, extra)
        return
    yield Place(path, type_, extra)
    if isinstance(type_, inspect.VarTupleType):
        yield from _places(type_.item_type, path + "[]", {})
    elif isinstance(type_, inspect.DictType) and not isinstance(type_.value_type, inspect.AnyType):
        yield from _places(type_.key_type, path + "{}", {})
        yield from _places(type_.value_type, path + "{}=", {})


def _collect(type_: inspect.Type, found: dict[type[msgspec.Struct], None]) -> None:
    if isinstance(type_, inspect.Metadata):
        _collect(type_.type, found)
    elif isinstance(type_, inspect.UnionType):
        for each in type_.types:
            _collect(each, found)
    elif isinstance(type_, inspect.VarTupleType):
        _collect(type_.item_type, found)
    elif isinstance(type_, inspect.DictType):
        _collect(type_.value_type, found)
    elif isinstance(type_, inspect.StructType) and type_.cls not in found:
        found[type_.cls] = None
        for field in type_.fields:
            _collect(field.type, found)
