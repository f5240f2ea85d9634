"""What was put in last, of at most so many: memory that strangers can fill has a bound."""

from __future__ import annotations

from collections import OrderedDict
from typing import Generic, TypeVar

_Key = TypeVar("_Key")
_Value = TypeVar("_Value")


class Recent(Generic[_Key, _Value]):
    """A dictionary that forgets what was put in longest ago.

    Args:
        most: How many it keeps.
    """

    def __init__(self, most: int) -> None:
        self._most = most
        self._kept: OrderedDict[_Key, _Value] = OrderedDict()

    def get(self, key: _Key) -> _Value | None:
        """What was put in; None: nothing, or it is forgotten."""
        return self._kept.get(key)

    def put(self, key: _Key, value: _Value) -> None:
        """Put it in, in place of what is there; it is the last to be forgotten."""
        self._kept[key] = value
        self._kept.move_to_end(key)
        while len(self._kept) > self._most:
            self._kept.popitem(last=False)

    def forget(self, key: _Key) -> None:
        """Forget it now; one that is not there is not an error."""
        self._kept.pop(key, None)
