"""What is to be done about a MachineBootstrap, or an adopted KubeadmConfig: a pure function of what is known. The first rule that matches wins.

Waiting is a decision like any other, never an error: an event wakes it, and no timer polls for it.
"""

from __future__ import annotations

from typing import Final, Literal

import msgspec

from machineadm.controllers.capi.types import (
    Bootstrap,
    Cluster,
    Machine,
    OwnerReference,
    SecretMeta,
    time_of,
)
from machineadm.controllers.runtime.resources import BOOTSTRAP_GROUP, CLUSTER_GROUP

# Decided by the cluster's state; what a spec says about it is checked against it (fill.py).
RoleName = Literal["Initialize", "JoinControlPlane", "JoinWorker"]

MADE_ANNOTATION: Final = "machineadm.x-k8s.io/made-by"
"""On the data Secret of a KubeadmConfig that this controller made; one without it is Cluster API's own."""

OWNERLESS_FOR: Final = 30.0
"""Seconds for which a MachineBootstrap without an owner is nothing worth saying: Cluster API sets it in a second call."""


class Lock(msgspec.Struct, frozen=True, kw_only=True):
    """Who may initialize the cluster."""

    holder: str
    """Name of a Machine; empty where the lock cannot be read."""

    uid: str
    version: str


class Facts(msgspec.Struct, frozen=True, kw_only=True):
    """All that a decision needs."""

    bootstrap: Bootstrap
    owner: Machine | None = None
    """The Machine or MachinePool that it belongs to; None if it has none, or that one is not there."""

    cluster: Cluster | None = None
    secret: SecretMeta | None = None
    """The Secret of the name that the data has, whoever's it is."""

    lock: Lock | None = None
    lock_holder_exists: bool = False
    """The Machine that the lock names is there: by the cache and, where that says no, by the server."""

    now: float
    """Seconds since 1970."""


class Nothing(msgspec.Struct, frozen=True):
    """It is not ours to do anything, or too early to say anything."""

    again_after: float | None = None
    """Seconds after which to look again, where no event will say so."""


class Release(msgspec.Struct, frozen=True):
    """It is being deleted: what was made for it elsewhere goes as well."""


class Pause(msgspec.Struct, frozen=True):
    """Say that it is paused, and do nothing else."""


class Wait(msgspec.Struct, frozen=True):
    """Say what it waits for."""

    reason: str
    message: str


class Refuse(msgspec.Struct, frozen=True):
    """Say what a person has to change."""

    reason: str
    message: str


class Restore(msgspec.Struct, frozen=True):
    """The data was made in another life of this object: take it over as it is."""

    secret: str


class Adopt(msgspec.Struct, frozen=True):
    """The data Secret is ours, but its owner reference is lost or names an earlier life: write it anew."""

    secret: SecretMeta


class Leave(msgspec.Struct, frozen=True):
    """Another controller made the data, or the machine has long read it: nothing is made, extended or said."""


class Keep(msgspec.Struct, frozen=True):
    """The data is there: look after its token until the machine has joined."""

    machine: Machine
    cluster: Cluster


class Make(msgspec.Struct, frozen=True):
    """Make the data."""

    role: RoleName
    machine: Machine
    cluster: Cluster


Decision = Nothing | Release | Pause | Wait | Refuse | Restore | Adopt | Leave | Keep | Make


def decide(facts: Facts) -> Decision:
    """Decide what is to be done next."""
    # The order of the rules is the order of this function: deletion before pause, pause before
    # anything that writes.
    bootstrap, owner, cluster = facts.bootstrap, facts.owner, facts.cluster
    # First, paused or not: a finalizer that waits would keep the object for ever.
    if bootstrap.deleted:
        return Release()
    if owner is None:
        age = facts.now - time_of(bootstrap.created).timestamp()
        # An owner that is named and not in the cache yet is waited for with words: it may also have
        # been deleted.
        if machine_owner(bootstrap.owners) is None and age < OWNERLESS_FOR:
            return Nothing(again_after=OWNERLESS_FOR - age)
        return Wait(
            "WaitingForOwner", "no Machine or MachinePool owns it; Cluster API sets the owner"
        )
    # Silence: the owner's Cluster comes by its own event, and nothing could be said to anybody
    # until then.
    if cluster is None:
        return Nothing()
    # Cluster API's contract: a paused object is not touched, its conditions excepted. `clusterctl
    # move` relies on it.
    if cluster.paused or bootstrap.paused:
        return Pause()
    # Before anything is made: a Secret of this name that belongs to somebody else is never
    # overwritten.
    if facts.secret is not None:
        other = _controller_of(facts.secret.owners)
        if other is not None and not _is_ours(other, bootstrap):
            return Refuse("ForeignSecret", _foreign(facts.secret, other))
        # After a move or a restore the uids are others, and the garbage collector would take the
        # Secret away.
        if bootstrap.data_secret_created and _owner_is_stale(facts.secret, bootstrap):
            return Adopt(facts.secret)
    # The Machine names its data already, and other data would come too late for it.
    if owner.data_secret and not bootstrap.data_secret_created:
        return Restore(owner.data_secret)
    if bootstrap.adopted and (left := _left(facts, owner)) is not None:
        return left
    if bootstrap.data_secret_created:
        # Machines of a pool that come later read it as well; those that have come do not miss it.
        again = owner.pool and facts.secret is None and not bootstrap.adopted
        made = _make(facts, owner, cluster) if again else None
        return made if isinstance(made, Make) else Keep(owner, cluster)
    return _make(facts, owner, cluster)


