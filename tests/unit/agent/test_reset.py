"""Taking everything back: the machine as it was before, whatever was made of it, and whenever the reset was killed."""

from __future__ import annotations

import random
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import pytest

from machineadm.agent.bootstrap import look_ahead
from machineadm.agent.request import Request
from machineadm.agent.reset import Prospect, look_at_reset, reset
from machineadm.config.model import Mode
from machineadm.errors import HostError, KubeadmError, MachineadmError, StepError, UsageError
from machineadm.execution.events import Event, ResetEnded
from machineadm.execution.ledger import Ledger, Pending
from machineadm.host.ports import FileKind, Host
from machineadm.plan.model import FollowUp
from machineadm.reporting.sinks import SUCCESS_SENTINEL
from tests.fakes.commands import Effect
from tests.fakes.host import Call, FakeHost
from tests.fakes.killing import Killed, Reaper
from tests.fakes.services import FakeServices
from tests.killing import EXAMPLES, Subject, drawn
from tests.unit.agent.stage import CONFIG_ON_DISK, CONFIGURATION, Stage

INSTANTS = 12


def yes(_: Prospect) -> bool:
    return True


def no(_: Prospect) -> bool:
    return False


def take_back(
    stage: Stage, reaper: Reaper | None = None, *, confirm: Callable[[Prospect], bool] = yes
) -> ResetEnded | None:
    """A reset of the stage's machine; how it ended."""
    events: list[Event] = []
    real: Host = stage.host
    if reaper is not None:
        stage.host = reaper.over(real)  # type: ignore[assignment]
    try:
        reset(stage.machine(), events.append, confirm=confirm)
    finally:
        stage.host = real  # type: ignore[assignment]
        stage.host.state.held = False
    (ended,) = [event for event in events if isinstance(event, ResetEnded)]
    return ended


def files(host: FakeHost) -> dict[str, tuple[object, ...]]:
    return {
        path: (node.mode, node.uid, node.gid, node.content, node.target)
        for path, node in host.files.nodes.items()
        if node.kind is not FileKind.DIRECTORY and not path.startswith("/proc/")
    }


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)

    def gone(_: Call) -> None:
        stage.host.files.remove(CONFIG_ON_DISK)

    stage.host.commands.on("kubeadm", "reset", effect=gone)
    stage.host.put("/etc/motd", "of the image\n", mode=0o600)
    return stage


def test_a_node_becomes_the_machine_that_it_was(stage: Stage) -> None:
    before = files(stage.host)
    stage.run()
    assert files(stage.host) != before

    ended = take_back(stage)

    assert files(stage.host) == before
    assert stage.host.state.state_files == {}
    assert stage.host.state.run_files == {}
    assert stage.host.services.enabled_units == set()
    assert stage.host.text(SUCCESS_SENTINEL) is None
    assert ("kubeadm", "reset", "--force", "--cert-dir=/etc/kubernetes/pki") in (
        stage.host.commands.argvs()
    )
    assert ended is not None
    assert ended.complete
    left = "\n".join(ended.left)
    for what in (
        "module br_netfilter",
        "value net.ipv4.ip_forward",
        "host name",
        "3 commands",
        "/etc/cni",
    ):
        assert what in left
    # It can be made a node again, of any kind.
    stage.run()
    assert stage.status().phase == "Succeeded"


def test_a_dry_run_says_what_goes_and_what_stays_and_touches_nothing(stage: Stage) -> None:
    stage.run()
    state, machine = dict(stage.host.state.state_files), files(stage.host)

    prospect = look_at_reset(stage.machine())

    assert prospect.anything_to_do
    assert [one.step.name for one in prospect.looks if one.work.effects] == [
        "reset/units",
        "reset/kubeadm",
        "reset/takeBack",
    ]
    assert prospect.unproved == (CONFIG_ON_DISK,)
    assert (stage.host.state.state_files, files(stage.host)) == (state, machine)


def test_a_finished_node_goes_only_if_that_is_confirmed(stage: Stage) -> None:
    stage.run()
    state, machine = dict(stage.host.state.state_files), files(stage.host)

    with pytest.raises(UsageError) as caught:
        take_back(stage, confirm=no)

    assert caught.value.code == "MA6032"
    assert caught.value.exit_code == 2
    assert CONFIG_ON_DISK in caught.value.message
    assert (stage.host.state.state_files, files(stage.host)) == (state, machine)


