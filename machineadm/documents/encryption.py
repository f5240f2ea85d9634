"""EncryptedData: encrypt further documents with a passphrase, and decrypt them again.

Keys: 64 bytes of PBKDF2 (RFC 8018); the first 32 are the cipher's, the last 32 the MAC's. The MAC, or with GCM the
additional data, covers every parameter that decides how the ciphertext is read, each preceded by its length.
"""

from __future__ import annotations

import base64
import zlib
from collections.abc import Callable
from typing import Final, Literal

from machineadm.api.finding import Finding
from machineadm.api.formats import without_blanks
from machineadm.api.v1alpha1.encrypted_data import EncryptedData, EncryptedDataSpec
from machineadm.documents.encoding import encode_yaml
from machineadm.documents.source import MAX_BYTES
from machineadm.errors import ConfigError, VerificationError
from machineadm.redaction import Secret

Cipher = Literal["aes-256-cbc", "aes-256-gcm"]
Digest = Literal["sha-512", "sha-256"]

# Far beyond any passphrase: who names a wrong file is told so. HMAC would hash a longer one down to
# a block anyway (RFC 2104, 2).
MAX_PASSPHRASE: Final = 4096
"""Bytes of the longest passphrase."""

# First in what the MAC covers: a MAC of another format under the same key can never be one of ours.
_CONTEXT: Final = b"machineadm/EncryptedData/v1alpha1"
_MAX_CIPHERTEXT: Final = 4194304 // 4 * 3
_BLOCK: Final = 16
# A block of AES for CBC. GCM takes other lengths than 96 bits only by hashing them first (NIST SP
# 800-38D, 7.1).
_IV: Final = {"aes-256-cbc": 16, "aes-256-gcm": 12}
# Bytes that are decompressed at a time.
_PART: Final = 1024 * 1024
_GZIP: Final = b"\x1f\x8b"
_GZIP_WINDOW: Final = 31  # zlib's word for: a gzip header, the largest window

# One text for both causes: they cannot be told apart, and a difference would help who tries
# passphrases or bytes.
_CLOSED: Final = Finding(
    code="MA1502",
    path="spec.ciphertext",
    message="cannot be decrypted: the passphrase is wrong, or the data was changed",
    hint="compare the passphrase with the one it was encrypted with; if it is right, get the data again from its source",
)


class SealedError(VerificationError):
    """An EncryptedData does not open.

    Args:
        finding: Why.
    """

    def __init__(self, finding: Finding) -> None:
        super().__init__(finding.code, finding.message, hint=finding.hint)
        self.finding = finding


def passphrase_of(data: bytes, *, name: str) -> Secret:
    """Read a passphrase as a file, a descriptor or the data of a Secret holds it.

    Args:
        data: Its bytes; one trailing newline, which editors and `echo` write, is not part of it.
        name: Where it comes from, for the message.

    Returns:
        The text; bytes that are not UTF-8 become surrogates (`surrogateescape`).

    Raises:
        ConfigError: MA1512: It is empty or too long.
    """
    word = data.removesuffix(b"\n")
    _require_fit(word, f"the passphrase in {name}")
    # A passphrase is bytes to PBKDF2 and text to Secret; surrogateescape takes any bytes there and
    # back.
    return Secret(word.decode("utf-8", "surrogateescape"))


def seal(
    plaintext: bytes,
    passphrase: Secret,
    *,
    provider: str,
    random: Callable[[int], bytes],
    cipher: Cipher = "aes-256-cbc",
    digest: Digest = "sha-512",
    iterations: int = 50000,
) -> EncryptedData:
    """Encrypt documents.

    Args:
        plaintext: The bytes of a stream of documents, plain or gzip; they are not parsed.
            Plain bytes are compressed if that makes them smaller.
        passphrase: As `passphrase_of` returns it.
        provider: Tells the machine which passphrase to use.
        random: Returns that many random bytes, like `os.urandom`; called for the salt, then for the iv.
        cipher: One of the two.
        digest: Of the key derivation.
        iterations: Rounds of the key derivation, 10,000 to 10,000,000.

    Raises:
        ConfigError: MA1509: The ciphertext is larger than one document may be. MA1512: The passphrase is unfit.
    """
    body = _compressed(plaintext)
    if len(body) + _BLOCK > _MAX_CIPHERTEXT:
        raise ConfigError(
            "MA1509",
            f"{len(body)} bytes, compressed, are more than one EncryptedData may hold ({_MAX_CIPHERTEXT - _BLOCK})",
            hint="split the documents into several",
        )
    # Fresh for every document: a repeated nonce under one key breaks GCM, and the salt makes the
    # key new.
    salt, iv = random(_BLOCK), random(_IV[cipher])
    parameters = EncryptedDataSpec(
        provider=provider,
        ciphertext="",
        salt=_text(salt),
        iv=_text(iv),
        cipher_algorithm=cipher,
        digest_algorithm=digest,
        iterations=iterations,
    )
    cipher_key, mac_key = _keys(parameters, passphrase)
    ciphertext, mac = _encrypt(parameters, body, cipher_key, mac_key)
    return EncryptedData(
        api_version="bootstrap.cluster.x-k8s.io/v1alpha1",
        kind="EncryptedData",
        spec=EncryptedDataSpec(
            provider=provider,
            cipher_algorithm=cipher,
            digest_algorithm=digest,
            iterations=iterations,
            salt=parameters.salt,
            iv=parameters.iv,
            mac=_text(mac) if mac else None,
            ciphertext=_text(ciphertext),
        ),
    )


