"""Our host and a plugin of ours, in all four modes; tests/conformance has go-plugin at either end."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from grpclib.const import Status

from machineadm.errors import PluginError
from machineadm.plugins.host import Host
from machineadm.plugins.launch.model import Command, Reattach
from machineadm.plugins.wire.rpc import RpcError
from tests.peers.driving import (
    CHECKS,
    COOKIE,
    MODES,
    PROBE,
    Driven,
    driven,
    messages_of_all_sizes_come_back,
)
from tests.peers.plugins import python_plugin
from tests.peers.probe import probe_pb2


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Any:
    return request.param


@pytest.fixture
def plugin(tmp_path: Path) -> str:
    return python_plugin(tmp_path)


@pytest.fixture
def running(plugin: str, mode: dict[str, Any]) -> Iterator[Driven]:
    with driven(plugin, **mode) as one:
        yield one


# Five seconds of waiting: once is enough.
ONCE = "a_number_that_nobody_serves_fails_in_five_seconds"


def test_a_plugin_of_ours_does_all_that_the_protocol_offers(running: Driven) -> None:
    for check in CHECKS:
        if check.__name__ != ONCE:
            check(running)


def test_a_number_that_nobody_serves_fails_in_five_seconds(plugin: str) -> None:
    (check,) = (one for one in CHECKS if one.__name__ == ONCE)
    with driven(plugin, multiplexed=True) as one:
        check(one)


def test_a_plugin_serves_on_tcp_in_the_range_that_the_host_gives(plugin: str) -> None:
    with driven(plugin, "-tcp", first_port=20100, last_port=20199) as one:
        assert one.echo(text="x").text == "x"
        offered = one.plugin.call(PROBE["Offer"], probe_pb2.Message())
        dialled = one.plugin.dial(offered.broker_id)
        assert dialled.call(PROBE["Echo"], probe_pb2.Message(text="y")).text == "y"


@pytest.mark.parametrize(
    ("plugin_speaks", "host_speaks", "agreed"),
    [("1", (1,), 1), ("1,2,3", (1, 2), 2), ("2,5", (1, 2, 3), 2), ("7,3", (3, 7, 9), 7)],
)
def test_the_highest_common_version_is_agreed_on(
    plugin: str, plugin_speaks: str, host_speaks: tuple[int, ...], agreed: int
) -> None:
    with driven(plugin, plugin_speaks, versions=host_speaks, mtls=False) as one:
        assert one.plugin.version == agreed


def test_no_common_version_names_both_sides(plugin: str) -> None:
    says = "version 4; this host speaks 1, 2"
    with pytest.raises(PluginError, match=says) as caught, driven(plugin, "4,5", versions=(1, 2)):
        pass
    assert caught.value.code == "MA7214"


def test_twenty_plugins_run_at_once_and_end_together(plugin: str) -> None:
    with Host() as host:
        command = Command(name="probe", path=plugin, cookie=COOKIE, mtls=False)
        plugins = [host.start(command) for _ in range(6)]
        for number, one in enumerate(plugins):
            message = probe_pb2.Message(text=str(number))
            assert one.call(PROBE["Echo"], message).text == str(number)
        host.end_all()
        host.end_all()


def test_ending_twice_and_ending_nothing_are_fine(plugin: str) -> None:
    with Host():
        pass
    with driven(plugin, mtls=False) as one:
        one.plugin.end()
        one.plugin.end()


def test_a_plugin_that_dies_in_a_call_fails_that_call_and_all_after_it(plugin: str) -> None:
    with driven(plugin) as one:
        for _ in range(2):
            with pytest.raises(RpcError) as caught:
                one.plugin.call(PROBE["Die"], probe_pb2.Total(messages=9))
            assert caught.value.status is Status.UNAVAILABLE


def test_a_running_plugin_is_reattached_and_ended_by_its_number(
    plugin: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may need more than two seconds to end it.
    monkeypatch.setattr("machineadm.plugins.launch.running.GRACE", 60.0)
    with driven(plugin, mtls=False) as one, Host() as other:
        address = one.plugin.running.connection.address
        again = other.reattach(Reattach(name="again", address=address, pid=one.plugin.pid))
        assert again.call(PROBE["Echo"], probe_pb2.Message(text="x")).text == "x"
        again.end()
        process = one.plugin.running.process
        assert process is not None
        assert one.plugin.wait(60) == 0


def test_a_plugin_that_is_debugged_is_never_ended(plugin: str) -> None:
    with driven(plugin, mtls=False) as one:
        with Host() as other:
            address = one.plugin.running.connection.address
            again = other.reattach(
                Reattach(name="again", address=address, pid=one.plugin.pid, test=True)
            )
            again.ping()
        assert one.echo(text="alive").text == "alive"


def test_reattaching_to_nobody_says_so_and_ends_nothing(plugin: str) -> None:
    with driven(plugin, mtls=False) as one:
        address = type(one.plugin.running.connection.address)("unix", "/nonexistent")
        with Host() as other, pytest.raises(PluginError, match="nothing listens") as caught:
            other.reattach(Reattach(name="again", address=address, pid=one.plugin.pid))
        assert caught.value.code == "MA7230"
        assert one.echo(text="alive").text == "alive"


def test_a_group_may_connect_where_one_is_named(plugin: str) -> None:
    with driven(plugin, group=str(os.getgid()), mtls=False) as one:
        path = Path(one.plugin.running.connection.address.address)
        assert path.stat().st_mode & 0o777 == 0o660
        assert path.parent.stat().st_mode & 0o777 == 0o770


def test_checks_would_notice_a_plugin_that_answers_wrongly(running: Driven) -> None:
    """The planted fault: what is echoed is not what was sent."""
    honest = running.echo

    def liar(timeout: float = 20, **fields: Any) -> Any:
        reply = honest(timeout, **fields)
        reply.data += b"x"
        return reply

    running.echo = liar  # type: ignore[method-assign]
    sizes: Callable[[Driven], None] = messages_of_all_sizes_come_back
    with pytest.raises(AssertionError):
        sizes(running)
