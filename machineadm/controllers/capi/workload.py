"""The workload clusters: one client for each, by the kubeconfig Secret that Cluster API keeps."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from typing import Any, Final

import msgspec

from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.kubeconfig import KubeconfigError, from_kubeconfig
from machineadm.controllers.runtime.resources import SECRETS
from machineadm.controllers.runtime.store import Key

# A client is a connection pool and its TLS session; with more clusters than this, the least used
# ones pay for a new handshake.
_MOST: Final = 500
_AT_ONCE: Final = 10
"""Calls to one cluster at once: one that hangs must not take all workers."""

# As Cluster API's cluster cache probes: a cluster that is back is seen within that time.
_REST: Final = 10.0
"""Seconds for which a cluster that did not answer is not asked again."""


class UnreachableError(Exception):
    """A workload cluster cannot be reached; the message says why."""


class _Secret(msgspec.Struct):
    data: dict[str, str] = {}


class _Entry:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.slots = asyncio.Semaphore(_AT_ONCE)
        self.silent_until = 0.0


class Workloads:
    """Clients of workload clusters, the least used dropped first.

    Args:
        management: Client of the management cluster.
    """

    def __init__(self, management: Client) -> None:
        self._management = management
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    async def call(self, cluster: Key, method: str, *arguments: Any, **named: Any) -> Any:
        """Make one call of a `Client` to a workload cluster.

        Args:
            cluster: Namespace and name of the Cluster.
            method: Name of the Client's method.
            arguments: Its arguments.
            named: Its arguments by name.

        Raises:
            UnreachableError: There is no usable kubeconfig, or no answer.
            ApiError: The cluster refuses the call.
        """
        entry = await self._entry(cluster)
        loop = asyncio.get_running_loop()
        if loop.time() < entry.silent_until:
            raise UnreachableError("it did not answer a moment ago")
        async with entry.slots:
            try:
                return await getattr(entry.client, method)(*arguments, **named)
            except ApiError as error:
                if error.status == 401:
                    # The kubeconfig was renewed: the next call reads it anew.
                    await self._drop(cluster)
                    raise UnreachableError(
                        "the credentials of its kubeconfig are refused"
                    ) from error
                if error.unreachable:
                    entry.silent_until = loop.time() + _REST
                    raise UnreachableError(error.message) from error
                raise

    def silent(self) -> int:
        """How many clusters did not answer, and are not asked for the moment."""
        now = asyncio.get_running_loop().time()
        return sum(1 for one in self._entries.values() if now < one.silent_until)

    async def close(self) -> None:
        """Close all clients."""
        for cluster in list(self._entries):
            await self._drop(cluster)

    async def _entry(self, cluster: Key) -> _Entry:
        kept = self._entries.get(cluster)
        if kept is not None:
            self._entries.move_to_end(cluster)
            return kept
        namespace, name = cluster
        # The contract's name: the control plane provider makes it, or core does from our authority.
        secret = f"{name}-kubeconfig"
        # Not cached as a Secret: the client that is made of it is the cache.
        data = await self._management.get(SECRETS, namespace, secret)
        if data is None:
            raise UnreachableError(f"there is no Secret {secret} yet")
        value = msgspec.json.decode(data, type=_Secret).data.get("value", "")
        try:
            connection = from_kubeconfig(base64.b64decode(value))
        except (KubeconfigError, ValueError) as error:
            raise UnreachableError(f"Secret {secret}: {error}") from None
        client = Client(
            connection,
            # The limits of Cluster API's own clients of workload clusters (QPS 20, burst 30).
            rate=20,
            burst=30,
            # One: a worker is held meanwhile, and the machine is tried again anyway.
            retries=1,
            metrics=self._management.metrics,
            cluster="workload",
        )
        await client.__aenter__()
        # Another task may have been faster while the Secret was read.
        if cluster in self._entries:
            await client.close()
            return self._entries[cluster]
        self._entries[cluster] = entry = _Entry(client)
        while len(self._entries) > _MOST:
            await self._drop(next(iter(self._entries)))
        return entry

    async def _drop(self, cluster: Key) -> None:
        entry = self._entries.pop(cluster, None)
        if entry is not None:
            await entry.client.close()
