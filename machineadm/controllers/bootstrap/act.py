"""Carry out a decision. Every effect can be repeated: whoever is killed between two of them ends in the same bytes.

The order in which data is made: lock, certificates, the cluster's token key, the token in the workload cluster, the
configuration in a store, the data Secret. The status comes last, and is written by the caller.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
import os
from collections.abc import Callable, Mapping, Sequence
from datetime import datetime, timedelta, timezone
from functools import partial
from typing import Any, Final

import msgspec

from machineadm.api.formats import seconds
from machineadm.api.v1alpha1.agent_source import AgentSource, Sha256ByArchitecture
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrap
from machineadm.api.v1alpha1.reference import ConfigurationReference
from machineadm.api.v1alpha1.reporting import Reporting
from machineadm.controllers.bootstrap import adoption
from machineadm.controllers.bootstrap.conditions import STORE_NOT_SYNCED, Outcome, Said
from machineadm.controllers.bootstrap.decide import (
    MADE_ANNOTATION,
    Facts,
    Keep,
    Lock,
    Make,
    RoleName,
)
from machineadm.controllers.bootstrap.references import references_of
from machineadm.controllers.bootstrap.rendering import (
    UnfitError,
    decoded,
    rendered,
    resource_of,
    size_of,
)
from machineadm.controllers.capi.certificates import (
    PURPOSES,
    SECRET_TYPE,
    CertificateError,
    Pair,
    Purpose,
    encoded,
    generate_pair,
    owned_by,
    read_pair,
    secret_body,
    secret_name,
)
from machineadm.controllers.capi.keys import key_secret
from machineadm.controllers.capi.tokens import (
    KEY_SIZE,
    REPORT_SEED_ANNOTATION,
    REPORTS_PATH,
    Seed,
    Token,
    derive,
    random_for,
    report_token,
)
from machineadm.controllers.capi.types import (
    CLUSTER_LABEL,
    Bootstrap,
    Cluster,
    Machine,
    Metadata,
    SecretMeta,
    secret_meta,
    time_of,
)
from machineadm.controllers.capi.workload import UnreachableError, Workloads
from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.resources import (
    CONFIG_MAPS,
    MACHINE_BOOTSTRAPS,
    MACHINES,
    SECRETS,
    Resource,
)
from machineadm.controllers.stores.opening import Stores, is_http
from machineadm.controllers.stores.port import (
    STORE_ANNOTATION,
    STORE_FINALIZER,
    STORED_ANNOTATION,
    STORED_UNTIL_ANNOTATION,
    Opened,
    Stored,
    StoreError,
    named,
    parts_of,
)
from machineadm.redaction import Secret
from machineadm.rendering.objects import Resource as Referred
from machineadm.rendering.render import Rendered

SEED_ANNOTATION: Final = "machineadm.x-k8s.io/token-seed"
COUNTER_ANNOTATION: Final = "machineadm.x-k8s.io/token-counter"
EPOCH_ANNOTATION: Final = "machineadm.x-k8s.io/token-epoch"
TOKEN_LABEL: Final = "machineadm.x-k8s.io/token"  # noqa: S105

# kube-apiserver's bootstrap authenticator looks in kube-system alone, and for Secrets of this type
# alone.
_TOKENS_NAMESPACE: Final = "kube-system"
_TOKEN_TYPE: Final = "bootstrap.kubernetes.io/token"  # noqa: S105
# The group that `kubeadm init` binds to the roles of a joining node (kubeadm's
# NodeBootstrapTokenAuthGroup): with another one a token authenticates and may do nothing.
_GROUP: Final = "system:bootstrappers:kubeadm:default-node-token"
# An id has six characters, 2.2e9 of them: at 10,000 live tokens two clash in one of fifty clusters,
# eight times in a row never.
_MOST_CLASHES: Final = 8
# As a store's own pause (stores/http.py), for an error of one that names none.
_AGAIN: Final = 10.0
# The spec is served already and its data must not change, so only a reference that comes back
# helps; that is a person's work and takes minutes.
_UNFIT_AGAIN: Final = 600.0
_UNSERVED_AGAIN: Final = 60.0
_PAUSED_FOR: Final = 30.0
# Set by `clusterctl move` on each source object right before it deletes it
# (DeleteForMoveAnnotation).
_MOVED: Final = "clusterctl.cluster.x-k8s.io/delete-for-move"


class Limits(msgspec.Struct, frozen=True, kw_only=True):
    """How long tokens live, in seconds."""

    # 15 minutes, the default of Cluster API's --bootstrap-token-ttl.
    token_ttl: float = 900.0
    """After the last time it was extended. It is looked after every third of that."""

    token_max_age: float = 86400.0
    """After this age of its MachineBootstrap it is no longer extended: that machine will not come. Machines of a pool may
    come at any time."""


class ReportTo(msgspec.Struct, frozen=True, kw_only=True):
    """Where machines report to."""

    url: str
    """`https://host:port`, perhaps with a path; `/v1/reports/<namespace>/<name>` follows."""

    ca_bundle: str | None = None
    """What machines trust beside their own store, in PEM."""


class Done(msgspec.Struct, frozen=True, kw_only=True):
    """What came of it, and when to look again."""

    outcome: Outcome
    again_after: float | None = None


# Not a SecretObject of the rendering: that one demands fields that a lock or a token of somebody
# else may lack.
class _Data(msgspec.Struct, frozen=True, kw_only=True):
    metadata: Metadata
    type: str = ""
    data: dict[str, str] = {}


class _LockData(msgspec.Struct, rename="camel"):
    machine_name: str = ""


class Actor:
    """Makes effects in the management cluster and in workload clusters.

    Args:
        client: Of the management cluster.
        workloads: Of the workload clusters.
        stores: Where configurations are kept that do not travel in user data.
        now: The time.
        limits: How long tokens live.
        report_to: Where machines report; None: nowhere.
        agent: Where machines of KubeadmConfigs get the agent from; None: their Cluster says it.
        random: Returns random bytes, for a cluster's token key alone.
    """

    def __init__(
        self,
        client: Client,
        workloads: Workloads,
        stores: Stores,
        *,
        now: Callable[[], datetime],
        limits: Limits,
        report_to: ReportTo | None = None,
        agent: AgentSource | None = None,
        random: Callable[[int], bytes] = os.urandom,
    ) -> None:
        self._client = client
        self._workloads = workloads
        self.stores = stores
        self._now = now
        self._limits = limits
        self._report_to = report_to
        self._agent = agent
        self._random = random
        # Made once for the whole process: they cost 0.2 s of CPU, and never leave it.
        self._stand_ins: dict[Purpose, Pair] = {}

    # What a decision needs and no cache has.

    async def lock_of(self, cluster: Cluster) -> tuple[Lock | None, bool]:
        """Read who may initialize a cluster, and whether that Machine is there, past every cache."""
        # By the server: a holder that a stale cache does not show yet would lose its lock, and two
        # machines would initialize (Cluster API's issue 5814).
        data = await self._client.get(CONFIG_MAPS, cluster.namespace, f"{cluster.name}-lock")
        if data is None:
            return None, False
        read = msgspec.json.decode(data, type=_Data)
        try:
            holder = msgspec.json.decode(
                read.data.get("lock-information", "{}"), type=_LockData
            ).machine_name
        except (ValueError, RecursionError):
            holder = ""
        lock = Lock(holder=holder, uid=read.metadata.uid, version=read.metadata.resource_version)
        exists = bool(holder) and (
            await self._client.get(MACHINES, cluster.namespace, holder) is not None
        )
        return lock, exists

    # Decisions.

    async def make(self, facts: Facts, decision: Make) -> Done:
        """Make the data of a machine.

        Raises:
            ApiError: The management cluster refuses or does not answer; to be tried again.
        """
        try:
            # Each of these is a state to be shown, not a failure: it has a reason in the status, no
            # backoff, and no line in the log. What remains is ApiError, which the queue tries
            # again.
            return await self._make(facts, decision)
        except UnfitError as error:
            outcome = Outcome(said={"DataSecretAvailable": error.said}, size=error.size)
            return Done(outcome=outcome)
        except StoreError as error:
            return Done(outcome=_unstored(error), again_after=error.again_after)
        except CertificateError as error:
            said = Said(status="False", reason=error.reason, message=error.message)
            # Both conditions: `Ready` looks at DataSecretAvailable first, and a machine without
            # certificates has no data.
            held = Said(status="False", reason="InvalidConfiguration", message=error.message)
            outcome = Outcome(said={"CertificatesAvailable": said, "DataSecretAvailable": held})
            return Done(outcome=outcome)
        except UnreachableError as error:
            message = f"workload cluster {decision.cluster.name}: {error}"
            said = Said(status="False", reason="WorkloadClusterUnreachable", message=message)
            # No event of the management cluster says that a workload cluster answers again.
            return Done(outcome=Outcome(said={"DataSecretAvailable": said}), again_after=10.0)

    async def trial(self, facts: Facts) -> Outcome | None:
        """Look for problems of a machine that has to wait anyway, so that nobody learns of them only afterwards.

        Returns:
            What to say instead of what it waits for; None if nothing is wrong.

        Raises:
            ApiError: The management cluster refuses or does not answer.
        """
        bootstrap, machine, cluster = facts.bootstrap, facts.owner, facts.cluster
        if machine is None or cluster is None:
            return None
        # With keys and a token that are good for nothing: a trial must need neither the cluster's
        # own, which may not exist yet, nor its API server.
        if not self._stand_ins:
            self._stand_ins = await self._generated(PURPOSES)
        role: RoleName = "JoinControlPlane" if machine.control_plane else "JoinWorker"
        if not str(cluster.endpoint):
            # RFC 6761: .invalid never resolves. What is rendered with it is thrown away.
            endpoint = msgspec.structs.replace(
                cluster.endpoint, host="control-plane.invalid", port=6443
            )
            cluster = msgspec.structs.replace(cluster, endpoint=endpoint)
        try:
            read = await self._with_agent(bootstrap, self._read(bootstrap, role, machine, cluster))
            resources = await self._resources(read, bootstrap.namespace)
            place = await self._place(bootstrap, read, machine)
            await self._rendered(
                read, role, machine, cluster, resources,
                self._stand_ins, Secret("abcdef.0123456789abcdef"), bytes(KEY_SIZE), Seed(uid=""),
                self._reporting(bootstrap, machine, bytes(KEY_SIZE), place), place,
            )  # fmt: skip
        except UnfitError as error:
            return Outcome(said={"DataSecretAvailable": error.said}, size=error.size)
        except StoreError as error:
            # What passes by itself may have passed when the machine's time comes.
            return None if error.again_after is not None else _unstored(error)
        return None

    async def adopt(self, facts: Facts, secret: SecretMeta) -> Done:
        """Give the data Secret its owner back: after a backup was restored, or a move."""
        # The API server takes one controller alone. Owners beside it stay: somebody has set them
        # for a reason.
        owners = [msgspec.to_builtins(one) for one in secret.owners if not one.controller]
        owners.append(_controlled_by(facts.bootstrap))
        # A race with the garbage collector, which deletes what belongs to nobody but uids that are
        # not there.
        await self._change(SECRETS, secret, ownerReferences=owners)
        return Done(outcome=_available(secret.name), again_after=0.0)

    async def restore(self, facts: Facts, name: str) -> Done:
        """Take the status over from the Machine, after a move or a restore."""
        namespace, owner = facts.bootstrap.namespace, facts.owner
        # Asked for and not taken for granted: `dataSecretName` of a Machine survives a backup that
        # Secrets were left out of.
        data = await self._client.get(SECRETS, namespace, name)
        if data is None and not (owner is not None and owner.has_read):
            message = (
                f"Machine has taken Secret {name} as its data, and it is not there; restore it"
            )
            said = Said(status="False", reason="ReferenceNotFound", message=message)
            return Done(outcome=Outcome(said={"DataSecretAvailable": said}))
        # At once, since a restored object has no event left: what Keep does about tokens and stores
        # would wait for the next restart.
        return Done(outcome=_available(name), again_after=0.0)

    async def keep(self, facts: Facts, decision: Keep) -> Done:
        """Look after the token until the machine has joined; drop the lock that this machine no longer needs.

        Raises:
            ApiError: The management cluster refuses or does not answer.
        """
        bootstrap, secret = facts.bootstrap, facts.secret
        machine, cluster = decision.machine, decision.cluster
        held = facts.lock is not None and facts.lock.holder == machine.name
        # Not a moment earlier: as long as nobody can join, nobody else may initialize.
        if facts.lock is not None and held and cluster.control_plane_initialized:
            await self._drop_lock(cluster, facts.lock)
        said: dict[str, Said] = {}
        again: float | None = None
        if secret is None:
            # The cache may not have it yet, or not any more.
            secret = await self._data_secret(bootstrap)
            facts = msgspec.structs.replace(facts, secret=secret)
        if secret is None and not machine.has_read:
            message = f"Secret {bootstrap.data_secret} is gone before its machine has read it; replace the {machine.kind}"
            lost = Said(status="False", reason="ReferenceNotFound", message=message)
            return Done(outcome=Outcome(said={"DataSecretAvailable": lost}))
        # Cluster API's own controller says so as well: nobody reads it again, and a MachineHealthCheck would replace
        # a node that works.
        said["DataSecretAvailable"] = Said(status="True", reason="Available")
        seed = _seed_of(secret)
        if secret is None and _has_token(bootstrap):
            # Where the object was moved, it was another, and the token dies by its age.
            seed = Seed(uid=bootstrap.uid)
        if seed is None:
            said["TokenAvailable"] = Said(status="True", reason="NotNeeded")
        else:
            # A Machine comes once, and its token ends with that; a pool's machines come for ever.
            upkeep = self._upkeep_pool if machine.pool else self._upkeep
            said["TokenAvailable"], again = await upkeep(facts, machine, cluster, seed)
        if STORE_ANNOTATION in bootstrap.annotations:
            stored, forget = await self._upkeep_stored(bootstrap, machine)
            fresh, renew = await self._upkeep_reference(facts, machine, cluster)
            said |= fresh | stored
            # Nothing is due, and the store could be used: what was wrong with it once is over.
            said.setdefault("StoreSynced", Said(status="True", reason="Synced"))
            times = [one for one in (again, forget, renew) if one is not None]
            again = min(times, default=None)
        return Done(outcome=Outcome(said=said), again_after=again)

    async def release(self, facts: Facts) -> Done | None:
        """Have a store forget the configuration of what is being deleted, and let it go.

        Returns:
            What is to be said, where it cannot go yet.

        Raises:
            ApiError: The management cluster refuses or does not answer.
        """
        bootstrap = facts.bootstrap
        if STORE_FINALIZER not in bootstrap.finalizers or _MOVED in bootstrap.annotations:
            # `clusterctl move` deletes first, and takes the finalizers away then: the machine is another's to serve, who needs
            # what is stored.
            return None
        # The contract's rule for pausing holds during deletion as well: a store that forgets is a
        # write that a move relies on not to happen.
        if bootstrap.paused or (facts.cluster is not None and facts.cluster.paused):
            # Its owner may be gone, whose events would wake it.
            return Done(outcome=Outcome(paused=True), again_after=_PAUSED_FOR)
        try:
            store = await self._store_of(bootstrap)
            # The order is store, then finalizer: killed in between, the store is asked to forget
            # once more, and that is not an error.
            if store.retention.policy != "Retain":
                await store.remove(bootstrap.key)
        except StoreError as error:
            # Without its object nobody can reach the store, and nobody will: what is in it is its owner's business.
            if error.reason != "StoreNotFound":
                said = Said(status="False", reason=error.reason, message=error.message)
                again = error.again_after or _AGAIN
                return Done(outcome=Outcome(said={"StoreSynced": said}), again_after=again)
        await self._unclaimed(bootstrap)
        return None

    # Making data.

    def _read(
        self, bootstrap: Bootstrap, role: RoleName, machine: Machine, cluster: Cluster
    ) -> MachineBootstrap:
        """What is to be rendered.

        Raises:
            UnfitError: It has problems.
        """
        if bootstrap.adopted:
            # Each time anew and never kept: a conversion that is stored would be a second truth
            # beside the KubeadmConfig.
            return adoption.converted(bootstrap, role, machine, cluster, self._agent)
        return decoded(bootstrap.raw, bootstrap.name)

    async def _make(self, facts: Facts, decision: Make) -> Done:
        bootstrap, role = facts.bootstrap, decision.role
        machine, cluster = decision.machine, decision.cluster
        read = self._read(bootstrap, role, machine, cluster)
        # Before the lock: a machine whose store is not there must not hold up the others.
        place = await self._place(bootstrap, read, machine)
        if place is not None and await self._is_published(bootstrap):
            # Whoever published it has stored what it refers to. Stored again, it would be something else if the spec was edited.
            return Done(outcome=_available(bootstrap.name), again_after=0.0)
        read = await self._with_agent(bootstrap, read)
        # Before the lock and the certificates as well: a missing reference is a person's work, and
        # takes its time.
        resources = await self._resources(read, bootstrap.namespace)
        if role == "Initialize" and not await self._take_lock(cluster, machine, facts):
            # Another was faster in the very moment; its ConfigMap's event wakes this one.
            message = f"another Machine initializes Cluster {cluster.name}"
            waits = Said(status="False", reason="WaitingForInitLock", message=message)
            return Done(outcome=Outcome(said={"DataSecretAvailable": waits}))
        # Of adopted objects alone: there the control plane provider, a KubeadmControlPlane, makes
        # them.
        provided = bootstrap.adopted and cluster.control_plane_provided
        pairs = await self._certificates(cluster, read, role, provided=provided)
        # Needed to initialize as well: reports and encrypted data are derived from it.
        key = await self._token_key(cluster)
        # The uid and not the name: a machine that is made again under its old name must not get the
        # token of the one before, which may still run.
        seed = Seed(uid=bootstrap.uid)
        token: Token | None = None
        if role != "Initialize":
            # Reads the workload cluster and writes nothing, so an unreachable one leaves nothing
            # behind.
            token, seed = await self._free_token(cluster, key, seed)
        reporting = self._reporting(bootstrap, machine, key, place)
        # Rendered before the token is made: what cannot be rendered leaves no token behind.
        result = await self._rendered(
            read, role, machine, cluster, resources,
            pairs, Secret(token.reveal()) if token else None, key, seed,
            reporting, place,
        )  # fmt: skip
        if place is not None:
            # The finalizer before the store: the other way round a crash leaves a configuration
            # that nobody remembers to remove.
            await self._claimed(bootstrap, place)
        if token is not None:
            # Before the Secret that names it: infrastructure providers read data within the second,
            # and a machine that boots fast would be turned away.
            await self._ensure_token(cluster, machine, token)
        if place is not None:
            # Before the Secret as well, for the same reason: it must not refer to what is not
            # there.
            await place.store.put(bootstrap.key, result.stored)
            # A store of another's kind may need minutes to say where it is. Until then there is no
            # data, and its answer's event wakes this object.
            place.store.located(bootstrap.key, hashlib.sha256(result.stored).hexdigest())
        name = await self._publish(
            bootstrap,
            cluster,
            result,
            # No seed, no token to look after: that is how Keep knows an initializing machine.
            seed if token else None,
            # To this manager: what a store is told, that knows by itself.
            reports=reporting is not None and (place is None or place.reporting is None),
            stored=None if place is None else _stored(bootstrap, result, place),
        )
        said = dict(_available(name).said)
        said["CertificatesAvailable"] = Said(status="True", reason="Available")
        reason = "Available" if token else "NotNeeded"
        said["TokenAvailable"] = Said(status="True", reason=reason)
        if place is not None:
            said["StoreSynced"] = Said(status="True", reason="Synced")
        outcome = Outcome(data_secret=name, said=said, size=size_of(result))
        # A third of its life: two looks may fail before a token expires that a machine holds.
        times = [] if token is None else [self._limits.token_ttl / 3]
        if place is not None:
            now = self._now().timestamp()
            renew = place.store.renew_in(bootstrap.key, place.expires, now)
            times += [] if renew is None else [renew]
        return Done(outcome=outcome, again_after=min(times, default=None))

    async def _rendered(
        self,
        read: MachineBootstrap,
        role: RoleName,
        machine: Machine,
        cluster: Cluster,
        resources: Sequence[Referred],
        pairs: Mapping[Purpose, Pair],
        token: Secret | None,
        key: bytes,
        seed: Seed,
        reporting: Reporting | None,
        place: _Place | None = None,
    ) -> Rendered:
        def work() -> Rendered:
            return rendered(
                read, role, machine, cluster, resources,
                pairs=pairs, token=token, reporting=reporting,
                refer=None if place is None else place.refer,
                random=lambda inputs: random_for(key, seed, inputs),
            )  # fmt: skip

        # Key derivation takes 30 ms of CPU and releases the interpreter's lock meanwhile.
        # Without encryption it takes 3 ms, less than a thread costs.
        return await asyncio.to_thread(work) if read.spec.encryption else work()

    def _reporting(
        self, bootstrap: Bootstrap, machine: Machine, key: bytes, place: _Place | None
    ) -> Reporting | None:
        """Where this one machine reports, with what it may report there and nothing else."""
        # A store first: its author chose one because machines do not reach this cluster.
        if place is not None and place.reporting is not None:
            return place.reporting
        to = self._report_to
        # Reports are taken in for MachineBootstraps.
        if to is None or machine.pool or bootstrap.adopted:
            # One MachineBootstrap could not say which of a pool's machines failed.
            return None
        # Derived, too, and so the same after any crash: it is part of the bytes that must not
        # change.
        token = report_token(key, bootstrap.uid)
        return Reporting(
            url=f"{to.url}{REPORTS_PATH}/{bootstrap.namespace}/{bootstrap.name}",
            headers={"Authorization": Secret(f"Bearer {token}")},
            ca_bundle=to.ca_bundle,
        )

    # Stores.

    async def _place(
        self, bootstrap: Bootstrap, read: MachineBootstrap, machine: Machine
    ) -> _Place | None:
        """Where the configuration goes; None: into the user data.

        Raises:
            StoreError: It cannot go where it should. In user data instead would be what its author wanted kept out of it.
        """
        # The MachineBootstrap's own wins over its Machine's: it is the more special of the two.
        given, path = read.spec.infrastructure_ref, "spec.infrastructureRef"
        found: tuple[str, str, str]
        if given is not None:
            found = (given.api_group, given.kind, given.name)
        elif machine.store is not None:
            found = (machine.store.api_group, machine.store.kind, machine.store.name)
            path = f"{machine.kind} {machine.name}: spec.bootstrap.infrastructureRef"
        else:
            return None
        if machine.pool:
            # Its data is made again with each token, while machines are on their way that read what is stored.
            message = f"{path}: this release keeps no configurations of MachinePools in stores; leave it out"
            raise StoreError("NotSupported", message)
        try:
            store = await self.stores.opened(bootstrap.namespace, *found, of=bootstrap.name)
        except StoreError as error:
            raise error.at(path) from None
        # One reading of the clock for token and expiry, or the annotation would promise more than
        # the token holds.
        now = self._now().timestamp()
        return _Place(
            store=store,
            name=named(*found),
            reporting=store.reporting(bootstrap.key, now),
            refer=lambda data: store.reference(
                bootstrap.key, hashlib.sha256(data).hexdigest(), now
            ),
            expires=store.expires(bootstrap.key, now),
        )

    async def _with_agent(self, bootstrap: Bootstrap, read: MachineBootstrap) -> MachineBootstrap:
        """Fill in where a store has the agent, where that is asked for.

        Raises:
            StoreError: It has it not, or cannot be asked.
        """
        spec = read.spec
        download = spec.agent.download if spec.agent is not None else None
        if download is None or download.from_store is None:
            return read
        path = "spec.agent.download.fromStore"
        store, given = download.from_store.name, spec.infrastructure_ref
        if store is None and given is not None and is_http(given.api_group, given.kind):
            store = given.name
        if store is None:
            message = f"{path}: name an HTTPBootstrapStore; spec.infrastructureRef names none"
            raise StoreError("NotSupported", message)
        try:
            found = await self.stores.agent(bootstrap.namespace, store, download.version)
        except StoreError as error:
            message = f"{path}: {error.message}"
            # No event of a store wakes an adopted KubeadmConfig.
            again = error.again_after or _UNSERVED_AGAIN
            raise StoreError(error.reason, message, again_after=again) from None
        pinned = download.sha256 or download.sha256_by_architecture
        filled = msgspec.structs.replace(
            download,
            from_store=None,
            urls=(found.url,),
            ca_bundle=download.ca_bundle or found.ca_bundle,
            sha256_by_architecture=download.sha256_by_architecture
            if pinned
            else Sha256ByArchitecture(**found.sha256),
        )
        spec = msgspec.structs.replace(spec, agent=AgentSource(download=filled))
        return msgspec.structs.replace(read, spec=spec)

    async def _store_of(self, bootstrap: Bootstrap) -> Opened:
        # By the annotation and not the spec, which may have been edited: the bytes are where they
        # were put.
        found = parts_of(bootstrap.annotations.get(STORE_ANNOTATION, ""))
        if not found[2]:
            raise StoreError("StoreNotFound", f"its annotation {STORE_ANNOTATION} is gone")
        return await self.stores.opened(bootstrap.namespace, *found, of=bootstrap.name)

    async def _claimed(self, bootstrap: Bootstrap, place: _Place) -> None:
        """Have nobody forget that a store keeps something, before it does.

        Raises:
            StoreError: The store that the spec named before does not answer.
        """
        there = STORE_FINALIZER in bootstrap.finalizers
        before = bootstrap.annotations.get(STORE_ANNOTATION, place.name)
        if there and STORE_ANNOTATION in bootstrap.annotations and before == place.name:
            return
        if before != place.name:
            # The spec named another store when this was tried before.
            try:
                await (await self._store_of(bootstrap)).remove(bootstrap.key)
            except StoreError as error:
                if error.reason != "StoreNotFound":
                    raise
        # Annotation and finalizer in one write: either alone would be a finalizer that nobody can
        # serve, or a store that nobody empties.
        await self._change(
            MACHINE_BOOTSTRAPS,
            bootstrap,
            finalizers=list(dict.fromkeys([*bootstrap.finalizers, STORE_FINALIZER])),
            annotations={STORE_ANNOTATION: place.name},
        )

    async def _unclaimed(self, bootstrap: Bootstrap) -> None:
        await self._change(
            MACHINE_BOOTSTRAPS,
            bootstrap,
            finalizers=[one for one in bootstrap.finalizers if one != STORE_FINALIZER],
            annotations={STORE_ANNOTATION: None, STORED_UNTIL_ANNOTATION: None},
        )

    async def _change(
        self,
        resource: Resource,
        there: Bootstrap | SecretMeta,
        data: dict[str, str] | None = None,
        **metadata: Any,
    ) -> None:
        # By version, not over what another has written since: it would be an object that this decision
        # does not know, and a merge replaces lists (finalizers, owners) whole.
        metadata["resourceVersion"] = there.version
        change: dict[str, Any] = {"metadata": metadata} | ({} if data is None else {"data": data})
        await self._client.merge(resource, there.namespace, there.name, change)

    async def _upkeep_stored(
        self, bootstrap: Bootstrap, machine: Machine
    ) -> tuple[dict[str, Said], float | None]:
        """Have a store forget a configuration when its time has come."""
        try:
            store = await self._store_of(bootstrap)
            kept = store.retention
            # Also by its own word: all that a lie forgets is the liar's own configuration.
            joined = bool(machine.node) or _has_succeeded(bootstrap)
            if kept.policy != "AfterBootstrap" or not joined:
                if STORE_FINALIZER not in bootstrap.finalizers:  # a move takes it away
                    await self._change(
                        MACHINE_BOOTSTRAPS,
                        bootstrap,
                        finalizers=[*bootstrap.finalizers, STORE_FINALIZER],
                    )
                return {}, None
            until = bootstrap.annotations.get(STORED_UNTIL_ANNOTATION, "")
            grace = seconds(kept.grace_period)
            # By an annotation: a grace period counted in memory would begin anew with each leader.
            left = (time_of(until) - self._now()).total_seconds() if until else grace
            if left > 0:
                if not until:
                    end = self._now() + timedelta(seconds=grace)
                    at = end.strftime("%Y-%m-%dT%H:%M:%SZ")
                    await self._change(
                        MACHINE_BOOTSTRAPS, bootstrap, annotations={STORED_UNTIL_ANNOTATION: at}
                    )
                return {}, left
            await store.remove(bootstrap.key)
        except StoreError as error:
            said = Said(status="False", reason=error.reason, message=error.message)
            return {"StoreSynced": said}, error.again_after
        await self._unclaimed(bootstrap)
        return {"StoreSynced": Said(status="True", reason="Removed")}, None

    async def _upkeep_reference(
        self, facts: Facts, machine: Machine, cluster: Cluster
    ) -> tuple[dict[str, Said], float | None]:
        """Keep what the data refers with good until the infrastructure has read it: that may wait for hours."""
        secret, bootstrap = facts.secret, facts.bootstrap
        stored = Stored.read(secret.annotations.get(STORED_ANNOTATION, "")) if secret else None
        # After that the data has been read, and infrastructure that compares user data would see
        # another one.
        if secret is None or stored is None or machine.has_read:
            return {}, None
        try:
            store = await self._store_of(bootstrap)
            now = self._now().timestamp()
            left = store.renew_in(bootstrap.key, stored.expires, now)
            if left is None or left > 0:
                return {}, left
            if stored.generation != bootstrap.generation:
                # Made of the edited spec, it would be another machine's.
                message = "the spec was edited, so the data cannot be made again with a new token; replace the Machine"
                return _expires(message, stored), None
            fresh = await self._renew(facts, secret, stored, store, machine, cluster)
            left = store.renew_in(bootstrap.key, fresh.expires, now)
        except UnfitError as error:
            message = f"the data cannot be made again with a new token: {error.said.message}"
            return _expires(message, stored), _UNFIT_AGAIN
        except StoreError as error:
            return _expires(error.message, stored), error.again_after or _AGAIN
        return {"StoreSynced": Said(status="True", reason="Synced")}, left

    async def _renew(
        self,
        facts: Facts,
        secret: SecretMeta,
        stored: Stored,
        store: Opened,
        machine: Machine,
        cluster: Cluster,
    ) -> Stored:
        bootstrap, now = facts.bootstrap, self._now().timestamp()
        if not self._stand_ins:
            self._stand_ins = await self._generated(PURPOSES)
        # Any role does: what is rendered here is the reference alone, and the configuration in the
        # store stays untouched.
        role: RoleName = "JoinControlPlane" if machine.control_plane else "JoinWorker"
        read = await self._with_agent(bootstrap, decoded(bootstrap.raw, bootstrap.name))
        place = _Place(
            store=store,
            name="",
            reporting=None,
            # Of what is stored, whatever is rendered here with stand-ins.
            refer=lambda _: store.reference(bootstrap.key, stored.sha256, now),
        )
        result = await self._rendered(
            read, role, machine, cluster, await self._resources(read, bootstrap.namespace),
            self._stand_ins, Secret("abcdef.0123456789abcdef"), bytes(KEY_SIZE), Seed(uid=""),
            None, place,
        )  # fmt: skip
        # In the same write as the data: an annotation of its own could claim an expiry that the
        # data does not have.
        fresh = msgspec.structs.replace(stored, expires=store.expires(bootstrap.key, now))
        await self._change(
            SECRETS,
            secret,
            {"value": encoded(result.user_data)},
            annotations={STORED_ANNOTATION: str(fresh)},
        )
        return fresh

    async def _is_published(self, bootstrap: Bootstrap) -> bool:
        data = await self._client.get(SECRETS, bootstrap.namespace, bootstrap.name)
        return data is not None and _is_controlled(secret_meta(data), bootstrap)

    async def _data_secret(self, bootstrap: Bootstrap) -> SecretMeta | None:
        name = bootstrap.data_secret or bootstrap.name
        data = await self._client.get(SECRETS, bootstrap.namespace, name)
        return None if data is None else secret_meta(data)

    async def _resources(self, read: MachineBootstrap, namespace: str) -> tuple[Referred, ...]:
        kinds: dict[str, Resource] = {"Secret": SECRETS, "ConfigMap": CONFIG_MAPS}
        found = []
        # By the server and not a cache: Secrets are mirrored without their data, so that a dump of
        # this process shows none.
        for kind, name in references_of(read.spec):
            data = await self._client.get(kinds[kind], namespace, name)
            one = None if data is None else resource_of(data, f"{kind} {name}")
            if one is not None:
                found.append(one)
        return tuple(found)

    # The lock.

    async def _take_lock(self, cluster: Cluster, machine: Machine, facts: Facts) -> bool:
        if facts.lock is not None:
            if facts.lock.holder == machine.name:
                return True
            # Its holder is gone: by uid and version, so that a lock taken meanwhile stays.
            await self._drop_lock(cluster, facts.lock)
        body = {
            "apiVersion": "v1",
            "kind": "ConfigMap",
            "metadata": {
                "name": f"{cluster.name}-lock",
                "namespace": cluster.namespace,
                "labels": {CLUSTER_LABEL: cluster.name},
                "ownerReferences": [owned_by(cluster)],
            },
            # As the kubeadm bootstrap provider writes it: in a mixed cluster, too, one machine alone initializes.
            "data": {
                "lock-information": msgspec.json.encode({"machineName": machine.name}).decode()
            },
        }
        try:
            await self._client.create(CONFIG_MAPS, cluster.namespace, body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            lock, _ = await self.lock_of(cluster)
            return lock is not None and lock.holder == machine.name
        return True

    async def _drop_lock(self, cluster: Cluster, lock: Lock) -> None:
        await self._client.delete(
            CONFIG_MAPS,
            cluster.namespace,
            f"{cluster.name}-lock",
            uid=lock.uid,
            version=lock.version,
        )

    # Certificates.

    async def _certificates(
        self, cluster: Cluster, read: MachineBootstrap, role: RoleName, *, provided: bool = False
    ) -> dict[Purpose, Pair]:
        # A worker pins the authority's public key and holds no key of the cluster.
        wanted: tuple[Purpose, ...] = ("ca",) if role == "JoinWorker" else PURPOSES
        pairs: dict[Purpose, Pair] = {}
        # Read each time and kept nowhere: keys of clusters stay out of this process, and a rotated
        # authority counts at once.
        for purpose in wanted:
            name = secret_name(cluster.name, purpose)
            data = await self._client.get(SECRETS, cluster.namespace, name)
            if data is not None:
                pairs[purpose] = read_pair(data, purpose)
        missing = [one for one in wanted if one not in pairs]
        external = _has_external_etcd(read)
        if external and "etcd" in missing:
            name = secret_name(cluster.name, "etcd")
            message = (
                f"with external etcd its authority is given: create Secret {name} with tls.crt"
            )
            raise CertificateError("ExternalNotFound", message)
        if missing and provided and role == "Initialize":
            # It makes them before its first machine, and two authorities of one cluster would be worse than none.
            names = ", ".join(secret_name(cluster.name, one) for one in missing)
            message = f"the control plane provider makes the certificates, and has not made {names}"
            raise CertificateError("MissingCertificate", message)
        # Made anew they would be another cluster's: every node that runs trusts the old ones.
        if missing and role != "Initialize":
            names = ", ".join(secret_name(cluster.name, one) for one in missing)
            message = f"the cluster runs, and its certificates are gone: restore {names}"
            raise CertificateError("MissingCertificate", message)
        for pair in (await self._generated(missing, read)).values():
            pairs[pair.purpose] = await self._stored(cluster, pair)
        return pairs

    async def _generated(
        self, purposes: Sequence[Purpose], read: MachineBootstrap | None = None
    ) -> dict[Purpose, Pair]:
        make = partial(generate_pair, now=self._now(), **_wanted_keys(read))
        # In threads: an RSA key takes 55 ms, and all other objects would wait for four of them.
        made = [await asyncio.to_thread(make, one) for one in purposes]
        return {pair.purpose: pair for pair in made}

    async def _stored(self, cluster: Cluster, pair: Pair) -> Pair:
        try:
            # Created and never applied: of two that make it at once the API server picks one, and
            # the other takes that.
            await self._client.create(SECRETS, cluster.namespace, secret_body(pair, cluster))
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            # Somebody was faster, or this is the repeat of a call whose answer got lost: what is there counts.
            name = secret_name(cluster.name, pair.purpose)
            data = await self._client.get(SECRETS, cluster.namespace, name)
            if data is None:
                raise
            return read_pair(data, pair.purpose)
        return pair

    # Tokens.

    async def _token_key(self, cluster: Cluster) -> bytes:
        name = key_secret(cluster.name)
        data = await self._client.get(SECRETS, cluster.namespace, name)
        if data is None:
            body = {
                "apiVersion": "v1",
                "kind": "Secret",
                "metadata": {
                    "name": name,
                    "namespace": cluster.namespace,
                    "labels": {CLUSTER_LABEL: cluster.name},
                    "ownerReferences": [owned_by(cluster)],
                },
                "type": SECRET_TYPE,
                "data": {"key": encoded(self._random(KEY_SIZE))},
            }
            try:
                # The server's answer is what counts below, not our bytes: after a conflict they are
                # somebody else's.
                data = await self._client.create(SECRETS, cluster.namespace, body)
            except ApiError as error:
                if error.reason != "AlreadyExists":
                    raise
                data = await self._client.get(SECRETS, cluster.namespace, name)
        try:
            read = msgspec.json.decode(data or b"{}", type=_Data)
            key = base64.b64decode(read.data.get("key", ""), validate=True)
        except (msgspec.MsgspecError, ValueError, RecursionError):
            key = b""
        # Never replaced by itself: tokens that machines on their way hold are derived from the lost
        # one.
        if len(key) != KEY_SIZE:
            message = f"Secret {name} holds no key of {KEY_SIZE} bytes under `key`; restore it, or delete it if no machine is on its way"
            raise CertificateError("Malformed", message)
        return key

    async def _free_token(self, cluster: Cluster, key: bytes, seed: Seed) -> tuple[Token, Seed]:
        """Derive a token whose id no other machine's token has.

        Raises:
            UnreachableError: All that were tried belong to others, which cannot be by chance.
        """
        for counter in range(_MOST_CLASHES):
            one = msgspec.structs.replace(seed, counter=counter)
            token = derive(key, one)
            there = await self._token_there(cluster, token)
            # The same token is ours, from a try before this one; any other belongs to another
            # machine, or to a person.
            if there is None or _same_token(there, token):
                return token, one
        raise UnreachableError("no free bootstrap token id was found")

    async def _token_there(self, cluster: Cluster, token: Token) -> _Data | None:
        data = await self._workloads.call(
            cluster.key, "get", SECRETS, _TOKENS_NAMESPACE, f"bootstrap-token-{token.id}"
        )
        return None if data is None else msgspec.json.decode(data, type=_Data)

    async def _ensure_token(self, cluster: Cluster, machine: Machine, token: Token) -> None:
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": f"bootstrap-token-{token.id}",
                "namespace": _TOKENS_NAMESPACE,
                # For people: kubectl get secret -l finds what this controller has made in a
                # workload cluster.
                "labels": {TOKEN_LABEL: "true"},
            },
            "type": _TOKEN_TYPE,
            "data": {
                "token-id": encoded(token.id.encode()),
                "token-secret": encoded(token.secret.encode()),
                "expiration": encoded(self._expiration().encode()),
                "usage-bootstrap-signing": encoded(b"true"),
                "usage-bootstrap-authentication": encoded(b"true"),
                "auth-extra-groups": encoded(_GROUP.encode()),
                "description": encoded(f"machineadm: {machine.kind} {machine.name}".encode()),
            },
        }
        try:
            await self._workloads.call(cluster.key, "create", SECRETS, _TOKENS_NAMESPACE, body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise

    async def _upkeep_pool(
        self, facts: Facts, pool: Machine, cluster: Cluster, seed: Seed
    ) -> tuple[Said, float | None]:
        """Keep a pool's data fit for machines that come at any time: a token that all have used is followed by another.

        Raises:
            ApiError: The management cluster refuses or does not answer.
        """
        again = self._limits.token_ttl / 3
        try:
            token = derive(await self._token_key(cluster), seed)
            there = await self._token_there(cluster, token)
            # `complete` is the only sign that nobody holds the token any more: a pool does not say
            # which of its machines has read what.
            if facts.secret is None or not pool.complete or there is None:
                # Who is on its way holds this token. A lost one is made again: it stands in the data.
                await self._extend(cluster, pool, token)
                return Said(status="True", reason="Available"), again
            # Not before half of its life: each change is new user data to infrastructure that
            # compares it (docs/controllers.md).
            if self._left(there) >= self._limits.token_ttl / 2:
                # What kept the last change from being made is said until one is made.
                old = next(
                    (c for c in facts.bootstrap.conditions if c.type == "TokenAvailable"), None
                )
                message = old.message if old is not None and old.status == "True" else ""
                return Said(status="True", reason="Available", message=message), again
            try:
                await self._rotate(facts.bootstrap, facts.secret, pool, cluster, seed)
            except (UnfitError, CertificateError, StoreError) as error:
                # Extended instead: data that cannot be made again must not become data that nobody
                # can join with.
                await self._extend(cluster, pool, token)
                message = f"the token was extended instead of changed: {error}"
                return Said(status="True", reason="Available", message=message), again
        except UnreachableError as error:
            said = Said(status="Unknown", reason="WorkloadClusterUnreachable", message=str(error))
            return said, 10.0
        except CertificateError as error:
            return Said(status="False", reason="Expired", message=error.message), None
        return Said(status="True", reason="Available"), again

    async def _rotate(
        self,
        bootstrap: Bootstrap,
        secret: SecretMeta,
        pool: Machine,
        cluster: Cluster,
        seed: Seed,
    ) -> None:
        """Give a pool's data the next token. The one before lives to its end: who has read the data may still use it."""
        read = await self._with_agent(bootstrap, self._read(bootstrap, "JoinWorker", pool, cluster))
        resources = await self._resources(read, bootstrap.namespace)
        pairs = await self._certificates(cluster, read, "JoinWorker")
        key = await self._token_key(cluster)
        # The epoch is written with the data, so a crash before that derives the same token once
        # more.
        following = msgspec.structs.replace(seed, epoch=seed.epoch + 1, counter=0)
        token, following = await self._free_token(cluster, key, following)
        result = await self._rendered(
            read, "JoinWorker", pool, cluster, resources,
            pairs, Secret(token.reveal()), key, following, None,
        )  # fmt: skip
        # First what the data names, then the data.
        await self._ensure_token(cluster, pool, token)
        await self._change(
            SECRETS,
            secret,
            {
                "value": encoded(result.user_data),
                "format": encoded(result.format.encode()),
            },
            annotations=_annotations(following),
        )

    def _left(self, there: _Data) -> float:
        """Seconds for which a token is valid yet."""
        try:
            expiration = base64.b64decode(there.data.get("expiration", "")).decode()
        except ValueError:
            expiration = ""  # somebody damaged it, and it is written anew
        return (time_of(expiration) - self._now()).total_seconds()

    async def _upkeep(
        self, facts: Facts, machine: Machine, cluster: Cluster, seed: Seed
    ) -> tuple[Said, float | None]:
        bootstrap = facts.bootstrap
        consumed = Said(status="True", reason="Consumed")
        ended = next((one for one in bootstrap.conditions if one.type == "TokenAvailable"), None)
        # Remembered in the status: otherwise each look at each machine that ever joined would ask
        # its cluster.
        if ended is not None and ended.reason == "Consumed":
            return consumed, None
        try:
            token = derive(await self._token_key(cluster), seed)
            # By the Machine's nodeRef, which core sets when the node has registered: from there on
            # kubelet has a certificate of its own.
            if machine.node:
                await self._delete_token(cluster, token)
                return consumed, None
            # From the creation, which no restart resets: Cluster API extends such tokens for ever
            # (issue 6395).
            age = (self._now() - time_of(bootstrap.created)).total_seconds()
            if age > self._limits.token_max_age:
                message = "the machine has not joined, and its token is no longer extended; replace the Machine"
                return Said(status="False", reason="MaxAge", message=message), None
            await self._extend(cluster, machine, token)
        except UnreachableError as error:
            said = Said(status="Unknown", reason="WorkloadClusterUnreachable", message=str(error))
            return said, 10.0
        except CertificateError as error:
            return Said(status="False", reason="Expired", message=error.message), None
        return Said(status="True", reason="Available"), self._limits.token_ttl / 3

    async def _extend(self, cluster: Cluster, machine: Machine, token: Token) -> None:
        """Have the token live for its whole time again. A lost one is made again: it is the one that the machine holds."""
        there = await self._token_there(cluster, token)
        if there is None:
            await self._ensure_token(cluster, machine, token)
            return
        # Not at every look: events come often, and each extension is a write in somebody else's
        # cluster.
        if self._left(there) < self._limits.token_ttl * 2 / 3:
            body = {"data": {"expiration": encoded(self._expiration().encode())}}
            await self._workloads.call(
                cluster.key,
                "merge",
                SECRETS,
                _TOKENS_NAMESPACE,
                f"bootstrap-token-{token.id}",
                body,
            )

    async def _delete_token(self, cluster: Cluster, token: Token) -> None:
        there = await self._token_there(cluster, token)
        # A clash of ids: the token under this name may be another machine's, which needs it.
        if there is not None and _same_token(there, token):
            await self._workloads.call(
                cluster.key, "delete", SECRETS, _TOKENS_NAMESPACE,
                f"bootstrap-token-{token.id}", uid=there.metadata.uid,
            )  # fmt: skip

    def _expiration(self) -> str:
        expires = self._now() + timedelta(seconds=self._limits.token_ttl)
        # RFC 3339, as the authenticator and the token cleaner of Kubernetes parse `expiration`.
        return expires.strftime("%Y-%m-%dT%H:%M:%SZ")

    # The data Secret.

    async def _publish(
        self,
        bootstrap: Bootstrap,
        cluster: Cluster,
        result: Rendered,
        seed: Seed | None,
        *,
        reports: bool,
        stored: Stored | None,
    ) -> str:
        # On the Secret and not in the status: `clusterctl move` takes Secrets along, and drops
        # statuses.
        annotations = {} if seed is None else _annotations(seed)
        if stored is not None:
            annotations[STORED_ANNOTATION] = str(stored)
        if reports:
            annotations[REPORT_SEED_ANNOTATION] = bootstrap.uid
        if bootstrap.adopted:
            # How the two controllers tell their Secrets apart after one has followed the other.
            annotations[MADE_ANNOTATION] = "machineadm"
        body = {
            "apiVersion": "v1",
            "kind": "Secret",
            "metadata": {
                "name": bootstrap.name,
                "namespace": bootstrap.namespace,
                # The contract's label; `clusterctl move` and core's watches find the Secret by it.
                "labels": {CLUSTER_LABEL: cluster.name},
                "annotations": annotations,
                "ownerReferences": [_controlled_by(bootstrap)],
            },
            # The contract names the type and the keys `value` and `format`.
            "type": SECRET_TYPE,
            "data": {
                "value": encoded(result.user_data),
                "format": encoded(result.format.encode()),
            },
        }
        try:
            await self._client.create(SECRETS, bootstrap.namespace, body)
        except ApiError as error:
            if error.reason != "AlreadyExists":
                raise
            # A repeat of ours, most likely: the bytes are derived, so what is there is what would
            # be written.
            await self._check_published(bootstrap)
        return bootstrap.name

    async def _check_published(self, bootstrap: Bootstrap) -> None:
        """See whether the Secret that is there is ours. One that is ours stays as it is: it may be on its way already.

        Raises:
            UnfitError: It is another's.
        """
        data = await self._client.get(SECRETS, bootstrap.namespace, bootstrap.name)
        if data is None or not _is_controlled(secret_meta(data), bootstrap):
            message = (
                f"Secret {bootstrap.name} is there already and is not ours; it is never overwritten"
            )
            raise UnfitError(Said(status="False", reason="ForeignSecret", message=message))


