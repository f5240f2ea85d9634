"""The evidence of compliance profiles: in the report, in what shows it, and in the archive for support."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from machineadm.agent.support import collect
from machineadm.api.v1alpha1.status import ComplianceReport
from machineadm.cli.status import render
from machineadm.config.catalogues import catalogue
from machineadm.host.ports import CommandResult
from machineadm.reporting.drawing import as_html
from tests.fakes.host import Call
from tests.unit.agent.stage import Stage
from tests.unit.cli.test_check_compliance import KUBELET

SECRET = "s3cr3t-value"
PROFILE = """\
    linuxConfiguration:
      complianceProfiles:
      - {name: cis, exceptions: ["4.2.9=no certificate of ours", "4.2.1=decided"]}
"""
CONFIG = "authentication: {anonymous: {enabled: false}, x509: {clientCAFile: /etc/kubernetes/pki/ca.crt}}\nauthorization: {mode: Webhook}\n"


def node(tmp_path: Path, *, profile: str = PROFILE, config: str = CONFIG) -> Stage:
    """A worker; kubeadm leaves the kubelet's configuration."""
    stage = Stage(tmp_path)

    def join(_call: Call) -> CommandResult | None:
        stage.host.put("/etc/kubernetes/kubelet.conf", "x\n", mode=0o600)
        stage.host.put(KUBELET, config)
        return None

    stage.host.commands.on("kubeadm", "join", effect=join)
    stage.replace("    linuxConfiguration:\n", profile)
    return stage


def reported(stage: Stage) -> ComplianceReport:
    (report,) = stage.status().compliance
    return report


def states(report: ComplianceReport) -> dict[str, str]:
    return {one.id: one.state for one in report.controls}


@pytest.mark.requirement("U4")
def test_the_report_has_the_evidence_of_each_control(tmp_path: Path) -> None:
    stage = node(tmp_path)

    stage.run()

    report = reported(stage)
    by_id = {one.id: one for one in report.controls}
    assert (report.profile, report.edition) == ("cis", catalogue("cis").edition)
    assert list(by_id) == [one.id for one in catalogue("cis").controls]
    assert (by_id["4.2.2"].state, by_id["4.2.2"].found) == ("Holds", "Webhook")
    assert by_id["4.2.2"].where == f"authorization.mode in {KUBELET}"
    # After the step that narrows it, and so as the machine is left.
    assert by_id["4.1.9"].state == "Holds"
    assert (by_id["4.2.12"].state, by_id["4.2.12"].scored) == ("Fails", False)
    assert by_id["1.2.1"].state == "NotHere"
    assert by_id["3.1.1"].state == "People"
    assert report.exceptions == ("4.2.9=no certificate of ours", "4.2.1=decided")
    excepted = by_id["4.2.9"]
    assert (excepted.state, excepted.found) == ("Excepted", "no certificate of ours")
    assert by_id["4.2.1"].state == "Holds"


def test_what_fails_does_not_fail_the_run(tmp_path: Path) -> None:
    stage = node(tmp_path, config="authorization: {mode: AlwaysAllow}\n")

    stage.run()

    assert stage.status().phase == "Succeeded"
    assert states(reported(stage))["4.2.2"] == "Fails"


@pytest.mark.parametrize(
    ("path", "content"),
    [
        (KUBELET, "a: 2026-99-99\n"),
        ("/etc/default/kubelet", "KUBELET_EXTRA_ARGS='--a=b\n"),
        ("/etc/kubernetes/manifests/kube-apiserver.yaml", "[" * 20_000),
    ],
)
def test_a_file_that_cannot_be_read_fails_neither_the_run_nor_the_rest_of_the_evidence(
    path: str, content: str, tmp_path: Path
) -> None:
    stage = node(tmp_path, config=content if path == KUBELET else CONFIG)
    if path != KUBELET:
        stage.host.put(path, content)

    stage.run()

    found = reported(stage)
    assert stage.status().phase == "Succeeded"
    unknown = [one for one in found.controls if one.state == "Unknown"]
    assert unknown
    assert all("MA4633" in one.found and path in one.found for one in unknown)
    assert states(found)["4.1.5"] == "Holds"


@pytest.mark.parametrize("reason", ["no profile", "prepared only"])
def test_without_a_profile_or_a_node_there_is_no_evidence(reason: str, tmp_path: Path) -> None:
    stage = node(
        tmp_path, profile=PROFILE if reason == "prepared only" else "    linuxConfiguration:\n"
    )

    stage.run(mode="preparation" if reason == "prepared only" else "provisioning")

    assert stage.status().compliance == ()


