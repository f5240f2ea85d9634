"""Every field that a message or a page names is one that there is."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

from machineadm.cli.kinds import field, load
from machineadm.errors import UsageError

ROOT = Path(__file__).parents[2]
KINDS = load()
FIELD = re.compile(r"(?<![\w.$/])spec(?:\.[a-z][A-Za-z0-9]*(?:\[[^\]\s]*\])?)+")

OTHERS = (
    "spec.bootstrap",  # Machine
    "spec.version",
    "spec.template.spec.bootstrap",  # MachineDeployment
    "spec.template.spec.version",
    "spec.controlPlaneEndpoint",  # Cluster
    "spec.kubeadmConfigSpec",  # KubeadmControlPlane
    "spec.template.spec.kubeadmConfigSpec",
    "spec.files",  # KubeadmConfig
    "spec.joinConfiguration",
    "spec.holderIdentity",  # Lease
    "spec.renewTime",
    "spec.containers",  # Pod
    "spec.nodeName",
    "spec.host",
    "spec.serviceAccountName",
    "spec.validation",  # CustomResourceDefinition
)
"""Fields of kinds that are not ours."""

PARTS = ("spec.machine.bootstrapperTemplate",)
"""What an f-string completes."""


def texts(tree: ast.AST) -> Iterator[tuple[int, str]]:
    """Each string of a module with its line; what an f-string fills in is left out."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            yield node.lineno, node.value


def named() -> dict[str, str]:
    """Each field that is named, and where."""
    found: dict[str, str] = {}
    for path in sorted((ROOT / "machineadm").rglob("*.py")):
        for line, text in texts(ast.parse(path.read_text())):
            found.update(dict.fromkeys(fields_in(text), f"{path.relative_to(ROOT)}:{line}"))
    for pattern in ("*.md", "docs/**/*.md", "examples/**/*.md"):
        for path in sorted(ROOT.glob(pattern)):
            found.update(dict.fromkeys(fields_in(path.read_text()), str(path.relative_to(ROOT))))
    return found


def fields_in(text: str) -> list[str]:
    return [
        each for each in FIELD.findall(text) if not each.startswith(OTHERS) and each not in PARTS
    ]


def exists(path: str) -> bool:
    """Whether one of our kinds has this field."""
    for kind in KINDS["kinds"]:
        try:
            field(f"{kind}.{path}", KINDS["$defs"], KINDS["kinds"])
        except UsageError:
            continue
        return True
    return False


NAMED = named()


def test_many_fields_are_named() -> None:
    assert len(NAMED) > 60


def test_every_field_that_a_message_or_a_page_names_exists() -> None:
    assert {place: path for path, place in NAMED.items() if not exists(path)} == {}


@pytest.mark.parametrize(
    "wrong",
    [
        "spec.machine.linuxConfiguration.units",
        "spec.machine.sysctls",
        "spec.kubernetes.node.kubelet.nothing",
    ],
)
def test_a_field_at_another_place_or_by_another_name_would_be_found(wrong: str) -> None:
    assert fields_in(f"as {wrong}, or") == [wrong]
    assert not exists(wrong)
