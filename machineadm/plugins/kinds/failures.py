"""A failed call, in words for an operator: the plugin's name, what it said, the last lines of its log."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Final

from grpclib.const import Status

from machineadm.errors import PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.wire.rpc import RpcError

_ENDING: Final = 2.0
"""Seconds for a plugin that hung up to have ended: on a busy machine its end is seen later than that of its connection."""


def failed(plugin: Plugin, kind: str, what: str, error: RpcError) -> PluginError:
    """The error of a call.

    Args:
        plugin: Who was asked.
        kind: As what.
        what: For what: "the passphrase of provider 'aws'".
        error: How it went.
    """
    name = f"plugin {plugin.name}"
    # gRPC's own answer for a method that a server does not have: the program is another plugin
    # than its file name says.
    if error.status is Status.UNIMPLEMENTED:
        code, message = "MA7223", f"{name} is not of kind {kind}: it does not provide {what}"
        hint = "check its name; the program may be installed under the wrong kind"
    # Ours or the plugin's own deadline: either way nobody waits any longer.
    elif error.status is Status.DEADLINE_EXCEEDED:
        code, message = "MA7221", f"{name} did not answer in time when asked for {what}"
        hint = "read the last lines of its log; a service that it depends on may be unreachable"
    # UNAVAILABLE alone may also be what the plugin says of a service that it needs; only an exit
    # code tells that it died.
    elif error.status is Status.UNAVAILABLE and plugin.wait(_ENDING) is not None:
        code, message = "MA7222", f"{name} exited when asked for {what}"
        hint = "read the last lines of its log"
    else:
        # A status without a text is all that some servers send.
        said = error.text or error.status.name
        code, message = "MA7220", f"{name} does not give {what}: {said}"
        hint = "read the last lines of its log"
    refusal = PluginError(code, message, hint=hint)
    refusal.log_tail = plugin.log_tail
    return refusal


@contextmanager
def failing(plugin: Plugin, kind: str, what: str) -> Iterator[None]:
    """Tell the failure of a call that is made within; the arguments are those of `failed`.

    Raises:
        PluginError: The call failed.
    """
    try:
        yield
    except RpcError as error:
        refusal: PluginError = failed(plugin, kind, what, error)
        raise refusal from error


def text_of(diagnostic: Any) -> str:
    """A plugin's diagnostic in a line: `summary: detail (attribute: a)`, without what is empty."""
    # As scafctl prints them, so that one plugin is quoted alike by both hosts.
    text = diagnostic.summary or "no reason given"
    text += f": {diagnostic.detail}" if diagnostic.detail else ""
    return text + (f" (attribute: {diagnostic.attribute})" if diagnostic.attribute else "")
