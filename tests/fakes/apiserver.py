"""An API server in memory, over HTTP: what the controllers ask of one, with the answers that a real one was seen to give.

Server-side apply is that of one manager for each field of a status: what its last apply had and the new one lacks is removed.
"""

from __future__ import annotations

import asyncio
import copy
import json
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aiohttp import web

from machineadm.controllers.runtime.client import Client, Connection

Object = dict[str, Any]
_PLURALS = {
    "machinebootstraps": "MachineBootstrap",
    "kubeadmconfigs": "KubeadmConfig",
    "machines": "Machine",
    "machinepools": "MachinePool",
    "clusters": "Cluster",
    "secrets": "Secret",
    "configmaps": "ConfigMap",
    "httpbootstrapstores": "HTTPBootstrapStore",
    "s3bootstrapstores": "S3BootstrapStore",
    "gcsbootstrapstores": "GCSBootstrapStore",
    "vaultbootstrapstores": "VaultBootstrapStore",
    "leases": "Lease",
    "events": "Event",
}
_REVIEWS = ("tokenreviews", "subjectaccessreviews")
_VERSIONS = {
    "machinebootstraps": "bootstrap.cluster.x-k8s.io/v1alpha1",
    "kubeadmconfigs": "bootstrap.cluster.x-k8s.io/v1beta2",
    "machines": "cluster.x-k8s.io/v1beta2",
    "machinepools": "cluster.x-k8s.io/v1beta2",
    "clusters": "cluster.x-k8s.io/v1beta2",
    "httpbootstrapstores": "infrastructure.cluster.x-k8s.io/v1alpha1",
    "gcsbootstrapstores": "infrastructure.cluster.x-k8s.io/v1alpha1",
    "s3bootstrapstores": "infrastructure.cluster.x-k8s.io/v1alpha1",
    "vaultbootstrapstores": "infrastructure.example.com/v1beta1",
    "leases": "coordination.k8s.io/v1",
    "events": "events.k8s.io/v1",
}


