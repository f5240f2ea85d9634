"""The agent is ended while a plugin works for it: nothing is left of either, and the exit code says how it ended."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.peers.installed import install, program, provider
from tests.unit.plugins.conftest import processes_below, remains

SLOW = """
import time
class Slow(Provider):
    name = "slow"

    def execute(self, inputs, host):
        import subprocess
        child = subprocess.Popen(["sleep", "300"])
        note("working")
        time.sleep(300)
"""
SLOW_STORE = """
import time
from machineadm.plugins.sdk import Infrastructure, serve

class Store(Infrastructure):
    def fetch(self, location):
        note("working")
        time.sleep(300)
        yield b""

serve(Store())
"""
CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    files:
    - {path: /etc/motd, contentFrom: {provider: {name: slow}}}
"""

Ask = Callable[[Path], tuple[str, ...]]


def by_a_value(below: Path) -> tuple[str, ...]:
    content = provider(SLOW, "Slow()", notes=below / "notes")
    install(below / "plugins", "provider", "slow", content)
    (below / "node.yaml").write_text(CONFIGURATION)
    return ("--path", str(below / "node.yaml"))


def by_a_source(below: Path) -> tuple[str, ...]:
    content = program(SLOW_STORE, below / "notes")
    install(below / "plugins", "infrastructure", "slow", content)
    return ("--path", "plugin://slow/node")


@contextmanager
def working(below: Path, directory: str, ask: Ask, *more: str) -> Iterator[subprocess.Popen[str]]:
    """The agent, while its plugin works."""
    root = below / "root"
    root.mkdir()
    command = [sys.executable, "-m", "machineadm", "bootstrap", "--mode", "preparation"]
    command += ["--root", str(root), "--plugin-dir", str(below / "plugins"), *ask(below), *more]
    agent = subprocess.Popen(
        # A shell that starts the tests in the background has them ignore SIGINT.
        ["env", "--default-signal=INT", *command],
        env=os.environ | {"TMPDIR": directory},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        end = time.monotonic() + 300
        while not (below / "notes").exists() and time.monotonic() < end:
            assert agent.poll() is None, agent.communicate()
            time.sleep(0.02)
        assert processes_below(directory)
        yield agent
    finally:
        agent.kill()
        agent.communicate()


def gone(directory: str) -> bool:
    end = time.monotonic() + 60
    while any(remains(directory).values()) and time.monotonic() < end:
        time.sleep(0.05)
    return not any(remains(directory).values())


@pytest.mark.parametrize("ask", [by_a_value, by_a_source])
def test_an_agent_that_is_killed_leaves_nothing(
    tmp_path: Path, plugins_directory: str, ask: Ask
) -> None:
    with working(tmp_path, plugins_directory, ask) as agent:
        agent.send_signal(signal.SIGKILL)
        agent.wait(60)

        assert gone(plugins_directory)


@pytest.mark.parametrize("ask", [by_a_value, by_a_source])
def test_an_agent_that_is_told_to_end_ends_its_plugin_and_can_be_resumed(
    tmp_path: Path, plugins_directory: str, ask: Ask
) -> None:
    with working(tmp_path, plugins_directory, ask) as agent:
        began = time.monotonic()
        agent.send_signal(signal.SIGTERM)
        code = agent.wait(60)

        assert code == 9
        # The plugin would take minutes; a busy machine may take more than the usual second.
        assert time.monotonic() - began < 200
        assert gone(plugins_directory)
    assert not (tmp_path / "root/etc/motd").exists()


def test_the_deadline_ends_a_plugin_as_well(tmp_path: Path, plugins_directory: str) -> None:
    # How long it takes until the plugin works depends on the machine: measured, and then left well behind.
    (tmp_path / "before").mkdir()
    began = time.monotonic()
    with working(tmp_path / "before", plugins_directory, by_a_value):
        deadline = 3 + 4 * (time.monotonic() - began)
    assert gone(plugins_directory)
    (tmp_path / "then").mkdir()
    with working(
        tmp_path / "then", plugins_directory, by_a_value, "--deadline", f"{deadline:.1f}s"
    ) as agent:
        _, told = agent.communicate(timeout=deadline + 100)

        assert agent.returncode == 9
        assert "MA6003" in told
        assert gone(plugins_directory)


NOTE = f"""#!{sys.executable} -I
import os, signal, socket, time
def note():
    with open(NOTES, "w") as file:
        file.write("begun")
"""
STARTS = {
    "that says nothing": "note(); time.sleep(300)",
    "that says nothing and does not end": "signal.signal(signal.SIGTERM, signal.SIG_IGN); note(); time.sleep(300)",
    "that stops in the middle of its line": "print('1|1|un', end='', flush=True); note(); time.sleep(300)",
    "that has a child": "os.fork(); note(); time.sleep(300)",
}


@pytest.mark.parametrize("how", STARTS)
@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_a_start_that_is_cut_off_leaves_no_process_and_says_no_more_than_why(
    tmp_path: Path, plugins_directory: str, how: str, number: signal.Signals
) -> None:
    def ask(below: Path) -> tuple[str, ...]:
        text = NOTE.replace("NOTES", repr(str(below / "notes"))) + STARTS[how]
        install(below / "plugins", "provider", "slow", text.encode())
        (below / "node.yaml").write_text(CONFIGURATION)
        return ("--path", str(below / "node.yaml"))

    with working(tmp_path, plugins_directory, ask) as agent:
        agent.send_signal(number)
        _, told = agent.communicate(timeout=120)

        assert agent.returncode == 9
        assert [line.split()[1] for line in told.splitlines() if line[:1] != " "] == ["MA6002"], (
            told
        )
        assert gone(plugins_directory)
