"""Fragments are merged by the rules that docs/base-configuration.md has, and every value keeps its place."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from machineadm.agent.intake import Intake, ProblemsError, accept, examine
from machineadm.config.defaulting import realise
from machineadm.documents.encoding import encode_json
from machineadm.sources.stream import Stream

HEAD = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\n"


def fragment(name: str, spec: str) -> Stream:
    return Stream(name=name, data=(HEAD + spec).encode(), fragment=True)


def own(spec: str, name: str = "node.yaml") -> Stream:
    return Stream(name=name, data=(HEAD + spec).encode())


def merged(*specs: str) -> dict[str, Any]:
    """The machine of fragments, the last one on top."""
    streams = [fragment(f"{number}.yaml", spec) for number, spec in enumerate(specs)]
    found = accept(streams, mode="preparation").configuration
    plain: dict[str, Any] = msgspec.json.decode(encode_json(found, reveal=True))
    spec: dict[str, Any] = plain["spec"]
    return spec


def judged(*streams: Stream) -> Intake:
    return examine(streams, mode="preparation")


LINUX = "spec: {machine: {linuxConfiguration: "
FILES = "spec: {machine: {files: "
RULES: dict[str, tuple[str, str, str, Any]] = {
    "a map by key": (
        LINUX + '{sysctls: {a.b: "1", a.c: "1"}}}}',
        LINUX + '{sysctls: {a.c: "2", a.d: "2"}}}}',
        "machine.linuxConfiguration.sysctls",
        {"a.b": "1", "a.c": "2", "a.d": "2"},
    ),
    "a list with a key by that key": (
        FILES + "[{path: /a, content: a, owner: daemon}, {path: /b, content: b}]}}",
        FILES + "[{path: /c, content: c}, {path: /a, content: A}]}}",
        "machine.files",
        [
            {"path": "/a", "content": "A", "owner": "daemon"},
            {"path": "/b", "content": "b"},
            {"path": "/c", "content": "c"},
        ],
    ),
    "a list of scalars is replaced": (
        LINUX + "{kernelModules: [overlay, br_netfilter]}}}",
        LINUX + "{kernelModules: [nf_conntrack]}}}",
        "machine.linuxConfiguration.kernelModules",
        ["nf_conntrack"],
    ),
    "a list without a key is replaced": (
        "spec: {machine: {commands: {preKubeadm: [{argv: [one]}, {argv: [two]}]}}}",
        "spec: {machine: {commands: {preKubeadm: [{argv: [three]}]}}}",
        "machine.commands.preKubeadm",
        [{"argv": ["three"]}],
    ),
    "a scalar is replaced": (
        LINUX + "{hostname: one}}}",
        LINUX + "{hostname: two}}}",
        "machine.linuxConfiguration.hostname",
        "two",
    ),
    "what excludes a later field goes": (
        FILES + "[{path: /a, content: a, permissions: '0600'}]}}",
        FILES + "[{path: /a, contentFrom: {instanceData: $(v1.region)}}]}}",
        "machine.files",
        [{"path": "/a", "contentFrom": {"instanceData": "$(v1.region)"}, "permissions": "0600"}],
    ),
    "another variant replaces the whole": (
        "spec: {kubernetes: {version: v1.34.4, role: {type: JoinWorker, discovery: {type: File, path: /a}}}}",
        "spec: {kubernetes: {role: {type: Initialize}, cluster: {name: one, controlPlaneEndpoint: 'a.example:6443'}}}",
        "kubernetes.role",
        {"type": "Initialize"},
    ),
    "the same variant is merged": (
        "spec: {kubernetes: {version: v1.34.4, role: {type: JoinWorker, discovery: {type: File, path: /a}}}}",
        "spec: {kubernetes: {role: {discovery: {path: /b}}}}",
        "kubernetes.role",
        {"type": "JoinWorker", "discovery": {"type": "File", "path": "/b"}},
    ),
    "an object that is passed on by key": (
        "spec: {kubernetes: {version: v1.34.4, role: {type: JoinWorker, discovery: {type: File, path: /a}}, "
        "node: {kubelet: {config: {streamingConnectionIdleTimeout: 1h, evictionMinimumReclaim: {memory.available: 1Gi}}}}}}",
        "spec: {kubernetes: {node: {kubelet: {config: {streamingConnectionIdleTimeout: 2h, evictionMinimumReclaim: {nodefs.available: 2Gi}}}}}}",
        "kubernetes.node.kubelet.config",
        {
            "streamingConnectionIdleTimeout": "2h",
            "evictionMinimumReclaim": {"memory.available": "1Gi", "nodefs.available": "2Gi"},
        },
    ),
}


@pytest.mark.parametrize("kind", RULES)
def test_two_fragments_become_one_by_the_rule_of_each_kind(kind: str) -> None:
    below, above, path, expected = RULES[kind]

    value: Any = merged(below, above)
    for name in path.split("."):
        value = value[name]

    assert value == expected


def test_a_third_fragment_is_merged_into_the_first_two() -> None:
    found = merged(*(LINUX + f'{{sysctls: {{a.b: "{n}", x.n{n}: "{n}"}}}}}}}}' for n in range(3)))

    assert found["machine"]["linuxConfiguration"]["sysctls"] == {
        "a.b": "2",
        "x.n0": "0",
        "x.n1": "1",
        "x.n2": "2",
    }


def test_a_problem_is_told_at_the_file_and_line_of_the_value_that_has_it() -> None:
    base = fragment("base/10-a.yaml", "spec:\n  machine:\n    files:\n    - {path: /a}\n")
    node = own(
        "spec:\n  machine:\n    files:\n    - {path: /b, content: b}\n    - {path: c, content: c}\n"
    )

    found = judged(base, node)

    places = [(one.file, one.document, one.line, one.path) for one in found.errors]
    assert places == [
        ("base/10-a.yaml", 1, 6, "spec.machine.files[0]"),
        ("node.yaml", 1, 7, "spec.machine.files[2].path"),
    ]


@pytest.mark.parametrize(
    ("below", "code", "line"),
    [
        ("spec:\n  machine:\n    linuxConfiguration: {hostname: -bad-}\n", "MA1107", 5),
        ("spec:\n  machine:\n    linuxConfiguration: {sysctl: {}}\n", "MA1203", 5),
        ("spec:\n  machine:\n    linuxConfiguration: {hostname: a, hostname: b}\n", "MA1205", 5),
        ("spec:\n  machine:\n    linuxConfiguration: {hostname: !x a}\n", "MA1010", 5),
    ],
)
def test_a_mistake_in_a_fragment_is_told_although_a_later_one_replaces_it(
    below: str, code: str, line: int
) -> None:
    found = judged(
        fragment("base.yaml", below),
        own("spec:\n  machine:\n    linuxConfiguration: {hostname: b}\n"),
    )

    assert [(one.file, one.line, one.code) for one in found.errors] == [("base.yaml", line, code)]


def test_a_problem_of_one_value_is_told_once() -> None:
    found = judged(
        fragment("base.yaml", "spec:\n  machine:\n    linuxConfiguration: {sysctl: {}}\n"),
        own("spec:\n  machine: {}\n"),
    )

    assert [(one.file, one.code) for one in found.errors] == [("base.yaml", "MA1203")]


def test_what_one_fragment_leaves_out_is_missed_only_when_nobody_has_it() -> None:
    base = fragment("base.yaml", "spec: {kubernetes: {version: v1.34.4}}\n")
    rest = "role: {type: JoinWorker, discovery: {type: File, path: /a}}"

    assert judged(base, own(f"spec: {{kubernetes: {{{rest}}}}}\n")).errors == ()
    assert {one.code for one in judged(base, own("spec: {machine: {}}\n")).errors} == {"MA1303"}


def test_two_configurations_that_are_no_fragments_are_refused_still() -> None:
    base = fragment("base.yaml", "spec: {machine: {}}\n")

    found = judged(base, own("spec: {machine: {}}\n"), own("spec: {machine: {}}\n", "other.yaml"))

    assert "MA1221" in {one.code for one in found.errors}


def test_a_fragment_that_does_not_say_what_it_is_is_refused() -> None:
    stray = Stream(name="base.yaml", data=b"spec: {machine: {}}\n", fragment=True)

    found = judged(stray, own("spec: {machine: {}}\n"))

    assert {one.file for one in found.errors} == {"base.yaml"}


def test_the_digest_is_that_of_the_merged_document() -> None:
    whole = own(LINUX + '{hostname: a, sysctls: {a.b: "1"}}}}')
    parts = fragment("base.yaml", LINUX + "{hostname: a}}}"), own(LINUX + '{sysctls: {a.b: "1"}}}}')

    digests = {
        realise(accept(streams, mode="preparation").configuration).digest
        for streams in ((whole,), parts)
    }
    (other,) = {
        realise(accept(streams, mode="preparation").configuration).digest
        for streams in ((fragment("base.yaml", LINUX + "{hostname: b}}}"), parts[1]),)
    }

    assert len(digests) == 1
    assert other not in digests


def test_fragments_of_json_and_yaml_are_merged() -> None:
    json = (
        b'{"apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1", "kind": "MachineConfiguration",'
        b' "spec": {"machine": {"linuxConfiguration": {"hostname": "a", "sysctls": {"a.b": "1"}}}}}'
    )
    streams = (Stream(name="a.json", data=json, fragment=True), own(LINUX + "{hostname: b}}}"))

    found = accept(streams, mode="preparation").configuration.spec.machine.linux_configuration

    assert found is not None
    assert (found.hostname, found.sysctls) == ("b", {"a.b": "1"})


def test_problems_of_fragments_stop_a_run() -> None:
    with pytest.raises(ProblemsError) as caught:
        accept(
            (fragment("base.yaml", "spec: {machin: {}}\n"), own("spec: {}\n")), mode="preparation"
        )

    assert "base.yaml:3:8" in str(caught.value)
