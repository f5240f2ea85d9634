"""A bucket of Google Cloud Storage.

Written from cloud.google.com: "V4 signing process with your own program", "Using OAuth 2.0 for Server to Server Applications", and the JSON API.
"""

from __future__ import annotations

import base64
import hashlib
import ssl
from collections.abc import Callable, Mapping
from datetime import datetime, timezone
from typing import TYPE_CHECKING, Any, Final, TypeVar
from urllib.parse import quote, urlsplit

import aiohttp
import msgspec
from yarl import URL

from machineadm.api.infrastructure.v1alpha1.gcs import GCSBootstrapStoreSpec
from machineadm.controllers.runtime.recent import Recent
from machineadm.controllers.stores.answers import UnansweredError, ask
from machineadm.controllers.stores.port import StoreError
from machineadm.controllers.stores.signing import LONGEST, encoded

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric import rsa

_ENDPOINT: Final = "https://storage.googleapis.com"
_TOKENS: Final = "https://oauth2.googleapis.com/token"
_SCOPE: Final = "https://www.googleapis.com/auth/devstorage.read_write"
_METADATA: Final = (
    "http://metadata.google.internal/computeMetadata/v1/instance/service-accounts/default/token"
)
_ALGORITHM: Final = "GOOG4-RSA-SHA256"
_GRANT: Final = "urn:ietf:params:oauth:grant-type:jwt-bearer"
_BOUNDARY: Final = "machineadm-object"

_TIMEOUT: Final = 30.0
_AGAIN: Final = 10.0
_UNKNOWN_AGAIN: Final = 60.0
_NOT_HAMMERED: Final = 300.0
_MARGIN: Final = 300.0
"""Seconds before its end at which a token is asked for anew."""

_LARGEST_ANSWER: Final = 65536
_MOST: Final = 100
"""Tokens that are kept."""

_LARGEST_LIST: Final = 4 * 1024 * 1024

_Type = TypeVar("_Type")


def is_googles(endpoint: str) -> bool:
    """Whether an endpoint is Google's own: a bearer token works wherever it is shown, so the manager's goes nowhere else."""
    try:
        parts = urlsplit(endpoint)
        port = parts.port
    except ValueError:
        return False
    host = parts.hostname or ""
    named = host == "storage.googleapis.com" or host.endswith(".googleapis.com")
    return parts.scheme == "https" and named and port in (None, 443) and "@" not in parts.netloc


class _File(msgspec.Struct, frozen=True):
    client_email: str
    private_key: str
    token_uri: str = _TOKENS


class _Token(msgspec.Struct, frozen=True):
    access_token: str
    expires_in: float


class _Name(msgspec.Struct, frozen=True):
    name: str


class _List(msgspec.Struct, frozen=True):
    items: tuple[_Name, ...] = ()


class ServiceAccount:
    """Who asks, by the file of a service account.

    Args:
        data: The file, JSON.

    Raises:
        StoreError: It is none.
    """

    def __init__(self, data: bytes) -> None:
        from cryptography.hazmat.primitives.asymmetric import rsa
        from cryptography.hazmat.primitives.serialization import load_pem_private_key

        try:
            read = msgspec.json.decode(data, type=_File)
            key = load_pem_private_key(read.private_key.encode(), None)
        except (msgspec.MsgspecError, UnicodeError, ValueError, TypeError, RecursionError):
            key = None
        # Never what it says: the key is in it.
        if not isinstance(key, rsa.RSAPrivateKey):
            raise _failed("spec.credentials.secret is not the JSON file of a service account")
        self.email, self.tokens = read.client_email, read.token_uri
        self.digest = hashlib.sha256(data).hexdigest()
        self._key: rsa.RSAPrivateKey = key

    def sign(self, data: bytes) -> bytes:
        """Sign with the account's key (RSASSA-PKCS1-v1_5, SHA-256)."""
        from cryptography.hazmat.primitives import hashes
        from cryptography.hazmat.primitives.asymmetric import padding

        return self._key.sign(data, padding.PKCS1v15(), hashes.SHA256())

    def assertion(self, now: float) -> str:
        """What is shown for a token (RFC 7523)."""
        claims = {
            "iss": self.email,
            "scope": _SCOPE,
            "aud": self.tokens,
            "iat": int(now),
            "exp": int(now) + 3600,
        }
        text = f"{_part({'alg': 'RS256', 'typ': 'JWT'})}.{_part(claims)}"
        return f"{text}.{_plain(self.sign(text.encode()))}"

    def url(self, method: str, url: str, now: float, lasts: int) -> str:
        """A URL that lets whoever has it do one thing.

        Args:
            method: What.
            url: Encoded already, without a query.
            now: Seconds since 1970.
            lasts: Seconds for which it is good.
        """
        time = datetime.fromtimestamp(now, timezone.utc).strftime("%Y%m%dT%H%M%SZ")
        scope = f"{time[:8]}/auto/storage/goog4_request"
        query = encoded(
            {
                "X-Goog-Algorithm": _ALGORITHM,
                "X-Goog-Credential": f"{self.email}/{scope}",
                "X-Goog-Date": time,
                "X-Goog-Expires": str(lasts),
                "X-Goog-SignedHeaders": "host",
            }
        )
        parts = urlsplit(url)
        lines = [method, parts.path, query, f"host:{parts.netloc}", "", "host", "UNSIGNED-PAYLOAD"]
        hashed = hashlib.sha256("\n".join(lines).encode()).hexdigest()
        signed = self.sign("\n".join([_ALGORITHM, time, scope, hashed]).encode()).hex()
        return f"{url}?{query}&X-Goog-Signature={signed}"


