"""Certificates that the cluster has already."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1317": Code(
        "not the right PEM",
        "A certificate or key is damaged, encrypted, or not of the kind that this field takes.",
        "Give the whole text of the file, from -----BEGIN to -----END. Keys must not be encrypted.",
    ),
}
