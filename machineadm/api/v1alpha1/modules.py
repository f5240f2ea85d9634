"""Kernel modules."""

from typing import Annotated

from msgspec import Meta

ModuleName = Annotated[
    str, Meta(min_length=1, max_length=64, extra={"oneLine": True, "pattern": "^[A-Za-z0-9_-]+$"})
]
"""Name of a kernel module: `br_netfilter`."""

KernelModules = Annotated[tuple[ModuleName, ...], Meta(max_length=200, extra={"unique": ""})]
"""Names of kernel modules in the order in which they are loaded."""
