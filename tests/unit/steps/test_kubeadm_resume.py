"""kubeadm dies at every instant it has, and the next run ends in the same machine."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path

import msgspec
import pytest

from machineadm.config.machine_paths import KUBEADM_PHASES
from machineadm.errors import KubeadmError, MachineadmError
from machineadm.steps.kubeadm.versions import etcd_phases
from tests.fakes.kubeadm import BOOTSTRAP_CONF, KUBELET_CONF, NAME, Cluster, Killed
from tests.kubeadm_cases import GOLDEN
from tests.kubeadm_machine import ROLES, Machine, change, finished, instants

CUTS = [
    pytest.param(role, local_mode, instant, id=f"{role}-{'new' if local_mode else 'old'}-{instant}")
    for role in ROLES
    for local_mode in (True, False)
    for instant in range(1, instants(role, local_mode=local_mode) + 1)
]


@pytest.mark.requirement("R1")
@pytest.mark.parametrize("meanwhile", ["nothing", "kubelet", "reboot"])
@pytest.mark.parametrize(("role", "local_mode", "instant"), CUTS)
def test_a_killed_kubeadm_ends_in_the_same_machine(
    role: str, local_mode: bool, instant: int, meanwhile: str
) -> None:
    machine = Machine(role, local_mode=local_mode)
    machine.kubeadm.die_at = instant
    with pytest.raises(Killed):
        machine.run()
    machine.kubeadm.die_at = None
    if meanwhile == "kubelet":
        machine.kubeadm.time_passes()
    if meanwhile == "reboot":
        machine.kubeadm.reboot()

    machine.run()

    assert machine.as_it_is() == finished(role, local_mode=local_mode)
    assert not machine.cluster.lost_quorum
    assert machine.cluster.members.keys() <= machine.cluster.data


@pytest.mark.requirement("R1")
@pytest.mark.parametrize("meanwhile", ["nothing", "reboot"])
@pytest.mark.parametrize("role", ROLES)
def test_a_kubeadm_that_is_killed_and_killed_again_ends_in_the_same_machine(
    role: str, meanwhile: str
) -> None:
    # All pairs where kubeadm writes the most: the first authority is there before anything else.
    each = 1 if role == "init-bare" else 3
    whole = finished(role, local_mode=True)
    for first in range(1, instants(role, local_mode=True) + 1, each):
        for second in range(1, first + 12, each):
            machine = Machine(role)
            for instant in (first, second):
                machine.kubeadm.die_at = instant
                try:
                    machine.run()
                except Killed:
                    if meanwhile == "reboot":
                        machine.kubeadm.reboot()
            machine.kubeadm.die_at = None

            machine.run()

            assert machine.as_it_is() == whole, (first, second)


@pytest.mark.parametrize("role", ROLES)
def test_a_kill_between_the_end_of_kubeadm_and_its_record_resets_nothing(role: str) -> None:
    machine = Machine(role)
    machine.kubeadm.die_at = instants(role, local_mode=True)
    with pytest.raises(Killed):
        machine.run()
    machine.kubeadm.die_at = None

    machine.run()

    assert "reset" not in machine.kubeadm.runs
    assert machine.as_it_is() == finished(role, local_mode=True)


@pytest.mark.parametrize("meanwhile", ["nothing", "reboot"])
def test_a_control_plane_that_came_up_is_not_reset_whenever_kubeadm_died(meanwhile: str) -> None:
    for instant in range(last_before_up() + 1, instants("init", local_mode=True) + 1):
        machine = Machine("init")
        machine.kubeadm.die_at = instant
        with pytest.raises(Killed):
            machine.run()
        machine.kubeadm.die_at = None
        if meanwhile == "reboot":
            machine.kubeadm.reboot()

        machine.run()

        assert machine.kubeadm.runs == ["init", "init"]


def last_before_up() -> int:
    """The instant before which no API server can have answered: the kubelet is being started."""
    machine = Machine("init")
    machine.kubeadm.fail_at = {"wait-control-plane": "timed out"}
    with pytest.raises(MachineadmError):
        machine.run()
    return machine.kubeadm.instants


def test_a_control_plane_that_was_up_once_is_not_reset_when_it_is_down() -> None:
    machine = Machine("init")
    machine.kubeadm.fail_at = {"addon/coredns": "no words that are known"}
    with pytest.raises(MachineadmError):
        machine.run()
    with pytest.raises(MachineadmError):
        machine.run()
    machine.host.commands.on("kubeadm", "token", exit_code=1)
    machine.kubeadm.fail_at = {"wait-control-plane": "no words that are known"}
    with pytest.raises(MachineadmError):
        machine.run()
    machine.kubeadm.fail_at = {}

    machine.run()

    assert "reset" not in machine.kubeadm.runs


def test_a_reset_that_is_killed_is_done_again() -> None:
    machine = Machine("join-worker")
    machine.kubeadm.die_at = 5
    with pytest.raises(Killed):
        machine.run()
    for instant in range(1, 6):
        machine.kubeadm.die_at = instant
        with pytest.raises(Killed):
            machine.run()
    machine.kubeadm.die_at = None

    machine.run()

    assert machine.as_it_is() == finished("join-worker", local_mode=True)


def test_a_kubelet_that_joins_while_kubeadm_is_resumed_is_no_other_node() -> None:
    machine = Machine("join-control-plane")
    machine.kubeadm.die_at = 1 + next_instant_with("/etc/kubernetes/manifests/etcd.yaml")
    with pytest.raises(Killed):
        machine.run()
    machine.kubeadm.die_at = None
    machine.kubeadm.joins_meanwhile = True

    machine.run()

    # The second is refused because the node is ready: it is this one.
    assert machine.kubeadm.runs == ["join", "join", "join"]
    assert machine.as_it_is() == finished("join-control-plane", local_mode=True)


def test_a_member_that_votes_already_is_never_promoted_again() -> None:
    for instant in range(
        next_instant_with("/etc/kubernetes/manifests/etcd.yaml"),
        instants("join-control-plane", local_mode=True),
    ):
        machine = Machine("join-control-plane")
        machine.kubeadm.die_at = instant
        with pytest.raises(Killed):
            machine.run()
        voted = machine.cluster.members[NAME]
        heard = b'"promoted":true' in machine.host.state.state_files["kubeadm.json"]
        machine.kubeadm.die_at = None

        machine.run()

        joins = [argv for argv in machine.host.commands.argvs() if argv[1:2] == ("join",)]
        assert ("etcd-join" in joins[-1][-1]) is voted
        # Killed before its word was heard, etcd must be asked.
        assert len(joins) == 2 + (voted and not heard)
        assert machine.cluster.members[NAME]


@pytest.mark.parametrize("patience", [0, 120])
def test_etcds_refusal_of_a_second_promotion_is_heard_at_once_or_in_the_end(patience: int) -> None:
    machine = Machine("join-control-plane")
    machine.kubeadm.patience = patience
    promoted = instants("join-control-plane", local_mode=True)
    while not machine.cluster.members.get(NAME):
        machine = Machine("join-control-plane")
        machine.kubeadm.patience = patience
        machine.kubeadm.die_at = promoted = promoted - 1
        with pytest.raises(Killed):
            machine.run()
    while machine.cluster.members.get(
        NAME
    ):  # the earliest instant after the promotion: nobody has heard of it
        last, promoted = machine, promoted - 1
        machine = Machine("join-control-plane")
        machine.kubeadm.patience = patience
        machine.kubeadm.die_at = promoted
        with pytest.raises(Killed):
            machine.run()
    last.kubeadm.die_at = None
    began = last.host.clock.elapsed

    last.run()

    assert last.host.clock.elapsed - began < 60
    assert last.as_it_is() == finished("join-control-plane", local_mode=True)


@pytest.mark.parametrize(
    ("kubeadm", "phases"),
    [
        ("v1.30.4", ("control-plane-join/etcd",)),
        ("v1.31.4", ("control-plane-join/etcd", "etcd-join")),
        ("v1.35.4", ("control-plane-join/etcd", "etcd-join")),
        ("v1.36.3", ("etcd-join",)),
    ],
)
def test_the_phases_that_join_etcd_are_those_that_the_kubeadm_knows(
    kubeadm: str, phases: tuple[str, ...]
) -> None:
    assert etcd_phases(kubeadm) == phases


def next_instant_with(path: str) -> int:
    """The instant by which a further control plane's kubeadm has written a file."""
    for instant in range(1, instants("join-control-plane", local_mode=True)):
        machine = Machine("join-control-plane")
        machine.kubeadm.die_at = instant
        with pytest.raises(Killed):
            machine.run()
        if machine.host.files.stat(path) is not None:
            return instant
    raise AssertionError(path)


