"""A run on a machine in FIPS mode says so, and names what is not approved."""

from __future__ import annotations

from pathlib import Path

import pytest

from machineadm.api.v1alpha1.status import Condition
from tests.unit.agent.stage import Stage

SWITCH = "/proc/sys/crypto/fips_enabled"
USERS = """\
    linuxConfiguration:
      users:
      - {{name: admin, passwordHash: "{hash}"}}
"""


def condition(stage: Stage) -> Condition | None:
    return next((one for one in stage.status().conditions if one.type == "FIPSMode"), None)


@pytest.mark.parametrize("content", ["1\n", "1"])
def test_a_report_says_that_the_kernel_is_in_fips_mode(content: str, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.host.put(SWITCH, content)

    stage.run()

    found = condition(stage)
    assert found is not None
    assert (found.status, found.reason) == ("True", "ApprovedAlgorithms")
    assert "no validated module" in found.message


@pytest.mark.parametrize("content", ["0\n", "", None])
def test_without_fips_mode_nothing_is_said(content: str | None, tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    if content is not None:
        stage.host.put(SWITCH, content)

    stage.run()

    assert condition(stage) is None


def test_the_switch_of_the_builder_says_nothing_of_a_tree(tmp_path: Path) -> None:
    stage = Stage(tmp_path, offline=True)
    stage.host.put(SWITCH, "1\n")

    stage.run(mode="preparation")

    assert condition(stage) is None


@pytest.mark.parametrize(
    ("hash_", "said"),
    [
        ("$6$saltsalt$0123456789", "True"),
        ("$5$saltsalt$0123456789", "True"),
        ("$1$saltsalt$0123456789", "False"),
        ("$2b$12$0123456789012345678901", "False"),
        ("$y$j9T$saltsalt$0123456789", "False"),
    ],
)
def test_a_password_hash_that_is_not_of_sha_2_is_named(
    hash_: str, said: str, tmp_path: Path
) -> None:
    stage = Stage(tmp_path)
    stage.host.put(SWITCH, "1\n")
    stage.replace("    linuxConfiguration:\n", USERS.format(hash=hash_))

    stage.run()

    found = condition(stage)
    assert found is not None
    assert found.status == said
    assert ("admin" in found.message) is (said == "False")
    assert hash_ not in found.message
