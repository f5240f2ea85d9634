"""`validate` on files: text as of a compiler, JSON for programs, exit codes."""

from __future__ import annotations

import importlib
import io
import json
import shlex
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import yaml

from machineadm.cli.main import main

HEAD = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\n"
GOOD = (
    HEAD
    + """\
spec:
  kubernetes:
    version: v1.34.4
    role: {type: Initialize}
    cluster: {name: one, controlPlaneEndpoint: "192.0.2.10:6443"}
"""
)
BAD = (
    HEAD
    + """\
spec:
  machine:
    files:
    - path: /etc/motd
      permissions: 0644
      content: hello
    linuxConfiguration:
      sysctl: {}
  kubernetes:
    version: v1.28.0
    role: {type: Initialize}
    cluster: {name: one}
"""
)


def write(directory: Path, text: str, name: str = "node.yaml") -> str:
    path = directory / name
    path.write_text(text)
    return str(path)


def test_a_good_file_is_told_in_one_line(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, GOOD)

    assert main(["validate", "--path", path]) == 0

    assert capsys.readouterr() == (f"machineadm: no problems in {path}\n", "")


def test_problems_are_shown_as_a_compiler_shows_them(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, BAD)

    assert main(["validate", "--path", path]) == 3

    shown = capsys.readouterr()
    lines = shown.out.splitlines()
    count = sum(line.startswith(f"{path}:") for line in lines)
    assert shown.err == ""
    assert lines[0] == f"machineadm: {count} problems in {path}"
    assert lines[1:4] == [
        f"{path}:7:20: MA1102 spec.machine.files[0].permissions: unquoted, it is an octal number, not a string",
        '  hint: write "0644"',
        f'{path}:10:7: MA1203 spec.machine.linuxConfiguration.sysctl: unknown field; did you mean "sysctls"?',
    ]
    # What a rule finds stands among what the decoder finds, at the field's own place.
    assert any(line.startswith(f"{path}:12:5: MA") for line in lines)


def test_problems_are_shown_as_json_for_programs(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, BAD)

    assert main(["validate", "--path", path, "--output", "json"]) == 3

    first, *_ = json.loads(capsys.readouterr().out)["problems"]
    assert first == {
        "file": path,
        "document": 1,
        "line": 7,
        "column": 20,
        "code": "MA1102",
        "severity": "error",
        "path": "spec.machine.files[0].permissions",
        "message": "unquoted, it is an octal number, not a string",
        "hint": 'write "0644"',
    }


def test_no_problem_is_an_empty_list_in_json(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--path", write(tmp_path, GOOD), "--output", "json"]) == 0

    assert json.loads(capsys.readouterr().out) == {"problems": []}


def test_several_files_are_one_stream(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    one, other = write(tmp_path, GOOD), write(tmp_path, GOOD, "other.yaml")

    assert main(["validate", "--path", one, "--path", other]) == 3

    assert f"machineadm: 1 problem in {other}\n" in capsys.readouterr().out


def test_standard_input_is_read(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(b"a: [\n")))

    assert main(["validate", "--path", "-"]) == 3

    assert "<stdin>:2:1: MA1005 not YAML" in capsys.readouterr().out


def test_another_version_of_kubernetes_can_be_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, GOOD.replace("version: v1.34.4", "version: v1.34.4\n    verbosity: 3"))

    assert main(["validate", "--path", path, "--kubernetes-version", "1.34.4"]) == 0
    assert main(["validate", "--path", path, "--kubernetes-version", "v1.20.0"]) == 3


@pytest.mark.parametrize("version", ["latest", "1.34", "v1.34.4.1", ""])
def test_a_version_that_is_none_is_a_usage_error(
    tmp_path: Path, version: str, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, GOOD)

    assert main(["validate", "--path", path, "--kubernetes-version", version]) == 2

    assert "MA7001" in capsys.readouterr().err


def test_a_configuration_without_kubernetes_is_for_preparation_only(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, HEAD + "spec: {machine: {}}\n")

    assert main(["validate", "--path", path]) == 3
    assert main(["validate", "--path", path, "--mode", "preparation"]) == 0
    assert "spec" in capsys.readouterr().out


WARNED = (
    GOOD
    + """\
  machine:
    files:
    - path: /etc/motd
      content: "{{ ds.meta_data.name }}"
"""
)