def dies_at_bookkeeping(machine: Machine, number: int) -> list[str]:
    """The agent dies before its operation of that number on its own files; gives the operations as they come."""
    done: list[str] = []

    def mortal(name: str) -> None:
        operation = getattr(machine.host.state, name)

        def wrapped(*args: object, **kwargs: object) -> object:
            done.append(name)
            if len(done) == number:
                raise Killed
            return operation(*args, **kwargs)

        setattr(machine.host.state, name, wrapped)

    for name in ("write", "append", "remove"):
        mortal(name)
    return done


@pytest.mark.requirement("R1")
@pytest.mark.parametrize("role", ROLES)
def test_a_kill_at_any_point_of_the_bookkeeping_outside_kubeadm_resets_nothing(
    role: str,
) -> None:
    whole = Machine(role)
    operations = dies_at_bookkeeping(whole, 0)
    whole.run()
    assert {"write", "append", "remove"} == set(operations)
    for number in range(1, len(operations) + 1):
        machine = Machine(role)
        dies_at_bookkeeping(machine, number)
        with pytest.raises(Killed):
            machine.run()

        within = machine.kubeadm.running  # kubeadm dies with the agent, and may have come half-way
        machine.run()

        assert within or "reset" not in machine.kubeadm.runs, number
        # A control plane whose kubeadm ended before its record could be written is finished once more.
        assert len(machine.kubeadm.runs) <= (3 if within else 2), number
        assert machine.as_it_is() == finished(role, local_mode=True), number


