"""A machine that cloud-init makes of what Cluster API's provider renders, and one that we make of what `convert` wrote, end as the same.

Two are made here; `make twins` makes all of them, with a second disk, by Ignition and of an older image, too.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Final

import pytest

from tests.corpus import comparing, same_machine, twins
from tests.judges import judges

NAMED = same_machine.there() if os.environ.get("MACHINEADM_TWINS") == "1" else same_machine.OWN


def name_of(named: same_machine.Named) -> str:
    older = ", older image" if named.flavour == twins.OLDER else ""
    return f"{named.name.removesuffix('.yaml')} as {named.role}{older}"


@pytest.mark.parametrize("named", NAMED, ids=name_of)
def test_both_roads_lead_to_the_same_machine(
    named: same_machine.Named, agent_file: Path, tmp_path: Path
) -> None:
    one = same_machine.case_of(named)
    theirs = twins.by_cluster_api(one, tmp_path)
    ours = twins.by_us(one, tmp_path, agent_file)

    found = list(twins.differences(one, theirs, ours))
    assert not found, "\n".join([*found, theirs.said[-3000:], ours.said[-3000:]])


FILE: Final = "/etc/profile.d/zone.sh"
KUBEADM: Final = """\
apiVersion: kubeadm.k8s.io/v1beta4
kind: JoinConfiguration
nodeRegistration:
  name: node-1
"""
LOOK: Final[dict[str, Any]] = {
    "tree": {
        FILE: ["-rwxr-xr-x", "root", "root", "dGV4dA=="],
        "/etc/localtime": ["lrwxrwxrwx", "root", "root", "/usr/share/zoneinfo/UTC"],
        "/home/ops": ["drwx------", "ops", "ops"],
    },
    "passwd": ["root:x:0:0:root:/root:/bin/bash", "ops:x:1000:1000::/home/ops:/bin/bash"],
    "group": ["adm:x:4:ops", "ops:x:1000:"],
    "shadow": ["ops:$6$a:20000:0:99999:7:::"],
    "gshadow": ["adm:*::ops", "ops:!::"],
    "sudo": ["# of ops", "ops ALL=(ALL) NOPASSWD:ALL"],
    "fstab": ["LABEL=data /srv/data ext4 defaults,nofail,comment=cloudconfig 0 2"],
    "mounts": ["/srv/data ext4 rw"],
    "tmpfs": ["/run rw", "/srv/t rw"],
    "files": ["containerd.service enabled enabled"],
    "units": ["containerd.service loaded active running containerd"],
    "swaps": [],
    "hostname": ["node-1", "node-1"],
    "seen": ["join", "node-1"],
    "kubeadm": KUBEADM.splitlines(),
}
"""A machine, as little of it as there can be."""


def _put(entry: list[Any], at: int, value: str) -> None:
    entry[at] = value


FAULTS: Final[dict[str, Callable[[dict[str, Any]], object]]] = {
    "a file is missing": lambda one: one["tree"].pop(FILE),
    "a file too many": lambda one: one["tree"].update({"/srv/more": ["-rw-r--r--", "root", "root", ""]}),
    "a mode": lambda one: _put(one["tree"][FILE], 0, "-rw-r--r--"),
    "an owner": lambda one: _put(one["tree"][FILE], 1, "ops"),
    "a content": lambda one: _put(one["tree"][FILE], 3, "b3RoZXI="),
    "a link": lambda one: one["tree"].update({"/etc/localtime": ["lrwxrwxrwx", "root", "root", "/x"]}),
    "an account": lambda one: one["passwd"].append("more:x:1009:1009::/home/more:/bin/sh"),
    "a shell": lambda one: one.update(passwd=[line.replace("/bin/bash", "/bin/sh") for line in one["passwd"]]),
    "a member of a group": lambda one: one.update(group=[line.replace("4:ops", "4:audit") for line in one["group"]]),
    "a password": lambda one: one.update(shadow=[line.replace("$6$", "$5$") for line in one["shadow"]]),
    "a rule of sudo": lambda one: one["sudo"].append("audit ALL=(ALL) ALL"),
    "a line of fstab": lambda one: one["fstab"].append("/dev/sdz /srv/z ext4 defaults 0 2"),
    "a mount": lambda one: one["mounts"].append("/srv/z ext4 rw"),
    "a unit": lambda one: one["files"].append("more.service enabled enabled"),
    "a unit that runs": lambda one: one["units"].append("more.service loaded active running More"),
    "the host name": lambda one: one.update(hostname=["other", "other"]),
    "what kubeadm sees": lambda one: one["seen"].append("HTTP_PROXY=http://a"),
    "what kubeadm is given": lambda one: one.update(kubeadm=[line.replace("node-1", "other") for line in one["kubeadm"]]),
    "kubeadm is not run": lambda one: one.update(kubeadm=[]),
}  # fmt: skip


@pytest.mark.parametrize("fault", FAULTS)
def test_the_judge_of_sameness_sees(fault: str) -> None:
    one = same_machine.case_of(same_machine.OWN[0])
    changed = copy.deepcopy(LOOK)
    FAULTS[fault](changed)
    assert changed != LOOK

    whole, other = twins.Ended(copy.deepcopy(LOOK), ""), twins.Ended(changed, "")
    assert list(twins.differences(one, whole, whole)) == []
    assert list(twins.differences(one, whole, other)) != []
    assert list(twins.differences(one, other, whole)) != []


def test_a_configuration_of_ignition_2_is_taken_by_the_program_of_today() -> None:
    one = same_machine.case_of(same_machine.Named("ignition.yaml", "JoinWorker"))
    (verdict,) = judges.cluster_api_render([comparing.request(one.spec, one.machine)])
    given = json.loads(verdict["userData"])
    found = twins.of_today(given)

    assert one.ignition
    assert judges.ignition_validate(json.dumps(given).encode()) != []
    assert judges.ignition_validate(json.dumps(found).encode()) == []
    # Nothing of it is lost on the way.
    assert {file["path"] for file in found["storage"]["files"]} == {
        file["path"] for file in given["storage"]["files"]
    }
    (kubeadm,) = [unit for unit in found["systemd"]["units"] if unit["name"] == "kubeadm.service"]
    assert kubeadm["contents"]
    assert kubeadm["dropins"]


DIFFERENT_ON_PURPOSE = {
    "the number of an account": lambda one: one.update(
        passwd=[line.replace("1000:1000", "1001:1001") for line in one["passwd"]]
    ),
    "the default user": lambda one: one["passwd"].append("debian:x:1000:1000::/home/debian:/bin/sh"),
    "who owns a line of fstab": lambda one: one.update(
        fstab=[line.replace("comment=cloudconfig", "x-machineadm") for line in one["fstab"]]
    ),
    "the day of a password": lambda one: one.update(
        shadow=[line.replace("20000", "20001") for line in one["shadow"]]
    ),
    "our own records": lambda one: one["tree"].update(
        {"/var/lib/machineadm": ["drwx------", "root", "root"]}
    ),
}  # fmt: skip


@pytest.mark.parametrize("what", DIFFERENT_ON_PURPOSE)
def test_what_is_in_the_list_is_no_difference(what: str) -> None:
    one = same_machine.case_of(same_machine.OWN[0])
    changed = copy.deepcopy(LOOK)
    DIFFERENT_ON_PURPOSE[what](changed)
    assert changed != LOOK

    assert (
        list(twins.differences(one, twins.Ended(copy.deepcopy(LOOK), ""), twins.Ended(changed, "")))
        == []
    )
