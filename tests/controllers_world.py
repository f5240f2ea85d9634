"""A management cluster, a workload cluster and a controller between them, in memory."""

from __future__ import annotations

import base64
import io
import json
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from datetime import datetime, timedelta, timezone
from functools import cache
from typing import Any

import aiohttp
import msgspec
from yarl import URL

from machineadm.api.v1alpha1.agent_source import AgentSource
from machineadm.controllers.bootstrap.act import Actor, Limits, ReportTo
from machineadm.controllers.bootstrap.controller import BootstrapController
from machineadm.controllers.capi.certificates import (
    PURPOSES,
    Pair,
    generate_pair,
    secret_body,
)
from machineadm.controllers.capi.types import CLUSTER_LABEL, CONTROL_PLANE_LABEL, cluster
from machineadm.controllers.capi.workload import Workloads
from machineadm.controllers.runtime.client import ApiError, Client
from machineadm.controllers.runtime.events import Events
from machineadm.controllers.runtime.resources import MACHINE_BOOTSTRAPS, Resource
from machineadm.controllers.stores.opening import Stores
from tests.fakes.apiserver import ApiServer, Object, client_of

START = datetime(2026, 11, 30, 12, 0, 0, tzinfo=timezone.utc)
CLUSTER_API = "cluster.x-k8s.io/v1beta2"


