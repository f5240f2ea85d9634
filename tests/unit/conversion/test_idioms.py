"""What people do by commands because a KubeadmConfig has no field for it becomes the field that we have."""

from __future__ import annotations

import pytest
import yaml

from tests.unit.conversion.converting import commands, config, control_plane


@pytest.mark.parametrize(
    "line",
    [
        'hostnamectl set-hostname "{{ ds.meta_data.hostname }}"',
        "hostnamectl set-hostname '{{ ds.meta_data.hostname }}' && hostname -F /etc/hostname",
        "hostnamectl set-hostname {{ ds.meta_data.hostname }}",
        "sudo hostnamectl hostname {{ds.meta_data.hostname}}",
        'hostnamectl set-hostname --static "{{ ds.meta_data.hostname }}"',
        'hostnamectl --static set-hostname "{{ ds.meta_data.hostname }}"',
        'hostname "{{ ds.meta_data.hostname }}"',
        'echo "{{ ds.meta_data.hostname }}" > /etc/hostname',
        'echo "{{ ds.meta_data.hostname }}" >/etc/hostname',
    ],
)
def test_the_host_name(line: str) -> None:
    found = commands(line)

    assert found.spec["machine"] == {
        "linuxConfiguration": {"hostnameFrom": {"instanceData": "$(ds.meta_data.hostname)"}}
    }
    assert "host name" in found.leaf("preKubeadmCommands[0]").note


@pytest.mark.parametrize(
    ("line", "name"),
    [
        ("$(curl -s http://169.254.169.254/latest/meta-data/local-hostname)", "local_hostname"),
        ('"$(curl -fsSL http://169.254.169.254/2021-07-15/meta-data/hostname)"', "hostname"),
        (
            "$(curl --silent --retry 3 http://169.254.169.254/latest/meta-data/public-hostname)",
            "public_hostname",
        ),
    ],
)
def test_the_host_name_that_a_metadata_service_is_asked_for(line: str, name: str) -> None:
    found = commands(f"hostnamectl set-hostname {line}")

    assert found.spec["machine"]["linuxConfiguration"] == {
        "hostnameFrom": {"instanceData": f"$(ds.meta_data.{name})"}
    }


@pytest.mark.parametrize(
    "line",
    [
        "hostnamectl set-hostname $(curl -s http://169.254.169.254/latest/meta-data/instance-id)",
        "hostnamectl set-hostname $(curl -s http://metadata.example.com/latest/meta-data/hostname)",
        "hostnamectl set-hostname $(curl -s http://169.254.169.254/latest/meta-data/hostname | cut -d. -f1)",
        'hostnamectl set-hostname "$(hostname -f)"',
        "hostnamectl set-hostname --pretty a",
        "hostnamectl set-hostname --transient a",
        "hostnamectl hostname",
    ],
)
def test_what_is_made_of_more_than_the_name_stays_a_command(line: str) -> None:
    assert line in commands(line).script()


def test_several_on_one_line() -> None:
    found = commands(
        "swapoff -a && sed -i '/swap/d' /etc/fstab",
        "modprobe overlay; modprobe br_netfilter",
        "sudo modprobe ip_vs && sysctl -w net.ipv4.ip_forward=1",
    )

    assert found.spec["machine"] == {
        "linuxConfiguration": {
            "kernelModules": ["overlay", "br_netfilter", "ip_vs"],
            "sysctls": {"net.ipv4.ip_forward": "1"},
            "swap": {"enabled": False},
        }
    }


@pytest.mark.parametrize(
    "line",
    [
        "modprobe overlay && echo a",
        "modprobe overlay || true",
        "modprobe overlay | cat",
        'echo "a && modprobe overlay"',
        "swapoff -a && reboot",
        "if true; then modprobe overlay; fi",
    ],
)
def test_a_line_that_does_more_stays_a_command(line: str) -> None:
    found = commands(line)

    assert line in found.script()
    assert "linuxConfiguration" not in found.spec["machine"]


