"""Kernel modules: every rule between fields, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import Case, judging

CASES = [
    Case("a module is loaded once",
         {"machine.linuxConfiguration.kernelModules": ["br_netfilter", "br-netfilter"]},
         [("MA1306", "spec.machine.linuxConfiguration.kernelModules[1]")],
         {"machine.linuxConfiguration.kernelModules": ["br_netfilter", "overlay"]}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
