"""Users and groups, made and brought to their form by the distribution's own programs."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.users import Group, User
from machineadm.errors import MachineadmError, StepError
from machineadm.host.ports.files import FileKind
from machineadm.plan.model import Plan
from machineadm.redaction import Secret
from machineadm.steps.users import plan_users
from tests.applying import carry_out
from tests.fakes.host import FakeHost
from tests.fakes.shadow import FakeShadow

HASH = "$6$salt$hash"
KEY = "ssh-ed25519 AAAAC3Nz a@b"


def machine() -> FakeHost:
    host = FakeHost()
    FakeShadow(host)
    return host


def run(host: FakeHost, *users: User, groups: tuple[Group, ...] = ()) -> list[tuple[str, ...]]:
    """Bootstrap these, and give the programs that were run."""
    before = len(host.commands.calls)
    carry_out(Plan(steps=plan_users(LinuxConfiguration(users=users, groups=groups))), host)
    return [call.argv for call in host.commands.calls[before:] if not call.query]


def entry(host: FakeHost, path: str, name: str) -> list[str]:
    (line,) = (one for one in (host.text(path) or "").splitlines() if one.startswith(f"{name}:"))
    return line.split(":")


def whole() -> User:
    return User(  # noqa: S604 - a login shell, of a field
        name="ops",
        gecos="Op Erator",
        groups=("wheel", "docker"),
        primary_group="staff",
        home_dir="/srv/ops",
        shell="/bin/zsh",
        expire_date="2030-12-31",
        lock_password=False,
        password_hash=Secret(HASH),
        sudo="ALL=(ALL) NOPASSWD:ALL",
        ssh_authorized_keys=(KEY,),
    )


def test_a_user_is_made_with_all_that_is_said_of_it() -> None:
    host = machine()

    run(host, whole())

    assert entry(host, "/etc/passwd", "ops")[4:] == ["Op Erator", "/srv/ops", "/bin/zsh"]
    assert entry(host, "/etc/passwd", "ops")[3] == entry(host, "/etc/group", "staff")[2]
    assert entry(host, "/etc/shadow", "ops")[1] == HASH
    assert entry(host, "/etc/shadow", "ops")[7] == "22279"
    assert entry(host, "/etc/group", "wheel")[3] == "ops"
    assert entry(host, "/etc/group", "docker")[3] == "ops"
    assert host.text("/etc/sudoers.d/90-machineadm") == "ops ALL=(ALL) NOPASSWD:ALL\n"
    assert host.files.nodes["/etc/sudoers.d/90-machineadm"].mode == 0o440
    keys = host.files.nodes["/srv/ops/.ssh/authorized_keys"]
    assert (keys.content, keys.mode, keys.uid) == (
        f"{KEY}\n".encode(),
        0o600,
        host.accounts.users["ops"],
    )


def test_a_second_run_runs_nothing() -> None:
    host = machine()
    run(host, whole(), groups=(Group(name="app", gid=900),))

    assert run(host, whole(), groups=(Group(name="app", gid=900),)) == []


def test_a_hash_is_on_no_command_line() -> None:
    host = machine()
    run(host, whole())

    assert all(HASH not in " ".join(call.argv) for call in host.commands.calls)
    (call,) = (one for one in host.commands.calls if one.argv[0] == "chpasswd")
    assert call.input == f"ops:{HASH}\n".encode()


@pytest.mark.parametrize(
    ("fields", "password"),
    [
        ({}, "!"),
        ({"password_hash": Secret(HASH)}, f"!{HASH}"),
        ({"password_hash": Secret(HASH), "lock_password": False}, HASH),
        ({"password_hash": Secret(HASH), "lock_password": False, "inactive": True}, f"!{HASH}"),
    ],
)
def test_a_password_lets_in_only_where_that_is_said(fields: dict[str, Any], password: str) -> None:
    host = machine()

    run(host, User(name="a", **fields))

    assert entry(host, "/etc/shadow", "a")[1] == password
    assert run(host, User(name="a", **fields)) == []


def test_an_inactive_account_has_expired_long_ago() -> None:
    host = machine()
    run(host, User(name="a", inactive=True))

    assert entry(host, "/etc/shadow", "a")[7] == "1"


def test_a_user_that_is_there_is_brought_to_its_form_and_keeps_the_rest() -> None:
    host = machine()
    first = {"groups": ("old",), "shell": "/bin/sh", "gecos": "A"}
    run(host, User(name="a", **first))  # type: ignore[arg-type]
    uid = entry(host, "/etc/passwd", "a")[2]

    second = {"groups": ("new",), "shell": "/bin/bash"}
    run(host, User(name="a", **second))  # type: ignore[arg-type]

    assert entry(host, "/etc/passwd", "a")[2] == uid
    assert entry(host, "/etc/passwd", "a")[4:] == ["A", "/home/a", "/bin/bash"]
    assert entry(host, "/etc/group", "old")[3] == "a"
    assert entry(host, "/etc/group", "new")[3] == "a"


def test_a_group_with_another_id_stays_and_ends_the_run() -> None:
    host = machine()

    with pytest.raises(StepError) as caught:
        run(host, groups=(Group(name="wheel", gid=900),))

    assert caught.value.code == "MA3501"
    assert entry(host, "/etc/group", "wheel")[2] == "10"
    assert host.commands.argvs() == []


def test_a_user_whose_home_is_elsewhere_gets_no_keys_where_nobody_looks() -> None:
    host = machine()
    run(host, User(name="a", home_dir="/srv/a"))

    with pytest.raises(StepError) as caught:
        run(host, User(name="a", ssh_authorized_keys=(KEY,)))

    assert caught.value.code == "MA3501"
    assert "/srv/a" in caught.value.hint()


def test_a_group_of_the_users_name_that_is_declared_is_its_primary_group() -> None:
    host = machine()

    run(host, User(name="app"), groups=(Group(name="app", gid=900),))

    assert entry(host, "/etc/passwd", "app")[3] == "900"


def test_a_user_may_be_in_the_group_of_one_that_is_made_later() -> None:
    host = machine()

    run(host, User(name="a", groups=("b",)), User(name="b"))

    assert entry(host, "/etc/group", "b")[3] == "a"


def test_no_program_is_given_a_name_in_a_home() -> None:
    """Whoever owns the home may exchange the name for a link while root's program looks it up."""
    host = machine()

    ran = run(host, whole(), User(name="b", ssh_authorized_keys=(KEY,)))

    assert ran
    assert [
        argv for argv in ran if any(one.startswith(("/srv/ops/", "/home/b/")) for one in argv)
    ] == []
    for path, name in (("/srv/ops/.ssh", "ops"), ("/home/b/.ssh", "b")):
        directory = host.files.nodes[path]
        assert (directory.mode, directory.uid) == (0o700, host.accounts.users[name])


