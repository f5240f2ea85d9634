"""What the API server reads from files."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA1318": Code(
        "an encryption key of the wrong size",
        "The API server would not start: aescbc and aesgcm need 16, 24 or 32 bytes, secretbox 32.",
        "`head -c 32 /dev/urandom | base64` makes a key.",
    ),
}