@pytest.mark.parametrize("role", ROLES)
def test_a_second_run_calls_kubeadm_no_more(role: str) -> None:
    machine = Machine(role)
    machine.run()
    runs, writes = list(machine.kubeadm.runs), list(machine.host.state.writes)

    machine.run()

    assert machine.kubeadm.runs == runs
    assert machine.host.state.writes == writes


@pytest.mark.parametrize("role", ROLES)
def test_a_node_that_was_reset_by_hand_is_no_success_and_not_made_anew_unasked(role: str) -> None:
    machine = Machine(role)
    machine.run()
    runs = list(machine.kubeadm.runs)
    machine.host.files.remove(KUBELET_CONF)

    with pytest.raises(KubeadmError) as refused:
        machine.run()

    assert refused.value.code == "MA4044"
    assert machine.kubeadm.runs == runs


@pytest.mark.parametrize("role", ROLES)
def test_the_rendered_secrets_go_when_kubeadm_is_done(role: str) -> None:
    machine = Machine(role)
    machine.run()

    assert set(machine.host.state.run_files) <= {KUBEADM_PHASES}
    assert machine.host.files.stat(BOOTSTRAP_CONF) is None


@pytest.mark.parametrize("role", ROLES)
def test_a_token_goes_though_kubeadm_was_killed_and_so_was_the_run_that_ended_its_work(
    role: str,
) -> None:
    for instant in range(1, instants(role, local_mode=True) + 1):
        machine = Machine(role)
        machine.kubeadm.die_at = instant
        with pytest.raises(Killed):
            machine.run()
        machine.kubeadm.die_at = None
        machine.kubeadm.time_passes()
        remove = machine.host.files.remove

        def dying(path: str, remove: Callable[[str], None] = remove) -> None:
            if path == BOOTSTRAP_CONF:
                raise Killed
            remove(path)

        vars(machine.host.files)["remove"] = dying
        with suppress(Killed):
            machine.run()
        del vars(machine.host.files)["remove"]

        machine.run()

        assert machine.host.files.stat(BOOTSTRAP_CONF) is None, instant
        assert "kubeadm/config.yaml" not in machine.host.state.run_files, instant


