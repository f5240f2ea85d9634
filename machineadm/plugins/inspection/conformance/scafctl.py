"""What plugins on scafctl's wire must do: providers and auth handlers."""

from __future__ import annotations

import json
from typing import Any, Final

from machineadm.errors import PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.inspection.conformance.model import (
    Live,
    SkippedError,
    Subject,
    asked,
    fail,
    refused,
    require,
)
from machineadm.plugins.kinds.auth_handler import AuthHandlers
from machineadm.plugins.kinds.provider import Providers
from machineadm.semver import Semver

FLOWS: Final = frozenset(
    {
        "device_code", "interactive", "service_principal", "workload_identity", "pat", "metadata",
        "gcloud_adc", "github_app", "client_credentials",
    }
)  # fmt: skip
"""Flows that scafctl knows."""

_NOBODY: Final = "conformance-knows-no-such-name"


# ------------------------------------------------------------------------------ provider
def provider_names(subject: Subject, plugin: Plugin) -> None:
    """It has providers, each name once."""
    _unique([str(one) for one in _names(subject, plugin)])


def descriptors(subject: Subject, plugin: Plugin) -> None:
    """Each provider describes itself: its own name, a semantic version or none, a schema that is an object."""
    client = Providers(plugin)
    for name in _names(subject, plugin):
        one = client.descriptor(name)
        # Hosts keep descriptors by the name that they asked for.
        require(one.name == name, f"the descriptor of {name} names {one.name!r}")
        _require_version(name, one.version)
        # None is fine: the structured form may stand for it.
        if one.raw_schema:
            require(
                isinstance(_json(one.raw_schema), dict), f"the schema of {name} is not an object"
            )


def unknown_provider(subject: Subject, plugin: Plugin) -> None:
    """A provider that it does not have is refused with a gRPC error in words."""
    refused(subject, plugin, "GetProviderDescriptor", provider_name=_NOBODY)


def unfit_inputs(subject: Subject, plugin: Plugin) -> None:
    """Inputs that are not JSON are refused in words, as text or as an error; they end nothing."""
    method = subject.methods["ExecuteProvider"]
    from machineadm.plugins.wire.rpc import RpcError

    for name in _names(subject, plugin):
        try:
            reply = plugin.call(
                method, method.request(provider_name=name, input=b"{not JSON"), timeout=30
            )
        except RpcError as error:
            require(error.text, f"{name}: inputs that are not JSON end with {error}")
            continue
        # scafctl's server reports by text or by exit code; either is a refusal.
        require(reply.error or reply.exit_code, f"{name} takes inputs that are not JSON")


def executed(subject: Subject, plugin: Plugin) -> None:
    """With inputs that it takes, a provider gives JSON, streamed or not, and says beforehand what it would do."""
    client = Providers(plugin)
    for name, inputs in _executions(subject).items():
        client.configure(name, subject.settings)
        # Again by another client, as one sends them once: a host that restarts its side configures again.
        Providers(plugin).configure(name, subject.settings)
        client.what_if(name, inputs)
        plain = client.execute(name, inputs)
        streamed = client.execute(name, inputs, output=lambda _stream, _data: None)
        require(
            # The type alone: what a provider gives may change from call to call, such as a time.
            type(plain.data) is type(streamed.data),
            f"{name} gives {type(plain.data).__name__} unary, and {type(streamed.data).__name__} streamed",
        )


def stopped(subject: Subject, plugin: Plugin) -> None:
    """Told that it is asked no more, a provider is fine with that; or it does not know the method."""
    client = Providers(plugin)
    for name in _names(subject, plugin):
        client.stop(name)


def _names(subject: Subject, plugin: Plugin) -> list[str]:
    return list(asked(subject, plugin, "GetProviders").provider_names)


def _executions(subject: Subject) -> dict[str, dict[str, Any]]:
    """Inputs by provider.

    Raises:
        SkippedError: There are none.
    """
    # Other inputs, such as `scope`, are texts.
    found = {name: one for name, one in subject.inputs.items() if isinstance(one, dict)}
    if not found:
        raise SkippedError('needs --input {"PROVIDER": {INPUTS}}: inputs that it takes')
    return found


