"""The handshake line, as Go's own library writes and reads it."""

from __future__ import annotations

import contextlib

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.errors import PluginError
from machineadm.plugins.wire.handshake import Address, Line, choose, offered, parse, render

LINES = st.builds(
    Line,
    version=st.integers(0, 10**6),
    address=st.builds(
        Address, st.sampled_from(["unix", "tcp"]), st.from_regex("[!-{}~]{1,80}", fullmatch=True)
    ),
    certificate=st.one_of(st.just(b""), st.binary(min_size=60, max_size=900)),
    multiplexed=st.sampled_from([None, True, False]),
)


@given(LINES)
def test_what_a_plugin_writes_a_host_reads(line: Line) -> None:
    text = render(line)
    read = parse(
        text,
        versions=[line.version],
        mtls=bool(line.certificate),
        multiplexed=bool(line.multiplexed),
    )

    assert read == line


@given(st.text())
def test_no_text_does_anything_but_fit_or_be_refused(text: str) -> None:
    with contextlib.suppress(PluginError):
        parse(text, versions=[1], mtls=False, multiplexed=False)


@pytest.mark.parametrize(
    "spaced", ["1|1|unix|/s|grpc|\r", "  1|1|unix|/s|grpc  ", "+1|1|unix|/s|grpc|"]
)
def test_what_go_takes_is_taken(spaced: str) -> None:
    line = parse(spaced, versions=[1], mtls=False, multiplexed=False)

    assert line.address == Address("unix", "/s")


@pytest.mark.parametrize("word", ["1", "t", "T", "true", "TRUE", "True"])
def test_multiplexing_is_granted_in_all_of_gos_words(word: str) -> None:
    text = f"1|1|unix|/s|grpc||{word}"

    assert parse(text, versions=[1], mtls=False, multiplexed=True).multiplexed is True


def test_a_certificate_that_nobody_asked_for_is_not_used() -> None:
    text = f"1|1|unix|/s|grpc|{'A' * 100}"

    assert parse(text, versions=[1], mtls=False, multiplexed=False).certificate == b""


@pytest.mark.parametrize(
    ("own", "listed", "chosen"),
    [({1}, "1", 1), ({1, 2, 3}, "3,1", 3), ({4, 5}, "1,2", 4), ({2, 3}, "", 2), ({2}, "x,2", 2)],
)
def test_a_plugin_picks_the_highest_common_version_or_shows_its_lowest(
    own: set[int], listed: str, chosen: int
) -> None:
    assert choose(own, offered(listed)[0]) == chosen


def test_entries_that_are_not_numbers_are_told_apart() -> None:
    assert offered("1, 2,three,,4.0") == ((1, 2), ("three", "4.0"))