def test_a_node_that_somebody_else_made_goes_only_if_that_is_confirmed(stage: Stage) -> None:
    stage.host.put(CONFIG_ON_DISK, "somebody's\n")
    with pytest.raises(UsageError):
        take_back(stage, confirm=no)
    assert stage.host.text(CONFIG_ON_DISK) == "somebody's\n"

    take_back(stage)
    assert stage.host.text(CONFIG_ON_DISK) is None


def test_what_is_proved_to_be_left_over_from_a_bootstrap_of_ours_is_reset_unasked(
    tmp_path: Path,
) -> None:
    """kubeadm was cut off half way: nothing of it is anybody else's."""
    subject = Subject(tmp_path, CONFIGURATION.replace("JoinWorker", "JoinControlPlane"))
    subject.stage.host.commands.on("kubeadm", "join", effect=_half_of_a_join(subject.host), times=1)
    with pytest.raises(Killed):
        subject.run()
    subject.host.state.held = False
    assert subject.host.text("/etc/kubernetes/admin.conf") is not None

    assert any(b"abcdef.0123456789abcdef" in one for one in subject.host.state.run_files.values())

    take_back(subject.stage, confirm=no)

    assert subject.host.text("/etc/kubernetes/admin.conf") is None
    assert subject.host.state.state_files == {}
    # A token is as good for others as for us.
    assert subject.host.state.run_files == {}


@pytest.mark.parametrize(
    ("name", "durable"),
    [
        ("instance-data.json", True),
        ("plugins/example.json", True),
        ("attestation.json", False),
        ("internal-error.txt", False),
        ("kubeadm/refusals", False),
        ("kernel-arguments", True),
        ("kubeadm/shown.json", True),
    ],
)
def test_nothing_that_a_run_kept_is_left_in_our_directories(
    name: str, durable: bool, stage: Stage
) -> None:
    stage.run()
    stage.host.state.write(name, b"kept", durable=durable)

    take_back(stage)

    assert stage.host.state.state_files == {}
    assert stage.host.state.run_files == {}


def test_the_copy_that_commands_read_goes_where_kubeadm_never_ended(stage: Stage) -> None:
    stage.replace(
        "      preKubeadm:\n", "      kubeadmFile: /run/kubeadm/kubeadm.yaml\n      preKubeadm:\n"
    )
    stage.host.commands.on("pre-command", exit_code=1)
    with pytest.raises(MachineadmError):
        stage.run()
    assert "abcdef.0123456789abcdef" in (stage.host.text("/run/kubeadm/kubeadm.yaml") or "")

    take_back(stage, confirm=no)

    assert stage.host.text("/run/kubeadm/kubeadm.yaml") is None
    assert stage.host.state.state_files == {}


def test_copies_of_the_input_alone_are_something_to_reset(stage: Stage) -> None:
    stage.host.state.write("resume/configuration-0.yaml", b"secrets", durable=True)

    assert look_at_reset(stage.machine()).anything_to_do
    take_back(stage, confirm=no)

    assert stage.host.state.state_files == {}


def test_a_plugin_that_lies_in_the_state_directory_stays(stage: Stage) -> None:
    stage.run()
    stage.host.state.write("plugins/example", b"a program", durable=True)

    take_back(stage)

    assert stage.host.state.state_files == {"plugins/example": b"a program"}


def _half_of_a_join(host: FakeHost) -> Effect:
    def join(call: Call) -> None:
        host.put("/etc/kubernetes/admin.conf", "half\n")
        assert call.attend is not None
        call.attend("")
        raise Killed

    return join


def test_a_machine_that_nobody_bootstrapped_has_nothing_to_reset(stage: Stage) -> None:
    before = files(stage.host)

    assert not look_at_reset(stage.machine()).anything_to_do
    ended = take_back(stage, confirm=no)

    assert ended is not None
    assert not ended.done
    assert files(stage.host) == before
    assert stage.host.commands.argvs() == []
    assert stage.host.state.state_files == {}