class _Place(msgspec.Struct, frozen=True, kw_only=True):
    """Where a configuration goes that does not travel in user data."""

    store: Opened
    name: str
    """Kind and name."""

    reporting: Reporting | None
    """Where the machine reports, if the store takes that, too."""

    refer: Callable[[bytes], ConfigurationReference]
    expires: int = 0
    """Until when that is good, in seconds since 1970."""


def _stored(bootstrap: Bootstrap, result: Rendered, place: _Place) -> Stored:
    return Stored(
        sha256=hashlib.sha256(result.stored).hexdigest(),
        expires=place.expires,
        generation=bootstrap.generation,
    )


def _expires(message: str, stored: Stored) -> dict[str, Said]:
    at = datetime.fromtimestamp(stored.expires, timezone.utc).strftime("%Y-%m-%dT%H:%M:%SZ")
    text = f"what the data refers with is good until {at}: {message}"
    return {"StoreSynced": Said(status="False", reason="URLExpiresTooSoon", message=text)}


def _unstored(error: StoreError) -> Outcome:
    if error.reason == "NotSupported":
        said = Said(status="False", reason=error.reason, message=error.message)
        return Outcome(said={"DataSecretAvailable": said})
    synced = Said(status="False", reason=error.reason, message=error.message)
    held = Said(status="False", reason=STORE_NOT_SYNCED, message=error.message)
    return Outcome(said={"StoreSynced": synced, "DataSecretAvailable": held})


