"""Debian's registry that sends its clients to a token service: with a password, without one, and all that such a service does wrong."""

from __future__ import annotations

import base64
import http.client
import json
import ssl
import subprocess
from collections.abc import Iterator
from contextlib import ExitStack, closing
from pathlib import Path
from typing import NamedTuple

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.catalogs.model import CatalogError
from tests import debian
from tests.conformance.test_plugin_catalogs import FILE, Machine, _skopeo, _wait
from tests.peers.encryption import example
from tests.servers.authority import Authority
from tests.servers.files import FileServer
from tests.servers.registry import digest
from tests.servers.tokens import ISSUER, TokenService
from tests.stores.servers import free_ports
from tests.unit.plugins.catalogs.conftest import Site, lay_out

USER, PASSWORD = "reader", "s3cr3t"
REPOSITORIES = ("plugins/encryption-providers/file", "public/encryption-providers/file")
MACHINE = ("--platform", "linux/amd64")


class Held(NamedTuple):
    """A registry, its token service, and what its clients need."""

    host: str
    service: TokenService
    plugin: bytes
    words: Path
    authority: Path
    auth: Path

    @property
    def options(self) -> list[str]:
        return ["--ca-file", str(self.authority), "--credentials", str(self.auth)]

    def catalog(self, prefix: str = "plugins") -> str:
        return f"oci://{self.host}/{prefix}"


@pytest.fixture(scope="module")
def started(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Held]:
    debian.require(docker_registry="docker-registry", skopeo="skopeo")
    base = tmp_path_factory.mktemp("tokens")
    authority = Authority()
    identity = authority.identity(base / "pki", "127.0.0.1")
    (base / "certs").mkdir()
    (base / "certs/ca.crt").write_text(authority.certificate)
    (port,) = free_ports(1)
    host = f"127.0.0.1:{port}"
    word = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
    (base / "auth.json").write_text(json.dumps({"auths": {host: {"auth": word}}}))
    words = base / "words"
    words.mkdir()
    (words / "vault").write_text("open sesame")
    plugin = example(words)
    layout = lay_out(base / "layout", {"linux/amd64": plugin})
    with ExitStack() as stack:
        service = stack.enter_context(
            TokenService(
                authority, base / "signer",
                users={USER: PASSWORD}, public="public/", identity=identity,
            )
        )  # fmt: skip
        (base / "config.yml").write_text(
            f"version: 0.1\nstorage: {{filesystem: {{rootdirectory: {base}/data}}}}\n"
            f"auth: {{token: {{realm: '{service.realm}', service: 'a registry', issuer: \"{ISSUER}\", "
            f"rootcertbundle: {base}/certs/ca.crt}}}}\n"
            f"http: {{addr: '{host}', tls: {{certificate: {identity.certificate}, key: {identity.key}}}}}\n"
        )
        log = stack.enter_context((base / "log").open("wb"))
        registry = stack.enter_context(
            subprocess.Popen(
                ["docker-registry", "serve", str(base / "config.yml")], stdout=log, stderr=log
            )
        )
        stack.callback(registry.kill)
        _wait(port, base / "log")
        for repository in REPOSITORIES:
            _skopeo(
                "--dest-cert-dir", str(base / "certs"), "--dest-creds", f"{USER}:{PASSWORD}",
                f"oci:{layout}:{FILE}:1.0.0", f"docker://{host}/{repository}:1.0.0",
            )  # fmt: skip
        yield Held(host, service, plugin, words, base / "certs/ca.crt", base / "auth.json")


@pytest.fixture
def held(started: Held) -> Held:
    started.service.faults.clear()
    started.service.lifetimes.clear()
    started.service.requests.clear()
    started.service.issued.clear()
    return started


