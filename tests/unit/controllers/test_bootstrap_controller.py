"""The bootstrap controller makes data when it is time, the same however often it is killed, and says what it waits for."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import serialization

from machineadm.controllers.capi.certificates import PURPOSES
from tests.controllers_world import World, dying, world

Scene = Callable[[World], Coroutine[Any, Any, None]]


def play(scene: Scene) -> None:
    async def whole() -> None:
        async with world() as one:
            await scene(one)

    asyncio.run(whole())


def test_the_first_control_plane_machine_initializes_with_certificates_that_the_cluster_keeps() -> (
    None
):
    async def scene(one: World) -> None:
        await one.machine("cp-0", control_plane=True)

        await one.settle()

        assert one.condition("cp-0") == ("True", "Available")
        assert one.condition("cp-0", "Ready") == ("True", "Ready")
        kubernetes = one.configuration("cp-0")["spec"]["kubernetes"]
        assert kubernetes["role"] == {"type": "Initialize"}
        assert kubernetes["version"] == "v1.34.4"
        assert kubernetes["cluster"]["name"] == "prod"
        assert kubernetes["cluster"]["controlPlaneEndpoint"] == "api.example.com:6443"
        assert kubernetes["cluster"]["network"]["podCIDRs"] == ["10.244.0.0/16"]
        authority = one.management.get("secrets", "prod-ca")
        given = base64.b64decode(authority["data"]["tls.crt"]).decode()
        assert kubernetes["controlPlane"]["certificates"]["ca"]["certificate"] == given
        (owner,) = authority["metadata"]["ownerReferences"]
        assert owner["kind"] == "Cluster"

    play(scene)


def test_a_second_control_plane_machine_waits_for_the_first_and_then_joins() -> None:
    async def scene(one: World) -> None:
        await one.machine("cp-0", control_plane=True)
        await one.machine("cp-1", control_plane=True)
        await one.settle()
        assert one.condition("cp-1") == ("False", "WaitingForInitLock")
        assert "Machine cp-0" in one.message("cp-1")
        assert one.condition("cp-1", "Ready")[0] == "Unknown"

        await one.cluster(initialized=True)
        await one.settle()

        role = one.configuration("cp-1")["spec"]["kubernetes"]["role"]
        assert role["type"] == "JoinControlPlane"
        assert role["discovery"]["endpoint"] == "api.example.com:6443"
        assert "prod-lock" not in one.management.names("configmaps")

    play(scene)


def test_a_worker_joins_with_a_token_that_dies_when_its_node_is_there() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.machine("worker")
        await one.settle()
        assert one.condition("worker") == ("False", "WaitingForControlPlaneInitialized")
        assert not one.tokens()

        await one.cluster(initialized=True)
        again = await one.settle()

        kubernetes = one.configuration("worker")["spec"]["kubernetes"]
        discovery = kubernetes["role"]["discovery"]
        assert kubernetes["node"]["uninitializedTaint"] is True
        assert len(discovery["caCertHashes"]) == 1
        assert "controlPlane" not in kubernetes
        id_ = discovery["token"].partition(".")[0]
        assert one.tokens() == [f"bootstrap-token-{id_}"]
        assert again["worker"] == 300.0

        await one.joins("worker")
        await one.settle()

        assert not one.tokens()
        assert one.condition("worker", "TokenAvailable") == ("True", "Consumed")

    play(scene)


def test_the_spec_never_holds_a_token_and_is_never_written() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        made = await one.machine("worker")
        await one.settle()
        there = one.management.get("machinebootstraps", "worker")
        assert there["spec"] == made["spec"] == {}
        assert not [
            call
            for call in one.management.calls
            if call[1] == "machinebootstraps/worker" and call[0] != "GET"
        ]

    play(scene)


def test_a_worker_costs_two_writes_and_a_second_look_none() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine("first")
        await one.settle()  # makes the cluster's token key
        one.management.calls.clear()
        one.workload.calls.clear()

        await one.machine("worker")
        await one.settle()

        writes = [call for call in one.management.calls if call[0] != "GET"]
        assert writes == [("POST", "secrets"), ("PATCH", "machinebootstraps/worker/status")]
        assert [call[0] for call in one.workload.calls if call[0] != "GET"] == ["POST"]

        one.management.calls.clear()
        one.restart()
        await one.settle()

        assert not [call for call in one.management.calls if call[0] != "GET"]

    play(scene)


ROLES = {"Initialize": True, "JoinControlPlane": True, "JoinWorker": False}
SPEC: dict[str, Any] = {
    "encryption": {
        "provider": "file",
        "passphraseFrom": {"secret": {"name": "phrase", "key": "phrase"}},
        "iterations": 10000,
    }
}


async def prepare(one: World, role: str, spec: dict[str, Any]) -> None:
    await one.certificates()
    await one.cluster(initialized=role != "Initialize")
    phrase = base64.b64encode(b"correct horse battery staple").decode()
    await one.management.put(
        "secrets", {"metadata": {"name": "phrase"}, "data": {"phrase": phrase}}
    )
    await one.machine("machine", control_plane=ROLES[role], **spec)


@pytest.mark.parametrize("spec", [{}, SPEC], ids=["plain", "encrypted"])
@pytest.mark.parametrize("role", ROLES)
def test_killed_between_any_two_calls_and_run_again_the_data_is_the_same_bytes(
    role: str, spec: dict[str, Any]
) -> None:
    whole: list[Any] = []

    async def undisturbed(one: World) -> None:
        await prepare(one, role, spec)
        one.management.calls.clear()
        one.workload.calls.clear()
        await one.settle()
        whole.extend(
            [
                one.data("machine"),
                one.tokens(),
                len(one.management.calls) + len(one.workload.calls),
            ]
        )

    play(undisturbed)
    data, tokens, calls = whole

    for number in range(1, calls + 1):
        for loses in (False, True):

            async def killed(one: World, number: int = number, loses: bool = loses) -> None:
                await prepare(one, role, spec)
                with dying(number, "lose" if loses else "fail", one.management, one.workload):
                    await one.attempt()
                one.restart()
                # Connections that a dead workload cluster left silent are not asked for a while; this is another process.
                await one.settle()
                assert one.data("machine") == data, (number, loses)
                assert one.tokens() == tokens, (number, loses)
                assert one.condition("machine") == ("True", "Available")

            play(killed)


@pytest.mark.parametrize("kind", ["secret", "configMap"])
def test_a_reference_that_is_missing_is_named_by_its_field_and_served_when_it_is_there(
    kind: str,
) -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        spec: dict[str, Any] = {
            "machine": {
                "files": [
                    {"path": "/etc/x", "contentFrom": {kind: {"name": "site", "key": "x"}}},
                ]
            }
        }
        # Also while the machine has to wait for something else.
        await one.machine("worker", **spec)
        await one.settle()
        assert one.condition("worker") == ("False", "ReferenceNotFound")
        assert f"spec.machine.files[0].contentFrom.{kind}" in one.message("worker")
        assert one.condition("worker", "Ready")[0] == "False"

        value = base64.b64encode(b"hello").decode() if kind == "secret" else "hello"
        plural = "secrets" if kind == "secret" else "configmaps"
        await one.management.put(
            plural, {"metadata": {"name": "site"}, "data": {"x": value}, "apiVersion": "v1"}
        )
        await one.cluster(initialized=True)
        await one.settle()

        assert one.condition("worker") == ("True", "Available")

    play(scene)


def test_a_configuration_that_the_agent_would_refuse_is_refused_before_a_machine_is_made() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.machine("worker", machine={"linuxConfiguration": {"sysctls": {"a b": "1"}}})
        await one.settle()
        assert one.condition("worker") == ("False", "InvalidConfiguration")
        assert "spec.machine.linuxConfiguration.sysctls" in one.message("worker")
        assert "(MA" in one.message("worker")
        assert not one.tokens()

    play(scene)


def test_data_that_is_too_large_is_refused_with_its_size() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine("worker", dataSizeLimit="300")
        await one.settle()
        assert one.condition("worker") == ("False", "DataTooLarge")
        assert "worker" not in one.management.names("secrets")

    play(scene)


def test_what_is_paused_is_said_so_and_nothing_else_is_done() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True, paused=True)
        await one.machine("worker")
        await one.settle()
        assert one.condition("worker", "Paused") == ("True", "Paused")
        writes = [call for call in one.management.calls if call[0] != "GET"]
        assert writes == [("PATCH", "machinebootstraps/worker/status")]

        await one.cluster(initialized=True, paused=False)
        await one.settle()

        assert one.condition("worker", "Paused") == ("False", "NotPaused")
        assert one.condition("worker") == ("True", "Available")

    play(scene)


@pytest.mark.requirement("U7", "R9")
def test_in_an_existing_cluster_only_the_machine_that_opted_in_is_touched() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        theirs = [("clusters", "prod"), ("secrets", "prod-ca")]
        for name in ("old-control-plane", "old-worker", "not-yet-made"):
            reference = {"apiGroup": "bootstrap.cluster.x-k8s.io", "kind": "KubeadmConfig"}
            bootstrap: dict[str, Any] = {"configRef": reference | {"name": name}}
            if name != "not-yet-made":
                bootstrap["dataSecretName"] = name
                data = {"metadata": {"name": name}, "data": {"value": "eA=="}}
                await one.management.put("secrets", data)
                theirs.append(("secrets", name))
            labels = {"cluster.x-k8s.io/cluster-name": "prod"}
            spec = {"clusterName": "prod", "version": "v1.34.4", "bootstrap": bootstrap}
            machine = {"metadata": {"name": name, "labels": labels}, "spec": spec}
            await one.management.put("machines", machine)
            theirs.append(("machines", name))
        before = json.dumps([one.management.get(*which) for which in theirs])
        secrets = {*one.management.names("secrets")}
        await one.machine("new-worker")

        await one.settle()

        assert one.condition("new-worker") == ("True", "Available")
        assert json.dumps([one.management.get(*which) for which in theirs]) == before
        made = {*one.management.names("secrets")} - secrets
        assert made == {"new-worker", "prod-machineadm-tokens"}
        changed = {path for verb, path in one.management.calls if verb not in ("GET", "POST")}
        assert changed == {"machinebootstraps/new-worker/status"}

    play(scene)


def test_a_secret_of_somebody_else_is_never_overwritten() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.management.put(
            "secrets", {"metadata": {"name": "worker"}, "data": {"mine": "eA=="}}
        )
        await one.machine("worker")
        await one.settle()
        assert one.condition("worker") == ("False", "ForeignSecret")
        assert one.management.get("secrets", "worker")["data"] == {"mine": "eA=="}

    play(scene)


@pytest.mark.parametrize("lost", ["status", "owner", "both"])
def test_after_a_move_or_a_restore_the_data_is_taken_over_as_it_is(lost: str) -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine("worker")
        await one.settle()
        data, tokens = one.data("worker"), one.tokens()
        machine = one.management.get("machines", "worker")
        spec = machine["spec"] | {"bootstrap": {"dataSecretName": "worker"}}
        await one.management.change("machines", "worker", spec=spec)
        bootstrap = json.loads(json.dumps(one.management.get("machinebootstraps", "worker")))
        if lost in ("status", "both"):
            bootstrap.pop("status")
        if lost in ("owner", "both"):
            await one.management.remove("machinebootstraps", "worker")
            bootstrap["metadata"]["uid"] = "another-uid"
        await one.management.put("machinebootstraps", bootstrap)
        one.workload.objects.clear()  # and the token is gone as well
        one.restart()

        await one.settle()

        assert one.data("worker") == data
        assert one.tokens() == tokens
        assert one.condition("worker") == ("True", "Available")
        there = one.management.get("machinebootstraps", "worker")
        assert there["status"]["initialization"] == {"dataSecretCreated": True}
        owners = one.management.get("secrets", "worker")["metadata"]["ownerReferences"]
        assert [owner["uid"] for owner in owners] == [there["metadata"]["uid"]]

    play(scene)


@pytest.mark.parametrize("read", ["joined", "provisioned", "never"])
@pytest.mark.parametrize("status", ["kept", "lost"])
def test_a_lost_data_secret_fails_the_machine_that_has_not_read_it_and_no_other(
    read: str, status: str
) -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine("worker")
        await one.settle()
        machine = one.management.get("machines", "worker")
        spec = machine["spec"] | {"bootstrap": {"dataSecretName": "worker"}}
        if read != "never":
            spec |= {"providerID": "cloud://worker"}
        await one.management.change("machines", "worker", spec=spec)
        if read == "joined":
            await one.joins("worker")
        await one.management.remove("secrets", "worker")
        if status == "lost":
            bootstrap = json.loads(json.dumps(one.management.get("machinebootstraps", "worker")))
            bootstrap.pop("status")
            await one.management.put("machinebootstraps", bootstrap)
        one.restart()

        await one.settle()

        if read == "never":
            assert one.condition("worker") == ("False", "ReferenceNotFound")
            assert one.condition("worker", "Ready")[0] == "False"
        else:
            assert one.condition("worker") == ("True", "Available")
            assert one.condition("worker", "Ready") == ("True", "Ready")
        # Nobody makes it again: it would be another machine's.
        assert "worker" not in one.management.names("secrets")

    play(scene)


@pytest.mark.parametrize("joined", [True, False])
def test_the_token_of_a_machine_whose_data_is_lost_lives_until_it_has_joined(joined: bool) -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine("worker")
        await one.settle()
        tokens = one.tokens()
        await one.management.remove("secrets", "worker")
        machine = one.management.get("machines", "worker")
        bootstrap = {"bootstrap": {"dataSecretName": "worker"}, "providerID": "cloud://worker"}
        await one.management.change("machines", "worker", spec=machine["spec"] | bootstrap)
        if joined:
            await one.joins("worker")
        else:
            one.workload.objects.clear()
        one.passes(minutes=6)

        await one.settle()

        assert one.tokens() == ([] if joined else tokens)

    play(scene)


def test_a_secret_that_the_cache_does_not_have_yet_is_not_lost() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine("worker")
        await one.settle()
        (there,) = [each for each in one.controller.secrets if each.name == "worker"]
        one.controller.secrets.remove(there.key)

        await one.controller.reconcile(("default", "worker"))

        assert one.condition("worker") == ("True", "Available")

    play(scene)


def test_a_token_is_extended_until_its_machine_is_too_old_to_come() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine("worker")
        await one.settle()
        (name,) = one.tokens()

        def expires() -> str:
            data = one.workload.get("secrets", name, "kube-system")["data"]
            return base64.b64decode(data["expiration"]).decode()

        assert expires() == "2026-11-30T12:15:00Z"
        one.passes(minutes=6)
        await one.settle()
        assert expires() == "2026-11-30T12:21:00Z"
        one.passes(hours=25)
        await one.settle()
        assert expires() == "2026-11-30T12:21:00Z"
        assert one.condition("worker", "TokenAvailable") == ("False", "MaxAge")

    play(scene)


def test_a_lock_whose_machine_is_gone_is_taken_over() -> None:
    async def scene(one: World) -> None:
        await one.machine("cp-0", control_plane=True)
        await one.settle()
        await one.machine("cp-1", control_plane=True)
        for plural in ("machines", "machinebootstraps", "secrets"):
            await one.management.remove(plural, "cp-0")

        await one.settle()

        assert one.condition("cp-1") == ("True", "Available")
        lock = one.management.get("configmaps", "prod-lock")["data"]["lock-information"]
        assert json.loads(lock) == {"machineName": "cp-1"}

    play(scene)


@pytest.mark.parametrize(
    ("algorithm", "size"),
    [("", 2048), ("RSA-3072", 3072), ("ECDSA-P256", 256), ("ECDSA-P384", 384)],
)
@pytest.mark.parametrize(("validity", "days"), [("", 3650), ("2400h", 100)])
def test_authorities_are_made_as_the_configuration_asks(
    algorithm: str, size: int, validity: str, days: int
) -> None:
    async def scene(one: World) -> None:
        certificates = {"keyAlgorithm": algorithm} if algorithm else {}
        certificates |= {"caValidity": validity} if validity else {}
        kubernetes = {"version": "v1.34.4", "cluster": {"certificates": certificates}}
        await one.machine("cp-0", control_plane=True, kubernetes=kubernetes)

        await one.settle()

        assert one.condition("cp-0") == ("True", "Available")
        for purpose in PURPOSES:
            data = one.management.get("secrets", f"prod-{purpose}")["data"]
            private = base64.b64decode(data["tls.key"])
            key: Any = serialization.load_pem_private_key(private, None)
            assert key.key_size == size
            assert (b"EC PRIVATE KEY" in private) == algorithm.startswith("ECDSA")
            public = base64.b64decode(data["tls.crt"])
            if purpose == "sa":
                shown = serialization.load_pem_public_key(public)
            else:
                authority = x509.load_pem_x509_certificate(public)
                shown = authority.public_key()
                left = authority.not_valid_after_utc - one.now
                assert left.days == days
            assert shown == key.public_key()

    play(scene)


@pytest.mark.parametrize("part", ["tls.crt", "tls.key"])
def test_half_a_certificate_pair_is_an_error_and_never_made_anew(part: str) -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        broken = json.loads(json.dumps(one.management.get("secrets", "prod-sa")))
        del broken["data"][part]
        await one.management.put("secrets", broken)
        await one.machine("cp-0", control_plane=True)
        await one.settle()
        status, reason = one.condition("cp-0", "CertificatesAvailable")
        assert (status, reason[:7]) == ("False", "Missing")
        assert one.management.get("secrets", "prod-sa")["data"] == broken["data"]

    play(scene)


def test_a_workload_cluster_that_does_not_answer_is_waited_for() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine("worker")
        one.workload.fail = lambda method, path: 503
        again = await one.settle()
        assert one.condition("worker") == ("False", "WorkloadClusterUnreachable")
        assert one.condition("worker", "Ready")[0] == "Unknown"
        assert again["worker"] == 10.0
        assert "worker" not in one.management.names("secrets")

    play(scene)


def test_a_worker_that_is_newer_than_its_control_plane_is_refused() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True, topology={"version": "v1.33.1"})
        await one.machine("worker")
        await one.settle()
        assert one.condition("worker") == ("False", "VersionSkew")
        assert "v1.34.4" in one.message("worker")

    play(scene)


def test_a_role_that_the_machine_does_not_have_is_refused() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine(
            "worker", kubernetes={"version": "v1.34.4", "role": {"type": "JoinControlPlane"}}
        )
        await one.settle()
        assert one.condition("worker") == ("False", "InvalidConfiguration")
        assert "spec.kubernetes.role" in one.message("worker")

    play(scene)


def test_a_store_that_is_not_supported_yet_is_refused_and_never_left_out() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        reference = {
            "apiGroup": "infrastructure.cluster.x-k8s.io",
            "kind": "SecretsManagerBootstrapStore",
            "name": "store",
        }
        await one.machine("worker", infrastructureRef=reference)
        await one.settle()
        assert one.condition("worker") == ("False", "NotSupported")
        assert "worker" not in one.management.names("secrets")

    play(scene)


def test_a_status_that_somebody_removed_comes_back() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.machine("worker")
        await one.settle()
        there = one.management.get("machinebootstraps", "worker")["status"]
        spec = one.management.get("machines", "worker")["spec"]
        spec = spec | {"bootstrap": {"dataSecretName": "worker"}}
        await one.management.change("machines", "worker", spec=spec)
        await one.management.change("machinebootstraps", "worker", status={})
        await one.refresh()
        assert len(one.controller.queue) == 1

        await one.settle()

        again = one.management.get("machinebootstraps", "worker")["status"]
        assert again["dataSecretName"] == there["dataSecretName"]
        assert one.condition("worker") == ("True", "Available")

    play(scene)
