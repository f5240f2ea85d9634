"""`encrypt` and `decrypt`: one gives EncryptedData, the other all of the documents or none."""

from __future__ import annotations

import os
from pathlib import Path

import pytest
import yaml

from machineadm.cli.main import main

TEXT = "apiVersion: v1\nkind: Secret\nstringData: {a: b}\n"


@pytest.fixture(autouse=True)
def directory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The current directory, with a document and two passphrases."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "secret.yaml").write_text(TEXT)
    (tmp_path / "word").write_text("s3cr3t\n")
    (tmp_path / "wrong").write_text("s3cr4t\n")
    return tmp_path


def encrypt(capsys: pytest.CaptureFixture[str], *options: str) -> str:
    assert main(["encrypt", "--provider", "vault", "--passphrase-file", "word", *options]) == 0
    return capsys.readouterr().out


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
def test_there_and_back_again(
    capsys: pytest.CaptureFixture[str], directory: Path, cipher: str
) -> None:
    written = encrypt(capsys, "--path", "secret.yaml", "--cipher-algorithm", cipher)
    (directory / "closed.yaml").write_text(written)

    assert yaml.safe_load(written)["spec"]["cipherAlgorithm"] == cipher
    assert "stringData" not in written
    assert main(["decrypt", "--passphrase-file", "vault=word", "--path", "closed.yaml"]) == 0
    assert capsys.readouterr() == (TEXT, "")


def test_each_input_is_a_document_of_its_own(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    written = encrypt(
        capsys, "--path", "secret.yaml", "--path", "word", "--iterations", "10000",
        "--digest-algorithm", "sha-256",
    )  # fmt: skip
    (directory / "closed.yaml").write_text(written)

    specs = [document["spec"] for document in yaml.safe_load_all(written)]
    assert [(one["iterations"], one["digestAlgorithm"]) for one in specs] == [
        (10000, "sha-256")
    ] * 2
    assert len({one["salt"] for one in specs}) == 2
    assert main(["decrypt", "--passphrase-file", "word", "--path", "closed.yaml"]) == 0
    assert capsys.readouterr().out == TEXT + "---\ns3cr3t\n"


@pytest.mark.parametrize(
    "options", [("--passphrase-file", "wrong"), ("--passphrase-file", "other=word"), ()]
)
def test_decrypt_prints_all_or_nothing(
    capsys: pytest.CaptureFixture[str], directory: Path, options: tuple[str, ...]
) -> None:
    closed = encrypt(capsys, "--path", "secret.yaml")
    (directory / "closed.yaml").write_text(TEXT + "---\n" + closed)

    assert main(["decrypt", "--path", "closed.yaml", *options]) == 4

    shown = capsys.readouterr()
    assert shown.out == ""
    assert "closed.yaml:" in shown.err
    assert "s3cr" not in shown.err


def test_a_passphrase_comes_by_a_descriptor_too(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    (directory / "closed.yaml").write_text(encrypt(capsys, "--path", "secret.yaml"))
    number = os.open("word", os.O_RDONLY)

    assert main(["decrypt", "--path", "closed.yaml", "--passphrase-fd", f"vault={number}"]) == 0

    assert capsys.readouterr().out == TEXT


def test_the_environment_names_files_as_the_command_line_does(
    capsys: pytest.CaptureFixture[str], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (directory / "closed.yaml").write_text(encrypt(capsys, "--path", "secret.yaml"))
    monkeypatch.setenv("MACHINEADM_PASSPHRASE_FILE", "other=wrong\nvault=word")

    assert main(["decrypt", "--path", "closed.yaml"]) == 0


def test_the_environment_weakens_nothing(
    capsys: pytest.CaptureFixture[str], directory: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    closed = encrypt(capsys, "--path", "secret.yaml")
    without = "".join(line for line in closed.splitlines(True) if '"mac"' not in line)
    (directory / "closed.yaml").write_text(without)
    decrypt = ["decrypt", "--path", "closed.yaml", "--passphrase-file", "word"]
    monkeypatch.setenv("MACHINEADM_ALLOW_UNAUTHENTICATED_ENCRYPTION", "1")

    assert main(decrypt) == 4
    assert "MA1507" in capsys.readouterr().err
    assert main([*decrypt, "--allow-unauthenticated-encryption"]) == 0
    assert capsys.readouterr().out == TEXT


@pytest.mark.parametrize("command", ["validate", "plan", "bootstrap"])
def test_every_command_that_reads_a_configuration_opens_it(
    capsys: pytest.CaptureFixture[str], directory: Path, command: str
) -> None:
    (directory / "secret.yaml").write_text("apiVersion: v1\nkind: Nonsense\n")
    (directory / "closed.yaml").write_text(encrypt(capsys, "--path", "secret.yaml"))
    where = () if command == "validate" else ("--root", str(directory))

    code = main([command, *where, "--path", "closed.yaml", "--passphrase-file", "word"])

    shown = capsys.readouterr()
    assert code == 3
    assert "closed.yaml#1:1:13: MA1202" in shown.out + shown.err


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--passphrase-file", "word", "--passphrase-file", "wrong"], "twice"),
        (["--passphrase-file", "a=word", "--passphrase-file", "a=wrong"], "twice for provider 'a'"),
        (["--passphrase-file", "a=word", "--passphrase-fd", "a=3"], "provider a"),
        (["--passphrase-fd", "a=3", "--passphrase-fd", "b=3"], "only once"),
        (["--passphrase-fd", "0", "--path", "-"], "only once"),
        (["--passphrase-fd", "s3cr3t"], "never put the passphrase itself on a command line"),
        (["--passphrase-file", "a="], "is empty or has no path"),
    ],
)
def test_what_the_options_do_not_take_is_refused(
    capsys: pytest.CaptureFixture[str], arguments: list[str], said: str
) -> None:
    assert main(["decrypt", "--path", "secret.yaml", *arguments]) == 2

    shown = capsys.readouterr().err
    assert said in shown
    assert "s3cr3t" not in shown


@pytest.mark.parametrize(
    "options",
    [
        ["--provider", "Vault"],
        ["--provider", "vault", "--iterations", "9999"],
        ["--provider", "vault", "--iterations", "10000001"],
        ["--provider", "vault", "--iterations", "1e5"],
        ["--provider", "vault", "--cipher-algorithm", "des"],
        [],
    ],
)
def test_encrypt_writes_nothing_that_would_not_be_read(options: list[str]) -> None:
    assert main(["encrypt", "--path", "secret.yaml", "--passphrase-file", "word", *options]) == 2


def test_encrypt_needs_a_passphrase(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["encrypt", "--provider", "no-such-one", "--path", "secret.yaml"]) == 3

    assert "MA1501" in capsys.readouterr().err


def test_a_path_with_an_equals_sign_is_a_path(
    capsys: pytest.CaptureFixture[str], directory: Path
) -> None:
    (directory / "a=b").write_text("s3cr3t")
    (directory / "closed.yaml").write_text(encrypt(capsys, "--path", "secret.yaml"))

    assert main(["decrypt", "--path", "closed.yaml", "--passphrase-file", "./a=b"]) == 0
