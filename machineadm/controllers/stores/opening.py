"""From the name of a store to one that can be used: its object, and the Secrets that it refers to."""

from __future__ import annotations

import base64
import hashlib
import os
import ssl
import time
from collections.abc import Callable
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from machineadm.api.formats import pem
from machineadm.api.infrastructure.v1alpha1.aws import S3BootstrapStore, S3BootstrapStoreSpec
from machineadm.api.infrastructure.v1alpha1.gcs import GCSBootstrapStore, GCSBootstrapStoreSpec
from machineadm.api.infrastructure.v1alpha1.http import HTTPBootstrapStore, HTTPBootstrapStoreSpec
from machineadm.api.meta import KeyReference
from machineadm.controllers.capi.types import Condition, Metadata
from machineadm.controllers.runtime.client import Client
from machineadm.controllers.runtime.kubeconfig import load_pair
from machineadm.controllers.runtime.recent import Recent
from machineadm.controllers.runtime.resources import (
    GCS_STORES,
    HTTP_STORES,
    INFRASTRUCTURE_GROUP,
    S3_STORES,
    SECRETS,
    STORES,
)
from machineadm.controllers.runtime.store import Cached, Key, Store
from machineadm.controllers.stores.aws import Identity
from machineadm.controllers.stores.bucket import BucketStore
from machineadm.controllers.stores.contract import ContractStore
from machineadm.controllers.stores.gcs import GcsBucket, ServiceAccount, Tokens, is_googles
from machineadm.controllers.stores.http import HttpStore, Served
from machineadm.controllers.stores.kinds import Kinds
from machineadm.controllers.stores.port import Opened, StoreError
from machineadm.controllers.stores.referring import require_bare
from machineadm.controllers.stores.s3 import S3Bucket
from machineadm.controllers.stores.signing import Signer
from machineadm.controllers.stores.tokens import key_of
from machineadm.documents.decoding import decode_kinds
from machineadm.version import VERSION

# A credential that is fixed counts within a minute; without a cache each look at each machine would
# read up to five Secrets.
_FRESH: Final = 60.0
_MOST: Final = 1000
_AGAIN: Final = 10.0

# All four that the definitions have: those without code here are refused by name, and never looked
# for as somebody else's.
_OURS: Final = frozenset(
    (INFRASTRUCTURE_GROUP, kind)
    for kind in (
        HTTP_STORES.kind,
        S3_STORES.kind,
        GCS_STORES.kind,
        "SecretsManagerBootstrapStore",
    )
)

_KINDS: Final[dict[tuple[str, str], type]] = {
    (HTTP_STORES.api_version, HTTP_STORES.kind): HTTPBootstrapStore,
    (S3_STORES.api_version, S3_STORES.kind): S3BootstrapStore,
    (GCS_STORES.api_version, GCS_STORES.kind): GCSBootstrapStore,
}
_Kind = TypeVar("_Kind", HTTPBootstrapStore, S3BootstrapStore, GCSBootstrapStore)


class StoreObject(Cached, frozen=True, kw_only=True):
    """A store as the API server has it."""

    raw: bytes
    deleted: bool
    generation: int = 0
    conditions: tuple[Condition, ...] = ()
    status: dict[str, Any] = msgspec.field(default_factory=dict)


class _Status(msgspec.Struct):
    conditions: tuple[Condition, ...] = ()


class _Object(msgspec.Struct):
    metadata: Metadata
    status: msgspec.Raw = msgspec.Raw(b"{}")


class _Secret(msgspec.Struct):
    data: dict[str, str] = {}


def store_object(data: bytes) -> StoreObject:
    """Project a store. Raises `msgspec.ValidationError` where it is none."""
    read = msgspec.json.decode(data, type=_Object)
    meta = read.metadata
    return StoreObject(
        namespace=meta.namespace,
        name=meta.name,
        uid=meta.uid,
        version=meta.resource_version,
        raw=bytes(data),
        deleted=meta.deletion_timestamp is not None,
        generation=meta.generation,
        conditions=msgspec.json.decode(read.status, type=_Status).conditions,
        status=msgspec.json.decode(read.status),
    )


