"""Encryption provider `aws`: passphrases that a key of KMS has encrypted, from the settings or from objects of S3.

What KMS encrypted is bound to the provider's name by its encryption context, `{"machineadm-provider": NAME}`: the ciphertext of another
name is refused by KMS, and a key's policy can allow a machine some names alone (`kms:EncryptionContext:machineadm-provider`).
"""

from __future__ import annotations

import base64
import binascii
import json
import re
from typing import Any, ClassVar

from machineadm.plugins.sdk import CallError, EncryptionProvider, serve
from machineadm.plugins.sdk.aws import BYTES, SETTINGS, Account, object_url
from machineadm.plugins.sdk.web import AbsentError, Web, require_url

CONTEXT = "machineadm-provider"
MOST = 4096
"""Bytes of a passphrase: what KMS encrypts at most."""

MOST_CIPHERTEXT = 6144
"""Bytes of what KMS decrypts at most."""

# A DNS label, so that it can be part of an object's key without being encoded.
_NAME = r"[a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?"


class Aws(EncryptionProvider):
    """Asks KMS to decrypt."""

    version = "0.1.0"
    description = "passphrases encrypted by KMS, in S3 or in the settings"
    settings_schema: ClassVar = {
        "type": "object",
        "required": ["region"],
        "properties": {
            **SETTINGS,
            "passphrases": {
                "type": "object",
                "additionalProperties": {"type": "string"},
                "description": "what KMS encrypted, in base64, by the provider's name",
            },
            "bucket": {"type": "string", "description": "where the other ones are, as PREFIXNAME"},
            "prefix": {"type": "string", "description": "before the names in the bucket"},
            "keyId": {
                "type": "string",
                "description": "the key that must have encrypted, and that encrypts what is stored",
            },
            "endpoint": {"type": "string", "description": "of an S3 that is not Amazon's"},
            "kmsEndpoint": {
                "type": "string",
                "description": "of KMS; default https://kms.REGION.amazonaws.com",
            },
        },
    }

    def __init__(self) -> None:
        self._web = Web()
        self._account: Account | None = None
        self._passphrases: dict[str, bytes] = {}
        self._bucket = self._prefix = self._key = self._endpoint = self._kms = ""

    def configure(self, settings: dict[str, Any]) -> None:
        """See `Kind`.

        Raises:
            CallError: They are unfit.
        """
        if unknown := settings.keys() - self.settings_schema["properties"].keys():
            raise CallError(f"there is no setting {min(unknown)!r}")
        texts = {name: value for name, value in settings.items() if name != "passphrases"}
        if odd := [name for name, value in texts.items() if not isinstance(value, str)]:
            raise CallError(f"{odd[0]} must be a string")
        # All is judged before any of it is kept: settings that are refused change nothing.
        account = Account(self._web, texts)
        endpoint = texts.get("endpoint", "")
        kms = texts.get("kmsEndpoint", f"https://kms.{account.region}.amazonaws.com")
        for url in filter(None, (endpoint, kms)):
            require_url(url)
        self._passphrases = _ciphertexts(settings.get("passphrases", {}))
        self._account = account
        self._endpoint, self._kms = endpoint.rstrip("/"), kms.rstrip("/")
        self._bucket, self._prefix = texts.get("bucket", ""), texts.get("prefix", "")
        self._key = texts.get("keyId", "")

    def fetch_passphrase(self, provider: str) -> bytes:
        """See `EncryptionProvider`.

        Raises:
            CallError: There is none, or KMS does not decrypt it.
        """
        _require_name(provider)
        # The settings first: they are on the machine, and need no right to the bucket.
        ciphertext = self._passphrases.get(provider) or self._object(provider)
        request = {
            "CiphertextBlob": base64.b64encode(ciphertext).decode(),
            "EncryptionContext": {CONTEXT: provider},
            # Named, KMS decrypts with no other key; the ciphertext of a foreign account would do
            # otherwise.
            **({"KeyId": self._key} if self._key else {}),
        }
        return self._told("Decrypt", request, "Plaintext")

    def store_passphrase(self, provider: str, passphrase: bytes) -> None:
        """See `EncryptionProvider`.

        Raises:
            CallError: It is unfit, or cannot be encrypted or written.
        """
        _require_name(provider)
        if not 0 < len(passphrase) <= MOST:
            raise CallError(f"a passphrase has 1 to {MOST} bytes, as KMS encrypts no more")
        if not self._key:
            raise CallError("the setting keyId says what encrypts, and is missing")
        # What is in the settings hides the bucket's: to store it there would change nothing.
        self._require_changeable(provider)
        request = {
            "KeyId": self._key,
            "Plaintext": base64.b64encode(passphrase).decode(),
            "EncryptionContext": {CONTEXT: provider},
        }
        self._ask("PUT", provider, self._told("Encrypt", request, "CiphertextBlob"))

    def delete_passphrase(self, provider: str) -> None:
        """See `EncryptionProvider`.

        Raises:
            CallError: It cannot be removed.
        """
        _require_name(provider)
        self._require_changeable(provider)
        try:
            self._ask("DELETE", provider, b"")
        except AbsentError:
            pass

    def _object(self, provider: str) -> bytes:
        """What KMS encrypted, from the bucket.

        Raises:
            CallError: It is not there.
        """
        if not self._bucket:
            raise CallError(f"neither passphrases nor a bucket has {provider}")
        return self._ask("GET", provider, b"")

    def _require_changeable(self, provider: str) -> None:
        if provider in self._passphrases:
            raise CallError(f"{provider} is in the settings, and is changed there")
        if not self._bucket:
            raise CallError("the setting bucket says where passphrases are stored, and is missing")

    def _ask(self, method: str, provider: str, data: bytes) -> bytes:
        account = self._who()
        location = f"s3://{self._bucket}/{self._prefix}{provider}"
        url = object_url(location, account.region, self._endpoint)
        # GET and DELETE without a body: urllib would give them a content type, which is not signed.
        body, extra = (data, BYTES) if method == "PUT" else (None, {})
        headers = account.signed(method, url, data, service="s3", headers=extra)
        # One more than is good, to tell what is too large from what just fits.
        found = self._web.whole(method, url, body, headers=headers, most=MOST_CIPHERTEXT + 1)
        if method == "GET" and not 0 < len(found) <= MOST_CIPHERTEXT:
            raise CallError(f"{location} is empty, or larger than {MOST_CIPHERTEXT} bytes")
        return found

    def _told(self, action: str, request: dict[str, Any], field: str) -> bytes:
        """Have KMS do something; the bytes in a field of its answer.

        Raises:
            CallError: It refuses.
        """
        account = self._who()
        url, body = f"{self._kms}/", json.dumps(request).encode()
        headers = account.signed(
            "POST",
            url,
            body,
            service="kms",
            headers={
                # KMS's protocol (AWS JSON 1.1): the action is in a header, and both headers are
                # signed.
                "content-type": "application/x-amz-json-1.1",
                "x-amz-target": f"TrentService.{action}",
            },
        )
        answer = self._web.whole("POST", url, body, headers=headers, explain=_refusal)
        try:
            return base64.b64decode(json.loads(answer)[field], validate=True)
        except (ValueError, KeyError, TypeError, RecursionError):
            raise CallError(f"KMS does not answer {action} as it should") from None

    def _who(self) -> Account:
        if self._account is None:
            raise CallError("the setting region is missing")
        return self._account


