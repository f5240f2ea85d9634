"""Static pods of the configuration, where the kubelet finds them."""

from __future__ import annotations

import pytest

from machineadm.steps.static_pods import plan_static_pods
from tests.applying import apply
from tests.fakes.host import FakeHost
from tests.kubeadm_cases import GOLDEN, kubernetes_of


def test_a_worker_has_none() -> None:
    assert plan_static_pods(kubernetes_of(GOLDEN / "maximal" / "join-worker.yaml")) == ()


@pytest.mark.requirement("R3", "U11")
def test_a_static_pod_is_written_under_its_name() -> None:
    (step,) = plan_static_pods(kubernetes_of(GOLDEN / "maximal" / "init.yaml"))
    host = FakeHost()

    apply(step, host)

    manifest = host.text("/etc/kubernetes/manifests/keepalived.yaml") or ""
    assert 'quoted: "012"' in manifest
    assert 'kind: "Pod"' in manifest
