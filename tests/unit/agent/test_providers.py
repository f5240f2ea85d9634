"""Values from provider plugins, real processes: asked before anything is touched, never shown; in a plan only described."""

from __future__ import annotations

import hashlib
import os
import tempfile
from functools import partial
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from machineadm.agent.bootstrap import look_ahead
from machineadm.agent.intake import ProblemsError
from machineadm.agent.own_file import BOOT_CONFIGURATION, is_volatile
from machineadm.agent.request import Request
from machineadm.agent.units import RESUME_UNIT, UNITS
from machineadm.errors import MachineadmError, PluginError
from machineadm.host.linux.providers import LinuxProviders
from machineadm.plan.look import Standing
from machineadm.plan.render import render_json, render_text
from machineadm.plugins.catalogs.declared import fetch_declared
from machineadm.plugins.catalogs.model import own_platform
from machineadm.redaction import Redactor, Secret
from machineadm.sources.passphrases import GivenPassphrases
from machineadm.sources.registries import CatalogWeb
from tests.fakes.host import FakeProviders
from tests.fakes.providers import FakeProvider
from tests.peers.installed import VAULT, install, provider
from tests.unit.agent.stage import CONFIGURATION, Stage
from tests.unit.plugins.catalogs.conftest import lay_out, publish

FILE = '    - {path: /etc/motd, content: "hello\\n"}\n'


class Site:
    """A machine with a directory of plugins."""

    def __init__(self, directory: Path) -> None:
        self.stage = Stage(directory)
        self.plugins = directory / "plugins"
        self.notes = directory / "notes"
        self.logged: list[str] = []
        self.redactor = self.stage.redactor = Redactor()
        self.providers = LinuxProviders(
            self.stage.host.state,
            log=self.logged.append,
            redactor=self.redactor,
            directories=[str(self.plugins)],
        )
        self.stage.host.providers = self.providers

    def install(self, body: str = VAULT, served: str = "Vault()", name: str = "vault") -> Path:
        content = provider(body, served, notes=self.notes)
        return install(self.plugins, "provider", name, content)

    def file(self, *lines: str) -> None:
        """Let the file of the configuration come from elsewhere."""
        text = "    - path: /etc/motd\n" + "".join(f"      {line}\n" for line in lines)
        self.stage.file.write_text(CONFIGURATION.replace(FILE, text))

    def plan(self) -> str:
        request = Request(
            paths=(str(self.stage.file),), passphrases=GivenPassphrases(directory="/nowhere")
        )
        looks = look_ahead(request, self.stage.machine())
        self.looks = looks
        return "".join(render_text(looks, Redactor()))

    def noted(self) -> list[str]:
        return self.notes.read_text().splitlines() if self.notes.exists() else []

    def refused(self) -> PluginError:
        with pytest.raises(PluginError) as caught:
            self.stage.run()
        assert caught.value.exit_code == 7
        assert self.stage.host.text("/etc/motd") is None
        assert self.stage.status().error is not None
        return caught.value


@pytest.fixture
def site(tmp_path: Path) -> Site:
    site = Site(tmp_path)
    site.install()
    site.file(
        "contentFrom:",
        "  provider: {name: vault, inputs: {path: secret/motd}, output: data.password}",
    )
    return site


def test_a_file_gets_what_its_provider_gives(site: Site) -> None:
    site.stage.run()

    assert site.stage.host.text("/etc/motd") == "value-of-secret/motd"
    assert site.noted() == ["execute secret/motd"]
    assert site.stage.status().phase == "Succeeded"


def test_a_plan_asks_what_would_be_done_and_executes_nothing(site: Site) -> None:
    text = site.plan()

    assert site.noted() == ["what-if secret/motd"]
    assert "asks for 1 value, not known before" in text
    assert "ask provider vault for spec.machine.files[0].contentFrom\n" in text
    assert "| would read secret/motd\n" in text
    (step,) = [one for one in site.looks if one.step.name == "files/write"]
    assert step.standing is Standing.TO_DO
    assert "not known before its providers are asked" in step.work.summary
    assert "40 bytes" not in text
    assert '"plugins":[{"whom":"provider vault"' in render_json(site.looks, Redactor())
    assert site.stage.host.mutations() == []