class ApiServer:
    """Objects, and calls of them.

    Attributes:
        calls: Method and path of each call but watches and lists, in their order.
        bodies: What each of them sent.
        fail: Asked for each call with method and path; an HTTP status other than 0 is its answer, and it has no effect.
        lose: As `fail`, but the call has its effect: its answer got lost.
        review: Gives the status of a TokenReview or a SubjectAccessReview, by plural and spec.
        hold: While it is there and not set, no call is answered.
        fail_lists: Plurals whose lists fail.
        forbidden_lists: Plurals that the caller may not list.
        absent: Plurals that the server does not know.
        lists: How many pages were listed.
        watches: How many streams were begun.
    """

    def __init__(self) -> None:
        self.objects: dict[tuple[str, str, str], Object] = {}
        self.calls: list[tuple[str, str]] = []
        self.bodies: list[Object] = []
        self.fail: Callable[[str, str], int] = lambda method, path: 0
        self.lose: Callable[[str, str], int] = lambda method, path: 0
        self.review: Callable[[str, Object], Object] = lambda plural, spec: {}
        self.hold: asyncio.Event | None = None
        self.fail_lists: set[str] = set()
        self.forbidden_lists: set[str] = set()
        self.absent: set[str] = set()
        self.lists = 0
        self.watches = 0
        self._version = 0
        self._uid = 0
        self._log: list[tuple[int, str, str, Object]] = []
        self._oldest = 0
        self._changed = asyncio.Condition()
        self._applied: dict[tuple[str, str, str, str], Object] = {}
        self._cut = 0

    # What a test does.

    async def put(self, plural: str, body: Object) -> Object:
        """Create or replace an object, as another client would."""
        meta = body["metadata"]
        key = (plural, meta.setdefault("namespace", "default"), meta["name"])
        old = self.objects.get(key)
        new = copy.deepcopy(body)
        if old is None:
            self._uid += 1
            new["metadata"].setdefault("uid", f"uid-{self._uid}")
            new["metadata"].setdefault("creationTimestamp", "2026-11-30T12:00:00Z")
        else:
            new["metadata"]["uid"] = old["metadata"]["uid"]
        new.setdefault("kind", _PLURALS[plural])
        new.setdefault("apiVersion", _VERSIONS.get(plural, "v1"))
        await self._store(key, new, "ADDED" if old is None else "MODIFIED")
        return new

    async def change(self, plural: str, name: str, **parts: Any) -> None:
        """Replace parts of an object: `spec`, `status`, `data`."""
        body = copy.deepcopy(self.get(plural, name))
        await self.put(plural, body | parts)

    async def remove(self, plural: str, name: str, namespace: str = "default") -> None:
        """Delete an object."""
        old = self.objects.pop((plural, namespace, name))
        await self._tell("DELETED", plural, old)

    def get(self, plural: str, name: str, namespace: str = "default") -> Object:
        """An object that is there."""
        return self.objects[plural, namespace, name]

    def names(self, plural: str, namespace: str = "default") -> list[str]:
        """Names of the objects of a kind."""
        return sorted(n for p, s, n in self.objects if (p, s) == (plural, namespace))

    @property
    def objects_version(self) -> int:
        """Grows with each change."""
        return self._version

    async def cut_watches(self) -> None:
        """End all streams that are open."""
        self._cut += 1
        async with self._changed:
            self._changed.notify_all()

    def compact(self) -> None:
        """Forget the past: a watch from before now is answered with 410."""
        self._oldest = self._version
        self._log.clear()

    @asynccontextmanager
    async def running(self) -> AsyncIterator[str]:
        """Serve on a free port; yields the URL."""
        app = web.Application(client_max_size=4 << 20)
        app.router.add_route("*", "/{path:.*}", self._answer)
        runner = web.AppRunner(app, shutdown_timeout=0.1)
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        host, port = runner.addresses[0][:2]
        try:
            yield f"http://{host}:{port}"
        finally:
            await self.cut_watches()
            await runner.cleanup()

    # The server.

    async def _answer(self, request: web.Request) -> web.StreamResponse:
        path = request.match_info["path"].strip("/").split("/")
        if path[0] == "apis" and len(path) < 4:
            return self._served(*path[1:])
        parts = path[2:] if path[0] == "api" else path[3:]
        namespace = ""
        if parts[0] == "namespaces":
            namespace, parts = parts[1], parts[2:]
        plural, name, *below = [*parts, ""] if len(parts) == 1 else parts
        if plural not in (*_PLURALS, *_REVIEWS) or plural in self.absent:
            return _refused(404, "NotFound", f"the server has no {plural}")
        if not name and request.method == "GET":
            return await self._collection(request, plural, namespace)
        self.calls.append((request.method, f"{plural}/{'/'.join([name, *below])}".rstrip("/")))
        body = await request.json() if request.can_read_body else {}
        self.bodies.append(body)
        call = self.calls[-1]
        if self.hold is not None:
            await self.hold.wait()
        status = self.fail(*call)
        if status:
            return _refused(status, "", "as the test wants")
        key = (plural, namespace, name or body.get("metadata", {}).get("name", ""))
        answer = await self._one(request, key, body, below)
        lost = self.lose(*call)
        return _refused(lost, "", "as the test wants") if lost else answer

    def _served(self, group: str, version: str = "") -> web.Response:
        """The kinds of a group, or its versions."""
        found = {
            plural: where.partition("/")[2]
            for plural, where in _VERSIONS.items()
            if where.partition("/")[0] == group and plural not in self.absent
        }
        if not found or version not in ("", *found.values()):
            return _refused(404, "NotFound", f"the server has no group {group}")
        if not version:
            preferred = next(iter(found.values()))
            return web.json_response({"preferredVersion": {"version": preferred}})
        kinds = [
            {"name": name, "kind": _PLURALS[plural], "namespaced": True}
            for plural, of in found.items()
            if of == version
            for name in (f"{plural}/status", plural)
        ]
        return web.json_response({"resources": kinds})

    async def _one(
        self, request: web.Request, key: tuple[str, str, str], body: Object, below: list[str]
    ) -> web.Response:
        if key[0] in _REVIEWS:
            return web.json_response(body | {"status": self.review(key[0], body["spec"])})
        if request.method == "POST":
            return await self._create(key, body)
        old = self.objects.get(key)
        if old is None:
            return _refused(404, "NotFound", f"{key[0]} {key[2]} not found")
        if request.method == "GET":
            return web.json_response(old)
        if request.method == "DELETE":
            return await self._delete(key, old, body)
        if request.method == "PUT":
            return await self._replace(key, old, body)
        return await self._patch(request, key, old, body, status=below == ["status"])

    async def _create(self, key: tuple[str, str, str], body: Object) -> web.Response:
        if key in self.objects:
            return _refused(409, "AlreadyExists", f"{key[0]} {key[2]} already exists")
        body["metadata"]["namespace"] = key[1]
        return web.json_response(await self.put(key[0], body), status=201)

    async def _delete(self, key: tuple[str, str, str], old: Object, body: Object) -> web.Response:
        wanted = body.get("preconditions", {})
        for name, value in wanted.items():
            if old["metadata"][name] != value:
                return _refused(409, "Conflict", f"precondition {name} failed")
        del self.objects[key]
        await self._tell("DELETED", key[0], old)
        return web.json_response({"kind": "Status", "status": "Success"})

    async def _replace(self, key: tuple[str, str, str], old: Object, body: Object) -> web.Response:
        version = body["metadata"].get("resourceVersion")
        if version and version != old["metadata"]["resourceVersion"]:
            return _refused(409, "Conflict", "the object has been modified")
        return web.json_response(await self.put(key[0], body))

    async def _patch(
        self,
        request: web.Request,
        key: tuple[str, str, str],
        old: Object,
        body: Object,
        *,
        status: bool,
    ) -> web.Response:
        new = copy.deepcopy(old)
        if "apply" in request.content_type:
            assert status, "only a status is applied here"
            manager = request.query["fieldManager"]
            owned = (*key, manager)
            _apply(new, self._applied.get(owned, {}), body.get("status", {}))
            self._applied[owned] = copy.deepcopy(body.get("status", {}))
        else:
            version = body.get("metadata", {}).get("resourceVersion")
            if version and version != old["metadata"]["resourceVersion"]:
                return _refused(409, "Conflict", "the object has been modified")
            _merge(new, body)
        if new != old:
            await self._store(key, new, "MODIFIED")
        return web.json_response(new)

    async def _collection(
        self, request: web.Request, plural: str, namespace: str
    ) -> web.StreamResponse:
        only = "PartialObjectMetadata" in request.headers.get("Accept", "")
        if request.query.get("watch"):
            return await self._watch(request, plural, namespace, only=only)
        if plural in self.fail_lists:
            return _refused(500, "", "as the test wants")
        if plural in self.forbidden_lists:
            return _refused(403, "Forbidden", "as the test wants")
        self.lists += 1
        # In pages, so that whoever does not go on sees half of it.
        keys = [k for k in sorted(self.objects) if k[0] == plural and namespace in ("", k[1])]
        start = int(request.query.get("continue") or 0)
        page = keys[start : start + 2]
        meta: Object = {"resourceVersion": str(self._version)}
        if start + 2 < len(keys):
            meta["continue"] = str(start + 2)
        items = [_seen(self.objects[key], only=only) for key in page]
        return web.json_response({"metadata": meta, "items": items})

    async def _watch(
        self, request: web.Request, plural: str, namespace: str, *, only: bool
    ) -> web.StreamResponse:
        since = int(request.query["resourceVersion"])
        if since < self._oldest:
            return _refused(410, "Expired", "too old resource version")
        self.watches += 1
        cut = self._cut
        response = web.StreamResponse()
        await response.prepare(request)
        while self._cut == cut:
            for version, type_, kind, value in self._log:
                if version > since and kind == plural:
                    since = version
                    if namespace in ("", value["metadata"]["namespace"]):
                        event = {"type": type_, "object": _seen(value, only=only)}
                        await response.write(json.dumps(event).encode() + b"\n")
            async with self._changed:
                if not any(v > since and k == plural for v, _, k, _ in self._log):
                    await self._changed.wait()
        return response

    async def _store(self, key: tuple[str, str, str], new: Object, type_: str) -> None:
        self.objects[key] = new
        await self._tell(type_, key[0], new)

    async def _tell(self, type_: str, plural: str, value: Object) -> None:
        self._version += 1
        value["metadata"]["resourceVersion"] = str(self._version)
        self._log.append((self._version, type_, plural, copy.deepcopy(value)))
        async with self._changed:
            self._changed.notify_all()


