"""Calls of the Kubernetes API: what controllers need of it, with limits and retries that hold for every call."""

from __future__ import annotations

import asyncio
import io
import random
import ssl
from collections.abc import AsyncIterator, Callable, Mapping
from types import TracebackType
from typing import Any, Final, TypeVar

import aiohttp
import msgspec

from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.resources import Resource
from machineadm.version import VERSION

TIMEOUT: Final = 10.0
"""Seconds that one call may take; a watch is bounded by its own limit."""

IDLE_LIMIT: Final = 75.0
"""Seconds without a byte after which a watch counts as dead. Bookmarks come every minute, so a living one is never silent
for longer; a half-open connection is silent for ever."""

IDLE: Final = "Idle"
"""Reason of the error where a watch was silent for that long."""

# Pauses of 0.1 to 0.8 s, so that a server that refuses at once holds a worker for two seconds at
# most; what lasts longer waits in the queue, which holds none.
_RETRIES: Final = 4
# aiohttp writes bytes in one piece, and warns of it only above 1 MiB; meanwhile no other task runs.
_AT_ONCE: Final = 65536
# Answers that say nothing of the request. 429 is API Priority and Fairness; 500 is what etcd's own
# timeouts become; 504 may hide that the call was done, so every call must bear a repeat.
_PASSING: Final = frozenset({429, 500, 502, 503, 504})
# As client-go's pager. A smaller page costs a call each; without one the API server and we both
# hold the whole list in memory.
_PAGE: Final = 500
_JSON: Final = "application/json"
# KEP-2334's negotiation. Of Secrets nothing else is ever listed or watched: what they hold stays
# out of our caches, our memory dumps and our reach.
_METADATA: Final = "application/json;as=PartialObjectMetadata{};g=meta.k8s.io;v=v1"
_ACCEPT_LIST: Final = _METADATA.format("List")
_ACCEPT_OBJECT: Final = _METADATA.format("")

Answer = TypeVar("Answer")

FIELD_MANAGER: Final = "machineadm"
"""Under which the API server remembers the fields that the controllers own."""


class Connection(msgspec.Struct, frozen=True, kw_only=True):
    """How an API server is reached."""

    server: str
    """`https://host:port`, without a path at the end."""

    tls: ssl.SSLContext | None = None
    """None: without TLS, for tests."""

    tls_name: str = ""
    """Name that the server's certificate must bear; empty: its host."""

    headers: Callable[[], Mapping[str, str]] = dict
    """Asked before each call: a mounted token is renewed while the process lives."""

    namespace: str = ""
    """That of the kubeconfig's context or of the pod."""


class ApiError(Exception):
    """The API server refused a call, or could not be reached.

    Args:
        status: HTTP status; 0 if there was no answer.
        reason: The Status object's own reason: `AlreadyExists`.
        message: For people. Never holds the body that was sent.
    """

    def __init__(self, status: int, reason: str, message: str) -> None:
        super().__init__(f"{reason or status}: {message}")
        self.status = status
        self.reason = reason
        self.message = message

    @property
    def unreachable(self) -> bool:
        """There was no answer, or none that says anything of the request."""
        return self.status == 0 or self.status in _PASSING


# The parts of metav1.Status that a person or a decision needs. `details` is left out: it may repeat
# the object that was sent.
class _Status(msgspec.Struct):
    reason: str = ""
    message: str = ""


class _ListMeta(msgspec.Struct, rename="camel"):
    resource_version: str = ""
    continue_: str = msgspec.field(default="", name="continue")


class _Page(msgspec.Struct):
    metadata: _ListMeta
    items: list[msgspec.Raw] | None = None


class _Version(msgspec.Struct):
    version: str


class _Group(msgspec.Struct, rename="camel"):
    preferred_version: _Version


class _Kind(msgspec.Struct):
    name: str
    kind: str
    namespaced: bool = False


# APIResourceList of discovery, which is not an object list and has no `items`.
class _Kinds(msgspec.Struct):
    resources: list[_Kind] = []


