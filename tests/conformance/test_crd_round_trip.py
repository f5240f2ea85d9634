"""Another tool reads our definitions, and gets out of them what we put in: models of datamodel-code-generator, walked anew."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

pytest.importorskip("datamodel_code_generator", reason="needs Python 3.11")

from crdgen.generate.docstrings import Docs
from crdgen.generate.structural import Structural

ROOT = Path(__file__).parents[2]
DEFINITIONS = sorted(
    # What the template says beside it is two objects deep.
    path
    for path in (ROOT / "crds").glob("*cluster.x-k8s.io_*.yaml")
    if "templates" not in path.name
)

LOST = {
    "description": "words are compared nowhere",
    "example": "as descriptions",
    "allOf": "a second pattern of a string is not read",
    "format": "of integers and base64; dates become types",
    "x-kubernetes-validations": "rules are not read",
    "x-kubernetes-list-type": "every list is atomic then",
    "x-kubernetes-list-map-keys": "goes with the list type",
}
"""Keys that the other tool does not keep, and why this is no fault of a definition."""
OPEN = "x-kubernetes-preserve-unknown-fields"


def models_of(schema: dict[str, Any], folder: Path) -> Any:
    """The Structs that datamodel-code-generator makes of a schema, as a module."""
    source, target = folder / "schema.json", folder / f"models_{folder.name}.py"
    source.write_text(json.dumps(schema))
    options = ["--input-file-type", "jsonschema", "--output-model-type", "msgspec.Struct"]
    options += ["--keyword-only", "--enum-field-as-literal", "all", "--collapse-root-models"]
    options += ["--disable-timestamp", "--target-python-version", "3.11", "--class-name", "Root"]
    options += ["--formatters", "builtin"]
    subprocess.run(
        [
            sys.executable,
            "-m",
            "datamodel_code_generator",
            "--input",
            source,
            "--output",
            target,
            *options,
        ],
        check=True,
        capture_output=True,
    )
    spec = importlib.util.spec_from_file_location(target.stem, target)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules[target.stem] = module
    spec.loader.exec_module(module)
    return module


def differences(ours: dict[str, Any], theirs: dict[str, Any], path: str = "") -> list[str]:
    """Where two schemas say different things, but for what is lost."""
    found = []
    for key in sorted((ours.keys() | theirs.keys()) - LOST.keys()):
        one, other = ours.get(key), theirs.get(key)
        if key == "properties":
            one, other = one or {}, other or {}
            found += [f"{path}.{name}: only once" for name in one.keys() ^ other.keys()]
            for name in one.keys() & other.keys():
                found += differences(one[name], other[name], f"{path}.{name}")
        elif key in ("items", "additionalProperties") and one and other:
            found += differences(one, other, f"{path}[]")
        elif key in ("required", "enum") and one and other:
            found += [] if sorted(one) == sorted(other) else [f"{path} {key}: {one} {other}"]
        elif key == OPEN and ours.get("type") == "object" and "properties" not in ours:
            pass  # an object of which nothing is said
        elif one != other:
            found.append(f"{path} {key}: {one!r} {other!r}")
    return found


def schema_of(path: Path) -> dict[str, Any]:
    document = yaml.load(path.read_text(), yaml.CSafeLoader)
    schema: dict[str, Any] = document["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    return schema


@pytest.mark.parametrize("path", DEFINITIONS, ids=lambda path: path.stem)
def test_models_of_a_definition_give_the_definition_again(path: Path, tmp_path: Path) -> None:
    schema = schema_of(path)

    again = Structural(Docs(), {}, defaults=True).part(models_of(schema, tmp_path).Root)

    assert differences(schema, again) == []


def test_a_change_on_the_way_would_be_noticed(tmp_path: Path) -> None:
    schema = schema_of(DEFINITIONS[0])
    again = Structural(Docs(), {}, defaults=True).part(models_of(schema, tmp_path).Root)
    del again["properties"]["spec"]["properties"]["provider"]["maxLength"]
    again["properties"]["spec"]["properties"]["more"] = {"type": "string"}

    assert differences(schema, again) == [
        ".spec.more: only once",
        ".spec.provider maxLength: 63 None",
    ]
