"""docs/plugins.md as somebody who follows it: its plugins run, its commands exist, its configurations are read."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from machineadm.cli.main import main
from machineadm.cli.plugin import COMMANDS
from machineadm.plugins.catalogs.fetcher import Fetched
from machineadm.plugins.catalogs.model import own_platform
from machineadm.plugins.settings import read_entries
from tests.peers.encryption import example, install
from tests.peers.installed import install as install_as

PAGE = (Path(__file__).parents[2] / "docs/plugins.md").read_text()
KNOWN = "open sesame"
NAME = "machineadm-plugin-encryption-provider-vault"


def blocks(heading: str, language: str) -> list[str]:
    """The blocks below a heading, down to the next one of its rank."""
    rank = heading.split()[0]
    section = PAGE.partition(f"\n{heading}\n")[2].partition(f"\n{rank} ")[0]
    found = re.findall(rf"^```{language}\n(.*?)^```", section, re.MULTILINE | re.DOTALL)
    assert found, heading
    return found


@pytest.fixture
def words(tmp_path: Path) -> Path:
    directory = tmp_path / "words"
    directory.mkdir()
    for name in ("known", "vault"):
        (directory / name).write_text(KNOWN)
    return directory


@pytest.fixture
def plugin(tmp_path: Path, words: Path) -> Path:
    """The first plugin of the page, with the interpreter of the tests."""
    text = blocks("## Write one", "python")[0].replace("/etc/words", str(words))
    path = tmp_path / "work" / NAME
    path.parent.mkdir()
    path.write_text(text.replace("/usr/bin/env python3", f"{sys.executable} -I"))
    path.chmod(0o755)
    return path


def test_a_plugin_is_ten_lines() -> None:
    code = [line for line in blocks("## Write one", "python")[0].splitlines() if line]
    assert len(code) - 1 <= 10, "without its first line, which names the interpreter"


def test_the_plugin_conforms(plugin: Path, capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    asked = ["plugin", "conformance", str(plugin), "--input", '{"provider": "known"}']
    assert main([*asked, "--output", "json"]) == 0
    verdicts = [one["verdict"] for one in json.loads(capfdbinary.readouterr().out)]
    assert verdicts.count("passed") > 10


def test_the_tests_for_authors_pass(words: Path) -> None:
    plugin, provider, *tests = _ordered(blocks("## Write one", "python"))
    known: dict[str, Any] = {}
    for text in (plugin.replace("serve(Files())", ""), provider):
        exec(text.replace("/etc/words", str(words)), known)  # noqa: S102 - the page itself
    assert len(tests) == 2
    known["ask"] = lambda address, path, token, pin: (
        "word" if (address, path, token, pin) == ("https://vault.example", "a", "t0ken", "1234") else ""
    )  # fmt: skip
    for text in tests:
        exec(text.replace('b"word"', f"{KNOWN.encode()!r}"), known)  # noqa: S102 - the page itself


def _ordered(texts: list[str]) -> list[str]:
    return sorted(texts, key=lambda text: not text.startswith("#!"))


@pytest.mark.parametrize("changed", [False, True], ids=["as it is", "changed by another"])
def test_an_author_signs_a_plugin_and_who_installs_it_knows(
    plugin: Path, tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes], changed: bool
) -> None:
    system, _, machine = own_platform().partition("/")
    directory = tmp_path / "dist"
    directory.mkdir()
    file = directory / f"{NAME}-{system}-{machine}.pyz"
    file.write_bytes(plugin.read_bytes())
    signing, installing = blocks("### Sign one", "sh")
    # The page packs for Linux on either architecture; a glob takes what there is.
    done = subprocess.run(
        ["sh", "-euc", signing], cwd=tmp_path, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    if changed:
        said = directory / "release.json"
        said.write_text(said.read_text().replace("1.2.0", "1.3.0"))

    plugins = ["--plugin-dir", str(tmp_path / "plugins")]
    kept = ["--lock", str(tmp_path / "lock"), "--cache-dir", str(tmp_path / "cache")]
    argv = installing.split()
    before = Path.cwd()
    os.chdir(tmp_path)
    try:
        code = main([*argv[1:], *plugins, *kept])
    finally:
        os.chdir(before)
    error = capfdbinary.readouterr().err.decode()
    if changed:
        assert code != 0
        assert "MA17" in error
        assert not (tmp_path / "plugins" / NAME).exists()
        return
    assert code == 0, error
    request = '{"provider": "known"}'
    asked = ["plugin", "call", "encryption-provider/vault", "FetchPassphrase", "--input", request]
    assert main([*asked, *plugins]) == 0
    reply = json.loads(capfdbinary.readouterr().out)
    assert base64.b64decode(reply["passphrase"]).decode() == KNOWN


def test_each_command_is_on_the_page() -> None:
    for name in COMMANDS:
        assert re.search(rf"`(?:plugin )?{name}\b|machineadm plugin {name}\b", PAGE), name


def test_each_option_that_the_page_gives_a_command_exists() -> None:
    given = re.findall(r"machineadm plugin ([a-z-]+)((?:[^`\n]|\\\n)*)", PAGE)
    assert len(given) > 5
    for name, rest in given:
        options = _options(name)
        for option in re.findall(r"(?<![\w-])--[a-z-]+", rest):
            assert re.search(rf"{option}\b", options), (name, option)


def _options(command: str) -> str:
    done = subprocess.run(
        [sys.executable, "-m", "machineadm", "plugin", command, "--help"],
        capture_output=True, text=True, check=True,
    )  # fmt: skip
    return done.stdout


def test_each_configuration_is_read(tmp_path: Path) -> None:
    for text in blocks("## Name one in a configuration", "yaml"):
        spec = yaml.safe_load(text)
        document = {
            "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
            "kind": "MachineConfiguration",
            "metadata": {"name": "page"},
            **spec,
        }
        path = tmp_path / "page.yaml"
        path.write_text(yaml.safe_dump(document))
        assert main(["validate", "--path", str(path), "--mode", "preparation"]) == 0
    (configuration,) = (
        text for text in blocks("## Install one", "yaml") if "PluginConfiguration" in text
    )
    entries = [yaml.safe_load(text) for text in blocks("## Install one", "yaml")]
    read_entries(configuration.encode(), file="plugins.yaml")
    for one in entries:
        for entry in one if isinstance(one, list) else []:
            whole = yaml.safe_load(configuration)
            whole["spec"]["plugins"] = [entry]
            read_entries(yaml.safe_dump(whole).encode(), file="plugins.yaml")


def test_other_hosts_use_it_as_the_page_says(tmp_path: Path, words: Path) -> None:
    starting, registering = blocks("## As a library", "python")
    path = install(tmp_path / "plugins", example(words))
    known: dict[str, Any] = {}
    exec(starting.replace("/opt/site/vault", str(path)), known)  # noqa: S102 - the page itself
    assert known["passphrase"].reveal() == KNOWN

    directory = tmp_path / "site"
    for kind, text in (("provider", PROVIDER), ("auth-handler", HANDLER)):
        install_as(directory, kind, "vault", f"#!{sys.executable} -I\n{text}".encode())
    content = f"#!{sys.executable} -I\n{PROVIDER}".replace("vault", "other").encode()
    other = install_as(tmp_path / "cache", "provider", "other", content)
    fetched = Fetched(
        kind="provider", name="other", version="1.0.0", platform="any", size=len(content),
        digest=f"sha256:{hashlib.sha256(content).hexdigest()}", path=str(other), from_cache=True,
    )  # fmt: skip
    known = {"kept": Kept(), "fetched": fetched}
    exec(registering.replace("/opt/site/plugins", str(directory)), known)  # noqa: S102 - the page itself
    assert known["result"].data == {"password": "1234"}
    assert known["token"].value.reveal() == "files"


class Kept:
    """Secrets of a host."""

    def get(self, name: str) -> str | None:
        return {"vault/pin": "1234"}.get(name)


PROVIDER = """
from machineadm.plugins.sdk.providers import Output, Provider, serve_providers
class Vault(Provider):
    name = "vault"
    schema = {"type": "object"}
    def execute(self, inputs, host):
        return Output(data={"password": host.get_secret("vault/pin")})
serve_providers(Vault())
"""
HANDLER = """
from machineadm.plugins.sdk.auth_handlers import AuthHandler, Token, serve_auth_handlers
class Entra(AuthHandler):
    name = "entra"
    def token(self, scope, **_):
        return Token(value=scope)
serve_auth_handlers(Entra())
"""
