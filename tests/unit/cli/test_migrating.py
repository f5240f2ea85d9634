"""docs/migrating.md is tried as it stands: its files, its commands, and what it says of them."""

from __future__ import annotations

import re
import shlex
from pathlib import Path

import pytest
import yaml

from machineadm.cli.main import main

PAGE = (Path(__file__).parents[3] / "docs/migrating.md").read_text()
BLOCK = r"`([a-z-]+\.(?:yaml|env))`[^`]*:\n\n( *)```(?:yaml|sh)\n(.*?)\n *```"


def test_every_step_of_the_page_works(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names = []
    for name, indent, text in re.findall(BLOCK, PAGE, re.DOTALL):
        lines = [line.removeprefix(indent) for line in text.split("\n")]
        (tmp_path / name).write_text("\n".join(lines) + "\n")
        names.append(name)
    assert names == ["worker.yaml", "join.yaml", "values.env", "kubeadm.yaml", "node.yaml"]

    commands = re.findall(r"^ *machineadm (.*?)(?:\s+#\s+exits (\d+))?$", PAGE, re.MULTILINE)
    assert len(commands) >= 6
    for command, code in commands:
        words = shlex.split(command)
        target = words[words.index(">") + 1] if ">" in words else None
        arguments = words[: words.index(">")] if ">" in words else words
        assert main(arguments) == int(code or 0), command
        out = capsys.readouterr().out
        if target:
            Path(target).write_text(out)

    worker = yaml.safe_load(Path("workers.yaml").read_text())["spec"]["template"]["spec"]
    assert (
        worker["machine"]["linuxConfiguration"]["hostnameFrom"]["instanceData"]
        == "$(ds.meta_data.hostname)"
    )
    assert worker["machine"]["linuxConfiguration"]["users"][0]["sshAuthorizedKeys"] == [
        "${SSH_KEY}"
    ]
    assert yaml.safe_load(Path("machine.yaml").read_text())["kind"] == "MachineConfiguration"
    assert yaml.safe_load(Path("first.yaml").read_text())["spec"]["kubernetes"]["cluster"][
        "kubelet"
    ] == {"maxPods": 200}
