"""Asking a metadata service: again if that may help, within the time limit, and only a 200 counts as an answer."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from machineadm.errors import HostError
from machineadm.host.instance.files import text_of
from machineadm.host.instance.model import UnknownError
from machineadm.host.ports import Host, MetadataAnswer

LINK_LOCAL: Final = "http://169.254.169.254"

_AGAIN: Final = frozenset({408, 410, 425, 429, 500, 502, 503, 504})
"""A service that starts, is throttled, or is moved to another host (410, of Azure)."""

_ATTEMPT: Final = 5.0
"""Seconds for one request: a service on the same link answers at once, or its packets are lost."""

_PAUSE: Final = 1.0


class Service:
    """A metadata service by HTTP.

    Args:
        host: The machine.
        base: `http://ADDRESS`.
    """

    def __init__(self, host: Host, base: str = LINK_LOCAL) -> None:
        self._host = host
        self.base = base

    def get(
        self,
        path: str,
        timeout: float,
        *,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
    ) -> MetadataAnswer:
        """An answer of 200.

        Args:
            path: Behind the base, with its slash.
            timeout: Seconds for all attempts.
            headers: Of the request.
            method: GET or PUT.

        Raises:
            UnknownError: It says otherwise, or nothing in time.
        """
        metadata, clock = self._host.metadata, self._host.clock
        if metadata is None:
            raise UnknownError("cannot be asked here")
        end = clock.monotonic() + timeout
        while True:
            left = end - clock.monotonic()
            try:
                answer = metadata.ask(
                    f"{self.base}{path}",
                    method=method,
                    headers=headers,
                    timeout=max(min(left, _ATTEMPT), 0.001),
                )
            except HostError as error:
                reason = error.message
            else:
                # Nothing else: whatever stands in the way answers with a redirect, and a body of
                # its own.
                if answer.status == 200:
                    return answer
                reason = f"{self.base}{path}: status {answer.status}"
                # A 404 is an answer: asking again would only use up the time for the next source.
                if answer.status not in _AGAIN:
                    raise UnknownError(reason)
            if end - clock.monotonic() <= _PAUSE:
                raise UnknownError(reason)
            clock.sleep(_PAUSE)

    def text(self, path: str, timeout: float, *, headers: Mapping[str, str] | None = None) -> str:
        """The body of an answer of 200, as text.

        Raises:
            UnknownError: There is none, or it is not text.
        """
        return text_of(self.get(path, timeout, headers=headers).body, f"{self.base}{path}")
