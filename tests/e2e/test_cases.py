"""Each directory of cases/ is a test: the packed agent and configurations make real nodes of bare machines.

The cases are written for the shell (`lib.sh` has the words); this gives them their place among the other tests.
"""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.real import missing

HERE = Path(__file__).parent
_CANNOT = 77


NEWEST = "1.37"
"""The newest version whose programs the stage builds."""


def run_case(name: str, directory: str = "cases", version: str = "1.34") -> int:
    environment = {
        **os.environ,
        "E2E_CASES": str(HERE / directory),
        "PYTHON": sys.executable,
        "CLUSTER_VERSION": version,
    }
    run = subprocess.run([HERE / "run.sh", name], env=environment, check=False)
    if run.returncode == _CANNOT:
        missing("no cluster can be made here: the lines above say what is missing")
    return run.returncode


@pytest.mark.parametrize("fault", ["says-no", "breaks-off", "says-nothing", "wrong-page"])
def test_the_harness_fails_a_case_that_fails(fault: str) -> None:
    assert run_case(fault, "faults") == 1


def test_the_harness_notices_an_agent_that_lies() -> None:
    assert run_case("planted") == 0


@pytest.mark.requirement("U6", "U9", "U12", "R1", "R2", "R3", "R4", "R7", "R11")
def test_three_configurations_make_a_cluster() -> None:
    assert run_case("three-nodes") == 0


@pytest.mark.requirement("U6", "U9", "R1", "R2")
def test_the_same_configurations_make_a_cluster_of_the_newest_version() -> None:
    assert run_case("three-nodes", version=NEWEST) == 0


@pytest.mark.requirement("U12")
def test_a_wrong_token_is_told_and_mended() -> None:
    assert run_case("wrong-token") == 0


@pytest.mark.requirement("U12")
def test_a_wrong_pin_of_the_authority_is_told_and_mended() -> None:
    assert run_case("wrong-ca-hash") == 0


@pytest.mark.requirement("U12")
def test_what_kubernetes_would_refuse_is_refused_in_less_than_a_second() -> None:
    assert run_case("refused-early") == 0


@pytest.mark.requirement("R1")
def test_a_worker_that_is_up_first_waits_for_its_control_plane() -> None:
    assert run_case("worker-first") == 0


def test_machines_join_by_kubeconfig_and_by_inlined_keys() -> None:
    assert run_case("other-ways") == 0


def test_what_was_killed_in_init_is_completed_by_the_next_run() -> None:
    assert run_case("kill-init") == 0


def test_what_was_killed_in_join_is_completed_by_the_next_run() -> None:
    assert run_case("kill-join") == 0


@pytest.mark.requirement("R1")
def test_what_was_killed_again_and_again_is_completed_by_the_last_run() -> None:
    assert run_case("kill-often") == 0


@pytest.mark.requirement("R1")
def test_what_was_killed_at_the_words_of_each_phase_is_completed_by_the_next_run() -> None:
    assert run_case("kill-words") == 0


@pytest.mark.requirement("R1")
def test_what_a_person_made_by_hand_is_neither_reset_nor_claimed() -> None:
    assert run_case("somebody-else") == 0


@pytest.mark.requirement("R1")
def test_no_order_of_failures_acts_and_runs_costs_a_person_their_data() -> None:
    assert run_case("orders") == 0


def test_restored_data_outlive_a_control_plane_that_says_why_it_does_not_come_up() -> None:
    assert run_case("restored") == 0


@pytest.mark.requirement("U12")
def test_a_control_plane_without_the_api_servers_files_is_stopped_before_it_joins_etcd() -> None:
    assert run_case("missing-files") == 0


def test_machines_that_crash_in_kubeadm_complete_themselves() -> None:
    assert run_case("crash") == 0


@pytest.mark.requirement("U1", "R2", "R4", "R6", "R10", "R12")
def test_a_machine_becomes_a_node_from_its_user_data_alone() -> None:
    assert run_case("from-user-data") == 0


def test_what_cluster_api_was_given_converts_to_machines_of_a_cluster() -> None:
    assert run_case("converted") == 0


def test_the_commands_of_the_first_page_make_a_node_of_a_bare_machine() -> None:
    assert run_case("first-node") == 0


def test_every_case_is_a_test() -> None:
    cases = {path.name for path in (HERE / "cases").iterdir()}

    assert cases == {name for name in cases if f'run_case("{name}")' in Path(__file__).read_text()}