class Tokens:
    """Asks for access tokens, and keeps them until shortly before their end.

    Args:
        session: Makes the calls.
        now: Seconds since 1970.
        metadata: Where a machine or a pod of Google's is told its own.
    """

    def __init__(
        self, session: aiohttp.ClientSession, *, now: Callable[[], float], metadata: str = _METADATA
    ) -> None:
        self._session = session
        self._now = now
        self._metadata = metadata
        self._known = Recent[str, tuple[str, float]](_MOST)

    async def token(self, account: ServiceAccount | None) -> str:
        """Get a token.

        Args:
            account: Whose; None: that of the pod or machine.

        Raises:
            StoreError: There is none.
        """
        # By the whole file: name and address are public, and whoever gives another's with a key of their own must
        # not get the other's token.
        whose = "" if account is None else account.digest
        token, until = self._known.get(whose) or ("", 0.0)
        if self._now() < until - _MARGIN:
            return token
        if account is None:
            answer = await self._asked("GET", self._metadata, {"Metadata-Flavor": "Google"}, None)
        else:
            data = encoded({"grant_type": _GRANT, "assertion": account.assertion(self._now())})
            kind = {"Content-Type": "application/x-www-form-urlencoded"}
            answer = await self._asked("POST", account.tokens, kind, data.encode())
        found = _token(answer)
        self._known.put(whose, (found.access_token, self._now() + found.expires_in))
        return found.access_token

    async def _asked(
        self, method: str, url: str, headers: Mapping[str, str], data: bytes | None
    ) -> bytes:
        try:
            where = urlsplit(url).hostname
        except ValueError:
            raise _failed("token_uri of the service account's file is not a URL") from None
        try:
            answer = await ask(
                self._session,
                method,
                url,
                headers=headers,
                timeout=_TIMEOUT,
                most=_LARGEST_ANSWER,
                data=data,
            )
        except UnansweredError:
            raise _failed(f"{where} does not answer") from None
        if answer.status != 200:
            raise _failed(f"{where} answers with HTTP {answer.status}")
        return answer.data


