"""One verdict: what the API server says of an object is what msgspec and the declared rules say."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from crdgen.generate.definitions import definition
from crdgen.generate.docstrings import Docs
from machineadm.api.resources import RULES, Resource, Version
from tests.judges import judges
from tests.verdicts import agent_takes, objects, structs

EACH = 16
DOCS = Docs()


def definition_of(cls: type[msgspec.Struct]) -> str:
    """A definition whose spec is of that type."""
    fields: list[Any] = [("api_version", str), ("kind", str), ("spec", cls)]
    kind = msgspec.defstruct("Judged", fields, rename="camel")
    resource = Resource(
        group="example.com",
        plural="judgeds",
        labels={},
        status=False,
        defaults=False,
        descriptions=0,  # some types alone are larger than a definition may be
        versions=(Version(name="v1", type=kind),),  # type: ignore[arg-type]  # not one of ours
    )
    return json.dumps(definition(resource, DOCS, RULES))


def instance(spec: Any) -> dict[str, Any]:
    head = {"apiVersion": "example.com/v1", "kind": "Judged"}
    return {**head, "metadata": {"name": "a", "namespace": "default"}, "spec": spec}


# hypothesis describes a strategy when it gives up a value, and those of our largest types are long.
@pytest.mark.filterwarnings("ignore:Generating overly large repr")
def test_the_api_server_and_the_types_agree_on_every_object() -> None:
    types = structs()
    specs = [objects(cls, EACH) for cls in types]
    requests = [
        (definition_of(cls), [{"object": instance(spec)} for spec in each])
        for cls, each in zip(types, specs, strict=True)
    ]

    verdicts = judges.crd_validate(requests)

    taken, refused, disagreements = 0, 0, []
    for cls, each, verdict in zip(types, specs, verdicts, strict=True):
        assert verdict["errors"] == [], (cls, verdict["errors"])
        for spec, judged in zip(each, verdict["objects"], strict=True):
            theirs = judged["ok"] and not judged["pruned"]
            ours = agent_takes(cls, spec)
            taken, refused = taken + theirs, refused + (not theirs)
            if ours != theirs:
                disagreements.append(
                    f"{cls.__name__}: types {ours}, API server {judged['errors']}, pruned {judged['pruned']}:"
                    f" {json.dumps(spec)[:600]}"
                )
    assert disagreements == []
    assert taken + refused >= 2000
    assert min(taken, refused) >= 500


def test_a_definition_that_lost_a_bound_would_be_noticed() -> None:
    from machineadm.api.v1alpha1.users import Group

    (verdict,) = judges.crd_validate(
        [
            (
                definition_of(Group).replace('"maxLength": 32', '"maxLength": 99'),
                [{"object": instance({"name": "g" * 40})}],
            )
        ]
    )

    assert verdict["objects"][0]["ok"]
    assert not agent_takes(Group, {"name": "g" * 40})
