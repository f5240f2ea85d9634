"""Plugins that do anything but what they should: each has a code, words for its cause and a bound in time, and leaves nothing."""

from __future__ import annotations

import ast
import base64
import hashlib
import os
import signal
import struct
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.host import Host
from machineadm.plugins.launch.executable import executable_of, open_executable
from machineadm.plugins.launch.model import Command
from machineadm.plugins.wire.certificates import new_identity
from machineadm.plugins.wire.handshake import Cookie
from tests.peers.driving import COOKIE, PROBE, driven, until
from tests.peers.plugins import python_plugin
from tests.peers.probe import probe_pb2
from tests.unit.plugins.conftest import Script, processes_below

WAIT = "sleep 600"
LISTENING = f"""#!{sys.executable} -I
import os, socket, sys, time
path = os.environ["PLUGIN_UNIX_SOCKET_DIR"] + "/s"
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
print(f"1|1|unix|{{path}}|grpc|", flush=True)
"""

# Name: its program, the code, what the message says, further settings of its start.
BAD: dict[str, tuple[str, str, str, dict[str, Any]]] = {
    "garbage": (f"echo hello, world; {WAIT}", "MA7213", "printed 'hello, world'", {}),
    "a page": ("echo '<html>'; exit 1", "MA7213", "printed '<html>'", {}),
    "binary garbage": (r"printf '\377\376\000\n'", "MA7213", "instead of a plugin's", {}),
    "nothing": ("exit 0", "MA7211", "exit code 0", {}),
    "an exit code": ("echo no license >&2; exit 3", "MA7211", "exit code 3", {}),
    "a signal": ("kill -SEGV $$", "MA7211", "signal SIGSEGV", {}),
    "no program within": (
        "PATH=/usr/bin:/bin exec env no-such-program",
        "MA7211",
        "is not installed",
        {},
    ),
    "no library": (
        "echo './x: error while loading shared libraries: libtpm2.so.0: cannot open' >&2; exit 127",
        "MA7211",
        "the library libtpm2.so.0",
        {},
    ),
    "an old C library": (
        'echo "./x: /lib/libc.so.6: version \\`GLIBC_2.99\' not found (required by ./x)" >&2; exit 1',
        "MA7211",
        "needs GLIBC_2.99",
        {},
    ),
    "no module within": (
        f"exec {sys.executable} -I -c 'import machineadm_no_such_module'",
        "MA7211",
        "the Python module machineadm_no_such_module",
        {},
    ),
    "half a line and silence": (f"printf '1|1|unix'; {WAIT}", "MA7212", "within 1 s", {}),
    "half a line and its end": ("printf '1|1|unix'", "MA7213", "1|1|unix", {}),
    "64 MiB": (f"head -c 67108864 /dev/zero | tr '\\0' x; {WAIT}", "MA7213", "xxx...", {}),
    "another core": (f"echo '2|1|unix|/x|grpc|'; {WAIT}", "MA7214", "core protocol '2'", {}),
    "no core": (f"echo 'x|1|unix|/x|grpc|'; {WAIT}", "MA7214", "core protocol 'x'", {}),
    "another version": (f"echo '1|9|unix|/x|grpc|'; {WAIT}", "MA7214", "version 9", {}),
    "no version": (f"echo '1|one|unix|/x|grpc|'; {WAIT}", "MA7214", "not a number", {}),
    "another network": (f"echo '1|1|udp|/x|grpc|'; {WAIT}", "MA7215", "network 'udp'", {}),
    "net/rpc": (f"echo '1|1|unix|/x'; {WAIT}", "MA7215", "'netrpc'", {}),
    "net/rpc by name": (f"echo '1|1|unix|/x|netrpc|'; {WAIT}", "MA7215", "'netrpc'", {}),
    "no certificate": (f"echo '1|1|unix|/x|grpc|'; {WAIT}", "MA7216", "sent no", {"mtls": True}),
    "not base64": (
        f"echo '1|1|unix|/x|grpc|{'*' * 80}'; {WAIT}",
        "MA7216",
        "base64",
        {"mtls": True},
    ),
    "no DER": (f"echo '1|1|unix|/x|grpc|{'A' * 80}'; {WAIT}", "MA7216", "be read", {"mtls": True}),
    "no multiplexing": (
        f"echo '1|1|unix|/x|grpc|'; {WAIT}",
        "MA7217",
        "multi",
        {"multiplexed": True},
    ),
    "nobody there": (f"echo '1|1|unix|/no/socket|grpc|'; {WAIT}", "MA7218", "/no/socket", {}),
    "nobody on TCP": (f"echo '1|1|tcp|127.0.0.1:1|grpc|'; {WAIT}", "MA7218", "127.0.0.1:1", {}),
    "no port": (f"echo '1|1|tcp|nowhere|grpc|'; {WAIT}", "MA7218", "not an address", {}),
    "silence": (WAIT, "MA7212", "within 1 s", {}),
    "deaf to SIGTERM": (f"trap '' TERM INT HUP; {WAIT} & wait; wait", "MA7212", "within 1 s", {}),
    "closed output": (f"exec >&-; {WAIT}", "MA7211", "closed its standard output", {}),
    "a flood of errors": ("yes 'a line of no use' >&2", "MA7212", "within 1 s", {}),
    "one endless line of errors": ("cat /dev/zero >&2", "MA7212", "within 1 s", {}),
    "children": (f"({WAIT}) & ({WAIT}) & exit 4", "MA7211", "exit code 4", {}),
    "a child of its own session": (f"setsid {WAIT} & exit 4", "MA7211", "exit code 4", {}),
    "a deaf server": (LISTENING + "time.sleep(600)", "MA7212", "within 1 s", {}),
    "a server that hangs up": (
        LISTENING + "while True: listener.accept()[0].close()",
        "MA7218",
        "does not serve",
        {},
    ),
    "a server of something else": (
        LISTENING + "\nwhile True: listener.accept()[0].sendall(b'HTTP/1.1 400 no\\r\\n\\r\\n')",
        "MA7218",
        "does not serve",
        {},
    ),
    "death after the handshake": (LISTENING + "os._exit(5)", "MA7218", "", {}),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plugin_is_refused_in_time_with_its_cause(script: Script, name: str) -> None:
    body, code, says, settings = BAD[name]
    command = Command(
        name="bad",
        path=script(body),
        cookie=COOKIE,
        # What has another cause than time must not run out of it on a busy machine.
        start_timeout=1 if code == "MA7212" else 30,
        **{"mtls": False, **settings},
    )
    began = time.monotonic()
    with Host() as host:
        with pytest.raises(PluginError) as caught:
            host.start(command)
        took = time.monotonic() - began

    accepted = {code, "MA7211"} if name == "death after the handshake" else {code}
    assert caught.value.code in accepted, caught.value.message
    assert caught.value.message.startswith("plugin bad: ")
    assert says in caught.value.message
    assert took < 200
    assert caught.value.exit_code == 7
    assert caught.value.hint()


def test_every_refusal_in_the_code_says_what_to_do() -> None:
    """An error of ours about a plugin that no test provokes has a hint, too."""
    below = Path(__file__).parents[3] / "machineadm/plugins"
    without = [
        f"{path.relative_to(below)}:{node.lineno}"
        for path in sorted(below.rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.Call) and ast.unparse(node.func) == "PluginError"
        if not any(keyword.arg == "hint" for keyword in node.keywords)
    ]

    assert without == []


def test_what_a_plugin_said_last_is_in_its_error(script: Script) -> None:
    with Host() as host, pytest.raises(PluginError) as caught:
        host.start(Command(name="bad", path=script("echo no license >&2; exit 3"), cookie=COOKIE))

    assert "no license" in caught.value.log_tail


def test_a_plugin_with_another_cookie_is_named_so(tmp_path: Path) -> None:
    with Host() as host, pytest.raises(PluginError, match="cookie") as caught:
        host.start(
            Command(name="other", path=python_plugin(tmp_path), cookie=Cookie("OTHER", "one"))
        )

    assert caught.value.code == "MA7211"


def test_a_plugin_that_answers_with_another_key_is_refused(script: Script) -> None:
    field = base64.b64encode(new_identity().der).decode().rstrip("=")
    root = Path(__file__).parents[3]
    body = f"""#!{sys.executable} -I
import sys
sys.path.insert(0, {str(root)!r})
from machineadm.plugins.wire import handshake
honest = handshake.render
handshake.render = lambda line: "|".join([*honest(line).split("|")[:5], {field!r}])
from tests.peers.python.probe_plugin import main
sys.exit(main())
"""
    with Host() as host, pytest.raises(PluginError, match="another certificate") as caught:
        host.start(Command(name="other", path=script(body), cookie=COOKIE))

    assert caught.value.code == "MA7216"


UNSTARTABLE: dict[str, tuple[bytes, int, str]] = {
    "another architecture": (
        b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 2, 243) + bytes(200),
        0o755,
        "built for riscv64",
    ),
    "another system": (b"MZ" + bytes(100), 0o755, "a program for Windows"),
    "macOS": (b"\xcf\xfa\xed\xfe" + bytes(100), 0o755, "a program for macOS"),
    "no interpreter": (b"#!/no/such/interpreter -x\n", 0o755, "needs '/no/such/interpreter'"),
    "line ends of Windows": (b"#!/bin/sh\r\necho\r\n", 0o755, "/bin/sh\\r"),
    "not executable": (b"#!/bin/sh\n", 0o644, "not executable (mode 0644"),
    "empty": (b"", 0o755, "neither a program nor a script"),
    "text": (b"hello\n", 0o755, "neither a program nor a script"),
}


