"""Kind attestation: proves what a machine is."""

from __future__ import annotations

from typing import Final

from machineadm.errors import PluginError
from machineadm.plugins.host import Plugin
from machineadm.plugins.kinds.failures import failing
from machineadm.plugins.proto import attestation_pb2 as pb
from machineadm.plugins.wire.rpc import methods

KIND: Final = "attestation"
CALL: Final = 120.0
"""Seconds that a plugin has: a TPM is slow."""

# A quote of a TPM with its certificates has a few KiB; the bound is for what is passed on to the
# manager.
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
    with failing(plugin, KIND, "evidence of the machine's identity"):
        reply = plugin.call(_METHODS["Attest"], pb.AttestRequest(challenge=challenge), timeout=CALL)
    wrong = ""
    # proto3 has no `absent`: an empty field is what a plugin that forgot it sends.
    if not reply.evidence or not reply.format:
        wrong = "it is empty, or has no format"
    elif len(reply.evidence) > MOST:
        wrong = f"it has more than {MOST} bytes"
    if wrong:
        message = f"plugin {plugin.name} returns invalid evidence: {wrong}"
        raise PluginError("MA7224", message, hint="this is a bug in the plugin: ask its author")
    return str(reply.format), bytes(reply.evidence)


def verify(plugin: Plugin, challenge: bytes, evidence: tuple[str, bytes]) -> str:
    """Have a plugin judge evidence; the manager's side.

    Args:
        plugin: Who judges.
        challenge: That the machine was given.
        evidence: Its format and itself, as `attest` returned them.

    Returns:
        The machine's identity.

    Raises:
        PluginError: The evidence is not trusted, or nobody could judge it; MA7223 if the plugin only attests.
    """
    # The challenge goes along: only who compares it with the evidence notices a replay.
    request = pb.VerifyRequest(challenge=challenge, format=evidence[0], evidence=evidence[1])
    what = "a judgement of a machine's identity"
    with failing(plugin, KIND, what):
        reply = plugin.call(_METHODS["Verify"], request, timeout=CALL)
    # Both: `trusted` without an identity would admit a machine that nobody can name.
    if not reply.trusted or not reply.identity:
        # Told as it is: unlike evidence, it is meant for people.
        reason = reply.reason or "it does not say why"
        raise PluginError(
            "MA7220",
            f"plugin {plugin.name} does not trust the machine: {reason}",
            hint="the evidence must be of this challenge, and the machine must be enrolled",
        )
    return str(reply.identity)
