"""Kubeconfigs that the API server is given are judged as it reads them, and nothing secret of them is told."""

from __future__ import annotations

import copy
from typing import Any

import msgspec
import pytest

from machineadm.config.passed_on.kubeconfig import judge
from machineadm.documents.decoding import read_values

RIGHT: dict[str, Any] = {
    "apiVersion": "v1",
    "kind": "Config",
    "clusters": [{"name": "service", "cluster": {"server": "https://a.example.com/hook"}}],
    "users": [{"name": "api", "user": {"token": "s3cr3t"}}],
    "contexts": [{"name": "hook", "context": {"cluster": "service", "user": "api"}}],
    "current-context": "hook",
}


def said(content: str, minor: int = 34) -> list[str]:
    found = list(judge(content, "kubeconfig", minor, read_values))
    assert {each.path for each in found} <= {"kubeconfig"}
    assert "s3cr3t" not in repr(found)
    return [each.message for each in found]


def changed(way: tuple[str | int, ...], value: Any) -> str:
    document = copy.deepcopy(RIGHT)
    place: Any = document
    for step in way[:-1]:
        place = place[step]
    if value is None:
        del place[way[-1]]
    else:
        place[way[-1]] = value
    return msgspec.json.encode(document).decode()


@pytest.mark.parametrize("minor", range(29, 38))
def test_a_right_one_is_right(minor: int) -> None:
    assert said(msgspec.json.encode(RIGHT).decode(), minor) == []


USER = ("users", 0, "user")
CLUSTER = ("clusters", 0, "cluster")
FAULTS: list[tuple[tuple[str | int, ...], Any, str]] = [
    (("current-context",), None, "current-context: is required"),
    (("current-context",), "hoo", "current-context: is not the name"),
    (("contexts", 0, "context", "user"), "apis", "contexts[0].context.user: is not the name"),
    (("contexts", 0, "context", "cluster"), None, "contexts[0].context.cluster: is required"),
    (("contexts", 0, "context", "namespace"), "A b", "contexts[0].context.namespace: is not"),
    ((*CLUSTER, "server"), None, "clusters[0].cluster.server: is required"),
    ((*CLUSTER, "server"), "https://a b", "clusters[0].cluster.server: is not a URL"),
    ((*CLUSTER, "servers"), "https://a", 'unknown field; did you mean "server"?'),
    ((*CLUSTER, "proxy-url"), "ftp://a", "clusters[0].cluster.proxy-url: must begin"),
    ((*CLUSTER, "certificate-authority-data"), "not base64!", "is not base64"),
    ((*CLUSTER, "certificate-authority-data"), "bm90aGluZw==", "has no PEM block"),
    (("clusters",), {}, "clusters: expects a list"),
    ((*USER, "tokn"), "s3cr3t", 'unknown field; did you mean "token"?'),
    ((*USER, "token"), 7, "users[0].user.token: expects a string"),
    ((*USER, "password"), "s3cr3t", "users[0].user.token: not together"),
    ((*USER, "client-certificate"), "/a", "users[0].user.client-key-data: is required"),
    ((*USER, "as-groups"), ["a"], "users[0].user.as-groups: needs as"),
    (
        (*USER, "exec"),
        {"apiVersion": "client.authentication.k8s.io/v1"},
        "exec.command: is required",
    ),
    ((*USER, "exec"), {"apiVersion": "v1", "command": "a"}, "exec.apiVersion: must be"),
    (("kind",), "Secret", "kind: must be Config"),
    (("users",), [*RIGHT["users"], *RIGHT["users"]], "users[1].name: is a duplicate"),
]


@pytest.mark.parametrize(("way", "value", "words"), FAULTS)
def test_a_fault_is_told_with_its_place(way: tuple[str | int, ...], value: Any, words: str) -> None:
    told = said(changed(way, value))

    assert any(words in each for each in told), told


@pytest.mark.parametrize(
    ("content", "words"),
    [
        ("a: b: s3cr3t", "is not YAML"),
        ("s3cr3t", "must be one kubeconfig"),
        ("", "must be one kubeconfig"),
        ("kind: Config\n---\nkind: Config\n", "must be one kubeconfig"),
    ],
)
def test_a_text_that_is_no_kubeconfig_is_told(content: str, words: str) -> None:
    assert words in said(content)[0]


def test_what_people_choose_is_not_told() -> None:
    document = changed((*USER, "as-user-extra"), {"s3cr3t": 5})

    assert "users[0].user.as-user-extra: expects a list, got a number" in said(document)
