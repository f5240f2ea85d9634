"""Bootstrap on real files: nothing written twice, nothing run below a root, nothing lost by a kill."""

from __future__ import annotations

import json
import os
import signal
import tempfile
from collections.abc import Iterator
from pathlib import Path
from shutil import rmtree
from typing import Any

import pytest

from machineadm.agent.bootstrap import bootstrap
from machineadm.agent.request import Request
from machineadm.agent.wiring import connect
from machineadm.errors import MachineadmError
from machineadm.execution.ledger import Ledger
from machineadm.host.linux.state import LinuxState
from machineadm.host.linux.tree import Tree
from tests.contract.trees import RUN, STATE, fake_kubeadm, machineadm, running_tree, seen

EXAMPLES = Path(__file__).parents[2] / "examples"
NOBODY = 65534

CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
{modules}
    files:
    - {{path: /etc/motd, content: "hello\\n", owner: "{owner}"}}
    - {{path: /etc/hosts, content: "10.0.0.9 registry\\n", append: true, owner: "{owner}"}}
    commands:
      preKubeadm:
      - argv: [/bin/sh, -c, "echo pre >> {log}"]
      - argv: [/bin/sh, -c, "echo pre-two >> {log}"]
      postKubeadm:
      - argv: [/bin/sh, -c, "echo post >> {log}"]
  kubernetes:
    version: v1.34.4
    role:
      type: JoinWorker
      discovery:
        type: Token
        token: abcdef.0123456789abcdef
        endpoint: 10.0.0.1:6443
        caCertHashes: ["sha256:1111111111111111111111111111111111111111111111111111111111111111"]
"""


def everything(log: Path | str) -> str:
    """The configuration whole; its owners are root's to give."""
    modules = "    linuxConfiguration:\n      kernelModules: [overlay]"
    return CONFIGURATION.format(log=log, modules=modules, owner="0:0")


def configuration(log: Path) -> str:
    """As much of it as this user can do without anything being deferred."""
    if os.geteuid() == 0:
        return everything(log)
    return CONFIGURATION.format(log=log, modules="", owner=f"{os.geteuid()}:{os.getegid()}")


class Stand:
    """A tree that runs, with a fake kubeadm and a configuration whose commands leave a line each."""

    def __init__(self, directory: Path) -> None:
        self.directory = directory
        self.tree = directory / "tree"
        (self.tree / "etc").mkdir(parents=True)
        (self.tree / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        (self.tree / "etc/hosts").write_text("127.0.0.1 localhost\n")
        self.log = directory / "log"
        self.file = directory / "node.yaml"
        self.file.write_text(configuration(self.log))
        fake_kubeadm(directory / "bin", self.tree)

    def run(self, *, kill_at: int = 0) -> int:
        """Bootstrap in a process of its own; SIGKILL it at a boundary.

        Returns:
            The process's exit code, negative for a signal.
        """
        child = os.fork()
        if child:
            return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])
        code = 70
        try:
            code = self._bootstrap(kill_at)
        finally:
            os._exit(code)

    def _bootstrap(self, kill_at: int) -> int:
        os.environ["PATH"] = f"{self.directory / 'bin'}:{os.environ['PATH']}"
        machine = running_tree(self.tree)
        boundary = Boundary(kill_at)
        boundary.watch(machine.host.state, "write", "append", "remove")
        boundary.watch(machine.host.files, "write", "remove")
        boundary.watch(machine.host.commands, "run")
        try:
            bootstrap(Request(paths=(str(self.file),)), machine)
        except MachineadmError as error:
            return error.exit_code
        (self.directory / "boundaries").write_text(str(boundary.count))
        return 0

    def lines(self) -> list[str]:
        """What the commands have left."""
        return self.log.read_text().split() if self.log.exists() else []

    def joined(self) -> int:
        """How often kubeadm was asked to join."""
        asked = self.directory / "kubeadm.argv"
        return asked.read_text().count(" join --config") // 2 if asked.exists() else 0

    def last_record(self) -> dict[str, Any]:
        """The last whole line of the journal."""
        journal = self.tree / STATE / "journal.jsonl"
        lines = journal.read_bytes().split(b"\n")[:-1] if journal.exists() else []
        record: dict[str, Any] = json.loads(lines[-1]) if lines else {}
        return record

    def phase(self) -> str:
        """Of the last report."""
        phase: str = json.loads((self.tree / RUN / "status.json").read_text())["phase"]
        return phase


class Boundary:
    """Counts the instants between two effects, and kills this process at one of them."""

    def __init__(self, kill_at: int) -> None:
        self.count = 0
        self._kill_at = kill_at

    def watch(self, port: Any, *names: str) -> None:
        """Have the calls of a port counted."""
        for name in names:
            setattr(port, name, self._counted(getattr(port, name)))

    def _counted(self, call: Any) -> Any:
        def counted(*arguments: Any, **named: Any) -> Any:
            # The report is written at every event and decides nothing.
            if arguments and arguments[0] == "status.json":
                return call(*arguments, **named)
            # The instant after it is the one before the next.
            self._pass()
            return call(*arguments, **named)

        return counted

    def _pass(self) -> None:
        self.count += 1
        if self.count == self._kill_at:
            os.kill(os.getpid(), signal.SIGKILL)


