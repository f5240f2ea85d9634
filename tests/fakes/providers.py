"""Plugins in memory."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import msgspec

from machineadm.api.v1alpha1.plugins import PluginEntry
from machineadm.errors import PluginError
from machineadm.host.ports import Ask, Evidence
from machineadm.redaction import Redactor, Secret


class FakeProvider(msgspec.Struct, kw_only=True):
    """One provider: what it gives for its inputs, or the error that it fails with."""

    gives: Callable[[dict[str, Any]], Any]
    what: str = ""
    needs: tuple[str, ...] = ()
    required: tuple[str, ...] = ()


class FakeProviders:
    """Plugins in memory.

    Attributes:
        known: Providers by name.
        tokens: By handler; the scope is appended.
        types: Of the tokens, by handler, where that is not Bearer.
        places: Bytes by plugin and location.
        asked: What was executed, in order, with the inputs revealed.
        reported: Statuses by plugin and location.
    """

    def __init__(self) -> None:
        self.known: dict[str, FakeProvider] = {}
        self.tokens: dict[str, str] = {}
        self.types: dict[str, str] = {}
        self.attesting: set[str] = set()
        self.places: dict[tuple[str, str], bytes] = {}
        self.declared: tuple[PluginEntry, ...] = ()
        self.asked: list[tuple[str, Any]] = []
        self.reported: list[tuple[str, str, bytes]] = []
        self.redactor = Redactor()
        self.runs: set[str] = set()
        """Plugins whose processes run."""
        self.needed: set[str] = set()
        self.looks = False

    def declare(self, plugins: Sequence[PluginEntry]) -> None:
        self.declared = tuple(plugins)

    def only_look(self) -> None:
        self.looks = True

    def require(self, kind: str, name: str) -> None:
        places = {
            "provider": set(self.known),
            "auth-handler": set(self.tokens),
            "attestation": self.attesting,
            "infrastructure": {plugin for plugin, _ in self.places},
        }
        if name not in places[kind]:
            raise _nobody(kind, name)
        self.needed.add(f"/opt/{kind}-{name}")

    def judge(self, ask: Ask) -> tuple[str, ...]:
        required = self._provider(ask).required
        return tuple(f"{name} is required" for name in required if name not in ask.inputs)

    def dependencies(self, ask: Ask) -> tuple[str, ...]:
        return self._provider(ask).needs

    def what_if(self, ask: Ask) -> str:
        return self._provider(ask).what

    def value(self, ask: Ask) -> Any:
        provider = self._provider(ask)
        self.asked.append((ask.provider, {**ask.inputs, **ask.results}))
        found = provider.gives(ask.inputs)
        if isinstance(found, PluginError):
            raise found
        self.redactor.learn([found] if isinstance(found, str) else [])
        return found

    def authorization(self, handler: str, scope: str, *, valid_for: int = 60) -> Secret:
        del valid_for
        if handler not in self.tokens:
            raise _nobody("auth-handler", handler)
        self.runs.add(handler)
        self.asked.append((handler, scope))
        token = f"{self.tokens[handler]}{scope}"
        self.redactor.learn([token])
        return Secret(f"{self.types.get(handler, 'Bearer')} {token}")

    def evidence(self, plugin: str, challenge: bytes) -> Evidence:
        if plugin not in self.attesting:
            raise _nobody("attestation", plugin)
        self.runs.add(plugin)
        self.asked.append((plugin, challenge))
        return Evidence(format="application/vnd.example.quote", data=b"quote of " + challenge)

    def fetch(self, plugin: str, location: str) -> bytes:
        if (plugin, location) not in self.places:
            raise _nobody("infrastructure", plugin)
        return self.places[plugin, location]

    def report(self, plugin: str, location: str, status: bytes) -> None:
        if not any(name == plugin for name, _ in self.places):
            raise _nobody("infrastructure", plugin)
        self.reported.append((plugin, location, status))

    def used(self) -> tuple[str, ...]:
        return tuple(sorted(self.needed))

    def end(self) -> None:
        self.runs.clear()

    def _provider(self, ask: Ask) -> FakeProvider:
        if ask.provider not in self.known:
            raise _nobody("provider", ask.provider)
        self.runs.add(ask.provider)
        return self.known[ask.provider]


def _nobody(kind: str, name: str) -> PluginError:
    return PluginError("MA7226", f"there is no plugin {name} of kind {kind}")