def test_two_host_names_stay_commands() -> None:
    found = commands("hostnamectl set-hostname a", "hostnamectl set-hostname b")

    assert "linuxConfiguration" not in found.spec["machine"]


def test_lines_of_etc_hosts() -> None:
    found = commands(
        'echo "::1 ipv6-localhost" >/etc/hosts',
        'echo "127.0.0.1 {{ ds.meta_data.hostname }}" >>/etc/hosts',
    )
    added = commands('echo "127.0.0.1 kubernetes" >> /etc/hosts')

    assert found.spec["machine"]["files"] == [
        {
            "path": "/etc/hosts",
            "contentFrom": {
                "instanceData": "::1 ipv6-localhost\n127.0.0.1 $(ds.meta_data.hostname)\n"
            },
        }
    ]
    assert added.spec["machine"]["files"] == [
        {"path": "/etc/hosts", "append": True, "content": "127.0.0.1 kubernetes\n"}
    ]


@pytest.mark.parametrize(
    "line",
    [
        'echo "$(hostname -I) kubernetes" >> /etc/hosts',
        'grep -q a /etc/hosts || echo "127.0.0.1 a" >> /etc/hosts',
        'echo "127.0.0.1 a" >> /etc/hosts.new',
    ],
)
def test_what_is_more_than_a_line_stays_a_command(line: str) -> None:
    found = commands(line)

    assert line in found.script()
    assert "files" not in found.spec["machine"]


def test_swap_and_modules() -> None:
    found = commands(
        "swapoff -a",
        "sed -ri '/\\sswap\\s/s/^#?/#/' /etc/fstab",
        "modprobe overlay",
        "modprobe br_netfilter",
        "sysctl --system",
    )

    assert found.spec["machine"]["linuxConfiguration"] == {
        "kernelModules": ["overlay", "br_netfilter"],
        "swap": {"enabled": False},
    }
    assert found.script() == "#!/bin/sh\nsysctl --system\n:\n"


def test_kernel_parameters() -> None:
    found = commands(
        "sysctl -w net.ipv4.ip_forward=1",
        "sudo sysctl --write 'vm.overcommit_memory=1'",
        'sysctl -w vm.swappiness="0"',
    )

    assert found.spec["machine"]["linuxConfiguration"] == {
        "sysctls": {"net.ipv4.ip_forward": "1", "vm.swappiness": "0"}
    }
    assert "vm.overcommit_memory" in found.script()


FLATCAR = """
format: ignition
joinConfiguration: {nodeRegistration: {name: "$${COREOS_OPENSTACK_HOSTNAME}", kubeletExtraArgs: {provider-id: "openstack:///$${COREOS_OPENSTACK_INSTANCE_UUID}"}}}
preKubeadmCommands:
- export COREOS_OPENSTACK_HOSTNAME=$${COREOS_OPENSTACK_HOSTNAME%.*}
- export COREOS_OPENSTACK_INSTANCE_UUID=$${COREOS_OPENSTACK_INSTANCE_UUID}
- envsubst < /etc/kubeadm.yml > /etc/kubeadm.yml.tmp
- mv /etc/kubeadm.yml.tmp /etc/kubeadm.yml
"""


def test_envsubst_over_kubeadms_file() -> None:
    found = config(FLATCAR)
    node = found.spec["kubernetes"]["node"]

    assert found.undecided == {}
    assert node["nameFrom"] == {"instanceData": "$(env.COREOS_OPENSTACK_HOSTNAME|short)"}
    assert node["extraArgs"] == [
        {
            "name": "provider-id",
            "valueFrom": {"instanceData": "openstack:///$(env.COREOS_OPENSTACK_INSTANCE_UUID)"},
        }
    ]
    assert "machine" not in found.spec


