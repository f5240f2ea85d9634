"""KubeadmConfigs are served as MachineBootstraps are: converted whole or refused by the name of the field, and never a second time."""

from __future__ import annotations

import asyncio
import base64
import json
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

import pytest
import yaml

from machineadm.api.v1alpha1.agent_source import AgentSource, PreinstalledAgent
from machineadm.controllers.bootstrap.adoption import AgentError, agent_of
from machineadm.controllers.bootstrap.controller import BootstrapController
from machineadm.controllers.capi.types import kubeadm_config
from machineadm.controllers.runtime.resources import (
    KUBEADM_CONFIGS,
    KUBEADM_CONFIGS_V1BETA1,
    Resource,
)
from machineadm.controllers.runtime.together import Together
from tests.controllers_world import World, dying, world

Scene = Callable[[World], Coroutine[Any, Any, None]]
IN_IMAGE = AgentSource(preinstalled=PreinstalledAgent())

NODE = {"criSocket": "/run/containerd/containerd.sock", "taints": []}
# As a KubeadmControlPlane writes them: the first machine has no joinConfiguration, the others no initConfiguration.
FIRST: dict[str, Any] = {
    "clusterConfiguration": {
        "apiServer": {"certSANs": ["api.example.com"]},
        "featureGates": {"ControlPlaneKubeletLocalMode": True},
    },
    "initConfiguration": {"nodeRegistration": NODE, "skipPhases": ["addon/kube-proxy"]},
    "format": "cloud-config",
    "preKubeadmCommands": ["echo one"],
}
OTHER: dict[str, Any] = {
    "clusterConfiguration": FIRST["clusterConfiguration"],
    "joinConfiguration": {"controlPlane": {}, "nodeRegistration": NODE},
    "preKubeadmCommands": ["echo one"],
}
WORKER: dict[str, Any] = {
    "joinConfiguration": {
        "nodeRegistration": {"kubeletExtraArgs": [{"name": "node-labels", "value": "a=b"}]}
    },
    "files": [{"path": "/etc/greeting", "content": "hello ${NAME}\n", "permissions": "0644"}],
    "postKubeadmCommands": ["echo done"],
}
SPECS = {"Initialize": FIRST, "JoinControlPlane": OTHER, "JoinWorker": WORKER}


def play(
    scene: Scene, *, serves: Resource = KUBEADM_CONFIGS, agent: AgentSource | None = IN_IMAGE
) -> None:
    async def whole() -> None:
        async with world() as one:
            one.serves, one.agent = serves, agent
            one.restart()
            await scene(one)

    asyncio.run(whole())


async def prepare(one: World, role: str, spec: dict[str, Any] | None = None) -> None:
    await one.certificates()
    await one.cluster(initialized=role != "Initialize")
    whole = SPECS[role] if spec is None else spec
    await one.kubeadm_config("machine", control_plane=role != "JoinWorker", **whole)


@pytest.mark.parametrize("role", SPECS)
def test_a_kubeadmconfig_gets_the_data_secret_of_the_contract(role: str) -> None:
    async def scene(one: World) -> None:
        await prepare(one, role)

        await one.settle()

        secret = one.management.get("secrets", "machine")
        there = one.management.get("kubeadmconfigs", "machine")
        assert secret["type"] == "cluster.x-k8s.io/secret"
        assert secret["metadata"]["labels"] == {"cluster.x-k8s.io/cluster-name": "prod"}
        assert base64.b64decode(secret["data"]["format"]) == b"cloud-config"
        assert secret["metadata"]["ownerReferences"] == [
            {
                "apiVersion": "bootstrap.cluster.x-k8s.io/v1beta2",
                "kind": "KubeadmConfig",
                "name": "machine",
                "uid": there["metadata"]["uid"],
                "controller": True,
            }
        ]
        status = there["status"]
        assert status["initialization"] == {"dataSecretCreated": True}
        assert status["dataSecretName"] == "machine"
        assert one.condition("machine") == ("True", "Available")
        assert one.condition("machine", "Ready") == ("True", "Ready")
        # Nothing that the definition of a KubeadmConfig does not have.
        assert set(status) == {
            "initialization",
            "dataSecretName",
            "observedGeneration",
            "conditions",
        }
        assert there["spec"] == SPECS[role]
        kubernetes = one.configuration("machine")["spec"]["kubernetes"]
        assert kubernetes["role"]["type"] == role
        assert kubernetes["version"] == "v1.34.4"

    play(scene)


