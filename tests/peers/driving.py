"""Our host drives a plugin of the test service, whoever wrote it: each check is a function of the plugin.

The Go host in go-plugin/host makes the same checks of a plugin of ours.
"""

from __future__ import annotations

import contextlib
import functools
import os
import signal
import threading
import time
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from google.protobuf.descriptor_pb2 import FileDescriptorProto
from grpclib.const import Cardinality, Status
from grpclib.exceptions import GRPCError

from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.launch.model import Command
from machineadm.plugins.proto import reflection_pb2
from machineadm.plugins.wire import reflection
from machineadm.plugins.wire.handshake import Cookie
from machineadm.plugins.wire.logs import Record
from machineadm.plugins.wire.rpc import Method, RpcError, handlers, methods
from tests.peers.probe import probe_pb2

SERVICE = probe_pb2.DESCRIPTOR.services_by_name["Probe"]
PROBE = methods(SERVICE)
COOKIE = Cookie("MACHINEADM_TEST_PLUGIN", "probe")
MODES = [
    pytest.param(
        {"mtls": mtls, "multiplexed": mux},
        id=f"{'mtls' if mtls else 'clear'}-{'mux' if mux else 'plain'}",
    )
    for mtls in (True, False)
    for mux in (False, True)
]


class Seen:
    """What a plugin logged and printed."""

    def __init__(self) -> None:
        self.records: list[Record] = []
        self.output: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def log(self, _: str, record: Record) -> None:
        self.records.append(record)

    def print(self, _: str, stream: str, data: bytes) -> None:
        self.output[stream] += data

    def named(self, message: str) -> list[Record]:
        return [record for record in self.records if record.message.endswith(message)]


class Driven:
    """A host with one plugin of the test service."""

    def __init__(self, plugin: Plugin, seen: Seen) -> None:
        self.plugin = plugin
        self.seen = seen

    def echo(self, timeout: float = 200, **fields: Any) -> Any:
        return self.plugin.call(PROBE["Echo"], probe_pb2.Message(**fields), timeout=timeout)


@contextlib.contextmanager
def driven(path: str, *arguments: str, **mode: Any) -> Iterator[Driven]:
    """Start a plugin of the test service."""
    seen = Seen()
    with Host(listen=seen.log, output=seen.print) as host:
        plugin = host.start(
            Command(name="probe", path=path, arguments=arguments, cookie=COOKIE, **mode)
        )
        yield Driven(plugin, seen)


def until(what: str, done: Callable[[], object]) -> None:
    end = time.monotonic() + 300
    while not done():
        assert time.monotonic() < end, f"did not come: {what}"
        time.sleep(0.01)


def it_serves(driven: Driven) -> None:
    driven.plugin.ping(5)


def it_tells_what_it_serves(driven: Driven) -> None:
    request = reflection_pb2.ServerReflectionRequest
    for name in reflection.NAMES:
        method = Method(
            f"/{name}/ServerReflectionInfo",
            Cardinality.STREAM_STREAM,
            request,
            reflection_pb2.ServerReflectionResponse,
        )
        with driven.plugin.stream(method, timeout=20) as asking:
            asking.send(request(list_services="*"))
            listed = {one.name for one in asking.receive().list_services_response.service}
            asking.send(request(file_containing_symbol=SERVICE.full_name))
            files = asking.receive().file_descriptor_response.file_descriptor_proto
            asking.send(request(file_containing_symbol="nothing.Known"))
            error = asking.receive().error_response
            asking.end()
        assert {SERVICE.full_name, "grpc.health.v1.Health", "plugin.GRPCBroker"} <= listed
        services = {
            one.name for file in files for one in FileDescriptorProto.FromString(file).service
        }
        assert "Probe" in services
        assert error.error_code == Status.NOT_FOUND.value


