"""What a release has for clusterctl, installed by the real one from a directory, and running with the rights that it got so."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Generator
from functools import partial
from pathlib import Path
from typing import Any

import pytest
import yaml

from components import components
from tests.e2e.apiserver.server import Server, running
from tests.e2e.apiserver.test_bootstrap_controller import (
    DEFINITIONS,
    Namespace,
    cluster_api,
    controller,
    store_program,
    until,
)
from tests.judges import judges
from tests.servers.authority import Authority

VERSION = "v0.1.0"
PROVIDERS = ("bootstrap", "infrastructure")
CORE = "v1.14.2"

Object = dict[str, Any]


def _definition(kind: str) -> Object:
    """Enough of cert-manager for clusterctl to see that somebody takes care of it."""
    plural = f"{kind.lower()}s"
    schema = {"type": "object", "x-kubernetes-preserve-unknown-fields": True}
    version = {
        "name": "v1",
        "served": True,
        "storage": True,
        "schema": {"openAPIV3Schema": schema},
    }
    return {
        "apiVersion": "apiextensions.k8s.io/v1",
        "kind": "CustomResourceDefinition",
        "metadata": {"name": f"{plural}.cert-manager.io"},
        "spec": {
            "group": "cert-manager.io",
            "scope": "Namespaced",
            "names": {"kind": kind, "plural": plural},
            "versions": [version],
        },
    }


class Clusterctl:
    """The real clusterctl, with a directory of providers and without a network."""

    def __init__(self, directory: Path, server: Server) -> None:
        self._program = judges.program("clusterctl")
        self._directory = directory
        self._server = server
        for name, content in components(VERSION[1:]).items():
            for provider in PROVIDERS:
                if name in ("metadata.yaml", f"{provider}-components.yaml"):
                    self._put(f"{provider}-machineadm/{VERSION}/{name}", content)
        self._core()
        url = f"{directory}/{{}}/latest/{{}}-components.yaml"
        known = [
            ("machineadm", "BootstrapProvider", url.format("bootstrap-machineadm", "bootstrap")),
            (
                "machineadm",
                "InfrastructureProvider",
                url.format("infrastructure-machineadm", "infrastructure"),
            ),
            ("cluster-api", "CoreProvider", url.format("cluster-api", "core")),
        ]
        providers = [{"name": name, "type": type_, "url": at} for name, type_, at in known]
        self._config = directory / "clusterctl.yaml"
        self._config.write_text(json.dumps({"providers": providers}))

    def run(self, *arguments: str) -> str:
        run = subprocess.run(
            [self._program, *arguments, "--config", self._config],
            env={
                "PATH": os.environ["PATH"],
                "HOME": str(self._directory),
                "MACHINEADM_IMAGE": "registry.example.com/machineadm:v0.1.0",
                "CLUSTERCTL_DISABLE_VERSIONCHECK": "true",
                "GOPROXY": "off",
            },
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        assert run.returncode == 0, run.stderr
        return run.stdout

    def install(self) -> None:
        for kind in ("Issuer", "Certificate"):
            self._server.kubectl("apply", "--filename", "-", input=_definition(kind))
        self._server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        self.run(
            "init",
            f"--kubeconfig={self._server.kubeconfig}",
            f"--core=cluster-api:{CORE}",
            f"--bootstrap=machineadm:{VERSION}",
            f"--infrastructure=machineadm:{VERSION}",
            "--control-plane=-",
        )

    def _core(self) -> None:
        """Cluster API's own definitions of the kinds that are needed, without its manager."""
        namespace = {
            "apiVersion": "v1",
            "kind": "Namespace",
            "metadata": {"name": "capi-system", "labels": {}},
        }
        found: list[Object] = [namespace]
        for kind in ("clusters", "machines", "machinepools"):
            text = (cluster_api() / DEFINITIONS / f"cluster.x-k8s.io_{kind}.yaml").read_text()
            definition = yaml.load(text, yaml.CSafeLoader)
            definition["spec"].pop("conversion", None)
            labels = {"cluster.x-k8s.io/v1beta2": "v1beta2"}
            definition["metadata"].setdefault("labels", {}).update(labels)
            found.append(definition)
        content = "---\n".join(json.dumps(one) + "\n" for one in found)
        self._put(f"cluster-api/{CORE}/core-components.yaml", content.encode())
        metadata = (cluster_api() / "metadata.yaml").read_bytes()
        self._put(f"cluster-api/{CORE}/metadata.yaml", metadata)

    def _put(self, name: str, content: bytes) -> None:
        path = self._directory / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    with running(tmp_path_factory.mktemp("apiserver")) as server:
        yield server


