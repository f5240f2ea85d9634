"""Another tool reads our definitions as we mean them.

Each definition goes through datamodel-code-generator, which makes Structs of it; our own generator walks these; what
comes out is the definition again, but for what such Structs cannot hold.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import yaml
from datamodel_code_generator import InputFileType, LiteralType, generate
from datamodel_code_generator.enums import DataModelType
from datamodel_code_generator.format import Formatter, PythonVersion

from crdgen.generate.docstrings import Docs
from crdgen.generate.structural import Structural

DEFINITIONS = sorted((Path(__file__).parents[3] / "crds").glob("*cluster.x-k8s.io_*.yaml"))

NOWHERE = object()


class Difference(NamedTuple):
    """One key of one node that did not come back as it was."""

    path: str
    key: str
    node: dict[str, Any]
    """The node as it was."""
    wanted: Any
    found: Any


def is_rule(d: Difference) -> bool:
    return d.key == "x-kubernetes-validations"


def is_topology(d: Difference) -> bool:
    if d.key == "x-kubernetes-list-map-keys":
        return d.found is NOWHERE
    return d.key == "x-kubernetes-list-type" and d.wanted in ("set", "map") and d.found == "atomic"


def is_second_pattern(d: Difference) -> bool:
    if d.key != "allOf" or "pattern" not in d.node or d.found is not NOWHERE:
        return False
    return all(part.keys() == {"pattern"} for part in d.wanted)


def is_object_without_fields(d: Difference) -> bool:
    bare = d.node.get("type") == "object" and d.node.keys() <= {"type", "description"}
    return d.key == "x-kubernetes-preserve-unknown-fields" and bare


LOST = {
    is_rule: "rules in CEL: the tool drops what it has no type for; keys of maps, unions and what stays are rules, too",
    is_topology: "topology of lists: as above, and a list without one is atomic to the generator",
    is_second_pattern: "the second of two patterns: a Struct's field has one",
    is_object_without_fields: "an object without fields: a dict of anything to the tool, for JSON Schema leaves it open",
}
"""What may get lost on the way, and why. Names, types, required, nullable, enumerations, patterns, bounds,
defaults, formats, maps, and every description come back."""


def models_of(schema: dict[str, Any], kind: str) -> str:
    """What datamodel-code-generator writes for a schema."""
    source = generate(
        {"title": kind, **schema},
        input_file_type=InputFileType.JsonSchema,
        output_model_type=DataModelType.MsgspecStruct,
        target_python_version=PythonVersion.PY_311,
        formatters=[Formatter.BUILTIN],
        keyword_only=True,
        snake_case_field=True,
        use_schema_description=True,
        collapse_root_models=True,
        enum_field_as_literal=LiteralType.All,
    )
    assert isinstance(source, str)
    return source


def walked(source: str, kind: str, directory: Path) -> dict[str, Any]:
    """What our generator makes of those models."""
    file = directory / f"models_of_{kind.lower()}.py"
    file.write_text(source)
    spec = importlib.util.spec_from_file_location(file.stem, file)
    assert spec is not None
    assert spec.loader is not None
    module = sys.modules[file.stem] = importlib.util.module_from_spec(spec)
    try:
        spec.loader.exec_module(module)
        cls = getattr(module, kind)
        docs = Docs()
        return {**Structural(docs, {}, defaults=True).part(cls), "description": docs.of_class(cls)}
    finally:
        del sys.modules[file.stem]


def differences(wanted: dict[str, Any], found: dict[str, Any], path: str) -> Iterator[Difference]:
    for key in sorted(wanted.keys() | found.keys()):
        one, other = wanted.get(key, NOWHERE), found.get(key, NOWHERE)
        if NOWHERE not in (one, other):
            if key == "properties":
                for name in sorted(one.keys() | other.keys()):
                    one_, other_ = one.get(name, {}), other.get(name, {})
                    yield from differences(one_, other_, f"{path}.{name}")
                continue
            if key in ("items", "additionalProperties"):
                yield from differences(one, other, f"{path}[]" if key == "items" else f"{path}.*")
                continue
            if key in ("required", "enum"):
                one, other = sorted(one), sorted(other)
        if one != other:
            yield Difference(path, key, wanted, one, other)


def there_and_back(schema: dict[str, Any], kind: str, directory: Path) -> list[Difference]:
    return list(differences(schema, walked(models_of(schema, kind), kind, directory), kind))


def told(found: list[Difference]) -> list[str]:
    return [f"{d.path}: {d.key}" for d in found if not any(may(d) for may in LOST)]


def schemas(path: Path) -> Iterator[tuple[str, dict[str, Any]]]:
    definition = yaml.load(path.read_text(), yaml.CSafeLoader)
    for version in definition["spec"]["versions"]:
        yield definition["spec"]["names"]["kind"], version["schema"]["openAPIV3Schema"]


def test_every_definition_comes_back_but_for_what_is_written_down(tmp_path: Path) -> None:
    found = [
        difference
        for path in DEFINITIONS
        for kind, schema in schemas(path)
        for difference in there_and_back(schema, kind, tmp_path)
    ]

    assert told(found) == []
    for may in LOST:
        assert any(may(difference) for difference in found), (
            f"{may.__name__} is written down, but does not differ"
        )


def planted(**size: Any) -> dict[str, Any]:
    """A schema with one field as given."""
    name = {"type": "string", "minLength": 1, "maxLength": 63, "description": "Its name."}
    spec = {"type": "object", "properties": {"name": name, "size": size}, "required": ["name"]}
    return {"type": "object", "properties": {"spec": spec}, "description": "A kind."}


@pytest.mark.parametrize(
    ("schema", "complaints"),
    [
        (planted(type="string", maxLength=9), []),
        (planted(type="string", maxLenght=9), ["Planted.spec.size: maxLenght"]),
        (planted(type="string", const="a"), ["Planted.spec.size: const"]),
        (planted(type="integer", format="int32"), ["Planted.spec.size: format"]),
    ],
)
def test_a_planted_fault_is_told(
    schema: dict[str, Any], complaints: list[str], tmp_path: Path
) -> None:
    found = told(there_and_back(schema, "Planted", tmp_path))

    assert [line for line in found if line in complaints] == complaints
    assert bool(found) == bool(complaints)


def test_models_that_say_less_are_told(tmp_path: Path) -> None:
    schema = planted(type="integer", format="int32", minimum=0, maximum=9)
    source = models_of(schema, "Planted")
    damaged = source.replace("max_length=63", "max_length=64").replace("name: ", "names: ")
    assert damaged != source

    found = told(list(differences(schema, walked(damaged, "Planted", tmp_path), "Planted")))

    assert found[0].startswith("Planted.spec.name: ")
    assert "Planted.spec: required" in found
