"""Modes of files that others write: narrowed where they are too open, and nothing else of them changes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
import yaml

from machineadm.actions.compliance import audit, catalogue
from machineadm.agent.request import Request
from machineadm.api.v1alpha1.compliance import ComplianceProfile
from machineadm.cli.plan import show
from machineadm.config.defaulting import realise
from machineadm.host.facts import Facts
from machineadm.plan.model import Change
from machineadm.planner import plan
from machineadm.steps.compliance import NarrowModes, plan_compliance
from tests.applying import apply
from tests.configurations import configuration
from tests.fakes.host import FakeHost, offline_host
from tests.unit.agent.stage import Stage
from tests.unit.cli.test_check_compliance import KUBELET, PLAIN_FAILS, STIG_PLAIN_FAILS, Node

CIS = (ComplianceProfile(name="cis"),)
DROP_IN = "/usr/lib/systemd/system/kubelet.service.d/10-kubeadm.conf"
LEFT = {"1.1.12", "1.2.5"}
"""Scored controls that the profile leaves to people: both have a price."""

UNSCORED = {"1.2.1", "1.2.9", "1.2.11", "1.2.27", "1.2.28", "4.2.9"}
STIG_LEFT = {"V-242390", "V-242424", "V-242425", "V-254800", "V-274882"}


def test_only_files_that_are_too_open_are_narrowed_and_keep_content_and_owner() -> None:
    host = FakeHost()
    host.put(KUBELET, "kind: KubeletConfiguration\n", mode=0o644)
    host.put(DROP_IN, "[Service]\n", mode=0o400)
    host.files.nodes[KUBELET].uid = 5
    (step,) = plan_compliance(CIS)

    outcome = apply(step, host)

    node = host.files.nodes[KUBELET]
    assert (node.mode, node.uid, node.content) == (0o600, 5, b"kind: KubeletConfiguration\n")
    assert host.files.nodes[DROP_IN].mode == 0o400
    assert outcome.change is Change.CHANGED
    assert step.check(host).change is Change.ALREADY_IN_PLACE


def test_bits_that_a_file_does_not_have_are_not_given() -> None:
    host = FakeHost()
    host.put("/etc/a", "a", mode=0o444)

    apply(NarrowModes(modes=(("/etc/a", 0o600),)), host)

    assert host.files.nodes["/etc/a"].mode == 0o400


@pytest.mark.parametrize("kind", ["nothing", "a link", "a directory"])
def test_what_is_no_file_is_left_alone(kind: str) -> None:
    host = FakeHost()
    if kind == "a link":
        host.files.link(KUBELET, "/etc/passwd")
    elif kind == "a directory":
        host.files.make_directory(KUBELET, mode=0o755)
    (step,) = plan_compliance(CIS)

    assert step.check(host).effects == ()


def test_an_exception_and_no_profile_leave_modes_alone() -> None:
    excepted = ComplianceProfile(name="cis", exceptions=("4.1.1=image", "4.1.9=kubeadm"))

    assert plan_compliance((excepted,)) == plan_compliance(()) == ()


def test_what_others_write_is_not_taken_back() -> None:
    (step,) = plan_compliance(CIS)

    assert not hasattr(step, "owned")


@pytest.mark.parametrize("mode", ["provisioning", "preparation"])
def test_modes_are_seen_to_after_kubeadm_and_before_the_commands(mode: Any) -> None:
    given = configuration(
        {
            "machine.linuxConfiguration.complianceProfiles": [{"name": "cis"}],
            "machine.commands.postKubeadm": [{"argv": ["true"]}],
        }
    )
    facts = Facts(machine_id="m1", kubeadm_version="v1.34.4")

    steps = plan(realise(given), facts, mode=mode, run_directory="/run/machineadm").steps

    names = [step.name for step in steps]
    if mode == "preparation":
        assert "compliance/modes" not in names
    else:
        assert names[-3:] == ["kubeadm/init", "compliance/modes", "commands/postKubeadm[0]"]


@pytest.mark.parametrize(
    "name",
    [
        pytest.param("cis", marks=pytest.mark.requirement("U4")),
        pytest.param("stig", marks=pytest.mark.requirement("U5")),
    ],
)
def test_a_machine_of_the_profile_fails_no_scored_control_but_those_left_to_people(
    name: str,
) -> None:
    """kubeadm's own values with what the plan gives it laid over them: the profile and the check are of one mind."""
    plain, left, narrowed, more = {
        "cis": (PLAIN_FAILS, LEFT, {"4.1.1", "4.1.9"}, UNSCORED),
        "stig": (STIG_PLAIN_FAILS, STIG_LEFT, set[str](), set[str]()),
    }[name]
    node = Node()
    node.write()
    assert scored_failures(node.host, name) == plain
    given = configuration(
        {"machine.linuxConfiguration.complianceProfiles": [{"name": name, "level": 2}]}
    )
    facts = Facts(machine_id="m1", kubeadm_version="v1.34.4")
    steps = plan(realise(given), facts, mode="provisioning", run_directory="/run/machineadm").steps
    by_name = {step.name: step for step in steps}

    host = FakeHost()
    apply(by_name["controlPlane/files"], host)
    policy = "/etc/kubernetes/machineadm/audit-policy.yaml"
    assert host.files.nodes[policy].mode == 0o600
    node.host.put(policy, host.files.nodes[policy].content, mode=0o600)
    files = {one.name: one.content for one in by_name["kubeadm/config"].check(host).effects}  # type: ignore[attr-defined]
    (cluster,) = [
        one
        for one in yaml.safe_load_all(files["kubeadm/config.yaml"])
        if one["kind"] == "ClusterConfiguration"
    ]
    for component in ("apiServer", "controllerManager", "scheduler", "etcd"):
        has = (
            cluster.get("etcd", {}).get("local", {}) if component == "etcd" else cluster[component]
        )
        for argument in has.get("extraArgs", ()):
            node.flags[component][argument["name"]] = argument["value"]
    (patch,) = [content for name, content in files.items() if "kubeletconfiguration" in name]
    node.config.update(yaml.safe_load(patch))
    node.write()
    assert scored_failures(node.host, name) == left | narrowed

    if narrowed:
        apply(by_name["compliance/modes"], node.host)

    assert scored_failures(node.host, name) == left
    failing = {
        one.control.id for one in audit(catalogue(name), node.host, {}) if one.state == "fails"
    }
    # What it cannot choose, or would have a price: docs/concerns/compliance.md says which.
    assert failing - left == more