@pytest.fixture(scope="module")
def clusterctl(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Clusterctl:
    one = Clusterctl(tmp_path_factory.mktemp("clusterctl"), server)
    one.install()
    return one


def test_clusterctl_changes_nothing_of_the_definitions_that_it_installs(
    clusterctl: Clusterctl,
) -> None:
    for provider in PROVIDERS:
        written = clusterctl.run("generate", "provider", f"--{provider}=machineadm:{VERSION}")
        given = components(VERSION[1:])[f"{provider}-components.yaml"]
        specs = {
            one["metadata"]["name"]: one["spec"]
            for one in yaml.load_all(written, yaml.CSafeLoader)
            if one and one["kind"] == "CustomResourceDefinition"
        }
        ours = {
            one["metadata"]["name"]: one["spec"]
            for one in yaml.load_all(given, yaml.CSafeLoader)
            if one and one["kind"] == "CustomResourceDefinition"
        }
        # Its variables begin with a dollar sign, as the end of each of our patterns is one.
        assert specs == ours


def test_what_clusterctl_installed_makes_data_with_the_rights_that_it_got(
    server: Server, clusterctl: Clusterctl, tmp_path: Path
) -> None:
    inventory = server.get("providers.clusterctl.cluster.x-k8s.io", "--all-namespaces")["items"]
    found = {(one["type"], one["providerName"], one["version"]) for one in inventory}
    assert found == {
        ("CoreProvider", "cluster-api", CORE),
        ("BootstrapProvider", "machineadm", VERSION),
        ("InfrastructureProvider", "machineadm", VERSION),
    }
    for name, namespace in (
        ("machineadm-bootstrap-controller", "machineadm-system"),
        ("machineadm-store", "machineadm-store-system"),
    ):
        deployment = server.get("deployment", name, f"--namespace={namespace}")
        (container,) = deployment["spec"]["template"]["spec"]["containers"]
        assert container["image"] == "registry.example.com/machineadm:v0.1.0"
        assert not [one for one in container["args"] if "${" in one]

    # Its process, with its account, as its pod would run it.
    kubeconfig = _account(server, tmp_path / "account")
    deployment = server.get(
        "deployment", "machineadm-bootstrap-controller", "--namespace=machineadm-system"
    )
    (container,) = deployment["spec"]["template"]["spec"]["containers"]
    one = Namespace(server, "installed")
    one.cluster()
    one.machine("cp-0", control_plane=True)
    # Without its ports: the machine that tests may have others there.
    ports = ("--health-address=0", "--diagnostics-address=0")
    with controller(kubeconfig, tmp_path / "log", *container["args"], *ports):
        one.has_data("cp-0")
        until(lambda: one.condition("cp-0", "Ready") == "True/Ready", "it is ready")
    assert "orbidden" not in (tmp_path / "log").read_text()


def _account(server: Server, directory: Path) -> Path:
    """A kubeconfig of the account that clusterctl installed."""
    account = "machineadm-bootstrap-controller"
    token = server.kubectl("create", "token", account, "--namespace=machineadm-system").strip()
    config = json.loads(server.kubeconfig.read_text())
    config["users"][0]["user"] = {"token": token}
    config["contexts"][0]["context"]["namespace"] = "machineadm-system"
    kubeconfig = directory / "account"
    directory.mkdir()
    kubeconfig.write_text(json.dumps(config))
    return kubeconfig


def _is_claimed(namespace: Namespace, name: str) -> bool:
    return bool(namespace.get("machinebootstrap", name)["metadata"].get("finalizers"))


def test_a_moved_cluster_keeps_its_data_its_token_and_what_its_store_has(
    server: Server, clusterctl: Clusterctl, tmp_path_factory: pytest.TempPathFactory
) -> None:
    directory = tmp_path_factory.mktemp("move")
    authority = Authority()
    with (
        running(tmp_path_factory.mktemp("other")) as other,
        store_program(directory, authority) as (url, key, token),
    ):
        Clusterctl(tmp_path_factory.mktemp("clusterctl-other"), other).install()
        one = Namespace(server, "moved")
        one.cluster()
        one.store(url, authority.certificate, key, token, grace="1h")
        patch = '{"metadata":{"labels":{"clusterctl.cluster.x-k8s.io/move":""}}}'
        server.kubectl("patch", "secret", "edge", "--namespace=moved", f"--patch={patch}")
        reference = {
            "apiGroup": "infrastructure.cluster.x-k8s.io",
            "kind": "HTTPBootstrapStore",
            "name": "edge",
        }
        options = ("--namespace=moved",)
        here, there = directory / "here.log", directory / "there.log"
        with controller(_account(server, directory / "a"), here, *options):
            one.machine("cp-0", control_plane=True, spec={"infrastructureRef": reference})
            one.has_data("cp-0")
            condition = {
                "type": "ControlPlaneInitialized",
                "status": "True",
                "reason": "Initialized",
                "message": "",
                "lastTransitionTime": "2026-11-30T12:00:00Z",
            }
            one.status("cluster", "prod", {"conditions": [condition]})
            one.machine("worker", spec={"infrastructureRef": reference})
            one.has_data("worker")
            names = {"cp-0", "worker"}
            for name in names:
                one.status("machine", name, {"nodeRef": {"name": name}})
                owner = {
                    "apiVersion": "cluster.x-k8s.io/v1beta2",
                    "kind": "Cluster",
                    "name": "prod",
                    "uid": one.get("cluster", "prod")["metadata"]["uid"],
                }
                # As Cluster API's core does.
                known = {
                    "metadata": {"ownerReferences": [owner]},
                    "spec": {"bootstrap": {"dataSecretName": name}},
                }
                select = ("machine", name, "--namespace=moved", "--type=merge")
                server.kubectl("patch", *select, f"--patch={json.dumps(known)}")
            until(
                lambda: one.condition("worker", "TokenAvailable") == "True/Consumed",
                "the worker's token is gone",
            )
            data = {name: one.data(name) for name in names}
            kept = {
                name: (directory / f"kept/moved/{name}/configuration").read_bytes()
                for name in names
            }
            # While the controller here runs, and sees each object being deleted.
            clusterctl.run(
                "move",
                f"--kubeconfig={server.kubeconfig}",
                f"--to-kubeconfig={other.kubeconfig}",
                "--namespace=moved",
            )
            until(lambda: not one.names("machinebootstrap"), "all is gone here")
        arrived = Namespace.__new__(Namespace)
        arrived.server, arrived.name = other, "moved"
        assert names <= set(arrived.names("secret"))
        with controller(_account(other, directory / "b"), there, *options):
            for name in names:
                arrived.has_data(name)
                until(partial(_is_claimed, arrived, name), "it is looked after there")
                assert arrived.data(name) == data[name]
                path = directory / f"kept/moved/{name}/configuration"
                assert path.read_bytes() == kept[name]
            other.kubectl(
                "delete", "machinebootstrap", "worker", "--namespace=moved", "--timeout=60s"
            )
            assert not (directory / "kept/moved/worker").exists()
        for log in (here, there):
            for word in ("ERROR", "orbidden", "Traceback"):
                assert word not in log.read_text(), log.read_text()
