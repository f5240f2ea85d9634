"""Users and groups: every rule, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import Case, judging

L = "machine.linuxConfiguration"
U = f"spec.{L}.users"
KEY = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIE a@b"

CASES = [
    Case("an account expires on a day that there is",
         {f"{L}.users": [{"name": "a", "expireDate": "2030-02-30"}]},
         [("MA1312", f"{U}[0].expireDate")],
         {f"{L}.users": [{"name": "a", "expireDate": "2030-02-28"}]}),
    Case("a password is hashed",
         {f"{L}.users": [{"name": "a", "passwordHash": "hunter2"}]},
         [("MA1323", f"{U}[0].passwordHash")],
         {f"{L}.users": [{"name": "a", "passwordHash": "$6$salt$hash"}]}),
    Case("a key that is given away is a public one",
         {f"{L}.users": [{"name": "a", "sshAuthorizedKeys": ["-----BEGIN OPENSSH PRIVATE KEY-----", "AAAA"]}]},
         [("MA1323", f"{U}[0].sshAuthorizedKeys[0]"), ("MA1323", f"{U}[0].sshAuthorizedKeys[1]")],
         {f"{L}.users": [{"name": "a", "sshAuthorizedKeys": [KEY]}]}),
    Case("a group's id is its own",
         {f"{L}.groups": [{"name": "a", "gid": 900}, {"name": "b", "gid": 900}]},
         [("MA1306", f"spec.{L}.groups[1].gid")],
         {f"{L}.groups": [{"name": "a", "gid": 900}, {"name": "b", "gid": 901}]}),
    Case("keys of two users are two files",
         {f"{L}.users": [{"name": "a", "homeDir": "/srv"}, {"name": "b", "homeDir": "/srv", "sshAuthorizedKeys": [KEY]}]},
         [("MA1306", f"{U}[1].homeDir")],
         {f"{L}.users": [{"name": "a"}, {"name": "b", "sshAuthorizedKeys": [KEY]}]}),
    Case("the rules for sudo have one writer",
         {f"{L}.users": [{"name": "a", "sudo": "ALL=(ALL) ALL"}],
          "machine.files": [{"path": "/etc/sudoers.d/90-machineadm", "content": ""}]},
         [("MA1306", "spec.machine.files[0].path")],
         {f"{L}.users": [{"name": "a", "sudo": "ALL=(ALL) ALL"}]}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
