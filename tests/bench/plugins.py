"""What a plugin costs its host, beside go-plugin's own host with the same plugin in the same run; both over AutoMTLS."""

from __future__ import annotations

import contextlib
import os
import resource
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path
from statistics import median

import pytest

from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.launch.model import Command
from tests.bench.harness import Case, compare
from tests.peers.driving import COOKIE, PROBE
from tests.peers.go import program
from tests.peers.probe import probe_pb2

CALLS = 200
"""Calls of one measurement."""

TOGETHER = 20
"""Plugins at once."""

LARGE = 16 << 20
"""Bytes of a large message."""

IMPORTS = 0.150
"""Seconds that our interpreter may take to import what a host needs."""

COMPILED = Path(__file__).parents[2] / ".run/compiled"

MESSAGE = probe_pb2.Message(data=b"x" * 100)

IMPORTING = """
import time
began = time.perf_counter(), time.process_time()
from machineadm.plugins.host import Host
from machineadm.plugins.wire.certificates import new_identity
import machineadm.plugins.wire.connection
new_identity()
print(time.process_time() - began[1])
"""
"""All that a start imports. The certificate's libraries are imported when the first one is made, which takes two milliseconds."""

ALONE = """
import sys, time
began = time.perf_counter()
from machineadm.plugins.host import Host
from machineadm.plugins.launch.model import Command
from machineadm.plugins.wire.handshake import Cookie
from tests.peers.probe import probe_pb2
from machineadm.plugins.wire.rpc import methods
echo = methods(probe_pb2.DESCRIPTOR.services_by_name["Probe"])["Echo"]
with Host() as host:
    plugin = host.start(Command(name="probe", path=sys.argv[1], cookie=Cookie("MACHINEADM_TEST_PLUGIN", "probe")))
    plugin.call(echo, probe_pb2.Message(data=b"x" * 100))
    print(time.perf_counter() - began)
"""


