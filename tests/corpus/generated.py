"""KubeadmConfigSpecs that are drawn, for whatever the corpus does not have."""

from __future__ import annotations

import random
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
)


USER: dict[str, Any] = {
    "groups": "adm, sudo",
    "sudo": "ALL=(ALL) NOPASSWD:ALL",
    "shell": "/bin/sh",
    "lockPassword": True,
    "sshAuthorizedKeys": [KEY],
}


def drawn(count: int, seed: int = 20261130) -> Iterator[Spec]:
    """So many specs, always the same ones."""
    draw = random.Random(seed)  # noqa: S311 # the same each time
    for number in range(count):
        kind = draw.choice(("KubeadmConfigTemplate", "KubeadmControlPlane"))
        spec = _spec(draw, control_plane=kind == "KubeadmControlPlane")
        document: dict[str, Any]
        if kind == "KubeadmControlPlane":
            document = {
                "apiVersion": "controlplane.cluster.x-k8s.io/v1beta2",
                "kind": kind,
                "metadata": {"name": f"drawn-{number}"},
                "spec": {"kubeadmConfigSpec": spec},
            }
        else:
            document = {
                "apiVersion": "bootstrap.cluster.x-k8s.io/v1beta2",
                "kind": kind,
                "metadata": {"name": f"drawn-{number}"},
                "spec": {"template": {"spec": spec}},
            }
        yield Spec(f"drawn-{number}", yaml.safe_dump(document), document, spec, False)


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
        files=[
            {
                "path": f"/srv/file-{number}",
                "content": draw.choice(CONTENTS),
                **_some(
                    draw,
                    permissions=draw.choice(("0600", "0755", "0644")),
                    owner="root:root",
                    append=number == 1,
                ),
            }
            for number in range(draw.randrange(1, 4))
        ],
        users=[
            {
                "name": "ops",
                **_some(draw, **USER),
            }
        ],
        ntp={"enabled": True, "servers": ["a.example.com", "b.example.com"]},
        mounts=[["LABEL=data", "/srv/data"], ["/dev/sdc", "/srv/c", "ext4", "defaults,noatime"]],
        diskSetup={
            "partitions": [
                {
                    "device": "/dev/sdb",
                    "layout": True,
                    "overwrite": draw.random() < 0.5,
                    "tableType": "gpt",
                }
            ],
            "filesystems": [
                {"device": "/dev/sdb1", "filesystem": "ext4", "label": "data", "overwrite": False}
            ],
        },
        preKubeadmCommands=draw.sample(LINES, draw.randrange(1, 5)),
        postKubeadmCommands=draw.sample(LINES, draw.randrange(1, 3)),
        verbosity=draw.randrange(10),
    )
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
