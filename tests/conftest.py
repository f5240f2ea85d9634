"""Rules for all tests."""

import os
import platform
import signal
from pathlib import Path

import pytest
from hypothesis import settings

# With it the stand-ins of types give way to the types, which many tests read. tests/contract runs the agent with stand-ins.
import machineadm.api.resources  # noqa: F401
from machineadm.api.later import load
from tests.requirements import ids_of

load()

# A shell lets its jobs in the background, and nohup lets anything, start with these ignored, and what a test starts would inherit it.
for _number in (signal.SIGINT, signal.SIGQUIT, signal.SIGHUP):
    if signal.getsignal(_number) is signal.SIG_IGN:
        signal.signal(
            _number, signal.default_int_handler if _number == signal.SIGINT else signal.SIG_DFL
        )


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """A mistyped requirement id stops the run; it would otherwise vanish from the table."""
    for item in items:
        ids_of(item)


def pytest_make_parametrize_id(val: object, argname: str) -> str | None:
    """A long value does not name its test: keys, signatures and times in it are others in each process."""
    return argname if isinstance(val, str | bytes) and len(val) > 30 else None


# The same examples every time: a verdict depends on the code alone, and never on a busy machine.
settings.register_profile("machineadm", deadline=None, derandomize=True)
settings.load_profile("machineadm")

ROOT = Path(__file__).parents[1]


@pytest.fixture(scope="session")
def agent_file() -> Path:
    """The packed agent, as `make package` builds it; `make` names it, and then it must be there."""
    named = os.environ.get("MACHINEADM_AGENT")
    architecture = {"x86_64": "amd64", "aarch64": "arm64"}.get(platform.machine(), "unknown")
    path = ROOT / (named or f"dist/machineadm-linux-{architecture}.pyz")
    if not named and not path.exists():
        pytest.skip("no packed agent: make package")
    return path
