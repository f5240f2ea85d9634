"""The host name."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it continues where this run stopped."

TABLE: dict[str, Code] = {
    "MA3306": Code(
        "the host name cannot be set",
        "The kernel refused the running host name; /etc/hostname has the new one.",
        f"Run as root; a container needs CAP_SYS_ADMIN. {_RERUN}",
    ),
}
