"""The same behaviour of the port Providers: in memory, and on Linux with plugins that are processes."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import msgspec
import pytest

from machineadm.api.v1alpha1.plugins import PluginEntry, PluginHostService
from machineadm.errors import InternalError, PluginError
from machineadm.host.linux.providers import LinuxProviders
from machineadm.host.overlay.providers import OverlayProviders
from machineadm.host.ports import Ask, Providers
from machineadm.redaction import MASK, Redactor
from tests.fakes.host import FakeProviders, FakeState
from tests.fakes.providers import FakeProvider
from tests.peers.installed import install, program, provider

VAULT = """
class Vault(Provider):
    name = "vault"
    schema = {"type": "object", "required": ["path"]}

    def execute(self, inputs, host):
        if inputs["path"] == "broken":
            raise CallError("vault is sealed")
        return Output(data="value-of-" + inputs["path"])

    def what_if(self, inputs):
        return "would read it"

    def dependencies(self, inputs):
        return ["login"]
"""
KEEPER = """
class Keeper(Provider):
    name = "keeper"
    host = None

    def execute(self, inputs, host):
        try:
            if "identity" in inputs:
                return Output(data=host.identity(inputs["identity"]).email)
            if "groups" in inputs:
                return Output(data=host.groups(inputs["groups"]))
            if "token" in inputs:
                return Output(data=host.token("entra", "files"))
            host.set_secret("keeper/a", "s3cr3t-kept")
            return Output(data=host.get_secret("keeper/a"))
        except CallError as error:
            return Output(data="refused: " + error.text)
"""
ENTRA = """
import base64, json
from machineadm.plugins.sdk.auth_handlers import (
    AuthHandler, Identity, Status, Token, serve_auth_handlers
)

LOGGED_IN = True
CLAIMS = {"groups": ["admins", "all"]}

class Entra(AuthHandler):
    name = "entra"

    def status(self, **_):
        return Status(authenticated=LOGGED_IN, identity=Identity(subject="ada", email="ada@example.org"))

    def token(self, scope, *, min_valid_for, **_):
        if scope == "long":
            return Token(f"valid-for-{min_valid_for}")
        if scope:
            return Token("token-for-" + scope)
        claims = base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).decode().rstrip("=")
        return Token("e30." + claims + ".c2lnbmF0dXJl")

serve_auth_handlers(Entra())
"""
OURS = """
from machineadm.plugins.sdk import CallError, Attestation, Evidence, Infrastructure, serve

class Quotes(Attestation):
    def attest(self, challenge):
        return Evidence("application/vnd.example.quote", b"quote of " + challenge)

class Store(Infrastructure):
    def fetch(self, location):
        if location != "here":
            raise CallError("nothing lies there")
        yield b"some"
        yield b"thing"

    def report(self, location, status):
        note(location + " " + status.decode())