def test_nothing_that_it_gives_is_shown_or_kept(site: Site) -> None:
    site.stage.run()

    word = b"value-of-secret/motd"
    assert site.redactor.text(word.decode()) == "***"
    state = site.stage.host.state
    assert word not in b"".join([*state.state_files.values(), *state.run_files.values()])
    assert not any("value-of" in line for line in site.logged)
    assert "provider vault: reading secret/motd" in site.logged
    assert "provider vault: it is *** indeed" in site.logged


def test_a_second_run_has_nothing_to_do_until_the_value_changes(site: Site) -> None:
    site.stage.run()
    site.stage.host.files.written.clear()
    site.stage.run()
    assert site.stage.host.files.written == ["/run/cluster-api/bootstrap-success.complete"]

    site.install(VAULT.replace("value-of-", "other-value-of-"))
    site.stage.run()
    assert site.stage.host.text("/etc/motd") == "other-value-of-secret/motd"


def test_a_provider_that_fails_fails_the_run_before_anything_is_touched(site: Site) -> None:
    site.stage.replace("secret/motd", "broken")
    error = site.refused()

    assert error.code == "MA7220"
    assert "spec.machine.files[0].contentFrom: plugin vault: provider 'vault'" in error.message
    assert "vault is sealed" in error.message
    status = site.stage.status()
    assert status.error is not None
    assert "the seal is broken" in status.error.log_tail
    assert site.stage.ran("boot-command") == 0


def test_the_providers_own_schema_judges_the_inputs(site: Site) -> None:
    site.stage.replace("{path: secret/motd}", "{count: 10, more: 1}")
    error = site.refused()

    assert error.code == "MA7227"
    for says in ("path is required", "count must be at most 9", "more is not known"):
        assert says in error.message
    assert site.noted() == []


def test_a_plan_judges_them_as_well(site: Site) -> None:
    site.stage.replace("{path: secret/motd}", "{}")
    with pytest.raises(PluginError) as caught:
        site.plan()
    assert caught.value.code == "MA7227"


def test_secret_inputs_are_given_and_never_shown(site: Site) -> None:
    body = VAULT.replace(
        'value = "value-of-" + inputs["path"]',
        'value = "given " + inputs["token"]; logging.getLogger().warning("with " + inputs["token"])',
    )
    site.install(body)
    site.stage.replace(
        "{path: secret/motd}", "{path: secret/motd}, secretInputs: {token: t0k3n-of-mine}"
    )
    site.stage.run()

    assert site.stage.host.text("/etc/motd") == "given t0k3n-of-mine"
    assert "plugin vault: [WARN] with ***" in "\n".join(site.logged)
    assert not any("t0k3n-of-mine" in line for line in site.logged)
    state = site.stage.host.state
    kept = {**state.state_files, **state.run_files}
    # The copy of the configuration for a resumed run goes when the run has succeeded.
    assert not [name for name, content in kept.items() if b"t0k3n-of-mine" in content]


def test_who_is_not_there_is_named_with_what_to_install(site: Site) -> None:
    site.stage.replace("name: vault", "name: consul")
    error = site.refused()

    assert error.code == "MA7226"
    assert "no plugin consul of kind provider" in error.message
    assert "machineadm-plugin-provider-consul" in error.hint()


SEVERAL = """
class One(Vault):
    name = "one"

class Two(Vault):
    name = "two"
"""


def declared(site: Site, *entries: str) -> None:
    listed = "".join(f"    - {entry}\n" for entry in entries)
    text = site.stage.file.read_text()
    site.stage.file.write_text(
        text.replace("  machine:\n", f"  machine:\n    plugins:\n{listed}", 1)
    )


