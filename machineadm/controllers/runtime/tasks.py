"""Tasks that belong together: what one of them does when another ends."""

from __future__ import annotations

import asyncio
from typing import Any


async def cancelled(*tasks: asyncio.Future[Any]) -> None:
    """Cancel tasks, and wait until they have ended."""
    for task in tasks:
        task.cancel()
    # Their exceptions are dropped: what went wrong is told by whoever awaited the task first, and a
    # second exception here would hide it.
    await asyncio.gather(*tasks, return_exceptions=True)
