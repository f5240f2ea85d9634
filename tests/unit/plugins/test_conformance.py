"""The conformance suite: our own plugins pass it, and each check catches a plugin with the fault that it is there for."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from machineadm.cli.main import main
from machineadm.plugins.inspection.conformance import common
from machineadm.plugins.inspection.conformance.model import FailedError, SkippedError, Subject
from machineadm.plugins.inspection.conformance.suite import checks_of, judge

HEAD = f"#!{sys.executable} -I\nimport os, sys, time, signal, json, hashlib, threading, logging\n"
OURS = """
from machineadm.plugins.sdk import Attestation, CallError, EncryptionProvider, Evidence, Infrastructure, serve

class Words(EncryptionProvider):
    kept = {"known": b"word"}
    def configure(self, settings):
        if "bad" in settings: raise CallError("bad is not taken")
    def fetch_passphrase(self, provider):
        if provider not in self.kept: raise CallError("not known")
        return self.kept[provider]
    def store_passphrase(self, provider, passphrase): self.kept[provider] = passphrase
    def delete_passphrase(self, provider): self.kept.pop(provider, None)

class Memory(Infrastructure):
    kept = {"there": b"x" * 5000}
    def fetch(self, location):
        if location not in self.kept: raise CallError("nothing lies there")
        yield self.kept[location]
    def report(self, location, status): json.loads(status)
    def store(self, name, data):
        self.kept[name] = b"".join(data)
        return name
    def locate(self, name): return name if name in self.kept else None
    def delete(self, location): self.kept.pop(location, None)

class Quote(Attestation):
    def attest(self, challenge):
        return Evidence("test", hashlib.sha256(challenge).digest())
    def verify(self, challenge, evidence):
        if evidence != ("test", hashlib.sha256(challenge).digest()): raise CallError("of another challenge")
        return "machine-1"
"""
OUR_END = "\nserve(Words(), Memory(), Quote())\n"
PROVIDER = """
from machineadm.plugins.sdk.providers import Output, Provider, serve_providers
from machineadm.plugins.sdk import CallError
from machineadm.plugins.sdk import providers as sdk

class Echo(Provider):
    name = "echo"
    def execute(self, inputs, host): return Output(data=inputs)
    def stream(self, inputs, host, write):
        write("stdout", b"working")
        return Output(data=inputs)
    def stop(self): pass
"""
PROVIDER_END = "\nserve_providers(Echo())\n"
HANDLER = """
from machineadm.plugins.sdk.auth_handlers import (
    AuthHandler, CachedToken, Identity, Status, Token, serve_auth_handlers)
from machineadm.plugins.sdk import auth_handlers as sdk
from machineadm.plugins.sdk import CallError
from machineadm.plugins.proto import scafctl_pb2 as pb

class Static(AuthHandler):
    name = "static"
    flows = ("pat",)
"""
KINDS = {
    "encryption-provider": (OURS, OUR_END, {"provider": "known"}),
    "infrastructure": (OURS, OUR_END, {"location": "there", "report": "there"}),
    "attestation": (OURS, OUR_END, {}),
    "provider": (PROVIDER, PROVIDER_END, {"echo": {"message": "hello"}}),
}
ALL = {
    name: {**common.ALONE, **checks_of(kind)}[name]
    for kind in KINDS
    for name in {**common.ALONE, **checks_of(kind)}
}


def subject(tmp_path: Path, kind: str, fault: str = "", **over: Any) -> Subject:
    body, end, inputs = KINDS[kind]
    path = tmp_path / f"machineadm-plugin-{kind}-test"
    path.write_text(f"{HEAD}{body}\n{fault}\n{end}")
    path.chmod(0o755)
    return Subject(kind=kind, path=str(path), **{"inputs": inputs, "writes": True, **over})


def test_a_plugin_of_our_sdk_passes_all_checks(tmp_path: Path) -> None:
    one = subject(tmp_path, "encryption-provider", settings={"a": 1})

    assert [each for each in judge(one) if each.verdict != "passed"] == []


@pytest.mark.parametrize("kind", KINDS)
def test_a_plugin_of_our_sdk_is_what_its_kind_should_be(tmp_path: Path, kind: str) -> None:
    one = subject(tmp_path, kind)
    with one.running() as plugin:
        for name, check in checks_of(kind).items():
            try:
                check(one, plugin)
            except SkippedError:
                assert "settings" in name


COOKIE = "from machineadm.plugins.cookie import COOKIE; os.environ[COOKIE.key] = COOKIE.value"
NO_TLS = "os.environ.pop('PLUGIN_CLIENT_CERT', None)"
FAULTS: dict[tuple[str, str], str] = {
    ("encryption-provider", "starts and serves with AutoMTLS"): NO_TLS,
    ("encryption-provider", "refuses to run without its cookie"): COOKIE,
    ("encryption-provider", "serves a host without AutoMTLS"): """
if "PLUGIN_CLIENT_CERT" not in os.environ: sys.exit("only with a certificate")
""",
    ("encryption-provider", "speaks the older encoding"): """
