"""Stores of kinds that others bring along: found by the API server's own list, and mirrored from the first time one is named."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from typing import Final

from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.reflector import Reflector
from machineadm.controllers.runtime.store import Key, Store
from machineadm.controllers.runtime.tasks import cancelled
from machineadm.controllers.stores.contract import ContractObject, contract_object
from machineadm.controllers.stores.port import StoreError, named

AGGREGATED: Final = "machineadm.x-k8s.io/aggregate-to-bootstrap-controller"
"""Label of a ClusterRole by which a provider lets the controller read its kinds."""

_LOOKED_FOR: Final = 60.0
"""Seconds after which a kind is looked for again: no event says that the API server knows it now."""

# A kind costs a watch and a cache, and whoever may write a MachineBootstrap may name one.
_MOST: Final = 32
"""Kinds that are mirrored at once."""

_Listener = Callable[[Key, Iterable[str] | None], None]


class Kinds:
    """Kinds of stores that are not ours.

    Args:
        client: Of the management cluster.
        namespace: The only one that is looked at; empty: all.
    """

    def __init__(self, client: Client, *, namespace: str = "") -> None:
        self._client = client
        self._namespace = namespace
        self._stores: dict[tuple[str, str], Store[ContractObject]] = {}
        self._tasks: list[asyncio.Task[None]] = []
        self._listeners: list[_Listener] = []
        self._finding = asyncio.Lock()
        self.reflectors: list[Reflector[ContractObject]] = []
        """One for each kind that was named."""

    def on_change(self, listener: _Listener) -> None:
        """Have `listener` called when a store changes.

        Args:
            listener: Gets namespace and name of the store, that as `named` writes it; and whose answers are new, None where
                the store as a whole is.
        """
        self._listeners.append(listener)

    async def store(self, group: str, kind: str) -> Store[ContractObject]:
        """The objects of a kind.

        Args:
            group: Its API group.
            kind: Its kind.

        Raises:
            StoreError: The API server does not know it, or lets nobody list it.
            ApiError: The API server does not answer.
        """
        found = self._stores.get((group, kind))
        if found is not None:
            return found
        # One looks for it, and all others that name it wait for what is found.
        async with self._finding:
            found = self._stores.get((group, kind))
            if found is None:
                found = self._stores[(group, kind)] = await self._mirrored(group, kind)
        return found

    async def close(self) -> None:
        """Mirror nothing any more."""
        await cancelled(*self._tasks)
        self._tasks.clear()

    async def _mirrored(self, group: str, kind: str) -> Store[ContractObject]:
        if len(self._stores) >= _MOST:
            message = f"more than {_MOST} kinds of stores are named"
            raise StoreError("NotSupported", message)
        resource = await self._client.find(group, kind)
        # Not remembered: the definition may be installed a minute later.
        if resource is None:
            message = f"the API server knows no namespaced {kind} of group {group}"
            raise StoreError("StoreNotFound", message, again_after=_LOOKED_FOR)
        store: Store[ContractObject] = Store()
        reflector = Reflector(
            self._client,
            resource,
            lambda data: contract_object(data, group, kind),
            store,
            namespace=self._namespace,
            optional=True,
        )
        try:
            # Once before the first answer: a store that is empty because it is not filled yet would
            # look like one that is gone.
            await reflector.fill()
        except ApiError as error:
            if error.status != 403:
                raise
            message = (
                f"the controller may not list {resource.plural}.{group}; whoever installs them gives it get, list and watch by a"
                f' ClusterRole with the label {AGGREGATED}: "true"'
            )
            raise StoreError("StoreNotReady", message, again_after=_LOOKED_FOR) from None
        store.on_change(self._changed)
        self.reflectors.append(reflector)
        self._tasks.append(asyncio.ensure_future(reflector.run()))
        return store

    def _changed(self, old: ContractObject | None, new: ContractObject | None) -> None:
        one = new or old
        if one is None:
            return
        of = one.namespace, named(one.group, one.kind, one.name)
        whole = old is None or new is None or not old.differs_in_answers_alone(new)
        answers = None if whole or old is None or new is None else old.new_answers(new)
        for listener in self._listeners:
            listener(of, answers)