def test_a_node_that_is_not_ours_is_refused_and_left_alone() -> None:
    machine = Machine("join-worker")
    machine.host.put(KUBELET_CONF, "somebody else's")

    with pytest.raises(KubeadmError) as refused:
        machine.run()

    assert refused.value.code == "MA4040"
    assert "reset" not in machine.kubeadm.runs
    assert machine.host.text(KUBELET_CONF) == "somebody else's"


def test_a_golden_image_does_not_pass_its_node_on() -> None:
    machine = Machine("join-worker")
    machine.run()
    clone = Machine("join-worker")
    clone.host.files.nodes = machine.host.files.nodes
    clone.host.state.state_files["kubeadm.json"] = machine.host.state.state_files[
        "kubeadm.json"
    ].replace(b"m1", b"m0")

    with pytest.raises(KubeadmError) as refused:
        clone.run()

    assert refused.value.code == "MA4040"


def test_a_changed_configuration_of_a_finished_node_is_refused() -> None:
    machine = Machine("init")
    machine.run()
    before = machine.as_it_is()
    change(machine)

    with pytest.raises(KubeadmError) as refused:
        machine.run()

    assert refused.value.code == "MA4041"
    assert machine.as_it_is()[0] == before[0]


def test_a_fresh_token_is_no_changed_configuration() -> None:
    machine = Machine("join-worker")
    machine.run()
    role = machine.kubernetes.role
    fresh = msgspec.convert(
        {
            "type": "JoinWorker",
            "discovery": {
                "type": "Token",
                "token": "fresh1.0123456789abcdef",
                "endpoint": "cluster.example.com:6443",
                "caCertHashes": list(role.discovery.ca_cert_hashes),  # type: ignore[union-attr]
            },
        },
        type=type(role),
        dec_hook=lambda type_, value: type_(value),
    )
    machine.kubernetes = msgspec.structs.replace(machine.kubernetes, role=fresh)

    machine.run()

    assert machine.kubeadm.runs == ["join"]


@pytest.mark.parametrize("phase", ["wait-control-plane", "addon/coredns"])
def test_a_changed_configuration_of_a_first_control_plane_that_answers_is_refused(
    phase: str,
) -> None:
    machine = Machine("init")
    machine.kubeadm.fail_at = {phase: "no words that are known"}
    with pytest.raises(MachineadmError):
        machine.run()
    machine.kubeadm.fail_at = {}
    before = machine.as_it_is()
    change(machine)

    with pytest.raises(KubeadmError) as refused:
        machine.run()

    assert refused.value.code == "MA4041"
    assert machine.as_it_is()[:4] == before[:4]


@pytest.mark.parametrize("phase", ["etcd", "kubelet-start", "wait-control-plane"])
def test_a_changed_configuration_of_a_first_control_plane_that_never_answered_starts_over(
    phase: str,
) -> None:
    machine = Machine("init")
    machine.kubeadm.stays_down = True
    machine.kubeadm.fail_at = {phase: "no words that are known"}
    with pytest.raises(MachineadmError):
        machine.run()
    machine.kubeadm.fail_at = {}
    change(machine)

    machine.run()

    assert "reset" in machine.kubeadm.runs
    assert machine.host.files.stat("/etc/kubernetes/manifests/keepalived.yaml") is not None


def test_a_first_control_plane_that_is_up_is_resumed_without_a_reset() -> None:
    machine = Machine("init")
    machine.kubeadm.fail_at = {"addon/coredns": "Post: connection refused"}
    with pytest.raises(MachineadmError):
        machine.run()
    machine.kubeadm.fail_at = {}

    machine.run()

    assert "reset" not in machine.kubeadm.runs
    assert machine.as_it_is() == finished("init", local_mode=True)