def _ciphertexts(given: object) -> dict[str, bytes]:
    """What the settings have, read.

    Raises:
        CallError: Something of it is unfit.
    """
    if not isinstance(given, dict):
        raise CallError("passphrases must be an object")
    found = {}
    for name, text in given.items():
        _require_name(name)
        try:
            found[name] = base64.b64decode(text, validate=True)
        except (ValueError, TypeError, binascii.Error):
            raise CallError(f"passphrases: {name} is not base64") from None
        # An empty one is no ciphertext, and would be looked for in the bucket in silence.
        if not found[name]:
            raise CallError(f"passphrases: {name} is empty")
    return found


def _require_name(provider: str) -> None:
    if not re.fullmatch(_NAME, provider):
        raise CallError("a provider's name is lower-case letters, digits and hyphens")


def _refusal(body: bytes) -> str:
    """The kind of a refusal of KMS, such as AccessDeniedException: its message may name accounts."""
    try:
        kind = str(json.loads(body)["__type"]).rpartition("#")[2]
    except (ValueError, KeyError, TypeError, RecursionError):
        return ""
    # What a server says goes into an error: its kind alone, and only in letters.
    return kind if re.fullmatch(r"[A-Za-z0-9.]{1,100}", kind) else ""


if __name__ == "__main__":
    serve(Aws())
