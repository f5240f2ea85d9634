"""What was sealed opens with its passphrase to the same bytes, and nothing else opens."""

from __future__ import annotations

import base64
import gzip
import os
from collections.abc import Callable
from typing import Any

import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from machineadm.api.v1alpha1.encrypted_data import EncryptedData
from machineadm.documents.decoding import decode
from machineadm.documents.encryption import (
    Cipher,
    Digest,
    SealedError,
    rounds,
    seal,
    to_yaml,
    unfit,
    unseal,
)
from machineadm.errors import ConfigError
from machineadm.redaction import Secret

PASSPHRASE = Secret("correct horse battery staple")
DOCUMENT = b"apiVersion: v1\nkind: Secret\n"

ciphers = st.sampled_from(["aes-256-cbc", "aes-256-gcm"])
digests = st.sampled_from(["sha-512", "sha-256"])


def counting() -> Callable[[int], bytes]:
    """Bytes that everybody knows, instead of random ones: 0, 1, 2 ..."""
    given = iter(range(256))
    return lambda count: bytes(next(given) for _ in range(count))


def sealed(plaintext: bytes = DOCUMENT, **settings: Any) -> EncryptedData:
    wanted: dict[str, Any] = {
        "provider": "vault",
        "random": counting(),
        "iterations": 10000,
    } | settings
    return seal(plaintext, PASSPHRASE, **wanted)


def with_spec(data: EncryptedData, **changes: Any) -> EncryptedData:
    return msgspec.structs.replace(data, spec=msgspec.structs.replace(data.spec, **changes))


def b64(data: bytes) -> str:
    return base64.b64encode(data).decode()


@settings(max_examples=40, deadline=None)
@given(
    plaintext=st.binary(max_size=3000).filter(lambda data: not data.startswith(b"\x1f\x8b")),
    word=st.binary(min_size=1, max_size=100),
    cipher=ciphers,
    digest=digests,
)
def test_what_was_sealed_opens_to_the_same_bytes(
    plaintext: bytes, word: bytes, cipher: Cipher, digest: Digest
) -> None:
    passphrase = Secret(word.decode("utf-8", "surrogateescape"))
    data = seal(
        plaintext,
        passphrase,
        provider="vault",
        random=os.urandom,
        cipher=cipher,
        digest=digest,
        iterations=10000,
    )

    assert unfit(data) == []
    assert unseal(data, passphrase) == plaintext
    (read,) = decode(to_yaml(data), file="sealed.yaml")
    assert read.problems == ()
    assert unseal(read.value, passphrase) == plaintext


