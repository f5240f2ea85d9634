"""Where a type of ours has a counterpart in Kubernetes, the two say the same, but for what is written down here.

Ours are narrower on purpose: bounds, patterns, enumerations and secrets are not compared, names and kinds of values are.
"""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType
from typing import Any, NamedTuple

import msgspec
import pytest
from msgspec import inspect

from machineadm.api import meta
from machineadm.api.infrastructure.v1alpha1 import store
from machineadm.api.v1alpha1 import cluster, machine_bootstrap, node, status
from machineadm.config import upstream
from machineadm.redaction import Secret
from tests.upstream import kubelet_types, kubernetes

SYSTEM = (
    "filled in by the API server or by controllers, which have no hand in a document on a machine"
)
EMPTY_NAME = "Kubernetes allows an empty name for old objects alone; one here can only be a mistake"

NOTHING: Mapping[str, str] = MappingProxyType({})


class Pair(NamedTuple):
    """A type of ours and its counterpart."""

    ours: type
    theirs: type
    absent: Mapping[str, str] = NOTHING
    """Fields that only Kubernetes has, and why."""
    required: Mapping[str, str] = NOTHING
    """Fields that only one of the two requires, and why."""
    kinds: Mapping[str, str] = NOTHING
    """Fields whose values are of another kind, and why."""


PAIRS = [
    Pair(
        meta.ObjectMeta,
        kubernetes.ObjectMeta,
        absent={
            "creationTimestamp": SYSTEM,
            "deletionGracePeriodSeconds": SYSTEM,
            "deletionTimestamp": SYSTEM,
            "finalizers": SYSTEM,
            "generateName": "nothing generates a name on a machine",
            "generation": SYSTEM,
            "managedFields": SYSTEM,
            "ownerReferences": SYSTEM,
            "resourceVersion": SYSTEM,
            "selfLink": SYSTEM,
            "uid": SYSTEM,
        },
    ),
    Pair(
        status.Condition,
        kubernetes.Condition,
        required={"message": "an empty one is left out of a report, and means the same"},
    ),
    Pair(
        node.Taint,
        kubernetes.Taint,
        absent={"timeAdded": "set by the controller that evicts, never by who registers a node"},
    ),
    Pair(
        meta.KeyReference,
        kubernetes.SecretKeySelector,
        absent={"optional": "a value that is asked for is needed"},
        required={"name": EMPTY_NAME},
    ),
    Pair(
        meta.KeyReference,
        kubernetes.ConfigMapKeySelector,
        absent={"optional": "a value that is asked for is needed"},
        required={"name": EMPTY_NAME},
    ),
    Pair(cluster.OptionalKeyReference, kubernetes.SecretKeySelector, required={"name": EMPTY_NAME}),
    Pair(
        cluster.OptionalKeyReference, kubernetes.ConfigMapKeySelector, required={"name": EMPTY_NAME}
    ),
    Pair(store.SecretReference, kubernetes.LocalObjectReference, required={"name": EMPTY_NAME}),
    Pair(
        machine_bootstrap.InfrastructureReference,
        kubernetes.TypedLocalObjectReference,
        required={"apiGroup": "stores have a group; without one the core group would be meant"},
    ),
    Pair(cluster.FieldReference, kubernetes.ObjectFieldSelector),
    Pair(
        cluster.ResourceReference,
        kubernetes.ResourceFieldSelector,
        kinds={"divisor": "a quantity is a string, as everywhere in our documents"},
    ),
    Pair(cluster.FileKeyReference, kubernetes.FileKeySelector),
    Pair(cluster.ContainerVariableSource, kubernetes.EnvVarSource),
    Pair(cluster.ContainerVariable, kubernetes.EnvVar),
]

COUNTERPARTS = {(pair.ours, pair.theirs) for pair in PAIRS}


def bare(type_: inspect.Type) -> Any:
    """A type without metadata, None and UNSET."""
    while isinstance(type_, inspect.Metadata):
        type_ = type_.type
    if isinstance(type_, inspect.UnionType):
        some = [bare(t) for t in type_.types if not isinstance(t, inspect.NoneType)]
        return some[0] if len(some) == 1 else inspect.UnionType(tuple(some))
    return type_


def same_kind(ours: inspect.Type, theirs: inspect.Type) -> bool:
    """Whether every value of ours is, in JSON, of the kind that Kubernetes expects, and all of it is covered."""
    match bare(ours), bare(theirs):
        case inspect.StructType() as one, inspect.StructType() as other:
            return (one.cls, other.cls) in COUNTERPARTS
        case inspect.DictType() as one, inspect.DictType() as other:
            return same_kind(one.value_type, other.value_type)
        case one, other:
            return in_json(one) == in_json(other) != ""


def in_json(type_: inspect.Type) -> str:
    match type_:
        case inspect.StrType():
            return "string"
        case inspect.LiteralType(values=values) if all(isinstance(value, str) for value in values):
            return "string"
        case inspect.CustomType(cls=cls) if cls is Secret:
            return "string"
        case inspect.IntType():
            return "integer"
        case inspect.BoolType():
            return "boolean"
        case _:
            return ""


def fields(cls: type) -> dict[str, inspect.Field]:
    type_ = inspect.type_info(cls)
    assert isinstance(type_, inspect.StructType)
    return {field.encode_name: field for field in type_.fields}


def compared(pair: Pair) -> list[str]:
    """What differs without being written down, and what is written down but does not differ."""
    ours, theirs = fields(pair.ours), fields(pair.theirs)
    both = ours.keys() & theirs.keys()
    found = {
        "absent": theirs.keys() - ours.keys(),
        "required": {name for name in both if ours[name].required != theirs[name].required},
        "kinds": {name for name in both if not same_kind(ours[name].type, theirs[name].type)},
    }
    said = {"absent": pair.absent, "required": pair.required, "kinds": pair.kinds}
    unknown = [f"unknown to Kubernetes: {name}" for name in sorted(ours.keys() - theirs.keys())]
    return unknown + [
        f"{what}: {name}" for what in found for name in sorted(found[what] ^ said[what].keys())
    ]


@pytest.mark.parametrize("pair", PAIRS, ids=lambda p: f"{p.ours.__name__}-{p.theirs.__name__}")
def test_our_type_says_what_kubernetes_says(pair: Pair) -> None:
    assert compared(pair) == []


def test_what_differs_is_told() -> None:
    planted = msgspec.defstruct(
        "Planted",
        [
            ("kye", str),
            ("effect", int),
            ("value", str),
            ("time_added", str | None, None),
        ],
        rename="camel",
    )

    assert compared(Pair(planted, kubernetes.Taint, absent={"effect": "a stale word"})) == [
        "unknown to Kubernetes: kye",
        "absent: effect",
        "absent: key",
        "required: value",
        "kinds: effect",
    ]


FIELDS = upstream.fields()["types"]["kubelet.KubeletConfiguration"]


def test_the_generated_type_of_a_kubelet_has_the_same_fields() -> None:
    generated = {
        field.encode_name for field in msgspec.structs.fields(kubelet_types.KubeletConfiguration)
    }

    assert generated == {name for name, entry in FIELDS.items() if upstream.at(entry, 34)}


def test_our_own_fields_of_a_kubelet_are_its_own() -> None:
    # An argument of the kubelet, beside its configuration.
    argument = {"nodeIP", "nodeIPFrom"}
    fields = {field.encode_name for field in msgspec.structs.fields(node.NodeKubelet)}
    ours = fields - {"config"} - argument

    assert ours - FIELDS.keys() == set()
