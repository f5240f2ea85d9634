"""References of a configuration: all are found, and each value comes to stand in its field."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from machineadm.api.meta import ValueSource
from machineadm.api.pruned import PRUNED
from machineadm.config.paths import structs_in
from machineadm.config.references import filled, references
from machineadm.redaction import Secret
from tests.configurations import configuration, example
from tests.typewalk import structs

SOURCE = ValueSource(instance_data="$(host.name)")


def twins() -> list[tuple[type[msgspec.Struct], str]]:
    return [
        (type_, field.name)
        for type_ in structs()
        for field in msgspec.structs.fields(type_)
        if field.name.endswith("_from") and "ValueSource" in str(field.type)
    ]


@pytest.mark.parametrize(("type_", "name"), twins(), ids=lambda one: getattr(one, "__name__", one))
def test_every_twin_of_every_type_is_found_and_filled(
    type_: type[msgspec.Struct], name: str
) -> None:
    fields = {field.name: field for field in msgspec.structs.fields(type_)}
    shape = str(fields[name].type)
    given: Any = {"X": SOURCE} if "dict" in shape else (SOURCE,) if "tuple" in shape else SOURCE
    required = {one.name: PRUNED for one in fields.values() if one.required and one.name != name}
    value = type_(**required, **{name: given})

    (reference,) = references(value, "spec")
    found: Any = {"a": 1} if reference.target == "object" else "text"
    done = filled(value, {reference.path: found}, "spec")

    assert references(done, "spec") == ()
    twin = getattr(done, name.removesuffix("_from"))
    item = twin["X"] if "dict" in shape else twin[-1] if "tuple" in shape else twin
    assert (item.reveal() if isinstance(item, Secret) else item) == found


def test_a_list_keeps_what_is_there_before_what_is_filled_in_and_its_order() -> None:
    spec = configuration(
        {
            "kubernetes.controlPlane.apiServer.certSANs": ["a"],
            "kubernetes.controlPlane.apiServer.certSANsFrom": [
                {"instanceData": "$(host.name)"},
                {"instanceData": "$(host.fqdn)"},
            ],
        }
    ).spec
    first, second = (one.path for one in references(spec))

    done = filled(spec, {first: "b", second: "c"})

    assert done.kubernetes is not None
    assert done.kubernetes.control_plane is not None
    assert done.kubernetes.control_plane.api_server is not None
    assert done.kubernetes.control_plane.api_server.cert_sans == ("a", "b", "c")


def test_two_references_that_say_the_same_are_filled_one_by_one() -> None:
    same = {"instanceData": "$(host.name)"}
    spec = configuration({"kubernetes.controlPlane.apiServer.certSANsFrom": [same, same]}).spec
    first, second = (one.path for one in references(spec))

    once = filled(spec, {second: "b"})

    assert [one.path for one in references(once)] == [first]


def test_a_value_that_nobody_gives_leaves_its_reference() -> None:
    spec = configuration({"kubernetes.node.nameFrom": {"instanceData": "$(host.name)"}}).spec

    assert filled(spec, {}) is spec


def test_bytes_in_a_file_travel_in_base64() -> None:
    spec = configuration(
        {"machine.files": [{"path": "/a", "contentFrom": {"instanceData": "$(host.name)"}}]}
    ).spec
    (reference,) = references(spec)

    (file,) = filled(spec, {reference.path: b"\xff\x00"}).machine.files

    assert (file.content, file.encoding) == ("/wA=", "base64")


def test_the_example_has_nothing_left_when_it_is_filled() -> None:
    spec = example("instance-data/control-plane.yaml").spec
    found = references(spec)

    done = filled(spec, {one.path: "x" for one in found})

    assert len(found) == 12
    assert not any(isinstance(value, ValueSource) for value, _ in structs_in(done, "spec"))
