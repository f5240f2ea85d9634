"""The domain: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from typing import Any

from tests.rulecases import Case, judging

J = "machine.linuxConfiguration.domainJoin"
GOOD: dict[str, Any] = {"domain": "corp.example.com", "credentials": {"username": "a", "password": "b"}}  # fmt: skip


def joining(**more: Any) -> dict[str, Any]:
    return {J: {**GOOD, **more}}


CASES = [
    Case("an account has a name and a password", joining(credentials={}),
         [("MA1302", f"spec.{J}.credentials")] * 2, joining()),
    Case("a name alone is no account", joining(credentials={"username": "a"}),
         [("MA1302", f"spec.{J}.credentials")], joining(credentials={"username": "a", "passwordFrom": {"instanceData": "$(env.P)"}})),
    Case("samba is not built", joining(membershipSoftware="samba"), [("MA1401", f"spec.{J}.membershipSoftware")], joining(membershipSoftware="adcli")),
    Case("an option is not what a field is for", joining(options={"domain-ou": "OU=a", "host-keytab": "/a"}),
         [("MA1320", f"spec.{J}.options.domain-ou"), ("MA1320", f"spec.{J}.options.host-keytab")], joining(options={"os-name": "Debian"})),
    Case("the beginning of an option is the option", joining(options={"show-pass": "", "one-time": "a", "domain-o": "x", "domain-realm": "Y"}),
         [("MA1323", f"spec.{J}.options.show-pass"), ("MA1323", f"spec.{J}.options.one-time"), ("MA1320", f"spec.{J}.options.domain-o"),
          ("MA1320", f"spec.{J}.options.domain-realm")], joining(options={"os-version": "12"})),
    Case("an option is a name", joining(options={"machine-password=abc": "", "-v": "", "Os-Name": "x"}),
         [("MA1323", f'spec.{J}.options["machine-password=abc"]'), ("MA1323", f'spec.{J}.options["-v"]'), ("MA1323", f"spec.{J}.options.Os-Name")], joining()),
    Case("an option shows no secret", joining(options={"one-time-password": "a", "show-password": ""}),
         [("MA1323", f"spec.{J}.options.one-time-password"), ("MA1323", f"spec.{J}.options.show-password")], joining(options={"verbose": ""})),
]  # fmt: skip
CASES += [
    Case(f"one writer of {path}",
         {**joining(), "machine.files": [{"path": path, "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")], {**joining(keytabPath="/etc/other.keytab"), "machine.files": [{"path": "/etc/krb5.keytab", "content": ""}]})
    for path in ("/etc/krb5.keytab", "/etc/krb5.conf.d/90-machineadm.conf", "/etc/sssd/conf.d/90-machineadm.conf")
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