def test_what_a_kubeadmconfig_says_is_on_its_machine() -> None:
    async def scene(one: World) -> None:
        await prepare(one, "Initialize")
        await one.settle()
        spec = one.configuration("machine")["spec"]
        kubernetes = spec["kubernetes"]
        assert kubernetes["controlPlane"]["apiServer"]["certSANs"] == ["api.example.com"]
        assert kubernetes["cluster"]["featureGates"] == {"ControlPlaneKubeletLocalMode": True}
        assert kubernetes["node"]["criSocket"] == NODE["criSocket"]
        assert kubernetes["node"]["taints"] == []
        assert "echo one" in json.dumps(spec["machine"]["commands"])
        # The cluster's own authority, under the name that a KubeadmControlPlane expects.
        authority = one.management.get("secrets", "prod-ca")["data"]["tls.crt"]
        given = kubernetes["controlPlane"]["certificates"]["ca"]["certificate"]
        assert given == base64.b64decode(authority).decode()
        lock = one.management.get("configmaps", "prod-lock")["data"]["lock-information"]
        assert json.loads(lock) == {"machineName": "machine"}

    async def worker(one: World) -> None:
        await prepare(one, "JoinWorker")
        await one.settle()
        spec = one.configuration("machine")["spec"]
        # It came from a cluster, so nobody will fill anything in.
        (file,) = spec["machine"]["files"]
        assert file["content"] == "hello ${NAME}\n"
        assert spec["machine"]["sentinel"] == "AfterKubeadm"
        assert spec["kubernetes"]["node"]["uninitializedTaint"] is True
        assert len(one.tokens()) == 1

    play(scene)
    play(worker)


@pytest.mark.parametrize("role", SPECS)
def test_an_adopted_machine_that_is_killed_between_any_two_calls_gets_the_same_bytes(
    role: str,
) -> None:
    whole: list[Any] = []

    async def undisturbed(one: World) -> None:
        await prepare(one, role)
        one.management.calls.clear()
        one.workload.calls.clear()
        await one.settle()
        calls = len(one.management.calls) + len(one.workload.calls)
        whole.extend([one.data("machine"), one.tokens(), calls])

    play(undisturbed)
    data, tokens, calls = whole

    for number in range(1, calls + 1):
        for how in ("fail", "lose"):

            async def killed(one: World, number: int = number, how: str = how) -> None:
                await prepare(one, role)
                with dying(number, how, one.management, one.workload):
                    await one.attempt()
                one.restart()
                await one.settle()
                assert one.data("machine") == data, (number, how)
                assert one.tokens() == tokens, (number, how)
                assert one.condition("machine") == ("True", "Available")

            play(killed)


def test_a_second_look_at_an_adopted_machine_writes_nothing() -> None:
    async def scene(one: World) -> None:
        await prepare(one, "JoinWorker")
        await one.settle()
        one.management.calls.clear()
        one.restart()
        await one.settle()
        assert not [call for call in one.management.calls if call[0] != "GET"]
        assert not [call for call in one.management.calls if call[1] == "kubeadmconfigs/machine"]

    play(scene)
    play(scene, serves=KUBEADM_CONFIGS_V1BETA1)


