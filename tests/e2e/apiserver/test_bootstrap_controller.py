"""machineadm-bootstrap-controller against a real kube-apiserver with Cluster API's own definitions.

The same server plays the workload cluster: where the tokens are kept matters, not whose server it is.
"""

from __future__ import annotations

import base64
import functools
import json
import re
import secrets
import shutil
import signal
import ssl
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import yaml

from machineadm.redaction import Secret
from machineadm.sources.reports import put_report
from tests.agent_file import run_agent
from tests.controllers_world import configuration_in
from tests.e2e.apiserver.server import Server, running
from tests.real import missing
from tests.servers.authority import Authority

ROOT = Path(__file__).parents[3]
CLUSTER_API = "sigs.k8s.io/cluster-api@v1.14.2"
DEFINITIONS = "core/config/crd/bases"
GROUP = "cluster.x-k8s.io/v1beta2"
ACCOUNT = "machineadm-bootstrap-controller"

Object = dict[str, Any]


@functools.cache
def cluster_api() -> Path:
    """Cluster API's module, as it is published."""
    if shutil.which("go") is None:
        missing("there is no Go, which fetches Cluster API's definitions")
    run = subprocess.run(
        ["go", "mod", "download", "-json", CLUSTER_API], capture_output=True, text=True, check=False
    )
    if run.returncode:
        missing(f"{CLUSTER_API} cannot be fetched: {run.stderr.strip()[-300:]}")
    return Path(json.loads(run.stdout)["Dir"])


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Generator[Server]:
    bases = cluster_api() / DEFINITIONS
    with running(tmp_path_factory.mktemp("apiserver")) as server:
        server.apply_definitions(ROOT / "crds")
        for kind in ("clusters", "machines", "machinepools"):
            text = (bases / f"cluster.x-k8s.io_{kind}.yaml").read_text()
            definition = yaml.load(text, yaml.CSafeLoader)
            # In the hub version alone: the others need the conversion webhook.
            definition["spec"].pop("conversion", None)
            server.kubectl("apply", "--server-side", "--filename", "-", input=definition)
        server.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")
        server.kubectl("apply", "--server-side", "--filename", str(ROOT / "deploy"))
        yield server