def messages_of_all_sizes_come_back(driven: Driven) -> None:
    for size in (0, 1, 100, 16383, 16384, 65535, 65536, 1 << 20, 5 << 20, 32 << 20):
        data = bytes([size % 251]) * size
        assert driven.echo(60, data=data).data == data


def a_status_comes_with_its_text(driven: Driven) -> None:
    for status in (Status.NOT_FOUND, Status.INTERNAL, Status.UNKNOWN, Status.PERMISSION_DENIED):
        with pytest.raises(RpcError) as caught:
            driven.echo(status=status.value, text="ünfit 100%\nline")
        assert (caught.value.status, caught.value.text) == (status, "ünfit 100%\nline")


def an_unknown_method_is_unimplemented(driven: Driven) -> None:
    echo = PROBE["Echo"]
    unknown = Method("/machineadm.test.Probe/Nothing", echo.cardinality, echo.request, echo.reply)
    with pytest.raises(RpcError) as caught:
        driven.plugin.call(unknown, probe_pb2.Message(), timeout=5)
    assert caught.value.status is Status.UNIMPLEMENTED


def replies_stream(driven: Driven) -> None:
    for count in (0, 1, 1000):
        with driven.plugin.stream(PROBE["Count"], timeout=300) as calling:
            calling.send(probe_pb2.CountRequest(messages=count, size=1000))
            calling.end()
            assert [len(one.data) for one in calling] == [1000] * count


def large_replies_stream(driven: Driven) -> None:
    with driven.plugin.stream(PROBE["Count"], timeout=60) as calling:
        calling.send(probe_pb2.CountRequest(messages=4, size=16 << 20))
        calling.end()
        assert [len(one.data) for one in calling] == [16 << 20] * 4


def requests_stream(driven: Driven) -> None:
    with driven.plugin.stream(PROBE["Sum"], timeout=300) as calling:
        for _ in range(1000):
            calling.send(probe_pb2.Message(data=bytes(1000)))
        calling.end()
        (total,) = calling
    assert (total.messages, total.bytes) == (1000, 1_000_000)


def both_sides_stream(driven: Driven) -> None:
    with driven.plugin.stream(PROBE["Chat"], timeout=300) as calling:
        for number in range(100):
            calling.send(probe_pb2.Message(status=number))
            assert calling.receive().status == number
        calling.end()
        assert calling.receive() is None


def a_deadline_ends_a_call(driven: Driven) -> None:
    began = time.monotonic()
    with pytest.raises(RpcError) as caught:
        driven.echo(0.3, delay_milliseconds=200_000)
    assert caught.value.status is Status.DEADLINE_EXCEEDED
    assert time.monotonic() - began < 100


def leaving_a_stream_cancels_it(driven: Driven) -> None:
    before = driven.plugin.call(PROBE["Waiting"], probe_pb2.Message()).bytes
    with driven.plugin.stream(PROBE["Count"]) as calling:
        calling.send(probe_pb2.CountRequest(messages=1_000_000, size=1000))
        calling.end()
        assert calling.receive() is not None
    until(
        "the plugin's notice",
        lambda: driven.plugin.call(PROBE["Waiting"], probe_pb2.Message()).bytes > before,
    )


def sixty_four_calls_run_at_once(driven: Driven) -> None:
    answers: list[str] = []
    threads = [
        threading.Thread(
            target=lambda number=number: answers.append(
                driven.echo(delay_milliseconds=2500, text=str(number)).text
            )
        )
        for number in range(64)
    ]
    began = time.monotonic()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(answers) == sorted(map(str, range(64)))
    assert time.monotonic() - began < 64 * 2.5, "one after the other"


def the_plugin_calls_back(driven: Driven) -> None:
    async def echo(stream: Any) -> None:
        message = await stream.recv_message()
        if message.status:
            raise GRPCError(Status(message.status), message.text)
        await stream.send_message(
            probe_pb2.Message(data=message.data, text="host: " + message.text)
        )

    for size in (0, 100, 1 << 20):
        number = driven.plugin.serve(handlers(SERVICE, Echo=echo))
        request = probe_pb2.CallBackRequest(
            broker_id=number, message=probe_pb2.Message(data=bytes(size), text="back")
        )
        reply = driven.plugin.call(PROBE["CallBack"], request)
        assert (reply.text, len(reply.data)) == ("host: back", size)


