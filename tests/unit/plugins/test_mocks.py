"""Plugins without a process, one of each kind, as the clients of a host meet them."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.kinds import attestation, encryption_provider, infrastructure
from machineadm.plugins.kinds.auth_handler import AuthHandlers
from machineadm.plugins.kinds.provider import Providers
from machineadm.plugins.launch.model import Reattach
from machineadm.plugins.sdk import Attestation, EncryptionProvider, Infrastructure
from machineadm.plugins.sdk.mocks import (
    MockAttestation,
    MockAuthHandler,
    MockEncryptionProvider,
    MockInfrastructure,
    MockProvider,
)
from machineadm.plugins.sdk.testing import served
from machineadm.redaction import Secret


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
        encryption_provider.store_passphrase(plugin, "other", Secret("n3w"))
        assert encryption_provider.fetch_passphrase(plugin, "other").reveal() == "n3w"
        encryption_provider.delete_passphrase(plugin, "vault")
    assert mock.passphrases == {"other": b"n3w"}
    assert mock.asked == ["vault", "other", "other"]


def test_an_infrastructure_gives_and_takes() -> None:
    mock = MockInfrastructure({"here": b"something"})
    with asked(mock) as plugin:
        assert infrastructure.fetch(plugin, "here", most=99) == b"something"
        infrastructure.report(plugin, "there", b"{}")
        for size in (0, 1, 1 << 20, (2 << 20) + 1):
            location = infrastructure.store(plugin, "a", bytes(size))
            assert infrastructure.locate(plugin, "a") == location
            assert infrastructure.fetch(plugin, location, most=size) == bytes(size)
            infrastructure.delete(plugin, location)
            assert infrastructure.locate(plugin, "a") is None
    assert mock.reported == [("there", b"{}")]


class Reader(EncryptionProvider):
    """Only reads."""


class Fetching(Infrastructure):
    """Only reads."""


class Proving(Attestation):
    """Only attests."""


@pytest.mark.parametrize(
    ("plugin", "ask"),
    [
        (Reader(), lambda one: encryption_provider.store_passphrase(one, "a", Secret("x"))),
        (Reader(), lambda one: encryption_provider.delete_passphrase(one, "a")),
        (Fetching(), lambda one: infrastructure.store(one, "a", bytes(9 << 20))),
        (Fetching(), lambda one: infrastructure.locate(one, "a")),
        (Fetching(), lambda one: infrastructure.delete(one, "a")),
        (Proving(), lambda one: attestation.verify(one, b"c", ("f", b"e"))),
    ],
)
def test_who_only_reads_is_told_to_the_manager(plugin: Any, ask: Callable[[Plugin], Any]) -> None:
    with asked(plugin) as one, pytest.raises(PluginError) as refused:
        ask(one)
    assert refused.value.code == "MA7223"
    assert refused.value.hint()


def test_an_attestation_proves_its_challenge_alone() -> None:
    mock = MockAttestation("node-7")
    with asked(mock) as plugin:
        evidence = attestation.attest(plugin, b"challenge")
        assert attestation.verify(plugin, b"challenge", evidence) == "node-7"
        with pytest.raises(PluginError, match="something else") as refused:
            attestation.verify(plugin, b"another", evidence)
    assert refused.value.code == "MA7220"
    assert mock.challenges == [b"challenge"]


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
