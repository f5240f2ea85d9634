"""A case is a directory of tests/cases/CONCERN/: in.yaml, and what comes of it: plan.txt and tree/.

Adding a case is adding its in.yaml and running this with MACHINEADM_WRITE_CASES=1, then reading what was written.
"""

from __future__ import annotations

import os
from pathlib import Path
from shutil import rmtree

import pytest

from machineadm.agent.bootstrap import look_ahead
from machineadm.agent.request import Request
from machineadm.config.concerns import CONCERNS
from machineadm.host.effects import WriteFile
from machineadm.plan.render import render_text
from tests.fakes.host import FakeHost
from tests.killing import Subject

CASES = Path(__file__).parents[1] / "cases"
ALL = sorted(path.parent for path in CASES.glob("*/*/in.yaml"))
WRITE = bool(os.environ.get("MACHINEADM_WRITE_CASES"))


def planned(subject: Subject) -> tuple[str, set[str]]:
    """What a plan prints, and the files that it writes."""
    machine = subject.stage.machine()
    looks = look_ahead(Request(paths=(str(subject.stage.file),)), machine)
    effects = [effect for look in looks for effect in look.work.effects]
    paths = {effect.path for effect in effects if isinstance(effect, WriteFile)}
    return "".join(render_text(looks, machine.redactor)), paths


def made(host: FakeHost, paths: set[str]) -> dict[str, str]:
    """What a run left at these paths: mode and owner as the first line, then the content."""
    return {
        path: f"{node.mode:04o} {node.uid}:{node.gid}\n{node.content.decode()}"
        for path, node in host.files.nodes.items()
        if path in paths
    }


@pytest.mark.parametrize("case", ALL, ids=lambda path: f"{path.parent.name}/{path.name}")
def test_a_case_is_planned_and_done_as_it_was(case: Path, tmp_path: Path) -> None:
    text = (case / "in.yaml").read_text()
    subject = Subject(tmp_path, text)
    plan, paths = planned(subject)
    subject.run()
    tree = made(subject.host, paths)

    if WRITE:
        rmtree(case / "tree", ignore_errors=True)
        (case / "plan.txt").write_text(plan)
        for path, content in tree.items():
            file = case / "tree" / path.lstrip("/")
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(content)
    assert plan == (case / "plan.txt").read_text()
    kept = {
        f"/{file.relative_to(case / 'tree')}": file.read_text()
        for file in (case / "tree").rglob("*")
        if file.is_file()
    }
    assert tree == kept
    assert "hunter2" not in plan
    assert " 0 to do" in planned(subject)[0].splitlines()[0]


def test_every_concern_has_a_case_and_no_case_is_of_another() -> None:
    assert {case.parent.name for case in ALL} == set(CONCERNS)
