"""Files that people wrote, damaged: each ends in a conversion or a coded error, soon, and tells no secret."""

from __future__ import annotations

import os
import signal
from types import FrameType
from typing import Any

import msgspec
import pytest

from machineadm.conversion.account import Leaf
from machineadm.conversion.whole import Conversion, Request, Result, convert
from machineadm.documents.model import Problem
from tests.corpus import mutated

MUTATED = int(os.environ.get("MACHINEADM_MUTATED", "300"))
"""How many; `make corpus` takes ten thousand, of its files as well."""

HANG = 20
"""Seconds of a processor after which no answer will come; one takes a hundredth of a second."""


def _hangs(_signal: int, _frame: FrameType | None) -> None:
    raise AssertionError(f"no answer after {HANG} s")


def test_a_damaged_file_has_an_answer() -> None:
    before = signal.signal(signal.SIGPROF, _hangs)
    try:
        for one in mutated.mutants(MUTATED, seed=20261201):
            signal.setitimer(signal.ITIMER_PROF, HANG)
            answer = convert([("in.yaml", one.data)], one.request)
            found = list(mutated.faults(answer, keeps_secrets=one.keeps_secrets))
            assert not found, (found, one)
    finally:
        signal.setitimer(signal.ITIMER_PROF, 0)
        signal.signal(signal.SIGPROF, before)


LEAF = Leaf(path="spec.a", line=1, column=1, outcome="converted")
RESULT = Result(
    file="a", document=1, kind="KubeadmConfig", name="a", to="MachineBootstrap",
    text="apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineBootstrap\n", leaves=(LEAF,),
)  # fmt: skip
PROBLEM = Problem(
    file="a", document=1, line=1, column=1, code="MA1005", path="", message="is not YAML"
)
GOOD = Conversion(results=(RESULT,), skipped=(), problems=())
REFUSED = Conversion(results=(), skipped=(), problems=(PROBLEM,))

FAULTS: dict[str, tuple[Conversion, str, dict[str, Any]]] = {
    "no answer": (GOOD, "", {"results": ()}),
    "an unknown code": (REFUSED, "problems", {"code": "MA0000"}),
    "no place": (REFUSED, "problems", {"line": 0}),
    "two lines": (REFUSED, "problems", {"message": "a\nb"}),
    "a secret in an error": (REFUSED, "problems", {"message": f"got {mutated.SECRET}"}),
    "a secret in the account": (GOOD, "results", {"leaves": (msgspec.structs.replace(LEAF, note=mutated.SECRET),)}),
    "output that is not YAML": (GOOD, "results", {"text": "a: b: c\n"}),
    "output that changes": (GOOD, "results", {"text": RESULT.text + "---\n" + RESULT.text.strip()}),
}  # fmt: skip


@pytest.mark.parametrize("name", FAULTS)
def test_the_judge_of_answers_finds(name: str) -> None:
    answer, part, fields = FAULTS[name]
    if part:
        (one,) = getattr(answer, part)
        fields = {part: (msgspec.structs.replace(one, **fields),)}

    assert list(mutated.faults(answer)) == []
    assert list(mutated.faults(msgspec.structs.replace(answer, **fields)))


@pytest.mark.parametrize(
    ("text", "keeps"),
    [
        (f"token: {mutated.SECRET}\n", True),
        (f'"passwd": "{mutated.SECRET}"\n', True),
        (f"token: {mutated.SECRET}\nname: {mutated.SECRET}\n", False),
        (f"- {mutated.SECRET}\n", False),
        ("a: b\n", True),
    ],
)
def test_a_secret_that_damage_has_moved_is_none(text: str, *, keeps: bool) -> None:
    assert mutated.Mutant("a", text.encode(), Request()).keeps_secrets is keeps


def test_the_same_seed_gives_the_same_damage() -> None:
    assert [one.data for one in mutated.mutants(20, seed=1)] == [
        one.data for one in mutated.mutants(20, seed=1)
    ]
    assert Request() in [one.request for one in mutated.mutants(20, seed=1)]
