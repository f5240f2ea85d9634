"""What `validate` accepts starts: the programs of a version and we judge the same drawn cases.

Where the two verdicts differ, it is on purpose, and stands in a list of tests/verdict_table.py with its reason.
"""

from __future__ import annotations

import pytest

from tests.configurations import document
from tests.drawn_machines import BASE, KINDS, Verdict, drawn, ours
from tests.judges import judges
from tests.verdict_table import KINDS as ALL_KINDS
from tests.verdict_table import asked, cases

MINORS = (34, 37)
"""Versions that are judged whole."""

COUNT = 300
"""Cases of each kind."""


@pytest.mark.parametrize("kind", ALL_KINDS)
@pytest.mark.parametrize("minor", MINORS)
def test_our_verdict_is_that_of_the_programs_of_a_version(minor: int, kind: str) -> None:
    counts, differing = asked(kind, minor, COUNT)

    assert differing == []
    # A generator that draws one verdict alone would prove nothing.
    assert counts["cases"] * 0.03 < counts["refused"] < counts["cases"] * 0.97


@pytest.mark.parametrize("kind", KINDS)
def test_what_an_older_kubeadm_refuses_is_refused(kind: str) -> None:
    """kubeadm's validation alone, of the last version that reads v1beta3: what its other programs refuse is `make verdicts`' business."""
    drawn = cases(kind, 30, COUNT)
    requests = [{"judge": "kubeadm", "config": case.request["config"]} for case in drawn]

    answers = judges.verdicts(30, requests, kubeadm_alone=True)

    accepted = [
        (case.what, problems)
        for case, problems in zip(drawn, answers, strict=True)
        if problems and not case.refusals
    ]
    assert accepted == []


def test_an_older_kubeadm_catches_a_planted_fault() -> None:
    good, planted = (
        ours({**BASE, "kubernetes.version": "v1.30.4", **more}) for more in ({}, SIGNING)
    )
    assert good.machine
    assert planted.machine
    requests = [
        {"judge": "kubeadm", "config": each.machine.config}
        for each in (good, planted)
        if each.machine
    ]

    taken, refused = judges.verdicts(30, requests, kubeadm_alone=True)

    assert taken == []
    assert any("token groups cannot be specified" in one for one in refused)


SIGNING: dict[str, object] = {
    "kubernetes.role": {
        "type": "Initialize",
        "bootstrapTokens": [{"token": "abcdef.0123456789abcdef", "usages": ["signing"]}],
    }
}


def spec(**fields: object) -> dict[str, object]:
    return {**BASE, **{name.replace("__", "."): value for name, value in fields.items()}}


ARGUMENTS = "kubernetes__controlPlane__apiServer__extraArgs"
VOLUMES = "kubernetes__controlPlane__apiServer__extraVolumes"
SCHEDULER = "kubernetes__controlPlane__scheduler"
FAULTS = [
    ("kubeadm: ", {"kubernetes__role": {"type": "Initialize", "bootstrapTokens": [
        {"token": "abcdef.0123456789abcdef", "usages": ["signing"]}]}}, "token groups cannot be specified"),
    ("pod kube-apiserver: ", {VOLUMES: [{"name": "a", "hostPath": "/a", "mountPath": "/etc/ssl/certs"}]}, "must be unique"),
    ("pod kube-apiserver: ", {VOLUMES: [{"name": "a", "hostPath": "/a", "mountPath": "/proc/a"}]}, "nothing can be mounted"),
    ("pod kube-apiserver: ", {ARGUMENTS: [{"name": "token-auth-file", "value": "/a"}]}, "below no mount"),
    ("pod kube-scheduler: ", {f"{SCHEDULER}__extraEnv": [
        {"name": "A", "valueFrom": {"secretKeyRef": {"name": "a", "key": "b"}}}]}, "may not reference secrets"),
    ("kube-apiserver: ", {ARGUMENTS: [{"name": "nope", "value": "/a"}]}, "unknown flag"),
    ("kube-apiserver: ", {ARGUMENTS: [{"name": "authorization-mode", "value": "ABAC"}]}, "policy file not passed"),
    ("kube-apiserver: ", {"kubernetes__controlPlane__authentication__oidc": {
        "issuerURL": "https://a?b=c", "clientID": "k"}}, "must not contain a query"),
    ("patch kube-scheduler: ", {"kubernetes__patches": [
        {"target": "kube-scheduler", "type": "json", "patch": "{}"}]}, "cannot unmarshal"),
    ("patch kubeletconfiguration: ", {"kubernetes__patches": [
        {"target": "kubeletconfiguration", "patch": "{maxPods: a}"}]}, "maxPods"),
    ("patch corednsdeployment: ", {"kubernetes__patches": [
        {"target": "corednsdeployment", "patch": "{spec: {replicas: a}}"}]}, "replicas"),
]  # fmt: skip


def machine_problems(minor: int, verdict: Verdict) -> list[str]:
    assert verdict.machine
    request = {
        "judge": "machine",
        "config": verdict.machine.config,
        "files": dict(verdict.machine.files),
        "patches": dict(verdict.machine.patches),
    }
    (problems,) = judges.verdicts(minor, [request])
    return problems


@pytest.mark.parametrize("minor", MINORS)
def test_the_judge_of_machines_passes_what_is_good(minor: int) -> None:
    version = {"kubernetes__version": f"v1.{minor}.0"}
    good = ours(spec(**version, **{VOLUMES: [{"name": "a", "hostPath": "/a", "mountPath": "/a"}]}))

    assert machine_problems(minor, good) == []


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize(("stage", "fields", "words"), FAULTS)
def test_the_judge_of_machines_catches_a_planted_fault(
    minor: int, stage: str, fields: dict[str, object], words: str
) -> None:
    version = {"kubernetes__version": f"v1.{minor}.0"}
    problems = machine_problems(minor, ours(spec(**version, **fields)))

    assert any(one.startswith(stage) and words in one for one in problems), problems


ARGUMENT_FAULTS = [
    ("kube-apiserver", "--nope=1", "unknown flag"),
    ("kube-apiserver", "--goaway-chance=0.5", "goaway-chance"),
    ("kube-apiserver", "--feature-gates=Nope=true", "Nope"),
    ("kube-controller-manager", "--concurrent-service-endpoint-syncs=51", "concurrent-service-endpoint-syncs"),
    ("kube-scheduler", "--secure-port=70000", "secure-port"),
    ("kubelet", "--max-pods=-1", "max-pods"),
    ("kubelet", "--feature-gates=Nope=true", "Nope"),
    ("etcd", "--nope=1", "nope"),
    ("etcd", "--auto-compaction-mode=nope", "auto-compaction-mode"),
]  # fmt: skip


@pytest.mark.parametrize("minor", MINORS)
@pytest.mark.parametrize(("program", "argument", "words"), ARGUMENT_FAULTS)
def test_the_judge_of_arguments_catches_a_planted_fault(
    minor: int, program: str, argument: str, words: str
) -> None:
    good, planted = judges.verdicts(
        minor,
        [{"judge": "flags", "program": program, "args": args} for args in ([], [argument])],
    )

    assert good == []
    assert any(words in one for one in planted), planted


def test_the_same_seed_draws_the_same_cases() -> None:
    for kind in KINDS:
        first, again = (
            [document(one) for one in drawn(kind, 20)],
            [document(one) for one in drawn(kind, 20)],
        )
        assert first == again
        assert first != [document(one) for one in drawn(kind, 20, seed=1)]
