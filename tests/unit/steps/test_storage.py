"""Disks become what the configuration says, and what was on them stays unless it says otherwise."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec import convert

from machineadm.api.v1alpha1.linux import LinuxConfiguration
from machineadm.api.v1alpha1.storage import Storage
from machineadm.errors import MachineadmError, StepError
from machineadm.execution.looking import look
from machineadm.plan.model import Plan
from machineadm.steps.storage import plan_storage
from tests.applying import carry_out, context_of
from tests.fakes.blocks import FakeBlock, FakeBlocks
from tests.fakes.commands import Call
from tests.fakes.host import FakeHost, offline_host

LINUX_TYPE = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"
WRITERS = {"sfdisk", "wipefs", "mkfs.ext4", "mkfs.xfs", "mkswap", "mount", "swapon"}


def plan(**fields: Any) -> Plan:
    storage = convert(fields, Storage)
    return Plan(steps=plan_storage(LinuxConfiguration(storage=storage)))


def machine(*disks: str) -> tuple[FakeHost, FakeBlocks]:
    host = FakeHost()
    return host, FakeBlocks(host, disks or ("/dev/sdb",))


def written(host: FakeHost) -> list[tuple[str, ...]]:
    return [argv for argv in host.commands.argvs() if argv[0] in WRITERS]


def disk(*shares: int, device: str = "/dev/sdb", **fields: Any) -> dict[str, Any]:
    return {
        "disks": [{"device": device, **fields}],
        "partitions": [{"device": device, "percentage": share} for share in shares or (100,)],
    }


def fs(device: str = "/dev/sdb1", kind: str = "ext4", **fields: Any) -> dict[str, Any]:
    return {"filesystems": [{"device": device, "filesystem": kind, **fields}]}


def mount(target: str = "/data", source: str = "LABEL=data", **fields: Any) -> dict[str, Any]:
    return {"mounts": [{"source": source, "target": target, **fields}]}


def appears(host: FakeHost, blocks: FakeBlocks, block: FakeBlock) -> None:
    """A disk that is there once udev has settled."""

    def add(_: Call) -> None:
        blocks.add("/dev/sdb", block)

    host.commands.on("udevadm", effect=add)


def refused(wanted: Plan, host: FakeHost) -> str:
    """The code that a run ends with; nothing was written."""
    with pytest.raises(MachineadmError) as raised:
        carry_out(wanted, host)
    assert raised.value.hint()
    assert not written(host)
    return raised.value.code


def done(wanted: Plan, host: FakeHost) -> None:
    carry_out(wanted, host)


WHOLE = {**disk(), **fs("/dev/sdb", label="data"), **mount()}


def test_an_empty_disk_is_partitioned_formatted_and_mounted_once() -> None:
    host, blocks = machine()
    done(plan(**WHOLE), host)

    assert blocks.devices["/dev/sdb1"].kind == "ext4"
    assert "/dev/sdb1 /data " in (host.text("/proc/self/mounts") or "")
    assert host.text("/etc/fstab") == "LABEL=data /data auto defaults,nofail,x-machineadm 0 0\n"

    before = len(written(host))
    done(plan(**WHOLE), host)
    assert len(written(host)) == before


def test_a_plan_shows_what_is_not_there_yet_and_touches_nothing() -> None:
    host, _ = machine()
    looks = look(context_of(plan(**WHOLE), host))

    assert [bool(one.work.effects) for one in looks] == [True] * 4
    assert not written(host)


def test_the_device_is_found_through_a_link_and_by_the_kernels_names() -> None:
    host, blocks = machine("/dev/nvme1n1")
    host.files.put_link("/dev/disk/azure/scsi1/lun0", "/dev/nvme1n1")
    lun = "/dev/disk/azure/scsi1/lun0"
    done(plan(**disk(50, 50, device=lun), **fs(lun, partition="2", label="data")), host)

    assert blocks.parts("/dev/nvme1n1") == ["/dev/nvme1n1p1", "/dev/nvme1n1p2"]
    assert [blocks.devices[f"/dev/nvme1n1p{n}"].kind for n in (1, 2)] == ["", "ext4"]


@pytest.mark.parametrize("table", ["gpt", "mbr"])
def test_a_table_has_types_labels_and_shares(table: str) -> None:
    host, blocks = machine()
    wanted = disk(25, 50, tableType=table)
    wanted["partitions"][1]["type"] = "LinuxSwap"
    done(plan(**wanted), host)

    rows = blocks.devices["/dev/sdb"].rows
    assert blocks.devices["/dev/sdb"].table == {"gpt": "gpt", "mbr": "dos"}[table]
    assert [row["size"] for row in rows] == ["2559MiB", "5119MiB"]
    assert rows[1]["type"] in ("82", "0657FD6D-A4AB-43C4-84E5-0933C84B4F4F")


@pytest.mark.parametrize("grown", [False, True])
def test_a_disk_with_these_partitions_is_in_place_whatever_its_size(grown: bool) -> None:
    host, blocks = machine()
    done(plan(**disk(50, 50)), host)
    blocks.devices["/dev/sdb"].size *= 2 if grown else 1
    before = len(written(host))
    done(plan(**disk(50, 50)), host)

    assert len(written(host)) == before


def test_a_disk_without_partitions_is_left_as_it_is() -> None:
    host, _ = machine()
    done(plan(disks=[{"device": "/dev/sdb", "overwrite": True}]), host)

    assert not written(host)


# What carries something.


@pytest.mark.parametrize("what", ["another table", "a file system", "a volume"])
def test_a_disk_that_carries_something_stays_as_it_is(what: str) -> None:
    host, blocks = machine()
    if what == "another table":
        blocks.partition("/dev/sdb", "ext4", "")
    else:
        blocks.devices["/dev/sdb"].kind = "xfs" if what == "a file system" else "LVM2_member"

    assert refused(plan(**disk()), host) == "MA3562"


def test_overwrite_replaces_what_a_disk_carries() -> None:
    host, blocks = machine()
    blocks.partition("/dev/sdb", "ext4", "xfs")
    done(plan(**disk(overwrite=True)), host)

    assert blocks.parts("/dev/sdb") == ["/dev/sdb1"]
    assert "always" in written(host)[0]


@pytest.mark.parametrize("used", ["mounted", "swap"])
def test_a_device_in_use_is_never_written_to(used: str) -> None:
    for wanted in (disk(50, 50, overwrite=True), fs("/dev/sdb", overwrite=True, partition="1")):
        host, blocks = machine()
        blocks.partition("/dev/sdb", "xfs")
        place = "/proc/swaps" if used == "swap" else "/proc/self/mounts"
        host.put(place, f"{host.text(place)}/dev/sdb1 /home xfs rw 0 0\n")

        assert refused(plan(**wanted), host) == "MA3563"


@pytest.mark.parametrize(
    ("there", "label", "wanted"),
    [
        ("xfs", "data", {}),
        ("ext4", "other", {}),
        ("crypto_LUKS", "", {}),
        ("vfat", "", {"replaceFS": "ntfs"}),
    ],
)
def test_another_file_system_stays(there: str, label: str, wanted: dict[str, Any]) -> None:
    host, blocks = machine()
    blocks.partition("/dev/sdb", there, label=label)

    assert refused(plan(**fs("/dev/sdb", partition="1", label="data", **wanted)), host) == "MA3565"


@pytest.mark.parametrize("partition", ["any", "auto", None])
def test_a_search_takes_what_holds_it_then_what_is_free_and_nothing_else(
    partition: str | None,
) -> None:
    wanted = plan(**fs("/dev/sdb", partition=partition, label="data"))
    host, blocks = machine()
    blocks.partition("/dev/sdb", "xfs", "ext4", "", label="data")
    done(wanted, host)
    assert not written(host)

    host, blocks = machine()
    blocks.partition("/dev/sdb", "xfs", "vfat", "")
    done(wanted, host)
    assert written(host) == [("mkfs.ext4", "-L", "data", "/dev/sdb3")]

    host, blocks = machine()
    blocks.partition("/dev/sdb", "xfs", "vfat")
    assert refused(wanted, host) == "MA3565"

    host, blocks = machine()
    done(wanted, host)
    assert written(host) == [("mkfs.ext4", "-L", "data", "/dev/sdb")]


@pytest.mark.parametrize("partition", ["1", "any"])
def test_replace_fs_gives_up_that_kind_alone(partition: str) -> None:
    host, blocks = machine()
    blocks.partition("/dev/sdb", "ntfs")
    done(plan(**fs("/dev/sdb", partition=partition, replaceFS="ntfs")), host)

    assert written(host) == [("wipefs", "--all", "/dev/sdb1"), ("mkfs.ext4", "/dev/sdb1")]


@pytest.mark.parametrize("there", ["ext4", "xfs"])
def test_overwrite_makes_a_file_system_anew_once(there: str) -> None:
    host, blocks = machine()
    blocks.partition("/dev/sdb", there, label="data")
    wanted = plan(**fs("/dev/sdb", partition="1", label="data", overwrite=True))
    for _ in range(2):
        done(wanted, host)

    assert written(host) == [
        ("wipefs", "--all", "/dev/sdb1"),
        ("mkfs.ext4", "-L", "data", "/dev/sdb1"),
    ]


# Devices that are not there.


def test_a_device_that_comes_late_is_waited_for_and_looked_at_then() -> None:
    host, blocks = machine("/dev/sda")
    wanted = plan(**fs("/dev/sdb", "xfs"))
    appears(host, blocks, FakeBlock())
    done(wanted, host)
    assert blocks.devices["/dev/sdb"].kind == "xfs"

    host, blocks = machine("/dev/sda")
    appears(host, blocks, FakeBlock(kind="ext4"))
    assert refused(wanted, host) == "MA3565"


def test_a_device_that_does_not_come_is_an_error() -> None:
    for wanted in (disk(), fs(), mount(source="/dev/sdb1")):
        host, _ = machine("/dev/sda")
        assert refused(plan(**wanted), host) == "MA3561"


def test_the_disk_that_comes_with_a_machine_may_be_missing() -> None:
    wanted = plan(
        **disk(device="ephemeral0", overwrite=True),
        **fs("ephemeral0.1", replaceFS="ntfs"),
        **mount(source="ephemeral0.1"),
    )
    host, _ = machine()
    done(wanted, host)
    assert not written(host)

    host, blocks = machine("/dev/sdb")
    host.files.put_link("/dev/disk/cloud/azure_resource", "/dev/sdb")
    host.files.put_link("/dev/disk/cloud/azure_resource-part1", "/dev/sdb1")
    blocks.partition("/dev/sdb", "ntfs")
    done(wanted, host)
    assert blocks.devices["/dev/sdb1"].kind == "ext4"
    assert "/dev/sdb1 /data " in (host.text("/proc/self/mounts") or "")


# Mounts.


def with_data() -> FakeHost:
    host, blocks = machine()
    blocks.partition("/dev/sdb", "ext4", "xfs", label="data")
    host.put("/etc/fstab", "# image\nUUID=1 / ext4 defaults 0 1", mode=0o600)
    return host


def test_other_lines_of_fstab_stay_and_its_mode() -> None:
    host = with_data()
    done(
        plan(**mount("/a b", "/dev/sdb1", type="ext4", options=["ro"], dump=1, **{"pass": 2})), host
    )

    assert host.text("/etc/fstab") == (
        "# image\nUUID=1 / ext4 defaults 0 1\n/dev/sdb1 /a\\040b ext4 ro,x-machineadm 1 2\n"
    )
    stat = host.files.stat("/etc/fstab")
    assert stat is not None
    assert stat.mode == 0o600


def test_our_line_for_a_place_is_replaced_and_not_doubled() -> None:
    host = with_data()
    done(plan(**mount(options=["ro"])), host)
    host.put("/run/machineadm/x")
    done(plan(**mount(options=["rw"])), host)

    lines = [line for line in (host.text("/etc/fstab") or "").splitlines() if " /data " in line]
    assert lines == ["LABEL=data /data auto rw,x-machineadm 0 0"]


def test_a_line_of_the_image_for_the_same_mount_stays() -> None:
    host = with_data()
    host.put("/etc/fstab", "LABEL=data\t/data\text4\tnoatime 0 2\n")
    done(plan(**mount()), host)

    assert host.text("/etc/fstab") == "LABEL=data\t/data\text4\tnoatime 0 2\n"


def test_a_line_of_somebody_elses_for_the_same_place_is_an_error() -> None:
    host = with_data()
    host.put("/etc/fstab", "/dev/sdx /data ext4 defaults 0 2\n")

    assert refused(plan(**mount()), host) == "MA3566"
    assert host.text("/etc/fstab") == "/dev/sdx /data ext4 defaults 0 2\n"


@pytest.mark.parametrize("there", ["another mount", "a file"])
def test_a_mount_point_in_use_stays(there: str) -> None:
    host = with_data()
    if there == "a file":
        host.put("/data", "mine")
    else:
        host.put("/proc/self/mounts", "/dev/sdz /data xfs rw 0 0\n")

    assert refused(plan(**mount()), host) == "MA3567"


def test_a_mount_over_entries_says_that_it_hides_them() -> None:
    host = with_data()
    host.put("/data/kept")
    looks = look(context_of(plan(**mount()), host))

    assert "hides the 1 entries" in looks[-1].work.summary


@pytest.mark.parametrize("source", ["/dev/sdb1", "sdb1", "LABEL=data", "/dev/disk/by-label/data"])
def test_what_is_mounted_already_is_in_place_by_whatever_name(source: str) -> None:
    host = with_data()
    host.files.put_link("/dev/disk/by-label/data", "../../sdb1")
    host.put("/proc/self/mounts", "/dev/sdb1 /data ext4 rw 0 0\n")
    done(plan(**mount(source=source)), host)

    assert not written(host)


def test_noauto_is_a_line_and_no_mount() -> None:
    host = with_data()
    done(plan(**mount(options=["noauto,ro"])), host)

    assert not written(host)
    assert "noauto,ro" in (host.text("/etc/fstab") or "")


def test_swap_is_turned_on_once() -> None:
    host, _ = machine()
    wanted = plan(
        **fs("/dev/sdb", "swap", partition="none"), **mount("none", "/dev/sdb", type="swap")
    )
    for _ in range(2):
        done(wanted, host)

    assert written(host) == [("mkswap", "/dev/sdb"), ("swapon", "/dev/sdb")]


def test_lines_are_taken_back_one_by_one_and_nobody_elses() -> None:
    host = with_data()
    two = plan(mounts=[*mount()["mounts"], *mount("/logs", "/dev/sdb2")["mounts"]])
    done(two, host)
    done(plan(**mount()), host)
    assert "/logs" not in (host.text("/etc/fstab") or "")
    assert "LABEL=data /data" in (host.text("/etc/fstab") or "")

    host.put("/etc/fstab", (host.text("/etc/fstab") or "") + "tmpfs /x tmpfs defaults 0 0\n")
    done(Plan(steps=()), host)
    assert (
        host.text("/etc/fstab")
        == "# image\nUUID=1 / ext4 defaults 0 1\ntmpfs /x tmpfs defaults 0 0\n"
    )


def test_a_line_that_somebody_has_changed_stays() -> None:
    host = with_data()
    done(plan(**mount()), host)
    changed = (host.text("/etc/fstab") or "").replace("nofail", "noatime")
    host.put("/etc/fstab", changed)
    done(Plan(steps=()), host)

    assert host.text("/etc/fstab") == changed


def test_a_program_that_fails_is_told_with_its_words() -> None:
    host, _ = machine()
    host.commands.on("mkfs.ext4", exit_code=1, output="mke2fs: Device size reported to be zero\n")
    with pytest.raises(StepError) as raised:
        done(plan(**fs("/dev/sdb")), host)

    assert raised.value.code == "MA3564"
    assert "reported to be zero" in raised.value.log_tail


def test_below_another_root_only_fstab_is_written() -> None:
    host = offline_host()
    looks = look(context_of(plan(**WHOLE), host))

    assert [one.standing.value for one in looks].count("Deferred") == 3
