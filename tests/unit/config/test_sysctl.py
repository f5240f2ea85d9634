"""Kernel parameters: every rule between fields, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import Case, judging

CASES = [
    Case("a kernel parameter is set once",
         {"machine.linuxConfiguration.sysctls": {"net.ipv4.ip_forward": "1", "net/ipv4/ip_forward": "0"}},
         [("MA1306", 'spec.machine.linuxConfiguration.sysctls["net/ipv4/ip_forward"]')],
         {"machine.linuxConfiguration.sysctls": {"net/ipv4/conf/a.b/x": "1", "net.ipv4.conf.a.b.x": "0"}}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
