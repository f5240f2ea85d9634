"""Pack the agent as a .deb or an .rpm, with its manual page and completions: `python build/system_package.py deb|rpm --agent FILE --arch ARCH DIRECTORY`.

A .deb is two archives in an archive, and is written here, so that the same agent gives the same bytes and no tool of Debian's is needed.
An .rpm is made by rpmbuild, which Debian has, too. No RPM system ran it.
"""

from __future__ import annotations

import argparse
import gzip
import io
import os
import subprocess
import sys
import tarfile
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path

import manual
from checkout import ROOT, source_date_epoch

DESCRIPTION = "turns a bare machine into a Kubernetes node from one typed configuration"
RPM_ARCHITECTURES = {"amd64": "x86_64", "arm64": "aarch64"}
COMPLETIONS = {
    "bash": "usr/share/bash-completion/completions/machineadm",
    "zsh": "usr/share/zsh/site-functions/_machineadm",
    "fish": "usr/share/fish/vendor_completions.d/machineadm.fish",
}
DEBIAN_ZSH = "usr/share/zsh/vendor-completions/_machineadm"
"""Where Debian's zsh looks for what packages bring."""
# Nothing of rpmbuild's own may touch the files (__os_install_post strips, compiles and rewrites
# first lines): the agent's digest is signed. Time and host are fixed, so that the same agent gives
# the same bytes.
SPEC = """\
Name: machineadm
Version: {version}
Release: {release}
Summary: Turns a bare machine into a Kubernetes node from one typed configuration
License: Apache-2.0
BuildArch: {arch}
Requires: python3 >= 3.10
AutoReqProv: no
%global _build_id_links none
%global __os_install_post %{{nil}}
%global use_source_date_epoch_as_buildtime 1
%global clamp_mtime_to_source_date_epoch 1
%global _buildhost machineadm
%description
machineadm {description}.
%files
{files}
"""


def main() -> None:
    """Write the package that the command line asks for, and print its path."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("kind", choices=("deb", "rpm"))
    parser.add_argument("--agent", type=Path, required=True, help="the agent's one file")
    parser.add_argument("--arch", choices=tuple(RPM_ARCHITECTURES), required=True)
    parser.add_argument("directory", type=Path)
    arguments = parser.parse_args()
    # The checkout's package and not an installed one: its version and its commands are packed.
    sys.path.insert(0, str(ROOT))
    arguments.directory.mkdir(parents=True, exist_ok=True)
    write = deb if arguments.kind == "deb" else rpm
    path = write(contents(arguments.agent), arguments.arch, arguments.directory)
    sys.stdout.write(f"{path}\n")


def contents(agent: Path) -> dict[str, tuple[bytes, int]]:
    """What is installed: content and mode by path, without the first slash."""
    found = {
        "usr/bin/machineadm": (agent.read_bytes(), 0o755),
        "usr/share/man/man8/machineadm.8.gz": (compressed(manual.page().encode()), 0o644),
        "usr/share/doc/machineadm/copyright": ((ROOT / "LICENSE").read_bytes(), 0o644),
    }
    for shell, path in COMPLETIONS.items():
        found[path] = (completion(shell), 0o644)
    return found


def completion(shell: str) -> bytes:
    """What `machineadm completion SHELL` prints."""
    argv = [sys.executable, "-m", "machineadm", "completion", shell]
    environment = {
        name: value for name, value in os.environ.items() if not name.startswith("MACHINEADM_")
    }
    # A variable is an option: the builder's own must not change what is printed.
    done = subprocess.run(argv, cwd=ROOT, env=environment, capture_output=True, check=True)
    return done.stdout


def version() -> str:
    """The version of the checkout."""
    from machineadm.version import VERSION

    return VERSION


def deb(files: Mapping[str, tuple[bytes, int]], arch: str, directory: Path) -> Path:
    """Write a binary package of Debian's.

    Args:
        files: What it installs.
        arch: As Debian names it.
        directory: Where it is written.
    """
    # Debian sorts ~ before everything: 0.2.0~rc.1 is older than 0.2.0.
    number = version().replace("-", "~")
    # In KiB, rounded up, as Debian's policy has it.
    size = sum(len(content) for content, _ in files.values()) // 1024 + 1
    control = (
        f"Package: machineadm\nVersion: {number}\nArchitecture: {arch}\nMaintainer: machineadm <nobody@invalid>\n"
        f"Installed-Size: {size}\nDepends: python3 (>= 3.10)\nSection: admin\nPriority: optional\nDescription: {DESCRIPTION}\n"
    )
    zsh = COMPLETIONS["zsh"]
    files = {(DEBIAN_ZSH if path == zsh else path): file for path, file in files.items()}
    # In this order alone, by deb(5): dpkg reads the archive from its beginning.
    members = (
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", tarball({"control": (control.encode(), 0o644)})),
        ("data.tar.gz", tarball(files)),
    )
    path = directory / f"machineadm_{number}_{arch}.deb"
    path.write_bytes(ar(members))
    return path


def ar(members: Sequence[tuple[str, bytes]]) -> bytes:
    """An archive as ar makes it and dpkg reads it."""
    out = b"!<arch>\n"
    for name, content in members:
        out += f"{name:<16}{source_date_epoch():<12}{0:<6}{0:<6}{100644:<8}{len(content):<10}`\n".encode()
        # Members begin at even offsets.
        out += content + (b"\n" if len(content) % 2 else b"")
    return out


def tarball(files: Mapping[str, tuple[bytes, int]]) -> bytes:
    """Files and the directories that hold them, root's, gzipped; the same bytes every time."""
    target = io.BytesIO()
    # The format that dpkg-deb writes itself; Python's default would be pax.
    with tarfile.open(fileobj=target, mode="w", format=tarfile.GNU_FORMAT) as archive:
        directories = {
            "/".join(parts[:count])
            for parts in (path.split("/") for path in files)
            for count in range(len(parts))
        }
        # Before the files: dpkg makes no directory that the archive does not name.
        for name in sorted(directories):
            member = entry(f"./{name}" if name else ".", 0o755)
            member.type = tarfile.DIRTYPE
            archive.addfile(member)
        for path, (content, mode) in sorted(files.items()):
            member = entry(f"./{path}", mode)
            member.size = len(content)
            archive.addfile(member, io.BytesIO(content))
    return compressed(target.getvalue())


