"""Descriptions of types and fields: the strings in their source, which no interpreter keeps."""

from __future__ import annotations

import ast
import inspect
import sys
from collections.abc import Mapping
from pathlib import Path

NOT_BUILT = "Not in this release yet (MA1401)."
"""What the description of a field ends with that the agent refuses so far."""


def not_built(cls: type, name: str) -> str:
    """How to do without a field that the agent refuses so far; empty if it does not.

    Args:
        cls: The type that has the field.
        name: Name of the field in Python.
    """
    instead: Mapping[str, str] = getattr(cls, "not_built", {})
    if not instead:
        return ""
    fields, names = (
        getattr(cls, "__struct_fields__", ()),
        getattr(cls, "__struct_encode_fields__", ()),
    )
    return instead.get(dict(zip(fields, names, strict=True)).get(name, ""), "")


class Docs:
    """Reads each module once; fields of a base are found at the base."""

    def __init__(self) -> None:
        self._modules: dict[str, dict[str, dict[str, str]]] = {}

    def of_class(self, cls: type) -> str:
        """The docstring of a class in one piece; empty if it has none."""
        return inspect.cleandoc(cls.__doc__ or "")

    def of_field(self, cls: type, name: str) -> str:
        """The string below a field; empty if there is none.

        Args:
            cls: The type that has the field, or inherits it.
            name: Name of the field in Python.
        """
        # The nearest first: a subclass may describe an inherited field anew.
        for base in cls.__mro__:
            module = self._module(base.__module__)
            text = module.get(base.__qualname__, {}).get(name)
            # The remark is made for the class that was asked for: a base's field may be built in
            # one kind and not in another.
            if text is not None:
                return f"{text} {NOT_BUILT}" if not_built(cls, name) else text
        return ""

    def _module(self, name: str) -> dict[str, dict[str, str]]:
        if name not in self._modules:
            file = getattr(sys.modules.get(name), "__file__", None)
            # The agent's compiled modules have no source, and generating is never done from them.
            source = Path(file).read_text() if file and file.endswith(".py") else ""
            self._modules[name] = dict(_classes(ast.parse(source), ""))
        return self._modules[name]


def _classes(node: ast.AST, prefix: str) -> list[tuple[str, dict[str, str]]]:
    found = []
    for child in getattr(node, "body", ()):
        if isinstance(child, ast.ClassDef):
            found.append((prefix + child.name, _fields(child)))
            found += _classes(child, f"{prefix}{child.name}.")
        elif isinstance(child, ast.FunctionDef):
            # As __qualname__ writes it: tests define types in functions.
            found += _classes(child, f"{prefix}{child.name}.<locals>.")
    return found


def _fields(node: ast.ClassDef) -> dict[str, str]:
    fields = {}
    # A field and the string right below it; any other string describes nothing.
    for statement, after in zip(node.body, node.body[1:], strict=False):
        if (
            isinstance(statement, ast.AnnAssign)
            and isinstance(statement.target, ast.Name)
            and isinstance(after, ast.Expr)
            and isinstance(after.value, ast.Constant)
            and isinstance(after.value.value, str)
        ):
            fields[statement.target.id] = inspect.cleandoc(after.value.value)
    return fields


def shortened(text: str, limit: int | None) -> str:
    """A text of at most so many characters, cut behind a sentence if there is one, else behind a word."""
    if limit is None or len(text) <= limit:
        return text
    # One more, so that a sentence that ends at the limit is found.
    head = text[: limit + 1]
    for end in (". ", ".\n"):
        if (at := head.rfind(end)) > 0:
            return head[: at + 1]
    return head[:limit].rsplit(" ", 1)[0].rstrip() if " " in head[:limit] else head[:limit]
