"""What `validate` accepts starts: kubeadm, the kubelet and the API server judge the same drawn configurations.

Where the two verdicts differ, it is on purpose, and stands in a list of tests/verdict_table.py with its reason.
"""

from __future__ import annotations

import pytest

from tests.configurations import document
from tests.drawn_machines import BASE, KINDS, Verdict, drawn, ours
from tests.judges import judges
from tests.verdict_table import OF_MACHINES_ACCEPTED, is_refused_machine

COUNT = 300
"""Cases of each kind."""


def judged(kind: str) -> list[tuple[Verdict, list[str]]]:
    verdicts = [one for one in map(ours, drawn(kind, COUNT)) if one.machine is not None]
    machines = [one.machine for one in verdicts if one.machine is not None]
    return list(zip(verdicts, judges.controlplane_validate(machines), strict=True))


@pytest.mark.parametrize("kind", KINDS)
def test_our_verdict_is_that_of_kubernetes(kind: str) -> None:
    cases = judged(kind)

    false_accepts = [
        (verdict.spec, problems)
        for verdict, problems in cases
        if problems
        and not verdict.refusals
        and not any(known in problems[0] for known in OF_MACHINES_ACCEPTED)
    ]
    false_refusals = [
        (verdict.spec, verdict.refusals)
        for verdict, problems in cases
        if verdict.refusals and not problems and not is_refused_machine(verdict.refusals)
    ]
    assert false_accepts == []
    assert false_refusals == []
    # A generator that draws one verdict alone would prove nothing.
    taken = sum(not problems for _, problems in cases)
    assert len(cases) * 0.03 < taken < len(cases) * 0.97


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


def test_the_control_plane_judge_passes_what_is_good() -> None:
    good = ours(spec(**{VOLUMES: [{"name": "a", "hostPath": "/a", "mountPath": "/a"}]}))
    assert good.machine

    assert judges.controlplane_validate([good.machine]) == [[]]


@pytest.mark.parametrize(("stage", "fields", "words"), FAULTS)
def test_the_control_plane_judge_catches_a_planted_fault(
    stage: str, fields: dict[str, object], words: str
) -> None:
    planted = ours(spec(**fields))
    assert planted.machine

    (problems,) = judges.controlplane_validate([planted.machine])

    assert any(one.startswith(stage) and words in one for one in problems), problems


def test_the_same_seed_draws_the_same_cases() -> None:
    for kind in KINDS:
        first, again = (
            [document(one) for one in drawn(kind, 20)],
            [document(one) for one in drawn(kind, 20)],
        )
        assert first == again
        assert first != [document(one) for one in drawn(kind, 20, seed=1)]