def test_what_a_person_changed_since_and_what_was_appended_to_stay_and_that_is_said(
    stage: Stage,
) -> None:
    stage.host.put("/etc/hosts", "127.0.0.1 localhost\n")
    stage.replace(
        "    files:\n",
        '    files:\n    - {path: /etc/hosts, append: true, content: "192.0.2.1 a\\n"}\n',
    )
    stage.run()
    stage.host.put("/etc/motd", "a person's\n")

    ended = take_back(stage)

    assert ended is not None
    assert "/etc/motd stays: it was changed since" in ended.left
    assert "/etc/hosts stays: it was appended to" in ended.left
    assert stage.host.text("/etc/motd") == "a person's\n"
    assert "192.0.2.1" in (stage.host.text("/etc/hosts") or "")


def test_what_commands_made_where_kubeadm_empties_goes_with_its_directories(stage: Stage) -> None:
    def make(_: Call) -> None:
        stage.host.files.make_directory("/etc/kubernetes/manifests/deep", mode=0o700, owner=(1, 2))
        stage.host.put("/etc/kubernetes/manifests/deep/made.yaml", "made\n")
        stage.host.put("/etc/motd", "edited\n")

    stage.host.commands.on("pre-command", effect=make)
    port = "error execution phase preflight: [preflight] Some fatal errors occurred:\n\t[ERROR Port-10250]: Port 10250 is in use\n"
    stage.host.commands.on("kubeadm", "join", exit_code=1, output=port)
    before = files(stage.host)
    with pytest.raises(KubeadmError):
        stage.run()
    assert stage.host.text("/etc/kubernetes/manifests/deep/made.yaml") == "made\n"

    take_back(stage, confirm=no)

    assert files(stage.host) == before
    assert stage.host.files.stat("/etc/kubernetes/manifests/deep") is None


def test_a_kubeadm_that_fails_leaves_a_reset_that_goes_on(stage: Stage) -> None:
    stage.run()
    stage.host.commands.on("kubeadm", "reset", exit_code=1, output="no\n", times=1)
    with pytest.raises(KubeadmError) as caught:
        take_back(stage)
    assert caught.value.code == "MA4042"

    with pytest.raises(HostError) as refused:
        stage.run()
    assert refused.value.code == "MA6031"
    with pytest.raises(HostError):
        look_ahead(Request(paths=(str(stage.file),)), stage.machine())

    take_back(stage)
    assert stage.host.state.state_files == {}
    stage.run()


def test_below_a_root_a_prepared_tree_is_taken_back_and_a_node_is_refused(tmp_path: Path) -> None:
    stage = Stage(tmp_path, offline=True)
    before = files(stage.host)
    stage.run(mode="preparation")
    ended = take_back(stage, confirm=no)
    assert ended is not None
    assert ended.complete
    assert files(stage.host) == before
    assert stage.host.state.state_files == {}

    stage.host.put(CONFIG_ON_DISK, "x")
    with pytest.raises(StepError) as caught:
        take_back(stage)
    assert caught.value.code == "MA6033"


def test_an_ordinary_user_resets_no_running_system(stage: Stage) -> None:
    with pytest.raises(UsageError, match="resetting the running system needs root"):
        reset(stage.machine(is_root=False), confirm=yes)


def as_it_is(subject: Subject) -> dict[str, object]:
    host = subject.host
    return {
        "files": files(host),
        "state": dict(host.state.state_files),
        "run": dict(host.state.run_files),
        "enabled": sorted(host.services.enabled_units),
    }


def texts() -> list[str]:
    return [*(drawn(number) for number in range(6)), *(path.read_text() for path in EXAMPLES[:4])]


@pytest.mark.parametrize("number", range(10))
def test_killed_anywhere_the_next_reset_ends_in_the_same_machine_and_no_bootstrap_comes_between(
    number: int, tmp_path: Path
) -> None:
    text = texts()[number]
    chance = random.Random(number)  # noqa: S311 - reproducible by its seed

    def node(name: str) -> Subject:
        subject = Subject(tmp_path / name, text)
        subject.run()
        subject.host.state.held = False
        return subject

    reference, reaper = node("reference"), Reaper()
    take_back(reference.stage, reaper)
    wanted = as_it_is(reference)
    assert wanted["state"] == wanted["run"] == {}
    for _ in range(INSTANTS):
        at, after = chance.randint(1, reaper.calls), chance.random() < 0.5
        subject = node("killed")
        whole = as_it_is(subject)
        with suppress(Killed):
            take_back(subject.stage, Reaper(at, after=after))
        if as_it_is(subject) not in (whole, wanted):
            request = Request(paths=(str(subject.stage.file),))
            with pytest.raises(MachineadmError) as caught:
                look_ahead(request, subject.stage.machine())
            assert caught.value.code == "MA6031", (at, after)
        take_back(subject.stage)
        assert as_it_is(subject) == wanted, (at, after)


