"""Each row of the decision table, and that an earlier row wins over all later ones."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from machineadm.controllers.bootstrap.conditions import (
    OWNED,
    Outcome,
    Said,
    owned_part,
    whole_status,
)
from machineadm.controllers.bootstrap.decide import Facts, Lock, decide
from machineadm.controllers.capi.tokens import Seed, derive, random_for
from machineadm.controllers.capi.types import (
    Bootstrap,
    Cluster,
    Condition,
    Endpoint,
    Machine,
    Network,
    OwnerReference,
    SecretMeta,
    bootstrap,
)

OWNER = OwnerReference(
    api_version="cluster.x-k8s.io/v1beta1", kind="Machine", name="m", uid="mu", controller=True
)
OURS = OwnerReference(
    api_version="bootstrap.cluster.x-k8s.io/v1alpha1",
    kind="MachineBootstrap",
    name="m",
    uid="bu",
    controller=True,
)
FOREIGN = msgspec.structs.replace(OURS, api_version="v1", kind="Pod", name="x")
OLD = msgspec.structs.replace(OURS, uid="another life")

BOOTSTRAP = Bootstrap(
    namespace="n",
    name="m",
    uid="bu",
    version="1",
    raw=b"{}",
    generation=3,
    created="2026-11-30T12:00:00Z",
    deleted=False,
    paused=False,
    labels={},
    owners=(OWNER,),
    conditions=(),
    data_secret_created=False,
    data_secret="",
)
MACHINE = Machine(
    namespace="n",
    name="m",
    uid="mu",
    version="1",
    cluster="c",
    kubernetes_version="v1.34.4",
    control_plane=False,
    data_secret="",
    node="",
)
CLUSTER = Cluster(
    namespace="n",
    name="c",
    uid="cu",
    version="1",
    paused=False,
    endpoint=Endpoint(host="h", port=6443),
    network=Network(),
    infrastructure_ready=True,
    control_plane_initialized=True,
)
SECRET = SecretMeta(namespace="n", name="m", uid="su", version="1", cluster="c", owners=(OURS,))
LOCK = Lock(holder="other", uid="lu", version="1")
CREATED = 1796040000.0  # 2026-11-30T12:00:00Z

# In the order of the table: each has what its row looks at, and is right for all rows before it.
ROWS: list[tuple[str, dict[str, Any], dict[str, Any], dict[str, Any], dict[str, Any]]] = [
    ("Release", {"deleted": True}, {}, {}, {}),
    ("Nothing", {"owners": ()}, {}, {}, {"owner": None, "now": CREATED + 5}),
    ("WaitingForOwner", {"owners": ()}, {}, {}, {"owner": None, "now": CREATED + 31}),
    ("Nothing", {}, {}, {}, {"cluster": None}),
    ("Pause", {}, {}, {"paused": True}, {}),
    ("Pause", {"paused": True}, {}, {}, {}),
    ("ForeignSecret", {}, {}, {}, {"secret": msgspec.structs.replace(SECRET, owners=(FOREIGN,))}),
    (
        "Adopt",
        {"data_secret_created": True},
        {},
        {},
        {"secret": msgspec.structs.replace(SECRET, owners=(OLD,))},
    ),
    ("Restore", {}, {"data_secret": "m"}, {}, {"secret": SECRET}),
    ("Keep", {"data_secret_created": True}, {}, {}, {"secret": SECRET}),
    ("WaitingForClusterInfrastructure", {}, {}, {"infrastructure_ready": False}, {}),
    ("WaitingForControlPlaneInitialized", {}, {}, {"control_plane_initialized": False}, {}),
    (
        "WaitingForInitLock",
        {},
        {"control_plane": True},
        {"control_plane_initialized": False},
        {"lock": LOCK, "lock_holder_exists": True},
    ),
    (
        "Initialize",
        {},
        {"control_plane": True},
        {"control_plane_initialized": False},
        {"lock": LOCK, "lock_holder_exists": False},
    ),
    ("WaitingForControlPlaneEndpoint", {}, {}, {"endpoint": Endpoint()}, {}),
    ("VersionSkew", {}, {}, {"control_plane_version": "v1.33.0"}, {}),
    ("VersionSkew", {}, {}, {"control_plane_version": "v1.38.0"}, {}),
    ("JoinControlPlane", {}, {"control_plane": True}, {"control_plane_version": "v1.33.0"}, {}),
    ("JoinWorker", {}, {}, {"control_plane_version": "v1.37.0"}, {}),
]


def facts(*rows: int) -> Facts:
    """What has the features of these rows; of two that contradict each other the first counts."""
    changes: list[dict[str, Any]] = [{}, {}, {}, {}]
    for row in rows:
        for into, given in zip(changes, ROWS[row][1:], strict=True):
            for name, value in given.items():
                into.setdefault(name, value)
    whole: dict[str, Any] = {
        "bootstrap": msgspec.structs.replace(BOOTSTRAP, **changes[0]),
        "owner": msgspec.structs.replace(MACHINE, **changes[1]),
        "cluster": msgspec.structs.replace(CLUSTER, **changes[2]),
        "now": CREATED + 60,
    }
    return Facts(**(whole | changes[3]))


def said(one: Facts) -> str:
    decision = decide(one)
    named = getattr(decision, "reason", None) or getattr(decision, "role", None)
    return str(named or type(decision).__name__)


@pytest.mark.parametrize(
    "row", range(len(ROWS)), ids=[f"{n}-{row[0]}" for n, row in enumerate(ROWS)]
)
def test_each_row_of_the_table_decides_by_itself(row: int) -> None:
    assert said(facts(row)) == ROWS[row][0]


@pytest.mark.parametrize("row", [0, 4, 5, 6, 10])
def test_an_earlier_row_wins_over_every_later_one(row: int) -> None:
    for later in range(row + 1, len(ROWS)):
        assert said(facts(row, later)) == ROWS[row][0], ROWS[later][0]


def now_said() -> dict[str, Said]:
    return {
        "DataSecretAvailable": Said(status="True", reason="Available"),
        "CertificatesAvailable": Said(status="True", reason="Available"),
        "TokenAvailable": Said(status="True", reason="Available"),
        "StoreSynced": Said(status="True", reason="Synced"),
    }


def stored(status: dict[str, Any]) -> Bootstrap:
    metadata = {"name": "m", "namespace": "n", "uid": "bu", "generation": 3, "resourceVersion": "2"}
    return bootstrap(msgspec.json.encode({"metadata": metadata, "status": status}))


def test_a_status_that_is_there_is_whole_and_not_written_again() -> None:
    outcome = Outcome(data_secret="m", said=now_said())
    status = whole_status(BOOTSTRAP, outcome, "2026-11-30T12:00:00Z")
    assert [one["type"] for one in status["conditions"]] == list(OWNED)
    there = stored(status | {"report": {"phase": "Preparing"}})
    assert owned_part(there) == status
    # Whoever says less the next time leaves nothing out: what an apply lacks is removed.
    assert whole_status(there, Outcome(), "2026-11-30T13:00:00Z") == status


def test_a_condition_keeps_its_time_until_its_status_changes() -> None:
    first = whole_status(BOOTSTRAP, Outcome(said=now_said()), "2026-11-30T12:00:00Z")
    lost = {"DataSecretAvailable": Said(status="False", reason="ReferenceNotFound")}
    second = whole_status(stored(first), Outcome(said=lost), "2026-11-30T13:00:00Z")
    times = {one["type"]: one["lastTransitionTime"] for one in second["conditions"]}
    assert times["DataSecretAvailable"] == times["Ready"] == "2026-11-30T13:00:00Z"
    assert times["CertificatesAvailable"] == "2026-11-30T12:00:00Z"


def test_a_failed_bootstrap_makes_it_not_ready() -> None:
    failed = Condition(type="BootstrapSucceeded", status="False", reason="Failed", message="MA4001")
    there = msgspec.structs.replace(BOOTSTRAP, conditions=(failed,))
    status = whole_status(there, Outcome(said=now_said()), "2026-11-30T12:00:00Z")
    ready = next(one for one in status["conditions"] if one["type"] == "Ready")
    assert (ready["status"], ready["reason"], ready["message"]) == (
        "False",
        "BootstrapFailed",
        "MA4001",
    )


def test_tokens_repeat_for_the_same_machine_and_differ_for_any_other() -> None:
    key = bytes(range(32))
    seeds = [Seed(uid=uid, epoch=e, counter=c) for uid in "ab" for e in (0, 1) for c in (0, 1)]
    tokens = {derive(key, seed).reveal() for seed in seeds}
    assert len(tokens) == len(seeds)
    assert tokens == {derive(key, seed).reveal() for seed in seeds}
    assert not tokens & {derive(bytes(32), seed).reveal() for seed in seeds}
    for token in tokens:
        assert len(token) == 23
        assert token[6] == "."


def test_a_token_is_never_printed() -> None:
    token = derive(bytes(32), Seed(uid="a"))
    assert token.secret not in f"{token} {token!r}"


def test_salt_and_nonce_repeat_for_the_same_plaintext_alone() -> None:
    key, seed = bytes(32), Seed(uid="a")

    def drawn(plaintext: bytes) -> list[bytes]:
        source = random_for(key, seed, plaintext)
        return [source(16), source(12), source(100)]

    assert drawn(b"one") == drawn(b"one")
    assert not set(drawn(b"one")) & set(drawn(b"two"))
