"""Attestation."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA3207": Code(
        "no plugin can be asked here",
        "The configuration asks for attestation, and this machine has no way to start a plugin. kubeadm was not run.",
        "Leave attestationPlugin out for this machine.",
    ),
}
"""What each error code means and what to do about it: data for `machineadm explain`."""
