"""SELinux."""

from __future__ import annotations

from machineadm.codes.model import Code

TABLE: dict[str, Code] = {
    "MA3601": Code(
        "SELinux is not installed",
        "The configuration asks for a mode of SELinux, but there is no /etc/selinux/config: without a policy a kernel "
        "would not boot into it. Nothing "
        "was changed.",
        "Use an image with SELinux and a policy, or leave `selinux` out.",
    ),
    "MA3602": Code(
        "SELinux did not take its mode",
        "setenforce was run, and the kernel is in the mode that it was in.",
        "Run `setenforce` by hand. A policy may forbid it; then the mode changes with the next boot.",
    ),
}
