"""The pipeline on a fake machine, from the configuration file to the report."""

from __future__ import annotations

import itertools
from collections import Counter
from pathlib import Path

import pytest

from machineadm.agent.boot import run_boot_commands
from machineadm.agent.intake import ProblemsError
from machineadm.agent.units import BOOT_UNIT, RESUME_UNIT, UNITS
from machineadm.errors import (
    ConfigError,
    HostError,
    InterruptedRunError,
    LockedError,
    MachineadmError,
    UsageError,
    VerificationError,
)
from machineadm.execution.events import ConfigurationWarned, RunEnded, StepDone
from machineadm.plan.model import Change
from machineadm.reporting.sinks import FAILURE_SENTINEL, STATUS, SUCCESS_SENTINEL
from tests.fakes.host import Call
from tests.unit.agent.stage import AGENT, Stage

PARTS = ("pre", "kubeadm", "post", "report")
EXIT_CODES = {"pre": 5, "kubeadm": 6, "post": 5, "report": 5}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


@pytest.mark.requirement("R1", "U12")
def test_a_machine_becomes_a_node(stage: Stage) -> None:
    stage.run()

    argvs = [argv[0] for argv in stage.host.commands.argvs()]
    assert [
        a for a in argvs if a in ("boot-command", "pre-command", "kubeadm", "post-command")
    ] == [
        "boot-command",
        "pre-command",
        "kubeadm",
        "post-command",
    ]
    assert stage.host.text("/etc/motd") == "hello\n"
    assert stage.host.text(SUCCESS_SENTINEL) == "success"
    status = stage.status()
    assert status.phase == "Succeeded"
    assert {step.state for step in status.steps} == {"Done"}
    assert status.machine.machine_id == "0123456789abcdef0123456789abcdef"
    assert status.agent.sha256 == "0" * 64
    assert status.config_digest is not None
    assert status.kubeadm is not None
    assert status.kubeadm.exit_code == 0


def test_a_second_run_changes_nothing_and_keeps_succeeded(stage: Stage) -> None:
    stage.run()
    nodes, durable = dict(stage.host.files.nodes), dict(stage.host.state.state_files)
    before = Counter(map(str, stage.host.mutations()))

    stage.run()

    assert stage.host.files.nodes == nodes
    assert stage.host.state.state_files == durable
    new = Counter(map(str, stage.host.mutations())) - before
    assert set(new) == {SUCCESS_SENTINEL}
    assert stage.status().phase == "Succeeded"
    assert stage.host.text(SUCCESS_SENTINEL) == "success"
    assert {event.change for event in stage.events if isinstance(event, StepDone)} == {
        Change.ALREADY_IN_PLACE
    }


def _break(stage: Stage, parts: set[str]) -> None:
    """Have exactly these parts fail."""
    commands = stage.host.commands
    commands.on("pre-command", exit_code=1 if "pre" in parts else 0)
    commands.on("post-command", exit_code=1 if "post" in parts else 0)
    broken = "[preflight] Some fatal errors occurred: Port 10250 is in use"
    if "kubeadm" in parts:
        commands.on("kubeadm", "join", exit_code=1, output=broken)
    else:
        commands.on("kubeadm", "join", effect=stage._join)
    stage.host.files.failures.pop(SUCCESS_SENTINEL, None)
    if "report" in parts:
        stage.host.files.failures[SUCCESS_SENTINEL] = HostError("MA3001", "disk full")


@pytest.mark.requirement("R1", "U12")
@pytest.mark.parametrize("order", list(itertools.permutations(PARTS)), ids="-".join)
def test_no_permutation_of_failing_steps_ends_as_succeeded(
    stage: Stage, order: tuple[str, ...]
) -> None:
    """All parts fail at first; they are fixed one by one, in every order, with a run after each."""
    failing = set(PARTS)
    for fixed in (None, *order):
        failing.discard(fixed or "")
        _break(stage, failing)
        if not failing:
            break
        with pytest.raises(MachineadmError) as caught:
            stage.run()
        first = next(part for part in PARTS if part in failing)
        assert caught.value.exit_code == EXIT_CODES[first]
        assert not stage.succeeded()
        assert stage.status().phase == "Failed"
        assert stage.host.text(FAILURE_SENTINEL) is not None
        ended = stage.events[-1]
        assert isinstance(ended, RunEnded)
        assert (ended.phase, ended.exit_code) == ("Failed", EXIT_CODES[first])

    stage.run()

    assert stage.succeeded()
    assert stage.host.text(FAILURE_SENTINEL) is None


