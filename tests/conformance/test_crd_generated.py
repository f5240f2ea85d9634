"""What we generate, before the API server's own code and on Cluster API's own definition."""

from __future__ import annotations

import copy
import json
import subprocess
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.judges import judges
from tests.real import missing

ROOT = Path(__file__).parents[2]
CLUSTER_API = "sigs.k8s.io/cluster-api@v1.12.0"
MACHINES = "config/crd/bases/cluster.x-k8s.io_machines.yaml"
DEFINITIONS = sorted((ROOT / "crds").glob("*cluster.x-k8s.io_*.yaml"))


def read(path: Path) -> Any:
    return yaml.load(path.read_text(), yaml.CSafeLoader)


def test_the_api_server_takes_every_definition() -> None:
    verdicts = judges.crd_validate([(path.read_text(), []) for path in DEFINITIONS])

    assert len(verdicts) == 7
    for path, verdict in zip(DEFINITIONS, verdicts, strict=True):
        assert verdict["errors"] == [], path.name


def test_it_would_refuse_a_damaged_one() -> None:
    damaged = DEFINITIONS[0].read_text().replace("type: integer", "type: int")
    damaged = damaged.replace("type: string", "type: text", 1)

    (verdict,) = judges.crd_validate([(damaged, [])])

    assert verdict["errors"]


def apply(document: Any, operations: list[dict[str, Any]]) -> Any:
    """JSON Patch (RFC 6902), as far as our patch uses it: `test` and `add` of a member."""
    document = copy.deepcopy(document)
    for operation in operations:
        *parents, last = operation["path"].split("/")[1:]
        place = document
        for name in parents:
            place = place[int(name) if isinstance(place, list) else name]
        if operation["op"] == "test":
            assert place[last] == operation["value"], operation["path"]
        else:
            place[last] = operation["value"]
    return document


def machine_definition() -> Any:
    """Cluster API's own, as it lies in its Go module."""
    try:
        run = subprocess.run(
            ["go", "mod", "download", "-json", CLUSTER_API],
            capture_output=True,
            text=True,
            check=False,
        )
    except FileNotFoundError:
        missing("Go is not installed: Cluster API's definitions cannot be had")
    if run.returncode != 0:
        missing(f"{CLUSTER_API} cannot be had: {run.stdout[-300:]}")
    return read(Path(json.loads(run.stdout)["Dir"], MACHINES))


def test_the_patched_machine_is_taken_and_keeps_the_reference() -> None:
    machine = machine_definition()
    patched = apply(machine, read(ROOT / "crds/patches/machine-infrastructureref.yaml"))
    reference = {"apiGroup": "infrastructure.cluster.x-k8s.io", "kind": "S3BootstrapStore"}
    instance = {
        "apiVersion": "cluster.x-k8s.io/v1beta2",
        "kind": "Machine",
        "metadata": {"name": "m", "namespace": "default"},
        "spec": {
            "clusterName": "c",
            "infrastructureRef": {**reference, "kind": "M", "name": "m"},
            "bootstrap": {"dataSecretName": "s", "infrastructureRef": {**reference, "name": "b"}},
        },
    }

    plain, taken = judges.crd_validate(
        [(json.dumps(crd), [{"object": instance}]) for crd in (machine, patched)]
    )

    assert plain["objects"][0]["pruned"]
    assert taken["errors"] == []
    assert taken["objects"][0]["errors"] == []
    assert not taken["objects"][0]["pruned"]


def test_the_patch_refuses_a_machine_with_other_versions() -> None:
    machine = machine_definition()
    del machine["spec"]["versions"][0]

    with pytest.raises(AssertionError, match="versions/0/name"):
        apply(machine, read(ROOT / "crds/patches/machine-infrastructureref.yaml"))
