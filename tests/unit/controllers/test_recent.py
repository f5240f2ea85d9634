"""What was put in longest ago is forgotten first."""

from __future__ import annotations

from machineadm.controllers.runtime.recent import Recent


def test_no_more_is_kept_than_the_bound_and_what_was_put_in_anew_stays() -> None:
    kept = Recent[str, int](2)

    for key, value in (("a", 1), ("b", 2), ("a", 3), ("c", 4)):
        kept.put(key, value)

    assert [kept.get(key) for key in "abc"] == [3, None, 4]


def test_what_is_forgotten_makes_room() -> None:
    kept = Recent[str, int](2)
    kept.put("a", 1)
    kept.put("b", 2)

    kept.forget("a")
    kept.forget("a")
    kept.put("c", 3)

    assert [kept.get(key) for key in "abc"] == [None, 2, 3]