def scored_failures(host: FakeHost, name: str) -> set[str]:
    return {
        one.control.id
        for one in audit(catalogue(name), host, {})
        if one.state == "fails" and one.control.scored
    }


def test_a_plan_with_a_profile_lists_what_it_would_set(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(tmp_path)
    stage.host.commands.on("kubeadm", "version", output="v1.34.4\n")

    def planned(profile: str) -> dict[str, Any]:
        request = Request(paths=(str(stage.file),), profile=profile)
        show(request, stage.machine(), as_json=True)
        return dict(json.loads(capfd.readouterr().out))

    plain, hardened = planned(""), planned("cis")

    assert plain["values"] == []
    assert {one["origin"] for one in hardened["values"]} == {
        f"profile cis: {id_}" for id_ in ("4.2.5", "4.2.12", "4.2.13", "4.2.14")
    }
    steps = [one["name"] for one in hardened["steps"]]
    assert [name for name in steps if name not in [one["name"] for one in plain["steps"]]] == [
        "compliance/modes"
    ]


def test_a_plan_with_a_profile_tells_every_conflict(
    tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    stage = Stage(tmp_path)
    text = stage.file.read_text()
    stage.file.write_text(
        f"{text}    node: {{kubelet: {{podPidsLimit: -1, config: {{seccompDefault: false}}}}}}\n"
    )

    request = Request(paths=(str(stage.file),), profile="cis")
    code = show(request, stage.machine(), as_json=False)

    told = capfd.readouterr()
    assert code == 3
    assert told.out == ""
    assert told.err.count("MA1450") == 2
    assert "control 4.2.13" in told.err
    assert "control 4.2.14" in told.err
    assert "4.2.13=REASON" in told.err


def test_an_image_is_left_to_kubeadm() -> None:
    (step,) = plan_compliance(CIS)
    tree = offline_host()

    assert step.check(tree).effects == ()
