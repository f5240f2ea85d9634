"""Election by a Lease: one process at a time acts; the others stand by with warm caches.

The times are those of client-go: a lease of 15 s, renewed within 10 s, tried every 2 s.
"""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Callable
from datetime import datetime, timezone
from typing import Final

import msgspec

from machineadm.controllers.runtime.client import ApiError, Client, read
from machineadm.controllers.runtime.resources import LEASES

# In this order, DURATION above DEADLINE above PAUSE: who leads gives up before others may take
# over.
DURATION: Final = 15.0
DEADLINE: Final = 10.0
PAUSE: Final = 2.0

_LOG = logging.getLogger(__name__)


class _Meta(msgspec.Struct, rename="camel"):
    resource_version: str = ""


# All fields of coordination.k8s.io/v1 that are ours to write; a replace without one would remove
# it.
# `strategy` and `preferredHolder` (coordinated leader election) are not among them: both are of
# clusters that elect for us.
class _Spec(msgspec.Struct, rename="camel"):
    holder_identity: str | None = None
    lease_duration_seconds: int | None = None
    acquire_time: str | None = None
    renew_time: str | None = None
    lease_transitions: int | None = None


class _Lease(msgspec.Struct):
    metadata: _Meta
    spec: _Spec = msgspec.field(default_factory=_Spec)


class Election:
    """Holds a Lease, or waits for it.

    Args:
        client: Of the management cluster.
        namespace: Of the Lease.
        name: Of the Lease; one for each controller.
        identity: Of this process, unique for its lifetime.
        clock: Seconds that never go back; for tests.
        duration: Seconds that a lease holds.
        deadline: Seconds within which it is renewed, or given up.
        pause: Seconds between two tries.
    """

    def __init__(
        self,
        client: Client,
        # Of the Lease, the only object that is named and not found: its rights are a Role in one
        # namespace (deploy/).
        namespace: str,
        name: str,
        identity: str,
        *,
        clock: Callable[[], float] = time.monotonic,
        duration: float = DURATION,
        deadline: float = DEADLINE,
        pause: float = PAUSE,
    ) -> None:
        self._client = client
        self._namespace = namespace
        self._name = name
        self.identity = identity
        """Of this process."""
        self._clock = clock
        self._duration = duration
        self._deadline = deadline
        self._pause = pause
        self._seen: tuple[str | None, str | None] = (None, None)
        self._seen_at = 0.0
        self._renewed = 0.0
        """When the last call began that took or renewed it."""

    async def acquire(self) -> None:
        """Wait until the lease is ours."""
        # Without jitter: two processes that try at once are told apart by the resource version, and
        # one gets a conflict.
        while not await self._try(self._deadline):
            await asyncio.sleep(self._pause)
        _LOG.info("leader: %s", self.identity)

    async def keep(self) -> None:
        """Renew the lease until that fails for longer than the deadline; then return: whoever leads must stop at once.

        It gives up before the lease runs out, so that no two processes act at the same time as far as their clocks run alike.
        """
        while (left := self._left()) > 0:
            await asyncio.sleep(min(self._pause, left))
            # For the rest and no longer: a try that begins late and hangs would end after the
            # lease has run out, while another works already.
            renewed = await self._try(max(0.0, self._left()))
            # A conflict alone is no loss, since a read that is stale gives one as well.
            if not renewed and self._seen[0] != self.identity:
                break  # another has it: no use in waiting
        # The process ends and is started again by its Deployment: a leader that lost its lease has
        # workers in unknown states, and a fresh start is the one that is tested.
        _LOG.error("no longer the leader: the lease could not be renewed")

    async def release(self) -> None:
        """Give the lease back, so that a standby need not wait for it to run out."""
        try:
            lease = await self._read()
            if lease is not None and lease.spec.holder_identity == self.identity:
                # As client-go does it: an empty holder and one second, which every implementation
                # takes for free.
                spec = msgspec.structs.replace(
                    lease.spec, holder_identity="", lease_duration_seconds=1
                )
                await self._write(spec, lease.metadata.resource_version)
        except ApiError as error:
            _LOG.warning("giving the lease back: %s", error.message)

    def _left(self) -> float:
        """Seconds until whoever leads must stop."""
        return self._renewed + self._deadline - self._clock()

    async def _try(self, seconds: float) -> bool:
        # From its beginning: the answer may be late, and the others count from the write on.
        began = self._clock()
        try:
            # A server that does not answer must not keep us from noticing that the time is over.
            taken = await asyncio.wait_for(self._take(), seconds)
        except (ApiError, asyncio.TimeoutError) as error:
            _LOG.warning("lease %s: %s", self._name, str(error) or "no answer in time")
            return False
        if taken:
            self._renewed = began
        return taken

    async def _take(self) -> bool:
        lease = await self._read()
        now = datetime.now(timezone.utc).strftime("%Y-%m-%dT%H:%M:%S.%fZ")
        # Two may create it at once; the server refuses the second (409), which is an ApiError and
        # so another try.
        if lease is None:
            spec = self._spec(now, now, 0)
            await self._client.create(LEASES, self._namespace, self._body(spec, ""))
            # Our own write counts as seen: otherwise the first renewal would look like a change
            # that somebody else made.
            self._see(spec)
            return True
        held = lease.spec
        ours = held.holder_identity == self.identity
        self._see(held)
        # By when this process saw it change, never by the holder's clock.
        fresh = self._clock() - self._seen_at < (held.lease_duration_seconds or self._duration)
        if held.holder_identity and not ours and fresh:
            return False
        # Counted at each change of the holder, as `kubectl describe lease` shows it.
        transitions = (held.lease_transitions or 0) + (0 if ours else 1)
        # The time of acquiring stays while it is renewed.
        since = held.acquire_time if ours and held.acquire_time else now
        spec = self._spec(since, now, transitions)
        await self._write(spec, lease.metadata.resource_version)
        self._see(spec)
        return True

    def _spec(self, since: str, now: str, transitions: int) -> _Spec:
        return _Spec(
            holder_identity=self.identity,
            lease_duration_seconds=max(1, round(self._duration)),
            acquire_time=since,
            renew_time=now,
            lease_transitions=transitions,
        )

    def _see(self, spec: _Spec) -> None:
        seen = (spec.holder_identity, spec.renew_time)
        if seen != self._seen:
            self._seen = seen
            self._seen_at = self._clock()

    async def _read(self) -> _Lease | None:
        data = await self._client.get(LEASES, self._namespace, self._name)
        return None if data is None else read(data, _Lease)

    async def _write(self, spec: _Spec, version: str) -> None:
        await self._client.replace(LEASES, self._namespace, self._name, self._body(spec, version))

    def _body(self, spec: _Spec, version: str) -> dict[str, object]:
        named = {"name": self._name, "namespace": self._namespace}
        return {
            "apiVersion": LEASES.api_version,
            "kind": LEASES.kind,
            # With the version that was read: if somebody wrote in between, the server refuses with
            # 409.
            "metadata": named | ({"resourceVersion": version} if version else {}),
            "spec": spec,
        }
