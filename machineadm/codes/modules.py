"""Kernel modules."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it goes on where this run stopped."

TABLE: dict[str, Code] = {
    "MA3301": Code(
        "a kernel module does not load",
        "modprobe failed; the message has its last words.",
        "`modinfo NAME`: is it built for the running kernel (`uname -r`)? Some distributions have "
        f"it in a package of its own (kernel-modules-extra). {_RERUN}",
    ),
}