def test_other_commands_get_the_same_variables() -> None:
    found = config(FLATCAR + "- ip addr add $${COREOS_OPENSTACK_IPV4_LOCAL} dev eth0\n")
    (command,) = found.spec["machine"]["commands"]["preKubeadm"]

    assert command["env"] == [
        {
            "name": "COREOS_OPENSTACK_IPV4_LOCAL",
            "valueFrom": {"instanceData": "$(env.COREOS_OPENSTACK_IPV4_LOCAL)"},
        }
    ]


def test_sed_of_a_value_of_the_metadata_service() -> None:
    found = config(
        """
        format: ignition
        joinConfiguration: {nodeRegistration: {name: "@@HOSTNAME@@"}}
        preKubeadmCommands:
        - sed -i "s/@@HOSTNAME@@/$(curl -s -H Metadata:true --noproxy '*' 'http://169.254.169.254/metadata/instance?api-version=2020-09-01' | jq -r .compute.name)/g" /etc/kubeadm.yml
        """
    )

    assert found.undecided == {}
    assert found.spec["kubernetes"]["node"] == {
        "nameFrom": {"instanceData": "$(ds.meta_data.imds.compute.name)"}
    }


@pytest.mark.parametrize(
    ("test", "ours"),
    [
        ("[ -f /run/kubeadm/kubeadm.yaml ]", '[ "$MACHINEADM_ROLE" = Initialize ]'),
        ("[[ -e /tmp/kubeadm.yaml ]]", '[ "$MACHINEADM_ROLE" = Initialize ]'),
        ("test -f /run/kubeadm/kubeadm.yaml", 'test "$MACHINEADM_ROLE" = Initialize'),
        ("[ ! -f /run/kubeadm/kubeadm.yaml ]", '[ "$MACHINEADM_ROLE" != Initialize ]'),
        ('[ -f "/run/kubeadm/kubeadm-join-config.yaml" ]', '[ "$MACHINEADM_ROLE" != Initialize ]'),
    ],
)
def test_a_script_that_finds_out_its_role(test: str, ours: str) -> None:
    found = commands(f"if {test}; then echo a; fi")
    script = f"#!/bin/sh\nif {test}; then echo a; fi\n"
    in_file = config(yaml.safe_dump({"files": [{"path": "/a.sh", "content": script}]}))

    assert found.undecided == {}
    assert f"if {ours}; then" in found.script()
    assert f"if {ours}; then" in in_file.spec["machine"]["files"][0]["content"]


@pytest.mark.parametrize(
    "line",
    [
        "sed -i s/a/b/ /run/kubeadm/kubeadm.yaml",
        "cat /tmp/more.yaml >> /run/kubeadm/kubeadm-join-config.yaml",
        "grep -q Init /etc/kubeadm.yml && echo first",
    ],
)
def test_a_script_that_reads_or_changes_kubeadms_file_needs_a_decision(line: str) -> None:
    found = commands(line)

    assert list(found.undecided) == ["spec.preKubeadmCommands[0]"]
    assert any("kubeadmFile" in way for way in found.result.decisions[0].ways)


ADDITIONAL = """
format: ignition
ignition:
  containerLinuxConfig:
    additionalConfig: |
      storage:
        links: [{path: /etc/extensions/kubernetes.raw, target: /opt/extensions/k.raw, hard: false}, {path: /etc/localtime, target: /usr/share/zoneinfo/UTC}]
        files:
        - {path: /etc/sysctl.d/90-a.conf, mode: 0600, contents: {inline: "a=1"}}
        - {path: /opt/extensions/k.raw, contents: {remote: {url: "https://example.com/k.raw", verification: {hash: {function: sha512, sum: abc}}}}}
      systemd:
        units:
        - {name: locksmithd.service, mask: true}
        - {name: docker.service, enabled: true, dropins: [{name: 10-a.conf, contents: "[Service]"}]}
        - {name: coreos-metadata.service, contents: "[Service]"}
        - name: kubeadm.service
          enabled: true
          dropins:
          - name: 10-flatcar.conf
            contents: |
              [Unit]
              Requires=containerd.service coreos-metadata.service
              After=containerd.service coreos-metadata.service oem-cloudinit.service
              [Service]
              EnvironmentFile=/run/metadata/flatcar
"""


