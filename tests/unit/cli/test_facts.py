"""`facts`: what a machine knows, from which source, and what a configuration would take."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from machineadm.agent.facts import Report, report
from machineadm.cli.main import main
from machineadm.config.instance_data import NAMES
from machineadm.sources.passphrases import GivenPassphrases
from tests.unit.agent.stage import Stage

EXAMPLE = Path(__file__).parents[3] / "examples/instance-data"


def asked(stage: Stage, *paths: str, given: str | None = None) -> Report:
    return report(
        stage.machine(),
        paths=paths,
        instance_data=given,
        passphrases=GivenPassphrases(directory="/nowhere"),
    )


def test_a_machine_tells_all_that_it_knows_and_why_it_does_not_know_the_rest(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path)
    stage.host.put("/sys/class/dmi/id/sys_vendor", "Amazon EC2\n")
    stage.host.put("/run/metadata/afterburn", "AFTERBURN_AWS_REGION=eu-west-1\n")
    stage.host.put("/run/cloud-init/instance-data.json", '{"v1": {"instance_id": "i-1"}}')

    found = asked(stage)

    facts = {one.name: one for one in found.facts}
    assert found.platform == "EC2"
    assert (facts["v1.instance_id"].value, facts["v1.instance_id"].source) == ("i-1", "cloud-init")
    assert facts["env.AFTERBURN_AWS_REGION"].value == "eu-west-1"
    assert facts["net.eth0.mac"].value == "52:54:00:12:34:56"
    assert facts["v1.region"].source == ""
    assert "EC2" in facts["v1.region"].reason
    assert set(NAMES) <= facts.keys()
    assert stage.host.mutations() == []


def test_what_a_configuration_would_take_is_shown(tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    found = asked(stage, str(EXAMPLE / "control-plane.yaml"), given=str(EXAMPLE / "values.json"))

    taken = {one.path: (one.value, one.source) for one in found.taken}
    assert found.error is None
    assert taken["spec.kubernetes.node.nameFrom"] == ("edge-cp-0", "--instance-data")
    assert taken["spec.machine.commands.preKubeadm[0].env[0].valueFrom"][0] == "***"


def test_what_it_would_take_and_nobody_knows_is_the_error_of_a_run(tmp_path: Path) -> None:
    found = asked(Stage(tmp_path), str(EXAMPLE / "control-plane.yaml"))

    assert found.error is not None
    assert found.error.code == "MA3520"


def test_the_command_prints_names_values_and_sources(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    given = tmp_path / "given.yaml"
    given.write_text('v1: {region: "eu\\x1b[31m", instance_id: i-1}\n')

    assert main(["facts", "--root", str(tmp_path), "--instance-data", str(given)]) == 0

    told = capsys.readouterr().out
    assert "platform: not recognised\n" in told
    assert "v1.instance_id  i-1 (--instance-data)\n" in told
    assert "eu\\x1b[31m (--instance-data)\n" in told
    assert "not known: v1.local_hostname, " in told
    assert "\x1b" not in told


def test_the_command_prints_json_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    command = ["facts", "--root", str(tmp_path), "--output", "json"]
    command += ["--path", str(EXAMPLE / "control-plane.yaml")]
    command += ["--instance-data", str(EXAMPLE / "values.json")]

    assert main(command) == 0

    told = json.loads(capsys.readouterr().out)
    assert told["platform"] == ""
    assert {
        "name": "v1.region",
        "value": "eu-west-1",
        "source": "--instance-data",
        "reason": "",
    } in told["facts"]
    assert len(told["taken"]) == 12


def test_a_configuration_that_wants_more_than_there_is_ends_with_the_exit_code_of_a_run(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(EXAMPLE / "control-plane.yaml")

    assert main(["facts", "--root", str(tmp_path), "--path", path]) == 5

    told = capsys.readouterr()
    assert "MA3520" in told.err
    assert "not known: " in told.out
