"""Metadata services of the platforms, each written from its documentation, and what goes wrong with them."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from typing import Any, Final

from tests.servers.serving import Handler, Request, Serving

TOKEN: Final = "AQAEAH-stand-in=="

EC2: Final = {
    "instance-id": "i-0123456789abcdef0",
    "local-hostname": "ip-10-0-0-1.eu-west-1.compute.internal",
    "placement/availability-zone": "eu-west-1a",
    "placement/region": "eu-west-1",
    "placement": "availability-zone\nregion",
    "tags/instance/Name": "worker",
    "local-ipv4": "10.0.0.1",
    "iam/security-credentials/": "role",
    "iam/security-credentials/role": json.dumps(
        {
            "Code": "Success",
            "LastUpdated": "2026-11-30T12:00:00Z",
            "Type": "AWS-HMAC",
            "AccessKeyId": "ASIAOFTHEROLE",
            "SecretAccessKey": "hunter2",
            "Token": "token-of-the-role",
            "Expiration": "2099-11-30T18:00:00Z",
        }
    ),
}
"""https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instancedata-data-categories.html, and
https://docs.aws.amazon.com/AWSEC2/latest/UserGuide/instance-metadata-security-credentials.html"""

CONTAINER: Final = {
    "RoleArn": "arn:aws:iam::123456789012:role/task",
    "AccessKeyId": "ASIAOFTHETASK",
    "SecretAccessKey": "hunter2",
    "Token": "token-of-the-task",
    "Expiration": "2099-11-30T18:00:00Z",
}
"""https://docs.aws.amazon.com/AmazonECS/latest/developerguide/task-iam-roles.html"""

CONTAINER_TOKEN: Final = "token-of-the-pod"
"""https://docs.aws.amazon.com/sdkref/latest/guide/feature-container-credentials.html: the Authorization header, as a file has it."""

OPENSTACK: Final[dict[str, Any]] = {
    "uuid": "d8e02d56-2648-49a3-bf97-6be8f1204f38",
    "name": "worker",
    "hostname": "worker.novalocal",
    "availability_zone": "nova",
    "project_id": "f7ac731cc11f40efbc03a9f9e1d1d21f",
    "meta": {"role": "worker"},
}
"""https://docs.openstack.org/nova/latest/user/metadata.html#metadata-openstack-format"""

GCE: Final = {
    "instance/id": "5123456789012345678",
    "instance/hostname": "worker.europe-west1-b.c.project-1.internal",
    "instance/name": "worker",
    "instance/zone": "projects/123456789012/zones/europe-west1-b",
    "project/project-id": "project-1",
    "instance/attributes/kube-env": "hunter2",
    "instance/service-accounts/default/token": json.dumps(
        {"access_token": "ya29.hunter2", "expires_in": 3599, "token_type": "Bearer"}
    ),
}
"""https://cloud.google.com/compute/docs/metadata/predefined-metadata-keys, and
https://cloud.google.com/compute/docs/access/authenticate-workloads"""

AZURE: Final[dict[str, Any]] = {
    "compute": {
        "vmId": "02AAB8A4-74EF-476E-8182-F6D2BA4166A6",
        "name": "worker_0",
        "location": "westeurope",
        "zone": "2",
        "platformFaultDomain": "0",
        "osProfile": {"computerName": "worker-0"},
        "resourceId": "/subscriptions/8d10da13/resourceGroups/g/providers/Microsoft.Compute/virtualMachines/worker_0",
        "userData": "hunter2",
    },
    "network": {"interface": [{"ipv4": {"ipAddress": [{"privateIpAddress": "10.0.0.4"}]}}]},
}
"""https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service#response-1"""

FAULTS: Final = ("", "missing", "slow", "hang", "redirect", "half", "dribble", "huge", "starting")
"""What goes wrong: nothing; 404 for all; an answer after 0.2 s; none at all; a redirect to elsewhere; a body that breaks off;
one byte every 50 ms; more than a mebibyte; 503 twice, then as usual."""

Answer = tuple[int, dict[str, str], bytes]
_NOWHERE: Answer = (404, {}, b"404 - Not Found")


class MetadataService(Serving):
    """One platform's service.

    Args:
        platform: EC2, OpenStack, GCE, Azure, or Containers (of ECS and EKS).
        fault: In FAULTS.
        address: Host and port to listen on.
    """

    def __init__(
        self, platform: str, fault: str = "", *, address: tuple[str, int] = ("127.0.0.1", 0)
    ) -> None:
        super().__init__(_Metadata, address=address)
        self.answer = _ANSWERS[platform]
        self.fault = fault
        self.refused = 0