def test_warnings_alone_are_shown_and_refuse_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, WARNED)

    assert main(["validate", "--path", path]) == 0

    headline, line, hint = capsys.readouterr().out.splitlines()
    assert headline == f"machineadm: 1 warning in {path}"
    assert line.startswith(
        f"{path}:11:7: warning: MA1411 spec.machine.files[0].content: ds.meta_data.name"
    )
    assert hint.startswith("  hint: ")


def test_warnings_are_refused_where_that_is_asked_for(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--strict", "--path", write(tmp_path, WARNED)]) == 3
    assert "1 warning in" in capsys.readouterr().out


def test_json_tells_errors_from_warnings(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, WARNED.replace("v1.34.4", "v1.28.0"))

    assert main(["validate", "--path", path, "--output", "json"]) == 3

    problems = json.loads(capsys.readouterr().out)["problems"]
    assert [(one["code"], one["severity"]) for one in problems] == [
        ("MA1311", "error"),
        ("MA1411", "warning"),
    ]


def test_errors_and_warnings_are_counted_apart(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, WARNED.replace("v1.34.4", "v1.28.0"))

    assert main(["validate", "--path", path]) == 3
    assert capsys.readouterr().out.startswith(f"machineadm: 1 problem and 1 warning in {path}\n")


def test_a_plan_is_made_in_spite_of_warnings_which_stand_beside_it(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = write(tmp_path, WARNED)
    (tmp_path / "root").mkdir()

    code = main(["plan", "--mode", "preparation", "--root", str(tmp_path / "root"), "--path", path])

    shown = capsys.readouterr()
    assert code == 10
    assert "files/write" in shown.out
    assert "warning" not in shown.out
    assert shown.err.startswith(f"{path}:11:7: warning: MA1411 ")


def test_values_that_are_given_are_judged_in_their_fields(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file, given = tmp_path / "a.yaml", tmp_path / "values.yaml"
    file.write_text(GOOD + '    node: {nameFrom: {instanceData: "$(v1.local_hostname)"}}\n')
    given.write_text("v1: {local_hostname: Not_A_Name}\n")

    assert main(["validate", "--path", str(file)]) == 0
    capsys.readouterr()
    assert main(["validate", "--path", str(file), "--instance-data", str(given)]) == 3
    told = capsys.readouterr().out
    assert "spec.kubernetes.node.nameFrom: the value from --instance-data: " in told

    given.write_text("v1: {local_hostname: a-name}\n")
    assert main(["validate", "--path", str(file), "--instance-data", str(given)]) == 0
    given.write_text("v1: {region: elsewhere}\n")
    assert main(["validate", "--path", str(file), "--instance-data", str(given)]) == 0


# Generated from the published schema; what it does not name the classes refuse.
LOG: Any = importlib.import_module(
    "pydantic_sarif.model"
).StaticAnalysisResultsFormatSarifVersion210JsonSchema


def findings_of(tmp_path: Path, capsys: pytest.CaptureFixture[str], form: str) -> str:
    path = write(tmp_path, BAD, "a,b: c%.yaml")
    assert main(["validate", "--path", path, "--output", form]) == 3
    return capsys.readouterr().out


def test_sarif_is_what_its_schema_says(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    text = findings_of(tmp_path, capsys, "sarif")

    (run,) = LOG.model_validate_json(text).runs
    assert run.results
    assert run.tool.driver.rules
    for result in run.results:
        assert result.ruleIndex is not None
        assert run.tool.driver.rules[result.ruleIndex].id == result.ruleId
    assert json.loads(text)["runs"][0]["results"][0] == {
        "ruleId": "MA1102",
        "ruleIndex": 0,
        "level": "error",
        "message": {
            "text": "spec.machine.files[0].permissions: unquoted, it is an octal number, not a string"
            ' (hint: write "0644")'
        },
        "locations": [
            {
                "physicalLocation": {
                    "artifactLocation": {"uri": f"file://{tmp_path}/a%2Cb%3A%20c%25.yaml"},
                    "region": {"startLine": 7, "startColumn": 20},
                },
                "logicalLocations": [{"fullyQualifiedName": "spec.machine.files[0].permissions"}],
            }
        ],
    }


def test_the_schema_of_sarif_refuses_what_it_does_not_know(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Planted faults: what the judge above is worth."""
    from pydantic import ValidationError

    text = findings_of(tmp_path, capsys, "sarif")

    for right, wrong in (
        ('"level":"error"', '"level":"fatal"'),
        ('"ruleId"', '"rule"'),
        ('"startLine":7', '"startLine":0'),
        ('"version":"2.1.0"', '"version":"2.0.0"'),
        ('"name":"machineadm",', ""),
    ):
        assert right in text
        with pytest.raises(ValidationError):
            LOG.model_validate_json(text.replace(right, wrong, 1))


def test_a_good_file_is_a_sarif_log_without_results(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--path", write(tmp_path, GOOD), "--output", "sarif"]) == 0

    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert run["results"] == []
    assert run["tool"]["driver"]["rules"] == []


def test_github_is_told_file_line_and_column(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    first, *others = findings_of(tmp_path, capsys, "github").splitlines()

    assert first == (
        f"::error title=MA1102,file={tmp_path}/a%2Cb%3A c%25.yaml,line=7,col=20"
        "::spec.machine.files[0].permissions: unquoted, it is an octal number, not a string"
        '%0Ahint: write "0644"'
    )
    assert all(line.startswith("::error title=MA") for line in others)


def test_github_is_told_nothing_of_a_good_file(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["validate", "--path", write(tmp_path, GOOD), "--output", "github"]) == 0
    assert capsys.readouterr().out == ""


def test_a_warning_is_one_in_every_form(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    path = write(tmp_path, GOOD.replace("name: one", 'name: "{{ .Values.name }}"'))

    assert main(["validate", "--path", path, "--output", "github"]) == 0
    assert capsys.readouterr().out.startswith("::warning title=MA1411,")
    assert main(["validate", "--path", path, "--output", "sarif", "--strict"]) == 3
    (run,) = json.loads(capsys.readouterr().out)["runs"]
    assert [result["level"] for result in run["results"]] == ["warning"]


HOOKS = Path(__file__).parents[3] / ".pre-commit-hooks.yaml"


def hook(*words: str) -> subprocess.CompletedProcess[str]:
    """The hook as pre-commit runs it: its entry, its args, the files."""
    (defined,) = yaml.safe_load(HOOKS.read_text())
    program, *rest = shlex.split(defined["entry"])
    assert program == "python"
    return subprocess.run(
        [sys.executable, *rest, *words], capture_output=True, text=True, timeout=60, check=False
    )


def test_the_hook_judges_each_file_by_itself(tmp_path: Path) -> None:
    good, other = write(tmp_path, GOOD), write(tmp_path, GOOD, "other.yaml")
    bad = write(tmp_path, BAD, "bad.yaml")

    assert hook(good, other).returncode == 0
    run = hook("--mode=preparation", good, bad)
    assert run.returncode == 3
    assert f"{bad}:7:20: MA1102" in run.stdout
    assert f"no problems in {good}" in run.stdout


def test_the_hook_is_defined_as_pre_commit_wants_it() -> None:
    """Its required fields, and those that it knows (pre_commit.clientlib)."""
    (defined,) = yaml.safe_load(HOOKS.read_text())

    assert {"id", "name", "entry", "language"} <= defined.keys()
    assert defined.keys() <= {
        "id", "name", "description", "entry", "language", "types", "files", "require_serial"
    }  # fmt: skip
    assert defined["language"] == "python"


PLACEHOLDERS = """apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  machine:
    files:
    - {{path: "/etc/${{NAME}}", content: "$${{HOME}} ${{A}}", permissions: "${{MODE:-0644}}"}}
  kubernetes:
    version: ${{KUBERNETES_VERSION}}
    role: {{type: Initialize}}
    verbosity: {verbosity}
    cluster:
      controlPlaneEndpoint: "${{HOST}}:${{PORT:=6443}}"
      network:
        podCIDRs:
        - {cidr}
    node:
      taints:
      - key: a
        effect: "${{EFFECT}}"
"""


def test_placeholders_stand_for_whatever_their_field_takes(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.yaml"
    path.write_text(PLACEHOLDERS.format(verbosity="${LEVEL}", cidr="${POD_CIDR}"))

    assert main(["validate", "--path", str(path)]) == 3
    capsys.readouterr()
    assert main(["validate", "--path", str(path), "--placeholders"]) == 0, capsys.readouterr().out


@pytest.mark.parametrize(
    ("fields", "line"),
    [
        ({"verbosity": "loud", "cidr": "${POD_CIDR}"}, 10),
        ({"verbosity": "${LEVEL}", "cidr": "10.0.0.0/99"}, 15),
        ({"verbosity": "${LEVEL:=loud}", "cidr": "${POD_CIDR}-x"}, 15),
    ],
)
def test_what_is_wrong_whatever_the_values_are_is_told_at_its_line(
    fields: dict[str, str], line: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.yaml"
    path.write_text(PLACEHOLDERS.format(**fields))

    assert main(["validate", "--path", str(path), "--placeholders"]) == 3
    assert f":{line}:" in capsys.readouterr().out


MANAGED = """apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineBootstrapTemplate
metadata: {{name: workers}}
spec:
  template:
    spec:
      machine:
        files:
        - path: /etc/a
          {content}
      kubernetes:
        version: "${{KUBERNETES_VERSION}}"
        {more}
"""
CLUSTER = "controlPlane: {apiServer: {extraArgs: [{name: v, value: '${LEVEL}'}]}}"


@pytest.mark.parametrize(
    "fields",
    [
        {"content": "content: '${A}'", "more": "verbosity: ${LEVEL:=2}"},
        {"content": "contentFrom: {secret: {name: a, key: b}}", "more": "verbosity: 1"},
        {"content": "content: a", "more": CLUSTER},
        {"content": "content: a", "more": "role: {type: JoinWorker}"},
        {"content": "content: a", "more": "role: {type: Initialize}"},
        {"content": "content: a", "more": "cluster: {featureGates: {NodeLocalCRISocket: true}}"},
    ],
    ids=["typed", "a secret of the cluster", "a control plane", "a worker", "a first one", "an old version"],
)  # fmt: skip
@pytest.mark.parametrize("kind", ["MachineBootstrapTemplate", "MachineBootstrap"])
def test_what_lives_in_the_management_cluster_is_judged_as_the_manager_completes_it(
    kind: str, fields: dict[str, str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "in.yaml"
    path.write_text(of_kind(kind, MANAGED.format(**fields)))

    assert main(["validate", "--path", str(path), "--placeholders"]) == 0, capsys.readouterr().out
    assert main(["validate", "--path", str(path)]) == 3
    assert "KUBERNETES_VERSION" in capsys.readouterr().out


def of_kind(kind: str, text: str) -> str:
    if kind == "MachineBootstrapTemplate":
        return text
    head, _, spec = text.partition("spec:\n  template:\n    spec:\n")
    lines = [line[4:] for line in spec.splitlines()]
    return head.replace("Template", "") + "spec:\n" + "\n".join(lines) + "\n"


@pytest.mark.parametrize(
    ("fields", "line", "path"),
    [
        ({"content": "content: 1", "more": "verbosity: 1"}, 10, "machine.files[0].content"),
        ({"content": "contents: a", "more": "verbosity: 1"}, 10, "machine.files[0].contents"),
        ({"content": "content: a", "more": "verbosity: loud"}, 13, "kubernetes.verbosity"),
        (
            {"content": "content: a", "more": "role: {type: JoinWorker, discovery: {type: File}}"},
            13,
            "kubernetes.role.discovery",
        ),
        (
            {
                "content": "content: a",
                "more": "role: {type: JoinWorker}\n        cluster: {etcd: {local: {dataDir: a}}}",
            },
            14,
            "kubernetes.cluster.etcd.local.dataDir",
        ),
    ],
)
def test_what_is_wrong_with_it_is_told_at_its_place(
    fields: dict[str, str],
    line: int,
    path: str,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    file = tmp_path / "in.yaml"
    file.write_text(MANAGED.format(**fields))

    assert main(["validate", "--path", str(file), "--placeholders"]) == 3
    out = capsys.readouterr().out
    assert f"{file}:{line}:" in out
    assert f"spec.template.spec.{path}" in out


def test_every_document_of_a_stream_for_the_management_cluster_is_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "in.yaml"
    good = MANAGED.format(content="content: a", more="verbosity: 1")
    file.write_text(f"{good}---\n{good.replace('verbosity: 1', 'verbosity: loud')}")

    assert main(["validate", "--path", str(file), "--placeholders"]) == 3
    assert f"{file}:27:" in capsys.readouterr().out
