"""Commands find a copy of what kubeadm is given, may read it, and may not change it."""

from __future__ import annotations

from pathlib import Path

import pytest

from machineadm.agent.bootstrap import look_ahead
from machineadm.agent.request import Request
from machineadm.errors import MachineadmError
from machineadm.plan.render import render_text
from machineadm.redaction import Redactor
from tests.fakes.commands import Call
from tests.unit.agent.stage import CONFIGURATION, Stage

FILE = "/run/kubeadm/kubeadm.yaml"


class Machine:
    """A machine whose one command before kubeadm does something to the file."""

    def __init__(self, directory: Path, change: tuple[str, str] | None = None) -> None:
        self.stage = Stage(directory)
        self.write("cloud-edit")
        self.seen: list[tuple[str, int]] = []
        self.change = change
        for program in ("cloud-edit", "other-edit", "pre-command"):
            self.stage.host.commands.on(program, effect=self._command)

    def write(self, program: str, path: str = FILE) -> None:
        """Give it a configuration whose command is this one."""
        text = CONFIGURATION.replace(
            "      preKubeadm:\n",
            f"      kubeadmFile: {path}\n      preKubeadm:\n      - argv: [{program}]\n",
        )
        assert text != CONFIGURATION
        self.stage.file.write_text(text)

    def _command(self, _: Call) -> None:
        host = self.stage.host
        content, stat = host.text(FILE), host.files.stat(FILE)
        assert content is not None
        assert stat is not None
        self.seen.append((content, stat.mode))
        if self.change is not None:
            host.put(FILE, content.replace(*self.change), mode=stat.mode)

    def refused(self) -> str:
        """What a run says that ends before kubeadm."""
        with pytest.raises(MachineadmError) as raised:
            self.stage.run()
        assert raised.value.code == "MA4047"
        assert not self.joined
        return raised.value.hint()

    @property
    def joined(self) -> int:
        """How often kubeadm was run."""
        return len([a for a in self.stage.host.commands.argvs() if a[:2] == ("kubeadm", "join")])


def test_commands_read_it_and_it_is_gone_when_kubeadm_has_ended(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    machine.stage.run()

    (content, mode), *_ = machine.seen
    assert 'kind: "JoinConfiguration"' in content
    assert "abcdef.0123456789abcdef" in content
    assert mode == 0o400
    assert machine.joined == 1
    assert machine.stage.host.files.stat(FILE) is None

    machine.stage.run()
    assert (machine.joined, machine.stage.host.files.stat(FILE)) == (1, None)


@pytest.mark.parametrize(
    ("change", "field"),
    [
        (("nodeRegistration: {}", "nodeRegistration: {name: a}"), "spec.kubernetes.node.name"),
        (("10.0.0.1:6443", "10.0.0.2:6443"), "spec.kubernetes.role(JoinWorker).discovery(Token).endpoint"),
        (
            ("nodeRegistration: {}", "nodeRegistration: {kubeletExtraArgs: [{name: provider-id, value: a}]}"),
            "spec.kubernetes.node.extraArgs",
        ),
        (("nodeRegistration: {}", "nodeRegistration: {"), "a field of spec.kubernetes"),
    ],
    ids=["a name", "an endpoint", "arguments", "no YAML any more"],
)  # fmt: skip
def test_a_command_that_changes_it_ends_the_run_and_is_told_the_field(
    tmp_path: Path, change: tuple[str, str], field: str
) -> None:
    assert field in Machine(tmp_path, change).refused()


def test_the_same_command_is_refused_again_also_after_a_reboot(tmp_path: Path) -> None:
    machine = Machine(tmp_path, ("10.0.0.1", "10.0.0.2"))
    machine.refused()
    machine.refused()
    del machine.stage.host.files.nodes[FILE]
    machine.stage.boot("boot-2")
    machine.refused()


def test_a_command_without_the_change_is_taken_afterwards(tmp_path: Path) -> None:
    machine = Machine(tmp_path, ("10.0.0.1", "10.0.0.2"))
    machine.refused()
    machine.change = None
    machine.write("other-edit")
    machine.stage.run()

    assert "10.0.0.1" in machine.seen[-1][0]
    assert machine.joined == 1


def test_its_content_is_in_no_plan(tmp_path: Path) -> None:
    machine = Machine(tmp_path)
    request = Request(paths=(str(machine.stage.file),))
    looks = look_ahead(request, machine.stage.machine())
    plan = "".join(render_text(looks, Redactor()))

    assert FILE in plan
    assert "abcdef.0123456789abcdef" not in plan
