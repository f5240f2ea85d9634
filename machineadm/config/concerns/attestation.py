"""Rules for attestation."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.config.rules.model import Context, Rules
from machineadm.config.rules.plugins import named_as


def _plugin_attests(machine: MachineConfig, context: Context) -> Iterator[Finding]:
    if machine.attestation_plugin:
        for one in named_as("attestation", machine.attestation_plugin, context):
            # The shared rule speaks of `name`; here the field itself is the name.
            yield replace(one, path="attestationPlugin")


RULES: Final[Rules] = {MachineConfig: (_plugin_attests,)}