class Stores:
    """The stores of the management cluster.

    Args:
        client: Of the management cluster.
        namespace: The only one that is looked at; empty: all.
        clock: Seconds that never go back.
        now: Seconds since 1970.
    """

    def __init__(
        self,
        client: Client,
        *,
        namespace: str = "",
        clock: Callable[[], float] = time.monotonic,
        now: Callable[[], float] = time.time,
    ) -> None:
        self.mirrored: dict[str, Store[StoreObject]] = {one.kind: Store() for one in STORES}
        """By kind, what whoever mirrors the API server keeps of it."""

        self._now = now
        self._identity: Identity | None = None
        self._tokens: Tokens | None = None
        self._accounts = Recent[bytes, ServiceAccount](_MOST)
        self._client = client
        self._clock = clock
        self.kinds = Kinds(client, namespace=namespace)
        """Stores of kinds that others bring along."""
        self._session: aiohttp.ClientSession | None = None
        self._agents = Recent[tuple[str, str, str], tuple[Served, float]](_MOST)
        self._secrets = Recent[Key, tuple[dict[str, str] | None, float]](_MOST)

    async def close(self) -> None:
        """Close all connections."""
        await self.kinds.close()
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def opened(
        self, namespace: str, group: str, kind: str, name: str, *, of: str = ""
    ) -> Opened:
        """Find a store, and all that is needed to use it.

        Args:
            namespace: Of who refers to it, and so its own.
            group: Its API group.
            kind: Its kind.
            name: Its name.
            of: The MachineBootstrap that is to be referred to with it; empty: none is.

        Raises:
            StoreError: It is not there, or cannot be used as it is.
            ApiError: The management cluster refuses or does not answer.
        """
        if (group, kind) not in _OURS:
            return await self._of_another(namespace, group, kind, name, of)
        if kind == S3_STORES.kind:
            return await self._s3(namespace, name)
        if kind == GCS_STORES.kind:
            return await self._gcs(namespace, name)
        if kind != HTTP_STORES.kind:
            message = f"this release keeps no configurations in a {kind} of {group}"
            raise StoreError("NotSupported", message)
        return await self._http(namespace, name)

    async def agent(self, namespace: str, name: str, version: str) -> Served:
        """Find the agent that an HTTPBootstrapStore serves; asked once a minute.

        Args:
            namespace: Of the store.
            name: Of the store.
            version: Of the agent.

        Raises:
            StoreError: It does not serve it, or cannot be used.
            ApiError: The management cluster refuses or does not answer.
        """
        store = await self._http(namespace, name)
        known, until = self._agents.get((namespace, name, version)) or (None, 0.0)
        if known is None or self._clock() >= until:
            known = await store.agent(version)
            self._agents.put((namespace, name, version), (known, self._clock() + _FRESH))
        return known

    async def _http(self, namespace: str, name: str) -> HttpStore:
        kind = HTTP_STORES.kind
        # In the namespace of who refers to it, always: a reference into another one would read its
        # Secrets.
        spec = _decoded(self._there(kind, namespace, name), HTTPBootstrapStore).spec
        token, reports = spec.fetch.token, spec.reporting
        require_bare(spec.fetch.plugin, f"{kind} {name}: spec.fetch.plugin")
        if reports is not None:
            require_bare(reports.plugin, f"{kind} {name}: spec.reporting.plugin")
        key = report_key = None
        if token is not None:
            key = await self._key(namespace, name, token.key_from)
        if reports is not None and reports.token is not None:
            report_key = await self._key(namespace, name, reports.token.key_from)
        return HttpStore(
            self._connected(),
            spec,
            name=name,
            headers=await self._headers(namespace, spec),
            tls=await self._tls(namespace, name, spec),
            key=key,
            report_key=report_key,
        )

    async def _s3(self, namespace: str, name: str) -> BucketStore:
        kind = S3_STORES.kind
        spec = _decoded(self._there(kind, namespace, name), S3BootstrapStore).spec
        _require_bare(spec, f"{kind} {name}")
        own = os.environ.get("AWS_REGION") or os.environ.get("AWS_DEFAULT_REGION")
        region = spec.region or own
        if not region:
            message = f"{kind} {name}: spec.region is missing, and the manager has none of its own"
            raise StoreError("StoreNotReady", message)
        values: dict[str, str] = {}
        given = spec.credentials.secret if spec.credentials is not None else None
        if given is not None:
            for key in ("accessKeyID", "secretAccessKey"):
                values[key] = await self._text(namespace, KeyReference(name=given.name, key=key))
            token = KeyReference(name=given.name, key="sessionToken")
            if token.key in (await self._secret((namespace, given.name)) or {}):
                values[token.key] = await self._text(namespace, token)
        if self._identity is None:
            self._identity = Identity(self._connected(), now=self._now)
        try:
            who = await self._identity.credentials(spec.credentials, values, region)
        except StoreError as error:
            raise error.at(f"{kind} {name}") from None
        bucket = S3Bucket(
            self._connected(),
            spec,
            name=name,
            signer=Signer(who=who, region=region),
            tls=_trusting(spec.ca_bundle, kind, name),
            now=self._now,
        )
        return BucketStore(bucket, spec)

    async def _gcs(self, namespace: str, name: str) -> BucketStore:
        kind = GCS_STORES.kind
        spec = _decoded(self._there(kind, namespace, name), GCSBootstrapStore).spec
        _require_bare(spec, f"{kind} {name}")
        given = spec.credentials
        if given is not None and given.impersonate_service_account is not None:
            message = f"{kind} {name}: spec.credentials.impersonateServiceAccount is not in this release; use secret"
            raise StoreError("NotSupported", message)
        own = given is None or given.secret is None
        if own and spec.endpoint is not None and not is_googles(spec.endpoint):
            message = (
                f"{kind} {name}: the manager sends a token of its own only to https://*.googleapis.com;"
                " for another spec.endpoint set spec.credentials.secret"
            )
            raise StoreError("StoreNotReady", message)
        if self._tokens is None:
            self._tokens = Tokens(self._connected(), now=self._now)
        try:
            account = None
            if given is not None and given.secret is not None:
                account = self._account(await self._value(namespace, given.secret))
            token = await self._tokens.token(account)
        except StoreError as error:
            raise error.at(f"{kind} {name}") from None
        bucket = GcsBucket(
            self._connected(),
            spec,
            name=name,
            token=token,
            account=account,
            tls=_trusting(spec.ca_bundle, kind, name),
        )
        return BucketStore(bucket, spec)

    def _account(self, data: bytes) -> ServiceAccount:
        # Reading a key judges it, which takes 50 ms of CPU.
        digest = hashlib.sha256(data).digest()
        found = self._accounts.get(digest)
        if found is None:
            found = ServiceAccount(data)
            self._accounts.put(digest, found)
        return found

    def _there(self, kind: str, namespace: str, name: str) -> StoreObject:
        there = self.mirrored[kind].get((namespace, name))
        if there is None or there.deleted:
            raise StoreError("StoreNotFound", f"there is no {kind} {name} in this namespace")
        return there

    async def _of_another(
        self, namespace: str, group: str, kind: str, name: str, of: str
    ) -> Opened:
        there = (await self.kinds.store(group, kind)).get((namespace, name))
        if there is None or there.deleted:
            message = f"there is no {kind}.{group} {name} in this namespace"
            raise StoreError("StoreNotFound", message)
        answer = there.answer(of) if of else None
        values: dict[tuple[str, str], str] = {}
        for reference in () if answer is None else answer.references():
            # Whoever renews a location writes the Secret first, and its status after that.
            self._secrets.forget((namespace, reference.name))
            values[(reference.name, reference.key)] = await self._text(namespace, reference)
        return ContractStore(self._client, there, answer=answer, values=values)

    def _connected(self) -> aiohttp.ClientSession:
        if self._session is None:
            # Made at the first use: most management clusters have no store.
            self._session = aiohttp.ClientSession(
                # A server that does not answer must not take them all: they are every store's.
                connector=aiohttp.TCPConnector(limit=64, limit_per_host=16),
                # Nothing here unpacks an answer.
                headers={"User-Agent": f"machineadm/{VERSION}", "Accept-Encoding": "identity"},
                auto_decompress=False,
                # No cookie of one store goes to another.
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    async def _key(self, namespace: str, name: str, reference: KeyReference) -> bytes:
        try:
            return key_of(await self._value(namespace, reference))
        except ValueError as error:
            where = f"key {reference.key} of Secret {reference.name}"
            message = f"{HTTP_STORES.kind} {name}: {where}: {error}"
            raise StoreError("StoreNotReady", message, again_after=_AGAIN) from None

    async def _headers(self, namespace: str, spec: HTTPBootstrapStoreSpec) -> dict[str, str]:
        headers = {
            name: await self._text(namespace, reference)
            for name, reference in spec.headers_from.items()
        }
        credentials = spec.credentials
        if credentials is None:
            return headers
        if credentials.bearer_token_from is not None:
            token = await self._text(namespace, credentials.bearer_token_from)
            # After headersFrom, over which spec.credentials wins.
            headers["Authorization"] = f"Bearer {token}"
        if credentials.basic is not None:
            password = await self._text(namespace, credentials.basic.password_from)
            pair = f"{credentials.basic.username}:{password}".encode()
            headers["Authorization"] = f"Basic {base64.b64encode(pair).decode()}"
        return headers

    async def _tls(
        self, namespace: str, name: str, spec: HTTPBootstrapStoreSpec
    ) -> ssl.SSLContext | None:
        given = spec.credentials.client_certificate if spec.credentials else None
        if spec.ca_bundle is None and given is None:
            return None
        try:
            context = ssl.create_default_context()
            if spec.ca_bundle is not None:
                # Beside the system's own, as machines do.
                context.load_verify_locations(cadata=pem(spec.ca_bundle))
            if given is not None:
                pair = [
                    await self._value(namespace, KeyReference(name=given.name, key=key))
                    for key in ("tls.crt", "tls.key")
                ]
                load_pair(context, pair[0], pair[1])
        except (ssl.SSLError, ValueError):
            message = f"HTTPBootstrapStore {name}: spec.caBundle or the client certificate is not PEM that can be used"
            raise StoreError("StoreNotReady", message, again_after=_AGAIN) from None
        return context

    async def _text(self, namespace: str, reference: KeyReference) -> str:
        try:
            text = (await self._value(namespace, reference)).decode().strip()
        except UnicodeDecodeError:
            text = ""
        # What breaks out of its line would be a header of its own.
        if not text or not text.isprintable():
            message = f"key {reference.key} of Secret {reference.name} is not one line of text"
            raise StoreError("StoreNotReady", message, again_after=_AGAIN)
        return text

    async def _value(self, namespace: str, reference: KeyReference) -> bytes:
        values = await self._secret((namespace, reference.name))
        if values is None or reference.key not in values:
            what = f"Secret {reference.name}"
            message = (
                f"there is no {what}" if values is None else f"{what} has no key {reference.key}"
            )
            raise StoreError("StoreNotReady", message, again_after=_AGAIN)
        return base64.b64decode(values[reference.key])

    async def _secret(self, key: Key) -> dict[str, str] | None:
        """The values of a Secret, a minute's worth at a time; that there is none is never remembered."""
        # That there is none is asked again each time: whoever creates the Secret must not wait a
        # minute for it to count.
        values, until = self._secrets.get(key) or (None, 0.0)
        if values is not None and self._clock() < until:
            return values
        data = await self._client.get(SECRETS, *key)
        values = None if data is None else msgspec.json.decode(data, type=_Secret).data
        self._secrets.put(key, (values, self._clock() + _FRESH))
        return values


def _require_bare(spec: S3BootstrapStoreSpec | GCSBootstrapStoreSpec, what: str) -> None:
    if spec.fetch is not None:
        require_bare(spec.fetch.plugin, f"{what}: spec.fetch.plugin")
    if spec.reporting is not None:
        require_bare(spec.reporting.plugin, f"{what}: spec.reporting.plugin")


def is_http(group: str, kind: str) -> bool:
    """Whether a store is an HTTPBootstrapStore."""
    return (group, kind) == (INFRASTRUCTURE_GROUP, HTTP_STORES.kind)


def _decoded(there: StoreObject, type_: type[_Kind]) -> _Kind:
    (document,) = decode_kinds(there.raw, file=there.name, kinds=_KINDS)
    value = document.value
    if document.problems or not isinstance(value, type_):
        # The API server let it pass, so a person wrote it around the definitions' rules.
        said = "; ".join(f"{one.path}: {one.message}" for one in document.problems[:3])
        raise StoreError("StoreNotReady", f"{type_.__name__} {there.name}: {said}")
    return value


def _trusting(bundle: str | None, kind: str, name: str) -> ssl.SSLContext | None:
    """What a store's certificate is compared with: the system's own authorities and its bundle.

    Raises:
        StoreError: That is not PEM.
    """
    if bundle is None:
        return None
    context = ssl.create_default_context()
    try:
        context.load_verify_locations(cadata=pem(bundle))
    except (ssl.SSLError, ValueError):
        message = f"{kind} {name}: spec.caBundle is not PEM that can be used"
        raise StoreError("StoreNotReady", message, again_after=_AGAIN) from None
    return context
