"""A key in a PKCS#11 token signs a release: SoftHSM 2, by python-pkcs11 and the URI of RFC 7512."""

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import pytest

from tests import releases
from tests.real import missing

ROOT = Path(__file__).parents[2]
AGENT = "machineadm-linux-amd64.pyz"
PIN, SECURITY_OFFICER = "491-pin-of-the-user", "837-pin-of-the-officer"


@pytest.fixture(scope="module")
def module_path() -> Path:
    """SoftHSM's module, installed from Debian if it is not there."""
    pytest.importorskip("pkcs11", reason="python-pkcs11 needs Python 3.11 or later")
    install = ". tests/machine/lib.sh; install_missing softhsm2"
    run = subprocess.run(
        ["bash", "-euc", install], cwd=ROOT, capture_output=True, text=True, check=False
    )
    found = sorted(Path("/usr/lib").glob("**/libsofthsm2.so"))
    if not found:
        missing(f"SoftHSM 2 cannot be installed: {run.stderr.strip()[-200:]}")
    return found[0]


class Token(NamedTuple):
    """A token of the test's own, with keys by their labels."""

    module: Path
    environment: dict[str, str]
    pin: Path

    def uri(self, label: str, **changes: str) -> str:
        query = {"module-path": str(self.module), "pin-source": f"file:{self.pin}"} | changes
        return f"pkcs11:token=release;object={label}?" + "&".join(
            f"{name}={value}" for name, value in query.items() if value
        )

    def signing(self, *arguments: str, **more: str) -> "subprocess.CompletedProcess[str]":
        return subprocess.run(
            [sys.executable, "-m", "signing", *arguments],
            cwd=ROOT,
            env=self.environment | more,
            capture_output=True,
            text=True,
            check=False,
            timeout=60,
        )

    def sign(self, directory: Path, uri: str) -> "subprocess.CompletedProcess[str]":
        return self.signing("sign", str(directory), "--key", uri)


@pytest.fixture
def token(module_path: Path, tmp_path: Path) -> Token:
    (tmp_path / "tokens").mkdir()
    configuration = tmp_path / "softhsm2.conf"
    configuration.write_text(
        f"directories.tokendir = {tmp_path}/tokens\nobjectstore.backend = file\n"
    )
    environment = {**os.environ, "SOFTHSM2_CONF": str(configuration)}
    (tmp_path / "pin").write_text(f"{PIN}\n")
    (tmp_path / "pin").chmod(0o600)

    def util(*arguments: str) -> None:
        command = ["softhsm2-util", "--module", str(module_path), *arguments]
        subprocess.run(command, env=environment, capture_output=True, check=True)

    util("--init-token", "--free", "--label", "release", "--so-pin", SECURITY_OFFICER, "--pin", PIN)
    keys = {"machineadm": releases.private_key(), "p384": releases.other_kinds()["P-384"]}
    for number, (label, key) in enumerate(keys.items(), 1):
        pem = tmp_path / f"{label}.pem"
        pem.write_bytes(releases.private_pem(key))
        chosen = ["--token", "release", "--pin", PIN, "--label", label, "--id", f"0{number}"]
        util("--import", str(pem), *chosen)
        pem.unlink()
    return Token(module_path, environment, tmp_path / "pin")


@pytest.fixture
def public(tmp_path: Path) -> str:
    path = tmp_path / "release.pub"
    path.write_bytes(releases.public_key().pem())
    return str(path)


def test_a_token_signs_a_release_that_openssl_takes(
    token: Token, tmp_path: Path, public: str
) -> None:
    directory = releases.build_release(tmp_path)

    outcome = token.sign(directory, token.uri("machineadm"))

    assert outcome.returncode == 0, outcome.stderr
    assert token.signing("verify", str(directory), "--key", public).returncode == 0
    command = ["openssl", "dgst", "-sha256", "-verify", public, "-signature", f"{AGENT}.sig", AGENT]
    assert subprocess.run(command, cwd=directory, check=False).returncode == 0
    (directory / AGENT).write_bytes(b"tampered")
    assert subprocess.run(command, cwd=directory, check=False).returncode == 1


def test_a_token_that_signs_twice_changes_nothing(token: Token, tmp_path: Path) -> None:
    directory = releases.build_release(tmp_path)
    token.sign(directory, token.uri("machineadm"))
    before = {path: path.read_bytes() for path in directory.iterdir()}

    assert token.sign(directory, token.uri("machineadm")).returncode == 0

    assert {path: path.read_bytes() for path in directory.iterdir()} == before


def test_a_key_is_found_by_its_id_and_a_pin_in_the_environment(
    token: Token, tmp_path: Path
) -> None:
    directory = releases.build_release(tmp_path)
    uri = token.uri("machineadm", **{"pin-source": "env:TOKEN_PIN"})

    outcome = token.signing(
        *("sign", str(directory), "--key", uri.replace("object=machineadm", "id=%01")),
        TOKEN_PIN=PIN,
    )

    assert outcome.returncode == 0, outcome.stderr


Change = Callable[[Token], str]
FAULTS: dict[str, tuple[Change, int, str]] = {
    "no such key": (lambda token: token.uri("other"), 5, "NoSuchKey"),
    "no such token": (
        lambda token: token.uri("machineadm").replace("token=release", "token=other"),
        5,
        "NoSuchToken",
    ),
    "another curve": (lambda token: token.uri("p384"), 4, "MA1805"),
    "no module": (
        lambda token: token.uri("machineadm", **{"module-path": "/no/such.so"}),
        5,
        "MA1809",
    ),
    "no PIN": (lambda token: token.uri("machineadm", **{"pin-source": ""}), 2, "MA1802"),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_token_that_refuses_says_why(token: Token, tmp_path: Path, fault: str) -> None:
    make, exit_code, words = FAULTS[fault]
    directory = releases.build_release(tmp_path)

    outcome = token.sign(directory, make(token))

    assert outcome.returncode == exit_code, outcome.stderr
    assert words in outcome.stderr
    assert "Traceback" not in outcome.stderr
    assert not (directory / "release.json").exists()


def test_a_wrong_pin_is_refused_and_never_shown(token: Token, tmp_path: Path) -> None:
    token.pin.write_text("602-wrong")

    outcome = token.sign(releases.build_release(tmp_path), token.uri("machineadm"))

    assert outcome.returncode == 5
    assert "PinIncorrect" in outcome.stderr
    for secret in ("602-wrong", PIN):
        assert secret not in outcome.stdout + outcome.stderr


def test_a_pin_that_others_can_read_is_refused(token: Token, tmp_path: Path) -> None:
    token.pin.chmod(0o644)

    outcome = token.sign(releases.build_release(tmp_path), token.uri("machineadm"))

    assert (outcome.returncode, "MA1803" in outcome.stderr) == (5, True)