def digest_of(path: Path) -> str:
    return f"sha256:{hashlib.sha256(path.read_bytes()).hexdigest()}"


def test_a_declared_plugin_is_pinned_and_gets_its_settings(site: Site, tmp_path: Path) -> None:
    body = VAULT.replace('"value-of-"', 'self.settings["prefix"] + self.settings["pin"]')
    path = install(tmp_path / "elsewhere", "provider", "x", provider(body), checksum=False)
    (site.plugins / "machineadm-plugin-provider-vault").unlink()
    declared(
        site,
        f"{{name: vault, kind: provider, path: {path}, digest: '{digest_of(path)}', "
        "settings: {prefix: p-}, secretSettings: {pin: s3cr3t-pin}}",
    )
    site.stage.run()

    assert site.stage.host.text("/etc/motd") == "p-s3cr3t-pinsecret/motd"
    assert site.redactor.text("s3cr3t-pin") == "***"


def test_a_declared_plugin_of_another_digest_is_not_started(site: Site) -> None:
    (site.plugins / "machineadm-plugin-provider-vault").rename(site.plugins / "vault")
    declared(
        site,
        f"{{name: vault, kind: provider, path: {site.plugins}/vault, digest: 'sha256:{'1' * 64}'}}",
    )

    assert site.refused().code == "MA7204"
    assert site.noted() == []


def test_the_first_plugin_that_serves_a_name_is_asked_and_a_broken_one_is_passed_over(
    site: Site,
) -> None:
    broken = install(site.plugins, "provider", "broken", b"#!/bin/sh\nexit 3\n")
    several = site.install(VAULT + SEVERAL, "One(), Two()", name="several")
    site.stage.replace("name: vault", "name: two")
    declared(
        site,
        f"{{name: broken, kind: provider, path: {broken}}}",
        f"{{name: several, kind: provider, path: {several}}}",
    )
    site.stage.run()

    assert site.stage.host.text("/etc/motd") == "value-of-secret/motd"
    (line,) = [line for line in site.logged if "passed over" in line]
    assert line.startswith("plugin broken is passed over: MA7211 ")


def test_a_broken_plugin_that_is_named_is_an_error(site: Site) -> None:
    install(site.plugins, "provider", "broken", b"#!/bin/sh\necho why >&2\nexit 3\n")
    site.stage.replace("name: vault", "name: broken")
    error = site.refused()

    assert error.code == "MA7211"
    assert "plugin broken" in error.message
    assert "why" in error.log_tail


def test_a_resumed_run_looks_in_the_same_directories(site: Site, tmp_path: Path) -> None:
    site.stage.host.commands.on("kubeadm", "join", exit_code=1)
    lasting = "/var/lib" if os.geteuid() == 0 else str(Path(__file__).parent)
    with tempfile.TemporaryDirectory(dir=lasting, prefix=".plugins-") as directory:
        install(Path(directory), "provider", "vault", provider())
        site.stage.host.providers = LinuxProviders(site.stage.host.state, directories=[directory])
        with pytest.raises(MachineadmError):
            site.stage.run(
                passphrases=GivenPassphrases(directory="/nowhere", plugin_directories=[directory])
            )
        unit = site.stage.host.text(f"{UNITS}/{RESUME_UNIT}") or ""
        assert is_volatile(directory) or f'"--plugin-dir" "{directory}"' in unit


# ------------------------------------------------------------------ with plugins in memory
@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    return Stage(tmp_path)


def fake(stage: Stage, **known: FakeProvider) -> FakeProviders:
    providers = cast("FakeProviders", stage.host.providers)
    providers.known = known
    return providers


def from_provider(**fields: Any) -> str:
    return msgspec.json.encode({"provider": {"name": "vault", **fields}}).decode()