@pytest.mark.parametrize("cipher", ["aes-256-cbc", "aes-256-gcm"])
def test_every_changed_bit_gives_the_error_of_a_wrong_passphrase(cipher: Cipher) -> None:
    data = sealed(b"a: b\n", cipher=cipher, iterations=1)
    with pytest.raises(SealedError) as wrong:
        unseal(data, Secret("another"))

    told = set()
    for name in ("ciphertext", "salt", "iv", "mac"):
        if (text := getattr(data.spec, name)) is None:
            continue
        plain = base64.b64decode(text)
        for bit in range(len(plain) * 8):
            flipped = bytearray(plain)
            flipped[bit // 8] ^= 1 << bit % 8
            with pytest.raises(SealedError) as refused:
                unseal(with_spec(data, **{name: b64(bytes(flipped))}), PASSPHRASE)
            told.add((refused.value.code, refused.value.message, refused.value.hint()))

    assert told == {("MA1502", wrong.value.message, wrong.value.hint())}


@pytest.mark.parametrize(
    "changes",
    [
        {"provider": "other"},
        {"iterations": 10001},
        {"digest_algorithm": "sha-256"},
        {"cipher_algorithm": "aes-256-gcm", "iv": b64(bytes(12)), "mac": None},
    ],
)
def test_no_parameter_can_be_exchanged(changes: dict[str, object]) -> None:
    with pytest.raises(SealedError, match="cannot be decrypted"):
        unseal(with_spec(sealed(), **changes), PASSPHRASE)


@pytest.mark.parametrize(
    ("changes", "path"),
    [
        ({"salt": b64(bytes(15))}, "spec.salt"),
        ({"iv": b64(bytes(12))}, "spec.iv"),
        ({"mac": b64(bytes(32))}, "spec.mac"),
        ({"ciphertext": b64(bytes(17))}, "spec.ciphertext"),
        ({"ciphertext": "AAB="}, "spec.ciphertext"),  # as AAA=, but for a bit that no byte has
        ({"cipher_algorithm": "aes-256-gcm", "iv": b64(bytes(12))}, "spec.mac"),
    ],
)
def test_an_unfit_parameter_is_told_by_its_field(changes: dict[str, object], path: str) -> None:
    data = with_spec(sealed(), **changes)

    assert [(finding.code, finding.path) for finding in unfit(data)] == [("MA1508", path)]
    with pytest.raises(SealedError) as refused:
        unseal(data, PASSPHRASE)
    assert refused.value.code == "MA1508"


def test_a_ciphertext_that_nobody_vouches_for_opens_on_demand_alone() -> None:
    data = with_spec(sealed(), mac=None)

    with pytest.raises(SealedError) as refused:
        unseal(data, PASSPHRASE)
    assert refused.value.code == "MA1507"
    assert unseal(data, PASSPHRASE, allow_unauthenticated=True) == DOCUMENT


def test_even_then_a_mac_that_is_there_counts() -> None:
    data = with_spec(sealed(), mac=b64(bytes(64)))

    with pytest.raises(SealedError, match="cannot be decrypted"):
        unseal(data, PASSPHRASE, allow_unauthenticated=True)


def test_without_a_mac_padding_gzip_and_text_are_told_alike() -> None:
    """Whoever may send changed ciphertext and see the answer learns nothing from which check failed."""
    told = set()
    for plaintext in (DOCUMENT, gzip.compress(DOCUMENT * 9), b"\x1f\x8b" + bytes(30)):
        data = with_spec(sealed(plaintext), mac=None)
        body = bytearray(base64.b64decode(data.spec.ciphertext))
        for at in range(0, len(body), 5):
            changed = bytes([*body[:at], body[at] ^ 0x80, *body[at + 1 :]])
            with pytest.raises(SealedError) as refused:
                unseal(
                    with_spec(data, ciphertext=b64(changed)), PASSPHRASE, allow_unauthenticated=True
                )
            told.add((refused.value.code, refused.value.message))

    assert len(told) == 1
    assert told.pop()[0] == "MA1502"


def test_documents_are_compressed_where_that_makes_them_smaller() -> None:
    plaintext = b"sysctls: {}\n" * 5000
    data = sealed(plaintext)

    assert len(data.spec.ciphertext) < 1000
    assert unseal(data, PASSPHRASE) == plaintext


def test_documents_that_come_compressed_open_to_what_is_in_them() -> None:
    assert unseal(sealed(gzip.compress(DOCUMENT, mtime=0)), PASSPHRASE) == DOCUMENT


def test_a_plaintext_that_grows_is_read_to_its_limit() -> None:
    data = sealed(gzip.compress(bytes(1 << 20)))

    assert len(unseal(data, PASSPHRASE, most=1 << 20)) == 1 << 20
    with pytest.raises(SealedError) as refused:
        unseal(data, PASSPHRASE, most=(1 << 20) - 1)
    assert refused.value.code == "MA1503"


@pytest.mark.parametrize(
    "damaged",
    [
        gzip.compress(DOCUMENT, mtime=0)[:-1],
        gzip.compress(DOCUMENT, mtime=0) + b"x",
        b"\x1f\x8b\x00",
    ],
)
def test_damaged_gzip_is_told_where_the_author_is_known(damaged: bytes) -> None:
    with pytest.raises(SealedError) as refused:
        unseal(sealed(damaged), PASSPHRASE)
    assert refused.value.code == "MA1504"


def test_iterations_may_be_a_text_of_digits() -> None:
    assert unseal(with_spec(sealed(), iterations="10000"), PASSPHRASE) == DOCUMENT


def test_base64_may_have_line_breaks() -> None:
    data = sealed(os.urandom(90))
    wrapped = base64.encodebytes(base64.b64decode(data.spec.ciphertext)).decode()

    assert unseal(with_spec(data, ciphertext=wrapped), PASSPHRASE) == unseal(data, PASSPHRASE)


@pytest.mark.parametrize("word", ["", "x" * 4097])
def test_what_is_no_passphrase_is_refused(word: str) -> None:
    with pytest.raises(ConfigError) as refused:
        seal(DOCUMENT, Secret(word), provider="vault", random=counting())
    assert refused.value.code == "MA1512"


def test_more_than_a_document_holds_is_refused() -> None:
    with pytest.raises(ConfigError) as refused:
        sealed(os.urandom(3 << 20))
    assert refused.value.code == "MA1509"


def test_a_shorter_digest_costs_twice() -> None:
    """PBKDF2 gives 64 bytes by one block of SHA-512, and by two of SHA-256."""
    assert rounds(sealed()) == 10000
    assert rounds(sealed(digest="sha-256")) == 20000


def test_yaml_says_all_parameters_whatever_their_defaults() -> None:
    written = to_yaml(sealed(iterations=50000)).decode()

    for line in (
        'cipherAlgorithm: "aes-256-cbc"',
        'digestAlgorithm: "sha-512"',
        'keyDerivationAlgorithm: "pbkdf2"',
        "iterations: 50000",
    ):
        assert line in written
