"""What an earlier run owned and this configuration no longer has."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress

import msgspec
import pytest

from machineadm.actions.files import PlannedFile, WriteFiles
from machineadm.actions.perform import perform
from machineadm.api.v1alpha1.images import Image, ImageArchive
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.api.v1alpha1.users import Group, User
from machineadm.errors import KubeadmError
from machineadm.execution.journal import NODE_RESET
from machineadm.execution.looking import look
from machineadm.execution.taking_back import TakeEverythingBack
from machineadm.host.effects import EnableUnit, RemoveFile, WriteFile
from machineadm.host.ports import FileKind, Host
from machineadm.plan.look import Standing, anything_to_do
from machineadm.plan.model import (
    FollowUp,
    Outcome,
    Owned,
    Owning,
    Phase,
    Plan,
    Step,
    Work,
    digest_of,
)
from machineadm.plan.render import render_text
from machineadm.redaction import Redactor
from machineadm.steps.images import plan_images
from machineadm.steps.kubeadm.resetting import ResetNode
from machineadm.steps.modules import LoadModules
from machineadm.steps.sysctl import ApplySysctls
from machineadm.steps.users import EnsureGroup, EnsureUser
from tests.applying import carry_out, context_of
from tests.fakes.files import Node
from tests.fakes.host import FakeHost, offline_host
from tests.fakes.images import DIGEST, FakeImages
from tests.fakes.killing import Killed, Reaper
from tests.fakes.shadow import FakeShadow
from tests.unit.execution.test_settling import Reset

IMAGE = "registry.example.com/app:1"


def files(*paths: str, append: bool = False, follow: tuple[FollowUp, ...] = ()) -> WriteFiles:
    return WriteFiles(
        name="files/write",
        phase=Phase.PREPARE,
        files=tuple(PlannedFile(path=path, content=b"ours\n", append=append) for path in paths),
        follow=follow,
    )


def plan(*steps: Step) -> Plan:
    return Plan(steps=steps)


def test_a_file_that_was_not_there_goes_and_one_that_was_is_as_before() -> None:
    host = FakeHost()
    host.files.put("/etc/there", b"before\n", mode=0o600, uid=7, gid=8)
    host.files.put_link("/etc/link", "/etc/target")
    carry_out(plan(files("/etc/new", "/etc/there", "/etc/link", "/etc/stays")), host)

    carry_out(plan(files("/etc/stays")), host)

    assert host.files.stat("/etc/new") is None
    stat = host.files.stat("/etc/there")
    assert stat is not None
    assert (host.text("/etc/there"), stat.mode, stat.uid, stat.gid) == ("before\n", 0o600, 7, 8)
    assert host.files.readlink("/etc/link") == "/etc/target"
    assert host.text("/etc/stays") == "ours\n"
    assert not anything_to_do(look(context_of(plan(files("/etc/stays")), host)))


def directories(host: FakeHost) -> set[str]:
    return {p for p, node in host.files.nodes.items() if node.kind is FileKind.DIRECTORY}


@pytest.mark.parametrize(
    "later",
    [(), ("/opt/a/b/1",), ("/opt/a/c/3",), ("/srv/x",)],
    ids=["nothing", "a-neighbour", "a-cousin", "elsewhere"],
)
def test_directories_that_were_made_for_files_go_with_the_last_of_them(
    later: tuple[str, ...],
) -> None:
    host, reference = FakeHost(), FakeHost()
    host.put("/opt/was-there/x")
    reference.put("/opt/was-there/x")
    carry_out(plan(files("/opt/a/b/1", "/opt/was-there/y")), host)
    # Of another run: the directories are there by now, and are ours all the same.
    carry_out(plan(files("/opt/a/b/1", "/opt/a/b/2", "/opt/a/c/3")), host)

    carry_out(plan(files(*later)) if later else plan(), host)
    carry_out(plan(files(*later)) if later else plan(), reference)

    assert directories(host) == directories(reference)
    assert "/opt/was-there" in directories(host)
    carry_out(plan(), host)
    assert not any(path.startswith("/opt/a") for path in host.files.nodes)


@pytest.mark.parametrize("since", ["a file", "a mount", "a link in its place"])
def test_a_directory_that_others_use_since_stays(since: str) -> None:
    host = FakeHost()
    carry_out(plan(files("/opt/a/b/1")), host)
    match since:
        case "a file":
            host.put("/opt/a/b/theirs")
        case "a mount":
            host.files.devices["/opt/a/b"] = 7
        case _:
            host.files.remove("/opt/a/b/1")
            host.files.remove_directory("/opt/a/b")
            host.files.put_link("/opt/a/b", "/etc")

    carry_out(plan(), host)

    assert host.files.stat("/opt/a/b") is not None
    assert host.files.stat("/opt/a") is not None


def test_a_plan_shows_the_directories_that_go() -> None:
    host = FakeHost()
    carry_out(plan(files("/opt/a/b/1")), host)
    context = context_of(plan(), host)

    text = "".join(render_text(look(context), Redactor()))

    assert "removes 1 no longer declared" in text
    shown = [line.strip() for line in text.splitlines() if "remove directory" in line]
    assert [line.split()[2].rstrip(",") for line in shown] == ["/opt/a/b", "/opt/a", "/opt"]


def test_a_plan_shows_what_is_taken_back_in_the_reverse_order() -> None:
    host = FakeHost()
    carry_out(plan(files("/etc/a", "/etc/b")), host)

    looks = look(context_of(plan(), host))

    (one,) = [look for look in looks if look.standing is Standing.TO_DO]
    assert one.step.name == "ownership/takeBack"
    assert [e.path for e in one.work.effects if isinstance(e, (RemoveFile, WriteFile))] == [
        "/etc/b",
        "/etc/a",
    ]
    assert "+++ /dev/null  (no longer declared)" in "".join(render_text(looks, Redactor()))
    assert host.text("/etc/a") == "ours\n"


def test_what_a_person_changed_since_stays_and_is_said() -> None:
    host = FakeHost()
    carry_out(plan(files("/etc/a")), host)
    host.put("/etc/a", "theirs\n")

    (one,) = look(context_of(plan(), host))
    carry_out(plan(), host)

    assert host.text("/etc/a") == "theirs\n"
    assert "/etc/a stays: it was changed since" in one.work.summary


CHANGES: dict[str, Callable[[FakeHost, str], None]] = {
    "absence": lambda host, path: host.files.remove(path),
    "content": lambda host, path: host.files.put(path, b"theirs\n"),
    "mode": lambda host, path: host.files.put(path, b"ours\n", mode=0o600),
    "owner": lambda host, path: host.files.put(path, b"ours\n", uid=7),
    "a-link": lambda host, path: host.files.put_link(path, "/etc/theirs"),
    "a-users-link": lambda host, path: host.files.put_link(path, "/etc/theirs", uid=7),
    "a-directory": lambda host, path: host.files.nodes.update(
        {path: Node(kind=FileKind.DIRECTORY)}
    ),
    "a-pipe": lambda host, path: host.files.special(path),
}


@pytest.mark.parametrize("how", CHANGES)
@pytest.mark.parametrize("before", [None, b"of the image\n"], ids=["new", "of-the-image"])
def test_whatever_a_person_changed_since_stays_as_the_person_left_it(
    how: str, before: bytes | None
) -> None:
    host = FakeHost()
    if before is not None:
        host.files.put("/etc/a", before, mode=0o640)
    carry_out(plan(files("/etc/a")), host)
    CHANGES[how](host, "/etc/a")
    left = host.files.nodes.get("/etc/a")

    (one,) = look(context_of(plan(), host))
    carry_out(plan(), host)

    assert host.files.nodes.get("/etc/a") == left
    is_as_before = before is None and how == "absence"
    assert ("since" in one.work.summary) is not is_as_before


def test_what_a_reset_of_kubeadm_took_is_nobodys_change() -> None:
    path = "/etc/kubernetes/manifests/image.yaml"
    host = FakeHost()
    host.files.put(path, b"of the image\n")
    emptied = ("/etc/kubernetes/manifests",)
    host.commands.on("kubeadm", exit_code=1, times=3)
    host.commands.on("kubeadm-reset", effect=lambda _: host.files.remove(path))
    with pytest.raises(KubeadmError):
        carry_out(Plan(steps=(files(path), Reset(fails=0)), emptied=emptied), host)

    carry_out(Plan(steps=(Reset(fails=0),), emptied=emptied), host)

    assert host.files.read(path) == b"of the image\n"


def test_what_a_persons_own_reset_of_kubeadm_took_comes_back_with_a_reset() -> None:
    path = "/etc/kubernetes/manifests/image.yaml"
    host = FakeHost()
    host.files.put(path, b"of the image\n")
    host.files.put("/etc/a", b"of the image\n")
    emptied = ("/etc/kubernetes/manifests",)
    steps = (files(path, "/etc/a"), Reset(fails=0))
    carry_out(Plan(steps=steps, emptied=emptied), host)
    host.files.remove(path)
    host.files.remove("/etc/a")

    context = context_of(Plan(steps=steps, emptied=emptied), host)
    back = TakeEverythingBack(context.ledger.holdings(), context.ledger, context.histories)
    work, stays = back.look(host)

    assert [e.path for e in work.effects if isinstance(e, WriteFile)] == [path]
    assert stays == ("/etc/a stays away: it was removed since",)


def test_the_step_that_resets_kubeadm_has_the_name_that_the_journal_is_asked_for() -> None:
    assert ResetNode.name == NODE_RESET


def test_what_was_appended_to_stays_and_is_said() -> None:
    host = FakeHost()
    host.put("/etc/hosts", "127.0.0.1 localhost\n")
    carry_out(plan(files("/etc/hosts", append=True)), host)

    (one,) = look(context_of(plan(), host))
    carry_out(plan(), host)

    assert host.text("/etc/hosts") == "127.0.0.1 localhost\nours\n"
    assert "it was appended to" in one.work.summary


@pytest.mark.parametrize("append", [False, True], ids=["too-large-to-keep", "appended-to"])
def test_what_stays_as_we_left_it_is_not_forgotten(append: bool) -> None:
    host = FakeHost()
    before = b"x" * (2 << 20) if not append else b"127.0.0.1 localhost\n"
    host.put("/etc/stays", before)
    carry_out(plan(files("/etc/stays", append=append)), host)
    carry_out(plan(), host)

    for _ in range(2):
        (one,) = look(context_of(plan(), host))
        assert "/etc/stays stays: " in one.work.summary
        assert not anything_to_do((one,))
        state = dict(host.state.state_files)
        carry_out(plan(), host)
        assert host.state.state_files == state
    ledger = context_of(plan(), host).ledger
    everything = TakeEverythingBack(ledger.holdings(), ledger, context_of(plan(), host).histories)
    assert [line.partition(":")[0] for line in everything.look(host)[1]] == ["/etc/stays stays"]
    carry_out(plan(files("/etc/stays", "/etc/other")), host)
    carry_out(plan(), host)
    # What was there before our first write comes back where it was kept, and never what we had made of it.
    assert host.text("/etc/stays") == (before.decode() if append else "ours\n")
    looks = look(context_of(plan(), host))
    assert ("/etc/stays stays: " in "".join(one.work.summary for one in looks)) is not append


def test_what_was_too_large_to_be_kept_stays_and_is_said() -> None:
    host = FakeHost()
    host.put("/etc/large", b"x" * (2 << 20))
    carry_out(plan(files("/etc/large")), host)

    (one,) = look(context_of(plan(), host))

    assert "was not kept" in one.work.summary
    assert not anything_to_do((one,))


def test_a_kernel_value_stays_until_the_next_boot_and_that_is_said() -> None:
    host = FakeHost()
    steps = (
        ApplySysctls(parameters=(("net.ipv4.ip_forward", "1"),)),
        LoadModules(modules=("overlay",)),
    )
    carry_out(plan(*steps), host)

    (one,) = look(context_of(plan(), host))

    assert "value net.ipv4.ip_forward stays until the next boot" in one.work.summary
    assert "module overlay stays until the next boot" in one.work.summary


FOR_GOOD: dict[str, tuple[Step, ...]] = {
    "group ops stays": (EnsureGroup(group=Group(name="ops"), name="users/group/ops"),),
    "user ann stays": (EnsureUser(user=User(name="ann"), name="users/user/ann"),),
    f"image {IMAGE} stays": plan_images(MachineConfig(images=(Image(reference=IMAGE),)), None),
}


@pytest.mark.parametrize("said", FOR_GOOD)
def test_what_is_never_taken_back_is_said_by_each_later_run_and_by_a_reset(said: str) -> None:
    host = FakeHost()
    FakeShadow(host)
    FakeImages(host).remote = {IMAGE: DIGEST}
    carry_out(plan(*FOR_GOOD[said]), host)
    ran = host.commands.argvs()
    assert look(context_of(plan(*FOR_GOOD[said]), host))[0].standing is Standing.IN_PLACE

    for _ in range(2):
        (one,) = look(context_of(plan(), host))
        assert one.work.summary == said
        assert not anything_to_do((one,))
        carry_out(plan(), host)
    context = context_of(plan(), host)
    everything = TakeEverythingBack(context.ledger.holdings(), context.ledger, context.histories)
    assert said in everything.look(host)[1]
    assert host.commands.argvs() == ran


def test_a_url_s_query_is_no_name_of_an_image() -> None:
    archive = ImageArchive(url="https://example.com/a.tar?X-Signature=5ecret", sha256="0" * 64)
    (step,) = plan_images(MachineConfig(images=(Image(archive=archive),)), None)
    assert isinstance(step, Owning)
    assert [one.name for one in step.owned()] == ["https://example.com/a.tar"]


def test_on_a_node_it_is_listed_and_stays() -> None:
    host = FakeHost()
    carry_out(plan(files("/etc/a"), Reset(fails=0)), host)

    looks = look(context_of(plan(Reset(fails=0)), host))
    carry_out(plan(Reset(fails=0)), host)

    assert host.text("/etc/a") == "ours\n"
    assert not anything_to_do(looks)
    assert looks[0].work.summary == "no longer declared, but left because this is a node: /etc/a"


def test_a_kubeadm_that_has_begun_is_a_node_as_well() -> None:
    host = FakeHost()
    host.commands.on("kubeadm", exit_code=1)
    with pytest.raises(KubeadmError):
        carry_out(plan(files("/etc/a"), Reset(fails=0)), host)
    looks = look(context_of(plan(Reset(fails=0)), host))

    assert "left because this is a node: /etc/a" in looks[0].work.summary


def test_what_an_image_was_prepared_with_is_not_taken_back_by_a_run_of_another_mode() -> None:
    host = FakeHost()
    carry_out(plan(files("/etc/a")), host, mode="preparation")

    carry_out(plan(files("/etc/b")), host, mode="provisioning")

    assert host.text("/etc/a") == "ours\n"


def test_a_clone_of_a_machine_takes_nothing_back() -> None:
    host = FakeHost()
    carry_out(plan(files("/etc/a")), host, machine_id="m1")

    carry_out(plan(files("/etc/b")), host, machine_id="m2")

    assert host.text("/etc/a") == "ours\n"


def test_what_followed_when_it_came_follows_when_it_goes() -> None:
    host = FakeHost()
    restart = FollowUp(kind="restart", target="containerd.service")
    carry_out(plan(files("/etc/a", follow=(restart,))), host)

    carry_out(plan(), host)

    assert host.services.actions == [("restart", "containerd.service")] * 2


def test_below_a_root_it_is_taken_back_as_well() -> None:
    host = offline_host()
    carry_out(plan(files("/etc/a")), host)

    carry_out(plan(files("/etc/b")), host)

    assert host.files.stat("/etc/a") is None


def test_killed_anywhere_the_next_run_takes_back_the_rest_and_nothing_else() -> None:
    for at in range(1, 60):
        host = FakeHost()
        host.put("/etc/there", "before\n")
        carry_out(plan(files("/etc/a", "/opt/deep/er/a", "/etc/there")), host)
        with suppress(Killed):
            carry_out(plan(files("/etc/b")), Reaper(at).over(host))
        carry_out(plan(files("/etc/b")), host)

        assert host.files.stat("/etc/a") is None, at
        assert host.files.stat("/opt") is None, at
        assert host.text("/etc/there") == "before\n", at
        host.put("/etc/a", "made by hand later\n")
        carry_out(plan(files("/etc/b")), host)
        assert host.text("/etc/a") == "made by hand later\n", at


class EnableUnits(msgspec.Struct, frozen=True, kw_only=True):
    """Has units start at boot."""

    units: tuple[str, ...]
    declared: str = ""
    name: str = "units/enable"
    phase: Phase = Phase.PREPARE
    live: bool = True
    once: bool = False

    def digest(self) -> str:
        return digest_of(self.name, self.units, self.declared)

    def owned(self) -> tuple[Owned, ...]:
        return tuple(Owned(kind="unit", name=one, declared=self.declared) for one in self.units)

    def check(self, host: Host) -> Work:
        assert host.services is not None
        enabled = host.services.enabled
        return Work(effects=tuple(EnableUnit(unit=one) for one in self.units if not enabled(one)))

    def apply(self, host: Host, work: Work) -> Outcome:
        perform(work.effects, host)
        return Outcome(change=work.change)


def units(*names: str, declared: str = "") -> Plan:
    return plan(EnableUnits(units=names, declared=declared))


def test_a_unit_that_was_enabled_before_us_stays_enabled_and_one_that_we_enabled_does_not() -> None:
    host = FakeHost()
    host.services.enabled_units = {"before.service", "other.service"}
    carry_out(units("before.service", "ours.service"), host)
    looks = look(context_of(plan(), host))

    text = "".join(render_text(looks, Redactor()))
    carry_out(plan(), host)

    assert "disable ours.service" in text
    assert "before.service" not in text
    assert host.services.enabled_units == {"before.service", "other.service"}
    assert not anything_to_do(look(context_of(plan(), host)))


def test_a_unit_that_we_enabled_is_ours_under_another_declaration_too() -> None:
    host = FakeHost()
    host.services.enabled_units = {"before.service"}
    for declared in ("one", "two", "three"):
        carry_out(units("before.service", "ours.service", declared=declared), host)

    carry_out(plan(), host)

    assert host.services.enabled_units == {"before.service"}


def test_a_unit_that_a_person_disabled_since_is_left_and_one_enabled_since_is_theirs() -> None:
    host = FakeHost()
    carry_out(units("ours.service"), host)
    host.services.disable("ours.service")
    carry_out(plan(), host)
    assert host.services.enabled_units == set()

    host.services.enable("ours.service")
    carry_out(plan(), host)

    assert host.services.enabled_units == {"ours.service"}


@pytest.mark.parametrize("after", [False, True])
def test_killed_anywhere_a_unit_that_was_enabled_before_us_stays_enabled(after: bool) -> None:
    both = units("before.service", "ours.service")
    for at in range(1, 60):
        for while_it_comes in (True, False):
            host = FakeHost()
            host.services.enabled_units = {"before.service"}
            if not while_it_comes:
                carry_out(both, host)
            with suppress(Killed):
                carry_out(both if while_it_comes else plan(), Reaper(at, after=after).over(host))
            carry_out(plan(), host)
            assert host.services.enabled_units == {"before.service"}, at
