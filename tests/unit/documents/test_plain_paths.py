"""A path is known to be one without the pattern that says so, and only then."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.api.meta import PLAIN_PATHS
from machineadm.documents.declared import breach, is_plain_path

PIECES = st.sampled_from(
    ["/", ".", "..", "a", "etc", "B7", "_", "-", "~", " ", "\n", "ü", "\\", "c:", "\x00"]
)


@given(st.lists(PIECES, max_size=8).map("".join))
def test_what_is_taken_for_a_plain_path_matches_the_patterns_of_paths(text: str) -> None:
    if is_plain_path(text):
        assert all(re.search(pattern, text) for pattern in PLAIN_PATHS)


@pytest.mark.parametrize("text", ["/etc/motd", "/etc/a-b_c.d/1", "/X", "/a.."])
def test_most_paths_are_plain(text: str) -> None:
    assert is_plain_path(text)


@pytest.mark.parametrize("pattern", sorted(PLAIN_PATHS))
@pytest.mark.parametrize(
    ("text", "good"),
    [("/etc/my file", True), ("/etc/.hidden", True), ("/ü", True), ("/", False), ("/a/../b", False)]
    + [(text, False) for text in ("a/b", "/a/", "/a//b", "/.", "/a/.", "")],
)
def test_other_texts_are_judged_by_the_pattern(pattern: str, text: str, good: bool) -> None:
    assert (breach(text, {"pattern": pattern}) is None) is good
