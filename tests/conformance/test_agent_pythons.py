"""The one file under every Python a node may have: Debian's own with nothing else, and those of version managers."""

import os
import re
import subprocess
from pathlib import Path

import pytest

from tests.real import missing
from tests.roots.pythons import Python, installed
from tests.roots.roots import SUITES, Root

ROOT = Path(__file__).parents[2]
EXAMPLE = ROOT / "examples/worker.yaml"
AGENT = "/agent/machineadm.pyz"
CONFIG = "/agent/config.yaml"
SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")
BY_DEBIAN = [suite for suite, version in SUITES.items() if version in SUPPORTED]
FITTING = [python for python in installed() if python.version in SUPPORTED]
UNFIT = [python for python in installed() if python.version not in SUPPORTED]


class Node:
    """A root that keeps what is written to it, with the agent and a configuration in it."""

    def __init__(self, root: Root, agent: Path, directory: Path, *python: str) -> None:
        self.root, self.agent, self.directory = root, agent, directory
        self.python = list(python)
        self.binds = {AGENT: agent, CONFIG: EXAMPLE}
        self.tree = directory / "tree"
        self.tree.mkdir(parents=True)

    def run(self, *arguments: str) -> "subprocess.CompletedProcess[str]":
        return self.root.run(
            [*self.python, AGENT, *arguments],
            binds=self.binds,
            writable={"/srv": self.tree},
            changes=self.directory,
        )

    def written(self) -> list[str]:
        """What it has left in the root, besides the places where we show it files of ours.

        An interpreter's own compiled files are not the agent's.
        """
        upper = self.directory / "upper"
        return sorted(
            str(path.relative_to(upper))
            for path in upper.rglob("*")
            if path.is_file() and path.parent != upper / "agent" and path.suffix != ".pyc"
        )


def lend(python: Python, agent: Path, directory: Path) -> Node:
    """A node whose interpreter comes from this machine: isolated, as its own start would make itself."""
    node = Node(Root("bookworm"), agent, directory, str(python.executable), "-I", "-S")
    node.binds |= python.binds
    return node


def assert_does_its_work(node: Node, version: str) -> None:
    shown = node.run("version")
    assert (shown.returncode, shown.stderr) == (0, "")
    assert re.search(rf"^python +{re.escape(version)}\.", shown.stdout, re.MULTILINE)
    checked = node.run("validate", "--path", CONFIG)
    assert (checked.returncode, checked.stderr) == (0, "")
    planned = node.run("plan", "--path", CONFIG, "--root", "/srv")
    assert (planned.returncode, planned.stderr) == (10, "")
    assert "kubeadm/join" in planned.stdout
    done = node.run("bootstrap", "--path", CONFIG, "--root", "/srv")
    assert done.returncode == 0, done.stderr
    assert (node.tree / "etc/hostname").read_text() == "edge-worker-0\n"
    assert (node.tree / "etc/sysctl.d/90-machineadm.conf").exists()


def assert_refused(node: Node, because: str) -> None:
    """One line, exit 2, nothing written."""
    for arguments in (("version",), ("bootstrap", "--path", CONFIG)):
        refused = node.run(*arguments)
        assert refused.returncode == 2, refused
        assert refused.stdout == ""
        assert refused.stderr.startswith("machineadm: ")
        assert because in refused.stderr
        assert len(refused.stderr.splitlines()) == 1, refused.stderr
    assert node.written() == []


@pytest.mark.requirement("R1")
@pytest.mark.parametrize("suite", BY_DEBIAN)
def test_debians_python_alone_is_enough(suite: str, agent_file: Path, tmp_path: Path) -> None:
    assert_does_its_work(Node(Root(suite), agent_file, tmp_path), SUITES[suite])


@pytest.mark.parametrize("python", FITTING, ids=lambda python: python.version)
def test_an_interpreter_of_a_version_manager_will_do(
    python: Python, agent_file: Path, tmp_path: Path
) -> None:
    assert_does_its_work(lend(python, agent_file, tmp_path), python.version)


def test_a_python_that_is_too_old_is_told_so(agent_file: Path, tmp_path: Path) -> None:
    assert_refused(Node(Root("bullseye"), agent_file, tmp_path), "3.10 to 3.14")


@pytest.mark.parametrize("python", UNFIT, ids=lambda python: python.version)
def test_any_other_version_is_told_so(python: Python, agent_file: Path, tmp_path: Path) -> None:
    assert_refused(lend(python, agent_file, tmp_path), "3.10 to 3.14")


def test_the_python_to_come_works_or_is_refused_clearly(agent_file: Path, tmp_path: Path) -> None:
    """Nothing is promised for it; what it does is told."""
    root = Root("sid", tools=True)
    if not root.has("python3.15"):
        pytest.xfail("Debian has no python3.15 at present")
    assert_refused(
        Node(root, agent_file, tmp_path, "/usr/bin/python3.15", "-I", "-S"), "3.10 to 3.14"
    )


@pytest.fixture(scope="session")
def arm64_agent() -> Path:
    """The file for the other processor, as `make package ARCH=arm64` builds it."""
    path = ROOT / os.environ.get("MACHINEADM_AGENT_ARM64", "dist/machineadm-linux-arm64.pyz")
    if not path.exists():
        missing("no agent for arm64: make package ARCH=arm64")
    return path


def test_on_arm64_it_plans(arm64_agent: Path, tmp_path: Path) -> None:
    node = Node(Root("arm64"), arm64_agent, tmp_path, "/usr/bin/python3.11", "-I", "-S")

    shown = node.run("version")
    planned = node.run("plan", "--path", CONFIG, "--root", "/srv")

    assert (shown.returncode, shown.stderr) == (0, "")
    assert (planned.returncode, planned.stderr) == (10, "")
    assert "kubeadm/join" in planned.stdout


def test_a_file_for_another_processor_is_refused(
    agent_file: Path, arm64_agent: Path, tmp_path: Path
) -> None:
    python = ("/usr/bin/python3.11", "-I", "-S")

    assert_refused(Node(Root("arm64"), agent_file, tmp_path / "a", *python), "x86_64")
    assert_refused(Node(Root("bookworm"), arm64_agent, tmp_path / "b", *python), "aarch64")
