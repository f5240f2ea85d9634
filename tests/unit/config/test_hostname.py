"""The host name: every rule between fields, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import Case, judging

CASES = [
    Case("a host name is one that Linux takes",
         {"machine.linuxConfiguration.hostname": "a" * 65},
         [("MA1312", "spec.machine.linuxConfiguration.hostname"),
          ("MA1322", "spec.machine.linuxConfiguration.hostname")],
         {"machine.linuxConfiguration.hostname": "a" * 63}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
