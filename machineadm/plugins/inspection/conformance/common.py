"""What every plugin must do, whatever its kind: the protocol, its start, its end."""

from __future__ import annotations

import os
import signal
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Final

from grpclib.const import Cardinality, Status

from machineadm.errors import PluginError
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.inspection.conformance.model import (
    CALL,
    Alone,
    FailedError,
    Live,
    SkippedError,
    Subject,
    fail,
    require,
)
from machineadm.plugins.inspection.running import COOKIES
from machineadm.plugins.proto import health_pb2
from machineadm.plugins.wire.certificates import new_identity
from machineadm.plugins.wire.connection import opened
from machineadm.plugins.wire.handshake import Cookie
from machineadm.plugins.wire.rpc import Method, RpcError

# More than a pool of threads has by default on a small machine: one that blocks all of its own
# would show.
AT_ONCE: Final = 16
# go-plugin's host kills after two seconds.
END: Final = 2.0
"""Seconds that a plugin has to end when it is asked to."""


def starts(subject: Subject) -> None:
    """It says in its first line that it serves, with a certificate for AutoMTLS."""
    with subject.running() as plugin:
        plugin.ping()


def without_cookie(subject: Subject) -> None:
    """Started by somebody else than a host it says so on standard error, and ends with an error.

    Raises:
        FailedError: It serves.
    """
    with Host() as host:
        try:
            host.start(subject.command(cookie=Cookie("NO_COOKIE", "x"), start_timeout=10.0))
        except PluginError as error:
            # It exited before it served, which is what go-plugin's own library does.
            if error.code == "MA7211":
                # Whoever starts it by hand must read why nothing happens.
                require(error.log_tail, "it ends without a word on standard error")
                require("exit code 0" not in error.message, "it ends with exit code 0")
                return
            raise FailedError(f"{error.code} {error.message}") from None
        fail("it serves without its cookie")


def in_the_clear(subject: Subject) -> None:
    """A host without AutoMTLS, as scafctl's, is served in the clear."""
    # A certificate that was not asked for crashes Go's host (a nil TLS configuration).
    with subject.running(mtls=False) as plugin:
        plugin.ping()


def multiplexed(subject: Subject) -> None:
    """All goes over one socket, if the host asks for that.

    Raises:
        PluginError: It does not start.
        SkippedError: Its library does not know that.
    """
    try:
        with subject.running(multiplexed=True) as plugin:
            plugin.ping()
    except PluginError as error:
        # Libraries older than go-plugin 1.6 know nothing of it.
        if error.code == "MA7217":
            raise SkippedError("its library does not multiplex") from None
        raise


def old_encoding(subject: Subject) -> None:
    """It also speaks the older encoding, for hosts of the last release.

    Raises:
        PluginError: It does not start.
        SkippedError: Its kind has one encoding.
        FailedError: It does not.
    """
    if subject.kind in COOKIES:
        raise SkippedError("its kind has one encoding")
    try:
        # As a host of an older release offers it.
        with subject.running(versions=(1,)) as plugin:
            plugin.ping()
    except PluginError as error:
        # No version in common: that is what an older host would meet.
        if error.code == "MA7214":
            raise FailedError("it does not speak protocol version 1") from None
        raise


def strangers(subject: Subject) -> None:
    """Nobody but its host is served: no connection without a certificate, none with another one."""
    with subject.running() as plugin:
        for what, identity in (
            ("without a certificate", None),
            ("with a certificate of another", new_identity()),
        ):
            require(
                not _connects(plugin, identity),
                f"it serves a connection {what}: it must ask for the host's and compare it",
            )
        plugin.ping()


def interrupted(subject: Subject) -> None:
    """Ctrl-C is its host's to answer: SIGINT does not end it.

    Raises:
        FailedError: It does.
    """
    with subject.running() as plugin:
        # The terminal sends it to host and plugin alike, and go-plugin's plugins ignore it.
        os.kill(plugin.pid, signal.SIGINT)
        if plugin.wait(0.5) is not None:
            fail("it ends at SIGINT")
        plugin.ping()


