"""What `make bench` keeps of a run can be compared with a later one, and drawn."""

from __future__ import annotations

from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from tests.bench import page, results
from tests.bench.harness import Case, compare
from tests.bench.results import Result, Results, differences

REFERENCE = Result(
    comparison="plan", case="bare", rounds=5, median=0.1, least=0.09, most=0.2, ratio=1, lowest_ratio=1
)  # fmt: skip
CASE = msgspec.structs.replace(
    REFERENCE, case="ours & theirs", median=0.5, least=0.4, ratio=5, lowest_ratio=4.4, limit=6
)


def later(ratio: float, lowest: float) -> list[Result]:
    return [
        REFERENCE,
        msgspec.structs.replace(CASE, ratio=CASE.ratio * ratio, lowest_ratio=CASE.lowest_ratio * lowest),
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("ratio", "lowest", "said"),
    [
        (1, 1, []),
        (1.09, 1.09, []),
        (1.5, 1.02, []),
        (1.2, 1.2, ["SLOWER  plan: ours & theirs: x5.00 -> x6.00"]),
        (0.5, 0.5, ["faster  plan: ours & theirs: x5.00 -> x2.50"]),
        (0.5, 1, []),
    ],
)
def test_a_case_is_slower_only_where_median_and_least_say_so(
    ratio: float, lowest: float, said: list[str]
) -> None:
    assert list(differences([REFERENCE, CASE], later(ratio, lowest))) == said


def test_cases_that_come_and_go_are_named() -> None:
    assert list(differences([REFERENCE], [CASE])) == [
        "new     plan: ours & theirs: x5.00",
        "gone    plan: bare",
    ]


def test_what_was_measured_is_kept_and_read_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(results, "KEPT", kept := list[Result]())
    monkeypatch.setattr("tests.bench.harness.KEPT", kept)
    times = {"bare": iter([9.0, 1.0, 2.0, 3.0]), "ours": iter([9.0, 4.0, 2.0, 8.0])}

    cases = [
        Case("bare", lambda _: next(times["bare"])),
        Case("ours", lambda _: next(times["ours"])),
    ]
    compare("one", cases, rounds=3)
    results.write(tmp_path / "kept.json", "make bench")

    found = results.read(tmp_path / "kept.json")
    assert [(one.case, one.median, one.ratio, one.lowest_ratio) for one in found.results] == [
        ("bare", 2.0, 1.0, 1.0),
        ("ours", 4.0, 2.0, 2.0),
    ]


def test_the_page_has_each_case_and_the_picture_each_goal() -> None:
    found = Results(command="c", commit="0", machine="m", python="3", results=(REFERENCE, CASE))

    text = page.page(found)
    drawn = "".join(ElementTree.fromstring(page.picture([CASE])).itertext())  # noqa: S314 - our own

    assert "| ours & theirs | 500.0 ms | 400.0 ms to 200.0 ms | x5.00 | x6 |" in text
    assert "plan: ours & theirs" in drawn
    assert "x5.00 of x6" in drawn