class GcsBucket:
    """A bucket.

    Args:
        session: Makes the calls.
        spec: Of the GCSBootstrapStore.
        name: Its name, for messages.
        token: Of the manager's requests.
        account: Signs; None: nothing is signed.
        tls: None: what the system trusts.
    """

    def __init__(
        self,
        session: aiohttp.ClientSession,
        spec: GCSBootstrapStoreSpec,
        *,
        name: str,
        token: str,
        account: ServiceAccount | None,
        tls: ssl.SSLContext | None,
    ) -> None:
        self._session = session
        self._spec = spec
        self._name = name
        self._token = token
        self._account = account
        self._tls = tls
        self._base = (spec.endpoint or _ENDPOINT).rstrip("/")

    @property
    def named(self) -> str:
        """See `Bucket`."""
        return f"GCSBootstrapStore {self._name}"

    @property
    def until(self) -> float | None:
        """See `Bucket`. A key signs for as long as it is not removed."""
        return None

    @property
    def longest(self) -> int:
        """See `Bucket`."""
        return LONGEST

    async def put(self, path: str, data: bytes) -> None:
        """See `Bucket`."""
        described = {"name": path, "contentType": "application/json", "metadata": self._spec.labels}
        head = msgspec.json.encode(described)
        body = b"".join(
            [
                f"--{_BOUNDARY}\r\nContent-Type: application/json; charset=UTF-8\r\n\r\n".encode(),
                head,
                f"\r\n--{_BOUNDARY}\r\nContent-Type: application/json\r\n\r\n".encode(),
                data,
                f"\r\n--{_BOUNDARY}--\r\n".encode(),
            ]
        )
        query = {"uploadType": "multipart"}
        if self._spec.encryption is not None:
            query["kmsKeyName"] = self._spec.encryption.kms_key_name
        kind = {"Content-Type": f"multipart/related; boundary={_BOUNDARY}"}
        url = f"{self._base}/upload/storage/v1/b/{self._spec.bucket}/o"
        if await self._call("POST", url, query, kind, body) is None:
            raise self._refused(f"there is no bucket {self._spec.bucket}")

    async def get(self, path: str, known: str, most: int) -> tuple[bytes, str] | None:
        """See `Bucket`."""
        headers = {"If-None-Match": known} if known else {}
        return await self._call("GET", self._object(path), {"alt": "media"}, headers, most=most)

    async def listed(self, prefix: str) -> list[str]:
        """See `Bucket`."""
        url = f"{self._base}/storage/v1/b/{self._spec.bucket}/o"
        query = {"prefix": prefix, "maxResults": "1000", "fields": "items(name)"}
        found = await self._call("GET", url, query, {}, most=_LARGEST_LIST)
        if found is None:
            raise self._refused(f"there is no bucket {self._spec.bucket}")
        read = _decoded(found[0], _List)
        if read is None:
            raise self._refused("its list of objects cannot be read")
        return [one.name for one in read.items]

    async def delete(self, path: str) -> None:
        """See `Bucket`."""
        await self._call("DELETE", self._object(path), {}, {})

    def signed(self, method: str, path: str, now: float, lasts: int) -> str:
        """See `Bucket`.

        Raises:
            StoreError: There is no key to sign with.
        """
        if self._account is None:
            message = (
                f"{self.named}: a URL is signed with the key of a service account (spec.credentials.secret);"
                " without one use fetch.plugin and reporting.plugin"
            )
            raise StoreError("NotSupported", message)
        url = f"{self._base}/{self._spec.bucket}/{quote(path, safe='/-_.~')}"
        return self._account.url(method, url, now, lasts)

    def location(self, path: str) -> str:
        """See `Bucket`."""
        return f"gs://{self._spec.bucket}/{path}"

    def _object(self, path: str) -> str:
        # With its slashes encoded: in this API an object's name is one segment of the path.
        return f"{self._base}/storage/v1/b/{self._spec.bucket}/o/{quote(path, safe='')}"

    async def _call(
        self,
        method: str,
        url: str,
        query: Mapping[str, str],
        headers: Mapping[str, str],
        data: bytes | None = None,
        *,
        most: int = _LARGEST_ANSWER,
    ) -> tuple[bytes, str] | None:
        """Make a call; the answer and its tag, or None where there is nothing (new).

        Raises:
            StoreError: The store refuses, or does not answer.
        """
        sent = {"Authorization": f"Bearer {self._token}", **headers}
        if self._spec.project is not None:
            sent["X-Goog-User-Project"] = self._spec.project
        try:
            status, answer, tag = await ask(
                self._session,
                method,
                # As it is: aiohttp would decode what is encoded without need.
                URL(f"{url}?{encoded(query)}" if query else url, encoded=True),
                headers=sent,
                timeout=_TIMEOUT,
                most=most,
                data=data,
                tls=self._tls,
            )
        except UnansweredError as error:
            raise self._refused(str(error)) from None
        if status in (401, 403):
            message = (
                f"{self.named} refuses the manager's credentials (HTTP {status}): they need"
                " storage.objects.create, get, list and delete"
            )
            raise StoreError("CredentialsRejected", message, again_after=_NOT_HAMMERED)
        if status in (304, 404):
            return None
        if not 200 <= status < 300:
            raise self._refused(f"HTTP {status}")
        return answer, tag

    def _refused(self, why: str) -> StoreError:
        return StoreError("WriteFailed", f"{self.named}: {why}", again_after=_AGAIN)


def _decoded(data: bytes, type_: type[_Type]) -> _Type | None:
    try:
        return msgspec.json.decode(data, type=type_)
    except (msgspec.MsgspecError, UnicodeError, RecursionError):
        return None


def _token(answer: bytes) -> _Token:
    found = _decoded(answer, _Token)
    # It becomes a header, where a second line would be another one.
    if found is None or not found.access_token or not found.access_token.isprintable():
        raise _failed("the server that was asked for a token did not send one")
    return found


def _part(value: Mapping[str, Any]) -> str:
    return _plain(msgspec.json.encode(value))


def _plain(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).rstrip(b"=").decode()


def _failed(why: str) -> StoreError:
    return StoreError(
        "StoreNotReady", f"no credentials at Google: {why}", again_after=_UNKNOWN_AGAIN
    )
