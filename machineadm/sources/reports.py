"""Reports to a URL."""

from __future__ import annotations

from collections.abc import Mapping

from machineadm.errors import HostError
from machineadm.redaction import Secret
from machineadm.sources.shown import shown

# Short: a report is for others, and the run that sends it goes on only afterward.
TIMEOUT = 10.0
"""Seconds without any byte after which a report has failed."""


def put_report(
    url: str, data: bytes, *, headers: Mapping[str, str | Secret], ca_bundle: str = ""
) -> None:
    """Put a report (HTTP PUT, JSON) where it belongs; what the server answers is not read.

    Args:
        url: By https or http. Redirects are not followed.
        data: JSON.
        headers: Of the request.
        ca_bundle: Certificates that are trusted beside the system's, in PEM.

    Raises:
        HostError: MA6030: It did not arrive.
    """
    from machineadm.sources.web import Web

    try:
        Web(ca_bundle=ca_bundle, timeout=TIMEOUT).put(url, data, headers)
    except HostError as error:
        # Web speaks of downloads; this is none.
        message = error.message.removeprefix(f"cannot download {shown(url)}: ")
        raise HostError(
            "MA6030",
            f"the report cannot be put to {shown(url)}: {message}",
            hint=error.hint(),
        ) from error
