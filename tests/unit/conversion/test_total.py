"""Whatever is given, there is an answer: no exception, the same every time, and soon."""

from __future__ import annotations

import os
import random
from typing import Any

import yaml

from machineadm.codes import load
from machineadm.conversion.whole import Request, convert
from tests.unit.conversion.converting import CONFIG, control_plane_text

MUTATED = int(os.environ.get("MACHINEADM_MUTATED", "200"))
"""How many; `make corpus` takes ten thousand."""

SPEC = """
clusterConfiguration: {controlPlaneEndpoint: "a:6443", apiServer: {extraArgs: [{name: v, value: "2"}], certSANs: [a]}}
initConfiguration: {nodeRegistration: {name: "{{ v1.local_hostname }}", taints: [], kubeletExtraArgs: {v: "2"}}, skipPhases: [addon/kube-proxy]}
joinConfiguration: {controlPlane: {}, nodeRegistration: {name: "{{ v1.local_hostname }}", kubeletExtraArgs: {v: "2"}}, discovery: {bootstrapToken: {token: a}}}
files: [{path: /a, content: "x\\ny", permissions: "0600", owner: root}, {path: /b, contentFrom: {secret: {name: a, key: b}}}]
users: [{name: a, groups: "b, c", sshAuthorizedKeys: [k], passwd: h}]
ntp: {enabled: true, servers: [a]}
diskSetup: {partitions: [{device: /dev/sdb, layout: true}], filesystems: [{device: /dev/sdb, filesystem: ext4}]}
mounts: [[a, /b, auto, defaults, "0", "2"]]
preKubeadmCommands: ["echo '{{ ds.a }}' \\"$X\\"", "cat <<EOF", "{{ ds.b }}", "EOF", "exit 0", "export A=$(b)"]
postKubeadmCommands: ["echo $A"]
ignition: {containerLinuxConfig: {additionalConfig: "systemd: {units: [{name: a.service, enabled: true}]}"}}
verbosity: 3
"""

OTHERS: list[Any] = [
    None,
    "",
    0,
    -1,
    1.5,
    True,
    [],
    {},
    [[]],
    [{}],
    {"a": {}},
    "{{",
    "${A}",
    "$${A:-'}",
    "\n",
    "\x85",
    "é" * 300,
    [None],
    {"": 1},
]


def mutated(value: object, draw: random.Random) -> object:
    """The same value with something in it changed."""
    if isinstance(value, dict) and value and draw.random() < 0.9:
        name = draw.choice(list(value))
        found = dict(value)
        if draw.random() < 0.1:
            found[draw.choice(["", "a", name + "x", "path"])] = found.pop(name)
        else:
            found[name] = mutated(value[name], draw)
        return found
    if isinstance(value, list) and value and draw.random() < 0.9:
        found_list = list(value)
        index = draw.randrange(len(value))
        found_list[index] = mutated(value[index], draw)
        return found_list
    if isinstance(value, str) and value and draw.random() < 0.5:
        at = draw.randrange(len(value))
        return (
            value[:at]
            + draw.choice(["'", '"', "{{", "}}", "$(", "\\", "<<", "(", ")", "`", "#", "\n", "${"])
            + value[at:]
        )
    return draw.choice(OTHERS)


def test_mutated_specs_have_an_answer() -> None:
    draw = random.Random(20261130)  # noqa: S311 # the same each time
    known = load()
    base = yaml.safe_load(SPEC)
    for _ in range(MUTATED):
        spec = base
        for _ in range(draw.randrange(1, 4)):
            spec = mutated(spec, draw)
        text = yaml.safe_dump({**yaml.safe_load(CONFIG), "spec": spec}, allow_unicode=True)
        first = convert([("in.yaml", text.encode())], Request())

        assert {problem.code for problem in first.problems} <= known.keys()
        assert first == convert([("in.yaml", text.encode())], Request())
        for result in first.results:
            assert all(leaf.outcome for leaf in result.leaves)
            assert list(yaml.safe_load_all(result.text))


def test_torn_files_have_an_answer() -> None:
    draw = random.Random(20261130)  # noqa: S311 # the same each time
    whole = control_plane_text(SPEC).encode()
    known = load()
    for _ in range(MUTATED):
        cut = draw.randrange(len(whole))
        torn = (
            whole[:cut]
            + bytes(draw.randrange(256) for _ in range(draw.randrange(3)))
            + whole[cut + draw.randrange(9) :]
        )
        found = convert([("in.yaml", torn)], Request(values={"A": "b"}))

        assert {problem.code for problem in found.problems} <= known.keys()
        assert found.problems or found.results
