"""Single values that the types take or refuse, and the two stand-ins: secrets and what was pruned."""

from __future__ import annotations

from collections.abc import Callable
from typing import Annotated, Any

import msgspec
import pytest

from machineadm.api import meta
from machineadm.api.formats import seconds
from machineadm.api.pruned import PRUNED, PrunedError
from machineadm.documents.declared import breach


@pytest.mark.parametrize(
    ("alias", "good", "bad"),
    [
        (meta.AbsolutePath, ["/a", "/a/.b", "/a/..b", "/a b/c", "/..."],
         ["a", "/", "/a/", "/a//b", "/a/../b", "/a/.", "//a", ""]),
        (meta.FileMode, ["0644", "644", "4755", "01777"], ["999", "64", "0o644", "u+x", ""]),
        (meta.FileOwner, ["root", "root:root", "0:0", "a_b-c.d", "svc$:grp"], ["root:", ":root", "a b", "-a"]),
        (meta.Duration, ["0s", "1h30m", "500ms", "1.5h"], ["1", "1d", "1 h", "-1s", "s"]),
        (meta.Quantity, ["1", "100Mi", "500m", "1.5Gi", "1e3"], ["1MB", "Mi", "1 Gi", ""]),
        (meta.KubernetesVersion, ["v1.34.4", "v1.35.0-rc.1", "v1.31.0+vmware.1"], ["1.34.4", "v1.34", "latest"]),
        (meta.QualifiedName, ["a", "example.com/a_b.c", "a-B"], ["/a", "a/", "Example.com/a", "a/b/c", "-a"]),
        (meta.LabelValue, ["", "a", "A_b.c"], ["-a", "a b", "a" * 64]),
        (meta.Endpoint, ["a", "a:1", "[::1]:6443", "10.0.0.1:6443"], ["https://a", "a:x", "a:1/", "a b"]),
        (meta.Timestamp, ["2030-01-02T03:04:05Z", "2030-01-02T03:04:05.6+01:00"], ["2030-01-02", "tomorrow"]),
        (meta.HeaderName, ["Authorization", "X-A_b"], ["A b", "A:", ""]),
        (meta.VariableName, ["A", "_a1"], ["1A", "A-B", "A=B"]),
        (meta.Sha256, ["a" * 64], ["A" * 64, "a" * 63, "g" * 64]),
    ],
)  # fmt: skip
def test_a_value_is_taken_or_refused(alias: Any, good: list[str], bad: list[str]) -> None:
    assert [value for value in good if not is_taken(value, alias)] == []
    assert [value for value in bad if is_taken(value, alias)] == []


def is_taken(value: str, alias: Any) -> bool:
    """Whether a value is what its type and the declarations around it ask for."""
    (meta,) = alias.__metadata__
    try:
        msgspec.convert(value, alias)
    except msgspec.ValidationError:
        return False
    return breach(value, meta.extra) is None


@pytest.mark.parametrize(
    ("text", "expected"),
    [("0s", 0.0), ("1h30m", 5400.0), ("500ms", 0.5), ("1.5h", 5400.0), ("90s", 90.0), ("100h", 360000.0)],
)  # fmt: skip
def test_durations_are_read_as_go_writes_them(text: str, expected: float) -> None:
    assert seconds(text) == pytest.approx(expected)


@pytest.mark.parametrize("text", ["", "1", "h", "1d", "1h ", "-1s", "1h30", "9999999h"])
def test_what_go_would_not_read_is_no_duration(text: str) -> None:
    with pytest.raises(ValueError, match=r"duration|longer"):
        seconds(text)


TOUCHES: dict[str, Callable[[Any], object]] = {
    "attribute": lambda it: it.name,
    "truth": bool,
    "equality": lambda it: it == 1,
    "order": lambda it: it < 1,
    "iteration": list,
    "length": len,
    "membership": lambda it: 1 in it,
    "item": lambda it: it[0],
    "hash": hash,
    "text": str,
    "format": lambda it: f"{it}",
    "number": int,
    "sum": lambda it: it + 1,
    "type test": lambda it: isinstance(it, str),
    "call": lambda it: it(),
}


@pytest.mark.parametrize("touch", TOUCHES.values(), ids=TOUCHES)
def test_what_was_pruned_cannot_be_looked_at(touch: Callable[[Any], object]) -> None:
    with pytest.raises(PrunedError):
        touch(PRUNED)


def test_what_was_pruned_can_be_told_by_identity_and_shown_to_a_developer() -> None:
    assert PRUNED is PRUNED
    assert repr(PRUNED) == "PRUNED"


def test_a_secret_stays_hidden_within_its_struct() -> None:
    class Holder(meta.ApiStruct, frozen=True, kw_only=True):
        password: Annotated[meta.ShortSecret, msgspec.Meta()] | None = None

    holder = msgspec.convert(
        {"password": "canary-4711"}, Holder, dec_hook=lambda type_, value: type_(value)
    )

    assert "canary" not in repr(holder)
    with pytest.raises(TypeError):
        msgspec.json.encode(holder)