UNITS = """\
      swap: {enabled: false}
      users: [{name: ann}]
      groups: [{name: ops}]
      systemdUnits:
      - {name: own.service, contents: "[Service]\\nExecStart=/bin/true\\n", state: Restarted}
      - {name: runs.service, contents: "[Service]\\nExecStart=/bin/sleep 9\\n", state: Started}
      - {name: old.service, contents: "[Service]\\nExecStart=/bin/sleep 9\\n", state: Started}
      - {name: cron.service, dropIns: [{name: a.conf, contents: "[Service]\\nNice=1\\n"}], state: Started}
      - {name: idle.service, contents: "[Service]\\nExecStart=/bin/true\\n"}
      - {name: a@b.service, dropIns: [{name: a.conf, contents: "[Service]\\nNice=1\\n"}], state: Restarted}
      - {name: apt-daily.timer, masked: true}
      - {name: person.service, masked: true}
      - {name: cups.service, enabled: false, state: Stopped}
      sysctls"""
PASSWD = "root:x:0:0::/root:/bin/sh\n"


@pytest.fixture
def with_units(stage: Stage) -> Stage:
    """A machine with units, users and masks of ours."""

    def add(_: Call) -> None:
        stage.host.put("/etc/passwd", f"{PASSWD}ann:x:1000:1000::/home/ann:/bin/sh\n")

    stage.replace("      sysctls", UNITS)
    stage.host.put("/etc/group", "root:x:0:\n")
    stage.host.put("/etc/passwd", PASSWD)
    stage.host.put("/etc/shadow", "root:*:1::::::\n")
    for unit in ("person", "old"):
        stage.host.put(f"/etc/systemd/system/{unit}.service", "a person's\n")
    stage.host.commands.on("useradd", effect=add)

    def off(_: Call) -> None:
        stage.host.put("/proc/swaps", "Filename\n")

    stage.host.put("/proc/swaps", "Filename\n/dev/sda2 partition 1 0 -2\n")
    stage.host.commands.on("swapoff", effect=off)
    stage.host.services.enabled_units.add("cups.service")
    stage.host.services.active_units.add("cups.service")
    return stage


def test_a_unit_that_goes_is_stopped_and_one_that_stays_is_restarted(with_units: Stage) -> None:
    stage = with_units
    stage.run()
    stage.host.services.actions.clear()

    ended = take_back(stage)

    assert ended is not None
    assert ended.complete
    assert ("stop", "own.service") in stage.host.services.actions
    assert ("restart", "own.service") not in stage.host.services.actions
    assert ("restart", "a@b.service") in stage.host.services.actions


def test_a_unit_that_we_started_does_not_outlive_its_file(with_units: Stage) -> None:
    stage = with_units
    stage.run()
    assert {"runs.service", "old.service", "cron.service"} <= stage.host.services.active_units

    ended = take_back(stage)

    assert ended is not None
    assert ended.complete
    assert stage.host.services.active_units == {
        *("old.service", "cron.service", "a@b.service"),  # these have a definition still
    }
    assert ("stop", "idle.service") not in stage.host.services.actions
    said = [line for line in ended.left if "as it was put" in line]
    assert not any("runs.service" in line for line in said)
    assert any("cron.service" in line for line in said)


@pytest.mark.parametrize("was", ["Stopped", "Restarted", None])
def test_a_unit_that_a_later_configuration_starts_does_not_outlive_its_file_either(
    was: str | None, stage: Stage
) -> None:
    unit = (
        '      systemdUnits: [{name: own.service, contents: "[Service]\\nExecStart=/bin/sleep 9\\n"'
    )
    state = "" if was is None else f", state: {was}"
    stage.replace("      sysctls", f"{unit}{state}}}]\n      sysctls")
    stage.run(mode="preparation")
    stage.replace(f"{unit}{state}}}]", f"{unit}, state: Started}}]")
    stage.run(mode="preparation")
    assert "own.service" in stage.host.services.active_units

    take_back(stage)

    assert "own.service" not in stage.host.services.active_units


