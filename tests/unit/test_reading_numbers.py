"""What `int` refuses is never asked by `isdigit`, which takes the 2 of m² for a digit: `isdecimal` is what `int` reads."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

from machineadm.controllers.bootstrap.decide import _minor
from machineadm.controllers.runtime.client import _retry_after
from machineadm.controllers.runtime.serving import AddressError, address
from machineadm.controllers.stores.port import Stored
from tests.requirements import ROOT


def lines(source: str) -> Iterator[int]:
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Attribute) and node.attr == "isdigit":
            yield node.lineno


# Of bytes, whose isdigit knows the ten digits of ASCII alone.
OF_BYTES = {"machineadm/host/linux/accounts.py", "machineadm/steps/kubeadm/attempt.py"}


def modules() -> list[Path]:
    return [
        one
        for package in ("machineadm", "plugins", "signing", "crdgen", "build")
        for one in sorted((ROOT / package).rglob("*.py"))
        if str(one.relative_to(ROOT)) not in OF_BYTES
    ]


def test_isdigit_is_asked_nowhere() -> None:
    found = [f"{one}:{line}" for one in modules() for line in lines(one.read_text())]
    assert found == []


def test_a_planted_one_is_found() -> None:
    assert list(lines("if text.isdigit():\n    x = int(text)\n")) == [1]
    with pytest.raises(ValueError, match="invalid literal"):
        int("²")


@pytest.mark.parametrize("odd", ["²", "①", "፩"])
def test_a_digit_that_is_not_a_number_is_refused_or_left_out(odd: str) -> None:
    assert _minor(f"v1.{odd}.0") is None
    assert _retry_after(odd) == 0.0
    assert Stored.read(f"{'a' * 64}/{odd}/1") is None
    with pytest.raises(AddressError):
        address(f":{odd}")
