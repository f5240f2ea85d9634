"""Field paths, and walks along them."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest
from msgspec.structs import replace

from machineadm.api.pruned import PRUNED
from machineadm.config.machine_paths import is_windows_path
from machineadm.config.paths import child, is_set, select, structs_in
from machineadm.documents import nodes
from tests.configurations import configuration, example
from tests.typewalk import structs


@pytest.mark.parametrize("key", ["a", "a_b-c", "aB9", "a.b/c", "", "9a", 'a"b', "ä", "a b"])
def test_paths_are_written_as_the_documents_write_them(key: str) -> None:
    assert child("spec.x", key) == nodes.child("spec.x", key)


def test_fields_are_selected_through_lists_and_maps() -> None:
    given = configuration(
        {"machine.commands.boot": [{"script": "a"}, {"argv": ["b"]}, {"script": "c"}]}
    )

    found = list(select(given.spec, ("machine", "commands", "boot", "script"), "spec"))

    assert found == [
        ("a", "spec.machine.commands.boot[0].script"),
        ("c", "spec.machine.commands.boot[2].script"),
    ]


def test_what_is_at_its_default_is_not_selected() -> None:
    given = configuration({"kubernetes.cluster.dns.disabled": False})

    assert list(select(given.spec, ("kubernetes", "cluster", "dns", "disabled"), "spec")) == []


def test_what_is_pruned_is_set_but_not_selected() -> None:
    machine = replace(configuration().spec.machine, images=PRUNED)

    assert is_set(machine, "images")
    assert list(select(machine, ("images",), "machine")) == []


def test_every_struct_is_met_once_with_its_path() -> None:
    found = list(structs_in(example("maximal.yaml").spec, "spec"))

    paths = [path for _, path in found]
    assert len(paths) == len(set(paths))
    assert "spec.kubernetes.controlPlane.encryptionAtRest.providers[1].secretbox.keys[0]" in paths


@pytest.mark.parametrize("struct", structs(), ids=lambda struct: struct.__name__)
def test_a_field_is_set_when_it_differs_from_what_its_type_gives(struct: type[Any]) -> None:
    fields = msgspec.structs.fields(struct)
    bare = struct(**{field.name: "given" for field in fields if field.required})

    for field in fields:
        assert is_set(bare, field.encode_name) is field.required, field.name
        assert is_set(replace(bare, **{field.name: object()}), field.encode_name)


@pytest.mark.parametrize("path", ["C:\\k", "c:/k", "Z:\\a b"])
def test_a_path_with_a_drive_is_one_of_windows(path: str) -> None:
    assert is_windows_path(path)


@pytest.mark.parametrize("path", ["/:x", "/:", "/a:b", "/c:/k"])
def test_a_colon_behind_the_first_slash_is_a_letter_of_a_linux_name(path: str) -> None:
    assert not is_windows_path(path)
