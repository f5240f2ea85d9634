"""systemd units: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import Case, judging

L = "machine.linuxConfiguration.systemdUnits"
U = f"spec.{L}[0]"
TEXT = "[Service]\nExecStart=/bin/true\n"

CASES = [
    Case("a masked unit is nothing else",
         {L: [{"name": "a.service", "masked": True, "contents": TEXT, "enabled": True, "state": "Started"}]},
         [("MA1301", f"{U}.contents"), ("MA1323", f"{U}.enabled"), ("MA1323", f"{U}.state")],
         {L: [{"name": "a.service", "masked": True, "enabled": False, "state": "Stopped"}]}),
    Case("a unit begins with a section",
         {L: [{"name": "a.service", "contents": "ExecStart=/bin/true\n", "dropIns": [{"name": "b.conf", "contents": "X=1"}]}]},
         [("MA1323", f"{U}.contents"), ("MA1323", f"{U}.dropIns[0].contents")],
         {L: [{"name": "a.service", "contents": f"# a\n\n{TEXT}"}]}),
    Case("a unit's file has one writer",
         {L: [{"name": "a.service", "contents": TEXT, "dropIns": [{"name": "b.conf", "contents": TEXT}]}],
          "machine.files": [{"path": "/etc/systemd/system/a.service", "content": ""},
                            {"path": "/etc/systemd/system/a.service.d/b.conf", "content": ""}]},
         [("MA1306", "spec.machine.files[0].path"), ("MA1306", "spec.machine.files[1].path")],
         {L: [{"name": "a.service", "contents": TEXT}]}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
