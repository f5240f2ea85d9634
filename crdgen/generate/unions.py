"""Tagged unions as one object: the properties of all variants, and rules about which belongs to which tag."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from msgspec import inspect

from crdgen.generate import rules
from crdgen.generate.model import GenerationError, Schema

_VALIDATIONS = "x-kubernetes-validations"
Variant = tuple[inspect.StructType, Schema, str]


def hoisted(variants: Sequence[Variant], path: str) -> Schema:
    """One schema for all variants of a union.

    Args:
        variants: Type, schema and description of each.
        path: Where the union is.

    Raises:
        GenerationError: Two variants mean different things by one name, or they share no tag.
    """
    tag_field = _tag_field(variants, path)
    tags = [str(struct.tag) for struct, _, _ in variants]
    properties: dict[str, Schema] = {
        tag_field: {
            "type": "string",
            # In the order of the types, which is the order in which one explains them.
            "enum": tags,
            "description": "\n".join(
                f"`{tag}`: {_first_line(text)}"
                for tag, (_, _, text) in zip(tags, variants, strict=True)
            ),
        }
    }
    holders: dict[str, list[str]] = {}
    needers: dict[str, list[str]] = {}
    validations: list[Schema] = []
    for tag, (_, schema, _) in zip(tags, variants, strict=True):
        for name, field in schema.get("properties", {}).items():
            # Its enumeration has all tags; a variant's own would allow only one.
            if name == tag_field:
                continue
            properties[name] = _merged(properties.get(name), field, f"{path}.{name}")
            holders.setdefault(name, []).append(tag)
        for name in schema.get("required", ()):
            if name != tag_field:
                needers.setdefault(name, []).append(tag)
        # A variant's own rules must not judge the others.
        validations += [rules.when(rule, tag_field, tag) for rule in schema.get(_VALIDATIONS, ())]
    only = [
        rules.only_with(name, tag_field, held)
        # Sorted, so that the order of fields in the source changes nothing.
        for name, held in sorted(holders.items())
        # What all have needs no rule.
        if held != tags
    ]
    needed = [
        rules.required_with(name, tag_field, needed)
        for name, needed in sorted(needers.items())
        if needed != tags
    ]
    required = sorted(name for name, needed in needers.items() if needed == tags)
    if len(tags) > 1:  # one alone is known without its tag
        required = sorted([tag_field, *required])
    whole: Schema = {"type": "object", "properties": properties}
    if required:
        whole["required"] = required
    if only or needed or validations:
        whole[_VALIDATIONS] = [*only, *needed, *validations]
    return whole


def _tag_field(variants: Sequence[Variant], path: str) -> str:
    fields = {struct.tag_field for struct, _, _ in variants}
    field = fields.pop()
    if fields or field is None:
        raise GenerationError(path, "the Structs of a union need one tag field")
    if any(not isinstance(struct.tag, str) for struct, _, _ in variants):
        raise GenerationError(path, "tags are strings")
    return field


def _merged(known: Schema | None, field: Schema, path: str) -> Schema:
    """Merge a property of several variants, without its default, which would be applied to all of them.

    Raises:
        GenerationError: It means different things to them.
    """
    # Structural schemas have no place where a default could depend on the tag.
    field = {key: value for key, value in field.items() if key != "default"}
    if known is None:
        return field
    # One object has one schema for a name.
    if _meaning(known) != _meaning(field):
        raise GenerationError(path, "two variants of a union use this name for different things")
    said = [text for text in (known.get("description"), field.get("description")) if text]
    if len(set(said)) == 2:
        return {**known, "description": "\n".join(said)}
    return known


def _meaning(field: Schema) -> Any:
    return {key: value for key, value in field.items() if key not in ("description", "default")}


def _first_line(text: str) -> str:
    return " ".join(text.split("\n\n")[0].split())
