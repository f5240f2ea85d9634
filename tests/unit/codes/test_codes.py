"""Every code that can be raised is explained, every code that is explained can be raised, and none has two owners."""

from __future__ import annotations

import ast
import importlib
import pkgutil
import re
from collections import Counter
from pathlib import Path

import msgspec
import pytest

import machineadm.codes
from machineadm.codes import load
from tests.typewalk import structs

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


ADVISED = re.compile(
    r"\b(?:spec|kubernetes|node|cluster|controlPlane|role|discovery|timeouts|machine|commands)\.[A-Za-z0-9.\[\]]*[A-Za-z0-9]"
)


def fields() -> set[str]:
    """The names of all fields of our types, as a configuration has them."""
    return {field.encode_name for struct in structs() for field in msgspec.structs.fields(struct)}


def unknown(text: str, known: set[str]) -> list[str]:
    """Fields that an advice names and no type of ours has."""
    return [
        path
        for path in ADVISED.findall(text)
        if not all(part in known for part in path.replace("[]", "").split(".") if part != "spec")
    ]


def advice() -> dict[str, str]:
    """What an operator is told to do: of each code, and of each error that says it at its place."""
    told = {code: explained.remedy for code, explained in load().items()}
    for package in PACKAGES[:1]:
        for path in package.rglob("*.py"):
            for node in ast.walk(ast.parse(path.read_text())):
                if isinstance(node, ast.keyword) and node.arg == "hint":
                    constants = [
                        one.value for one in ast.walk(node) if isinstance(one, ast.Constant)
                    ]
                    told[f"{path}:{node.lineno}"] = " ".join(map(str, constants))
    return told


def test_an_advice_names_no_field_that_our_types_do_not_have() -> None:
    known = fields()

    assert {
        place: names for place, text in advice().items() if (names := unknown(text, known))
    } == {}
    assert unknown("set node.kubelet.failSwapOff to false", known) == ["node.kubelet.failSwapOff"]


def test_nobody_is_told_to_reset_a_node_behind_machineadms_back() -> None:
    """What it recorded would stay. The exception is kubeadm's own failure, whose output says why."""
    told = [place for place, text in advice().items() if "kubeadm reset`" in text]

    assert [place for place in told if "remains.py" not in place] == []
    assert len(told) == 1
