"""`reset` on a tree, and what it asks at a terminal."""

from __future__ import annotations

import fcntl
import io
import json
import sys
from pathlib import Path
from subprocess import CompletedProcess

import pytest

from machineadm.agent.reset import Prospect
from machineadm.cli.reset import _asked
from machineadm.execution.ledger import Ledger, Pending
from machineadm.host.linux.state import LinuxState
from machineadm.host.linux.tree import Tree
from machineadm.plan.model import FollowUp
from tests.contract.trees import machineadm

TEXT = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    files:
    - {path: /etc/motd, content: "hello\\n"}
    - {path: /etc/hosts, append: true, content: "192.0.2.1 a\\n"}
"""


def reset(tree: Path, *options: str) -> CompletedProcess[str]:
    """In a process of its own, for each holds the lock until it ends."""
    return machineadm("reset", "--root", tree, *options)


@pytest.fixture
def tree(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    (root / "etc").mkdir(parents=True)
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    (root / "etc/hosts").write_text("127.0.0.1 localhost\n")
    (tmp_path / "node.yaml").write_text(TEXT)
    prepared = ("bootstrap", "--mode", "preparation", "--path", tmp_path / "node.yaml")
    assert machineadm(*prepared, "--root", root).returncode == 0
    return root


def test_a_dry_run_shows_what_goes_and_what_stays_and_exits_10(tree: Path) -> None:
    shown = reset(tree, "--dry-run")

    assert shown.returncode == 10
    assert "reset/takeBack" in shown.stdout
    assert "-hello" in shown.stdout
    assert "/etc/hosts stays: it was appended to\n" in shown.stdout
    assert (tree / "etc/motd").exists()

    told = json.loads(reset(tree, "--dry-run", "--output", "json").stdout)
    assert told["stays"] == ["/etc/hosts stays: it was appended to"]
    assert (told["unproved"], told["forgets"], told["toDo"]) == ([], True, 1)


def test_a_reset_says_what_stays_and_a_second_has_nothing_to_do(tree: Path) -> None:
    shown = reset(tree)

    assert shown.returncode == 0
    assert shown.stdout == "/etc/hosts stays: it was appended to\nreset\n"
    assert "reset/takeBack ... done" in shown.stderr
    assert not (tree / "etc/motd").exists()
    files = [path.name for path in (tree / "var/lib/machineadm").iterdir() if path.is_file()]
    assert files == ["lock"]
    assert reset(tree, "--dry-run").returncode == 0
    again = reset(tree)
    assert (again.returncode, again.stdout) == (0, "nothing to reset\n")
    assert machineadm("status", "--root", tree).returncode == 3  # no bootstrap ever ran here


def test_json_ends_with_what_stays(tree: Path) -> None:
    last = json.loads(reset(tree, "--output", "json").stdout.splitlines()[-1])

    assert (last["event"], last["done"], last["complete"]) == ("resetEnded", True, True)
    assert last["left"] == ["/etc/hosts stays: it was appended to"]


def test_no_reset_begins_beside_a_run(tree: Path) -> None:
    with Path(tree / "var/lib/machineadm/lock").open() as lock:
        fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)

        refused = reset(tree)

    assert refused.returncode == 8
    assert "MA6001" in refused.stderr
    assert (tree / "etc/motd").exists()


def test_a_reset_that_the_running_machine_must_finish_exits_9(tree: Path) -> None:
    """And 0 is what its --help, and the table of exit codes, keep for one that has ended."""
    state = LinuxState(
        Tree(str(tree)), run_directory="/run/machineadm", state_directory="/var/lib/machineadm"
    )
    ledger = Ledger(state, machine_id="0123456789abcdef0123456789abcdef", boot_id="")
    follow = FollowUp(kind="run", target="a program", argv=("true",))
    ledger.put_pending(Pending(follow=follow, phase="prepare", steps=("files/write",)))
    ledger.save()

    shown = reset(tree)

    assert shown.returncode == 9
    assert shown.stdout.endswith(
        "reset, but for what the running machine must do: run `machineadm reset` there\n"
    )
    assert not (tree / "etc/motd").exists()
    assert "Exits 9" in reset(tree, "--help").stdout


def test_a_clone_says_that_it_keeps_another_machines_journal(tree: Path, tmp_path: Path) -> None:
    (tmp_path / "node.yaml").write_text(TEXT.replace("hello", "another"))
    (tree / "etc/machine-id").write_text("fedcba9876543210fedcba9876543210\n")
    prepared = ("bootstrap", "--mode", "preparation", "--path", tmp_path / "node.yaml")
    assert machineadm(*prepared, "--root", tree).returncode == 0

    shown = reset(tree)

    assert shown.returncode == 0
    assert "journal-of-0123456789abcdef0123456789abcdef.jsonl\n" in shown.stdout


@pytest.mark.parametrize("option", ["--dry-run", "--yes"])
def test_a_node_in_a_tree_is_refused(option: str, tree: Path) -> None:
    (tree / "etc/kubernetes").mkdir(exist_ok=True)
    (tree / "etc/kubernetes/kubelet.conf").write_text("x")

    refused = reset(tree, option)

    assert refused.returncode == 5
    assert "MA6033" in refused.stderr
    assert (tree / "etc/motd").exists()


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


PROSPECT = Prospect(looks=(), left=(), unproved=("/etc/kubernetes/kubelet.conf",), known=True)


@pytest.mark.parametrize(("answer", "says"), [("yes\n", True), ("y\n", False), ("", False)])
def test_a_person_at_a_terminal_is_shown_what_would_go_and_types_yes(
    answer: str, says: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    shown = Terminal()
    monkeypatch.setattr(sys, "stdin", Terminal(answer))
    monkeypatch.setattr(sys, "stderr", shown)

    assert _asked(PROSPECT) is says
    assert "  /etc/kubernetes/kubelet.conf\n" in shown.getvalue()


def test_nobody_is_asked_where_nobody_sits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stdin", io.StringIO("yes\n"))

    assert not _asked(PROSPECT)
