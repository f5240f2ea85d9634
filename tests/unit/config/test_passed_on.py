"""Documents that are passed on to Kubernetes are judged as their readers judge them, each fault where it stands."""

from __future__ import annotations

import copy
import itertools
import re
from typing import Any

import pytest

from machineadm.agent.intake import examine
from machineadm.config import upstream
from machineadm.config.passed_on import judged
from machineadm.config.upstream.walk import billionths, duration_seconds
from machineadm.config.validation import check
from machineadm.config.versions import NEWEST_MINOR, OLDEST_MINOR, STRUCTURED_MINOR
from machineadm.documents.decoding import read_values
from machineadm.sources.stream import Stream
from tests.configurations import configuration
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

    # What came later is the only thing that is ever wrong with them: 1.29 has swap behind a gate, 1.31 anonymous users.
    gated = ("NodeSwap", "AnonymousAuthConfigurableEndpoints")
    assert {each.code for each in told if not any(gate in each.message for gate in gated)} <= {
        "MA1310"
    }
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


@pytest.mark.parametrize(
    "wrong",
    [
        {"name": "gpu"},
        {"name": "gpu", "source": {}},
        {"name": "gpu", "source": {"resourceClaimName": "a", "resourceClaimTemplateName": "a"}},
        {"name": "gpu", "source": {"resourceClaimName": "A"}},
        {"name": "gpu.1", "source": {"resourceClaimName": "a"}},
        {"source": {"resourceClaimName": "a"}},
    ],
)
def test_a_claim_of_resources_has_a_name_and_one_source(wrong: dict[str, Any]) -> None:
    """1.30 starts a static pod with claims, and from 1.31 on their names are in the claim itself."""
    right = {"name": "gpu", "source": {"resourceClaimName": "a"}}
    later = {"name": "gpu", "resourceClaimName": "a"}

    assert said(changed(POD, "spec.resourceClaims", [right]), "Pod", 30) == []
    assert said(changed(POD, "spec.resourceClaims", [later]), "Pod", 31) == []
    assert said(changed(POD, "spec.resourceClaims", [right, right]), "Pod", 30) != []
    assert len(said(changed(POD, "spec.resourceClaims", [wrong]), "Pod", 30)) == 1
    moved = {**wrong, **wrong.get("source", {})}
    moved.pop("source", None)
    assert len(said(changed(POD, "spec.resourceClaims", [moved]), "Pod", 31)) == 1


def test_names_of_what_a_static_pod_refers_to_are_names_where_it_may() -> None:
    wrong = {
        "spec.serviceAccountName": ("fd00::/64", "a.b"),
        "spec.serviceAccount": ("fd00::/64", "a.b"),
        "spec.containers[0].envFrom": (
            [{"secretRef": {"name": "a b"}}],
            [{"secretRef": {"name": "a"}}],
        ),
    }
    for path, (bad, good) in wrong.items():
        for minor in (30, 31, 33):
            told = said(changed(POD, path, bad), "Pod", minor)
            assert [place.startswith(path) for place, _message in told] == [True], (path, minor)
            assert said(changed(POD, path, good), "Pod", minor) == []
        assert said(changed(POD, path, good), "Pod", 34) != []  # as a reference


@pytest.mark.parametrize("given", ["..a", "2-1", "1-70000", "a:1", "1-2-3", "-1"])
def test_a_range_of_ports_is_one_where_kube_proxy_looks_at_it(given: str) -> None:
    document = copy.deepcopy(RIGHT["KubeProxyConfiguration"])
    places = {minor: said(document | {"portRange": given}, KUBE_PROXY, minor) for minor in MINORS}

    for minor, told in places.items():
        expected = ["portRange"] if minor <= 30 else []
        assert [path for path, _message in told if path == "portRange"] == expected
    for right in ("", "0", "30000-32767", "1+2", " 80 "):
        assert not [
            path
            for path, _ in said(document | {"portRange": right}, KUBE_PROXY, 30)
            if path == "portRange"
        ]


KUBE_PROXY = "KubeProxyConfiguration"


def test_amounts_and_lengths_of_time_are_those_that_kubernetes_reads() -> None:
    """Beside the patterns of their grammar, over all texts of a few of its letters."""
    number = r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)"
    amount = re.compile(rf"{number}([eE][+-]?[0-9]+|[numkMGTPE]|[KMGTPE]i)?")
    time = re.compile(r"[+-]?(0|(([0-9]+(\.[0-9]*)?|\.[0-9]+)(ns|[u\u00b5\u03bc]s|ms|s|m|h))+)")
    for length in range(6):
        for letters in itertools.product("+-10.eEKim", repeat=length):
            text = "".join(letters)
            assert (billionths(text) is not None) == (amount.fullmatch(text) is not None), text
        for letters in itertools.product("-10.msnuh\u00b5", repeat=length):
            text = "".join(letters)
            assert (duration_seconds(text) is not None) == (time.fullmatch(text) is not None), text


