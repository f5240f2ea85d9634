"""Whatever is wrong around a secret, no message shows it."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from msgspec import inspect

from machineadm.agent.intake import examine
from machineadm.api.scheme import KINDS
from machineadm.documents import printing
from machineadm.documents.encoding import encode_json, encode_yaml
from machineadm.redaction import Secret
from machineadm.sources.stream import Stream
from tests.contract.test_mistyped_keys import Key, document_around, keys

CANARY = "hunter2"
NUMBER = "48151623"

WRONG: dict[str, Any] = {
    "a text of a wrong form": f"{CANARY} {CANARY}",
    "an empty text beside it": "",
    "two lines": f"{CANARY}\n{CANARY}\n",
    "a number": int(NUMBER),
    "a fraction": float(NUMBER) / 7,
    "a list": [CANARY],
    "a map": {CANARY: CANARY},
    "a map of what is not a field": {"value": CANARY, "secret": {CANARY: [CANARY]}},
    "a long text": CANARY * 50_000,
}


def holds_secret(type_: inspect.Type) -> bool:
    if isinstance(type_, inspect.Metadata):
        return holds_secret(type_.type)
    if isinstance(type_, inspect.UnionType):
        return any(map(holds_secret, type_.types))
    if isinstance(type_, inspect.VarTupleType):
        return holds_secret(type_.item_type)
    if isinstance(type_, inspect.DictType):
        return holds_secret(type_.value_type)
    return isinstance(type_, inspect.CustomType) and type_.cls is Secret


def secret_fields() -> Iterator[Key]:
    for key in keys():
        for field in key.owner.fields:
            if field.encode_name == key.name and holds_secret(field.type):
                yield key


FIELDS = list(secret_fields())


def test_there_are_secret_fields_of_every_kind() -> None:
    names = {key.name for key in FIELDS}

    assert {"certificateKey", "token", "headers", "key", "passwordHash", "value"} <= names
    assert len(KINDS) == 3


@pytest.mark.parametrize("key", FIELDS, ids=[key.path() for key in FIELDS])
def test_no_message_around_a_secret_shows_it(key: Key) -> None:
    for value in WRONG.values():
        for name in (key.name, f"{key.name}x", f"{key.name}: {CANARY}", f"{key.name}:{CANARY}"):
            for write in (encode_yaml, encode_json):
                shown = messages(write(document_around(key, name, value)))

                assert CANARY not in shown
                assert NUMBER not in shown


def messages(data: bytes) -> str:
    problems = examine([Stream(name="node.yaml", data=data)]).problems
    return printing.as_text(problems) + printing.as_json(problems)


def test_a_secret_at_a_wrong_place_would_be_found() -> None:
    key = next(key for key in keys() if key.name == "permissions")

    assert CANARY in messages(encode_yaml(document_around(key, key.name, CANARY)))
