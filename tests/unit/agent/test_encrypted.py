"""A machine whose configuration is encrypted: it becomes the same node, and no disk ever holds the plaintext of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machineadm.agent.intake import ProblemsError
from machineadm.agent.units import RESUME_UNIT, UNITS
from machineadm.documents.encryption import seal, to_yaml
from machineadm.errors import MachineadmError
from machineadm.redaction import Secret
from machineadm.reporting.sinks import FAILURE_SENTINEL
from machineadm.sources.passphrases import ANY, GivenPassphrases
from tests.unit.agent.stage import Stage

LASTING = os.path.realpath("/etc/os-release")
"""A small file that a reboot leaves alone, instead of one with a passphrase."""


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """Its configuration is encrypted, and the passphrase is what `LASTING` says."""
    stage = Stage(tmp_path)
    passphrase = Secret(Path(LASTING).read_text().removesuffix("\n"))
    data = seal(stage.file.read_bytes(), passphrase, provider="vault", random=os.urandom)
    stage.file.write_bytes(to_yaml(data))
    return stage


def interrupt(stage: Stage) -> None:
    """Let kubeadm fail, so that there is something to resume."""
    stage.host.commands.on("kubeadm", "join", exit_code=1)


def resumable(stage: Stage) -> tuple[str, str]:
    (found,) = [one for one in stage.status().conditions if one.type == "Resumable"]
    return found.status, found.reason


def everything_kept(stage: Stage) -> bytes:
    return b"".join(stage.host.state.state_files.values())


def test_it_becomes_the_same_node(stage: Stage) -> None:
    stage.run(passphrases=GivenPassphrases(files={"vault": LASTING}))

    assert stage.status().phase == "Succeeded"
    assert stage.host.text("/etc/motd") == "hello\n"


def test_without_a_passphrase_nothing_is_touched(stage: Stage) -> None:
    with pytest.raises(ProblemsError, match="vault") as caught:
        stage.run()

    assert caught.value.code == "MA1501"
    assert stage.status().phase == "Failed"
    assert stage.host.mutations() == [FAILURE_SENTINEL]


def test_the_copy_for_a_resumed_run_is_the_ciphertext(stage: Stage) -> None:
    interrupt(stage)
    with pytest.raises(MachineadmError):
        stage.run(passphrases=GivenPassphrases(files={"vault": LASTING}))

    kept = stage.host.state.state_files[stage.resume_copy()]
    assert kept == stage.file.read_bytes()
    unit = stage.host.text(f"{UNITS}/{RESUME_UNIT}") or ""
    assert f'"--passphrase-file" "vault={LASTING}"' in unit
    assert resumable(stage) == ("True", "UnitEnabled")
    assert b"s3cr3t-value" not in everything_kept(stage)


@pytest.mark.parametrize("by", ["file", "descriptor"])
def test_a_passphrase_that_goes_with_a_reboot_is_not_kept_and_the_report_says_so(
    stage: Stage, by: str, tmp_path: Path
) -> None:
    word = Path(LASTING).read_bytes()
    (tmp_path / "word").write_bytes(word)
    reader, writer = os.pipe()
    os.write(writer, word)
    os.close(writer)
    passphrases = {
        "file": GivenPassphrases(files={ANY: str(tmp_path / "word")}),
        "descriptor": GivenPassphrases(descriptors={ANY: reader}),
    }[by]
    interrupt(stage)

    with pytest.raises(MachineadmError):
        stage.run(passphrases=passphrases)
    os.closerange(reader, reader + 1)

    assert resumable(stage) == ("False", "PassphraseNotKept")
    assert stage.host.text(f"{UNITS}/{RESUME_UNIT}") is None
    assert not any(name.startswith("resume/") for name in stage.host.state.state_files)
    assert word.removesuffix(b"\n") not in everything_kept(stage)


def test_what_is_not_encrypted_is_resumed_whatever_the_options_say(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    interrupt(stage)

    with pytest.raises(MachineadmError):
        stage.run(passphrases=GivenPassphrases(descriptors={ANY: 9999}))

    assert resumable(stage) == ("True", "UnitEnabled")


def test_a_command_that_prints_the_passphrase_prints_nothing(stage: Stage) -> None:
    machine = stage.machine()
    given = GivenPassphrases(files={ANY: LASTING})
    word = given.passphrase("vault")
    assert word is not None

    from machineadm.agent.preparing import prepare
    from machineadm.agent.request import Request

    prepare(Request(paths=(str(stage.file),), passphrases=given), machine)

    assert word.reveal().splitlines()[0] not in machine.redactor.text(word.reveal())
