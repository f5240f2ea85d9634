"""Commands of the configuration."""

import pytest

from machineadm.api.v1alpha1.commands import Command, EnvironmentVariable, RetryPolicy
from machineadm.errors import StepError
from machineadm.execution.events import Event, StepDone
from machineadm.host.ports import CommandResult
from machineadm.plan.model import Change, Phase, Plan
from machineadm.redaction import Secret
from machineadm.steps.commands import RunCommand, plan_commands
from tests.applying import apply, carry_out
from tests.fakes.host import Call, FakeHost


def step(**fields: object) -> RunCommand:
    (planned,) = plan_commands([Command(**fields)], Phase.PRE_KUBEADM)  # type: ignore[arg-type]
    return planned


@pytest.mark.requirement("U2")
def test_a_program_runs_with_environment_directory_and_timeout() -> None:
    host = FakeHost()
    apply(
        step(
            argv=("apt-get", "install", "$HOME"),
            env=(EnvironmentVariable(name="TOKEN", value=Secret("t")),),
            working_directory="/srv",
            timeout="1m30s",
        ),
        host,
    )

    (call,) = host.commands.calls
    assert call.argv == ("apt-get", "install", "$HOME")
    assert call.environment == {"MACHINEADM_PHASE": "preKubeadm", "TOKEN": Secret("t")}
    assert (call.directory, call.timeout, call.quiet) == ("/srv", 90.0, False)


@pytest.mark.parametrize(
    ("script", "interpreter", "reader"),
    [
        ("echo", (), ("/bin/sh", "-eu")),
        ("#!/usr/bin/env  python3 -u\nx", (), ("/usr/bin/env", "python3 -u")),
        ("#! /bin/bash\nx", (), ("/bin/bash",)),
        ("#!/bin/bash\nx", ("/bin/zsh", "-f"), ("/bin/zsh", "-f")),
    ],
)
def test_a_script_is_read_from_a_private_file_that_goes_afterwards(
    script: str, interpreter: tuple[str, ...], reader: tuple[str, ...]
) -> None:
    host = FakeHost()
    seen = []

    def look(call: Call) -> None:
        name = call.argv[-1].removeprefix(host.state.run_directory + "/")
        seen.append(host.state.run_files[name].decode())

    host.commands.on(reader[0], effect=look)
    apply(step(script=script, interpreter=interpreter), host)

    assert seen == [script]
    assert host.commands.calls[0].argv[:-1] == reader
    assert host.state.run_files == {}


def test_a_script_goes_also_when_it_fails() -> None:
    host = FakeHost()
    host.commands.on("/bin/sh", exit_code=1)

    with pytest.raises(StepError):
        apply(step(script="exit 1"), host)
    assert host.state.run_files == {}


def test_a_failed_command_fails_the_step_with_its_output() -> None:
    host = FakeHost()
    host.commands.on("false", exit_code=3, output="no luck\n")

    with pytest.raises(StepError) as caught:
        apply(step(argv=("false", "hunter2")), host)
    assert caught.value.code == "MA3204"
    assert caught.value.log_tail == "no luck\n"
    assert "exit code 3" in caught.value.message
    assert "hunter2" not in caught.value.message


def test_a_timed_out_command_says_so() -> None:
    host = FakeHost()
    host.commands.on("sleep", exit_code=-15, timed_out=True)

    with pytest.raises(StepError, match="did not end within 2s") as caught:
        apply(step(argv=("sleep",), timeout="2s"), host)
    assert caught.value.code == "MA3205"


def test_a_time_out_is_no_success_whatever_the_exit_code() -> None:
    host = FakeHost()
    host.commands.on("sleep", exit_code=0, timed_out=True)

    with pytest.raises(StepError):
        apply(step(argv=("sleep",)), host)


def run(one: RunCommand, host: FakeHost) -> list[Event]:
    """As the engine runs it: with its retries."""
    events: list[Event] = []
    carry_out(Plan(steps=(one,)), host, events.append)
    return events


def test_other_exit_codes_can_mean_success() -> None:
    host = FakeHost()
    host.commands.on("grep", exit_code=1)

    assert apply(step(argv=("grep",), success_exit_codes=(0, 1)), host).change is Change.CHANGED


