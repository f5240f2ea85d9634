"""Auth handlers in Python: every call of the service, what they may ask of their host, and doubles for their authors' tests."""

from __future__ import annotations

import sys
import threading
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.host import Host
from machineadm.plugins.kinds.auth_handler import COOKIE, AuthHandlers
from machineadm.plugins.kinds.host_service import Allowed
from machineadm.plugins.kinds.provider import Providers
from machineadm.plugins.launch.model import Command, Reattach
from machineadm.plugins.proto import scafctl_pb2 as pb
from machineadm.plugins.sdk import CallError
from machineadm.plugins.sdk.auth_handlers import (
    AuthHandler,
    CachedToken,
    Identity,
    Login,
    Prompt,
    Status,
    Token,
)
from machineadm.plugins.sdk.providers import HostClient, Output, Provider, results
from machineadm.plugins.sdk.testing import mock_host, served
from machineadm.plugins.wire.rpc import RpcError


class Entra(AuthHandler):
    name = "entra"
    display_name = "Entra ID"
    flows = ("device_code",)
    who = ""
    settings: dict[str, Any] | None = None
    stopped = False

    def configure(self, settings: dict[str, Any]) -> None:
        if settings.get("refuse"):
            raise CallError("unfit settings")
        self.settings = settings

    def token(
        self, scope: str, *, min_valid_for: int, force_refresh: bool, host: HostClient | None
    ) -> Token:
        if scope == "secret" and host is not None:
            return Token(host.get_secret("entra/key") or "none", type="Key")
        if scope == "broken":
            raise CallError("no route to the issuer")
        fresh = "-fresh" if force_refresh else ""
        return Token(f"for-{scope}-{min_valid_for}{fresh}", expires_at=99, flow="device_code")

    def login(self, login: Login, prompt: Prompt) -> Status:
        if login.flow == "broken":
            raise CallError("not today")
        if login.flow == "fault":
            raise ZeroDivisionError
        prompt("ABCD", "https://login.example", f"for {login.tenant_id}")
        self.who = "ada"
        return Status(authenticated=True, identity=Identity(subject="ada"), expires_at=7)

    def logout(self) -> None:
        self.who = ""

    def status(self) -> Status:
        reason = "" if self.who else "nobody has logged in"
        return Status(bool(self.who), Identity(subject=self.who, tenant_id="t"), reason=reason)

    def cached_tokens(self) -> Sequence[CachedToken]:
        return [CachedToken("files", expires_at=5, is_expired=True)]

    def purge(self) -> int:
        return 2**40

    def stop(self) -> None:
        self.stopped = True


class Bare(AuthHandler):
    name = "bare"


@pytest.fixture
def entra() -> Entra:
    return Entra()


@pytest.fixture
def handlers(entra: Entra) -> Iterator[AuthHandlers]:
    with served(entra, Bare(), version=1) as one, Host() as host:
        reattach = Reattach(name="entra", address=one.address, version=1, test=True)
        yield AuthHandlers(host.reattach(reattach))


def test_it_says_what_it_is(handlers: AuthHandlers) -> None:
    entra, bare = handlers.handlers()

    assert (entra.name, entra.display_name, list(entra.flows)) == (
        "entra",
        "Entra ID",
        ["device_code"],
    )
    assert (bare.display_name, list(bare.capabilities)) == ("bare", ["scopes_on_token_request"])


def test_a_token_is_asked_for_with_all_that_is_said_of_it(handlers: AuthHandlers) -> None:
    token = handlers.token("entra", "files", min_valid_for=90, force_refresh=True)

    assert token.header().reveal() == "Bearer for-files-90-fresh"
    assert (token.expires_at, token.scope) == (99, "files")


def test_somebody_logs_in_by_a_device_code_and_out_again(
    handlers: AuthHandlers, entra: Entra
) -> None:
    prompts: list[tuple[str, ...]] = []
    assert not handlers.status("entra").authenticated
    claims = handlers.login("entra", lambda *prompt: prompts.append(prompt), tenant="acme")

    assert claims.subject == "ada"
    assert prompts == [("ABCD", "https://login.example", "for acme")]
    assert handlers.status("entra").claims.subject == "ada"
    handlers.logout("entra")
    assert handlers.status("entra").reason == "nobody has logged in"


@pytest.mark.parametrize(
    ("flow", "says"), [("broken", "not today"), ("fault", "ZeroDivisionError")]
)
def test_a_login_that_fails_says_why(handlers: AuthHandlers, flow: str, says: str) -> None:
    with pytest.raises(PluginError, match=says):
        handlers.login("entra", lambda *_: None, flow=flow)


