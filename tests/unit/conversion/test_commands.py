"""Commands of one shell become one script that ends where that shell ended."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from tests.unit.conversion.converting import commands, config


def run(script: str, tmp_path: Path, **env: str) -> subprocess.CompletedProcess[str]:
    path = tmp_path / "script"
    path.write_text(script)
    path.chmod(0o755)
    return subprocess.run(
        [path], capture_output=True, text=True, check=False, env={"PATH": "/usr/bin:/bin", **env}
    )


@pytest.mark.parametrize(
    ("lines", "code", "said"),
    [
        (("false", "echo on"), 0, "on\n"),
        (("echo on", "false"), 0, "on\n"),
        (("A=1", "echo $A"), 0, "1\n"),
        (("set -e", "false", "echo on"), 1, ""),
        (("echo on", "exit 4"), 4, "on\n"),
        (("cd /tmp", "pwd"), 0, "/tmp\n"),
        (("cat <<EOF", "in", "EOF"), 0, "in\n"),
        (("for a in 1 2; do", "echo $a", "done"), 0, "1\n2\n"),
    ],
)
def test_a_script_ends_as_the_one_shell_did(
    lines: tuple[str, ...], code: int, said: str, tmp_path: Path
) -> None:
    ended = run(commands(*lines).script(), tmp_path)

    assert (ended.returncode, ended.stdout) == (code, said)


def test_with_ignition_the_first_failure_ends_it(tmp_path: Path) -> None:
    found = config('format: ignition\npreKubeadmCommands: ["echo a", "false", "echo b"]')

    assert found.script().startswith("#!/bin/bash\nset -e\n")
    assert run(found.script(), tmp_path).stdout == "a\n"


@pytest.mark.parametrize(
    "line",
    [
        "exit 0",
        "test -f /done && exit 0",
        "if test -f /done; then exit; fi",
        'exit "$code"',
        "{ echo; exit 0; }",
    ],
)
def test_an_exit_without_an_error_before_the_end_needs_a_decision(line: str) -> None:
    assert "without an error" in next(iter(commands(line, "echo on").undecided.values()))


@pytest.mark.parametrize(
    "line",
    ["exit 1", "(exit 0)", "sh -c 'exit 0'", "echo exit 0", "# exit 0", "x=$(exit 0)", "my-exit 0"],
)
def test_an_exit_of_another_shell_or_with_an_error_does_not(line: str) -> None:
    assert commands(line, "echo on").undecided == {}


@pytest.mark.parametrize("line", ["trap 'rm -f /a' EXIT", "touch /a; trap cleanup INT"])
def test_a_trap_needs_a_decision(line: str) -> None:
    assert "trap" in commands(line, "echo on").undecided["spec.preKubeadmCommands[0]"]
    assert commands("echo trap EXIT", "(trap : EXIT; true)").undecided == {}


def test_an_exit_at_the_end_ends_nothing() -> None:
    assert commands("echo on", "exit 0").undecided == {}


def both(before: str, after: str) -> dict[str, str]:
    return config(f"preKubeadmCommands: [{before!r}]\npostKubeadmCommands: [{after!r}]").undecided


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ID=$(uuidgen)", "echo $ID"),
        ("export ID=`uuidgen`", "echo ${ID}"),
        ("f() { echo a; }", "f"),
        ("cd /srv", "ls"),
    ],
)
def test_what_crosses_kubeadm_needs_a_decision(before: str, after: str) -> None:
    assert list(both(before, after)) == ["spec.preKubeadmCommands[0]"]


def test_a_literal_that_crosses_kubeadm_is_set_again(tmp_path: Path) -> None:
    found = config('preKubeadmCommands: ["export A=b"]\npostKubeadmCommands: ["echo $A"]')

    assert found.undecided == {}
    assert run(found.script("postKubeadm"), tmp_path).stdout == "b\n"


def test_set_e_crosses_kubeadm(tmp_path: Path) -> None:
    found = config('preKubeadmCommands: ["set -eux"]\npostKubeadmCommands: ["false", "echo on"]')

    assert run(found.script("postKubeadm"), tmp_path).stdout == ""


def test_a_proxy_that_kubeadm_also_got_needs_a_decision() -> None:
    assert "kubeadm" in next(
        iter(commands("export HTTPS_PROXY=http://proxy:3128").undecided.values())
    )


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ('echo "{{ ds.meta_data.hostname }}"', "a b;c\n"),
        ("echo {{ ds.meta_data.hostname }}", "a b;c\n"),
        ("echo '{{ ds.meta_data.hostname }}'", "a b;c\n"),
        ('echo "x{{ ds.meta_data.hostname }}y"', "xa b;cy\n"),
        ("echo 'x{{ ds.meta_data[\"hostname\"] }}y'", "xa b;cy\n"),
        ("cat <<EOF\n{{ ds.meta_data.hostname }}\nEOF", "a b;c\n"),
        ("cat <<EOF\nx{{ ds.meta_data.hostname }}y\nEOF", "xa b;cy\n"),
        ("sh -c \"echo '{{ ds.meta_data.hostname }}'\"", "a b;c\n"),
        ('echo "$(echo "{{ ds.meta_data.hostname }}")"', "a b;c\n"),
    ],
)
def test_instance_data_comes_by_the_environment_and_never_as_text_of_the_script(
    line: str, said: str, tmp_path: Path
) -> None:
    found = commands(line)
    (command,) = found.spec["machine"]["commands"]["preKubeadm"]
    (variable,) = command["env"]

    assert found.undecided == {}
    assert variable["valueFrom"] == {"instanceData": "$(ds.meta_data.hostname)"}
    assert run(command["script"], tmp_path, **{variable["name"]: "a b;c"}).stdout == said


def test_a_variable_of_the_script_is_not_taken_for_instance_data(tmp_path: Path) -> None:
    found = commands("DS_META_DATA_ID=mine", "echo $DS_META_DATA_ID {{ ds.meta_data.id }}")
    (variable,) = found.spec["machine"]["commands"]["preKubeadm"][0]["env"]

    assert run(found.script(), tmp_path, **{variable["name"]: "theirs"}).stdout == "mine theirs\n"


def test_a_quoted_here_document_cannot_take_it() -> None:
    assert list(commands("cat <<'EOF'\n{{ ds.meta_data.id }}\nEOF").undecided) == [
        "spec.preKubeadmCommands[0]"
    ]


@pytest.mark.parametrize(
    "expression",
    [
        "{% if ds.x %}a{% endif %}",
        "{{ ds.x | default('a') }}",
        "{{ .Name }}",
        "{{ range .Items }}",
        "{{ user_data }}",
    ],
)
def test_what_is_more_than_a_reference_needs_a_decision(expression: str) -> None:
    found = commands(f"echo {expression}")

    assert list(found.undecided) == ["spec.preKubeadmCommands[0]"]
    assert "# decide: line 6" in found.result.text


def test_the_output_survives_envsubst_when_the_input_was_written_for_it() -> None:
    found = commands("echo $${A} {{ v1.region }}", "cat <<EOF\nx{{ v1.region }}y\nEOF")

    assert 'echo $${A} "$V1_REGION"' in found.script()
    assert "x$${V1_REGION}y" in found.script()


def test_boot_commands_have_their_own_list(tmp_path: Path) -> None:
    found = commands("false", "echo on", when="bootCommands")

    assert run(found.script("boot"), tmp_path).stdout == "on\n"
    assert "sentinel" not in found.spec["machine"]


def test_the_sentinel_stays_before_the_commands_after_kubeadm() -> None:
    assert (
        commands("echo a", when="postKubeadmCommands").spec["machine"]["sentinel"] == "AfterKubeadm"
    )
    assert "sentinel" not in commands("echo a").spec["machine"]


def test_a_command_may_take_as_long_as_the_run() -> None:
    assert commands("sleep 700").spec["machine"]["commands"]["preKubeadm"][0]["timeout"] == "30m"
