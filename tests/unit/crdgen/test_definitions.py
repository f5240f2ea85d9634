"""The envelope around the schemas: versions, names, columns; and the YAML that all is written in."""

from __future__ import annotations

from typing import Any, Literal

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from crdgen.generate.definitions import definition, file_name
from crdgen.generate.docstrings import Docs
from crdgen.generate.model import GenerationError
from crdgen.generate.yaml_text import dump
from machineadm.api.meta import ApiStruct
from machineadm.api.resources import Column, Resource, Version


class WidgetSpec(ApiStruct, frozen=True, kw_only=True):
    """What it is like."""

    size: Literal["small", "large"]
    """How large."""


class Widget(ApiStruct, frozen=True, kw_only=True):
    """A widget."""

    api_version: Literal["example.com/v1"]
    """The version."""

    kind: Literal["Widget"]
    """The kind."""

    metadata: dict[str, Any] | None = None
    """Metadata."""

    spec: WidgetSpec
    """What it is like."""


def resource(**changes: Any) -> Resource:
    plain = Resource(
        group="example.com",
        plural="widgets",
        labels={},
        defaults=False,
        status=False,
        versions=(Version(name="v1", type=Widget),),
    )
    return msgspec.structs.replace(plain, **changes)


def made(**changes: Any) -> dict[str, Any]:
    spec: dict[str, Any] = definition(resource(**changes), Docs(), {})["spec"]
    return spec


def test_the_file_is_named_as_controller_gen_names_it() -> None:
    assert file_name(resource()) == "example.com_widgets.yaml"


def test_the_root_says_of_envelope_and_metadata_no_more_than_the_server_lets_it() -> None:
    (version,) = made()["versions"]

    root = version["schema"]["openAPIV3Schema"]
    assert root["properties"]["metadata"] == {"type": "object"}
    assert root["properties"]["kind"].keys() == {"type", "description"}
    assert root["required"] == ["spec"]
    assert root["description"] == "A widget."


def test_names_follow_from_the_kind() -> None:
    assert made(short_names=("w",), categories=())["names"] == {
        "kind": "Widget",
        "listKind": "WidgetList",
        "plural": "widgets",
        "singular": "widget",
        "shortNames": ["w"],
    }


def test_versions_are_sorted_and_one_is_stored() -> None:
    versions = (
        Version(name="v2", type=Widget),
        Version(
            name="v1",
            type=Widget,
            storage=False,
            deprecated=True,
            deprecation_warning="use v2",
        ),
        Version(name="v1alpha1", type=Widget, storage=False, served=False),
    )

    first, alpha, second = made(versions=versions)["versions"]

    assert (first["name"], first["deprecated"], first["deprecationWarning"]) == (
        "v1",
        True,
        "use v2",
    )
    assert (alpha["name"], alpha["served"], alpha["storage"]) == ("v1alpha1", False, False)
    assert (second["name"], second["storage"]) == ("v2", True)
    assert "deprecated" not in second


def test_columns_are_written_with_words_and_priority() -> None:
    columns = (
        Column(name="Size", path=".spec.size", description="How large"),
        Column(name="Age", path=".metadata.creationTimestamp", type="date", wide=True),
    )

    (version,) = made(columns=columns)["versions"]

    assert version["additionalPrinterColumns"] == [
        {"name": "Size", "type": "string", "jsonPath": ".spec.size", "description": "How large"},
        {
            "name": "Age",
            "type": "date",
            "jsonPath": ".metadata.creationTimestamp",
            "priority": 1,
        },
    ]


@pytest.mark.parametrize(
    ("changes", "words"),
    [
        ({"versions": (Version(name="v1", type=Widget, storage=False),)}, "exactly one"),
        (
            {"versions": (Version(name="v1", type=Widget), Version(name="v2", type=Widget))},
            "exactly one",
        ),
        ({"versions": (Version(name="v1", type=Widget, served=False),)}, "no version is served"),
        (
            {"versions": (Version(name="v1", type=Widget, deprecation_warning="w"),)},
            "only a deprecated version",
        ),
        ({"status": True}, "no field status"),
        (
            {
                "versions": (
                    Version(name="v1", type=Widget),
                    Version(name="v2", type=WidgetSpec, storage=False),
                )
            },
            "different names",
        ),
        ({"labels": {"x": "y" * 262144}}, "bytes"),
    ],
)
def test_what_does_not_fit_together_is_refused(changes: dict[str, Any], words: str) -> None:
    with pytest.raises(GenerationError, match=words):
        made(**changes)


SCALARS = st.none() | st.booleans() | st.integers() | st.text()
DOCUMENTS = st.recursive(
    SCALARS, lambda each: st.lists(each, max_size=4) | st.dictionaries(st.text(), each, max_size=4)
)


@settings(max_examples=60, deadline=None)
@given(st.dictionaries(st.text(max_size=5), DOCUMENTS))
def test_what_is_written_is_read_as_it_was(document: dict[str, Any]) -> None:
    assert yaml.safe_load(dump(document)) == document


@pytest.mark.parametrize(
    "text", ["0640", "on", "NO", "1e3", "~", "", "1.0", "0x1F", "null", "=", "12:30"]
)
def test_words_that_yaml_reads_as_something_else_are_quoted(text: str) -> None:
    assert dump({"a": text}) == f"---\na: '{text}'\n".replace("''", '""' if not text else "''")


def test_texts_of_several_lines_are_blocks() -> None:
    assert dump({"a": "one\n\ntwo"}) == "---\na: |-\n  one\n\n  two\n"
