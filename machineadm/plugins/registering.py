"""Providers and auth handlers by their names, from directories and from what a fetcher brought: for hosts other than the agent.

    with Registry() as registry:
        registry.register_directories(["/opt/site/plugins"])
        registry.register_fetched([fetcher.fetch(Wanted.parse("provider/vault"), own_platform())])
        registry.provider("vault").execute({"path": "a"})

Every plugin that was registered runs until the context ends.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from types import TracebackType
from typing import Any, Final

from machineadm.errors import PluginError
from machineadm.plugins.catalogs.fetcher import Fetched
from machineadm.plugins.cookie import AUTH_HANDLER, PROVIDER
from machineadm.plugins.discovery import Found, Places, find
from machineadm.plugins.host import Host
from machineadm.plugins.inventory import inventory
from machineadm.plugins.kinds.auth_handler import AuthHandlers, Token
from machineadm.plugins.kinds.common import command_of
from machineadm.plugins.kinds.host_service import Allowed
from machineadm.plugins.kinds.provider import Output, Providers, Result

Dependencies = Callable[[str], Allowed | None]
"""What a plugin may ask of this host, by its name; None: nothing."""

# A host that registers directories does not want this machine's own plugins.yaml.
_NOWHERE: Final = "/nonexistent/plugins.yaml"


class RegisteredProvider:
    """A provider of a plugin, by its own name.

    Args:
        name: The provider's.
        client: Of its plugin.
    """

    def __init__(self, name: str, client: Providers) -> None:
        self.name = name
        self._client = client

    @property
    def descriptor(self) -> Any:
        """Its ProviderDescriptor.

        Raises:
            PluginError: It does not say.
        """
        return self._client.descriptor(self.name)

    def execute(
        self, inputs: Mapping[str, Any], *, output: Output | None = None, timeout: float = 60.0
    ) -> Result:
        """Execute it.

        Args:
            inputs: Any JSON.
            output: Gets what it streams.
            timeout: Seconds.

        Raises:
            PluginError: It failed.
        """
        return self._client.execute(self.name, inputs, output=output, timeout=timeout)

    def what_if(self, inputs: Mapping[str, Any]) -> str:
        """What executing it would do, in its own words.

        Raises:
            PluginError: It failed.
        """
        return self._client.what_if(self.name, inputs)


class RegisteredHandler:
    """An auth handler of a plugin, by its own name.

    Args:
        name: The handler's.
        client: Of its plugin.
    """

    def __init__(self, name: str, client: AuthHandlers) -> None:
        self.name = name
        self._client = client

    def token(self, scope: str = "", *, min_valid_for: int = 60) -> Token:
        """A token.

        Args:
            scope: What it is for.
            min_valid_for: Seconds that it must be good for.

        Raises:
            PluginError: There is none.
        """
        return self._client.token(self.name, scope, min_valid_for=min_valid_for)

    def status(self) -> Any:
        """As whom it is logged in: a GetStatusResponse.

        Raises:
            PluginError: It does not say.
        """
        return self._client.status(self.name)


class Registry:
    """The providers and auth handlers of several plugins, as a context; the first of a name is the one.

    Args:
        host: Starts the plugins, and must be entered; None: one of its own, which ends with the registry.
        dependencies: What each plugin may ask of this host; by default nothing.
    """

    def __init__(
        self, host: Host | None = None, *, dependencies: Dependencies = lambda _name: None
    ) -> None:
        # A host that is given may serve others: it is neither entered nor left here.
        self._own = host is None
        self._host = host or Host()
        self._dependencies = dependencies
        self._plugins: list[Any] = []
        self.providers: dict[str, RegisteredProvider] = {}
        self.handlers: dict[str, RegisteredHandler] = {}
        self.passed_over: list[PluginError] = []
        """Why plugins of directories are not registered."""

    def __enter__(self) -> Registry:
        if self._own:
            self._host.__enter__()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        try:
            # Its own plugins alone: a host that was given goes on with those of others.
            self.end_all()
        finally:
            if self._own:
                self._host.__exit__(kind, error, trace)

    def register_directories(
        self, directories: Sequence[str], *, allow_unverified: bool = False
    ) -> None:
        """Start what directories have of both kinds, and register it. What is broken or not trusted is passed over.

        Args:
            directories: In order.
            allow_unverified: Start what has no checksum.
        """
        places = Places(
            given=tuple(directories),
            configuration=_NOWHERE,
            directories=(),
            allow_unverified=allow_unverified,
        )
        for one in inventory(places):
            # Other kinds serve no names.
            if one.hidden or one.kind not in ("provider", "auth-handler"):
                continue
            try:
                found = find(one.kind, one.name, places)
                if found is not None:
                    self._register(one.kind, found)
            except PluginError as error:
                # As scafctl does it, and as one that is broken must not hide the rest of a
                # directory; it is kept, as silence would hide the reason.
                self.passed_over.append(error)

    def register_fetched(
        self, fetched: Iterable[Fetched], *, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> None:
        """Start what a fetcher brought, and register it.

        Args:
            fetched: Of both kinds, in order.
            settings: Of plugins, by their names.

        Raises:
            PluginError: One is of another kind, or does not start. Those before it are registered.
        """
        for one in fetched:
            if one.kind not in ("provider", "auth-handler"):
                raise PluginError(
                    "MA7223",
                    f"plugin {one.name} is of kind {one.kind}, which serves no names",
                    hint="register providers and auth handlers",
                )
            given = dict((settings or {}).get(one.name, {}))
            # What the fetcher compared is compared once more when it is started: the cache is a
            # directory like any other.
            digest = one.digest.removeprefix("sha256:")
            found = Found(name=one.name, path=one.path, sha256=digest, settings=given)
            self._register(one.kind, found)

    def provider(self, name: str) -> RegisteredProvider:
        """A registered provider.

        Raises:
            PluginError: MA7226: There is none of that name.
        """
        if name not in self.providers:
            self._refuse("provider", name, self.providers)
        return self.providers[name]

    def handler(self, name: str) -> RegisteredHandler:
        """A registered auth handler.

        Raises:
            PluginError: MA7226: There is none of that name.
        """
        if name not in self.handlers:
            self._refuse("auth-handler", name, self.handlers)
        return self.handlers[name]

    def end_all(self) -> None:
        """End the plugins of this registry. Safe if there are none, and twice."""
        # Taken away first, so that a second call finds none.
        plugins, self._plugins = self._plugins, []
        self.providers.clear()
        self.handlers.clear()
        end_all(plugins)

    def _register(self, kind: str, found: Found) -> None:
        allowed = self._dependencies(found.name)
        cookie = PROVIDER if kind == "provider" else AUTH_HANDLER
        plugin = self._host.start(command_of(found, cookie))
        self._plugins.append(plugin)
        try:
            # All before any is registered: a name of a plugin that is ended below would answer nobody, and hide the next one's.
            if kind == "provider":
                providers = Providers(plugin, allowed)
                names = list(providers.names())
                for name in names:
                    providers.configure(name, found.settings)
                for name in names:
                    # The first of a name stays, in the order of the directories.
                    self.providers.setdefault(name, RegisteredProvider(name, providers))
            else:
                handlers = AuthHandlers(plugin, allowed)
                names = [info.name for info in handlers.handlers()]
                for name in names:
                    handlers.configure(name, found.settings)
                for name in names:
                    self.handlers.setdefault(name, RegisteredHandler(name, handlers))
        except PluginError:
            self._plugins.remove(plugin)
            plugin.end()
            raise

    def _refuse(self, kind: str, name: str, known: Iterable[str]) -> None:
        listed = ", ".join(sorted(known)) or "none"
        raise PluginError(
            "MA7226",
            f"no plugin that was registered serves {kind} {name}",
            hint=f"there are: {listed}",
        )


def end_all(plugins: Iterable[Any] | None) -> None:
    """End plugins: `Host.start` gives them. Safe with None and with none, and for what has ended.

    Args:
        plugins: Of any hosts.
    """
    # As scafctl's KillAll: tolerant of None, so that it can stand in a `finally`.
    for one in plugins or ():
        one.end()
