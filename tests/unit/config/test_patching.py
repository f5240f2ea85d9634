"""Patches as kubeadm applies them, and what becomes of the manifests that it writes."""

from __future__ import annotations

import json
import tracemalloc
from typing import Any

import pytest

from machineadm.config import upstream
from machineadm.config.rules.patching import (
    Open,
    PatchError,
    Unknown,
    UnknownError,
    apply,
    json_patch,
    misfit_of,
    strategic,
)
from machineadm.config.validation import check
from machineadm.config.versions import NEWEST_MINOR, OLDEST_MINOR
from machineadm.documents.decoding import read_values
from tests.configurations import configuration
from tests.rulecases import Case, K, S, judging, places

POD: dict[str, Any] = {
    "kind": "Pod",
    "metadata": {"name": "a", "labels": {"a": "b"}},
    "spec": {"containers": [{"name": "a", "env": [{"name": "A", "value": "1"}], "args": ["x", "y"]}], "nodeSelector": {"a": "b"}},
}  # fmt: skip


def test_a_merge_patch_is_that_of_rfc_7386() -> None:
    assert apply({"a": {"b": 1, "c": 2}, "d": [1]}, "merge", [{"a": {"b": None, "e": {"f": None}}, "d": [2]}]) == {
        "a": {"c": 2, "e": {}}, "d": [2]}  # fmt: skip


@pytest.mark.parametrize("kind", ["merge", "strategic"])
@pytest.mark.parametrize("patch", [[], [1], "a", None, 1])
def test_what_is_not_a_map_is_not_a_merge(kind: str, patch: object) -> None:
    with pytest.raises(PatchError, match="is a map of fields"):
        apply(POD, kind, [patch])


@pytest.mark.parametrize(
    ("operations", "wanted"),
    [
        ([{"op": "add", "path": "/a", "value": 1}], {"a": 1, "l": [1, 2]}),
        ([{"op": "add", "path": "/l/-", "value": 3}], {"l": [1, 2, 3]}),
        ([{"op": "add", "path": "/l/0", "value": 0}], {"l": [0, 1, 2]}),
        ([{"op": "add", "path": "/l/-1", "value": 3}], {"l": [1, 2, 3]}),
        ([{"op": "remove", "path": "/l/0"}], {"l": [2]}),
        ([{"op": "replace", "path": "/new", "value": 1}], {"new": 1, "l": [1, 2]}),
        ([{"op": "replace", "path": "", "value": {"b": 1}}], {"b": 1}),
        ([{"op": "move", "from": "/l", "path": "/m"}], {"m": [1, 2]}),
        ([{"op": "copy", "from": "/l/0", "path": "/a~1b~0"}], {"l": [1, 2], "a/b~": 1}),
        ([{"op": "test", "path": "/l/0", "value": 1}], {"l": [1, 2]}),
    ],
)
def test_a_json_patch_is_applied(operations: list[Any], wanted: object) -> None:
    document = {"l": [1, 2]}

    assert apply(document, "json", [operations]) == wanted
    assert document == {"l": [1, 2]}


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"op": "add"}, "is a list of operations"),
        (["a"], "operation 1: is not a map"),
        ([{"op": "put", "path": "/a"}], "op must be one of add"),
        ([{"path": "/a"}], "op must be one of add"),
        ([{"op": "add"}], "path is missing"),
        ([{"op": "add", "path": 1}], "path is not a string"),
        ([{"op": "remove", "path": "/a"}], "there is no /a"),
        ([{"op": "add", "path": "a"}], "there is no path 'a'"),
        ([{"op": "add", "path": "/b/c"}], "there is no path /b/c"),
        ([{"op": "remove", "path": "/l/2"}], "the list has no item 2"),
        ([{"op": "replace", "path": "/l/x", "value": 1}], "'x' is not a place in a list"),
        ([{"op": "move", "path": "/a"}], "from is missing"),
        ([{"op": "test", "path": "/l/0", "value": 2}], "/l/0 has another value"),
        ([{"op": "replace", "path": "", "value": 5}], "neither a map nor a list"),
        ([{"op": "add", "path": "/a", "value": 1}, {"op": "remove", "path": "/b"}], "operation 2: there is no /b"),
    ],
)  # fmt: skip
def test_a_json_patch_that_does_not_apply_is_told_by_its_operation(patch: Any, words: str) -> None:
    with pytest.raises(PatchError) as error:
        apply({"l": [1, 2]}, "json", [patch])

    assert words in str(error.value)