def lasting(stand: Stand) -> dict[str, tuple[object, ...]]:
    """The machine that came out, without what tells the time."""
    found = seen(stand.tree, times=False)
    state = LinuxState(Tree(str(stand.tree)), run_directory=f"/{RUN}", state_directory=f"/{STATE}")
    machine_id = (stand.tree / "etc/machine-id").read_text().strip()
    ledger = Ledger(state, machine_id=machine_id, boot_id="")
    # What it says counts, not in how many lines.
    found["the ledger"] = ledger.holdings(), ledger.pending, ledger.contents, ledger.reboots
    told = ("journal.jsonl", "status.json", "ledger.json")
    return {
        name: facts for name, facts in found.items() if name not in [f"{STATE}/{n}" for n in told]
    }


@pytest.fixture(scope="module")
def reference(tmp_path_factory: pytest.TempPathFactory) -> Stand:
    """A run that nobody disturbed."""
    stand = Stand(tmp_path_factory.mktemp("reference"))
    assert stand.run() == 0
    assert stand.phase() == "Succeeded"
    assert stand.lines() == ["pre", "pre-two", "post"]
    assert stand.joined() == 1
    return stand


def test_a_kill_at_any_boundary_is_made_good_by_the_next_run(
    reference: Stand, tmp_path: Path
) -> None:
    """kill -9 at every instant between two effects, then run again: the same machine, and nothing twice."""
    boundaries = int((reference.directory / "boundaries").read_text())
    assert boundaries > 30
    for instant in range(1, boundaries + 1):
        stand = Stand(tmp_path / str(instant))
        assert stand.run(kill_at=instant) == -signal.SIGKILL
        cut_off = stand.last_record()

        assert stand.run() == 0, instant

        assert stand.phase() == "Succeeded", instant
        assert lasting(stand) == lasting(reference), instant
        assert (stand.tree / "etc/hosts").read_text().count("registry") == 1, instant
        _check_once(stand, cut_off, instant)
        rmtree(stand.directory)


def _check_once(stand: Stand, cut_off: dict[str, Any], instant: int) -> None:
    """A command runs once; only the one that was cut off between its two records may run again."""
    again = cut_off.get("step", "") if cut_off.get("event") == "started" else ""
    names = {
        "commands/preKubeadm[0]": "pre",
        "commands/preKubeadm[1]": "pre-two",
        "commands/postKubeadm[0]": "post",
    }
    for step, word in names.items():
        assert 1 <= stand.lines().count(word) <= (2 if step == again else 1), (instant, step)
    assert stand.joined() == 1, instant


def test_a_second_run_writes_nothing_and_runs_nothing(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    assert stand.run() == 0
    before = seen(stand.tree)

    assert stand.run() == 0

    assert seen(stand.tree) == before
    assert stand.lines() == ["pre", "pre-two", "post"]
    assert stand.joined() == 1
    assert stand.phase() == "Succeeded"
    assert (stand.tree / "run/cluster-api/bootstrap-success.complete").read_text() == "success"


def test_sigterm_ends_what_runs_and_the_next_run_goes_on(tmp_path: Path) -> None:
    stand = Stand(tmp_path)
    slow = "echo $PPID > {0}/pid; kill -TERM $PPID; sleep 30; echo too-late >> {1}"
    text = stand.file.read_text().replace(f"echo pre >> {stand.log}", "{slow}")
    stand.file.write_text(text.replace("{slow}", slow.format(tmp_path, stand.log)))

    child = os.fork()
    if not child:
        code = 70
        try:
            machine = running_tree_with_signals(stand)
            code = machine
        finally:
            os._exit(code)
    code = os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])

    assert code == 9
    assert stand.phase() == "Failed"
    assert stand.last_record()["event"] == "started"
    stand.file.write_text(configuration(stand.log))
    assert stand.run() == 0
    assert stand.lines() == ["pre", "pre-two", "post"]


def running_tree_with_signals(stand: Stand) -> int:
    """As `Stand.run`, with signals noted as the command line has them noted."""
    machine = running_tree(stand.tree)
    interruption = machine.host.clock._interruption  # type: ignore[attr-defined]
    with interruption:
        try:
            bootstrap(Request(paths=(str(stand.file),)), machine)
        except MachineadmError as error:
            return error.exit_code
    return 0


# Below another root.


@pytest.fixture(params=["as-it-is", "nobody"])
def root(request: pytest.FixtureRequest) -> Iterator[tuple[Path, int | None]]:
    """A tree, and who works on it: whoever runs the tests, or an ordinary user."""
    user = NOBODY if request.param == "nobody" else None
    if user and os.geteuid():
        pytest.skip("only root becomes somebody else; this user is an ordinary one already")
    directory = Path(tempfile.mkdtemp(prefix="machineadm-", dir="/tmp"))
    directory.chmod(0o755)
    (directory / "root").mkdir()
    for path in (directory, directory / "root"):
        os.chown(path, user or os.geteuid(), user or os.getegid())
    yield directory / "root", user
    rmtree(directory)


