"""Images on real machines: pulled through a mirror with TLS, imported from archives, and there once."""

from __future__ import annotations

import hashlib
import io
import json
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.judges import judges
from tests.machine.machine import Machine
from tests.servers.authority import Authority

AGENT = ("python3", "/root/agent.pyz")
OPTIONS = ("--mode", "preparation", "--path", "/root/a.json")
SECOND = ("containerd", "containerd-shim-runc-v2", "ctr")
MANIFEST = "application/vnd.oci.image.manifest.v1+json"
MIRROR = "mirror.example.com:5000"
SERVER = """\
import http.server, json, ssl, sys
TYPES = json.load(open("/root/served/types.json"))
class Handler(http.server.BaseHTTPRequestHandler):
    def do_GET(self, body=True):
        path = self.path.partition("?")[0]
        with open("/root/requests", "a") as log:
            log.write(f"{sys.argv[1]} {self.command} {path}\\n")
        if path not in TYPES:
            self.send_response(200 if path == "/v2/" else 404)
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        data = open("/root/served/" + TYPES[path][1], "rb").read()
        self.send_response(200)
        self.send_header("Content-Type", TYPES[path][0])
        self.send_header("Docker-Content-Digest", "sha256:" + TYPES[path][1])
        self.send_header("Content-Length", str(len(data)))
        self.end_headers()
        if body:
            self.wfile.write(data)
    def do_HEAD(self):
        self.do_GET(body=False)
context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
context.load_cert_chain("/root/certificate", "/root/key")
server = http.server.ThreadingHTTPServer(("127.0.0.1", int(sys.argv[1])), Handler)
server.socket = context.wrap_socket(server.socket, server_side=True)
server.serve_forever()
"""


def sum_of(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()


def tar(files: dict[str, bytes]) -> bytes:
    whole = io.BytesIO()
    with tarfile.open(fileobj=whole, mode="w") as archive:
        for name, data in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(data)
            archive.addfile(member, io.BytesIO(data))
    return whole.getvalue()


class MadeImage:
    """A small image: its parts by digest, and as an archive."""

    def __init__(self, name: str, content: bytes) -> None:
        layer = tar({"content": content})
        config = json.dumps(
            {
                "architecture": "amd64",
                "os": "linux",
                "config": {},
                "rootfs": {"type": "layers", "diff_ids": [f"sha256:{sum_of(layer)}"]},
            }
        ).encode()
        manifest = json.dumps(
            {
                "schemaVersion": 2,
                "mediaType": MANIFEST,
                "config": self._part("application/vnd.oci.image.config.v1+json", config),
                "layers": [self._part("application/vnd.oci.image.layer.v1.tar", layer)],
            }
        ).encode()
        self.parts = {sum_of(data): data for data in (layer, config, manifest)}
        self.digest = f"sha256:{sum_of(manifest)}"
        described = {**self._part(MANIFEST, manifest), "annotations": {"io.containerd.image.name": name}}  # fmt: skip
        self.archive = tar(
            {
                "oci-layout": b'{"imageLayoutVersion": "1.0.0"}',
                "index.json": json.dumps({"schemaVersion": 2, "manifests": [described]}).encode(),
                **{f"blobs/sha256/{name}": data for name, data in self.parts.items()},
            }
        )

    @staticmethod
    def _part(kind: str, data: bytes) -> dict[str, Any]:
        return {"mediaType": kind, "digest": f"sha256:{sum_of(data)}", "size": len(data)}


PULLED = MadeImage("registry.example.com/app:1", b"pulled")
BROUGHT = MadeImage("registry.example.com/brought:1", b"brought")
FETCHED = MadeImage("registry.example.com/fetched:1", b"fetched")


@pytest.fixture(scope="module", params=[1, 2])
def machine(
    request: pytest.FixtureRequest, agent_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Machine, Authority]]:
    programs = {name: judges.program(name) for name in SECOND} if request.param == 2 else {}
    authority, directory = Authority(), tmp_path_factory.mktemp("images")
    identity = authority.identity(directory, "mirror.example.com", "registry.example.com")
    served = directory / "served"
    served.mkdir()
    types = {}
    for name, data in {**PULLED.parts, sum_of(FETCHED.archive): FETCHED.archive}.items():
        (served / name).write_bytes(data)
        types[f"/v2/app/blobs/sha256:{name}"] = ("application/octet-stream", name)
    manifest = PULLED.digest.removeprefix("sha256:")
    for tag in ("1", PULLED.digest):
        types[f"/v2/app/manifests/{tag}"] = (MANIFEST, manifest)
    types["/fetched.tar"] = ("application/octet-stream", sum_of(FETCHED.archive))
    (served / "types.json").write_text(json.dumps(types))
    (directory / "brought.tar").write_bytes(BROUGHT.archive)
    with Machine("images") as one:
        one.put(agent_file, "/root/agent.pyz")
        for path, target in (
            (identity.certificate, "/root/certificate"), (identity.key, "/root/key"),
            (served, "/root/served"), (directory / "brought.tar", "/root/brought.tar"),
        ):  # fmt: skip
            one.put(path, target)
        one.write("/root/server.py", SERVER)
        one.exec("sh", "-c", "echo 127.0.0.1 mirror.example.com registry.example.com >> /etc/hosts")
        for port in ("5000", "443"):
            one.exec("systemd-run", f"--unit=server-{port}", "python3", "/root/server.py", port)
            listening = f"until ss -ltn | grep -q :{port}; do sleep 0.1; done"
            one.exec("sh", "-c", listening, timeout=60)
        if programs:
            one.exec("systemctl", "stop", "containerd")
            for name, path in programs.items():
                one.put(path, f"/usr/bin/{name}")
            one.exec("systemctl", "start", "containerd")
        yield one, authority


