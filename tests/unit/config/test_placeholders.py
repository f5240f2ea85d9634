"""Placeholders of other templaters are told where nothing fills them in, and nowhere else."""

from __future__ import annotations

import base64
from typing import Any

import pytest

from machineadm.config.validation import check
from tests.configurations import configuration
from tests.rulecases import CP, NODE, POD, C, N

FILE = "spec.machine.files[0].content"
SCRIPT = "spec.machine.commands.boot[0].script"

LEFT_OVER = {
    "a file with a name of cloud-init's": "address={{ ds.meta_data.local_ipv4 }}",
    "without blanks": "a {{v1.region}} b",
    "by subscript": "{{ ds['meta_data'].x }}",
    "a standard key of cloud-init's": "{{ availability_zone }}",
    "a condition": "{% if v1.cloud_name == 'aws' %}a{% endif %}",
    "of Afterburn": "id=${COREOS_EC2_INSTANCE_ID}",
    "of Afterburn, without braces": "id=$AFTERBURN_AWS_HOSTNAME",
    "in an expression": "name: {{ 'node-' ~ ds.meta_data.instance_id }}",
    "with a choice": "{{ 'a' if v1.cloud_name == 'aws' else 'b' }}",
    "with blanks kept": "{%+ if ds.meta_data.public_ipv4 %}a{%+ endif %}",
    "in parentheses": "{{ (ds.meta_data.tags).x }}",
    "by a name of its own": "{{ kernel_release }} {{ platform }}",
    "of Cluster API's classes": "name: {{ .builtin.cluster.name }}",
    "of Salt": "{{ pillar['token'] }} {{ grains.id }}",
    "of Helm, with a function": '{{ default "a" .Values.b }} {{ $.Release.Name }}',
    "of Ansible, with a default": "{{ lookup('env', 'A') ~ ansible_host }}",
    "of Terraform, in a function": '${upper(var.name)} ${join(",", local.names)}',
    "of Terraform, trimmed": "${~ var.name ~} and %{~ if x ~}a%{~ endif ~}",
    "of GitHub's": "token: ${{ secrets.TOKEN }}",
    "of Helm": "name: {{ .Values.name }}",
    "of Helm, trimmed": "{{- .Release.Name -}}",
    "of Ansible": "{{ ansible_hostname }} {{ inventory_hostname }}",
    "of Terraform": "${var.cluster_name}",
    "of Terraform, a directive": "%{ if x }a%{ endif }",
    "of CloudFormation": "${AWS::Region}",
}
MEANT = {
    "a shell's own variable": "echo ${HOME} $PATH ${1:-x} $((1+2)) ${#a[@]}",
    "a template for a reader on the machine": "{{ .Name }} {{range .Items}}{{.ID}}{{end}}",
    "a format of docker": "docker ps --format '{{.Names}}'",
    "Afterburn's file is read": "EnvironmentFile=/run/metadata/afterburn\nExecStart=a ${AFTERBURN_AWS_HOSTNAME}",
    "words that only look so": "ds.meta_data v1.region COREOS_X {ds.x} %{http_code}",
    "a default of a shell's": "${DIR:-/var/data.d} ${FILE:-local.conf} ${A#path.}",
    "names within others": '{{ .Region.v1 }} {{ $labels.machine }} {{ with .Data.ds }}{{ end }} {{ "v1.2" }}',
    "a template of Prometheus's": "{{ $value }} {{ $labels.region }} {{ humanize $value }}",
    "a comparison": "{{ if eq .Values2 1 }}{{ end }} {{ gt .V1 .Region }}",
    "curl's format": "curl -w '%{http_code}'",
}


def files(content: str) -> dict[str, Any]:
    return {"machine.files": [{"path": "/a", "content": content}]}


def warned(spec: dict[str, Any]) -> list[tuple[str, str, str]]:
    return [(each.code, each.severity, each.path) for each in check(configuration(spec))]


@pytest.mark.parametrize("name", LEFT_OVER)
def test_a_placeholder_in_a_free_text_is_a_warning_with_its_place(name: str) -> None:
    text = LEFT_OVER[name]

    assert warned(files(text)) == [("MA1411", "warning", FILE)]
    assert warned({"machine.commands.boot": [{"script": text}]}) == [("MA1411", "warning", SCRIPT)]


@pytest.mark.parametrize("name", MEANT)
def test_what_a_reader_on_the_machine_understands_is_no_placeholder(name: str) -> None:
    assert warned(files(MEANT[name])) == []


PLACES: list[tuple[dict[str, Any], str]] = [
    ({f"{NODE}.extraArgs": [{"name": "provider-id", "value": "x://'{{ ds.id }}'"}]}, f"{N}.extraArgs[0].value"),
    ({f"{NODE}.extraArgs": [{"name": "node-labels", "value": "a=b,u=${UUID}"}]}, f"{N}.extraArgs[0].value"),
    ({f"{NODE}.extraArgs": [{"name": "node-labels", "value": "${K}=v"}]}, f"{N}.extraArgs[0].value"),
    ({f"{NODE}.extraArgs": [{"name": "register-with-taints", "value": "{{ taint }}"}]}, f"{N}.extraArgs[0].value"),
    ({f"{CP}.scheduler.extraArgs": [{"name": "v", "value": "<%= level %>"}]}, f"{C}.scheduler.extraArgs[0].value"),
    ({f"{NODE}.providerID": "aws:///${ZONE}/i-0"}, f"{N}.providerID"),
    ({"machine.commands.boot": [{"argv": ["echo", "{{ v1.region }}"]}]}, "spec.machine.commands.boot[0].argv[1]"),
    ({"machine.commands.boot": [{"argv": ["a"], "env": [{"name": "A", "value": "{{ ds.x }}"}]}]},
     "spec.machine.commands.boot[0].env[0].value"),
    ({f"{CP}.staticPods": [{"name": "a", "manifest": {**POD, "metadata": {"name": "a", "labels": {"x/y": "{{ v1.region }}"}}}}]},
     f'{C}.staticPods[0].manifest.metadata.labels["x/y"]'),
    ({"machine.files": [{"path": "/a", "encoding": "base64", "content": base64.b64encode(b"{{ ds.x }}").decode()}]}, FILE),
]  # fmt: skip


@pytest.mark.parametrize(("spec", "path"), PLACES)
def test_every_place_of_a_text_is_looked_at(spec: dict[str, Any], path: str) -> None:
    assert warned(spec) == [("MA1411", "warning", path)]


def test_of_a_secret_no_more_than_the_name_is_shown() -> None:
    spec = {"machine.commands.boot": [{"argv": ["a"], "env": [
        {"name": "A", "value": "{{ ds.token | default('s3cr3t') }}-hunter2"}]}]}  # fmt: skip

    (finding,) = check(configuration(spec))

    assert "ds.token" in finding.message
    assert "s3cr3t" not in str(finding)
    assert "hunter2" not in str(finding)
