"""What a KubeadmConfig says of the machine and of the cluster stands in the field of ours that means the same."""

from __future__ import annotations

import base64
import json

import pytest
import yaml

from machineadm.documents import kubeadm_fields
from tests.unit.conversion.converting import (
    CONFIG,
    config,
    control_plane,
    control_plane_text,
    converted,
    outcome,
)


def test_arguments_of_a_map_become_a_list_in_the_order_of_their_names() -> None:
    found = control_plane(
        "clusterConfiguration: {apiServer: {extraArgs: {v: '4', audit-log-maxage: '7'}}}\n"
    )

    assert found.spec["kubernetes"]["controlPlane"]["apiServer"]["extraArgs"] == [
        {"name": "audit-log-maxage", "value": "7"},
        {"name": "v", "value": "4"},
    ]


@pytest.mark.parametrize("empty", ["null", "~", "''", ""])
def test_an_argument_without_a_value_has_an_empty_one(empty: str) -> None:
    spec = (
        f"joinConfiguration: {{nodeRegistration: {{kubeletExtraArgs: {{feature-gates: {empty}}}}}}}"
    )

    assert config(spec).spec["kubernetes"]["node"]["extraArgs"] == [
        {"name": "feature-gates", "value": ""}
    ]


@pytest.mark.parametrize(
    ("written", "instance_data"),
    [
        ("{{ ds.meta_data.local_hostname }}", "$(ds.meta_data.local_hostname)"),
        ('{{ ds.meta_data["local_hostname"] }}', "$(ds.meta_data.local_hostname)"),
        ("{{ ds['id'] }}", "$(ds.id)"),
        ("{{ local_hostname }}", "$(v1.local_hostname)"),
        ("{{ v1.local_hostname }}", "$(v1.local_hostname)"),
        ("{{- v1.local_hostname -}}", "$(v1.local_hostname)"),
        ('{{ ds.meta_data.local_hostname.split(".")[0] }}', "$(ds.meta_data.local_hostname|short)"),
        ("{{ v1.local_hostname | lower }}", "$(v1.local_hostname|lower)"),
        ("{{ `{{ v1.instance_id }}` }}", "$(v1.instance_id)"),
        ("a-{{ ds.meta_data.networks[0].name }}-$(b)", "a-$(ds.meta_data.networks.0.name)-$$(b)"),
    ],
)
def test_a_reference_of_jinja_becomes_one_to_instance_data(
    written: str, instance_data: str
) -> None:
    found = config(yaml.safe_dump({"joinConfiguration": {"nodeRegistration": {"name": written}}}))

    assert found.spec["kubernetes"]["node"] == {"nameFrom": {"instanceData": instance_data}}
    assert found.undecided == {}


def test_references_stand_in_arguments_names_addresses_and_files() -> None:
    found = control_plane(
        """
        clusterConfiguration:
          apiServer:
            certSANs: [localhost, "{{ ds.meta_data.public_ipv4 }}"]
            extraArgs: [{name: advertise-address, value: "{{ ds.meta_data.local_ipv4 }}"}]
        initConfiguration: {localAPIEndpoint: {advertiseAddress: "{{ ds.meta_data.local_ipv4 }}"}}
        joinConfiguration: {controlPlane: {localAPIEndpoint: {advertiseAddress: "{{ ds.meta_data.local_ipv4 }}"}}}
        files: [{path: /etc/zone, content: "zone={{ v1.availability_zone }}"}]
        """
    )
    kubernetes = found.spec["kubernetes"]
    address = {"instanceData": "$(ds.meta_data.local_ipv4)"}

    assert found.undecided == {}
    assert kubernetes["controlPlane"]["apiServer"]["certSANs"] == ["localhost"]
    assert kubernetes["controlPlane"]["apiServer"]["certSANsFrom"] == [
        {"instanceData": "$(ds.meta_data.public_ipv4)"}
    ]
    assert kubernetes["controlPlane"]["apiServer"]["extraArgs"][0]["valueFrom"] == address
    assert kubernetes["controlPlane"]["localAPIEndpoint"] == {"advertiseAddressFrom": address}
    assert found.spec["machine"]["files"][0]["contentFrom"] == {
        "instanceData": "zone=$(v1.availability_zone)\n"
    }


