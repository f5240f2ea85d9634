"""What the builder foresees that a first run imports."""

import subprocess
import sys
from pathlib import Path

import pytest

from foresight import foreseen
from slim import slim

ROOT = Path(__file__).parents[3]
EXAMPLE = ROOT / "examples/control-plane.yaml"


def sources(**modules: str) -> dict[str, bytes]:
    """Files of a part: the start of a plan, which imports the modules given, and these."""
    start = {"machineadm": "", "machineadm.cli": "", "machineadm.cli.main": ""}
    start["machineadm.cli.plan"] = "".join(f"import {name}\n" for name in modules)
    return {
        name.replace(".", "/")
        + ("/__init__.py" if name in ("machineadm", "machineadm.cli") else ".py"): text.encode()
        for name, text in (start | modules).items()
    }


@pytest.mark.parametrize(
    ("text", "then"),
    [
        ("import b\nimport c", ["b.py", "c.py"]),
        ("from b import x", ["b.py"]),
        ("import p", ["p/__init__.py", "p/c.py", "p/d.py"]),
        ("class A:\n    import c", ["c.py"]),
        ("try:\n    import c\nexcept ImportError:\n    import b", ["c.py", "b.py"]),
        ("def f():\n    import b", []),
        ("import nowhere, textwrap", []),
    ],
)
def test_modules_are_foreseen_in_the_order_in_which_they_are_imported(
    text: str, then: list[str]
) -> None:
    files = sources(a=text) | {"b.py": b"", "c.py": b""}
    files |= {"p/__init__.py": b"from . import c, d", "p/c.py": b"from .d import x", "p/d.py": b""}

    found = foreseen(files)

    assert found[found.index("a.py") + 1 :] == then


def test_nearly_all_that_a_plan_imports_is_foreseen_and_little_else(tmp_path: Path) -> None:
    program = (
        "import sys; from machineadm.cli.main import main; main(sys.argv[1:]); "
        "print(*(n for n in sys.modules if n.startswith('machineadm.')), file=sys.stderr)"
    )
    arguments = ["plan", "--root", str(tmp_path), "--path", str(EXAMPLE)]
    plan = subprocess.run(
        [sys.executable, "-c", program, *arguments], capture_output=True, text=True, check=True
    )
    imported = set(plan.stderr.split())
    files = {
        str(path.relative_to(ROOT)): slim(path.read_text()).encode()
        for path in (ROOT / "machineadm").rglob("*.py")
    }

    paths = foreseen(files)

    names = {path.removesuffix(".py").removesuffix("/__init__").replace("/", ".") for path in paths}
    assert len(imported - names) < 0.1 * len(imported), sorted(imported - names)
    assert len(names - imported) < 0.1 * len(imported), sorted(names - imported)
