"""Tokens of an auth handler on real machines: Debian's registry lets containerd in, and a proxy lets a program out.

The registry wants a password, or sends containerd to a token service.
"""

from __future__ import annotations

import hashlib
import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests import debian
from tests.conformance.test_machine_images import MadeImage
from tests.conformance.test_plugin_catalogs import HTPASSWD, USER
from tests.conformance.test_plugin_catalogs import PASSWORD as TOKEN
from tests.judges import judges
from tests.machine.machine import Machine
from tests.servers.authority import Authority
from tests.servers.tokens import ISSUER, Access, TokenService

ROOT = Path(__file__).parents[2]
AGENT = ("python3", "/root/agent.pyz")
OPTIONS = ("--mode", "preparation", "--path", "/root/a.json")
SECOND = ("containerd", "containerd-shim-runc-v2", "ctr")
HOST = "registry.example.com"
IMAGE = MadeImage(f"{HOST}/app:1", b"behind a password")
PLUGIN = "/opt/machineadm/plugins/machineadm-plugin-auth-handler-site"
HOSTS = f"/etc/containerd/certs.d/{HOST}/hosts.toml"
HANDLER = """
from machineadm.plugins.sdk.auth_handlers import AuthHandler, Token, serve_auth_handlers


class Site(AuthHandler):
    name = "site"

    def token(self, scope, **_):
        with open("/root/token") as file, open("/root/asked", "a") as asked:
            asked.write(scope + "\\n")
            return Token(file.read())


serve_auth_handlers(Site())
"""
PROXY = """
import http.server
class Proxy(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        import base64
        login = self.headers.get("Proxy-Authorization", "").removeprefix("Basic ")
        given = base64.b64decode(login).decode()
        self.send_response(200 if given == "reader:" + open("/root/token").read() else 407)
        self.send_header("Content-Length", "3")
        self.end_headers()
        self.wfile.write(b"out")
http.server.ThreadingHTTPServer(("127.0.0.1", 3128), Proxy).serve_forever()
"""
SERVICE = """
import base64, http.server, json, ssl
class Service(http.server.BaseHTTPRequestHandler):
    def do_GET(self):
        kind, _, login = self.headers.get("Authorization", "").partition(" ")
        given = base64.b64decode(login).decode() if kind == "Basic" else ""
        known = given == "reader:" + open("/root/password").read()
        body = json.dumps({"token": open("/root/jwt").read()}).encode() if known else b"{}"
        self.send_response(200 if known else 401)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
server = http.server.ThreadingHTTPServer(("127.0.0.1", 6443), Service)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/certificate", "/root/key")
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
"""Gives a token that was signed beforehand to who has the password."""

SERVED = f"{HOST}:5443"
"""The registry that knows tokens alone."""


@pytest.fixture(scope="module")
def plugin(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The handler in one file that needs Python alone."""
    directory = tmp_path_factory.mktemp("handler")
    script = directory / "handler.py"
    script.write_text(f"#!/usr/bin/env python3\n{HANDLER}")
    output = directory / Path(PLUGIN).name
    packing = (sys.executable, str(ROOT / "build/plugin.py"), str(script), "--output", str(output))
    packed = subprocess.run(packing, capture_output=True, text=True, check=False)
    assert packed.returncode == 0, packed.stderr
    return output


