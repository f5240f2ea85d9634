"""Running the packed agent, on whatever interpreters this machine has."""

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path

SUPPORTED = ("3.10", "3.11", "3.12", "3.13", "3.14")

# Imports what the agent's file brings, as the agent would; needs the file as its first argument.
PROBE = """
import sys
sys.path.insert(0, sys.argv[1])
import front
front.prepare()
for name in sys.argv[2:]:
    __import__(name)
    print(name, sys.modules[name].__file__)
print(*sys.path, sep="\\n")
"""


def interpreter(version: str) -> str | None:
    """A Python of that minor version: on the path, the running one, or one of pyenv's."""
    running = f"{sys.version_info.major}.{sys.version_info.minor}"
    candidates = [sys.executable] if running == version else []
    pyenv = Path(os.environ.get("PYENV_ROOT", Path.home() / ".pyenv"), "versions")
    with suppress(PermissionError):  # it may be root's
        candidates += [str(path) for path in sorted(pyenv.glob(f"{version}.*/bin/python"))]
    candidates += [f"/usr/bin/python{version}", f"/usr/local/bin/python{version}"]
    return next((path for path in candidates if shutil.which(path)), None)


def installed(*versions: str) -> list[str]:
    """Those of the interpreters that this machine has; which it has is its own matter."""
    return [python for python in map(interpreter, versions) if python is not None]


def start(
    *command: str, cache: Path | None, cwd: Path | None = None, **variables: str
) -> subprocess.CompletedProcess[str]:
    """Run a command with next to nothing in its environment."""
    environment = {"PATH": os.environ["PATH"], **variables}
    if cache is not None:
        environment["MACHINEADM_CACHE"] = str(cache)
    return subprocess.run(
        command, env=environment, capture_output=True, text=True, check=False, cwd=cwd
    )


def run_agent(
    agent: Path,
    *arguments: str,
    cache: Path | None,
    python: str = sys.executable,
    cwd: Path | None = None,
    **variables: str,
) -> subprocess.CompletedProcess[str]:
    """Run the agent."""
    return start(python, "-IS", str(agent), *arguments, cache=cache, cwd=cwd, **variables)


def import_from(
    agent: Path, *modules: str, cache: Path, python: str = sys.executable
) -> subprocess.CompletedProcess[str]:
    """Import modules that the agent's file brings."""
    return start(python, "-ISc", PROBE, str(agent), *modules, cache=cache)