# -------------------------------------------------------------------------- auth-handler
def handler_names(subject: Subject, plugin: Plugin) -> None:
    """It has handlers, each name once, with flows that hosts know."""
    found = _handlers(subject, plugin)
    _unique([str(one.name) for one in found])
    for one in found:
        odd = sorted(set(one.flows) - FLOWS)
        require(not odd, f"handler {one.name} names flows that hosts do not know: {', '.join(odd)}")


def statuses(subject: Subject, plugin: Plugin) -> None:
    """Each handler says whether it is logged in, and as whom if it is."""
    for one in _handlers(subject, plugin):
        status = asked(subject, plugin, "GetStatus", handler_name=one.name)
        if status.authenticated:
            claims = status.claims
            named = (
                claims.subject
                or claims.name
                or claims.email
                or claims.client_id
                or status.client_id
            )
            # Claims differ by flow: a workload has no e-mail, and a person no client.
            require(named, f"handler {one.name} is logged in, and does not say as whom")


def unknown_handler(subject: Subject, plugin: Plugin) -> None:
    """A handler that it does not have is refused with a gRPC error in words."""
    refused(subject, plugin, "GetStatus", handler_name=_NOBODY)
    refused(subject, plugin, "GetToken", handler_name=_NOBODY)


def given_tokens(subject: Subject, plugin: Plugin) -> None:
    """A handler that is logged in gives a token that is good for a minute.

    Raises:
        SkippedError: None is logged in.
    """
    import time

    inside = [
        one.name
        for one in _handlers(subject, plugin)
        if asked(subject, plugin, "GetStatus", handler_name=one.name).authenticated
    ]
    if not inside:
        raise SkippedError("no handler is logged in")
    for name in inside:
        scope = str(subject.inputs.get("scope", ""))
        reply = asked(
            subject, plugin, "GetToken", handler_name=name, scope=scope, min_valid_for_seconds=60
        )
        require(reply.access_token, f"handler {name} returns an empty token")
        # 0 is `nobody knows` in scafctl's protocol; five seconds are for the call itself.
        left = reply.expires_at_unix - time.time()
        require(
            reply.expires_at_unix == 0 or left >= 55,
            f"handler {name} gives a token for {left:.0f} s, where 60 s were asked for",
        )


def kept_tokens(subject: Subject, plugin: Plugin) -> None:
    """What is kept is listed, and purged without a fault."""
    for one in _handlers(subject, plugin):
        asked(subject, plugin, "ListCachedTokens", handler_name=one.name)
        # To purge changes what the plugin keeps.
        if subject.writes:
            count = asked(subject, plugin, "PurgeExpiredTokens", handler_name=one.name).purged_count
            require(count >= 0, f"handler {one.name} purges {count} tokens")


def configured(subject: Subject, plugin: Plugin) -> None:
    """Each handler takes its settings, twice; or it does not know the method."""
    for one in _handlers(subject, plugin):
        for _ in range(2):
            try:
                # By a client of its own each time: one client sends settings once.
                AuthHandlers(plugin).configure(one.name, subject.settings)
            except PluginError as error:
                fail(error.message)


def _handlers(subject: Subject, plugin: Plugin) -> list[Any]:
    return list(asked(subject, plugin, "GetAuthHandlers").handlers)


def _unique(names: list[str]) -> None:
    require(names, "it has none")
    require(all(names), "a name is empty")
    twice = sorted({name for name in names if names.count(name) > 1})
    require(not twice, f"a name is there twice: {', '.join(twice)}")


def _require_version(name: str, version: str) -> None:
    if version:
        try:
            Semver.parse(version)
        except ValueError:
            fail(f"the version of {name} is not a semantic one: {version!r}")


def _json(data: bytes) -> Any:
    try:
        return json.loads(data)
    except (ValueError, RecursionError):
        return None


CHECKS: Final[dict[str, dict[str, Live]]] = {
    "provider": {
        "names its providers": provider_names,
        "describes each provider": descriptors,
        "refuses a provider that it does not have": unknown_provider,
        "refuses inputs that are not JSON": unfit_inputs,
        "executes with inputs that it takes": executed,
        "can be stopped": stopped,
    },
    "auth-handler": {
        "names its handlers and their flows": handler_names,
        "takes its settings again": configured,
        "says who is logged in": statuses,
        "refuses a handler that it does not have": unknown_handler,
        "returns tokens that last": given_tokens,
        "lists the tokens that it keeps": kept_tokens,
    },
}
