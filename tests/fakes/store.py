"""The one fake store: a dictionary that keeps its promises, and can be told to fail or to be busy."""

from collections.abc import Callable

from signing.publish.stores import Held, Item, PassingError


class Killed(BaseException):
    """The publisher was killed."""


class FakeStore:
    """Named objects in memory.

    `before` and `after` are called with the number of each operation, from 1, and may raise; `after` of a
    write comes when it has happened, so that its answer is lost.
    """

    stale_mark = "never"
    promise = "a dictionary"

    def __init__(self, objects: dict[str, Item] | None = None, *, enforces: bool = True) -> None:
        self.objects = dict(objects or {})
        self.enforces = enforces
        self.operations = 0
        self.writes: list[str] = []
        self.before: Callable[[int], None] = lambda _: None
        self.after: Callable[[int], None] = lambda _: None
        self._marks: dict[str, int] = dict.fromkeys(self.objects, 0)

    def list(self, prefix: str) -> frozenset[str]:
        self._begin()
        names = frozenset(name for name in self.objects if name.startswith(prefix))
        self.after(self.operations)
        return names

    def read(self, name: str) -> Held | None:
        self._begin()
        item = self.objects.get(name)
        held = None if item is None else Held(item.data, str(self._marks[name]))
        self.after(self.operations)
        return held

    def create(self, name: str, item: Item) -> bool:
        self._begin()
        free = name not in self.objects or not self.enforces
        return self._write(name, item, allowed=free)

    def replace(self, name: str, item: Item, mark: str) -> bool:
        self._begin()
        same = name in self.objects and str(self._marks[name]) == mark
        return self._write(name, item, allowed=same or not self.enforces)

    def put(self, name: str, item: Item) -> None:
        """What somebody else does meanwhile."""
        self.objects[name] = item
        self._marks[name] = self._marks.get(name, 0) + 1

    def _begin(self) -> None:
        self.operations += 1
        self.before(self.operations)

    def _write(self, name: str, item: Item, *, allowed: bool) -> bool:
        if allowed:
            self.put(name, item)
            self.writes.append(name)
        self.after(self.operations)
        return allowed


def kill_at(number: int) -> Callable[[int], None]:
    """Something for `before` or `after`."""

    def hook(now: int) -> None:
        if now == number:
            raise Killed

    return hook


def busy_at(*numbers: int) -> Callable[[int], None]:
    """Something for `before` or `after`: these operations fail in a way that passes."""

    def hook(now: int) -> None:
        if now in numbers:
            raise PassingError("MA1856", "the store does not answer: 503")

    return hook
