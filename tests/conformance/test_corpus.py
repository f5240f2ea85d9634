"""Configurations that people run, and drawn ones, become the machine that Cluster API's own provider makes of them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
import yaml

from machineadm.cli.main import main
from tests.corpus import comparing, generated, specs, trying
from tests.corpus.specs import Spec
from tests.corpus.trying import Applied, Machine
from tests.judges import judges
from tests.unit.conversion.converting import config

SPECS = 60
"""Specs of the corpus whose machines are made here; `make corpus` makes those of all."""

DRAWN = 100


@cache
def corpus() -> tuple[Spec, ...]:
    return tuple(spec for spec in specs.specs() if not spec.windows)


def tried(some: list[Spec]) -> list[tuple[Spec, Machine, Applied]]:
    return [
        (spec, machine, trying.planned_and_applied(machine))
        for spec in some
        for machine in trying.machines(spec)
        if not machine.problems
    ]


def judged(machines: list[tuple[Spec, Machine, Applied]]) -> Iterator[str]:
    verdicts = judges.cluster_api_render(comparing.request(spec, one) for spec, one, _ in machines)
    for (spec, machine, applied), verdict in zip(machines, verdicts, strict=True):
        for difference in comparing.differences(machine, applied.kubeadm, verdict):
            if not re.search(REFUSED_THERE, difference):
                yield f"{spec.name} as {machine.role}: {difference}"


REFUSED_THERE = r"^the judge refuses it: json: (unknown field|cannot unmarshal object)"
"""Documents that Cluster API's own server would not take: fields of a fork, arguments as a map in v1beta2."""


def leaves(value: Any) -> int:
    """How many leaves a document has, counted by another reader."""
    if isinstance(value, dict | list) and value:
        return sum(map(leaves, value.values() if isinstance(value, dict) else value))
    return 1


def test_every_spec_converts_no_leaf_is_lost_and_nine_tenths_need_no_decision() -> None:
    undecided = 0
    for spec in corpus():
        conversion = trying.whole(spec)
        assert conversion.problems == (), spec.name
        for result in conversion.results:
            assert len(result.leaves) == leaves(spec.document), spec.name
            assert list(yaml.safe_load_all(result.text)), spec.name
        undecided += any(result.decisions for result in conversion.results)

    assert 10 * undecided <= len(corpus())


def test_what_converts_without_a_decision_is_valid_in_each_of_its_roles() -> None:
    for spec in corpus():
        if not any(result.decisions for result in trying.whole(spec).results):
            for machine in trying.machines(spec):
                assert machine.problems == (), f"{spec.name} as {machine.role}"


