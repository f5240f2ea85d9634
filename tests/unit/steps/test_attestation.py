"""The machine attests what it is right before kubeadm, once for a configuration; the report carries the evidence."""

from __future__ import annotations

import base64
import hashlib
from pathlib import Path
from typing import cast

import pytest

from machineadm.agent.units import RESUME_UNIT, UNITS
from machineadm.errors import MachineadmError, PluginError
from machineadm.host.ports import Evidence
from machineadm.plan.model import digest_of
from machineadm.sources.passphrases import GivenPassphrases
from machineadm.steps.attestation import KEPT
from tests.fakes.host import FakeProviders
from tests.unit.agent.stage import CONFIGURATION, Stage


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    stage.file.write_text(
        CONFIGURATION.replace("  machine:\n", "  machine:\n    attestationPlugin: tpm\n")
    )
    providers(stage).attesting = {"tpm"}
    return stage


def providers(stage: Stage) -> FakeProviders:
    return cast("FakeProviders", stage.host.providers)


def test_it_comes_right_before_kubeadm(stage: Stage) -> None:
    stage.run()

    names = [step.name for step in stage.status().steps]
    at = names.index("attestation/attest")
    assert names[at - 1].startswith("commands/preKubeadm")
    assert names[at + 1].startswith("kubeadm/")


def test_the_report_has_evidence_for_a_challenge_that_others_can_compute(stage: Stage) -> None:
    stage.run()

    status = stage.status()
    found = status.attestation
    assert found is not None
    assert (found.plugin, found.format) == ("tpm", "application/vnd.example.quote")
    parts = (
        "machineadm/attestation/v1",
        status.config_digest or "",
        status.machine.machine_id,
        status.machine.boot_id,
    )
    # As docs/concerns/attestation.md says, and nothing of ours.
    whole = b"".join(b"%d:" % len(part) + part.encode() for part in parts)
    challenge = hashlib.sha256(whole).digest()
    assert base64.b64decode(found.challenge) == challenge
    assert base64.b64decode(found.evidence) == b"quote of " + challenge
    assert stage.host.state.read(KEPT, durable=False)
    assert digest_of(*parts) == challenge.hex()


def test_a_second_run_and_a_later_boot_do_not_attest_again(stage: Stage) -> None:
    stage.run()
    stage.run()
    stage.boot("boot-2")
    stage.run()

    assert len(providers(stage).asked) == 1
    assert providers(stage).runs == set()


def test_without_evidence_kubeadm_is_not_run(stage: Stage) -> None:
    providers(stage).attesting = set()
    with pytest.raises(PluginError) as caught:
        stage.run()

    assert (caught.value.code, caught.value.exit_code) == ("MA7226", 7)
    assert stage.ran("kubeadm") <= 1  # its version
    assert stage.host.text("/etc/motd") is None
    assert stage.ran("boot-command") == 0


def test_a_plugin_that_fails_fails_its_step(stage: Stage) -> None:
    class Broken(FakeProviders):
        def evidence(self, plugin: str, challenge: bytes) -> Evidence:
            raise PluginError("MA7220", f"plugin {plugin} has no TPM")

    stage.host.providers = Broken()
    stage.host.providers.attesting = {"tpm"}
    with pytest.raises(PluginError):
        stage.run()

    error = stage.status().error
    assert error is not None
    assert error.message == "attestation/attest: plugin tpm has no TPM"
    assert stage.ran("kubeadm") <= 1


def test_where_no_plugin_can_be_asked_kubeadm_is_not_run(stage: Stage) -> None:
    stage.host.providers = None
    with pytest.raises(MachineadmError) as caught:
        stage.run()

    assert caught.value.code == "MA3207"


def test_a_machine_that_is_only_prepared_attests_nothing(stage: Stage) -> None:
    stage.run(mode="preparation")

    assert providers(stage).asked == []


def test_a_resumed_run_looks_for_the_plugin_where_this_one_did(stage: Stage) -> None:
    stage.host.commands.on("boot-command", exit_code=1)
    passphrases = GivenPassphrases(directory="/nowhere", plugin_directories=["/opt/vendor"])
    with pytest.raises(MachineadmError):
        stage.run(passphrases=passphrases)

    assert providers(stage).asked == []
    unit = stage.host.text(f"{UNITS}/{RESUME_UNIT}") or ""
    assert '"--plugin-dir" "/opt/vendor"' in unit
