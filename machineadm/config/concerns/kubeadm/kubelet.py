"""A KubeletConfiguration that is passed on: its fields are fields that some kubelet has, with values of their kinds.

A kubelet that meets another field says so in its log and goes on without it, so nobody hears of a mistyped one.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from machineadm.api.finding import Finding
from machineadm.api.pruned import PRUNED
from machineadm.config.concerns.kubeadm.versions import version_of
from machineadm.config.paths import child
from machineadm.config.rules.model import Context, finding

_KINDS: Final[dict[str, tuple[str, tuple[type, ...]]]] = {
    "string": ("text", (str,)),
    "boolean": ("true or false", (bool,)),
    "integer": ("a whole number", (int,)),
    "number": ("a number", (int, float)),
    "quantity": ("an amount such as 100Mi", (str, int, float)),
}


def known_fields(value: dict[str, Any] | None, field: str, context: Context) -> Iterator[Finding]:
    """Fields of a KubeletConfiguration that no kubelet of a supported version has, and values of another kind.

    Args:
        value: The document, or None where there is none.
        field: JSON name of the field that holds it.
        context: For the version; of one that came after the fields were read nothing is said.
    """
    if value is None:
        return
    from machineadm.config.kubelet_fields import FIELDS, READ_MINOR

    version = version_of(context)
    if version is None or not version.has(READ_MINOR + 1):
        yield from _judged(value, "KubeletConfiguration", field, FIELDS)


def _judged(
    value: Any, kind: str, path: str, types: Mapping[str, Mapping[str, str]]
) -> Iterator[Finding]:
    """What is wrong with a value.

    Args:
        value: As it was read.
        kind: A scalar's, `any`, a type's name; behind `[]` that of a list's items, behind `{}` that of a map's values.
        path: Where it is.
        types: Fields and their kinds by type.
    """
    if value is PRUNED or kind == "any":
        return
    if kind in _KINDS:
        wanted, fitting = _KINDS[kind]
        if not isinstance(value, fitting) or (isinstance(value, bool) and kind != "boolean"):
            yield finding("MA1324", path, f"must be {wanted}")
    elif kind.startswith("[]"):
        if not isinstance(value, (list, tuple)):
            yield finding("MA1324", path, "must be a list")
            return
        for index, item in enumerate(value):
            yield from _judged(item, kind[2:], f"{path}[{index}]", types)
    elif not isinstance(value, dict):
        yield finding("MA1324", path, "must be a map")
    elif kind.startswith("{}"):
        for name, item in value.items():
            yield from _judged(item, kind[2:], child(path, name), types)
    else:
        yield from _fields(value, types[kind], path, types)


def _fields(
    value: dict[str, Any],
    fields: Mapping[str, str],
    path: str,
    types: Mapping[str, Mapping[str, str]],
) -> Iterator[Finding]:
    for name, item in value.items():
        if name in fields:
            yield from _judged(item, fields[name], child(path, name), types)
        elif name is not PRUNED:
            yield finding(
                "MA1324", child(path, name), f"no kubelet has this field{_guess(name, fields)}"
            )


def _guess(name: str, fields: Mapping[str, str]) -> str:
    from difflib import get_close_matches

    lower = {field.lower(): field for field in fields}
    for near in get_close_matches(name.lower(), lower, n=1, cutoff=0.75):
        return f'; did you mean "{lower[near]}"?'
    return ""
