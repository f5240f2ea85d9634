"""Commands that edit, use up or make files, on a real tree: the same machine whatever failed in between."""

from __future__ import annotations

import json
import os
import shutil
import stat
from pathlib import Path

import msgspec
import pytest

from machineadm.agent.bootstrap import bootstrap, look_ahead
from machineadm.agent.request import Request
from machineadm.agent.reset import reset
from machineadm.execution.events import Event, ResetEnded
from machineadm.host.ports import Clock
from machineadm.plan.look import anything_to_do
from machineadm.sources.downloads import Downloads
from tests.contract.trees import fake_kubeadm, running_tree, seen

OWNER = f"{os.geteuid()}:{os.getegid()}"
CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    files:
    - path: /etc/kubernetes/manifests/balancer.yaml
      content: "config: /etc/kubernetes/admin.conf\\n"
      owner: "{owner}"
    - path: /etc/hosts
      append: true
      content: "192.0.2.7 NAME\\n"
      owner: "{owner}"
    - path: /opt/tool.tar
      owner: "{owner}"
      source:
        url: "file://{mirror}/tool.tar"
    commands:
      preKubeadm:
      - argv: [/bin/sh, -ec, "sed -i s/admin.conf/super-admin.conf/ {tree}/etc/kubernetes/manifests/balancer.yaml"]
      - argv: [/bin/sh, -ec, "sed -i s/NAME/node-7/ {tree}/etc/hosts"]
      - argv: [/bin/sh, -ec, "mkdir -p {tree}/opt/bin; mv {tree}/opt/tool.tar {tree}/opt/bin/tool"]
      - argv: [/bin/sh, -ec, "echo mine > {tree}/etc/kubernetes/manifests/made.yaml; echo once >> {tree}/../log"]
      - argv: [/bin/sh, -ec, "cd {tree}/etc/kubernetes/manifests; mkdir -m 2710 deep; mkdir -m 700 deep/er; echo x > deep/er/x"]
      - argv: [/usr/bin/test, -e, "{mirror}/registry-is-back"]
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
PULL = "error execution phase preflight: [preflight] Some fatal errors occurred:"
FAILS_ONCE = f"""
  echo "saw: $(cat "$tree/etc/kubernetes/manifests/balancer.yaml")" >> "$tree/../saw"
  if [ ! -e "$tree/../tried" ]; then
    touch "$tree/../tried"
    printf '{PULL}\\n\\t[ERROR ImagePull]: failed to pull image registry.example.com/a:b: 503\\n' >&2
    exit 1
  fi
"""


class _Hasty:
    """A clock on which nobody waits for a registry."""

    def __init__(self, real: Clock) -> None:
        self.now = real.now
        self.monotonic = real.monotonic

    def sleep(self, seconds: float) -> None:
        del seconds


