"""Bad plugins and bad registries, met by a whole run: a code, a hint, the plugin's name in the report, in time, and nothing is left."""

from __future__ import annotations

import base64
import resource
import shutil
import struct
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import NamedTuple

import pytest

from machineadm.errors import MachineadmError
from machineadm.host.linux.providers import LinuxProviders
from machineadm.plugins.catalogs.declared import fetch_declared
from machineadm.plugins.catalogs.model import own_platform
from machineadm.plugins.wire.certificates import new_identity
from machineadm.redaction import Redactor
from machineadm.sources.registries import CatalogWeb
from tests.peers.installed import install, program, provider
from tests.servers.registry import Registry, digest
from tests.unit.agent.stage import CONFIGURATION, Stage
from tests.unit.plugins.conftest import NOTHING, remains

FILE = '    - {path: /etc/motd, content: "hello\\n"}\n'
FROM = "    - {path: /etc/motd, contentFrom: {provider: {name: vault}}}\n"
WAIT = "exec sleep 600"
SHORT = 5.0
"""Seconds, in place of half a minute and more, for what hangs."""
BOUND = 120.0
"""Seconds that nothing here may take: several times what it takes on a busy machine, and less than without a bound."""
REPOSITORY = "plugins/providers/vault"

VAULT = """
import atexit, os, signal, subprocess, sys, time
{start}

class Vault(Provider):
    name = "vault"
    {schema}

    def configure(self, settings):
        {configure}

    def execute(self, inputs, host):
        {execute}
        return Output(data="word")
"""
LISTENING = f"""#!{sys.executable} -I
import os, socket, sys, time
path = os.environ["PLUGIN_UNIX_SOCKET_DIR"] + "/s"
listener = socket.socket(socket.AF_UNIX)
listener.bind(path)
listener.listen()
"""


class Bad(NamedTuple):
    """A plugin, and what becomes of a run that asks it."""

    content: bytes
    code: str
    """Empty: it answers all the same, and the run succeeds."""

    says: str = ""


def shell(body: str) -> bytes:
    return f"#!/bin/sh\n{body}\n".encode()


def vault(
    start: str = "",
    schema: str = 'schema = {"type": "object"}',
    configure: str = "pass",
    execute: str = "pass",
) -> bytes:
    return provider(
        VAULT.format(start=start, schema=schema, configure=configure, execute=execute), "Vault()"
    )


def deaf() -> bytes:
    """Serves nobody, behind a handshake with a certificate of its own."""
    field = base64.b64encode(new_identity().der).decode().rstrip("=")
    line = f'print(f"1|1|unix|{{path}}|grpc|{field}", flush=True)\n'
    return (LISTENING + line + "time.sleep(600)\n").encode()


def another_key() -> bytes:
    """Honest but for the certificate in its handshake."""
    field = base64.b64encode(new_identity().der).decode().rstrip("=")
    return vault(
        "from machineadm.plugins.wire import handshake\n"
        "honest = handshake.render\n"
        f"handshake.render = lambda line: '|'.join([*honest(line).split('|')[:5], {field!r}])"
    )


def names(does: str) -> str:
    """A start that does something when the plugin is asked for its providers."""
    return (
        "import machineadm.plugins.sdk.providers as sdk\n"
        "from machineadm.plugins.wire import blocking\n"
        "honest = blocking.blocking_handlers\n"
        "def handlers(service, functions, *rest, **more):\n"
        f"    def asked(*_):\n        {does}\n"
        "    functions = {**functions, 'GetProviders': asked}\n"
        "    return honest(service, functions, *rest, **more)\n"
        "blocking.blocking_handlers = sdk.blocking_handlers = handlers"
    )


HANG, DIE = "time.sleep(600)", "os.kill(os.getpid(), 9)"
SCHEMA = "schema = property(lambda self: {0})"
ELF = b"\x7fELF\2\1\1" + bytes(9) + struct.pack("<HH", 2, 243) + bytes(200)