def file_from(stage: Stage, *sources: str) -> None:
    files = "".join(
        f"    - {{path: /etc/file-{number}, contentFrom: {source}}}\n"
        for number, source in enumerate(sources)
    )
    stage.file.write_text(CONFIGURATION.replace(FILE, files))


RESULT = {
    "data": {"password": "hunter22", "port": 8443, "on": True, "list": ["a", "b"], "none": None}
}


@pytest.mark.parametrize(
    ("output", "says"),
    [
        ("data.nothing", "there are list, none, on, password, port"),
        ("data.list.2", "has no data.list.2"),
        ("data.password.x", "there is no 'x'"),
        ("data", "gives an object"),
        ("data.list", "gives a list"),
        ("data.none", "gives nothing"),
    ],
)
def test_a_result_that_is_not_a_text_is_refused(stage: Stage, output: str, says: str) -> None:
    fake(stage, vault=FakeProvider(gives=lambda _: RESULT))
    file_from(stage, from_provider(output=output))
    with pytest.raises(PluginError) as caught:
        stage.run()

    assert caught.value.code == "MA7228"
    assert says in f"{caught.value.message} {caught.value.hint()}"
    assert "hunter22" not in f"{caught.value.message} {caught.value.hint()}"


@pytest.mark.parametrize(
    ("output", "content"),
    [
        ("data.port", "8443"),
        ("data.password", "hunter22"),
        ("data.list.1", "b"),
        ("data.on", "true"),
    ],
)
def test_output_picks_a_part_of_the_result(stage: Stage, output: str, content: str) -> None:
    fake(stage, vault=FakeProvider(gives=lambda _: RESULT))
    file_from(stage, from_provider(output=output))
    stage.run()

    assert stage.host.text("/etc/file-0") == content


def test_each_is_asked_behind_those_that_it_needs_and_gets_what_they_gave(stage: Stage) -> None:
    providers = fake(
        stage,
        last=FakeProvider(gives=lambda _: "c", needs=("middle", "elsewhere")),
        middle=FakeProvider(gives=lambda _: "b", needs=("first",)),
        first=FakeProvider(gives=lambda _: "a"),
    )
    file_from(stage, *(from_provider(name=name) for name in ("last", "middle", "first", "first")))
    stage.run()

    assert providers.asked == [
        ("first", {}),
        ("first", {}),
        ("middle", {"first": "a"}),
        ("last", {"middle": "b"}),
    ]
    assert [stage.host.text(f"/etc/file-{n}") for n in range(4)] == ["c", "b", "a", "a"]


@pytest.mark.parametrize("circle", [("a",), ("a", "b"), ("a", "b", "c")])
def test_providers_that_need_each_other_are_refused_and_none_is_asked(
    stage: Stage, circle: tuple[str, ...]
) -> None:
    providers = fake(
        stage,
        **{
            name: FakeProvider(gives=lambda _: "x", needs=(circle[(n + 1) % len(circle)],))
            for n, name in enumerate(circle)
        },
    )
    file_from(stage, *(from_provider(name=name) for name in circle))
    with pytest.raises(PluginError) as caught:
        stage.run()

    assert caught.value.code == "MA7229"
    assert caught.value.message.count("->") == len(circle)
    assert providers.asked == []


def test_all_that_is_wrong_with_several_is_told_at_once(stage: Stage) -> None:
    fake(stage, vault=FakeProvider(gives=lambda _: "x", required=("path",)))
    file_from(stage, from_provider(), from_provider(name="consul"), from_provider())
    with pytest.raises(PluginError) as caught:
        stage.run()

    for n, code in enumerate(("MA7227", "MA7226", "MA7227")):
        assert f"{code} spec.machine.files[{n}].contentFrom: " in caught.value.log_tail


