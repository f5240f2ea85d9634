"""Texts that refer to what only the machine knows: cloud-init's Jinja, and variables that a command put in.

Cluster API's cloud-config is a Jinja template as a whole, so an expression may stand in any field, in files and in
commands. A reference becomes `$(name)`; whatever is more than a reference is a decision.
"""

from __future__ import annotations

import re
from typing import Final

from msgspec import Struct

from machineadm.config.instance_data import is_name

# Statements and comments, too: whatever Jinja would take away must be seen here.
_EXPRESSION: Final = r"\{\{-?(.*?)-?\}\}|\{%.*?%\}|\{#.*?#\}"
# A chart that writes user data has its Jinja in backquotes, so that Helm leaves it alone.
_HELM: Final = r"\{\{\s*`(\{\{[^`]*\}\})`\s*\}\}"
_SEGMENT: Final = (
    r"\.([A-Za-z_][A-Za-z0-9_-]*)|\.(\d+)|\[\s*\"([^\"\]]+)\"\s*\]|\[\s*'([^'\]]+)'\s*\]|\[(\d+)\]"
)
# How people get a short host name out of a fully qualified one.
_SHORT: Final = r"\.split\(\s*(?:\"\.\"|'\.')\s*\)\s*\[0\]"
_FUNCTION: Final = r"\s*\|\s*lower(?:\(\))?|\.lower\(\)"
_HOISTED: Final = (
    "availability_zone",
    "cloud_id",
    "cloud_name",
    "distro",
    "distro_release",
    "distro_version",
    "instance_id",
    "kernel_release",
    "local_hostname",
    "machine",
    "platform",
    "region",
    "subplatform",
    "system_platform",
    "variant",
)
"""Names that cloud-init also has without `v1.` in front."""


class Reference(Struct, frozen=True):
    """A reference in a text."""

    begin: int
    end: int
    inside: str
    """What stands between `$(` and `)`."""


class Trouble(Struct, frozen=True):
    """Something in a text that is more than a reference."""

    what: str


class Read(Struct, frozen=True):
    """A text and what it refers to."""

    text: str
    references: tuple[Reference, ...] = ()
    trouble: Trouble | None = None

    @property
    def instance_data(self) -> str:
        """The text with `$(name)` references."""
        pieces, end = [], 0
        for one in self.references:
            # A literal $( of a script must not become a reference of ours.
            pieces += [self.text[end : one.begin].replace("$(", "$$("), f"$({one.inside})"]
            end = one.end
        return "".join([*pieces, self.text[end:].replace("$(", "$$(")])


class Machine(Struct, frozen=True, kw_only=True):
    """How texts of a document are read on the machine."""

    jinja: bool
    """The whole user data is a template of cloud-init's."""

    variables: dict[str, str] = {}
    """What a command puts into kubeadm's file, and the reference that it is: `COREOS_EC2_HOSTNAME`, `@@HOSTNAME@@`."""

    def read(self, text: str) -> Read:
        """Find the references of a text of any field."""
        return _jinja(text) if self.jinja else Read(text)

    def read_kubeadm(self, text: str) -> Read:
        """Find the references of a text of kubeadm's file, which commands may change before kubeadm reads it."""
        # Jinja first: cloud-init renders user data before any command runs.
        read = self.read(text)
        if not self.variables or read.references or read.trouble:
            return read
        found = [
            Reference(match.start(), match.end(), self.variables[name])
            for match in re.finditer(
                r"\$?\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$([A-Za-z_][A-Za-z0-9_]*)|@@([A-Z_]+)@@", text
            )
            if (name := match[1] or match[2] or match[0]) in self.variables
        ]
        return Read(text, tuple(found))


def reference(expression: str) -> str | None:
    """What stands between `$(` and `)` for a Jinja expression; None where it is more than a reference.

    Args:
        expression: What stands between the braces: `ds.meta_data["local_hostname"].split(".")[0]`.
    """
    rest = expression.strip()
    first = re.match(r"[A-Za-z_][A-Za-z0-9_]*", rest)
    if first is None:
        return None
    names, functions = [first[0]], []
    rest = rest[first.end() :]
    while rest:
        if short := re.match(_SHORT, rest):
            functions.append("short")
            rest = rest[short.end() :]
        elif lower := re.match(_FUNCTION, rest):
            functions.append("lower")
            rest = rest[lower.end() :].rstrip()
        # After a function it would be a part of the function's result.
        elif not functions and (segment := re.match(_SEGMENT, rest)):
            names.append(next(part for part in segment.groups() if part is not None))
            rest = rest[segment.end() :]
        else:
            return None
    # As cloud-init's instance-data has them at the top as well.
    if len(names) == 1 and names[0] in _HOISTED:
        names = ["v1", *names]
    name = ".".join(names)
    return "|".join([name, *functions]) if is_name(name) else None


def _jinja(text: str) -> Read:
    if "{{" not in text and "{%" not in text and "{#" not in text:
        return Read(text)
    # What Helm makes of it is what the machine gets.
    text = re.sub(_HELM, r"\1", text)
    found = []
    for match in re.finditer(_EXPRESSION, text, re.DOTALL):
        inside = reference(match[1]) if match[1] is not None else None
        if inside is None:
            return Read(text, trouble=Trouble(_short(match[0])))
        found.append(Reference(match.start(), match.end(), inside))
    return Read(text, tuple(found))


def _short(text: str) -> str:
    text = " ".join(text.split())
    return text if len(text) <= 60 else text[:57] + "..."