def test_a_reference_where_no_field_takes_one_needs_a_decision() -> None:
    found = control_plane('clusterConfiguration: {imageRepository: "{{ ds.meta_data.registry }}"}')

    assert "spec.kubeadmConfigSpec.clusterConfiguration.imageRepository" in found.undecided


@pytest.mark.parametrize(
    ("content", "arrives"), [("a", "a\n"), ("a\n", "a\n"), ("a\n\n\n", "a\n"), ("a\nb", "a\nb\n")]
)
def test_a_file_ends_in_one_newline_as_cluster_api_writes_it(content: str, arrives: str) -> None:
    found = config(yaml.safe_dump({"files": [{"path": "/a", "content": content}]}))

    assert found.spec["machine"]["files"][0]["content"] == arrives


def test_an_encoded_file_stays_what_it_is() -> None:
    encoded = base64.b64encode(b"{{ v1.region }}").decode()
    found = config(
        yaml.safe_dump(
            {
                "files": [
                    {
                        "path": "/a",
                        "content": encoded,
                        "encoding": "base64",
                        "owner": "a:b",
                        "permissions": "0640",
                    }
                ]
            }
        )
    )

    assert found.spec["machine"]["files"] == [
        {
            "path": "/a",
            "owner": "a:b",
            "permissions": "0640",
            "encoding": "base64",
            "content": encoded,
        }
    ]


SECRET = "apiVersion: v1\nkind: Secret\nmetadata: {name: certs}\ndata: {ca: aGVsbG8=}\n---\n"


def test_a_secret_is_referred_to_or_inlined() -> None:
    spec = "spec: {files: [{path: /a, contentFrom: {secret: {name: certs, key: ca}}}]}\n"
    referred = converted(CONFIG + spec)
    inlined = converted(SECRET + CONFIG + spec, to="MachineConfiguration", role="JoinWorker")
    missing = converted(CONFIG + spec, to="MachineConfiguration", role="JoinWorker")

    assert referred.spec["machine"]["files"][0]["contentFrom"] == {
        "secret": {"name": "certs", "key": "ca"}
    }
    assert inlined.spec["machine"]["files"][0]["content"] == "hello"
    assert "spec.files[0].contentFrom.secret.name" in missing.undecided


def test_users_disks_mounts_and_time() -> None:
    found = config(
        """
        users: [{name: a, groups: "sudo, adm", sudo: "ALL=(ALL) NOPASSWD:ALL", lockPassword: false, passwd: $6$a$b}]
        ntp: {enabled: true, servers: [time.example.com]}
        diskSetup:
          partitions: [{device: /dev/sdb, layout: true, overwrite: false, tableType: gpt}]
          filesystems: [{device: /dev/sdb, filesystem: ext4, label: etcd, partition: "1", replaceFS: ntfs, extraOpts: [-F]}]
        mounts: [[LABEL=etcd, /var/lib/etcd], [/dev/sdc, /data, xfs, "defaults,nofail", "0", "0"]]
        """
    )
    linux = found.spec["machine"]["linuxConfiguration"]

    assert linux["users"] == [
        {
            "name": "a",
            "sudo": "ALL=(ALL) NOPASSWD:ALL",
            "groups": ["sudo", "adm"],
            "lockPassword": False,
            "passwordHash": "$6$a$b",
        }
    ]
    assert linux["ntp"] == {"enabled": True, "servers": ["time.example.com"]}
    assert linux["storage"] == {
        "disks": [{"device": "/dev/sdb", "tableType": "gpt", "overwrite": False}],
        "partitions": [{"device": "/dev/sdb", "percentage": 100}],
        "filesystems": [
            {
                "device": "/dev/sdb",
                "filesystem": "ext4",
                "label": "etcd",
                "partition": "1",
                "replaceFS": "ntfs",
                "extraOptions": ["-F"],
            }
        ],
        "mounts": [
            {"source": "LABEL=etcd", "target": "/var/lib/etcd", "pass": 2},
            {
                "source": "/dev/sdc",
                "target": "/data",
                "type": "xfs",
                "options": ["defaults", "nofail"],
                "dump": 0,
                "pass": 0,
            },
        ],
    }


