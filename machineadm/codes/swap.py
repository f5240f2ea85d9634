"""Swap space."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA3511": Code(
        "swap stays on",
        "swapoff was run, but some swap is still in use. It will not come back at the next boot.",
        "Free enough memory for what is in swap, or reboot; in a container the host's swap cannot be turned off: leave `swap` out. "
        "Then run the same command again.",
    ),
}
