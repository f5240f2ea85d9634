"""What an author of plugins is given: classes, errors, logging, a host for tests."""

from __future__ import annotations

import json
import logging
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from grpclib.const import Status
from grpclib.exceptions import GRPCError

from machineadm.errors import PluginError
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.kinds import infrastructure
from machineadm.plugins.kinds.encryption_provider import fetch_passphrase
from machineadm.plugins.kinds.provider import Providers
from machineadm.plugins.launch.model import Reattach
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.sdk import (
    Attestation,
    CallError,
    EncryptionProvider,
    Evidence,
    Infrastructure,
)
from machineadm.plugins.sdk.logs import HostHandler
from machineadm.plugins.sdk.providers import HostClient, Output, Provider
from machineadm.plugins.sdk.testing import mock_host, served
from machineadm.plugins.wire.logs import Log
from machineadm.plugins.wire.rpc import RpcError, methods
from machineadm.redaction import Secret
from tests.peers.encryption import EXAMPLE


class Words(EncryptionProvider):
    word = b"word"

    def configure(self, settings: dict[str, Any]) -> None:
        if "word" not in settings:
            raise CallError("word is missing")
        self.word = str(settings["word"]).encode()

    def fetch_passphrase(self, provider: str) -> bytes:
        return self.word + provider.encode()


class Memory(Infrastructure):
    def __init__(self) -> None:
        self.kept: dict[str, bytes] = {}

    def fetch(self, location: str) -> Iterator[bytes]:
        if location not in self.kept:
            raise CallError("nothing there")
        yield self.kept[location]

    def store(self, name: str, data: Iterator[bytes]) -> str:
        self.kept[name] = b"".join(data)
        return name

    def locate(self, name: str) -> str | None:
        return name if name in self.kept else None


class Quote(Attestation):
    def attest(self, challenge: bytes) -> Evidence:
        return Evidence("test", challenge[::-1])

    def verify(self, challenge: bytes, evidence: Evidence) -> str:
        if evidence.evidence != challenge[::-1]:
            raise CallError("the quote is of another challenge")
        return "machine-1"


def test_a_host_of_machineadm_asks_a_plugin_without_a_process() -> None:
    with served(Words()) as one, Host() as host:
        plugin = host.reattach(Reattach(name="x", address=one.address, test=True, version=2))

        assert fetch_passphrase(plugin, "aws") == Secret("wordaws")


def test_settings_are_taken_or_refused_with_their_reason() -> None:
    with mock_host(Words()) as host:
        host.configure({"word": "other"})
        assert host.call("FetchPassphrase", provider="").passphrase == b"other"
        with pytest.raises(CallError, match="word is missing"):
            host.configure({"ward": "x"})


@pytest.mark.parametrize("method", ["StorePassphrase", "DeletePassphrase"])
def test_what_is_not_written_is_unimplemented(method: str) -> None:
    with mock_host(Words()) as host, pytest.raises(RpcError) as caught:
        host.call(method, provider="x")

    assert caught.value.status is Status.UNIMPLEMENTED


class LeavingWords(EncryptionProvider):
    """Does what ends a thread in silence."""

    def __init__(self, leaves: BaseException) -> None:
        self.leaves = leaves

    def fetch_passphrase(self, provider: str) -> bytes:
        raise self.leaves


class LeavingMemory(Infrastructure):
    """Does what ends a thread in silence."""

    def __init__(self, leaves: BaseException) -> None:
        self.leaves = leaves

    def fetch(self, location: str) -> Iterator[bytes]:
        yield b"some"
        raise self.leaves

    def store(self, name: str, data: Iterator[bytes]) -> str:
        raise self.leaves


@pytest.mark.parametrize("error", [SystemExit(3), KeyboardInterrupt(), GeneratorExit()])
@pytest.mark.parametrize(
    ("kind", "ask"),
    [
        (LeavingWords, lambda plugin: fetch_passphrase(plugin, "x")),
        (LeavingMemory, lambda plugin: infrastructure.fetch(plugin, "x", most=99)),
        (LeavingMemory, lambda plugin: infrastructure.store(plugin, "x", b"y")),
    ],
)
def test_a_method_that_ends_its_thread_fails_at_once(
    error: BaseException, kind: Any, ask: Callable[[Plugin], Any]
) -> None:
    with served(kind(error)) as one, Host() as host:
        plugin = host.reattach(Reattach(name="x", address=one.address, test=True, version=2))
        with pytest.raises(PluginError, match=type(error).__name__) as caught:
            ask(plugin)
    assert caught.value.code == "MA7220"


