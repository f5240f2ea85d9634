"""Disks, file systems and mounts: every rule between fields, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from tests.rulecases import FILE, Case, judging

PLACE = "machine.linuxConfiguration.storage"
AT = f"spec.{PLACE}"
GUID = "0FC63DAF-8483-4772-8E79-3D69D8477DE4"


def parts(
    *shares: object, disk: object = None, table: str = "gpt", **fields: object
) -> dict[str, object]:
    """A disk and its partitions."""
    return {
        PLACE: {
            "disks": [{"device": "/dev/sdb", "tableType": table}],
            "partitions": [
                {"device": disk or "/dev/sdb", "percentage": share, **fields} for share in shares
            ],
        }
    }


def made(**fields: object) -> dict[str, object]:
    """A file system."""
    return {PLACE: {"filesystems": [{"device": "/dev/sdb", "filesystem": "ext4", **fields}]}}


def mounted(*targets: str, **fields: object) -> dict[str, object]:
    """Mounts of one source each."""
    mounts = [{"source": f"/dev/sd{n}", "target": one, **fields} for n, one in enumerate(targets)]
    return {PLACE: {"mounts": mounts}}


CASES = [
    Case("a partition's disk is among the disks",
         parts(50, disk="/dev/sdc"), [("MA1323", f"{AT}.partitions[0].device")], parts(50)),
    Case("the shares of a disk are a disk at most, and it is said once",
         parts(50, 40, 20, 5), [("MA1312", f"{AT}.partitions[2].percentage")], parts(50, 50)),
    Case("a gpt table has no extended partitions",
         parts(50, type="LinuxExtended"), [("MA1323", f"{AT}.partitions[0].type")],
         parts(50, table="mbr", type="LinuxExtended")),
    Case("an mbr table has no labels",
         parts(50, table="mbr", label="a"), [("MA1323", f"{AT}.partitions[0].label")],
         parts(50, label="a")),
    Case("an mbr table has no GUIDs",
         parts(50, table="mbr", type=GUID), [("MA1323", f"{AT}.partitions[0].type")],
         parts(50, type=GUID)),
    Case("an mbr table has four partitions",
         parts(*[10] * 6, table="mbr"), [("MA1312", f"{AT}.partitions[4]")], parts(*[10] * 6)),
    Case("a label fits its file system",
         made(filesystem="xfs", label="thirteen-long"), [("MA1312", f"{AT}.filesystems[0].label")],
         made(filesystem="ext4", label="thirteen-long")),
    Case("a label is counted in bytes",
         made(label="ä" * 9), [("MA1312", f"{AT}.filesystems[0].label")], made(label="ä" * 8)),
    Case("what is searched for is not overwritten",
         made(overwrite=True), [("MA1323", f"{AT}.filesystems[0].overwrite")],
         made(overwrite=True, partition="none")),
    Case("a mount point is an absolute path below /",
         mounted("data", "/", "/a/../b", "/a//b"),
         [("MA1323", f"{AT}.mounts[{n}].target") for n in range(4)], mounted("/data", "/a..b")),
    Case("a mount point has one source",
         mounted("/data", "/data"), [("MA1306", f"{AT}.mounts[1].target")], mounted("/data", "/d")),
    Case("a mount does not hide an earlier one",
         mounted("/data/a", "/data"), [("MA1323", f"{AT}.mounts[1].target")],
         mounted("/data", "/data/a", "/dat")),
    Case("swap is mounted nowhere",
         mounted("/swap", type="swap"), [("MA1323", f"{AT}.mounts[0].target")],
         mounted("none", type="swap")),
    Case("nothing but swap is mounted nowhere",
         mounted("none"), [("MA1323", f"{AT}.mounts[0].target")], mounted("none", type="swap")),
    Case("swap is not on and off",
         {**mounted("none", type="swap"), "machine.linuxConfiguration.swap": {"enabled": False}},
         [("MA1323", f"{AT}.mounts[0].type")], mounted("none", type="swap")),
    Case("/etc/fstab has one writer",
         {**mounted("/data"), "machine.files": [{"path": "/etc/fstab", "content": ""}]},
         [("MA1306", f"{FILE}.path")],
         {PLACE: {"disks": [{"device": "sdb"}]}, "machine.files": [{"path": "/etc/fstab", "content": ""}]}),
]  # fmt: skip


test_a_rule_refuses_and_lets_pass = judging(CASES)
