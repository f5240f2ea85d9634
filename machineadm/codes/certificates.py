"""Certificates that the cluster has already."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1317": Code(
        "not the PEM it must be",
        "A certificate or a key is damaged, of another kind than its place asks for, or encrypted.",
        "Give the text of the file as it is, from -----BEGIN to -----END. Keys are not encrypted.",
    ),
}
