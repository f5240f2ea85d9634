"""A machine boots from the user data that `render` has printed, and becomes what its configuration says."""

import json
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import Machine
from tests.machine.site import AGENT, PASSPHRASE, RECORD, TOKEN, Site

SUCCESS = "/run/cluster-api/bootstrap-success.complete"
FAILURE = "/run/cluster-api/bootstrap-failure.json"
STATUS = "/run/machineadm/status.json"
FLAVOURS = ["bookworm-cloud", "trixie-cloud"]


@pytest.fixture(scope="module", params=FLAVOURS)
def booted(
    request: pytest.FixtureRequest, agent_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Machine, bytes]]:
    with Site(agent_file, tmp_path_factory.mktemp("site")) as site:
        user_data = site.user_data("cloud-config")
        with Machine(
            "cloud",
            flavour=request.param,
            mounts=site.seed(user_data),
            network=site.network,
            may_fail=True,
        ) as machine:
            yield site, machine, user_data


@pytest.mark.requirement("R1", "R2", "R4", "R10", "U1")
def test_a_machine_becomes_a_node_from_its_user_data_alone(
    booted: tuple[Site, Machine, bytes],
) -> None:
    site, machine, _ = booted

    status = machine.exec("cloud-init", "status", "--long", check=False)

    assert status.returncode == 0, status.stdout + machine.exec("journalctl", "-b").stdout[-6000:]
    assert "status: done" in status.stdout
    assert machine.read(SUCCESS).strip() == "success"
    assert json.loads(machine.read(STATUS))["phase"] == "Succeeded"
    assert machine.exec("stat", "-c", "%a %U", "/etc/greeting").stdout == "640 root\n"
    assert machine.exec("stat", "-c", "%a %U", "/run/machineadm").stdout == "700 root\n"
    assert machine.read("/var/lib/commands") == "ran\n"
    assert f'token: "{TOKEN}"' in machine.read(RECORD)
    assert machine.exec("systemctl", "is-system-running").stdout.strip() == "running"
    assert site.server.paths == ["/machineadm-linux-amd64.pyz", "/machineadm-linux-amd64.pyz.sig"]


def test_the_agent_is_what_was_signed(booted: tuple[Site, Machine, bytes]) -> None:
    site, machine, _ = booted

    assert machine.exec("sha256sum", AGENT).stdout.split()[0] == site.sha256
    assert machine.exec("stat", "-c", "%a %U:%G", AGENT).stdout == "755 root:root\n"


def test_the_user_data_holds_no_readable_secret(booted: tuple[Site, Machine, bytes]) -> None:
    _, machine, user_data = booted

    found = machine.exec(
        "grep", "-rlE", f"{TOKEN}|{PASSPHRASE}", "/var/lib/cloud", "/run", "/var/log", "/tmp", RECORD,
        check=False,
    )  # fmt: skip

    assert b"kind: Secret" not in user_data
    assert TOKEN.encode() not in user_data
    assert found.stdout.split() == [RECORD]


def test_cloud_inits_own_check_accepts_it(booted: tuple[Site, Machine, bytes]) -> None:
    _, machine, user_data = booted
    machine.write("/root/user-data", user_data.decode())
    machine.write("/root/other", user_data.decode().replace("'0600'", "0600"))

    checked = machine.exec("cloud-init", "schema", "--config-file", "/root/user-data", check=False)
    planted = machine.exec("cloud-init", "schema", "--config-file", "/root/other", check=False)

    assert checked.returncode == 0, checked.stdout + checked.stderr
    assert "Valid" in checked.stdout
    assert planted.returncode == 1


def test_the_script_for_plain_systemd_does_the_same_by_a_unit(
    agent_file: Path, tmp_path: Path
) -> None:
    """cloud-init runs it here, as it runs whatever begins with `#!`."""
    with Site(agent_file, tmp_path) as site:
        mounts = site.seed(site.user_data("cloud-config", "--template", "systemd"))
        with Machine(
            "script", flavour="bookworm-cloud", mounts=mounts, network=site.network
        ) as machine:
            unit = "machineadm-bootstrap.service"
            machine.exec("systemctl", "start", unit)  # waits for its end

            assert machine.exec("systemctl", "is-active", unit).stdout == "active\n"
            assert machine.read(SUCCESS).strip() == "success"
            assert f'token: "{TOKEN}"' in machine.read(RECORD)


@pytest.mark.parametrize(
    ("flavour", "check"), [("bookworm-cloud", "publicKey"), ("trixie-cloud", "sha256")]
)
def test_a_tampered_agent_never_becomes_executable(
    flavour: str, check: str, agent_file: Path, tmp_path: Path
) -> None:
    with Site(agent_file, tmp_path, tampered=True, checks=(check,)) as site:
        mounts = site.seed(site.user_data("cloud-config"))
        with Machine(
            "tampered", flavour=flavour, mounts=mounts, network=site.network, may_fail=True
        ) as machine:
            status = machine.exec("cloud-init", "status", "--long", check=False)
            left = machine.exec(
                "find", "/", "-xdev", "-iname", "*machineadm*", "-type", "f", "-perm", "/111"
            )

            assert status.returncode == 1
            assert "status: error" in status.stdout
            code = {"sha256": "MA1906", "publicKey": "MA1907"}[check]
            assert json.loads(machine.read(FAILURE))["error"]["code"] == code
            assert code in machine.read("/var/log/cloud-init-output.log")
            assert left.stdout == ""
            for path in (AGENT, RECORD, SUCCESS, "/etc/greeting"):
                assert machine.exec("test", "-e", path, check=False).returncode == 1, path


def test_instance_data_is_what_cloud_init_itself_says(
    booted: tuple[Site, Machine, bytes],
) -> None:
    """Every standardised name, by cloud-init's own reader of its own file."""
    _, machine, _ = booted
    told = json.loads(machine.exec(AGENT, "facts", "--output", "json").stdout)
    facts = {one["name"]: one for one in told["facts"] if one["name"].startswith("v1.")}

    for name, fact in facts.items():
        said = machine.exec("cloud-init", "query", name, check=False)
        value = said.stdout.strip() if said.returncode == 0 else ""
        assert fact["value"] == ("" if value in ("null", "None") else value), name
    known = {name for name, fact in facts.items() if fact["source"] == "cloud-init"}
    assert {"v1.instance_id", "v1.local_hostname", "v1.distro", "v1.platform"} <= known
