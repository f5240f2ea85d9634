"""What platforms have in common that give everything in one document."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from machineadm.host.instance.model import UnknownError, as_text, at, short_host
from machineadm.host.ports import Host


class DocumentSource:
    """A source that reads one document, once.

    Args:
        host: The machine.
    """

    platform: ClassVar[str]
    """As cloud-init calls it."""

    subplatform: ClassVar[str]
    keys: ClassVar[Mapping[str, str]]
    """Where the document has the names of `v1`."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[str, Any] | None = None

    def value(self, name: str, timeout: float) -> str:
        """See `Source.value`.

        Raises:
            UnknownError: It does not know.
        """
        if name in ("v1.cloud_name", "v1.cloud_id", "v1.platform"):
            return self.platform
        if name == "v1.subplatform":
            return self.subplatform
        if self._known is None:
            # Once, and also for the names that are asked for later: two of them must not come
            # from two states of the document.
            self._known = self.read(timeout)
        if key := self.keys.get(name):
            found = as_text(at(self._known, key))
            return short_host(found) if name == "v1.local_hostname" else found
        if name.startswith("ds.meta_data."):
            return as_text(at(self.meta_data(self._known), name.removeprefix("ds.meta_data.")))
        raise UnknownError("has no such name")

    def meta_data(self, document: dict[str, Any]) -> dict[str, Any]:
        """What cloud-init calls `ds.meta_data`: the document, and what cloud-init adds to it."""
        raise NotImplementedError

    def read(self, timeout: float) -> dict[str, Any]:
        """The document, wherever it is."""
        raise NotImplementedError
