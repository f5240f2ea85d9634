"""What is checked in is what the types say, and what is generated can be applied."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from crdgen.__main__ import main
from crdgen.generate.definitions import ANNOTATION_LIMIT
from crdgen.generate.manifests import MACHINE_VERSIONS
from crdgen.generate.outputs import outputs

ROOT = Path(__file__).parents[3]
FILES = outputs()
DEFINITIONS = sorted(name for name in FILES if "cluster.x-k8s.io_" in name)


def load(name: str) -> Any:
    return yaml.load(FILES[name], yaml.CSafeLoader)


def test_what_is_checked_in_is_what_the_types_say(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--check", str(ROOT)]) == 0, capsys.readouterr().out


def test_a_changed_a_missing_and_a_needless_file_are_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main([str(tmp_path)]) == 0
    (tmp_path / "crds/role.yaml").write_text("kind: Role\n")
    (tmp_path / "crds/kustomization.yaml").unlink()
    (tmp_path / "crds/old.yaml").write_text("kind: Old\n")

    assert main(["--check", str(tmp_path)]) == 1
    assert [line.partition(":")[0] for line in capsys.readouterr().out.splitlines()] == [
        "crds/kustomization.yaml",
        "crds/old.yaml",
        "crds/role.yaml",
    ]
    assert main([str(tmp_path)]) == 0
    assert main(["--check", str(tmp_path)]) == 0


def test_an_unknown_option_is_a_mistake_in_the_command_line(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert main(["--wrong"]) == 2
    assert "usage" in capsys.readouterr().err


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_definition_can_be_applied_by_any_kubectl(name: str) -> None:
    assert len(json.dumps(load(name)).encode()) < ANNOTATION_LIMIT


@pytest.mark.parametrize("name", DEFINITIONS)
def test_every_definition_keeps_the_contract_of_cluster_api(name: str) -> None:
    document = load(name)

    spec = document["spec"]
    assert document["metadata"]["name"] == f"{spec['names']['plural']}.{spec['group']}"
    assert document["metadata"]["labels"]["cluster.x-k8s.io/v1beta2"] == "v1alpha1"
    provider = document["metadata"]["labels"]["cluster.x-k8s.io/provider"]
    assert provider == f"{spec['group'].partition('.')[0]}-machineadm"
    assert spec["names"]["categories"] == ["cluster-api"]
    assert spec["scope"] == "Namespaced"


def defaults(schema: dict[str, Any]) -> list[Any]:
    """All defaults of a schema."""
    below = [*schema.get("properties", {}).values(), schema.get("items")]
    below.append(schema.get("additionalProperties"))
    found = [schema["default"]] if "default" in schema else []
    return found + [d for each in below if isinstance(each, dict) for d in defaults(each)]


def schema_of(name: str) -> Any:
    return load(name)["spec"]["versions"][0]["schema"]["openAPIV3Schema"]


@pytest.mark.parametrize("name", [n for n in DEFINITIONS if "machinebootstrap" in n])
def test_the_server_fills_nothing_into_what_a_template_carries(name: str) -> None:
    assert defaults(schema_of(name)) == []


def test_a_default_would_be_noticed() -> None:
    assert "aes-256-cbc" in defaults(schema_of(DEFINITIONS[0]))


def test_kustomize_lists_every_definition_and_the_role() -> None:
    listed = load("crds/kustomization.yaml")["resources"]

    assert {f"crds/{name}" for name in listed} == {*DEFINITIONS, "crds/role.yaml"}


def test_cluster_apis_manager_may_work_with_every_store() -> None:
    role = load("crds/role.yaml")

    assert role["metadata"]["labels"]["cluster.x-k8s.io/aggregate-to-manager"] == "true"
    (rule,) = role["rules"]
    stores = {load(name)["spec"]["names"]["plural"] for name in DEFINITIONS if "infra" in name}
    assert set(rule["resources"]) == stores


def test_the_patch_asserts_each_versions_name_before_it_changes_anything() -> None:
    operations = load("crds/patches/machine-infrastructureref.yaml")

    tests = [o for o in operations if o["op"] == "test" and o["path"].endswith("/name")]
    assert [o["value"] for o in tests] == list(MACHINE_VERSIONS)
    assert [o["op"] for o in operations] == ["test"] * 5 + ["add"]


def test_json_schemas_are_closed_and_complete_in_themselves() -> None:
    for name in ("MachineConfiguration", "EncryptedData", "BootstrapStatus"):
        schema = json.loads(FILES[f"crds/schemas/{name}.json"])

        assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
        for part in (schema, *schema["$defs"].values()):
            assert part["additionalProperties"] is False
        references = set(FILES[f"crds/schemas/{name}.json"].split('"#/$defs/')[1:])
        assert {reference.partition('"')[0] for reference in references} == set(schema["$defs"])
