"""Plugins without a process, one of each kind, as the clients of a host meet them."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.kinds import attestation, encryption_provider, infrastructure
from machineadm.plugins.kinds.auth_handler import AuthHandlers
from machineadm.plugins.kinds.provider import Providers
from machineadm.plugins.launch.model import Reattach
from machineadm.plugins.sdk.mocks import (
    MockAttestation,
    MockAuthHandler,
    MockEncryptionProvider,
    MockInfrastructure,
    MockProvider,
)
from machineadm.plugins.sdk.testing import mock_host, served


@contextmanager
def asked(mock: Any, version: int = 2) -> Iterator[Plugin]:
    with served(mock, version=version) as one, Host() as host:
        yield host.reattach(Reattach(name="mock", address=one.address, version=version, test=True))


def test_an_encryption_provider_gives_what_its_map_has() -> None:
    mock = MockEncryptionProvider({"vault": b"word"})
    with asked(mock) as plugin:
        assert encryption_provider.fetch_passphrase(plugin, "vault").reveal() == "word"
        with pytest.raises(PluginError, match="no passphrase for other"):
            encryption_provider.fetch_passphrase(plugin, "other")
    assert mock.asked == ["vault", "other"]


def test_an_infrastructure_gives_and_takes() -> None:
    mock = MockInfrastructure({"here": b"something"})
    with asked(mock) as plugin:
        assert infrastructure.fetch(plugin, "here", most=99) == b"something"
        infrastructure.report(plugin, "there", b"{}")
    assert mock.reported == [("there", b"{}")]
    with mock_host(mock) as host:
        assert not host.call("Locate", name="a").found


def test_an_attestation_proves_its_challenge_alone() -> None:
    mock = MockAttestation("node-7")
    with asked(mock) as plugin:
        format_, evidence = attestation.attest(plugin, b"challenge")
    assert mock.challenges == [b"challenge"]
    with mock_host(mock) as host:
        told = {"format": format_, "evidence": evidence}
        assert host.call("Verify", challenge=b"challenge", **told).identity == "node-7"
        assert not host.call("Verify", challenge=b"another", **told).trusted


def test_a_provider_gives_what_its_function_makes() -> None:
    mock = MockProvider("echo", lambda inputs: {"got": inputs["a"]})
    with asked(mock, version=1) as plugin:
        client = Providers(plugin)
        assert client.names() == ("echo",)
        client.configure("echo", {"b": 1})
        assert client.execute("echo", {"a": [1]}).data == {"got": [1]}
        assert client.what_if("echo", {"a": 1}) == "would give echo for a"
        with pytest.raises(PluginError):
            client.execute("echo", {})
    assert mock.settings == {"b": 1}
    assert mock.executed == [{"a": [1]}, {}]


def test_an_auth_handler_gives_a_token_once_somebody_is_logged_in() -> None:
    mock = MockAuthHandler("entra", "t0ken", who="")
    prompts: list[str] = []
    with asked(mock, version=1) as plugin:
        client = AuthHandlers(plugin)
        with pytest.raises(PluginError, match="nobody is logged in"):
            client.token("entra", "files")
        client.login("entra", lambda code, *_: prompts.append(code), tenant="ada")
        assert client.token("entra", "files").header().reveal() == "Bearer t0ken"
        assert client.status("entra").claims.subject == "ada"
        client.logout("entra")
        assert not client.status("entra").authenticated
    assert prompts == ["MOCK-CODE"]
    assert mock.scopes == ["files"]
