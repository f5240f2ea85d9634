"""Our readers say what others say of the same bytes, and the verdict on a document is msgspec's."""

from __future__ import annotations

import json
import random
from collections.abc import Iterator
from typing import Any, NoReturn

import msgspec
import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.documents.declared import keeps_declared
from machineadm.documents.decoding import decode
from machineadm.documents.encoding import encode_json, encode_yaml
from machineadm.documents.json_reader import JsonReader
from machineadm.documents.limits import Budget
from machineadm.documents.model import Document
from machineadm.documents.nodes import Node, NotPlainError, builtins
from machineadm.documents.secrets import secret_hook
from machineadm.documents.source import RefusedError, Source
from machineadm.documents.walk import NULLABLE, walk
from machineadm.documents.yaml_reader import YamlReader
from tests.contract.mutations import damaged_bytes, damaged_structure, seeds

FILES = 1000


def configurations() -> list[Any]:
    """The one document of each example."""
    return [yaml.load(text, yaml.CSafeLoader) for text in seeds() if not text.startswith(b"{")]


def damaged(count: int) -> Iterator[bytes]:
    chance = random.Random(count)  # noqa: S311 - the same ones at each run
    examples = configurations()
    for _ in range(count):
        yield damaged_structure([chance.choice(examples)], chance)


def accepted(value: Any) -> MachineConfiguration | None:
    """What msgspec and the declarations of the types make of a value without nulls."""
    if has_null(value):
        return None
    try:
        typed = msgspec.convert(value, MachineConfiguration, dec_hook=secret_hook)
    except msgspec.ValidationError:
        return None
    return typed if keeps_declared(typed) else None


def has_null(value: Any) -> bool:
    if isinstance(value, dict):
        return any(
            has_null(item) and not (item is None and key in NULLABLE) for key, item in value.items()
        )
    return any(map(has_null, value)) if isinstance(value, list) else value is None


def root_of(document: Document) -> Node:
    assert document.root is not None
    return document.root


def test_the_verdict_is_msgspecs() -> None:
    verdicts = []
    for data in damaged(FILES):
        (read,) = decode(data, file="node.yaml")
        (value,) = (
            [json.loads(data)] if data.startswith(b"{") else [yaml.load(data, yaml.CSafeLoader)]
        )
        expected = accepted(value) if isinstance(value, dict) else None

        assert (expected is None) == bool(read.problems), (data, read.problems)
        assert "MA1199" not in [problem.code for problem in read.problems]
        if expected is not None:
            assert read.value == expected
        verdicts.append(expected is None)
    assert 0 < sum(verdicts) < len(verdicts)


def test_the_walk_finds_nothing_in_what_is_accepted() -> None:
    for text in seeds():
        (read,) = decode(text, file="node.yaml")
        value, faults = walk(root_of(read), MachineConfiguration, read.source, "")

        assert (faults, value) == ([], read.value)


def test_a_refusal_that_nothing_explains_is_told_in_msgspecs_words() -> None:
    (read,) = decode(seeds()[0], file="node.yaml")
    refusal = "Object is odd - at `$.spec.kubernetes.version`"

    value, (fault,) = walk(root_of(read), MachineConfiguration, read.source, refusal)

    assert value is None
    assert (fault.code, fault.path, fault.message) == (
        "MA1199",
        "spec.kubernetes.version",
        "Object is odd",
    )
    assert read.source.position(fault.at) == (
        read.locate("spec.kubernetes.version").line,
        read.locate("spec.kubernetes.version").column,
    )


# ------------------------------------------------------------------ the readers


def by_json_reader(text: str) -> Node:
    reader = JsonReader(text, 0, len(text), Budget())
    root = reader.document()
    if reader.at < len(text):
        raise RefusedError("MA1006", reader.at, "more")
    return root


def no_constant(name: str) -> NoReturn:
    raise ValueError(name)


def plain(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    if len(dict(pairs)) < len(pairs):
        raise NotPlainError
    return dict(pairs)


def agree_on_json(text: str) -> None:
    """Either both read the same or both refuse; the other one is Python's own."""
    try:
        expected = json.loads(text, parse_constant=no_constant, object_pairs_hook=plain)
    except NotPlainError:
        return
    except ValueError:
        with pytest.raises(RefusedError):
            by_json_reader(text)
        return
    written = json.dumps(expected)
    if "Infinity" in written or any(f"\\ud{letter}" in written for letter in "89abcdef"):
        return  # beyond all range, or perhaps half a surrogate pair: Python is lenient
    if "null" not in written:
        assert builtins(by_json_reader(text)) == expected
    else:
        by_json_reader(text)


values = st.recursive(
    st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(), inner, max_size=4),
    max_leaves=15,
)


@given(values, st.booleans(), st.integers(0, 3))
def test_json_of_others_is_read_as_they_mean_it(value: Any, ascii_only: bool, indent: int) -> None:
    agree_on_json(json.dumps(value, ensure_ascii=ascii_only, indent=indent or None))


@settings(max_examples=500)
@given(
    st.lists(st.sampled_from('{}[]:,"\\ \n\t01-+.eEtrufalsn\x00\x1féu8😀'), max_size=12).map(
        "".join
    )
)
def test_text_that_looks_like_json_is_read_or_refused_as_by_python(text: str) -> None:
    agree_on_json(text)


def test_damaged_json_is_read_or_refused_as_by_python() -> None:
    chance = random.Random(7)  # noqa: S311 - the same ones at each run
    texts = [text for text in seeds() if text.startswith(b"{")]
    for _ in range(FILES):
        data = damaged_bytes(chance.choice(texts), chance)
        agree_on_json(data.decode(errors="replace"))


def test_damaged_yaml_is_read_or_refused_as_by_pyyaml() -> None:
    chance = random.Random(8)  # noqa: S311 - the same ones at each run
    texts = [text for text in seeds() if not text.startswith(b"{")]
    both = 0
    for _ in range(FILES):
        text = damaged_bytes(chance.choice(texts), chance).decode(errors="replace")
        ours = by_yaml_reader(text)
        try:
            theirs = list(yaml.load_all(text, yaml.CSafeLoader))
        except (yaml.YAMLError, ValueError):
            continue  # ours refuses, or does not look into what it never constructs
        if ours is not None:
            assert ours == theirs, text
            both += 1
    assert both > FILES / 5


def by_yaml_reader(text: str) -> list[Any] | None:
    """What our reader makes of a text, where that needs no type and no document is empty."""
    reader = YamlReader(Source("node.yaml", text), 0, len(text), Budget())
    try:
        return [builtins(root) for root in reader.documents()]
    except (RefusedError, NotPlainError):
        return None


def test_what_we_write_is_read_back_the_same() -> None:
    for value in configurations():
        for data in (encode_yaml(value), encode_json(value), encode_json(value, indent=2)):
            (read,) = decode(data, file="node.yaml")

            assert builtins(root_of(read)) == value
            assert read.problems == ()