serve(Quotes(), Store())
"""


class Ground:
    """A port, and what is known of it from behind."""

    def __init__(
        self, port: Providers, redactor: Redactor, reported: Callable[[], list[str]]
    ) -> None:
        self.port = port
        self.redactor = redactor
        self.reported = reported


@pytest.fixture(params=["fake", "linux"])
def ground(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Ground]:
    if request.param == "fake":
        yield _in_memory()
        return
    notes, plugins, redactor = tmp_path / "notes", tmp_path / "plugins", Redactor()
    install(plugins, "provider", "vault", provider(VAULT))
    install(plugins, "auth-handler", "entra", program(ENTRA))
    install(plugins, "attestation", "ours", program(OURS, notes))
    install(plugins, "infrastructure", "ours", program(OURS, notes))
    port = LinuxProviders(FakeState(), redactor=redactor, directories=[str(plugins)])
    try:
        yield Ground(port, redactor, lambda: notes.read_text().splitlines())
    finally:
        port.end()


def _in_memory() -> Ground:
    fake = FakeProviders()

    def gives(inputs: dict[str, Any]) -> Any:
        if inputs["path"] == "broken":
            return PluginError("MA7220", "plugin vault: provider 'vault': vault is sealed")
        return "value-of-" + inputs["path"]

    fake.known["vault"] = FakeProvider(
        gives=gives, what="would read it", needs=("login",), required=("path",)
    )
    fake.tokens["entra"] = "token-for-"
    fake.attesting = {"ours"}
    fake.places["ours", "here"] = b"something"
    return Ground(
        fake,
        fake.redactor,
        lambda: [f"{place} {status.decode()}" for _, place, status in fake.reported],
    )


def ask(**inputs: Any) -> Ask:
    return Ask(provider="vault", inputs=inputs)


def test_what_a_provider_gives_is_known_to_the_redactor(ground: Ground) -> None:
    assert ground.port.value(ask(path="abc")) == "value-of-abc"
    assert ground.redactor.text("it is value-of-abc") == f"it is {MASK}"


def test_it_is_asked_what_it_would_do_and_needs(ground: Ground) -> None:
    assert ground.port.what_if(ask(path="a")) == "would read it"
    assert ground.port.dependencies(ask(path="a")) == ("login",)
    assert ground.port.judge(ask(path="a")) == ()
    assert ground.port.judge(ask()) == ("path is required",)


def test_a_provider_that_fails_says_so(ground: Ground) -> None:
    with pytest.raises(PluginError, match="vault is sealed") as caught:
        ground.port.value(ask(path="broken"))
    assert caught.value.code == "MA7220"


def test_a_handler_vouches_by_a_header(ground: Ground) -> None:
    header = ground.port.authorization("entra", "files")

    assert header.reveal() == "Bearer token-for-files"


def test_evidence_is_made_for_a_challenge(ground: Ground) -> None:
    evidence = ground.port.evidence("ours", b"once")

    assert (evidence.format, evidence.data) == ("application/vnd.example.quote", b"quote of once")


def test_bytes_are_fetched_and_reports_are_taken(ground: Ground) -> None:
    assert ground.port.fetch("ours", "here") == b"something"
    with pytest.raises(PluginError):
        ground.port.fetch("ours", "elsewhere")
    ground.port.report("ours", "there", b'{"a": 1}')
    assert ground.reported() == ['there {"a": 1}']


@pytest.mark.parametrize(
    "call",
    [
        lambda port: port.value(Ask(provider="nobody", inputs={})),
        lambda port: port.what_if(Ask(provider="nobody", inputs={})),
        lambda port: port.authorization("nobody", ""),
        lambda port: port.evidence("nobody", b"a"),
        lambda port: port.fetch("nobody", "a"),
        lambda port: port.report("nobody", "a", b"{}"),
        lambda port: port.require("attestation", "nobody"),
        lambda port: port.require("provider", "nobody"),
    ],
)
def test_who_is_not_there_cannot_be_asked(ground: Ground, call: Callable[[Providers], Any]) -> None:
    with pytest.raises(PluginError) as caught:
        call(ground.port)
    assert caught.value.code == "MA7226"
    assert "nobody" in caught.value.message


def test_who_is_there_is_found_without_being_started(ground: Ground) -> None:
    for kind, name in (("provider", "vault"), ("auth-handler", "entra"), ("attestation", "ours")):
        ground.port.require(kind, name)
    # For a run that goes on later.
    assert len(ground.port.used()) == 3


def test_who_was_ended_is_asked_again(ground: Ground) -> None:
    ground.port.end()
    first = ground.port.value(ask(path="first"))
    ground.port.end()
    ground.port.end()

    assert (first, ground.port.value(ask(path="again"))) == ("value-of-first", "value-of-again")


def test_the_overlay_gives_words_and_lets_nobody_do_anything(ground: Ground) -> None:
    overlay = OverlayProviders(ground.port)

    assert overlay.what_if(ask(path="a")) == "would read it"
    assert overlay.judge(ask()) == ("path is required",)
    assert overlay.dependencies(ask(path="a")) == ("login",)
    overlay.require("provider", "vault")
    for act in (
        lambda: overlay.value(ask(path="a")),
        lambda: overlay.authorization("entra", ""),
        lambda: overlay.evidence("ours", b"a"),
        lambda: overlay.fetch("ours", "here"),
        lambda: overlay.report("ours", "there", b"{}"),
    ):
        with pytest.raises(InternalError) as caught:
            act()
        assert caught.value.code == "MA9002"


def keeper(
    directory: Path, state: FakeState, redactor: Redactor, entra: str = ENTRA
) -> LinuxProviders:
    plugins = directory / "plugins"
    install(plugins, "auth-handler", "entra", program(entra))
    path = install(plugins, "provider", "keeper", provider(KEEPER, "Keeper()"))
    access = PluginHostService(secret_prefix="keeper/", auth_handlers=("entra",))
    entry = PluginEntry(name="keeper", kind="provider", path=str(path), host_service=access)
    port = LinuxProviders(state, redactor=redactor, directories=[str(plugins)])
    port.declare([entry])
    return port


def test_a_plugin_keeps_secrets_in_a_file_of_its_own_and_gets_tokens_of_others(
    tmp_path: Path,
) -> None:
    state, redactor = FakeState(), Redactor()
    port = keeper(tmp_path, state, redactor)
    try:
        assert port.value(Ask(provider="keeper", inputs={})) == "s3cr3t-kept"
        assert port.value(Ask(provider="keeper", inputs={"token": 1})) == "token-for-files"
    finally:
        port.end()

    assert state.state_files == {"plugins/keeper.json": b'{"keeper/a":"s3cr3t-kept"}'}
    assert redactor.text("s3cr3t-kept token-for-files") == f"{MASK} {MASK}"


def test_a_plugin_learns_as_whom_a_handler_that_it_may_ask_is_logged_in(tmp_path: Path) -> None:
    redactor = Redactor()
    port = keeper(tmp_path, FakeState(), redactor)
    try:
        email = port.value(Ask(provider="keeper", inputs={"identity": "entra"}))
        groups = port.value(Ask(provider="keeper", inputs={"groups": "entra"}))
        denied = [
            port.value(Ask(provider="keeper", inputs={what: "other"}))
            for what in ("identity", "groups")
        ]
        # Who is logged in may be asked in a plan, too; groups come with a token.
        port.only_look()
        port.value(Ask(provider="keeper", inputs={"identity": "entra"}))
        in_a_plan = port.value(Ask(provider="keeper", inputs={"groups": "entra"}))
    finally:
        port.end()

    assert (email, groups) == ("ada@example.org", ["admins", "all"])
    assert ["not in the allowed set" in text for text in denied] == [True, True]
    assert "no token is given in a plan" in in_a_plan


@pytest.mark.parametrize(
    ("before", "after", "what", "message"),
    [
        ("LOGGED_IN = True", "LOGGED_IN = False", "identity", "handler entra is not logged in"),
        ('{"groups": ["admins", "all"]}', '{"sub": "ada"}', "groups", "does not name groups"),
        ('["admins", "all"]', '"admins"', "groups", "does not name groups"),
        ('["admins", "all"]', "[1]", "groups", "does not name groups"),
        ('"e30." + claims', '"opaque"', "groups", "does not name groups"),
        ('"e30." + claims', '"e30.~"', "groups", "does not name groups"),
        ('"e30." + claims', '"e30.bm8"', "groups", "does not name groups"),
    ],
)
def test_an_identity_that_is_not_to_be_had_is_refused_in_words(
    tmp_path: Path, before: str, after: str, what: str, message: str
) -> None:
    assert before in ENTRA
    port = keeper(tmp_path, FakeState(), Redactor(), ENTRA.replace(before, after))
    try:
        said = port.value(Ask(provider="keeper", inputs={what: "entra"}))
    finally:
        port.end()
    assert said.startswith("refused: host GetAuth")
    assert message in said


def test_in_a_plan_it_keeps_nothing_and_gets_no_token(tmp_path: Path) -> None:
    state = FakeState()
    port = keeper(tmp_path, state, Redactor())
    try:
        port.only_look()
        kept = port.value(Ask(provider="keeper", inputs={}))
        token = port.value(Ask(provider="keeper", inputs={"token": 1}))
    finally:
        port.end()

    assert kept == "refused: host SetSecret: ValueError"
    assert token == "refused: host GetAuthToken: no token is given in a plan"
    assert state.state_files == {}


def test_every_call_of_the_port_is_tried_here() -> None:
    calls = {name for name in vars(Providers) if not name.startswith("_")}
    text = Path(__file__).read_text()

    assert {name for name in calls if f".{name}(" not in text} == set()
    assert msgspec.structs.fields(Ask)


def test_whoever_is_done_ends_no_plugin_that_another_thread_asks(ground: Ground) -> None:
    def one(number: int) -> str:
        try:
            return ground.port.authorization("entra", f"a{number}").reveal()
        finally:
            ground.port.end()

    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(one, range(8)))

    assert found == [f"Bearer token-for-a{number}" for number in range(8)]


@pytest.mark.parametrize("ground", ["linux"], indirect=True)
def test_a_token_is_asked_for_with_the_time_that_it_must_be_good_for(ground: Ground) -> None:
    try:
        assert ground.port.authorization("entra", "long").reveal() == "Bearer valid-for-60"
        found = ground.port.authorization("entra", "long", valid_for=3600)
        assert found.reveal() == "Bearer valid-for-3600"
    finally:
        ground.port.end()
