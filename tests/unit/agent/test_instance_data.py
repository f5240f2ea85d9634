"""Instance data through the whole pipeline: from the text of a reference to the node's name."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from machineadm.agent.boot import run_boot_commands
from machineadm.agent.bootstrap import look_ahead
from machineadm.agent.intake import ProblemsError
from machineadm.agent.request import Request
from machineadm.errors import ConfigError, HostError, MachineadmError, UsageError
from machineadm.execution.events import Event, ReferencesResolved
from machineadm.plan.look import Look, Standing
from machineadm.plan.render import render_json, render_text
from machineadm.redaction import Secret
from tests.unit.agent.stage import Stage

CLOUD_INIT = "/run/cloud-init/instance-data.json"
NAME = 'nameFrom: {instanceData: "$(v1.local_hostname)"}'
ROLE = "    version: v1.34.4\n"
INSTANCE: dict[str, Any] = {
    "base64_encoded_keys": ["ds/meta_data/blob"],
    "v1": {"local_hostname": "node-1", "instance_id": 4711, "region": None, "unset": ""},
    "ds": {
        "meta_data": {
            "local-hostname": "node-1.example.com",
            "placement": {"availability-zone": "z1"},
            "keys": ["first"],
            "blob": "/wA=",
            "ready": True,
            "user-data": "#cloud-config",
        }
    },
}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def wants(stage: Stage, node: str) -> None:
    """Give the node some fields."""
    stage.replace(ROLE, f"{ROLE}    node:\n      {node}\n")


def knows(stage: Stage, data: dict[str, Any] | str | bytes = INSTANCE) -> None:
    """Let cloud-init have been there."""
    content = json.dumps(data) if isinstance(data, dict) else data
    stage.host.put(CLOUD_INIT, content)


def planned(stage: Stage, given: str | None = None) -> tuple[tuple[Look, ...], list[Event]]:
    told: list[Event] = []
    request = Request(paths=(str(stage.file),), instance_data=given)
    return look_ahead(request, stage.machine(), told.append), told


def values(events: list[Event]) -> dict[str, tuple[str, str]]:
    return {
        one.path: (one.value, one.origin)
        for event in events
        if isinstance(event, ReferencesResolved)
        for one in event.values
    }


def config_of(looks: tuple[Look, ...]) -> str:
    """What kubeadm would read."""
    (look,) = (look for look in looks if look.step.name == "kubeadm/config")
    contents = [getattr(effect, "content", b"") or b"" for effect in look.work.effects]
    return b"\n".join(contents).decode()


def refused(stage: Stage, given: str | None = None) -> MachineadmError:
    with pytest.raises(MachineadmError) as caught:
        planned(stage, given)
    assert stage.host.mutations() == []
    return caught.value


def test_a_node_is_named_by_what_cloud_init_knows(stage: Stage) -> None:
    wants(stage, NAME)
    knows(stage)

    looks, told = planned(stage)

    assert 'name: "node-1"' in config_of(looks)
    assert values(told) == {"spec.kubernetes.node.nameFrom": ("node-1", "cloud-init")}


def test_the_plan_shows_each_value_and_who_said_so(stage: Stage) -> None:
    wants(stage, NAME)
    knows(stage)
    looks, _ = planned(stage)
    redactor = stage.machine().redactor
    shown = (("spec.kubernetes.node.nameFrom", "node-1\x1b", "cloud-init"),)

    text = "".join(render_text(looks, redactor, shown))

    assert "spec.kubernetes.node.nameFrom = node-1\\x1b (cloud-init)\n" in text
    assert json.loads(render_json(looks, redactor, shown))["values"] == [
        {"path": shown[0][0], "value": "node-1\x1b", "origin": "cloud-init"}
    ]


def test_what_is_given_on_the_command_line_comes_first(stage: Stage, tmp_path: Path) -> None:
    wants(stage, NAME)
    knows(stage)
    given = tmp_path / "given.yaml"
    given.write_text("v1: {local_hostname: by-hand}\n")

    looks, told = planned(stage, str(given))

    assert 'name: "by-hand"' in config_of(looks)
    assert values(told)["spec.kubernetes.node.nameFrom"][1] == "--instance-data"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$(v1.instance_id)", "4711"),
        ("$(ds.meta_data.local_hostname)", "node-1.example.com"),
        ("$(ds.meta_data.local-hostname|short)", "node-1"),
        ("$(ds.meta_data.placement.availability_zone)", "z1"),
        ("$(ds.meta_data.keys.0)", "first"),
        ("$(ds.meta_data.ready)", "true"),
        ("$(host.name)", "machine"),
        ("$(host.machineID)", "0123456789abcdef0123456789abcdef"),
        ("$(net.primaryIPv4)", "192.0.2.10"),
        ("$(net.eth0.mac)", "52:54:00:12:34:56"),
        ("$(env.COREOS_EC2_HOSTNAME)", "ip-10-0-0-1"),
        ("$(host.fqdn)", "machine.example.com"),
    ],
)
def test_a_name_stands_for_what_its_source_says(stage: Stage, text: str, value: str) -> None:
    wants(
        stage, f"extraArgs: [{{name: root-dir, valueFrom: {{instanceData: {json.dumps(text)}}}}}]"
    )
    knows(stage)
    stage.host.put("/run/metadata/coreos", 'COREOS_EC2_HOSTNAME="ip-10-0-0-1"\n')
    stage.host.put("/etc/hosts", "127.0.1.1 machine.example.com machine\n")

    _, told = planned(stage)

    assert values(told)["spec.kubernetes.node.extraArgs[0].valueFrom"][0] == value


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("$(v1.region)", "cloud-init: has no value for it"),
        ("$(v1.variant)", "cloud-init: has no such name"),
        ("$(ds.meta_data.placement)", "has a map there"),
        ("$(ds.meta_data.keys)", "has a list there"),
        ("$(ds.meta_data.keys.1)", "has no such name"),
        ("$(ds.meta_data.blob)", "bytes there"),
        ("$(env.X)", "none of /run/metadata/afterburn"),
        ("$(net.eth7.ipv4)", "there is no interface eth7; there are eth0"),
        ("$(net.eth0.ipv6)", "eth0 has no ipv6 address"),
        ("$(net.primaryIPv6)", "no default route"),
    ],
)
def test_a_value_that_nobody_has_names_the_sources_and_their_answers(
    stage: Stage, text: str, said: str
) -> None:
    wants(
        stage, f"extraArgs: [{{name: root-dir, valueFrom: {{instanceData: {json.dumps(text)}}}}}]"
    )
    knows(stage)

    error = refused(stage)

    assert (error.code, error.exit_code) == ("MA3520", 5)
    assert "spec.kubernetes.node.extraArgs[0].valueFrom" in error.message
    assert said in error.message
    assert "machineadm facts" in error.hint()


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (b'{"v1": {"local_hostname": "no', "not JSON"),
        (b"[1]", "not a map"),
        (b'{"v1": {"local_hostname": "\xff"}}', "not valid UTF-8"),
        (b'{"v1": {"local_hostname": "redacted for non-root user"}}', "keeps it from everybody"),
        (json.dumps({"v1": {"local_hostname": "x" * (1 << 20)}}).encode(), "more than 65536 bytes"),
        (json.dumps({"v1": {"local_hostname": "a\0b"}}).encode(), "NUL"),
        # Python 3.13 reads 5,000 levels.
        (b'{"v1": ' * 100_000 + b"1" + b"}" * 100_000, "not JSON"),
    ],
)
def test_instance_data_that_lies_or_is_half_there_is_no_answer(
    stage: Stage, content: bytes, said: str
) -> None:
    wants(stage, NAME)
    knows(stage, content)

    error = refused(stage)

    assert error.code == "MA3520"
    assert said in error.message


def test_all_values_that_are_missing_are_told_at_once(stage: Stage) -> None:
    wants(stage, f'{NAME}\n      providerIDFrom: {{instanceData: "$(v1.region)"}}')

    error = refused(stage)

    assert "nameFrom" in error.log_tail
    assert "providerIDFrom" in error.log_tail
    assert f"{CLOUD_INIT} is not there" in error.message


@pytest.mark.parametrize("name", ["Node_1", "a; reboot", "a\nb", "$(reboot)", "x" * 300])
def test_a_value_is_judged_as_if_it_had_been_written_in_its_field(stage: Stage, name: str) -> None:
    wants(stage, NAME)
    knows(stage, {"v1": {"local_hostname": name}})

    error = refused(stage)

    assert isinstance(error, ProblemsError)
    problem = error.problems[0]
    assert (problem.path, problem.line) == ("spec.kubernetes.node.nameFrom", 22)
    assert "the value from cloud-init" in problem.message


def test_rules_between_fields_hold_for_values_from_elsewhere(stage: Stage) -> None:
    stage.replace("hostname: worker-1", 'hostnameFrom: {instanceData: "$(v1.local_hostname)"}')
    knows(stage, {"v1": {"local_hostname": "a" * 65}})

    error = refused(stage)

    assert isinstance(error, ProblemsError)
    assert {one.path for one in error.problems} == {"spec.machine.linuxConfiguration.hostnameFrom"}


def test_hostile_characters_in_a_file_and_a_variable_are_data(stage: Stage) -> None:
    hostile = "$(reboot) `reboot`; 'a' \"b\"\n{{ x }} ${Y} \\"
    stage.replace('content: "hello\\n"', 'contentFrom: {instanceData: "$(ds.meta_data.text)"}')
    stage.replace("value: s3cr3t-value", 'valueFrom: {instanceData: "$(ds.meta_data.text)"}')
    knows(stage, {"ds": {"meta_data": {"text": hostile}}})

    stage.run()

    assert stage.host.text("/etc/motd") == hostile
    (call,) = (one for one in stage.host.commands.calls if one.argv[0] == "pre-command")
    assert call.environment["PASSWORD"] == Secret(hostile)


def test_a_second_run_changes_nothing(stage: Stage) -> None:
    wants(stage, NAME)
    knows(stage)
    stage.run()
    before = dict(stage.host.state.state_files)

    stage.run()

    assert stage.host.state.state_files == before
    assert stage.ran("kubeadm") > 0
    assert stage.status().phase == "Succeeded"


def test_the_digest_of_a_configuration_is_that_of_its_values(stage: Stage) -> None:
    wants(stage, NAME)
    knows(stage)
    stage.run()
    referring = stage.status().config_digest

    stage.replace(NAME, "name: node-1")
    stage.run()

    assert stage.status().config_digest == referring


def test_a_value_that_changes_before_kubeadm_is_taken(stage: Stage) -> None:
    stage.replace("hostname: worker-1", 'hostnameFrom: {instanceData: "$(v1.local_hostname)"}')
    knows(stage, {"v1": {"local_hostname": "old"}})
    stage.host.commands.on("pre-command", exit_code=1)
    with pytest.raises(MachineadmError):
        stage.run()
    assert stage.host.text("/etc/hostname") == "old\n"

    knows(stage, {"v1": {"local_hostname": "new"}})
    stage.host.commands.on("pre-command", exit_code=0)
    stage.run()

    assert stage.host.text("/etc/hostname") == "new\n"
    assert not any(one.type == "InstanceDataChanged" for one in stage.status().conditions)


def test_a_value_that_changes_after_kubeadm_is_told_and_the_old_one_stays(stage: Stage) -> None:
    stage.replace("hostname: worker-1", 'hostnameFrom: {instanceData: "$(v1.local_hostname)"}')
    knows(stage, {"v1": {"local_hostname": "old"}})
    stage.run()

    knows(stage, {"v1": {"local_hostname": "new"}})
    stage.run()

    assert stage.host.text("/etc/hostname") == "old\n"
    assert stage.status().phase == "Succeeded"
    (condition,) = (one for one in stage.status().conditions if one.type == "InstanceDataChanged")
    assert condition.status == "True"
    assert "v1.local_hostname is 'new' now" in condition.message


def test_a_source_that_is_gone_after_kubeadm_takes_nothing_away(stage: Stage) -> None:
    wants(stage, NAME)
    knows(stage)
    stage.run()
    stage.host.files.remove(CLOUD_INIT)

    stage.run()

    assert stage.status().phase == "Succeeded"


def test_below_another_root_nothing_is_asked_and_what_is_not_given_is_deferred(
    tmp_path: Path,
) -> None:
    stage = Stage(tmp_path, offline=True)
    stage.replace("hostname: worker-1", 'hostnameFrom: {instanceData: "$(v1.local_hostname)"}')
    stage.replace('content: "hello\\n"', 'contentFrom: {instanceData: "$(v1.instance_id)"}')
    wants(stage, 'nameFrom: {instanceData: "$(host.name)"}')
    knows(stage)

    looks, told = planned(stage)

    standing = {look.step.name: look.standing for look in looks}
    assert values(told) == {}
    assert standing["hostname/persist"] is Standing.DEFERRED
    assert standing["files/later"] is Standing.DEFERRED
    assert standing["kubeadm/config"] is Standing.DEFERRED


def test_below_another_root_values_are_given_by_hand(tmp_path: Path) -> None:
    stage = Stage(tmp_path, offline=True)
    stage.replace("hostname: worker-1", 'hostnameFrom: {instanceData: "$(v1.local_hostname)"}')
    given = tmp_path / "given.json"
    given.write_text('{"v1": {"local_hostname": "by-hand"}}')

    looks, _ = planned(stage, str(given))

    standing = {look.step.name: look.standing for look in looks}
    assert standing["hostname/persist"] is Standing.TO_DO


def test_a_run_that_goes_on_after_a_reboot_has_the_values_that_were_given(
    stage: Stage, tmp_path: Path
) -> None:
    wants(stage, NAME)
    given = tmp_path / "given.yaml"
    given.write_text("v1: {local_hostname: by-hand}\n")
    seen: list[str] = []

    def look(_call: object) -> None:
        unit = stage.host.text("/etc/systemd/system/machineadm-resume.service") or ""
        seen.append(unit)
        (name,) = [one for one in stage.host.state.list("resume") if one.startswith("instance-")]
        seen.append(name)
        seen.append((stage.host.state.read(f"resume/{name}", durable=True) or b"").decode())

    stage.host.commands.on("pre-command", effect=look)
    from machineadm.agent.bootstrap import bootstrap

    request = Request(paths=(str(stage.file),), instance_data=str(given))
    bootstrap(request, stage.machine(), stage.events.append)

    assert f'"--instance-data" "/var/lib/machineadm/resume/{seen[1]}"' in seen[0]
    assert seen[2] == "v1: {local_hostname: by-hand}\n"
    assert stage.host.state.list("resume") == ()


@pytest.mark.parametrize(
    ("text", "code"),
    [("- a\n", "MA14"), ("other: {a: b}\n", "MA1423"), ("v1: {a: b\n", "MA1423"), ("", "MA1423")],
)
def test_a_file_that_is_not_instance_data_is_refused(
    stage: Stage, tmp_path: Path, text: str, code: str
) -> None:
    wants(stage, NAME)
    given = tmp_path / "given.yaml"
    given.write_text(text)

    error = refused(stage, str(given))

    assert isinstance(error, ConfigError)
    assert error.code.startswith(code)
    assert "given.yaml" in error.message


def test_a_file_that_is_not_there_is_a_mistake_of_the_command_line(stage: Stage) -> None:
    wants(stage, NAME)

    assert isinstance(refused(stage, "/nowhere/values.json"), UsageError)


def test_sources_are_narrowed_by_the_configuration(stage: Stage) -> None:
    wants(stage, NAME)
    knows(stage)
    stage.replace("  machine:\n", "  machine:\n    instanceData: {sources: [{name: Afterburn}]}\n")

    error = refused(stage)

    assert isinstance(error, HostError)
    assert "cloud-init" not in error.message


def test_a_configuration_that_refers_to_nothing_loads_nothing_of_it(stage: Stage) -> None:
    import subprocess
    import sys

    program = (
        "import sys; import machineadm.agent.bootstrap; "
        "print([m for m in sys.modules if 'instance' in m and 'machineadm' in m])"
    )
    found = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )

    assert found.stdout.strip() == "[]"


def test_commands_know_their_node_at_the_first_boot_and_at_later_ones(stage: Stage) -> None:
    wants(stage, f'{NAME}\n      providerIDFrom: {{instanceData: "x:///$(v1.instance_id)"}}')
    knows(stage)
    stage.run()
    stage.boot("boot-2")
    run_boot_commands(stage.machine(), stage.events.append)

    seen = {
        (call.argv[0], call.environment["MACHINEADM_PHASE"]): call.environment
        for call in stage.host.commands.calls
        if call.argv[0].endswith("-command")
    }
    assert set(seen) == {
        ("boot-command", "boot"),
        ("pre-command", "preKubeadm"),
        ("post-command", "postKubeadm"),
    }
    assert stage.ran("boot-command") == 2
    for environment in seen.values():
        assert environment["MACHINEADM_ROLE"] == "JoinWorker"
        assert environment["MACHINEADM_KUBERNETES_VERSION"] == "v1.34.4"
        assert environment["MACHINEADM_NODE_NAME"] == "node-1"
        assert environment["MACHINEADM_PROVIDER_ID"] == "x:///4711"


def test_a_node_that_nobody_names_has_the_machines_name_in_lower_case(stage: Stage) -> None:
    stage.replace("hostname: worker-1", "hostname: Worker-1")
    stage.run()

    (call,) = (one for one in stage.host.commands.calls if one.argv[0] == "pre-command")
    assert call.environment["MACHINEADM_NODE_NAME"] == "worker-1"
    assert call.environment["MACHINEADM_PROVIDER_ID"] == ""
