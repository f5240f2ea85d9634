"""What docs/rendering.md says is so: its commands run, its template renders, its tables name what there is."""

import os
import re
import subprocess
import sys
from pathlib import Path

from machineadm.rendering.builtin import BUILTINS
from machineadm.rendering.functions import functions
from machineadm.rendering.stream import read_bundle, render_bundle

ROOT = Path(__file__).parents[2]
DOC = (ROOT / "docs/rendering.md").read_text()
EXAMPLE = (ROOT / "examples/rendering/worker.yaml").read_text()


def test_its_commands_run(tmp_path: Path) -> None:
    (block,) = re.findall(r"^```sh\n(.*?)^```", DOC, re.M | re.S)
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    program = tmp_path / "machineadm"
    program.write_text(f'#!/bin/sh\nexec {sys.executable} -m machineadm "$@"\n')
    program.chmod(0o755)
    environment = {
        "PATH": f"{tmp_path}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "PYTHONDONTWRITEBYTECODE": "1",
    }

    run = subprocess.run(
        ["sh", "-eu", "-c", block], cwd=tmp_path, env=environment, capture_output=True, check=False
    )

    assert run.returncode == 0, run.stderr.decode()
    assert (tmp_path / "user-data").read_text().startswith("#cloud-config\n")


def test_its_template_renders_without_a_warning() -> None:
    (block,) = re.findall(r"^```yaml\n(.*?)^```", DOC, re.M | re.S)
    text = EXAMPLE.replace(
        "  machine:\n", "  machine:\n    bootstrapperTemplateConfigMapName: with-a-banner\n", 1
    )
    bundle = read_bundle([("m", f"{text}\n---\n{block}".encode())])
    outcome = render_bundle(bundle, random=bytes)

    assert outcome.problems == outcome.warnings == ()
    assert outcome.rendered is not None
    assert b"/etc/motd" in outcome.rendered.user_data


def test_its_tables_name_all_templates_and_functions() -> None:
    named = set(re.findall(r"`([a-z0-9._-]+)`", DOC))

    assert set(BUILTINS) <= named
    assert set(functions()) <= named
