"""Plugins that give values, tokens and evidence, and take reports."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any, Protocol

import msgspec

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.plugins import PluginEntry
    from machineadm.redaction import Secret


class Ask(msgspec.Struct, frozen=True, kw_only=True):
    """What a provider is asked."""

    provider: str
    inputs: dict[str, Any]
    """Any JSON, secrets revealed: for the provider alone."""

    results: dict[str, Any] = {}
    """What the providers gave that this one depends on, by their names."""


class Evidence(msgspec.Struct, frozen=True, kw_only=True):
    """What proves a machine's identity."""

    format: str
    """What it is, such as `application/vnd.machineadm.tpm-quote.v1`."""

    data: bytes


class Providers(Protocol):
    """Plugins of the machine and of its configuration, started when they are first asked.

    The redactor learns everything they return before it is handed out, so before anything can print it. Every method
    raises PluginError if the plugin is missing, not trusted, broken, or says that it failed.
    """

    def declare(self, plugins: Sequence[PluginEntry]) -> None:
        """The plugins that the configuration brings along; they come before those that the machine has."""

    def only_look(self) -> None:
        """From now on plugins must keep nothing and get no tokens from their host, because a plan asks them."""

    def require(self, kind: str, name: str) -> None:
        """Check that there is a trusted plugin of that name, which will be asked later; it is fetched if its catalog has it. Starts none."""

    def judge(self, ask: Ask) -> tuple[str, ...]:
        """What is wrong with the inputs by the provider's own schema, a line each; nothing is executed."""

    def dependencies(self, ask: Ask) -> tuple[str, ...]:
        """Names of the providers that must be asked before, as far as it says; nothing is executed."""

    def what_if(self, ask: Ask) -> str:
        """What asking for the value would do, in words; empty if it does not say. Nothing is executed."""

    def value(self, ask: Ask) -> Any:
        """Execute the provider: its result, any JSON."""

    def authorization(self, handler: str, scope: str, *, valid_for: int = 60) -> Secret:
        """The value of a header `Authorization`, good for so many seconds at least, if its handler issues such tokens."""

    def evidence(self, plugin: str, challenge: bytes) -> Evidence:
        """What attests the machine, made for a challenge that is used once."""

    def fetch(self, plugin: str, location: str) -> bytes:
        """The content at a location that an infrastructure plugin knows."""

    def report(self, plugin: str, location: str, status: bytes) -> None:
        """Hand a BootstrapStatus, as JSON, to an infrastructure plugin."""

    def used(self) -> tuple[str, ...]:
        """Executables of the plugins that were asked or required: a run that goes on later needs them again."""

    def end(self) -> None:
        """End all plugins that run; one that is asked later is started again."""
