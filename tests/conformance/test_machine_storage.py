"""Disks on a real machine: sfdisk, mkfs and mount do it, sgdisk and the kernel judge it, and what is on a disk stays."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.machine.machine import Machine

CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    linuxConfiguration:
      storage:
        disks:
        - {device: @A}
        - {device: @B, tableType: mbr}
        partitions:
        - {device: @A, percentage: 40, label: etcd}
        - {device: @A, percentage: 50}
        - {device: @A, percentage: 10, type: LinuxSwap}
        - {device: @B, percentage: 100}
        filesystems:
        - {device: @Ap1, filesystem: ext4, label: etcd_disk, extraOptions: [-E, "lazy_itable_init=1,lazy_journal_init=1"]}
        - {device: @A, partition: "2", filesystem: xfs, label: logs}
        - {device: @A, partition: "3", filesystem: swap}
        - {device: @B, filesystem: ext4, label: data}
        mounts:
        - {source: LABEL=etcd_disk, target: /var/lib/etcddisk}
        - {source: @Ap2, target: /srv/my logs, type: xfs, options: [noatime]}
        - {source: LABEL=data, target: /srv/my logs/data}
    files:
    - {path: /srv/my logs/data/note, content: "below two mounts\\n"}
"""
BEGIN = """\
set -e
# The nodes of partitions appear here alone.
mount -t devtmpfs dev /dev
for name in a b; do
  truncate -s 1G /root/$name.img
  losetup --partscan --find --show /root/$name.img
done
"""
INSIDE = """\
set -e
agent="python3 /root/agent.pyz"
options="--mode preparation --path /root/a.yaml"
"""
RUN = "$agent bootstrap $options >/dev/null\n"
PLAN = "$agent plan $options | head -1\n"
LOOK = """\
sgdisk --verify "$1"
sgdisk --print "$1" | tail -3
sfdisk --dump "$2" | grep -E 'label:|type='
e2fsck -fn "$1"p1 >/dev/null 2>&1 || test $? -lt 8
blkid --probe "$1"p1 "$1"p2 "$1"p3 "$2"p1
cat /etc/fstab
findmnt --noheadings --output SOURCE,TARGET,FSTYPE --real | grep -E 'etcddisk|logs'
cat "/srv/my logs/data/note"
"""


class Disks:
    """A machine with two empty disks of 1 GiB."""

    def __init__(self, machine: Machine) -> None:
        self.machine = machine
        self.names = machine.exec("sh", "-c", BEGIN).stdout.split()

    def write(self, text: str) -> None:
        """Give it a configuration."""
        for mark, name in zip(("@A", "@B"), self.names, strict=True):
            text = text.replace(mark, name)
        self.machine.write("/root/a.yaml", text)

    def run(self, script: str) -> str:
        """What a script says that ends well."""
        done = self.machine.exec("sh", "-c", INSIDE + script, "sh", *self.names, check=False)
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout

    def close(self) -> None:
        """Give the loop devices back, which are the host's."""
        script = 'umount -R "/srv/my logs" /var/lib/etcddisk /mnt; for d; do partx --delete $d; losetup -d $d; done'
        self.machine.exec("sh", "-c", script, "sh", *self.names, check=False)


@pytest.fixture
def disks(agent_file: Path) -> Iterator[Disks]:
    with Machine("storage", flavour="bookworm-services") as machine:
        machine.put(agent_file, "/root/agent.pyz")
        found = Disks(machine)
        try:
            yield found
        finally:
            found.close()


def test_disks_are_partitioned_formatted_and_mounted_once(disks: Disks) -> None:
    disks.write(CONFIGURATION)
    told = disks.run(PLAN + RUN + LOOK + PLAN)
    one, two = disks.names

    assert told.startswith("Plan: 12 steps: 12 to do, 0 in place, ")
    assert "No problems found" in told
    assert "label: dos" in told
    assert 'LABEL="etcd_disk"' in told
    assert f'{one}p2: LABEL="logs"' in told
    assert 'TYPE="swap"' in told
    assert f'{two}p1: LABEL="data"' in told
    assert "LABEL=etcd_disk /var/lib/etcddisk auto defaults,nofail,x-machineadm 0 0\n" in told
    assert f"{one}p2 /srv/my\\040logs xfs noatime,x-machineadm 0 0\n" in told
    assert "below two mounts\n" in told
    assert " 0 to do, " in told.splitlines()[-1]

    # As a boot would find it: nothing mounted, and the same again by fstab alone.
    remount = (
        'umount -R "/srv/my logs" /var/lib/etcddisk; mount --all; cat "/srv/my logs/data/note"\n'
    )
    assert "below two mounts\n" in disks.run(remount + PLAN)


@pytest.mark.parametrize(
    ("before", "code"),
    [
        ('mkfs.xfs -q "$1"', "MA3562"),
        ('echo "label: gpt\n,," | sfdisk -q "$1"', "MA3562"),
        ('mkfs.ext4 -q -E lazy_itable_init=0 "$1"; mount -o ro "$1" /mnt', "MA3563"),
    ],
    ids=["a file system", "another table", "in use"],
)
def test_a_disk_that_carries_something_stays_to_the_byte(
    disks: Disks, before: str, code: str
) -> None:
    overwrite = ", overwrite: true" if code == "MA3563" else ""
    disks.write(CONFIGURATION.replace("{device: @A}", f"{{device: @A{overwrite}}}"))
    script = f"""
{before}
sync
sum() {{ dd if="$1" bs=1M iflag=direct status=none | sha256sum; }}
then=$(sum "$1")
$agent bootstrap $options 2>&1 && exit 9
test "$then" = "$(sum "$1")"
"""
    assert code in disks.run(script)


@pytest.mark.parametrize("fields", ["overwrite: true", "replaceFS: xfs"])
def test_what_is_given_up_is_made_anew_once(disks: Disks, fields: str) -> None:
    disks.write(
        f"""\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    linuxConfiguration:
      storage:
        filesystems:
        - {{device: @A, partition: none, filesystem: ext4, label: data, {fields}}}
"""
    )
    before = 'mkfs.xfs -q "$1"\n'
    uuid = 'blkid --probe --match-tag UUID --output value "$1"\n'
    told = disks.run(before + uuid + RUN + uuid + RUN + uuid + 'blkid --probe "$1"\n').splitlines()

    assert told[0] != told[1] == told[2]
    assert 'LABEL="data"' in told[3]
    assert 'TYPE="ext4"' in told[3]