def _has_token(bootstrap: Bootstrap) -> bool:
    there = next((one for one in bootstrap.conditions if one.type == "TokenAvailable"), None)
    return there is not None and there.reason != "NotNeeded"


def _has_succeeded(bootstrap: Bootstrap) -> bool:
    return any(
        one.type == "BootstrapSucceeded" and one.status == "True" for one in bootstrap.conditions
    )


# By uid: a Secret that an earlier object of this name left behind is not ours, and its token is
# another's.
def _is_controlled(secret: SecretMeta, bootstrap: Bootstrap) -> bool:
    return any(one.controller and one.uid == bootstrap.uid for one in secret.owners)


def _available(name: str) -> Outcome:
    said = {"DataSecretAvailable": Said(status="True", reason="Available")}
    return Outcome(data_secret=name, said=said)


def _controlled_by(bootstrap: Bootstrap) -> dict[str, Any]:
    return {
        "apiVersion": bootstrap.resource.api_version,
        "kind": bootstrap.resource.kind,
        "name": bootstrap.name,
        "uid": bootstrap.uid,
        # Without blockOwnerDeletion, which would need the right to update finalizers and delay the
        # owner's deletion.
        "controller": True,
    }


def _annotations(seed: Seed) -> dict[str, str]:
    annotations = {SEED_ANNOTATION: seed.uid, COUNTER_ANNOTATION: str(seed.counter)}
    # Left out at 0, where a Machine stays for ever.
    return annotations | ({EPOCH_ANNOTATION: str(seed.epoch)} if seed.epoch else {})