@pytest.mark.parametrize(
    ("role", "field", "spec"),
    [
        (
            "JoinWorker",
            "spec.files[0].content",
            {"files": [{"path": "/a", "content": "{{ .x | y }}"}]},
        ),
        ("JoinWorker", "spec.unheardOf", {"unheardOf": {"of": 1}}),
        ("JoinWorker", "spec.format", {"format": "butane"}),
        (
            "Initialize",
            "spec.clusterConfiguration.apiServer.extraArgs[0].name",
            {
                "clusterConfiguration": {
                    "apiServer": {"extraArgs": [{"name": "no-such", "value": "x"}]}
                }
            },
        ),
        (
            "JoinWorker",
            "spec.joinConfiguration.discovery.bootstrapToken.unsafeSkipCAVerification",
            {
                "joinConfiguration": {
                    "discovery": {"bootstrapToken": {"unsafeSkipCAVerification": True}}
                }
            },
        ),
        (
            "JoinControlPlane",
            "spec.joinConfiguration.discovery.bootstrapToken.token",
            {
                "joinConfiguration": {
                    "discovery": {"bootstrapToken": {"token": "abcdef.0123456789abcdef"}}
                }
            },
        ),
    ],
)
def test_what_cannot_be_expressed_is_refused_by_the_name_of_the_field(
    role: str, field: str, spec: dict[str, Any]
) -> None:
    async def scene(one: World) -> None:
        await prepare(one, role, spec)
        await one.settle()
        assert one.condition("machine") == ("False", "NotSupported")
        assert one.condition("machine", "Ready") == ("False", "NotSupported")
        assert field in one.message("machine")
        assert "abcdef.0123" not in one.message("machine")
        assert "machine" not in one.management.names("secrets")
        assert not one.tokens()

    play(scene)


def test_a_refused_kubeadmconfig_is_served_once_it_is_fixed() -> None:
    async def scene(one: World) -> None:
        await prepare(one, "JoinWorker", {"format": "butane"})
        await one.settle()
        await one.management.change("kubeadmconfigs", "machine", spec={"format": "cloud-config"})
        await one.settle()
        assert one.condition("machine") == ("True", "Available")

    play(scene)


# Where the agent comes from.


def test_without_a_word_about_the_agent_adoption_refuses_and_says_both_places() -> None:
    async def scene(one: World) -> None:
        await prepare(one, "JoinWorker")
        await one.settle()
        assert one.condition("machine") == ("False", "AgentNotConfigured")
        assert "machineadm.x-k8s.io/agent" in one.message("machine")
        assert "--kubeadmconfig-agent" in one.message("machine")
        assert "machine" not in one.management.names("secrets")

        await annotate(one, "{preinstalled: {path: /opt/machineadm}}")
        await one.settle()

        assert "/opt/machineadm" in one.data("machine").decode()

    play(scene, agent=None)


async def annotate(one: World, agent: str) -> None:
    cluster = json.loads(json.dumps(one.management.get("clusters", "prod")))
    cluster["metadata"]["annotations"] = {"machineadm.x-k8s.io/agent": agent}
    await one.management.put("clusters", cluster)


def test_the_annotation_of_a_cluster_wins_over_the_flag() -> None:
    async def scene(one: World) -> None:
        await prepare(one, "JoinWorker")
        await annotate(one, '{"preinstalled": {"path": "/srv/agent"}}')
        await one.settle()
        assert "/srv/agent" in one.data("machine").decode()

    play(scene)


HOSTILE_AGENTS = {
    "another field of the spec": "{preinstalled: {}}\n  machine: {files: []}",
    "another field at its own indentation": "{preinstalled: {}}\nmachine: {}",
    "a second document": "{preinstalled: {}}\n---\nkind: Secret",
    "both": "{preinstalled: {}, download: {}}",
    "neither": "{}",
    "nothing": " ",
    "text": "preinstalled",
    "an unknown field": "{preinstalled: {run: x}}",
    "a path with a newline": '{preinstalled: {path: "/a\\nb"}}',
    "an alias": "{preinstalled: &a {path: *a}}",
    "too deep": "[" * 5000,
    "a tag": "!!python/object/apply:os.system [id]",
    "control characters": "{preinstalled: {}}\x00",
}


@pytest.mark.parametrize("text", HOSTILE_AGENTS.values(), ids=HOSTILE_AGENTS)
def test_an_agent_that_is_not_one_is_refused(text: str) -> None:
    with pytest.raises(AgentError, match=r"^--kubeadmconfig-agent: "):
        agent_of(text, "--kubeadmconfig-agent")

    async def scene(one: World) -> None:
        await prepare(one, "JoinWorker")
        await annotate(one, text)
        await one.settle()
        assert one.condition("machine") == ("False", "InvalidConfiguration")
        assert "annotation machineadm.x-k8s.io/agent of Cluster prod" in one.message("machine")
        assert "machine" not in one.management.names("secrets")

    play(scene)