def test_commands_that_are_done_are_not_run_again_after_a_failure(stage: Stage) -> None:
    _break(stage, {"post"})
    with pytest.raises(MachineadmError):
        stage.run()
    _break(stage, set())

    stage.run()

    assert (stage.ran("pre-command"), stage.ran("post-command")) == (1, 2)
    assert sum(argv[:2] == ("kubeadm", "join") for argv in stage.host.commands.argvs()) == 1


@pytest.mark.requirement("U12")
def test_a_failing_step_is_named_and_those_after_it_wait(stage: Stage) -> None:
    _break(stage, {"pre"})

    with pytest.raises(MachineadmError):
        stage.run()

    states = {step.name: step.state for step in stage.status().steps}
    assert states["commands/preKubeadm[0]"] == "Failed"
    assert states["kubeadm/join"] == "Pending"
    error = stage.status().error
    assert error is not None
    assert error.message.startswith("commands/preKubeadm[0]")
    assert stage.told[-1].startswith("machineadm: MA3204 commands/preKubeadm[0]")


def test_a_refused_configuration_changes_nothing(stage: Stage) -> None:
    stage.replace("hostname: worker-1", "hostnme: worker-1")
    nodes = dict(stage.host.files.nodes)

    with pytest.raises(ProblemsError) as caught:
        stage.run()

    changed = {p for p in stage.host.files.nodes if stage.host.files.nodes[p] != nodes.get(p)}
    assert all(path.startswith("/run/cluster-api") for path in changed)
    assert stage.host.state.state_files == {}
    assert stage.host.mutations() == [FAILURE_SENTINEL]
    assert "MA1203" in caught.value.text
    assert 'did you mean "hostname"?' in caught.value.text
    assert stage.status().phase == "Failed"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("", "MA1001"),
        ("apiVersion: x/v1\nkind: Y\n", "MA12"),
        ("{}\n---\n{}\n", "MA12"),
    ],
)
def test_a_stream_without_a_configuration_is_refused(stage: Stage, text: str, code: str) -> None:
    stage.file.write_text(text)

    with pytest.raises(ProblemsError) as caught:
        stage.run()

    assert caught.value.code.startswith(code)


ENCRYPTED = """\
---
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: EncryptedData
spec: {provider: vault, ciphertext: AAAAAAAAAAAAAAAAAAAAAA==, salt: AAAAAAAAAAAAAAAAAAAAAA==, iv: AAAAAAAAAAAAAAAA, cipherAlgorithm: aes-256-gcm}
"""


def test_encrypted_data_is_refused_and_its_provider_named(stage: Stage) -> None:
    stage.file.write_text(stage.file.read_text() + ENCRYPTED)

    with pytest.raises(ProblemsError, match="vault") as caught:
        stage.run()

    assert caught.value.code == "MA1501"
    lines = stage.file.read_text().splitlines()
    assert caught.value.problems[0].line == lines.index("kind: EncryptedData") + 2


def test_two_configurations_are_refused(stage: Stage) -> None:
    stage.file.write_text(stage.file.read_text() + "---\n" + stage.file.read_text())

    with pytest.raises(ProblemsError) as caught:
        stage.run()

    assert caught.value.code == "MA1221"
    assert caught.value.problems[0].document == 2


@pytest.mark.parametrize(
    ("old", "new", "field"),
    [
        ("v1.34.4", "v1.34.5", "version"),
        ("10.0.0.1:6443", "10.0.0.2:6443", "endpoint"),
    ],
)
def test_a_node_becomes_no_other(stage: Stage, old: str, new: str, field: str) -> None:
    stage.run()
    stage.replace(old, new)
    durable = dict(stage.host.state.state_files)

    with pytest.raises(ConfigError, match=field) as caught:
        stage.run()

    assert caught.value.code == "MA6005"
    assert stage.host.state.state_files == durable