BOTH = """
initConfiguration: {{nodeRegistration: {first}}}
joinConfiguration: {{nodeRegistration: {other}}}
"""


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("{kubeletExtraArgs: {v: '2'}}", "{kubeletExtraArgs: {v: '3'}}"),
        ("{kubeletExtraArgs: {v: '2'}}", "{criSocket: /run/a.sock}"),
        ("{name: a}", "{}"),
        ("{taints: []}", "{taints: [{key: a, effect: NoSchedule}]}"),
        ("{name: a}", "{}, controlPlane: {}, discovery: {}"),
    ],
)
def test_two_halves_that_differ_make_two_documents_unless_the_role_is_said(
    first: str, other: str
) -> None:
    spec = BOTH.format(first=first, other=other)
    (result,) = outcome(control_plane_text(spec)).results
    documents = list(yaml.safe_load_all(result.text))
    said = [control_plane(spec, role=role) for role in ("Initialize", "JoinControlPlane")]

    assert result.decisions == ()
    assert {leaf.outcome for leaf in result.leaves} <= {"converted", "same by default"}
    assert [one["metadata"]["name"] for one in documents] == ["cp-init", "cp-join"]
    assert [one["spec"] for one in documents] == [one.document["spec"] for one in said]


@pytest.mark.parametrize(
    ("first", "other"),
    [
        ("{kubeletExtraArgs: {v: '2', a: '1'}}", "{kubeletExtraArgs: {a: '1', v: '2'}}"),
        (
            "{criSocket: /var/run/containerd/containerd.sock}",
            "{criSocket: unix:///run/containerd/containerd.sock}",
        ),
        ("{criSocket: /run/containerd/containerd.sock}", "{}"),
    ],
)
def test_two_halves_that_mean_the_same_are_one(first: str, other: str) -> None:
    found = control_plane(BOTH.format(first=first, other=other).replace("a: '1'", "max-pods: '1'"))

    assert found.undecided == {}


def test_the_half_of_another_role_has_no_meaning() -> None:
    spec = BOTH.format(first="{name: a}", other="{name: b}")
    first = control_plane(spec, role="Initialize")
    other = control_plane(spec, role="JoinControlPlane")

    assert first.spec["kubernetes"]["node"] == {"name": "a"}
    assert first.leaf("joinConfiguration.nodeRegistration.name").outcome == "has no meaning here"
    assert other.spec["kubernetes"]["node"] == {"name": "b"}
    assert other.spec["kubernetes"]["role"]["type"] == "JoinControlPlane"


def test_an_addon_that_the_first_machine_skips_is_disabled_for_every_role() -> None:
    spec = "initConfiguration: {skipPhases: [addon/kube-proxy]}"
    found = control_plane(spec)

    assert found.undecided == {}
    assert found.spec["kubernetes"]["cluster"]["proxyAddon"] == {"disabled": True}
    assert control_plane(spec, role="Initialize").spec["kubernetes"]["skipPhases"] == [
        "addon/kube-proxy"
    ]


def test_no_taints_are_not_the_default_taints() -> None:
    assert config("joinConfiguration: {nodeRegistration: {taints: []}}").spec["kubernetes"][
        "node"
    ] == {"taints": []}
    assert (
        "node" not in config("joinConfiguration: {nodeRegistration: {name: ''}}").spec["kubernetes"]
    )


def test_a_worker_leaves_the_control_plane_aside() -> None:
    found = converted(
        CONFIG.replace("KubeadmConfig", "KubeadmConfigTemplate")
        + "spec: {template: {spec: {clusterConfiguration: {apiServer: {certSANs: [a]}}, joinConfiguration: {}}}}\n"
    )

    assert "controlPlane" not in found.spec["kubernetes"]
    assert found.leaf("certSANs[0]").outcome == "has no meaning here"


def test_a_machine_on_its_own_that_can_initialize_is_no_worker() -> None:
    found = config(
        "clusterConfiguration: {apiServer: {certSANs: [a]}}\ninitConfiguration: {nodeRegistration: {name: a}}\n"
        "joinConfiguration: {nodeRegistration: {name: a}}"
    )

    assert found.undecided == {}
    assert found.spec["kubernetes"]["controlPlane"]["apiServer"]["certSANs"] == ["a"]
    assert "role" not in found.spec["kubernetes"]


