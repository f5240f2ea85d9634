"""`check os`: each row of the contract's page is asked for, and told line by line."""

from __future__ import annotations

import importlib
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from machineadm.actions.os_contract import PARTS, held
from machineadm.cli.check.os import show
from machineadm.cli.main import main
from tests.fakes.host import FakeHost

PAGE = (Path(__file__).parents[3] / "docs/os-contract.md").read_text()
LOG: Any = importlib.import_module(
    "pydantic_sarif.model"
).StaticAnalysisResultsFormatSarifVersion210JsonSchema


def keeps() -> FakeHost:
    """A machine on which all of it holds."""
    host = FakeHost()
    for path in (
        "/run/systemd/system/x",
        "/var/lib/x",
        "/run/x",
        "/etc/selinux/config",
        "/proc/sys/kernel/ostype",
        "/sys/kernel/x",
    ):
        host.put(path)
    host.put("/usr/lib/systemd/system/containerd.service")
    host.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    host.put("/etc/os-release", "ID=debian\n")
    host.put("/etc/machineadm/passphrases/vault", "x", mode=0o600)
    host.put("/proc/self/mounts", "ext4 / ext4 rw 0 0\ntmpfs /run tmpfs rw,nosuid 0 0\n")
    on = host.commands.on
    on("/usr/bin/python3", output="3.11.2 glibc 2.36\n")
    on("systemctl", "--version", output="systemd 252 (252.30)\n+PAM\n")
    on("kubeadm", "version", output="v1.34.4\n")
    on(
        "containerd",
        "--version",
        output="containerd github.com/containerd/containerd/v2 v2.1.0 abc\n",
    )
    return host


def told(host: FakeHost, capfd: pytest.CaptureFixture[str]) -> tuple[int, list[str]]:
    code = show(host, output="text")
    return code, capfd.readouterr().out.splitlines()


def test_the_rows_of_the_page_are_those_that_are_asked_for() -> None:
    table = PAGE.partition("| what | needed for |")[2].partition("\n\n")[0]
    rows = [re.sub("[`]", "", line.split("|")[1]).strip() for line in table.splitlines()[2:]]

    assert len(rows) == len(PARTS)
    assert [
        row for row, part in zip(rows, PARTS, strict=True) if not row.startswith(part.row)
    ] == []


def test_a_system_that_keeps_the_contract_is_told_so_row_by_row(
    capfd: pytest.CaptureFixture[str],
) -> None:
    host = keeps()

    code, lines = told(host, capfd)

    assert code == 0
    assert len(lines) == len(PARTS)
    assert [line for line in lines if not line.startswith("holds ")] == []
    assert host.mutations() == []


def _without(*programs: str) -> Callable[[FakeHost], None]:
    return lambda host: host.commands.missing.update(programs)


def _with(path: str, content: str) -> Callable[[FakeHost], None]:
    return lambda host: host.put(path, content)


def _says(*argv: str, output: str) -> Callable[[FakeHost], None]:
    return lambda host: host.commands.on(*argv, output=output)


FAULTS: dict[str, tuple[str, Callable[[FakeHost], None]]] = {
    "an old Python": ("CPython", _says("/usr/bin/python3", output="3.9.2 glibc 2.31\n")),
    "a new Python": ("CPython", _says("/usr/bin/python3", output="3.15.0 glibc 2.40\n")),
    "no Python": ("CPython", _without("/usr/bin/python3")),
    "musl": ("CPython", _says("/usr/bin/python3", output="3.12.0 None\n")),
    "an old glibc": ("CPython", _says("/usr/bin/python3", output="3.10.0 glibc 2.12\n")),
    "another processor": ("CPython", lambda host: setattr(host, "architecture", "s390x")),
    "a root that is read-only": ("root", _with("/proc/self/mounts", "ext4 / ext4 ro 0 0\n")),
    "an /run that is read-only": ("root", _with("/proc/self/mounts", "a / ext4 rw 0 0\nb /run tmpfs ro 0 0\n")),
    "an image's machine-id": ("/etc/machine-id", _with("/etc/machine-id", "uninitialized\n")),
    "a machine-id of another form": ("/etc/machine-id", _with("/etc/machine-id", "my-machine\n")),
    "no procfs": ("procfs", lambda host: host.files.remove("/proc/sys/kernel/ostype")),
}  # fmt: skip
LACKS: dict[str, tuple[str, Callable[[FakeHost], None]]] = {
    "no kubelet": ("kubeadm", _without("kubelet")),
    "no runtime": ("kubeadm", _without("containerd", "crio", "cri-dockerd")),
    "a passphrase for all": ("/etc/machineadm", lambda host: host.put("/etc/machineadm/passphrases/vault", "x", mode=0o644)),
    "nothing that fetches": ("curl", _without("curl", "wget")),
    "nothing that sums": ("curl", _without("openssl", "sha256sum")),
    "no modprobe": ("modprobe", _without("modprobe")),
    "no program of the trust store": ("update-ca", _without("update-ca-certificates")),
    "an unknown distribution": ("update-ca", _with("/etc/os-release", "ID=void\n")),
    "an old containerd": ("containerd", _says("containerd", "--version", output="containerd containerd.io 1.5.9 x\n")),
    "no ctr": ("containerd", _without("ctr")),
    "an old systemd": ("systemd 244", _says("systemctl", "--version", output="systemd 239\n")),
    "no package manager": ("apt", _without("apt-get")),
    "no SELinux": ("/etc/selinux", lambda host: host.files.remove("/etc/selinux/config")),
}  # fmt: skip


@pytest.mark.parametrize("fault", [*FAULTS, *LACKS])
def test_what_does_not_hold_is_told_with_what_needs_it(
    fault: str, capfd: pytest.CaptureFixture[str]
) -> None:
    host = keeps()
    row, breaks = {**FAULTS, **LACKS}[fault]
    breaks(host)

    code, lines = told(host, capfd)

    wrong = [line for line in lines if not line.startswith("holds ")]
    assert any(row in line and "(for " in line for line in wrong)
    assert code == (10 if fault in FAULTS else 0)
    assert all(
        line.startswith("FAILS " if fault in FAULTS else "absent") for line in wrong if row in line
    )


def test_json_and_sarif_say_the_same(capfd: pytest.CaptureFixture[str]) -> None:
    host = keeps()
    FAULTS["musl"][1](host)
    LACKS["no modprobe"][1](host)

    assert show(host, output="json") == 10
    parts = json.loads(capfd.readouterr().out)["contract"]
    assert show(host, output="sarif") == 10
    (run,) = LOG.model_validate_json(capfd.readouterr().out).runs

    wrong = [one for one in parts if not one["holds"]]
    assert [(one["required"], one["part"][:7]) for one in wrong] == [
        (True, "CPython"),
        (False, "modprob"),
    ]
    assert [one.ruleId for one in run.results] == ["MA4621", "MA4622"]


def test_a_question_that_fails_is_a_part_that_does_not_hold() -> None:
    host = keeps()
    host.files.remove("/proc/self/mounts")
    host.files.make_directory("/proc/self/mounts")

    (answer,) = [one.answer for one in held(host) if one.part.row.startswith("root")]

    assert not answer.holds


def test_this_machine_is_asked_without_being_touched(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["check", "os"]) in (0, 10)
    assert len(capsys.readouterr().out.splitlines()) == len(PARTS)