import functools; serve = functools.partial(serve, encodings=(2,))
""",
    ("encryption-provider", "multiplexes"): """
if "PLUGIN_MULTIPLEX_GRPC" in os.environ: sys.exit("what is that?")
""",
    ("encryption-provider", "serves only its host"): """
import ssl
from machineadm.plugins.wire.certificates import Identity
def server(self, peer):
    context = Identity._context(self, ssl.PROTOCOL_TLS_SERVER, peer)
    context.verify_mode = ssl.CERT_NONE
    return context
Identity.server = server
""",
    ("encryption-provider", "ignores SIGINT"): """
from machineadm.plugins.wire import serving
inner = serving._until_asked
async def until(one):
    import asyncio
    asyncio.get_running_loop().remove_signal_handler(signal.SIGINT)
    signal.signal(signal.SIGINT, signal.SIG_DFL)
    await inner(one)
serving._until_asked = until
""",
    ("encryption-provider", "ends when asked"): """
from machineadm.plugins.wire import serving
async def until(one):
    import asyncio
    await asyncio.sleep(60)
serving._until_asked = until
""",
    ("encryption-provider", "ends at SIGTERM"): """
from machineadm.plugins.wire import serving
inner = serving._until_asked
async def until(one):
    import asyncio
    asyncio.get_running_loop().remove_signal_handler(signal.SIGTERM)
    signal.signal(signal.SIGTERM, signal.SIG_IGN)
    await inner(one)
serving._until_asked = until
""",
    ("encryption-provider", "reports its health"): """
from machineadm.plugins.wire import serving
serving.HEALTH = "other"
serving.Serving._own = (lambda inner: lambda self, broker: {
    path: handler for path, handler in inner(self, broker).items() if "Health" not in path})(serving.Serving._own)
""",
    ("encryption-provider", "answers an unknown method with UNIMPLEMENTED"): """
from machineadm.plugins.wire import channels
from grpclib.const import Status
channels.Status = type("S", (), {**{s.name: s for s in Status}, "UNIMPLEMENTED": Status.INTERNAL})
""",
    ("encryption-provider", "answers sixteen calls at once"): """
from machineadm.plugins.wire import serving
inner = serving.handlers
def handlers(service, **serve):
    if service.name == "Health":
        check, running = serve["Check"], []
        async def one(stream):
            import asyncio
            from grpclib.exceptions import GRPCError
            from grpclib.const import Status
            running.append(1)
            try:
                if len(running) > 1: raise GRPCError(Status.RESOURCE_EXHAUSTED, "one at a time")
                await asyncio.sleep(0.2)
                await check(stream)
            finally: running.pop()
        serve = {"Check": one}
    return inner(service, **serve)
serving.handlers = handlers
""",
    (
        "encryption-provider",
        "refuses a provider that it does not know",
    ): "Words.fetch_passphrase = lambda self, provider: b''",
    (
        "encryption-provider",
        "returns one passphrase for a provider",
    ): "Words.fetch_passphrase = lambda self, provider: os.urandom(8)",
    (
        "encryption-provider",
        "stores and deletes passphrases",
    ): "Words.delete_passphrase = lambda self, provider: None",
    ("encryption-provider", "takes the same settings again"): """
def configure(self, settings):
    if hasattr(self, "once"): raise CallError("once is enough")
    self.once = True
Words.configure = configure
""",
    ("encryption-provider", "refuses settings that are not an object"): """
import importlib; importlib.import_module("machineadm.plugins.sdk.serve").decode = lambda version, data: {}
""",
    (
        "infrastructure",
        "refuses an empty location",
    ): "Memory.fetch = lambda self, location: iter([b''])",
    (
        "infrastructure",
        "returns the content of a location, in pieces",
    ): "Memory.fetch = lambda self, location: iter([os.urandom(4)])",
    ("infrastructure", "survives a host that goes away"): """
count = []
def fetch(self, location):
    count.append(1)
    if len(count) > 4: os._exit(1)
    yield b"x"
Memory.fetch = fetch
""",
    ("infrastructure", "accepts a report"): """
def report(self, location, status): raise CallError("no paper")
Memory.report = report
""",
    ("infrastructure", "stores, locates and deletes"): """
def store(self, name, data):
    self.kept[name] = next(data)
    return name
Memory.store = store
""",
    (
        "attestation",
        "returns different evidence for each challenge",
    ): "Quote.attest = lambda self, challenge: Evidence('test', b'same')",
    (
        "attestation",
        "trusts its own evidence, and no other",
    ): "Quote.verify = lambda self, challenge, evidence: 'machine-1'",
    (
        "provider",
        "names its providers",
    ): "sdk._Served.GetProviders = lambda self, r, c: sdk.pb.GetProvidersResponse(provider_names=['echo', 'echo'])",
    ("provider", "describes each provider"): "Echo.version = 'newest'",
    ("provider", "refuses a provider that it does not have"): """
