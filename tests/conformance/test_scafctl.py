"""scafctl's own SDK at the other end: its example plugins unmodified, and one that asks its host for everything."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from machineadm.cli.main import main
from machineadm.errors import PluginError
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.kinds import auth_handler, provider
from machineadm.plugins.kinds.host_service import Allowed
from machineadm.plugins.launch.model import Command
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.wire.handshake import Cookie
from tests.peers.go import build
from tests.peers.judging import judged
from tests.peers.providers import handler_plugin, provider_plugin

MODULE = Path(__file__).parents[1] / "peers/scafctl"
SDK = "github.com/oakwood-commons/scafctl-plugin-sdk/examples"


@contextmanager
def running(package: str, cookie: Cookie) -> Iterator[Plugin]:
    with Host() as host:
        command = Command(name=Path(package).name, path=build(MODULE, package), cookie=cookie)
        yield host.start(command)


class Store:
    """Secrets in memory."""

    def __init__(self, **kept: str) -> None:
        self.kept = {name.replace("_", "/"): value for name, value in kept.items()}

    def get(self, name: str) -> str | None:
        return self.kept.get(name)

    def set(self, name: str, value: str) -> None:
        self.kept[name] = value

    def delete(self, name: str) -> None:
        self.kept.pop(name, None)

    def names(self) -> list[str]:
        return list(self.kept)


@pytest.fixture(scope="module")
def echo() -> Iterator[provider.Providers]:
    with running(f"{SDK}/echo", provider.COOKIE) as plugin:
        yield provider.Providers(plugin)


@contextmanager
def wayward(allowed: Allowed | None = None, **settings: Any) -> Iterator[provider.Providers]:
    with running("./wayward", provider.COOKIE) as plugin:
        providers = provider.Providers(plugin, allowed)
        providers.configure("wayward", settings)
        yield providers


def test_the_sdks_echo_does_all_that_a_provider_does(echo: provider.Providers) -> None:
    assert echo.names() == ("echo",)
    descriptor = echo.descriptor("echo")
    assert (descriptor.display_name, descriptor.version) == ("Echo Provider", "1.0.0")
    assert echo.descriptor("echo") is descriptor
    echo.configure("echo")
    result = echo.execute("echo", {"message": "hello", "uppercase": True})
    assert result.data == {"echoed": "HELLO"}
    assert echo.what_if("echo", {"message": "hello"}) == 'Would echo "hello"'
    assert echo.dependencies("echo", {}) == ()
    echo.stop("echo")


def test_a_provider_that_cannot_stream_is_executed_all_the_same(echo: provider.Providers) -> None:
    output: list[bytes] = []
    result = echo.execute("echo", {"message": "x"}, output=lambda _, data: output.append(data))

    assert result.data == {"echoed": "x"}
    assert output == []


def test_errors_carry_what_the_provider_says(echo: provider.Providers) -> None:
    with pytest.raises(PluginError, match="unknown provider: nope"):
        echo.descriptor("nope")
    with pytest.raises(provider.ProviderError, match="message must be a string") as caught:
        echo.execute("echo", {"message": 7})
    assert caught.value.code == "MA7220"


def test_inputs_and_settings_arrive_as_they_were_given() -> None:
    inputs = {"n": 1, "big": 2**53, "text": "ü", "list": [1, {"a": None}], "yes": True}
    with wayward(region="eu", retries=3, nested={"a": [1]}) as providers:
        result = providers.execute("wayward", inputs)

    assert result.data["in"] == inputs
    assert result.data["settings"] == {"region": "eu", "retries": 3, "nested": {"a": [1]}}
    assert (result.warnings, result.metadata) == (("careful",), {"n": 1})


def test_what_is_streamed_comes_in_order_and_the_result_last() -> None:
    output: dict[str, bytes] = {"stdout": b"", "stderr": b""}

    def take(stream: str, data: bytes) -> None:
        output[stream] += data

    with wayward() as providers:
        result = providers.execute("wayward", {}, output=take)

    assert output["stdout"] == b"".join(b"line %d\n" % n for n in range(100))
    assert output["stderr"] == b"a warning\n"
    assert (result.data, result.streamed) == ("streamed", True)


def test_every_way_to_fail_is_told() -> None:
    with wayward() as providers:
        for output in (None, lambda _stream, _data: None):
            with pytest.raises(provider.ProviderError, match="no disk"):
                providers.execute("wayward", {"fail": "no disk"}, output=output)
        with pytest.raises(provider.ProviderError, match="cannot say"):
            providers.what_if("wayward", {"fail": "cannot say"})
        assert providers.dependencies("wayward", {"fail": "x"}) is None
        assert providers.dependencies("wayward", {}) == ("a", "b")
    with (
        pytest.raises(provider.ProviderError, match="unfit settings"),
        wayward(refuse=True),
    ):
        pass


def test_without_permission_there_is_no_host_service() -> None:
    with wayward() as providers, pytest.raises(provider.ProviderError, match="no host service"):
        providers.execute("wayward", {"ask": "get", "name": "a"})


def test_a_plugin_reaches_its_own_secrets_and_no_others() -> None:
    store = Store(own_a="1", own_b="2", other_c="3")
    with wayward(Allowed(secrets=store, secret_prefix="own/")) as providers:

        def ask(what: str, name: str = "", value: str = "") -> Any:
            inputs = {"ask": what, "name": name, "value": value}
            return providers.execute("wayward", inputs).data

        assert ask("get", "own/a") == {"value": "1", "found": True}
        assert ask("get", "own/none") == {"value": "", "found": False}
        assert ask("list") == ["own/a", "own/b"]
        assert ask("list", "a$") == ["own/a"]
        ask("set", "own/new", "4")
        ask("delete", "own/b")
        for name, says in (
            ("other/c", "outside allowed scope"),
            ("own/../other/c", "invalid secret name"),
            ("", "invalid secret name"),
            ("own/" + "x" * 300, "invalid secret name"),
        ):
            for what in ("get", "set", "delete"):
                with pytest.raises(provider.ProviderError, match=says):
                    ask(what, name)
        for pattern in ("(", "(a+)+$", "x" * 300):
            with pytest.raises(provider.ProviderError, match="invalid pattern"):
                ask("list", pattern)
    assert store.kept == {"own/a": "1", "own/new": "4", "other/c": "3"}


def test_an_empty_prefix_allows_nothing() -> None:
    with (
        wayward(Allowed(secrets=Store(a="1"))) as providers,
        pytest.raises(provider.ProviderError, match="outside allowed scope"),
    ):
        providers.execute("wayward", {"ask": "get", "name": "a"})


def test_a_plugin_asks_allowed_handlers_alone() -> None:
    allowed = Allowed(
        auth_handlers=("good",),
        default_handler="bad",
        identity=lambda handler, _scope: pb.Claims(subject=f"me at {handler}"),
        token=lambda request: pb.GetAuthTokenResponse(access_token=f"t-{request.scope}"),
        groups=lambda handler: [handler, "all"],
    )
    with wayward(allowed) as providers:

        def ask(what: str, name: str = "") -> Any:
            return providers.execute("wayward", {"ask": what, "name": name}).data

        assert ask("handlers") == {"handlers": ["good"], "default": ""}
        assert ask("identity", "good") == "me at good"
        assert ask("token", "good") == "t-scope"
        assert ask("groups", "good") == ["good", "all"]
        for what in ("identity", "token", "groups"):
            for name in ("bad", ""):
                with pytest.raises(provider.ProviderError, match="not in the allowed set"):
                    ask(what, name)


def test_what_a_host_does_not_have_is_told() -> None:
    with wayward(Allowed(auth_handlers=("good",))) as providers:
        for what, says in (
            ("get", "secret store not available"),
            ("identity", "auth identity not available"),
            ("token", "auth token service not available"),
            ("groups", "auth groups not available"),
        ):
            with pytest.raises(provider.ProviderError, match=says):
                providers.execute("wayward", {"ask": what, "name": "good"})


def test_the_sdks_handler_logs_in_gives_a_token_and_logs_out() -> None:
    with running(f"{SDK}/staticauth", auth_handler.COOKIE) as plugin:
        handlers = auth_handler.AuthHandlers(plugin)
        (info,) = handlers.handlers()
        assert (info.name, list(info.flows)) == ("static", ["pat"])
        handlers.configure("static")
        with pytest.raises(PluginError, match="not logged in"):
            handlers.token("static")
        claims = handlers.login("static", lambda *_: None)
        assert (claims.subject, claims.email) == ("static-user", "user@example.com")
        assert handlers.status("static").authenticated
        token = handlers.token("static", "scope")
        assert token.header().reveal() == "Bearer static-token-value"
        assert "static-token-value" not in repr(token)
        assert handlers.cached_tokens("static") == ()
        assert handlers.purge("static") == 0
        handlers.logout("static")
        assert not handlers.status("static").authenticated
        handlers.stop("static")
        with pytest.raises(PluginError, match="unknown handler: nope"):
            handlers.login("nope", lambda *_: None)


def test_a_provider_is_no_auth_handler() -> None:
    echo, cookie = f"{SDK}/echo", auth_handler.COOKIE
    with pytest.raises(PluginError, match="cookie") as caught, running(echo, cookie):
        pass
    assert caught.value.code == "MA7211"


def test_a_host_on_the_sdks_types_drives_a_provider_of_ours(tmp_path: Path) -> None:
    found = judged(build(MODULE, "./host"), provider_plugin(tmp_path))

    assert {check: error for check, error in found.items() if error} == {}
    assert len(found) == 13


def test_the_host_would_notice_a_provider_that_answers_wrongly(tmp_path: Path) -> None:
    """The planted fault: a provider without its what-if, its version and its settings."""
    path = Path(provider_plugin(tmp_path))
    text = path.read_text().replace("would echo", "").replace('version = "1.0.0"', "")
    path.write_text(text.replace("self.settings = settings", "pass"))
    found = judged(build(MODULE, "./host"), str(path))

    assert {check for check, error in found.items() if error} == {
        "descriptor",
        "execute",
        "what if",
    }


def test_a_host_on_the_sdks_types_drives_an_auth_handler_of_ours(tmp_path: Path) -> None:
    found = judged(build(MODULE, "./authhost"), handler_plugin(tmp_path))

    assert {check: error for check, error in found.items() if error} == {}
    assert len(found) == 14


def test_the_host_would_notice_a_handler_that_answers_wrongly(tmp_path: Path) -> None:
    """The planted fault: a handler with one prompt too few, another token, and a login that stays."""
    path = Path(handler_plugin(tmp_path))
    text = path.read_text().replace('prompt("CD", "https://login.example", "second")', "pass")
    path.write_text(text.replace('f"for-', 'f"from-').replace('self.subject = ""', "pass"))
    found = judged(build(MODULE, "./authhost"), str(path))

    assert {check for check, error in found.items() if error} == {"login", "token", "logout"}


ECHO_FILE = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    plugins:
    - {name: sdk, kind: provider, path: PATH, digest: "sha256:DIGEST"}
    files:
    - path: /etc/motd
      contentFrom:
        provider: {name: echo, inputs: {message: hello, uppercase: true}, output: echoed}
"""


def test_the_agent_asks_the_sdks_echo_for_a_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    content = Path(build(MODULE, f"{SDK}/echo")).read_bytes()
    path = tmp_path / "echo"
    path.write_bytes(content)
    path.chmod(0o755)
    root, configuration = tmp_path / "root", tmp_path / "node.yaml"
    root.mkdir()
    text = ECHO_FILE.replace("PATH", str(path))
    configuration.write_text(text.replace("DIGEST", hashlib.sha256(content).hexdigest()))
    options = ["--root", str(root), "--mode", "preparation", "--path", str(configuration)]

    assert main(["plan", *options]) == 10
    assert '| Would echo "hello"' in capsys.readouterr().out
    assert main(["bootstrap", *options]) == 0
    assert (root / "etc/motd").read_text() == "HELLO"