def test_a_value_is_judged_by_its_field_at_the_place_of_the_reference(stage: Stage) -> None:
    fake(stage, vault=FakeProvider(gives=lambda _: "not-a-token"))
    source = from_provider()
    text = CONFIGURATION.replace("token: abcdef.0123456789abcdef", f"tokenFrom: {source}")
    stage.file.write_text(text)
    with pytest.raises(ProblemsError) as caught:
        stage.run()

    (problem,) = [one for one in caught.value.problems if one.severity == "error"]
    assert problem.path == "spec.kubernetes.role.discovery.tokenFrom"
    assert problem.line == text[: text.index("tokenFrom")].count("\n") + 1
    assert "the value from provider vault" in problem.message
    assert "not-a-token" not in caught.value.text


EVERYWHERE = {
    "token": ("token: abcdef.0123456789abcdef", "tokenFrom: {}", "fedcba.0123456789abcdef"),
    "variable": ("value: s3cr3t-value}}", "valueFrom: {}}}", "v4lue-of-mine"),
    "header": (
        'content: "hello\\n"}}',
        "source: {{url: https://x/y, sha256: "
        + hashlib.sha256(b"body").hexdigest()
        + ", headersFrom: {{X-Key: {}}}}}}}",
        "h34der-of-mine",
    ),
}


@pytest.mark.parametrize("where", EVERYWHERE)
def test_every_field_takes_a_value_from_a_provider(stage: Stage, where: str) -> None:
    old, new, value = EVERYWHERE[where]
    fake(stage, vault=FakeProvider(gives=lambda _: value))
    stage.file.write_text(CONFIGURATION.replace(old.format(), new.format(from_provider())))
    assert "From" in stage.file.read_text()
    stage.host.fetch.bodies["https://x/y"] = b"body"
    kubeadm: list[bytes] = []
    stage.host.commands.on("kubeadm", "join", effect=lambda call: _read(stage, kubeadm))
    stage.run()

    seen = {
        "token": b"".join(kubeadm).decode(),
        "variable": str(
            [
                value.reveal()
                for call in stage.host.commands.calls
                for value in call.environment.values()
                if isinstance(value, Secret)
            ]
        ),
        "header": str(stage.host.fetch.fetched),
    }[where]
    assert value in seen


def _read(stage: Stage, into: list[bytes]) -> None:
    into += stage.host.state.run_files.values()
    stage.host.put("/etc/kubernetes/kubelet.conf", "client-certificate-data: x\n")


@pytest.mark.parametrize("where", EVERYWHERE)
def test_a_plan_needs_no_value_anywhere(stage: Stage, where: str) -> None:
    old, new, _ = EVERYWHERE[where]
    providers = fake(stage, vault=FakeProvider(gives=lambda _: "x", what="would look"))
    stage.file.write_text(CONFIGURATION.replace(old.format(), new.format(from_provider())))
    looks = look_ahead(
        Request(paths=(str(stage.file),), passphrases=GivenPassphrases(directory="/nowhere")),
        stage.machine(),
    )

    assert providers.asked == []
    assert providers.looks
    assert looks[0].step.name == "providers/ask"
    marked = [one.step.name for one in looks if "not known before" in one.work.summary]
    assert len(marked) == 2


def test_a_download_asks_for_a_token_when_it_begins_and_the_token_is_in_no_digest(
    stage: Stage,
) -> None:
    providers = fake(stage)
    providers.tokens["entra"] = "t1-for-"
    source = {
        "url": "https://x/y",
        "sha256": hashlib.sha256(b"body").hexdigest(),
        "authFrom": {"handler": {"name": "entra", "scope": "files"}},
    }
    text = f"source: {msgspec.json.encode(source).decode()}}}"
    stage.file.write_text(CONFIGURATION.replace('content: "hello\\n"}', text))
    stage.host.fetch.bodies["https://x/y"] = b"body"
    stage.run()

    assert stage.host.fetch.fetched == [("https://x/y", {"Authorization": "Bearer t1-for-files"})]
    assert stage.host.text("/etc/motd") == "body"
    providers.tokens["entra"] = "t2-for-"
    stage.run()
    assert len(stage.host.fetch.fetched) == 1


