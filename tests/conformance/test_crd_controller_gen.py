"""controller-gen, on Go types that say the same as three of our kinds, makes the same definitions but for a written list."""

import copy
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.conformance.structural_diff import Difference, differences
from tests.judges import judges

ROOT = Path(__file__).parents[2]
WRITTEN = Path(__file__).with_name("controller_gen_differences.yaml")
NAMES = (
    "bootstrap.cluster.x-k8s.io_encrypteddata.yaml",
    "infrastructure.cluster.x-k8s.io_httpbootstrapstores.yaml",
    "infrastructure.cluster.x-k8s.io_s3bootstrapstores.yaml",
)

Definition = dict[str, Any]


def read(path: Path) -> Any:
    return yaml.load(path.read_text(), yaml.CSafeLoader)


@pytest.fixture(scope="module")
def theirs(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Definition]:
    directory = tmp_path_factory.mktemp("controller-gen")
    judges.controller_gen(directory)
    return {path.name: read(path) for path in sorted(directory.iterdir())}


def found(name: str, other: Definition) -> list[tuple[str, Difference]]:
    ours = read(ROOT / "crds" / name)
    schemas = [d["spec"]["versions"][0]["schema"]["openAPIV3Schema"] for d in (ours, other)]
    return [(ours["spec"]["names"]["kind"], found) for found in differences(*schemas)]


def written() -> list[tuple[str, Difference]]:
    return [
        (entry["kind"], Difference(entry["path"], entry["key"], entry["ours"], entry["theirs"]))
        for entry in read(WRITTEN)["differences"]
    ]


def envelope(definition: Definition) -> Definition:
    """All but the schema, and what controller-gen writes about itself."""
    definition = copy.deepcopy(definition)
    definition["metadata"].pop("annotations", None)
    (version,) = definition["spec"]["versions"]
    del version["schema"]
    if not version.get("subresources"):
        version.pop("subresources", None)
    return definition


def test_the_schemas_differ_as_it_is_written_and_nowhere_else(
    theirs: dict[str, Definition],
) -> None:
    assert tuple(theirs) == NAMES
    assert [f for name in NAMES for f in found(name, theirs[name])] == written()


def test_every_written_difference_has_a_reason() -> None:
    data = read(WRITTEN)

    assert {entry["reason"] for entry in data["differences"]} == data["reasons"].keys()


@pytest.mark.parametrize("name", NAMES)
def test_names_columns_labels_and_subresources_are_equal(
    theirs: dict[str, Definition], name: str
) -> None:
    assert envelope(read(ROOT / "crds" / name)) == envelope(theirs[name])


@pytest.mark.parametrize(
    ("path", "key", "value"),
    [
        (("bucket",), "maxLength", 64),
        (("fetch", "plugin", "inputs"), "maxProperties", 51),
        (("fetch", "plugin"), "required", []),
        (("forcePathStyle",), "default", True),
        (("region",), "x-kubernetes-preserve-unknown-fields", True),
    ],
)
def test_a_difference_that_is_not_written_is_found(
    theirs: dict[str, Definition], path: tuple[str, ...], key: str, value: object
) -> None:
    changed = copy.deepcopy(theirs[NAMES[2]])
    schema = changed["spec"]["versions"][0]["schema"]["openAPIV3Schema"]
    for field in ("spec", *path):
        schema = schema["properties"][field]
    schema[key] = value

    unwritten = [f for f in found(NAMES[2], changed) if f not in written()]

    assert [(f.path, f.key) for _, f in unwritten] == [(".".join(("spec", *path)), key)]
