"""What a store's own object says: whether it can be used, and how many configurations it keeps."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping
from datetime import datetime
from typing import Any, Final, Literal

import msgspec

from machineadm.controllers.capi.types import Bootstrap, Condition
from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.logs import about
from machineadm.controllers.runtime.queue import Queue
from machineadm.controllers.runtime.resources import HTTP_STORES, INFRASTRUCTURE_GROUP, Resource
from machineadm.controllers.runtime.store import Key, Store
from machineadm.controllers.stores.opening import StoreObject, Stores
from machineadm.controllers.stores.port import STORE_ANNOTATION, StoreError

EVERY: Final = 60.0
"""Seconds after which a store is asked again whether it is there."""

# How soon a new leader looks at all stores; a standby's look asks nobody.
_STANDBY: Final = 5.0
# Two, so that one store that does not answer within its timeout does not hold up the others.
_WORKERS: Final = 2

_LOG = logging.getLogger(__name__)

_Said = tuple[Literal["True", "False", "Unknown"], str, str]
_FINE: Final[_Said] = ("True", "Available", "")


class StoreKeeper:
    """Looks at stores, and says in their status what became of it.

    Args:
        client: Of the management cluster.
        stores: The stores.
        bootstraps: The MachineBootstraps, which say what is stored where.
        now: The time.
        works: Whether this process is the one that works.
        resource: The kind of the stores.
    """

    def __init__(
        self,
        client: Client,
        stores: Stores,
        bootstraps: Store[Bootstrap],
        *,
        now: Callable[[], datetime],
        works: Callable[[], bool],
        resource: Resource = HTTP_STORES,
    ) -> None:
        self._resource = resource
        self._objects = stores.mirrored[resource.kind]
        self._client = client
        self._stores = stores
        self._bootstraps = bootstraps
        self._now = now
        self._works = works
        self.queue = Queue()
        self._objects.on_change(self._changed)

    async def run(self) -> None:
        """Look until cancelled."""
        await asyncio.gather(*(self._worker() for _ in range(_WORKERS)))

    async def look(self, key: Key) -> None:
        """Look at one store, and write its status if that changed.

        Raises:
            ApiError: The management cluster refuses or does not answer.
        """
        one = self._objects.get(key)
        if one is None or one.deleted:
            return
        said = await self._said(one)
        kept = f"{self._resource.kind}/{one.name}"
        # Counted by the annotations: the store itself lists nothing, and its count would be of
        # other clusters as well.
        objects = sum(
            1
            for each in self._bootstraps
            if each.namespace == one.namespace and each.annotations.get(STORE_ANNOTATION) == kept
        )
        now = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        status = _status(one, said, objects, now)
        # An apply that changes nothing costs as much as one that does.
        if status == _owned(one):
            return
        body = {
            "apiVersion": self._resource.api_version,
            "kind": self._resource.kind,
            "metadata": {"name": one.name, "namespace": one.namespace},
            "status": status,
        }
        await self._client.apply_status(self._resource, *key, body)

    async def _said(self, one: StoreObject) -> dict[str, _Said]:
        """By type, what is to be said."""
        try:
            store = await self._stores.opened(
                one.namespace, INFRASTRUCTURE_GROUP, self._resource.kind, one.name
            )
        # Whether it is reachable cannot be asked without what it is asked with.
        except StoreError as error:
            unknown: _Said = ("Unknown", error.reason, "")
            return {
                "CredentialsAvailable": ("False", error.reason, error.message),
                "Reachable": unknown,
            }
        try:
            await store.probe(one.namespace)
        except StoreError as error:
            if error.reason == "CredentialsRejected":
                refused: _Said = ("False", error.reason, error.message)
                return {"CredentialsAvailable": refused, "Reachable": ("True", "Reachable", "")}
            return {
                "CredentialsAvailable": _FINE,
                "Reachable": ("False", "Unreachable", error.message),
            }
        return {"CredentialsAvailable": _FINE, "Reachable": ("True", "Reachable", "")}

    async def _worker(self) -> None:
        while True:
            key = await self.queue.get()
            failed = False
            try:
                if self._works():
                    await self.look(key)
            except ApiError as error:
                failed = error.status != 404
                if failed:
                    _LOG.warning("%s", error, extra=_named(key))
            except Exception:
                _LOG.exception("internal error", extra=_named(key))
            finally:
                self.queue.done(key, failed=failed)
                if self._objects.get(key) is not None and not failed:
                    # A timer, since no event says that a server on the network went away.
                    self.queue.add_after(key, EVERY if self._works() else _STANDBY)

    def _changed(self, old: StoreObject | None, new: StoreObject | None) -> None:
        if new is None:
            if old is not None:
                self.queue.forget(old.key)
        # Not for what was written here.
        elif old is None or old.uid != new.uid or old.generation != new.generation:
            self.queue.add(new.key)


def _status(one: StoreObject, said: Mapping[str, _Said], objects: int, now: str) -> dict[str, Any]:
    # The first that is wrong, in their order: credentials before the network.
    wrong = [value for value in said.values() if value[0] != "True"]
    whole = {"Ready": wrong[0] if wrong else ("True", "Ready", "")} | dict(said)
    there = {condition.type: condition for condition in one.conditions}
    conditions = []
    for type_, (status, reason, message) in whole.items():
        old = there.get(type_)
        conditions.append(
            Condition(
                type=type_,
                status=status,
                reason=reason,
                message=message,
                last_transition_time=old.last_transition_time
                if old is not None and old.status == status
                else now,
                observed_generation=one.generation,
            )
        )
    return {
        "observedGeneration": one.generation,
        "conditions": msgspec.to_builtins(conditions),
        "objects": objects,
    }


def _owned(one: StoreObject) -> dict[str, Any]:
    return {
        "observedGeneration": one.status.get("observedGeneration"),
        "conditions": msgspec.to_builtins(one.conditions),
        "objects": one.status.get("objects"),
    }


def _named(key: Key) -> dict[str, Mapping[str, object]]:
    return about(namespace=key[0], object=key[1])
