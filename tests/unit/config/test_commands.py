"""Commands: every rule between fields, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import BOOT, Case, command, judging

CASES = [
    Case("a command is argv or a script",
         command(argv=["a"], script="b"), [("MA1301", f"{BOOT}.script")], command(argv=["a"])),
    Case("a command is something",
         command(), [("MA1302", BOOT)], command(script="a")),
    Case("a program has a name",
         command(argv=["", "a"]), [("MA1303", f"{BOOT}.argv[0]")], command(argv=["a", ""])),
    Case("a NUL is not for programs",
         command(argv=["a\0"], env=[{"name": "A", "value": "b\0"}]),
         [("MA1323", f"{BOOT}.argv[0]"), ("MA1323", f"{BOOT}.env[0].value")],
         command(argv=["a\t"], env=[{"name": "A", "value": "b\n"}])),
    Case("an interpreter reads a script",
         command(argv=["a"], interpreter=["sh"]), [("MA1301", f"{BOOT}.interpreter")],
         command(script="a", interpreter=["sh"])),
    Case("the copy of kubeadm's file is in nobody else's directory",
         {"machine.commands.kubeadmFile": "/run/machineadm/kubeadm/config.yaml"},
         [("MA1323", "spec.machine.commands.kubeadmFile")],
         {"machine.commands.kubeadmFile": "/run/kubeadm/kubeadm.yaml"}),
    Case("the copy of kubeadm's file has one writer",
         {"machine.commands.kubeadmFile": "/run/a", "machine.files": [{"path": "/run/a", "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")], {"machine.commands.kubeadmFile": "/run/a"}),
    Case("a command has some time",
         command(argv=["a"], timeout="0s"), [("MA1312", f"{BOOT}.timeout")],
         command(argv=["a"], timeout="1s")),
    Case("a variable has one value",
         command(argv=["a"], env=[{"name": "A"}]), [("MA1302", f"{BOOT}.env[0]")],
         command(argv=["a"], env=[{"name": "A", "value": ""}])),
    Case("a pause between attempts is bounded",
         command(argv=["a"], retries={"limit": 1, "backoff": "2h"}), [("MA1312", f"{BOOT}.retries.backoff")],
         {**command(argv=["a"], retries={"limit": 1, "backoff": "1h"}), "deadline": "2h"}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
