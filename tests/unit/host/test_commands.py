"""Programs run on the real system, bounded, redacted, and never left behind."""

import os
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from machineadm.errors import HostError, InterruptedRunError
from machineadm.host.linux import commands as module
from machineadm.host.linux.adapter import linux_host
from machineadm.host.linux.clock import Interruption
from machineadm.host.linux.commands import KEPT, LONGEST_LINE, LinuxCommands
from machineadm.host.ports import CommandResult, Host
from machineadm.redaction import Redactor, Secret

SECRET = "correct-horse-battery"


class Runner:
    def __init__(self, interruption: Interruption | None = None) -> None:
        self.lines: list[str] = []
        self.interruption = interruption or Interruption()
        self.commands = LinuxCommands(
            self.interruption, redactor=Redactor([Secret(SECRET)]), log=self.lines.append
        )

    def sh(self, script: str, **options: object) -> CommandResult:
        return self.commands.run(["sh", "-c", script], **options)  # type: ignore[arg-type]


@pytest.fixture
def runner() -> Runner:
    return Runner()


def alive(pid: int) -> bool:
    try:
        state = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0]
    except FileNotFoundError:
        return False
    return state != "Z"


def gone_within(seconds: float, pid: int) -> bool:
    end = time.monotonic() + seconds
    while alive(pid):
        if time.monotonic() > end:
            return False
        time.sleep(0.02)
    return True


def test_output_of_both_streams_reaches_log_and_result(runner: Runner) -> None:
    result = runner.sh("echo one; echo two >&2; printf three")

    assert result.exit_code == 0
    assert result.output == "one\ntwo\nthree\n"
    assert runner.lines == ["one", "two", "three"]


def test_a_quiet_command_stays_out_of_the_log(runner: Runner) -> None:
    assert runner.sh("echo one", quiet=True).output == "one\n"
    assert runner.lines == []


@pytest.mark.parametrize(("script", "code"), [("exit 3", 3), ("kill -9 $$", -9)])
def test_exit_codes_and_signals_are_told(runner: Runner, script: str, code: int) -> None:
    assert runner.sh(script).exit_code == code


def test_argv_is_not_passed_through_a_shell(runner: Runner) -> None:
    assert runner.commands.run(["echo", "$HOME; ls *"]).output == "$HOME; ls *\n"


