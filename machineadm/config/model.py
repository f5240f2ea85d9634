"""The normalised roots: what the planner and everything behind it work with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final, Literal

import msgspec

from machineadm.api.v1alpha1.agent import AgentPin
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.redaction import Secret

DEADLINE: Final = "30m"
"""Time for a run where neither the command line nor the configuration says how long it may take."""

Mode = Literal["provisioning", "preparation"]
"""`preparation` leaves out kubeadm and what follows it, and so needs no Kubernetes."""


class Configuration(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration without a finding, its defaults applied."""

    machine: MachineConfig
    """The machine itself."""

    kubernetes: KubernetesConfig | None
    """Its part in a cluster; None where the machine is only prepared."""

    agent: AgentPin | None
    """The agent that the configuration was made for; None for any."""

    given: str = ""
    """As `digest`, but of the configuration as it came: before values were taken from elsewhere. Empty: the same."""

    registry_headers: Mapping[str, Secret] = {}
    """Headers `Authorization` with the tokens of auth handlers, by the registry's host: part of no digest."""

    digest: str
    """Hex SHA-256 of the canonical JSON of the three above, secrets revealed. It changes when anything
    does that matters on the machine, and with nothing else: order of keys, metadata, written defaults."""
