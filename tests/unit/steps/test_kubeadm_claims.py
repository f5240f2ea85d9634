"""Whatever becomes of our kubeadm, and whatever a person does after it, what they made is never taken or called ours."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import msgspec
import pytest

from machineadm.api.v1alpha1.commands import Command
from machineadm.errors import KubeadmError, MachineadmError
from machineadm.host.overlay.host import Overlay
from machineadm.steps.kubeadm.record import NAME, Record, Window
from tests.fakes.host import Call
from tests.fakes.kubeadm import (
    ETCD_DATA,
    FLAGS,
    KUBERNETES,
    MANIFESTS,
    PKI,
    Killed,
    Operator,
)
from tests.kubeadm_machine import ROLES, Machine, change, finished, instants

A_WHILE = 60.0
UNKNOWN = "no words that are known"


def same_command(_: Machine) -> None:
    """Nothing is changed."""


def reboot(machine: Machine) -> None:
    machine.kubeadm.reboot()


NEXT: dict[str, Callable[[Machine], None]] = {
    "same": same_command,
    "edited": change,
    "reboot": reboot,
}
DEEDS = ("nothing", "resets", "initialises", "joins", "restores")


def phases(role: str) -> list[str]:
    kubeadm = Machine(role).kubeadm
    # A machine without a configuration yet joins as a worker.
    config = "JoinConfiguration controlPlane:" if role == "join-control-plane" else ""
    kubeadm.host.state.run_files["kubeadm/config.yaml"] = config.encode()
    named = kubeadm._init() if role.startswith("init") else kubeadm._join()
    return [name for name, _ in named]


def mishaps(role: str) -> Iterator[tuple[str, Machine]]:
    """Machines on which kubeadm failed in each phase, or was killed at each instant."""
    for phase in phases(role):
        machine = Machine(role)
        machine.kubeadm.fail_at = {phase: UNKNOWN}
        with pytest.raises(MachineadmError):
            machine.run()
        machine.kubeadm.fail_at = {}
        yield f"failed in {phase}", machine
    for instant in range(1, instants(role, local_mode=True) + 1):
        machine = Machine(role)
        machine.kubeadm.die_at = instant
        with pytest.raises(Killed):
            machine.run()
        machine.kubeadm.die_at = None
        yield f"killed at {instant}", machine


@pytest.mark.requirement("R1")
@pytest.mark.parametrize("next_run", NEXT)
@pytest.mark.parametrize("deed", DEEDS)
@pytest.mark.parametrize("role", ROLES)
def test_what_a_person_made_after_our_kubeadm_outlives_every_later_run(
    role: str, deed: str, next_run: str
) -> None:
    for mishap, machine in mishaps(role):
        machine.host.clock.elapsed += A_WHILE
        operator = Operator(machine.host, machine.cluster)
        getattr(operator, deed)()
        machine.host.clock.elapsed += A_WHILE
        NEXT[next_run](machine)
        error: MachineadmError | None = None
        for _ in range(2):
            try:
                machine.run()
            except MachineadmError as raised:
                error = raised

        # What the configuration declares it may write, instead of a backup's, too.
        declared = machine.declared() if deed == "restores" else set()
        made = {path: data for path, data in operator.made.items() if path not in declared}
        assert {path: machine.host.files.read(path) for path in made} == made, mishap
        if deed in ("initialises", "joins"):
            assert error is not None, mishap
        if error is not None:
            assert isinstance(error, KubeadmError), mishap
            assert error.hint(), mishap
        if deed == "resets" or (deed == "nothing" and next_run != "edited"):
            assert error is None, (mishap, error)
        if deed == "nothing" and next_run == "same":
            assert machine.as_it_is() == finished(role, local_mode=True), mishap


@pytest.mark.parametrize("deed", ["initialises", "joins", "restores"])
@pytest.mark.parametrize("role", ROLES)
def test_what_a_person_made_before_our_kubeadm_outlives_it(role: str, deed: str) -> None:
    for phase in phases(role):
        machine = Machine(role)
        operator = Operator(machine.host, machine.cluster)
        getattr(operator, deed)()
        machine.host.clock.elapsed += A_WHILE
        machine.kubeadm.ignores_all = True
        machine.kubeadm.fail_at = {phase: "connection refused"}

        for _ in range(2):
            with pytest.raises(KubeadmError) as refused:
                machine.run()

        assert refused.value.hint()
        made = {p: data for p, data in operator.made.items() if p not in machine.declared()}
        assert {path: machine.host.files.read(path) for path in made} == made, phase
        assert "reset" not in machine.kubeadm.runs, phase


@pytest.mark.parametrize("role", ROLES)
def test_a_preflight_failure_leaves_no_claim(role: str) -> None:
    machine = Machine(role)
    machine.kubeadm.fail_at = {"preflight": UNKNOWN}
    with pytest.raises(KubeadmError):
        machine.run()

    assert machine.host.state.read(NAME, durable=True) is None


@pytest.mark.parametrize("role", ROLES)
def test_a_reset_says_why_before_it_is_done_in_the_plan_and_in_the_log(role: str) -> None:
    machine = Machine(role)
    machine.kubeadm.stays_down = True
    machine.kubeadm.die_at = 8 if role != "join-worker" else 5
    with pytest.raises(Killed):
        machine.run()
    machine.kubeadm.die_at = None

    (summary,) = (
        step.check(Overlay(machine.host).host).summary
        for step in machine.plan().steps
        if step.name.startswith(("kubeadm/init", "kubeadm/join"))
    )
    machine.run()

    assert summary.startswith("kubeadm reset")
    assert "was cut off" in summary
    assert KUBERNETES in summary
    (call,) = (call for call in machine.host.commands.calls if call.argv[1:2] == ("reset",))
    assert "was cut off" in call.note
    assert KUBERNETES in call.note


def record_of_the_previous_build(role: str, event: str, **more: object) -> bytes:
    """As it was written before windows were kept."""
    digest = next(s.digest() for s in Machine(role).plan().steps if s.once)
    return msgspec.json.encode(
        {"machine": "m1", "digest": digest, "event": event, "phase": "", "up": False, **more}
    )


OLD = [
    {"event": "started"},
    {"event": "failed", "phase": "preflight"},
    {"event": "failed", "phase": "wait-control-plane"},
    {"event": "failed", "phase": "addon/coredns", "up": True},
]


@pytest.mark.parametrize("deed", ["initialises", "joins"])
@pytest.mark.parametrize("old", OLD)
@pytest.mark.parametrize("role", ROLES)
def test_a_record_of_the_previous_build_is_no_licence_for_a_reset(
    role: str, old: dict[str, str], deed: str
) -> None:
    machine = Machine(role)
    machine.host.state.state_files[NAME] = record_of_the_previous_build(role, **old)
    operator = Operator(machine.host, machine.cluster)
    getattr(operator, deed)()

    with pytest.raises(KubeadmError) as refused:
        machine.run()

    assert refused.value.code == "MA4045"
    assert machine.kubeadm.runs == []
    assert {path: machine.host.files.read(path) for path in operator.made} == operator.made


@pytest.mark.parametrize("role", ROLES)
def test_a_record_of_the_previous_build_that_says_done_is_believed(role: str) -> None:
    machine = Machine(role)
    machine.run()
    machine.host.state.state_files[NAME] = record_of_the_previous_build(
        role, "done", up=True, joined=True
    )

    machine.run()

    assert machine.kubeadm.runs.count("reset") == 0
    assert len(machine.kubeadm.runs) == 1


@pytest.mark.parametrize("role", ROLES)
def test_a_record_of_the_previous_build_without_any_work_lets_kubeadm_run(role: str) -> None:
    machine = Machine(role)
    machine.host.state.state_files[NAME] = record_of_the_previous_build(role, "started")

    machine.run()

    assert machine.as_it_is() == finished(role, local_mode=True)


def test_a_clock_that_was_set_back_proves_nothing() -> None:
    """Planted: without a start, a window that ends in a wrong future would claim everything."""
    machine = Machine("init")
    machine.kubeadm.die_at = 4
    with pytest.raises(Killed):
        machine.run()
    machine.kubeadm.die_at = None
    machine.host.clock.time -= 10_000_000.0
    operator = Operator(machine.host, machine.cluster)
    operator.initialises()

    with pytest.raises(KubeadmError) as refused:
        machine.run()

    assert refused.value.code == "MA4045"


def test_a_window_is_kept_only_while_its_work_is_there() -> None:
    machine = Machine("init")
    machine.kubeadm.fail_at = {"addon/coredns": "Post: connection refused"}
    with pytest.raises(KubeadmError):
        machine.run()

    record = msgspec.json.decode(machine.host.state.state_files[NAME], type=Record)
    assert len(machine.kubeadm.runs) > 5
    assert len(record.windows) <= 2
    assert record.windows[0].start < record.windows[-1].end


def test_a_restored_etcd_is_not_taken_with_a_control_plane_that_never_came_up() -> None:
    machine = Machine("init")
    machine.kubeadm.stays_down = True
    machine.kubeadm.fail_at = {"wait-control-plane": UNKNOWN}
    with pytest.raises(KubeadmError):
        machine.run()
    machine.host.clock.elapsed += A_WHILE
    machine.host.files.nodes = {
        path: node for path, node in machine.host.files.nodes.items() if ETCD_DATA not in path
    }
    machine.host.put(f"{ETCD_DATA}/snap/db", "out of a backup")
    change(machine)

    with pytest.raises(KubeadmError) as refused:
        machine.run()

    assert refused.value.code == "MA4046"
    assert ETCD_DATA in refused.value.message
    assert machine.host.text(f"{ETCD_DATA}/snap/db") == "out of a backup"


def test_traces_are_told_by_their_times_and_not_by_their_names() -> None:
    """The judge of this file's judge: with a window that never ends, a person's node counts as ours."""
    machine = Machine("join-worker")
    machine.kubeadm.die_at = 2
    with pytest.raises(Killed):
        machine.run()
    machine.kubeadm.die_at = None
    record = msgspec.json.decode(machine.host.state.state_files[NAME], type=Record)
    endless = msgspec.structs.replace(record, windows=(Window(0.0, 1e12),))
    machine.host.state.state_files[NAME] = msgspec.json.encode(endless)
    machine.host.clock.elapsed += A_WHILE
    Operator(machine.host, machine.cluster).joins()

    machine.run()

    assert machine.kubeadm.runs == ["join"]
    assert machine.host.text(FLAGS) == f"{FLAGS} by hand"


def fails_half_way(machine: Machine) -> None:
    machine.kubeadm.stays_down = True
    machine.kubeadm.fail_at = {"wait-control-plane": UNKNOWN}
    with pytest.raises(KubeadmError):
        machine.run()
    machine.kubeadm.fail_at = {}


@pytest.mark.parametrize(
    "path",
    [f"{PKI}/vault/issuer.key", f"{MANIFESTS}/of-the-image.yaml", "/var/lib/kubelet/config.json"],
)
def test_a_file_of_the_image_where_a_reset_would_take_it_is_kept(path: str) -> None:
    machine = Machine("init")
    machine.host.put(path, "of the image")
    machine.host.clock.elapsed += A_WHILE
    fails_half_way(machine)

    with pytest.raises(KubeadmError) as refused:
        machine.run()

    assert refused.value.code == "MA4046"
    assert path in refused.value.message
    assert machine.host.text(path) == "of the image"


@pytest.mark.parametrize("size", [10, 2 << 20])
def test_a_file_that_a_command_made_and_the_run_puts_back_does_not_keep_a_reset_from_being_done(
    size: int,
) -> None:
    """One that is too large to be kept does: nobody could put it back."""
    machine = Machine("init")
    path = f"{PKI}/by-a-command.key"

    def makes(_: Call) -> None:
        machine.host.put(path, b"x" * size)

    machine.host.commands.on("make-a-key", effect=makes)
    machine.commands = (Command(argv=("make-a-key",)),)
    machine.host.clock.elapsed += A_WHILE
    fails_half_way(machine)
    if size > 1000:
        with pytest.raises(KubeadmError) as refused:
            machine.run()
        assert refused.value.code == "MA4046"
        assert "reset" not in machine.kubeadm.runs
        return

    machine.run()

    assert machine.kubeadm.runs == ["init", "reset", "init"]
    assert machine.host.files.read(path) == b"x" * size
