"""Bytes that are not text are caught wherever JSON is read: msgspec says UnicodeDecodeError then, which is none of its own errors."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from machineadm.controllers.runtime.client import _refusal
from machineadm.errors import HostError
from machineadm.execution.journal import JOURNAL, Journal
from tests.fakes.host import FakeClock, FakeState

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


NOT_NESTED = {
    "machineadm/documents/json_reader.py",  # a string or a number by itself
    "crdgen/generate/structural.py",  # what it has encoded itself
}


@pytest.mark.parametrize("package", ["machineadm", "plugins", "signing", "crdgen", "build"])
def test_what_others_nest_without_end_is_caught_wherever_json_is_read(package: str) -> None:
    found = [
        f"{name}:{line}"
        for path in sorted((ROOT / package).rglob("*.py"))
        if (name := str(path.relative_to(ROOT))) not in NOT_NESTED
        for line in shallow(path.read_text())
    ]
    assert found == []


DEEP_JSON = b'{"x": ' + b"[" * 100_000


def test_an_answer_that_is_nested_without_end_is_no_more_than_an_error() -> None:
    assert _refusal(500, DEEP_JSON).message == "HTTP status 500"


@pytest.mark.parametrize("text", [DEEP_JSON + b"\n", b"{}\n" + DEEP_JSON + b"\n"])
def test_state_that_is_nested_without_end_is_damaged(text: bytes) -> None:
    state = FakeState()
    state.write(JOURNAL, text, durable=True)
    with pytest.raises(HostError) as caught:
        Journal(state, FakeClock(), machine_id="m", boot_id="b")
    assert caught.value.code == "MA6004"


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
