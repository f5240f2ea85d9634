"""KubeadmConfigSpecs that are drawn, for whatever the corpus does not have."""

from __future__ import annotations

import base64
import gzip
import json
import random
import re
from collections.abc import Iterator
from typing import Any

import yaml

from tests.corpus.specs import KEY, Spec

NAMES = (
    "{{ ds.meta_data.local_hostname }}",
    "{{ v1.local_hostname }}",
    '{{ ds.meta_data["hostname"] }}',
    "node-1",
)
LINES = (
    "echo a > /tmp/a", "false", 'echo "{{ ds.meta_data.hostname }}"', "echo '{{ v1.instance_id }}'", "A=1; echo $A",
    "if [ -f /run/kubeadm/kubeadm.yaml ]; then echo first; fi", "sysctl --system", "systemctl restart containerd",
    "swapoff -a", "modprobe overlay", "echo '192.0.2.7 registry' >> /etc/hosts", "hostnamectl set-hostname '{{ ds.meta_data.hostname }}'",
    "sysctl -w vm.max_map_count=262144", "timedatectl set-ntp true", "test -d /srv || exit 3", "set -x",
    "for i in 1 2; do echo $i; done", "cat <<EOF > /tmp/b\n{{ v1.region }}\nEOF", "mkdir -p /srv && touch /srv/a",
)  # fmt: skip
CONTENTS = (
    "a",
    "a\n",
    "a: b\nc: d\n",
    "#!/bin/sh\necho $A\n",
    "zone={{ v1.availability_zone }}\n",
    "x\n\ny",
    "tab\tin it",
    "",
    "no newline, and 'quotes' \"of\" both kinds",
    "$(literal) $$(twice) {{ ds.meta_data.hostname }}\n",
)
IDIOMS = (
    ({"/etc/sysctl.d/90-drawn.conf": "vm.max_map_count = 262144\n"}, ("sysctl --system",)),
    ({"/etc/systemd/system/containerd.service.d/http-proxy.conf": '[Service]\nEnvironment="HTTP_PROXY=http://192.0.2.5:3128"\n'}, ("systemctl daemon-reload", "systemctl restart containerd")),
    ({"/etc/containerd/certs.d/docker.io/hosts.toml": 'server = "https://registry-1.docker.io"\n[host."https://mirror.example.com"]\n  capabilities = ["pull"]\n'}, ("systemctl restart containerd",)),
    ({"/etc/chrony/conf.d/drawn.conf": "server time.example.com iburst\n"}, ("systemctl restart chrony",)),
    ({"/etc/modules-load.d/drawn.conf": "overlay\n"}, ("modprobe overlay",)),
)  # fmt: skip
"""Files, and what has them read."""


USER: dict[str, Any] = {
    "groups": "adm, sudo",
    "sudo": "ALL=(ALL) NOPASSWD:ALL",
    "shell": "/bin/sh",
    "lockPassword": True,
    "sshAuthorizedKeys": [KEY],
}


OTHER_USER: dict[str, Any] = {
    "gecos": "Audit, of others",
    "homeDir": "/srv/audit",
    "primaryGroup": "adm",
    "inactive": True,
    "passwd": "$6$salt$IxDD3jeSOb5eB1CX5LBsqZFVkJdido3OUILO5Ifz5iwMuTS4XMS130MTSuDDl3aCI6WouIL9AjRbLCelDCy.g.",
    "groups": "adm",
}


def drawn(count: int, seed: int = 20261130) -> Iterator[Spec]:
    """So many specs, always the same ones."""
    draw = random.Random(seed)  # noqa: S311 # the same each time
    for number in range(count):
        kind = draw.choice(("KubeadmConfigTemplate", "KubeadmControlPlane"))
        spec = _spec(draw, control_plane=kind == "KubeadmControlPlane")
        form = draw.random()
        if form < 0.2:
            _for_ignition(spec)
        elif form < 0.5:
            spec = _old(spec)
        version = "v1beta1" if 0.2 <= form < 0.5 else "v1beta2"
        document: dict[str, Any]
        if kind == "KubeadmControlPlane":
            document = {
                "apiVersion": f"controlplane.cluster.x-k8s.io/{version}",
                "kind": kind,
                "metadata": {"name": f"drawn-{number}"},
                "spec": {"kubeadmConfigSpec": spec},
            }
        else:
            document = {
                "apiVersion": f"bootstrap.cluster.x-k8s.io/{version}",
                "kind": kind,
                "metadata": {"name": f"drawn-{number}"},
                "spec": {"template": {"spec": spec}},
            }
        yield Spec(f"drawn-{number}", yaml.safe_dump(document), document, spec, False)


