"""What the built-in templates have a shell do: the agent runs after a fetch that succeeded, and a failure is a failure."""

from __future__ import annotations

import base64
import json
import os
import shlex
import stat
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

from machineadm.rendering.builtin import DIRECTORY, UNIT
from machineadm.rendering.stream import read_bundle, render_bundle

ROOT = Path(__file__).parents[2]
EXAMPLE = (ROOT / "examples/rendering/worker.yaml").read_text()
AGENT = """\
#!/bin/sh
printf '%s\\n' "$@" >> "$TRACE"
cat "$3" >> "$TRACE"
exit "${AGENT_EXIT:-0}"
"""
SYSTEMCTL = '#!/bin/sh\necho "systemctl $*" >> "$TRACE"\n'
SHELLS = [
    pytest.param(["dash"], id="dash"),
    pytest.param(["bash", "--posix"], id="bash"),
]


def user_data(template: str, agent: Path) -> str:
    text = EXAMPLE.replace("      version:", f"      destination: {agent}\n      version:", 1)
    bundle = read_bundle([("m", text.encode())])
    outcome = render_bundle(bundle, random=os.urandom, template=template)
    assert outcome.rendered is not None, outcome.problems
    return outcome.rendered.user_data.decode()


class Machine:
    """A directory instead of a machine, with a recorder for an agent; the path has a blank and a quote."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory / "it's one"
        self.data = self.directory / "user-data"
        self.run = self.directory / "run"
        self.units = self.directory / "units"
        self.agent = directory / "bin" / "machineadm"
        self.trace = directory / "trace"
        for path in (self.data, self.run, self.units, self.agent.parent):
            path.mkdir(parents=True)
        for path, text in ((self.agent, AGENT), (self.agent.parent / "systemctl", SYSTEMCTL)):
            path.write_text(text)
            path.chmod(0o755)

    def sh(self, shell: list[str], script: str, *, agent_exit: int = 0) -> int:
        environment = {
            "PATH": f"{self.agent.parent}:{os.environ['PATH']}",
            "TRACE": str(self.trace),
            "AGENT_EXIT": str(agent_exit),
        }
        run = subprocess.run(
            [*shell, "-c", script], env=environment, check=False, stderr=subprocess.PIPE
        )
        return run.returncode

    def traced(self) -> str:
        return self.trace.read_text() if self.trace.exists() else ""

    def placed(self, text: str) -> str:
        """A script whose absolute places are those of this machine; the directories are quoted, since these have blanks."""
        for place, here in ((DIRECTORY, self.data), ("/etc/systemd/system", self.units)):
            text = text.replace(place, str(here).replace("it's one", "one"))
        return text


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    machine = Machine(tmp_path)
    (tmp_path / "one").symlink_to(machine.directory)
    return machine


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("fetch", "agent_exit", "expected"), [(0, 0, 0), (0, 5, 5), (7, 0, 7)])
def test_what_cloud_init_runs_ends_as_fetch_and_agent_end(
    machine: Machine, shell: list[str], fetch: int, agent_exit: int, expected: int
) -> None:
    (command,) = yaml.safe_load(user_data("cloud-init", machine.agent))["runcmd"]
    (machine.run / "fetch.sh").write_text(f"echo fetched >> '{machine.trace}'; exit {fetch}\n")
    (machine.run / "config.yaml").write_text("the configuration\n")
    assert command[:2] == ["sh", "-ec"]
    # As cloud-init quotes the items of a list (cloudinit.util.shellify).
    line = shlex.join(command).replace(
        "/run/machineadm", str(machine.run).replace("it's one", "one")
    )

    assert machine.sh(shell, line, agent_exit=agent_exit) == expected
    ran = "bootstrap\n--path" in machine.traced()
    assert ran == (fetch == 0)
    assert machine.traced().startswith("fetched\n")


@pytest.mark.requirement("R5", "U1")
@pytest.mark.parametrize("shell", SHELLS)
def test_the_script_for_systemd_lays_out_what_its_unit_starts(
    machine: Machine, shell: list[str]
) -> None:
    script = machine.placed(user_data("systemd", machine.agent))
    # No PID 1 of a test is asked to start a unit.
    script = script.replace("[ -d /run/systemd/system ]", "true")

    assert machine.sh(shell, script) == 0
    modes = {path.name: stat.S_IMODE(path.stat().st_mode) for path in machine.data.iterdir()}
    assert modes == dict.fromkeys(("config.yaml", "fetch.sh", "agent", "start.sh"), 0o600)
    assert (machine.data / "config.yaml").read_text() == user_data("bare", machine.agent)
    assert (machine.data / "agent").read_text() == str(machine.agent)
    unit = machine.units / UNIT
    assert stat.S_IMODE(unit.stat().st_mode) == 0o644
    assert machine.traced().splitlines() == [
        f"systemctl enable {UNIT}",
        "systemctl daemon-reload",
        f"systemctl start --no-block {UNIT}",
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_nothing_is_run_of_a_script_for_systemd_that_was_cut_off(
    machine: Machine, shell: list[str]
) -> None:
    script = machine.placed(user_data("systemd", machine.agent))
    lines = script.splitlines(keepends=True)

    for count in range(len(lines)):
        machine.sh(shell, "".join(lines[:count]))
        assert not machine.data.exists() or not [*machine.data.iterdir()], count
        assert machine.traced() == "", count


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize(("fetch", "agent_exit", "expected"), [(0, 0, 0), (0, 5, 5), (7, 0, 7)])
def test_the_unit_ends_as_fetch_and_agent_end_and_leaves_no_secret_after_a_success(
    machine: Machine, shell: list[str], fetch: int, agent_exit: int, expected: int
) -> None:
    laid_out, _, _ = machine.placed(user_data("systemd", machine.agent)).partition("umask 022")
    machine.sh(shell, laid_out + "}")
    (machine.data / "fetch.sh").write_text(f"exit {fetch}\n")
    start = (machine.data / "start.sh").read_text()

    assert machine.sh(shell, start, agent_exit=agent_exit) == expected
    assert ("bootstrap\n--path" in machine.traced()) == (fetch == 0)
    assert (machine.data / "config.yaml").exists() == (expected != 0)
    assert (machine.data / "fetch.sh").exists() == (expected != 0)


@pytest.mark.parametrize("version", ["2.3", "3.4"])
def test_ignition_lays_out_the_same_script_and_unit(machine: Machine, version: str) -> None:
    config = json.loads(user_data(f"ignition-{version}", machine.agent))
    script = user_data("systemd", machine.agent)
    (start,) = (f for f in config["storage"]["files"] if f["path"].endswith("/start.sh"))
    (unit,) = config["systemd"]["units"]

    text = base64.b64decode(start["contents"]["source"].partition(",")[2]).decode()
    assert f"<<'END' > {DIRECTORY}/start.sh\n{text}END\n" in script
    assert f"/{UNIT}\n{unit['contents']}END\n" in script
    assert (unit["name"], unit["enabled"]) == (UNIT, True)


def test_shellcheck_has_nothing_to_say_about_the_script(machine: Machine) -> None:
    program = Path(sys.executable).parent / "shellcheck"
    run = subprocess.run(
        [program, "--shell=sh", "--severity=style", "-"],
        input=user_data("systemd", machine.agent),
        capture_output=True,
        text=True,
        check=False,
    )

    assert run.stdout == ""
