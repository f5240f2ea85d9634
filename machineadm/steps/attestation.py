"""Attestation: a plugin proves what the machine is, once for each configuration, right before kubeadm."""

from __future__ import annotations

from typing import ClassVar

import msgspec

from machineadm.errors import StepError
from machineadm.host.effects import AskPlugin
from machineadm.host.ports import Host
from machineadm.plan.model import Attested, Outcome, Phase, Step, Work, digest_of

PURPOSE = "machineadm/attestation/v1"
KEPT = "attestation.json"
"""The evidence, in the run directory."""


class Attest(msgspec.Struct, frozen=True, kw_only=True):
    """Have a plugin make evidence, and report it. Only the journal knows whether that was done before."""

    plugin: str
    given: str
    """Digest of the configuration as it came, before values were taken from elsewhere."""

    machine_id: str
    boot_id: str
    name: str = "attestation/attest"
    phase: Phase = Phase.PRE_KUBEADM
    live: ClassVar[bool] = True
    once: ClassVar[bool] = True

    def digest(self) -> str:
        """See `Step.digest`. Without the boot id, because a later boot does not attest again."""
        return digest_of(self.name, self.plugin, self.given, self.machine_id)

    @property
    def challenge(self) -> bytes:
        """What the evidence is made for. Whoever wrote the configuration can compute it from that and the report."""
        # Bound to purpose, configuration, machine and boot: evidence of one cannot be replayed for
        # another.
        return bytes.fromhex(digest_of(PURPOSE, self.given, self.machine_id, self.boot_id))

    def check(self, _host: Host) -> Work:
        """See `Step.check`."""
        effect = AskPlugin(whom=f"plugin {self.plugin}", what="evidence of what this machine is")
        return Work(effects=(effect,), summary=f"asks plugin {self.plugin} for evidence")

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`.

        Raises:
            StepError: No plugin can be asked here.
            PluginError: It gives no evidence.
        """
        if host.providers is None:
            raise StepError("MA3207", f"{self.name}: no plugin can be asked on this machine")
        try:
            # Right before kubeadm, and not in the preparation: what is attested is the machine
            # that joins, with everything that was done to it.
            evidence = host.providers.evidence(self.plugin, self.challenge)
        finally:
            # A plugin that has given its evidence has no business beside what comes next.
            host.providers.end()
        attested = Attested(
            plugin=self.plugin,
            format=evidence.format,
            challenge=self.challenge,
            evidence=evidence.data,
        )
        host.state.write(KEPT, msgspec.json.encode(attested) + b"\n", durable=False)
        return Outcome(
            change=work.change,
            message=f"plugin {self.plugin} gave {len(evidence.data)} bytes of {evidence.format}",
            reports=(attested,),
        )


def plan_attestation(
    plugin: str | None, *, given: str, machine_id: str, boot_id: str
) -> tuple[Step, ...]:
    """The step, or none.

    Args:
        plugin: Name of the plugin; None or empty: none.
        given: As of `Attest`.
        machine_id: From the facts.
        boot_id: From the facts.
    """
    if not plugin:
        return ()
    return (Attest(plugin=plugin, given=given, machine_id=machine_id, boot_id=boot_id),)
