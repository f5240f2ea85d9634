"""Call a plugin's method with JSON and return its replies as JSON: bytes are base64, as in protobuf's JSON mapping."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from machineadm.errors import UsageError
from machineadm.plugins.host import Plugin
from machineadm.plugins.inspection.running import methods_of
from machineadm.plugins.kinds.failures import failing
from machineadm.plugins.wire.rpc import Method


def method_of(kind: str, name: str) -> Method:
    """A method of a kind, by its name in any spelling: `FetchPassphrase`, `fetch-passphrase`.

    Raises:
        UsageError: MA7253: The kind does not have it.
    """
    known = methods_of(kind)
    # By letters alone: commands have hyphens, Python underscores, the wire capitals, and all mean
    # one method.
    wanted = name.replace("-", "").replace("_", "").lower()
    for method, found in known.items():
        if method.lower() == wanted:
            return found
    raise UsageError(
        "MA7253",
        f"{name!r} is not a method of kind {kind}",
        hint=f"there are {', '.join(known)}",
    )


def request_of(method: Method, inputs: dict[str, Any]) -> Any:
    """The request of a method.

    Raises:
        UsageError: MA7253: The inputs are not one.
    """
    from google.protobuf import json_format

    try:
        return json_format.ParseDict(inputs, method.request())
    except json_format.ParseError as error:
        fields = ", ".join(field.json_name for field in method.request.DESCRIPTOR.fields) or "none"
        # The first line, and not all of it: the text may quote the whole input.
        text = str(error).splitlines()[0][:200]
        raise UsageError(
            "MA7253", f"the input is not a request: {text}", hint=f"its fields: {fields}"
        ) from None


def replies(
    plugin: Plugin, kind: str, method: Method, request: Any, timeout: float
) -> Iterator[dict[str, Any]]:
    """Make the call; its replies, one or several, as objects.

    Args:
        plugin: The plugin.
        kind: The kind that it is called as.
        method: The method.
        request: The request.
        timeout: Seconds for the whole call.

    Raises:
        PluginError: It failed.
    """
    from google.protobuf import json_format

    name = method.path.rpartition("/")[2]
    with (
        failing(plugin, kind, f"an answer to {name}"),
        # As a stream, whatever the method is: one way for one reply and for many.
        plugin.stream(method, timeout=timeout) as call,
    ):
        call.send(request)
        call.end()
        for reply in call:
            # With empty fields, too: proto3 leaves them out, and whoever tries a plugin would not
            # know that they exist.
            yield json_format.MessageToDict(reply, always_print_fields_with_no_presence=True)