def _seed_of(secret: SecretMeta | None) -> Seed | None:
    annotations = {} if secret is None else secret.annotations
    uid = annotations.get(SEED_ANNOTATION)
    counter = annotations.get(COUNTER_ANNOTATION, "0")
    epoch = annotations.get(EPOCH_ANNOTATION, "0")
    if not uid or not counter.isdecimal() or not epoch.isdecimal():
        return None
    return Seed(uid=uid, counter=int(counter), epoch=int(epoch))


def _same_token(there: _Data, token: Token) -> bool:
    # Compared in constant time: whoever may create Secrets in kube-system could otherwise learn a
    # token by timing.
    import hmac

    return hmac.compare_digest(there.data.get("token-secret", ""), encoded(token.secret.encode()))


def _wanted_keys(read: MachineBootstrap | None) -> dict[str, Any]:
    """What the configuration says of the keys and authorities that are made for it."""
    kubernetes = None if read is None else read.spec.kubernetes
    cluster = None if kubernetes is None else kubernetes.cluster
    given = None if cluster is None else cluster.certificates
    wanted: dict[str, Any] = {}
    if given is not None and given.key_algorithm is not None:
        wanted["algorithm"] = given.key_algorithm
    if given is not None and given.ca_validity is not None:
        wanted["lasts"] = seconds(given.ca_validity)
    return wanted


def _has_external_etcd(read: MachineBootstrap) -> bool:
    kubernetes = read.spec.kubernetes
    cluster = None if kubernetes is None else kubernetes.cluster
    return cluster is not None and cluster.etcd is not None and cluster.etcd.external is not None
