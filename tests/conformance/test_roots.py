"""The small roots: what the tests that run something in them rely on."""

from pathlib import Path

import pytest

from tests.roots.roots import SUITES, Root
from tests.servers.files import FileServer

EACH = pytest.mark.parametrize("suite", SUITES)
FETCH = "import sys, urllib.request; urllib.request.urlopen(sys.argv[1], timeout=5)"


@EACH
def test_there_is_python_of_its_own_and_nothing_that_would_hide_a_need(suite: str) -> None:
    root = Root(suite)
    version = root.run(["python3", "-c", "import sys; print('%d.%d' % sys.version_info[:2])"])
    programs = "openssl curl wget busybox cosign pip3 gcc"

    assert version.stdout == f"{SUITES[suite]}\n"
    assert root.run(["sh", "-c", f"command -v {programs}"]).stdout == ""
    for module in ("yaml", "msgspec", "cryptography", "typing_extensions"):
        assert root.run(["python3", "-c", f"import {module}"]).returncode == 1, module


@EACH
def test_with_tools_there_are_what_fetches_and_verifies(suite: str) -> None:
    root = Root(suite, tools=True)

    assert all(root.has(name) for name in ("openssl", "curl", "wget", "busybox"))
    assert root.has("cosign") == (suite in ("trixie", "sid"))


def test_what_is_written_is_thrown_away_or_kept_where_it_is_said(tmp_path: Path) -> None:
    root = Root("bookworm")
    write, look = ["sh", "-c", "echo kept > /etc/new"], ["cat", "/etc/new"]

    root.run(write, check=True)
    assert root.run(look).returncode == 1
    root.run(write, changes=tmp_path, check=True)
    assert root.run(look, changes=tmp_path).stdout == "kept\n"
    assert (tmp_path / "upper/etc/new").read_text() == "kept\n"
    assert not (root.directory / "etc/new").exists()


def test_our_files_are_seen_and_written_to_only_where_that_is_said(tmp_path: Path) -> None:
    (tmp_path / "in").write_text("ours\n")
    directory = {"/mnt/there": tmp_path}

    seen = Root("bookworm").run(
        ["sh", "-c", "cat /mnt/there/in; echo x > /mnt/there/in"], binds=directory
    )
    Root("bookworm").run(["sh", "-c", "echo back > /mnt/there/out"], writable=directory, check=True)

    assert (seen.returncode, seen.stdout) == (2, "ours\n")
    assert (tmp_path / "out").read_text() == "back\n"


def test_there_is_no_network_unless_it_is_asked_for(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    with FileServer(tmp_path) as server:
        fetch = ["python3", "-c", FETCH, f"{server.url}/file"]

        assert Root("bookworm").run(fetch).returncode == 1
        assert Root("bookworm").run(fetch, network=True).returncode == 0


def test_nothing_of_our_environment_is_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/nowhere")

    shown = Root("bookworm").run(["env"], environment={"OWN": "value"}).stdout

    assert {line.partition("=")[0] for line in shown.split()} == {"PATH", "HOME", "LANG", "OWN"}


def test_the_root_for_arm64_is_another_processor() -> None:
    shown = Root("arm64").run(["/usr/bin/python3.11", "-c", "import os; print(os.uname().machine)"])

    assert shown.stdout == "aarch64\n"
