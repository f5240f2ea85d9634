"""Providers of a machine that nothing happens to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from machineadm.host.overlay.commands import refuse

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.plugins import PluginEntry
    from machineadm.host.ports.providers import Ask, Evidence, Providers
    from machineadm.redaction import Secret


class OverlayProviders:
    """Says what providers would do, and lets them do nothing.

    Args:
        below: The machine's own; only asked for descriptions.
    """

    def __init__(self, below: Providers) -> None:
        self._below = below

    def declare(self, plugins: Sequence[PluginEntry]) -> None:
        """See `Providers.declare`."""
        # Passed on, since it starts nothing: a plan that could not find a plugin must say so.
        self._below.declare(plugins)

    def only_look(self) -> None:
        """See `Providers.only_look`."""
        self._below.only_look()

    def require(self, kind: str, name: str) -> None:
        """See `Providers.require`."""
        self._below.require(kind, name)

    def judge(self, ask: Ask) -> tuple[str, ...]:
        """See `Providers.judge`."""
        return self._below.judge(ask)

    def dependencies(self, ask: Ask) -> tuple[str, ...]:
        """See `Providers.dependencies`."""
        return self._below.dependencies(ask)

    def what_if(self, ask: Ask) -> str:
        """See `Providers.what_if`."""
        return self._below.what_if(ask)

    def value(self, ask: Ask) -> Any:
        """Refused: a provider that is executed may do anything."""
        refuse(f"execute provider {ask.provider}")

    def authorization(self, handler: str, scope: str, *, valid_for: int = 60) -> Secret:
        """Refused: a token may be issued for it, and counted."""
        del scope, valid_for
        refuse(f"ask handler {handler} for a token")

    def evidence(self, plugin: str, challenge: bytes) -> Evidence:
        """Refused: what is attested is what a run does."""
        del challenge
        refuse(f"ask plugin {plugin} for evidence")

    def fetch(self, plugin: str, location: str) -> bytes:
        """Refused: a check needs no bytes from elsewhere."""
        del location
        refuse(f"fetch from plugin {plugin}")

    def report(self, plugin: str, location: str, status: bytes) -> None:
        """Refused: there is nothing to report of a check."""
        del location, status
        refuse(f"report to plugin {plugin}")

    def used(self) -> tuple[str, ...]:
        """See `Providers.used`."""
        return self._below.used()

    def end(self) -> None:
        """See `Providers.end`."""
        self._below.end()
