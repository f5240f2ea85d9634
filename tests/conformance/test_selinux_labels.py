"""Labels of the files that we write, by matchpathcon and Debian's policy. This kernel has no SELinux, but file systems keep the attribute."""

from __future__ import annotations

import os
import subprocess
from pathlib import Path

import pytest

from machineadm.host.linux.files import LinuxFiles
from machineadm.host.linux.labels import Labels
from machineadm.host.linux.tree import Tree
from machineadm.host.ports import FileWrite
from tests import debian
from tests.real import missing

PATHS = (
    "/etc/shadow",
    "/etc/resolv.conf",
    "/etc/hostname",
    "/etc/systemd/system/tool.service",
    "/etc/ssl/private/server.key",
    "/etc/kubernetes/pki/ca.key",
    "/usr/local/bin/tool",
    "/var/lib/kubelet/config.yaml",
    "/root/.ssh/authorized_keys",
    "/etc/containerd/config.toml",
)
ATTRIBUTE = "security.selinux"


@pytest.fixture(scope="module", autouse=True)
def policy() -> None:
    # semodule is of policycoreutils, which the policy depends on.
    debian.require(matchpathcon="selinux-utils", semodule="selinux-policy-default")
    if not Path("/etc/selinux/default/contexts/files/file_contexts").exists():
        missing("selinux-policy-default has made no file contexts")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    try:
        os.setxattr(tmp_path, ATTRIBUTE, b"system_u:object_r:etc_t:s0\0")
    except OSError as error:
        pytest.skip(f"this file system keeps no labels: {error.strerror}")
    return tmp_path


def judged(path: str) -> str:
    done = subprocess.run(["matchpathcon", "-n", "-m", "file", path], capture_output=True, text=True, check=True)  # fmt: skip
    return done.stdout.strip()


@pytest.mark.parametrize("path", PATHS)
def test_a_file_has_the_label_of_its_path(root: Path, path: str) -> None:
    LinuxFiles(Tree(str(root)), Labels().give).write([FileWrite(path=path, content=b"x")])

    label = os.getxattr(root / path.lstrip("/"), ATTRIBUTE)
    assert label == judged(path).encode() + b"\0"


def test_labels_differ_within_a_directory_and_are_not_the_directory_s() -> None:
    assert len({judged(path) for path in PATHS}) > 4
    assert judged("/etc/shadow") != judged("/etc/hostname")


def test_a_file_that_is_replaced_has_the_label_of_its_path_again(root: Path) -> None:
    files = LinuxFiles(Tree(str(root)), Labels().give)
    files.write([FileWrite(path="/etc/shadow", content=b"1")])
    os.setxattr(root / "etc/shadow", ATTRIBUTE, b"system_u:object_r:tmp_t:s0\0")

    files.write([FileWrite(path="/etc/shadow", content=b"2")])

    assert os.getxattr(root / "etc/shadow", ATTRIBUTE) == judged("/etc/shadow").encode() + b"\0"
