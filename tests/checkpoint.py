"""A machine in memory as it was at one instant, to compare with another instant and to go back to.

Going back keeps every object and gives it its old content, so a run that is in the middle of a port call goes on with the
machine that it knows.
"""

from __future__ import annotations

import enum
import types
from pathlib import Path
from typing import Any

import msgspec

_PLAIN = (type(None), bool, int, float, str, bytes, type, Path, enum.Enum, types.ModuleType)
_OF_A_PROCESS = ("machineadm", "threading", "_thread", "builtins")
"""Where types are defined whose objects are the memory of a process, which dies with it."""


class Checkpoint:
    """What can be reached from some objects and can change.

    Args:
        roots: The objects.

    Raises:
        TypeError: An object is of a type that nobody has taught this class to keep.
    """

    def __init__(self, *roots: object) -> None:
        # The object is kept beside its content: an id means it only as long as it lives.
        self._kept: dict[int, tuple[Any, Any]] = {}
        todo: list[Any] = list(roots)
        while todo:
            found = todo.pop()
            if isinstance(found, _PLAIN) or id(found) in self._kept:
                continue
            content, further = _look(found)
            self._kept[id(found)] = found, content
            todo += further

    def __eq__(self, other: object) -> bool:
        """Whether no machine could tell one instant from the other."""
        if not isinstance(other, Checkpoint) or self._kept.keys() != other._kept.keys():
            return False
        return all(_same(content, other._kept[key][1]) for key, (_, content) in self._kept.items())

    __hash__ = None  # type: ignore[assignment]

    def restore(self) -> None:
        """Give every object the content that it had."""
        for found, content in self._kept.values():
            if content is not None and not _same(content, _look(found)[0]):
                _give(found, content)


def _look(found: Any) -> tuple[list[Any] | None, list[Any]]:
    """The content of an object, None if it has none of its own that can change; and what to look at next."""
    match found:
        case dict():
            return [*found.items()], [*found.keys(), *found.values()]
        case list() | set():
            return [*found], [*found]
        case tuple() | frozenset():
            return None, [*found]
        case msgspec.Struct():
            values = [getattr(found, name) for name in found.__struct_fields__]
            return (None if found.__struct_config__.frozen else values), values
        case types.MethodType():
            return None, [found.__self__]
        case types.FunctionType():
            cells = found.__closure__ or () if _is_machine(found) else ()
            return None, [one.cell_contents for one in cells]
        case _ if _is_machine(type(found)):
            return [*vars(found).items()], [*vars(found).values()]
        case _ if type(found).__module__.partition(".")[0] in _OF_A_PROCESS:
            return None, []
        case _:
            raise TypeError(f"a checkpoint does not know how to keep a {type(found)}")


def _give(found: Any, content: list[Any]) -> None:
    match found:
        case dict():
            found.clear()
            found.update(content)
        case list():
            found[:] = content
        case set():
            found.clear()
            found.update(content)
        case msgspec.Struct():
            for name, value in zip(found.__struct_fields__, content, strict=True):
                setattr(found, name, value)
        case _:
            vars(found).clear()
            vars(found).update(content)


def _same(one: Any, other: Any) -> bool:
    """Whether two contents are the same: objects by who they are, the rest by value."""
    if one is other:
        return True
    if isinstance(one, list | tuple) and type(one) is type(other):
        return len(one) == len(other) and all(map(_same, one, other))
    return isinstance(one, _PLAIN) and type(one) is type(other) and bool(one == other)


def _is_machine(found: Any) -> bool:
    return str(found.__module__).startswith("tests.")
