"""Who attests a machine's identity."""

from typing import Annotated

from msgspec import Meta

from machineadm.api.meta import ONE_LINE

AttestationPlugin = Annotated[
    str,
    Meta(
        max_length=63,
        extra={
            **ONE_LINE,
            "pattern": "^([a-z0-9]([-a-z0-9]{0,61}[a-z0-9])?)?$",
            "expected": "lower-case letters, digits and hyphens",
        },
    ),
]
"""Name of a plugin of kind attestation, without its prefix; may be empty."""
