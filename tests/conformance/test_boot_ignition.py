"""A machine whose initramfs runs Ignition on what `render` has printed; its first boot starts the agent by a unit."""

import json
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest

from tests.judges import judges
from tests.machine.machine import Machine
from tests.machine.site import RECORD, TOKEN, Site
from tests.unit.rendering.test_additional import rendered
from tests.unit.rendering.test_render import user_data

SUCCESS = "/run/cluster-api/bootstrap-success.complete"
FAILURE = "/run/cluster-api/bootstrap-failure.json"
AGENT = "/opt/bin/machineadm"  # /usr is not for writing where Ignition is at home
UNIT = "machineadm-bootstrap.service"
FIRST_BOOT = Path(__file__).parents[1] / "machine/ignition.sh"


def boot(site: Site, config: bytes, image: Mapping[str, Path] | None = None) -> Machine:
    (site.directory / "config.ign").write_bytes(config)
    mounts = {
        "/ignition/ignition": judges.ignition(),
        "/ignition/config.ign": site.directory / "config.ign",
        "/ignition/first-boot": FIRST_BOOT,
        **(site.image() if image is None else image),
    }
    return Machine(
        "ignition",
        mounts=mounts,
        network=site.network,
        init="/ignition/first-boot",
        may_fail=True,
    )


@pytest.fixture(scope="module")
def booted(
    agent_file: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[Site, Machine]]:
    with (
        Site(agent_file, tmp_path_factory.mktemp("site")) as site,
        boot(site, site.user_data("ignition")) as machine,
    ):
        yield site, machine


@pytest.mark.requirement("R1", "R2", "R4", "R10", "U1")
def test_a_machine_becomes_a_node_from_its_user_data_alone(
    booted: tuple[Site, Machine],
) -> None:
    site, machine = booted

    log = machine.exec("journalctl", "-u", UNIT, check=False).stdout
    assert machine.exec("systemctl", "is-active", UNIT, check=False).stdout == "active\n", log
    assert machine.read(SUCCESS).strip() == "success"
    assert machine.exec("stat", "-c", "%a %U", "/etc/greeting").stdout == "640 root\n"
    assert f'token: "{TOKEN}"' in machine.read(RECORD)
    assert machine.exec("sha256sum", AGENT).stdout.split()[0] == site.sha256
    assert machine.exec("systemctl", "is-system-running").stdout == "running\n"
    assert site.server.paths == ["/machineadm-linux-amd64.pyz", "/machineadm-linux-amd64.pyz.sig"]


def test_a_tampered_agent_never_becomes_executable(agent_file: Path, tmp_path: Path) -> None:
    with (
        Site(agent_file, tmp_path, tampered=True) as site,
        boot(site, site.user_data("ignition")) as machine,
    ):
        assert machine.exec("systemctl", "is-failed", UNIT).stdout == "failed\n"
        assert json.loads(machine.read(FAILURE))["error"]["code"] == "MA1906"
        for path in (AGENT, RECORD, SUCCESS, "/etc/greeting"):
            assert machine.exec("test", "-e", path, check=False).returncode == 1, path


def test_ignitions_own_check_accepts_it(agent_file: Path, tmp_path: Path) -> None:
    with Site(agent_file, tmp_path) as site:
        config = site.user_data("ignition")

    assert judges.ignition_validate(config) == []
    assert judges.ignition_validate(config.replace(b'"mode"', b'"modes"', 1)) != []


def test_ignitions_own_check_accepts_what_an_additional_configuration_is_merged_into() -> None:
    additional = {
        "ignition": {"version": "3.3.0", "timeouts": {"httpTotal": 30}},
        "kernelArguments": {"shouldExist": ["audit=1"]},
        "passwd": {"users": [{"name": "core", "sshAuthorizedKeys": ["ssh-ed25519 AAAAC3Nz a"]}]},
        "storage": {
            "disks": [{"device": "/dev/sdb", "partitions": [{"number": 1, "label": "etcd"}]}],
            "filesystems": [
                {"device": "/dev/disk/by-partlabel/etcd", "format": "ext4", "path": "/var/lib/etcd"}
            ],
            "files": [{"path": "/etc/early", "mode": 420, "contents": {"source": "data:,a"}}],
            "links": [{"path": "/etc/late", "target": "early"}],
        },
        "systemd": {
            "units": [
                {
                    "name": UNIT,
                    "dropins": [{"name": "10.conf", "contents": "[Unit]\nAfter=a.service\n"}],
                }
            ]
        },
    }
    config = user_data(rendered(additional))

    assert judges.ignition_validate(config) == []
    assert b"/etc/early" in config
    for known in (b"shouldExist", b"dropins", b"partitions"):
        assert judges.ignition_validate(config.replace(known, known + b"s", 1)) != [], known
