"""Bytes that are not text are caught wherever JSON is read: msgspec says UnicodeDecodeError then, which is none of its own errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

READERS = ("json.decode", "json.loads", "msgpack.decode")
ROOT = Path(__file__).parents[2]
ENOUGH = {"ValueError", "UnicodeError", "Exception"}
DEEP = {"RecursionError", "Exception", "BaseException"}


def lines(source: str) -> Iterator[int]:
    """Lines of each `try` that reads JSON and catches msgspec's errors alone."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Try) and any(map(_reads, node.body)):
            caught = {name for handler in node.handlers for name in _caught(handler)}
            if not caught & ENOUGH and any(
                "msgspec" in each or "Decode" in each for each in caught
            ):
                yield node.lineno


def _reads(statement: ast.stmt) -> bool:
    return any(
        isinstance(node, ast.Call) and ast.unparse(node.func).endswith(READERS)
        for node in ast.walk(statement)
    )


def _caught(handler: ast.ExceptHandler) -> list[str]:
    if handler.type is None:
        return ["Exception"]
    types = handler.type.elts if isinstance(handler.type, ast.Tuple) else [handler.type]
    return [ast.unparse(each) for each in types]


@pytest.mark.parametrize("package", ["machineadm", "plugins", "signing", "crdgen", "build"])
def test_bytes_that_are_not_text_are_caught_wherever_json_is_read(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in lines(path.read_text())
    ]
    assert found == []


def shallow(source: str) -> Iterator[int]:
    """Lines of each `try` that reads what others have nested, and would not catch that it is too deep."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Try) and any(map(_reads, node.body)):
            caught = {name for handler in node.handlers for name in _caught(handler)}
            if not caught & DEEP:
                yield node.lineno


@pytest.mark.parametrize("package", ["machineadm/plugins", "plugins"])
def test_what_a_plugin_or_a_catalog_nests_without_end_is_caught(package: str) -> None:
    found = [
        f"{path.relative_to(ROOT)}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        for line in shallow(path.read_text())
    ]
    assert found == []


def test_a_reader_that_catches_too_little_would_be_found() -> None:
    text = "try:\n    x = msgspec.json.decode(data)\nexcept msgspec.DecodeError:\n    pass\n"

    assert list(lines(text)) == [1]
    assert list(lines(text.replace("msgspec.DecodeError", "ValueError"))) == []
    with pytest.raises(UnicodeDecodeError):
        msgspec.json.decode(b'{"a": "\xff"}')
    assert issubclass(msgspec.DecodeError, ValueError)
    assert list(shallow(text)) == [1]
    assert list(shallow(text.replace("msgspec.DecodeError", "RecursionError"))) == []
    with pytest.raises(RecursionError):
        msgspec.json.decode("[" * 100_000)
