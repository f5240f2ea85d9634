"""JSON Schemas of kinds and their parts: assembled, and described in words.

What `machineadm schema` and `explain` print, and what the reference pages say, is the same because it is made here.
"""

import json
from collections.abc import Iterable, Mapping
from typing import Any, Final

Schema = dict[str, Any]

UNSUPPORTED: Final = "x-machineadm-unsupported"
"""The keyword on a field that this release refuses: its value says how to do without it."""

_DIALECT: Final = "https://json-schema.org/draft/2020-12/schema"
_BOUNDS: Final = (
    ("minLength", "at least {} characters"),
    ("maxLength", "at most {} characters"),
    ("minItems", "at least {} items"),
    ("maxItems", "at most {} items"),
    ("minProperties", "at least {} keys"),
    ("maxProperties", "at most {} keys"),
    ("minimum", "{} or more"),
    ("exclusiveMinimum", "more than {}"),
    ("maximum", "{} or less"),
    ("exclusiveMaximum", "less than {}"),
    ("multipleOf", "a multiple of {}"),
)


def assembled(kind: str, definitions: dict[str, Schema]) -> Schema:
    """The schema of a kind, complete in itself: its own fields at the root, and the parts it needs.

    Args:
        kind: Its name.
        definitions: Kinds and parts by name, as `kinds.json` has them.
    """
    root = definitions[kind]
    needed: dict[str, None] = {}
    waiting = list(references(root))
    while waiting:
        name = waiting.pop()
        if name not in needed:
            needed[name] = None
            waiting += references(definitions[name])
    version = root["properties"]["apiVersion"]["const"]
    found = {"$schema": _DIALECT, "$id": f"urn:{version.replace('/', ':')}:{kind}", "title": kind}
    return {**found, **root, "$defs": {name: definitions[name] for name in sorted(needed)}}


def references(schema: Any) -> Iterable[str]:
    """Names of the parts that a schema refers to."""
    if isinstance(schema, dict):
        if isinstance(reference := schema.get("$ref"), str):
            yield reference.rpartition("/")[2]
        schema = schema.values()
    elif not isinstance(schema, list):
        return
    for each in schema:
        yield from references(each)


def kind_of(schema: Schema, links: Mapping[str, str] = {}) -> str:
    """What a value is, in a word or two.

    Args:
        schema: Its schema.
        links: What leads to a part, by its name.
    """
    if reference := schema.get("$ref"):
        name = reference.rpartition("/")[2]
        return links.get(name, name)
    for key in ("oneOf", "anyOf"):
        if key in schema:
            return " or ".join(kind_of(each, links) for each in schema[key])
    if schema.get("type") == "array":
        return f"list of {kind_of(schema['items'], links)}"
    if isinstance(schema.get("additionalProperties"), dict):
        return f"map of {kind_of(schema['additionalProperties'], links)}"
    return str(schema.get("type", "any"))


def constraints(schema: Schema) -> list[str]:
    """The constraints on a value, each in a few words."""
    found = [text.format(schema[key]) for key, text in _BOUNDS if key in schema]
    if "const" in schema:
        found.append(f"`{schema['const']}`")
    if "enum" in schema:
        found.append(", ".join(f"`{value}`" for value in schema["enum"]))
    if schema.get("uniqueItems"):
        found.append("no item twice")
    if "contentEncoding" in schema:
        found.append("base64")
    if "pattern" in schema and "contentEncoding" not in schema:
        found.append("one line" if "\u2028" in schema["pattern"] else f"`{schema['pattern']}`")
    if schema.get("type") == "array":
        items = constraints(schema["items"])
        found += [f"each {text}" for text in items]
    if "default" in schema:
        found.append(f"default `{_json(schema['default'])}`")
    return found


def example(schema: Schema) -> str:
    """A value that the field takes; empty where the type shows it well enough."""
    if "examples" in schema:
        return f"`{schema['examples'][0]}`"
    for key in ("const", "default"):
        if key in schema:
            return f"`{_json(schema[key])}`"
    if "enum" in schema:
        return f"`{schema['enum'][0]}`"
    if schema.get("type") == "boolean":
        return "`true`"
    if schema.get("type") == "integer":
        return f"`{schema.get('minimum', 1)}`"
    return ""


def one_line(text: str) -> str:
    """A text without line breaks."""
    return " ".join(text.split())


def _json(value: object) -> str:
    return value if isinstance(value, str) else json.dumps(value)
