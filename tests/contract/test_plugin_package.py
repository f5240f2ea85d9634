"""A plugin packs as one file by the agent's recipe, and works where nothing of it is installed."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest

from machineadm.cli.main import main
from tests.peers.encryption import EXAMPLE

ROOT = Path(__file__).parents[2]
NAME = "machineadm-plugin-encryption-provider-file"
Pack = Callable[..., Path]


@pytest.fixture(scope="module")
def pack(tmp_path_factory: pytest.TempPathFactory) -> Pack:
    def packed(plugin: Path, name: str = NAME) -> Path:
        output = tmp_path_factory.mktemp("packed") / name
        command = [sys.executable, str(ROOT / "build/plugin.py"), str(plugin)]
        done = subprocess.run(
            [*command, "--output", str(output)], capture_output=True, text=True, check=False
        )
        assert done.returncode == 0, done.stderr
        return output

    return packed


@pytest.fixture(scope="module")
def file(pack: Pack) -> Path:
    return pack(EXAMPLE)


def test_it_brings_its_checksum_and_is_small(file: Path) -> None:
    checksum = file.with_name(f"{file.name}_SHA256SUM").read_text()

    assert checksum == f"{hashlib.sha256(file.read_bytes()).hexdigest()}  {NAME}\n"
    assert file.stat().st_size <= 8_000_000


def test_a_directory_packs_to_the_same_bytes_wherever_it_lies(
    file: Path, pack: Pack, tmp_path: Path
) -> None:
    copy = tmp_path / "elsewhere"
    copy.mkdir()
    (copy / "__main__.py").write_text(EXAMPLE.read_text())

    assert pack(copy).read_bytes() == file.read_bytes()


def test_the_packed_plugin_answers_an_agent(
    file: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    request = '{"provider": "vault"}'
    called = ["plugin", "call", "encryption-provider/file", "FetchPassphrase", "--input", request]
    code = main([*called, "--plugin-dir", str(file.parent)])
    said = capfdbinary.readouterr().err.decode()

    # It reads where an image would have put it; that it was asked, and says so, is what counts.
    assert code == 7
    assert "MA7220" in said
    assert "/etc/machineadm/passphrases.d/vault" in said
    assert "hpack" not in said


def test_it_needs_nothing_of_a_site_and_no_variable(file: Path, tmp_path: Path) -> None:
    environment = {"PATH": "/usr/bin:/bin", "MACHINEADM_CACHE": str(tmp_path)}
    said = subprocess.run(
        [sys.executable, "-I", "-S", str(file), "describe"],
        env=environment,
        capture_output=True,
        check=True,
        cwd="/",
    )

    assert json.loads(said.stdout)["served"][0]["methods"] == ["FetchPassphrase"]
    assert [one.name for one in tmp_path.iterdir()] == ["plugin-encryption-provider-file"]


def test_a_module_that_hides_one_of_the_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "__main__.py").write_text("")
    (tmp_path / "msgspec").mkdir()
    (tmp_path / "msgspec/__init__.py").write_text("")
    done = subprocess.run(
        [
            sys.executable,
            str(ROOT / "build/plugin.py"),
            str(tmp_path),
            "--output",
            str(tmp_path / "x"),
        ],
        capture_output=True,
        text=True,
        check=False,
    )

    assert done.returncode == 1
    assert "name it otherwise" in done.stderr
