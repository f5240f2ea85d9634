"""Requests to plugin catalogs: the port `plugins.catalogs.model.Web`, within a time that is set at the start."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Mapping
from urllib.parse import urlencode

from machineadm.errors import HostError
from machineadm.plugins.catalogs.model import Answer, BrokenError, CatalogError, Chunks
from machineadm.redaction import Secret
from machineadm.sources.shown import shown
from machineadm.sources.web import PassingError, Web

SILENCE = 30.0
"""Seconds without any byte after which a request has failed."""


class CatalogWeb:
    """Asks web servers until its time is up.

    Args:
        ca_file: Certificates that are trusted beside the system's; empty: none.
        timeout: Seconds from now on, for all requests together.
        silence: Seconds without any byte after which a request has failed.
    """

    def __init__(
        self, *, ca_file: str = "", timeout: float = 600.0, silence: float = SILENCE
    ) -> None:
        self._web = Web(ca_file=ca_file)
        self._timeout = timeout
        self._silence = silence
        # One end for all requests: a registry that is asked ten times must not take ten times as
        # long. Monotonic, as a first boot sets the clock.
        self._end = time.monotonic() + timeout

    def get(self, url: str, headers: Mapping[str, str | Secret]) -> Answer:
        """See `Web`.

        Raises:
            BrokenError: Nobody answers, which may pass.
            CatalogError: The server is not trusted, or the time is over.
        """
        return self._asked(url, headers, None)

    def post(self, url: str, form: Mapping[str, str | Secret]) -> Answer:
        """See `Web`.

        Raises:
            BrokenError: Nobody answers, which may pass.
            CatalogError: The server is not trusted, or the time is over.
        """
        plain = {
            name: value.reveal() if isinstance(value, Secret) else value
            for name, value in form.items()
        }
        headers = {"Content-Type": "application/x-www-form-urlencoded"}
        return self._asked(url, headers, urlencode(plain).encode())

    def _asked(self, url: str, headers: Mapping[str, str | Secret], data: bytes | None) -> Answer:
        # So that the last request cannot wait past the end.
        self._web.timeout = min(self._silence, self._left(url))
        try:
            status, answered, body = self._web.answer(url, headers, data)
        except PassingError as error:
            raise BrokenError("MA7247", error.message, hint=error.hint()) from error
        except HostError as error:
            raise CatalogError("MA7243", error.message, hint=error.hint()) from error
        # Header names ignore case (RFC 9110, 5.1), and registries spell theirs differently.
        names = {name.lower(): value for name, value in answered.items()}
        # A registry may ask for a password and for a token in a header each.
        names["www-authenticate"] = ", ".join(answered.get_all("WWW-Authenticate", []))
        return Answer(status, names, self._body(url, body))

    def _body(self, url: str, body: Chunks) -> Chunks:
        try:
            with contextlib.closing(body):
                for chunk in body:
                    # Asked at each chunk: a body that drips is never silent and yet would not end.
                    self._left(url)
                    yield chunk
        except PassingError as error:
            raise BrokenError("MA7247", error.message, hint=error.hint()) from error

    def _left(self, url: str) -> float:
        left = self._end - time.monotonic()
        if left <= 0:
            raise CatalogError(
                "MA7251",
                f"{shown(url)} did not give all within {self._timeout:g} s",
                hint="the next try continues where this one stopped; --timeout allows more time",
            )
        return left