class Client:
    """A client of one API server. Use it as an asynchronous context manager.

    Args:
        connection: Where the server is, and who asks.
        rate: Calls a second in the long run.
        burst: Calls that may be made at once.
        retries: How often a call is made again that passed without effect.
        metrics: Count the calls; None: nobody asks.
        cluster: What the metrics call this server: `management` or `workload`.
    """

    def __init__(
        self,
        connection: Connection,
        *,
        # The limits of Cluster API's kubeadm bootstrap provider (QPS 100, burst 200), so that a
        # management cluster that was sized for that one is sized for this one.
        rate: float = 100.0,
        burst: int = 200,
        retries: int = _RETRIES,
        metrics: Metrics | None = None,
        cluster: str = "management",
    ) -> None:
        self.connection = connection
        self.metrics = metrics or Metrics()
        self._cluster = cluster
        self._limit = _Limit(rate, burst)
        self._retries = retries
        self._session: aiohttp.ClientSession | None = None

    async def __aenter__(self) -> Client:
        # HTTP/1.1 has one call a connection, and each watch holds one for minutes: fewer would let
        # the watches starve the work.
        connector = aiohttp.TCPConnector(limit=64)
        self._session = aiohttp.ClientSession(
            connector=connector,
            headers={"User-Agent": f"machineadm/{VERSION}"},
            auto_decompress=True,
        )
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        await self.close()

    async def close(self) -> None:
        """Close all connections."""
        # Set to None, so that a call after the end is an ApiError of ours and not an exception of
        # aiohttp that nobody catches.
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def get(self, resource: Resource, namespace: str, name: str) -> bytes | None:
        """Read an object, past every cache.

        Returns:
            Its JSON; None if there is none.

        Raises:
            ApiError: The server refuses, or does not answer.
        """
        try:
            return await self._call("GET", resource.path(namespace, name))
        except ApiError as error:
            if error.status == 404:
                return None
            raise

    async def find(self, group: str, kind: str) -> Resource | None:
        """Find a namespaced kind by the server's own list, in the version that the server prefers.

        Args:
            group: Its API group.
            kind: Its kind.

        Returns:
            None where the server has no such kind.

        Raises:
            ApiError: The server refuses, or does not answer.
        """
        try:
            # The preferred version and not the newest: where several are served, that is the one
            # whose fields the kind's author wants others to read.
            served = read(await self._call("GET", f"/apis/{group}"), _Group)
            version = served.preferred_version.version
            answer = await self._call("GET", f"/apis/{group}/{version}")
        except ApiError as error:
            if error.status == 404:
                return None
            raise
        for one in read(answer, _Kinds).resources:
            # `plural/status` has the same kind.
            if one.kind == kind and one.namespaced and "/" not in one.name:
                return Resource(group=group, version=version, kind=kind, plural=one.name)
        return None

    async def list(
        self,
        resource: Resource,
        namespace: str = "",
        *,
        labels: str = "",
        metadata_only: bool = False,
    ) -> tuple[list[msgspec.Raw], str]:
        """Read all objects, page by page.

        Args:
            resource: Their kind.
            namespace: Empty: all namespaces.
            labels: A label selector; empty: all objects.
            metadata_only: Nothing but their metadata: what Secrets hold never comes here.

        Returns:
            Their JSON, and the resource version from which a watch goes on.

        Raises:
            ApiError: The server refuses, or does not answer.
        """
        items: list[msgspec.Raw] = []
        # Without resourceVersion: the most recent state. With 0 the API server may answer from a
        # cache that is behind what this controller has written, and ignores the limit.
        query = {"limit": str(_PAGE)} | ({"labelSelector": labels} if labels else {})
        while True:
            path = resource.path(namespace)
            accept = _ACCEPT_LIST if metadata_only else _JSON
            data = await self._call("GET", path, query=query, accept=accept)
            page = read(data, _Page)
            items += page.items or ()
            if not page.metadata.continue_:
                return items, page.metadata.resource_version
            # All pages are of one resource version, that of the first: what happens meanwhile comes
            # by the watch that begins there. A token that expired is a 410, and the whole list is
            # begun anew.
            query["continue"] = page.metadata.continue_

    async def create(self, resource: Resource, namespace: str, body: Mapping[str, Any]) -> bytes:
        """Create an object.

        Where an answer got lost the call is made again, so `AlreadyExists` may speak of what this very call made: compare.

        Raises:
            ApiError: `AlreadyExists` with status 409, or any other refusal.
        """
        # Named on creates as well, so that a later apply by us finds the fields its own and asks
        # nobody.
        query = {"fieldManager": FIELD_MANAGER}
        return await self._call("POST", resource.path(namespace), query=query, body=body)

    async def apply_status(
        self,
        resource: Resource,
        namespace: str,
        name: str,
        body: Mapping[str, Any],
        *,
        manager: str = FIELD_MANAGER,
    ) -> bytes:
        """Make the status of an object be this, as far as `manager` owns it. What is left out of `body` is removed.

        Raises:
            ApiError: The server refuses; 404 if the object is gone.
        """
        # By force: a conflict would mean that somebody wrote our conditions by hand, and the
        # contract gives them to the provider. Without resourceVersion: an apply is of whole fields
        # and needs no read before it.
        query = {"fieldManager": manager, "force": "true"}
        path = resource.path(namespace, name, "status")
        # JSON is YAML, and an apply has no media type for JSON that every server takes.
        kind = "application/apply-patch+yaml"
        return await self._call("PATCH", path, query=query, body=body, content_type=kind)

    async def merge(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]
    ) -> bytes:
        """Merge into an object (RFC 7386). With `metadata.resourceVersion` in `body`, only if nobody changed it since.

        Raises:
            ApiError: The server refuses; 404 if the object is gone, 409 if it has been changed.
        """
        kind = "application/merge-patch+json"
        path = resource.path(namespace, name)
        query = {"fieldManager": FIELD_MANAGER}
        return await self._call("PATCH", path, query=query, body=body, content_type=kind)

    async def replace(
        self, resource: Resource, namespace: str, name: str, body: Mapping[str, Any]
    ) -> bytes:
        """Replace an object, only if its `metadata.resourceVersion` is still that of `body`.

        Raises:
            ApiError: The server refuses; 409 if it has been changed.
        """
        query = {"fieldManager": FIELD_MANAGER}
        return await self._call("PUT", resource.path(namespace, name), query=query, body=body)

    async def delete(
        self, resource: Resource, namespace: str, name: str, *, uid: str, version: str = ""
    ) -> bool:
        """Delete exactly this object, never one of the same name that has been made since.

        Args:
            resource: Its kind.
            namespace: Where it is.
            name: Its name.
            uid: Its uid.
            version: Its resource version, where a changed object must stay; empty: it need not.

        Returns:
            Whether it was there and was this one.

        Raises:
            ApiError: The server refuses, or does not answer.
        """
        # The uid always: between the decision and the call the object may have been deleted and
        # made again, and a delete by name alone would take the new one.
        preconditions = {"uid": uid} | ({"resourceVersion": version} if version else {})
        body = {"apiVersion": "v1", "kind": "DeleteOptions", "preconditions": preconditions}
        try:
            await self._call("DELETE", resource.path(namespace, name), body=body)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise
        return True

    async def watch(
        self,
        resource: Resource,
        namespace: str,
        version: str,
        *,
        labels: str = "",
        metadata_only: bool = False,
    ) -> AsyncIterator[bytes]:
        """Yield what happens from a resource version on, each event as a line of JSON, until the server ends the stream.

        Args:
            resource: The kind.
            namespace: Empty: all namespaces.
            version: As `list` or the last event gave it.
            labels: A label selector; empty: all objects.
            metadata_only: Nothing but metadata.

        Raises:
            ApiError: The server refuses; status 410 if the version is too old. Status 0 where it was silent for too long.
        """
        # Spread over time, so that not all watches of all replicas end together.
        seconds = random.randint(300, 600)  # noqa: S311
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": version,
            # Asked of the server, which then ends the stream by itself: the next watch goes on from
            # the last event and costs no list.
            "timeoutSeconds": str(seconds),
        } | ({"labelSelector": labels} if labels else {})
        # No limit in total, or a watch would be cut in the middle of an event; sock_read is what
        # finds a dead peer.
        timeout = aiohttp.ClientTimeout(total=None, sock_connect=TIMEOUT, sock_read=IDLE_LIMIT)
        try:
            async with self._request(
                "GET",
                resource.path(namespace),
                query,
                None,
                timeout,
                accept=_ACCEPT_OBJECT if metadata_only else _JSON,
            ) as response:
                self.metrics.call_ended(self._cluster, "WATCH", response.status, None)
                if response.status != 200:
                    refusal: ApiError = _refusal(response.status, await response.read())
                    raise refusal
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        yield line
        except aiohttp.SocketTimeoutError as error:
            message = f"watching {resource.plural}: silent for {IDLE_LIMIT:g} s"
            raise ApiError(0, IDLE, message) from error
        except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
            self.metrics.call_ended(self._cluster, "WATCH", 0, None)
            raise ApiError(0, "", f"watching {resource.plural}: {_said(error)}") from error

    async def _call(
        self,
        method: str,
        path: str,
        *,
        query: Mapping[str, str] | None = None,
        body: Mapping[str, Any] | None = None,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> bytes:
        data = None if body is None else msgspec.json.encode(body)
        timeout = aiohttp.ClientTimeout(total=TIMEOUT)
        # Also calls that change something are made again: each is either conditional (a version, a
        # uid), an apply of the same fields, or a create whose AlreadyExists the caller compares.
        for left in range(self._retries, -1, -1):
            # Before each try and not once a call: while a server is overloaded, retries are what
            # must be held back.
            await self._limit.take()
            pause = 0.0
            # 0 counts as a call without an answer, also where the task is cancelled in the middle.
            code, began = 0, asyncio.get_running_loop().time()
            try:
                async with self._request(
                    method, path, query or {}, data, timeout, content_type, accept
                ) as response:
                    answer: bytes = await response.read()
                    code = response.status
                    if response.status < 300:
                        return answer
                    refusal = _refusal(response.status, answer)
                    pause = _retry_after(response.headers.get("Retry-After", ""))
            except (aiohttp.ClientError, asyncio.TimeoutError, OSError) as error:
                # The server's address and never the path or the query: names of Secrets are
                # nobody's business in a log.
                refusal = ApiError(0, "", f"{self.connection.server}: {_said(error)}")
            finally:
                seconds = asyncio.get_running_loop().time() - began
                self.metrics.call_ended(self._cluster, method, code, seconds)
            if not refusal.unreachable or not left:
                raise refusal
            await asyncio.sleep(pause or 0.1 * 2 ** (self._retries - left))
        raise AssertionError

    def _request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str],
        data: bytes | None,
        timeout: aiohttp.ClientTimeout,
        content_type: str = _JSON,
        accept: str = _JSON,
    ) -> Any:
        if self._session is None:
            raise ApiError(0, "", "the client is closed")
        # Within the caller's `try`: the token's file may be missing for a moment while the kubelet
        # replaces it, and that is an ApiError that passes.
        headers = {**self.connection.headers(), "Accept": accept}
        if data is not None:
            headers["Content-Type"] = content_type
        tls = self.connection.tls
        return self._session.request(
            method,
            self.connection.server + path,
            params=query,
            # A large one in pieces: it would hold up all else.
            data=data if data is None or len(data) < _AT_ONCE else io.BytesIO(data),
            headers=headers,
            timeout=timeout,
            # A redirect would carry the credentials to wherever it leads.
            allow_redirects=False,
            ssl=True if tls is None else tls,
            # A kubeconfig that reaches its server by address or through a tunnel names the host of
            # the certificate in tls-server-name.
            server_hostname=self.connection.tls_name or None,
        )