@pytest.mark.parametrize(
    "text",
    [
        "preinstalled: {}",
        '{"preinstalled": {"path": "/usr/local/bin/machineadm"}}',
        f"download:\n  version: v0.1.0\n  urls: [https://example.com/m]\n  sha256: {'a' * 64}\n",
    ],
)
def test_an_agent_is_taken_as_yaml_or_json(text: str) -> None:
    found = agent_of(text, "x")
    assert (found.preinstalled is None) != (found.download is None)


# What Cluster API's own controller has made.


async def served_by_the_other(one: World, *, status: bool, pool: bool = False) -> None:
    """A KubeadmConfig that Cluster API's own controller has served: without our annotation, with its own words."""
    await one.certificates()
    await one.cluster(initialized=True)
    if pool:
        await one.pool("machine")
        made = one.management.get("machinebootstraps", "machine")
        await one.management.remove("machinebootstraps", "machine")
        meta = {key: made["metadata"][key] for key in ("name", "labels", "ownerReferences")}
        config = {"metadata": meta | {"generation": 3}, "spec": WORKER}
        await one.management.put("kubeadmconfigs", config)
    else:
        await one.kubeadm_config("machine", **WORKER)
    there = one.management.get("kubeadmconfigs", "machine")
    owner = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1beta1",
        "kind": "KubeadmConfig",
        "name": "machine",
        "uid": there["metadata"]["uid"],
        "controller": True,
    }
    secret = {
        "metadata": {
            "name": "machine",
            "labels": {"cluster.x-k8s.io/cluster-name": "prod"},
            "ownerReferences": [owner],
        },
        "type": "cluster.x-k8s.io/secret",
        "data": {"value": base64.b64encode(b"theirs").decode(), "format": ""},
    }
    await one.management.put("secrets", secret)
    if status:
        said = {"lastTransitionTime": "2026-11-01T00:00:00Z", "message": ""}
        conditions = [
            {"type": "Ready", "status": "True", "reason": "Ready"} | said,
            {"type": "DataSecretAvailable", "status": "True", "reason": "Available"} | said,
        ]
        written = {
            "dataSecretName": "machine",
            "initialization": {"dataSecretCreated": True},
            "conditions": conditions,
        }
        await one.management.change("kubeadmconfigs", "machine", status=written)


@pytest.mark.requirement("R9")
@pytest.mark.parametrize("pool", [False, True], ids=["Machine", "MachinePool"])
def test_what_cluster_apis_own_controller_made_is_never_made_again_nor_written_to(
    pool: bool,
) -> None:
    async def scene(one: World) -> None:
        await served_by_the_other(one, status=True, pool=pool)
        one.management.calls.clear()
        for hours in (0, 1, 48):
            one.passes(hours=hours)
            await one.settle()
        # An edit changes nothing, either: also not a pool's data.
        await one.management.change("kubeadmconfigs", "machine", spec={})
        await one.settle()
        assert one.data("machine") == b"theirs"
        assert not [call for call in one.management.calls if call[0] != "GET"]
        assert not one.workload.calls

    play(scene)


@pytest.mark.requirement("R9")
@pytest.mark.parametrize("pool", [False, True], ids=["Machine", "MachinePool"])
def test_a_secret_whose_status_the_other_controller_could_not_write_is_served_as_it_is(
    pool: bool,
) -> None:
    async def scene(one: World) -> None:
        await served_by_the_other(one, status=False, pool=pool)
        await one.settle()
        assert one.data("machine") == b"theirs"
        assert one.condition("machine") == ("True", "Available")
        status = one.management.get("kubeadmconfigs", "machine")["status"]
        assert status["dataSecretName"] == "machine"
        assert status["initialization"] == {"dataSecretCreated": True}
        assert not one.workload.calls

    play(scene)