class World:
    """What a test of the bootstrap controller has.

    Attributes:
        management: The management cluster's API server.
        workload: The workload cluster's.
        events: What it tells.
        controller: The one that runs; `restart` makes a new one with empty caches.
        now: What the clock says.
        report_to: Where machines report; nowhere, unless a test says so before `restart`.
        serves: What the controller makes data of; as above.
        agent: Where machines of KubeadmConfigs get the agent from; as above.
    """

    def __init__(self, management: ApiServer, workload: ApiServer, client: Client) -> None:
        self.report_to: ReportTo | None = None
        self.serves: Resource = MACHINE_BOOTSTRAPS
        self.agent: AgentSource | None = None
        self.management = management
        self.workload = workload
        self.now = START
        self.client = client
        self._closes: list[Callable[[], Awaitable[None]]] = []
        self.restart()

    def restart(self) -> None:
        """The process dies, and another one starts."""
        workloads = Workloads(self.client)
        stores = Stores(self.client, now=lambda: self.now.timestamp())
        self._closes += [workloads.close, stores.close]
        actor = Actor(
            self.client,
            workloads,
            stores,
            now=lambda: self.now,
            limits=Limits(),
            report_to=self.report_to,
            agent=self.agent,
            # The same in every world, so that two of them can be compared.
            random=bytes,
        )
        # Sent only where a test runs them.
        self.events = Events(
            self.client,
            controller="machineadm-bootstrap-controller",
            instance="test",
            now=lambda: self.now,
            metrics=self.client.metrics,
        )
        self.controller = BootstrapController(
            self.client,
            actor,
            now=lambda: self.now,
            interval=0.0,
            workers=4,
            events=self.events,
            serves=self.serves,
        )

    async def close(self) -> None:
        for close in self._closes:
            await close()

    async def settle(self) -> dict[str, float | None]:
        """Look at every object with fresh caches until nothing more is written.

        Returns:
            By name of the MachineBootstrap, after how many seconds it wants to be looked at again.
        """
        again: dict[str, float | None] = {}
        for _ in range(10):
            before = self.management.objects_version, self.workload.objects_version
            await self.refresh()
            for one in sorted(self.controller.bootstraps, key=lambda one: one.key):
                again[one.name] = await self.controller.reconcile(one.key)
            if before == (self.management.objects_version, self.workload.objects_version):
                return again
        raise AssertionError("the controller writes for ever")

    async def refresh(self) -> None:
        """List everything, as a reflector does."""
        for reflector in self.controller.reflectors:
            await reflector._list()
        for one in self.controller.stores.kinds.reflectors:
            await one._list()

    async def attempt(self) -> None:
        """Settle, until something fails."""
        try:
            await self.settle()
        except ApiError:
            return

    # What is there.

    async def cluster(self, *, initialized: bool = False, **spec: Any) -> None:
        endpoint = {"host": "api.example.com", "port": 6443}
        status: Object = {"initialization": {"infrastructureProvisioned": True}}
        if initialized:
            status["initialization"]["controlPlaneInitialized"] = True
        whole = {
            "controlPlaneEndpoint": endpoint,
            "clusterNetwork": {
                "pods": {"cidrBlocks": ["10.244.0.0/16"]},
                "services": {"cidrBlocks": ["10.96.0.0/12"]},
                "serviceDomain": "cluster.local",
            },
        } | spec
        await self.management.put(
            "clusters", {"metadata": {"name": "prod"}, "spec": whole, "status": status}
        )

    async def certificates(self) -> None:
        there = cluster(msgspec.json.encode(self.management.get("clusters", "prod")))
        for pair in pairs():
            await self.management.put("secrets", secret_body(pair, there))

    async def machine(
        self, name: str, *, control_plane: bool = False, version: str = "v1.34.4", **spec: Any
    ) -> Object:
        """A Machine and its MachineBootstrap of the same name."""
        labels = {CLUSTER_LABEL: "prod"} | ({CONTROL_PLANE_LABEL: ""} if control_plane else {})
        machine = await self.management.put(
            "machines",
            {
                "metadata": {"name": name, "labels": labels},
                "spec": {"clusterName": "prod", "version": version, "bootstrap": {}},
            },
        )
        owner = {
            # As Cluster API leaves it behind after an upgrade of its own.
            "apiVersion": "cluster.x-k8s.io/v1beta1",
            "kind": "Machine",
            "name": name,
            "uid": machine["metadata"]["uid"],
            "controller": True,
        }
        return await self.management.put(
            "machinebootstraps",
            {
                "metadata": {
                    "name": name,
                    "labels": {CLUSTER_LABEL: "prod"},
                    "ownerReferences": [owner],
                    "generation": 1,
                },
                "spec": spec,
            },
        )

    async def kubeadm_config(
        self, name: str, *, control_plane: bool = False, version: str = "v1.34.4", **spec: Any
    ) -> Object:
        """A Machine and its KubeadmConfig of the same name, as a KubeadmControlPlane or a MachineSet makes them."""
        made = await self.machine(name, control_plane=control_plane, version=version)
        await self.management.remove("machinebootstraps", name)
        meta = {key: made["metadata"][key] for key in ("name", "labels", "ownerReferences")}
        body: Object = {"metadata": meta | {"generation": 1}, "spec": spec}
        if self.serves != MACHINE_BOOTSTRAPS:
            body["apiVersion"] = self.serves.api_version
        return await self.management.put("kubeadmconfigs", body)

    async def pool(self, name: str, replicas: int = 2, **spec: Any) -> Object:
        """A MachinePool and its MachineBootstrap of the same name."""
        labels = {CLUSTER_LABEL: "prod"}
        template = {"spec": {"clusterName": "prod", "version": "v1.34.4", "bootstrap": {}}}
        pool = await self.management.put(
            "machinepools",
            {
                "metadata": {"name": name, "labels": labels},
                "spec": {"clusterName": "prod", "replicas": replicas, "template": template},
            },
        )
        owner = {
            "apiVersion": "cluster.x-k8s.io/v1beta1",
            "kind": "MachinePool",
            "name": name,
            "uid": pool["metadata"]["uid"],
            "controller": True,
        }
        meta = {"name": name, "labels": labels, "ownerReferences": [owner], "generation": 1}
        return await self.management.put("machinebootstraps", {"metadata": meta, "spec": spec})

    async def pool_joins(self, name: str, count: int, **spec: Any) -> None:
        """So many nodes of a pool are there."""
        pool = self.management.get("machinepools", name)
        template = json.loads(json.dumps(pool["spec"]["template"]))
        template["spec"]["bootstrap"] = {"dataSecretName": name}
        status = {"nodeRefs": [{"name": f"{name}-{number}"} for number in range(count)]}
        whole = pool["spec"] | {"template": template} | spec
        await self.management.change("machinepools", name, spec=whole, status=status)

    async def joins(self, name: str) -> None:
        """The machine's node is there."""
        machine = self.management.get("machines", name)
        status = {"nodeRef": {"name": name}}
        spec = machine["spec"] | {"bootstrap": {"dataSecretName": name}}
        await self.management.change("machines", name, spec=spec, status=status)

    def passes(self, **time: float) -> None:
        """Time passes."""
        self.now += timedelta(**time)

    # What a test looks at.

    def condition(self, name: str, type_: str = "DataSecretAvailable") -> tuple[str, str]:
        """Status and reason of a condition; empty where it is not there."""
        status = self.management.get(self.serves.plural, name).get("status", {})
        for one in (status.get("v1beta2") or status).get("conditions", ()):
            if one["type"] == type_:
                return one["status"], one["reason"]
        return "", ""

    def message(self, name: str, type_: str = "DataSecretAvailable") -> str:
        status = self.management.get(self.serves.plural, name)["status"]
        conditions = (status.get("v1beta2") or status)["conditions"]
        return str(next(one.get("message", "") for one in conditions if one["type"] == type_))

    def data(self, name: str) -> bytes:
        """The user data in a data Secret."""
        return base64.b64decode(self.management.get("secrets", name)["data"]["value"])

    def configuration(self, name: str) -> Any:
        """The MachineConfiguration in a data Secret."""
        return configuration_in(self.data(name))

    def tokens(self) -> list[str]:
        return self.workload.names("secrets", "kube-system")


