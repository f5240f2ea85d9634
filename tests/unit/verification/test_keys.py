"""Public keys: ECDSA P-256 in PEM, one or two of them, and nothing else."""

import hashlib

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st

from machineadm.errors import VerificationError
from machineadm.verification import keys
from tests import releases

ONE, TWO = releases.public_key("one"), releases.public_key("two")


def code_of(pem: bytes) -> str:
    with pytest.raises(VerificationError) as caught:
        keys.load_public_keys(pem)
    return caught.value.code


def test_a_key_is_read_as_it_was_written() -> None:
    assert keys.load_public_keys(ONE.pem()) == (ONE,)
    assert ONE.pem() == releases.public_pem(releases.private_key("one"))


def test_two_keys_are_read_in_their_order_each_once() -> None:
    assert keys.load_public_keys(TWO.pem() + ONE.pem() + TWO.pem()) == (TWO, ONE)


def test_more_than_two_keys_are_refused() -> None:
    assert code_of(ONE.pem() + TWO.pem() + releases.public_key("three").pem()) == "MA1706"


def test_text_around_keys_is_passed_over() -> None:
    pem = b"The key of 2026:\r\n" + ONE.pem().replace(b"\n", b"\r\n") + b"# the next\n" + TWO.pem()

    assert keys.load_public_keys(pem) == (ONE, TWO)


def test_a_fingerprint_is_that_of_the_key_in_der() -> None:
    assert keys.fingerprint(ONE) == f"sha256:{hashlib.sha256(ONE.spki).hexdigest()}"
    assert len(ONE.spki) == 91


def test_a_key_with_a_compressed_point_has_the_same_fingerprint() -> None:
    public = releases.private_key("one").public_key()
    point = public.public_bytes(Encoding.X962, PublicFormat.CompressedPoint)
    spki = bytes.fromhex("3039301306072a8648ce3d020106082a8648ce3d030107032200") + point

    assert keys.fingerprint(keys.from_spki(spki)) == keys.fingerprint(ONE)


@pytest.mark.parametrize("kind", releases.other_kinds())
def test_a_key_of_another_kind_is_refused(kind: str) -> None:
    pem = releases.public_pem(releases.other_kinds()[kind])

    assert code_of(pem) == "MA1702"
    assert code_of(ONE.pem() + pem) == "MA1702"


def test_a_certificate_is_no_key() -> None:
    assert code_of(ONE.pem().replace(b"PUBLIC KEY", b"CERTIFICATE")) == "MA1702"


@pytest.mark.parametrize("label", ["PRIVATE KEY", "EC PRIVATE KEY", "ENCRYPTED PRIVATE KEY"])
def test_a_private_key_is_refused_and_not_repeated(label: str) -> None:
    pem = releases.private_pem(releases.private_key()).decode()
    body = pem.splitlines()[1]

    with pytest.raises(VerificationError) as caught:
        keys.load_public_keys(ONE.pem() + pem.replace("PRIVATE KEY", label).encode())

    assert caught.value.code == "MA1703"
    assert body not in f"{caught.value}{caught.value.hint()}"


@pytest.mark.parametrize("pem", [b"", b"\n", b"<html>404</html>", bytes(64), b"ssh-ed25519 AAAA"])
def test_no_key_is_refused(pem: bytes) -> None:
    assert code_of(pem) == "MA1704"


@pytest.mark.parametrize("cut", [30, 60, 100, 150, 176])
def test_a_key_that_was_cut_off_is_refused(cut: int) -> None:
    assert code_of(ONE.pem()[:cut]) in {"MA1701", "MA1704"}
    assert code_of(TWO.pem() + ONE.pem()[:cut]) == "MA1701"


def test_a_point_that_is_not_on_the_curve_is_refused() -> None:
    with pytest.raises(VerificationError) as caught:
        keys.from_spki(ONE.spki[:-1] + bytes([ONE.spki[-1] ^ 1]))

    assert caught.value.code == "MA1701"


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(noise: bytes) -> None:
    for pem in (noise, b"-----BEGIN PUBLIC KEY-----\n" + noise + b"\n-----END PUBLIC KEY-----\n"):
        with pytest.raises(VerificationError):
            keys.load_public_keys(pem)
    with pytest.raises(VerificationError):
        keys.from_spki(noise)


def test_keys_are_held_to_their_fingerprints() -> None:
    known = keys.fingerprint(TWO)

    assert keys.pinned((ONE, TWO), [known]) == (TWO,)
    assert keys.pinned((ONE, TWO), [f"SHA256:{known[7:].upper()}"]) == (TWO,)
    with pytest.raises(VerificationError, match=keys.fingerprint(ONE)) as caught:
        keys.pinned((ONE,), [known])
    assert caught.value.code == "MA1705"


def test_a_fresh_key_is_as_long_as_is_said() -> None:
    key = ec.generate_private_key(ec.SECP256R1()).public_key()

    assert len(key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)) == 91