@pytest.fixture(scope="module", params=[1, 2])
def machine(
    request: pytest.FixtureRequest,
    agent_file: Path,
    plugin: Path,
    tmp_path_factory: pytest.TempPathFactory,
) -> Iterator[tuple[Machine, Authority]]:
    programs = {name: judges.program(name) for name in SECOND} if request.param == 2 else {}
    debian.require(docker_registry="docker-registry")
    registry = shutil.which("docker-registry")
    assert registry is not None
    authority, directory = Authority(), tmp_path_factory.mktemp("tokens")
    identity = authority.identity(directory, HOST)
    with Machine("tokens") as one:
        for path, target in (
            (agent_file, "/root/agent.pyz"), (identity.certificate, "/root/certificate"),
            (identity.key, "/root/key"), (Path(registry), "/usr/bin/docker-registry"),
            (_data(directory), "/root/data"),
        ):  # fmt: skip
            one.put(path, target)
        one.write("/root/htpasswd", HTPASSWD)
        one.write(
            "/root/registry.yml",
            "version: 0.1\nstorage: {filesystem: {rootdirectory: /root/data}}\n"
            "auth: {htpasswd: {realm: test, path: /root/htpasswd}}\n"
            "http: {addr: '127.0.0.1:443', tls: {certificate: /root/certificate, key: /root/key}}\n",
        )
        one.write(
            "/root/served.yml",
            "version: 0.1\nstorage: {filesystem: {rootdirectory: /root/data}}\n"
            f"auth: {{token: {{realm: 'https://{HOST}:6443/token', service: 'a registry', issuer: \"{ISSUER}\", "
            "rootcertbundle: /root/ca}}\n"
            "http: {addr: '127.0.0.1:5443', tls: {certificate: /root/certificate, key: /root/key}}\n",
        )
        one.write("/root/ca", authority.certificate)
        one.write("/root/service.py", SERVICE)
        one.write("/root/password", TOKEN)
        one.write("/root/jwt", _signed(authority, directory, 86400))
        one.write("/root/expired", _signed(authority, directory, -3600))
        one.write("/root/proxy.py", PROXY)
        one.write("/root/token", TOKEN)
        one.exec("mkdir", "-p", str(Path(PLUGIN).parent))
        one.put(plugin, PLUGIN)
        one.exec("chmod", "755", PLUGIN)
        digest = hashlib.sha256(plugin.read_bytes()).hexdigest()
        one.write(f"{PLUGIN}_SHA256SUM", f"{digest}  {plugin.name}\n")
        one.exec("sh", "-c", f"echo 127.0.0.1 {HOST} >> /etc/hosts")
        for unit, port, argv in (
            ("registry", "443", ("docker-registry", "serve", "/root/registry.yml")),
            ("proxy", "3128", ("python3", "/root/proxy.py")),
            ("served", "5443", ("docker-registry", "serve", "/root/served.yml")),
            ("service", "6443", ("python3", "/root/service.py")),
        ):
            one.exec("systemd-run", f"--unit={unit}", *argv)
            listening = f"until ss -ltn | grep -q :{port}; do sleep 0.1; done"
            one.exec("sh", "-c", listening, timeout=60)
        if programs:
            one.exec("systemctl", "stop", "containerd")
            for name, path in programs.items():
                one.put(path, f"/usr/bin/{name}")
            one.exec("systemctl", "start", "containerd")
        yield one, authority


def _data(directory: Path) -> Path:
    """An image as Debian's registry keeps it on its disk."""
    base = directory / "data/docker/registry/v2"
    repository = base / "repositories/app"
    for name, data in IMAGE.parts.items():
        blob = base / f"blobs/sha256/{name[:2]}/{name}/data"
        blob.parent.mkdir(parents=True)
        blob.write_bytes(data)
        place = "_manifests/revisions" if f"sha256:{name}" == IMAGE.digest else "_layers"
        link = repository / place / f"sha256/{name}/link"
        link.parent.mkdir(parents=True)
        link.write_text(f"sha256:{name}")
    for place in ("current", f"index/sha256/{IMAGE.digest.removeprefix('sha256:')}"):
        link = repository / f"_manifests/tags/1/{place}/link"
        link.parent.mkdir(parents=True)
        link.write_text(IMAGE.digest)
    return directory / "data"


def _signed(authority: Authority, directory: Path, lifetime: float) -> str:
    """A token for the image, as the registry's own service would sign it."""
    with TokenService(authority, directory / "signer", users={}) as service:
        access: list[Access] = [{"type": "repository", "name": "app", "actions": ["pull"]}]
        return service.token("a registry", access, lifetime=lifetime)


