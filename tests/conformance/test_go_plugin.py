"""go-plugin 1.8.0 at one end, we at the other, all of the protocol in both directions; `make peers` has 1.6.0."""

from __future__ import annotations

import json
import os
from pathlib import Path
from typing import Any

import pytest

from machineadm.cli.main import main
from machineadm.errors import PluginError
from machineadm.plugins.asking import ask_passphrase
from machineadm.plugins.discovery import Places, find
from machineadm.plugins.host import Host
from machineadm.plugins.launch.model import Command
from machineadm.plugins.wire.handshake import Cookie
from machineadm.redaction import Secret
from tests.peers.driving import CHECKS, MODES, driven
from tests.peers.encryption import EXAMPLES, PASSPHRASE, install, sealed
from tests.peers.go import build, program
from tests.peers.judging import judged
from tests.peers.plugins import python_plugin

VERSION = os.environ.get("GO_PLUGIN", "1.8.0")
HOST_CHECKS = 21


@pytest.fixture(params=MODES)
def mode(request: pytest.FixtureRequest) -> Any:
    return request.param


def test_our_host_drives_a_plugin_of_go_plugin(mode: dict[str, Any]) -> None:
    with driven(program("plugin", VERSION), **mode) as one:
        for check in CHECKS:
            check(one)


def test_the_host_of_go_plugin_drives_a_plugin_of_ours(
    mode: dict[str, Any], tmp_path: Path
) -> None:
    found = judged(program("host", VERSION), python_plugin(tmp_path), **mode)

    assert {check: error for check, error in found.items() if error} == {}
    assert len(found) == HOST_CHECKS


def test_the_host_of_go_plugin_reaches_a_plugin_of_ours_on_tcp(tmp_path: Path) -> None:
    host = program("host", VERSION)
    found = judged(host, python_plugin(tmp_path), "-tcp", mtls=True, multiplexed=False)

    assert {check: error for check, error in found.items() if error} == {}


def test_go_plugin_passes_its_own_checks(mode: dict[str, Any]) -> None:
    found = judged(program("host", VERSION), program("plugin", VERSION), **mode)

    assert {check: error for check, error in found.items() if error} == {}


def test_the_host_of_go_plugin_would_notice_a_bad_plugin(tmp_path: Path) -> None:
    """The planted fault: a plugin that is not one."""
    plugin = tmp_path / "plugin"
    plugin.write_text("#!/bin/sh\necho hello\n")
    plugin.chmod(0o755)
    found = judged(program("host", VERSION), str(plugin), mtls=False, multiplexed=False)

    assert "hello" in found["start"]


@pytest.mark.parametrize(
    ("plugin_speaks", "host_speaks", "agreed"),
    [("1,2,3", (1, 2), 2), ("2,5", (1, 2, 3), 2), ("7,3", (3, 7, 9), 7)],
)
def test_versions_are_agreed_on_with_go_plugin(
    plugin_speaks: str, host_speaks: tuple[int, ...], agreed: int
) -> None:
    with driven(program("plugin", VERSION), plugin_speaks, versions=host_speaks) as one:
        assert one.plugin.version == agreed


def test_versions_without_a_common_one_are_refused() -> None:
    plugin = program("plugin", VERSION)
    with pytest.raises(PluginError) as caught, driven(plugin, "4,5", versions=(1, 2)):
        pass

    assert caught.value.code == "MA7214"


def test_a_plugin_of_go_plugin_with_another_cookie_is_named_so() -> None:
    command = Command(name="other", path=program("plugin", VERSION), cookie=Cookie("OTHER", "x"))
    with Host() as host, pytest.raises(PluginError, match="another plugin's cookie"):
        host.start(command)


def test_the_example_in_go_conforms(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "file").write_text(PASSPHRASE + "\n")
    words = ["--kind", "encryption-provider", "--settings", f'{{"directory": "{tmp_path}"}}']
    known = ["--input", '{"provider": "file"}', "--output", "json"]
    code = main(["plugin", "conformance", build(EXAMPLES / "go", "."), *words, *known])
    found = {one["check"]: one for one in json.loads(capsys.readouterr().out)}

    assert [one for one in found.values() if one["verdict"] == "FAILED"] == []
    assert code == 0
    assert found["multiplexes"]["verdict"] == "passed"


def test_a_document_opens_through_the_example_in_go(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    plain = b"apiVersion: v1\nkind: ConfigMap\n"
    (tmp_path / "file").write_text(PASSPHRASE + "\n")
    program_file = Path(build(EXAMPLES / "go", "."))
    path = install(tmp_path / "plugins", program_file.read_bytes())
    places = tmp_path / "plugins.yaml"
    places.write_text(
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginConfiguration\nspec:\n  plugins:\n"
        f"  - {{name: file, kind: encryption-provider, path: {path}, settings: {{directory: {tmp_path}}}}}\n"
    )
    closed = tmp_path / "closed.yaml"
    closed.write_bytes(sealed(plain))

    found = find("encryption-provider", "file", Places(configuration=str(places)))
    assert found is not None
    assert ask_passphrase("file", found) == Secret(PASSPHRASE)
    assert main(["decrypt", "--path", str(closed), "--plugin-dir", str(path.parent)]) == 7
    assert b"/etc/machineadm/passphrases.d/file" in capfdbinary.readouterr().err
