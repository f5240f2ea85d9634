"""The table of verdicts: counting, and the page beside the counts of the last run."""

from __future__ import annotations

import json

from tests import verdict_table
from tests.drawn_arguments import NOT_DRAWN, PROGRAMS, arguments
from tests.drawn_documents import DOCUMENTS, drawn
from tests.verdict_table import Case


def test_the_page_has_the_counts_of_the_last_run() -> None:
    counts = json.loads(verdict_table.COUNTS.read_text())

    assert verdict_table.page_with(counts) == verdict_table.PAGE.read_text()
    assert list(counts) == [str(minor) for minor in verdict_table.MINORS]
    for of_version in counts.values():
        assert list(of_version) == list(verdict_table.KINDS)
        assert all(each["accepted_here"] == 0 for each in of_version.values())
        assert all(each["refused_here"] == 0 for each in of_version.values())


def test_what_differs_is_counted_by_who_refuses() -> None:
    cases = [
        Case("a", [], True, {}),
        Case("b", ["MA1 x"], False, {}),
        Case("c", ["MA1 x"], True, {}),
        Case("d", [], True, {}),
        Case("e", ["MA1 x"], False, {}),
    ]

    counts, differing = verdict_table.compared(
        cases, [["bad"], [], [], ["error loading file"], ["bad"]]
    )

    assert counts == {"cases": 5, "refused": 1, "accepted_here": 1, "refused_here": 1}
    assert differing == [("accepted here", "a", ["bad"]), ("refused here", "b", ["MA1 x"])]


def test_the_same_seed_draws_the_same_arguments() -> None:
    for program in PROGRAMS:
        first, again = list(arguments(program, 50, 34)), list(arguments(program, 50, 34))
        assert first == again
        assert first != list(arguments(program, 50, 34, seed=1))
        assert not {name for case in first for name, _value in case} & NOT_DRAWN


def test_the_same_seed_draws_the_same_documents() -> None:
    for kind in DOCUMENTS:
        first, again = list(drawn(kind, 20, 34)), list(drawn(kind, 20, 34))
        assert first == again
        assert first != list(drawn(kind, 20, 34, seed=1))
        assert {document["kind"] for document in first} == {kind}
