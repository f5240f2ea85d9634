"""Plugins and what names them: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from typing import Any

import pytest

from machineadm.api.v1alpha1.plugins import PluginContainer, PluginEntry, PluginHostService
from machineadm.config.rules.plugins import entry_findings
from machineadm.config.validation import check
from machineadm.redaction import Secret
from tests.configurations import configuration
from tests.rulecases import Case, file, judging

FILE = "spec.machine.files[0]"


def plugin(kind: str = "provider", **fields: Any) -> dict[str, Any]:
    return {"name": "vault", "kind": kind, "path": "/opt/vault", **fields}


def plugins(*entries: dict[str, Any]) -> dict[str, Any]:
    return {"machine.plugins": list(entries)}


def provider(**fields: Any) -> dict[str, Any]:
    return file(contentFrom={"provider": {"name": "vault", **fields}})


def reporting(**fields: Any) -> dict[str, Any]:
    return {"reporting": fields}


CASES = [
    Case("a plugin is there once for each kind",
         plugins(plugin(), plugin()), [("MA1306", "spec.machine.plugins[1].name")],
         plugins(plugin(), plugin("attestation"))),
    Case("a plugin's file comes from one place",
         plugins(plugin(catalog="oci://registry.example.com/plugins")),
         [("MA1301", "spec.machine.plugins[0].catalog")],
         plugins(plugin())),
    Case("a version is one of a catalog",
         plugins(plugin(version="^1.2")), [("MA1301", "spec.machine.plugins[0].version")],
         plugins({"name": "vault", "kind": "provider", "version": "^1.2", "catalog": "oci://registry.example.com/plugins"})),
    Case("a plugin has a file or a container",
         plugins(plugin(container={"image": "a"})), [("MA1301", "spec.machine.plugins[0].container")],
         plugins({"name": "vault", "kind": "provider", "container": {"image": "a"}})),
    Case("an image is pinned in its container",
         plugins({"name": "vault", "kind": "provider", "digest": f"sha256:{'0' * 64}", "container": {"image": "a"}}),
         [("MA1301", "spec.machine.plugins[0].digest")],
         plugins({"name": "vault", "kind": "provider", "container": {"image": "a", "sha256": "0" * 64}})),
    Case("a container without a network has no settings of one",
         plugins({"name": "vault", "kind": "provider", "container": {"image": "a", "disableNetwork": True, "endpoints": {"net": {}}}}),
         [("MA1301", "spec.machine.plugins[0].container.endpoints")],
         plugins({"name": "vault", "kind": "provider", "container": {"image": "a", "endpoints": {"net": {"Aliases": ["b"]}}}})),
    Case("a setting is secret or not",
         plugins(plugin(settings={"a": 1}, secretSettings={"a": "b"})),
         [("MA1306", "spec.machine.plugins[0].secretSettings.a")],
         plugins(plugin(settings={"a": [1, {"b": None}]}, secretSettings={"c": "b"}))),
    Case("our own kinds ask their host for nothing",
         plugins(plugin("attestation", hostService={"secretPrefix": "a/"})),
         [("MA1301", "spec.machine.plugins[0].hostService")],
         plugins(plugin(hostService={"secretPrefix": "a/", "authHandlers": ["entra"]}))),
    Case("an input is secret or not",
         provider(inputs={"a": {"b": []}}, secretInputs={"a": "b"}),
         [("MA1306", f"{FILE}.contentFrom.provider.secretInputs.a")],
         provider(inputs={"a": {"b": []}}, secretInputs={"c": "b"})),
    Case("a provider is not declared as something else",
         {**provider(), **plugins(plugin("attestation"))},
         [("MA1330", f"{FILE}.contentFrom.provider.name")], {**provider(), **plugins(plugin())}),
    Case("a handler is not declared as something else",
         {**file(source={"url": "https://x/y", "sha256": "0" * 64, "authFrom": {"handler": {"name": "vault"}}}), **plugins(plugin())},
         [("MA1330", f"{FILE}.source.authFrom.handler.name")],
         {**file(source={"url": "https://x/y", "sha256": "0" * 64, "authFrom": {"handler": {"name": "vault"}}}),
          **plugins(plugin("auth-handler"))}),
    Case("what takes reports is not declared as something else",
         {**reporting(plugin={"name": "vault", "location": "a"}), **plugins(plugin())},
         [("MA1330", "spec.reporting.plugin.name")],
         {**reporting(plugin={"name": "vault", "location": "a"}), **plugins(plugin("infrastructure"))}),
    Case("reports go to one place",
         reporting(url="https://x/y", plugin={"name": "vault", "location": "a"}),
         [("MA1301", "spec.reporting.plugin")], reporting(url="https://x/y")),
    Case("reports go over the web",
         reporting(url="file:///x"), [("MA1323", "spec.reporting.url")], reporting(url="http://x/y")),
    Case("headers go with a URL",
         reporting(plugin={"name": "vault", "location": "a"}, headers={"X": "y"}),
         [("MA1301", "spec.reporting.headers")], reporting(url="https://x", headers={"X": "y"})),
    Case("a header of a report stands in one place",
         reporting(url="https://x", headers={"X": "y"}, headersFrom={"x": {"provider": {"name": "vault"}}}),
         [("MA1306", "spec.reporting.headersFrom.x")],
         reporting(url="https://x", headers={"X": "y"}, headersFrom={"z": {"provider": {"name": "vault"}}})),
    Case("reports leave each other time",
         reporting(url="https://x", interval="10ms"), [("MA1312", "spec.reporting.interval")],
         reporting(url="https://x", interval="1s")),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (plugins(plugin(settings={"a": 1}, secretSettings={"a": "b"})), "a is already in settings"),
        (provider(inputs={"a": 1}, secretInputs={"a": "b"}), "a is already in inputs"),
        (
            reporting(
                url="https://x",
                headers={"x": "y"},
                headersFrom={"x": {"provider": {"name": "vault"}}},
            ),
            "x is already in headers",
        ),
        (
            {
                "kubernetes.node.labels": {"a": "b"},
                "kubernetes.node.labelsFrom": {"a": {"instanceData": "$(v1.region)"}},
            },
            "a is already in labels",
        ),
    ],
)
def test_what_is_given_twice_is_told_in_the_same_words(given: dict[str, Any], says: str) -> None:
    assert [one.message for one in check(configuration(given))] == [says]


def test_the_plugins_of_plugins_yaml_obey_the_same_rules() -> None:
    entry = PluginEntry(
        name="a",
        kind="attestation",
        settings={"a": 1},
        secret_settings={"a": Secret("b")},
        host_service=PluginHostService(auth_handlers=("b",)),
        container=PluginContainer(image="a", disable_network=True, endpoints={"net": {}}),
        version="1",
    )

    assert [(one.code, one.path) for one in entry_findings(entry, "spec.plugins[3]")] == [
        ("MA1306", "spec.plugins[3].secretSettings.a"),
        ("MA1301", "spec.plugins[3].version"),
        ("MA1301", "spec.plugins[3].hostService"),
        ("MA1301", "spec.plugins[3].container.endpoints"),
    ]
