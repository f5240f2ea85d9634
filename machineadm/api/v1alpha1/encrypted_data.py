"""EncryptedData: inline ciphertext that contains more documents."""

from typing import Annotated, Literal

from msgspec import Meta

from machineadm.api.meta import ApiStruct, Base64, LabelName, ObjectMeta

ShortBase64 = Annotated[
    str, Meta(min_length=4, max_length=512, extra={"oneLine": True, "format": "base64"})
]
"""A few bytes in base64."""


class EncryptedDataSpec(ApiStruct, frozen=True, kw_only=True):
    """The ciphertext, and what is needed besides the passphrase to decrypt it."""

    provider: LabelName
    """Plugin that knows the passphrase, without its prefix `machineadm-plugin-encryption-provider-`."""

    ciphertext: Base64
    """The ciphertext in base64, with `aes-256-gcm` followed by the tag. The plaintext is more
    documents, plain or compressed with gzip."""

    salt: ShortBase64
    """Salt of the key derivation in base64, at least 16 bytes."""

    iv: ShortBase64
    """Initialization vector in base64: 16 bytes with `aes-256-cbc`, 12 with `aes-256-gcm`."""

    cipher_algorithm: Literal["aes-256-cbc", "aes-256-gcm"] = "aes-256-cbc"
    """Cipher. Default `aes-256-cbc`, which `openssl enc` supports, together with `mac`."""

    digest_algorithm: Literal["sha-512", "sha-256"] = "sha-512"
    """Digest of the key derivation. Default `sha-512`."""

    key_derivation_algorithm: Literal["pbkdf2"] = "pbkdf2"
    """Key derivation: PBKDF2 with HMAC (RFC 8018), the only one and the default."""

    iterations: (
        Annotated[int, Meta(ge=10000, le=10000000)]
        | Annotated[
            str,
            Meta(
                min_length=5,
                max_length=8,
                extra={"oneLine": True, "pattern": "^([1-9][0-9]{4,6}|10000000)$"},
            ),
        ]
    ) = 50000
    """Iterations of the key derivation, 10000 to 10000000. A string of digits is also accepted; an
    integer is written. Default 50000."""

    mac: ShortBase64 | None = None
    """HMAC-SHA-512 in base64 over the parameters and the ciphertext; required with `aes-256-cbc`, which
    has no integrity check of its own, and refused with `aes-256-gcm`, which has one."""


class EncryptedData(ApiStruct, frozen=True, kw_only=True):
    """Inline ciphertext that contains more documents, at most four levels deep."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["EncryptedData"]
    """`EncryptedData`."""

    metadata: ObjectMeta | None = None
    """Name and labels; not needed on a machine."""

    spec: EncryptedDataSpec
    """The ciphertext and its parameters."""
