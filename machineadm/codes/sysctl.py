"""Kernel parameters."""

from __future__ import annotations

from machineadm.codes.model import Code

_RERUN = "Then run the same command again: it continues where this run stopped."

TABLE: dict[str, Code] = {
    "MA3303": Code(
        "a kernel parameter cannot be read",
        "It exists, but cannot be read: some parameters can only be written.",
        "Remove it from sysctls, and set it with a command.",
    ),
    "MA3304": Code(
        "no such kernel parameter",
        "The running kernel has no parameter of that name.",
        "Fix the name (`sysctl -a`). net.bridge.* comes with the module br_netfilter, "
        f"net.netfilter.* with nf_conntrack: name the module in kernelModules. {_RERUN}",
    ),
    "MA3305": Code(
        "the kernel refuses a value",
        "Setting a parameter failed; the message quotes the kernel.",
        "Invalid argument: the value is out of its range. Permission denied, read-only: a container is not allowed to "
        f"set it. {_RERUN}",
    ),
    "MA3307": Code(
        "a kernel parameter does not keep its value",
        "It was set without an error, but reads differently afterwards.",
        "The kernel rounds or limits it, another parameter of the list changes it "
        "(net.ipv4.ip_forward resets others: put it first), or a service sets it.",
    ),
}
