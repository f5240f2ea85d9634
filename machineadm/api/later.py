"""Types of branches that few documents have, imported when a document names one.

Building a type costs a start more than reading a document: a class for each Struct, and msgspec's plan for each of its fields. So a
module that puts branches together keeps its annotations as text, and has a stand-in under the branch's name until it is asked for.
msgspec meets the stand-in and asks its hook, which decodes by the type itself (`documents/secrets.py`). Whoever reads
annotations calls `load` first.
"""

from __future__ import annotations

from importlib import import_module
from typing import Any


class Later(type):
    """Makes the stand-ins: classes with the module and the name of a type."""

    def __instancecheck__(cls, value: object) -> bool:
        """Whether a value is of the type: msgspec asks this of what its hook returns."""
        return isinstance(value, cls.real())

    def real(cls) -> type:
        """The type."""
        found: type = getattr(import_module(cls.__module__), cls.__name__)
        return found


_waiting: list[tuple[dict[str, Any], str]] = []


def later(namespace: dict[str, Any], module: str, *names: str) -> None:
    """Put stand-ins for types of a module among the names of another one.

    Args:
        namespace: The names of the module whose annotations say them.
        module: Where the types are.
        names: Their names.
    """
    for name in names:
        namespace[name] = Later(name, (), {"__module__": f"machineadm.api.v1alpha1.{module}"})
        _waiting.append((namespace, name))


def load() -> None:
    """Put the types themselves in the places of all stand-ins, for whoever reads annotations."""
    while _waiting:
        namespace, name = _waiting.pop()
        namespace[name] = namespace[name].real()