def test_a_mended_file_is_written_and_nothing_else_done(stage: Stage) -> None:
    stage.run()
    stage.replace("hello", "good day")
    stage.host.commands.calls.clear()

    stage.run()

    assert stage.host.text("/etc/motd") == "good day\n"
    changed = [
        event.step
        for event in stage.events
        if isinstance(event, StepDone) and event.change is Change.CHANGED
    ]
    assert changed == ["files/write"]
    assert stage.ran("pre-command") == 0


def test_a_changed_secret_of_a_command_runs_that_command_alone(stage: Stage) -> None:
    stage.run()
    stage.replace("s3cr3t-value", "an0ther-value")

    stage.run()

    assert (stage.ran("pre-command"), stage.ran("post-command")) == (2, 1)


def test_a_command_put_before_others_does_not_run_those_again(stage: Stage) -> None:
    _break(stage, {"post"})
    with pytest.raises(MachineadmError):
        stage.run()
    stage.replace("      preKubeadm:\n", "      preKubeadm:\n      - argv: [fix-command]\n")
    stage.replace("      postKubeadm:\n", "      postKubeadm:\n      - argv: [fix-command]\n")
    _break(stage, set())

    stage.run()

    assert stage.ran("pre-command") == 1
    assert stage.ran("fix-command") == 2
    assert stage.status().phase == "Succeeded"


def test_the_same_command_twice_runs_twice_and_then_no_more(stage: Stage) -> None:
    stage.replace(
        "      - argv: [post-command]\n",
        "      - argv: [post-command]\n      - argv: [post-command]\n",
    )

    stage.run()
    stage.run()

    assert stage.ran("post-command") == 2


@pytest.mark.requirement("U2")
def test_preparation_ends_before_kubeadm_and_never_as_success(stage: Stage) -> None:
    stage.run(mode="preparation")

    assert stage.status().phase == "Prepared"
    assert stage.ran("pre-command") == 1
    assert stage.ran("post-command") == 0
    assert not any(argv[:2] == ("kubeadm", "join") for argv in stage.host.commands.argvs())
    assert stage.host.text(SUCCESS_SENTINEL) is None


def test_provisioning_goes_on_where_preparation_ended(stage: Stage) -> None:
    stage.run(mode="preparation")

    stage.run()

    assert stage.status().phase == "Succeeded"
    assert stage.ran("pre-command") == 1


def test_below_another_root_nothing_is_run_and_the_end_is_prepared(tmp_path: Path) -> None:
    stage = Stage(tmp_path, offline=True)

    stage.run()

    assert stage.status().phase == "Prepared"
    states = {step.name: step.state for step in stage.status().steps}
    assert states["commands/preKubeadm[0]"] == "Deferred"
    assert states["kubeadm/join"] == "Deferred"
    assert states["files/write"] == "Done"
    assert not stage.succeeded()


def test_an_image_prepared_elsewhere_does_not_replay(stage: Stage) -> None:
    stage.run(mode="preparation")
    stage.host.put("/etc/machine-id", "ffffffffffffffffffffffffffffffff\n")

    stage.run()

    assert stage.ran("pre-command") == 2


def test_only_root_bootstraps_the_running_system(stage: Stage) -> None:
    from machineadm.agent.bootstrap import bootstrap
    from machineadm.agent.request import Request

    with pytest.raises(UsageError) as caught:
        bootstrap(Request(paths=(str(stage.file),)), stage.machine(is_root=False))

    assert caught.value.code == "MA7003"
    assert stage.host.mutations() == []
    assert stage.host.state.writes == []


def test_a_second_agent_leaves_the_report_of_the_first_alone(stage: Stage) -> None:
    stage.host.state.other_holds_lock = True

    with pytest.raises(LockedError):
        stage.run()

    assert stage.host.state.writes == []
    assert stage.host.mutations() == []


def test_out_of_time_the_run_is_resumable_and_exits_9(stage: Stage) -> None:
    stage.host.clock.deadline = stage.host.clock.elapsed + 10

    def slow(_call: Call) -> None:
        stage.host.clock.elapsed += 11

    stage.host.commands.on("pre-command", effect=slow)
    with pytest.raises(InterruptedRunError) as caught:
        stage.run()

    assert caught.value.exit_code == 9
    assert stage.status().phase == "Failed"
    assert stage.host.services.enabled(RESUME_UNIT)

    stage.host.clock.deadline = None
    stage.run()
    assert stage.status().phase == "Succeeded"
    assert stage.ran("pre-command") == 1