@pytest.mark.parametrize(
    ("returned", "says"),
    [
        (Status(authenticated=False, reason="the card is blocked"), "the card is blocked"),
        (Status(authenticated=False), "nobody is logged in"),
        (None, "returned no Status"),
        (Identity(subject="ada"), "returned no Status"),
        (Status(authenticated=True, identity=None), "AttributeError"),  # type: ignore[arg-type]
        (Status(authenticated=True, identity=Identity(subject=7)), "TypeError"),  # type: ignore[arg-type]
        (Status(authenticated=True, expires_at="soon"), "TypeError"),  # type: ignore[arg-type]
    ],
)
def test_a_login_that_is_none_is_a_failure_and_has_an_end(returned: Any, says: str) -> None:
    class Wrong(AuthHandler):
        name = "wrong"

        def login(self, login: Login, prompt: Prompt) -> Status:
            prompt("ABCD", "https://login.example", "")
            return returned  # type: ignore[no-any-return]

    with served(Wrong(), version=1) as one, Host() as host:
        plugin = host.reattach(Reattach(name="w", address=one.address, version=1, test=True))
        with pytest.raises(PluginError, match=says):
            AuthHandlers(plugin).login("wrong", lambda *_: None)


def test_what_is_kept_is_listed_and_purged(handlers: AuthHandlers) -> None:
    (token,) = handlers.cached_tokens("entra")

    assert (token.scope, token.is_expired, token.token_kind) == ("files", True, "access")
    assert handlers.purge("entra") == 2**31 - 1


def test_settings_are_taken_or_refused(handlers: AuthHandlers, entra: Entra) -> None:
    with pytest.raises(PluginError, match="unfit settings"):
        handlers.configure("entra", {"refuse": True})
    handlers.configure("entra", {"tenant": ["a", 1]})

    assert entra.settings == {"tenant": ["a", 1]}
    handlers.stop("entra")
    assert entra.stopped


@pytest.mark.parametrize(
    ("call", "says"),
    [
        (lambda one: one.token("entra", "broken"), "no route to the issuer"),
        (lambda one: one.token("nobody"), "unknown auth handler: nobody"),
        (lambda one: one.logout("nobody"), "unknown auth handler: nobody"),
        (lambda one: one.token("bare"), "is not of kind auth-handler"),
        (lambda one: one.login("bare", lambda *_: None), "is not of kind auth-handler"),
    ],
)
def test_what_fails_names_the_plugin_and_why(handlers: AuthHandlers, call: Any, says: str) -> None:
    with pytest.raises(PluginError, match=says) as caught:
        call(handlers)
    assert "plugin entra" in caught.value.message


class Kept:
    """A secret store in memory."""

    def __init__(self, **secrets: str) -> None:
        self.secrets = {name.replace("_", "/"): value for name, value in secrets.items()}

    def get(self, name: str) -> str | None:
        return self.secrets.get(name)

    def set(self, name: str, value: str) -> None:
        self.secrets[name] = value

    def delete(self, name: str) -> None:
        self.secrets.pop(name, None)

    def names(self) -> list[str]:
        return list(self.secrets)


TOGETHER = 40
"""Tokens at once: more than a pool of threads has on any machine that this runs on."""


class Many(Provider):
    name = "many"

    def execute(self, inputs: dict[str, Any], host: HostClient | None) -> Output:
        assert host is not None
        with ThreadPoolExecutor(TOGETHER) as pool:
            found = list(pool.map(lambda _: host.token("entra", "secret"), range(TOGETHER)))
        return Output(data=found)


def test_as_many_tokens_at_once_as_there_may_be_leave_room_for_the_secrets_that_they_need(
    entra: Entra,
) -> None:
    here = threading.Barrier(TOGETHER)
    with served(entra, version=1) as one, served(Many(), version=1) as two, Host() as host:
        reattach = Reattach(name="entra", address=one.address, version=1, test=True)
        plugin = host.reattach(reattach)
        secrets = Allowed(secrets=Kept(entra_key="k3y"), secret_prefix="entra/")
        handlers = AuthHandlers(plugin, secrets)
        handlers.configure("entra")

        def token(request: Any) -> Any:
            here.wait(60)  # all of them wait for a secret at the same time
            value = handlers.token(request.handler_name, request.scope).value.reveal()
            return pb.GetAuthTokenResponse(access_token=value)

        allowed = Allowed(auth_handlers=("entra",), token=token)
        other = host.reattach(Reattach(name="many", address=two.address, version=1, test=True))
        providers = Providers(other, allowed)
        providers.configure("many")
        assert providers.execute("many", {}).data == ["k3y"] * TOGETHER


