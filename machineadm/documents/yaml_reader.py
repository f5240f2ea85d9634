"""YAML to nodes, from libyaml's events: libyaml composes nothing, and PyYAML constructs nothing.

The events come one by one, so a document that is nested too deep or too large is dropped at that point.
Tags are refused: a configuration does not need them, and readers disagree about them.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, Final

from machineadm.documents import libyaml
from machineadm.documents.limits import Budget, check_depth
from machineadm.documents.nodes import Mapping, Node, Scalar, Sequence, Unread
from machineadm.documents.plain_scalars import resolve
from machineadm.documents.source import Fault, RefusedError, Source, check_characters

if TYPE_CHECKING:
    from collections.abc import Iterator

_TEXT_TAG: Final = "tag:yaml.org,2002:str"
_BINARY_TAG: Final = "tag:yaml.org,2002:binary"


class YamlReader:
    """Reads the documents of a part of a source.

    Args:
        source: The text.
        start: Where the part begins, in code points.
        end: Where it ends.
        budget: Counts nodes; shared by all parts of the source.
    """

    def __init__(self, source: Source, start: int, end: int, budget: Budget) -> None:
        self.faults: list[Fault] = []
        self._source = source
        self._text = source.text[start:end]
        self._base = start
        self._budget = budget
        self._root: Node | None = None
        self._open: list[tuple[Mapping | Sequence, str | None, int, int]] = []
        self._anchors: dict[str, tuple[Node, int, int]] = {}

    def documents(self) -> Iterator[Node]:
        """Yield the documents one by one; refusals that do not end a document go into `faults`.

        Yields:
            The root of each document.

        Raises:
            RefusedError: the rest cannot be read.
        """
        parser, events, any_error = libyaml.load()
        # By class in a table: one look for each event, where a chain of isinstance would be most of
        # the reader's time.
        handlers = {
            events.ScalarEvent: self._scalar,
            events.MappingStartEvent: self._mapping,
            events.SequenceStartEvent: self._sequence,
            events.MappingEndEvent: self._end,
            events.SequenceEndEvent: self._end,
            events.AliasEvent: self._alias,
            events.DocumentStartEvent: self._document,
        }
        document_end = events.DocumentEndEvent
        # Before libyaml, whose error about a character has no line.
        check_characters(self._text, self._base)
        try:
            # A str goes in, so offsets count code points and no encoding is guessed.
            next_event = parser(self._text).get_event
            while (event := next_event()) is not None:
                if handler := handlers.get(event.__class__):
                    handler(event)
                elif event.__class__ is document_end and self._root is not None:
                    yield self._root
        except any_error as error:
            raise self._syntax(error) from None

    def _document(self, event: Any) -> None:
        self._root = None
        # Anchors are local to a document (YAML 1.2.2, 7.1); a stream that worked here would fail in
        # kubectl.
        self._anchors.clear()
        # Told even where no tag uses it: nobody writes the directive without meaning one.
        if event.tags:
            at = self._base + event.start_mark.index
            self.faults.append(Fault("MA1012", at, "%TAG directives are not supported"))

    def _scalar(self, event: Any) -> None:
        at = self._base + event.start_mark.index
        text = event.value
        # libyaml also sets implicit[0] for the tag `!`, even of a quoted scalar.
        plain = event.implicit[0] and event.style != '"'
        node: Node = Scalar(at, resolve(text) if plain else text, text, plain)
        # `!!str` alone says what the reader would assume of a quoted scalar anyway.
        if event.tag is not None and event.tag != _TEXT_TAG:
            node = self._tagged(event.tag, at)
        if event.anchor is not None:
            self._anchors[event.anchor] = (node, 1, len(text))
        self._budget.characters += len(text)
        self._add(node)

    def _mapping(self, event: Any) -> None:
        self._begin(event, Mapping(self._base + event.start_mark.index, []))

    def _sequence(self, event: Any) -> None:
        self._begin(event, Sequence(self._base + event.start_mark.index, []))

    def _begin(self, event: Any, node: Mapping | Sequence) -> None:
        # At the opening bracket, before there is anything to unwind: everything that walks nodes is
        # recursive.
        check_depth(len(self._open) + 1, node.at)
        self._add(node if event.tag is None else self._tagged(event.tag, node.at))
        self._open.append((node, event.anchor, self._budget.nodes, self._budget.characters))

    def _end(self, _event: Any) -> None:
        node, anchor, nodes, characters = self._open.pop()
        # Only at its end: an alias inside its own anchor would make a cycle, in which every walk is
        # endless.
        if anchor is not None:
            inside = self._budget.nodes - nodes + 1
            self._anchors[anchor] = (node, inside, self._budget.characters - characters)

    def _alias(self, event: Any) -> None:
        at = self._base + event.start_mark.index
        # libyaml leaves aliases to its composer, which is not used here.
        if event.anchor not in self._anchors:
            message = "the alias refers to nothing that ends before it"
            raise RefusedError("MA1009", at, message, "put the anchor before its aliases")
        node, nodes, characters = self._anchors[event.anchor]
        # Counted, though the node is shared: writing the value out pays for each copy
        # ("billion laughs").
        self._budget.repeat(nodes, characters, at)
        self._add(node)

    def _add(self, node: Node) -> None:
        self._budget.add(node.at)
        if self._open:
            self._open[-1][0].items.append(node)
        else:
            self._root = node

    def _tagged(self, tag: str, at: int) -> Unread:
        hint = "write the value without a tag; quote it if it is a string"
        if tag == _BINARY_TAG:
            hint = "write the base64 string without a tag, and add `encoding: base64`"
        return Unread(at, Fault("MA1010", at, "tags are not supported", hint))

    def _syntax(self, error: Any) -> RefusedError:
        mark = getattr(error, "problem_mark", None) or getattr(error, "context_mark", None)
        at = mark.index if mark else 0
        problem = getattr(error, "problem", None) or "it cannot be read"
        line = self._text[self._text.rfind("\n", 0, at) + 1 : at + 1]
        # libyaml calls this "found character that cannot start any token", and a tab is invisible
        # in most editors.
        if "\t" in line[: len(line) - len(line.lstrip()) + 1]:
            message = "a tab where YAML requires spaces"
            return RefusedError("MA1014", self._base + at, message, "indent with spaces")
        begun = ""
        if getattr(error, "context", None) and error.context_mark:
            begin, _ = self._source.position(self._base + error.context_mark.index)
            begun = f" {error.context} that begins in line {begin}"
        return RefusedError("MA1005", self._base + at, f"not YAML: {problem}{begun}")
