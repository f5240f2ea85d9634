"""Where distributions differ, as values."""

from __future__ import annotations

from typing import Literal

import msgspec


class TrustStore(msgspec.Struct, frozen=True, kw_only=True):
    """The certificate authorities that the programs of a system trust."""

    directory: str
    """Where an administrator adds some, a file for each."""
    suffix: str
    """How the name of such a file must end: `.crt`."""
    update: tuple[str, ...]
    """The program that takes them over. It may run twice without harm."""
    bundle: str
    """What it makes, and programs read: one PEM file with all of them."""


class Distribution(msgspec.Struct, frozen=True, kw_only=True):
    """What a step must know of a family of distributions."""

    family: str
    """`debian`, `rhel`: the one of os-release(5) that the others say they are like."""
    trust: TrustStore
    packages: Literal["apt", "dnf", "zypper", ""] = ""
    """What installs packages; empty: nothing that machineadm knows."""
