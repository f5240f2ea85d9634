"""The packed agent compares itself with what the configuration says of it, before it touches anything."""

from __future__ import annotations

import hashlib
import json
import subprocess
import sys
from pathlib import Path

import pytest

from machineadm.version import VERSION

CONFIGURATION = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: MachineConfiguration
spec:
  agent: {{version: {version}, sha256: {sha256}}}
  machine:
    files:
    - {{path: /etc/motd, content: "hello\\n"}}
"""


@pytest.mark.requirement("R6")
@pytest.mark.parametrize("command", ["plan", "bootstrap"])
@pytest.mark.parametrize("differs", ["nothing", "version", "digest"])
def test_an_agent_that_is_not_the_wanted_one_touches_nothing(
    agent_file: Path, tmp_path: Path, command: str, differs: str
) -> None:
    own = hashlib.sha256(agent_file.read_bytes()).hexdigest()
    root, configuration = tmp_path / "root", tmp_path / "node.yaml"
    (root / "etc").mkdir(parents=True)
    (root / "etc/machine-id").write_text("0123456789abcdef0123456789abcdef\n")
    version = "v9.9.9" if differs == "version" else f"v{VERSION}"
    sha256 = own[::-1] if differs == "digest" else own
    configuration.write_text(CONFIGURATION.format(version=version, sha256=sha256))
    mode = ["--mode", "preparation"]

    done = subprocess.run(
        [
            sys.executable,
            "-IS",
            agent_file,
            command,
            "--path",
            configuration,
            "--root",
            root,
            *mode,
        ],
        env={"MACHINEADM_CACHE": str(tmp_path / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )

    status = root / "run/machineadm/status.json"
    if command == "bootstrap":
        assert json.loads(status.read_bytes())["agent"] == {"version": VERSION, "sha256": own}
    else:
        assert not status.exists()
    if differs == "nothing":
        assert done.returncode == (10 if command == "plan" else 0), done.stderr
    else:
        assert done.returncode == 4
        assert "MA2010" in done.stderr
        assert not (root / "etc/motd").exists()
        assert not (root / "var").exists()
