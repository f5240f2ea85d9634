"""Converts small documents, and reads what comes out."""

from __future__ import annotations

import textwrap
from typing import Any, NamedTuple

import yaml

from machineadm.conversion.account import Leaf
from machineadm.conversion.whole import Conversion, Request, Result, convert

CONFIG = (
    "apiVersion: bootstrap.cluster.x-k8s.io/v1beta2\nkind: KubeadmConfig\nmetadata: {name: node}\n"
)
CONTROL_PLANE = "apiVersion: controlplane.cluster.x-k8s.io/v1beta2\nkind: KubeadmControlPlane\nmetadata: {name: cp}\n"


class Converted(NamedTuple):
    result: Result
    document: dict[str, Any]

    @property
    def spec(self) -> dict[str, Any]:
        spec: dict[str, Any] = self.document["spec"]
        return spec.get("template", {}).get("spec", spec)  # type: ignore[no-any-return]

    def leaf(self, ending: str) -> Leaf:
        """The leaf whose path ends so."""
        (found,) = [leaf for leaf in self.result.leaves if leaf.path.endswith(ending)]
        return found

    @property
    def undecided(self) -> dict[str, str]:
        return {leaf.path: leaf.note for leaf in self.result.decisions}

    def script(self, when: str = "preKubeadm") -> str:
        script: str = self.spec["machine"]["commands"][when][0]["script"]
        return script


def outcome(text: str, **request: Any) -> Conversion:
    return convert([("in.yaml", text.encode())], Request(**request))


def converted(text: str, **request: Any) -> Converted:
    found = outcome(text, **request)
    assert found.problems == ()
    (result,) = found.results
    return Converted(result, yaml.safe_load(result.text))


def config(spec: str, **request: Any) -> Converted:
    """What becomes of a KubeadmConfig with that spec."""
    return converted(CONFIG + "spec:\n" + textwrap.indent(textwrap.dedent(spec), "  "), **request)


def control_plane_text(spec: str) -> str:
    """A KubeadmControlPlane with that kubeadmConfigSpec."""
    inner = textwrap.indent(textwrap.dedent(spec), "    ")
    return CONTROL_PLANE + "spec:\n  version: v1.34.1\n  kubeadmConfigSpec:\n" + inner


def control_plane(spec: str, **request: Any) -> Converted:
    """What becomes of a KubeadmControlPlane with that kubeadmConfigSpec."""
    return converted(control_plane_text(spec), **request)


def commands(*lines: str, when: str = "preKubeadmCommands", **request: Any) -> Converted:
    listed = "".join(
        f"- {yaml.safe_dump(line, default_style=chr(34), width=10**6).strip()}\n" for line in lines
    )
    return config(f"{when}:\n{listed}", **request)
