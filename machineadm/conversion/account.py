"""What became of every leaf of a document. A leaf that nobody spoke of needs a decision: nothing is dropped silently."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Literal

import msgspec

from machineadm.documents.nodes import (
    Ambiguous,
    Mapping,
    Node,
    Scalar,
    Sequence,
    as_kubernetes,
    child,
)
from machineadm.documents.source import Source

Outcome = Literal["converted", "same by default", "needs a decision", "has no meaning here"]
# In the order of the summary: what is done comes before what is left to do.
OUTCOMES: Final[tuple[Outcome, ...]] = (
    "converted",
    "same by default",
    "needs a decision",
    "has no meaning here",
)


class Leaf(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A leaf of the input and what became of it."""

    path: str
    """As `spec.files[3].path`."""

    line: int
    column: int
    outcome: Outcome
    to: str = ""
    """The field of ours that has it now, below spec."""

    note: str = ""
    """What it was, or why it is not there."""

    ways: tuple[str, ...] = ()
    """For a decision: what can be done, two ways at least."""


class _Said(msgspec.Struct, frozen=True):
    outcome: Outcome
    to: str
    note: str
    ways: tuple[str, ...]


class Account:
    """The leaves of one document.

    Args:
        root: The document.
        source: The text that it stands in.
    """

    def __init__(self, root: Node, source: Source) -> None:
        self._source = source
        # Made before anything is converted: a leaf that no module asks for stays unspoken of, and
        # is told at the end.
        self._places: dict[str, int] = dict(_leaves(root, ""))
        self._said: dict[str, _Said] = {}

    def say(
        self,
        path: str,
        outcome: Outcome,
        *,
        to: str = "",
        note: str = "",
        ways: tuple[str, ...] = (),
        anew: bool = False,
    ) -> None:
        """Say what became of a leaf, or of all leaves below a path of which nothing was said yet.

        Args:
            path: Of the leaf, or of what is around it.
            outcome: What became of it. A decision is never taken back.
            to: The field of ours.
            note: What it was, or why.
            ways: What can be done about it.
            anew: It also holds for leaves below the path that were spoken of; a decision always does.
        """
        said = _Said(outcome, to, note, ways)
        below = (
            [path]
            if path in self._places
            # Of a part whose leaves are many: whoever converts a whole list says so once.
            else [one for one in self._places if _is_below(one, path)]
        )
        # A word about one leaf replaces an earlier one about it; a word about a whole does not
        # reach into what was said of its parts.
        again = anew or outcome == "needs a decision" or path in self._places
        for each in below:
            before = self._said.get(each)
            # The finer word came first; what is said of a whole afterwards is for the leaves that
            # nobody spoke of.
            if before is None or (again and before.outcome != "needs a decision"):
                self._said[each] = said

    def nearest(self, to: str) -> tuple[int, str]:
        """The leaf that was made into a field of ours, or into what is nearest to it, after how near it is.

        Args:
            to: The field, below spec.
        """
        # The first leaf if nothing fits: a problem must be told somewhere.
        best, length = next(iter(self._places)), 0
        for path, said in self._said.items():
            common = _common(said.to, to)
            if said.to and common > length:
                best, length = path, common
        return length, best

    def is_said(self, path: str) -> bool:
        """Whether every leaf at or below a path is spoken of."""
        return all(
            each in self._said for each in self._places if each == path or _is_below(each, path)
        )

    def leaf(self, path: str) -> Leaf:
        """What became of a leaf so far."""
        # Silence is a decision. This default is what keeps the promise that nothing is dropped.
        said = self._said.get(path, _UNKNOWN)
        line, column = self._source.position(self._places[path])
        return Leaf(
            path=path,
            line=line,
            column=column,
            outcome=said.outcome,
            to=said.to,
            note=said.note,
            ways=said.ways,
        )

    def leaves(self) -> tuple[Leaf, ...]:
        """Every leaf in the order of the file."""
        return tuple(map(self.leaf, self._places))


_UNKNOWN: Final = _Said(
    "needs a decision",
    "",
    "is not a field that is known here, or not of the type that the field takes",
    ("fix its name or its type, if it is mistyped", "remove it, if nothing reads it"),
)


def merged(one: tuple[Leaf, ...], other: tuple[Leaf, ...]) -> tuple[Leaf, ...]:
    """The account of a document that two were made of: what became of a leaf in either of them."""
    return tuple(
        min(pair, key=lambda leaf: _FIRST.index(leaf.outcome))
        # strict: both accounts are of one document, so their leaves are the same.
        for pair in zip(one, other, strict=True)
    )


# A decision in either of two documents is one for whoever reads the account, however the other took
# the leaf.
_FIRST: Final[tuple[Outcome, ...]] = (
    "needs a decision",
    "converted",
    "same by default",
    "has no meaning here",
)


