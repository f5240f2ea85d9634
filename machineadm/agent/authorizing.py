"""Tokens for registries and proxies: auth handlers asked before anything is touched; in a plan nobody is asked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Final
from urllib.parse import quote

from machineadm.agent.providing import UNKNOWN, Described
from machineadm.agent.wiring import Machine
from machineadm.config.model import Configuration
from machineadm.config.tokens import WantedToken, wanted_tokens, with_placeholders, with_tokens
from machineadm.errors import PluginError, StepError
from machineadm.host.ports import Providers
from machineadm.redaction import Secret

_VALID_FOR: Final = 3600
"""Seconds. Steps before the pulls may take long, and kubeadm and the kubelet pull after them."""


def authorized(
    configuration: Configuration, machine: Machine, *, ahead: bool
) -> tuple[Configuration, tuple[Described, ...]]:
    """Return the configuration with its tokens, and for a plan, who would be asked for them.

    Args:
        configuration: Wants at least one.
        machine: Its redactor learns every token, in each form in which it is written.
        ahead: For a plan: nobody is asked, because a token may be issued for it, and counted.

    Raises:
        PluginError: There is no token, or it cannot be used.
        StepError: No plugin can be asked here.
    """
    wanted = wanted_tokens(configuration.machine)
    if ahead:
        described = tuple(
            Described(path=one.path, kind="handler", provider=one.handler.name, what=_scope(one))
            for one in wanted
        )
        # The plan needs something in their place, by which it can say what is not known.
        return with_placeholders(configuration, UNKNOWN), described
    providers = machine.host.providers
    # Below another root no plugin runs.
    if providers is None:
        message = f"{wanted[0].path}: handler {wanted[0].handler.name} cannot be asked here"
        raise StepError("MA3107", message)
    tokens = _asked(wanted, providers)
    found = with_tokens(configuration, tokens)
    # In every form: a password in a proxy's URL is percent-encoded, and in a header behind the word
    # Bearer.
    machine.redactor.learn(_forms(found, tokens.values()))
    return found, ()


def _asked(wanted: Sequence[WantedToken], providers: Providers) -> dict[str, Secret]:
    """The tokens by the path of their fields; one that several fields want is asked for once.

    Raises:
        PluginError: There is none.
    """
    known: dict[tuple[str, str], Secret] = {}
    found: dict[str, Secret] = {}
    try:
        for one in wanted:
            # Each token may be counted or logged where it is issued.
            key = one.handler.name, one.handler.scope
            try:
                if key not in known:
                    known[key] = providers.authorization(*key, valid_for=_VALID_FOR)
            except PluginError as error:
                refusal = PluginError(error.code, f"{one.path}: {error.message}", hint=error.hint())
                refusal.log_tail = error.log_tail
                raise refusal from error
            found[one.path] = known[key]
    # Handlers must not live through the run: they hold a person's or a machine's login.
    finally:
        providers.end()
    return found


def _forms(configuration: Configuration, tokens: Iterable[Secret]) -> Iterator[str]:
    """All forms in which tokens are written: programs print what they read."""
    for secret in (*tokens, *configuration.registry_headers.values()):
        yield secret.reveal().partition(" ")[2]
    runtime = configuration.machine.container_runtime
    own = runtime.containerd.proxy if runtime is not None and runtime.containerd else None
    for proxy in (*configuration.machine.system_proxies, *((own,) if own is not None else ())):
        if proxy.credentials is not None and proxy.credentials.password is not None:
            word = proxy.credentials.password.reveal()
            yield from (word, quote(word, safe=""))


def _scope(one: WantedToken) -> str:
    return f"a token for {one.handler.scope}" if one.handler.scope else "a token"