@pytest.mark.parametrize(
    ("said", "flag", "limits"),
    [("", None, []), ("1h30m", None, [5400.0]), ("1h30m", 3600.0, []), ("90s", 7200.0, [])],
)
def test_the_run_has_the_time_that_its_configuration_gives_unless_the_command_line_does(
    stage: Stage, said: str, flag: float | None, limits: list[float]
) -> None:
    if said:
        stage.file.write_text(f"{stage.file.read_text()}  deadline: {said}\n")

    stage.run(deadline=flag)

    assert stage.limits == limits


def test_a_resumed_run_has_the_same_time(stage: Stage) -> None:
    stage.file.write_text(f"{stage.file.read_text()}  deadline: 1h30m\n")
    _break(stage, {"kubeadm"})

    with pytest.raises(MachineadmError):
        stage.run()

    assert b"deadline: 1h30m" in stage.host.state.state_files[stage.resume_copy()]
    assert "--deadline" not in (stage.host.text(f"{UNITS}/{RESUME_UNIT}") or "")


def test_a_configuration_for_another_agent_is_refused(stage: Stage) -> None:
    stage.file.write_text(stage.file.read_text() + "  agent: {version: v9.9.9}\n")

    with pytest.raises(VerificationError, match=r"v9\.9\.9") as caught:
        stage.run()

    assert caught.value.exit_code == 4
    assert stage.host.state.state_files == {}


@pytest.mark.requirement("R6")
def test_an_agent_of_another_digest_refuses_itself_and_reports_its_own(stage: Stage) -> None:
    wanted = "a" * 64
    stage.file.write_text(stage.file.read_text() + f"  agent: {{sha256: {wanted}}}\n")

    with pytest.raises(VerificationError, match=wanted):
        stage.run()

    status = stage.status()
    assert status.error is not None
    assert (status.error.code, status.error.exit_code) == ("MA2010", 4)
    assert status.agent.sha256 == "0" * 64
    assert stage.host.state.state_files == {}
    assert stage.host.text("/etc/motd") is None


@pytest.mark.requirement("U1")
def test_while_a_run_is_unfinished_a_unit_resumes_it_after_a_reboot(stage: Stage) -> None:
    _break(stage, {"kubeadm"})
    with pytest.raises(MachineadmError):
        stage.run()

    unit = stage.host.text(f"{UNITS}/{RESUME_UNIT}") or ""
    copy = f"/var/lib/machineadm/{stage.resume_copy()}"
    assert f'ExecStart="/usr/bin/python3" "-I" "-S" "{AGENT}" "bootstrap" "--path" "{copy}"' in unit
    assert '"--state-dir" "/var/lib/machineadm"' in unit
    assert f"ConditionPathExists={copy}" in unit
    assert stage.host.services.enabled(RESUME_UNIT)
    kept = stage.host.state.state_files[stage.resume_copy()]
    assert kept == stage.file.read_bytes()


def test_success_takes_the_resume_unit_and_the_copy_away(stage: Stage) -> None:
    _break(stage, {"kubeadm"})
    with pytest.raises(MachineadmError):
        stage.run()
    _break(stage, set())

    stage.run()

    assert stage.host.text(f"{UNITS}/{RESUME_UNIT}") is None
    assert not stage.host.services.enabled(RESUME_UNIT)
    assert not any(name.startswith("resume/") for name in stage.host.state.state_files)


def test_an_agent_that_lies_on_a_volatile_place_is_copied_for_the_units(stage: Stage) -> None:
    stage.host.put("/run/agent.pyz", b"PK volatile")
    _break(stage, {"kubeadm"})
    with pytest.raises(MachineadmError):
        stage.run(agent="/run/agent.pyz")

    assert stage.host.state.state_files["machineadm.pyz"] == b"PK volatile"
    unit = stage.host.text(f"{UNITS}/{RESUME_UNIT}") or ""
    assert '"/var/lib/machineadm/machineadm.pyz" "bootstrap"' in unit


