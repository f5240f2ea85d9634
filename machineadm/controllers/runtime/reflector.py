"""Keep a store like the API server: list once, then watch; list again only where the server has forgotten the past."""

from __future__ import annotations

import asyncio
import logging
import random
from collections.abc import Callable
from typing import Any, Final, Generic, Literal, TypeVar

import msgspec

from machineadm.controllers.runtime.client import IDLE, ApiError, Client
from machineadm.controllers.runtime.resources import Resource
from machineadm.controllers.runtime.store import Cached, Store

Value = TypeVar("Value", bound=Cached)

_LOG = logging.getLogger(__name__)
# "Expired": the version is older than what etcd has kept (five minutes by default).
_GONE: Final = 410
_UNKNOWN: Final = 404
# A definition may be installed at any time; asking for it once a minute costs nothing.
_LOOKED_FOR: Final = 60.0
_SLOWEST: Final = 30.0
# 0.2 s doubled eight times is above the slowest; a thousand times, six hours of an API server that
# is away, would be no float any more.
_MOST_DOUBLED: Final = 8


class _Event(msgspec.Struct):
    type: Literal["ADDED", "MODIFIED", "DELETED", "BOOKMARK", "ERROR"]
    object: msgspec.Raw


class _ObjectMeta(msgspec.Struct, rename="camel"):
    name: str = ""
    namespace: str = ""
    resource_version: str = ""


class _Any(msgspec.Struct):
    metadata: _ObjectMeta = msgspec.field(default_factory=_ObjectMeta)
    code: int = 0
    message: str = ""


class Reflector(Generic[Value]):
    """Mirrors one kind of objects.

    Args:
        client: Of the API server.
        resource: The kind.
        project: Makes the cached form of an object's JSON; None: it is not kept. Raises `msgspec.ValidationError` where the
            object is not what its kind should be; such an object is logged and left out.
        store: Where the cached forms are kept.
        namespace: Empty: all namespaces.
        labels: A label selector; empty: all objects.
        metadata_only: Nothing but metadata is asked for, and `project` gets that alone.
        optional: The server may not know the kind: then there are none, until it does.
    """

    def __init__(
        self,
        client: Client,
        resource: Resource,
        project: Callable[[bytes], Value | None],
        store: Store[Value],
        *,
        namespace: str = "",
        labels: str = "",
        metadata_only: bool = False,
        optional: bool = False,
    ) -> None:
        self._optional = optional
        self._client = client
        self._resource = resource
        self._project = project
        self._store = store
        self._namespace = namespace
        # The same for list and watch: a watch that selects otherwise than its list would never tell
        # that an object left.
        self._selection: Any = {"labels": labels, "metadata_only": metadata_only}
        self._version = ""
        self._heard = 0
        """How many events have come."""
        # Never cleared: a cache that was whole once and is a little behind still serves, while
        # workers that waited again would stop all work at each lost connection.
        self.synced = asyncio.Event()
        """Set once the first list is whole."""
        self.lists = 0
        """How many lists were asked for; metrics show it."""
        self.watches = 0
        """How many watches were begun."""
        self.idle = 0
        """How many of them fell silent and were given up."""

    @property
    def kind(self) -> str:
        """Plural name of what is mirrored: `machines`."""
        return self._resource.plural

    def __len__(self) -> int:
        return len(self._store)

    async def run(self) -> None:
        """Mirror until cancelled. No fault of the server ends it."""
        failures = 0
        while True:
            heard = self._heard
            try:
                # A watch goes on from where the last one ended; a list is asked for only when that
                # is not known.
                if not self._version:
                    await self._list()
                await self._watch()
                # A watch that ended by itself was a success: servers end each after some minutes.
                failures = 0
            except ApiError as error:
                # An event is a sign of life: a proxy that cuts each stream after a minute is not an
                # outage, and must not make the pauses longer and longer.
                failures = 1 if self._heard != heard else failures + 1
                if error.status == _GONE:
                    self._version = ""
                    # At once, but only once: a server that says so of each version that it gives is
                    # listed with pauses.
                    if failures == 1:
                        continue
                if error.status == _UNKNOWN and self._optional:
                    self._version, failures = "", 0
                    # What was there is gone with the kind, and whoever depends on it is told.
                    self._store.replace(())
                    self.synced.set()
                    await asyncio.sleep(_LOOKED_FOR)
                    continue
                # Silence is a failure of the network that no error tells: bookmarks come every
                # minute.
                self.idle += error.reason == IDLE
                _LOG.warning("mirroring %s: %s", self._resource.plural, error.message)
                pause = min(_SLOWEST, 0.2 * 2 ** min(failures, _MOST_DOUBLED))
                # Jitter: all replicas lost the same server at the same time.
                await asyncio.sleep(pause * random.uniform(0.5, 1.0))  # noqa: S311

    async def fill(self) -> None:
        """List once, for who cannot wait for `run`.

        Raises:
            ApiError: The server refuses, or does not answer.
        """
        await self._list()

    async def _list(self) -> None:
        self.lists += 1
        items, version = await self._client.list(self._resource, self._namespace, **self._selection)
        self._store.replace(value for value in map(self._projected, items) if value is not None)
        # After the store is whole: if projecting failed, the next try would list again.
        self._version = version
        self.synced.set()

    async def _watch(self) -> None:
        self.watches += 1
        events = self._client.watch(
            self._resource, self._namespace, self._version, **self._selection
        )
        async for line in events:
            try:
                event = msgspec.json.decode(line, type=_Event)
                known = msgspec.json.decode(event.object, type=_Any)
            except (ValueError, RecursionError):
                # From here on nobody knows what happened, and the same line would come again.
                self._version = ""
                raise ApiError(0, "", "an event that cannot be read") from None
            self._heard += 1
            # In the stream itself, with status 200: how a server says that the version has expired.
            if event.type == "ERROR":
                raise ApiError(known.code, "", known.message)
            # At each event, also of objects that are left out: the next watch begins behind all of
            # them.
            self._version = known.metadata.resource_version
            # It has a version and no object.
            if event.type == "BOOKMARK":
                continue
            value = None if event.type == "DELETED" else self._projected(event.object)
            if value is None:
                # Also what cannot be read any more: kept, it would be decided by as it once was.
                self._store.remove((known.metadata.namespace, known.metadata.name))
            else:
                self._store.put(value)

    def _projected(self, data: bytes) -> Value | None:
        try:
            return self._project(data)
        except ValueError as error:
            # Left out and not fatal: one odd object must not stop the work on all others.
            _LOG.error("a %s that cannot be read: %s", self._resource.kind, error)
            return None
