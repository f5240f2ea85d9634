"""What the controllers know of one kind of objects: typed, by key, and found by what they refer to."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator
from typing import Generic, TypeVar

import msgspec

Key = tuple[str, str]
"""Namespace and name."""

Value = TypeVar("Value", bound="Cached")


class Cached(msgspec.Struct, frozen=True, kw_only=True):
    """The least that is kept of every object."""

    namespace: str
    name: str
    uid: str
    version: str
    """Its resource version."""

    @property
    def key(self) -> Key:
        """Namespace and name."""
        # Not the uid: owner references, locks and requests name what they mean by its name.
        return self.namespace, self.name


class Store(Generic[Value]):
    """Objects of one kind.

    Args:
        indices: By name, what an object is found by beside its key; an object may have any number of such terms.
    """

    def __init__(self, **indices: Callable[[Value], Iterable[Key]]) -> None:
        self._values: dict[Key, Value] = {}
        self._terms = indices
        # Inverted once at each change, so that a look-up costs nothing, however many objects there
        # are.
        self._found: dict[str, dict[Key, set[Key]]] = {name: defaultdict(set) for name in indices}
        self._listeners: list[Callable[[Value | None, Value | None], None]] = []

    def __len__(self) -> int:
        return len(self._values)

    def __iter__(self) -> Iterator[Value]:
        # A copy: a listener may change the store while somebody walks it.
        return iter(tuple(self._values.values()))

    def get(self, key: Key) -> Value | None:
        """The object with a key."""
        return self._values.get(key)

    def by(self, index: str, term: Key) -> tuple[Value, ...]:
        """The objects that an index finds by a term, in the order of their keys."""
        # In a fixed order: decisions that take the first must not change from look to look.
        return tuple(self._values[key] for key in sorted(self._found[index].get(term, ())))

    def on_change(self, listener: Callable[[Value | None, Value | None], None]) -> None:
        """Have `listener` called with the old and the new object at each change; None where there is none."""
        self._listeners.append(listener)

    def put(self, value: Value) -> None:
        """Take an object as it is. What is known already, or is older than that, changes nothing and wakes nobody."""
        old = self._values.get(value.key)
        # Of one life of the object only: a new one of the same name may have any version.
        if old is not None and old.uid == value.uid and not _is_newer(value.version, old.version):
            return
        if old is not None:
            self._forget(old)
        # Whole values are swapped and never changed in place: whoever holds one across an await
        # keeps a consistent picture, if an old one.
        self._values[value.key] = value
        for name, terms in self._terms.items():
            for term in terms(value):
                self._found[name][term].add(value.key)
        # Last, when the indices are right: a listener may look up the object.
        self._tell(old, value)

    def remove(self, key: Key) -> None:
        """Take note that an object is gone."""
        old = self._values.pop(key, None)
        if old is not None:
            self._forget(old)
            self._tell(old, None)

    def replace(self, values: Iterable[Value]) -> None:
        """Take a whole list: what is not in it is gone, which is told as any other deletion."""
        there = set()
        for value in values:
            there.add(value.key)
            self.put(value)
        # A list of the keys, for remove() changes the map.
        for key in [key for key in self._values if key not in there]:
            self.remove(key)

    def _forget(self, old: Value) -> None:
        for name, terms in self._terms.items():
            for term in terms(old):
                keys = self._found[name][term]
                keys.discard(old.key)
                # Or terms of objects that are gone would be kept for ever.
                if not keys:
                    del self._found[name][term]

    def _tell(self, old: Value | None, new: Value | None) -> None:
        for listener in self._listeners:
            listener(old, new)


def _is_newer(version: str, than: str) -> bool:
    """Whether a resource version is newer: what a write returned is put here before the watch has told of it.

    Versions of one object have an order from Kubernetes 1.35 on (KEP-5504); before, they have it with etcd behind the server.
    """
    if version.isdecimal() and than.isdecimal():
        return int(version) > int(than)
    return version != than
