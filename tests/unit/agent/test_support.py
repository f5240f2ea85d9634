"""An archive for whoever must find out why a machine failed: what is in it, and what never is."""

from __future__ import annotations

import tarfile
from pathlib import Path

import pytest

from machineadm.agent.support import collect, redacted
from machineadm.cli.main import main
from machineadm.errors import HostError, MachineadmError
from tests.unit.agent.stage import Stage


def failed(tmp_path: Path) -> Stage:
    """A machine whose kubeadm has failed."""
    stage = Stage(tmp_path)
    stage.host.commands.on(
        "kubeadm", "join", exit_code=1, output="token abcdef.0123456789abcdef is bad\n"
    )
    with pytest.raises(MachineadmError):
        stage.run()
    return stage


def files(stage: Stage) -> dict[str, str]:
    return {name: content.decode() for name, content in collect(stage.machine()).files}


def test_a_failed_machine_s_archive_has_report_journal_logs_and_versions(tmp_path: Path) -> None:
    stage = failed(tmp_path)
    stage.host.commands.on("journalctl", output="the kubelet said this\n")
    stage.host.commands.on("kubelet", "--version", output="Kubernetes v1.34.4\n")
    before = stage.host.mutations()

    found = files(stage)

    assert '"phase": "Failed"' in found["status.json"]
    assert '"event":"started"' in found["journal.jsonl"]
    assert found["units/kubelet.service.log"] == "the kubelet said this\n"
    assert "kubelet: Kubernetes v1.34.4" in found["versions.txt"]
    assert "file /etc/motd (files/write)" in found["owned.txt"]
    assert "0123456789abcdef0123456789abcdef" in found["machine.json"]
    assert stage.host.mutations() == before


def test_nothing_of_the_configuration_s_copies_is_in_it(tmp_path: Path) -> None:
    stage = failed(tmp_path)
    stage.host.commands.on(
        "journalctl", output="PASSWORD is s3cr3t-value\nabcdef.0123456789abcdef\n"
    )

    found = files(stage)

    assert stage.host.state.list("resume")
    assert not any(name.startswith("resume") for name in found)
    for name, text in found.items():
        assert "s3cr3t-value" not in text, name
        assert "0123456789abcdef\n" not in text.replace("0123456789abcdef0123456789abcdef", ""), (
            name
        )


def test_a_program_that_is_missing_or_fails_is_said_and_stops_nothing(tmp_path: Path) -> None:
    stage = Stage(tmp_path)
    stage.host.commands.missing.add("journalctl")

    bundle = collect(stage.machine())

    names = [name for name, _ in bundle.files]
    assert "versions.txt" in names
    assert any(line.startswith("status.json: there is none") for line in bundle.missing)
    assert dict(bundle.files)["missing.txt"].decode().count("\n") == len(bundle.missing)


FORMS = {
    "a bootstrap token": "join --token abcdef.0123456789abcdef now",
    "a private key": "-----BEGIN EC PRIVATE KEY-----\nMHcCAQEEIHunter2secret\n-----END EC PRIVATE KEY-----\n",
    "a private key that is cut off": "-----BEGIN PRIVATE KEY-----\nMHcCAQEEIHunter2secret",
    "a JSON web token": "id eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiJodW50ZXIyIn0.c2lnbmVk-hunter2 x",
    "a password hash": "root:$6$hunter2salt$hunter2hash/abc:19000",
    "a URL with a password": "proxy http://user:hunter2secret@proxy.example:3128/",
    "a header": "Authorization: Bearer hunter2secret",
    "a header in JSON": '{"Authorization": "Basic hunter2secret"}',
    "a signed URL": "GET https://x.example/a?X-Amz-Signature=hunter2secret&x=1",
    "an assignment": "password=hunter2secret",
    "a field of YAML": "  clientSecret: hunter2secret",
    "a field of JSON": '{"client-key-data":"hunter2secret"}',
    "an option": "kubeadm join --certificate-key hunter2secret --v 2",
    "an environment variable": "AWS_SECRET_ACCESS_KEY=hunter2secret",
}


@pytest.mark.parametrize("kind", FORMS)
def test_what_looks_like_a_secret_is_masked_whoever_logged_it(kind: str, tmp_path: Path) -> None:
    text = FORMS[kind]

    clean = redacted(f"before\n{text}\nafter\n", Stage(tmp_path).machine())

    assert clean != f"before\n{text}\nafter\n"
    assert clean.startswith("before\n")
    for secret in ("hunter2secret", "Hunter2secret", "0123456789abcdef", "c2lnbmVk", "hunter2hash"):
        assert secret not in clean


@pytest.mark.parametrize(
    "text",
    [
        "MA6001 another run holds /run/machineadm/lock",
        "Started kubelet.service - kubelet: The Kubernetes Node Agent.",
        'E1201 "Failed to pull image" err="rpc error: code = NotFound" image="registry.k8s.io/pause:3.10"',
        "https://registry.example:5000/v2/: dial tcp 10.0.0.1:5000: connect: connection refused",
        "sha256:2c26b46b68ffc68ff99b453c1d30413413422d706483bfa0f98a5e886266e7ae",
    ],
)
def test_what_is_no_secret_stays_readable(text: str, tmp_path: Path) -> None:
    assert redacted(text, Stage(tmp_path).machine()) == text


def test_the_archive_is_private_and_never_replaces_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, target = tmp_path / "tree", tmp_path / "bundle.tar.gz"
    tree.mkdir()
    command = ["support-bundle", "--root", str(tree), "--to", str(target)]

    assert main(command) == 0
    assert target.stat().st_mode & 0o777 == 0o600
    with tarfile.open(target) as archive:
        assert {one.mode for one in archive.getmembers()} == {0o600}
        assert "machineadm-support/versions.txt" in archive.getnames()
    content = target.read_bytes()
    capsys.readouterr()
    assert main(command) == HostError.exit_code
    assert "MA6014" in capsys.readouterr().err
    assert target.read_bytes() == content


def test_a_link_in_the_place_of_the_archive_is_not_followed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    tree, victim, link = tmp_path / "tree", tmp_path / "victim", tmp_path / "bundle"
    tree.mkdir()
    link.symlink_to(victim)

    code = main(["support-bundle", "--root", str(tree), "--to", str(link)])

    assert code == HostError.exit_code
    assert not victim.exists()
    assert "MA6014" in capsys.readouterr().err