def unseal(
    data: EncryptedData,
    passphrase: Secret,
    *,
    allow_unauthenticated: bool = False,
    most: int = MAX_BYTES,
) -> bytes:
    """Open an EncryptedData.

    Args:
        data: As it was read.
        passphrase: As of `seal`.
        allow_unauthenticated: Also open data without integrity: `aes-256-cbc` without `mac`.
        most: Bytes of plaintext that are read at most.

    Returns:
        The bytes of further documents, decompressed.

    Raises:
        SealedError: It does not open. A wrong passphrase and a changed byte give the same error.
        ConfigError: MA1512: The passphrase is unfit.
    """
    spec = data.spec
    # One is enough here: whoever reads documents calls unfit() first and tells all.
    for finding in unfit(data, allow_unauthenticated=allow_unauthenticated):
        raise SealedError(finding)
    cipher_key, mac_key = _keys(spec, passphrase)
    body = _decrypt(spec, cipher_key, mac_key)
    authentic = is_authenticated(data)
    try:
        plaintext = _decompressed(body, most)
        if not authentic:
            plaintext.decode()  # a wrong passphrase must not show by what is wrong after it
    except (zlib.error, UnicodeDecodeError):
        raise SealedError(_DAMAGED if authentic else _CLOSED) from None
    return plaintext


def unfit(data: EncryptedData, *, allow_unauthenticated: bool = False) -> list[Finding]:
    """Find all that is wrong with the parameters, whatever the passphrase is.

    Args:
        data: As it was read, all of it typed.
        allow_unauthenticated: As of `unseal`.
    """
    spec = data.spec
    found = [
        _unfit(name, "is not base64 that an encoder would write")
        for name in ("ciphertext", "salt", "iv", "mac")
        if (text := getattr(spec, name)) is not None and not _is_canonical(text)
    ]
    if found:
        return found
    return [*_lengths(spec), *_mac(spec, allow_unauthenticated=allow_unauthenticated)]


def to_yaml(data: EncryptedData) -> bytes:
    """Write one document with all parameters, so that it still opens when the defaults change."""
    spec = data.spec
    # Field by field, since msgspec would leave out what equals its default.
    names = zip(spec.__struct_encode_fields__, spec.__struct_fields__, strict=True)
    plain = {
        encoded: value for encoded, name in names if (value := getattr(spec, name)) is not None
    }
    return encode_yaml({"apiVersion": data.api_version, "kind": data.kind, "spec": plain})


def rounds(data: EncryptedData) -> int:
    """Return the cost of opening, in rounds of one block of the digest."""
    # 64 bytes of key are one block of SHA-512 and two of SHA-256, and PBKDF2 pays all rounds for
    # each block (RFC 8018, 5.2).
    blocks = 1 if data.spec.digest_algorithm == "sha-512" else 2
    return int(data.spec.iterations) * blocks


def is_authenticated(data: EncryptedData) -> bool:
    """Whether a change would be noticed."""
    return data.spec.cipher_algorithm == "aes-256-gcm" or data.spec.mac is not None


TOO_LARGE: Final = Finding(
    code="MA1503",
    path="spec.ciphertext",
    message=f"up to here the stream decrypts to more than {MAX_BYTES} bytes",
    hint="put large contents elsewhere and fetch them",
)
_DAMAGED: Final = Finding(
    code="MA1504",
    path="spec.ciphertext",
    message="decrypts to damaged gzip",
    hint="it was damaged before encryption; encrypt the documents again",
)


