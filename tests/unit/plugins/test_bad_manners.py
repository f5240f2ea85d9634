"""Plugins that serve, and do what nobody asked for meanwhile: the answer counts, and nothing of it is left."""

from __future__ import annotations

import resource
import sys
import time
from pathlib import Path

import msgspec
import pytest

from machineadm.errors import PluginError
from machineadm.plugins.asking import Asking, ask_passphrase
from machineadm.plugins.discovery import Places, find
from machineadm.redaction import Secret
from tests.peers.encryption import install, written
from tests.peers.installed import install as install_as

# What it does when it is asked; then it answers.
MANNERS = {
    "floods its log with one endless line": "os.write(2, b'x' * (32 << 20))",
    "floods its log with lines": "os.write(2, b'a line of no use\\n' * 200_000)",
    "floods its log with records": "for n in range(20_000): logging.error('again', extra={'n': n})",
    "prints without end": "print('x' * (8 << 20))",
    "prints to the descriptor of old": "os.write(1, b'x' * (8 << 20))",
    "closes its output": "os.close(1)",
    "closes its log": "os.close(2)",
    "logs what is not text": "os.write(2, bytes(range(256)) * 10)",
    "logs JSON of another kind": 'os.write(2, b\'{"@level": [], "@message": {}}\\n[]\\n{"@level":"info"}\\n\')',
    "starts a child": "import subprocess; subprocess.Popen(['sleep', '600'])",
    "starts a child of its own session": "import subprocess; subprocess.Popen(['sleep', '600'], start_new_session=True)",
    "forks twice": "os.fork() or (os.setsid(), os.fork() or time.sleep(600), os._exit(0))",
    "ignores its end": "import atexit; atexit.register(time.sleep, 600)",
    "leaves files": "import tempfile; open(tempfile.gettempdir() + '/secret', 'w').write('x' * 10**6)",
    "changes its directory and its name": "os.chdir('/'); open('/proc/self/comm', 'w').write('other')",
    "starts a thread that never ends": "import threading; threading.Thread(target=time.sleep, args=(600,)).start()",
}


@pytest.mark.parametrize("name", MANNERS)
def test_bad_manners_cost_neither_the_answer_nor_much_time(tmp_path: Path, name: str) -> None:
    plugins = tmp_path / "plugins"
    install(plugins, written(f"{MANNERS[name]}\nreturn b'word'"))
    found = find("encryption-provider", "file", Places(given=(str(plugins),)))
    assert found is not None
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.monotonic()

    assert ask_passphrase("file", found) == Secret("word")
    assert time.monotonic() - began < 200
    grown = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before
    assert grown < 64 * 1024, f"{grown} KiB"


# Where it stops, by what it does before it serves or when it is asked to end.
HANGING = {
    "at its import": ("import time; time.sleep(600)\n", "", "MA7212"),
    "when it is asked": ("", "time.sleep(600)", "MA7221"),
    "holding the interpreter": ("", "import re; re.match('(a+)+$', 'a' * 60 + 'b')", "MA7221"),
}