def the_host_dials_what_the_plugin_offers(driven: Driven) -> None:
    for _ in range(3):
        offered = driven.plugin.call(PROBE["Offer"], probe_pb2.Message())
        dialled = driven.plugin.dial(offered.broker_id)
        message = probe_pb2.Message(data=bytes(1 << 20), text="there")
        assert dialled.call(PROBE["Echo"], message) == message


def a_number_that_nobody_serves_fails_in_five_seconds(driven: Driven) -> None:
    began = time.monotonic()
    with pytest.raises(OSError, match="4711"):
        driven.plugin.dial(4711)
    assert 4 < time.monotonic() - began < 100


def what_the_plugin_prints_arrives(driven: Driven) -> None:
    out, error = "to stdout, long; " * 2000 + "END\n", "to stderr; " * 500 + "END\n"
    request = probe_pb2.PrintRequest(stdout=out, stderr=error)
    driven.plugin.call(PROBE["Print"], request)
    until("output", lambda: driven.seen.output["stdout"].endswith(out.encode()))
    until("errors", lambda: driven.seen.output["stderr"].endswith(error.encode()))


def two_thousand_log_records_come_in_order(driven: Driven) -> None:
    driven.plugin.call(PROBE["Log"], probe_pb2.LogRequest(records=2000, level="info", text="many"))
    until("2000 records", lambda: len(driven.seen.named("many")) >= 2000)
    assert [record.pairs["n"] for record in driven.seen.named("many")] == list(range(2000))


def log_records_keep_their_level(driven: Driven) -> None:
    for level in ("trace", "debug", "info", "warn", "error"):
        text = f"level {level}"
        driven.plugin.call(PROBE["Log"], probe_pb2.LogRequest(records=1, level=level, text=text))
        until(text, functools.partial(driven.seen.named, text))
        assert [record.level for record in driven.seen.named(text)] == [level]


def its_environment_is_built_not_inherited(driven: Driven) -> None:
    entries = driven.plugin.call(PROBE["Environment"], probe_pb2.Message()).entries
    names = {entry.partition("=")[0] for entry in entries}
    known = {"PATH", "LANG", "TMPDIR", COOKIE.key, "PWD", "LC_CTYPE"}
    assert {name for name in names if not name.startswith("PLUGIN_")} - known == set()


def an_interrupt_does_not_end_it(driven: Driven) -> None:
    os.kill(driven.plugin.pid, signal.SIGINT)
    time.sleep(0.2)
    assert driven.echo(text="alive").text == "alive"


def it_ends_when_asked(driven: Driven) -> None:
    process = driven.plugin.running.process
    assert process is not None
    driven.plugin.end()
    # Not by a signal.
    assert process.exited.result() == 0


CHECKS: list[Callable[[Driven], None]] = [
    it_serves,
    messages_of_all_sizes_come_back,
    a_status_comes_with_its_text,
    an_unknown_method_is_unimplemented,
    replies_stream,
    large_replies_stream,
    requests_stream,
    both_sides_stream,
    a_deadline_ends_a_call,
    leaving_a_stream_cancels_it,
    sixty_four_calls_run_at_once,
    the_plugin_calls_back,
    the_host_dials_what_the_plugin_offers,
    a_number_that_nobody_serves_fails_in_five_seconds,
    what_the_plugin_prints_arrives,
    two_thousand_log_records_come_in_order,
    log_records_keep_their_level,
    its_environment_is_built_not_inherited,
    it_tells_what_it_serves,
    an_interrupt_does_not_end_it,
    it_ends_when_asked,
]