@pytest.fixture(scope="module")
def account(server: Server, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A kubeconfig of the account that deploy/ makes, with no more rights than that has."""
    config = json.loads(server.kubeconfig.read_text())
    token = server.kubectl("create", "token", ACCOUNT, "--namespace=machineadm-system").strip()
    config["users"][0]["user"] = {"token": token}
    config["contexts"][0]["context"]["namespace"] = "machineadm-system"
    path = tmp_path_factory.mktemp("account") / "kubeconfig"
    path.write_text(json.dumps(config))
    return path


@contextmanager
def controller(account: Path, log: Path, *options: str) -> Generator[subprocess.Popen[bytes]]:
    with log.open("ab") as file:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "machineadm.controllers.cli",
                f"--kubeconfig={account}",
                # Two of them run beside each other; a later option wins.
                "--health-address=0",
                "--diagnostics-address=0",
                *options,
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
        try:
            yield process
        finally:
            process.send_signal(signal.SIGTERM)
            process.wait(60)


class Namespace:
    """A cluster in a namespace of its own."""

    def __init__(self, server: Server, name: str) -> None:
        self.server = server
        self.name = name
        server.kubectl("create", "namespace", name)

    def create(self, body: Object, status: Object | None = None) -> Object:
        body["metadata"]["namespace"] = self.name
        made = self.server.create(body)
        if status is not None:
            self.status(body["kind"].lower(), body["metadata"]["name"], status)
        return made

    def status(self, kind: str, name: str, status: Object) -> None:
        patch = json.dumps({"status": status})
        options = ("--subresource=status", "--type=merge", f"--patch={patch}")
        self.server.kubectl("patch", kind, name, f"--namespace={self.name}", *options)

    def get(self, kind: str, name: str) -> Object:
        found: Object = self.server.get(kind, name, f"--namespace={self.name}")
        return found

    def names(self, kind: str) -> list[str]:
        items = self.server.get(kind, f"--namespace={self.name}")["items"]
        return sorted(item["metadata"]["name"] for item in items)

    def cluster(self) -> None:
        spec = {
            "controlPlaneEndpoint": {"host": "api.example.com", "port": 6443},
            "clusterNetwork": {"pods": {"cidrBlocks": ["10.244.0.0/16"]}},
            "infrastructureRef": {
                "apiGroup": "infrastructure.cluster.x-k8s.io",
                "kind": "X",
                "name": "x",
            },
        }
        body = {"apiVersion": GROUP, "kind": "Cluster", "metadata": {"name": "prod"}, "spec": spec}
        self.create(body, {"initialization": {"infrastructureProvisioned": True}})
        config = json.loads(self.server.kubeconfig.read_text())
        cluster = config["clusters"][0]["cluster"]
        authority = Path(cluster.pop("certificate-authority")).read_bytes()
        cluster["certificate-authority-data"] = base64.b64encode(authority).decode()
        value = base64.b64encode(json.dumps(config).encode()).decode()
        secret = {"apiVersion": "v1", "kind": "Secret", "data": {"value": value}}
        self.create({**secret, "metadata": {"name": "prod-kubeconfig"}})

    def machine(
        self, name: str, *, control_plane: bool = False, spec: Object | None = None
    ) -> None:
        labels = {"cluster.x-k8s.io/cluster-name": "prod"}
        if control_plane:
            labels["cluster.x-k8s.io/control-plane"] = ""
        reference = {
            "apiGroup": "bootstrap.cluster.x-k8s.io",
            "kind": "MachineBootstrap",
            "name": name,
        }
        machine = self.create(
            {
                "apiVersion": GROUP,
                "kind": "Machine",
                "metadata": {"name": name, "labels": labels},
                "spec": {
                    "clusterName": "prod",
                    "version": "v1.34.4",
                    "bootstrap": {"configRef": reference},
                    "infrastructureRef": {
                        "apiGroup": "infrastructure.cluster.x-k8s.io",
                        "kind": "X",
                        "name": name,
                    },
                },
            }
        )
        owner = {
            "apiVersion": GROUP,
            "kind": "Machine",
            "name": name,
            "uid": machine["metadata"]["uid"],
            "controller": True,
        }
        self.create(
            {
                "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
                "kind": "MachineBootstrap",
                "metadata": {"name": name, "labels": labels, "ownerReferences": [owner]},
                "spec": spec or {"machine": {}},
            }
        )

    def condition(self, name: str, type_: str = "DataSecretAvailable") -> str:
        status = self.get("machinebootstrap", name).get("status", {})
        for one in status.get("conditions", ()):
            if one["type"] == type_:
                return f"{one['status']}/{one['reason']}"
        return ""

    def has_data(self, name: str) -> None:
        """Wait until a machine's data is there."""
        until(lambda: self.condition(name) == "True/Available", f"{name} has data")

    def store(self, url: str, bundle: str, key: bytes, token: str, grace: str = "1s") -> None:
        """An HTTPBootstrapStore and its Secret."""
        values = {"key": key, "token": token.encode()}
        data = {name: base64.b64encode(value).decode() for name, value in values.items()}
        secret = {"apiVersion": "v1", "kind": "Secret", "data": data}
        self.create({**secret, "metadata": {"name": "edge"}})
        self.create(
            {
                "apiVersion": "infrastructure.cluster.x-k8s.io/v1alpha1",
                "kind": "HTTPBootstrapStore",
                "metadata": {"name": "edge"},
                "spec": {
                    "url": url,
                    "caBundle": bundle,
                    "credentials": {"bearerTokenFrom": {"name": "edge", "key": "token"}},
                    "fetch": {"token": {"keyFrom": {"name": "edge", "key": "key"}}},
                    "reporting": {"token": {"keyFrom": {"name": "edge", "key": "key"}}},
                    "retention": {"gracePeriod": grace},
                },
            }
        )

    def data(self, name: str) -> bytes:
        return base64.b64decode(self.get("secret", name)["data"]["value"])


def until(holds: Callable[[], bool], what: str, seconds: float = 240.0) -> None:
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, what
        time.sleep(0.2)


def tokens(server: Server) -> list[str]:
    found = server.get(
        "secret", "--namespace=kube-system", "--selector=machineadm.x-k8s.io/token=true"
    )
    return sorted(one["metadata"]["name"] for one in found["items"])


@pytest.fixture(scope="module")
def system_namespace(server: Server) -> None:
    until(lambda: "kube-system" in server.kubectl("get", "namespaces"), "kube-system")


def test_a_cluster_comes_up_from_the_first_control_plane_machine_to_a_worker(
    server: Server, account: Path, system_namespace: None, tmp_path: Path
) -> None:
    one = Namespace(server, "road")
    one.cluster()
    one.machine("cp-0", control_plane=True)
    one.machine("cp-1", control_plane=True)
    one.machine("worker")
    with controller(account, tmp_path / "log"):
        # Both at once: either may be the first.
        both = ("cp-0", "cp-1")

        def served() -> list[str]:
            return [name for name in both if one.condition(name) == "True/Available"]

        until(lambda: len(served()) == 1, "one of them has data")
        (first,) = served()
        (second,) = set(both) - {first}
        until(lambda: one.condition(second) == "False/WaitingForInitLock", "the other waits")
        until(
            lambda: one.condition("worker") == "False/WaitingForControlPlaneInitialized",
            "the worker waits",
        )
        role = configuration_in(one.data(first))["spec"]["kubernetes"]["role"]
        assert role == {"type": "Initialize"}
        # Cluster API's own promise to infrastructure providers.
        secret = one.get("secret", first)
        assert secret["type"] == "cluster.x-k8s.io/secret"
        assert base64.b64decode(secret["data"]["format"]) == b"cloud-config"
        (owner,) = secret["metadata"]["ownerReferences"]
        assert (owner["kind"], owner["controller"]) == ("MachineBootstrap", True)
        status = one.get("machinebootstrap", first)["status"]
        assert status["initialization"] == {"dataSecretCreated": True}
        assert status["dataSecretName"] == first

        initialized = {
            "type": "ControlPlaneInitialized",
            "status": "True",
            "reason": "Initialized",
            "message": "",
            "lastTransitionTime": "2026-11-30T12:00:00Z",
        }
        one.status("cluster", "prod", {"conditions": [initialized]})
        for name in (second, "worker"):
            one.has_data(name)
        assert len(tokens(server)) == 2
        until(lambda: "prod-lock" not in one.names("configmap"), "the lock is gone")

        for name in (second, "worker"):
            one.status("machine", name, {"nodeRef": {"name": name}})
        until(lambda: not tokens(server), "the tokens are gone")
    log = (tmp_path / "log").read_text()
    for word in ("ERROR", "orbidden"):
        assert word not in log, log


def test_an_operator_sees_events_probes_and_metrics_that_only_its_own_may_read(
    server: Server, account: Path, system_namespace: None, tmp_path: Path
) -> None:
    one = Namespace(server, "operating")
    for name in ("prometheus", "stranger"):
        server.kubectl("create", "serviceaccount", name, "--namespace=operating")
    server.kubectl(
        "create", "clusterrole", "metrics-reader", "--verb=get", "--non-resource-url=/metrics"
    )
    server.kubectl(
        "create",
        "clusterrolebinding",
        "metrics-reader",
        "--clusterrole=metrics-reader",
        "--serviceaccount=operating:prometheus",
    )
    one.cluster()
    one.machine("worker")
    options = ("--health-address=127.0.0.1:0", "--diagnostics-address=127.0.0.1:0")
    with controller(account, tmp_path / "log", "--namespace=operating", *options):
        until(lambda: one.condition("worker").startswith("False/Waiting"), "the worker waits")

        def port(what: str) -> str:
            found = re.search(rf"{what} at port (\d+)", (tmp_path / "log").read_text())
            assert found
            return found[1]

        def got(url: str, token: str = "") -> tuple[int, str]:
            request = urllib.request.Request(url)  # noqa: S310
            if token:
                request.add_header("Authorization", f"Bearer {token}")
            context = ssl._create_unverified_context()  # noqa: S323
            try:
                with urllib.request.urlopen(request, context=context) as answer:  # noqa: S310
                    return answer.status, answer.read().decode()
            except urllib.error.HTTPError as error:
                with error:
                    return error.code, ""

        health = f"http://127.0.0.1:{port('probes')}"
        assert got(f"{health}/readyz") == (200, "ok\n")
        metrics = f"https://127.0.0.1:{port('metrics')}/metrics"
        assert got(metrics)[0] == 401
        tokens = {
            name: server.kubectl("create", "token", name, "--namespace=operating").strip()
            for name in ("prometheus", "stranger")
        }
        assert got(metrics, tokens["stranger"])[0] == 403
        status, text = got(metrics, tokens["prometheus"])
        assert status == 200
        waits = 'machineadm_bootstraps{ready="Unknown",reason="WaitingForControlPlaneInitialized"}'
        assert f"{waits} 1.0" in text

        def reasons() -> set[str]:
            items = server.get("events", "--namespace=operating")["items"]
            return {item["reason"] for item in items}

        until(lambda: "WaitingForControlPlaneInitialized" in reasons(), "an Event")
    assert "orbidden" not in (tmp_path / "log").read_text()


def test_a_machine_s_report_of_a_failure_makes_it_not_ready_with_the_code(
    server: Server, account: Path, system_namespace: None, tmp_path: Path
) -> None:
    one = Namespace(server, "reports")
    one.cluster()
    one.machine("cp-0", control_plane=True)
    authority = Authority()
    identity = authority.identity(tmp_path / "tls", "127.0.0.1")
    (tmp_path / "ca.pem").write_text(authority.certificate)
    options = (
        "--namespace=reports",
        "--report-url=https://127.0.0.1",
        "--report-address=127.0.0.1:0",
        f"--report-certificate={identity.certificate}",
        f"--report-key={identity.key}",
        f"--report-ca-bundle={tmp_path / 'ca.pem'}",
    )
    status: Object = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "BootstrapStatus",
        "phase": "Preparing",
        "agent": {"version": "0.1.0"},
    }
    failed = status | {
        "phase": "Failed",
        "steps": [{"name": "kubeadm-init", "phase": "kubeadm", "state": "Failed"}],
        "error": {"code": "MA5001", "message": "kubeadm init failed", "hint": "see its log"},
    }
    with controller(account, tmp_path / "log", *options):
        one.has_data("cp-0")
        told = configuration_in(one.data("cp-0"))["spec"]["reporting"]
        found = re.search(r"reports at port (\d+)", (tmp_path / "log").read_text())
        assert found

        def report(body: Object) -> None:
            put_report(
                told["url"].replace("127.0.0.1", f"127.0.0.1:{found[1]}"),
                json.dumps(body).encode(),
                headers={name: Secret(value) for name, value in told["headers"].items()},
                ca_bundle=told["caBundle"],
            )

        report(status)
        until(lambda: one.condition("cp-0", "BootstrapSucceeded") == "Unknown/Running", "it runs")
        assert one.condition("cp-0", "Ready") == "True/Ready"
        report(failed)
        until(lambda: one.condition("cp-0", "Ready") == "False/BootstrapFailed", "it failed")
        there = one.get("machinebootstrap", "cp-0")
        shown = there["status"]["report"]
        assert (shown["phase"], shown["code"], shown["step"]) == (
            "Failed",
            "MA5001",
            "kubeadm-init",
        )
        (ready,) = [c for c in there["status"]["conditions"] if c["type"] == "Ready"]
        assert ready["message"] == "kubeadm-init: kubeadm init failed (MA5001); see its log"
        whole = server.get(
            "machinebootstrap", "cp-0", "--namespace=reports", "--show-managed-fields"
        )
        owners = {m["manager"]: m["operation"] for m in whole["metadata"]["managedFields"]}
        assert owners["machineadm"] == owners["machineadm-report"] == "Apply"
        report(failed | {"attempt": 2, "phase": "Succeeded", "error": None, "steps": []})
        until(lambda: one.condition("cp-0", "Ready") == "True/Ready", "it tried again")
        shown = one.get("machinebootstrap", "cp-0")["status"]["report"]
        assert shown["phase"] == "Succeeded"
        assert "code" not in shown
    log = (tmp_path / "log").read_text()
    for word in ("ERROR", "orbidden", "Traceback"):
        assert word not in log, log