@pytest.mark.requirement("R9")
def test_after_a_move_the_others_data_is_taken_over_and_gets_its_owner_back() -> None:
    async def scene(one: World) -> None:
        await served_by_the_other(one, status=False)
        machine = one.management.get("machines", "machine")
        spec = machine["spec"] | {"bootstrap": {"dataSecretName": "machine"}}
        await one.management.change("machines", "machine", spec=spec)
        config = json.loads(json.dumps(one.management.get("kubeadmconfigs", "machine")))
        await one.management.remove("kubeadmconfigs", "machine")
        config["metadata"]["uid"] = "another"
        await one.management.put("kubeadmconfigs", config)
        await one.settle()
        assert one.data("machine") == b"theirs"
        owners = one.management.get("secrets", "machine")["metadata"]["ownerReferences"]
        assert [(owner["kind"], owner["uid"]) for owner in owners] == [("KubeadmConfig", "another")]
        assert one.condition("machine") == ("True", "Available")

    play(scene)


def test_a_secret_of_an_earlier_kubeadmconfig_of_the_name_is_not_another_machines() -> None:
    async def scene(one: World) -> None:
        await served_by_the_other(one, status=False)
        config = json.loads(json.dumps(one.management.get("kubeadmconfigs", "machine")))
        await one.management.remove("kubeadmconfigs", "machine")
        config["metadata"]["uid"] = "another"
        await one.management.put("kubeadmconfigs", config)
        await one.settle()
        assert one.data("machine") == b"theirs"
        assert one.condition("machine") == ("False", "ForeignSecret")

    play(scene)


@pytest.mark.parametrize("kind", ["MachineBootstrap", "K0sWorkerConfig"])
def test_a_secret_of_another_kind_is_never_taken(kind: str) -> None:
    async def scene(one: World) -> None:
        await served_by_the_other(one, status=False)
        secret = json.loads(json.dumps(one.management.get("secrets", "machine")))
        secret["metadata"]["ownerReferences"][0]["kind"] = kind
        await one.management.put("secrets", secret)
        await one.settle()
        assert one.data("machine") == b"theirs"
        assert one.condition("machine") == ("False", "ForeignSecret")

    play(scene)


def test_paused_is_said_and_taken_back_also_where_the_other_made_the_data() -> None:
    async def scene(one: World) -> None:
        await served_by_the_other(one, status=True)
        await one.cluster(initialized=True, paused=True)
        await one.settle()
        assert one.condition("machine", "Paused") == ("True", "Paused")
        await one.cluster(initialized=True)
        await one.settle()
        assert one.condition("machine", "Paused") == ("False", "NotPaused")
        assert one.condition("machine", "Ready") == ("True", "Ready")
        assert one.data("machine") == b"theirs"

    play(scene)


# Versions and hostile objects.


@pytest.mark.parametrize("role", SPECS)
def test_in_v1beta1_the_status_is_that_of_its_contract(role: str) -> None:
    spec = json.loads(json.dumps(SPECS[role]))
    for half in ("initConfiguration", "joinConfiguration"):
        extra = spec.get(half, {}).get("nodeRegistration", {}).get("kubeletExtraArgs")
        if extra:
            pairs = {one["name"]: one["value"] for one in extra}
            spec[half]["nodeRegistration"]["kubeletExtraArgs"] = pairs

    async def scene(one: World) -> None:
        await prepare(one, role, spec)
        await one.settle()
        status = one.management.get("kubeadmconfigs", "machine")["status"]
        assert status["ready"] is True
        assert status["dataSecretName"] == "machine"
        assert "initialization" not in status
        old = {one["type"]: one for one in status["conditions"]}
        assert old["Ready"]["status"] == "True"
        assert "severity" not in old["Ready"]
        assert one.condition("machine") == ("True", "Available")
        (owner,) = one.management.get("secrets", "machine")["metadata"]["ownerReferences"]
        assert owner["apiVersion"] == "bootstrap.cluster.x-k8s.io/v1beta1"

    async def waits(one: World) -> None:
        await one.certificates()
        await one.kubeadm_config("machine")
        await one.settle()
        status = one.management.get("kubeadmconfigs", "machine")["status"]
        assert "ready" not in status
        old = {one["type"]: one for one in status["conditions"]}
        assert old["DataSecretAvailable"]["severity"] == "Info"
        assert old["DataSecretAvailable"]["reason"] == "WaitingForControlPlaneInitialized"

    play(scene, serves=KUBEADM_CONFIGS_V1BETA1)
    play(waits, serves=KUBEADM_CONFIGS_V1BETA1)


