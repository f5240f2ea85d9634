"""What the planner has written, no entry of `files` may write as well."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from machineadm import planner
from machineadm.actions.files import WriteFiles
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.config.defaulting import realise
from machineadm.config.validation import check
from machineadm.host.facts import Facts
from machineadm.plan.model import Phase
from tests.configurations import example

FACTS = Facts(
    platform="linux",
    architecture="x86_64",
    distribution="debian",
    hostname="a",
    machine_id="b",
    kubeadm_version=None,
    effective_root=True,
    offline=True,
)


def with_file(given: MachineConfiguration, path: str) -> MachineConfiguration:
    files = (*given.spec.machine.files, FileConfig(path=path, content=""))
    return replace(
        given, spec=replace(given.spec, machine=replace(given.spec.machine, files=files))
    )


def written(given: MachineConfiguration) -> set[str]:
    """The paths that a plan writes for other fields than `files`."""
    plan = planner.plan(realise(given), FACTS, mode="provisioning", run_directory="/run/machineadm")
    return {
        file.path
        for step in plan.steps
        if isinstance(step, WriteFiles) and step.name != "files/write"
        if step.phase is Phase.PREPARE
        for file in step.files
    }


@pytest.mark.parametrize("name", ["maximal.yaml", "external-etcd.yaml", "control-plane.yaml"])
def test_whatever_the_plan_writes_has_no_second_writer(name: str) -> None:
    given = example(name)
    paths = written(given)

    assert len(paths) > 2
    for path in paths:
        findings = check(with_file(given, path))
        last = len(given.spec.machine.files)
        assert [(finding.code, finding.path) for finding in findings] == [
            ("MA1306", f"spec.machine.files[{last}].path")
        ], path