def test_a_pool_whose_machines_have_all_joined_gets_the_next_token_in_its_data(
    server: Server, account: Path, system_namespace: None, tmp_path: Path
) -> None:
    one = Namespace(server, "pools")
    one.cluster()
    one.machine("cp-0", control_plane=True)
    labels = {"cluster.x-k8s.io/cluster-name": "prod"}
    infrastructure = {
        "apiGroup": "infrastructure.cluster.x-k8s.io",
        "kind": "X",
        "name": "x",
    }
    template = {
        "clusterName": "prod",
        "version": "v1.34.4",
        "bootstrap": {"dataSecretName": ""},
        "infrastructureRef": infrastructure,
    }
    reference = {
        "apiGroup": "bootstrap.cluster.x-k8s.io",
        "kind": "MachineBootstrap",
        "name": "pool",
    }
    template["bootstrap"] = {"configRef": reference}
    pool = one.create(
        {
            "apiVersion": GROUP,
            "kind": "MachinePool",
            "metadata": {"name": "pool", "labels": labels},
            "spec": {"clusterName": "prod", "replicas": 1, "template": {"spec": template}},
        }
    )
    owner = {
        "apiVersion": GROUP,
        "kind": "MachinePool",
        "name": "pool",
        "uid": pool["metadata"]["uid"],
        "controller": True,
    }
    one.create(
        {
            "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
            "kind": "MachineBootstrap",
            "metadata": {"name": "pool", "labels": labels, "ownerReferences": [owner]},
            "spec": {"machine": {}},
        }
    )

    def token() -> str:
        kubernetes = configuration_in(one.data("pool"))["spec"]["kubernetes"]
        return str(kubernetes["role"]["discovery"]["token"])

    # So short that its half is over within the test; nothing here joins with it.
    options = ("--namespace=pools", "--bootstrap-token-ttl=30s")
    with controller(account, tmp_path / "log", *options):
        one.has_data("cp-0")
        one.status("cluster", "prod", {"initialization": {"controlPlaneInitialized": True}})
        one.has_data("pool")
        first = token()
        one.status("machinepool", "pool", {"nodeRefs": [{"name": "pool-0"}]})
        until(lambda: token() != first, "the next token")
        name = f"bootstrap-token-{token().partition('.')[0]}"
        assert name in tokens(server)
        secret = one.get("secret", "pool")
        assert secret["metadata"]["ownerReferences"][0]["kind"] == "MachineBootstrap"
    log = (tmp_path / "log").read_text()
    for word in ("ERROR", "orbidden", "Traceback"):
        assert word not in log, log


