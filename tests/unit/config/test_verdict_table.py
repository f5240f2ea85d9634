"""The table of verdicts: counting, and the page beside the counts of the last run."""

from __future__ import annotations

import json

from tests import drawn_machines, verdict_table
from tests.drawn_documents import DOCUMENTS, drawn


def test_the_page_has_the_counts_of_the_last_run() -> None:
    counts = json.loads(verdict_table.COUNTS.read_text())

    assert verdict_table.page_with(counts) == verdict_table.PAGE.read_text()
    assert set(counts) == {*DOCUMENTS, *drawn_machines.KINDS}
    assert all(each["accepted_here"] == 0 for each in counts.values())
    assert all(each["refused_here"] == 0 for each in counts.values())


def test_what_differs_is_counted_by_who_refuses() -> None:
    cases = [("a", [], True), ("b", ["MA1 x"], False), ("c", ["MA1 x"], True), ("d", [], True)]

    counts, differing = verdict_table.compared(cases, [["bad"], [], [], ["error loading file"]])

    assert counts == {"cases": 4, "refused": 2, "accepted_here": 1, "refused_here": 1}
    assert differing == [("accepted here", "a", ["bad"]), ("refused here", "b", ["MA1 x"])]


def test_the_same_seed_draws_the_same_documents() -> None:
    for kind in DOCUMENTS:
        first, again = list(drawn(kind, 20, 34)), list(drawn(kind, 20, 34))
        assert first == again
        assert first != list(drawn(kind, 20, 34, seed=1))
        assert {document["kind"] for document in first} == {kind}