def test_discovery_stands_in_the_role() -> None:
    found = config(
        """
        joinConfiguration:
          discovery:
            bootstrapToken:
              token: abcdef.0123456789abcdef
              apiServerEndpoint: api.example.com:6443
              unsafeSkipCAVerification: true
        """
    )

    assert found.undecided == {}
    assert found.spec["kubernetes"]["role"] == {
        "type": "JoinWorker",
        "discovery": {
            "type": "Token",
            "token": "abcdef.0123456789abcdef",
            "endpoint": "api.example.com:6443",
            "unsafeSkipCAVerification": True,
        },
    }


def test_the_role_and_the_discovery_of_the_command_line_make_a_machine() -> None:
    discovery = {
        "type": "Token",
        "token": "abcdef.0123456789abcdef",
        "endpoint": "a:6443",
        "unsafeSkipCAVerification": True,
    }
    found = config(
        "verbosity: 1",
        to="MachineConfiguration",
        role="JoinWorker",
        discovery=discovery,
        version="v1.34.1",
    )

    assert found.document["kind"] == "MachineConfiguration"
    assert found.spec["kubernetes"]["role"] == {"type": "JoinWorker", "discovery": discovery}
    assert found.undecided == {}


def test_each_field_of_the_table_of_fields_is_one_that_is_converted() -> None:
    """A KubeadmConfigSpec with every field that docs/kubeadmconfig.md lists leaves none that is not known."""
    for path in kubeadm_fields.KUBEADM_CONFIG_SPEC:
        spec: object = "x"
        for part in reversed(
            path.replace("[][", "[].").replace("]", "" if "[][" in path else "]").split(".")
        ):
            name = part.removesuffix("{}").removesuffix("[]")
            if part.endswith("{}"):
                spec = {"x": spec}
            if part.endswith("[]") or "[" in part:
                spec = [spec]
            spec = spec if name.isdigit() else {name: spec}
        text = f"{CONFIG}spec: {yaml.safe_dump(spec, default_flow_style=True)}"
        (result,) = outcome(text).results
        unknown = [one for one in result.decisions if "not a field that is known" in one.note]
        # A value of another type than its field's is not known either.
        assert [one.path for one in unknown if not _takes_more_than_text(path)] == [], path


def _takes_more_than_text(path: str) -> bool:
    return path.endswith(
        (
            "Seconds", "Days", "bindPort", "overwrite", "layout", "percentage", "readOnly", "optional", "append",
            "enabled", "verbosity", "strict", "inactive", "lockPassword", "featureGates{}", "imagePullSerial",
            "unsafeSkipCAVerification", "insecureSkipTLSVerify", "provideClusterInfo", "contentFormat", "[][0]",
            "[][1]", "[][2]", "[][3]", "[][4]", "[][5]", "joinConfiguration.controlPlane", "secret.name", "secret.key",
            "taints[].timeAdded", ".value", "fieldPath",
        )
    )  # fmt: skip


@pytest.mark.parametrize(
    ("text", "path"),
    [
        (CONFIG.replace("name: node", "name: a/b"), "metadata.name"),
        (CONFIG.replace("name: node", "name: Node_1"), "metadata.name"),
        (
            CONFIG + "spec: {files: [{path: /a, contentFrom: {secret: {name: replace_me, key: b}}}]}\n",
            "spec.files[0].contentFrom.secret.name",
        ),
        (
            CONFIG + "spec: {users: [{name: a, passwdFrom: {secret: {name: A, key: b}}}]}\n",
            "spec.users[0].passwdFrom.secret.name",
        ),
    ],
)  # fmt: skip
def test_a_name_that_the_api_server_would_not_take_is_a_decision(text: str, path: str) -> None:
    if "spec:" not in text:
        text += "spec: {verbosity: 1}\n"

    assert list(converted(text).undecided) == [path]


@pytest.mark.parametrize(
    "spec",
    [
        "{users: [{name: a, passwdFrom: {secret: {name: a, key: b}}}]}",
        "{files: [{path: /a, encoding: gzip, contentFrom: {secret: {name: a, key: b}}}]}",
        "{files: [{path: /a, encoding: base64, contentFrom: {secret: {name: a, key: b}}}]}",
    ],
)
def test_what_a_secret_holds_is_not_judged(spec: str) -> None:
    assert converted(f"{CONFIG}spec: {spec}\n").undecided == {}