HOSTILE_SPECS: dict[str, Any] = {
    "a list": {"files": {"path": "/a"}},
    "numbers": {"files": [7], "users": [None], "mounts": [[[]]]},
    "null everywhere": dict.fromkeys(
        ("files", "users", "clusterConfiguration", "joinConfiguration")
    ),
    "names of references": {"files": [{"path": "/a", "contentFrom": {"secret": {"name": 7}}}]},
    "no reference": {"files": [{"path": "/a", "contentFrom": {"secret": None}}]},
    "deep": {"files": json.loads("[" * 200 + "]" * 200)},
    "a terminal's escape": {"preKubeadmCommands": ["\x1b[2J\x00"]},
    "a lone surrogate's neighbour": {"files": [{"path": "/\ufffe", "content": "x"}]},
    "huge": {"files": [{"path": f"/f{n}", "content": "x" * 10240} for n in range(200)]},
    "a path that climbs": {"files": [{"path": "/etc/../shadow", "content": "x"}]},
    "yaml in a text": {"preKubeadmCommands": ["x: &a [*a]\n---\nkind: Secret"]},
}


@pytest.mark.parametrize("spec", HOSTILE_SPECS.values(), ids=HOSTILE_SPECS)
def test_no_kubeadmconfig_stops_the_others(spec: dict[str, Any]) -> None:
    async def scene(one: World) -> None:
        await prepare(one, "JoinWorker", spec)
        await one.kubeadm_config("good", **WORKER)
        await one.settle()
        status, reason = one.condition("machine")
        assert reason in ("Available", "NotSupported", "InvalidConfiguration", "DataTooLarge")
        if status == "True":
            assert one.configuration("machine")["kind"] == "MachineConfiguration"
        assert one.condition("good") == ("True", "Available")

    play(scene)


def test_a_reference_that_is_missing_wakes_its_kubeadmconfig_when_it_comes() -> None:
    async def scene(one: World) -> None:
        spec = {"files": [{"path": "/a", "contentFrom": {"secret": {"name": "site", "key": "a"}}}]}
        await prepare(one, "JoinWorker", spec)
        await one.settle()
        assert one.condition("machine") == ("False", "ReferenceNotFound")
        assert "site" in one.message("machine")
        value = base64.b64encode(b"hello").decode()
        await one.management.put("secrets", {"metadata": {"name": "site"}, "data": {"a": value}})
        await one.refresh()
        assert len(one.controller.queue) == 1
        await one.settle()
        assert one.condition("machine") == ("True", "Available")

    play(scene)


# Beside KubeadmControlPlane.


def test_certificates_that_a_control_plane_provider_makes_are_waited_for_and_not_made() -> None:
    async def scene(one: World) -> None:
        reference = {"apiGroup": "controlplane.cluster.x-k8s.io", "kind": "KubeadmControlPlane"}
        await one.cluster(controlPlaneRef=reference | {"name": "prod"})
        await one.kubeadm_config("machine", control_plane=True, **FIRST)
        await one.settle()
        assert one.condition("machine", "CertificatesAvailable") == ("False", "MissingCertificate")
        assert "prod-ca" in one.message("machine", "CertificatesAvailable")
        assert "prod-ca" not in one.management.names("secrets")
        assert "machine" not in one.management.names("secrets")

        await one.certificates()
        await one.refresh()
        assert len(one.controller.queue) == 1
        await one.settle()

        assert one.condition("machine") == ("True", "Available")

    play(scene)


def test_an_external_etcd_gets_the_certificates_that_its_owner_gave() -> None:
    external = {
        "endpoints": ["https://etcd.example.com:2379"],
        "caFile": "/etc/kubernetes/pki/etcd/ca.crt",
        "certFile": "/etc/kubernetes/pki/apiserver-etcd-client.crt",
        "keyFile": "/etc/kubernetes/pki/apiserver-etcd-client.key",
    }

    async def scene(one: World) -> None:
        await prepare(one, "Initialize", {"clusterConfiguration": {"etcd": {"external": external}}})
        await one.settle()
        assert one.condition("machine") == ("False", "ReferenceNotFound")
        assert "prod-apiserver-etcd-client" in one.message("machine")
        pair = one.management.get("secrets", "prod-etcd")["data"]
        client = {"metadata": {"name": "prod-apiserver-etcd-client"}, "data": dict(pair)}
        await one.management.put("secrets", client)
        await one.settle()
        assert one.condition("machine") == ("True", "Available")
        certificates = one.configuration("machine")["spec"]["kubernetes"]["controlPlane"][
            "certificates"
        ]
        assert (
            certificates["apiserverEtcdClient"]["key"] == base64.b64decode(pair["tls.key"]).decode()
        )

    play(scene)