@contextmanager
def dying(number: int, how: str, *servers: object) -> Iterator[None]:
    """A process that dies at a call: it and all that follow `fail`, or are done and `lose` their answers.

    Args:
        number: Of the call, counted over all servers, from 1.
        how: `fail` or `lose`.
        servers: Who are called; afterwards, all answer again.
    """
    count = 0

    def dies(method: str, path: str) -> int:
        nonlocal count
        count += 1
        return 500 if count >= number else 0

    for server in servers:
        setattr(server, how, dies)
    try:
        yield
    finally:
        for server in servers:
            setattr(server, how, lambda method, path: 0)


@asynccontextmanager
async def world() -> AsyncIterator[World]:
    management, workload = ApiServer(), ApiServer()
    async with client_of(management) as client, workload.running() as url:
        one = World(management, workload, client)
        await one.cluster()
        kubeconfig = f"""\
apiVersion: v1
kind: Config
clusters: [{{name: prod, cluster: {{server: '{url}'}}}}]
users: [{{name: admin, user: {{token: secret}}}}]
contexts: [{{name: admin, context: {{cluster: prod, user: admin}}}}]
current-context: admin
"""
        value = base64.b64encode(kubeconfig.encode()).decode()
        body = {"metadata": {"name": "prod-kubeconfig"}, "data": {"value": value}}
        await management.put("secrets", body)
        try:
            yield one
        finally:
            await one.close()


@cache
def pairs() -> tuple[Pair, ...]:
    """Certificates and keys of a cluster; they take a fifth of a second."""
    return tuple(generate_pair(purpose, START) for purpose in PURPOSES)


def configuration_in(user_data: bytes, kind: str = "MachineConfiguration") -> Any:
    """Find the configuration in cloud-init user data, or what travels in its place."""
    import gzip

    import yaml

    for file in yaml.safe_load(user_data)["write_files"]:
        content = file["content"]
        data = content.encode() if isinstance(content, str) else content
        if "b64" in file.get("encoding", "") or "base64" in file.get("encoding", ""):
            data = base64.b64decode(data)
        if data[:2] == b"\x1f\x8b":
            data = gzip.decompress(data)
        if kind.encode() in data:
            return msgspec.json.decode(data)
    raise AssertionError(f"no {kind} in the user data")


async def asked(method: str, url: str, data: bytes | None = None) -> tuple[int, bytes]:
    """Ask as a machine does: with the URL alone."""
    body = None if data is None else io.BytesIO(data)
    async with (
        aiohttp.ClientSession() as session,
        session.request(method, URL(url, encoded=True), data=body) as answer,
    ):
        return answer.status, await answer.read()