def read(answer: bytes, kind: type[Answer]) -> Answer:
    """Decode an answer of the API server.

    Raises:
        ApiError: It is something else: a proxy between may answer in its place, with status 200.
    """
    try:
        return msgspec.json.decode(answer, type=kind)
    except (ValueError, RecursionError):
        # Not quoted: it may be an object with secrets.
        raise ApiError(0, "", "an answer that is not Kubernetes' JSON") from None


class _Limit:
    """So many calls a second in the long run, and so many at once."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate = rate
        self._burst = float(burst)
        self._left = float(burst)
        self._at: float | None = None

    async def take(self) -> None:
        now = asyncio.get_running_loop().time()
        since = 0.0 if self._at is None else now - self._at
        self._left = min(self._burst, self._left + since * self._rate)
        self._at = now
        self._left -= 1
        # The debt is each caller's own: those who come later wait longer, and nobody is woken for nothing.
        if self._left < 0:
            await asyncio.sleep(-self._left / self._rate)


def _refusal(status: int, body: bytes) -> ApiError:
    try:
        said = msgspec.json.decode(body, type=_Status)
    except (ValueError, RecursionError):
        # An HTML page of a proxy. It is not quoted: it may be of any size, and holds whatever the
        # proxy likes to show.
        said = _Status(message=f"HTTP status {status}")
    return ApiError(status, said.reason, said.message)


def _retry_after(text: str) -> float:
    """Seconds that the server asks for, at most half a minute; 0 if it asks for none."""
    return min(float(text), 30.0) if text.isdecimal() else 0.0


def _said(error: BaseException) -> str:
    if isinstance(error, asyncio.TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