def test_a_changed_configuration_of_a_killed_node_that_has_joined_is_refused() -> None:
    machine = Machine("join-worker")
    machine.kubeadm.die_at = instants("join-worker", local_mode=True)
    with pytest.raises(Killed):
        machine.run()
    machine.kubeadm.die_at = None
    change(machine)

    with pytest.raises(KubeadmError) as refused:
        machine.run()

    assert refused.value.code == "MA4041"
    assert "reset" not in machine.kubeadm.runs


def test_a_failure_that_may_pass_is_tried_again_within_the_budget() -> None:
    machine = Machine("join-worker")
    machine.kubeadm.fail_at = {"preflight": "dial tcp 192.0.2.1:6443: connect: connection refused"}

    with pytest.raises(KubeadmError) as failure:
        machine.run()

    assert failure.value.code == "MA4009"
    assert 10 < machine.kubeadm.runs.count("join") < 40
    assert machine.host.clock.elapsed <= 900
    assert "reset" not in machine.kubeadm.runs


def test_a_join_that_failed_half_way_is_reset_before_the_next_attempt() -> None:
    machine = Machine("join-control-plane")
    machine.kubeadm.fail_at = {"check-etcd": "etcd cluster is not healthy"}
    heal_after(machine, 2)

    machine.run()

    assert machine.kubeadm.runs == ["join", "reset", "join", "reset", "join"]
    assert machine.as_it_is() == finished("join-control-plane", local_mode=True)


def heal_after(machine: Machine, pauses: int) -> None:
    """The fault goes when the agent has paused so often."""
    sleep = machine.host.clock.sleep

    def healing(seconds: float) -> None:
        sleep(seconds)
        if len(machine.host.clock.slept) >= pauses:
            machine.kubeadm.fail_at = {}

    machine.host.clock.sleep = healing  # type: ignore[method-assign]


def test_a_final_failure_is_not_tried_again() -> None:
    machine = Machine("join-worker")
    machine.kubeadm.fail_at = {
        "preflight": 'token id "abcdef" is invalid for this cluster or it has expired.'
    }

    with pytest.raises(KubeadmError) as failure:
        machine.run()

    assert failure.value.code == "MA4007"
    assert machine.kubeadm.runs == ["join"]


@pytest.mark.parametrize("role", ROLES)
def test_no_secret_is_on_a_command_line(role: str) -> None:
    machine = Machine(role)
    machine.run()

    lines = " ".join(" ".join(argv) for argv in machine.host.commands.argvs(quiet=True))
    assert "abcdef" not in lines
    assert "0123456789" not in lines


def test_the_members_of_the_fake_cluster_are_what_the_tests_believe() -> None:
    """Planted fault: a reset of a promoted member that cannot be removed costs the quorum."""
    cluster = Cluster("first")
    cluster.members[NAME] = True
    cluster.wipe(NAME)

    assert cluster.lost_quorum


def test_golden_inputs_are_there() -> None:
    assert all(
        Path(GOLDEN / "small" / f"{role.removesuffix('-bare')}.yaml").exists() for role in ROLES
    )


NO_IMAGE = "failed to pull image r.example.com/etcd:0: rpc error: code = NotFound desc = not found"


def test_an_image_that_does_not_exist_is_asked_for_three_times() -> None:
    machine = Machine("init")
    machine.kubeadm.fail_at = {"preflight": NO_IMAGE}

    with pytest.raises(KubeadmError) as failure:
        machine.run()

    assert failure.value.code == "MA4034"
    assert machine.kubeadm.runs == ["init"] * 3


def test_refusals_count_only_one_after_the_other_and_a_new_run_begins_anew() -> None:
    machine = Machine("init")
    machine.kubeadm.fail_at = {"preflight": NO_IMAGE}
    sleep = machine.host.clock.sleep

    def changing(seconds: float) -> None:
        sleep(seconds)
        pauses = len(machine.host.clock.slept)
        machine.kubeadm.fail_at = {"preflight": "no such host" if pauses == 2 else NO_IMAGE}

    machine.host.clock.sleep = changing  # type: ignore[method-assign]
    for runs in (6, 9):
        with pytest.raises(KubeadmError):
            machine.run()
        assert machine.kubeadm.runs == ["init"] * runs
