"""`render` on files: user data on standard output and nothing else there, sizes and warnings beside it."""

from __future__ import annotations

import base64
import json
import random
from pathlib import Path

import pytest

from machineadm.cli.main import main

EXAMPLE = Path(__file__).parents[3] / "examples/rendering/worker.yaml"
SECRETS = ("dge00.0123", "ZWRnZTpub3QtYS1yZWFsLW9uZQ", "AAECA")


def test_user_data_is_all_that_standard_output_gets(
    capfdbinary: pytest.CaptureFixture[bytes],
) -> None:
    assert main(["render", "--path", str(EXAMPLE), "--template", "bare"]) == 0

    out, err = capfdbinary.readouterr()
    assert json.loads(out)["kind"] == "MachineConfiguration"
    assert out.endswith(b"}\n")
    lines = err.decode().splitlines()
    assert lines[0].startswith(f"{len(out)} bytes (configuration {len(out)}), ")
    assert lines[1].endswith("bytes below the limit of 16384")


def test_without_a_limit_the_usual_ones_are_told(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "m.yaml"
    noise = random.Random(1).randbytes(12000).hex()  # noqa: S311 - hard to compress, and the same each time
    text = EXAMPLE.read_text().replace("  dataSizeLimit: 16Ki\n", "")
    path.write_text(
        text.replace(
            "    files:\n", f"    files:\n      - {{path: /x, content: {json.dumps(noise)}}}\n"
        )
    )

    assert main(["render", "--path", str(path)]) == 0
    limits = capfdbinary.readouterr().err.decode().splitlines()[-1]
    assert limits.startswith("limits: 16384 (AWS): ")
    assert "bytes too large" in limits
    assert limits.endswith("; 65536 (most others): fits")


def test_json_holds_the_same_bytes(capfdbinary: pytest.CaptureFixture[bytes]) -> None:
    main(["render", "--path", str(EXAMPLE)])
    plain = capfdbinary.readouterr().out
    assert main(["render", "--path", str(EXAMPLE), "--output", "json"]) == 0
    shown = json.loads(capfdbinary.readouterr().out)

    assert base64.b64decode(shown["userData"]) == plain
    assert (shown["template"], shown["format"]) == ("cloud-init", "cloud-config")
    assert shown["sizes"]["raw"] == len(plain)
    assert shown["sizes"]["limit"] == 16384
    assert shown["warnings"] == []


@pytest.mark.parametrize("output", ["text", "json"])
def test_problems_are_told_with_their_places_and_without_secrets(
    output: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.yaml"
    text = EXAMPLE.read_text().replace("key: agent.key}", "key: agent.kye}")
    path.write_text(text.replace("token: edge00.", "token: Edge00."))

    assert main(["render", "--path", str(path), "--output", output]) == 3
    shown = capsys.readouterr()
    assert f"{path}:23:39: MA1602" in shown.err
    assert f"{path}:31:9: MA1107" in shown.err
    assert not any(secret in shown.out + shown.err for secret in SECRETS)
    if output == "json":
        assert [one["code"] for one in json.loads(shown.out)["problems"]] == ["MA1602", "MA1107"]
    else:
        assert shown.out == ""


def test_a_warning_stands_beside_the_user_data(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.yaml"
    text = EXAMPLE.read_text().replace(
        "      version:", "      destination: /usr/bin/x\n      version:", 1
    )
    path.write_text(text)

    assert main(["render", "--path", str(path), "--template", "ignition-3.4"]) == 0
    assert (
        f"{path}:37:7: warning: MA1630 spec.agent.download.destination: /usr is read-only"
        in capsys.readouterr().err
    )


def test_several_files_are_one_stream(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    main(["render", "--path", str(EXAMPLE)])
    whole = capfdbinary.readouterr().out
    paths = []
    for number, text in enumerate(EXAMPLE.read_text().split("\n---\n")):
        (tmp_path / f"{number}.yaml").write_text(text)
        paths += ["--path", str(tmp_path / f"{number}.yaml")]

    assert main(["render", *paths]) == 0
    assert capfdbinary.readouterr().out == whole


def test_a_configuration_that_is_rendered_already_is_told_what_to_change(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "m.yaml"
    path.write_text(
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\nspec: {}\n"
    )

    assert main(["render", "--path", str(path)]) == 3

    told = capsys.readouterr().err
    assert "MA1202 kind: MachineConfiguration is not read here" in told
    assert "change kind to MachineBootstrap" in told


def test_warnings_about_the_configuration_stand_beside_user_data(
    tmp_path: Path, capfdbinary: pytest.CaptureFixture[bytes]
) -> None:
    path = tmp_path / "m.yaml"
    text = EXAMPLE.read_text()
    path.write_text(
        text.replace("    files:\n", '    files:\n      - {path: /x, content: "{{ ds.x }}"}\n')
    )

    assert main(["render", "--path", str(path)]) == 0

    told = capfdbinary.readouterr().err.decode()
    assert "warning: MA1411 spec.machine.files[0].content: ds.x" in told