def test_while_a_cluster_is_paused_nothing_of_it_is_written_but_that_it_is(
    server: Server, account: Path, system_namespace: None, tmp_path: Path
) -> None:
    one, beside = Namespace(server, "paused"), Namespace(server, "beside")
    for namespace in (one, beside):
        namespace.cluster()
    pause = ("patch", "cluster", "prod", "--namespace=paused", "--type=merge")
    server.kubectl(*pause, '--patch={"spec":{"paused":true}}')
    one.machine("cp-0", control_plane=True)
    one.machine("worker")

    def versions() -> dict[str, str]:
        items = server.get("machinebootstrap,secret,configmap", "--namespace=paused")["items"]
        return {
            f"{item['kind']}/{item['metadata']['name']}": item["metadata"]["resourceVersion"]
            for item in items
        }

    with controller(account, tmp_path / "log"):
        for name in ("cp-0", "worker"):
            until(lambda name=name: one.condition(name, "Paused") == "True/Paused", name)  # type: ignore[misc]
        before, given = versions(), set(tokens(server))
        assert {"MachineBootstrap/cp-0", "MachineBootstrap/worker"} <= set(before)
        # What would otherwise be answered at once. The other cluster shows when it would have been.
        for namespace in (one, beside):
            initialized = {"initialization": {"infrastructureProvisioned": True}}
            namespace.status("cluster", "prod", initialized)
        server.kubectl("label", "machine", "cp-0", "--namespace=paused", "touched=yes")
        beside.machine("cp-0", control_plane=True)
        beside.has_data("cp-0")
        assert versions() == before
        assert set(tokens(server)) == given

        server.kubectl(*pause, '--patch={"spec":{"paused":false}}')
        one.has_data("cp-0")
        assert one.condition("cp-0", "Paused") == "False/NotPaused"


