"""Which versions a constraint allows, as those who write Go and JavaScript expect it."""

from __future__ import annotations

import pytest

from machineadm.errors import UsageError
from machineadm.plugins.catalogs.constraint import Constraint
from machineadm.plugins.catalogs.model import Wanted


@pytest.mark.parametrize(
    ("text", "allowed", "refused"),
    [
        ("", "0.0.1 9.9.9 nightly", "1.0.0-rc.1"),
        ("latest", "0.0.1 9.9.9", "1.0.0-rc.1"),
        ("1.2.3", "1.2.3 v1.2.3 1.2.3+build", "1.2.4 1.2.2 1.2.3-rc.1"),
        ("=1.2.3", "1.2.3", "1.2.4"),
        ("!=1.2.3", "1.2.4", "1.2.3"),
        ("!=1.2", "1.3.0 1.1.9 2.2.0", "1.2.0 1.2.9"),
        ("!=1.x", "0.9.0 2.0.0", "1.0.0 1.9.9"),
        (">=1 !=1.5", "1.4.9 1.6.0 2.5.0", "1.5.0 1.5.3"),
        ("^1.2.3", "1.2.3 1.9.0", "1.2.2 2.0.0 2.0.0-rc.1"),
        ("^0.2.3", "0.2.3 0.2.9", "0.3.0 0.2.2"),
        ("^0.0.3", "0.0.3", "0.0.4"),
        ("^0.0", "0.0.9", "0.1.0"),
        ("^1", "1.0.0 1.9.9", "2.0.0"),
        ("~1.2.3", "1.2.3 1.2.9", "1.3.0 1.2.2"),
        ("~1.2", "1.2.0 1.2.9", "1.3.0"),
        ("~1", "1.0.0 1.9.0", "2.0.0"),
        ("1.2", "1.2.0 1.2.9", "1.3.0"),
        ("1.2.x", "1.2.0 1.2.9", "1.3.0"),
        ("1.x", "1.0.0 1.9.9", "2.0.0"),
        ("1.x.3", "1.0.0 1.9.9", "2.0.0 0.3.0"),
        ("~1.*.3", "1.0.0 1.9.9", "2.0.0"),
        ("^0.x.3", "0.0.1 0.9.0", "1.0.0"),
        (">=1.2 <2", "1.2.0 1.9.9", "2.0.0 1.1.9"),
        (">=1.2, <2", "1.2.0", "2.0.0"),
        (">1.2", "1.3.0", "1.2.9"),
        ("<=1.2", "1.2.9 0.1.0", "1.3.0"),
        (">1.2.3", "1.2.4", "1.2.3"),
        ("^1 || ^3", "1.5.0 3.1.0", "2.0.0"),
        (">=1.0.0-rc.1", "1.0.0-rc.2 1.0.0", "1.0.0-beta"),
        ("^1.0.0-rc.1", "1.0.0-rc.2 1.9.0", "2.0.0-beta 2.0.0"),
        ("~1.2.0-rc.1", "1.2.0-rc.2 1.2.9", "1.3.0-alpha"),
        (">=1.0.0-rc.1 <2", "1.0.0-rc.1 1.9.0", "2.0.0-alpha 2.0.0-0"),
        ("<=1 >=0.9.0-0", "1.9.9", "2.0.0-alpha"),
        ("<2.0.0-rc.2", "2.0.0-rc.1 1.0.0", "2.0.0-rc.2 2.0.0"),
    ],
)
def test_a_constraint_allows_what_it_says(text: str, allowed: str, refused: str) -> None:
    constraint = Constraint.parse(text)

    assert [one for one in allowed.split() if not constraint.allows(one)] == []
    assert [one for one in refused.split() if constraint.allows(one)] == []


@pytest.mark.parametrize("text", ["^", "1.2.3.4", ">>1", "one", "1 ||", "^1 ^", "1;2", "^v"])
def test_what_is_no_constraint_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Constraint.parse(text)

    assert caught.value.code == "MA7240"


def test_the_newest_is_newest_by_precedence_and_not_by_its_letters() -> None:
    assert Constraint.parse("").newest(["1.9.0", "1.10.0", "nightly", "1.10.0-rc.1"]) == "1.10.0"
    assert Constraint.parse("").newest(["nightly", "older"]) == "older"
    assert Constraint.parse("^2").newest(["1.0.0"]) == ""


@pytest.mark.parametrize(
    "text",
    [
        "file",
        "/file",
        "nothing/file",
        "provider/",
        "provider/UP",
        "provider/a--b",
        "provider/-a",
        "provider/a/b",
        "provider/../x",
        "provider/a@",
        "provider/a\n",
        "provider/" + "a" * 129,
    ],
)
def test_what_is_no_plugin_is_refused(text: str) -> None:
    with pytest.raises(UsageError) as caught:
        Wanted.parse(text)

    assert caught.value.code == "MA7240"
