"""Tasks whose failure shows elsewhere."""

from __future__ import annotations

import asyncio
from collections.abc import Coroutine
from typing import Any


def beside(work: Coroutine[Any, Any, None]) -> asyncio.Task[None]:
    """Start a coroutine beside what really counts, which fails for the same reason.

    asyncio logs an error, with a traceback, for a task that fails and that nobody asks why.
    """
    task = asyncio.get_running_loop().create_task(work)
    task.add_done_callback(_asked)
    return task


def _asked(task: asyncio.Task[None]) -> None:
    if not task.cancelled():
        task.exception()