class LeavingProvider(Provider):
    name = "leaving"

    def stream(self, inputs: dict[str, Any], host: HostClient | None, write: Any) -> Output:
        write("stdout", b"a little")
        raise SystemExit(inputs)

    def execute(self, inputs: dict[str, Any], host: HostClient | None) -> Output:
        raise SystemExit(inputs)


def test_a_provider_that_ends_its_thread_fails_at_once() -> None:
    seen: list[bytes] = []
    with served(LeavingProvider(), version=1) as one, Host() as host:
        plugin = host.reattach(Reattach(name="p", address=one.address, version=1, test=True))
        providers = Providers(plugin)
        with pytest.raises(PluginError, match="SystemExit"):
            providers.execute("leaving", {}, output=lambda _, data: seen.append(data))
        with pytest.raises(PluginError, match="SystemExit"):
            providers.execute("leaving", {})
    assert seen == [b"a little"]


def test_a_context_that_is_not_an_object_ends_a_stream_with_its_reason() -> None:
    method = methods(pb.DESCRIPTOR.services_by_name["PluginService"])["ExecuteProviderStream"]
    with served(LeavingProvider(), version=1) as one, Host() as host:
        plugin = host.reattach(Reattach(name="p", address=one.address, version=1, test=True))
        for context in (b"{", b"[]", b"\xff"):
            with plugin.stream(method, timeout=30) as call:
                call.send(pb.ExecuteProviderRequest(provider_name="leaving", context=context))
                call.end()
                (reply,) = call
            assert "the input is not" in reply.result.error


def test_one_program_serves_several_kinds() -> None:
    with mock_host(Words(), Quote(), Memory()) as host:
        assert host.call("FetchPassphrase", provider="x").passphrase == b"wordx"
        assert host.call("Attest", challenge=b"abc").evidence == b"cba"
        assert not host.call("Locate", name="x").found


def test_a_large_content_travels_in_pieces_that_any_peer_takes() -> None:
    memory = Memory()
    memory.kept["x"] = os.urandom(9 << 20)
    with mock_host(memory) as host:
        pieces = [reply.data for reply in host.stream("Fetch", location="x")]

    assert b"".join(pieces) == memory.kept["x"]
    assert max(map(len, pieces)) <= 1 << 20


def test_a_stream_fails_with_its_reason() -> None:
    with mock_host(Memory()) as host, pytest.raises(GRPCError, match="nothing there"):
        host.stream("Fetch", location="x")


def test_evidence_is_judged_and_a_refusal_says_why() -> None:
    with mock_host(Quote()) as host:
        good = host.call("Verify", challenge=b"ab", format="test", evidence=b"ba")
        bad = host.call("Verify", challenge=b"ab", format="test", evidence=b"xx")

    assert (good.trusted, good.identity) == (True, "machine-1")
    assert (bad.trusted, bad.reason) == (False, "the quote is of another challenge")


@pytest.mark.parametrize(
    ("level", "name"),
    [(5, "trace"), (10, "debug"), (20, "info"), (30, "warn"), (40, "error"), (50, "error")],
)
def test_a_log_record_is_one_line_that_every_host_understands(level: int, name: str) -> None:
    reader, writer = os.pipe()
    record = logging.LogRecord("my.plugin", level, "x", 1, "two\nlines %s", ("ü",), None)
    record.n = 7
    HostHandler(writer).emit(record)
    os.close(writer)
    line, rest = os.read(reader, 65536).split(b"\n")
    os.close(reader)

    found = Log().record(line)
    assert (found.level, found.message) == (name, "two\nlines ü")
    assert rest == b""
    assert found.pairs["n"] == 7
    assert found.pairs["@module"] == "my.plugin"
    assert json.loads(line)["@timestamp"].endswith("Z")


@pytest.mark.parametrize(
    ("arguments", "pairs"),
    [((1, 2), {}), (("%d",), {}), ((), {"n": {(1, 2): 3}}), (("x",), {"n": {(1, 2): 3}})],
)
def test_a_mistake_in_a_log_record_ends_no_call(
    arguments: tuple[object, ...], pairs: dict[str, object]
) -> None:
    reader, writer = os.pipe()
    record = logging.LogRecord("my.plugin", 20, "x", 1, "the key of %d", arguments, None)
    vars(record).update(pairs)
    HostHandler(writer).emit(record)
    os.close(writer)
    line, rest = os.read(reader, 65536).split(b"\n")
    os.close(reader)

    assert rest == b""
    assert "the key of" in Log().record(line).message


def test_a_plugin_that_a_person_starts_says_what_it_is() -> None:
    ran = subprocess.run(
        [sys.executable, "-I", str(EXAMPLE)], capture_output=True, text=True, check=False
    )

    assert ran.returncode == 1
    assert "This binary is a plugin" in ran.stderr
    assert ran.stdout == ""
