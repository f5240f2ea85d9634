"""Good documents are read, as YAML and as JSON."""

from __future__ import annotations

import json

import pytest
import yaml

from machineadm.api.v1alpha1.encrypted_data import EncryptedData
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


SEALED = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: EncryptedData
spec:
  provider: passphrase
  ciphertext: QUJDREVGR0hJSktMTU5PUA==
  salt: QUJDREVGR0hJSktMTU5PUA==
  iv: QUJDREVGR0hJSktMTU5PUA==
  mac: QUJDREVGR0hJSktMTU5PUA==
  iterations: """


@pytest.mark.parametrize("iterations", ["60000", '"60000"'])
def test_encrypted_data_is_typed_and_counts_in_text_or_number(iterations: str) -> None:
    (document,) = decode((SEALED + iterations).encode(), file="sealed.yaml")

    assert document.problems == ()
    assert isinstance(document.value, EncryptedData)
    assert int(document.value.spec.iterations) == 60000


@pytest.mark.parametrize(
    ("iterations", "code"),
    [
        ("1", "MA1104"),
        ('"1"', "MA1107"),
        ("060000", "MA1111"),
        ("[1]", "MA1101"),
        ("yes", "MA1101"),
        ("6e4", "MA1107"),
    ],
)
def test_iterations_are_in_range_in_text_and_number(iterations: str, code: str) -> None:
    (document,) = decode((SEALED + iterations).encode(), file="sealed.yaml")

    assert [(each.code, each.path) for each in document.problems] == [(code, "spec.iterations")]
