"""`machineadm plugin ...`: what is installed, where it comes from, what it says and answers; as a person types it."""

from __future__ import annotations

import base64
import hashlib
import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from machineadm.api.v1alpha1.plugins import PluginEntry, PluginHostService
from machineadm.cli.main import main
from machineadm.cli.plugin import COMMANDS
from machineadm.cli.plugin.handlers import handlers_of
from machineadm.plugins.discovery import Places, find
from tests.peers.encryption import example
from tests.unit.plugins.catalogs.conftest import lay_out, publish

FILE = "encryption-provider/file"
AUTH_HANDLER = """#!{python} -I
import time

from google.protobuf import json_format  # noqa
from machineadm.plugins.cookie import AUTH_HANDLER
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.wire.blocking import blocking_handlers
from machineadm.plugins.wire.serving import Plugin, run

SERVICE = pb.DESCRIPTOR.services_by_name["AuthHandlerService"]
state = {{"in": False, "tokens": 2}}


def login(request, call):
    yield pb.LoginStreamMessage(device_code_prompt=pb.DeviceCodePrompt(
        user_code="ABCD-\\x1b[31m1234", verification_uri="https://login.example/device", message="hello"))
    if request.flow == "fails":
        yield pb.LoginStreamMessage(error="nobody entered the code")
        return
    state["in"] = True
    name = "Ada" if request.flow != "colourful" else "\\x1b[31mAda"
    claims = pb.Claims(subject="u1", name=name, issuer=request.tenant_id)
    yield pb.LoginStreamMessage(result=pb.LoginResult(claims=claims))


FUNCTIONS = {{
    "GetAuthHandlers": lambda r, c: pb.GetAuthHandlersResponse(handlers=[
        pb.AuthHandlerInfo(name=n, display_name=n.title(), flows=["device_code"], capabilities=["tenant_id"])
        for n in HANDLERS]),
    "Login": login,
    "Logout": lambda r, c: pb.LogoutResponse(),
    "GetStatus": lambda r, c: pb.GetStatusResponse(
        authenticated=r.handler_name != "out", claims=pb.Claims(name="Ada"), reason="" if r.handler_name != "out" else "expired"),
    "ListCachedTokens": lambda r, c: pb.ListCachedTokensResponse(tokens=[
        pb.CachedTokenInfo(handler="one", token_kind="access", scope="read", expires_at_unix=1000000000, is_expired=True)]),
    "PurgeExpiredTokens": lambda r, c: pb.PurgeExpiredTokensResponse(purged_count=3),
}}
HANDLERS = {handlers!r}
run(Plugin(cookie=AUTH_HANDLER, versions=(1,), services=lambda broker, _: blocking_handlers(SERVICE, FUNCTIONS, broker)))
"""

PROVIDER = """#!{python} -I
from machineadm.plugins.sdk.providers import Output, Provider, serve_providers


class Echo(Provider):
    name = "echo"
    description = "gives back"
    schema = {{"type": "object", "properties": {{"message": {{"type": "string", "description": "what"}}}}, "required": ["message"]}}

    def execute(self, inputs, host):
        return Output(data=inputs)


serve_providers(Echo())
"""


