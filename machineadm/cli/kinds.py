"""The kinds of this release and their fields, as generated from the types; found by name and path."""

from __future__ import annotations

import json
import pkgutil
import re
from typing import TYPE_CHECKING, Any, NamedTuple

from machineadm.errors import UsageError

if TYPE_CHECKING:
    from collections.abc import Iterable, Sequence

    from machineadm.api.schemas import Schema


class Found(NamedTuple):
    """A field, found by its path."""

    path: str
    """Its path in full: `MachineConfiguration.spec.machine.files[].path`."""

    schema: Schema
    """Its schema."""

    parts: list[Schema]
    """The objects that it holds, one for each variant; empty if it has no fields."""

    required: bool = False
    """It must be there."""


def load() -> Any:
    """`kinds`: their names. `$defs`: kinds and parts by name."""
    # By pkgutil: the packed agent is a zip file, where the data has no path.
    return json.loads(pkgutil.get_data(__package__, "kinds.json") or b"{}")


def find(name: str, kinds: Sequence[str]) -> str:
    """The kind of that name, in any case.

    Raises:
        UsageError: There is none.
    """
    for kind in kinds:
        # In any case: one types it, and no two kinds differ by case alone.
        if kind.lower() == name.lower():
            return kind
    raise UsageError("MA7002", f"unknown kind: {name!r}", hint=f"kinds: {', '.join(kinds)}")


def field(path: str, definitions: dict[str, Schema], kinds: Sequence[str]) -> Found:
    """The field of a path such as `MachineConfiguration.spec.machine.files[0].path`.

    Raises:
        UsageError: There is no such kind or field.
    """
    # Indexes and keys in brackets are dropped, so a path can be pasted from an error message as it
    # stands.
    first, *names = re.sub(r"\[[^\]]*\]", "", path).split(".")
    place = find(first, kinds)
    schema = definitions[place]
    required = False
    for name in names:
        parts, steps = _parts(schema, definitions)
        required = any(name in part.get("required", ()) for part in parts)
        # All variants are searched, because a path does not say which of them is meant.
        known = [part["properties"][name] for part in parts if name in part["properties"]]
        if not known:
            message, hint = _unknown(name, place + steps, parts)
            raise UsageError("MA7002", message, hint=hint)
        # Where several variants of a union have the field, the first stands for all.
        schema = known[0]
        place += f"{steps}.{name}"
    parts, steps = _parts(schema, definitions)
    return Found(place + steps, schema, parts, required)


def _parts(schema: Schema, definitions: dict[str, Schema]) -> tuple[list[Schema], str]:
    """The objects at the end of a schema, and what one writes to get there: `[]` for each list, `.*` for each map."""
    if reference := schema.get("$ref"):
        return _parts(definitions[reference.rpartition("/")[2]], definitions)
    if "properties" in schema and "type" in schema:
        return [schema], ""
    # oneOf where a field tells the variants apart, else anyOf.
    variants = schema.get("oneOf") or schema.get("anyOf")
    if variants:
        found = [_parts(each, definitions) for each in variants]
        return [part for parts, _ in found for part in parts], found[0][1]
    for key, step in (("items", "[]"), ("additionalProperties", ".*")):
        if isinstance(schema.get(key), dict):
            parts, steps = _parts(schema[key], definitions)
            return parts, step + steps
    return [], ""


def _unknown(name: str, place: str, parts: Iterable[Schema]) -> tuple[str, str]:
    from difflib import get_close_matches

    # In the order of the types and once each: variants share many fields.
    names = list(dict.fromkeys(n for part in parts for n in part["properties"]))
    if not names:
        return f"{place} has no fields, so it cannot have {name!r}", ""
    near = get_close_matches(name, names, n=1)
    hint = f"did you mean {near[0]!r}?" if near else f"its fields: {', '.join(names)}"
    return f"{place} has no field {name!r}", hint
