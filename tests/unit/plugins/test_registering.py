"""The library for other hosts: names from directories and from what was fetched, what plugins may ask back, and an end for all."""

from __future__ import annotations

from pathlib import Path

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.catalogs.fetcher import Fetched
from machineadm.plugins.host import Host
from machineadm.plugins.kinds.host_service import Allowed
from machineadm.plugins.registering import Registry, end_all
from tests.peers.installed import install, program, provider
from tests.servers.registry import digest
from tests.unit.plugins.conftest import processes_below

NAMED = """
class Named(Provider):
    def __init__(self, name):
        self.name = name
        self.settings = {{}}

    def configure(self, settings):
        self.settings = settings

    def execute(self, inputs, host):
        if "secret" in inputs:
            return Output(data=host.get_secret(inputs["secret"]))
        return Output(data=[{which!r}, self.name, self.settings])
"""
HANDLER = """
from machineadm.plugins.sdk.auth_handlers import Status, serve_auth_handlers
from machineadm.plugins.sdk.mocks import MockAuthHandler

serve_auth_handlers(MockAuthHandler("entra", "t0ken", who="ada"))
"""


class Kept:
    """Secrets of a host."""

    def get(self, name: str) -> str | None:
        return f"secret of {name}"

    def set(self, name: str, value: str) -> None:
        raise AssertionError

    def delete(self, name: str) -> None:
        raise AssertionError

    def names(self) -> list[str]:
        return []


def plugin(which: str, *names: str) -> bytes:
    return provider(NAMED.format(which=which), ", ".join(f"Named({name!r})" for name in names))


def fetched(path: Path, content: bytes, *, kind: str = "provider", name: str = "site") -> Fetched:
    path.write_bytes(content)
    path.chmod(0o755)
    return Fetched(
        kind=kind, name=name, version="1.0.0", platform="any", digest=digest(content),
        path=str(path), size=len(content), from_cache=True,
    )  # fmt: skip


def test_directories_register_each_name_once_and_what_is_broken_is_passed_over(
    tmp_path: Path, plugins_directory: str
) -> None:
    first, second = tmp_path / "first", tmp_path / "second"
    install(first, "provider", "a", plugin("first", "one", "two"))
    install(first, "provider", "broken", b"#!/bin/sh\nexit 3\n")
    install(first, "provider", "unsigned", plugin("unsigned", "three"), checksum=False)
    install(first, "auth-handler", "entra", program(HANDLER))
    install(second, "provider", "b", plugin("second", "two", "four"))
    install(second, "attestation", "other", b"#!/bin/sh\nexit 3\n")
    with Registry() as registry:
        registry.register_directories([str(first), str(second), str(tmp_path / "nowhere")])

        assert set(registry.providers) == {"one", "two", "four"}
        assert registry.provider("two").execute({}).data == ["first", "two", {}]
        assert registry.provider("four").execute({}).data == ["second", "four", {}]
        assert registry.handler("entra").token("files").value.reveal() == "t0ken"
        assert registry.handler("entra").status().authenticated
        assert sorted(one.code for one in registry.passed_over) == ["MA7203", "MA7211"]
        assert len(processes_below(plugins_directory)) >= 3

    assert processes_below(plugins_directory) == []
    assert not registry.providers
    assert not registry.handlers


def test_a_plugin_whose_second_name_cannot_be_configured_registers_none_and_hides_none(
    tmp_path: Path,
) -> None:
    failing = NAMED.replace(
        "self.settings = settings\n", "if self.name == 'two':\n            raise ValueError('no')\n"
    )
    content = provider(failing.format(which="first"), "Named('one'), Named('two')")
    install(tmp_path / "first", "provider", "a", content)
    install(tmp_path / "second", "provider", "b", plugin("second", "one"))
    with Registry() as registry:
        registry.register_directories([str(tmp_path / "first"), str(tmp_path / "second")])

        assert len(registry.passed_over) == 1
        assert set(registry.providers) == {"one"}
        assert registry.provider("one").execute({}).data == ["second", "one", {}]


def test_what_was_fetched_is_registered_with_its_settings_and_its_digest_compared(
    tmp_path: Path,
) -> None:
    right = fetched(tmp_path / "right", plugin("fetched", "one"))
    wrong = fetched(tmp_path / "wrong", plugin("other", "two"))
    (tmp_path / "wrong").write_bytes(b"#!/bin/sh\n")
    with Registry() as registry:
        registry.register_fetched([right], settings={"site": {"a": [1, None]}})
        assert registry.provider("one").execute({}).data == ["fetched", "one", {"a": [1, None]}]
        with pytest.raises(PluginError) as caught:
            registry.register_fetched([wrong])
        assert caught.value.code == "MA7204"
        with pytest.raises(PluginError) as caught:
            registry.register_fetched([fetched(tmp_path / "x", b"", kind="attestation")])
        assert caught.value.code == "MA7223"
        assert set(registry.providers) == {"one"}


def test_a_plugin_may_ask_what_its_host_depends_on_for_it_alone(tmp_path: Path) -> None:
    install(tmp_path / "plugins", "provider", "vault", plugin("x", "vault"))
    install(tmp_path / "plugins", "provider", "other", plugin("x", "other"))
    allowed = Allowed(secrets=Kept(), secret_prefix="vault/")
    with Registry(dependencies=lambda name: allowed if name == "vault" else None) as registry:
        registry.register_directories([str(tmp_path / "plugins")])

        found = registry.provider("vault").execute({"secret": "vault/pin"}).data
        assert found == "secret of vault/pin"
        with pytest.raises(PluginError):
            registry.provider("other").execute({"secret": "vault/pin"})


def test_a_name_that_nobody_serves_is_told_with_those_that_are_there(tmp_path: Path) -> None:
    install(tmp_path / "plugins", "provider", "a", plugin("x", "one", "two"))
    with Registry() as registry:
        registry.register_directories([str(tmp_path / "plugins")])
        for ask in (registry.provider, registry.handler):
            with pytest.raises(PluginError) as caught:
                ask("three")
            assert caught.value.code == "MA7226"
            assert caught.value.hint() in ("there are: one, two", "there are: none")


def test_a_registry_ends_its_own_plugins_in_a_host_that_goes_on(
    tmp_path: Path, plugins_directory: str
) -> None:
    install(tmp_path / "plugins", "provider", "a", plugin("x", "one"))
    with Host() as host:
        with Registry(host) as registry:
            registry.register_directories([str(tmp_path / "plugins")])
            registry.end_all()
            registry.end_all()
            assert processes_below(plugins_directory) == []
        with Registry(host) as registry:
            registry.register_directories([str(tmp_path / "plugins")])
            assert registry.provider("one").execute({}).data[0] == "x"


def test_none_and_no_plugin_end_well() -> None:
    end_all(None)
    end_all([])
    with Registry() as registry:
        registry.end_all()
