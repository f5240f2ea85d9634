"""A real third party: the mock engine of Vault's SDK, unmodified; our host starts it, serves its storage, asks it and ends it."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message_factory import GetMessageClass

from machineadm.errors import PluginError
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.launch.model import Command
from machineadm.plugins.wire.handshake import Cookie
from machineadm.plugins.wire.logs import Record
from machineadm.plugins.wire.rpc import RpcError, handlers, methods
from tests.peers import vault
from tests.peers.go import HERE, build

COOKIE = Cookie("VAULT_BACKEND_PLUGIN", "6669da05-b1c8-4f49-97d9-c8e5bed98e20")
SERVICES = vault.services()
BACKEND = methods(SERVICES["Backend"])
LOGICAL = 1
"""The type of an engine of secrets."""


def message(method: str, field: str = "", **fields: Any) -> Any:
    """The request of a method, or the message of one of its fields."""
    request = BACKEND[method].request
    if field:
        return GetMessageClass(request.DESCRIPTOR.fields_by_name[field].message_type)(**fields)
    return request(**fields)


class Engine:
    """A running engine, with storage of ours.

    Args:
        plugin: The engine.
        instance: By which it knows this mount, if it serves several.
    """

    def __init__(self, plugin: Plugin, instance: str = "") -> None:
        self.plugin = plugin
        self.stored: dict[str, bytes] = {}
        self._metadata = {"multiplex_id": instance} if instance else None

    def call(self, method: str, request: Any = None) -> Any:
        return self.plugin.call(
            BACKEND[method], request or message(method), metadata=self._metadata, timeout=20
        )

    def set_up(self) -> None:
        number = self.plugin.serve(self._storage())
        assert self.call("Setup", message("Setup", broker_id=number)).err == ""
        assert not self.call("Initialize").err.err_msg

    def ask(self, operation: str, path: str, **data: Any) -> Any:
        request = message(
            "HandleRequest", "request", id="1", operation=operation, path=path,
            data=json.dumps(data),
        )  # fmt: skip
        reply = self.call("HandleRequest", message("HandleRequest", request=request))
        if reply.err.err_msg:
            raise LookupError(reply.err.err_msg)
        return json.loads(reply.response.data) if reply.response.data else None

    def _storage(self) -> Any:
        known = methods(SERVICES["Storage"])

        def serving(name: str) -> Any:
            async def serve(stream: Any) -> None:
                request = await stream.recv_message()
                reply = known[name].reply()
                if name == "Put":
                    self.stored[request.entry.key] = request.entry.value
                elif name == "Delete":
                    self.stored.pop(request.key, None)
                elif name == "List":
                    names = [one.removeprefix(request.prefix) for one in sorted(self.stored)]
                    reply.keys.extend(names)
                elif request.key in self.stored:
                    reply.entry.key = request.key
                    reply.entry.value = self.stored[request.key]
                await stream.send_message(reply)

            return serve

        return handlers(SERVICES["Storage"], **{name: serving(name) for name in known})


@contextlib.contextmanager
def running(**settings: Any) -> Iterator[tuple[Plugin, list[Record]]]:
    program = build(HERE / "vault", "./engine")
    records: list[Record] = []
    with Host(listen=lambda _, record: records.append(record)) as host:
        plugin = host.start(
            Command(
                name="vault",
                path=program,
                **{"cookie": COOKIE, "versions": (3, 4), **settings},
            )
        )
        yield plugin, records


@pytest.mark.parametrize("mtls", [True, False], ids=["mtls", "clear"])
def test_an_engine_of_vault_keeps_its_secrets_in_our_storage(mtls: bool) -> None:
    with running(mtls=mtls) as (plugin, records):
        engine = Engine(plugin)
        engine.set_up()
        assert (plugin.version, engine.call("Type").type) == (4, LOGICAL)

        assert engine.ask("create", "kv/one", value="open sesame") == {"value": "open sesame"}
        assert engine.ask("read", "kv/one") == {"value": "open sesame", "version": 0}
        assert engine.ask("create", "kv/two", value="2") == {"value": "2"}
        assert engine.stored == {"kv/one": b"open sesame", "kv/two": b"2"}
        assert engine.ask("list", "kv/") == {"keys": ["one", "two"]}
        assert engine.ask("delete", "kv/one") is None
        assert engine.stored == {"kv/two": b"2"}
        # Its hclog comes with level and values.
        said = [one for one in records if one.message == "storing value"]
        assert [one.level for one in said] == ["info", "info"]

        pid, directory = plugin.pid, plugin.directory
        engine.call("Cleanup")
    assert not Path(f"/proc/{pid}").exists()
    assert not Path(directory).exists()


def test_two_mounts_of_one_process_are_kept_apart_by_their_metadata() -> None:
    with running(versions=(3, 4, 5)) as (plugin, _):
        assert plugin.version == 5
        first, second = Engine(plugin, "first"), Engine(plugin, "second")
        for engine in (first, second):
            engine.set_up()
        first.ask("create", "kv/a", value="of the first")
        second.ask("create", "kv/a", value="of the second")

        assert first.ask("read", "kv/a")["value"] == "of the first"
        assert (first.stored, second.stored) == (
            {"kv/a": b"of the first"},
            {"kv/a": b"of the second"},
        )
        with pytest.raises(RpcError, match="no multiplexing ID found"):
            Engine(plugin).call("Type")


def test_what_an_engine_refuses_comes_as_it_says_it() -> None:
    with running() as (plugin, _):
        engine = Engine(plugin)
        engine.set_up()
        with pytest.raises(LookupError, match="unsupported path"):
            engine.ask("read", "nothing/there")


def test_another_cookie_than_vaults_is_named_so() -> None:
    with (
        pytest.raises(PluginError, match="another plugin's cookie"),
        running(cookie=Cookie("VAULT_BACKEND_PLUGIN", "another")),
    ):
        pass
