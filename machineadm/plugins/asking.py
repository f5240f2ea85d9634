"""From a plugin's name to its answer: find it, start it, ask it, end it.

All plugins of a run are started in one host, when first asked. What a plugin logs or prints during a call is held back until its
answer is known: only then is it known which secrets must not be shown.
"""

from __future__ import annotations

import base64
from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any, Final, TypeVar

import msgspec

from machineadm.errors import PluginError
from machineadm.plugins.cookie import AUTH_HANDLER, PROVIDER
from machineadm.plugins.discovery import Found, Places, entries, find, nobody
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.kinds import attestation, encryption_provider, infrastructure
from machineadm.plugins.kinds.auth_handler import AuthHandlers, Token
from machineadm.plugins.kinds.common import command_of, start
from machineadm.plugins.kinds.host_service import Allowed, RefusedError, Secrets
from machineadm.plugins.kinds.provider import Providers, Result
from machineadm.plugins.kinds.schema import problems, schema_of
from machineadm.plugins.proto import scafctl_pb2
from machineadm.plugins.wire.logs import Record
from machineadm.redaction import Redactor, Secret

MOST_RECORDS: Final = 200
"""Entries of the plugins' logs that are held back and shown, the last ones; a plugin that floods it fills no memory."""

LONGEST_LINE: Final = 4096

# A provider may wait for something outside; the run's own deadline ends it all the same.
EXECUTE: Final = 600.0
"""Seconds that a provider has."""

Kept = Callable[[str], Secrets]
"""Where the secrets of a plugin are kept, by its name."""

Client = TypeVar("Client", Providers, AuthHandlers)


def ask_passphrase(
    provider: str, found: Found, log: Callable[[str], None] = lambda _: None
) -> Secret:
    """Ask the plugin of a provider for its passphrase.

    Args:
        provider: As in EncryptedData.spec.provider.
        found: Its plugin.
        log: Gets the plugin's log from level info up, line by line, without the passphrase.

    Raises:
        PluginError: It does not start, or does not answer.
    """
    asking = Asking(Places(), log=log)
    asking.redactor.learn(found.secrets)
    # Its log is shown when it has ended: what it said last may come after its answer.
    with asking.held():
        try:
            plugin = start(asking.host, encryption_provider.KIND, found)
            passphrase = encryption_provider.fetch_passphrase(plugin, provider)
            asking.redactor.learn([passphrase])
        except PluginError as error:
            # It may quote what the plugin printed; nobody further up knows the secrets of plugins.yaml.
            mask = asking.redactor.text
            masked = PluginError(error.code, mask(error.message), hint=mask(error.hint()))
            masked.log_tail = mask(error.log_tail)
            raise masked from error
        finally:
            asking.end()
    return passphrase