def test_a_unit_that_is_no_longer_declared_is_stopped_with_its_file(stage: Stage) -> None:
    unit = '      systemdUnits: [{name: own.service, contents: "[Service]\\nExecStart=/bin/sleep 9\\n", state: Started}]\n'
    stage.replace("      sysctls", f"{unit}      sysctls")
    stage.run(mode="preparation")
    stage.replace(unit, "")

    stage.run(mode="preparation")

    assert stage.host.text("/etc/systemd/system/own.service") is None
    assert "own.service" not in stage.host.services.active_units


def test_without_kubeadm_a_node_is_refused_before_anything_is_touched(stage: Stage) -> None:
    stage.run()
    state, machine = dict(stage.host.state.state_files), files(stage.host)
    stage.host.commands.missing.add("kubeadm")

    with pytest.raises(StepError) as caught:
        take_back(stage)

    assert caught.value.code == "MA6034"
    assert "install the kubeadm" in caught.value.hint()
    assert (stage.host.state.state_files, files(stage.host)) == (state, machine)
    with pytest.raises(StepError):
        look_at_reset(stage.machine())


def test_without_kubeadm_a_machine_that_is_not_a_node_is_taken_back(stage: Stage) -> None:
    before = files(stage.host)
    stage.run(mode="preparation")
    stage.host.commands.missing.add("kubeadm")

    take_back(stage)

    assert files(stage.host) == before


@pytest.mark.parametrize("mode", ["provisioning", "preparation"])
def test_a_clone_says_what_it_leaves_of_the_machine_that_it_was_cloned_from(
    mode: Mode, stage: Stage
) -> None:
    stage.run(mode=mode)
    stage.host.put("/etc/machine-id", "fedcba9876543210fedcba9876543210\n")

    shown = look_at_reset(stage.machine()).left
    ended = take_back(stage)

    assert ended is not None
    assert ended.left == shown
    assert stage.host.text("/etc/motd") == "hello\n"
    told = "\n".join(ended.left)
    assert "/etc/motd stay: written on the machine that this one was cloned from" in told
    assert "the journal of the machine that this one was cloned from stays in /var/lib/" in told


def test_masks_go_and_a_units_file_in_whose_place_one_was_put_comes_back(with_units: Stage) -> None:
    stage = with_units
    before = files(stage.host)
    stage.run()
    masked = ("swap.target", "apt-daily.timer", "person.service")
    for unit in masked:
        assert stage.host.files.readlink(f"/etc/systemd/system/{unit}") == "/dev/null"

    take_back(stage)

    after = files(stage.host)
    for unit in masked:
        path = f"/etc/systemd/system/{unit}"
        assert after.get(path) == before.get(path)


def test_what_no_reset_takes_back_is_said(with_units: Stage) -> None:
    stage = with_units
    stage.run()

    ended = take_back(stage)

    assert ended is not None
    for what in (
        "user ann stays",
        "group ops stays",
        "swap that was turned off stays off until the next boot",
        "cups.service stays disabled",
        "cups.service stays as it was put: started or stopped",
    ):
        assert what in ended.left


class Stubborn(FakeServices):
    """Units that do not start without what was taken back."""

    def restart(self, unit: str) -> None:
        raise HostError("MA3401", f"systemctl restart {unit} failed")


def test_a_restart_that_fails_keeps_no_reset_from_ending(with_units: Stage) -> None:
    stage = with_units
    before = files(stage.host)
    stage.run()
    old, stage.host.services = stage.host.services, Stubborn()
    stage.host.services.enabled_units = old.enabled_units

    ended = take_back(stage)

    assert ended is not None
    assert ended.complete
    assert "restart a@b.service failed: systemctl restart a@b.service failed" in ended.left
    assert files(stage.host).keys() == before.keys()
    assert stage.host.state.state_files == {}


def test_what_an_earlier_run_had_begun_to_put_back_keeps_no_reset_from_ending(
    with_units: Stage,
) -> None:
    """The run was killed between the failure of a restart and putting the files back."""
    stage = with_units
    stage.run()
    facts = {"machine_id": "0123456789abcdef0123456789abcdef", "boot_id": "boot-1"}
    ledger = Ledger(stage.host.state, **facts)
    follow = FollowUp(kind="restart", target="other.service")
    ledger.put_pending(
        Pending(follow=follow, phase="prepare", steps=("files/write",), failed="MA3401 failed")
    )
    ledger.save()

    ended = take_back(stage)

    assert ended is not None
    assert ended.complete
    assert stage.host.state.state_files == {}
