"""A host on which the run is killed at a port call: before it, or after it and before anybody hears of it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from machineadm.host.ports import Host

Caller = Callable[[Any, tuple[Any, ...], dict[str, Any]], Any]
"""Makes a port call: the method, its arguments, its named arguments."""


class Killed(BaseException):
    """kill -9: nothing of ours handles it."""


class Reaper:
    """Counts port calls, and kills at one of them.

    Args:
        at: Number of the call, from 1; 0: never.
        after: Once the call is done.
    """

    def __init__(self, at: int = 0, *, after: bool = False) -> None:
        self.calls = 0
        self._at = at
        self._after = after

    def over(self, host: Host) -> Host:
        """The host with every port watched."""
        return watched(host, self.call)

    def call(self, method: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.calls += 1
        if self.calls == self._at and not self._after:
            raise Killed
        result = method(*args, **kwargs)
        if self.calls == self._at:
            raise Killed
        return result


def watched(host: Host, call: Caller) -> Host:
    """A host whose every port call goes through one function."""
    names = ("files", "accounts", "clock", "state", "commands", "queries", "kernel", "services")
    ports = {name: getattr(host, name) for name in (*names, "fetch")}
    wrapped = {n: None if p is None else _Port(p, call) for n, p in ports.items()}
    plain = {f: getattr(host, f) for f in Host.__struct_fields__ if f not in ports}
    return Host(**wrapped, **plain)  # type: ignore[arg-type]


class _Port:
    def __init__(self, port: Any, call: Caller) -> None:
        self._port = port
        self._call = call

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._port, name)
        if not callable(found):
            return found
        return lambda *args, **kwargs: self._call(found, args, kwargs)