@pytest.mark.parametrize(
    ("path", "value", "right"),
    [
        ("/spec/containers/00/name", "a", True),
        ("/spec/containers/+0/name", "a", True),
        ("/spec/containers/-1/name", "a", True),
        ("/spec/containers/0 /name", "a", False),
        ("/spec/containers/\u0660/name", "a", False),
        ("/spec/containers/0_0/name", "a", False),
        ("/spec/containers/" + "9" * 5000, "a", False),
        ("/spec/hostNetwork", True, True),
        ("/spec/hostNetwork", 1, False),
        ("/spec/priority", 1, True),
        ("/spec/priority", True, False),
        ("/spec/priority", "1", False),
        ("", "a", False),
    ],
)
def test_a_place_and_a_value_are_compared_as_go_does(path: str, value: object, right: bool) -> None:
    document = {
        "spec": {
            "containers": [{"name": "a"}],
            "hostNetwork": True,
            "priority": 1,
            "image": Unknown(""),
        }
    }
    operation = [{"op": "test", "path": path, "value": value}]

    if right:
        assert json_patch(document, operation) == document
    else:
        with pytest.raises(PatchError):
            json_patch(document, operation)


@pytest.mark.parametrize(
    "patch",
    [
        {"spec": {"$retainKeys": "containers"}},
        {"spec": {"$setElementOrder/volumes": ["a"]}},
        {"spec": {"$setElementOrder/volumes": {"name": "a"}}},
        {"metadata": {"$deleteFromPrimitiveList/finalizers": "a"}},
    ],
)
def test_a_directive_is_of_the_form_that_its_reader_wants(patch: dict[str, Any]) -> None:
    with pytest.raises(PatchError):
        strategic(POD, patch)


def test_of_what_a_machine_decides_nothing_is_said() -> None:
    document = {"l": Open([1]), "u": Unknown("x")}

    for operation in (
        {"op": "remove", "path": "/l/4"},
        {"op": "replace", "path": "/l/-1", "value": 1},
        {"op": "test", "path": "/u", "value": "y"},
        {"op": "test", "path": "", "value": {}},
    ):
        with pytest.raises(UnknownError):
            apply(document, "json", [[operation]])


@pytest.mark.parametrize(
    ("patch", "changed"),
    [
        ({"spec": {"containers": [{"name": "a", "image": "b"}]}}, {"image": "b"}),
        ({"spec": {"containers": [{"name": "a", "env": [{"name": "B"}]}]}}, {"env": [{"name": "A", "value": "1"}, {"name": "B"}]}),
        ({"spec": {"containers": [{"name": "a", "env": [{"name": "A", "$patch": "delete"}]}]}}, {"env": []}),
        ({"spec": {"containers": [{"name": "a", "args": ["z"]}]}}, {"args": ["z"]}),
        ({"spec": {"containers": [{"name": "a", "args": None}]}}, {"args": None}),
    ],
)  # fmt: skip
def test_a_strategic_merge_finds_items_by_their_key(patch: Any, changed: dict[str, Any]) -> None:
    (container,) = apply(POD, "strategic", [patch])["spec"]["containers"]

    assert {name: container.get(name) for name in changed} == changed
    assert container["name"] == "a"


def test_a_strategic_merge_takes_its_directives() -> None:
    assert apply(POD, "strategic", [{"$patch": "replace", "a": 1}]) == {"a": 1}
    assert apply(POD, "strategic", [{"spec": {"$patch": "delete"}}])["spec"] == {}
    replaced = apply(
        POD, "strategic", [{"spec": {"containers": [{"$patch": "replace"}, {"name": "b"}]}}]
    )
    assert replaced["spec"]["containers"] == [{"name": "b"}]
    kept = apply(POD, "strategic", [{"spec": {"$retainKeys": ["nodeSelector"]}}])
    assert kept["spec"] == {"nodeSelector": {"a": "b"}}


