"""The clock: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import Case, judging

N = "machine.linuxConfiguration.ntp"
S = f"spec.{N}"
SERVERS = {f"{N}.servers": ["192.0.2.1"]}
WRITTEN = (
    "/etc/systemd/timesyncd.conf.d/90-machineadm.conf",
    "/etc/chrony.conf",
    "/etc/chrony.d/90-machineadm.conf",
    "/etc/chrony/chrony.conf",
    "/etc/chrony/conf.d/90-machineadm.conf",
)

CASES = [
    Case("a service that does not run asks nobody",
         {N: {"enabled": False, "servers": ["192.0.2.1"], "pools": ["pool.example.com"], "requireSync": {}}},
         [("MA1323", f"{S}.servers"), ("MA1323", f"{S}.pools"), ("MA1323", f"{S}.requireSync")],
         {N: {"enabled": False}}),
    Case("a wait takes time", {f"{N}.requireSync.timeout": "0s"}, [("MA1312", f"{S}.requireSync.timeout")],
         {f"{N}.requireSync.timeout": "1s"}),
    Case("no wait outlasts the run", {f"{N}.requireSync.timeout": "31m"}, [("MA1312", f"{S}.requireSync.timeout")],
         {f"{N}.requireSync.timeout": "30m"}),
    Case("a shorter run needs no shorter default", {f"{N}.requireSync.timeout": "3m", "deadline": "2m"},
         [("MA1312", f"{S}.requireSync.timeout")], {f"{N}.requireSync": {}, "deadline": "2m"}),
]  # fmt: skip
CASES += [
    Case(f"one writer of {path}", {**SERVERS, "machine.files": [{"path": path, "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")],
         {f"{N}.enabled": True, "machine.files": [{"path": path, "content": ""}]})
    for path in WRITTEN
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