@pytest.mark.parametrize("example", sorted(EXAMPLES.glob("*.yaml")), ids=lambda path: path.stem)
def test_every_example_is_applied_once_and_found_in_place_then(
    root: tuple[Path, int | None], example: Path
) -> None:
    tree, user = root
    assert machineadm("plan", "--root", tree, "--path", example, user=user).returncode == 10
    assert seen(tree).keys() == {"."}

    first = machineadm("bootstrap", "--root", tree, "--path", example, user=user)
    assert first.returncode == 0, first.stderr
    assert first.stdout.startswith("Prepared ")
    before = seen(tree)
    again = machineadm("bootstrap", "--root", tree, "--path", example, user=user)

    assert again.returncode == 0, again.stderr
    assert seen(tree) == before
    assert machineadm("plan", "--root", tree, "--path", example, user=user).returncode == 0
    assert not (tree / "run/cluster-api/bootstrap-success.complete").exists()
    assert machineadm("status", "--root", tree, user=user).returncode == 0


def test_below_a_root_no_command_of_the_configuration_ever_runs(
    root: tuple[Path, int | None],
) -> None:
    tree, user = root
    planted = tree.parent / "planted"
    file = tree.parent / "node.yaml"
    touch = f"{{argv: [/usr/bin/touch, {planted}]}}"
    commands = "".join(
        f"      {phase}: [{touch}, {{script: 'echo x > {planted}'}}]\n"
        for phase in ("boot", "preKubeadm", "postKubeadm")
    )
    text = everything(planted)
    head, _, rest = text.partition("      preKubeadm:\n")
    file.write_text(head + commands + "  kubernetes:" + rest.partition("  kubernetes:")[2])

    for command in ("validate", "plan", "bootstrap"):
        where = () if command == "validate" else ("--root", tree)
        ended = machineadm(command, *where, "--path", file, user=user)
        assert ended.returncode in (0, 10), ended.stderr
        assert not planted.exists()
    status = json.loads((tree / RUN / "status.json").read_text())
    states = {step["name"]: step["state"] for step in status["steps"]}
    assert {states[f"commands/{phase}[1]"] for phase in ("boot", "preKubeadm", "postKubeadm")} == {
        "Deferred"
    }


def test_even_the_root_of_the_running_system_is_a_tree_when_it_is_named(tmp_path: Path) -> None:
    """`--root "$TARGET"` with the wrong TARGET, or with a bind mount of `/`."""
    with connect(root="/", run_directory=str(tmp_path), state_directory=str(tmp_path)) as machine:
        host = machine.host

    assert host.offline
    assert (host.commands, host.kernel, host.services) == (None, None, None)


@pytest.mark.parametrize(
    "mistake",
    [
        ("kernelModules:", "kernelModule:"),
        ("v1.34.4", "v1.28.0"),
        ("kind: MachineConfiguration", "kind: MachineConfig"),
        ("path: /etc/motd", "path: etc/motd"),
        ("spec:", "spec: ["),
    ],
    ids=lambda mistake: mistake[1],
)
def test_a_refused_configuration_leaves_the_tree_as_it_was(
    root: tuple[Path, int | None], mistake: tuple[str, str]
) -> None:
    tree, user = root
    file = tree.parent / "node.yaml"
    file.write_text(everything("/dev/null").replace(*mistake))
    before = seen(tree)

    ended = machineadm("bootstrap", "--root", tree, "--path", file, user=user)

    assert ended.returncode == 3
    assert ended.stdout == ""
    assert f"{file}:" in ended.stderr
    assert "Traceback" not in ended.stderr
    assert without_run(seen(tree)) == without_run(before)
    assert machineadm("status", "--root", tree, user=user).returncode == 3


def test_the_report_of_a_refused_configuration_has_every_problem(tmp_path: Path) -> None:
    file = tmp_path / "node.yaml"
    file.write_text(everything("/dev/null").replace("path:", "paht:"))
    (tmp_path / "root").mkdir()

    machineadm("bootstrap", "--root", tmp_path / "root", "--path", file)
    shown = machineadm("status", "--root", tmp_path / "root").stdout

    assert shown.count('did you mean "path"?') >= 2


def without_run(facts: dict[str, tuple[object, ...]]) -> dict[str, tuple[object, ...]]:
    """Without the directory that the run directory and the sentinel are made in, and the root that it is made in."""
    return {name: facts[name] for name in facts if name not in ("run", ".", "run/.")}


def test_nothing_ever_ran_is_an_exit_code_of_its_own(tmp_path: Path) -> None:
    ended = machineadm("status", "--root", tmp_path)

    assert ended.returncode == 3
    assert "MA6008" in ended.stderr
    assert seen(tmp_path).keys() == {"."}


def test_waiting_for_an_end_that_does_not_come_ends_in_time(tmp_path: Path) -> None:
    ended = machineadm("status", "--wait", "--timeout", "300ms", "--root", tmp_path)

    assert ended.returncode == 9
    assert "MA6009" in ended.stderr
