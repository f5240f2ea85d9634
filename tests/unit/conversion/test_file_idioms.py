"""What people do by files, and commands that make programs read them, becomes the field that we have; half of it never does."""

from __future__ import annotations

import json
from typing import Any

import pytest
import yaml

from tests.authorities import certificate, text_of
from tests.unit.conversion.converting import Converted, config

ANCHOR = "/usr/local/share/ca-certificates/site.crt"
HOSTS = "/etc/containerd/certs.d/docker.io/hosts.toml"
MIRROR = 'server = "https://registry-1.docker.io"\n[host."https://mirror.example.com"]\n  capabilities = ["pull", "resolve"]\n'
HEADER = '  [host."https://mirror.example.com".header]\n'
SWITCH = (
    '[plugins."io.containerd.grpc.v1.cri".registry]\n  config_path = "/etc/containerd/certs.d"\n'
)
PROXY = "/etc/systemd/system/containerd.service.d/http-proxy.conf"
PROXIES = '[Service]\nEnvironment="HTTP_PROXY=http://proxy.example.com:3128"\nEnvironment="HTTPS_PROXY=http://proxy.example.com:3128" "NO_PROXY=localhost,10.0.0.0/8,.svc"\n'
PROXIED = {
    "httpProxy": "http://proxy.example.com:3128",
    "httpsProxy": "http://proxy.example.com:3128",
    "noProxy": ["localhost", "10.0.0.0/8", ".svc"],
    "noProxyAuto": False,
}


def machine(files: dict[str, str], *commands: str, **more: Any) -> Converted:
    spec = {
        "files": [{"path": path, "content": content} for path, content in files.items()],
        "preKubeadmCommands": list(commands),
        **more,
    }
    spec = {name: part for name, part in spec.items() if part}
    return config(yaml.safe_dump(spec))


