"""Static pods: every rule between fields, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import CP, POD, C, Case, judging

CASES = [
    Case("a static pod has one manifest",
         {f"{CP}.staticPods": [{"name": "a"}]}, [("MA1302", f"{C}.staticPods[0]")],
         {f"{CP}.staticPods": [{"name": "a", "manifest": POD}]}),
    Case("kubeadm's pods are its own",
         {f"{CP}.staticPods": [{"name": "etcd", "manifest": POD}]}, [("MA1306", f"{C}.staticPods[0].name")],
         {f"{CP}.staticPods": [{"name": "etcd-backup", "manifest": POD}]}),
    Case("a static pod is a pod",
         {f"{CP}.staticPods": [{"name": "a", "manifest": {"apiVersion": "v1", "kind": "Service"}}]},
         [("MA1313", f"{C}.staticPods[0].manifest.kind")],
         {f"{CP}.staticPods": [{"name": "a", "manifest": POD}]}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
