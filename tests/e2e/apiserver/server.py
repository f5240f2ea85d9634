"""A real kube-apiserver with its own etcd, on loopback, for as long as a test needs them; no nodes, no controllers."""

import json
import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Generator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from tests.judges import judges
from tests.real import missing

_READY_WITHIN = 90.0
_END_WITHIN = 20.0


class RefusedError(Exception):
    """kubectl ended with an error; the text is what it wrote."""


class Server(NamedTuple):
    """A running API server, as kubectl sees it."""

    kubectl_path: Path
    kubeconfig: Path

    def kubectl(self, *arguments: str, input: object = None) -> str:
        """What kubectl prints; an object as input is given to it as JSON."""
        run = subprocess.run(
            [self.kubectl_path, "--kubeconfig", self.kubeconfig, *arguments],
            input=None if input is None else json.dumps(input),
            # Its caches of discovery belong to this server alone.
            env={**os.environ, "HOME": str(self.kubeconfig.parent)},
            capture_output=True,
            text=True,
            timeout=120,
            check=False,
        )
        if run.returncode != 0:
            raise RefusedError(run.stderr.strip())
        return run.stdout

    def get(self, *what: str) -> Any:
        """An object, or a list of objects, as the server has it."""
        return json.loads(self.kubectl("get", *what, "--output", "json"))

    def create(self, document: dict[str, Any], *options: str) -> dict[str, Any]:
        """Create an object; the object as the server stored it."""
        text = self.kubectl(
            "create", "--filename", "-", "--output", "json", *options, input=document
        )
        created: dict[str, Any] = json.loads(text)
        return created

    def apply_definitions(self, directory: Path) -> None:
        """Apply a kustomization, and wait until the server serves every definition in it."""
        self.kubectl("apply", "--server-side", "--kustomize", str(directory))
        self.kubectl("wait", "--for=condition=Established", "--timeout=60s", "crd", "--all")


@contextmanager
def running(directory: Path) -> Generator[Server]:
    """Start both programs, end them by process id afterwards.

    Args:
        directory: An empty directory for keys, data and logs.
    """
    if shutil.which("openssl") is None:
        missing("openssl is not installed: a kube-apiserver has no keys")
    programs = [judges.program(name) for name in ("etcd", "kube-apiserver", "kubectl")]
    etcd_port, peer_port, port = _free_ports(3)
    token = secrets.token_hex(16)
    _make_keys(directory, token)
    started: list[subprocess.Popen[bytes]] = []
    try:
        started.append(
            _start(_etcd(programs[0], directory, etcd_port, peer_port), directory / "etcd.log")
        )
        started.append(
            _start(_apiserver(programs[1], directory, etcd_port, port), directory / "apiserver.log")
        )
        server = Server(programs[2], _kubeconfig(directory, port, token))
        _wait_until_ready(server, started, directory)
        yield server
    finally:
        for process in reversed(started):
            _end(process)


def _free_ports(number: int) -> list[int]:
    holders = [socket.create_server(("127.0.0.1", 0)) for _ in range(number)]
    ports = [holder.getsockname()[1] for holder in holders]
    for holder in holders:
        holder.close()
    return ports


def _make_keys(directory: Path, token: str) -> None:
    openssl = ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2"]
    name = ["-subj", "/CN=127.0.0.1", "-addext", "subjectAltName=IP:127.0.0.1"]
    for pair in ("serving", "service-account"):
        output = ["-keyout", str(directory / f"{pair}.key"), "-out", str(directory / f"{pair}.crt")]
        subprocess.run([*openssl, *name, *output], check=True, capture_output=True)
    (directory / "tokens.csv").write_text(f'{token},admin,admin,"system:masters"\n')


def _etcd(program: Path, directory: Path, port: int, peer_port: int) -> list[str]:
    client, peer = f"http://127.0.0.1:{port}", f"http://127.0.0.1:{peer_port}"
    return [
        str(program),
        f"--data-dir={directory / 'etcd'}",
        f"--listen-client-urls={client}",
        f"--advertise-client-urls={client}",
        f"--listen-peer-urls={peer}",
        f"--initial-advertise-peer-urls={peer}",
        f"--initial-cluster=default={peer}",
        "--unsafe-no-fsync",  # scratch
        "--log-level=warn",
    ]


def _apiserver(program: Path, directory: Path, etcd_port: int, port: int) -> list[str]:
    return [
        str(program),
        f"--etcd-servers=http://127.0.0.1:{etcd_port}",
        "--bind-address=127.0.0.1",
        "--advertise-address=192.0.2.1",  # loopback is refused; nobody is told
        "--endpoint-reconciler-type=none",
        f"--secure-port={port}",
        f"--cert-dir={directory}",
        f"--tls-cert-file={directory / 'serving.crt'}",
        f"--tls-private-key-file={directory / 'serving.key'}",
        "--service-account-issuer=https://kubernetes.default.svc",
        f"--service-account-key-file={directory / 'service-account.crt'}",
        f"--service-account-signing-key-file={directory / 'service-account.key'}",
        "--service-cluster-ip-range=10.96.0.0/24",
        f"--token-auth-file={directory / 'tokens.csv'}",
        "--authorization-mode=RBAC",
        "--disable-admission-plugins=ServiceAccount",  # nobody makes the accounts
    ]


def _start(arguments: Sequence[str], log: Path) -> "subprocess.Popen[bytes]":
    # A test run that is killed takes its servers with it.
    with log.open("wb") as file:
        return subprocess.Popen(
            ["setpriv", "--pdeathsig", "KILL", *arguments],
            stdin=subprocess.DEVNULL,
            stdout=file,
            stderr=subprocess.STDOUT,
        )


def _kubeconfig(directory: Path, port: int, token: str) -> Path:
    cluster = {
        "server": f"https://127.0.0.1:{port}",
        "certificate-authority": str(directory / "serving.crt"),
    }
    content = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "test", "cluster": cluster}],
        "users": [{"name": "admin", "user": {"token": token}}],
        "contexts": [
            {
                "name": "test",
                "context": {"cluster": "test", "user": "admin", "namespace": "default"},
            }
        ],
        "current-context": "test",
    }
    path = directory / "kubeconfig"
    path.write_text(json.dumps(content))
    return path


def _wait_until_ready(
    server: Server, processes: "list[subprocess.Popen[bytes]]", directory: Path
) -> None:
    end = time.monotonic() + _READY_WITHIN
    while True:
        try:
            server.kubectl("get", "--raw", "/readyz")
            server.kubectl("get", "namespace", "default")
        except RefusedError as refusal:
            dead = any(process.poll() is not None for process in processes)
            if dead or time.monotonic() > end:
                logs = [path.read_text()[-3000:] for path in sorted(directory.glob("*.log"))]
                raise RuntimeError("\n".join(["no API server", str(refusal), *logs])) from refusal
            time.sleep(0.3)
        else:
            return


def _end(process: "subprocess.Popen[bytes]") -> None:
    process.terminate()
    try:
        process.wait(_END_WITHIN)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
