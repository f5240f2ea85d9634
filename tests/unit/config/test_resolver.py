"""Name resolution: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import Case, judging

R = "machine.linuxConfiguration.resolver"
SERVERS = [f"192.0.2.{n}" for n in range(1, 5)]

CASES = [
    Case("three name servers are asked",
         {f"{R}.nameservers": SERVERS}, [("MA1323", f"spec.{R}.nameservers[3]")], {f"{R}.nameservers": SERVERS[:3]}),
]  # fmt: skip
CASES += [
    Case(f"one writer of {path}",
         {f"{R}.searchDomains": ["example.com"], "machine.files": [{"path": path, "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")], {R: {}, "machine.files": [{"path": path, "content": ""}]})
    for path in ("/etc/resolv.conf", "/etc/systemd/resolved.conf.d/90-machineadm.conf")
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
