"""What is wrong is told with its place, its code, its field and a way out."""

from __future__ import annotations

import bz2
import gzip
import lzma
import textwrap
import tracemalloc

import pytest

from machineadm.api.pruned import PRUNED
from machineadm.documents.decoding import decode
from machineadm.documents.model import Document, Problem

HEAD = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\n"


def read(text: str) -> Document:
    (document,) = decode(text.encode(), file="node.yaml")
    return document


def problems(body: str) -> list[Problem]:
    """The problems of a configuration whose `spec` is the body; its first line is line 4."""
    return list(read(f"{HEAD}spec:\n{textwrap.indent(textwrap.dedent(body), '  ')}").problems)


def file(entry: str) -> str:
    """A configuration with one more entry in the one file that it has; the entry stands in line 7, column 7."""
    lines = textwrap.indent(entry, "      ")
    return f"{HEAD}spec:\n  machine:\n    files:\n    - path: /etc/motd\n{lines}\n"


VALUES = {
    "an octal mode without quotes": (
        "permissions: 0644",
        (7, 20, "MA1102", "permissions", "unquoted, it is an octal number, not a string", 'write "0644"'),
    ),
    "a decimal mode without quotes": (
        "permissions: 644",
        (7, 20, "MA1102", "permissions", "unquoted, it is a number, not a string", 'write "644"'),
    ),
    "a mode that is none": (
        'permissions: "999"',
        (7, 20, "MA1107", "permissions", '"999" is not an octal mode such as 0644', ""),
    ),
    "a boolean where text is meant": (
        "owner: yes",
        (7, 14, "MA1102", "owner", "unquoted, it is a boolean, not a string", 'write "yes"'),
    ),
    "a date where text is meant": (
        "content: 2001-01-01",
        (7, 16, "MA1102", "content", "unquoted, it is a date, not a string", "put it in double quotes"),
    ),
    "a number in base 60 where text is meant": (
        "content: 12:30:45",
        (7, 16, "MA1102", "content", "unquoted, it is a number in base 60, not a string", "put it in double quotes"),
    ),
    "text where a boolean is meant": (
        'append: "true"',
        (7, 15, "MA1101", "append", "expected true or false, got a string", "write it without quotes"),
    ),
    "a wrong choice": (
        "encoding: base46",
        (
            7, 17, "MA1103", "encoding", '"base46" is not one of the choices; did you mean "base64"?',
            "it is one of base64, gzip, gzip+base64",
        ),
    ),
    "a value that is missing": (
        "owner:",
        (7, 13, "MA1206", "owner", "there is no value", 'give it one, or remove it; "" is an empty string'),
    ),
    "null": ("owner: ~", (7, 14, "MA1206", "owner", "null is not a value", "leave it out")),
    "a list where text is meant": (
        "owner: [root]", (7, 14, "MA1101", "owner", "expected a string, got a list", ""),
    ),
    "text where a map is meant": (
        "source: url:https://example.com",
        (
            7, 15, "MA1101", "source", "expected a map (url, sha256, sha512 ...), got a string",
            "a colon needs a space after it",
        ),
    ),
    "a newline in a path's neighbour": (
        "owner: |\n  root",
        (
            7, 14, "MA1108", "owner", '"root\\n" must be one line without control characters',
            "it ends in a newline; write |- for a block scalar without one",
        ),
    ),
    "a field that is unknown": (
        'permission: "0644"', (7, 7, "MA1203", "permission", 'unknown field; did you mean "permissions"?', ""),
    ),
    "a field of elsewhere": (
        "hostname: x",
        (
            7, 7, "MA1203", "hostname",
            "unknown field here; did you mean spec.machine.linuxConfiguration.hostname?", "",
        ),
    ),
    "a field that is here twice": (
        "path: /etc/issue",
        (7, 7, "MA1205", "path", "duplicate key; it is also in line 6, column 7", "keep one"),
    ),
    "a key that is a boolean": (
        "on: x", (7, 7, "MA1207", "", "the key is a boolean, not a string", "put it in double quotes"),
    ),
    "a merge key": (
        "<<: {}",
        (
            7, 7, "MA1011", "", "merge keys are not supported",
            "write the fields out, or use an alias for a whole value",
        ),
    ),
    "a tag": (
        "content: !!binary aGk=",
        (
            7, 16, "MA1010", "content", "tags are not supported",
            "write the base64 string without a tag, and add `encoding: base64`",
        ),
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", VALUES)
def test_a_bad_entry_is_told_with_place_code_field_and_hint(name: str) -> None:
    entry, (line, column, code, field, message, hint) = VALUES[name]

    (problem,) = read(file(entry)).problems

    path = ".".join(filter(None, ["spec.machine.files[0]", field]))
    expected = (line, column, code, path, message, hint)
    found = (
        problem.line,
        problem.column,
        problem.code,
        problem.path,
        problem.message,
        problem.hint,
    )
    assert found == expected


def test_all_problems_come_in_one_pass_in_the_order_of_the_file() -> None:
    found = problems("""\
        machine:
          linuxConfiguration:
            sysctl: {net.ipv4.ip_forward: 1}
          files:
          - path: etc/motd
            permissions: 0644
          - content: x
        kubernetes:
          version: 1.30
          role: {type: JoinWorker, discovery: {type: Tokn, token: short}}
          verbosity: 0777
        """)

    assert [(each.line, each.column, each.code, each.path) for each in found] == [
        (6, 7, "MA1203", "spec.machine.linuxConfiguration.sysctl"),
        (6, 37, "MA1102", 'spec.machine.linuxConfiguration.sysctls["net.ipv4.ip_forward"]'),
        (8, 13, "MA1107", "spec.machine.files[0].path"),
        (9, 20, "MA1102", "spec.machine.files[0].permissions"),
        (10, 7, "MA1204", "spec.machine.files[1].path"),
        (12, 14, "MA1102", "spec.kubernetes.version"),
        (13, 41, "MA1204", "spec.kubernetes.role.discovery.endpoint"),
        (13, 48, "MA1208", "spec.kubernetes.role.discovery.type"),
        (13, 61, "MA1107", "spec.kubernetes.role.discovery.token"),
        (14, 16, "MA1111", "spec.kubernetes.verbosity"),
    ]


def test_a_mistyped_field_beside_the_right_one_is_told_alone() -> None:
    found = problems("machine:\n  file: 7\n  files: []\n")

    assert [(each.code, each.path) for each in found] == [("MA1203", "spec.machine.file")]


def test_the_value_of_a_mistyped_field_is_looked_at_as_what_was_meant() -> None:
    found = problems("machine:\n  flies: [{path: etc}]\n")

    assert [(each.code, each.path) for each in found] == [
        ("MA1203", "spec.machine.flies"),
        ("MA1107", "spec.machine.files[0].path"),
    ]


VARIANTS = {
    "type is missing": (
        "role: {}",
        ("MA1209", "spec.kubernetes.role.type", "type is missing"),
    ),
    "type is mistyped": (
        "role: {tpye: Initialize}",
        ("MA1203", "spec.kubernetes.role.tpye", 'unknown field; did you mean "type"?'),
    ),
    "type is unknown": (
        "role: {type: initialize}",
        ("MA1208", "spec.kubernetes.role.type", 'unknown type; did you mean "Initialize"?'),
    ),
    "a field belongs to another type": (
        "role: {type: Initialize, discovery: {}}",
        (
            "MA1210",
            "spec.kubernetes.role.discovery",
            "belongs to type JoinControlPlane, not to Initialize",
        ),
    ),
    "a variant is not a map": (
        "role: Initialize",
        (
            "MA1101",
            "spec.kubernetes.role",
            "expected a map (type, bootstrapTokens, certificateKey), got a string",
        ),
    ),
}


@pytest.mark.parametrize("name", VARIANTS)
def test_variants_are_told_apart_by_their_type(name: str) -> None:
    entry, expected = VARIANTS[name]

    (problem,) = problems(f"kubernetes:\n  version: v1.34.4\n  {entry}\n")

    assert (problem.code, problem.path, problem.message) == expected


def test_a_variant_without_its_type_is_looked_at_as_the_one_that_fits() -> None:
    found = problems("kubernetes: {version: v1.34.4, role: {certificateKey: short}}")

    assert [(each.code, each.path, each.hint) for each in found] == [
        ("MA1209", "spec.kubernetes.role.type", "write type: Initialize or JoinControlPlane"),
        ("MA1107", "spec.kubernetes.role.certificateKey", ""),
    ]
    found = problems("kubernetes: {version: v1.34.4, role: {bootstrapTokens: [{}]}}")

    assert [(each.code, each.path, each.hint) for each in found] == [
        ("MA1209", "spec.kubernetes.role.type", "write type: Initialize"),
        ("MA1204", "spec.kubernetes.role.bootstrapTokens[0].token", ""),
    ]


LISTS = {
    "too few": ("argv: []", "MA1106", "argv"),
    "repeated": ("successExitCodes: [0, 1, 0]", "MA1110", "successExitCodes[2]"),
    "out of range": ("successExitCodes: [256]", "MA1104", "successExitCodes[0]"),
    "repeated by name": (
        "env: [{name: A, value: a}, {name: A, value: b}]",
        "MA1110",
        "env[1].name",
    ),
}


@pytest.mark.parametrize("name", LISTS)
def test_lists_have_the_items_that_they_may_have(name: str) -> None:
    entry, code, field = LISTS[name]

    (problem,) = problems(f"machine: {{commands: {{boot: [{{ {entry} }}]}}}}")

    assert (problem.code, problem.path) == (code, f"spec.machine.commands.boot[0].{field}")


FORMATS = {
    "podCIDRs: [10.244.0.0/33]": ("MA1109", '"10.244.0.0/33" is not a range of addresses'),
    "podCIDRs: [10.244.0/16/1]": ("MA1107", '"10.244.0/16/1" is not a range of addresses'),
    "podCIDRs: [10.0.0.0/8, 10.0.0.0/8]": ("MA1110", "the same as an earlier item"),
    "dnsDomain: cluster_local": ("MA1107", '"cluster_local" is not a name in lower-case letters'),
    'dnsDomain: ""': ("MA1105", "must not be empty"),
}


@pytest.mark.parametrize("entry", FORMATS)
def test_texts_have_the_form_that_their_field_wants(entry: str) -> None:
    code, message = FORMATS[entry]

    (problem,) = problems(f"kubernetes: {{version: v1.34.4, cluster: {{network: {{ {entry} }}}}}}")

    assert problem.code == code
    assert message in problem.message


KINDS = {
    "no kind": ("apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\n", "MA1201", (1, 1), "kind"),
    "no apiVersion": ("kind: MachineConfiguration\n", "MA1201", (1, 1), "apiVersion"),
    "a mistyped kind": (HEAD.replace("Machine", "Machin"), "MA1202", (2, 7), "kind"),
    "a mistyped apiVersion": (HEAD.replace("v1alpha1", "v1alpha"), "MA1202", (1, 13), "apiVersion"),
    "a mistyped field": (HEAD.replace("kind", "knid"), "MA1203", (2, 1), "knid"),
    "another's document": ("apiVersion: v1\nkind: Service\n", "MA1202", (1, 13), "apiVersion"),
    "a list": ("- a\n", "MA1013", (1, 1), ""),
    "a text": ("hello\n", "MA1013", (1, 1), ""),
}


@pytest.mark.parametrize("name", KINDS)
def test_a_document_of_no_kind_of_ours_is_refused(name: str) -> None:
    text, code, place, path = KINDS[name]

    document = read(text)

    problems = [problem for problem in document.problems if problem.path != "spec"]
    assert document.value is None
    assert [(each.code, (each.line, each.column), each.path) for each in problems] == [
        (code, place, path)
    ]


def test_a_kind_is_suggested() -> None:
    problem = next(
        each for each in read(HEAD.replace("Machine", "Machin")).problems if each.path == "kind"
    )

    assert problem.message == 'unknown kind; did you mean "MachineConfiguration"?'


def test_what_failed_is_pruned_and_the_rest_is_there() -> None:
    value = read(file("permissions: 0644\nowner: 7\ncontent: hello")).value

    (one,) = value.spec.machine.files
    assert one.permissions is PRUNED
    assert one.owner is PRUNED
    assert (one.path, one.content) == ("/etc/motd", "hello")


ACCEPTED = {
    "a null taint list says something": "kubernetes: {version: v1.34.4, node: {taints: ~}}",
    "yes is true where a boolean is meant": "machine: {files: [{path: /a, append: yes}]}",
    "y is text where text is meant": "machine: {files: [{path: /a, content: y}]}",
    "1e3 is text where text is meant": "machine: {files: [{path: /a, content: 1e3}]}",
    "a text tag is a way to quote": "machine: {files: [{path: /a, content: !!str 12}]}",
    "an alias stands for a value": "machine: {files: [{path: &p /a, content: *p}]}",
}


@pytest.mark.parametrize("name", ACCEPTED)
def test_what_is_clear_is_accepted(name: str) -> None:
    assert problems(ACCEPTED[name]) == []


SECRETS = {
    "a number": "certificateKey: 1234567890123456",
    "a wrong form": "certificateKey: hunter2hunter2hunter2",
    "two lines": 'certificateKey: "hunter2\\nhunter2"',
    "a list": "certificateKey: [hunter2, hunter2]",
    "no blank behind the colon": "certificateKey:hunter2:",
    "a map": "certificateKey: {hunter2: hunter2}",
}


@pytest.mark.parametrize("name", SECRETS)
def test_no_message_shows_a_secret(name: str) -> None:
    entry = SECRETS[name]

    found = problems(
        f"kubernetes:\n  version: v1.34.4\n  role:\n    type: Initialize\n    {entry}\n"
    )

    assert found
    assert not any("hunter2" in str(each) or "123456789" in str(each) for each in found)


def test_a_long_value_is_shown_in_part() -> None:
    (problem,) = read(file(f'permissions: "{"9" * 500}"')).problems

    assert len(problem.message) < 80


def test_a_document_with_endless_problems_shows_the_first_and_says_so() -> None:
    found = problems("machine:\n" + "".join(f"  wrong{number}: x\n" for number in range(500)))

    assert len(found) == 201
    assert [each.code for each in found].count("MA1016") == 1


def test_a_list_that_is_too_short_is_pruned_so_that_no_rule_trips_over_it() -> None:
    etcd = "{external: {endpoints: [], caFile: /a, certFile: /b, keyFile: /c}}"
    body = f"spec: {{kubernetes: {{version: v1.34.4, cluster: {{etcd: {etcd}}}}}}}\n"

    document = read(HEAD + body)

    assert [each.code for each in document.problems] == ["MA1106"]
    assert document.value.spec.kubernetes.cluster.etcd.external.endpoints is PRUNED


@pytest.mark.requirement("R4")
@pytest.mark.parametrize("kind", ["InitConfiguration", "JoinConfiguration", "ClusterConfiguration"])
def test_kubeadms_own_documents_are_no_configuration(kind: str) -> None:
    document = read(f"apiVersion: kubeadm.k8s.io/v1beta4\nkind: {kind}\n")

    (problem,) = document.problems
    assert document.value is None
    assert (problem.code, problem.message) == ("MA1202", f"{kind} is not read here")
    assert "MachineConfiguration" in problem.hint


FOREIGN = {
    "bootstrap.cluster.x-k8s.io/v1beta1 KubeadmConfig": "docs/kubeadmconfig.md",
    "bootstrap.cluster.x-k8s.io/v1beta2 KubeadmConfigTemplate": "MachineBootstrapTemplate",
    "controlplane.cluster.x-k8s.io/v1beta2 KubeadmControlPlane": "kubeadmConfigSpec",
    "kubelet.config.k8s.io/v1beta1 KubeletConfiguration": "spec.kubernetes.node.kubelet.config",
    "kubeproxy.config.k8s.io/v1alpha1 KubeProxyConfiguration": "proxyAddon.config",
    "audit.k8s.io/v1 Policy": "auditPolicy.policy",
    "v1 Pod": "staticPods[].manifest",
    "v1 Secret": "machineadm render",
    "v1 ConfigMap": "machineadm render",
    "v1 Config": "spec.kubernetes.role.discovery",
    "v1 List": "documents of their own",
    "node.eks.aws/v1alpha1 NodeConfig": "spec.kubernetes.node.kubelet",
    "bootstrap.cluster.x-k8s.io/v1alpha1 MachineBootstrap": "machineadm render",
}


@pytest.mark.parametrize("document", FOREIGN)
def test_a_document_that_others_read_is_told_what_to_do_with(document: str) -> None:
    version, kind = document.split()

    (problem,) = read(f"apiVersion: {version}\nkind: {kind}\nspec: {{a: b}}\n").problems

    assert (problem.code, problem.path) == ("MA1202", "kind")
    assert FOREIGN[document] in problem.hint


@pytest.mark.parametrize(
    ("text", "what"),
    [
        ("#cloud-config\nwrite_files: []\nruncmd: []\n", "a cloud-config"),
        ("## template: jinja\n#cloud-config\nbootcmd: []\n", "a cloud-config"),
        ('{"ignition": {"version": "3.4.0"}, "storage": {}}', "an Ignition configuration"),
        ("variant: flatcar\nversion: 1.1.0\n", "a Butane configuration"),
    ],
)
def test_a_document_of_others_without_a_kind_is_known_by_its_keys(text: str, what: str) -> None:
    (problem,) = read(text).problems

    assert (problem.code, problem.message) == ("MA1202", f"{what} is not read here")
    assert "spec.machine.files" in problem.hint


BEGINNINGS = {
    "a shell script": (b"#!/bin/sh\nkubeadm join\n", "a script"),
    "a script that is not YAML": (
        b'#!/bin/bash\nif [ -e a ]; then\n\techo "x: {"\nfi\n',
        "a script",
    ),
    "a MIME message": (
        b'Content-Type: multipart/mixed; boundary="=="\nMIME-Version: 1.0\n\n--==\n\nx: [\n',
        "a MIME message",
    ),
    "a cloud-config that only Jinja makes YAML": (
        b"## template: jinja\n#cloud-config\n{% if v1.region %}\nruncmd: []\n{% endif %}\n",
        "a cloud-config",
    ),
    "a cloud-config that is empty": (b"#cloud-config\n", "a cloud-config"),
    "an archive of them": (b"#cloud-config-archive\n- type: text/x\n", "a cloud-config archive"),
    "an include file": (b"#include\nhttps://example.com/a\n", "an include file of cloud-init"),
    "a page of a proxy": (
        b"<!DOCTYPE html>\n<html><p>log in: here</p></html>\n",
        "an HTML or XML page",
    ),
}


@pytest.mark.parametrize("name", BEGINNINGS)
def test_a_text_of_others_is_known_by_its_beginning(name: str) -> None:
    data, what = BEGINNINGS[name]

    (document,) = decode(data, file="node.yaml")

    (problem,) = document.problems
    assert (problem.code, problem.message) == ("MA1202", f"{what} is not read here")
    assert (problem.line, problem.column) == (1, 1)
    assert problem.hint


def test_a_configuration_below_the_line_of_a_script_or_a_cloud_config_is_read() -> None:
    for line in ("#!/usr/bin/env -S machineadm validate --path", "#cloud-config"):
        assert read(f"{line}\n{HEAD}spec: {{}}\n").problems == ()
        (problem,) = read(f"{line}\n{HEAD}spec: {{mashine: {{}}}}\n").problems
        assert problem.path == "spec.mashine"


@pytest.mark.parametrize(
    ("data", "what"),
    [
        (gzip.compress(HEAD.encode()), "gzip data"),
        (lzma.compress(HEAD.encode()), "xz data"),
        (bz2.compress(HEAD.encode()), "bzip2 data"),
        (b"\x28\xb5\x2f\xfd\x24\x00\x01\x00\x00", "zstd data"),
        (b"PK\x03\x04\x14\x00", "a zip archive"),
        (b"\x7fELF\x02\x01\x01\x00", "a program"),
    ],
)
def test_what_is_packed_is_told_so_and_not_to_be_saved_as_utf_8(data: bytes, what: str) -> None:
    (document,) = decode(data, file="node.yaml")

    (problem,) = document.problems
    assert (problem.code, problem.message) == ("MA1003", f"not text, but {what}")
    assert "UTF-8" not in problem.hint


MISTYPED = {
    "capitalised": f"{HEAD.replace('kind', 'Kind')}Spec:\n  Machine: {{Fils: []}}\n",
    "a mistyped kind": f"{HEAD.replace('Machine', 'Machin')}Spec:\n  Machine: {{Fils: []}}\n",
    "a mistyped apiVersion": f"{HEAD.replace('v1alpha1', 'v1alfa1')}Spec:\n  Machine: {{Fils: []}}\n",
    "no kind": f"{HEAD.splitlines()[0]}\nSpec:\n  Machine: {{Fils: []}}\n",
    "no apiVersion": f"{HEAD.splitlines()[1]}\nSpec:\n  Machine: {{Fils: []}}\n",
    "neither": "Spec:\n  Machine: {Fils: []}\n",
    "both mistyped": f"{HEAD.replace('v1alpha1', 'v1alfa1').replace('Machine', 'Machin')}Spec:\n  Machine: {{Fils: []}}\n",
    "an apiVersion of Cluster API": f"{HEAD.replace('v1alpha1', 'v1beta2')}Spec:\n  Machine: {{Fils: []}}\n",
    "that and the kind in lower case": f"{HEAD.replace('v1alpha1', 'v1beta1').replace('MachineC', 'machinec')}Spec:\n  Machine: {{Fils: []}}\n",
}
TWICE = ("neither", "both mistyped", "that and the kind in lower case")


@pytest.mark.parametrize("name", MISTYPED)
def test_behind_a_mistyped_head_all_other_problems_are_told_too(name: str) -> None:
    document = read(MISTYPED[name])

    assert document.value is None
    found = {(each.code, each.path) for each in document.problems}
    assert found >= {
        ("MA1203", "Spec"),
        ("MA1203", "spec.Machine"),
        ("MA1203", "spec.machine.Fils"),
    }
    assert len(found) == (5 if name in TWICE else 4)
    if name in TWICE:
        assert {path for _, path in found} >= {"apiVersion", "kind"}


HEADS_AND_VALUES = {
    "Kind: machineconfiguration": ("kind", "MachineConfiguration"),
    "KIND: Machine-Configuration": ("kind", "MachineConfiguration"),
    "knid: MachinConfiguration": ("kind", "MachineConfiguration"),
}


@pytest.mark.parametrize("line", HEADS_AND_VALUES)
def test_the_value_of_a_mistyped_head_is_told_with_its_name(line: str) -> None:
    name, meant = HEADS_AND_VALUES[line]
    found = read(f"{HEAD.splitlines()[0]}\n{line}\nspec: {{}}\n").problems

    assert [(each.code, each.message) for each in found] == [
        ("MA1203", f'unknown field; did you mean "{name}"?'),
        ("MA1202", f'unknown {name}; did you mean "{meant}"?'),
    ]


def test_the_value_of_a_mistyped_api_version_is_told_with_its_name() -> None:
    found = read(
        "apiversion: bootstrap.cluster.x-k8s.io/v1\nkind: MachineConfiguration\nspec: {}\n"
    ).problems

    assert [(each.code, each.path) for each in found] == [
        ("MA1203", "apiversion"),
        ("MA1202", "apiVersion"),
    ]


@pytest.mark.parametrize("part", ["machine", "kubernetes"])
def test_a_spec_that_was_left_out_is_told_with_all_the_rest(part: str) -> None:
    found = read(f"{part}: {{}}\n").problems

    assert [(each.code, each.path) for each in found] == [
        ("MA1201", "apiVersion"),
        ("MA1201", "kind"),
        ("MA1203", part),
        ("MA1204", "spec"),
    ]
    assert found[2].message == f"unknown field here; did you mean spec.{part}?"


def test_a_document_of_another_version_is_not_judged_by_ours() -> None:
    (problem,) = read(
        "apiVersion: example.com/v7\nkind: MachineConfiguration\nspec: {x: 1}\n"
    ).problems

    assert problem.code == "MA1202"


UNIONS = {
    "type: Worker": "JoinWorker",
    "type: worker": "JoinWorker",
    "type: ControlPlane": "JoinControlPlane",
    "type: control-plane": "JoinControlPlane",
    "type: Init": "Initialize",
    "Type: JoinWorker": "type",
    "Type: Worker": "type",
}


@pytest.mark.parametrize("given", UNIONS)
def test_behind_a_union_all_problems_are_told(given: str) -> None:
    role = f"role: {{{given}, tlsBootstrapTokn: x, discovery: {{type: Token, endpont: a}}}}"
    if UNIONS[given] == "Initialize":
        role = f"role: {{{given}, certificateKy: x, bootstrapTokens: [{{tokn: x}}]}}"

    found = problems(f"kubernetes: {{version: v1.34.4, {role}}}")

    assert f'did you mean "{UNIONS[given]}"?' in found[0].message
    assert len([each for each in found if each.code == "MA1203"]) >= 2


@pytest.mark.parametrize("name", ["Type", "tpye", "TYPE"])
@pytest.mark.parametrize(
    ("value", "meant"), [("worker", "JoinWorker"), ("init", "Initialize"), ("Boss", "")]
)
def test_a_tag_whose_name_and_value_are_both_mistyped_is_told_of_both(
    name: str, value: str, meant: str
) -> None:
    found = problems(
        f"kubernetes: {{version: v1.34.4, role: {{{name}: {value}, certificateKey: 7}}}}"
    )

    told = {(each.code, each.path): each.message for each in found}
    assert told["MA1203", f"spec.kubernetes.role.{name}"] == 'unknown field; did you mean "type"?'
    guess = f'; did you mean "{meant}"?' if meant else ""
    assert told["MA1208", "spec.kubernetes.role.type"] == f"unknown type{guess}"
    assert len(found) == 3


def test_behind_a_union_that_nobody_knows_each_field_is_judged_by_the_variant_that_has_it() -> None:
    found = problems(
        "kubernetes: {version: v1.34.4, role: {type: Boss, certificateKey: 7, tokn: 1, discovry: {}}}"
    )

    assert [(each.code, each.path) for each in found] == [
        ("MA1208", "spec.kubernetes.role.type"),
        ("MA1102", "spec.kubernetes.role.certificateKey"),
        ("MA1203", "spec.kubernetes.role.tokn"),
        ("MA1203", "spec.kubernetes.role.discovry"),
    ]


LED = {
    "preKubeadmCommands: []": "spec.machine.commands.preKubeadm[].script",
    "postKubeadmCommands: []": "spec.machine.commands.postKubeadm[].script",
    "clusterConfiguration: {}": "spec.kubernetes",
    "joinConfiguration: {}": "spec.kubernetes",
    "diskSetup: {}": "spec.machine.linuxConfiguration.storage",
    "files: []": "spec.machine.files",
    "kubernetes: {version: v1.34.4, nodeRegistration: {}}": "spec.kubernetes.node",
    "kubernetes: {version: v1.34.4, node: {kubeletExtraArgs: {}}}": "spec.kubernetes.node.extraArgs",
    "kubernetes: {version: v1.34.4, cluster: {networking: {}}}": "spec.kubernetes.cluster.network",
    "kubernetes: {version: v1.34.4, cluster: {podSubnet: x}}": "spec.kubernetes.cluster.network.podCIDRs",
    "kubernetes: {version: v1.34.4, cluster: {certificatesDir: x}}": "spec.kubernetes.cluster.certificates.directory",
    "kubernetes: {version: v1.34.4, clusterName: x}": "spec.kubernetes.cluster.name",
    "kubernetes: {version: v1.34.4, controlPlane: {apiServer: {timeoutForControlPlane: 4m}}}": (
        "spec.kubernetes.timeouts.controlPlaneComponentHealthCheck"
    ),
}


@pytest.mark.parametrize("body", LED)
def test_a_name_of_kubeadms_or_cluster_apis_leads_to_ours(body: str) -> None:
    (problem,) = problems(body)

    assert problem.code == "MA1203"
    assert problem.message == f"unknown field; here it is {LED[body]}"


CLOUD_INITS = {
    "machine: {runcmd: [a]}": "spec.machine.commands.preKubeadm[].script",
    "machine: {bootcmd: [a]}": "spec.machine.commands.boot[].script",
    "machine: {write_files: []}": "spec.machine.files",
    "machine: {ca_certs: {}}": "spec.machine.systemTrustCertificateAuthorities",
    "machine: {linuxConfiguration: {fs_setup: []}}": "spec.machine.linuxConfiguration.storage.filesystems",
    "machine: {linuxConfiguration: {users: [{name: a, hashed_passwd: b}]}}": (
        "spec.machine.linuxConfiguration.users[].passwordHash"
    ),
    "machine: {linuxConfiguration: {yum_repos: {}}}": "spec.machine.linuxConfiguration.packageRepositories",
    "phone_home: {}": "spec.reporting.url",
}


@pytest.mark.parametrize("body", CLOUD_INITS)
def test_a_name_of_cloud_inits_leads_to_ours(body: str) -> None:
    (problem,) = problems(body)

    assert (problem.code, problem.message) == (
        "MA1203",
        f"unknown field; here it is {CLOUD_INITS[body]}",
    )


def test_a_name_of_theirs_that_has_no_place_here_says_why() -> None:
    (problem,) = problems("format: ignition")

    assert problem.message == "unknown field; it has no counterpart here"
    assert "manager" in problem.hint


SYNONYMS = {
    'mode: "0644"': "permissions",
    "contents: a": "content",
    "text: a": "content",
    "dest: /a": "path",
    "user: root": "owner",
    "group: root": "owner",
}


@pytest.mark.parametrize("entry", SYNONYMS)
def test_what_other_tools_call_a_field_leads_to_ours(entry: str) -> None:
    (problem,) = [each for each in read(file(entry)).problems if each.code == "MA1203"]

    assert problem.message == f'unknown field; did you mean "{SYNONYMS[entry]}"?'


def test_in_an_object_that_is_passed_on_null_is_absent() -> None:
    body = """
    kubernetes:
      version: v1.34.4
      cluster: {kubelet: {kind: KubeletConfiguration, evictionHard: null}}
      controlPlane:
        staticPods:
        - name: a
          manifest:
            kind: Pod
            metadata: {creationTimestamp: null, name: a}
            spec: {containers: [{name: a, image: b, args: , env: ~}]}
            status: null
    """
    value = read(f"{HEAD}spec:{textwrap.indent(textwrap.dedent(body), '  ')}").value

    (pod,) = value.spec.kubernetes.control_plane.static_pods
    assert pod.manifest == {
        "kind": "Pod",
        "metadata": {"name": "a"},
        "spec": {"containers": [{"name": "a", "image": "b"}]},
    }
    assert value.spec.kubernetes.cluster.kubelet == {"kind": "KubeletConfiguration"}


@pytest.mark.parametrize(
    "body",
    [
        "machine: {files: null}",
        "machine: {linuxConfiguration: {sysctls: {a.b: null}}}",
        "kubernetes: {version: v1.34.4, cluster: {kubelet: null}}",
        "kubernetes: {version: v1.34.4, cluster: {kubelet: {clusterDNS: [null]}}}",
    ],
)
def test_everywhere_else_null_is_refused(body: str) -> None:
    (problem,) = problems(body)

    assert problem.code == "MA1206"


def test_an_object_that_is_passed_on_and_has_nothing_but_null_is_empty() -> None:
    (problem,) = problems("kubernetes: {version: v1.34.4, cluster: {kubelet: {kind: null}}}")

    assert (problem.code, problem.path) == ("MA1106", "spec.kubernetes.cluster.kubelet")


LONG = {
    "a duration": ("timeout", 'machine: {commands: {boot: [{argv: [a], timeout: "TEXT"}]}}', "1h"),
    "a path": ("path", 'machine: {files: [{content: "", path: "TEXT"}]}', "/a"),
    "a secret": (
        "token",
        'kubernetes: {version: v1.34.4, role: {type: Initialize, bootstrapTokens: [{token: "TEXT"}]}}',
        "ab",
    ),
    "an item of a list": (
        "certSANs[0]",
        'kubernetes: {version: v1.34.4, controlPlane: {apiServer: {certSANs: ["TEXT"]}}}',
        "a.",
    ),
    "a value of a map": (
        "labels.a",
        'kubernetes: {version: v1.34.4, node: {labels: {a: "TEXT"}}}',
        "a-",
    ),
    "a version": ("version", 'kubernetes: {version: "TEXT"}', "1."),
}


@pytest.mark.parametrize("name", LONG)
def test_nothing_is_searched_that_is_too_long(name: str) -> None:
    """A pattern over a text of a megabyte costs hundreds of times as much memory."""
    field, body, piece = LONG[name]
    long = piece * 500_000
    tracemalloc.start()
    found = problems(body.replace("TEXT", long))
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()

    (problem,) = found
    assert problem.code == "MA1105"
    assert problem.path.endswith(field)
    assert peak < 24 * len(long)