def test_it_reaches_the_secrets_that_its_host_allows(entra: Entra) -> None:
    allowed = Allowed(secrets=Kept(entra_key="k3y"), secret_prefix="entra/")
    with served(entra, version=1) as one, Host() as host:
        reattach = Reattach(name="entra", address=one.address, version=1, test=True)
        handlers = AuthHandlers(host.reattach(reattach), allowed)
        handlers.configure("entra")

        assert handlers.token("entra", "secret").header().reveal() == "Key k3y"


PROGRAM = f"""#!{sys.executable} -I
from machineadm.plugins.sdk.auth_handlers import AuthHandler, Token, serve_auth_handlers


class Static(AuthHandler):
    name = "static"

    def token(self, scope, **_):
        return Token("word")


serve_auth_handlers(Static())
"""


def test_a_program_serves_it_with_scafctls_own_cookie(tmp_path: Path) -> None:
    path = tmp_path / "static"
    path.write_text(PROGRAM)
    path.chmod(0o755)
    with Host() as host:
        plugin = host.start(Command(name="static", path=str(path), cookie=COOKIE))
        assert AuthHandlers(plugin).token("static").value.reveal() == "word"


# ----------------------------------------------------------------- doubles for authors' tests
def test_an_author_asks_a_handler_without_a_process(entra: Entra) -> None:
    with mock_host(entra, secrets={"entra/key": "k3y"}) as host:
        host.configure_one("entra", {"a": 1})
        assert host.token("entra", "secret").access_token == "k3y"
        with pytest.raises(CallError, match="unfit settings"):
            host.configure_one("entra", {"refuse": True})
        with pytest.raises(RpcError, match="no route"):
            host.token("entra", "broken")


class Vault(Provider):
    name = "vault"

    def execute(self, inputs: dict[str, Any], host: HostClient | None) -> Output:
        if host is None:
            raise CallError("nothing is allowed")
        host.set_secret("vault/seen", inputs["path"])
        return Output(
            data={
                "token": host.token("entra", "files"),
                "names": host.list_secrets("vault/"),
                "pin": host.get_secret("vault/pin"),
                "none": host.get_secret("vault/none"),
            }
        )


def test_an_author_asks_a_provider_with_a_host_of_maps() -> None:
    secrets = {"vault/pin": "1234"}
    with mock_host(Vault(), secrets=secrets, tokens={"entra": "t0ken"}) as host:
        host.configure_one("vault")
        assert host.execute("vault", {"path": "a"}) == {
            "token": "t0ken",
            "names": ["vault/pin", "vault/seen"],
            "pin": "1234",
            "none": None,
        }
    assert secrets["vault/seen"] == "a"


class Curious(Provider):
    name = "curious"

    def execute(self, inputs: dict[str, Any], host: HostClient | None) -> Output:
        assert host is not None
        known = {name: host.identity(name)._asdict() for name in host.handlers()}
        return Output(data={"known": known, "groups": host.groups("entra")})


def test_an_author_asks_who_is_logged_in_with_a_host_of_maps() -> None:
    ada = Identity(subject="ada", email="ada@example.org")
    with mock_host(
        Curious(), identities={"entra": ada}, groups={"entra": ["admins", "all"]}
    ) as host:
        host.configure_one("curious")
        assert host.execute("curious", {}) == {
            "known": {"entra": ada._asdict()},
            "groups": ["admins", "all"],
        }


class Last(Provider):
    name = "last"

    def execute(self, inputs: dict[str, Any], host: HostClient | None) -> Output:
        return Output(data=results())

    def dependencies(self, inputs: dict[str, Any]) -> list[str]:
        return ["first"]


def test_an_author_gets_the_results_of_those_that_it_depends_on() -> None:
    with mock_host(Last()) as host:
        assert host.execute("last", {}, results={"first": {"a": 1}}) == {"first": {"a": 1}}
        assert host.execute("last", {}) == {}


def test_an_author_sees_what_is_not_allowed() -> None:
    with mock_host(Vault()) as host:
        host.configure_one("vault")
        with pytest.raises(CallError, match="nothing is allowed"):
            host.execute("vault", {"path": "a"})
    with mock_host(Vault(), tokens={}) as host:
        host.configure_one("vault")
        with pytest.raises(CallError, match="no handler entra"):
            host.execute("vault", {"path": "a"})