@pytest.mark.parametrize(
    ("patch", "words"),
    [
        ({"$patch": "nope"}, "$patch must be one of"),
        ({"spec": {"containers": [{"image": "b"}]}}, "an item of spec.containers has no name"),
        ({"spec": {"containers": ["a"]}}, "spec.containers is a list of maps"),
        (
            {"spec": {"containers": [{"name": "a", "env": [{"value": "b"}]}]}},
            "spec.containers[a].env has no name",
        ),
    ],
)
def test_a_strategic_merge_that_does_not_fit_is_told(patch: Any, words: str) -> None:
    with pytest.raises(PatchError) as error:
        apply(POD, "strategic", [patch])

    assert words in str(error.value)


@pytest.mark.parametrize(
    ("value", "words"),
    [
        ({"spec": []}, "spec must be a map"),
        ({"spec": {"containers": [{"name": 1}]}}, "spec.containers[0].name must be a string"),
        ({"metadata": {"labels": {"new": 1}}}, "metadata.labels.new must be a string"),
        ([], "the object must be a map"),
        ({"metadata": {"name": None}, "more": 1}, ""),
    ],
)
def test_a_value_of_another_kind_than_before_is_told(value: Any, words: str) -> None:
    assert misfit_of(value, POD) == words


def patched(target: str, kind: str, patch: object) -> dict[str, Any]:
    text = patch if isinstance(patch, str) else json.dumps(patch)
    return {f"{K}.patches": [{"target": target, "type": kind, "patch": text}]}


FIELD = f"{S}.patches[0].patch"
MOUNT = {
    "spec": {
        "containers": [
            {"name": "kube-scheduler", "volumeMounts": [{"name": "kubeconfig", "mountPath": "/a"}]}
        ]
    }
}
CASES = [
    Case(f"a patch is one: {target} {kind} {patch}", patched(target, kind, patch), [("MA1432", FIELD)],
         patched("kube-scheduler", "strategic", MOUNT))
    for target, kind, patch in (
        ("kube-scheduler", "strategic", "nope: ["), ("kube-scheduler", "json", {"a": 1}), ("etcd", "merge", "[a]"),
        ("corednsdeployment", "strategic", "a"), ("kubeletconfiguration", "json", "a"), ("etcd", "json", "# nothing"),
        ("kube-apiserver", "merge", "a: 1\na: 2"), ("kube-apiserver", "merge", {"kind": "Deployment"}),
        ("kube-apiserver", "merge", {"spec": {"containers": []}}), ("kube-apiserver", "merge", {"spec": None}),
        ("kube-apiserver", "strategic", {"spec": {"containers": [{"name": "b"}]}}),
        ("kube-apiserver", "strategic", {"spec": {"serviceAccountName": "a"}}),
        ("kube-apiserver", "strategic", {"spec": {"volumes": [{"name": "a", "secret": {"secretName": "b"}}]}}),
        ("kube-apiserver", "strategic", {"spec": {"volumes": [{"name": "k8s-certs", "$patch": "delete"}]}}),
        ("kube-apiserver", "strategic", {"metadata": {"name": None}}),
        ("kube-scheduler", "strategic", {"spec": {"containers": [{"name": "kube-scheduler", "volumeMounts": [
            {"name": "kubeconfig", "mountPath": "/proc"}]}]}}),
        ("kube-scheduler", "strategic", {"spec": {"containers": [{"name": "kube-scheduler", "env": [{"name": "1"}]}]}}),
        ("kube-scheduler", "json", [{"op": "add", "path": "/spec/containers/1", "value": {"name": "kube-scheduler", "image": "b"}}]),
        ("kube-scheduler", "json", [{"op": "remove", "path": "/spec/nope"}]),
        ("kube-scheduler", "json", [{"op": "replace", "path": "/spec/hostNetwork", "value": "yes"}]),
        ("kubeletconfiguration", "json", [{"op": "add", "path": "/nope/a", "value": 1}]),
        ("kubeletconfiguration", "merge", {"maxPod": 1}), ("kubeletconfiguration", "strategic", {"maxPods": "a"}),
        ("corednsdeployment", "merge", {"spec": {"replicas": "a"}}),
        ("corednsdeployment", "json", [{"op": "add", "path": "/metadata/annotations", "value": []}]),
        ("corednsdeployment", "json", [{"op": "remove", "path": "/spec/template/spec/containers/1"}]),
        ("kube-scheduler", "json", [{"op": "replace", "path": "", "value": False}]),
    )
]  # fmt: skip

