"""Tokens of auth handlers for registries and proxies: asked before anything is touched, in a plan never, and shown nowhere."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import Any

import msgspec
import pytest

from machineadm.agent.bootstrap import look_ahead
from machineadm.agent.request import Request
from machineadm.config.rules.toml import read_toml
from machineadm.errors import PluginError
from machineadm.host.linux.providers import LinuxProviders
from machineadm.plan.look import Standing
from machineadm.plan.render import render_text
from machineadm.redaction import Redactor
from machineadm.sources.passphrases import GivenPassphrases
from tests.fakes.containerd import FakeContainerd
from tests.fakes.host import FakeProviders
from tests.peers.installed import install, program
from tests.unit.agent.stage import CONFIGURATION, Stage

WORD = "t0ken/+="
HANDLER = {"authFrom": {"handler": {"name": "entra", "scope": ""}}}
PROXY = "http://proxy.example.com:3128"
HOSTS = "/etc/containerd/certs.d/registry.example.com/hosts.toml"
LOGIN = base64.b64encode(f"machine:{WORD}".encode()).decode()
FILES = {
    "host": "/etc/machineadm/proxy/host.env",
    "kubelet": "/etc/machineadm/proxy/kubelet.service.env",
    "containerRuntime": "/etc/machineadm/proxy/containerd.service.env",
}


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    stage.host.providers = FakeProviders()
    stage.host.providers.tokens["entra"] = WORD
    stage.redactor = stage.host.providers.redactor
    FakeContainerd(stage.host, "1.6.20")
    return stage


def providers(stage: Stage) -> FakeProviders:
    assert isinstance(stage.host.providers, FakeProviders)
    return stage.host.providers


def configure(stage: Stage, **machine: Any) -> None:
    lines = "".join(
        f"    {name}: {msgspec.json.encode(value).decode()}\n" for name, value in machine.items()
    )
    stage.file.write_text(CONFIGURATION.replace("    files:\n", f"{lines}    files:\n"))


def proxy(target: str, **credentials: Any) -> list[dict[str, Any]]:
    return [{"targets": [target], "httpsProxy": PROXY, "credentials": credentials}]


def registry(**auth: Any) -> dict[str, Any]:
    return {"containerd": {"registries": [{"host": "registry.example.com", "auth": auth}]}}


def plan(stage: Stage) -> tuple[Any, str]:
    looks = look_ahead(
        Request(paths=(str(stage.file),), passphrases=GivenPassphrases(directory="/nowhere")),
        stage.machine(),
    )
    return looks, "".join(render_text(looks, Redactor()))


@pytest.mark.parametrize("target", FILES)
def test_the_token_is_the_password_of_the_proxy_s_user_in_a_file_that_only_root_reads(
    stage: Stage, target: str
) -> None:
    configure(stage, systemProxies=proxy(target, username="machine", **HANDLER))
    stage.run()

    quoted = "t0ken%2F%2B%3D"
    assert f"HTTPS_PROXY=http://machine:{quoted}@proxy.example.com:3128\n" in (
        stage.host.text(FILES[target]) or ""
    )
    assert stage.host.files.nodes[FILES[target]].mode == 0o600
    assert providers(stage).asked == [("entra", "")]
    assert providers(stage).runs == set()
    for form in (WORD, quoted):
        assert providers(stage).redactor.text(f"proxy said {form}.") == "proxy said ***."


def test_a_token_of_type_basic_has_the_user_too(stage: Stage) -> None:
    providers(stage).tokens["entra"] = base64.b64encode(b"site:a b").decode()
    providers(stage).types["entra"] = "Basic"
    configure(stage, systemProxies=proxy("host", **HANDLER))
    stage.run()

    assert "http://site:a%20b@proxy" in (stage.host.text(FILES["host"]) or "")


@pytest.mark.parametrize(
    ("type_", "token", "says"),
    [
        ("Bearer", WORD, "the token is of type Bearer"),
        ("Basic", "%%%", "is not user:password in base64"),
        ("Basic", base64.b64encode(b"nobody").decode(), "is not user:password in base64"),
        ("Basic", base64.b64encode(b"\xff:a").decode(), "is not user:password in base64"),
        ("Bearer", "a\r\nX-Evil: b", "has characters that a header cannot have"),
        ("Bearer", "schl\u00fcssel", "has characters that a header cannot have"),
        ("Bearer\r\nX-Evil:", WORD, "has characters that a header cannot have"),
    ],
)
def test_a_token_that_a_proxy_cannot_be_given_is_refused_with_its_place(
    stage: Stage, type_: str, token: str, says: str
) -> None:
    providers(stage).tokens["entra"] = token
    providers(stage).types["entra"] = type_
    configure(stage, systemProxies=proxy("host", **HANDLER))
    with pytest.raises(PluginError) as caught:
        stage.run()

    assert caught.value.code == "MA7224"
    assert caught.value.message.startswith("spec.machine.systemProxies[0].credentials.authFrom: ")
    assert says in caught.value.message
    assert caught.value.hint()
    assert token not in caught.value.message
    assert stage.ran("boot-command") == 0


@pytest.mark.parametrize(
    ("auth", "sent"),
    [({}, f"Bearer {WORD}"), ({"username": "machine"}, f"Basic {LOGIN}")],
)
def test_a_registry_is_sent_the_token_itself_or_a_login_with_it(
    stage: Stage, auth: dict[str, str], sent: str
) -> None:
    configure(stage, containerRuntime=registry(**auth, **HANDLER))
    stage.run()

    assert read_toml(stage.host.text(HOSTS) or "") == {
        "server": "https://registry.example.com",
        "header": {"Authorization": sent},
        "host": {},
    }
    assert stage.host.files.nodes[HOSTS].mode == 0o600
    value = sent.partition(" ")[2]
    assert providers(stage).redactor.text(f"< Authorization: {value} >") == "< Authorization: *** >"


@pytest.mark.parametrize(("type_", "token"), [("Bearer\r\nX-Evil:", WORD), ("Bearer", "a\nb")])
def test_a_registry_is_sent_no_header_that_ends_in_another(
    stage: Stage, type_: str, token: str
) -> None:
    providers(stage).tokens["entra"] = token
    providers(stage).types["entra"] = type_
    configure(stage, containerRuntime=registry(**HANDLER))
    with pytest.raises(PluginError) as caught:
        stage.run()

    assert caught.value.code == "MA7224"
    assert stage.host.text(HOSTS) is None


def test_a_token_is_part_of_no_digest(stage: Stage) -> None:
    configure(stage, systemProxies=proxy("host", username="machine", **HANDLER))
    stage.run()
    before = stage.status().config_digest
    assert before
    providers(stage).tokens["entra"] = "another"
    stage.run()

    assert stage.status().config_digest == before
    assert "another" in (stage.host.text(FILES["host"]) or "")


def test_what_several_want_is_asked_for_once(stage: Stage) -> None:
    entries = [*proxy("host", username="a", **HANDLER), *proxy("kubelet", username="b", **HANDLER)]
    configure(stage, systemProxies=entries)
    stage.run()

    assert providers(stage).asked == [("entra", "")]


def test_the_proxy_of_containerd_s_own_gets_its_token(stage: Stage) -> None:
    own = {"httpsProxy": PROXY, "credentials": {"username": "own", **HANDLER}}
    configure(stage, containerRuntime={"containerd": {"proxy": own}})
    stage.run()

    assert "http://own:t0ken" in (stage.host.text(FILES["containerRuntime"]) or "")


@pytest.mark.parametrize("username", [{}, {"username": "machine"}])
def test_a_plan_asks_no_handler_and_marks_each_step_that_needs_its_token(
    stage: Stage, username: dict[str, str]
) -> None:
    configure(
        stage,
        systemProxies=proxy("host", **username, **HANDLER),
        containerRuntime=registry(**username, **HANDLER),
    )
    looks, text = plan(stage)

    assert providers(stage).asked == []
    assert "ask handler entra for spec.machine.systemProxies[0].credentials.authFrom\n" in text
    marked = [one.step.name for one in looks if "not known before" in one.work.summary]
    assert {"providers/ask", "proxy/host", "containerd/registries"} <= set(marked)
    assert all(one.standing is Standing.TO_DO for one in looks if one.step.name in marked)
    assert stage.host.mutations() == []


@pytest.mark.parametrize("place", ["systemProxies", "containerRuntime"])
def test_a_handler_that_is_not_there_is_missed_before_anything_is_touched(
    stage: Stage, place: str
) -> None:
    del providers(stage).tokens["entra"]
    given = {"systemProxies": proxy("host", **HANDLER), "containerRuntime": registry(**HANDLER)}
    configure(stage, **{place: given[place]})
    for act in (stage.run, lambda: plan(stage)):
        with pytest.raises(PluginError) as caught:
            act()
        assert caught.value.code == "MA7226"
    assert stage.ran("boot-command") == 0


CHATTY = """
import logging
from machineadm.plugins.sdk.auth_handlers import AuthHandler, Token, serve_auth_handlers