def _lengths(spec: EncryptedDataSpec) -> list[Finding]:
    found = []
    # 128 bits, the least that NIST SP 800-132, 5.1 allows.
    if (length := len(_bytes(spec.salt))) < _BLOCK:
        found.append(_unfit("salt", f"has {length} bytes, fewer than {_BLOCK}"))
    if (length := len(_bytes(spec.iv))) != (wanted := _IV[spec.cipher_algorithm]):
        found.append(_unfit("iv", f"has {length} bytes, {spec.cipher_algorithm} needs {wanted}"))
    length = len(_bytes(spec.ciphertext))
    if spec.cipher_algorithm == "aes-256-cbc" and length % _BLOCK:
        found.append(_unfit("ciphertext", f"has {length} bytes, not a multiple of {_BLOCK}"))
    if length < _BLOCK:
        found.append(_unfit("ciphertext", f"has {length} bytes, fewer than {_BLOCK}"))
    return found


def _mac(spec: EncryptedDataSpec, *, allow_unauthenticated: bool) -> list[Finding]:
    if spec.cipher_algorithm == "aes-256-gcm":
        # Refused and not ignored: a field that looks like protection and is never looked at would
        # be a lie.
        refused = "is not allowed with aes-256-gcm, which has its own tag"
        return [] if spec.mac is None else [_unfit("mac", refused)]
    if spec.mac is not None:
        length = len(_bytes(spec.mac))
        return [] if length == 64 else [_unfit("mac", f"has {length} bytes, HMAC-SHA-512 has 64")]
    return [] if allow_unauthenticated else [_UNAUTHENTICATED]


_UNAUTHENTICATED: Final = Finding(
    code="MA1507",
    path="spec.mac",
    message="is missing, so nothing protects the ciphertext from changes (aes-256-cbc alone has no integrity)",
    hint="encrypt it again with `machineadm encrypt`; --allow-unauthenticated-encryption opens it anyway",
)


def _unfit(field: str, message: str) -> Finding:
    return Finding(
        code="MA1508",
        path=f"spec.{field}",
        message=message,
        hint="get the EncryptedData again from where it was encrypted",
    )


def _keys(spec: EncryptedDataSpec, passphrase: Secret) -> tuple[bytes, bytes]:
    from cryptography.hazmat.primitives import hashes
    from cryptography.hazmat.primitives.kdf.pbkdf2 import PBKDF2HMAC

    word = passphrase.reveal().encode("utf-8", "surrogateescape")
    # Again: one that a plugin gives has not been through passphrase_of().
    _require_fit(word, "the passphrase")
    digest = hashes.SHA512() if spec.digest_algorithm == "sha-512" else hashes.SHA256()
    # Not hashlib's: with Debian 12's OpenSSL 3.0 this one is a third faster, and it is most of the cost of opening.
    key = PBKDF2HMAC(digest, 64, _bytes(spec.salt), int(spec.iterations)).derive(word)
    # Independent keys for cipher and MAC: encrypt-then-MAC is proven secure only with these.
    return key[:32], key[32:]


def _require_fit(word: bytes, name: str) -> None:
    if not 0 < len(word) <= MAX_PASSPHRASE:
        what = "is empty" if not word else f"has more than {MAX_PASSPHRASE} bytes"
        raise ConfigError("MA1512", f"{name} {what}", hint="check what wrote it")


def _encrypt(
    spec: EncryptedDataSpec, body: bytes, cipher_key: bytes, mac_key: bytes
) -> tuple[bytes, bytes]:
    """Return ciphertext and MAC; with GCM the tag follows the ciphertext, and the MAC is empty."""
    if spec.cipher_algorithm == "aes-256-gcm":
        from cryptography.hazmat.primitives.ciphers.aead import AESGCM

        return AESGCM(cipher_key).encrypt(_bytes(spec.iv), body, _fields(spec)), b""
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    padding = _BLOCK - len(body) % _BLOCK
    encryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(_bytes(spec.iv))).encryptor()
    # Encrypt, then MAC: so the reader checks the MAC before it looks at any padding, and there is
    # no padding oracle.
    ciphertext = encryptor.update(body + bytes([padding]) * padding) + encryptor.finalize()
    return ciphertext, _hmac(spec, ciphertext, mac_key)


