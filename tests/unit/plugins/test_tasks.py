"""A task whose failure shows elsewhere prints nothing."""

from __future__ import annotations

import asyncio
import gc
import logging

import pytest

from machineadm.plugins.wire.tasks import beside


async def fail() -> None:
    raise ConnectionResetError("the peer is gone")


def test_a_failure_beside_what_counts_is_not_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        done = await asyncio.wait({beside(fail())})
        del done

    with caplog.at_level(logging.DEBUG, "asyncio"):
        asyncio.run(run())
        gc.collect()

    assert [one for one in caplog.records if one.levelno >= logging.ERROR] == []


def test_a_failure_that_nobody_asks_for_would_be_logged(caplog: pytest.LogCaptureFixture) -> None:
    async def run() -> None:
        await asyncio.wait({asyncio.get_running_loop().create_task(fail())})

    asyncio.run(run())
    gc.collect()

    assert any("never retrieved" in one.message for one in caplog.records)