def _left(facts: Facts, owner: Machine) -> Restore | Leave | None:
    """What is decided about data of a KubeadmConfig that this controller has not made."""
    bootstrap, secret = facts.bootstrap, facts.secret
    if secret is None:
        # Whoever made it: nobody needs it any more.
        return Leave() if bootstrap.data_secret_created and owner.has_read else None
    if MADE_ANNOTATION in secret.annotations:
        return None
    if bootstrap.data_secret_created:
        return Leave()
    # Cluster API's own controller was stopped between the Secret and the status. Of this very object alone: what bears the name
    # of an earlier one is another machine's.
    return None if _owner_is_stale(secret, bootstrap) else Restore(secret.name)


def machine_owner(owners: tuple[OwnerReference, ...]) -> OwnerReference | None:
    """The Machine or MachinePool among the owners, by group and kind: the version that an owner reference names may be stale."""
    for one in owners:
        # By the reference and not by the label: labels can be set by anybody.
        if one.group == CLUSTER_GROUP and one.kind in ("Machine", "MachinePool"):
            return one
    return None


def _make(facts: Facts, owner: Machine, cluster: Cluster) -> Decision:
    """What is decided about a machine that has no data yet."""
    # The endpoint comes from the infrastructure, and what is rendered names it.
    if not cluster.infrastructure_ready:
        return Wait(
            "WaitingForClusterInfrastructure",
            f"Cluster {cluster.name} has no infrastructure yet (status.initialization.infrastructureProvisioned)",
        )
    # Only the first machine may run kubeadm init; all others wait, whatever their role.
    if not cluster.control_plane_initialized:
        if not owner.control_plane:
            return Wait(
                "WaitingForControlPlaneInitialized",
                f"Cluster {cluster.name} has no control plane yet that a worker could join",
            )
        # A lock whose holder is gone is nobody's: otherwise a machine that was deleted too early
        # would hold up its cluster for ever.
        if facts.lock is not None and facts.lock.holder != owner.name and facts.lock_holder_exists:
            return Wait(
                "WaitingForInitLock",
                f"Machine {facts.lock.holder} initializes Cluster {cluster.name}; this one joins it afterwards",
            )
        return Make("Initialize", owner, cluster)
    # Checked after initialization only: kubeadm init can do without, and kubeadm join cannot.
    if not str(cluster.endpoint):
        return Wait(
            "WaitingForControlPlaneEndpoint",
            f"Cluster {cluster.name} has no spec.controlPlaneEndpoint yet",
        )
    if skew := _skew(owner, cluster):
        return Refuse("VersionSkew", skew)
    return Make("JoinControlPlane" if owner.control_plane else "JoinWorker", owner, cluster)


def _skew(owner: Machine, cluster: Cluster) -> str:
    """Why a worker's version cannot join, as far as that can be known; empty if it can.

    Kubernetes' version skew policy: a kubelet is never newer than the API server, and at most three minors older.
    """
    # By minor versions: the policy says nothing of patches.
    ours, theirs = _minor(owner.kubernetes_version), _minor(cluster.control_plane_version)
    if owner.control_plane or ours is None or theirs is None or theirs - 3 <= ours <= theirs:
        return ""
    what = "newer than" if ours > theirs else "more than three minor versions older than"
    return (
        f"version {owner.kubernetes_version} of {owner.kind} {owner.name} is {what} the control plane's"
        f" {cluster.control_plane_version}"
    )


def _minor(version: str) -> int | None:
    parts = version.removeprefix("v").split(".")
    return int(parts[1]) if len(parts) > 1 and parts[1].isdecimal() else None


def _controller_of(owners: tuple[OwnerReference, ...]) -> OwnerReference | None:
    return next((one for one in owners if one.controller), None)


def _is_ours(owner: OwnerReference, bootstrap: Bootstrap) -> bool:
    return owner.group == BOOTSTRAP_GROUP and owner.kind == bootstrap.resource.kind


def _owner_is_stale(secret: SecretMeta, bootstrap: Bootstrap) -> bool:
    return not any(one.controller and one.uid == bootstrap.uid for one in secret.owners)


def _foreign(secret: SecretMeta, owner: OwnerReference) -> str:
    return (
        f"Secret {secret.name} is there already and belongs to {owner.kind} {owner.name}; it is never overwritten."
        " Rename the Machine, or remove that Secret if nothing needs it"
    )