def test_the_environment_is_built_and_not_inherited(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("STRAY", "1")
    monkeypatch.setenv("HTTPS_PROXY", "http://proxy:3128")
    names = {
        line.partition("=")[0]
        for line in runner.sh("env", environment={"GIVEN": Secret("x")}).output.splitlines()
    }

    assert {"PATH", "HOME", "LANG", "HTTPS_PROXY", "GIVEN"} <= names
    assert "STRAY" not in names


def test_a_path_that_is_given_is_searched(runner: Runner, tmp_path: Path) -> None:
    program = tmp_path / "only-here"
    program.write_text("#!/bin/sh\necho found\n")
    program.chmod(0o755)

    result = runner.commands.run(["only-here"], environment={"PATH": str(tmp_path)})
    assert result.output == "found\n"


def test_what_was_ignored_on_purpose_stays_ignored() -> None:
    before = signal.signal(signal.SIGHUP, signal.SIG_IGN)
    try:
        with Interruption() as interruption:
            os.kill(os.getpid(), signal.SIGHUP)
            interruption.check()
    finally:
        signal.signal(signal.SIGHUP, before)


def test_secrets_are_masked_in_log_and_result(runner: Runner) -> None:
    result = runner.sh('echo "password: $P!"', environment={"P": Secret(SECRET)})

    assert result.output == "password: ***!\n"
    assert runner.lines == ["password: ***!"]


def test_a_secret_is_masked_wherever_it_lies_in_a_huge_line(runner: Runner) -> None:
    for before in (LONGEST_LINE - 10, 4 * LONGEST_LINE + 75, 4 * LONGEST_LINE + 84):
        result = runner.sh(f"head -c {before} /dev/zero | tr '\\0' x; printf {SECRET}; echo tail")

        assert SECRET[:6] not in result.output
        assert len(result.output) < LONGEST_LINE + 100


def test_endless_and_binary_output_is_bounded(runner: Runner) -> None:
    result = runner.sh("head -c 3000000 /dev/urandom; seq 100000")

    assert len(result.output.encode()) <= KEPT
    assert result.output.endswith("99999\n100000\n")
    assert all(len(line) <= 4 * LONGEST_LINE + 20 for line in runner.lines)
    assert not any("\x1b" in line or "\x07" in line for line in runner.lines)


def test_input_comes_from_memory_and_is_else_empty(runner: Runner) -> None:
    assert runner.sh("cat", input=b"hello").output == "hello\n"
    assert runner.sh("cat").output == ""


def test_a_program_that_is_not_there_is_an_error(runner: Runner) -> None:
    with pytest.raises(HostError) as caught:
        runner.commands.run(["no-such-program"])
    assert caught.value.code == "MA3201"
    with pytest.raises(HostError) as caught:
        runner.commands.run(["/no/such/program"])
    assert caught.value.code == "MA3201"


def test_a_program_that_cannot_start_is_an_error(runner: Runner, tmp_path: Path) -> None:
    program = tmp_path / "program"
    program.write_text("#!/no/such/interpreter\n")
    program.chmod(0o755)

    with pytest.raises(HostError) as caught:
        runner.commands.run([str(program)])
    assert caught.value.code == "MA3202"
    with pytest.raises(HostError) as caught:
        runner.commands.run(["true"], directory="/no/such/directory")
    assert caught.value.code == "MA3203"


def test_unfit_environment_values_are_not_quoted_in_the_error(runner: Runner) -> None:
    with pytest.raises(HostError) as caught:
        runner.commands.run(["true"], environment={"P": Secret(f"{SECRET}\0")})
    assert SECRET not in f"{caught.value} {caught.value.hint()}"


def test_a_timed_out_command_goes_with_its_whole_process_group(runner: Runner) -> None:
    result = runner.sh("sleep 60 & echo $!; wait", timeout=2)

    assert result.timed_out
    assert gone_within(20, int(result.output))


def test_a_command_deaf_to_sigterm_is_killed(
    runner: Runner, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "GRACE", 0.2)
    result = runner.sh("trap '' TERM; while true; do sleep 0.05; done", timeout=2)

    assert result.timed_out
    assert result.exit_code == -signal.SIGKILL


def test_a_background_process_is_not_waited_for(runner: Runner) -> None:
    started = time.monotonic()
    result = runner.sh("sleep 600 & echo $!")
    os.kill(int(result.output), signal.SIGKILL)

    assert result.exit_code == 0
    assert time.monotonic() - started < 200


def test_a_command_that_closes_its_output_is_waited_for(runner: Runner) -> None:
    assert runner.sh("exec >&- 2>&-; sleep 0.2; exit 7").exit_code == 7


def test_the_deadline_ends_a_command() -> None:
    runner = Runner(Interruption(deadline=0.3))

    with pytest.raises(InterruptedRunError) as caught:
        runner.sh("sleep 60")
    assert caught.value.code == "MA6003"
    with pytest.raises(InterruptedRunError):
        runner.sh("true")


@pytest.fixture
def interruption() -> Iterator[Interruption]:
    with Interruption() as entered:
        yield entered


def test_a_signal_ends_a_command_and_what_it_started(interruption: Interruption) -> None:
    runner = Runner(interruption)

    with pytest.raises(InterruptedRunError) as caught:
        runner.sh(f"sleep 60 & echo $!; sleep 0.2; kill -TERM {os.getpid()}; wait")
    assert caught.value.code == "MA6002"
    assert "SIGTERM" in caught.value.message
    assert gone_within(2, int(runner.lines[0]))


def test_a_signal_ends_a_sleep(interruption: Interruption) -> None:
    killer = f"sleep 0.1; kill -INT {os.getpid()}"

    with subprocess.Popen(["sh", "-c", killer]), pytest.raises(InterruptedRunError, match="SIGINT"):
        interruption.wait(60)
    with pytest.raises(InterruptedRunError, match="SIGINT"):
        interruption.wait(0)


AGENT = """
    import os, sys
    from machineadm.host.linux.adapter import linux_host
    from machineadm.host.linux.state import LinuxState
    host = linux_host(
        run_directory=sys.argv[1],
        state_directory=sys.argv[1] + "/state",
        log=lambda line: print(line, flush=True),
    )
    host.state.lock()
    host.commands.run(["sh", "-c", sys.argv[2]])
"""


def host_in(directory: Path) -> Host:
    return linux_host(run_directory=str(directory), state_directory=f"{directory}/state")


def start_agent(run_directory: Path, script: str) -> subprocess.Popen[str]:
    program = textwrap.dedent(AGENT)
    return subprocess.Popen(
        [sys.executable, "-c", program, str(run_directory), script],
        stdout=subprocess.PIPE,
        text=True,
    )


def test_a_command_dies_with_a_killed_agent(tmp_path: Path) -> None:
    with start_agent(tmp_path, "echo $$; exec sleep 60") as agent:
        assert agent.stdout is not None
        pid = int(agent.stdout.readline())
        agent.kill()
        agent.wait()

        assert gone_within(5, pid)


def test_what_survives_a_killed_agent_holds_the_lock_and_is_named(tmp_path: Path) -> None:
    from machineadm.errors import LockedError

    with start_agent(tmp_path, "echo $$; sleep 60 & echo $!; wait") as agent:
        assert agent.stdout is not None
        shell, orphan = (int(agent.stdout.readline()) for _ in range(2))
        agent.kill()
        agent.wait()
        assert gone_within(5, shell)
        try:
            with pytest.raises(LockedError, match=f"process {orphan}, (sleep|sh)"):
                host_in(tmp_path).state.lock()
        finally:
            os.kill(orphan, signal.SIGKILL)
    assert gone_within(5, orphan)
    host_in(tmp_path).state.lock()


def test_what_a_program_is_run_for_is_in_the_log_before_its_output(runner: Runner) -> None:
    runner.commands.run(["echo", "output"], note="because of something")

    assert runner.lines == ["because of something", "output"]


def test_whoever_attends_hears_every_line_once_redacted_and_the_last_one_too(
    runner: Runner,
) -> None:
    heard: list[str] = []

    runner.sh(f"echo one; sleep 0.5; echo {SECRET}; sleep 0.5; printf last", attend=heard.append)

    assert "".join(heard) == "one\n***\nlast\n"
    assert len([text for text in heard if text]) >= 2
