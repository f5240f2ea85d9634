"""Downloads from a dictionary."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from machineadm.errors import HostError, MachineadmError
from machineadm.redaction import Secret


class FakeFetch:
    """Downloads from a dictionary; an error in it is raised after the chunks before it.

    Attributes:
        bodies: Content by URL: bytes, or chunks and errors in their order.
        fetched: URLs asked for, with the headers revealed.
    """

    def __init__(self) -> None:
        self.bodies: dict[str, bytes | Sequence[bytes | MachineadmError]] = {}
        self.fetched: list[tuple[str, dict[str, str]]] = []

    def fetch(
        self, url: str, *, headers: Mapping[str, str | Secret] | None = None
    ) -> Iterable[bytes]:
        shown = {k: v.reveal() if isinstance(v, Secret) else v for k, v in (headers or {}).items()}
        self.fetched.append((url, shown))
        body = self.bodies.get(url)
        if body is None:
            raise HostError("MA3104", f"cannot download {url}: 404 Not Found")
        for chunk in [body] if isinstance(body, bytes) else body:
            if isinstance(chunk, MachineadmError):
                raise chunk
            yield chunk
