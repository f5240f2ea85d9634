"""Catalogues of hardening rules: what each control asks for, how it is judged, and what a profile sets for it.

A catalogue is data beside this module, with its edition in its name. Whoever can only be asked in person is told so: no catalogue is ever
said to hold as a whole.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any, Final, Literal

import msgspec

from machineadm.api.formats import seconds

EDITIONS: Final = {"cis": "cis-1.12.json", "stig": "stig-v2r6.json"}
"""The file of each catalogue."""

Target = Literal[
    "apiServer", "controllerManager", "scheduler", "etcd",
    "kubelet", "auditPolicy", "auditLog", "admission", "sysctl", "mode",
]  # fmt: skip


class Rule(msgspec.Struct, frozen=True, kw_only=True):
    """What is looked at, and what must be so."""

    of: Literal[
        "files", "apiServer", "controllerManager", "scheduler", "etcd", "kubelet",
        "encryption", "authorities", "auditPolicy", "admission"
    ]  # fmt: skip
    names: tuple[str, ...]
    """Paths, flags, or fields of the kubelet's configuration with their flag (`FIELD|FLAG`)."""
    must: Literal["mode", "owner", "set", "unset", "is", "isNot", "has", "hasAll", "lacks", "atLeast", "lasts", "only", "oneOf", "differ"]  # fmt: skip
    value: str = ""
    unset: bool = False
    """Whether it holds where nobody has set it."""


class Setting(msgspec.Struct, frozen=True, kw_only=True):
    """What a profile sets where the configuration says nothing."""

    of: Target
    name: str = ""
    """A flag, a field of the kubelet's configuration with its flag (`FIELD|FLAG`), a field of the audit log, a kernel parameter, a path;
    empty where there is only one."""
    value: Any
    """Text for flags, parameters and modes (octal); as in YAML for a field."""


class Control(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """One control of a catalogue, in words of ours."""

    id: str
    title: str
    scored: bool
    """The catalogue has a test for it that counts."""
    part: Literal["controlPlane", "etcd", "node", "worker", "people"]
    test: Rule | None = None
    """None: only people can say."""
    set_by: str = ""
    """What sets it: a field of ours, or another's work."""
    category: int = 1
    """How grave it is, 1 the gravest, where a catalogue has categories."""
    sets: tuple[Setting, ...] = ()
    """What the profile sets for it; nothing where that would have a price that only its owner can weigh."""


class Catalogue(msgspec.Struct, frozen=True, kw_only=True):
    """A catalogue of controls."""

    profile: str
    edition: str
    kubernetes: str
    """The versions that it is written for; empty where it names none."""
    source: str
    controls: tuple[Control, ...]


@cache
def catalogue(profile: str) -> Catalogue:
    """The catalogue of a profile, read once."""
    data = pkgutil.get_data(__package__, EDITIONS[profile]) or b""
    return msgspec.json.decode(data, type=Catalogue)


def compared(now: str, must: str, value: str) -> bool:
    """Whether a value that somebody has set is as it must be.

    Args:
        now: The value, as an argument has it.
        must: As of `Rule`.
        value: What it is compared with.
    """
    listed = [one.strip() for one in now.split(",") if one.strip()]
    if must == "set":
        return bool(now)
    if must in ("is", "isNot"):
        return (now.lower() == value.lower()) is (must == "is")
    if must in ("has", "lacks"):
        return (value in listed) is (must == "has")
    if must == "atLeast":
        try:
            return int(now) >= int(value)
        except ValueError:
            return False
    if must == "lasts":
        try:
            return seconds(now) >= seconds(value)
        except ValueError:
            return False
    if must == "hasAll":
        return set(value.split(",")) <= set(listed)
    if must == "only":
        return bool(listed) and set(listed) <= set(value.split(","))
    return False  # it is set, and must not be


def levels_of(policy: Any) -> str:
    """The levels of an audit policy's rules in their order, with `(in part)` behind that of a rule that is not about every request."""
    rules = policy.get("rules") if isinstance(policy, Mapping) else None
    # Stages that are left out by the policy are left out by each of its rules.
    partly = isinstance(policy, Mapping) and bool(policy.get("omitStages"))
    return ",".join(
        f"{rule.get('level')}{' (in part)' if partly or rule.keys() > {'level'} else ''}"
        for rule in (rules if isinstance(rules, list | tuple) else ())
        if isinstance(rule, Mapping)
    )


def text_of(value: Any) -> str:
    """A value as an argument has it."""
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, list | tuple):
        return ",".join(text_of(one) for one in value)
    return str(value)
