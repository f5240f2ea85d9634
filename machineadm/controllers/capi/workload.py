"""The workload clusters: one client for each, by the kubeconfig Secret that Cluster API keeps."""

from __future__ import annotations

import asyncio
import base64
from collections import OrderedDict
from collections.abc import Callable
from typing import Any, Final

import msgspec

from machineadm.controllers.runtime.client import TIMEOUT, ApiError, Client, Connection
from machineadm.controllers.runtime.kubeconfig import KubeconfigError, from_kubeconfig
from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.resources import SECRETS
from machineadm.controllers.runtime.store import Key

# A client is a connection pool and its TLS session; with more clusters than this, the least used
# ones pay for a new handshake.
_MOST: Final = 500
_AT_ONCE: Final = 10
"""Calls to one cluster at once: one that hangs must not take all connections."""

# Two tries and what lies between them. If the one that finds out is cancelled, another follows it then.
_LONGEST_CALL: Final = 2 * TIMEOUT + 5.0

# As Cluster API's cluster cache probes: a cluster that is back is seen within that time.
_REST: Final = 10.0
"""Seconds for which a cluster that did not answer is not asked again."""


class UnreachableError(Exception):
    """A workload cluster cannot be reached; the message says why."""


class _Secret(msgspec.Struct):
    data: dict[str, str] = {}


def _connected(connection: Connection, metrics: Metrics) -> Client:
    return Client(
        connection,
        # The limits of Cluster API's own clients of workload clusters (QPS 20, burst 30).
        rate=20,
        burst=30,
        # One: a worker is held meanwhile, and the machine is tried again anyway.
        retries=1,
        metrics=metrics,
        cluster="workload",
    )


class _Entry:
    def __init__(self, client: Client) -> None:
        self.client = client
        self.slots = asyncio.Semaphore(_AT_ONCE)
        self.silent_until = 0.0
        """Until when nobody asks it; 0 while it answers."""


class Workloads:
    """Clients of workload clusters, the least used dropped first.

    Args:
        management: Client of the management cluster.
        connect: Makes the client of one.
    """

    def __init__(
        self, management: Client, *, connect: Callable[[Connection, Metrics], Client] = _connected
    ) -> None:
        self._management = management
        self._connect = connect
        self._entries: OrderedDict[Key, _Entry] = OrderedDict()

    async def call(self, cluster: Key, method: str, *arguments: Any, **named: Any) -> Any:
        """Make one call of a `Client` to a workload cluster.

        Args:
            cluster: Namespace and name of the Cluster.
            method: Name of the Client's method.
            arguments: Its arguments.
            named: Its arguments by name.

        Raises:
            UnreachableError: There is no usable kubeconfig, or no answer, or the cluster refuses the call.
            ApiError: `AlreadyExists`, or the management cluster refuses or does not answer.
        """
        entry = await self._entry(cluster)
        loop = asyncio.get_running_loop()
        _check(entry, loop.time())
        async with entry.slots:
            # Once more: whoever waited here for those that hang would hang as long as they did, and
            # in the end all workers would wait for this one cluster.
            _check(entry, loop.time())
            if entry.silent_until:
                # Only one finds out whether it answers again; all others are told that it does not.
                entry.silent_until = loop.time() + _LONGEST_CALL
            try:
                answer = await getattr(entry.client, method)(*arguments, **named)
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
                entry.silent_until = 0.0
                if error.reason == "AlreadyExists":
                    raise
                # A load balancer without a cluster behind it answers 404, and an account that lacks a
                # right 403: passed on, either would be taken for the management cluster's answer.
                raise UnreachableError(f"it refuses the call: {error}") from error
            else:
                entry.silent_until = 0.0
                return answer

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
        client = self._connect(connection, self._management.metrics)
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


def _check(entry: _Entry, now: float) -> None:
    if now < entry.silent_until:
        raise UnreachableError("it did not answer a moment ago")
