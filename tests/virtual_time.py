"""An event loop whose time passes only while everybody waits: hours take a moment, and a busy machine changes nothing."""

from __future__ import annotations

import asyncio
import selectors
from collections.abc import Coroutine
from typing import Any, TypeVar

Value = TypeVar("Value")


class _Selector(selectors.SelectSelector):
    passed = 0.0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise AssertionError("everybody waits for what never comes")
        self.passed += timeout
        return super().select(0)


class _Loop(asyncio.SelectorEventLoop):
    def __init__(self) -> None:
        self._virtual = _Selector()
        super().__init__(self._virtual)

    def time(self) -> float:
        return self._virtual.passed


def run(whole: Coroutine[Any, Any, Value]) -> Value:
    """Run a coroutine to its end; `asyncio.get_running_loop().time()` says how long that took."""
    loop = _Loop()
    try:
        return loop.run_until_complete(whole)
    finally:
        loop.run_until_complete(_cancelled())
        loop.close()


async def _cancelled() -> None:
    others = asyncio.all_tasks() - {asyncio.current_task()}
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