def test_what_is_written_is_written_once_and_another_manager_of_the_status_keeps_its_part(
    server: Server, account: Path, system_namespace: None, tmp_path: Path
) -> None:
    one = Namespace(server, "writes")
    one.cluster()
    one.machine("worker")
    with controller(account, tmp_path / "log", "--namespace=writes"):
        until(lambda: one.condition("worker").startswith("False/Waiting"), "the worker waits")
        report = {"report": {"phase": "Preparing"}}
        one.status("machinebootstrap", "worker", report)
        one.machine("cp-0", control_plane=True)
        one.has_data("cp-0")
        one.status("cluster", "prod", {"initialization": {"controlPlaneInitialized": True}})
        one.has_data("worker")
    there = one.get("machinebootstrap", "worker")
    assert there["status"]["report"] == {"phase": "Preparing"}
    data = one.data("worker")

    with controller(account, tmp_path / "log", "--namespace=writes"):
        time.sleep(5)
    again = one.get("machinebootstrap", "worker")
    assert again["metadata"]["resourceVersion"] == there["metadata"]["resourceVersion"]
    assert one.data("worker") == data


def test_a_standby_takes_over_when_the_leader_is_killed(
    server: Server, account: Path, system_namespace: None, tmp_path: Path
) -> None:
    one = Namespace(server, "standby")
    one.cluster()
    options = ("--leader-elect", "--namespace=standby")
    with controller(account, tmp_path / "first", *options) as first:
        until(lambda: "leader:" in (tmp_path / "first").read_text(), "the first leads")
        with controller(account, tmp_path / "second", *options):
            first.kill()
            first.wait()
            one.machine("cp-0", control_plane=True)
            one.has_data("cp-0")