@pytest.mark.parametrize("kind", [FileKind.LINK, FileKind.DIRECTORY, FileKind.FILE])
def test_what_a_user_has_in_the_place_of_the_directory_for_keys_is_not_given_away(
    kind: FileKind,
) -> None:
    host = machine()
    run(host, User(name="a"))
    host.put("/root/secret/f", "", mode=0o600)
    if kind is FileKind.LINK:
        host.files.put_link("/home/a/.ssh", "/root/secret", uid=host.accounts.users["a"])
    elif kind is FileKind.FILE:
        host.files.put("/home/a/.ssh", "mine", mode=0o644, uid=host.accounts.users["a"])
    else:
        host.files.make_directory("/home/a/.ssh", mode=0o755, owner=(host.accounts.users["a"], 0))
    before = {path: (node.mode, node.uid) for path, node in host.files.nodes.items()}

    with contextlib.suppress(MachineadmError):
        run(host, User(name="a", ssh_authorized_keys=(KEY,)))

    after = {path: (node.mode, node.uid) for path, node in host.files.nodes.items()}
    kept = [path for path in before if path.startswith(("/root/", "/home/"))]
    assert {path: after[path] for path in kept} == {path: before[path] for path in kept}


def test_an_account_of_the_image_gets_its_keys_whatever_its_group_is_called() -> None:
    host = machine()
    run(host, User(name="admin", primary_group="people"))
    assert "admin" not in host.accounts.groups

    run(host, User(name="admin", ssh_authorized_keys=(KEY,)))

    assert host.text("/home/admin/.ssh/authorized_keys") == f"{KEY}\n"


def test_keys_of_the_image_stay() -> None:
    host = machine()
    host.put("/root/.ssh/authorized_keys", "ssh-rsa AAAA image\n", mode=0o600)

    run(host, User(name="root", primary_group="root", ssh_authorized_keys=(KEY,)))

    assert host.text("/root/.ssh/authorized_keys") == f"ssh-rsa AAAA image\n{KEY}\n"


def test_rules_that_visudo_refuses_are_not_written() -> None:
    host = machine()
    host.commands.on("visudo", exit_code=1, output="/run/machineadm/sudoers:1: syntax error\n")

    with pytest.raises(StepError) as caught:
        run(host, User(name="a", sudo="ALL=(ALL NOPASSWD:ALL"))

    assert caught.value.code == "MA3503"
    assert "/etc/sudoers.d/90-machineadm:1: syntax error" in caught.value.log_tail
    assert host.text("/etc/sudoers.d/90-machineadm") is None
    assert "sudoers" not in host.state.run_files


def test_a_system_without_visudo_gets_its_rules() -> None:
    host = machine()
    host.commands.missing.add("visudo")

    run(host, User(name="a", sudo="ALL=(ALL) ALL"))

    assert host.text("/etc/sudoers.d/90-machineadm") == "a ALL=(ALL) ALL\n"


def test_a_program_that_fails_ends_the_run_with_its_words() -> None:
    host = machine()
    host.commands.on("useradd", exit_code=1, output="useradd: cannot lock /etc/passwd\n")

    with pytest.raises(StepError) as caught:
        run(host, User(name="a"))

    assert (caught.value.code, caught.value.passing) == ("MA3502", True)
    assert "cannot lock" in caught.value.log_tail


def test_nothing_is_planned_where_nothing_is_asked() -> None:
    assert plan_users(LinuxConfiguration()) == ()
