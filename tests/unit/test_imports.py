"""Nothing heavier than needed is imported: a machine starts the agent once, cold.

Each list names all that a command may import beside what a bare interpreter has loaded. A new entry is
a decision: it costs every machine its time at boot.
"""

import json
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARIES = Path(pytest.__file__).parents[1]

# Prints what is loaded in the end; its own json counts for nothing.
PROBE = """
import sys
sys.path[:0] = [{root!r}, {libraries!r}]
before = set(sys.modules)
from machineadm.cli.main import main
code = main(sys.argv[1:])
loaded = sorted(set(sys.modules) - before)
import json
sys.stderr.write("\\n" + json.dumps([code, loaded]))
"""

VERSION = {
    "__future__",
    "machineadm",
    "machineadm.cli",
    "machineadm.cli.main",
    "machineadm.cli.version",
    "machineadm.errors",
    "machineadm.version",
}


def loaded_by(*arguments: str) -> set[str]:
    """The modules that a command loads, when it ends well."""
    probe = PROBE.format(root=str(ROOT), libraries=str(LIBRARIES))
    outcome = subprocess.run(
        [sys.executable, "-IS", "-c", probe, *arguments],
        capture_output=True,
        text=True,
        check=True,
    )
    code, loaded = json.loads(outcome.stderr.splitlines()[-1])
    assert code == 0, outcome.stderr
    return set(loaded)


def test_version_imports_next_to_nothing() -> None:
    assert loaded_by("version") - VERSION == set()
