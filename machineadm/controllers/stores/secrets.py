"""What a store keeps, in Secrets of its own namespace: no disk, and any number of replicas."""

from __future__ import annotations

import base64
import hashlib
from typing import Any, Final

import msgspec

from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.requests import TooLargeError
from machineadm.controllers.runtime.resources import SECRETS
from machineadm.controllers.runtime.store import Key
from machineadm.controllers.stores.port import Part

LARGEST: Final = 900_000
"""Bytes of both parts together: the API server takes 1,048,576 of a Secret, and etcd 1.5 MiB of an object in base64."""

_LABEL: Final = "machineadm.x-k8s.io/stored"
_NAMED: Final = "machineadm.x-k8s.io/stored-for"
# Manager and machine write different parts, rarely at once; whoever loses three times has a fault
# to show.
_ATTEMPTS: Final = 3


class _Meta(msgspec.Struct, rename="camel"):
    uid: str = ""
    resource_version: str = ""
    annotations: dict[str, str] = {}


class _Secret(msgspec.Struct):
    metadata: _Meta
    data: dict[str, str] = {}


class SecretBackend:
    """Secrets, one for each machine.

    Args:
        client: Of the management cluster.
        namespace: Where they are; nothing else should be there.
    """

    def __init__(self, client: Client, namespace: str) -> None:
        self._client = client
        self._namespace = namespace

    async def get(self, key: Key, part: Part) -> bytes | None:
        """See the port.

        Raises:
            OSError: The API server refuses or does not answer.
        """
        found = await self._there(key)
        text = None if found is None else found.data.get(part)
        return None if text is None else base64.b64decode(text)

    async def put(self, key: Key, part: Part, data: bytes) -> None:
        """See the port.

        Raises:
            OSError: The API server refuses or does not answer.
            TooLargeError: It is more than a Secret holds.
        """
        if len(data) > LARGEST:
            raise TooLargeError(LARGEST)
        text = base64.b64encode(data).decode()
        for _ in range(_ATTEMPTS):
            found = await self._there(key)
            if found is None:
                # A create, so that of two replicas one is told AlreadyExists and takes the other
                # way.
                if await self._made(key, part, text):
                    return
                continue
            # In base64 all is a third longer.
            others = sum(len(value) * 3 // 4 for name, value in found.data.items() if name != part)
            if others + len(data) > LARGEST:
                raise TooLargeError(LARGEST - others)
            # By version, because of the sum above: two parts that are written at once could be too
            # large together.
            if await self._changed(key, found, {part: text}):
                return
        raise OSError(f"Secret {name_of(key)} is written by somebody else all the time")

    async def remove(self, key: Key, part: Part | None = None) -> None:
        """See the port.

        Raises:
            OSError: The API server refuses or does not answer.
        """
        for _ in range(_ATTEMPTS):
            found = await self._there(key)
            if found is None or (part is not None and part not in found.data):
                return
            if part is not None:
                if await self._changed(key, found, {part: None}):
                    return
            # By version, too: a report that comes at the same time makes it a conflict, and the
            # next round removes both.
            elif await self._deleted(key, found):
                return
        raise OSError(f"Secret {name_of(key)} is written by somebody else all the time")

    async def _there(self, key: Key) -> _Secret | None:
        try:
            data = await self._client.get(SECRETS, self._namespace, name_of(key))
        except ApiError as error:
            raise OSError(error.message) from None
        if data is None:
            return None
        found = msgspec.json.decode(data, type=_Secret)
        if found.metadata.annotations.get(_NAMED) != "/".join(key):
            # Somebody else's, or one of whose name two digests begin alike: never read, never overwritten.
            raise OSError(f"Secret {name_of(key)} is not of this store")
        return found

    async def _made(self, key: Key, part: Part, text: str) -> bool:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": name_of(key),
                "namespace": self._namespace,
                "labels": {_LABEL: "true"},
                "annotations": {_NAMED: "/".join(key)},
            },
            "data": {part: text},
        }
        try:
            await self._client.create(SECRETS, self._namespace, body)
        except ApiError as error:
            if error.reason == "AlreadyExists":
                return False
            raise OSError(error.message) from None
        return True

    async def _changed(self, key: Key, found: _Secret, data: dict[str, Any]) -> bool:
        body = {
            "metadata": {"resourceVersion": found.metadata.resource_version},
            "data": data,
        }
        try:
            await self._client.merge(SECRETS, self._namespace, name_of(key), body)
        except ApiError as error:
            if error.status in (404, 409):
                return False
            raise OSError(error.message) from None
        return True

    async def _deleted(self, key: Key, found: _Secret) -> bool:
        meta = found.metadata
        try:
            return await self._client.delete(
                SECRETS,
                self._namespace,
                name_of(key),
                uid=meta.uid,
                version=meta.resource_version,
            )
        except ApiError as error:
            raise OSError(error.message) from None


def name_of(key: Key) -> str:
    """Name of the Secret of a machine: the names of both may be too long for one, and joined they may mean two."""
    return f"stored-{hashlib.sha256('/'.join(key).encode()).hexdigest()[:40]}"
