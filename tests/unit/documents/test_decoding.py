"""Good documents are read, as YAML and as JSON."""

from __future__ import annotations

import json

import pytest
import yaml

from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.documents.decoding import decode
from machineadm.documents.model import Location

GOOD = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    files:
    - path: /etc/motd
      permissions: "0644"
      content: |
        ön
  kubernetes:
    version: v1.34.4
    role: {type: Initialize, certificateKey: aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa}
    node: {taints: null}
"""
AS_JSON = json.dumps(yaml.safe_load(GOOD))


@pytest.mark.parametrize(
    "text",
    [
        GOOD,
        AS_JSON,
        "\ufeff" + GOOD,
        GOOD.replace("\n", "\r\n"),
        f"---\n{GOOD}...\n",
        f"---\n{AS_JSON}\n",
    ],
    ids=["yaml", "json", "byte order mark", "carriage returns", "markers", "json after a marker"],
)
def test_a_good_document_is_read(text: str) -> None:
    (document,) = decode(text.encode(), file="node.yaml")

    assert document.problems == ()
    assert isinstance(document.value, MachineConfiguration)
    assert document.value.spec.machine.files[0].content == "ön\n"
    assert (document.file, document.index, document.kind) == (
        "node.yaml",
        1,
        "MachineConfiguration",
    )


@pytest.mark.parametrize(
    ("path", "line", "column"),
    [
        ("spec.machine.files[0].permissions", 7, 7),
        ("spec.machine.files[0].owner", 6, 7),
        ("spec.machine.files[7]", 5, 5),
        ("spec.kubernetes.role.type", 12, 12),
        ('metadata.labels["a/b"]', 1, 1),
        ("", 1, 1),
    ],
)
def test_a_path_is_located_or_what_is_nearest_to_it(path: str, line: int, column: int) -> None:
    (document,) = decode(GOOD.encode(), file="node.yaml")

    assert document.locate(path) == Location(line, column)
