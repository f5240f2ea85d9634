"""The import contracts of pyproject.toml hold, and would notice if they did not."""

import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BREACHES = {
    "machineadm/documents/planted.py": "import machineadm.steps",
    "machineadm/config/planted.py": "import subprocess",
    "machineadm/steps/planted.py": "import machineadm.steps.kubeadm",
    "machineadm/execution/planted.py": "import machineadm.host.linux",
    "machineadm/api/planted.py": "import machineadm.config",
    "machineadm/agent/planted.py": "import signing",
    "machineadm/verification/planted.py": "import machineadm.host",
    "machineadm/stray/__init__.py": "",
    "signing/planted.py": "import machineadm.config",
    "crdgen/planted.py": "import machineadm.config",
    "crdgen/generate/planted.py": "import crdlint",
    "crdgen/crdlint/src/crdlint/planted.py": "import machineadm.errors",
}


def lint_imports(tree: Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(Path(sys.executable).with_name("lint-imports")), "--no-cache"],
        cwd=tree,
        env=os.environ | {"PYTHONPATH": str(tree / "crdgen/crdlint/src")},
        capture_output=True,
        text=True,
        check=False,
    )


@pytest.fixture(scope="module")
def tree(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A copy of the packages, whose modules win over the installed ones."""
    copy = tmp_path_factory.mktemp("tree")
    for package in ("machineadm", "signing", "crdgen"):
        shutil.copytree(ROOT / package, copy / package)
    shutil.copy(ROOT / "pyproject.toml", copy)
    return copy


def test_the_package_as_it_is_keeps_every_contract(tree: Path) -> None:
    outcome = lint_imports(tree)

    assert outcome.returncode == 0, outcome.stdout


@pytest.mark.parametrize("module", BREACHES)
def test_a_planted_breach_is_found(tree: Path, module: str) -> None:
    planted = tree / module
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


@pytest.mark.parametrize(
    "package",
    ["machineadm/cli", "signing/publish", "crdgen/generate", "crdgen/crdlint/src/crdlint"],
)
def test_a_planted_circle_is_found(tree: Path, package: str) -> None:
    name = package.removeprefix("crdgen/crdlint/src/").replace("/", ".")
    planted = {tree / package / "first.py": "second", tree / package / "second.py": "first"}
    for path, other in planted.items():
        path.write_text(f'"""Planted."""\n\nimport {name}.{other}\n')
    try:
        outcome = lint_imports(tree)
    finally:
        for path in planted:
            path.unlink()

    assert outcome.returncode != 0
    assert "No circles of imports BROKEN" in outcome.stdout, outcome.stdout