def test_a_killed_controller_leaves_one_data_secret_and_one_token(
    server: Server, account: Path, system_namespace: None, tmp_path: Path
) -> None:
    one = Namespace(server, "kills")
    one.cluster()
    one.machine("cp-0", control_plane=True)
    one.status("cluster", "prod", {"initialization": {"controlPlaneInitialized": False}})
    with controller(account, tmp_path / "log", "--namespace=kills"):
        one.has_data("cp-0")
    one.status("cluster", "prod", {"initialization": {"controlPlaneInitialized": True}})
    before = set(tokens(server))
    for number in range(6):
        one.machine(f"worker-{number}")
        with controller(account, tmp_path / "log", "--namespace=kills") as process:
            # Killed at another instant each time, some of them while it writes.
            time.sleep(1.0 + 0.15 * number)
            process.kill()
            process.wait()
    with controller(account, tmp_path / "log", "--namespace=kills"):
        for number in range(6):
            name = f"worker-{number}"
            one.has_data(name)
    given = {
        "bootstrap-token-"
        + configuration_in(one.data(f"worker-{number}"))["spec"]["kubernetes"]["role"]["discovery"][
            "token"
        ].partition(".")[0]
        for number in range(6)
    }
    assert set(tokens(server)) - before == given


@contextmanager
def store_program(
    directory: Path, authority: Authority, where: Sequence[str] = ()
) -> Generator[tuple[str, bytes, str]]:
    """machineadm-store on a free port; yields its URL, the key of machines and the manager's token.

    Args:
        directory: An empty directory.
        authority: Of its certificate.
        where: Options that say where it keeps everything; none: below `kept` in that directory.
    """
    key, token = secrets.token_bytes(32).hex().encode(), secrets.token_hex(32)
    (directory / "key").write_bytes(key)
    (directory / "token").write_text(token)
    identity = authority.identity(directory / "store-tls", "127.0.0.1")
    log = directory / "store.log"
    with log.open("wb") as file:
        process = subprocess.Popen(
            [
                sys.executable,
                "-m",
                "machineadm.controllers.stores.cli",
                *(where or (f"--directory={directory / 'kept'}",)),
                f"--manager-tokens={directory / 'token'}",
                f"--machine-key={directory / 'key'}",
                f"--certificate={identity.certificate}",
                f"--key={identity.key}",
                "--address=127.0.0.1:0",
            ],
            stdout=file,
            stderr=subprocess.STDOUT,
        )
    try:
        until(lambda: "store at port" in log.read_text(), "the store serves")
        port = re.search(r"store at port (\d+)", log.read_text())
        assert port
        yield f"https://127.0.0.1:{port[1]}/v1/configurations", key, token
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(60)


