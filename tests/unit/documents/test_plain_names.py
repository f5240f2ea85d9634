"""A name is known to be one without the pattern that says so, and only then."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.api.meta import PLAIN_NAMES
from machineadm.documents.declared import breach, is_plain_name

PIECES = st.sampled_from(
    [".", "..", "-", "a", "web", "B7", "0", "_", "/", " ", "\n", "ü", "\u0660", "x" * 62, "\x00"]
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_is_taken_for_a_plain_name_matches_the_patterns_of_names(text: str) -> None:
    if is_plain_name(text):
        assert all(re.search(pattern, text) for pattern in PLAIN_NAMES)


@pytest.mark.parametrize("text", ["web-1", "web-1.example.com", "a", "1a", "x" * 63])
def test_most_names_are_plain(text: str) -> None:
    assert is_plain_name(text)


@pytest.mark.parametrize("pattern", sorted(PLAIN_NAMES))
@pytest.mark.parametrize(
    ("text", "good"),
    [("1", True), ("10.0.0.1", True), (".".join(["x" * 63] * 2), True)]
    + [(text, False) for text in ("", "-a", "a-", ".a", "a.", "a..b", "a.-b", "a-.b", "a_b", "ü")],
)
def test_other_texts_are_judged_by_the_pattern(pattern: str, text: str, good: bool) -> None:
    assert (breach(text, {"pattern": pattern}) is None) is good