def bootstrap(one: Machine, authority: Authority, *images: dict[str, Any]) -> tuple[int, str]:
    registries = [
        {"host": "registry.example.com", "mirrors": [{"url": f"https://{MIRROR}"}]},
        {"host": MIRROR, "tls": {"ca": authority.certificate}},
    ]
    spec = {
        "systemTrustCertificateAuthorities": [{"content": authority.certificate}],
        "containerRuntime": {"containerd": {"registries": registries}},
        "images": images,
    }
    document = {"apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1", "kind": "MachineConfiguration", "spec": {"machine": spec}}  # fmt: skip
    one.write("/root/a.json", json.dumps(document))
    done = one.exec(*AGENT, "bootstrap", *OPTIONS, check=False)
    return done.returncode, done.stdout + done.stderr


def listed(one: Machine) -> dict[str, str]:
    lines = one.exec("ctr", "-n", "k8s.io", "images", "ls").stdout.splitlines()[1:]
    return {fields[0]: fields[2] for line in lines if (fields := line.split())}


ALL = (
    {"reference": "registry.example.com/app:1"},
    {"archive": {"path": "/root/brought.tar", "sha256": sum_of(BROUGHT.archive)}},
    {"archive": {"url": f"https://{MIRROR}/fetched.tar", "sha256": sum_of(FETCHED.archive)}},
)


@pytest.mark.requirement("U8")
def test_they_are_loaded_once_and_again_where_one_is_gone(
    machine: tuple[Machine, Authority],
) -> None:
    one, authority = machine
    code, told = bootstrap(one, authority, *ALL)
    assert code == 0, told

    found = listed(one)
    for image, name in ((PULLED, "app"), (BROUGHT, "brought"), (FETCHED, "fetched")):
        assert found[f"registry.example.com/{name}:1"] == image.digest
    assert one.exec("ctr", "-n", "k8s.io", "images", "ls").stdout.count("io.cri-containerd.pinned=pinned") >= 3  # fmt: skip
    asked = one.read("/root/requests")
    assert "5000 HEAD /v2/app/manifests/1\n" in asked
    assert "443 " not in asked
    assert f"5000 GET /v2/app/blobs/sha256:{next(iter(PULLED.parts))}\n" in asked

    assert " 0 to do, " in one.exec(*AGENT, "plan", *OPTIONS).stdout
    assert bootstrap(one, authority, *ALL)[0] == 0
    assert one.read("/root/requests") == asked

    for name in ("app", "brought"):
        one.exec("ctr", "-n", "k8s.io", "images", "rm", f"registry.example.com/{name}:1")
    assert bootstrap(one, authority, *ALL)[0] == 0
    assert found.items() <= listed(one).items()


@pytest.mark.parametrize("fault", ["digest of an archive", "digest of a download", "digest of an image", "no such image"])  # fmt: skip
def test_another_one_is_not_taken(machine: tuple[Machine, Authority], fault: str) -> None:
    one, authority = machine
    wrong = "a" * 64
    faults: dict[str, tuple[dict[str, Any], str]] = {
        "digest of an archive": ({"archive": {"path": "/root/brought.tar", "sha256": wrong}}, "MA2001"),
        "digest of a download": ({"archive": {"url": f"https://{MIRROR}/fetched.tar", "sha256": wrong}}, "MA2001"),
        "digest of an image": ({"reference": f"registry.example.com/app@sha256:{wrong}"}, "MA3595"),
        "no such image": ({"reference": "registry.example.com/none:1"}, "MA3595"),
    }  # fmt: skip
    image, code = faults[fault]
    before = listed(one)

    ended, told = bootstrap(one, authority, image)

    assert ended != 0
    assert code in told, told
    assert listed(one) == before
