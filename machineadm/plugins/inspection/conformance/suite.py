"""All checks of a kind, one after the other."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from machineadm.errors import PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.inspection.conformance import common, ours, scafctl
from machineadm.plugins.inspection.conformance.model import (
    FailedError,
    Live,
    Result,
    SkippedError,
    Subject,
)
from machineadm.plugins.wire.rpc import RpcError

# A ping of a healthy plugin takes milliseconds; this is for a machine that is busy.
ALIVE = 5.0


def checks_of(kind: str) -> dict[str, Live]:
    """The checks of a plugin that runs."""
    return {**common.LIVE, **{**ours.CHECKS, **scafctl.CHECKS}[kind]}


def judge(subject: Subject) -> Iterator[Result]:
    """Drive a plugin through all checks; if it does not even start, through no other.

    Args:
        subject: Which.
    """
    alone = iter(common.ALONE.items())
    name, check = next(alone)
    first = _result(name, lambda: check(subject))
    yield first
    # One reason, and not the same one under twenty names.
    if first.verdict == "FAILED":
        return
    for name, check in alone:
        yield _result(name, lambda check=check: check(subject))  # type: ignore[misc]
    yield from _live(subject)


def _live(subject: Subject) -> Iterator[Result]:
    """The checks of one that runs; one that it does not survive has failed, and the next has a new one."""
    left = list(checks_of(subject.kind).items())
    while left:
        try:
            with subject.running() as plugin:
                while left:
                    # Taken before it runs: a check that ends the plugin must not be tried again
                    # for ever.
                    name, check = left.pop(0)
                    yield _survived(plugin, _result(name, lambda: check(subject, plugin)))  # noqa: B023 - called at once
                    # A new one for the checks that are left: each is judged by itself.
                    if plugin.wait(0) is not None:
                        break
        except PluginError as error:
            name, _ = left.pop(0) if left else ("starts again", None)
            yield Result(check=name, verdict="FAILED", detail=f"{error.code} {error.message}")


def _survived(plugin: Plugin, result: Result) -> Result:
    try:
        # After each check, as a plugin may answer properly and end: the next check would be
        # blamed.
        plugin.ping(ALIVE)
    except RpcError as error:
        detail = f"it does not serve any more ({error})"
        return Result(check=result.check, verdict="FAILED", detail=detail)
    return result


def _result(name: str, check: Callable[[], None]) -> Result:
    try:
        check()
    except SkippedError as error:
        return Result(check=name, verdict="skipped", detail=str(error))
    except FailedError as error:
        return Result(check=name, verdict="FAILED", detail=str(error))
    except PluginError as error:
        return Result(check=name, verdict="FAILED", detail=f"{error.code} {error.message}")
    except RpcError as error:
        return Result(check=name, verdict="FAILED", detail=str(error))
    return Result(check=name, verdict="passed")
