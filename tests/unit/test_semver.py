"""Versions compare as semver.org says, wherever they come from."""

from __future__ import annotations

from itertools import pairwise

import pytest

from machineadm.semver import Semver

# The order that semver.org gives in its section 11, and what is around it.
ASCENDING = [
    "v0.9.9",
    "v1.0.0-alpha",
    "v1.0.0-alpha.1",
    "v1.0.0-alpha.beta",
    "v1.0.0-beta",
    "v1.0.0-beta.2",
    "v1.0.0-beta.11",
    "v1.0.0-rc.1",
    "v1.0.0",
    "v1.0.1",
    "v1.9.0",
    "v1.10.0",
    "v2.0.0",
]


@pytest.mark.parametrize(("lower", "higher"), [*pairwise(ASCENDING)])
def test_versions_have_the_precedence_of_semver(lower: str, higher: str) -> None:
    assert Semver.parse(lower) < Semver.parse(higher)
    assert Semver.parse(higher) > Semver.parse(lower)


def test_build_metadata_and_the_leading_v_change_nothing() -> None:
    assert Semver.parse("v1.31.4+vmware.2") == Semver.parse("1.31.4")


@pytest.mark.parametrize("text", ["v1.34.4", "v1.35.0-rc.1", "v1.35.0-alpha.1.x-2"])
def test_a_version_is_written_as_it_was_read(text: str) -> None:
    assert str(Semver.parse(text)) == text


@pytest.mark.parametrize(
    "text",
    [
        "",
        "v1",
        "1.34",
        "v1.2.x",
        "v01.2.3",
        "v1.02.3",
        "vv1.2.3",
        "1.2.3.4",
        "1..3",
        "v1.2.\u00b2",
        "v1.2.\u0663",
        "latest",
        "v1.2.3\n",
        " v1.2.3",
        "v1.2.3-01",
        "v1.2.3-",
        "v1.2." + "3" * 300,
    ],
)
def test_what_is_not_a_version_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r"is not a version such as v1\.34\.4"):
        Semver.parse(text)
