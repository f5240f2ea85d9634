"""Documents that are passed on to Kubernetes are judged as their readers judge them, each fault where it stands."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from machineadm.agent.intake import examine
from machineadm.config import upstream
from machineadm.config.passed_on import judged
from machineadm.config.versions import NEWEST_MINOR, OLDEST_MINOR, STRUCTURED_MINOR
from machineadm.sources.stream import Stream
from tests.passed_on_cases import DROP, KUBELET, POD, RIGHT, Case, cases, changed

MINORS = range(OLDEST_MINOR, NEWEST_MINOR + 1)


def said(document: dict[str, Any], kind: str, minor: int = 34) -> list[tuple[str, str]]:
    return [(each.path, each.message) for each in judged(document, "", kind, minor)]


def test_a_right_document_is_right() -> None:
    for kind, document in RIGHT.items():
        assert said(document, kind) == [], kind


@pytest.mark.parametrize("case", cases(), ids=lambda case: f"{case.kind}: {case.name}")
def test_one_fault_is_told_once_and_where_it_stands(case: Case) -> None:
    told = said(case.document, case.kind)

    assert [path for path, _message in told] == [case.place], told


def by_newest_version(kind: str, minor: int) -> dict[str, Any]:
    """A right document, by the newest apiVersion that a version has."""
    for api_version, (_type, where) in upstream.fields()["kinds"][kind].items():
        if upstream.holds(where, minor):
            return copy.deepcopy(RIGHT[kind]) | {"apiVersion": api_version}
    raise AssertionError(f"1.{minor} has no {kind}")


STRUCTURED = ("AuthenticationConfiguration", "AuthorizationConfiguration")


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize("kind", RIGHT)
def test_every_version_takes_what_it_has(kind: str, minor: int) -> None:
    if kind in STRUCTURED and minor < STRUCTURED_MINOR:
        assert said(RIGHT[kind], kind, minor) == []  # the field itself needs a later version
        return
    document = by_newest_version(kind, minor)

    told = list(judged(document, "", kind, minor))

    # What came later is the only thing that is ever wrong with them: 1.29 has swap behind a gate.
    assert {each.code for each in told if "NodeSwap" not in each.message} <= {"MA1310"}
    if minor >= 34:
        assert told == []


@pytest.mark.parametrize("kind", RIGHT)
def test_a_field_with_a_letter_too_many_is_told_with_the_right_name(kind: str) -> None:
    """Every field of the document itself, wherever it stands."""
    for path in fields_of(RIGHT[kind], ""):
        parent, _, name = path.rpartition(".")
        value = at(RIGHT[kind], path)
        wrong = f"{parent}.{name}q" if parent else f"{name}q"
        document = changed(changed(RIGHT[kind], path, DROP), wrong, value)

        told = [(p, m) for p, m in said(document, kind) if p == wrong]

        assert [f'did you mean "{name}"?' in message for _p, message in told] in ([True], []), wrong
        if not told:  # apiVersion and kind are told as missing
            assert name in ("apiVersion", "kind"), wrong


def fields_of(value: Any, path: str) -> list[str]:
    """Paths of the fields of maps that are Kubernetes' own: maps of names that people choose are left out."""
    if isinstance(value, list):
        return [p for i, item in enumerate(value) for p in fields_of(item, f"{path}[{i}]")]
    if not isinstance(value, dict) or path.rpartition(".")[2] in CHOSEN:
        return []
    found = []
    for name, item in value.items():
        here = f"{path}.{name}" if path else name
        found += [here, *fields_of(item, here)]
    return found


CHOSEN = (
    "labels",
    "featureGates",
    "kubeReserved",
    "evictionHard",
    "requests",
    "limits",
)


def at(document: Any, path: str) -> Any:
    import re

    for name, index in re.findall(r"([A-Za-z-]+)|\[([0-9]+)\]", path):
        document = document[int(index)] if index else document[name]
    return document


def test_a_field_of_a_later_version_is_told_with_that_version() -> None:
    document = KUBELET | {"memoryReservationPolicy": "None"}

    (told,) = judged(document, "", "KubeletConfiguration", 35)

    assert told.code == "MA1310"
    assert "1.36 or later" in told.message
    assert said(document, "KubeletConfiguration", 36) == []


@pytest.mark.parametrize(
    ("given", "right"), [("-1ns", False), (-1, False), ("5s", True), (0, True)]
)
def test_a_log_is_not_flushed_before_it_is_written(given: object, right: bool) -> None:
    kubelet = copy.deepcopy(RIGHT["KubeletConfiguration"]) | {"logging": {"flushFrequency": given}}

    told = said(kubelet, "KubeletConfiguration", 37)

    assert [path for path, _message in told] == ([] if right else ["logging.flushFrequency"])


def test_of_an_unknown_version_kind_and_apiversion_alone_are_looked_at() -> None:
    assert list(judged({"apiVersion": "v1", "kind": "Pod", "spce": 1}, "", "Pod", None)) == []
    assert list(judged({"apiVersion": "v2", "kind": "Pod"}, "", "Pod", None)) != []


MACHINE = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  kubernetes:
    version: v1.34.4
    role: {type: Initialize}
    controlPlane:
      staticPods:
        - name: proxy
          manifest:
            apiVersion: v1
            kind: Pod
            metadata: {name: proxy, creationTimestamp: null}
            spec:
              containers:
                - name: proxy
                  imagee: registry.example.com/proxy:1
                  resources: {}
              volumes: null
            status: {}
"""


def test_a_fault_has_its_line_in_the_configuration_and_null_is_absent() -> None:
    found = examine([Stream(name="machine.yaml", data=MACHINE.encode())])

    (problem,) = found.problems
    assert (problem.code, problem.line, problem.column) == ("MA1324", 17, 19)
    assert problem.path.endswith("staticPods[0].manifest.spec.containers[0].imagee")
    assert 'did you mean "image"?' in problem.message


def test_long_texts_are_measured_before_they_are_matched() -> None:
    long = "1" * 1_000_000
    document = KUBELET | {"syncFrequency": long, "reservedSystemCPUs": long}
    pod = changed(POD, "spec.containers[0].resources.limits.memory", long)

    assert {path for path, _ in said(document, "KubeletConfiguration")} == {
        "syncFrequency",
        "reservedSystemCPUs",
    }
    assert len(said(pod, "Pod")) == 1


def test_no_value_is_repeated_in_a_message() -> None:
    """A document may hold what nobody else is to read."""
    document = changed(POD, "spec.containers[0].env[0].value", {"secret": "hunter2"})
    document = changed(document, "spec.containers[0].image", " hunter2")
    document = changed(document, "spec.volumes[0].hostPath.type", "hunter2")

    assert "hunter2" not in repr(list(judged(document, "", "Pod", 34)))