class _Metadata(Handler):
    owner: MetadataService

    def do_GET(self) -> None:  # noqa: N802 - as http.server calls it
        self._serve("GET")

    def do_PUT(self) -> None:  # noqa: N802 - as http.server calls it
        self._serve("PUT")

    def _serve(self, method: str) -> None:
        owner = self.owner
        headers = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Request(method, self.path, headers))
        status, extra, body = owner.answer(method, self.path, headers)
        if owner.fault == "missing":
            status, extra, body = _NOWHERE
        elif owner.fault == "starting" and owner.refused < 2:
            owner.refused += 1
            status, extra, body = 503, {}, b""
        elif owner.fault == "redirect":
            status, extra, body = 302, {"Location": "http://192.0.2.1/stolen"}, b""
        elif owner.fault == "huge":
            body = b"x" * ((1 << 20) + 1)
        elif owner.fault == "slow":
            owner.closing.wait(0.2)
        elif owner.fault == "hang":
            owner.closing.wait(30)
            return
        self.send_response(status)
        for name, value in extra.items():
            self.send_header(name, value)
        self.send_header("Content-Length", str(len(body) + (owner.fault == "half") * 7))
        self.end_headers()
        if owner.fault == "dribble":
            for byte in body * 100:
                if owner.closing.wait(0.05):
                    return
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
        self.wfile.write(body)
        self.close_connection = owner.fault == "half"


def _ec2(method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """Version 2: a request without the token is unauthorized, a token is made by PUT with a lifetime alone."""
    if path == "/latest/api/token":
        lifetime = headers.get("x-aws-ec2-metadata-token-ttl-seconds", "")
        good = method == "PUT" and lifetime.isdecimal() and 1 <= int(lifetime) <= 21600
        return (200, {}, TOKEN.encode()) if good else (400, {}, b"")
    if headers.get("x-aws-ec2-metadata-token") != TOKEN:
        return 401, {}, b""
    if path == "/latest/dynamic/instance-identity/document":
        return (
            200,
            {},
            json.dumps({"region": "eu-west-1", "accountId": "123456789012"}, indent=1).encode(),
        )
    found = EC2.get(path.removeprefix("/latest/meta-data/"))
    return _NOWHERE if found is None else (200, {}, found.encode())


def _containers(method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """A task's are at a path that nobody guesses; a pod's need the token."""
    good = method == "GET" and path == "/v2/credentials/8f2c"
    good |= path == "/v1/credentials" and headers.get("authorization") == CONTAINER_TOKEN
    return (200, {}, json.dumps(CONTAINER).encode()) if good else (401, {}, b"")


def _openstack(_method: str, path: str, _headers: Mapping[str, str]) -> Answer:
    if path == "/openstack/latest/meta_data.json":
        return 200, {"Content-Type": "application/json"}, json.dumps(OPENSTACK).encode()
    return _NOWHERE


def _gce(_method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """Without the header a request is forbidden, and so is one that a proxy has marked."""
    flavor = {"Metadata-Flavor": "Google"}
    if headers.get("metadata-flavor") != "Google" or "x-forwarded-for" in headers:
        return 403, flavor, b""
    found = GCE.get(path.removeprefix("/computeMetadata/v1/"))
    return (404, flavor, b"") if found is None else (200, flavor, found.encode())


def _azure(_method: str, path: str, headers: Mapping[str, str]) -> Answer:
    """Without the header, or without a version, a request is bad."""
    bare, _, query = path.partition("?")
    if headers.get("metadata") != "true" or "api-version=" not in query:
        return 400, {}, b'{"error": "Bad request"}'
    return (200, {}, json.dumps(AZURE).encode()) if bare == "/metadata/instance" else _NOWHERE


_ANSWERS: Final[dict[str, Callable[[str, str, Mapping[str, str]], Answer]]] = {
    "Containers": _containers,
    "EC2": _ec2,
    "OpenStack": _openstack,
    "GCE": _gce,
    "Azure": _azure,
}


if __name__ == "__main__":
    # For a network of its own: `python -m tests.servers.metadata PLATFORM [FAULT]`.
    import sys

    MetadataService(*sys.argv[1:3], address=("169.254.169.254", 80)).run()