@pytest.fixture
def machine(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Machine:
    return Machine(tmp_path, capfdbinary)


@pytest.fixture
def site(tmp_path: Path, held: Held) -> Site:
    made = Site(tmp_path)
    made.ca_file = str(held.authority)
    made.auths[held.host] = f"{USER}:{PASSWORD}"
    return made


def test_a_plugin_comes_for_a_token_that_a_password_buys(held: Held, machine: Machine) -> None:
    (one,) = machine.install("--catalog", held.catalog(), *held.options, *MACHINE)

    assert (one["version"], one["digest"]) == ("1.0.0", digest(held.plugin))
    (asked,) = held.service.requests
    assert asked.headers["authorization"].startswith("Basic ")
    assert "service=a+registry" in asked.path
    assert f"scope=repository%3A{REPOSITORIES[0].replace('/', '%2F')}%3Apull" in asked.path


def test_what_is_public_comes_for_a_token_that_nobody_pays_for(
    held: Held, machine: Machine
) -> None:
    options = ("--ca-file", str(held.authority))
    (one,) = machine.install("--catalog", held.catalog("public"), *options, *MACHINE)

    assert one["digest"] == digest(held.plugin)
    assert all("authorization" not in request.headers for request in held.service.requests)


def test_what_is_not_public_needs_the_password(
    held: Held, machine: Machine, tmp_path: Path
) -> None:
    plain = ("--catalog", held.catalog(), "--ca-file", str(held.authority), *MACHINE)
    machine.install(*plain, code=7)
    assert "MA7244" in machine.error
    assert "--credentials" in machine.error

    wrong = tmp_path / "wrong.json"
    word = base64.b64encode(f"{USER}:wr0ng".encode()).decode()
    wrong.write_text(json.dumps({"auths": {held.host: {"auth": word}}}))
    machine.install(*plain, "--credentials", str(wrong), code=7)
    assert "MA7244" in machine.error
    assert "token service" in machine.error
    assert "wr0ng" not in machine.error


def test_a_token_that_expires_between_two_requests_is_replaced(held: Held, site: Site) -> None:
    held.service.lifetimes = [5]
    catalog = site.open(held.catalog())
    artifact = catalog.find("encryption-provider", "file", "1.0.0", "linux/amd64")
    first = held.service.issued[0]
    while _opens(held, first):
        pass
    before = len(held.service.issued)

    assert b"".join(catalog.read(artifact, 0)) == held.plugin
    assert len(held.service.issued) == before + (held.service.issued[before - 1] == first)


def _opens(held: Held, token: str) -> bool:
    """Whether the registry still takes a token."""
    path = f"/v2/{REPOSITORIES[0]}/tags/list"
    trusted = ssl.create_default_context(cafile=str(held.authority))
    connection = http.client.HTTPSConnection(held.host, context=trusted, timeout=30)
    with closing(connection):
        connection.request("GET", path, headers={"Authorization": f"Bearer {token}"})
        status = connection.getresponse().status
    assert status in (200, 401)
    return status == 200


@pytest.mark.parametrize(
    ("faults", "code", "words"),
    [
        (["401"] * 9, "MA7244", "refuses access (401)"),
        (["403"] * 9, "MA7244", "refuses access (403)"),
        (["404"], "MA7244", "answers 404"),
        (["503"] * 9, "MA7247", "answers 503"),
        (["huge"], "MA7245", "is larger than"),
        (["long"], "MA7245", "more than 65536 bytes"),
        (["none"], "MA7245", "gives no token"),
        (["blanks"], "MA7245", "gives no token"),
        (["array"], "MA7245", "is not a JSON object"),
        (["expired"] * 9, "MA7244", "does not accept the token"),
        (["other"] * 9, "MA7244", "does not accept the token"),
    ],
    ids=lambda value: value[0] if isinstance(value, list) else "",
)
def test_each_fault_of_a_token_service_has_its_code_and_an_end(
    held: Held, site: Site, faults: list[str], code: str, words: str
) -> None:
    held.service.faults = list(faults)
    refusal = refused(held, site)

    assert (refusal.code, refusal.exit_code) == (code, 7)
    assert words in refusal.message
    assert refusal.hint()
    assert PASSWORD not in refusal.message + refusal.hint()
    assert site.files == []
    # Each of the fetcher's four attempts asks once at most.
    assert len(held.service.requests) <= (4 if code == "MA7247" else 1)


def test_a_disturbance_of_the_token_service_passes_unseen(held: Held, site: Site) -> None:
    held.service.faults = ["503", "429"]

    assert digest(Path(site.fetch(FILE, held.catalog()).path).read_bytes()) == digest(held.plugin)


def test_a_realm_that_redirects_takes_the_password_nowhere(
    held: Held, site: Site, tmp_path: Path
) -> None:
    with FileServer(tmp_path) as plain:
        held.service.faults = [f"{plain.url}/token"]
        assert refused(held, site).code == "MA7243"
        assert plain.requests == []

    tls = Authority().identity(tmp_path / "untrusted", "127.0.0.1")
    with FileServer(tmp_path, identity=tls) as stranger:
        held.service.faults = [f"{stranger.url}/token"]
        assert refused(held, site).code == "MA7243"
        assert stranger.requests == []


def test_a_realm_that_redirects_to_another_trusted_server_gets_no_password(
    held: Held, site: Site, tmp_path: Path
) -> None:
    authority = Authority()
    bundle = tmp_path / "both.pem"
    bundle.write_text(held.authority.read_text() + authority.certificate)
    site.ca_file = str(bundle)
    identity = authority.identity(tmp_path / "other", "127.0.0.1")
    (tmp_path / "token").write_text(json.dumps({"token": "of-another"}))
    with FileServer(tmp_path, identity=identity) as other:
        held.service.faults = [f"{other.url}/token"]
        refusal = refused(held, site)
        sent = [request.headers for request in other.requests]

    # The registry, and nobody else, decides about a token that comes from elsewhere.
    assert refusal.code == "MA7244"
    assert len(sent) == 1
    assert "authorization" not in sent[0]


def refused(held: Held, site: Site) -> PluginError:
    with pytest.raises(CatalogError) as caught:
        site.fetch(f"{FILE}@1.0.0", held.catalog())
    return caught.value


def test_a_token_is_asked_for_once_for_each_repository(held: Held, site: Site) -> None:
    catalog = site.open(held.catalog())
    artifact = catalog.find("encryption-provider", "file", "1.0.0", "linux/amd64")
    assert b"".join(catalog.read(artifact, 0)) == held.plugin
    assert len(held.service.issued) == 1
