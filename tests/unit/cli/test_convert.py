"""`convert` on files: documents on standard output and nothing else there, the account beside it, exit codes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml

from machineadm.cli.main import main
from tests.unit.conversion.converting import CONFIG, control_plane_text

WHOLE = CONFIG + "spec: {files: [{path: /etc/motd, content: hello}]}\n"
PLACEHOLDERS = (
    "spec:\n  verbosity: ${LEVEL:=2}\n  joinConfiguration: {nodeRegistration: {name: '${NAME}'}}\n"
)
UNDECIDED = CONFIG + 'spec: {preKubeadmCommands: ["echo {{ .x }}"]}\n'


def written(directory: Path, text: str, name: str = "in.yaml") -> str:
    path = directory / name
    path.write_text(text)
    return str(path)


def test_documents_are_all_that_standard_output_gets(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, WHOLE)

    assert main(["convert", "--path", path]) == 0
    out, err = capsys.readouterr()
    assert yaml.safe_load(out)["kind"] == "MachineBootstrap"
    assert f"{path}:4:23: spec.files[0].path: converted to machine.files[0].path" in err
    assert err.endswith(
        "5 leaves: 5 converted, 0 same by default, 0 needs a decision, 0 has no meaning here\n"
    )


@pytest.mark.parametrize(("options", "code"), [((), 11), (("--strict",), 3)])
def test_decisions_that_are_left_are_in_the_exit_code_and_in_the_documents(
    options: tuple[str, ...], code: int, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", "--path", written(tmp_path, UNDECIDED), *options]) == code

    out, err = capsys.readouterr()
    assert "# decide: line 4 of the original {{ .x }} is more than a reference" in out
    assert err.count("  way: ") == 2


def test_strict_says_nothing_of_what_is_converted_whole(tmp_path: Path) -> None:
    assert main(["convert", "--path", written(tmp_path, WHOLE), "--strict"]) == 0


def test_the_account_as_json(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    main(["convert", "--path", written(tmp_path, UNDECIDED), "--report", "json"])

    account = json.loads(capsys.readouterr().err)
    (document,) = account["documents"]
    assert document["to"] == "MachineBootstrap"
    assert account["summary"]["needs a decision"] == 1
    assert {"path", "line", "column", "outcome"} <= document["leaves"][0].keys()


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("a: [", "MA1005"),
        ("apiVersion: v1\nkind: Pod\n", "MA2104"),
        (CONFIG, "MA2102"),
        (WHOLE + "---\n" + CONFIG.replace("v1beta2", "v7") + "spec: {}\n", "MA2101"),
        ("", "MA1001"),
    ],
)
def test_what_cannot_be_read_is_refused_with_its_place(
    text: str, code: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["convert", "--path", written(tmp_path, text)]) == 3

    out, err = capsys.readouterr()
    assert out == ""
    assert code in err


def test_values_come_from_a_map_or_from_lines(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIG + PLACEHOLDERS
    path = written(tmp_path, text)
    for name, values in (
        ("v.yaml", "LEVEL: 5\nNAME: a\n"),
        ("v.env", "# c\nexport LEVEL=5\nNAME='a'\n"),
    ):
        main(["convert", "--path", path, "--values", written(tmp_path, values, name)])
        kubernetes = yaml.safe_load(capsys.readouterr().out)["spec"]["kubernetes"]
        assert (kubernetes["verbosity"], kubernetes["node"]["name"]) == (5, "a")

    assert (
        main(["convert", "--path", path, "--values", written(tmp_path, "- a\n", "bad.yaml")]) == 3
    )
    assert "MA2105" in capsys.readouterr().err


def test_placeholders_without_values_are_kept(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = CONFIG + PLACEHOLDERS
    assert main(["convert", "--path", written(tmp_path, text)]) == 0

    out = capsys.readouterr().out
    assert "verbosity: ${LEVEL:=2}\n" in out
    assert 'name: "${NAME}"\n' in out


DISCOVERY = "type: Token\ntoken: abcdef.0123456789abcdef\nendpoint: a:6443\nunsafeSkipCAVerification: true\n"


def test_a_machine_of_a_control_plane_can_be_validated(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = written(tmp_path, control_plane_text("verbosity: 2\n"))
    discovery = written(
        tmp_path,
        f"discovery: {{{DISCOVERY.strip().replace(chr(10), ', ')}}}\ncertificateKey: {'a' * 64}\n",
        "d.yaml",
    )
    options = [
        "--to",
        "MachineConfiguration",
        "--role",
        "JoinControlPlane",
        "--discovery",
        discovery,
    ]

    assert main(["convert", "--path", path, "--to", "MachineConfiguration"]) == 3
    assert "MA2103" in capsys.readouterr().err
    assert main(["convert", "--path", path, *options]) == 0
    machine = written(tmp_path, capsys.readouterr().out, "machine.yaml")
    assert main(["validate", "--path", machine]) == 0


def test_what_is_written_can_be_converted_again(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    main(["convert", "--path", written(tmp_path, WHOLE + "---\n" + UNDECIDED)])
    first = capsys.readouterr().out
    assert main(["convert", "--path", written(tmp_path, first, "again.yaml")]) == 0

    assert [*yaml.safe_load_all(capsys.readouterr().out)] == [*yaml.safe_load_all(first)]
