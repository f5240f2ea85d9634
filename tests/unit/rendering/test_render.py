"""A MachineBootstrap to user data: references, what reaches the machine, what is refused, and that all is data."""

from __future__ import annotations

import base64
import gzip
import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from machineadm.rendering.stream import Outcome, read_bundle, render_bundle

EXAMPLE = Path(__file__).parents[3] / "examples/rendering/worker.yaml"
MAIN = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineBootstrap
metadata: {name: one, namespace: edge}
spec:
  kubernetes:
    version: v1.34.4
    role: {type: Initialize}
    cluster: {name: one, controlPlaneEndpoint: "192.0.2.10:6443"}
"""


def render(*documents: str, template: str | None = None) -> Outcome:
    stream = "---\n".join(documents).encode()
    bundle = read_bundle([("m.yaml", stream)])
    return render_bundle(bundle, random=lambda count: bytes(count), template=template)


def user_data(outcome: Outcome) -> bytes:
    assert outcome.rendered is not None, outcome.problems
    return outcome.rendered.user_data


def written(data: bytes) -> dict[str, bytes]:
    """What a cloud-config writes, as cloud-init decodes it."""
    files = yaml.safe_load(data)["write_files"]
    return {file["path"]: gzip.decompress(base64.b64decode(file["content"])) for file in files}


def configuration(data: bytes) -> Any:
    return json.loads(written(data)["/run/machineadm/config.yaml"])


def told(outcome: Outcome) -> list[tuple[str, str, int]]:
    return [(one.code, one.path, one.line) for one in outcome.problems]


@pytest.mark.requirement("R5", "U1")
def test_the_example_reaches_cloud_init_with_all_references_inlined() -> None:
    data = user_data(render(EXAMPLE.read_text()))

    assert data.startswith(b"#cloud-config\n")
    spec = configuration(data)["spec"]
    assert spec["agent"] == {"version": "v0.1.0"}
    assert spec["kubernetes"]["role"]["discovery"]["token"] == "edge00.0123456789abcdef"
    assert spec["machine"]["files"][1] == {
        "path": "/etc/example/agent.key",
        "permissions": "0600",
        "content": "AAECA//+/Q==",
        "encoding": "base64",
        "sensitive": True,
    }
    assert b"Basic ZWRnZTpub3QtYS1yZWFsLW9uZQ==" in written(data)["/run/machineadm/fetch.sh"]


def test_the_same_input_gives_the_same_bytes() -> None:
    assert user_data(render(EXAMPLE.read_text())) == user_data(render(EXAMPLE.read_text()))


def test_what_is_missing_is_told_at_its_place_all_at_once() -> None:
    text = (
        EXAMPLE.read_text()
        .replace("key: token", "key: tokn")
        .replace("name: site, key", "name: sight, key")
    )

    assert told(render(text)) == [
        ("MA1601", "spec.machine.files[0].contentFrom.configMap", 18),
        ("MA1602", "spec.kubernetes.role.discovery.tokenFrom.secret.key", 32),
    ]