def ends(subject: Subject) -> None:
    """Asked to end, it answers or closes, and its process ends within two seconds, with exit code 0."""
    with subject.running() as plugin:
        began = time.monotonic()
        plugin.end()
        took = time.monotonic() - began
        # A negative one is a signal: the host had to kill it.
        code = plugin.wait(0)
        require(code is not None and code >= 0, "it does not end within 2 s, and had to be killed")
        require(code == 0, f"it ends with exit code {code}")
        # A second more, for a machine that is busy.
        require(took < END + 1, f"it takes {took:.1f} s to end")


def terminated(subject: Subject) -> None:
    """SIGTERM ends it."""
    with subject.running() as plugin:
        # Who stops a service sends it to all of its processes; Go's default ends them.
        os.kill(plugin.pid, signal.SIGTERM)
        require(plugin.wait(5) is not None, "it does not end within 5 s of SIGTERM")


def healthy(_: Subject, plugin: Plugin) -> None:
    """It reports its health as `plugin`: SERVING."""
    try:
        plugin.ping(CALL)
    except RpcError as error:
        fail(f"Health/Check of service plugin: {error}")


def unknown_method(_: Subject, plugin: Plugin) -> None:
    """A method that it does not know is answered with UNIMPLEMENTED: hosts rely on that to ask for what is newer."""
    # Any message without a field that is set does: the method is refused before it is read.
    empty = health_pb2.HealthCheckRequest
    method = Method("/machineadm.plugin.v1.Nothing/There", Cardinality.UNARY_UNARY, empty, empty)
    try:
        plugin.call(method, empty(), timeout=CALL)
    except RpcError as error:
        require(error.status is Status.UNIMPLEMENTED, f"it answers {error}")
        return
    fail("it answers a method that does not exist")


def at_once(_: Subject, plugin: Plugin) -> None:
    """Sixteen calls at once are answered."""
    # Threads, as the host's interface blocks.
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = list(pool.map(lambda _: _pings(plugin), range(AT_ONCE)))
    require(all(found), f"{found.count(False)} of {AT_ONCE} fail")


def _pings(plugin: Plugin) -> bool:
    try:
        plugin.ping(CALL)
    except RpcError:
        return False
    return True


def _connects(plugin: Plugin, identity: object) -> bool:
    """Whether somebody else than the host is served; the certificate of the plugin is trusted as it is."""
    import asyncio
    import contextlib

    connection = plugin.running.connection

    async def attempt() -> bool:
        trying = await opened(
            connection.address,
            directory=plugin.directory,
            identity=identity,  # type: ignore[arg-type]
            # The right one: refused must be the stranger, and not the plugin by us.
            peer=plugin.certificate,
            multiplexed=False,
            output=lambda _stream, _data: None,
        )
        try:
            await trying.ping(2)
        finally:
            await trying.close()
        return True

    # However it is refused: TLS 1.3 tells a client of a missing certificate only when it reads.
    with contextlib.suppress(OSError, RpcError, PluginError, asyncio.TimeoutError, EOFError):
        return plugin.run(asyncio.wait_for(attempt(), 5))
    return False


# In this order: the first decides whether the others have anything to judge.
ALONE: Final[dict[str, Alone]] = {
    "starts and serves with AutoMTLS": starts,
    "refuses to run without its cookie": without_cookie,
    "serves a host without AutoMTLS": in_the_clear,
    "speaks the older encoding": old_encoding,
    "multiplexes": multiplexed,
    "serves only its host": strangers,
    "ignores SIGINT": interrupted,
    "ends when asked": ends,
    "ends at SIGTERM": terminated,
}

LIVE: Final[dict[str, Live]] = {
    "reports its health": healthy,
    "answers an unknown method with UNIMPLEMENTED": unknown_method,
    "answers sixteen calls at once": at_once,
}
