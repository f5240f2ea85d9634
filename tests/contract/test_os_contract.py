"""docs/os-contract.md says what the code does: whoever builds an operating system on it must not be misled."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from machineadm import errors
from machineadm.agent.units import BOOT_UNIT, RESUME_UNIT
from machineadm.cli.options import RUN_DIRECTORY, STATE_DIRECTORY
from machineadm.config import machine_paths
from machineadm.reporting.sinks import FAILURE_SENTINEL, SUCCESS_SENTINEL

CONTRACT = (Path(__file__).parents[2] / "docs/os-contract.md").read_text()
# Exit codes of commands that are not errors: done, and `plan` with something to do.
WITHOUT_ERROR = {0, 10}


@pytest.mark.requirement("R15")
@pytest.mark.parametrize(
    "name",
    [
        RUN_DIRECTORY,
        STATE_DIRECTORY,
        SUCCESS_SENTINEL,
        FAILURE_SENTINEL,
        RESUME_UNIT,
        BOOT_UNIT,
        machine_paths.MODULES,
        machine_paths.SYSCTL,
    ],
)
def test_the_contract_names_every_place_that_the_agent_writes_to_by_itself(name: str) -> None:
    assert f"`{name}`" in CONTRACT


@pytest.mark.requirement("R15")
def test_the_contract_lists_the_exit_codes_that_there_are() -> None:
    listed = {int(code) for code in re.findall(r"^\| (\d+) \|", CONTRACT, re.MULTILINE)}
    raised = {
        kind.exit_code
        for kind in vars(errors).values()
        if isinstance(kind, type) and issubclass(kind, errors.MachineadmError)
    }

    assert listed == raised | WITHOUT_ERROR
