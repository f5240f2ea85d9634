"""The linter's own rules of the product are alive: a planted breach is found where it matters, and only there."""

import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BREACHES = {
    "a path that touches the disk": "from pathlib import Path\n\nHERE = Path()\n",
    "a file": 'with open("/etc/hosts") as file:\n    pass\n',
    "a descriptor": 'import os\n\nFD = os.open("/etc/hosts", os.O_RDONLY)\n',
    "the environment": 'import os\n\nHOME = os.environ["HOME"]\n',
    "the time": "import time\n\nNOW = time.time()\n",
    "the date": "import datetime\n\nNOW = datetime.datetime.now(datetime.timezone.utc)\n",
    "a nap": "import time\n\ntime.sleep(1)\n",
}
PURE = (
    "api",
    "documents",
    "config",
    "verification",
    "plan",
    "steps",
    "execution",
    "reporting",
    "agent",
)


def findings(module: str, source: str) -> set[str]:
    """Codes of what ruff finds in a module of that name."""
    outcome = subprocess.run(
        [
            str(Path(sys.executable).with_name("ruff")),
            "check",
            "--no-cache",
            "--stdin-filename",
            module,
            "-",
        ],
        cwd=ROOT,
        input=f'"""Planted."""\n\n{source}',
        capture_output=True,
        text=True,
        check=False,
    )
    lines = outcome.stdout.splitlines()
    return {"I/O" for line in lines if "banned-api" in line or "builtin-open" in line}


@pytest.mark.parametrize("breach", BREACHES)
def test_a_pure_module_that_touches_the_world_is_found(breach: str) -> None:
    for package in PURE:
        assert findings(f"machineadm/{package}/planted.py", BREACHES[breach]), package


@pytest.mark.parametrize("breach", BREACHES)
def test_an_adapter_may_touch_the_world(breach: str) -> None:
    assert not findings("machineadm/host/linux/planted.py", BREACHES[breach])
