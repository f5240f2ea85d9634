"""The bootstrap controller's loop: events to keys, keys to decisions, decisions to at most one status."""

from __future__ import annotations

import asyncio
import logging
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from datetime import datetime
from typing import Any, Final

import msgspec

from machineadm.controllers.bootstrap import adoption
from machineadm.controllers.bootstrap import decide as decisions
from machineadm.controllers.bootstrap.act import Actor, Done
from machineadm.controllers.bootstrap.conditions import (
    OWNED,
    Outcome,
    Said,
    owned_part,
    whole_status,
)
from machineadm.controllers.bootstrap.decide import Facts, decide, machine_owner
from machineadm.controllers.bootstrap.news import news
from machineadm.controllers.bootstrap.references import references_of
from machineadm.controllers.bootstrap.rendering import UnfitError, decoded
from machineadm.controllers.capi.certificates import PURPOSES
from machineadm.controllers.capi.types import (
    CLUSTER_LABEL,
    WATCH_FILTER_LABEL,
    Bootstrap,
    Cluster,
    Condition,
    Machine,
    SecretMeta,
    bootstrap,
    cluster,
    kubeadm_config,
    machine,
    machine_pool,
    secret_meta,
    time_of,
)
from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.events import About, Events
from machineadm.controllers.runtime.logs import about
from machineadm.controllers.runtime.queue import Queue, Urgency
from machineadm.controllers.runtime.reflector import Reflector
from machineadm.controllers.runtime.resources import (
    CLUSTERS,
    CONFIG_MAPS,
    HTTP_STORES,
    MACHINE_BOOTSTRAPS,
    MACHINE_POOLS,
    MACHINES,
    SECRETS,
    STORES,
    Resource,
)
from machineadm.controllers.runtime.store import Cached, Key, Store
from machineadm.controllers.runtime.tasks import cancelled
from machineadm.controllers.stores.opening import StoreObject, store_object
from machineadm.controllers.stores.port import STORE_ANNOTATION
from machineadm.controllers.stores.port import named as store_name

_LOG = logging.getLogger(__name__)

# Reasons behind which more problems may be found already while the machine waits.
_TRIED: Final = frozenset(
    {
        "WaitingForControlPlaneInitialized",
        "WaitingForInitLock",
        "WaitingForControlPlaneEndpoint",
        "VersionSkew",
    }
)


# What a waiting machine may need of its cluster, by the end of its name.
_OF_CLUSTERS: Final = ("-lock", "-kubeconfig", *(f"-{purpose}" for purpose in PURPOSES))