@pytest.mark.parametrize("name", UNSTARTABLE)
def test_a_file_that_cannot_run_is_refused_with_its_cause(tmp_path: Path, name: str) -> None:
    content, mode, says = UNSTARTABLE[name]
    path = tmp_path / "plugin"
    path.write_bytes(content)
    path.chmod(mode)
    with Host() as host, pytest.raises(PluginError) as caught:
        host.start(Command(name="bad", path=str(path), cookie=COOKIE))

    assert caught.value.code == "MA7210"
    assert says in caught.value.message
    assert caught.value.hint()


@pytest.mark.parametrize("what", ["missing", "directory", "pipe"])
def test_what_is_not_a_file_is_refused(tmp_path: Path, what: str) -> None:
    path = tmp_path / "plugin"
    if what == "directory":
        path.mkdir()
    if what == "pipe":
        os.mkfifo(path)
    with Host() as host, pytest.raises(PluginError) as caught:
        host.start(Command(name="bad", path=str(path), cookie=COOKIE))

    assert caught.value.code == "MA7210"


def test_a_file_with_another_digest_is_not_started(script: Script, tmp_path: Path) -> None:
    path = script(f"touch {tmp_path}/ran")
    with Host() as host, pytest.raises(PluginError) as caught:
        host.start(Command(name="bad", path=path, cookie=COOKIE, sha256="0" * 64))

    assert caught.value.code == "MA7204"
    assert not (tmp_path / "ran").exists()