class Shell:
    """Commands of a person, with directories of a test.

    Args:
        directory: For everything.
        capfdbinary: What is printed.
    """

    def __init__(self, directory: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
        self.plugins = directory / "plugins"
        self.catalog = directory / "catalog"
        self.lock = directory / "plugins.lock"
        self._options = {
            "--plugin-dir": str(self.plugins),
            "--catalog": str(self.catalog),
            "--lock": str(self.lock),
            "--cache-dir": str(directory / "cache"),
            "--state-dir": str(directory / "state"),
        }
        logins = ("--plugin-dir", "--state-dir")
        self._logins = dict.fromkeys(("login", "logout", "auth-status", "tokens"), logins)
        self._captured = capfdbinary
        self.error = ""

    def run(self, text: str, *more: str, code: int = 0) -> str:
        """Run `machineadm plugin TEXT MORE`, with those options that the command takes; what it prints."""
        words = [*text.split(), *more]
        takes = {
            "install": ("--plugin-dir", "--catalog", "--lock", "--cache-dir"),
            **self._logins,
            "list": ("--plugin-dir", "--lock", "--cache-dir"),
            "verify": ("--plugin-dir", "--lock"),
            "remove": ("--plugin-dir", "--lock", "--cache-dir"),
        }.get(words[0], ("--plugin-dir",))
        for option in takes:
            if option not in words:
                words += [option, self._options[option]]
        found = main(["plugin", *words])
        printed = self._captured.readouterr()
        self.error = printed.err.decode()
        assert found == code, self.error
        return printed.out.decode()

    def printed(self) -> str:
        """What came on standard error since the last look."""
        return self._captured.readouterr().err.decode()

    def put(self, kind: str, name: str, content: bytes, *, checksum: bool = True) -> Path:
        """Install by hand."""
        self.plugins.mkdir(exist_ok=True, mode=0o755)
        path = self.plugins / f"machineadm-plugin-{kind}-{name}"
        path.write_bytes(content)
        path.chmod(0o755)
        if checksum:
            beside = path.with_name(f"{path.name}_SHA256SUM")
            beside.write_text(f"{hashlib.sha256(content).hexdigest()}\n")
        return path

    def put_handler(self, *handlers: str) -> None:
        """Install an auth handler by hand."""
        text = AUTH_HANDLER.format(python=sys.executable, handlers=list(handlers))
        self.put("auth-handler", "test", text.encode())


@pytest.fixture
def shell(tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> Shell:
    return Shell(tmp_path, capfdbinary)


@pytest.fixture
def plugin(tmp_path: Path) -> bytes:
    words = tmp_path / "words"
    words.mkdir()
    (words / "vault").write_text("open sesame\n")
    return example(words)


def test_a_plugin_goes_from_a_catalog_to_an_answer_and_away_again(
    shell: Shell, plugin: bytes
) -> None:
    publish(shell.catalog, "1.2.0", plugin, platform="any")

    said = shell.run("install", FILE)
    assert said.startswith(f"{FILE} 1.2.0 from {shell.catalog} installed as {shell.plugins}/")
    assert "(100 %)" in shell.error
    listed = shell.run("list").splitlines()
    assert listed[1].split()[:2] == [FILE, "1.2.0"]
    assert shell.run("verify").splitlines()[1].split() == [FILE, "good"]
    answer = json.loads(
        shell.run(f"call {FILE} FetchPassphrase", "--input", '{"provider": "vault"}')
    )
    assert base64.b64decode(answer["passphrase"]) == b"open sesame\n"
    assert shell.run("list --cached").splitlines()[1].split()[:3] == [FILE, "1.2.0", "any"]
    assert "1.2.0" in shell.lock.read_text()

    shell.run("remove", FILE)
    assert list(shell.plugins.iterdir()) == []
    assert "plugins: []" in shell.lock.read_text()
    assert "removed" in shell.run(f"remove {FILE} --cached")
    assert shell.run("list --cached").splitlines()[1:] == []


def test_a_plugin_for_another_machine_goes_into_the_cache_alone(
    shell: Shell, tmp_path: Path
) -> None:
    lay_out(shell.catalog, {"linux/amd64": b"x86", "linux/arm64": b"arm"})
    for platform, content in (("linux/arm64", b"arm"), ("linux/amd64", b"x86")):
        found = main(
            f"plugin install {FILE} --platform {platform} --output json --catalog {shell.catalog} "
            f"--lock {shell.lock} --cache-dir {tmp_path / 'cache'}".split()
        )
        assert found == 0
        (one,) = json.loads(shell._captured.readouterr().out)
        assert Path(one["path"]).read_bytes() == content
        assert (one["platform"], one["version"]) == (platform, "1.0.0")

    assert not shell.plugins.exists()
    assert len(json.loads(shell.run("list --cached --output json"))) == 2


def test_all_that_is_locked_is_installed_anew_by_its_digests(shell: Shell, plugin: bytes) -> None:
    publish(shell.catalog, "1.2.0", plugin)
    shell.run("install", FILE, "--platform", "linux/amd64")
    publish(shell.catalog, "1.3.0", b"newer")
    for path in shell.plugins.iterdir():
        path.unlink()

    shell.run("install --strict", "--platform", "linux/amd64")
    assert shell.run("list").splitlines()[1].split()[:2] == [FILE, "1.2.0"]


@pytest.mark.parametrize(
    ("words", "code", "exit_code"),
    [
        ("install nothing", "MA7240", 2),
        ("install provider/none", "MA7241", 7),
        ("install provider/none --platform linux", "MA7240", 2),
        ("install provider/none --catalog https://x", "MA7240", 2),
        ("install provider/none --credentials /none", "MA7241", 7),
        ("install", "MA7001", 2),
        ("describe provider/none", "MA7252", 7),
        ("call provider/none Execute", "MA7252", 7),
        ("call provider/none Execute --input [", "MA7253", 2),
        ("call provider/none Execute --input @/none", "MA7253", 2),
        ("call provider/none Execute --input []", "MA7253", 2),
        ("login none", "MA7252", 7),
        ("remove provider/none", "MA7252", 7),
        ("remove provider/none --cached", "MA7252", 7),
        ("verify provider/none", "MA7252", 7),
    ],
)
def test_each_mistake_has_its_code_and_its_exit_code(
    shell: Shell, words: str, code: str, exit_code: int
) -> None:
    shell.catalog.mkdir()

    assert shell.run(words, code=exit_code) == ""
    assert f"machineadm: {code} " in shell.error
    assert "hint: " in shell.error


def test_a_changed_plugin_is_told_by_verify_and_not_started(shell: Shell, plugin: bytes) -> None:
    publish(shell.catalog, "1.2.0", plugin, platform="any")
    shell.run("install", FILE)
    path = shell.plugins / "machineadm-plugin-encryption-provider-file"
    path.write_bytes(plugin + b"\n# more\n")

    assert "MA7204" in shell.run("verify", code=7)
    assert "MA7254" in shell.error
    assert shell.run("describe", FILE, code=7) == ""
    # Its checksum changed with it, so that only the lock can know.
    shell.put("encryption-provider", "file", plugin + b"\n# more\n")
    (one,) = json.loads(shell.run("verify --output json", code=7))
    assert (one["code"], one["name"]) == ("MA7246", "file")
    path.with_name(f"{path.name}_SHA256SUM").unlink()
    assert "MA7203" in shell.run("verify", code=7)


def test_strict_verify_takes_nothing_that_the_lock_does_not_name(
    shell: Shell, plugin: bytes
) -> None:
    publish(shell.catalog, "1.2.0", plugin, platform="any")
    shell.run("install", FILE)
    assert shell.run("verify --strict").splitlines()[1].split() == [FILE, "good"]
    shell.put("provider", "echo", b"#!/bin/false\n")
    shell.run("verify")
    said = shell.run("verify --strict", code=7).splitlines()
    assert [line.split()[:2] for line in said[1:]] == [
        [FILE, "good"],
        ["provider/echo", "MA7250"],
    ]


SLOW = """#!{python} -I
import os, time
from machineadm.plugins.sdk.providers import Output, Provider, serve_providers


class Slow(Provider):
    name = "slow"

    def execute(self, inputs, host):
        raise AssertionError

    def stream(self, inputs, host, write):
        write("stdout", b"fetching\\nand \\x1b[31mhalf a li")
        while not os.path.exists(inputs["until"]):
            time.sleep(0.01)
        write("stdout", b"ne\\n")
        write("stderr", b"without an end")
        return Output(data="the result")


serve_providers(Slow())
"""


def test_what_a_provider_prints_is_shown_while_it_runs(shell: Shell, tmp_path: Path) -> None:
    shell.put("provider", "slow", SLOW.format(python=sys.executable).encode())
    until = tmp_path / "until"
    request = {
        "providerName": "slow",
        "input": base64.b64encode(json.dumps({"until": str(until)}).encode()).decode(),
    }
    command = [sys.executable, "-m", "machineadm", "plugin", "call", "provider/slow"]
    command += ["ExecuteProviderStream", "--plugin-dir", str(shell.plugins), "--input", "-"]
    with subprocess.Popen(
        command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stdin is not None
        assert process.stderr is not None
        process.stdin.write(json.dumps(request))
        process.stdin.close()
        process.stdin = None
        # It goes on only when this has been read.
        first = process.stderr.readline()
        until.touch()
        out, err = process.communicate(timeout=60)

    assert first.endswith("fetching\n")
    assert "half a line\n" in err
    assert err.endswith("without an end\n")
    assert "\x1b" not in err
    (reply,) = map(json.loads, out.splitlines())
    assert json.loads(base64.b64decode(reply["result"]["output"]))["data"] == "the result"


def test_a_writable_plugin_is_told_by_verify(shell: Shell, plugin: bytes) -> None:
    shell.put("encryption-provider", "file", plugin).chmod(0o777)

    assert "MA7202" in shell.run("verify", code=7)


def test_one_behind_another_of_its_name_is_listed_as_hidden(
    shell: Shell, plugin: bytes, tmp_path: Path
) -> None:
    shell.put("encryption-provider", "file", plugin)
    other = Shell(tmp_path / "other", shell._captured)
    other.plugins.parent.mkdir()
    other.put("encryption-provider", "file", b"x")
    found = shell.run(f"list --plugin-dir {shell.plugins} --plugin-dir {other.plugins}")

    assert [line.endswith("(hidden by one before it)") for line in found.splitlines()[1:]] == [
        False,
        True,
    ]


def test_an_encryption_provider_describes_itself(shell: Shell, plugin: bytes) -> None:
    shell.put("encryption-provider", "file", plugin)
    found = json.loads(shell.run(f"describe {FILE} --output json"))

    assert found["encoding"] == "msgpack"
    assert found["methods"] == ["FetchPassphrase"]
    assert found["served"] == [{"kind": "encryption-provider", "methods": ["FetchPassphrase"]}]
    assert found["protocolVersions"] == [1, 2]
    assert found["sdk"].startswith("machineadm-sdk/")
    text = shell.run(f"describe {FILE}")
    assert "FetchPassphrase" in text


def test_the_old_encoding_is_described_where_it_is_forced(
    shell: Shell, plugin: bytes, monkeypatch: pytest.MonkeyPatch
) -> None:
    shell.put("encryption-provider", "file", plugin)
    monkeypatch.setenv("MACHINEADM_PLUGIN_FORCE_JSON", "1")

    assert json.loads(shell.run(f"describe {FILE} --output json"))["encoding"] == "json"


def test_a_provider_describes_its_inputs(shell: Shell) -> None:
    shell.put("provider", "echo", PROVIDER.format(python=sys.executable).encode())
    (one,) = json.loads(shell.run("describe provider/echo --output json"))["providers"]

    assert (one["name"], one["schema"]["required"]) == ("echo", ["message"])
    assert "message*" in shell.run("describe provider/echo")


def test_a_method_is_called_in_any_spelling_and_an_unknown_one_not_at_all(
    shell: Shell, plugin: bytes
) -> None:
    shell.put("encryption-provider", "file", plugin)

    shell.run(f"call {FILE} fetch-passphrase", "--input", '{"provider": "vault"}')
    shell.run(f"call {FILE} Open", code=2)
    assert "FetchPassphrase, StorePassphrase" in shell.error
    shell.run(f"call {FILE} FetchPassphrase", "--input", '{"name": 1}', code=2)
    assert "its fields: provider" in shell.error
    shell.run(f"call {FILE} FetchPassphrase", "--input", '{"provider": "none"}', code=7)
    assert "MA7220" in shell.error
    assert "cannot read" in shell.error


def test_a_login_shows_the_device_code_and_who_it_is(shell: Shell) -> None:
    shell.put_handler("one")

    assert shell.run("login test --tenant acme --scope read") == "logged in as Ada\n"
    assert "https://login.example/device" in shell.error
    assert "ABCD-" in shell.error
    assert "\x1b" not in shell.error
    assert json.loads(shell.run("login test/one --tenant acme --output json"))["issuer"] == "acme"
    shell.run("login test --flow fails", code=7)
    assert "nobody entered the code" in shell.error
    assert "\x1b" not in shell.run("login test --flow colourful")
    assert shell.run("logout test") == "logged out of one\n"


KEEPING = """#!{python} -I
import logging

from machineadm.plugins.sdk.auth_handlers import AuthHandler, Token, serve_auth_handlers
from machineadm.plugins.sdk.errors import CallError


class {name}(AuthHandler):
    name = "{name}"

    def token(self, scope, *, host, **_):
        log = logging.getLogger()
        if host is None:
            return Token("token-for-" + scope)
        try:
            host.set_secret("a/pin", "s3cr3t-pin")
            log.warning("kept %s %s", host.get_secret("a/pin"), host.token("other", "files"))
        except CallError as error:
            log.warning("refused: %s", error.text)
        return Token("own-token")


serve_auth_handlers({name}())
"""


def asked(shell: Shell, tmp_path: Path, access: PluginHostService) -> str:
    """What a handler's log says that asks its host to keep a secret, and for a token of another one."""
    for name in ("mine", "other"):
        shell.put("auth-handler", name, KEEPING.format(python=sys.executable, name=name).encode())
    path = str(shell.plugins / "machineadm-plugin-auth-handler-mine")
    entry = PluginEntry(name="mine", kind="auth-handler", path=path, host_service=access)
    places = Places(
        declared=(entry,), directories=(str(shell.plugins),), configuration="/nowhere/plugins.yaml"
    )
    found = find("auth-handler", "mine", places)
    assert found is not None
    with handlers_of(found, "", places, state_directory=str(tmp_path / "state")) as (client, names):
        (name,) = names
        client.token(name, "own")
    return shell.printed()


def test_a_handler_gets_the_host_service_that_its_entry_allows(
    shell: Shell, tmp_path: Path
) -> None:
    access = PluginHostService(secret_prefix="a/", auth_handlers=("other",))
    said = asked(shell, tmp_path, access)

    assert "kept *** ***" in said
    kept = tmp_path / "state/plugins/mine.json"
    assert json.loads(kept.read_text()) == {"a/pin": "s3cr3t-pin"}
    assert kept.stat().st_mode & 0o777 == 0o600


@pytest.mark.parametrize(
    "access",
    [
        PluginHostService(secret_prefix="b/", auth_handlers=("other",)),
        PluginHostService(secret_prefix="a/"),
    ],
)
def test_a_handler_gets_nothing_that_its_entry_does_not_allow(
    shell: Shell, tmp_path: Path, access: PluginHostService
) -> None:
    said = asked(shell, tmp_path, access)

    assert "refused: " in said
    assert "kept" not in said
    assert "s3cr3t" not in said


def test_a_handler_keeps_nothing_while_a_run_goes_on(shell: Shell, tmp_path: Path) -> None:
    state = tmp_path / "state"
    state.mkdir(mode=0o700)
    script = (
        "import sys; file = open(sys.argv[1], 'w'); print('held', flush=True); sys.stdin.read()"
    )
    with subprocess.Popen(
        [sys.executable, "-I", "-c", script, str(state / "lock")],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
    ) as run:
        assert run.stdout is not None
        run.stdout.readline()
        said = asked(shell, tmp_path, PluginHostService(secret_prefix="a/"))
        run.communicate()

    assert "refused: " in said
    assert not (state / "plugins").exists()


def test_the_handler_is_named_where_a_plugin_has_several(shell: Shell) -> None:
    shell.put_handler("one", "out")

    shell.run("login test", code=2)
    assert "test/one, test/out" in shell.error
    shell.run("login test/three", code=7)
    assert "MA7252" in shell.error
    shell.run("auth-status test", code=10)
    rows = json.loads(shell.run("auth-status test --output json", code=10))
    assert [(one["handler"], one["authenticated"], one["reason"]) for one in rows] == [
        ("one", True, ""),
        ("out", False, "expired"),
    ]
    assert "yes" in shell.run("auth-status test/one")


def test_tokens_are_listed_without_themselves_and_purged(shell: Shell) -> None:
    shell.put_handler("one")

    assert "(expired)" in shell.run("tokens test")
    (one,) = json.loads(shell.run("tokens test --output json"))
    assert (one["scope"], one["expired"]) == ("read", True)
    assert shell.run("tokens test --purge") == "one: 3 forgotten\n"
    assert json.loads(shell.run("tokens test --purge --output json")) == {"one": 3}


def test_an_auth_handler_describes_its_flows(shell: Shell) -> None:
    shell.put_handler("one")

    assert "flows: device_code; capabilities: tenant_id" in shell.run("describe auth-handler/test")


@pytest.mark.parametrize("command", COMMANDS)
def test_each_command_helps(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["plugin", command, "--help"])

    assert caught.value.code == 0
    assert f"machineadm plugin {command}" in capsys.readouterr().out


@pytest.mark.parametrize(("words", "code"), [([], 2), (["--help"], 0), (["nothing"], 2)])
def test_the_group_shows_its_commands(
    words: list[str], code: int, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["plugin", *words]) == code

    printed = capsys.readouterr()
    assert all(command in printed.out + printed.err for command in COMMANDS)


def test_a_plugin_of_the_sdk_describes_itself_without_a_host(plugin: bytes, tmp_path: Path) -> None:
    import subprocess

    path = tmp_path / "plugin"
    path.write_bytes(plugin)
    path.chmod(0o755)
    found: dict[str, Any] = json.loads(subprocess.check_output([path, "describe"]))

    assert found["served"] == [{"kind": "encryption-provider", "methods": ["FetchPassphrase"]}]