class GoHost:
    """go-plugin's own host, which measures itself.

    Args:
        plugin: The plugin's program.
    """

    def __init__(self, plugin: str) -> None:
        self._process = subprocess.Popen(
            [program("bench"), plugin], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )

    def ordered(self, order: str) -> float:
        """Seconds that an order took."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{order}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())

    def end(self) -> None:
        """End it, and its plugin."""
        self._process.communicate()


def command(plugin: str) -> Command:
    """The plugin of the test service."""
    return Command(name="probe", path=plugin, cookie=COOKIE)


def call(plugin: Plugin) -> None:
    """One call of 100 bytes."""
    if plugin.call(PROBE["Echo"], MESSAGE).data != MESSAGE.data:
        raise SystemExit("another answer")


def calls(plugin: Plugin) -> None:
    """So many of them, one after the other."""
    for _ in range(CALLS):
        call(plugin)


def timed(work: Callable[[], object]) -> float:
    """Seconds that something takes."""
    began = time.perf_counter()
    work()
    return time.perf_counter() - began


def start(plugin: str) -> float:
    """A host, a plugin started in it, and its first call; without the end."""
    with contextlib.ExitStack() as stack:

        def first() -> None:
            host = stack.enter_context(Host())
            call(host.start(command(plugin)))

        return timed(first)


def together(plugin: str, *, at_once: bool) -> float:
    """So many plugins in one host, each with its first call, at once or one after the other."""
    with Host() as host:

        def one() -> None:
            call(host.start(command(plugin)))

        def all_of_them() -> None:
            threads = [threading.Thread(target=one) for _ in range(TOGETHER)]
            for thread in threads:
                thread.start()
                if not at_once:
                    thread.join()
            for thread in threads:
                thread.join()

        return timed(all_of_them)


def said(script: str, *arguments: str) -> float:
    """The number that a script prints, in an interpreter of its own that finds its modules compiled, as the agent does."""
    command = [sys.executable, "-c", script, *arguments]
    variables = {**os.environ, "PYTHONDONTWRITEBYTECODE": "", "PYTHONPYCACHEPREFIX": str(COMPILED)}
    done = subprocess.run(command, env=variables, capture_output=True, text=True, check=True)
    return float(done.stdout)


def alone(plugin: str, theirs: GoHost, rounds: int) -> None:
    """The whole of a process: imports, host, plugin, first call; beside what the goals allow."""
    said(ALONE, plugin)  # compiles
    reference, ours = [], []
    for _ in range(rounds):
        reference.append(theirs.ordered("start"))
        ours.append(said(ALONE, plugin))
    allowed = 1.5 * median(reference) + IMPORTS
    missed = "  MISSED" if median(ours) > allowed else ""
    print(
        f"  {'a fresh process: imports, start, first call':<58} {median(ours) * 1000:8.1f} ms"
        f"  goal: at most {allowed * 1000:.0f} ms (1.5 x go-plugin's {median(reference) * 1000:.0f} ms"
        f" and {IMPORTS * 1000:.0f} ms){missed}\n"
    )


def memory() -> str:
    """How far a message of 16 MiB, there and back, raises the most that our process ever had."""
    script = "import sys\nfrom tests.bench import plugins\nprint(plugins.rise(sys.argv[1]))"
    ours = [sys.executable, "-c", script, program("plugin")]
    times = median(
        float(subprocess.run(ours, capture_output=True, text=True, check=True).stdout)
        for _ in range(5)
    )
    missed = "  MISSED" if times > 3 else ""
    return f"  {'memory for 16 MiB there and back':<58} {times * LARGE / 1048576:8.1f} MiB x{times:.2f}  goal: at most 3{missed}"


def rise(plugin: str) -> float:
    """See `memory`; in a process of its own, whose peak is nobody else's."""
    with Host() as host:
        one = host.start(command(plugin))
        call(one)
        request = probe_pb2.Message(data=bytes(LARGE))
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        reply = one.call(PROBE["Echo"], request, timeout=60)
        after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        # Only now: each look at the data of a message copies it.
        if reply.data != request.data:
            raise SystemExit("another answer")
        return (after - before) * 1024 / LARGE


def measure(rounds: int) -> None:
    """Measure all of it, if there is Go."""
    try:
        plugin = program("plugin")
        program("bench")
    except (pytest.skip.Exception, RuntimeError) as reason:
        print(f"plugins: not measured: {reason}\n")
        return
    theirs = GoHost(plugin)
    try:
        said(IMPORTING)  # compiles
        imports = median(said(IMPORTING) for _ in range(max(3, rounds // 3)))
        late = "  MISSED" if imports > IMPORTS else ""
        print(
            f"plugins\n  {'imports of a host, once a process (processor time)':<58} {imports * 1000:8.1f} ms"
            f"  goal: at most {IMPORTS * 1000:.0f} ms{late}"
        )
        print(memory())
        alone(plugin, theirs, rounds)
        compare(
            "a Go plugin starts and answers its first call, AutoMTLS, without our imports",
            [
                Case("reference: go-plugin's own host", lambda _: theirs.ordered("start")),
                Case("our host", lambda _: start(plugin), limit=1.5),
            ],
            rounds=rounds,
        )
        with Host() as host:
            ours = host.start(command(plugin))
            compare(
                f"{CALLS} unary calls of 100 bytes, AutoMTLS",
                [
                    Case(
                        "reference: go-plugin's own host",
                        lambda _: theirs.ordered(f"calls {CALLS}"),
                    ),
                    Case(
                        "our host",
                        lambda _: timed(lambda: calls(ours)),
                        limit=6,
                    ),
                ],
                rounds=rounds,
            )
        compare(
            f"{TOGETHER} Go plugins start and answer their first call",
            [
                Case("reference: one after the other", lambda _: together(plugin, at_once=False)),
                Case("at once", lambda _: together(plugin, at_once=True), limit=1.2),
            ],
            rounds=max(3, rounds // 5),
        )
    finally:
        theirs.end()
