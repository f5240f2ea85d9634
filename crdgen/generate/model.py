"""What the walkers share: schemas, refusals, and a type with its declarations taken apart."""

from __future__ import annotations

from typing import Any, NamedTuple

from msgspec import inspect

Schema = dict[str, Any]

DECLARATIONS = frozenset(
    {
        "oneLine",
        "minLength",
        "maxLength",
        "pattern",
        "unique",
        "expected",
        "format",
        "immutable",
        "float",
    }
)
"""The keys of `Meta(extra=...)` that mean something; they are described in machineadm.api.meta."""


class GenerationError(Exception):
    """A type says what a schema cannot express.

    Args:
        path: Type and field: `MachineBootstrap.spec.machine.files[].path`.
        problem: What cannot be expressed, and what to do about it.
    """

    def __init__(self, path: str, problem: str) -> None:
        super().__init__(f"{path}: {problem}")
        self.path = path


class Taken(NamedTuple):
    """A type without its wrappers."""

    type: inspect.Type
    """The type itself: neither Metadata nor a union with None."""

    extra: dict[str, Any]
    """Declarations in `Meta(extra=...)`."""

    schema: Schema
    """Keys of `Meta(extra_json_schema=...)`, copied as they are."""

    nullable: bool
    """None is among its values."""


def take_apart(type_: inspect.Type, path: str) -> Taken:
    """Take off metadata and None.

    Raises:
        GenerationError: It declares something that is not known.
    """
    extra: dict[str, Any] = {}
    schema: Schema = {}
    nullable = False
    while True:
        if isinstance(type_, inspect.Metadata):
            # The outer one wins: Annotated around a named type says more of this field.
            extra = {**(type_.extra or {}), **extra}
            schema = {**(type_.extra_json_schema or {}), **schema}
            type_ = type_.type
        elif isinstance(type_, inspect.UnionType) and type_.includes_none:
            nullable = True
            others = tuple(t for t in type_.types if not isinstance(t, inspect.NoneType))
            # A union with None is how Python says "optional"; what is left is the type itself.
            type_ = others[0] if len(others) == 1 else inspect.UnionType(others)
        elif isinstance(type_, inspect.LiteralType) and None in type_.values:
            nullable = True
            type_ = inspect.LiteralType(tuple(v for v in type_.values if v is not None))
        else:
            break
    # A mistyped declaration would be a check that nobody makes.
    if unknown := sorted(extra.keys() - DECLARATIONS):
        raise GenerationError(path, f"declares {', '.join(unknown)}, which nothing reads")
    return Taken(type_, extra, schema, nullable)