def test_a_run_that_has_nothing_to_do_looks_again(tmp_path: Path) -> None:
    stage = node(tmp_path)
    stage.run()
    stage.host.put(KUBELET, CONFIG.replace("Webhook", "AlwaysAllow"), mode=0o600)
    stage.host.clock.sleep(60)

    stage.run()

    assert states(reported(stage))["4.2.2"] == "Fails"


def test_a_person_sees_the_counts_and_what_fails(tmp_path: Path) -> None:
    stage = node(tmp_path, config=CONFIG.replace("Webhook", "AlwaysAllow"))
    stage.run()
    found = states(reported(stage))

    text = render(stage.status())

    (line,) = [one for one in text.splitlines() if one.startswith("compliance cis: ")]
    assert catalogue("cis").edition in line
    count = sum(state == "Fails" for state in found.values())
    assert f" {count} fail, 0 unknown, 1 excepted," in line
    shown = [one.split()[0] for one in text.splitlines() if " Fails " in one]
    scored = {one.id for one in catalogue("cis").controls if one.scored}
    assert shown == [id_ for id_, state in found.items() if state == "Fails" and id_ in scored]
    assert f"authorization.mode in {KUBELET}: AlwaysAllow" in text
    assert "compliant" not in text.lower()


def test_the_page_has_every_control_and_a_value_never_becomes_markup(tmp_path: Path) -> None:
    stage = node(tmp_path, config="authorization: {mode: '<script>alert(1)</script>'}\n")
    stage.run()

    html = as_html(stage.status())

    assert '<table id="compliance-cis">' in html
    assert all(f"<td>{one.id}</td>" in html for one in catalogue("cis").controls)
    assert "<script>alert" not in html


def archived(stage: Stage) -> list[dict[str, Any]]:
    files = dict(collect(stage.machine()).files)
    return list(json.loads(files["compliance.json"]))


def test_the_archive_has_the_evidence_of_now_with_the_exceptions_of_the_run(tmp_path: Path) -> None:
    stage = node(tmp_path)
    stage.run()
    # Since then somebody has opened it.
    stage.host.put(KUBELET, CONFIG.replace("Webhook", "AlwaysAllow"), mode=0o600)
    before = stage.host.mutations()

    (report,) = archived(stage)

    found = {one["id"]: one for one in report["controls"]}
    assert report["profile"] == "cis"
    assert (found["4.2.2"]["state"], found["4.2.2"]["found"]) == ("Fails", "AlwaysAllow")
    assert found["4.2.9"] | {"where": ""} == found["4.2.9"] | {
        "state": "Excepted", "found": "no certificate of ours", "where": "",
    }  # fmt: skip
    assert stage.host.mutations() == before


@pytest.mark.parametrize("content", [b"", b"{", b'{"kind": "Other"}'])
def test_a_node_that_no_run_of_a_profile_has_made_is_judged_too(
    content: bytes, tmp_path: Path
) -> None:
    stage = Stage(tmp_path)
    stage.host.put(KUBELET, CONFIG)
    if content:
        stage.host.state.write("status.json", content, durable=False)

    (report,) = archived(stage)

    assert report["profile"] == "cis"
    assert {one["id"] for one in report["controls"] if one["state"] == "Holds"} >= {"4.2.2"}


def test_of_a_machine_that_is_no_node_nothing_is_said(tmp_path: Path) -> None:
    bundle = collect(Stage(tmp_path).machine())

    assert "compliance.json" not in dict(bundle.files)
    assert any(line.startswith("compliance.json: there is none") for line in bundle.missing)


@pytest.mark.parametrize("place", ["report", "archive"])
def test_a_secret_in_an_argument_is_not_evidence(place: str, tmp_path: Path) -> None:
    stage = node(tmp_path, config=f"authorization: {{mode: {SECRET}}}\n")
    stage.run()
    if place == "archive":
        # The agent that collects has not run the configuration: it learns from what was kept.
        stage.host.state.write("resume/one.yaml", stage.file.read_bytes(), durable=True)
        text = json.dumps(archived(stage))
    else:
        text = (stage.host.state.read("status.json", durable=False) or b"").decode()

    assert SECRET not in text
    assert '"4.2.2"' in text
