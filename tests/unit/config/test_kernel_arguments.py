"""Kernel arguments: what is refused, and where."""

from __future__ import annotations

from tests.rulecases import FILE, Case, judging

AT = "machine.linuxConfiguration.kernelArguments"
GRUB = "/etc/default/grub.d/90-machineadm.cfg"

CASES = [
    *(
        Case(f"one argument has no {what}", {AT: ["a=1", bad]}, [("MA1323", f"spec.{AT}[1]")], {AT: ["a=1", "b=%x,y"]})
        for what, bad in {"space": "b c", "quote": 'b="c"', "apostrophe": "b='c'", "variable": "b=$c", "command": "b=`c`", "backslash": "b\\"}.items()
    ),
    Case("one writer of GRUB's file", {AT: ["a"], "machine.files": [{"path": GRUB, "content": ""}]},
         [("MA1306", f"{FILE}.path")], {"machine.files": [{"path": GRUB, "content": ""}]}),
]  # fmt: skip

test_a_rule_refuses_and_lets_pass = judging(CASES)