def entry(name: str, mode: int) -> tarfile.TarInfo:
    """A member of root's with the commit's time."""
    member = tarfile.TarInfo(name)
    member.mode, member.mtime = mode, int(source_date_epoch())
    member.uname = member.gname = "root"
    return member


def compressed(content: bytes) -> bytes:
    """Gzipped without a time and a name."""
    return gzip.compress(content, mtime=0)


def rpm(files: Mapping[str, tuple[bytes, int]], arch: str, directory: Path) -> Path:
    """Have rpmbuild write a binary package.

    Args:
        files: What it installs.
        arch: As Debian names it.
        directory: Where it is written.

    Raises:
        SystemExit: It is not there, or refuses.
    """
    number, _, early = version().partition("-")
    # RPM has no hyphens in either; a release below 1 is one that comes before it.
    release = f"0.{early.replace('-', '.')}" if early else "1"
    listed = "\n".join(
        f"%attr({mode:04o},root,root) /{path}" for path, (_, mode) in sorted(files.items())
    )
    spec = SPEC.format(
        version=number,
        release=release,
        arch=RPM_ARCHITECTURES[arch],
        description=DESCRIPTION,
        files=listed,
    )
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        root = top / "root"
        for path, (content, mode) in files.items():
            target = root / path
            target.parent.mkdir(parents=True, exist_ok=True)
            target.write_bytes(content)
            target.chmod(mode)
        (top / "machineadm.spec").write_text(spec)
        argv = [
            "rpmbuild",
            "-bb",
            "--quiet",
            "--buildroot",
            str(root),
            "--target",
            RPM_ARCHITECTURES[arch],
        ]
        argv += [
            "--define",
            f"_topdir {top}",
            "--define",
            f"_rpmdir {top}/out",
            "--noclean",
            str(top / "machineadm.spec"),
        ]
        environment = {**os.environ, "SOURCE_DATE_EPOCH": source_date_epoch()}
        done = subprocess.run(argv, env=environment, capture_output=True, text=True, check=False)
        if done.returncode:
            raise SystemExit(f"rpmbuild failed: {done.stderr}")
        (built,) = (top / "out").rglob("*.rpm")
        written = directory / built.name
        # A copy: the temporary directory may be on another file system.
        written.write_bytes(built.read_bytes())
    return written


if __name__ == "__main__":
    main()
