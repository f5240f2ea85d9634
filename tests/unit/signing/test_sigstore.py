"""Sigstore bundles for a plain key."""

import base64
import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.errors import VerificationError
from machineadm.verification.keys import fingerprint
from signing import sigstore
from tests import releases

DATA = b"the agent\n"
KEY = releases.public_key()
SIGNATURE = releases.signer().sign(DATA)
BUNDLE = sigstore.encode_bundle(DATA, SIGNATURE, KEY)


def code_of(bundle: bytes, data: bytes = DATA) -> str:
    with pytest.raises(VerificationError) as caught:
        sigstore.verify_bundle(data, bundle, [KEY])
    return caught.value.code


def changed(*path: str, value: object) -> bytes:
    """The bundle with another value at a place; None takes the place away."""
    whole = json.loads(BUNDLE)
    place = whole
    for name in path[:-1]:
        place = place[name]
    if value is None:
        del place[path[-1]]
    else:
        place[path[-1]] = value
    return json.dumps(whole).encode()


def test_a_bundle_names_its_key() -> None:
    other = releases.public_key("other")

    assert sigstore.verify_bundle(DATA, BUNDLE, [other, KEY]) == fingerprint(KEY)


def test_it_has_the_form_that_cosign_writes() -> None:
    whole = json.loads(BUNDLE)

    assert whole["mediaType"] == "application/vnd.dev.sigstore.bundle.v0.3+json"
    digest = bytes.fromhex(fingerprint(KEY).removeprefix("sha256:"))
    hint = whole["verificationMaterial"]["publicKey"]["hint"]
    assert base64.b64decode(hint) == digest
    assert base64.b64decode(whole["messageSignature"]["signature"]) == SIGNATURE


def test_the_same_signature_gives_the_same_bundle() -> None:
    assert sigstore.encode_bundle(DATA, SIGNATURE, KEY) == BUNDLE


def test_other_bytes_are_refused() -> None:
    assert code_of(BUNDLE, DATA + b"!") == "MA1831"


MESSAGE = "messageSignature"


@pytest.mark.parametrize(
    ("path", "value", "code"),
    [
        (("mediaType",), "application/vnd.dev.sigstore.bundle+json;version=0.1", "MA1830"),
        (("mediaType",), "application/json", "MA1830"),
        (("surprise",), 1, "MA1830"),
        ((MESSAGE,), None, "MA1830"),
        ((MESSAGE, "messageDigest"), None, "MA1830"),
        ((MESSAGE, "messageDigest", "algorithm"), "SHA2_512", "MA1830"),
        ((MESSAGE, "signature"), "", "MA1711"),
        ((MESSAGE, "signature"), base64.b64encode(SIGNATURE[:-1]).decode(), "MA1713"),
        (("verificationMaterial", "publicKey"), None, "MA1830"),
        (("verificationMaterial", "publicKey", "hint"), "AAAA", "MA1830"),
    ],
)
def test_a_changed_bundle_is_refused(path: tuple[str, ...], value: object, code: str) -> None:
    assert code_of(changed(*path, value=value)) == code


def test_another_key_s_bundle_is_refused() -> None:
    thief = releases.signer("thief")

    assert code_of(sigstore.encode_bundle(DATA, thief.sign(DATA), thief.public)) == "MA1710"


@given(st.binary(max_size=200))
def test_no_bytes_crash_the_reader(noise: bytes) -> None:
    assert code_of(noise) == "MA1830"