@pytest.mark.parametrize("where", HANGING)
def test_a_plugin_that_hangs_is_ended_wherever_it_does(
    tmp_path: Path, where: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("machineadm.plugins.kinds.common.START", 4.0)
    monkeypatch.setattr("machineadm.plugins.kinds.encryption_provider.CALL", 1.0)
    before, body, code = HANGING[where]
    head, _, rest = written(body or "return b'word'").partition(b"\n")
    plugins = tmp_path / "plugins"
    install(plugins, head + b"\n" + before.encode() + rest)
    found = find("encryption-provider", "file", Places(given=(str(plugins),)))
    assert found is not None
    began = time.monotonic()
    with pytest.raises(PluginError) as caught:
        ask_passphrase("file", found)

    assert caught.value.code == code
    assert time.monotonic() - began < 200


def test_a_plugin_that_hangs_at_its_end_is_killed_after_its_answer(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    content = written("return b'word'").replace(
        b"serve(Written())", b"import atexit\natexit.register(time.sleep, 600)\nserve(Written())"
    )
    install(plugins, content)
    found = find("encryption-provider", "file", Places(given=(str(plugins),)))
    assert found is not None
    began = time.monotonic()

    assert ask_passphrase("file", found) == Secret("word")
    assert 1.5 < time.monotonic() - began < 200


KILLED = "os.kill(os.getpid(), 9)"
DYING = {
    # Where it dies: what runs before it serves, its settings' method, its answer; the code.
    "at its import": (f"import os; {KILLED}\n", "", "", "MA7211"),
    "when it gets its settings": ("", "os._exit(3)", "", "MA7222"),
    "when it gets its settings, killed": ("", KILLED, "", "MA7222"),
    "when it is asked": ("", "", "os._exit(0)", "MA7222"),
    "when it is asked, killed": ("", "", KILLED, "MA7222"),
    "when it is asked, by another thread": (
        "",
        "",
        "import threading; threading.Timer(0.1, os._exit, [1]).start(); time.sleep(600)",
        "MA7222",
    ),
}


@pytest.mark.parametrize("where", DYING)
def test_a_plugin_that_dies_is_told_wherever_it_does(tmp_path: Path, where: str) -> None:
    before, configure, body, code = DYING[where]
    head, _, rest = written(body or "return b'word'").partition(b"\n")
    method = f"    def configure(self, settings):\n        {configure or 'pass'}\n\n"
    rest = rest.replace(b"    def fetch", method.encode() + b"    def fetch", 1)
    plugins = tmp_path / "plugins"
    install(plugins, head + b"\n" + before.encode() + rest)
    found = find("encryption-provider", "file", Places(given=(str(plugins),)))
    assert found is not None
    began = time.monotonic()
    with pytest.raises(PluginError) as caught:
        ask_passphrase("file", msgspec.structs.replace(found, settings={"a": 1}))

    assert caught.value.code == code, caught.value.message
    assert "plugin file" in caught.value.message
    assert caught.value.hint()
    assert time.monotonic() - began < 200


def test_a_plugin_that_dies_when_it_is_told_to_end_has_answered(tmp_path: Path) -> None:
    plugins = tmp_path / "plugins"
    end = b"import atexit, os\natexit.register(os.kill, os.getpid(), 9)\nserve(Written())"
    install(plugins, written("return b'word'").replace(b"serve(Written())", end))
    found = find("encryption-provider", "file", Places(given=(str(plugins),)))
    assert found is not None

    assert ask_passphrase("file", found) == Secret("word")


BREAKING = {
    # What it does after some of its data; the code.
    "exits": ("os._exit(0)", "MA7222"),
    "is killed": (KILLED, "MA7222"),
    "fails": ("raise CallError('the disk is gone')", "MA7220"),
    "fails without a word": ("raise ValueError('s3cr3t')", "MA7220"),
    "gives no bytes": ("yield 'text'", "MA7220"),
    "gives too much": ("yield from (bytes(1 << 20) for _ in iter(int, 1))", "MA7224"),
}


@pytest.mark.parametrize("how", BREAKING)
def test_half_of_an_answer_is_none(tmp_path: Path, how: str) -> None:
    does, code = BREAKING[how]
    install_as(
        tmp_path / "plugins",
        "infrastructure",
        "half",
        f"""#!{sys.executable} -I
import os
from machineadm.plugins.sdk import CallError, Infrastructure, serve

class Half(Infrastructure):
    def fetch(self, location):
        yield b"some of it" * 1000
        {does}

serve(Half())
""".encode(),
    )
    asking = Asking(Places(given=(str(tmp_path / "plugins"),)))
    try:
        with pytest.raises(PluginError) as caught:
            asking.fetch("half", "here", most=8 << 20)
    finally:
        asking.end()

    assert caught.value.code == code, caught.value.message
    assert "plugin half" in caught.value.message
    assert "s3cr3t" not in caught.value.message


def test_the_key_of_a_connection_is_in_no_file(tmp_path: Path, plugins_directory: str) -> None:
    """Nor in the plugin's descriptors, environment and command line, while both run."""
    look = f"""
import pathlib
def texts():
    # Where temporary files of both would be.
    for path in pathlib.Path({plugins_directory!r}).rglob("*"):
        if path.is_file():
            yield path.read_bytes()
    for name in ("environ", "cmdline"):
        yield pathlib.Path("/proc/self", name).read_bytes()
        yield pathlib.Path("/proc", str(os.getppid()), name).read_bytes()
    for number in os.listdir("/proc/self/fd"):
        try:
            name = os.readlink("/proc/self/fd/" + number)
        except OSError:
            continue
        if "memfd" in name or name.startswith("/tmp"):
            yield pathlib.Path("/proc/self/fd", number).read_bytes()
found = sum(b"PRIVATE" + b" KEY" in one for one in texts())
seen = sum(b"BEGIN" + b" CERTIFICATE" in one for one in texts())
return b"%d keys, %d certificates" % (found, seen)
"""
    plugins = tmp_path / "plugins"
    install(plugins, written(look.strip()))
    found = find("encryption-provider", "file", Places(given=(str(plugins),)))
    assert found is not None
    keys, _, certificates = ask_passphrase("file", found).reveal().partition(" keys, ")

    # The host's certificate, which is public, comes in the environment: so it was looked for in the right places.
    assert (keys, certificates) == ("0", "1 certificates")