# In the words of the list of what must be met.
PLUGINS: dict[str, Callable[[], Bad]] = {
    "prints garbage": lambda: Bad(shell(f"echo hello, world; {WAIT}"), "MA7213", "hello, world"),
    "prints nothing": lambda: Bad(shell("exit 0"), "MA7211", "exit code 0"),
    "prints half a line": lambda: Bad(shell(f"printf '1|1|unix'; {WAIT}"), "MA7212"),
    "prints half a line and ends": lambda: Bad(shell("printf '1|1|unix'"), "MA7213", "1|1|unix"),
    "prints 64 MiB": lambda: Bad(
        shell(f"head -c 67108864 /dev/zero | tr '\\0' x; {WAIT}"), "MA7213", "xxx..."
    ),
    "a wrong version": lambda: Bad(shell(f"echo '1|9|unix|/x|grpc|'; {WAIT}"), "MA7214", "9"),
    "a wrong cookie": lambda: Bad(
        vault("from machineadm.plugins import cookie\ncookie.PROVIDER = cookie.COOKIE\n"
              "import machineadm.plugins.sdk.providers as sdk\nsdk.PROVIDER = cookie.COOKIE"),
        "MA7211", "cookie",
    ),
    "a certificate of another key": lambda: Bad(another_key(), "MA7216", "another certificate"),
    "hangs before it prints": lambda: Bad(vault(start=HANG), "MA7212"),
    "hangs behind its handshake": lambda: Bad(deaf(), "MA7212"),
    "hangs at its names": lambda: Bad(vault(start=names(HANG)), "MA7221", "its providers"),
    "hangs at its descriptor": lambda: Bad(
        vault(schema=SCHEMA.format(HANG)), "MA7221", "the descriptor"
    ),
    "hangs at its settings": lambda: Bad(vault(configure=HANG), "MA7221"),
    "hangs at its work": lambda: Bad(vault(execute=HANG), "MA7221"),
    "hangs at its end": lambda: Bad(vault(execute="atexit.register(time.sleep, 600)"), ""),
    "dies before it prints": lambda: Bad(vault(start=DIE), "MA7211", "SIGKILL"),
    "dies behind its handshake": lambda: Bad(
        (LISTENING + 'print(f"1|1|unix|{path}|grpc|", flush=True)\nos._exit(5)\n').encode(),
        "MA7216",
    ),
    "dies at its names": lambda: Bad(vault(start=names(DIE)), "MA7222"),
    "dies at its descriptor": lambda: Bad(vault(schema=SCHEMA.format(DIE)), "MA7222"),
    "dies at its settings": lambda: Bad(vault(configure=DIE), "MA7222"),
    "dies at its work": lambda: Bad(vault(execute=DIE), "MA7222"),
    "dies at its end": lambda: Bad(vault(execute="atexit.register(os.kill, os.getpid(), 9)"), ""),
    "ignores SIGTERM and is silent": lambda: Bad(
        shell("trap '' TERM INT HUP; sleep 600 & wait; wait"), "MA7212"
    ),
    "ignores SIGTERM and its end": lambda: Bad(
        vault(start="signal.signal(signal.SIGTERM, signal.SIG_IGN)\natexit.register(time.sleep, 600)"),
        "",
    ),
    "floods its log and does not serve": lambda: Bad(shell("yes 'of no use' >&2"), "MA7212"),
    "floods its log and answers": lambda: Bad(
        vault(execute="os.write(2, b'of no use\\n' * 200_000)"), ""
    ),
    "closes its output": lambda: Bad(shell(f"exec >&-; {WAIT}"), "MA7211", "closed"),
    "closes its output and answers": lambda: Bad(vault(execute="os.close(1)"), ""),
    "forks and ends": lambda: Bad(shell("sleep 600 & sleep 600 & exit 4"), "MA7211", "4"),
    "forks into another session and ends": lambda: Bad(
        shell("setsid sleep 600 & exit 4"), "MA7211", "4"
    ),
    "forks and answers": lambda: Bad(
        vault(execute="subprocess.Popen(['sleep', '600'], start_new_session=True)"), ""
    ),
    "answers what is nested without end": lambda: Bad(
        vault(execute="import json; json.dumps = lambda *_: '{\"data\": ' + '[' * 100_000"),
        "MA7224", "invalid",
    ),
    "asks in a schema that is nested without end": lambda: Bad(
        vault(start="import json\nhonest = json.dumps\n"
                    "json.dumps = lambda one: '[' * 100_000 if one == {'type': 'object'} else honest(one)"), ""
    ),
    "a wrong architecture": lambda: Bad(ELF, "MA7210", "riscv64"),
    "a script without interpreter": lambda: Bad(
        b"#!/no/such/interpreter -x\n", "MA7210", "/no/such/interpreter"
    ),
}  # fmt: skip


class Met:
    """A machine whose run asks a plugin named vault."""

    def __init__(self, directory: Path, sockets: str) -> None:
        self.stage = Stage(directory)
        self.stage.redactor = Redactor()
        self.plugins = directory / "plugins"
        self.sockets = sockets
        self.use()
        self.stage.file.write_text(CONFIGURATION.replace(FILE, FROM))

    def use(self, **settings: object) -> None:
        self.stage.host.providers = LinuxProviders(
            self.stage.host.state,
            redactor=self.stage.redactor,
            directories=[str(self.plugins)],
            **settings,  # type: ignore[arg-type]
        )

    def run(self) -> MachineadmError | None:
        began = time.monotonic()
        error = None
        try:
            self.stage.run()
        except MachineadmError as caught:
            error = caught
        assert time.monotonic() - began < BOUND
        end = time.monotonic() + 10
        while remains(self.sockets) != NOTHING and time.monotonic() < end:
            time.sleep(0.02)
        assert remains(self.sockets) == NOTHING
        return error

    def refused(self, code: str, says: str = "", name: str = "vault") -> None:
        """A run ends with a report that an operator can act on."""
        error = self.run()
        assert error is not None, "it succeeded"
        assert (error.code, error.exit_code) == (code, 7), error.message
        reported = self.stage.status().error
        assert reported is not None
        assert reported.code == code
        assert f"plugin {name}" in reported.message
        assert says in reported.message
        assert reported.hint
        assert self.stage.host.text("/etc/motd") is None
        assert not self.stage.succeeded()