def _decrypt(spec: EncryptedDataSpec, cipher_key: bytes, mac_key: bytes) -> bytes:
    import hmac

    ciphertext = _bytes(spec.ciphertext)
    if spec.cipher_algorithm == "aes-256-gcm":
        return _decrypt_gcm(spec, ciphertext, cipher_key)
    if spec.mac is not None:
        wanted = _hmac(spec, ciphertext, mac_key)
        # Before decryption, and in constant time.
        if not hmac.compare_digest(wanted, _bytes(spec.mac)):
            raise SealedError(_CLOSED)
    from cryptography.hazmat.primitives.ciphers import Cipher, algorithms, modes

    decryptor = Cipher(algorithms.AES(cipher_key), modes.CBC(_bytes(spec.iv))).decryptor()
    padded = decryptor.update(ciphertext) + decryptor.finalize()
    # Without a MAC a wrong passphrase shows here most of the time, and gets the same error as a
    # changed byte.
    padding = padded[-1]
    if not (0 < padding <= _BLOCK and padded.endswith(bytes([padding]) * padding)):
        raise SealedError(_CLOSED)
    return padded[:-padding]


def _decrypt_gcm(spec: EncryptedDataSpec, ciphertext: bytes, cipher_key: bytes) -> bytes:
    from cryptography.exceptions import InvalidTag
    from cryptography.hazmat.primitives.ciphers.aead import AESGCM

    try:
        return AESGCM(cipher_key).decrypt(_bytes(spec.iv), ciphertext, _fields(spec))
    except InvalidTag:
        raise SealedError(_CLOSED) from None


def _hmac(spec: EncryptedDataSpec, ciphertext: bytes, mac_key: bytes) -> bytes:
    import hmac

    return hmac.digest(mac_key, _fields(spec) + _field(ciphertext), "sha512")


def _fields(spec: EncryptedDataSpec) -> bytes:
    """Encode all parameters that decide how the ciphertext is read; different parameters never give the same bytes."""
    words = (
        # A document moved to another provider's passphrase must not open by chance of an equal
        # passphrase.
        spec.provider,
        spec.cipher_algorithm,
        spec.digest_algorithm,
        spec.key_derivation_algorithm,
        str(int(spec.iterations)),
    )
    fields = (_CONTEXT, *(word.encode() for word in words), _bytes(spec.salt), _bytes(spec.iv))
    return b"".join(map(_field, fields))


def _field(value: bytes) -> bytes:
    # A length before each: without it the end of one field could move into the next, and the MAC
    # would still fit.
    return len(value).to_bytes(8, "big") + value


def _compressed(plaintext: bytes) -> bytes:
    # Already compressed: a second pass makes it larger, and the reader undoes one only.
    if plaintext.startswith(_GZIP):
        return plaintext
    packer = zlib.compressobj(9, zlib.DEFLATED, _GZIP_WINDOW)  # writes no time and no name
    packed = packer.compress(plaintext) + packer.flush()
    return packed if len(packed) < len(plaintext) else plaintext


def _decompressed(body: bytes, most: int) -> bytes:
    """Return plain bytes as they are, and gzip decompressed.

    Raises:
        SealedError: It is too large.
        zlib.error: It begins like gzip but is not, is cut off, or has data after its end.
    """
    # By its first bytes and not by a field: an encryptor that is a shell script may or may not
    # compress.
    plaintext = body
    if body.startswith(_GZIP):
        from io import BytesIO

        unpacker, whole, rest = zlib.decompressobj(_GZIP_WINDOW), BytesIO(), body
        # In parts, so that a bomb ends at the limit, and so that the result is never in memory twice.
        while not unpacker.eof and (part := unpacker.decompress(rest, _PART)):
            if whole.tell() + len(part) > most:
                raise SealedError(TOO_LARGE)
            whole.write(part)
            rest = unpacker.unconsumed_tail
        # Data behind the gzip would be authentic and never read: someone sealed more than is
        # applied.
        if not unpacker.eof or unpacker.unused_data:
            raise zlib.error("cut off, or followed by other data")
        plaintext = whole.getvalue()
    if len(plaintext) > most:
        raise SealedError(TOO_LARGE)
    return plaintext


def _is_canonical(text: str) -> bool:
    """Whether it is base64 with zero unused bits: otherwise several texts would decode to the same bytes."""
    try:
        return _text(_bytes(text)).encode() == without_blanks(text)
    except ValueError:
        return False


def _bytes(text: str) -> bytes:
    return base64.b64decode(without_blanks(text), validate=True)


def _text(data: bytes) -> str:
    return base64.b64encode(data).decode()
