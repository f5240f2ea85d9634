"""A plugin's log: every line is an entry, whatever it is."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.plugins.wire.logs import LEVELS, Log, Record


@pytest.mark.parametrize(
    ("line", "level", "message"),
    [
        ('{"@level":"warn","@message":"x","n":1}', "warn", "x"),
        ('{"@level":"info","@message":7}', "info", "7"),
        ('{"@level":"info"}', "info", ""),
        ('{"@level":"loud","@message":"x"}', "debug", '{"@level":"loud","@message":"x"}'),
        ('{"@level":3,"@message":"x"}', "debug", '{"@level":3,"@message":"x"}'),
        ('{"@level":["info"]}', "debug", '{"@level":["info"]}'),
        ("[1]", "debug", "[1]"),
        ("{", "debug", "{"),
        ("{" * 20000, "debug", "{" * 20000),
        ("[ERROR] no disk", "error", "no disk"),
        ("[WARN] late", "warn", "late"),
        ("[LOUD] x", "debug", "[LOUD] x"),
        ("plain", "debug", "plain"),
        ("panic: nil", "error", "panic: nil"),
        ("fatal error: all asleep", "error", "fatal error: all asleep"),
    ],
)
def test_a_line_has_its_level(line: str, level: str, message: str) -> None:
    found = Log().record(line.encode())

    assert (found.level, found.message) == (level, message)


def test_what_follows_a_panic_belongs_to_it_until_somebody_logs_again() -> None:
    log = Log()
    lines = ["before", "panic: nil", "goroutine 1:", "main.go:7", "[INFO] again", "after"]
    levels = [log.record(line.encode()).level for line in lines]

    assert levels == ["debug", "error", "error", "error", "info", "debug"]


def test_pairs_and_the_plugins_own_time_are_kept() -> None:
    line = b'{"@level":"info","@message":"x","@timestamp":"soon","@module":"m","n":[1]}'

    assert Log().record(line) == Record(
        "info", "x", {"@module": "m", "n": [1], "timestamp": "soon"}
    )


@given(st.binary(max_size=200))
def test_any_bytes_are_an_entry(line: bytes) -> None:
    assert Log().record(line).level in LEVELS
