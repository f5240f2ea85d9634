"""Configurations that are half there, of somebody else's version, or a program in Jinja: a code or a decision, each with its place."""

from __future__ import annotations

import pytest

from tests.unit.conversion.converting import CONFIG, CONTROL_PLANE, converted, outcome

REFUSED = {
    "half a map": (CONFIG + "spec: {files: [{path: /a", 4, "MA1005"),
    "half a quoted text": (CONFIG + 'spec:\n  preKubeadmCommands:\n  - "echo a\n', 7, "MA1005"),
    "a tab as indentation": (CONFIG + "spec:\n\tverbosity: 1\n", 5, "MA1014"),
    "no spec": (CONFIG, 1, "MA2102"),
    "a spec that is null": (CONFIG + "spec:\n", 1, "MA2102"),
    "a control plane without its configuration": (CONTROL_PLANE + "spec: {replicas: 1}\n", 4, "MA2102"),
    "a version of tomorrow": (CONFIG.replace("v1beta2", "v2") + "spec: {}\n", 1, "MA2101"),
    "a version of kubeadm of yesterday": ("apiVersion: kubeadm.k8s.io/v1beta1\nkind: InitConfiguration\n", 1, "MA2101"),
    "a key twice": (CONFIG + "spec: {verbosity: 1, verbosity: 2}\n", 4, "MA1205"),
    "a list": ("- a\n", 1, "MA2104"),
    "a text": ("hello\n", 1, "MA2104"),
    "an anchor that is not there": (CONFIG + "spec: *a\n", 4, ""),
    "the second document of two": (CONFIG + "spec: {}\n---\n" + CONFIG + "spec: {a: [}\n", 9, "MA1005"),
    "Jinja around a part": (CONFIG + "spec:\n{% if a %}\n  verbosity: 1\n{% endif %}\n", 5, "MA1005"),
    "Helm around a part": (CONFIG + "spec:\n  {{- if .Values.a }}\n  verbosity: 1\n  {{- end }}\n", 5, "MA1005"),
}  # fmt: skip


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_has_a_code_and_its_line(name: str) -> None:
    text, line, code = REFUSED[name]
    found = outcome(text)

    assert found.results == ()
    problem = found.problems[0]
    assert (problem.line, problem.code) == (line, code or problem.code)
    assert problem.code.startswith("MA")


NAME = "spec: {{joinConfiguration: {{nodeRegistration: {{name: '{}'}}}}}}\n"
FILE = "spec: {{files: [{{path: /a, content: '{}'}}]}}\n"
COMMAND = "spec: {{preKubeadmCommands: ['{}']}}\n"
JINJA = (
    "{{ ds.meta_data.name | upper }}",
    '{{ ds.meta_data.name | default("a") }}',
    '{{ ds.meta_data.name if ds.meta_data.name else "a" }}',
    '{{ ds.meta_data.name.replace("a", "b") }}',
    "{{ ds.meta_data.name[0:4] }}",
    "{{ ds.meta_data.name ~ ds.meta_data.uuid }}",
    "{{ 1 + 1 }}",
    "{{ name }}",
    "{{ }}",
    "{% if ds.meta_data.name %}a{% endif %}",
    "{% for a in ds.meta_data.names %}{{ a }}{% endfor %}",
    "{% set a = 1 %}b",
    "{# only a remark #}b",
    "{{ .Values.name }}",
)


@pytest.mark.parametrize("jinja", JINJA)
@pytest.mark.parametrize(
    ("form", "path"),
    [
        (NAME, "joinConfiguration.nodeRegistration.name"),
        (FILE, "files[0].content"),
        (COMMAND, "preKubeadmCommands[0]"),
    ],
    ids=["a field", "a file", "a command"],
)
def test_jinja_that_is_more_than_a_reference_is_a_decision_at_its_place(
    form: str, path: str, jinja: str
) -> None:
    found = converted(CONFIG + form.format(jinja))
    (leaf,) = found.result.decisions

    assert leaf.path == f"spec.{path}"
    assert leaf.line == 4
    assert len(leaf.ways) >= 2
    assert "# decide:" in found.result.text