def test_additional_config_of_ignition() -> None:
    found = config(ADDITIONAL)
    machine = found.spec["machine"]

    assert machine["files"] == [
        {"path": "/etc/sysctl.d/90-a.conf", "content": "a=1", "permissions": "0600"},
        {"path": "/etc/localtime", "linkTo": "/usr/share/zoneinfo/UTC"},
    ]
    assert machine["linuxConfiguration"]["systemdUnits"] == [
        {"name": "locksmithd.service", "masked": True},
        {
            "name": "docker.service",
            "dropIns": [{"name": "10-a.conf", "contents": "[Service]"}],
            "enabled": True,
            "state": "Restarted",
        },
        {"name": "containerd.service", "state": "Started"},
    ]


def test_what_must_be_there_before_the_agent_travels_as_ignition() -> None:
    import json

    early = json.loads(config(ADDITIONAL).spec["ignition"]["additionalConfig"])

    assert early["ignition"] == {"version": "3.4.0"}
    assert [one["path"] for one in early["storage"]["files"]] == ["/opt/extensions/k.raw"]
    assert early["storage"]["files"][0]["contents"]["verification"] == {"hash": "sha512-abc"}
    assert [one["path"] for one in early["storage"]["links"]] == ["/etc/extensions/kubernetes.raw"]
    assert [one["name"] for one in early["systemd"]["units"]] == [
        "coreos-metadata.service",
        "machineadm-bootstrap.service",
    ]
    assert "After=oem-cloudinit.service" in early["systemd"]["units"][1]["dropins"][0]["contents"]


@pytest.mark.parametrize(
    "more",
    [
        "etcd: {name: a}",
        "systemd: {units: [{name: kubeadm.service, contents: a}]}",
        'systemd: {units: [{name: kubeadm.service, dropins: [{name: a.conf, contents: "[Service]\\nMemoryMax=1G"}]}]}',
        "passwd: {groups: [{name: a, password_hash: b}]}",
        "passwd: {users: [{name: a, nonsense: b}]}",
        "passwd: {users: [{name: a, uid: 7, nonsense: b}]}",
        "- a",
        "a: [",
    ],
)
def test_a_part_of_it_that_has_no_home_needs_a_decision(more: str) -> None:
    found = config(
        yaml.safe_dump(
            {"format": "ignition", "ignition": {"containerLinuxConfig": {"additionalConfig": more}}}
        )
    )

    assert [one.rpartition(".")[2] for one in found.undecided] == ["additionalConfig"]


def test_kube_vip_and_its_super_admin() -> None:
    found = control_plane(
        """
        files: [{path: /etc/kubernetes/manifests/kube-vip.yaml, content: "path: /etc/kubernetes/admin.conf"}]
        preKubeadmCommands:
        - if [ -f /run/kubeadm/kubeadm.yaml ]; then sed -i 's#admin.conf#super-admin.conf#' /etc/kubernetes/manifests/kube-vip.yaml; fi
        """
    )

    assert found.undecided == {}
    assert found.script().count("MACHINEADM_ROLE") == 1


PROXY = "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\n"
KUBELET = "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\n"
INTO = "/run/kubeadm/kubeadm.yaml"
APPENDED = {
    "quoted": f"cat <<'EOF' >> {INTO}\n---\n{PROXY}conntrack: {{maxPerCore: 0}}\nEOF\n",
    "not quoted": f"cat <<EOF >>{INTO}\n---\n{PROXY}conntrack:\n  maxPerCore: 0\nEOF",
    "the file first": f'cat >> {INTO} << "END"\n---\n{PROXY}conntrack: {{maxPerCore: 0}}\nEND',
    "by tee": f"cat <<EOF | sudo tee -a {INTO} > /dev/null\n---\n{PROXY}conntrack: {{maxPerCore: 0}}\nEOF",
    "where Cluster API once had it": f"cat <<EOF >> /tmp/kubeadm.yaml\n---\n{PROXY}conntrack: {{maxPerCore: 0}}\nEOF",
}


