"""Kind attestation: proves what a machine is."""

from __future__ import annotations

from typing import Final

from machineadm.errors import PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.kinds.failures import failed
from machineadm.plugins.proto import attestation_pb2 as pb
from machineadm.plugins.wire.rpc import RpcError, methods

KIND: Final = "attestation"
CALL: Final = 120.0
"""Seconds that a plugin has: a TPM is slow."""

MOST: Final = 1 << 20
"""Bytes of evidence."""

_METHODS: Final = methods(pb.DESCRIPTOR.services_by_name["Attestation"])


def attest(plugin: Plugin, challenge: bytes) -> tuple[str, bytes]:
    """Ask a plugin for evidence.

    Args:
        plugin: Who is asked.
        challenge: Used once.

    Returns:
        The format, and the evidence itself.

    Raises:
        PluginError: It gives none, or what is none.
    """
    try:
        reply = plugin.call(_METHODS["Attest"], pb.AttestRequest(challenge=challenge), timeout=CALL)
    except RpcError as error:
        refusal: PluginError = failed(plugin, KIND, "evidence of the machine's identity", error)
        raise refusal from error
    wrong = ""
    if not reply.evidence or not reply.format:
        wrong = "it is empty, or has no format"
    elif len(reply.evidence) > MOST:
        wrong = f"it has more than {MOST} bytes"
    if wrong:
        message = f"plugin {plugin.name} returns invalid evidence: {wrong}"
        raise PluginError("MA7224", message, hint="this is a bug in the plugin: ask its author")
    return str(reply.format), bytes(reply.evidence)
