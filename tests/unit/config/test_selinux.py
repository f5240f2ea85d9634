"""SELinux: who writes its files."""

from __future__ import annotations

from tests.rulecases import Case, judging

X = "machine.linuxConfiguration.selinux"

CASES = [
    Case(f"one writer of {path}", {X: {"mode": "Enforcing"}, "machine.files": [{"path": path, "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")], {"machine.files": [{"path": path, "content": ""}]})
    for path in ("/etc/selinux/config", "/.autorelabel")
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