@pytest.mark.parametrize("name", APPENDED)
def test_a_document_appended_to_kubeadms_file(name: str) -> None:
    text = yaml.safe_dump({"preKubeadmCommands": [APPENDED[name], "echo a"]})
    found = control_plane(text)

    assert found.undecided == {}
    assert found.spec["kubernetes"]["cluster"] == {
        "proxyAddon": {"config": {"conntrack": {"maxPerCore": 0}}}
    }
    assert found.script() == "#!/bin/sh\necho a\n:\n"
    leaf = found.leaf("preKubeadmCommands[0]")
    assert (leaf.to, leaf.note) == (
        "kubernetes.cluster.proxyAddon",
        "was a document appended to kubeadm's file",
    )


def test_documents_appended_to_kubeadms_file_together_and_one_by_one() -> None:
    both = f"cat <<EOF >> {INTO}\n---\n{PROXY}mode: ipvs\nipvs: {{strictARP: true}}\n---\n{KUBELET}maxPods: 50\nEOF"
    for lines in (
        [both],
        [
            *(
                f"cat <<EOF >> {INTO}\n---{part}EOF"
                for part in both.removesuffix("EOF").split("---")[1:]
            )
        ],
    ):
        cluster = control_plane(yaml.safe_dump({"preKubeadmCommands": lines})).spec["kubernetes"][
            "cluster"
        ]

        assert cluster == {
            "kubelet": {"maxPods": 50},
            "proxyAddon": {"mode": "ipvs", "config": {"ipvs": {"strictARP": True}}},
        }


NOT_APPENDED = {
    "a document that the shell fills in": f"cat <<EOF >> {INTO}\n---\n{PROXY}clusterCIDR: $CIDR\nEOF",
    "a document that cloud-init fills in": f"cat <<EOF >> {INTO}\n---\n{PROXY}clusterCIDR: '{{{{ ds.a }}}}'\nEOF",
    "the rest of another document": f"cat <<EOF >> {INTO}\nmode: ipvs\nEOF",
    "a document of another kind": f"cat <<EOF >> {INTO}\n---\nkind: ClusterConfiguration\napiVersion: kubeadm.k8s.io/v1beta4\nEOF",
    "a version of another release": f"cat <<EOF >> {INTO}\n---\n{PROXY.replace('v1alpha1', 'v1')}mode: ipvs\nEOF",
    "one kind twice": f"cat <<EOF >> {INTO}\n---\n{PROXY}mode: ipvs\n---\n{PROXY}mode: iptables\nEOF",
    "half a document": f"cat <<EOF >> {INTO}\n---\n{PROXY}mode: [\nEOF",
    "in the place of kubeadm's own": f"cat <<EOF > {INTO}\n---\n{PROXY}mode: ipvs\nEOF",
    "and a command behind it": f"cat <<EOF >> {INTO}\n---\n{PROXY}mode: ipvs\nEOF\ncat {INTO}\n",
    "under a condition": f"if true; then cat <<EOF >> {INTO}\n---\n{PROXY}mode: ipvs\nEOF\nfi",
}


@pytest.mark.parametrize("name", NOT_APPENDED)
def test_what_is_more_than_a_document_appended_to_kubeadms_file_is_decided(name: str) -> None:
    found = control_plane(yaml.safe_dump({"preKubeadmCommands": [NOT_APPENDED[name]]}))

    assert [path.rpartition(".")[2] for path in found.undecided] == ["preKubeadmCommands[0]"]
    assert "proxyAddon" not in found.spec["kubernetes"].get("cluster", {})


def test_a_worker_has_no_file_to_append_such_a_document_to() -> None:
    found = config(
        yaml.safe_dump({"preKubeadmCommands": [APPENDED["quoted"]], "joinConfiguration": {}})
    )

    assert found.undecided
    assert "cluster" not in found.spec["kubernetes"]