class View:
    """A part of a document, which says what becomes of it.

    Args:
        node: The part.
        path: Where it stands.
        account: That of the document.
    """

    # A view is made for every value that is looked at, some of them many times.
    __slots__ = ("account", "node", "path")

    def __init__(self, node: Node, path: str, account: Account) -> None:
        self.node = node
        self.path = path
        self.account = account

    def get(self, name: str) -> View | None:
        """The value of a key; None where it is absent or null."""
        if not isinstance(self.node, Mapping):
            return None
        # The first of a name; keys that come twice have been refused (whole._duplicates).
        for key, value in self.node.entries():
            if isinstance(key, Scalar) and key.text == name:
                view = View(value, child(self.path, name), self.account)
                # As the API server reads it; a quoted "null" is a text.
                if isinstance(value, Scalar) and value.value is None and value.plain:
                    # Said here for everybody: whoever asks for a field with null gets nothing and
                    # would never speak of it.
                    view.default("null means absent")
                    return None
                return view
        return None

    def at(self, path: str) -> View | None:
        """The value below several keys with dots between them."""
        view: View | None = self
        for name in path.split("."):
            view = view.get(name) if view is not None else None
        return view

    def entries(self) -> Iterator[tuple[str, View]]:
        """The keys and values of a map; nothing of anything else."""
        if isinstance(self.node, Mapping):
            for key, _ in self.node.entries():
                if isinstance(key, Scalar):
                    value = self.get(key.text)
                    if value is not None:
                        yield key.text, value

    def texts(self) -> Iterator[tuple[str, View]]:
        """The keys and values of a map of texts, in which null is an empty one."""
        # Not by `get`: in a map of arguments a null is an empty value and not an absent argument.
        if isinstance(self.node, Mapping):
            for key, value in self.node.entries():
                if isinstance(key, Scalar):
                    yield key.text, View(value, child(self.path, key.text), self.account)

    def items(self) -> Iterator[View]:
        """The items of a list; nothing of anything else."""
        if isinstance(self.node, Sequence):
            for index, item in enumerate(self.node.items):
                yield View(item, f"{self.path}[{index}]", self.account)

    @property
    def is_map(self) -> bool:
        """Whether it is a map."""
        return isinstance(self.node, Mapping)

    @property
    def is_list(self) -> bool:
        """Whether it is a list."""
        return isinstance(self.node, Sequence)

    @property
    def is_empty(self) -> bool:
        """Whether it is a map or a list without anything in it."""
        return isinstance(self.node, (Mapping, Sequence)) and not self.node.items

    @property
    def text(self) -> str | None:
        """A scalar as it is written; None of anything else."""
        return self.node.text if isinstance(self.node, Scalar) else None

    @property
    def value(self) -> str | int | float | bool | None:
        """A scalar as Kubernetes' own readers see it; None of anything else."""
        if not isinstance(self.node, Scalar):
            return None
        value = self.node.value
        # Kubernetes reads YAML 1.1 by way of JSON, where `yes` is true and 010 is 8.
        if isinstance(value, Ambiguous):
            return self.node.text if value.value is None else value.value
        return value

    def whole(self) -> Any:
        """All of it as Kubernetes' own readers see it; None of what no reader of JSON takes, and then a person decides."""
        try:
            return as_kubernetes(self.node)
        except ValueError as error:
            self.decide(
                f"holds what is passed on and cannot be: {error}",
                "put the key or the value in quotes, or write it out where YAML merges or tags it",
                "remove it, if nothing reads it",
            )
            return None

    def converted(self, to: str, note: str = "") -> None:
        """It is in a field of ours now."""
        self.account.say(self.path, "converted", to=to, note=note)

    def default(self, note: str) -> None:
        """Without it the same happens."""
        self.account.say(self.path, "same by default", note=note)

    def nothing(self, note: str, *, anew: bool = False) -> None:
        """It has no meaning here."""
        self.account.say(self.path, "has no meaning here", note=note, anew=anew)

    def decide(self, note: str, *ways: str, to: str = "") -> None:
        """A person decides."""
        self.account.say(self.path, "needs a decision", to=to, note=note, ways=ways)


def _leaves(node: Node, path: str) -> Iterator[tuple[str, int]]:
    if isinstance(node, Mapping) and node.items:
        for key, value in node.entries():
            # A key that is a map or a list has no name; its leaf is told all the same.
            name = key.text if isinstance(key, Scalar) else "?"
            yield from _leaves(value, child(path, name))
    elif isinstance(node, Sequence) and node.items:
        for index, item in enumerate(node.items):
            yield from _leaves(item, f"{path}[{index}]")
    else:
        # Empty maps and lists are leaves too: they may mean something, as `taints: []` does.
        yield path, node.at


def _common(one: str, other: str) -> int:
    """How many parts of two paths are the same, from the left; less if the one goes on elsewhere."""
    left, right = one.replace("[", ".[").split("."), other.replace("[", ".[").split(".")
    same = 0
    for mine, yours in zip(left, right, strict=False):
        # A field and its twin are one thing to whoever looks for where a value came from.
        if mine.removesuffix("From") != yours.removesuffix("From"):
            break
        same += 1
    # Depth counts most, so that of two fields the one in the same object is nearer than one beside
    # it.
    return 4 * same - (len(left) - same)


def _is_below(path: str, above: str) -> bool:
    # Only at a dot or a bracket: spec.file is not above spec.files.
    return path.startswith(above) and path[len(above) : len(above) + 1] in (".", "[")
