"""Plugins that serve, and do what nobody asked for meanwhile: the answer counts, and nothing of it is left."""

from __future__ import annotations

import resource
import time
from pathlib import Path

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.asking import ask_passphrase
from machineadm.plugins.discovery import Places, find
from machineadm.redaction import Secret
from tests.peers.encryption import install, written

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
    assert time.monotonic() - began < 20
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
    assert time.monotonic() - began < 20


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
    assert 1.5 < time.monotonic() - began < 20
