"""Debian's registry with TLS and a password, and layouts that skopeo made, as catalogs; the plugin runs at the end."""

from __future__ import annotations

import base64
import json
import shutil
import socket
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from machineadm.cli.main import main
from tests import debian
from tests.peers.encryption import example
from tests.servers.authority import Authority
from tests.servers.registry import digest
from tests.stores.servers import free_ports
from tests.unit.plugins.catalogs.conftest import lay_out

FILE = "encryption-provider/file"
USER, PASSWORD = "reader", "s3cr3t"
HTPASSWD = "reader:$2y$05$CEff41z/nKNqOk5m.YjHQOcGbSajlZNquhVGv.Wyy9FKe2L.tfD52\n"
ARM = b"#!/bin/false\n" + b"for another machine" * 1000


class Site(NamedTuple):
    """A registry that asks for a password, with a plugin in it for two platforms."""

    address: str
    options: list[str]
    layout: Path
    plugin: bytes
    words: Path


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Site]:
    debian.require(docker_registry="docker-registry", skopeo="skopeo")
    base = tmp_path_factory.mktemp("registry")
    authority = Authority()
    identity = authority.identity(base / "pki", "127.0.0.1")
    (base / "certs").mkdir()
    (base / "certs/ca.crt").write_text(authority.certificate)
    (base / "htpasswd").write_text(HTPASSWD)
    (port,) = free_ports(1)
    (base / "config.yml").write_text(
        f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {base}/data}}}}\n"
        f"auth: {{htpasswd: {{realm: test, path: {base}/htpasswd}}}}\n"
        f"http: {{addr: '127.0.0.1:{port}', tls: {{certificate: {identity.certificate}, key: {identity.key}}}}}\n"
    )
    words = base / "words"
    words.mkdir()
    (words / "vault").write_text("open sesame")
    plugin = example(words)
    layout = lay_out(base / "layout", {"linux/amd64": plugin, "linux/arm64": ARM})
    log = (base / "log").open("wb")
    registry = subprocess.Popen(
        ["docker-registry", "serve", str(base / "config.yml")], stdout=log, stderr=log
    )
    try:
        _wait(port, base / "log")
        place = f"docker://127.0.0.1:{port}/plugins/encryption-providers/file:1.0.0"
        _skopeo(
            "--dest-cert-dir", str(base / "certs"), "--dest-creds", f"{USER}:{PASSWORD}",
            f"oci:{layout}:{FILE}:1.0.0", place,
        )  # fmt: skip
        made = base / "made-by-skopeo"
        _skopeo(
            "--src-cert-dir", str(base / "certs"), "--src-creds", f"{USER}:{PASSWORD}",
            place, f"oci:{made}:{FILE}:1.0.0",
        )  # fmt: skip
        word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
        auths = {"auths": {f"127.0.0.1:{port}": {"auth": word}}}
        (base / "auth.json").write_text(json.dumps(auths))
        options = [
            "--ca-file",
            str(base / "certs/ca.crt"),
            "--credentials",
            str(base / "auth.json"),
        ]
        yield Site(f"oci://127.0.0.1:{port}/plugins", options, made, plugin, words)
    finally:
        registry.kill()
        registry.wait()
        log.close()


def _skopeo(*words: str) -> None:
    done = subprocess.run(
        ["skopeo", "--insecure-policy", "copy", "--quiet", "--all", "--preserve-digests", *words],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def _wait(port: int, log: Path) -> None:
    for _ in range(200):
        try:
            socket.create_connection(("127.0.0.1", port), timeout=2).close()
        except OSError:
            time.sleep(0.1)
        else:
            return
    pytest.fail(log.read_text())


class Machine:
    """Where plugins are installed.

    Args:
        directory: For all of it.
        captured: What is printed.
    """

    def __init__(self, directory: Path, captured: pytest.CaptureFixture[bytes]) -> None:
        self.plugins = directory / "plugins"
        self._options = ["--lock", str(directory / "lock"), "--cache-dir", str(directory / "cache")]
        self._captured = captured
        self.error = ""

    def install(self, *words: str, code: int = 0) -> Any:
        place = ["--plugin-dir", str(self.plugins), "--output", "json"]
        found = main(["plugin", "install", FILE, *words, *self._options, *place])
        printed = self._captured.readouterr()
        self.error = printed.err.decode()
        assert found == code, self.error
        return json.loads(printed.out or "[]")


@pytest.fixture
def machine(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Machine:
    return Machine(tmp_path, capfdbinary)


def test_a_plugin_comes_from_a_registry_with_tls_and_a_password_and_runs(
    site: Site, machine: Machine, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    (one,) = machine.install("--catalog", site.address, *site.options, "--platform", "linux/amd64")

    assert (one["version"], one["digest"]) == ("1.0.0", digest(site.plugin))
    request = '{"provider": "vault"}'
    words = ["plugin", "call", FILE, "FetchPassphrase", "--input", request]
    assert main([*words, "--plugin-dir", str(machine.plugins)]) == 0
    reply = json.loads(capfdbinary.readouterr().out)
    assert base64.b64decode(reply["passphrase"]) == b"open sesame"


def test_each_platform_has_its_own_file(site: Site, machine: Machine) -> None:
    (one,) = machine.install("--catalog", site.address, *site.options, "--platform", "linux/arm64")

    assert Path(one["path"]).read_bytes() == ARM
    machine.install("--catalog", site.address, *site.options, "--platform", "linux/s390x", code=7)
    assert "MA7242" in machine.error


@pytest.mark.parametrize("without", [0, 2], ids=["the authority", "the password"])
def test_the_registry_is_neither_read_without_its_authority_nor_without_its_password(
    site: Site, machine: Machine, without: int
) -> None:
    options = site.options[:without] + site.options[without + 2 :]
    machine.install("--catalog", site.address, *options, code=7)

    assert ("MA7243" if without == 0 else "MA7244") in machine.error
    assert PASSWORD not in machine.error


def test_a_layout_that_skopeo_made_gives_the_same_bytes_without_a_network(
    site: Site, machine: Machine
) -> None:
    (one,) = machine.install("--catalog", str(site.layout), "--platform", "linux/amd64")

    assert one["digest"] == digest(site.plugin)


def test_a_damaged_layout_is_noticed(site: Site, machine: Machine, tmp_path: Path) -> None:
    copy = Path(shutil.copytree(site.layout, tmp_path / "copy"))
    blob = copy / "blobs/sha256" / digest(site.plugin).removeprefix("sha256:")
    blob.write_bytes(blob.read_bytes()[:-1] + b"x")
    machine.install("--catalog", str(copy), "--platform", "linux/amd64", code=7)

    assert "MA7246" in machine.error