@pytest.mark.requirement("U1", "R5")
def test_without_systemd_the_run_goes_on_and_says_so(tmp_path: Path) -> None:
    stage = Stage(tmp_path, systemd=False)

    stage.run()

    status = stage.status()
    assert status.phase == "Succeeded"
    said = {one.type: (one.status, one.reason) for one in status.conditions}
    assert said["Resumable"] == ("False", "NoSystemd")
    assert stage.host.services.actions == []


def test_boot_commands_have_a_unit_that_stays(stage: Stage) -> None:
    stage.run()

    unit = stage.host.text(f"{UNITS}/{BOOT_UNIT}") or ""
    assert f'"{AGENT}" "boot" "--state-dir" "/var/lib/machineadm"' in unit
    assert stage.host.services.enabled(BOOT_UNIT)
    kept = stage.host.state.state_files["boot.json"]
    assert b"boot-command" in kept
    assert b"pre-command" not in kept


def test_boot_commands_run_once_in_every_boot(stage: Stage) -> None:
    from machineadm.agent.boot import run_boot_commands

    stage.run()
    run_boot_commands(stage.machine(), stage.events.append)
    assert stage.ran("boot-command") == 1
    report = stage.host.state.state_files[STATUS]

    stage.boot("boot-2")
    run_boot_commands(stage.machine(), stage.events.append)

    assert stage.ran("boot-command") == 2
    assert stage.ran("pre-command") == 1
    assert stage.host.state.state_files[STATUS] == report


@pytest.mark.requirement("U12")
def test_a_failing_boot_command_is_told_to_the_console(stage: Stage) -> None:
    from machineadm.agent.boot import run_boot_commands

    stage.run()
    stage.boot("boot-2")
    stage.host.commands.on("boot-command", exit_code=3)

    with pytest.raises(MachineadmError):
        run_boot_commands(stage.machine(), stage.events.append)

    assert "commands/boot[0]" in stage.told[-1]


def test_boot_commands_that_are_gone_lose_their_unit(stage: Stage) -> None:
    stage.run()
    stage.replace("      boot:\n      - argv: [boot-command]\n", "")

    stage.run()

    assert stage.host.text(f"{UNITS}/{BOOT_UNIT}") is None
    assert "boot.json" not in stage.host.state.state_files


def test_a_success_that_could_not_be_reported_is_reported_by_the_next_run_for_good(
    stage: Stage,
) -> None:
    _break(stage, {"report"})
    with pytest.raises(MachineadmError):
        stage.run()
    _break(stage, set())
    stage.run()

    stage.boot("boot-2")

    assert stage.status().phase == "Succeeded"


def test_a_warning_is_told_and_reported_and_keeps_nobody_from_success(stage: Stage) -> None:
    stage.replace('content: "hello\\n"', 'content: "{{ ds.meta_data.name }}"')

    stage.run()

    status = stage.status()
    assert status.phase == "Succeeded"
    (warning,) = status.warnings
    assert (warning.code, warning.path) == ("MA1411", "spec.machine.files[0].content")
    assert "ds.meta_data.name" in warning.message
    (event,) = [one for one in stage.events if isinstance(one, ConfigurationWarned)]
    assert event.problems[0].severity == "warning"


def test_a_second_run_that_has_nothing_to_do_warns_again(stage: Stage) -> None:
    stage.replace('content: "hello\\n"', 'content: "{{ v1.region }}"')
    stage.run()

    stage.run()

    assert [one.code for one in stage.status().warnings] == ["MA1411"]


def test_a_later_boot_removes_nothing_that_commands_made(stage: Stage) -> None:
    made = "/etc/kubernetes/manifests/balancer.yaml"

    def makes(_: Call) -> None:
        stage.host.put(made, "apiVersion: v1\n")

    stage.host.commands.on("pre-command", effect=makes)
    stage.run()
    stage.boot("boot-2")

    run_boot_commands(stage.machine(), stage.events.append)

    assert stage.host.text(made) == "apiVersion: v1\n"
    assert stage.host.text("/etc/motd") == "hello\n"
    assert stage.ran("boot-command") == 2
