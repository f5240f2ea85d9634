"""Kernel parameters."""

from typing import Annotated

from msgspec import Meta

from machineadm.api.meta import ONE_LINE

SysctlName = Annotated[
    str,
    Meta(
        min_length=3,
        max_length=256,
        extra={"oneLine": True, "pattern": "^[A-Za-z0-9_-]+([./][A-Za-z0-9_:*-]+)+$"},
    ),
]
"""Name of a kernel parameter, dotted or with slashes: `net.ipv4.ip_forward`."""

Sysctls = Annotated[
    dict[SysctlName, Annotated[str, Meta(max_length=1024, extra=ONE_LINE)]],
    Meta(max_length=500),
]
"""Values of kernel parameters by name; always strings in YAML."""
