"""What msgspec says of a type, with the types themselves where they have stand-ins (machineadm/api/later.py)."""

from __future__ import annotations

from typing import Any

from msgspec import Struct, inspect

from machineadm.api.later import Later, load


def described(cls: type) -> inspect.Type:
    """Describe a type. Types that it does not reach stay unloaded: building them takes longer than generating a small kind."""
    info = inspect.type_info(cls)
    # Only then: load() builds types that most kinds do not reach.
    if _has_stand_in(info, set()):
        load()
        info = inspect.type_info(cls)
    return info


def _has_stand_in(info: Any, seen: set[int]) -> bool:
    if isinstance(info, tuple):
        return any(_has_stand_in(one, seen) for one in info)
    if isinstance(info, inspect.CustomType):
        return isinstance(info.cls, Later)
    # A type may hold itself.
    if not isinstance(info, Struct) or id(info) in seen:
        return False
    seen.add(id(info))
    return any(_has_stand_in(getattr(info, name), seen) for name in info.__struct_fields__)
