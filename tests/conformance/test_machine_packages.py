"""Packages and archives on a real machine: Debian's own apt, with repositories that are signed, and with one that is not by its key."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.debian import require
from tests.machine.machine import Machine

AGENT = ("python3", "/root/agent.pyz")
OPTIONS = ("--mode", "preparation", "--path", "/root/a.json")
FAILS = "#!/bin/sh\n[ ! -e /run/fail ]\n"


def build(directory: Path, name: str, version: str, *, script: str = "") -> None:
    """A package with a program that prints its version, and the script that dpkg runs after it is unpacked."""
    root = directory / f"{name}-{version}.root"
    control = root / "DEBIAN"
    program = root / "usr/bin" / name
    for path in (control, program.parent):
        path.mkdir(parents=True)
    fields = {"Package": name, "Version": version, "Architecture": "all", "Maintainer": "nobody <nobody@example.com>", "Description": name}  # fmt: skip
    (control / "control").write_text("".join(f"{key}: {value}\n" for key, value in fields.items()))
    if script:
        (control / "postinst").write_text(script)
        (control / "postinst").chmod(0o755)
    program.write_text(f"#!/bin/sh\necho {version}\n")
    program.chmod(0o755)
    argv = [
        "dpkg-deb",
        "--root-owner-group",
        "-b",
        str(root),
        str(directory / f"{name}_{version}.deb"),
    ]
    subprocess.run(argv, check=True, capture_output=True)


def sign(directory: Path, home: Path) -> str:
    """Write the lists of a flat repository, signed by a key of its own; returns the public key."""
    packages = ""
    for file in sorted(directory.glob("*.deb")):
        fields = subprocess.run(
            ["dpkg-deb", "-f", str(file)], check=True, capture_output=True, text=True
        ).stdout
        sum_ = hashlib.sha256(file.read_bytes()).hexdigest()
        packages += (
            f"{fields}Filename: ./{file.name}\nSize: {file.stat().st_size}\nSHA256: {sum_}\n\n"
        )
    (directory / "Packages").write_text(packages)
    data = packages.encode()
    (directory / "Release").write_text(
        f"Origin: test\nDate: Sat, 01 Nov 2025 00:00:00 +0000\nSHA256:\n {hashlib.sha256(data).hexdigest()} {len(data)} Packages\n"
    )
    home.mkdir(mode=0o700)
    environment = {**os.environ, "GNUPGHOME": str(home)}

    def gpg(*argv: str) -> str:
        done = subprocess.run(
            ["gpg", "-q", "--batch", *argv],
            env=environment,
            check=True,
            capture_output=True,
            text=True,
        )
        return done.stdout

    try:
        gpg(
            "--passphrase",
            "",
            "--quick-generate-key",
            "test <test@example.com>",
            "rsa2048",
            "sign",
            "never",
        )
        gpg("--clearsign", "--output", str(directory / "InRelease"), str(directory / "Release"))
        return gpg("--armor", "--export")
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], env=environment, check=False)


class Stage:
    """A machine with a repository below /srv, and an archive."""

    def __init__(self, machine: Machine, key: str, other: str, digest: str) -> None:
        self.machine, self.key, self.other, self.digest = machine, key, other, digest

    def configure(
        self,
        *packages: dict[str, Any],
        key: str | None = None,
        repository: bool = True,
        archives: bool = False,
    ) -> None:
        entry = {
            "name": "test",
            "format": "apt",
            "url": "file:///srv/repository",
            "suites": ["./"],
            "key": key or self.key,
        }
        archive = {
            "source": {"url": "file:///srv/tools.tar.xz", "sha256": self.digest},
            "destination": "/usr/local",
            "members": [{"name": "bin/unpacked"}, {"name": "note", "path": "share/note", "owner": "nobody:nogroup", "permissions": "0640"}],
        }  # fmt: skip
        linux = {
            "packages": list(packages),
            "packageRepositories": [entry] if repository else [],
            "archives": [archive] if archives else [],
        }
        document = {
            "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
            "kind": "MachineConfiguration",
            "spec": {"machine": {"linuxConfiguration": linux}},
        }
        self.machine.write("/root/a.json", json.dumps(document))

    def bootstrap(self) -> subprocess.CompletedProcess[str]:
        return self.machine.exec(*AGENT, "bootstrap", *OPTIONS, check=False)

    def succeeds(self) -> None:
        done = self.bootstrap()
        assert done.returncode == 0, done.stdout + done.stderr
        assert " 0 to do, " in self.machine.exec(*AGENT, "plan", *OPTIONS).stdout

    def held(self) -> list[str]:
        return self.machine.exec("apt-mark", "showhold").stdout.split()

    def version(self, name: str) -> str:
        return self.machine.exec(name, check=False).stdout.strip()


@pytest.fixture(scope="module")
def stage(agent_file: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Stage]:
    require(gpg="gnupg", dpkg_deb="dpkg")
    directory = tmp_path_factory.mktemp("packages")
    repository, other = directory / "repository", directory / "other"
    repository.mkdir()
    other.mkdir()
    for version in ("1.0-1", "2.0-1"):
        build(repository, "tool", version)
    build(repository, "cutoff", "1.0-1", script=FAILS)
    build(repository, "later", "1.0-1")
    key, another = sign(repository, directory / "home"), sign(other, directory / "home2")
    archive = directory / "tools.tar.xz"
    (directory / "note").write_text("noted\n")
    (directory / "unpacked").write_text("#!/bin/sh\necho unpacked\n")
    (directory / "unpacked").chmod(0o755)
    with tarfile.open(archive, "w:xz") as tar:
        tar.add(directory / "unpacked", "./bin/unpacked")
        tar.add(directory / "note", "note")
    mounts = {"/srv/repository": repository, "/srv/tools.tar.xz": archive}
    for path in (directory, *directory.parents):  # apt reads as a user of its own
        if path.stat().st_uid == os.geteuid() and path != Path("/"):
            path.chmod(path.stat().st_mode | 0o055)
    with Machine("packages", mounts=mounts) as machine:
        machine.put(agent_file, "/root/agent.pyz")
        # Debian's own cannot be reached from here, and what may pass is waited for.
        machine.exec("sh", "-c", "rm -rf /etc/apt/sources.list /etc/apt/sources.list.d/*")
        yield Stage(machine, key, another, hashlib.sha256(archive.read_bytes()).hexdigest())


@pytest.mark.requirement("U2")
def test_a_package_is_installed_held_and_replaced_in_both_directions(stage: Stage) -> None:
    for version in ("1.0-1", "2.0-1", "1.*"):
        stage.configure({"name": "tool", "version": version, "hold": True})

        stage.succeeds()

        assert stage.version("tool") == version.replace("1.*", "1.0-1")
        assert stage.held() == ["tool"]
    stage.configure({"name": "tool", "hold": False})
    stage.succeeds()
    assert stage.held() == []


def test_an_installation_that_failed_half_way_is_ended_by_the_next_run(stage: Stage) -> None:
    stage.machine.write("/run/fail", "")
    stage.configure({"name": "cutoff", "hold": True})

    failed = stage.bootstrap()
    assert failed.returncode == 5
    assert "MA3632" in failed.stderr
    status = stage.machine.exec("dpkg-query", "-W", "-f", "${db:Status-Abbrev}", "cutoff").stdout
    # Half configured; whether it is to be held is settled after a failure, too.
    assert status[1] == "F"

    stage.machine.exec("rm", "/run/fail")
    stage.succeeds()
    assert "cutoff" in stage.held()


def test_a_repository_that_another_key_signs_gives_nothing(stage: Stage) -> None:
    stage.machine.exec("sh", "-c", "rm -rf /var/lib/apt/lists/*")
    stage.configure({"name": "later"}, key=stage.other)

    failed = stage.bootstrap()

    assert failed.returncode == 5
    assert "MA363" in failed.stderr
    assert stage.version("later") == ""

    stage.configure({"name": "later"})
    stage.succeeds()
    assert stage.version("later") == "1.0-1"


def test_a_version_that_no_repository_has_is_told_with_its_name(stage: Stage) -> None:
    stage.configure({"name": "tool", "version": "9.9-1"})

    failed = stage.bootstrap()

    assert failed.returncode == 5
    assert "MA3633" in failed.stderr
    assert "9.9-1" in failed.stderr


def test_members_of_an_archive_are_programs_of_the_machine_until_nobody_names_them(
    stage: Stage,
) -> None:
    stage.configure(archives=True)

    stage.succeeds()

    assert stage.version("unpacked") == "unpacked"
    found = stage.machine.exec("stat", "-c", "%a %U:%G", "/usr/local/share/note").stdout
    assert found.strip() == "640 nobody:nogroup"

    stage.configure(repository=False)
    stage.succeeds()
    assert stage.version("unpacked") == ""
    assert stage.machine.exec("ls", "/etc/apt/keyrings").stdout == ""
    assert stage.version("tool") == "1.0-1"