def test_the_file_that_was_hashed_is_the_one_that_runs(script: Script, tmp_path: Path) -> None:
    good = script("echo good", "good")
    digest = hashlib.sha256(Path(good).read_bytes()).hexdigest()
    descriptor = open_executable("x", good, digest)
    Path(script("echo evil", "evil")).rename(good)
    try:
        ran = subprocess.run(
            ["x"],
            executable=executable_of(descriptor),
            pass_fds=(descriptor,),
            capture_output=True,
            check=True,
        )
    finally:
        os.close(descriptor)

    assert ran.stdout == b"good\n"


def test_a_plugin_that_does_not_end_when_asked_is_killed(tmp_path: Path) -> None:
    with driven(python_plugin(tmp_path), mtls=False) as one:
        os.kill(one.plugin.pid, signal.SIGSTOP)
        began = time.monotonic()
        one.plugin.end()

        assert time.monotonic() - began < 150
        assert one.plugin.wait(0) == -signal.SIGKILL


def test_a_failure_of_the_caller_ends_the_plugin(tmp_path: Path, plugins_directory: str) -> None:
    with pytest.raises(KeyError), driven(python_plugin(tmp_path), mtls=False):
        raise KeyError("planted")

    assert processes_below(plugins_directory) == []


HOST = """
import signal, sys, time
sys.path.insert(0, {root!r})
# Whoever runs the tests may have it ignored.
signal.signal(signal.SIGINT, signal.default_int_handler)
import tempfile
tempfile.tempdir = {directory!r}
from tests.peers.driving import driven
with driven({plugin!r}, mtls=False) as one:
    print(one.plugin.pid, flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_of_a_host_that_is_ended(
    tmp_path: Path, plugins_directory: str, end: signal.Signals
) -> None:
    program = HOST.format(
        root=str(Path(__file__).parents[3]),
        directory=plugins_directory,
        plugin=python_plugin(tmp_path),
    )
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as host:
        assert host.stdout is not None
        assert int(host.stdout.readline()) in processes_below(plugins_directory)
        assert list(Path(plugins_directory).iterdir())
        host.send_signal(end)
        host.wait(30)

    until("the end of all processes", lambda: not processes_below(plugins_directory))
    until("the end of the directory", lambda: not list(Path(plugins_directory).iterdir()))


def test_a_plugin_whose_calls_hang_fails_by_their_deadline(tmp_path: Path) -> None:
    with driven(python_plugin(tmp_path), mtls=False) as one:
        os.kill(one.plugin.pid, signal.SIGSTOP)
        with pytest.raises(Exception, match="DEADLINE_EXCEEDED"):
            one.plugin.call(PROBE["Echo"], probe_pb2.Message(), timeout=0.3)
        os.kill(one.plugin.pid, signal.SIGCONT)


def test_a_machine_without_a_place_for_sockets_is_told_so(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(tempfile, "tempdir", "/nonexistent")
    with pytest.raises(PluginError, match="/nonexistent") as caught, Host():
        pass

    assert caught.value.code == "MA7208"


def test_a_place_that_goes_away_is_told_so(script: Script, plugins_directory: str) -> None:
    with Host() as host:
        (made,) = Path(plugins_directory).iterdir()
        made.rmdir()
        with pytest.raises(PluginError) as caught:
            host.start(Command(name="x", path=script("exit 1"), cookie=COOKIE))

    assert caught.value.code == "MA7208"
