"""What to do about a real program that is not there."""

import os
from typing import NoReturn

import pytest

REQUIRED = os.environ.get("MACHINEADM_REQUIRE_REAL") == "1"


def missing(reason: str) -> NoReturn:
    """Skip the test, or fail it where MACHINEADM_REQUIRE_REAL=1 says that all real parts are there."""
    if REQUIRED:
        pytest.fail(f"MACHINEADM_REQUIRE_REAL=1, but {reason}", pytrace=False)
    pytest.skip(reason)