def test_a_machine_without_a_version_and_one_with_a_store_are_refused() -> None:
    async def version(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.kubeadm_config("machine", version="", **WORKER)
        await one.settle()
        assert one.condition("machine") == ("False", "InvalidConfiguration")
        assert "Machine machine: spec.version" in one.message("machine")

    async def store(one: World) -> None:
        await prepare(one, "JoinWorker")
        machine = one.management.get("machines", "machine")
        reference = {"apiGroup": "infrastructure.cluster.x-k8s.io", "kind": "S3BootstrapStore"}
        bootstrap = {"infrastructureRef": reference | {"name": "s"}}
        await one.management.change(
            "machines", "machine", spec=machine["spec"] | {"bootstrap": bootstrap}
        )
        await one.settle()
        assert one.condition("machine") == ("False", "NotSupported")
        assert "infrastructureRef" in one.message("machine")

    play(version)
    play(store)


def test_both_kinds_of_one_name_are_served_side_by_side_over_one_cache() -> None:
    async def scene(one: World) -> None:
        await one.certificates()
        await one.cluster(initialized=True)
        await one.kubeadm_config("adopted", **WORKER)
        await one.machine("own")
        first = one.controller
        second = BootstrapController(
            one.client,
            first._actor,
            now=lambda: one.now,
            interval=0.0,
            workers=2,
            serves=KUBEADM_CONFIGS,
            shares=first,
        )
        both = Together((first, second))
        assert [each.kind for each in second.reflectors] == ["kubeadmconfigs"]
        mirrors = asyncio.ensure_future(both.mirror())
        works = asyncio.ensure_future(both.work())
        wanted = {"adopted", "own"}
        while not wanted <= {*one.management.names("secrets")} or both.queued or both.workers_busy:
            await asyncio.sleep(0.01)
        await both.drain()
        await works
        mirrors.cancel()
        assert both.by_readiness() == {("True", "Ready"): 2}

    async def whole() -> None:
        async with world() as one:
            one.agent = IN_IMAGE
            one.restart()
            await scene(one)

    asyncio.run(whole())


def test_without_adoption_nothing_asks_for_kubeadmconfigs() -> None:
    async def scene() -> None:
        async with world() as one:
            assert "kubeadmconfigs" not in [each.kind for each in one.controller.reflectors]
            await one.kubeadm_config("machine", **WORKER)
            await one.settle()
            assert "status" not in one.management.get("kubeadmconfigs", "machine")

    asyncio.run(scene())


def test_a_kubeadmconfig_of_an_older_version_is_projected_by_its_own_fields() -> None:
    meta = {"name": "x", "namespace": "default", "uid": "u", "resourceVersion": "1"}
    body = {"metadata": meta, "status": {"ready": True, "dataSecretName": "x"}}
    old = {"apiVersion": "bootstrap.cluster.x-k8s.io/v1beta1", "kind": "KubeadmConfig"} | body
    assert kubeadm_config(json.dumps(old).encode()).data_secret_created
    new = old | {"apiVersion": "bootstrap.cluster.x-k8s.io/v1beta2"}
    assert not kubeadm_config(json.dumps(new).encode()).data_secret_created


def test_only_who_asks_for_adoption_gets_rights_to_kubeadmconfigs() -> None:
    deploy = Path(__file__).parents[3] / "deploy"
    assert "kubeadmconfigs" not in (deploy / "bootstrap-controller.yaml").read_text()
    role, _ = yaml.safe_load_all((deploy / "adoption" / "rights.yaml").read_text())
    rights = {one["resources"][0]: one["verbs"] for one in role["rules"]}
    # No right to their specs.
    assert rights == {"kubeadmconfigs": ["list", "watch"], "kubeadmconfigs/status": ["patch"]}