TYPED = {
    "a proxy of containerd": (
        {PROXY: PROXIES},
        ("systemctl daemon-reload", "systemctl restart containerd"),
        {"systemProxies": [{"targets": ["containerRuntime"], **PROXIED}]},
    ),
    "a proxy without a scheme": (
        {PROXY: "[Service]\nEnvironment=HTTP_PROXY=proxy.example.com:8888\n"},
        ("systemctl enable containerd && systemctl --no-block restart containerd.service",),
        {
            "systemProxies": [
                {
                    "targets": ["containerRuntime"],
                    "httpProxy": "http://proxy.example.com:8888",
                    "noProxyAuto": False,
                }
            ]
        },
    ),
    "one proxy of two": (
        {PROXY: PROXIES, PROXY.replace("containerd", "kubelet"): PROXIES},
        ("systemctl daemon-reload", "sudo systemctl restart docker containerd; echo a"),
        {"systemProxies": [{"targets": ["containerRuntime", "kubelet"], **PROXIED}]},
    ),
    "parameters that the kernel always has": (
        {"/etc/sysctl.d/90.conf": "# why\nvm.max_map_count = 262144\nnet.ipv4.ip_forward=1\n"},
        ("sysctl --system",),
        {
            "linuxConfiguration": {
                "sysctls": {"vm.max_map_count": "262144", "net.ipv4.ip_forward": "1"}
            }
        },
    ),
    "parameters of one file": (
        {"/etc/sysctl.d/90.conf": "net.ipv4.ip_forward=1\n"},
        ("sudo sysctl -p /etc/sysctl.d/90.conf",),
        {"linuxConfiguration": {"sysctls": {"net.ipv4.ip_forward": "1"}}},
    ),
    "a bridge and its module": (
        {
            "/etc/modules-load.d/k8s.conf": "overlay\nbr_netfilter\n",
            "/etc/sysctl.d/k8s.conf": "net.bridge.bridge-nf-call-iptables = 1\n",
        },
        ("modprobe overlay", "modprobe br_netfilter", "sysctl --system"),
        {
            "linuxConfiguration": {
                "kernelModules": ["overlay", "br_netfilter"],
                "sysctls": {"net.bridge.bridge-nf-call-iptables": "1"},
            }
        },
    ),
    "the same by here-documents": (
        {},
        (
            "cat <<EOF | sudo tee /etc/modules-load.d/k8s.conf\noverlay\nbr_netfilter\nEOF",
            "sudo modprobe overlay",
            "sudo modprobe br_netfilter",
            "cat > /etc/sysctl.d/k8s.conf <<'EOF'\nnet.ipv4.ip_forward = 1\nEOF\n",
            "sysctl --system",
        ),
        {
            "linuxConfiguration": {
                "kernelModules": ["overlay", "br_netfilter"],
                "sysctls": {"net.ipv4.ip_forward": "1"},
            }
        },
    ),
    "servers of chrony": (
        {"/etc/chrony/conf.d/site.conf": "server a.example.com iburst\npool b.example.com\n"},
        ("systemctl restart chrony",),
        {
            "linuxConfiguration": {
                "ntp": {"enabled": True, "servers": ["a.example.com"], "pools": ["b.example.com"]}
            }
        },
    ),
    "servers of chrony by a command": (
        {},
        (
            "echo 'server 192.0.2.3 iburst' >> /etc/chrony/chrony.conf",
            "sudo systemctl restart chronyd",
        ),
        {"linuxConfiguration": {"ntp": {"enabled": True, "servers": ["192.0.2.3"]}}},
    ),
    "servers of timesyncd": (
        {"/etc/systemd/timesyncd.conf.d/site.conf": "[Time]\nNTP=a.example.com b.example.com\n"},
        ("timedatectl set-ntp true", "systemctl restart systemd-timesyncd"),
        {
            "linuxConfiguration": {
                "ntp": {"enabled": True, "servers": ["a.example.com", "b.example.com"]}
            }
        },
    ),
    "a mirror": (
        {HOSTS: MIRROR},
        ("systemctl restart containerd",),
        {
            "containerRuntime": {
                "containerd": {
                    "registries": [
                        {
                            "host": "docker.io",
                            "mirrors": [
                                {
                                    "url": "https://mirror.example.com",
                                    "capabilities": ["pull", "resolve"],
                                }
                            ],
                        }
                    ]
                }
            }
        },
    ),
    "a mirror with its own TLS and login": (
        {
            HOSTS: MIRROR
            + "  skip_verify = true\n"
            + HEADER
            + '    authorization = ["Basic dXNlcjpwYTpzcw=="]\n'
        },
        ("systemctl restart containerd",),
        {
            "containerRuntime": {
                "containerd": {
                    "registries": [
                        {
                            "host": "docker.io",
                            "mirrors": [
                                {
                                    "url": "https://mirror.example.com",
                                    "capabilities": ["pull", "resolve"],
                                }
                            ],
                        },
                        {
                            "host": "mirror.example.com",
                            "tls": {"insecureSkipVerify": True},
                            "auth": {"username": "user", "password": "pa:ss"},
                        },
                    ]
                }
            }
        },
    ),
    "a mirror with its own TLS, and what has containerd look for it": (
        {
            HOSTS: MIRROR + "  override_path = true\n  skip_verify = true\n",
            "/etc/containerd/more.toml": SWITCH,
        },
        (
            "cat /etc/containerd/more.toml >> /etc/containerd/config.toml",
            "systemctl restart containerd",
        ),
        {
            "containerRuntime": {
                "containerd": {
                    "registries": [
                        {
                            "host": "docker.io",
                            "mirrors": [
                                {
                                    "url": "https://mirror.example.com",
                                    "capabilities": ["pull", "resolve"],
                                    "overridePath": True,
                                }
                            ],
                        },
                        {"host": "mirror.example.com", "tls": {"insecureSkipVerify": True}},
                    ]
                }
            }
        },
    ),
}


