"""The agent as a package of the system: what is in it, whose it is, and that it is the same every time."""

from __future__ import annotations

import io
import os
import re
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from machineadm.cli.completion import commands
from tests.debian import require

ROOT = Path(__file__).parents[3]
AGENT = b"PK an agent of an odd size"
INSTALLED = {
    "usr/bin/machineadm",
    "usr/share/man/man8/machineadm.8.gz",
    "usr/share/doc/machineadm/copyright",
    "usr/share/bash-completion/completions/machineadm",
    "usr/share/fish/vendor_completions.d/machineadm.fish",
}


def pack(kind: str, directory: Path, **environment: str) -> Path:
    agent = directory.parent / "agent.pyz"
    agent.write_bytes(AGENT)
    argv = [sys.executable, str(ROOT / "build/system_package.py"), kind, "--agent", str(agent)]
    done = subprocess.run(
        [*argv, "--arch", "amd64", str(directory)],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, **environment},
    )
    assert done.returncode == 0, done.stderr
    return Path(done.stdout.strip())


def members(package: Path) -> dict[str, bytes]:
    """The members of an archive of ar."""
    data, at, found = package.read_bytes(), 8, {}
    assert data[:8] == b"!<arch>\n"
    while at < len(data):
        name, size = data[at : at + 16].decode().strip(), int(data[at + 48 : at + 58])
        assert data[at + 58 : at + 60] == b"`\n"
        found[name] = data[at + 60 : at + 60 + size]
        at += 60 + size + size % 2
    return found


@pytest.fixture(scope="module")
def deb(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return pack("deb", tmp_path_factory.mktemp("deb"))


def test_a_deb_has_agent_manual_and_completions_of_root_s(deb: Path) -> None:
    parts = members(deb)

    assert list(parts) == ["debian-binary", "control.tar.gz", "data.tar.gz"]
    with tarfile.open(fileobj=io.BytesIO(parts["data.tar.gz"])) as archive:
        files = {one.name.removeprefix("./"): one for one in archive.getmembers() if one.isfile()}
        agent = archive.extractfile("./usr/bin/machineadm")
        assert agent is not None
        assert agent.read() == AGENT
        assert all((one.uid, one.gid) == (0, 0) for one in archive.getmembers())
        assert not any(one.mode & 0o022 for one in archive.getmembers())
    assert files.keys() >= INSTALLED
    assert "usr/share/zsh/vendor-completions/_machineadm" in files
    assert files["usr/bin/machineadm"].mode == 0o755
    with tarfile.open(fileobj=io.BytesIO(parts["control.tar.gz"])) as archive:
        control = archive.extractfile("./control")
        assert control is not None
        assert b"Depends: python3 (>= 3.10)\n" in control.read()


def test_the_same_agent_gives_the_same_package(deb: Path, tmp_path: Path) -> None:
    directory = tmp_path / "again"
    directory.mkdir()
    umask = os.umask(0o077)
    try:
        again = pack("deb", directory, TZ="Asia/Tokyo", LC_ALL="C", MACHINEADM_OUTPUT="json")
    finally:
        os.umask(umask)

    assert again.read_bytes() == deb.read_bytes()


@pytest.mark.skipif(not shutil.which("dpkg-deb"), reason="dpkg is Debian's")
def test_dpkg_reads_it(deb: Path, tmp_path: Path) -> None:
    subprocess.run(["dpkg-deb", "-x", str(deb), str(tmp_path / "root")], check=True)
    told = subprocess.run(
        ["dpkg-deb", "-f", str(deb), "Package", "Architecture"],
        check=True,
        capture_output=True,
        text=True,
    )

    assert told.stdout == "Package: machineadm\nArchitecture: amd64\n"
    assert (tmp_path / "root/usr/bin/machineadm").read_bytes() == AGENT


def page() -> str:
    done = subprocess.run(
        [sys.executable, str(ROOT / "build/manual.py")], capture_output=True, text=True, check=True
    )
    return done.stdout


def test_the_manual_has_every_command_option_and_exit_code() -> None:
    text = page().replace("\\-", "-").replace("\\&", "")

    for command in commands():
        if command.below:
            continue
        section = text.partition(f".SS {' '.join(command.words)}\n")[2].partition("\n.S")[0]
        assert section, command.words
        for option in command.options:
            assert f".B {option.name}" in section, (command.words, option.name)
    for code in (0, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 70):
        assert f".TP\n.B {code}\n" in text


def test_nothing_in_the_manual_is_taken_for_a_request() -> None:
    for line in page().splitlines():
        if line.startswith((".", "'")):
            assert re.match(r"\.(TH|SH|SS|TP|B|I)\b", line), line


@pytest.mark.skipif(os.geteuid() != 0, reason="installs rpm")
def test_an_rpm_is_installed_into_a_root_by_rpm_itself(tmp_path: Path) -> None:
    require(rpmbuild="rpm", rpm="rpm")
    directory = tmp_path / "out"
    directory.mkdir()

    package = pack("rpm", directory)

    root = tmp_path / "root"
    root.mkdir()
    base = ["rpm", "--root", str(root), "--dbpath", "/var/lib/rpm"]
    done = subprocess.run(
        # Nothing of a distribution is in the root, its Python neither.
        [*base, "--install", "--nodeps", "--noscripts", str(package)],
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    for path in (*INSTALLED, "usr/share/zsh/site-functions/_machineadm"):
        assert (root / path).is_file(), path
    agent = root / "usr/bin/machineadm"
    assert agent.read_bytes() == AGENT
    assert agent.stat().st_mode & 0o7777 == 0o755
    verified = subprocess.run(
        [*base, "--verify", "--nodeps", "machineadm"], capture_output=True, text=True, check=False
    )
    assert (verified.returncode, verified.stdout) == (0, "")
    asked = subprocess.run(
        ["rpm", "-qp", "--requires", str(package)], capture_output=True, text=True, check=True
    )
    assert "python3 >= 3.10" in asked.stdout
    assert subprocess.run([*base, "--erase", "machineadm"], check=False).returncode == 0
    assert not agent.exists()