@pytest.mark.parametrize(
    ("fields", "shares"),
    [
        ("layout: true", [100]),
        ("layout: false", []),
        ("layout: true, diskLayout: []", [100]),
        ("layout: true, diskLayout: [{percentage: 60}, {percentage: 40}]", [60, 40]),
        ("layout: true, diskLayout: [{percentage: 60}, {percentage: 30}]", [60, 40]),
        ("layout: false, diskLayout: [{percentage: 60}, {percentage: 70}]", [60, 40]),
        ("diskLayout: [{percentage: 50}]", [100]),
    ],
)
def test_the_last_share_of_a_disk_takes_what_is_left_and_shares_come_before_layout(
    fields: str, shares: list[int]
) -> None:
    found = config(f"diskSetup: {{partitions: [{{device: /dev/sdb, {fields}}}]}}\n")
    storage = found.spec["machine"]["linuxConfiguration"]["storage"]

    assert [one["percentage"] for one in storage.get("partitions", [])] == shares
    assert found.undecided == {}


def test_shares_that_leave_nothing_for_the_last_one_are_a_decision() -> None:
    found = config(
        "diskSetup: {partitions: [{device: /dev/sdb, layout: true, diskLayout: [{percentage: 60}, {percentage: 40}, {percentage: 10}]}]}\n"
    )

    (note,) = found.undecided.values()
    assert "MA1312" in note


def test_ignition_makes_one_partition_whatever_the_shares_are() -> None:
    found = config(
        "format: ignition\ndiskSetup: {partitions: [{device: /dev/sdb, layout: true, diskLayout: [{percentage: 60}, {percentage: 40}]}]}\n"
    )

    assert found.spec["machine"]["linuxConfiguration"]["storage"]["partitions"] == [
        {"device": "/dev/sdb", "percentage": 100}
    ]
    assert found.leaf("diskLayout[0].percentage").outcome == "has no meaning here"


@pytest.mark.parametrize("name", ["'${NAME}'", "'${A}-b'", "($cluster)", "'{{ .Values.name }}'"])
def test_a_name_that_another_tool_fills_in_is_kept(name: str) -> None:
    found = converted(CONFIG.replace("name: node", f"name: {name}") + "spec: {verbosity: 1}\n")

    assert found.undecided == {}
    assert found.document["metadata"]["name"] == name.strip("'")


@pytest.mark.parametrize("name", ["($cluster)", "'{{ .Values.name }}'", "A_b"])
def test_a_machine_has_no_name_that_nobody_has_filled_in(name: str) -> None:
    text = CONFIG.replace("name: node", f"name: {name}") + "spec: {verbosity: 1}\n"
    found = converted(text, to="MachineConfiguration", role="Initialize")

    assert "metadata" not in found.document
    assert found.undecided == {}


def test_a_worker_has_the_timeout_that_cluster_api_writes_to_every_machine() -> None:
    found = config(
        "joinConfiguration: {}\n"
        "clusterConfiguration: {clusterName: a, apiServer: {timeoutForControlPlane: 20m0s, certSANs: [b]}}\n"
    )

    assert found.spec["kubernetes"]["timeouts"] == {"controlPlaneComponentHealthCheck": "20m0s"}
    assert found.leaf("timeoutForControlPlane").outcome == "converted"
    # The others are the cluster's, which a worker joins.
    assert found.leaf("certSANs[0]").outcome == "has no meaning here"


@pytest.mark.parametrize(
    "value",
    [
        "${PORT:=a: b}",
        "${PORT:=a #b}",
        "${PORT:=a:}",
        "${PORT:=a\u2028b}",
        "${PORT:=a\nb}",
        "${PORT:=a\tb}",
        "${PORT:=a\u0085b}",
    ],
)
def test_a_placeholder_that_yaml_would_not_read_as_it_stands_is_in_quotes(value: str) -> None:
    found = config(
        f"joinConfiguration: {{controlPlane: {{localAPIEndpoint: {{bindPort: {json.dumps(value)}}}}}}}"
    )

    assert found.spec["kubernetes"]["controlPlane"]["localAPIEndpoint"]["bindPort"] == value
    assert outcome(found.result.text).problems == ()
