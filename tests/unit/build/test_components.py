"""What clusterctl installs is whole, in place and labelled, and its rights are those that the tests run with."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import components
from machineadm.api.resources import RESOURCES
from machineadm.controllers import cli as controller
from machineadm.controllers.stores import cli as store

ROOT = Path(__file__).parents[3]
PROVIDERS = ("bootstrap", "infrastructure")

Object = dict[str, Any]


def filled(text: str) -> str:
    """The text with the variables' defaults, as clusterctl fills them in."""
    known = {"MACHINEADM_IMAGE": "registry.example.com/machineadm:v0.1.0"}

    def value(found: re.Match[str]) -> str:
        return known.get(found[1]) or found[2] or ""

    return re.sub(r"\$\{([A-Z_]+)(?::=([^}]*))?\}", value, text)


def documents(provider: str) -> list[Object]:
    text = components("0.1.0")[f"{provider}-components.yaml"].decode()
    return [one for one in yaml.load_all(filled(text), yaml.CSafeLoader) if one]


def of_kind(provider: str, kind: str) -> list[Object]:
    return [one for one in documents(provider) if one["kind"] == kind]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_every_object_bears_its_provider_s_label_and_is_there_once(provider: str) -> None:
    found = documents(provider)
    names = [(one["kind"], one["metadata"]["name"]) for one in found]
    assert len(set(names)) == len(names)
    for one in found:
        label = one["metadata"]["labels"]["cluster.x-k8s.io/provider"]
        assert label == f"{provider}-machineadm", one["metadata"]["name"]


@pytest.mark.parametrize("provider", PROVIDERS)
def test_there_is_one_namespace_and_every_namespaced_object_is_in_it(provider: str) -> None:
    (namespace,) = (one["metadata"]["name"] for one in of_kind(provider, "Namespace"))
    for one in documents(provider):
        cluster_wide = one["kind"] in ("Namespace", "CustomResourceDefinition") or one[
            "kind"
        ].startswith("Cluster")
        assert one["metadata"].get("namespace") == (None if cluster_wide else namespace)
        for subject in one.get("subjects", ()):
            assert subject["namespace"] == namespace


def test_every_kind_is_in_exactly_one_of_them_as_it_was_generated() -> None:
    found = {
        one["metadata"]["name"]: one
        for provider in PROVIDERS
        for one in of_kind(provider, "CustomResourceDefinition")
    }
    assert found.keys() == {f"{one.plural}.{one.group}" for one in RESOURCES}
    for file in (ROOT / "crds").glob("*.cluster.x-k8s.io_*.yaml"):
        (there,) = (one for one in yaml.load_all(file.read_text(), yaml.CSafeLoader) if one)
        assert found[there["metadata"]["name"]] == there


@pytest.mark.parametrize(
    ("provider", "program"), [("bootstrap", controller), ("infrastructure", store)]
)
def test_the_program_takes_the_arguments_it_is_started_with(provider: str, program: Any) -> None:
    (deployment,) = of_kind(provider, "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert container["name"] == "manager", "clusterctl finds it by that name"
    parsed = program._parser().parse_args(container["args"])
    assert container["command"] == [program._NAME]
    mounts = {one["mountPath"] for one in container["volumeMounts"]}
    for value in vars(parsed).values():
        for path in value if isinstance(value, list) else [value]:
            if isinstance(path, str) and path.startswith("/"):
                assert any(path == one or path.startswith(f"{one}/") for one in mounts), path
    ports = {one["name"]: one["containerPort"] for one in container["ports"]}
    for name, at in (
        ("health", getattr(parsed, "health_address", None)),
        ("metrics", getattr(parsed, "diagnostics_address", None)),
        ("reports", getattr(parsed, "report_address", None)),
        ("store", getattr(parsed, "address", None)),
    ):
        if at is not None:
            assert ports.pop(name) == at[1]
    assert not ports
    for one in of_kind(provider, "Service"):
        labels = deployment["spec"]["template"]["metadata"]["labels"]
        assert one["spec"]["selector"].items() <= labels.items()
        targets = {port["targetPort"] for port in one["spec"]["ports"]}
        assert targets <= {port["name"] for port in container["ports"]}


@pytest.mark.parametrize("provider", PROVIDERS)
def test_what_runs_is_nobody_and_may_nothing_on_its_node(provider: str) -> None:
    for deployment in of_kind(provider, "Deployment"):
        pod = deployment["spec"]["template"]["spec"]
        assert pod["securityContext"]["runAsNonRoot"] is True
        assert pod["securityContext"]["seccompProfile"] == {"type": "RuntimeDefault"}
        accounts = [one["metadata"]["name"] for one in of_kind(provider, "ServiceAccount")]
        assert accounts == [pod["serviceAccountName"]]
        for container in pod["containers"]:
            assert container["securityContext"] == {
                "allowPrivilegeEscalation": False,
                "readOnlyRootFilesystem": True,
                "capabilities": {"drop": ["ALL"]},
            }


def test_the_controller_s_rights_are_those_of_deploy() -> None:
    there = [
        one
        for one in yaml.load_all(
            (ROOT / "deploy/bootstrap-controller.yaml").read_text(), yaml.CSafeLoader
        )
        if one
    ]
    kinds = {
        "ClusterRole",
        "Role",
        "ClusterRoleBinding",
        "RoleBinding",
        "ServiceAccount",
        "Namespace",
    }
    installed = [one for one in documents("bootstrap") if one["kind"] in kinds]
    assert installed == there


@pytest.mark.parametrize(
    ("version", "series"), [("0.1.0", (0, 1)), ("1.12.3", (1, 12)), ("2.0.0-rc.1", (2, 0))]
)
def test_the_metadata_names_the_series_of_the_release(
    version: str, series: tuple[int, int]
) -> None:
    (one,) = yaml.load(components(version)["metadata.yaml"], yaml.CSafeLoader)["releaseSeries"]
    assert (one["major"], one["minor"], one["contract"]) == (*series, "v1beta2")


def test_no_variable_has_an_empty_default_which_clusterctl_takes_for_none() -> None:
    for content in components("0.1.0").values():
        for name, default in re.findall(r"\$\{([A-Z_]+):=([^}]*)\}", content.decode()):
            assert default.strip("\"'"), name


def test_without_a_variable_machines_do_not_report() -> None:
    (deployment,) = of_kind("bootstrap", "Deployment")
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    assert controller._reports(controller._parser().parse_args(container["args"])) is None


def test_a_variable_is_one_that_the_documentation_names() -> None:
    page = (ROOT / "docs/controllers.md").read_text()
    for content in components("0.1.0").values():
        for name in re.findall(r"\$\{([A-Z_]+)", content.decode()):
            assert f"`{name}`" in page, name
