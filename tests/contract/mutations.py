"""Damage to configuration files, of bytes and of structure; the same seed gives the same damage."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Final

import yaml

from machineadm.documents.encoding import encode_json, encode_yaml

EXAMPLES: Final = Path(__file__).parents[2] / "examples"
ODD_BYTES: Final = (
    b"\x00\t\n\r :-?,[]{}#&*!|>'\"%@`~<=\\/\x7f\x80\xbf\xc2\xe2\xf0\xff09ayn\xef\xbb\xbf"
)
ODD_TOKENS: Final = (
    b"---\n", b"...\n", b"%YAML 1.2\n", b"%TAG ! x\n", b"!!python/object/apply:os.system ", b"!!binary ",
    b"!x ", b"&a ", b"*a", b"<<: *a\n", b"? ", b"- ", b": ", b"|\n", b">-\n", b'"\\ud83d"', b'"\\x00"',
    b"0644", b"yes", b"~", b"1e3", b".inf", b"12:30:45", b"2001-01-01", b"9" * 400, b"[" * 200,
    b"{a: " * 200, "\u2028".encode(), "\ufeff".encode(), "😀".encode(), b"\r", b"#",
)  # fmt: skip
ODD_VALUES: Final[tuple[Any, ...]] = (
    None, True, False, 0, -1, 420, 2**70, 1.5, "", "x", "\n", "\x00", "x" * 70_000, "é😀\u2028", "yes", "0644",
    "v1.34.4", "/etc", "/../..", "10.0.0.0/8", "-----BEGIN X-----", [], [[]], {}, {"": {}}, {"a": {"b": []}},
    [None], ["x"] * 300,
)  # fmt: skip

Damage = Callable[[bytearray, random.Random], object]


def seeds() -> list[bytes]:
    """The examples, as YAML and as JSON."""
    texts = [path.read_bytes() for path in sorted(EXAMPLES.glob("*.yaml"))]
    loaded = [list(yaml.load_all(text, yaml.CSafeLoader)) for text in texts]
    as_json = [
        b"\n".join(encode_json(each, indent=2) for each in documents) for documents in loaded
    ]
    return texts + as_json


def mutants(count: int, *, seed: int) -> Iterator[bytes]:
    """Damaged files, half of them byte by byte, half of them in structure."""
    chance = random.Random(seed)  # noqa: S311 - the same ones at each run
    whole = seeds()
    documents = [list(yaml.load_all(text, yaml.CSafeLoader)) for text in whole]
    for number in range(count):
        if number % 2:
            yield damaged_bytes(chance.choice(whole), chance)
        else:
            yield damaged_structure(chance.choice(documents), chance)


def damaged_bytes(text: bytes, chance: random.Random) -> bytes:
    data = bytearray(text)
    for _ in range(chance.choice((1, 1, 1, 2, 3, 8))):
        chance.choice(DAMAGES)(data, chance)
    return bytes(data)


def _replace(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] = chance.choice(ODD_BYTES)


def _insert(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = bytes([chance.choice(ODD_BYTES)])


def _insert_token(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    data[at:at] = chance.choice(ODD_TOKENS)


def _delete(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    del data[at : at + chance.choice((1, 1, 2, 5, 40))]


def _flip(data: bytearray, chance: random.Random) -> None:
    if data:
        data[chance.randrange(len(data))] ^= 1 << chance.randrange(8)


def _truncate(data: bytearray, chance: random.Random) -> None:
    del data[chance.randrange(len(data) + 1) :]


def _repeat(data: bytearray, chance: random.Random) -> None:
    at = chance.randrange(len(data) + 1)
    piece = data[at : at + chance.randrange(1, 60)]
    data[at:at] = piece * chance.choice((1, 2, 50))


def _swap_lines(data: bytearray, chance: random.Random) -> None:
    lines = data.split(b"\n")
    one, other = chance.randrange(len(lines)), chance.randrange(len(lines))
    lines[one], lines[other] = lines[other], lines[one]
    data[:] = b"\n".join(lines)


def _indent(data: bytearray, chance: random.Random) -> None:
    lines = data.split(b"\n")
    at = chance.randrange(len(lines))
    lines[at][:0] = chance.choice((b" ", b"  ", b"\t", b"      "))
    data[:] = b"\n".join(lines)


DAMAGES: Final[tuple[Damage, ...]] = (
    _replace, _insert, _insert_token, _delete, _flip, _truncate, _repeat, _swap_lines, _indent,
)  # fmt: skip


def damaged_structure(documents: list[Any], chance: random.Random) -> bytes:
    """Values replaced, keys renamed, moved, doubled; written as YAML or as JSON."""
    changed = [_copy(document) for document in documents]
    for _ in range(chance.choice((1, 1, 2, 4))):
        places = list(_places(changed))
        holder, key = chance.choice(places)
        _change(holder, key, chance, places)
    write = encode_yaml if chance.random() < 0.5 else encode_json
    return b"\n---\n".join(write(document) for document in changed)


def _copy(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _copy(item) for key, item in value.items()}
    return [_copy(item) for item in value] if isinstance(value, list) else value


def _places(value: Any) -> Iterator[tuple[Any, Any]]:
    pairs = value.items() if isinstance(value, dict) else enumerate(value)
    for key, item in pairs:
        yield value, key
        if isinstance(item, dict | list):
            yield from _places(item)


def _change(holder: Any, key: Any, chance: random.Random, places: list[tuple[Any, Any]]) -> None:
    """One change at one place, that the changes before it have left there."""
    if isinstance(holder, dict) and key not in holder:
        return
    kind = chance.randrange(6)
    if kind <= 1:
        holder[key] = _copy(chance.choice(ODD_VALUES))
    elif kind == 2:
        holder[key] = [holder[key]]
    elif kind == 3:
        other, place = chance.choice(places)
        holder[key] = _copy(other[place]) if isinstance(other, list) or place in other else None
    elif isinstance(holder, dict):
        value = holder.pop(key)
        if kind == 4:
            holder[f"{key}{chance.choice(('s', 'X', ' ', '.a', chr(10)))}"] = value