def bootstrap(
    one: Machine,
    authority: Authority,
    command: str = "bootstrap",
    *,
    host: str = HOST,
    username: str = USER,
) -> tuple[int, str]:
    vouched: dict[str, Any] = {"authFrom": {"handler": {"name": "site", "scope": "pull"}}}
    login = {**vouched, "username": username} if username else dict(vouched)
    vouched["username"] = USER
    spec = {
        "systemProxies": [
            {"targets": ["host"], "httpProxy": "http://127.0.0.1:3128", "credentials": vouched}
        ],
        "containerRuntime": {
            "containerd": {
                "registries": [{"host": host, "tls": {"ca": authority.certificate}, "auth": login}]
            }
        },
        "images": [{"reference": f"{host}/app:1", "pullPolicy": "Always"}],
    }
    document: dict[str, Any] = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "MachineConfiguration",
        "spec": {"machine": spec},
    }
    one.write("/root/a.json", json.dumps(document))
    done = one.exec(*AGENT, command, *OPTIONS, check=False)
    return done.returncode, done.stdout + done.stderr


def asked(one: Machine) -> list[str]:
    return one.exec("sh", "-c", "cat /root/asked 2>/dev/null || true").stdout.split()


def test_a_registry_and_a_proxy_take_the_token_and_nobody_is_shown_it(
    machine: tuple[Machine, Authority],
) -> None:
    one, authority = machine
    code, told = bootstrap(one, authority, "plan")
    assert code == 10, told
    assert "ask handler site for spec.machine.systemProxies[0].credentials.authFrom" in told
    assert asked(one) == [], "a plan asks no handler"

    code, told = bootstrap(one, authority)
    assert code == 0, told
    assert asked(one) == ["pull"], "one token for both"
    images = one.exec("ctr", "-n", "k8s.io", "images", "ls").stdout
    assert IMAGE.digest in images
    log = one.exec("journalctl", "-u", "registry", "-o", "cat").stdout
    assert "/v2/app/manifests/1" in log
    assert one.exec("stat", "-c", "%a %U", HOSTS).stdout.strip() == "600 root"
    assert TOKEN not in told
    assert TOKEN not in one.exec("journalctl", "-o", "cat").stdout
    assert TOKEN not in one.exec("sh", "-c", "cat /var/lib/machineadm/* 2>/dev/null || true").stdout  # fmt: skip

    shell = "set -a; . /etc/machineadm/proxy/host.env; "
    assert one.exec("stat", "-c", "%a", "/etc/machineadm/proxy/host.env").stdout.strip() == "600"
    fetch = "import urllib.request as r; print(r.urlopen('http://site.example/').read().decode())"
    assert one.exec("bash", "-c", f'{shell} python3 -c "{fetch}"').stdout.strip() == "out"


def test_a_token_that_is_not_valid_any_more_is_renewed_by_the_next_run_without_a_restart(
    machine: tuple[Machine, Authority],
) -> None:
    one, authority = machine
    running = one.exec("systemctl", "show", "-p", "MainPID", "--value", "containerd").stdout
    one.write("/root/token", "another")
    code, told = bootstrap(one, authority)
    assert code != 0, "the registry takes no other password"
    assert "MA3595" in told
    assert "another" not in told

    one.write("/root/token", TOKEN)
    assert bootstrap(one, authority)[0] == 0
    now = one.exec("systemctl", "show", "-p", "MainPID", "--value", "containerd").stdout
    assert now == running


def test_a_login_is_exchanged_at_a_token_service_by_a_containerd_that_does_so(
    machine: tuple[Machine, Authority],
) -> None:
    one, authority = machine
    code, told = bootstrap(one, authority, host=SERVED)
    assert TOKEN not in told
    # As docs/concerns/containerd.md says: 1.6 asks the service as nobody, 2.3 sends it the header of hosts.toml.
    if " 1.6." in one.exec("containerd", "--version").stdout:
        assert code != 0
        assert "MA3595" in told
        assert "token" in told
    else:
        assert code == 0, told
        images = one.exec("ctr", "-n", "k8s.io", "images", "ls").stdout
        assert f"{SERVED}/app:1" in images


def test_a_token_that_the_registry_itself_takes_needs_no_token_service(
    machine: tuple[Machine, Authority],
) -> None:
    one, authority = machine
    one.exec("cp", "/root/expired", "/root/token")
    code, told = bootstrap(one, authority, host=SERVED, username="")
    assert code != 0, "the registry takes no token that has expired"
    assert "MA3595" in told

    one.exec("systemctl", "stop", "service")
    one.exec("cp", "/root/jwt", "/root/token")
    code, told = bootstrap(one, authority, host=SERVED, username="")
    assert code == 0, told
    assert one.read("/root/jwt") not in told