test_a_patch_that_kubeadm_cannot_apply_is_told = judging(CASES)


@pytest.mark.parametrize(
    ("kind", "patch", "right"),
    [
        ("merge", {"spec": []}, False),
        ("merge", {"apiVersion": "v2"}, False),
        ("json", [{"op": "replace", "path": "/spec/template/spec/containers/1/image", "value": "a"}], False),
        ("strategic", {"spec": {"containers": [{"name": "kube-proxy"}]}}, False),
        ("merge", {"spec": None}, False),
        ("json", [{"op": "remove", "path": "/spec"}], False),
        ("json", [{"op": "add", "path": "/metadata/annotations", "value": []}], False),
        ("strategic", {"spec": {"template": {"spec": {"containers": [{"name": "kube-proxy", "resources": {"requests": {"cpu": "1"}}}]}}}}, True),
        ("json", [{"op": "add", "path": "/spec/template/spec/tolerations/-", "value": {"key": "a"}}], True),
        ("json", [{"op": "add", "path": "/spec/template/spec/containers/0/command/-", "value": "--v=4"}], True),
    ],
)  # fmt: skip
def test_a_patch_of_kube_proxy_is_tried_on_its_daemonset(
    kind: str, patch: object, right: bool
) -> None:
    given = {f"{K}.version": "v1.37.2", **patched("kubeproxydaemonset", kind, patch)}

    found = places(check(configuration(given), read=read_values))

    assert found == ([] if right else [("MA1432", FIELD)])


@pytest.mark.parametrize(
    ("target", "kind", "patch"),
    [
        ("kube-scheduler", "json", [{"op": "add", "path": "/spec/hostNetwork", "value": None}]),
        ("kube-apiserver", "json", [{"op": "add", "path": "/spec/containers/0/command/-", "value": "--v=4"}]),
        ("kube-apiserver", "json", [{"op": "replace", "path": "/spec/containers/0/command/60", "value": "--v=4"}]),
        ("kube-apiserver", "strategic", {"spec": {"containers": [{"name": "kube-apiserver", "resources": {"limits": {"cpu": 1}}}]}}),
        ("etcd", "strategic", "spec:\n  priorityClassName: a\n---\nmetadata:\n  annotations: {a: b}\n"),
        ("kubeletconfiguration", "merge", {"maxPods": 50, "healthzPort": None}),
        ("corednsdeployment", "strategic", {"spec": {"template": {"spec": {"nodeSelector": {"a": "b"}}}}}),
        ("corednsdeployment", "json", [{"op": "replace", "path": "/spec/replicas", "value": 3}]),
    ],
)  # fmt: skip
def test_a_patch_that_people_write_passes(target: str, kind: str, patch: object) -> None:
    assert check(configuration(patched(target, kind, patch)), read=read_values) == []


@pytest.mark.parametrize("minor", range(OLDEST_MINOR, NEWEST_MINOR + 1))
def test_a_patch_that_changes_little_passes_in_every_version(minor: int) -> None:
    """What kubeadm of the version writes is right, and the versions differ in what that is."""
    little = {
        "kubeletconfiguration": {"maxPods": 50},
        "corednsdeployment": {"metadata": {"annotations": {"a": "b"}}},
        "kubeproxydaemonset": {"metadata": {"annotations": {"a": "b"}}},
    }
    pod = {"metadata": {"annotations": {"a": "b"}}}
    targets = [
        each
        for each, where in upstream.names()["patches"].items()
        if upstream.at(where, minor) is not None
    ]

    assert {"etcd", "kube-apiserver", "kubeletconfiguration"} <= set(targets)
    for target in targets:
        given = {
            f"{K}.version": f"v1.{minor}.0",
            **patched(target, "strategic", little.get(target, pod)),
        }
        assert check(configuration(given), read=read_values) == [], target


