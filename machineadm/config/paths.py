"""Field paths as findings write them, and walks along them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import msgspec

from machineadm.api.pruned import PRUNED, PrunedError


def child(path: str, key: str) -> str:
    """Return the path of a field or of a map's value: `path.key`, or `path["a.b/c"]`."""
    # Without a pattern, which would have to be compiled first: letters, digits, _ and -, no digit or - in front.
    if key.isascii() and key.replace("-", "_").isidentifier() and key[0] != "-":
        return f"{path}.{key}" if path else key
    # Labels have dots and slashes: written plainly, their path would read as a deeper one.
    return f"{path}[{msgspec.json.encode(key).decode()}]"


def structs_in(value: object, path: str) -> Iterator[tuple[msgspec.Struct, str]]:
    """Yield every Struct in a value with its path, the value first; skip what is pruned."""
    if value is PRUNED:
        return
    if isinstance(value, msgspec.Struct):
        yield value, path
        for name, wire_name in zip(
            value.__struct_fields__, value.__struct_encode_fields__, strict=True
        ):
            yield from structs_in(getattr(value, name), f"{path}.{wire_name}")
    # Lists of the types are tuples: frozen Structs hold nothing that could change.
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from structs_in(item, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key is not PRUNED:
                yield from structs_in(item, child(path, key))


def holds_pruned(value: object) -> bool:
    """Whether anything in a value could not be decoded."""
    if value is PRUNED:
        return True
    if isinstance(value, msgspec.Struct):
        return any(holds_pruned(getattr(value, name)) for name in value.__struct_fields__)
    if isinstance(value, dict):
        # Keys as well: one that is pruned makes the map's names unknown.
        return any(holds_pruned(item) for pair in value.items() for item in pair)
    return isinstance(value, tuple | list) and any(holds_pruned(item) for item in value)


def is_set(value: msgspec.Struct, wire_name: str) -> bool:
    """Whether a field differs from its default; a pruned one does."""
    return next(_set_fields(value, wire_name), None) is not None


def select(value: object, names: tuple[str, ...], path: str) -> Iterator[tuple[Any, str]]:
    """Yield what is at a path of JSON names, once for each item of a list or a map on the way.

    Nothing is yielded if a part of the path is absent, at its default, or pruned.
    """
    # A rule that meets nothing finds nothing; what was pruned has its problem already.
    if value is PRUNED or value is None:
        return
    if not names:
        yield value, path
    elif isinstance(value, tuple):
        for index, item in enumerate(value):
            yield from select(item, names, f"{path}[{index}]")
    elif isinstance(value, dict):
        for key, item in value.items():
            if key is not PRUNED:
                yield from select(item, names, child(path, key))
    elif isinstance(value, msgspec.Struct):
        for found in _set_fields(value, names[0]):
            yield from select(found, names[1:], child(path, names[0]))


def _set_fields(value: msgspec.Struct, wire_name: str) -> Iterator[Any]:
    names = value.__struct_encode_fields__
    # A variant of a union may lack a field that another has.
    if wire_name in names:
        index = names.index(wire_name)
        found = getattr(value, value.__struct_fields__[index])
        if _differs(found, _default_of(value, index)):
            yield found


def _default_of(value: msgspec.Struct, index: int) -> object:
    """Return the default of a field.

    `msgspec.structs.fields` knows it too, but evaluates every annotation of the class for it.
    """
    defaults = value.__struct_defaults__  # of the last fields: those before them have none
    # Defaults are counted from the end, like those of a function.
    index -= len(value.__struct_fields__) - len(defaults)
    default = defaults[index] if index >= 0 else msgspec.NODEFAULT
    factory = getattr(default, "factory", None)
    return default if factory is None else factory()


def _differs(found: object, default: object) -> bool:
    try:
        return bool(found != default)
    except PrunedError:
        return True  # somebody wrote a value there, even if it could not be decoded