sdk._Served._provider = lambda self, request: next(iter(self._providers.values()))
""",
    ("provider", "refuses inputs that are not JSON"): "sdk._object = lambda data: {}",
    (
        "provider",
        "executes with inputs that it takes",
    ): "Echo.stream = lambda self, inputs, host, write: Output(data='other')",
    ("provider", "can be stopped"): """
def stop(self): raise CallError("never")
Echo.stop = stop
""",
}


SAYS = {
    "starts and serves with AutoMTLS": "sent no certificate",
    "refuses to run without its cookie": "it serves without its cookie",
    "serves a host without AutoMTLS": "exited (exit code 1) before its handshake",
    "speaks the older encoding": "does not speak protocol version 1",
    "multiplexes": "exited (exit code 1) before its handshake",
    "serves only its host": "with a certificate of another",
    "ignores SIGINT": "it ends at SIGINT",
    "ends when asked": "had to be killed",
    "ends at SIGTERM": "within 5 s of SIGTERM",
    "reports its health": "Health/Check",
    "answers an unknown method with UNIMPLEMENTED": "it answers INTERNAL",
    "answers sixteen calls at once": "of 16 fail",
    "refuses a provider that it does not know": "FetchPassphrase succeeds",
    "returns one passphrase for a provider": "another passphrase the second time",
    "stores and deletes passphrases": "FetchPassphrase succeeds",
    "takes the same settings again": "once is enough",
    "refuses settings that are not an object": "cannot be decoded, and says nothing",
    "refuses an empty location": "Fetch succeeds",
    "returns the content of a location, in pieces": "it returns something else the second time",
    "survives a host that goes away": "UNAVAILABLE",
    "accepts a report": "no paper",
    "stores, locates and deletes": "other bytes come back",
    "returns different evidence for each challenge": "can be replayed",
    "trusts its own evidence, and no other": "trusts evidence of another challenge",
    "names its providers": "there twice: echo",
    "describes each provider": "not a semantic one",
    "refuses a provider that it does not have": "GetProviderDescriptor succeeds",
    "refuses inputs that are not JSON": "takes inputs that are not JSON",
    "executes with inputs that it takes": "gives dict unary, and str streamed",
    "can be stopped": "'echo': never",
}


@pytest.mark.parametrize(("kind", "check"), FAULTS, ids=lambda value: value.replace(" ", "-"))
def test_a_check_catches_the_fault_that_it_is_there_for(
    tmp_path: Path, kind: str, check: str
) -> None:
    settings = {"a": 1} if "settings again" in check else None
    one = subject(tmp_path, kind, FAULTS[kind, check], settings=settings)

    assert SAYS[check] in caught(one, check)


def test_each_check_has_a_planted_fault() -> None:
    assert {check for _, check in FAULTS} == set(ALL)


def caught(one: Subject, name: str) -> str:
    """What a check says; a fault that ends the plugin is caught by asking it afterwards, as the suite does."""
    if name in common.ALONE:
        try:
            common.ALONE[name](one)
        except SkippedError:
            return ""
        except Exception as error:
            return str(error) or type(error).__name__
        return ""
    try:
        with one.running() as plugin:
            checks_of(one.kind)[name](one, plugin)
            plugin.ping(5)
    except SkippedError:
        return ""
    except FailedError as error:
        return str(error)
    except Exception as error:
        return str(error) or type(error).__name__
    return ""


@pytest.mark.parametrize("check", ["ignores SIGINT", "returns one passphrase for a provider"])
def test_a_check_says_nothing_of_a_plugin_without_the_fault(tmp_path: Path, check: str) -> None:
    assert caught(subject(tmp_path, "encryption-provider"), check) == ""


def test_a_plugin_that_does_not_start_is_asked_nothing_more(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    one = subject(tmp_path, "encryption-provider", NO_TLS)

    assert main(["plugin", "conformance", one.path, "--output", "json"]) == 7
    (found,) = json.loads(capsys.readouterr().out)
    assert found["verdict"] == "FAILED"
    assert main(["plugin", "conformance", one.path]) == 7
    printed = capsys.readouterr()
    assert len(printed.out.splitlines()) == 1
    assert printed.out.startswith("FAILED   starts and serves with AutoMTLS: MA7216")
    assert "MA7255" in printed.err


def test_a_check_that_has_nothing_to_go_by_says_what_it_needs(tmp_path: Path) -> None:
    one = subject(tmp_path, "encryption-provider", inputs={}, writes=False)
    with one.running() as plugin:
        with pytest.raises(SkippedError, match="needs --input "):
            checks_of(one.kind)["returns one passphrase for a provider"](one, plugin)
        with pytest.raises(SkippedError, match="needs --writes"):
            checks_of(one.kind)["stores and deletes passphrases"](one, plugin)


def test_a_plugin_of_no_known_kind_is_asked_for_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", "conformance", str(tmp_path / "plugin")]) == 2
    assert "--kind" in capsys.readouterr().err


def test_a_kind_that_there_is_not_is_named(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", "conformance", "--kind", "nonsense", str(tmp_path / "plugin")]) == 2
    said = capsys.readouterr().err
    assert "--kind: 'nonsense' is not a kind" in said
    assert "encryption-provider" in said
