"""Every code that can be raised is explained, every code that is explained can be raised, and none has two owners."""

from __future__ import annotations

import importlib
import pkgutil
import re
from collections import Counter
from pathlib import Path

import pytest

import machineadm.codes
from machineadm.codes import load

ROOT = Path(machineadm.codes.__file__).parents[2]
PACKAGES = (ROOT / "machineadm", ROOT / "signing")
START = ROOT / "build"  # the packed agent's own start is in there
CODE = re.compile(r"\bMA[0-9]{4}\b")


def in_source() -> set[str]:
    sources = [
        path for package in PACKAGES for kind in ("*.py", "*.sh") for path in package.rglob(kind)
    ]
    sources += START.glob("*.py")
    return {
        code
        for path in sources
        if "codes" not in path.parts
        for code in CODE.findall(path.read_text())
    }


def test_every_code_in_the_source_is_explained() -> None:
    assert in_source() - load().keys() == set()


def test_every_explained_code_is_in_the_source() -> None:
    assert load().keys() - in_source() == set()


def test_no_code_is_explained_twice() -> None:
    tables = [
        importlib.import_module(f"machineadm.codes.{module.name}").TABLE
        for module in pkgutil.iter_modules(machineadm.codes.__path__)
        if module.name != "model"
    ]
    counts = Counter(code for table in tables for code in table)

    assert [code for code, count in counts.items() if count > 1] == []


@pytest.mark.parametrize("code", sorted(load()))
def test_an_explanation_says_something(code: str) -> None:
    explained = load()[code]

    assert CODE.fullmatch(code)
    assert not explained.title.endswith(".")
    assert explained.meaning.endswith(".")
    assert explained.remedy.endswith(".")