def test_a_handler_that_is_not_there_is_missed_before_anything_is_touched(stage: Stage) -> None:
    source = '{url: "https://x/y", sha256: "' + "0" * 64 + '", authFrom: {handler: {name: entra}}}'
    stage.file.write_text(CONFIGURATION.replace('content: "hello\\n"}', f"source: {source}}}"))
    with pytest.raises(PluginError) as caught:
        stage.run()

    assert caught.value.code == "MA7226"
    assert stage.ran("boot-command") == 0


def test_boot_commands_are_kept_with_their_values_for_later_boots(stage: Stage) -> None:
    fake(stage, vault=FakeProvider(gives=lambda _: "v4lue-of-mine"))
    stage.file.write_text(
        CONFIGURATION.replace(
            "argv: [boot-command]",
            f"argv: [boot-command]\n        env: [{{name: A, valueFrom: {from_provider()}}}]",
        )
    )
    stage.run()

    kept = stage.host.state.state_files[BOOT_CONFIGURATION]
    assert b"v4lue-of-mine" in kept
    assert b"provider" not in kept


# ------------------------------------------------------------------ declared by a catalog
def declare(site: Site, catalog: Path, content: bytes) -> None:
    """Let the configuration declare vault by a catalog; the machine has no such plugin."""
    (site.plugins / "machineadm-plugin-provider-vault").unlink()
    site.providers = site.stage.host.providers = LinuxProviders(
        site.stage.host.state,
        log=site.logged.append,
        redactor=site.redactor,
        fetch=partial(
            fetch_declared,
            web=CatalogWeb,
            cache=str(catalog.with_name("cache")),
            lock=str(catalog.with_name("lock")),
        ),
    )
    digest = f"sha256:{hashlib.sha256(content).hexdigest()}"
    entry = (
        f"{{name: vault, kind: provider, version: ^1.0, catalog: {catalog}, digest: '{digest}'}}"
    )
    text = site.stage.file.read_text()
    assert text.count("    files:\n") == 1
    site.stage.file.write_text(
        text.replace("    files:\n", f"    plugins:\n    - {entry}\n    files:\n")
    )


def published(site: Site, catalog: Path, kind: str) -> bytes:
    content = provider(notes=site.notes)
    if kind == "layout":
        lay_out(catalog, {own_platform(): content}, "provider/vault:1.2.0")
    else:
        publish(catalog, "1.2.0", content, kind="provider", name="vault", platform=own_platform())
    return content


@pytest.mark.parametrize("kind", ["directory", "layout"])
def test_a_run_fetches_a_declared_provider_and_asks_it(
    site: Site, tmp_path: Path, kind: str
) -> None:
    catalog = tmp_path / "catalog"
    declare(site, catalog, published(site, catalog, kind))
    site.stage.run()

    assert site.stage.host.text("/etc/motd") == "value-of-secret/motd"
    (used,) = site.providers.used()
    assert used.startswith(f"{tmp_path}/cache/sha256/")


def test_a_plan_fetches_into_the_cache_alone_and_a_run_without_the_catalog_uses_that(
    site: Site, tmp_path: Path
) -> None:
    catalog = tmp_path / "catalog"
    declare(site, catalog, published(site, catalog, "directory"))
    site.plan()

    assert site.noted() == ["what-if secret/motd"]
    assert site.stage.host.mutations() == []
    assert not (tmp_path / "lock").exists()
    catalog.rename(tmp_path / "gone")
    site.stage.run()
    assert site.stage.host.text("/etc/motd") == "value-of-secret/motd"


def test_a_declared_provider_that_cannot_be_fetched_ends_the_run_before_anything_is_touched(
    site: Site, tmp_path: Path
) -> None:
    declare(site, tmp_path / "nowhere", b"")
    error = site.refused()

    assert error.code == "MA7243"
    assert "plugin vault: " in error.message