FIELDS = {
    "a field of a fork": ("spec: {clusterConfiguration: {pause: {imageTag: a}}}\n", "clusterConfiguration.pause.imageTag"),
    "a field of tomorrow": ("spec: {firewall: {ports: [1]}}\n", "firewall.ports[0]"),
    "a mistyped field": ("spec: {preKubeadmCommand: [a]}\n", "preKubeadmCommand[0]"),
    "a field at the wrong place": ("spec: {nodeRegistration: {name: a}}\n", "nodeRegistration.name"),
    "a text for a list": ("spec: {preKubeadmCommands: echo a}\n", "preKubeadmCommands"),
    "a map for a text": ("spec: {files: [{path: /a, content: {a: b}}]}\n", "files[0].content.a"),
    "a list for a command": ("spec: {preKubeadmCommands: [[ls]]}\n", "preKubeadmCommands[0][0]"),
    "a text for a number": ("spec: {verbosity: loud}\n", "verbosity"),
    "a number that is none": ("spec: {verbosity: .nan}\n", "verbosity"),
    "a text for a truth": ("spec: {users: [{name: a, lockPassword: maybe}]}\n", "users[0].lockPassword"),
    "a mode that is none": ("spec: {files: [{path: /a, content: b, permissions: 'rwx'}]}\n", "files[0].permissions"),
    "a path that is relative": ("spec: {files: [{path: a, content: b}]}\n", "files[0].path"),
    "an encoding that nobody knows": ("spec: {files: [{path: /a, content: b, encoding: rot13}]}\n", "files[0].encoding"),
    "an encoding that the text is not in": ("spec: {files: [{path: /a, content: '%', encoding: base64}]}\n", "files[0].content"),
    "a format that Cluster API does not have": ("spec: {format: bottlerocket}\n", "format"),
}  # fmt: skip


@pytest.mark.parametrize("name", FIELDS)
def test_a_field_that_is_not_understood_is_a_decision_at_its_place(name: str) -> None:
    spec, path = FIELDS[name]
    found = converted(CONFIG + spec)

    assert f"spec.{path}" in found.undecided
    leaf = found.leaf(path)
    assert leaf.line == 4
    assert len(leaf.ways) >= 2


UNPLAIN = {
    "a number for a key": "{8080: a}",
    "a truth for a key": "{true: a}",
    "null for a key": "{null: a}",
    "a date for a key": "{2026-01-01: a}",
    "a list for a key": "{? [a] : b}",
    "a map for a key": "{? {a: b} : c}",
    "a merge key": "{<<: {a: b}}",
    "a tag of another's": "!secret a",
    "bytes": "!!binary YQ==",
    "a set": "!!set {a}",
    "such a value deeper down": "{a: [{b: {8080: c}}]}",
}
WHOLE = {
    "of a kubelet": (
        "apiVersion: kubelet.config.k8s.io/v1beta1\nkind: KubeletConfiguration\nmaxPods: 50\nevictionHard: VALUE\n",
        "evictionHard",
    ),
    "of a kube-proxy": (
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCIDR: a\nconntrack: VALUE\n",
        "conntrack",
    ),
    "of a mode of kube-proxy": (
        "apiVersion: kubeproxy.config.k8s.io/v1alpha1\nkind: KubeProxyConfiguration\nclusterCIDR: a\nmode: VALUE\n",
        "mode",
    ),
    "of a node of EKS": (
        "apiVersion: node.eks.aws/v1alpha1\nkind: NodeConfig\nspec:\n  kubelet: {config: {maxPods: 50, evictionHard: VALUE}}\n",
        "spec.kubelet.config.evictionHard",
    ),
}  # fmt: skip


@pytest.mark.parametrize("value", UNPLAIN)
@pytest.mark.parametrize("form", WHOLE)
def test_a_value_that_is_passed_on_whole_and_is_not_plain_is_a_decision(
    form: str, value: str
) -> None:
    text, path = WHOLE[form]
    found = converted(text.replace("VALUE", UNPLAIN[value]), role="Initialize")

    assert any(leaf.startswith(path) for leaf in found.undecided)
    assert "a key is not text" in str(found.undecided) or "not plain YAML" in str(found.undecided)


@pytest.mark.parametrize("value", UNPLAIN)
def test_an_item_of_a_list_that_cannot_be_written_anew_is_refused(value: str) -> None:
    item = f"{{apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1, kind: MachineBootstrap, spec: {UNPLAIN[value]}}}"
    found = outcome(f"apiVersion: v1\nkind: List\nitems: [{item}]\n")

    assert found.results == ()
    assert all(problem.code.startswith("MA1") for problem in found.problems)
