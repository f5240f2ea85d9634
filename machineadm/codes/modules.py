"""Kernel modules."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it continues where this run stopped."

TABLE: dict[str, Code] = {
    "MA3301": Code(
        "a kernel module does not load",
        "modprobe failed; the message quotes its last output.",
        "`modinfo NAME`: is it built for the running kernel (`uname -r`)? Some distributions put "
        f"it into a separate package (kernel-modules-extra). {_RERUN}",
    ),
}
