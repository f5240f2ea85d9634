"""Swap: every rule, what it warns of, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import NODE, Case, judging

S = "machine.linuxConfiguration.swap"

CASES = [
    Case("a kubelet does not start where swap is on",
         {f"{S}.enabled": True}, [("MA1323", f"spec.{S}.enabled")],
         {f"{S}.enabled": True, f"{NODE}.kubelet.failSwapOn": False}),
    Case("what masks swap has one writer",
         {f"{S}.enabled": False, "machine.files": [{"path": "/etc/systemd/system/swap.target", "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")], {f"{S}.enabled": False}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
