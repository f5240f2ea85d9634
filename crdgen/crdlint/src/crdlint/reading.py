"""Bytes to documents, as kubectl and the API server read them: YAML 1.1 in Go's dialect, or JSON.

Duplicate keys, keys that are not strings and numbers that JSON cannot write are reported, everything else is kept.
"""

from __future__ import annotations

import base64
import json
import math
import re
from collections.abc import Iterable, Iterator
from typing import Any, Final

import yaml

# Deeper than any schema that the server would take, and low enough for recursive walks.
MAX_DEPTH: Final = 400
# Aliases unfold by multiplication; ten lines can make a billion values.
MAX_VALUES: Final = 2_000_000  # with aliases written out

# Only events are taken from it, so the C library's parser gives the same and is much faster.
_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
# What go-yaml v2 reads, which sigs.k8s.io/yaml uses: PyYAML wants a dot in a float, and Go does
# not.
_FLOAT: Final = re.compile(r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?")
_INT: Final = re.compile(r"[-+]?(0[xX][0-9a-fA-F]+|0[bB][01]+|0[oO]?[0-7]+|0|[1-9][0-9]*)")
# YAML 1.1's words in go-yaml's resolve.go. `y` and `n` are among them, which PyYAML does not read
# so.
_WORDS: Final[dict[str, Any]] = {
    **dict.fromkeys(
        ["y", "Y", "yes", "Yes", "YES", "true", "True", "TRUE", "on", "On", "ON"], True
    ),
    **dict.fromkeys(
        ["n", "N", "no", "No", "NO", "false", "False", "FALSE", "off", "Off", "OFF"], False
    ),
    **dict.fromkeys(["", "~", "null", "Null", "NULL"], None),
    **dict.fromkeys([".nan", ".NaN", ".NAN"], math.nan),
    **dict.fromkeys([".inf", ".Inf", ".INF", "+.inf", "+.Inf", "+.INF"], math.inf),
    **dict.fromkeys(["-.inf", "-.Inf", "-.INF"], -math.inf),
}
_TAG: Final = "tag:yaml.org,2002:"
# go-yaml looks at the first character and takes the text for a string if no number or word begins
# so.
_FIRST: Final = frozenset("0123456789+-.yYnNtTfFoO~")


class ReadingError(Exception):
    """A stream cannot be read at all."""

    def __init__(self, message: str, line: int = 0) -> None:
        super().__init__(message)
        self.message = message
        self.line = line


class Mapping(dict[str, Any]):
    """A mapping that knows the lines of its keys."""

    __slots__ = ("lines",)

    def __init__(self) -> None:
        super().__init__()
        # Beside the values: a dict has no room for where its keys stood.
        self.lines: dict[str, int] = {}


class Document:
    """One document of a stream, and what was wrong with its writing."""

    def __init__(self, value: Any, problems: Iterable[tuple[str, str, int]] = ()) -> None:
        self.value = value
        self.problems = list(problems)  # code, message, line


def read(data: bytes) -> list[Document]:
    """Read all documents of a file; empty ones are left out.

    Args:
        data: The content of the file.

    Returns:
        The documents, in order.

    Raises:
        ReadingError: It is neither YAML nor JSON, or nested or aliased beyond reason.
    """
    try:
        # A byte order mark is what editors on Windows write, and kubectl drops it.
        text = data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise ReadingError("is not UTF-8 text", data.count(b"\n", 0, error.start) + 1) from None
    try:
        # Not a question of the file's name: kubectl looks for the brace as well
        # (yaml.GuessJSONStream). What is no JSON may still be YAML in flow style.
        if text.lstrip()[:1] == "{" and (found := _json(text)) is not None:
            return [found]
        # `---` at the beginning or the end makes empty documents, which kubectl skips.
        return [d for d in _yaml(text) if d.value is not None]
    except RecursionError:
        raise ReadingError(f"is nested more than {MAX_DEPTH} levels deep") from None


def _json(text: str) -> Document | None:
    problems: list[tuple[str, str, int]] = []

    def pairs(items: list[tuple[str, Any]]) -> dict[str, Any]:
        mapping = dict(items)
        # json.loads gives all pairs to the hook, and dict() keeps the last of equal ones, as Go
        # does.
        if len(mapping) != len(items):
            names = [k for k, _ in items]
            again = next(k for k in names if names.count(k) > 1)
            problems.append(("CRD003", f"the key {again!r} appears more than once", 0))
        return mapping

    try:
        # NaN and Infinity are JSON to Python and to nobody else.
        value = json.loads(text, object_pairs_hook=pairs, parse_constant=_no_constant)
    except (ValueError, RecursionError):
        return None
    _limit(value)
    # Numbers after the limit: both are recursive.
    return Document(_numbers(value), problems)


def _no_constant(name: str) -> Any:
    raise ValueError(name)


def _limit(value: Any, depth: int = 0) -> None:
    if depth > MAX_DEPTH:
        raise ReadingError(f"is nested more than {MAX_DEPTH} levels deep")
    for item in (
        value.values() if isinstance(value, dict) else value if isinstance(value, list) else ()
    ):
        _limit(item, depth + 1)


def _numbers(value: Any) -> Any:
    if isinstance(value, dict):
        return {k: _numbers(v) for k, v in value.items()}
    if isinstance(value, list):
        return [_numbers(v) for v in value]
    return _number(value) if isinstance(value, int) and not isinstance(value, bool) else value


def _number(value: int) -> int | float:
    """Go's decoder keeps what fits an int64 and makes a float64 of the rest."""
    if -(2**63) <= value < 2**63:
        return value
    # Go's strconv fails above the largest float64; this bound is a little below it.
    return float(value) if abs(value) < 10**308 else _beyond()


def _beyond() -> float:
    raise ReadingError("holds a number that is out of range")


def _yaml(text: str) -> Iterator[Document]:
    builder = _Builder()
    try:
        for event in yaml.parse(text, Loader=_LOADER):
            done = builder.take(event)
            if done is not None:
                yield done
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        # Both parts: the context says where it began, and the problem what was met.
        message = " ".join(str(p) for p in (error.context, error.problem) if p)
        # In a process that has loaded libyaml with error classes of its own, a character that YAML
        # does not take comes as such an error, without a mark.
        if mark and not hasattr(mark, "line"):
            raise ReadingError("is not YAML: it has a character that YAML does not take") from None
        raise ReadingError(f"is not YAML: {message}", mark.line + 1 if mark else 0) from None
    except yaml.YAMLError as error:
        raise ReadingError(f"is not YAML: {str(error).splitlines()[0]}") from None


class _Builder:
    """Makes values of YAML events. A stack holds the open collections, a mapping with the key that waits."""

    def __init__(self) -> None:
        self.reset()

    def reset(self) -> None:
        self.stack: list[tuple[Any, str | None]] = []  # collection, its anchor
        self.keys: list[Any] = []  # the key that waits for its value, one a mapping of the stack
        self.anchors: dict[str, Any] = {}
        self.open: set[str] = set()
        self.sizes: dict[int, int] = {}
        self.problems: list[tuple[str, str, int]] = []
        self.merges: list[tuple[Mapping, Any, int]] = []
        self.count = 0
        self.root: Any = None

    def take(self, event: yaml.Event) -> Document | None:
        line = _line(event)
        # Events and no nodes: PyYAML's constructor keeps the last of equal keys without a word, and
        # resolves by other rules.
        if isinstance(event, yaml.ScalarEvent):
            self.place(_scalar(event), line, event.anchor)
        elif isinstance(event, yaml.MappingStartEvent):
            self.begin(Mapping(), event, line)
        elif isinstance(event, yaml.SequenceStartEvent):
            self.begin([], event, line)
        elif isinstance(event, (yaml.MappingEndEvent, yaml.SequenceEndEvent)):
            self.end()
        elif isinstance(event, yaml.AliasEvent):
            self.alias(event.anchor or "", line)
        elif isinstance(event, yaml.DocumentEndEvent):
            done = Document(self.root, self.problems)
            self.reset()
            return done
        return None

    def begin(self, value: Any, event: Any, line: int) -> None:
        if len(self.stack) >= MAX_DEPTH:
            raise ReadingError(f"is nested more than {MAX_DEPTH} levels deep", line)
        # Placed before it is filled: an alias within to itself is then found in self.open.
        self.place(value, line, event.anchor)
        # Open until its end: an alias to it in between would make a value that holds itself.
        if event.anchor:
            self.open.add(event.anchor)
        self.stack.append((value, event.anchor))
        self.keys.append(_NO_KEY)
        self.sizes[id(value)] = self.count

    def end(self) -> None:
        # The values since its beginning are its size, for aliases to it.
        value, anchor = self.stack.pop()
        self.keys.pop()
        self.sizes[id(value)] = self.count - self.sizes[id(value)]
        if anchor:
            self.open.discard(anchor)

    def alias(self, anchor: str, line: int) -> None:
        if anchor in self.open:
            raise ReadingError(f"has an alias to its own anchor, *{anchor}", line)
        if anchor not in self.anchors:
            raise ReadingError(f"has an alias without an anchor, *{anchor}", line)
        value = self.anchors[anchor]
        # Counted as if it were written out, without writing it out.
        self.count += self.sizes.get(id(value), 0)
        self.place(value, line, None)

    def place(self, value: Any, line: int, anchor: str | None) -> None:
        self.count += 1
        if self.count > MAX_VALUES:
            raise ReadingError("is too large once its aliases are expanded", line)
        # The later of two equal anchors counts from here on (YAML 1.1).
        if anchor:
            self.anchors[anchor] = value
        if not self.stack:
            self.root = value
            return
        parent = self.stack[-1][0]
        if isinstance(parent, list):
            parent.append(_plain(value, line))
        elif self.keys[-1] is _NO_KEY:
            self.keys[-1] = (value, line)
        else:
            key, at = self.keys[-1]
            self.keys[-1] = _NO_KEY
            self.pair(parent, key, _plain(value, line), at)

    def pair(self, mapping: Mapping, key: Any, value: Any, line: int) -> None:
        if key is _MERGE:
            _merge(mapping, value, line)
            return
        name = _key(key, line)
        # A name that came by a merge has no line, and may be overwritten.
        if name in mapping and name in mapping.lines:
            self.problems.append(("CRD003", f"the key {name!r} appears more than once", line))
        mapping[name] = value
        mapping.lines[name] = line


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark is not None else 0


_NO_KEY: Final = object()
_MERGE: Final = object()


def _merge(mapping: Mapping, value: Any, line: int) -> None:
    # The first of a list wins (YAML 1.1 merge), hence setdefault.
    for source in value if isinstance(value, list) else [value]:
        if not isinstance(source, dict):
            raise ReadingError("merges (<<) something that is not a mapping", line)
        for key, item in source.items():
            mapping.setdefault(key, item)


def _key(key: Any, line: int) -> str:
    if isinstance(key, str):
        return key
    # Before int, as always; sigs.k8s.io/yaml turns keys into JSON's strings.
    if isinstance(key, bool):
        return "true" if key else "false"
    if isinstance(key, int):
        return str(key)
    if isinstance(key, float):
        # About as Go prints a float; such a key is never one that is known.
        return f"{key:g}"
    raise ReadingError("has a key that is not a string", line)


def _plain(value: Any, line: int) -> Any:
    if isinstance(value, float):
        if not math.isfinite(value):
            raise ReadingError("holds a number that JSON cannot write", line)
        # encoding/json writes such a float without an exponent, and whoever reads it again finds an
        # integer.
        if value.is_integer() and abs(value) < 1e21:
            return _number(int(value))
    elif value is _MERGE:
        return "<<"
    return value


def _scalar(event: yaml.ScalarEvent) -> Any:
    text, tag = event.value, event.tag
    if event.implicit[0] and tag is None:
        return _resolved(text)
    # A quoted scalar is text, whatever it looks like.
    if tag is None or tag == "!" or tag == f"{_TAG}str":
        return text
    if tag == f"{_TAG}binary":
        try:
            return base64.b64decode(text).decode("utf-8", "replace")
        except ValueError:
            raise ReadingError("has a !!binary that is not base64", _line(event)) from None
    return _resolved(text) if tag.startswith(_TAG) else text


def _resolved(text: str) -> Any:
    """What a plain scalar means to Go's YAML 1.1 library."""
    if text and text[0] not in _FIRST:
        return _MERGE if text == "<<" else text
    if text in _WORDS:
        return _WORDS[text]
    bare = text.replace("_", "")
    if _INT.fullmatch(bare):
        return _number(_integer(bare))
    if _FLOAT.fullmatch(bare) and math.isfinite(value := float(bare)):
        return value
    return text


def _integer(text: str) -> int:
    sign, digits = (-1, text[1:]) if text[0] == "-" else (1, text.lstrip("+"))
    prefix = digits[:2].lower()
    # 0o is of YAML 1.2; go-yaml v2 takes it besides 1.1's leading zero.
    if prefix in ("0x", "0b", "0o"):
        return sign * int(digits[2:], {"0x": 16, "0b": 2, "0o": 8}[prefix])
    # int() takes quadratic time, and Python refuses more than 4300 digits with an error of its own.
    if len(digits) > 4000:
        raise ReadingError("holds a number that is out of range")
    return sign * int(digits, 8 if digits[0] == "0" else 10)
