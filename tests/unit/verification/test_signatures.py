"""Detached signatures: what is accepted, and how each that is not is named."""

import base64
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec, utils
from cryptography.hazmat.primitives.hashes import SHA256, SHA384
from hypothesis import given
from hypothesis import strategies as st

from machineadm.errors import VerificationError
from machineadm.verification import signatures
from machineadm.verification.keys import PublicKey, fingerprint
from tests import releases

DATA = b"the agent\n"
ONE, TWO = releases.public_key("one"), releases.public_key("two")
GOOD = releases.signer("one").sign(DATA)
# The order of P-256's group (SEC 2, 2.4.2).
ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551
R, S = utils.decode_dss_signature(GOOD)


def code_of(data: bytes, signature: bytes, keys: tuple[PublicKey, ...] = (ONE,)) -> str:
    with pytest.raises(VerificationError) as caught:
        signatures.verify(data, signature, keys)
    assert caught.value.exit_code == 4
    return caught.value.code


def by_openssl(directory: Path, signature: bytes) -> bool:
    """Whether this machine's openssl takes it."""
    for name, content in {"data": DATA, "sig": signature, "pub": ONE.pem()}.items():
        (directory / name).write_bytes(content)
    command = ["openssl", "dgst", "-sha256", "-verify", "pub", "-signature", "sig", "data"]
    return subprocess.run(command, cwd=directory, capture_output=True, check=False).returncode == 0


def test_a_good_signature_names_its_key() -> None:
    assert signatures.verify(DATA, GOOD, [ONE]) == fingerprint(ONE)


def test_any_of_two_keys_may_have_signed() -> None:
    assert signatures.verify(DATA, GOOD, [TWO, ONE]) == fingerprint(ONE)
    assert signatures.verify(DATA, GOOD, [ONE, TWO]) == fingerprint(ONE)


@pytest.mark.parametrize("data", [b"", DATA[:-1], DATA + b"\n", b"The agent\n"])
def test_other_bytes_are_refused(data: bytes) -> None:
    assert code_of(data, GOOD) == "MA1710"


def test_the_signature_of_another_file_is_refused() -> None:
    assert code_of(DATA, releases.signer("one").sign(b"another")) == "MA1710"


def test_another_key_is_refused() -> None:
    assert code_of(DATA, GOOD, (TWO,)) == "MA1710"


def test_another_hash_is_refused() -> None:
    signature = releases.private_key("one").sign(DATA, ec.ECDSA(SHA384()))

    assert code_of(DATA, signature) == "MA1710"


def test_without_a_key_nothing_is_trusted() -> None:
    assert code_of(DATA, GOOD, ()) == "MA1704"


def test_no_signature_is_refused() -> None:
    assert code_of(DATA, b"") == "MA1711"


@pytest.mark.parametrize("encode", [base64.b64encode, base64.encodebytes])
def test_base64_is_refused_as_openssl_does(
    encode: Callable[[bytes], bytes], tmp_path: Path
) -> None:
    text = encode(GOOD)

    assert code_of(DATA, text) == "MA1712"
    assert not by_openssl(tmp_path, text)


DAMAGED = {
    "last byte missing": GOOD[:-1],
    "cut off": GOOD[:10],
    "byte before": b"\0" + GOOD,
    "length in long form": b"\x30\x81" + GOOD[1:],
    "empty sequence": b"\x30\x00",
    "error page": b"<html><body>404 Not Found</body></html>",
    "PEM": b"-----BEGIN SIGNATURE-----",
    "zeros": bytes(71),
    "r and s plain, as PKCS#11 and JWS write": R.to_bytes(32, "big") + S.to_bytes(32, "big"),
}


@pytest.mark.parametrize("name", DAMAGED)
def test_what_is_no_der_is_refused_as_openssl_does(name: str, tmp_path: Path) -> None:
    assert code_of(DATA, DAMAGED[name]) == "MA1713"
    assert not by_openssl(tmp_path, DAMAGED[name])


@pytest.mark.parametrize("behind", [b"\0", b"\n", GOOD], ids=["zero", "newline", "another"])
def test_bytes_behind_a_signature_are_refused(behind: bytes) -> None:
    # openssl reads 72 bytes of the file and never sees what stands behind them.
    assert code_of(DATA, GOOD + behind) == "MA1713"


@pytest.mark.parametrize(
    ("r", "s"),
    [(0, S), (R, 0), (0, 0), (R, S + ORDER), (R + ORDER, S), (ORDER, S), (R, S + 1)],
    ids=["r zero", "s zero", "zeros", "s + n", "r + n", "r = n", "s + 1"],
)
def test_numbers_out_of_range_are_refused_as_openssl_does(r: int, s: int, tmp_path: Path) -> None:
    signature = utils.encode_dss_signature(r, s)

    assert code_of(DATA, signature) == "MA1710"
    assert not by_openssl(tmp_path, signature)


def test_either_half_of_the_group_is_taken_as_openssl_does(tmp_path: Path) -> None:
    # openssl and tokens write a high s every second time, and no use is made of a signature's bytes.
    mirrored = utils.encode_dss_signature(R, ORDER - S)

    assert signatures.verify(DATA, mirrored, [ONE]) == fingerprint(ONE)
    assert by_openssl(tmp_path, mirrored)


def test_what_openssl_signs_is_taken(tmp_path: Path) -> None:
    releases.write_key(tmp_path / "key", "one")
    (tmp_path / "data").write_bytes(DATA)
    command = ["openssl", "dgst", "-sha256", "-sign", "key", "-out", "sig", "data"]
    subprocess.run(command, cwd=tmp_path, check=True)

    assert signatures.verify(DATA, (tmp_path / "sig").read_bytes(), [ONE]) == fingerprint(ONE)


@given(st.binary(max_size=120))
def test_no_bytes_pass_or_crash(noise: bytes) -> None:
    assert code_of(DATA, noise) in {"MA1710", "MA1711", "MA1712", "MA1713"}


@given(st.integers(0, len(GOOD) * 8 - 1))
def test_a_flipped_bit_is_refused(bit: int) -> None:
    flipped = bytearray(GOOD)
    flipped[bit // 8] ^= 1 << bit % 8

    assert code_of(DATA, bytes(flipped)) in {"MA1710", "MA1713"}


def test_sha256_is_what_is_signed() -> None:
    releases.private_key("one").public_key().verify(GOOD, DATA, ec.ECDSA(SHA256()))
