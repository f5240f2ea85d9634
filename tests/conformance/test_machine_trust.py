"""The trust store on a real machine: its own program, and curl and Python against a server whose authority it did not know."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import Machine
from tests.servers.authority import Authority

SERVER = """\
import http.server, ssl
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/certificate", "/root/key")
server = http.server.ThreadingHTTPServer(("127.0.0.1", 8443), http.server.SimpleHTTPRequestHandler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""
URL = "https://localhost:8443/hostname"
CURL = ("curl", "-sS", "-o", "/dev/null", URL)
PYTHON = ("python3", "-c", f"import urllib.request; urllib.request.urlopen('{URL}')")
AGENT = ("python3", "/root/agent.pyz")
OPTIONS = ("--mode", "preparation", "--path", "/root/a.json")


@pytest.fixture(scope="module")
def authority() -> Authority:
    return Authority()


@pytest.fixture(scope="module")
def machine(
    agent_file: Path, authority: Authority, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Machine]:
    pki = tmp_path_factory.mktemp("pki")
    identity = authority.identity(pki, "localhost")
    with Machine("trust") as booted:
        booted.put(agent_file, "/root/agent.pyz")
        for name, path in (("certificate", identity.certificate), ("key", identity.key)):
            booted.write(f"/root/{name}", path.read_text(), mode="0600")
        booted.write("/root/server.py", SERVER)
        booted.exec("systemd-run", "--unit=server", "-p", "WorkingDirectory=/etc", "python3", "/root/server.py")  # fmt: skip
        booted.exec("sh", "-c", "until ss -ltn | grep -q 8443; do sleep 0.1; done", timeout=30)
        yield booted


def configure(machine: Machine, *authorities: str, files: bool = False) -> None:
    spec = {
        "systemTrustCertificateAuthorities": [{"content": one} for one in authorities],
        "files": [{"path": "/etc/fetched", "source": {"url": URL, "sha256": _digest(machine)}}] if files else [],
    }  # fmt: skip
    document = {
        "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
        "kind": "MachineConfiguration",
        "spec": {"machine": spec},
    }
    machine.write("/root/a.json", json.dumps(document))


def _digest(machine: Machine) -> str:
    return machine.exec("sha256sum", "/etc/hostname").stdout.split()[0]


def trusted(machine: Machine) -> list[bool]:
    return [machine.exec(*program, check=False).returncode == 0 for program in (CURL, PYTHON)]


def test_curl_python_and_the_agent_itself_trust_the_authority_from_then_on(
    machine: Machine, authority: Authority
) -> None:
    assert trusted(machine) == [False, False]
    before = machine.exec("systemctl", "show", "-p", "MainPID", "containerd").stdout
    configure(machine, authority.certificate, files=True)

    done = machine.exec(*AGENT, "bootstrap", *OPTIONS, check=False)

    assert done.returncode == 0, done.stdout + done.stderr
    assert trusted(machine) == [True, True]
    assert machine.read("/etc/fetched") == machine.read("/etc/hostname")
    after = machine.exec("systemctl", "show", "-p", "MainPID", "containerd").stdout
    assert before != after
    assert " 0 to do, " in machine.exec(*AGENT, "plan", *OPTIONS).stdout
    machine.exec(*AGENT, "bootstrap", *OPTIONS)
    assert machine.exec("systemctl", "show", "-p", "MainPID", "containerd").stdout == after


def test_one_that_is_no_longer_declared_is_not_trusted_any_more(machine: Machine) -> None:
    configure(machine)

    machine.exec(*AGENT, "bootstrap", *OPTIONS)

    assert trusted(machine) == [False, False]
    assert machine.exec("ls", "/usr/local/share/ca-certificates").stdout == ""
    links = machine.exec("find", "/etc/ssl/certs", "-xtype", "l").stdout
    assert links == ""


def test_the_running_system_takes_over_what_was_written_below_its_root(
    machine: Machine, authority: Authority
) -> None:
    configure(machine, authority.certificate)
    below = machine.exec(*AGENT, "bootstrap", *OPTIONS, "--root", "/", check=False)
    assert below.returncode == 0, below.stderr
    assert trusted(machine) == [False, False]

    machine.exec(*AGENT, "bootstrap", *OPTIONS)

    assert trusted(machine) == [True, True]