def _for_ignition(spec: dict[str, Any]) -> None:
    """As Ignition: without Jinja, and without what the provider makes nothing of there."""
    spec["format"] = "ignition"
    for name in ("ntp", "diskSetup", "mounts", "bootCommands"):
        spec.pop(name, None)
    plain = json.loads(re.sub(r"\{\{[^{}]*\}\}", "drawn", json.dumps(spec)))
    spec.clear()
    spec.update(plain)
    for user in spec.get("users", []):
        for name in user.keys() - {"name", "sshAuthorizedKeys", "groups", "shell"}:
            del user[name]
    for file in spec.get("files", []):
        file.pop("append", None)
        file.setdefault("permissions", "0644")
        if file.pop("encoding", ""):
            file["content"] = "drawn"


def _old(value: Any) -> Any:
    """As v1beta1 has it: arguments are maps, and no lengths of time in seconds."""
    if isinstance(value, list):
        return [_old(item) for item in value]
    if not isinstance(value, dict):
        return value
    found = {}
    for name, item in value.items():
        if name in ("extraArgs", "kubeletExtraArgs"):
            found[name] = {one["name"]: one["value"] for one in item}
        elif name not in ("timeouts", "extraEnvs"):
            found[name] = _old(item)
    return found


def _some(draw: random.Random, **parts: Any) -> dict[str, Any]:
    return {name: part for name, part in parts.items() if draw.random() < 0.6}


def _arguments(draw: random.Random, *names: str) -> list[dict[str, str]]:
    chosen = draw.sample(names, draw.randrange(1, len(names)))
    return [{"name": name, "value": draw.choice(("2", "4"))} for name in chosen]


def _registration(draw: random.Random) -> dict[str, Any]:
    return _some(
        draw,
        name=draw.choice(NAMES),
        criSocket="unix:///run/containerd/containerd.sock",
        kubeletExtraArgs=[
            *_arguments(draw, "v", "max-pods", "registry-burst"),
            {
                "name": "provider-id",
                "value": draw.choice(
                    ("aws:///{{ v1.availability_zone }}/{{ v1.instance_id }}", "a:///b")
                ),
            },
        ],
        taints=draw.choice(([], [{"key": "a.example/b", "value": "c", "effect": "NoSchedule"}])),
        ignorePreflightErrors=draw.sample(["Swap", "NumCPU", "Mem"], 2),
        imagePullPolicy=draw.choice(("Always", "IfNotPresent", "Never")),
    )


def _cluster(draw: random.Random) -> dict[str, Any]:
    return _some(
        draw,
        controlPlaneEndpoint="api.example.com:6443",
        imageRepository="registry.example.com/kubernetes",
        certificatesDir="/etc/kubernetes/certificates",
        apiServer=_some(
            draw,
            certSANs=["a.example.com", "192.0.2.3"],
            extraArgs=_arguments(draw, "v", "audit-log-maxage", "max-requests-inflight"),
            extraVolumes=[
                {
                    "name": "a",
                    "hostPath": "/srv/a",
                    "mountPath": "/srv/a",
                    "readOnly": True,
                    "pathType": "DirectoryOrCreate",
                }
            ],
            extraEnvs=[{"name": "A", "value": "b"}],
        ),
        controllerManager=_some(
            draw, extraArgs=_arguments(draw, "v", "kube-api-burst", "concurrent-gc-syncs")
        ),
        scheduler=_some(draw, extraArgs=_arguments(draw, "v", "kube-api-burst")),
        dns={"imageRepository": "registry.example.com/dns", "imageTag": "v1.11.1"},
        etcd=draw.choice(
            (
                {
                    "local": {
                        "dataDir": "/srv/etcd",
                        "imageTag": "3.5.1-0",
                        "serverCertSANs": ["a"],
                        "extraArgs": [{"name": "quota-backend-bytes", "value": "8589934592"}],
                    }
                },
                {
                    "external": {
                        "endpoints": ["https://192.0.2.9:2379"],
                        "caFile": "/a/ca.crt",
                        "certFile": "/a/c.crt",
                        "keyFile": "/a/c.key",
                    }
                },
            )
        ),
    )