def test_a_machine_fetches_its_configuration_from_the_store_which_forgets_it_when_it_has_joined(
    server: Server, account: Path, system_namespace: None, tmp_path: Path, agent_file: Path
) -> None:
    one = Namespace(server, "stores")
    one.cluster()
    authority = Authority()
    reference = {
        "apiGroup": "infrastructure.cluster.x-k8s.io",
        "kind": "HTTPBootstrapStore",
        "name": "edge",
    }
    files = [{"path": "/etc/motd", "content": "from the store\n"}]
    spec = {"machine": {"files": files}, "infrastructureRef": reference}
    kept = tmp_path / "kept/stores/cp-0/configuration"
    with (
        store_program(tmp_path, authority) as (url, key, token),
        controller(account, tmp_path / "log", "--namespace=stores", "--report-interval=1s"),
    ):
        one.machine("cp-0", control_plane=True, spec=spec)
        # Served as soon as the store is there: an event and no timer wakes it.
        until(lambda: one.condition("cp-0", "StoreSynced") == "False/StoreNotFound", "it is named")
        one.store(url, authority.certificate, key, token)
        one.has_data("cp-0")
        assert one.condition("cp-0", "StoreSynced") == "True/Synced"

        def ready() -> str:
            status = one.get("httpbootstrapstore", "edge").get("status", {})
            (found,) = [c for c in status.get("conditions", ()) if c["type"] == "Ready"] or [{}]
            return str(found.get("status"))

        until(lambda: ready() == "True", "the store says that it can be used")
        document = configuration_in(one.data("cp-0"), "ConfigurationReference")
        assert kept.stat().st_size > 1000
        # The authority's key and all else is in the store, and not in the Secret.
        authority_key = base64.b64decode(one.get("secret", "prod-ca")["data"]["tls.key"])
        assert json.dumps(authority_key.decode()).encode() in kept.read_bytes()
        assert b"PRIVATE" not in json.dumps(document).encode()

        # What the user data has written on the machine.
        (tmp_path / "node.json").write_text(json.dumps(document))
        tree = tmp_path / "tree"
        tree.mkdir()
        arguments = ("bootstrap", "--root", str(tree), "--path", str(tmp_path / "node.json"))
        ended = run_agent(agent_file, *arguments, cache=tmp_path / "cache")
        assert ended.returncode == 0, ended.stderr
        assert (tree / "etc/motd").read_text() == "from the store\n"
        assert (tree / "etc/kubernetes/pki/ca.key").read_bytes() == authority_key

        # Below a root it reports nowhere: the agent's own sink does it, to where the stored configuration says.
        told = json.loads(kept.read_bytes())["spec"]["reporting"]
        put_report(
            told["url"],
            b'{"apiVersion":"bootstrap.cluster.x-k8s.io/v1alpha1","kind":"BootstrapStatus","phase":"Preparing"}',
            headers={name: Secret(value) for name, value in told["headers"].items()},
            ca_bundle=told["caBundle"],
        )

        def reported() -> str:
            status = one.get("machinebootstrap", "cp-0")["status"]
            return str(status.get("report", {}).get("phase"))

        until(lambda: reported() == "Preparing", "the machine's own report")

        one.status("machine", "cp-0", {"nodeRef": {"name": "cp-0"}})
        until(lambda: one.condition("cp-0", "StoreSynced") == "True/Removed", "it is removed")
        assert not kept.exists()
        again = run_agent(agent_file, *arguments, cache=tmp_path / "cache")
        assert again.returncode != 0
        assert token not in again.stderr
        there = one.get("machinebootstrap", "cp-0")["metadata"]
        assert not there.get("finalizers")
        assert not there.get("annotations")

        one.machine("cp-1", spec=spec)
        one.status("cluster", "prod", {"initialization": {"controlPlaneInitialized": True}})
        one.has_data("cp-1")
        server.kubectl("delete", "machinebootstrap", "cp-1", "--namespace=stores", "--timeout=60s")
        assert not (tmp_path / "kept/stores").exists()
    for log in ("log", "store.log"):
        for word in ("ERROR", "orbidden", "Traceback", token, key.decode()):
            assert word not in (tmp_path / log).read_text(), (tmp_path / log).read_text()


