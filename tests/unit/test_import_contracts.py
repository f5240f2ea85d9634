"""The import contracts of pyproject.toml hold, and would notice if they did not."""

import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BREACHES = {
    "documents/planted.py": "import machineadm.steps",
    "config/planted.py": "import subprocess",
    "steps/planted.py": "import machineadm.steps.kubeadm",
    "execution/planted.py": "import machineadm.host.linux",
    "api/planted.py": "import machineadm.config",
    "agent/planted.py": "import signing",
    "stray/__init__.py": "",
}


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=tree,
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the package, whose modules win over the installed ones."""
    copy = tmp_path_factory.mktemp("tree")
    shutil.copytree(ROOT / "machineadm", copy / "machineadm")
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def test_the_package_as_it_is_keeps_every_contract(tree: Path) -> None:
    outcome = lint_imports(tree)

    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize("module", BREACHES)
def test_a_planted_breach_is_found(tree: Path, module: str) -> None:
    planted = tree / "machineadm" / module
    planted.parent.mkdir(exist_ok=True)
    planted.write_text(f'"""Planted."""\n\n{BREACHES[module]}\n')
    try:
        outcome = lint_imports(tree)
    finally:
        planted.unlink()
        if module.endswith("__init__.py"):
            planted.parent.rmdir()

    assert outcome.returncode != 0
    assert "BROKEN" in outcome.stdout or "stray" in outcome.stdout, outcome.stdout