@pytest.fixture
def met(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Met]:
    sockets = tempfile.mkdtemp(prefix="mp-", dir="/tmp")
    monkeypatch.setattr(tempfile, "tempdir", sockets)
    yield Met(tmp_path, sockets)
    shutil.rmtree(sockets)


@pytest.mark.parametrize("item", PLUGINS)
def test_a_bad_plugin_ends_the_run_with_its_name_or_costs_it_nothing(
    met: Met, monkeypatch: pytest.MonkeyPatch, item: str
) -> None:
    bad = PLUGINS[item]()
    # What has another cause than time must not run out of it on a busy machine.
    if bad.code == "MA7212":
        monkeypatch.setattr("machineadm.plugins.kinds.common.START", SHORT)
    if bad.code == "MA7221":
        monkeypatch.setattr("machineadm.plugins.kinds.provider.ANSWER", SHORT)
        monkeypatch.setattr("machineadm.plugins.asking.EXECUTE", SHORT)
    install(met.plugins, "provider", "vault", bad.content)

    if bad.code:
        met.refused(bad.code, bad.says)
    else:
        assert met.run() is None
        assert met.stage.host.text("/etc/motd") == "word"


def test_a_symbolic_link_is_not_a_plugin(met: Met) -> None:
    path = install(met.plugins, "provider", "vault", vault())
    path.rename(met.plugins / "elsewhere")
    path.symlink_to(met.plugins / "elsewhere")

    met.refused("MA7202", "is a symbolic link")


def test_a_file_that_is_swapped_between_check_and_start_is_not_run(met: Met) -> None:
    """It is checked before anything is touched, and started when the machine is attested."""
    evil = program("note('evil')\n", met.plugins / "notes")
    path = install(met.plugins, "attestation", "vault", shell("exit 0"))

    def swap(_: object) -> None:
        replacement = path.with_name("new")
        replacement.write_bytes(evil)
        replacement.chmod(0o755)
        replacement.rename(path)

    met.stage.host.commands.on("boot-command", effect=swap)
    text = CONFIGURATION.replace(FILE, "").replace("    files:\n", "    attestationPlugin: vault\n")
    met.stage.file.write_text(text)

    met.refused("MA7204")
    assert path.read_bytes() == evil
    assert not (met.plugins / "notes").exists()


# What the registry does with the blob, and the code.
REGISTRIES = {
    "serves a wrong digest": (["wrong"], "MA7246"),
    "serves half a blob, and then nothing more": (["half", *["500"] * 9], "MA7247"),
    "answers 500": (["500"] * 9, "MA7247"),
    "answers 401": (["401"] * 9, "MA7244"),
    "has a cache on a full disk": ([], "MA7248"),
}


@pytest.mark.parametrize("item", REGISTRIES)
def test_a_bad_registry_ends_the_run_with_the_plugin_s_name(
    met: Met, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, item: str
) -> None:
    # The pauses between attempts, not the bounds, are what a test need not wait for.
    real = time.sleep
    monkeypatch.setattr(time, "sleep", lambda seconds: real(min(seconds, 0.01)))
    faults, code = REGISTRIES[item]
    content = vault() + b"#" * 300_000
    cache = tmp_path / "cache"
    web = partial(CatalogWeb, timeout=20.0, silence=2)
    lock = str(tmp_path / "lock")
    met.use(fetch=partial(fetch_declared, web=web, cache=str(cache), lock=lock))
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    with Registry() as registry:
        registry.push(REPOSITORY, "1.0.0", {own_platform(): content})
        registry.faults = list(faults)
        entry = f"{{name: vault, kind: provider, version: ^1.0, catalog: '{registry.address}', digest: '{digest(content)}'}}"
        text = met.stage.file.read_text()
        met.stage.file.write_text(
            text.replace("    files:\n", f"    plugins: [{entry}]\n    files:\n")
        )
        if "full" in item:
            resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, limit[1]))
        try:
            met.refused(code)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, limit)

    there = [path.name for path in cache.rglob("*") if path.is_file()]
    # What came is kept for the next run, under no plugin's name.
    assert len(there) == (1 if "half" in item else 0)
    assert not any(path.stat().st_mode & 0o111 for path in cache.rglob("*") if path.is_file())