def test_a_store_in_secrets_has_the_rights_that_it_is_installed_with(
    server: Server, account: Path, system_namespace: None, tmp_path: Path
) -> None:
    one = Namespace(server, "secret-stores")
    one.cluster()
    server.kubectl("create", "namespace", "machineadm-store-system")
    text = (ROOT / "deploy/components/infrastructure.yaml").read_text()
    for document in yaml.safe_load_all(text):
        if document["kind"] in ("ServiceAccount", "Role", "RoleBinding"):
            server.create(document)
    config = json.loads(server.kubeconfig.read_text())
    shown = ("create", "token", "machineadm-store", "--namespace=machineadm-store-system")
    config["users"][0]["user"] = {"token": server.kubectl(*shown).strip()}
    (tmp_path / "kubeconfig").write_text(json.dumps(config))
    authority = Authority()
    where = (
        "--secrets-namespace=machineadm-store-system",
        f"--kubeconfig={tmp_path / 'kubeconfig'}",
    )
    reference = {
        "apiGroup": "infrastructure.cluster.x-k8s.io",
        "kind": "HTTPBootstrapStore",
        "name": "edge",
    }

    def kept() -> list[Object]:
        found = server.get("secret", "--namespace=machineadm-store-system")
        return [item for item in found["items"] if item["metadata"]["name"].startswith("stored-")]

    with (
        store_program(tmp_path, authority, where) as (url, key, token),
        controller(account, tmp_path / "log", "--namespace=secret-stores"),
    ):
        one.store(url, authority.certificate, key, token)
        one.machine("cp-0", control_plane=True, spec={"infrastructureRef": reference})
        one.has_data("cp-0")
        (stored,) = kept()
        assert b"PRIVATE KEY" in base64.b64decode(stored["data"]["configuration"])
        told = json.loads(base64.b64decode(stored["data"]["configuration"]))["spec"]["reporting"]
        put_report(
            told["url"],
            b'{"phase":"Preparing"}',
            headers={name: Secret(value) for name, value in told["headers"].items()},
            ca_bundle=told["caBundle"],
        )
        assert set(kept()[0]["data"]) == {"configuration", "status"}
        one.status("machine", "cp-0", {"nodeRef": {"name": "cp-0"}})
        until(lambda: not kept(), "it is removed")
    for log in ("log", "store.log"):
        for word in ("ERROR", "orbidden", "Traceback", token, key.decode()):
            assert word not in (tmp_path / log).read_text(), (tmp_path / log).read_text()