@asynccontextmanager
async def client_of(server: ApiServer) -> AsyncIterator[Client]:
    """A client of a server that runs as long."""
    async with server.running() as url, Client(Connection(server=url), retries=0) as client:
        yield client


def _seen(value: Object, *, only: bool) -> Object:
    return {"metadata": value["metadata"]} if only else value


def _merge(target: Object, patch: Object) -> None:
    for name, value in patch.items():
        if value is None:
            target.pop(name, None)
        elif isinstance(value, dict) and isinstance(target.get(name), dict):
            _merge(target[name], value)
        elif name != "resourceVersion":
            target[name] = copy.deepcopy(value)


def _apply(target: Object, before: Object, now: Object) -> None:
    status = target.setdefault("status", {})
    for name in before:
        if name not in now and name != "conditions":
            status.pop(name, None)
    for name, value in now.items():
        if name != "conditions":
            status[name] = copy.deepcopy(value)
    gone = {c["type"] for c in before.get("conditions", ())}
    kept = [c for c in status.get("conditions", ()) if c["type"] not in gone]
    mine = copy.deepcopy(now.get("conditions", []))
    types = {c["type"] for c in mine}
    status["conditions"] = [c for c in kept if c["type"] not in types] + mine


def _refused(status: int, reason: str, message: str) -> web.Response:
    body = {"kind": "Status", "status": "Failure", "reason": reason, "message": message}
    return web.json_response(body, status=status)