def _file(draw: random.Random, number: int) -> dict[str, Any]:
    file = {
        "path": f"/srv/file-{number}",
        "content": draw.choice(CONTENTS),
        **_some(
            draw,
            permissions=draw.choice(("0600", "0755", "0644", "0440")),
            owner=draw.choice(("root:root", "root", "root:adm")),
        ),
    }
    encoding = draw.choice(("", "", "", "base64", "gzip+base64"))
    if encoding:
        content = f"encoded {number}\n".encode()
        packed = gzip.compress(content, mtime=0) if "gzip" in encoding else content
        return {**file, "encoding": encoding, "content": base64.b64encode(packed).decode()}
    return {**file, "append": True} if number == 1 and draw.random() < 0.5 else file


def _disks(draw: random.Random) -> dict[str, Any]:
    shares: dict[str, Any] = {"layout": True}
    if draw.random() < 0.4:
        shares["diskLayout"] = [
            {"percentage": 60},
            {
                "percentage": draw.choice((40, 30, 70)),
                "partitionType": draw.choice(("Linux", "LinuxSwap")),
            },
        ]
    table = draw.choice(("gpt", "mbr"))
    system = draw.choice(
        (
            {"device": "/dev/sdb1"},
            {"device": "/dev/sdb", "partition": "1"},
            {"device": "/dev/sdb", "partition": "auto"},
        )
    )
    return {
        "partitions": [
            {
                "device": "/dev/sdb",
                "overwrite": draw.random() < 0.5,
                "tableType": table,
                **shares,
            }
        ],
        "filesystems": [
            {
                **system,
                "filesystem": draw.choice(("ext4", "xfs")),
                "label": "data",
                "overwrite": draw.random() < 0.3,
                **_some(draw, extraOpts=["-K"]),
            }
        ],
    }


def _spec(draw: random.Random, *, control_plane: bool) -> dict[str, Any]:
    timeouts = {
        "controlPlaneComponentHealthCheckSeconds": draw.randrange(60, 900),
        "kubeletHealthCheckSeconds": 300,
    }
    join: dict[str, Any] = {
        "nodeRegistration": _registration(draw),
        **_some(draw, timeouts={**timeouts, "discoverySeconds": 400}),
    }
    spec = _some(
        draw,
        files=[_file(draw, number) for number in range(draw.randrange(1, 4))],
        users=[
            {"name": "ops", **_some(draw, **USER)},
            *([{"name": "audit", **_some(draw, **OTHER_USER)}] if draw.random() < 0.4 else []),
        ],
        ntp={"enabled": True, "servers": ["a.example.com", "b.example.com"]},
        mounts=[
            ["LABEL=data", "/srv/data"],
            ["/dev/sdc", "/srv/c", "ext4", "defaults,noatime"],
            *([["tmpfs", "/srv/t", "tmpfs", "size=1m", "0", "0"]] if draw.random() < 0.3 else []),
        ],
        diskSetup=_disks(draw),
        bootCommands=["echo booted"],
        preKubeadmCommands=draw.sample(LINES, draw.randrange(1, 5)),
        postKubeadmCommands=draw.sample(LINES[:8], draw.randrange(1, 3)),
        verbosity=draw.randrange(10),
    )
    if draw.random() < 0.4:
        files, lines = draw.choice(IDIOMS)
        spec["files"] = [
            *spec.get("files", []),
            *({"path": path, "content": content} for path, content in files.items()),
        ]
        spec["preKubeadmCommands"] = [*spec.get("preKubeadmCommands", []), *lines]
    if control_plane:
        join["controlPlane"] = _some(
            draw, localAPIEndpoint={"bindPort": 6443, "advertiseAddress": "192.0.2.4"}
        )
        spec["initConfiguration"] = {
            "nodeRegistration": _registration(draw),
            **_some(
                draw,
                timeouts=timeouts,
                localAPIEndpoint={"bindPort": 6443},
                skipPhases=["addon/kube-proxy"],
                patches={"directory": "/srv/patches"},
            ),
        }
        spec["clusterConfiguration"] = _cluster(draw)
    spec["joinConfiguration"] = join
    return spec
