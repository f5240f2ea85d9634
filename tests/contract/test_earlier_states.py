"""What earlier builds left in the state directory is read by this one: tests/contract/states keeps a set for each format."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from machineadm.errors import HostError
from tests.unit.agent.stage import Stage

SETS = sorted((Path(__file__).parent / "states").glob("*.json"))
RUNS = {
    "succeeded": (),
    "killed-in-a-command": ("pre-command", "kubeadm", "post-command"),
    "failed-after-kubeadm": ("post-command",),
    "failed-in-kubeadm": ("kubeadm", "post-command"),
}
"""What the next run of this build still has to run."""


def stage_of(kept: dict[str, dict[str, str]], directory: Path) -> Stage:
    stage = Stage(directory)
    for path, content in kept["files"].items():
        stage.host.put(path, content)
    for name, content in kept["state"].items():
        stage.host.state.state_files[name] = content.encode()
    if "/etc/systemd/system/machineadm-boot.service" in kept["files"]:
        stage.host.services.enabled_units.add("machineadm-boot.service")
    stage.host.kernel.modules.add("br_netfilter")
    stage.host.kernel.parameters["net.ipv4.ip_forward"] = "1"
    stage.host.kernel.name = "worker-1"
    return stage


@pytest.mark.parametrize("case", RUNS)
@pytest.mark.parametrize("kept", SETS, ids=lambda path: path.stem)
def test_a_run_goes_on_where_one_of_an_earlier_build_stopped(
    kept: Path, case: str, tmp_path: Path
) -> None:
    stage = stage_of(json.loads(kept.read_text())[case], tmp_path)

    stage.run()

    assert stage.status().phase == "Succeeded"
    ran = [argv[0] for argv in stage.host.commands.argvs() if argv[0] != "systemctl"]
    assert tuple(ran) == RUNS[case]
    before = dict(stage.host.state.state_files)
    stage.run()
    assert stage.host.state.state_files == before


@pytest.mark.parametrize(
    ("name", "content"),
    [
        (
            "journal.jsonl",
            b'{"journal":9,"machineId":"0123456789abcdef0123456789abcdef"}\n{"x":1}\n',
        ),
        ("ledger.json", b'{"ledger":9,"machine_id":"0123456789abcdef0123456789abcdef","y":[]}\n'),
    ],
)
def test_what_a_later_release_wrote_is_an_error_before_anything_is_done_and_stays(
    name: str, content: bytes, tmp_path: Path
) -> None:
    stage = Stage(tmp_path)
    stage.host.state.state_files[name] = content

    with pytest.raises(HostError) as caught:
        stage.run()

    assert caught.value.code == "MA6020"
    assert stage.host.state.state_files[name] == content
    assert stage.host.commands.argvs() == []
    assert stage.host.text("/etc/motd") is None


def test_a_damaged_ledger_is_an_error_with_a_code(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.host.state.state_files["ledger.json"] = b'{"ledger":1,"holdings":'

    with pytest.raises(HostError) as caught:
        stage.run()

    assert caught.value.code == "MA6022"
    assert caught.value.hint()
