"""A provider of ours on scafctl's wire, under the client that tests/conformance tries with scafctl's own SDK."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.host import Host
from machineadm.plugins.kinds.host_service import Allowed
from machineadm.plugins.kinds.provider import COOKIE, ProviderError, Providers
from machineadm.plugins.launch.model import Command
from tests.peers.providers import provider_plugin


class Store:
    """One secret."""

    def get(self, name: str) -> str | None:
        return "42" if name == "own/a" else None

    def set(self, name: str, value: str) -> None:
        raise NotImplementedError

    def delete(self, name: str) -> None:
        raise NotImplementedError

    def names(self) -> list[str]:
        return ["own/a"]


@pytest.fixture
def providers(tmp_path: Path) -> Iterator[Providers]:
    path = provider_plugin(tmp_path)
    with Host() as host:
        plugin = host.start(Command(name="ours", path=path, cookie=COOKIE))
        yield Providers(plugin, Allowed(secrets=Store(), secret_prefix="own/"))


def test_it_does_all_that_a_provider_does(providers: Providers) -> None:
    assert providers.names() == ("echo", "stream")
    descriptor = providers.descriptor("echo")
    assert (descriptor.version, descriptor.raw_schema[:1]) == ("1.0.0", b"{")
    providers.configure("echo", {"region": "eu"})
    result = providers.execute("echo", {"message": "ü", "n": 2**53})
    assert result.data == {"in": {"message": "ü", "n": 2**53}, "settings": {"region": "eu"}}
    assert result.warnings == ("careful",)
    assert providers.execute("echo", {"secret": "own/a"}).data == "42"
    assert providers.execute("echo", {"secret": "own/none"}).data is None
    assert providers.what_if("echo", {}) == "would echo"
    assert providers.what_if("stream", {}) == ""
    assert providers.dependencies("echo", {}) is None
    assert providers.dependencies("stream", {"b": 1, "a": 2}) == ("a", "b")
    providers.stop("echo")


def test_it_streams_in_order_and_falls_back(providers: Providers) -> None:
    seen: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def take(stream: str, data: bytes) -> None:
        seen[stream] += data

    result = providers.execute("stream", {}, output=take)
    assert (result.data, result.streamed) == ("streamed", True)
    assert seen["stdout"] == b"".join(b"line %d\n" % number for number in range(200))
    assert seen["stderr"] == b"end"
    assert providers.execute("echo", {"x": 1}, output=take).data["in"] == {"x": 1}
    with pytest.raises(ProviderError, match="no disk"):
        providers.execute("stream", {"fail": 1}, output=take)


def test_it_fails_with_its_reason(providers: Providers) -> None:
    with pytest.raises(ProviderError, match="the key is disabled"):
        providers.execute("echo", {"fail": "the key is disabled"})
    with pytest.raises(PluginError, match="unknown provider: nope"):
        providers.descriptor("nope")
    providers.configure("stream")
    with pytest.raises(ProviderError, match="outside allowed scope"):
        providers.execute("echo", {"secret": "other/b"})
    with pytest.raises(ProviderError, match="unfit settings"):
        providers.configure("echo", {"refuse": True})


def test_a_large_input_comes_back(providers: Providers) -> None:
    inputs: dict[str, Any] = {"blob": "x" * (5 << 20)}

    assert providers.execute("echo", inputs).data["in"] == inputs


# A plugin that is not of our SDK: it streams in its own way, and counts how often it was executed.
ODD = f"""#!{sys.executable} -I
import os
from grpclib.const import Status
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.sdk import providers
from machineadm.plugins.sdk.providers import Output, Provider, serve_providers
from machineadm.plugins.wire.rpc import RpcError


class Odd(Provider):
    name = "odd"

    def execute(self, inputs, host):
        open(os.path.join(inputs["directory"], "executed"), "a").write("x")
        return Output(data=inputs.get("data", "unary"))

    def stream(self, inputs, host, write):
        raise NotImplementedError


def streamed(one, request, host, call):
    inputs = providers._object(request.input)
    if inputs["output"]:
        yield pb.ExecuteProviderStreamChunk(stdout=b"begun")
    raise RpcError(Status.UNIMPLEMENTED, "streaming execution not supported")


def executed(output, *, streamed=False):
    data = b"[" * 100000 if output.data == "deep" else b'"unary"'
    return pb.ExecuteProviderResponse(output=b'{{"data":' + data + b"}}")


providers._streamed = streamed
providers._executed = executed
serve_providers(Odd())
"""


@pytest.fixture
def odd(tmp_path: Path) -> Path:
    path = tmp_path / "odd"
    path.write_text(ODD)
    path.chmod(0o755)
    return path


@pytest.mark.parametrize("began", [True, False])
def test_what_has_begun_to_run_is_not_run_again(odd: Path, began: bool) -> None:
    inputs = {"directory": str(odd.parent), "output": began}
    with Host() as host:
        one = Providers(host.start(Command(name="odd", path=str(odd), cookie=COOKIE)))
        if began:
            with pytest.raises(PluginError):
                one.execute("odd", inputs, output=lambda _stream, _data: None)
        else:
            assert one.execute("odd", inputs, output=lambda _stream, _data: None).data == "unary"

    assert (odd.parent / "executed").exists() is not began


def test_an_output_that_is_nested_too_deep_is_refused(odd: Path) -> None:
    with Host() as host:
        one = Providers(host.start(Command(name="odd", path=str(odd), cookie=COOKIE)))
        with pytest.raises(PluginError, match="the output of 'odd' is invalid") as caught:
            one.execute("odd", {"directory": str(odd.parent), "data": "deep"})

    assert caught.value.code == "MA7224"