class Asking:
    """A host, and the plugins that are asked in it.

    Args:
        places: Where plugins are.
        log: Gets what plugins log and print, line by line, without secrets.
        redactor: Learns every secret that they return.
        kept: Where plugins keep secrets; None: they must not keep any.
        acts: Whether plugins may get each other's tokens: not in a plan.
    """

    def __init__(
        self,
        places: Places,
        *,
        log: Callable[[str], None] = lambda _: None,
        redactor: Redactor | None = None,
        kept: Kept | None = None,
        acts: Callable[[], bool] = lambda: True,
    ) -> None:
        self.places = places
        self.redactor = redactor or Redactor()
        self.used: set[str] = set()
        """Executables that were started, by their paths."""

        self._log = log
        self._kept = kept
        self._acts = acts
        self._host: Host | None = None
        # A deque: the host's thread appends while this one takes away, and neither holds a lock.
        self._lines: deque[str] = deque(maxlen=MOST_RECORDS)
        # Kept until `end`: a start costs a process and a handshake, and a run asks the same
        # provider for its schema, its dependencies and its value.
        self._providers: dict[str, tuple[str, Providers]] = {}
        self._handlers: dict[str, tuple[str, AuthHandlers]] = {}
        self._clients: dict[tuple[str, str], Any] = {}

    @property
    def host(self) -> Host:
        """Return the host, and start it if necessary."""
        if self._host is None:
            # Only when something is asked: a run without plugins starts no loop and no guard.
            self._host = Host(listen=self._listen, output=self._output).__enter__()
        return self._host

    def end(self) -> None:
        """End all plugins and the host; the next call starts them again."""
        # Taken out first: an error while ending must not leave a half-ended host for the next call.
        host, self._host = self._host, None
        self._providers.clear()
        self._handlers.clear()
        self._clients.clear()
        if host is not None:
            host.__exit__(None, None, None)

    @contextmanager
    def held(self) -> Iterator[None]:
        """Hold back what plugins log and print; show it at the end of the block."""
        try:
            yield
        finally:
            while self._lines:
                # At the end of the call: before, nobody knows the secret that a line may show.
                self._log(self.redactor.text(self._lines.popleft()))

    # ---------------------------------------------------------------------- providers
    def judge(self, name: str, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """Check a provider's inputs against its own schema.

        Raises:
            PluginError: There is no such provider, or it cannot be asked.
        """
        with self.held():
            served, client = self._provider(name)
            descriptor = client.descriptor(served)
            sensitive = set(descriptor.sensitive_fields)
            # Before the inputs are judged: the schema's errors, and the plugin's log, may quote
            # them.
            self.redactor.learn(
                text for key in sensitive & inputs.keys() for text in texts_in(inputs[key])
            )
            return tuple(problems(dict(inputs), schema_of(descriptor)))

    def dependencies(self, name: str, inputs: Mapping[str, Any]) -> tuple[str, ...]:
        """Ask a provider for the names that its inputs depend on.

        Raises:
            PluginError: There is no such provider, or it cannot be asked.
        """
        with self.held():
            served, client = self._provider(name)
            # Only where the descriptor says so: a plugin that does not answer costs DEPENDENCIES
            # seconds.
            if not client.descriptor(served).has_extract_dependencies:
                return ()
            return client.dependencies(served, inputs) or ()

    def what_if(self, name: str, inputs: Mapping[str, Any]) -> str:
        """Ask a provider what executing it would do, in its own words.

        Raises:
            PluginError: There is no such provider, or it cannot be asked.
        """
        with self.held():
            served, client = self._provider(name)
            return client.what_if(served, inputs)

    def value(
        self, name: str, inputs: Mapping[str, Any], context: Mapping[str, Any] | None = None
    ) -> Any:
        """Execute a provider.

        Raises:
            PluginError: There is no such provider, or it failed.
        """
        with self.held():
            served, client = self._provider(name)
            printed = Lines(lambda line: self._lines.append(f"provider {name}: {line}"))
            result: Result = client.execute(
                served, inputs, output=printed.take, context=context, timeout=EXECUTE
            )
            # All of it: whether a result is secret depends on where the configuration puts it.
            self.redactor.learn(texts_in(result.data))
            printed.flush()
            self._lines += (f"provider {name}: warning: {text}" for text in result.warnings)
            return result.data

    # ------------------------------------------------------------------ auth handlers
    def authorization(self, name: str, scope: str, *, valid_for: int = 60) -> Secret:
        """Return the value of an `Authorization` header with a handler's token, good for so many seconds.

        Raises:
            PluginError: There is no such handler, or it returns no token.
        """
        with self.held():
            return self._token(name, scope, min_valid_for=valid_for).header()

    def _token(
        self, name: str, scope: str, *, min_valid_for: int = 60, fresh: bool = False
    ) -> Token:
        served, client = self._handler(name)
        token = client.token(served, scope, min_valid_for=min_valid_for, force_refresh=fresh)
        # Before anything can fail: the lines that are held back are shown in any case.
        self.redactor.learn([token.value])
        if not token.value:
            raise PluginError(
                "MA7224",
                f"handler {name} returns an empty token",
                hint="log in again: machineadm plugin login",
            )
        return token

    # -------------------------------------------------------------------- other kinds
    def attest(self, name: str, challenge: bytes) -> tuple[str, bytes]:
        """Return evidence of the machine's identity: its format, and the evidence.

        Raises:
            PluginError: There is no such plugin, or it returns none.
        """
        with self.held():
            return attestation.attest(self._ours(attestation.KIND, name), challenge)

    def fetch(self, name: str, location: str, *, most: int) -> bytes:
        """Fetch the bytes at a location.

        Raises:
            PluginError: There is no such plugin, or it does not return them.
        """
        with self.held():
            plugin = self._ours(infrastructure.KIND, name)
            return infrastructure.fetch(plugin, location, most=most)

    def report(self, name: str, location: str, status: bytes) -> None:
        """Deliver a report.

        Raises:
            PluginError: There is no such plugin, or it refuses it.
        """
        with self.held():
            infrastructure.report(self._ours(infrastructure.KIND, name), location, status)

    # ------------------------------------------------------------------------ finding
    def _ours(self, kind: str, name: str) -> Plugin:
        """Return a running plugin of one of our own kinds."""
        if (kind, name) not in self._clients:
            found = self._found(kind, name)
            if found is None:
                missing: PluginError = nobody(kind, name, self.places)
                raise missing
            self._uses(found)
            self._clients[kind, name] = start(self.host, kind, found)
        plugin: Plugin = self._clients[kind, name]
        return plugin

    def _uses(self, found: Found) -> None:
        # Before it is started: what the engine or the plugin says of its start may quote its environment.
        self.redactor.learn(found.secrets)
        if found.path:
            self.used.add(found.path)

    def _found(self, kind: str, name: str) -> Found | None:
        return find(kind, name, self.places)

    def _provider(self, name: str) -> tuple[str, Providers]:
        if name not in self._providers:
            served, client, found = self._serving("provider", name, Providers, _names_of_providers)
            client.configure(served, found.settings)
            self._providers[name] = served, client
        return self._providers[name]

    def _handler(self, name: str) -> tuple[str, AuthHandlers]:
        if name not in self._handlers:
            served, client, found = self._serving(
                "auth-handler", name, AuthHandlers, _names_of_handlers
            )
            client.configure(served, found.settings)
            self._handlers[name] = served, client
        return self._handlers[name]

    def _serving(
        self,
        kind: str,
        name: str,
        make: type[Client],
        names: Callable[[Client], tuple[str, ...]],
    ) -> tuple[str, Client, Found]:
        """Find who serves a name: the plugin of that name, or the first other one that does; broken others are skipped.

        Raises:
            PluginError: The plugin of that name is broken, or nobody serves it.
        """
        found = self._found(kind, name)
        if found is not None:
            client = self._client(kind, found, make)
            there = names(client)
            # A plugin with one provider serves it under the plugin's own name: an operator need
            # not know how its author called it.
            if name not in there and len(there) != 1:
                message = f"plugin {name} has no {kind} of its name, but {len(there)} others"
                raise PluginError("MA7226", message, hint=f"there: {', '.join(there) or 'none'}")
            return name if name in there else there[0], client, found
        broken: list[str] = []
        for entry in entries(kind, self.places):
            try:
                found = self._found(kind, entry.name)
                if found is None:
                    continue
                client = self._client(kind, found, make)
                if name in names(client):
                    return name, client, found
            except PluginError as error:
                # Not an error yet: another one may serve the name. Told with the error if none
                # does.
                broken.append(f"{error.code} {error.message}")
                self._lines.append(f"plugin {entry.name} is passed over: {broken[-1]}")
        refusal = nobody(kind, name, self.places)
        refusal.log_tail = "".join(f"{line}\n" for line in broken)
        raise refusal

    def _client(self, kind: str, found: Found, make: type[Client]) -> Client:
        # By the file: a plugin that serves several names is started once.
        key = (kind, found.path or found.name)
        if key not in self._clients:
            cookie = PROVIDER if kind == "provider" else AUTH_HANDLER
            self._uses(found)
            plugin = self.host.start(command_of(found, cookie))
            self._clients[key] = make(plugin, self.allowed(found))
        # Without a lock: a handler that is asked may itself ask for another one's token, from
        # another thread, and would wait for us. Two starts of one plugin cost time; both are
        # ended.
        client: Client = self._clients[key]
        return client

    def allowed(self, found: Found) -> Allowed | None:
        """Return what a plugin may ask of this host; None if nothing."""
        access = found.host_service
        # No prefix is no access: scafctl takes an empty one for all.
        secrets = self._kept(found.name) if self._kept and access.secret_prefix else None
        # None rather than an empty service: a plugin without a number does not even try.
        if secrets is None and not access.auth_handlers:
            return None
        return Allowed(
            secrets=secrets,
            secret_prefix=access.secret_prefix,
            auth_handlers=access.auth_handlers,
            token=self._token_for if access.auth_handlers else None,
            identity=self._identity_of if access.auth_handlers else None,
            groups=self._groups_of if access.auth_handlers else None,
        )

    def _identity_of(self, name: str, _scope: str) -> Any:
        """Answer HostService.GetAuthIdentity: as whom a handler is logged in, for whatever scope.

        Raises:
            RefusedError: It is not, or cannot be asked.
        """
        try:
            served, client = self._handler(name)
            status = client.status(served)
        except PluginError as error:
            raise RefusedError(f"{error.code} {error.message}") from error
        # As an error: empty claims would be an identity, too.
        if not status.authenticated:
            raise RefusedError(f"handler {name} is not logged in")
        return status.claims

    def _groups_of(self, name: str) -> list[str]:
        """Answer HostService.GetAuthGroups: a handler has no method for it, its token's claims name them.

        Raises:
            RefusedError: They are not named, or no token is to be had.
        """
        if not self._acts():
            raise RefusedError("no token is given in a plan, and a token names the groups")
        try:
            # GetAuthGroups names no scope, so it is the handler's default one.
            token = self._token(name, "")
        except PluginError as error:
            raise RefusedError(f"{error.code} {error.message}") from error
        groups = groups_in(token.value.reveal())
        # None and an empty list are two answers: `does not say`, and `in no group`.
        if groups is None:
            raise RefusedError(f"the token of handler {name} does not name groups")
        return groups

    def _token_for(self, request: Any) -> Any:
        """Answer HostService.GetAuthToken; a refusal is text in the response."""
        if not self._acts():
            return scafctl_pb2.GetAuthTokenResponse(error="no token is given in a plan")
        try:
            token = self._token(
                request.handler_name,
                request.scope,
                min_valid_for=request.min_valid_for_seconds,
                fresh=request.force_refresh,
            )
        except PluginError as error:
            return scafctl_pb2.GetAuthTokenResponse(error=f"{error.code} {error.message}")
        return scafctl_pb2.GetAuthTokenResponse(
            access_token=token.value.reveal(),
            token_type=token.type,
            expires_at_unix=token.expires_at,
            scope=token.scope,
        )

    # --------------------------------------------------------------- what they print
    def _listen(self, name: str, record: Record) -> None:
        # A Go plugin logs at trace by default: that would push the reason out of the 200 lines.
        if record.level not in ("trace", "debug"):
            self._lines.append(f"plugin {name}: {record}")

    def _output(self, name: str, stream: str, data: bytes) -> None:
        del stream
        for line in data.decode(errors="replace").splitlines():
            self._lines.append(f"plugin {name}: {line[:LONGEST_LINE]}")


def texts_in(value: Any) -> Iterator[str]:
    """Yield every string in a JSON value, and its numbers as strings, for masking."""
    if isinstance(value, str):
        yield value
    # `true` and `null` as secrets would mask these words everywhere.
    elif isinstance(value, bool) or value is None:
        return
    elif isinstance(value, (int, float)):
        # A PIN may be a number in JSON, and text where it is shown.
        yield str(value)
    else:
        items: Sequence[Any] = tuple(value.values()) if isinstance(value, dict) else value
        for item in items:
            yield from texts_in(item)


def groups_in(token: str) -> list[str] | None:
    """The `groups` claim of a JSON Web Token; None if it is not one, or has none.

    Nobody verifies the signature: the token came from the handler itself, and whoever takes the token judges it.
    """
    parts = token.split(".")
    if len(parts) != 3:
        return None
    try:
        # JSON Web Tokens leave the padding out (RFC 7515, 2).
        padded = parts[1] + "=" * (-len(parts[1]) % 4)
        claims = msgspec.json.decode(base64.b64decode(padded, altchars=b"-_", validate=True))
    except (ValueError, RecursionError):
        return None
    found = claims.get("groups") if isinstance(claims, dict) else None
    texts = isinstance(found, list) and all(isinstance(one, str) for one in found)
    return list(found) if found is not None and texts else None


class Lines:
    """Splits what a provider streams into lines; of an endless line only the beginning is kept."""

    def __init__(self, put: Callable[[str], object]) -> None:
        self._put = put
        self._rest: dict[str, bytes] = {}

    def take(self, stream: str, data: bytes) -> None:
        """See `kinds.provider.Output`."""
        *lines, rest = (self._rest.get(stream, b"") + data).split(b"\n")
        # Cut here and not when it is shown: a progress bar without a newline would grow until the
        # memory is full.
        self._rest[stream] = rest[:LONGEST_LINE]
        for line in lines:
            self._put(_shown(line))

    def flush(self) -> None:
        """Pass on the last lines that have no newline."""
        for rest in self._rest.values():
            if rest:
                self._put(_shown(rest))
        self._rest.clear()


def _shown(line: bytes) -> str:
    return line[:LONGEST_LINE].decode(errors="replace").rstrip("\r")


def _names_of_providers(client: Providers) -> tuple[str, ...]:
    return client.names()


def _names_of_handlers(client: AuthHandlers) -> tuple[str, ...]:
    return tuple(str(one.name) for one in client.handlers())