class BootstrapController:
    """Makes the bootstrap data of MachineBootstraps, or of KubeadmConfigs.

    Args:
        client: Of the management cluster.
        actor: Makes the effects.
        namespace: The only one that is looked at; empty: all.
        watch_filter: Value of the label `cluster.x-k8s.io/watch-filter` that an object must carry; empty: none needed.
        workers: How many objects are worked on at once.
        interval: Seconds between two looks at the same object.
        now: The time.
        events: What happens is told here as well; None: to nobody.
        serves: What it makes data of.
        shares: One whose caches of everything else are used; None: it has its own.
    """

    def __init__(
        self,
        client: Client,
        actor: Actor,
        *,
        namespace: str = "",
        watch_filter: str = "",
        # As --kubeadmconfig-concurrency of Cluster API's provider. They are tasks of one thread:
        # 100 that wait for an API server cost nothing.
        workers: int = 100,
        interval: float = 1.0,
        now: Callable[[], datetime],
        events: Events | None = None,
        serves: Resource = MACHINE_BOOTSTRAPS,
        shares: BootstrapController | None = None,
    ) -> None:
        self._metrics = client.metrics
        self._events = events
        self._tasks: set[asyncio.Task[None]] = set()
        self._occupied: set[asyncio.Task[Any] | None] = set()
        """Those that work on a key at this moment."""
        self._ends = False
        self._client = client
        self._actor = actor
        self._watch_filter = watch_filter
        self._workers = workers
        self._now = now
        self._own: Key | None = None
        """What this process has just written, and need not look at."""
        # Of each controller its own: a KubeadmConfig and a MachineBootstrap may have the same key.
        self.queue = Queue(interval=interval, waited=self._metrics.waited)
        self._serves = serves
        self._project = bootstrap if serves == MACHINE_BOOTSTRAPS else kubeadm_config
        self.bootstraps: Store[Bootstrap] = Store(owner=_owners, reference=_references)
        self.machines: Store[Machine] = Store(cluster=_cluster_of, store=_store_of)
        self.pools: Store[Machine] = Store(cluster=_cluster_of)
        self.clusters: Store[Cluster] = Store()
        self.secrets: Store[SecretMeta] = Store()
        self.config_maps: Store[SecretMeta] = Store()
        # 10,000 Machines are 17.5 MiB of cache and a watch: once is enough.
        if shares is not None:
            self.machines, self.pools, self.clusters = (
                shares.machines,
                shares.pools,
                shares.clusters,
            )
            self.secrets, self.config_maps = shares.secrets, shares.config_maps
        own: tuple[tuple[Any, ...], ...] = ((serves, self._project, self.bootstraps),)
        mirrored: tuple[tuple[Any, ...], ...] = (
            (MACHINES, machine, self.machines),
            (MACHINE_POOLS, machine_pool, self.pools),
            (CLUSTERS, cluster, self.clusters),
            (SECRETS, secret_meta, self.secrets),
            (CONFIG_MAPS, secret_meta, self.config_maps),
            *((each, store_object, actor.stores.mirrored[each.kind]) for each in STORES),
        )
        self.reflectors = [
            Reflector(
                client,
                resource,
                project,
                store,
                namespace=namespace,
                metadata_only=project is secret_meta,
                # MachinePools are a feature gate of core, and stores another component's
                # definitions: neither may keep everything else from working.
                optional=resource in (MACHINE_POOLS, *STORES),
            )
            for resource, project, store in (own if shares is not None else own + mirrored)
        ]
        # Of all, also those that are shared: an object that is decided with half a cache looks
        # ownerless.
        self._awaits = [*self.reflectors, *([] if shares is None else shares.reflectors)]
        self.bootstraps.on_change(self._bootstrap_changed)
        self.machines.on_change(self._machine_changed)
        self.pools.on_change(self._machine_changed)
        self.clusters.on_change(self._cluster_changed)
        self.secrets.on_change(self._referred_changed("Secret"))
        self.config_maps.on_change(self._referred_changed("ConfigMap"))
        self.stores = actor.stores
        for each in STORES:
            self.stores.mirrored[each.kind].on_change(self._store_changed(each.kind))
        self.stores.kinds.on_change(self._location_changed)

    async def mirror(self) -> None:
        """Keep the caches until cancelled. A standby does this alone."""
        await asyncio.gather(*(one.run() for one in self.reflectors))

    async def work(self) -> None:
        """Work on what is queued until cancelled; only while this process leads."""
        # Empty caches would say that nothing has an owner, and that would be written to every
        # status.
        for one in self._awaits:
            await one.synced.wait()
        self._tasks = {asyncio.ensure_future(self._worker()) for _ in range(self._workers)}
        try:
            await asyncio.wait(self._tasks)
        finally:
            await cancelled(*self._tasks)

    def lacks(self) -> list[str]:
        """What is missing until this process could work at once, in words."""
        return [
            f"{one.kind} are not listed yet" for one in self.reflectors if not one.synced.is_set()
        ]

    async def drain(self) -> None:
        """Take up nothing more, and wait until what is being worked on is done; `work` returns then."""
        self._ends = True
        for task in self._tasks:
            # A worker that has a key ends with it; the others wait for one that will not come.
            if task not in self._occupied:
                task.cancel()
        if self._tasks:
            await asyncio.wait(self._tasks)

    async def reconcile(self, key: Key) -> float | None:
        """Look at one object, do what is due, write its status if that changed.

        Returns:
            Seconds after which to look again; None: an event will say so.

        Raises:
            ApiError: The management cluster refuses or does not answer.
        """
        one = self.bootstraps.get(key)
        if one is None:
            self.queue.forget(key)
            return None
        if self._watch_filter and one.labels.get(WATCH_FILTER_LABEL) != self._watch_filter:
            return None
        facts = await self._facts(one)
        decision = decide(facts)
        done = await self._act(facts, decision)
        if done is None:
            return decision.again_after if isinstance(decision, decisions.Nothing) else None
        await self._write(one, done.outcome)
        if isinstance(decision, decisions.Make) and done.outcome.data_secret:
            self._metrics.data_made((self._now() - time_of(one.created)).total_seconds())
        return done.again_after

    @property
    def works(self) -> bool:
        """This process is the one that works."""
        return bool(self._tasks) and not self._ends

    @property
    def queued(self) -> int:
        """How many keys wait for a worker."""
        return len(self.queue)

    @property
    def workers_busy(self) -> int:
        """How many objects are being worked on."""
        return len(self._occupied)

    def by_readiness(self) -> dict[tuple[str, str], int]:
        """How many objects that are served there are by status and reason of `Ready`; both empty where nothing is said yet."""
        found: Counter[tuple[str, str]] = Counter()
        for one in self.bootstraps:
            ready = next((c for c in one.conditions if c.type == "Ready"), None)
            found[("", "") if ready is None else (ready.status, ready.reason)] += 1
        return found

    async def _worker(self) -> None:
        while not self._ends:
            key = await self.queue.get()
            # Between `get` and this line nothing is awaited, so drain() never sees a worker that
            # has a key and is not occupied.
            task = asyncio.current_task()
            self._occupied.add(task)
            try:
                await self._look(key)
            finally:
                self._occupied.discard(task)

    async def _look(self, key: Key) -> None:
        began = asyncio.get_running_loop().time()
        result = "failed"
        named = about(namespace=key[0], object=key[1])
        try:
            again = await self.reconcile(key)
            result = "done"
            if again is not None:
                # Before done(): a look that was asked for meanwhile comes earlier than this timer,
                # and drops it.
                self.queue.add_after(key, again)
        except ApiError as error:
            if error.status == 404:
                result = "done"  # it went while it was worked on
            else:
                _LOG.warning("%s", error, extra=named)
        except Exception:
            # A fault of ours in one object must not end the worker that serves all the others.
            result = "internal_error"
            _LOG.exception("internal error", extra=named)
        finally:
            # In `finally`, also when cancelled: a key that stays running is never looked at again.
            self.queue.done(key, failed=result != "done")
            self._metrics.look_ended(result, asyncio.get_running_loop().time() - began)

    async def _facts(self, one: Bootstrap) -> Facts:
        owner = machine_owner(one.owners)
        owning = None
        if owner is not None:
            store = self.pools if owner.kind == "MachinePool" else self.machines
            owning = store.get((one.namespace, owner.name))
        # The owner's word before the label: the label is all there is while the owner is not there
        # yet.
        name = (owning.cluster if owning else "") or one.labels.get(CLUSTER_LABEL, "")
        belongs = self.clusters.get((one.namespace, name)) if name else None
        facts = Facts(
            bootstrap=one,
            owner=owning,
            cluster=belongs,
            # By the name in the status: a Machine that was restored may have taken its data over
            # under another one.
            secret=self.secrets.get((one.namespace, one.data_secret or one.name)),
            now=self._now().timestamp(),
        )
        lock_there = belongs is not None and (
            self.config_maps.get((one.namespace, f"{belongs.name}-lock")) is not None
        )
        # Only then is the API server asked: a worker's look costs no call, and that is most looks.
        if owning is None or belongs is None or not owning.control_plane or not lock_there:
            return facts
        lock, exists = await self._actor.lock_of(belongs)
        return msgspec.structs.replace(facts, lock=lock, lock_holder_exists=exists)

    async def _act(self, facts: Facts, decision: decisions.Decision) -> Done | None:
        """Carry a decision out; None: there is nothing to be said."""
        match decision:
            case decisions.Make():
                return await self._actor.make(facts, decision)
            case decisions.Keep():
                return await self._actor.keep(facts, decision)
            case decisions.Restore(secret):
                return await self._actor.restore(facts, secret)
            case decisions.Adopt(secret):
                return await self._actor.adopt(facts, secret)
            case decisions.Leave():
                # But not that it is paused, when it is not any more.
                paused = next((c for c in facts.bootstrap.conditions if c.type == "Paused"), None)
                still = paused is not None and paused.status == "True"
                return Done(outcome=Outcome()) if still else None
            case decisions.Pause():
                return Done(outcome=Outcome(paused=True))
            case decisions.Wait(reason, message) | decisions.Refuse(reason, message):
                # A problem in the spec is told hours before the machine's turn, and not when the
                # first control plane is up at last.
                if reason in _TRIED:
                    wrong = await self._actor.trial(facts)
                    if wrong is not None:
                        return Done(outcome=wrong)
                said = Said(status="False", reason=reason, message=message)
                return Done(outcome=Outcome(said={"DataSecretAvailable": said}))
            case decisions.Release():
                return await self._actor.release(facts)
            case decisions.Nothing():
                return None

    async def _write(self, one: Bootstrap, outcome: Outcome) -> None:
        now = self._now().strftime("%Y-%m-%dT%H:%M:%SZ")
        status = whole_status(one, outcome, now)
        applied, owned = status, owned_part(one)
        if one.adopted:
            applied = adoption.status_of(one, status)
            owned = adoption.there(one, owned, OWNED)
        # An apply that changes nothing costs the API server as much as one that does.
        if applied == owned:
            return
        body = {
            "apiVersion": one.resource.api_version,
            "kind": one.resource.kind,
            "metadata": {"name": one.name, "namespace": one.namespace},
            "status": applied,
        }
        written = await self._client.apply_status(one.resource, one.namespace, one.name, body)
        # Known at once, so that an event of something else does not meet the old status.
        # Around one synchronous call: the listener that asks for it runs within `put`, and no other
        # task in between.
        self._own = one.key
        self.bootstraps.put(self._project(written))
        self._own = None
        self._tell(one, status)

    def _tell(self, one: Bootstrap, status: Mapping[str, Any]) -> None:
        """Say what a written status has that the one before had not: in logs, Events and metrics."""
        conditions = msgspec.convert(status["conditions"], tuple[Condition, ...])
        before = {old.type: (old.status, old.reason) for old in one.conditions}
        for new in conditions:
            # Not for a new message alone: messages may count or name times, and each would be a
            # line.
            if before.get(new.type) != (new.status, new.reason):
                named = about(
                    namespace=one.namespace,
                    object=one.name,
                    condition=new.type,
                    status=new.status,
                    reason=new.reason,
                )
                _LOG.info("%s", new.message or "condition changed", extra=named)
        if self._events is None:
            return
        described = About(
            resource=one.resource, namespace=one.namespace, name=one.name, uid=one.uid
        )
        for event in news(one, conditions, status.get("observedGeneration", 0)):
            self._events.tell(described, event)

    # What wakes whom.

    def _bootstrap_changed(self, old: Bootstrap | None, new: Bootstrap | None) -> None:
        if new is None:
            if old is not None:
                self.queue.forget(old.key)
            return
        if old is None:
            # After a restart every object is new to the cache; those that still wait for data come
            # before those that only need upkeep.
            self.queue.add(new.key, Urgency.CHANGED if new.data_secret_created else Urgency.NEW)
        elif new.key != self._own:
            self.queue.add(new.key)

    def _machine_changed(self, old: Machine | None, new: Machine | None) -> None:
        one = new or old
        # Core writes a Machine's status a dozen times while it comes up; most of that is not in the
        # projection.
        if one is not None and not _same(old, new):
            self._wake(self._owned(one))

    def _cluster_changed(self, old: Cluster | None, new: Cluster | None) -> None:
        one = new or old
        if one is None or _same(old, new):
            return
        # Through the Machines: a MachineBootstrap names its Cluster by a label only, which may be
        # missing.
        for member in self._members(one.key):
            self._wake(self._owned(member))

    def _referred_changed(
        self, kind: str
    ) -> Callable[[SecretMeta | None, SecretMeta | None], None]:
        def changed(old: SecretMeta | None, new: SecretMeta | None) -> None:
            one = new or old
            if one is None:
                return
            self._wake(self.bootstraps.by("reference", (one.namespace, f"{kind}/{one.name}")))
            # The data Secret has its MachineBootstrap's name: if somebody deletes or edits it, that
            # is looked at.
            own = self.bootstraps.get(one.key)
            if kind == "Secret" and own is not None:
                self._wake([own])
            # By name and not by label: certificates that a user brings carry whatever labels they
            # like.
            if one.name.endswith(_OF_CLUSTERS):
                self._cluster_of_waiting(one)

        return changed

    def _store_changed(self, kind: str) -> Callable[[StoreObject | None, StoreObject | None], None]:
        def changed(old: StoreObject | None, new: StoreObject | None) -> None:
            one = new or old
            if one is not None:
                self._wake_users((one.namespace, f"{kind}/{one.name}"))

        return changed

    def _wake_users(self, of: Key) -> None:
        self._wake(self.bootstraps.by("reference", of))
        for member in self.machines.by("store", of):
            self._wake(self._owned(member))

    def _location_changed(self, of: Key, answers: Iterable[str] | None) -> None:
        """A store of another's kind changed.

        Args:
            of: Its namespace, and what names it.
            answers: Names of those whose answer is new; None: anybody's may be.
        """
        if answers is None:
            self._wake_users(of)
            return
        # One object answers for thousands of machines, and each answer is one machine's business.
        found = (self.bootstraps.get((of[0], name)) for name in answers)
        self._wake(one for one in found if one is not None)

    def _cluster_of_waiting(self, one: SecretMeta) -> None:
        name = one.name.rpartition("-")[0]
        for member in self._members((one.namespace, name)):
            self._wake(
                waiting for waiting in self._owned(member) if not waiting.data_secret_created
            )

    def _members(self, of: Key) -> tuple[Machine, ...]:
        return self.machines.by("cluster", of) + self.pools.by("cluster", of)

    def _owned(self, member: Machine) -> tuple[Bootstrap, ...]:
        return self.bootstraps.by("owner", (member.namespace, f"{member.kind}/{member.name}"))

    def _wake(self, woken: Iterable[Bootstrap]) -> None:
        for one in woken:
            self.queue.add(one.key)