def test_who_is_anonymous_is_configured_with_a_gate_in_1_31() -> None:
    kind = "AuthenticationConfiguration"
    document = copy.deepcopy(RIGHT[kind]) | {"apiVersion": "apiserver.config.k8s.io/v1beta1"}

    def places(minor: int, **gates: bool) -> list[str]:
        return [
            each.path
            for each in judged(document, "", kind, minor, inherited={"featureGates": gates})
        ]

    assert places(31) == ["anonymous"]
    assert places(31, AnonymousAuthConfigurableEndpoints=True) == []
    assert places(31, AllAlpha=True) == []
    assert places(32) == []


def test_the_gate_of_anonymous_is_an_argument_of_the_api_server() -> None:
    document = {
        "apiVersion": "apiserver.config.k8s.io/v1beta1",
        "kind": "AuthenticationConfiguration",
        "anonymous": {"enabled": False},
    }
    gates = {"name": "feature-gates", "value": "AnonymousAuthConfigurableEndpoints=true"}
    given = {
        "kubernetes.version": "v1.31.4",
        "kubernetes.controlPlane.authentication.structured": document,
    }
    turned_on = {"kubernetes.controlPlane.apiServer.extraArgs": [gates]}

    assert [each.code for each in check(configuration(given), read=read_values)] == ["MA1440"]
    assert check(configuration(given | turned_on), read=read_values) == []


def test_a_whole_stage_of_gates_can_be_turned_off() -> None:
    given = {
        "apiVersion": KUBELET["apiVersion"],
        "kind": "KubeletConfiguration",
        "shutdownGracePeriod": "30s",
    }
    off = {"featureGates": {"AllBeta": False}}
    on = {
        "featureGates": {
            "AllBeta": False,
            "GracefulNodeShutdown": True,
            "GracefulNodeShutdownBasedOnPodPriority": True,
        }
    }

    assert said(given, "KubeletConfiguration", 34) == []
    assert [path for path, _message in said(given | off, "KubeletConfiguration", 34)] == [
        "shutdownGracePeriod"
    ]
    assert said(given | on, "KubeletConfiguration", 34) == []


def test_an_image_is_collected_at_an_age_above_the_least_one_even_where_that_is_the_usual() -> None:
    for least in ({}, {"imageMinimumGCAge": "0s"}):
        for most, right in (("2m", False), ("2m1s", True), ("0s", True)):
            told = said(KUBELET | {"imageMaximumGCAge": most, **least}, "KubeletConfiguration")
            assert (told == []) == right, (least, most)


def test_an_image_has_a_registry_up_to_1_35() -> None:
    policy = {"imagePullCredentialsVerificationPolicy": "NeverVerifyAllowlistedImages"}
    for image, first in (("a", 36), ("library/a", 36), ("registry.example.com/a", 35)):
        given = KUBELET | policy | {"preloadedImagesVerificationAllowlist": [image]}
        for minor in (35, 36, 37):
            assert (said(given, "KubeletConfiguration", minor) == []) == (minor >= first), image


def test_a_length_of_time_is_one_that_go_can_count() -> None:
    longest, longer = "2562047h47m16.8s", "2562048h"

    assert duration_seconds(longest) is not None
    assert duration_seconds(f"-{longest}") is not None
    for text in (longer, f"-{longer}", "9" * 100 + "s", "2562047h60m"):
        assert duration_seconds(text) is None
        told = said(KUBELET | {"streamingConnectionIdleTimeout": text}, "KubeletConfiguration")
        assert [path for path, _message in told] == ["streamingConnectionIdleTimeout"]


@pytest.mark.parametrize(
    ("text", "count"),
    [
        ("1", 10**9),
        ("-1.5", -15 * 10**8),
        ("100Mi", 100 * 1024**2 * 10**9),
        ("0.5Ki", 512 * 10**9),
        ("250m", 25 * 10**7),
        ("1e3", 10**12),
        ("1E3", 10**12),
        ("1E", 10**27),
        ("1n", 1),
        ("0.1n", 1),
        ("-0.1n", -1),
        ("1e-10", 1),
        ("1e-999999999", 1),
    ],
)
def test_an_amount_is_counted_in_billionths_and_rounded_up(text: str, count: int) -> None:
    assert billionths(text) == count


def test_no_value_is_repeated_in_a_message() -> None:
    """A document may hold what nobody else is to read."""
    document = changed(POD, "spec.containers[0].env[0].value", {"secret": "hunter2"})
    document = changed(document, "spec.containers[0].image", " hunter2")
    document = changed(document, "spec.volumes[0].hostPath.type", "hunter2")

    assert "hunter2" not in repr(list(judged(document, "", "Pod", 34)))