CA = "/etc/containerd/certs.d/mirror.example.com/ca.crt"
OTHER = "/etc/containerd/certs.d/mirror.example.com/other.crt"
KEY = "/etc/containerd/certs.d/mirror.example.com/client.key"
URL = {"url": "https://mirror.example.com", "capabilities": ["pull", "resolve"]}
TRUSTED: dict[str, tuple[dict[str, str], list[dict[str, Any]]]] = {
    "authorities in a list": (
        {HOSTS: MIRROR + f'  ca = ["{CA}", "{OTHER}"]\n', CA: "@one", OTHER: "@two"},
        [{"host": "docker.io", "mirrors": [URL]}, {"host": "mirror.example.com", "tls": {"ca": "@one@two"}}],
    ),
    "a certificate that the mirror is shown": (
        {HOSTS: MIRROR + f'  client = [["{CA}", "{KEY}"]]\n', CA: "@one", KEY: "@key"},
        [{"host": "docker.io", "mirrors": [URL]}, {"host": "mirror.example.com", "tls": {"cert": "@one", "key": "@key"}}],
    ),
    "the registry's own authority, above its mirrors": (
        {HOSTS: f'ca = "{CA}"\nskip_verify = true\n{MIRROR}', CA: "@one"},
        [{"host": "docker.io", "mirrors": [URL], "tls": {"insecureSkipVerify": True, "ca": "@one"}}],
    ),
    "the registry's own login, without a mirror": (
        {HOSTS: '[header]\nauthorization = "Basic dTpw"\n'},
        [{"host": "docker.io", "auth": {"username": "u", "password": "p"}}],
    ),
    "a registry and its mirror, each with its own": (
        {HOSTS: f'ca = "{CA}"\n{MIRROR}  ca = "{OTHER}"\n', CA: "@one", OTHER: "@two"},
        [
            {"host": "docker.io", "mirrors": [URL], "tls": {"ca": "@one"}},
            {"host": "mirror.example.com", "tls": {"ca": "@two"}},
        ],
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", TRUSTED)
def test_how_a_registry_is_trusted_becomes_a_field(name: str) -> None:
    texts = {f"@{one}": text_of(certificate(one)) for one in ("one", "two")}
    # A sequence of nothing: what is looked at is that it is DER, and whole.
    texts["@key"] = "-----BEGIN PRIVATE KEY-----\nMAA=\n-----END PRIVATE KEY-----\n"
    filled = json.dumps(TRUSTED[name])
    for sign, text in texts.items():
        filled = filled.replace(sign, json.dumps(text)[1:-1])
    files, expected = json.loads(filled)
    found = machine(files, "systemctl restart containerd")

    assert found.undecided == {}
    assert found.spec["machine"]["containerRuntime"]["containerd"]["registries"] == expected
    assert "files" not in found.spec["machine"]


@pytest.mark.parametrize("name", TYPED)
def test_it_becomes_a_field_and_the_account_says_what_it_was(name: str) -> None:
    files, lines, expected = TYPED[name]
    found = machine(files, *lines)
    left = {key: value for key, value in found.spec["machine"].items() if key != "commands"}

    assert left == expected
    assert found.undecided == {}
    for leaf in found.result.leaves:
        if leaf.path.startswith("spec.files"):
            assert leaf.note.startswith("was "), leaf


def test_an_authority_of_the_host() -> None:
    pem = text_of(certificate("site"))
    found = machine({ANCHOR: pem}, "update-ca-certificates", "echo a")

    assert found.spec["machine"]["systemTrustCertificateAuthorities"] == [{"content": pem}]
    assert "files" not in found.spec["machine"]
    assert found.script() == "#!/bin/sh\necho a\n:\n"
    assert "trust store" in found.leaf("preKubeadmCommands[0]").note


STAYS = {
    "a proxy with a password": (
        {PROXY: "[Service]\nEnvironment=HTTP_PROXY=http://a:b@proxy.example.com:1\n"},
        ("systemctl daemon-reload", "systemctl restart containerd"),
    ),
    "a drop-in that says more": (
        {PROXY: PROXIES + "LimitNOFILE=1\n"},
        ("systemctl daemon-reload", "systemctl restart containerd"),
    ),
    "a drop-in for the next boot": ({PROXY: PROXIES}, ("echo a",)),
    "a drop-in of a unit that is not restarted": ({PROXY: PROXIES}, ("systemctl daemon-reload",)),
    "a drop-in that systemd has not read": ({PROXY: PROXIES}, ("systemctl restart containerd",)),
    "a drop-in that systemd reads after the restart": (
        {PROXY: PROXIES},
        ("systemctl restart containerd", "systemctl daemon-reload"),
    ),
    "a drop-in, and another unit that is restarted": (
        {PROXY: PROXIES},
        ("systemctl daemon-reload", "systemctl restart containerd-stargz"),
    ),
    "a drop-in whose restart is only said": (
        {PROXY: PROXIES},
        ("systemctl daemon-reload", 'echo "systemctl restart containerd"'),
    ),
    "a registry that containerd is not restarted for": (
        {HOSTS: MIRROR, "/etc/containerd/more.toml": SWITCH},
        ("cat /etc/containerd/more.toml >> /etc/containerd/config.toml",),
    ),
    "a variable that is no proxy": (
        {PROXY: "[Service]\nEnvironment=A=b\n"},
        ("systemctl daemon-reload", "systemctl restart containerd"),
    ),
    "a proxy of another unit": (
        {PROXY.replace("containerd", "docker"): PROXIES},
        ("systemctl daemon-reload", "systemctl restart containerd"),
    ),
    "parameters that nothing reads before kubeadm": (
        {"/etc/sysctl.d/90.conf": "net.ipv4.ip_forward=1\n"},
        (),
    ),
    "parameters that the kernel may lack": (
        {"/etc/sysctl.d/90.conf": "net.netfilter.nf_conntrack_max=1000000\n"},
        ("sysctl --system",),
    ),
    "parameters that may be wrong": (
        {"/etc/sysctl.d/90.conf": "-net.ipv4.ip_forward=1\n"},
        ("sysctl --system",),
    ),
    "two files that say the same differently": (
        {
            "/etc/sysctl.d/90.conf": "net.ipv4.ip_forward=1\n",
            "/etc/sysctl.d/99.conf": "net.ipv4.ip_forward=0\n",
        },
        ("sysctl --system",),
    ),
    "modules of the next boot": ({"/etc/modules-load.d/a.conf": "ip_vs\n"}, ("modprobe overlay",)),
    "an authority that nothing takes over": ({ANCHOR: "@AUTHORITY"}, ("echo a",)),
    "a certificate that is not an authority's": ({ANCHOR: "@LEAF"}, ("update-ca-certificates",)),
    "what is not a certificate": ({ANCHOR: "a\n"}, ("update-ca-certificates",)),
    "the whole file of chrony": (
        {"/etc/chrony/chrony.conf": "server a.example.com\n"},
        ("systemctl restart chrony",),
    ),
    "chrony with more than servers": (
        {"/etc/chrony/conf.d/a.conf": "server a.example.com\nmakestep 1 3\n"},
        ("systemctl restart chrony",),
    ),
    "chrony with a key": (
        {"/etc/chrony/conf.d/a.conf": "server a.example.com key 1\n"},
        ("systemctl restart chrony",),
    ),
    "a time service that nobody names servers for": ({}, ("systemctl enable --now chrony",)),
    "a registry with another header": (
        {HOSTS: MIRROR + HEADER + '    x-token = "a"\n'},
        ("systemctl restart containerd",),
    ),
    "a registry with two headers": (
        {HOSTS: MIRROR + HEADER + '    authorization = "Basic dTpw"\n    x-token = "a"\n'},
        ("systemctl restart containerd",),
    ),
    "a registry with a token": (
        {HOSTS: MIRROR + HEADER + '    authorization = "Bearer dTpw"\n'},
        ("systemctl restart containerd",),
    ),
    "a login that is not base64": (
        {HOSTS: MIRROR + HEADER + '    authorization = "Basic dTp"\n'},
        ("systemctl restart containerd",),
    ),
    "a login without a password": (
        {HOSTS: MIRROR + HEADER + '    authorization = "Basic dQ=="\n'},
        ("systemctl restart containerd",),
    ),
    "a login with an empty password": (
        {HOSTS: MIRROR + HEADER + '    authorization = "Basic dTo="\n'},
        ("systemctl restart containerd",),
    ),
    "a login of two lines": (
        {HOSTS: MIRROR + HEADER + '    authorization = "Basic dTpwCnE="\n'},
        ("systemctl restart containerd",),
    ),
    "two logins": (
        {HOSTS: MIRROR + HEADER + '    authorization = ["Basic dTpw", "Basic dTpx"]\n'},
        ("systemctl restart containerd",),
    ),
    "a registry whose authority is elsewhere": (
        {HOSTS: MIRROR + '  ca = "/etc/ssl/site.crt"\n'},
        ("systemctl restart containerd",),
    ),
    "a certificate whose key is elsewhere": (
        {HOSTS: MIRROR + '  client = [["/a.crt", "/etc/ssl/a.key"]]\n', "/a.crt": "a"},
        ("systemctl restart containerd",),
    ),
    "a certificate that holds its key": (
        {HOSTS: MIRROR + '  client = "/a.pem"\n', "/a.pem": "a"},
        ("systemctl restart containerd",),
    ),
    "a key that is not PEM": (
        {HOSTS: MIRROR + f'  client = [["{CA}", "{KEY}"]]\n', CA: "@AUTHORITY", KEY: "a"},
        ("systemctl restart containerd",),
    ),
    "two certificates": (
        {HOSTS: MIRROR + '  client = [["/a", "/b"], ["/b", "/a"]]\n', "/a": "a", "/b": "b"},
        ("systemctl restart containerd",),
    ),
    "an authority that is not PEM": (
        {HOSTS: MIRROR + f'  ca = "{CA}"\n', CA: "a"},
        ("systemctl restart containerd",),
    ),
    "an authority that all programs read": (
        {HOSTS: MIRROR + f'  ca = "{ANCHOR}"\n', ANCHOR: "@AUTHORITY"},
        ("systemctl restart containerd",),
    ),
    "an authority that a command copies": (
        {HOSTS: MIRROR + f'  ca = "{CA}"\n', CA: "@AUTHORITY"},
        (f"cp {CA} /etc/ssl/", "systemctl restart containerd"),
    ),
    "a certificate for all registries": (
        {HOSTS.replace("docker.io", "_default"): "skip_verify = true\n" + MIRROR},
        ("systemctl restart containerd",),
    ),
    "rights of the registry itself": (
        {HOSTS: 'capabilities = ["pull"]\n' + MIRROR},
        ("systemctl restart containerd",),
    ),
    "a time limit": (
        {HOSTS: MIRROR + '  dial_timeout = "1s"\n'},
        ("systemctl restart containerd",),
    ),
    "a mirror that is trusted in one file and not in another": (
        {
            HOSTS: MIRROR + "  skip_verify = true\n",
            HOSTS.replace("docker.io", "quay.io"): MIRROR.replace(
                "registry-1.docker.io", "quay.io"
            ),
        },
        ("systemctl restart containerd",),
    ),
    "what is not TOML": ({HOSTS: "a b"}, ()),
    "a configuration of containerd's own": (
        {HOSTS: MIRROR, "/etc/containerd/config.toml": "version = 2\n"},
        (),
    ),
    "a configuration that a command changes": (
        {HOSTS: MIRROR},
        ("sed -i s/a/b/ /etc/containerd/config.toml",),
    ),
    "a here-document that the shell fills in": (
        {},
        ("cat <<EOF > /etc/sysctl.d/a.conf\nnet.ipv4.ip_forward=$A\nEOF", "sysctl --system"),
    ),
}


@pytest.mark.parametrize("name", STAYS)
def test_what_is_more_than_that_stays_a_file(name: str) -> None:
    files, lines = STAYS[name]
    texts = {
        "@AUTHORITY": text_of(certificate("site")),
        "@LEAF": text_of(certificate("site", authority=False)),
    }
    files = {path: texts.get(content, content) for path, content in files.items()}
    found = machine(files, *lines)
    given = found.spec["machine"]

    assert [file["path"] for file in given.get("files", [])] == list(files)
    assert "systemProxies" not in given
    assert "systemTrustCertificateAuthorities" not in given
    assert "containerRuntime" not in given
    assert given.get("linuxConfiguration", {}).keys() <= {"kernelModules"}
    for line in lines:
        if "commands" in given and not line.startswith("modprobe"):
            assert line in found.script()


def test_a_drop_in_that_ignition_writes_is_there_before_its_unit_starts() -> None:
    found = machine({PROXY: PROXIES}, format="ignition")

    assert "files" not in found.spec["machine"]
    assert found.spec["machine"]["systemProxies"] == [{"targets": ["containerRuntime"], **PROXIED}]


ODD = (
    "host = 1",
    "host = []",
    '[[host]]\nurl = "https://mirror.example.com"',
    '[host]\n"https://mirror.example.com" = true',
    "server = 1",
    *(
        f'[host."https://mirror.example.com"]\n{field}'
        for field in (
            "capabilities = 1",
            'capabilities = "pull"',
            'capabilities = [["pull"]]',
            "capabilities = [{}]",
            "ca = 1",
            'ca = ["/a"]',
            "ca = {}",
        )
    ),
)


@pytest.mark.parametrize("content", ODD)
def test_values_of_types_that_containerd_would_refuse_stay_in_their_file(content: str) -> None:
    found = machine({HOSTS: f"{content}\n"}, "systemctl restart containerd")

    assert "containerRuntime" not in found.spec["machine"]
    assert [one["path"] for one in found.spec["machine"]["files"]] == [HOSTS]


def test_a_field_of_the_spec_comes_first() -> None:
    found = machine(
        {"/etc/chrony/conf.d/a.conf": "server a.example.com\n"},
        "systemctl restart chrony",
        ntp={"enabled": True, "servers": ["b.example.com"]},
    )

    assert found.spec["machine"]["linuxConfiguration"]["ntp"]["servers"] == ["b.example.com"]
    assert found.spec["machine"]["files"][0]["path"] == "/etc/chrony/conf.d/a.conf"


READS = ("grep -q certSANs /run/kubeadm/kubeadm.yaml && echo a", "cat /run/kubeadm/kubeadm.yaml")


@pytest.mark.parametrize("line", READS)
def test_a_script_that_only_reads_kubeadms_file_gets_a_copy_as_a_decision(line: str) -> None:
    found = machine({}, line)

    assert found.spec["machine"]["commands"]["kubeadmFile"] == "/run/kubeadm/kubeadm.yaml"
    assert list(found.undecided) == ["spec.preKubeadmCommands[0]"]
    assert "# decide: reads the file that kubeadm is given" in found.result.text
    assert found.result.decisions[0].to == "machine.commands.kubeadmFile"


@pytest.mark.parametrize(
    "line",
    [
        "sed -i s/a/b/ /run/kubeadm/kubeadm.yaml",
        "cat a >> /run/kubeadm/kubeadm.yaml",
        "cp a /run/kubeadm/kubeadm.yaml",
        "cat /tmp/kubeadm.yaml",
        "cat /run/kubeadm/kubeadm.yaml /run/kubeadm/kubeadm-join-config.yaml",
    ],
)
def test_one_that_changes_it_gets_none(line: str) -> None:
    found = machine({}, line)

    assert "kubeadmFile" not in found.spec["machine"]["commands"]
    assert list(found.undecided) == ["spec.preKubeadmCommands[0]"]