def _owners(one: Bootstrap) -> list[Key]:
    owner = machine_owner(one.owners)
    return [] if owner is None else [(one.namespace, f"{owner.kind}/{owner.name}")]


def _references(one: Bootstrap) -> list[Key]:
    stored = one.annotations.get(STORE_ANNOTATION)
    if one.data_secret_created:
        # Data is never made again; what is stored is looked after.
        return [] if stored is None else [(one.namespace, stored)]
    if one.adopted:
        found = adoption.references_in(one.raw)
        return [(one.namespace, f"{kind}/{name}") for kind, name in found]
    try:
        read = decoded(one.raw, one.name)
    except UnfitError:
        return []
    named = [(one.namespace, f"{kind}/{name}") for kind, name in references_of(read.spec)]
    store, agent = read.spec.infrastructure_ref, read.spec.agent
    if store is not None:
        named.append((one.namespace, store_name(store.api_group, store.kind, store.name)))
    download = agent.download if agent is not None else None
    if download is not None and download.from_store is not None and download.from_store.name:
        named.append((one.namespace, f"{HTTP_STORES.kind}/{download.from_store.name}"))
    return named


def _cluster_of(one: Machine) -> list[Key]:
    return [(one.namespace, one.cluster)]


def _store_of(one: Machine) -> list[Key]:
    store = one.store
    if store is None:
        return []
    return [(one.namespace, store_name(store.api_group, store.kind, store.name))]


def _same(old: Cached | None, new: Cached | None) -> bool:
    """Whether nothing changed that is kept of an object: most of a Machine's changes are others' business."""
    if old is None or new is None:
        return False
    return msgspec.structs.replace(old, version="") == msgspec.structs.replace(new, version="")