def test_on_failure_continue_goes_on_and_says_so() -> None:
    host = FakeHost()
    host.commands.on("false", exit_code=1)

    events = run(step(argv=("false",), on_failure="Continue"), host)

    (done,) = [event for event in events if isinstance(event, StepDone)]
    assert done.change is Change.CHANGED
    assert "exit code 1" in done.message


def test_retries_pause_longer_each_time_up_to_five_minutes() -> None:
    host = FakeHost()
    host.commands.on("curl", exit_code=7)

    with pytest.raises(StepError, match="tried 8 times"):
        run(step(argv=("curl",), retries=RetryPolicy(limit=7, backoff="10s")), host)
    assert host.clock.slept == [10, 20, 40, 80, 160, 300, 300]


def test_a_first_pause_longer_than_that_is_as_long_as_it_says() -> None:
    host = FakeHost()
    host.commands.on("curl", exit_code=7)

    with pytest.raises(StepError, match="tried 3 times"):
        run(step(argv=("curl",), retries=RetryPolicy(limit=2, backoff="7m")), host)
    assert host.clock.slept == [420, 420]


def test_a_retry_that_succeeds_ends_the_trying() -> None:
    host = FakeHost()
    results = [CommandResult(exit_code=1, output=""), CommandResult(exit_code=0, output="")]
    host.commands.on("curl", effect=lambda _: results.pop(0))

    events = run(step(argv=("curl",), retries=RetryPolicy(limit=5)), host)

    (done,) = [event for event in events if isinstance(event, StepDone)]
    assert done.message == "succeeded at attempt 2"
    assert len(host.commands.calls) == 2


def test_commands_of_other_platforms_are_left_out_and_places_stay() -> None:
    commands = [Command(argv=("a",), platforms=("windows",)), Command(argv=("b",))]

    assert [s.name for s in plan_commands(commands, Phase.BOOT)] == ["commands/boot[1]"]


@pytest.mark.parametrize(
    "other",
    [
        {"argv": ("a", "c")},
        {"argv": ("a b",)},
        {"script": "a"},
        {"argv": ("a", "b"), "env": (EnvironmentVariable(name="A", value=Secret("2")),)},
        {"argv": ("a", "b"), "timeout": "1s"},
        {"argv": ("a", "b"), "on_failure": "Continue"},
    ],
)
def test_whatever_shapes_a_command_shapes_its_digest(other: dict[str, object]) -> None:
    base = {"argv": ("a", "b"), "env": (EnvironmentVariable(name="A", value=Secret("1")),)}

    assert step(**base).digest() == step(**base).digest()
    assert step(**base).digest() != step(**other).digest()


NODE = (("MACHINEADM_ROLE", "JoinWorker"), ("MACHINEADM_NODE_NAME", "a"))


def told(script: str, name: str = "a", **fields: object) -> RunCommand:
    node = (NODE[0], (NODE[1][0], name))
    (planned,) = plan_commands([Command(script=script, **fields)], Phase.PRE_KUBEADM, node)  # type: ignore[arg-type]
    return planned


def test_every_command_is_told_of_its_node_and_what_env_gives_wins() -> None:
    host = FakeHost()
    env = (EnvironmentVariable(name="MACHINEADM_ROLE", value=Secret("mine")),)

    apply(told("true"), host)
    apply(told("true", env=env), host)

    first, second = (call.environment for call in host.commands.calls)
    assert first == {**dict(NODE), "MACHINEADM_PHASE": "preKubeadm"}
    assert second["MACHINEADM_ROLE"] == Secret("mine")


def test_a_command_that_names_the_node_runs_again_when_the_name_changes_and_no_other_does() -> None:
    naming = 'echo "$MACHINEADM_NODE_NAME"'

    assert told(naming, "a").digest() != told(naming, "b").digest()
    assert told("true", "a").digest() == told("true", "b").digest()


def test_what_no_command_names_leaves_the_digests_of_earlier_releases() -> None:
    assert told("true").digest() == step(script="true").digest()