def test_patches_of_one_target_are_applied_one_after_the_other() -> None:
    volume = {"spec": {"volumes": [{"name": "a", "emptyDir": {}}]}}
    mount = {
        "spec": {
            "containers": [{"name": "etcd", "volumeMounts": [{"name": "a", "mountPath": "/a"}]}]
        }
    }

    def of(*parts: object) -> dict[str, Any]:
        return {f"{K}.patches": [{"target": "etcd", "patch": json.dumps(part)} for part in parts]}

    assert check(configuration(of(volume, mount)), read=read_values) == []
    assert places(check(configuration(of(mount, volume)), read=read_values)) == [("MA1432", FIELD)]


def test_nothing_is_said_of_a_target_that_there_is_not() -> None:
    external = {f"{K}.cluster.etcd.external.endpoints": ["http://b:2379"]}

    assert (
        check(
            configuration(
                {**external, **patched("etcd", "json", [{"op": "remove", "path": "/nope"}])}
            ),
            read=read_values,
        )
        == []
    )


@pytest.mark.parametrize("depth", [60_000])
def test_a_patch_cannot_bring_the_reader_down(depth: int) -> None:
    (found,) = check(configuration(patched("etcd", "merge", "[" * depth)), read=read_values)

    assert found.code == "MA1432"


def _doubled(operations: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{"op": "add", "path": "/m", "value": {"x": "y" * 40}}, *operations]


GROWING: dict[str, list[dict[str, Any]]] = {
    "copied into itself": _doubled(
        [{"op": "copy", "from": "/m", "path": f"/m/k{i}"} for i in range(60)]
    ),
    "copied to the end of a list of itself": [
        {"op": "add", "path": "/m", "value": {"l": [1]}},
        *[{"op": "copy", "from": "/m", "path": "/m/l/-"}] * 60,
    ],
    "a list doubled by two names": [
        {"op": "add", "path": "/a", "value": [1] * 50},
        {"op": "add", "path": "/b", "value": []},
        *[{"op": "copy", "from": f"/{'ab'[i % 2]}", "path": f"/{'ba'[i % 2]}/-"} for i in range(120)],
    ],
    "copied beside itself again and again": _doubled(
        [{"op": "copy", "from": "/m", "path": f"/n{i}"} for i in range(9)]
        + [{"op": "copy", "from": "/n1", "path": f"/m/k{i}"} for i in range(9)]
        + [{"op": "copy", "from": "/m", "path": f"/m/j{i}"} for i in range(40)]
    ),
    "deeper each time": [
        {"op": "add", "path": "/m", "value": {"k": {}}},
        *({"op": "copy", "from": "/m", "path": "/m" + "/k" * 2**i} for i in range(12)),
    ],
    "a level at a time": [
        {"op": "add", "path": "/m" * (i + 1), "value": {}} for i in range(2000)
    ],
    "moved deeper": [
        *(op for i in range(300) for op in (
            {"op": "add", "path": f"/n{i}", "value": {"k": {}}},
            {"op": "move", "from": f"/n{i - 1}" if i else "/spec", "path": f"/n{i}/k/v"},
        )),
    ],
}  # fmt: skip


@pytest.mark.parametrize("name", GROWING)
def test_what_grows_by_being_copied_is_refused_at_the_price_of_its_own_size(name: str) -> None:
    tracemalloc.start()
    with pytest.raises(PatchError, match=r"operation \d+: the (patch puts|document would have)"):
        apply({"spec": {}}, "json", [GROWING[name]])
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    assert peak < 150_000_000


def test_patches_of_one_target_share_what_they_may_grow_it_by() -> None:
    first = _doubled([{"op": "copy", "from": "/m", "path": f"/m/k{i}"} for i in range(12)])
    more = [
        {"op": "copy", "from": "/m", "path": "/n"},
        {"op": "copy", "from": "/n", "path": "/m/n"},
    ]

    with pytest.raises(PatchError, match="more into the document"):
        apply({}, "json", [first, *[more] * 30])


def test_a_configuration_with_such_a_patch_is_refused_with_its_place() -> None:
    operations = json.dumps(GROWING["copied into itself"])
    given = configuration(
        {f"{K}.patches": [{"target": "kube-apiserver", "type": "json", "patch": operations}]}
    )

    (found,) = check(given, read=read_values)

    assert found.path == f"{S}.patches[0].patch"
    assert "more into the document" in found.message
