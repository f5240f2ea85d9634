"""Private keys by URI: what is refused, and that nothing of a key is ever shown."""

import os
import re
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
)

from machineadm.errors import MachineadmError
from machineadm.redaction import Secret
from machineadm.verification import signatures
from machineadm.verification.keys import fingerprint
from signing.keys import open_signer
from tests import releases

DATA = b"the agent\n"
PASSPHRASE = Secret("correct horse battery staple")
PEM = releases.private_pem(releases.private_key())


def encrypted() -> bytes:
    return releases.private_key().private_bytes(
        Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(PASSPHRASE.reveal().encode())
    )


def refusal(uri: str | None, passphrase: Secret | None = None) -> MachineadmError:
    with pytest.raises(MachineadmError) as caught, open_signer(uri, passphrase=passphrase):
        pass
    return caught.value


def test_a_key_in_a_file_signs(key: Path) -> None:
    with open_signer(f"file:{key}") as signer:
        signature = signer.sign(DATA)

    assert signatures.verify(DATA, signature, [releases.public_key()]) == fingerprint(signer.public)


def test_the_same_bytes_give_the_same_signature(key: Path) -> None:
    with open_signer(f"file:{key}") as signer:
        assert signer.sign(DATA) == signer.sign(DATA)


def test_a_key_in_the_environment_signs_and_is_taken_out_of_it(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("RELEASE_KEY", PEM.decode())

    with open_signer("env:RELEASE_KEY") as signer:
        assert signer.public == releases.public_key()

    assert "RELEASE_KEY" not in os.environ


def test_an_encrypted_key_is_opened_with_its_passphrase(key: Path) -> None:
    key.write_bytes(encrypted())

    with open_signer(f"file:{key}", passphrase=PASSPHRASE) as signer:
        assert signer.public == releases.public_key()


def test_a_passphrase_for_a_key_that_needs_none_does_no_harm(key: Path) -> None:
    with open_signer(f"file:{key}", passphrase=PASSPHRASE) as signer:
        assert signer.public == releases.public_key()


def test_a_key_as_older_openssl_writes_it_is_read(key: Path) -> None:
    old = releases.private_key().private_bytes(
        Encoding.PEM, PrivateFormat.TraditionalOpenSSL, NoEncryption()
    )
    key.write_bytes(old)
    assert b"BEGIN EC PRIVATE KEY" in old

    with open_signer(f"file:{key}") as signer:
        assert signer.public == releases.public_key()


def test_a_key_behind_a_link_is_judged_by_what_it_leads_to(key: Path) -> None:
    link = key.with_name("link.pem")
    link.symlink_to(key)

    with open_signer(f"file:{link}") as signer:
        assert signer.public == releases.public_key()

    key.chmod(0o640)
    assert refusal(f"file:{link}").code == "MA1803"


@pytest.mark.parametrize("mode", [0o644, 0o640, 0o604, 0o620, 0o601, 0o666])
def test_a_key_that_others_can_reach_is_refused(key: Path, mode: int) -> None:
    key.chmod(mode)

    error = refusal(f"file:{key}")

    assert error.code == "MA1803"
    assert f"{mode:04o}" in error.message


@pytest.mark.skipif(os.geteuid() != 0, reason="needs root to give a file away")
def test_a_key_of_another_user_is_refused(key: Path) -> None:
    os.chown(key, 54321, 0)

    assert refusal(f"file:{key}").code == "MA1803"


@pytest.mark.parametrize("kind", releases.other_kinds())
def test_a_key_of_another_kind_is_refused(key: Path, kind: str) -> None:
    key.write_bytes(releases.private_pem(releases.other_kinds()[kind]))

    assert refusal(f"file:{key}").code == "MA1805"


@pytest.mark.parametrize(
    "uri", ["", None, "env:NO_SUCH_VARIABLE"], ids=["empty", "none", "unset variable"]
)
def test_without_a_key_the_hint_says_how_to_give_one(uri: str | None) -> None:
    error = refusal(uri)

    assert (error.code, error.exit_code) == ("MA1801", 2)


@pytest.mark.parametrize(
    "uri", ["release.pem", "/release.pem", "vault:x", "file:", "env:", "FILE:x"]
)
def test_an_unknown_uri_is_refused(uri: str) -> None:
    assert refusal(uri).code == "MA1802"


@pytest.mark.parametrize(
    "content",
    [b"", b"\n", b"<html>", PEM[:100], PEM.replace(b"M", b"!"), releases.public_key().pem()],
)
def test_what_is_no_private_key_is_refused(key: Path, content: bytes) -> None:
    key.write_bytes(content)

    assert refusal(f"file:{key}").code == "MA1804"


def test_a_missing_file_a_directory_and_a_pipe_are_refused(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe", 0o600)

    assert refusal(f"file:{tmp_path / 'none'}").code == "MA1820"
    assert refusal(f"file:{tmp_path}").code == "MA1820"
    assert refusal(f"file:{tmp_path / 'pipe'}").code == "MA1820"


def test_an_encrypted_key_without_its_passphrase_is_refused(key: Path) -> None:
    key.write_bytes(encrypted())

    assert refusal(f"file:{key}").code == "MA1806"
    assert refusal(f"file:{key}", Secret("wrong")).code == "MA1807"


def test_nothing_of_a_key_or_passphrase_is_in_an_error(
    key: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    wrong = Secret("a wrong passphrase")
    monkeypatch.setenv("DAMAGED", PEM.decode().replace("-----END", "-----"))
    key.write_bytes(encrypted())
    errors = [
        refusal(PEM.decode()),
        refusal(f"file:{key}", wrong),
        refusal("env:DAMAGED"),
        refusal(f"pkcs11:token=a;object=b?module-path=/x&pin-value={wrong.reveal()}"),
    ]
    shown = "".join(f"{error}{error.hint()}{error.__cause__!r}" for error in errors)

    for secret in (PEM.decode(), encrypted().decode(), wrong.reveal()):
        for line in secret.splitlines():
            assert line not in shown


def test_a_signer_does_not_show_its_key(key: Path) -> None:
    with open_signer(f"file:{key}") as signer:
        number = str(releases.private_key().private_numbers().private_value)

        assert number not in f"{signer!r}{signer}"
        assert not re.search("PRIVATE", f"{signer!r}")