def test_what_converts_without_a_decision_is_valid_before_its_placeholders_are_filled_in(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    judged = 0
    for path in specs.originals()[::6]:
        written = tmp_path / path.name
        if main(["convert", "--path", str(path)]) == 0:
            written.write_text(capsys.readouterr().out)
            code = main(["validate", "--placeholders", "--path", str(written)])
            assert code == 0, f"{path.name}: {capsys.readouterr().out}"
            judged += 1
        capsys.readouterr()

    assert judged > 20


@pytest.fixture(scope="module")
def some() -> list[tuple[Spec, Machine, Applied]]:
    """Of every kind some: the corpus is in the order of its providers."""
    every = corpus()
    return tried([every[index * len(every) // SPECS] for index in range(SPECS)])


def test_what_is_valid_plans_and_applies_below_a_root(
    some: list[tuple[Spec, Machine, Applied]],
) -> None:
    assert len(some) > SPECS
    for spec, machine, applied in some:
        assert applied.planned, f"{spec.name} as {machine.role}"
        assert applied.applied, f"{spec.name} as {machine.role}: {applied.said}"


def test_the_provider_of_cluster_api_makes_the_same_of_the_corpus(
    some: list[tuple[Spec, Machine, Applied]],
) -> None:
    assert list(judged(some)) == []


def test_the_provider_of_cluster_api_makes_the_same_of_drawn_specs() -> None:
    machines = tried(list(generated.drawn(DRAWN)))

    assert len(machines) > DRAWN
    assert list(judged(machines)) == []


FAULTS = {
    "an argument": ("value: '3'", "value: '4'"),
    "a file": ("content: hello", "content: hallo"),
    "a mode": ("'0640'", "'0600'"),
    "a command": ("echo one", "echo two"),
    "the order of commands": ("[echo one, echo last,", "[echo last, echo one,"),
    "a user": ("name: ops", "name: opt"),
    "a key": ("sudo: ALL", "sudo: NONE"),
    "a mount": ("/srv/data", "/srv/date"),
    "a file system": ("ext4", "xfs"),
    "a server": ("a.example.com", "b.example.com"),
    "a share of a disk": ("[{percentage: 60}, {percentage: 30}]", "[{percentage: 50}, {percentage: 30}]"),
    "a parameter in a file": ("vm.max_map_count=2", "vm.max_map_count=3"),
    "a proxy in a file": ("HTTP_PROXY=http://a.example.com:1", "HTTP_PROXY=http://a.example.com:2"),
    "a mirror in a file": ("https://mirror-a.example.com", "https://mirror-b.example.com"),
}  # fmt: skip
PLANTED = r"""
apiVersion: bootstrap.cluster.x-k8s.io/v1beta2
kind: KubeadmConfigTemplate
metadata: {name: a}
spec:
  template:
    spec:
      joinConfiguration: {nodeRegistration: {kubeletExtraArgs: [{name: v, value: '3'}]}}
      files:
      - {path: /srv/a, content: hello, permissions: '0640'}
      - {path: /etc/sysctl.d/a.conf, content: "vm.max_map_count=2"}
      - {path: /etc/systemd/system/containerd.service.d/a.conf, content: "[Service]\nEnvironment=HTTP_PROXY=http://a.example.com:1"}
      - {path: /etc/containerd/certs.d/docker.io/hosts.toml, content: "[host.'https://mirror-a.example.com']"}
      preKubeadmCommands: [echo one, echo last, sysctl --system]
      users: [{name: ops, sudo: ALL}]
      ntp: {enabled: true, servers: [a.example.com]}
      mounts: [[LABEL=data, /srv/data]]
      diskSetup:
        partitions: [{device: /dev/sdb, layout: true, diskLayout: [{percentage: 60}, {percentage: 30}]}]
        filesystems: [{device: /dev/sdb, filesystem: ext4, label: data}]
"""


def planted(text: str) -> Spec:
    document = yaml.safe_load(text)
    return Spec("planted", text, document, document["spec"]["template"]["spec"], False)


@pytest.mark.parametrize("fault", FAULTS)
def test_the_comparison_sees(fault: str) -> None:
    right, wrong = FAULTS[fault]
    assert right in PLANTED
    whole = tried([planted(PLANTED)])
    ((spec, _, _),) = tried([planted(PLANTED.replace(right, wrong))])
    ((_, machine, applied),) = whole

    assert list(judged(whole)) == []
    assert list(judged([(spec, machine, applied)])) != []


def test_ignition_takes_what_travels_beside_the_agent() -> None:
    taken = 0
    for spec in corpus():
        if spec.spec.get("format") != "ignition":
            continue
        for result in trying.whole(spec).results:
            for document in yaml.safe_load_all(result.text):
                given = document["spec"].get("template", document)["spec"].get("ignition")
                if given is not None:
                    assert judges.ignition_validate(given["additionalConfig"].encode()) == [], (
                        spec.name
                    )
                    taken += 1

    assert taken


STORAGE = """\
storage:
  disks:
  - {device: /dev/sdb, wipe_table: true, partitions: [{label: etcd, number: 1, size: 2GiB, wipe_partition_entry: true, should_exist: true}]}
  raid: [{name: data, level: raid1, devices: [/dev/sdc, /dev/sdd], spares: 0}]
  filesystems:
  - {device: /dev/disk/by-partlabel/etcd, format: ext4, path: /var/lib/etcd, wipe_filesystem: true, with_mount_unit: true, mount_options: [noatime]}
  - {name: more, mount: {device: /dev/md/data, format: xfs, create: {force: true, options: [-K]}}}
  directories: [{path: /srv/a, mode: 0750, user: {name: root}}]
  luks: [{name: secret, device: /dev/sde, wipe_volume: true, discard: true}]
  files:
  - {path: /opt/extensions/a.raw, contents: {source: "https://example.com/a", compression: gzip, http_headers: [{name: b, value: c}]}}
passwd: {users: [{name: a, uid: 700, no_create_home: true, no_user_group: true, no_log_init: true, home_dir: /srv/a, primary_group: users}]}
kernel_arguments: {should_exist: [audit=1], should_not_exist: [quiet]}
networkd: {units: [{name: 10-a.network, contents: "[Match]"}]}
"""
"""Each word of `storage` that Ignition has another word for."""


def test_ignition_takes_each_word_of_storage() -> None:
    given = {
        "format": "ignition",
        "ignition": {"containerLinuxConfig": {"additionalConfig": STORAGE}},
    }
    found = config(yaml.safe_dump(given))
    text = found.spec["ignition"]["additionalConfig"]

    assert found.undecided == {}
    assert judges.ignition_validate(text.encode()) == []
    for word in (
        "wipeTable",
        "sizeMiB",
        "wipeFilesystem",
        "mountOptions",
        "wipeVolume",
        "shouldNotExist",
        "noCreateHome",
        "homeDir",
    ):
        assert word in text
        assert judges.ignition_validate(text.replace(word, word.lower() + "_").encode()) != [], word
