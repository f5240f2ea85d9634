"""Plugins of this machine: the Providers port over `machineadm.plugins.asking`, which is imported when a plugin is first asked."""

from __future__ import annotations

from _thread import RLock  # `threading` is loaded by whoever has threads; a plan has none
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

import msgspec

from machineadm.host.ports import Ask, Evidence, State
from machineadm.redaction import Redactor, Secret

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.plugins import PluginEntry
    from machineadm.plugins.asking import Asking
    from machineadm.plugins.discovery import Places

_PATIENCE = 30.0
"""Seconds for another thread's call, before its plugin is ended."""

LARGEST_SECRETS = 1 << 20
"""Bytes of all that one plugin keeps."""


class LinuxProviders:
    """The Providers port. Plugins are always those of the running system, whatever root the host works on.

    Args:
        state: Where plugins keep secrets.
        log: Gets what plugins log and print, line by line, redacted.
        redactor: Learns everything that they return.
        directories: From the command line, searched first.
        allow_unverified: Run a plugin that has no checksum.
        most: Bytes that are fetched at most.
        fetch: Brings plugins that are declared by their catalog.
    """

    def __init__(
        self,
        state: State,
        *,
        log: Callable[[str], None] = lambda _line: None,
        redactor: Redactor | None = None,
        directories: Sequence[str] = (),
        allow_unverified: bool = False,
        most: int = 64 << 20,
        fetch: Callable[[PluginEntry], tuple[str, str]] | None = None,
    ) -> None:
        self._state = state
        self._log = log
        self._redactor = redactor or Redactor()
        self._directories = tuple(directories)
        self._allow_unverified = allow_unverified
        self._most = most
        self._fetch = fetch
        self._declared: tuple[PluginEntry, ...] = ()
        self._asking: Asking | None = None
        self._needed: set[str] = set()
        self._acts = True
        """Plugins may keep secrets and get tokens."""
        # Images are downloaded several at once, beside later steps: whoever is done must not end a plugin that another one asks.
        self._lock = RLock()

    def declare(self, plugins: Sequence[PluginEntry]) -> None:
        """See `Providers.declare`."""
        self.end()
        # The plugins of an earlier declaration have been ended: one of the same name may be
        # another file by now.
        self._declared = tuple(plugins)
        self._asking = None

    def only_look(self) -> None:
        """See `Providers.only_look`."""
        self._acts = False

    def require(self, kind: str, name: str) -> None:
        """See `Providers.require`."""
        from machineadm.plugins.discovery import require

        if found := require(kind, name, self._places()):
            self._needed.add(found.path)

    def judge(self, ask: Ask) -> tuple[str, ...]:
        """See `Providers.judge`."""
        with self._lock:
            return self._asked().judge(ask.provider, ask.inputs)

    def dependencies(self, ask: Ask) -> tuple[str, ...]:
        """See `Providers.dependencies`."""
        with self._lock:
            return self._asked().dependencies(ask.provider, ask.inputs)

    def what_if(self, ask: Ask) -> str:
        """See `Providers.what_if`."""
        with self._lock:
            return self._asked().what_if(ask.provider, ask.inputs)

    def value(self, ask: Ask) -> Any:
        """See `Providers.value`."""
        with self._lock:
            return self._asked().value(ask.provider, ask.inputs, ask.results)

    def authorization(self, handler: str, scope: str, *, valid_for: int = 60) -> Secret:
        """See `Providers.authorization`."""
        with self._lock:
            return self._asked().authorization(handler, scope, valid_for=valid_for)

    def evidence(self, plugin: str, challenge: bytes) -> Evidence:
        """See `Providers.evidence`."""
        with self._lock:
            format_, data = self._asked().attest(plugin, challenge)
        return Evidence(format=format_, data=data)

    def fetch(self, plugin: str, location: str) -> bytes:
        """See `Providers.fetch`."""
        with self._lock:
            return self._asked().fetch(plugin, location, most=self._most)

    def report(self, plugin: str, location: str, status: bytes) -> None:
        """See `Providers.report`. With a process of its own, because it is called from another thread than everything else."""
        asking = self._new()
        try:
            asking.report(plugin, location, status)
        finally:
            asking.end()
            # What a resumed run will need: a plugin that only reports must survive the reboot
            # like every other.
            self._needed |= asking.used

    def used(self) -> tuple[str, ...]:
        """See `Providers.used`."""
        asked = self._asking.used if self._asking is not None else set()
        return tuple(sorted(asked | self._needed))

    def end(self) -> None:
        """See `Providers.end`."""
        if self._asking is None:
            return
        # At the end of a run that was interrupted, too: one that hangs must not hold it up.
        waited = self._lock.acquire(timeout=_PATIENCE)
        try:
            self._asking.end()
        finally:
            if waited:
                self._lock.release()

    def _asked(self) -> Asking:
        if self._asking is None:
            self._asking = self._new()
        return self._asking

    def _new(self) -> Asking:
        from machineadm.plugins.asking import Asking

        return Asking(
            self._places(),
            log=self._log,
            redactor=self._redactor,
            kept=self._secrets_of,
            acts=lambda: self._acts,
        )

    def _places(self) -> Places:
        from machineadm.plugins.discovery import Places

        return Places(
            given=self._directories,
            declared=self._declared,
            allow_unverified=self._allow_unverified,
            fetch=self._fetch,
        )

    def _secrets_of(self, plugin: str) -> KeptSecrets:
        return KeptSecrets(self._state, plugin, self._redactor, may_write=lambda: self._acts)


class KeptSecrets:
    """What one plugin keeps, in a private file of the state directory; see `machineadm.plugins.kinds.host_service.Secrets`.

    Args:
        state: The state directory.
        plugin: Whose secrets. It cannot reach those of another plugin.
        redactor: Learns each of them.
        may_write: Whether the machine may be changed: not by a plan.
    """

    def __init__(
        self, state: State, plugin: str, redactor: Redactor, *, may_write: Callable[[], bool]
    ) -> None:
        self._state = state
        self._name = f"plugins/{plugin}.json"
        self._redactor = redactor
        self._may_write = may_write

    def get(self, name: str) -> str | None:
        """See the protocol."""
        value = self._all().get(name)
        if value is not None:
            self._redactor.learn([value])
        return value

    def set(self, name: str, value: str) -> None:
        """See the protocol.

        Raises:
            ValueError: It would be too much, or nothing must be kept now.
        """
        self._redactor.learn([value])
        self._keep({**self._all(), name: value})

    def delete(self, name: str) -> None:
        """See the protocol."""
        found = self._all()
        if found.pop(name, None) is not None:
            self._keep(found)

    def names(self) -> list[str]:
        """See the protocol."""
        return sorted(self._all())

    def _all(self) -> dict[str, str]:
        found = self._state.read(self._name, durable=True)
        return msgspec.json.decode(found, type=dict[str, str]) if found else {}

    def _keep(self, secrets: dict[str, str]) -> None:
        content = msgspec.json.encode(secrets)
        # The plugin is told the same for both, since it is not its affair whether this is a plan.
        if not self._may_write() or len(content) > LARGEST_SECRETS:
            raise ValueError("nothing more can be kept")
        self._state.write(self._name, content, durable=True)
