"""The file that `--instance-data` names: for tests, images, and machines of an unknown platform."""

from __future__ import annotations

from typing import Any, ClassVar

from machineadm.host.instance.model import as_text, at


class Given:
    """Names and values given by a person; they win over every other source.

    Args:
        tree: `v1`, `ds`, `env`, `host`, `net`: cloud-init's own instance-data.json is of this form.
        path: Where it was read.
    """

    kinds: ClassVar[tuple[str, ...]] = ("v1", "ds", "env", "host", "net")
    name: ClassVar[str] = "--instance-data"

    def __init__(self, tree: dict[str, Any], path: str) -> None:
        self._tree = tree
        self.path = path

    def value(self, name: str, timeout: float) -> str:
        """See `Source.value`."""
        del timeout
        whole = name.partition(".")[2]
        kind = self._tree.get(name.partition(".")[0])
        # The whole name first: an interface may have dots in its name, as in `net: {eth0.100.ipv4: ...}`.
        if isinstance(kind, dict) and whole in kind:
            return as_text(kind[whole])
        return as_text(at(self._tree, name))
