"""The running kernel."""

from __future__ import annotations

from typing import Protocol


class Kernel(Protocol):
    """The running kernel."""

    def loaded(self, module: str) -> bool:
        """Whether the module is loaded or built in."""

    def load(self, module: str) -> None:
        """Load a module.

        Raises:
            HostError: There is none of that name, or it does not load.
        """

    def sysctl_names(self, pattern: str) -> tuple[str, ...]:
        """Parameters that match a pattern with `*`, as sysctl.d(5) reads it; without a `*` just the name.

        The names are in the spelling with dots (`net.ipv4.conf.eth0/100.rp_filter`), whatever the spelling of the pattern.
        """

    def sysctl(self, name: str) -> str | None:
        """The value now, white space folded to single blanks; None when there is no such parameter."""

    def set_sysctl(self, name: str, value: str) -> None:
        """Set a parameter.

        Raises:
            HostError: No such parameter, or the kernel refuses the value.
        """

    def hostname(self) -> str:
        """The running host name."""

    def set_hostname(self, name: str) -> None:
        """Set the running host name (not the file)."""


def sysctl_parts(name: str) -> list[str]:
    """The directories and the file of a parameter below /proc/sys, as sysctl(8) and sysctl.d(5) read its name.

    Where a dot comes first, dots separate and a slash stands for a dot (`net.ipv4.conf.eth0/100.rp_filter`); where a
    slash comes first, slashes separate and dots are just dots.
    """
    # The first separator decides for the whole name, as in sysctl(8): eth0.100 is an interface,
    # and its dot no separator.
    first = min((name.find(mark) for mark in "./" if mark in name), default=-1)
    if first >= 0 and name[first] == "/":
        return name.split("/")
    return [part.replace("/", ".") for part in name.split(".")]


def sysctl_name(parts: list[str]) -> str:
    """The inverse of `sysctl_parts`, in the spelling with dots: two names of one parameter are equal then."""
    return ".".join(part.replace(".", "/") for part in parts)