class Entra(AuthHandler):
    name = "entra"

    def token(self, scope, *, min_valid_for, **_):
        note(f"asked for {min_valid_for} s")
        logging.getLogger().warning("issued %s", "t0ken/+=")
        print("t0ken/+=", flush=True)
        return Token("t0ken/+=")

serve_auth_handlers(Entra())
"""


def test_a_handler_that_is_a_process_is_asked_once_and_what_it_logs_is_masked(
    stage: Stage, tmp_path: Path
) -> None:
    notes, logged = tmp_path / "notes", list[str]()
    install(tmp_path / "plugins", "auth-handler", "entra", program(CHATTY, notes))
    stage.redactor = Redactor()
    stage.host.providers = LinuxProviders(
        stage.host.state,
        log=logged.append,
        redactor=stage.redactor,
        directories=[str(tmp_path / "plugins")],
    )
    configure(
        stage,
        systemProxies=proxy("host", username="machine", **HANDLER),
        containerRuntime=registry(username="machine", **HANDLER),
    )
    plan(stage)
    assert not notes.exists(), "a plan starts no handler for its token"

    stage.run()

    assert notes.read_text().splitlines() == ["asked for 3600 s"]
    assert LOGIN in (stage.host.text(HOSTS) or "")
    assert "t0ken%2F%2B%3D" in (stage.host.text(FILES["host"]) or "")
    assert any("issued ***" in line for line in logged)
    state = stage.host.state
    kept = b"".join([*state.state_files.values(), *state.run_files.values()])
    assert not any(form in "\n".join(logged) for form in (WORD, LOGIN))
    assert not any(form.encode() in kept for form in (WORD, LOGIN, "t0ken%2F"))
