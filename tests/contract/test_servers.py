"""The servers as programs of their own, for machines that reach them from elsewhere."""

from __future__ import annotations

import json
import ssl
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]
COMMAND = [sys.executable, "-m", "tests.servers"]


@contextmanager
def running(*arguments: str) -> Iterator[tuple[str, subprocess.Popen[str]]]:
    with subprocess.Popen(
        [*COMMAND, *arguments], cwd=ROOT, stdout=subprocess.PIPE, text=True
    ) as process:
        assert process.stdout is not None
        try:
            yield process.stdout.readline().strip(), process
        finally:
            process.kill()


def test_a_file_is_served_through_the_proxy_to_whoever_knows_header_and_password(
    tmp_path: Path,
) -> None:
    pki, directory = tmp_path / "pki", tmp_path / "files"
    directory.mkdir()
    (directory / "agent.pyz").write_bytes(b"content")
    subprocess.run(
        [*COMMAND, "authority", "--directory", pki, "--name", "127.0.0.1"], cwd=ROOT, check=True
    )
    files = ["files", "--directory", str(directory), "--header", "X-Token: secret"]
    tls = ["--certificate", str(pki / "server.pem"), "--key", str(pki / "server.key")]

    with (
        running(*files, *tls) as (url, server),
        running("proxy", "--user", "me", "--password", "word") as (proxy, _),
    ):
        context = ssl.create_default_context(cafile=str(pki / "ca.pem"))
        opener = urllib.request.build_opener(
            urllib.request.HTTPSHandler(context=context),
            urllib.request.ProxyHandler({"https": proxy.replace("//", "//me:word@")}),
        )
        request = urllib.request.Request(  # noqa: S310 - our own server
            f"{url}/agent.pyz", headers={"X-Token": "secret"}
        )
        with opener.open(request, timeout=10) as answer:
            content = answer.read()
        assert server.stdout is not None
        told = json.loads(server.stdout.readline())

    assert content == b"content"
    assert (told["method"], told["path"]) == ("GET", "/agent.pyz")
    assert told["headers"]["x-token"] == "secret"