class Stand:
    """A tree that runs, and a mirror beside it."""

    def __init__(
        self,
        directory: Path,
        monkeypatch: pytest.MonkeyPatch,
        behaviour: str = ":",
        *,
        configuration: str = CONFIGURATION,
    ) -> None:
        directory.mkdir(exist_ok=True)
        self.directory, self.tree, self.mirror = directory, directory / "tree", directory / "mirror"
        (self.tree / "etc").mkdir(parents=True)
        (self.tree / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
        (self.tree / "etc/hosts").write_text("127.0.0.1 localhost\n")
        self.mirror.mkdir()
        (self.mirror / "tool.tar").write_text("a tool\n")
        (self.mirror / "registry-is-back").touch()
        self.file = directory / "node.yaml"
        self.configure(configuration)
        fake_kubeadm(directory / "bin", self.tree, behaviour=behaviour)
        path = f"{directory / 'bin'}:{os.environ['PATH']}"
        monkeypatch.setenv("PATH", path)

    def configure(self, configuration: str) -> None:
        self.file.write_text(configuration.format(owner=OWNER, mirror=self.mirror, tree=self.tree))

    def run(self) -> dict[str, str]:
        """Bootstrap in a process of its own, for each holds the lock; its error, or nothing."""
        child = os.fork()
        if not child:
            try:
                self._bootstrap()
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        report: dict[str, dict[str, str]] = json.loads(self.text("run/machineadm/status.json"))
        return report.get("error") or {}

    def _bootstrap(self) -> None:
        machine = running_tree(self.tree)
        machine.host.fetch = Downloads(lambda _: None)
        machine.host.clock = _Hasty(machine.host.clock)
        bootstrap(Request(paths=(str(self.file),)), machine)

    def reset(self) -> ResetEnded:
        """Take everything back, in a process of its own; how it ended."""
        told = self.directory / "reset.json"
        child = os.fork()
        if not child:
            try:
                events: list[Event] = []
                reset(running_tree(self.tree), events.append, confirm=lambda _: True)
                told.write_bytes(msgspec.json.encode(events[-1]))
            finally:
                os._exit(0)
        os.waitpid(child, 0)
        return msgspec.json.decode(told.read_bytes(), type=ResetEnded)

    def machine(self) -> dict[str, tuple[object, ...]]:
        found = seen(self.tree, times=False)
        return {path: facts for path, facts in found.items() if not path.startswith("var/lib")}

    def text(self, path: str) -> str:
        return (self.tree / path).read_text()


@pytest.fixture
def reference(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Stand:
    stand = Stand(tmp_path / "reference", monkeypatch)
    assert stand.run() == {}
    assert "super-admin.conf" in stand.text("etc/kubernetes/manifests/balancer.yaml")
    assert stand.text("etc/hosts") == "127.0.0.1 localhost\n192.0.2.7 node-7\n"
    assert not (stand.tree / "opt/tool.tar").exists()
    return stand


def test_a_second_run_changes_nothing_even_when_the_mirror_is_away(reference: Stand) -> None:
    before = reference.machine()
    (reference.mirror / "tool.tar").unlink()

    assert not anything_to_do(
        look_ahead(Request(paths=(str(reference.file),)), running_tree(reference.tree))
    )
    assert reference.run() == {}

    assert reference.machine() == before


def test_a_later_command_that_fails_loses_no_edit(
    reference: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(tmp_path / "failing", monkeypatch)
    (stand.mirror / "registry-is-back").unlink()
    assert stand.run()["code"] == "MA3204"
    (stand.mirror / "registry-is-back").touch()
    (stand.mirror / "tool.tar").unlink()  # it is not fetched again

    assert stand.run() == {}

    assert stand.machine() == reference.machine()
    assert (stand.directory / "log").read_text() == "once\n"


def test_kubeadm_sees_the_edit_at_every_attempt(
    reference: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(tmp_path / "retried", monkeypatch, behaviour=FAILS_ONCE)

    assert stand.run() == {}

    saw = (stand.directory / "saw").read_text().splitlines()
    assert saw == ["saw: config: /etc/kubernetes/super-admin.conf"] * 2
    assert stand.machine() == reference.machine()


@pytest.mark.parametrize(
    "path",
    ["etc/kubernetes/manifests/balancer.yaml", "etc/kubernetes/manifests/made.yaml", "etc/hosts"],
)
def test_what_is_lost_before_kubeadm_comes_back_as_commands_left_it(
    path: str, reference: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(tmp_path / "lost", monkeypatch)
    (stand.mirror / "registry-is-back").unlink()
    assert stand.run()["code"] == "MA3204"
    (stand.mirror / "registry-is-back").touch()
    (stand.tree / path).unlink()

    assert stand.run() == {}

    assert stand.machine() == reference.machine()
    assert (stand.directory / "log").read_text() == "once\n"


@pytest.mark.parametrize("path", ["deep", "deep/er"])
def test_a_directory_that_is_lost_comes_back_with_its_own_mode(
    path: str, reference: Stand, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(tmp_path / "lost", monkeypatch)
    (stand.mirror / "registry-is-back").unlink()
    assert stand.run()["code"] == "MA3204"
    (stand.mirror / "registry-is-back").touch()
    shutil.rmtree(stand.tree / "etc/kubernetes/manifests" / path)

    assert stand.run() == {}

    assert stand.machine() == reference.machine()
    mode = (stand.tree / "etc/kubernetes/manifests/deep").stat().st_mode
    assert stat.S_IMODE(mode) == 0o2710


def test_what_somebody_else_changed_before_kubeadm_is_an_error_with_a_diff(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(tmp_path / "changed", monkeypatch)
    (stand.mirror / "registry-is-back").unlink()
    assert stand.run()["code"] == "MA3204"
    (stand.mirror / "registry-is-back").touch()
    balancer = stand.tree / "etc/kubernetes/manifests/balancer.yaml"
    balancer.write_text("config: mine\n")

    error = stand.run()

    assert error["code"] == "MA3021"
    assert "+config: mine" in error["logTail"]
    assert balancer.read_text() == "config: mine\n"


OF_ANOTHER_KIND = (
    CONFIGURATION[: CONFIGURATION.index("    files:")]
    + """\
    files:
    - path: /etc/kubernetes/manifests/deep/declared.yaml
      content: "first\\n"
      owner: "{owner}"
    - path: /etc/linked
      append: true
      content: "a line\\n"
      owner: "{owner}"
    - path: /etc/emptied
      content: "a file\\n"
      owner: "{owner}"
    commands:
      preKubeadm:
      - argv: [/bin/sh, -ec, "cd {tree}/etc/kubernetes/manifests; chmod 2710 deep; rm deep/declared.yaml"]
      - argv: [/bin/sh, -ec, "cd {tree}/etc/kubernetes/manifests; GOES"]
      - argv: [/bin/sh, -ec, "cd {tree}/etc; mv linked moved; ln -s moved linked; rm emptied; mkdir emptied"]
      - argv: [/usr/bin/test, -e, "{mirror}/registry-is-back"]
"""
    + CONFIGURATION[CONFIGURATION.index("  kubernetes:\n") :]
)


@pytest.mark.parametrize(
    "goes",
    ["rmdir deep", "rmdir deep; echo a file > deep", "rmdir deep; ln -s /nowhere deep"],
    ids=["removed", "a-file", "a-link"],
)
def test_a_directory_that_an_edited_declaration_makes_again_goes_again(
    goes: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = OF_ANOTHER_KIND.replace("GOES", goes)
    edited = first.replace("first", "second")
    reference = Stand(tmp_path / "reference", monkeypatch, configuration=edited)
    assert reference.run() == {}
    stand = Stand(tmp_path / "edited", monkeypatch, configuration=first)
    (stand.mirror / "registry-is-back").unlink()
    assert stand.run()["code"] == "MA3204"
    (stand.mirror / "registry-is-back").touch()
    stand.configure(edited)

    assert stand.run() == {}

    assert stand.machine() == reference.machine()
    assert stand.run() == {}  # what is a link or a directory by now is in place
    assert stand.machine() == reference.machine()


def test_a_large_file_is_edited_once_however_often_its_command_fails(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    edits = CONFIGURATION.replace(
        "s/NAME/node-7/ {tree}/etc/hosts",
        "s/NAME/node-7/ {tree}/etc/hosts; echo more >> {tree}/etc/hosts; test -e {mirror}/registry-is-back",
    )
    stand = Stand(tmp_path / "large", monkeypatch, configuration=edits)
    hosts, large = stand.tree / "etc/hosts", "# a line\n" * 200_000
    hosts.write_text(large)
    (stand.mirror / "registry-is-back").unlink()
    assert stand.run()["code"] == "MA3204"
    (stand.mirror / "registry-is-back").touch()

    error = stand.run()

    assert error["code"] == "MA3022"
    assert "commands/preKubeadm[1] has changed /etc/hosts" in error["message"]
    assert hosts.read_text() == f"{large}192.0.2.7 node-7\nmore\n"
    hosts.write_text(f"{large}192.0.2.7 NAME\n")
    assert stand.run() == {}
    assert hosts.read_text() == f"{large}192.0.2.7 node-7\nmore\n"


def test_a_file_of_the_image_that_a_person_removed_since_does_not_come_back(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(tmp_path / "removed", monkeypatch)
    for path in ("opt/tool.tar", "etc/kubernetes/manifests/balancer.yaml"):
        (stand.tree / path).parent.mkdir(parents=True, exist_ok=True)
        (stand.tree / path).write_text("of the image\n")
    kept = CONFIGURATION.replace("mv {tree}/opt/tool.tar", "cp {tree}/opt/tool.tar")
    stand.configure(kept)
    assert stand.run() == {}
    (stand.tree / "opt/tool.tar").unlink()

    ended = stand.reset()

    assert "/opt/tool.tar stays away: it was removed since" in ended.left
    assert not (stand.tree / "opt/tool.tar").exists()
    assert stand.text("etc/kubernetes/manifests/balancer.yaml") == "of the image\n"


def test_a_reset_leaves_a_tree_as_it_was_but_for_what_it_says(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    stand = Stand(tmp_path / "reset", monkeypatch)
    hosts = stand.tree / "etc/hosts"
    before = {path for path in stand.machine() if (stand.tree / path).is_file()}
    assert stand.run() == {}

    ended = stand.reset()

    assert (ended.done, ended.complete) == (True, True)
    left = {path for path in stand.machine() if (stand.tree / path).is_file()} - before
    # What a command made where nobody looks, and where files are appended to.
    assert left == {"opt/bin/tool"}
    assert "node-7" in hosts.read_text()
    assert "/etc/hosts stays: it was appended to" in ended.left
    assert any("6 commands" in line for line in ended.left)
    assert not (stand.tree / "etc/kubernetes/manifests/deep").exists()
    assert [
        path.name for path in (stand.tree / "var/lib/machineadm").iterdir() if path.is_file()
    ] == ["lock"]
    assert not stand.reset().done
    assert stand.run() == {}
    assert (stand.directory / "log").read_text() == "once\nonce\n"
