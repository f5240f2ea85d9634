"""Disks, file systems, files and kernel arguments of Ignition keep all that they say, in the words of today; what has none is a decision."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from machineadm.conversion.placeholders import Bare
from tests.unit.conversion.converting import Converted, config

KEY = "ignition.containerLinuxConfig.additionalConfig"


def additional(text: str) -> Converted:
    given = {"format": "ignition", "ignition": {"containerLinuxConfig": {"additionalConfig": text}}}
    return config(yaml.safe_dump(given))


def early(text: str) -> dict[str, Any]:
    found = additional(text)
    assert found.undecided == {}
    return json.loads(found.spec["ignition"]["additionalConfig"])  # type: ignore[no-any-return]


STORAGE: dict[str, tuple[str, str, object]] = {
    "a disk of Container Linux Config": (
        "disks: [{device: /dev/sdb, wipe_table: true, partitions: [{label: a, number: 1, size: 2GiB, start: 1MB, type_guid: B}]}]",
        "disks",
        [
            {
                "device": "/dev/sdb",
                "wipeTable": True,
                "partitions": [
                    {"label": "a", "number": 1, "typeGuid": "B", "sizeMiB": 2048, "startMiB": 1}
                ],
            }
        ],
    ),
    "a partition without a size": (
        "disks: [{device: /dev/sdb, partitions: [{label: a, size: 0}]}]",
        "disks",
        [{"device": "/dev/sdb", "partitions": [{"label": "a"}]}],
    ),
    "a disk of Butane": (
        "disks: [{device: /dev/sdb, partitions: [{size_mib: 3, start_mib: 1, wipe_partition_entry: true, should_exist: true, resize: true, guid: A}]}]",
        "disks",
        [
            {
                "device": "/dev/sdb",
                "partitions": [
                    {
                        "sizeMiB": 3,
                        "startMiB": 1,
                        "wipePartitionEntry": True,
                        "shouldExist": True,
                        "resize": True,
                        "guid": "A",
                    }
                ],
            }
        ],
    ),
    "a file system of Container Linux Config": (
        "filesystems: [{name: etcd, mount: {device: /dev/sdb, format: ext4, label: e, wipe_filesystem: true, options: [-q]}}]",
        "filesystems",
        [
            {
                "device": "/dev/sdb",
                "format": "ext4",
                "label": "e",
                "wipeFilesystem": True,
                "options": ["-q"],
            }
        ],
    ),
    "a file system that is made by force": (
        "filesystems: [{mount: {device: /dev/sdb, format: xfs, create: {force: true, options: [-f]}}}]",
        "filesystems",
        [{"device": "/dev/sdb", "format": "xfs", "wipeFilesystem": True, "options": ["-f"]}],
    ),
    "a file system of Butane": (
        "filesystems: [{device: /dev/sdb, format: ext4, path: /a, mount_options: [ro], uuid: U}]",
        "filesystems",
        [
            {
                "device": "/dev/sdb",
                "format": "ext4",
                "path": "/a",
                "mountOptions": ["ro"],
                "uuid": "U",
            }
        ],
    ),
    "a RAID": (
        "raid: [{name: a, level: raid1, devices: [/dev/b, /dev/c], spares: 1, options: [-q]}]",
        "raid",
        [
            {
                "name": "a",
                "level": "raid1",
                "devices": ["/dev/b", "/dev/c"],
                "spares": 1,
                "options": ["-q"],
            }
        ],
    ),
    "a directory": (
        "directories: [{path: /a, filesystem: root, mode: 0750, user: {name: b}, group: {id: 3}, overwrite: true}]",
        "directories",
        [
            {
                "path": "/a",
                "mode": 0o750,
                "user": {"name": "b"},
                "group": {"id": 3},
                "overwrite": True,
            }
        ],
    ),
    "an encrypted volume": (
        "luks: [{name: a, device: /dev/b, wipe_volume: true, open_options: [-q], discard: true}]",
        "luks",
        [
            {
                "name": "a",
                "device": "/dev/b",
                "wipeVolume": True,
                "openOptions": ["-q"],
                "discard": True,
            }
        ],
    ),
    "a file that is fetched": (
        "files: [{path: /a, contents: {source: 'https://example.com/a', compression: gzip, verification: {hash: sha256-b}, http_headers: [{name: c, value: d}]}}]",
        "files",
        [
            {
                "path": "/a",
                "overwrite": True,
                "mode": 0o644,
                "contents": {
                    "source": "https://example.com/a",
                    "compression": "gzip",
                    "verification": {"hash": "sha256-b"},
                    "httpHeaders": [{"name": "c", "value": "d"}],
                },
            }
        ],
    ),
}


@pytest.mark.parametrize("what", STORAGE)
def test_it_is_said_in_the_words_of_ignition(what: str) -> None:
    given, section, expected = STORAGE[what]

    assert early(f"storage: {{{given}}}")["storage"][section] == expected


def test_a_mount_unit_that_is_asked_for_is_written() -> None:
    found = early(
        "storage: {filesystems: [{device: /dev/disk/by-label/a b, format: ext4, path: /var/lib/my-data/, with_mount_unit: true, mount_options: [noatime, ro]}]}"
    )
    (unit,) = found["systemd"]["units"]

    # As `systemd-escape --path` says it.
    assert unit["name"] == "var-lib-my\\x2ddata.mount"
    assert unit["enabled"] is True
    assert unit["contents"].splitlines() == [
        "[Unit]",
        "Requires=systemd-fsck@dev-disk-by\\x2dlabel-a\\x20b.service",
        "After=systemd-fsck@dev-disk-by\\x2dlabel-a\\x20b.service",
        "[Mount]",
        "Where=/var/lib/my-data/",
        "What=/dev/disk/by-label/a b",
        "Type=ext4",
        "Options=noatime,ro",
        "[Install]",
        "RequiredBy=local-fs.target",
    ]


@pytest.mark.parametrize(
    "source", ["data:,a%20b", "data:text/plain;charset=utf-8,a b", "data:;base64,YSBi"]
)
def test_a_file_that_is_a_data_url_is_a_file_of_ours(source: str) -> None:
    found = additional(f"storage: {{files: [{{path: /a, contents: {{source: '{source}'}}}}]}}")

    assert found.undecided == {}
    assert found.spec["machine"]["files"] == [{"path": "/a", "content": "a b"}]
    assert "ignition" not in found.spec


def test_kernel_arguments_and_networks_are_there_before_the_agent() -> None:
    found = early(
        "kernel_arguments: {should_exist: [a=1], should_not_exist: [b]}\n"
        "networkd: {units: [{name: 10-a.network, contents: '[Match]', dropins: [{name: b.conf, contents: '[Link]'}]}]}\n"
    )

    assert found["kernelArguments"] == {"shouldExist": ["a=1"], "shouldNotExist": ["b"]}
    assert {one["path"]: one["contents"]["source"] for one in found["storage"]["files"]} == {
        "/etc/systemd/network/10-a.network": "data:,%5BMatch%5D",
        "/etc/systemd/network/10-a.network.d/b.conf": "data:,%5BLink%5D",
    }


def test_an_account_that_ours_cannot_say_stays_one_of_ignition() -> None:
    found = additional(
        "passwd:\n"
        "  users: [{name: a, uid: 7, no_create_home: true, home_dir: /b, ssh_authorized_keys: [ssh-ed25519 AAAA]}, {name: c, no_create_home: false}]\n"
        "  groups: [{name: d, gid: 8, system: true}]\n"
    )

    assert found.undecided == {}
    assert json.loads(found.spec["ignition"]["additionalConfig"])["passwd"]["users"] == [
        {
            "name": "a",
            "uid": 7,
            "noCreateHome": True,
            "homeDir": "/b",
            "sshAuthorizedKeys": ["ssh-ed25519 AAAA"],
        }
    ]
    linux = found.spec["machine"]["linuxConfiguration"]
    assert linux == {"users": [{"name": "c"}], "groups": [{"name": "d", "gid": 8, "system": True}]}


def test_a_placeholder_for_a_number_stays_one() -> None:
    found = additional(
        'storage: {disks: [{device: /dev/sdb, wipe_table: "${WIPE}", partitions: [{number: "${N}"}]}]}'
    )
    text = found.spec["ignition"]["additionalConfig"]

    assert '"wipeTable":${WIPE}' in text
    assert '"number":${N}' in text
    assert str(Bare("${N}")) == "${N}"


@pytest.mark.parametrize(
    "storage",
    [
        "disks: [{device: /dev/sdb, nonsense: 1}]",
        "disks: [{device: /dev/sdb, partitions: [{nonsense: 1}]}]",
        "disks: [{device: /dev/sdb, partitions: [{size: 100}]}]",
        "disks: [{device: /dev/sdb, partitions: [{size: 1KiB}]}]",
        "disks: {device: /dev/sdb}",
        "filesystems: [{device: /dev/sdb, nonsense: 1}]",
        "filesystems: [{mount: {device: /dev/sdb, nonsense: 1}}]",
        "filesystems: [{name: a}]",
        "filesystems: [{device: /dev/sdb, with_mount_unit: true}]",
        "raid: [{nonsense: 1}]",
        "luks: [{name: a, key_file: {inline: b}}]",
        "directories: [{path: /a, filesystem: etcd}]",
        "files: [{path: /a, filesystem: etcd, contents: {inline: b}}]",
        "files: [{path: /a, contents: {local: b}}]",
        "files: [{path: /a, nonsense: 1}]",
        "files: [{path: /a, append: [{inline: b}]}]",
        "links: [{path: /a, target: /b, filesystem: oem}]",
        "nonsense: []",
    ],
)
def test_what_has_no_words_there_needs_a_decision(storage: str) -> None:
    found = additional(f"storage: {{{storage}}}")

    assert list(found.undecided) == [f"spec.{KEY}"]
