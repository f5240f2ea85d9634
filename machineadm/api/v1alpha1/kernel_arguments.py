"""The kernel's command line."""

from typing import Annotated

from msgspec import Meta

from machineadm.api.meta import ONE_LINE

KernelArguments = Annotated[
    tuple[Annotated[str, Meta(min_length=1, max_length=512, extra=ONE_LINE)], ...],
    Meta(max_length=200, extra={"unique": ""}),
]
"""Kernel arguments: `audit=1`."""
