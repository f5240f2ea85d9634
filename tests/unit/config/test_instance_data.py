"""Texts with references to instance data: how they are read, and what is wrong with them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.config.instance_data import (
    FUNCTIONS,
    NAMES,
    OPEN_NAMES,
    Part,
    is_name,
    names,
    parse,
    problems,
    rendered,
)


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("$(v1.instance_id)", "i-1"),
        ("aws:///$(v1.region)/$(v1.instance_id)", "aws:///R.x/i-1"),
        ("$(v1.region|short)", "R"),
        ("$(v1.region|lower)", "r.x"),
        ("$(v1.region|short|lower)", "r"),
        ("$( v1.region | lower )", "r.x"),
        ("$$(v1.region) $(v1.instance_id)", "$(v1.region) i-1"),
        ("$HOME ${X} $1 ) ( $(v1.instance_id) $", "$HOME ${X} $1 ) ( i-1 $"),
        ("a\n$(v1.instance_id)\n", "a\ni-1\n"),
    ],
)
def test_a_text_is_filled_in(text: str, value: str) -> None:
    assert list(problems(text)) == []
    assert rendered(text, {"v1.region": "R.x", "v1.instance_id": "i-1"}) == value


@pytest.mark.parametrize(
    ("text", "code", "hint"),
    [
        ("plain", "MA1421", "give the value itself"),
        ("v1.instance_id", "MA1421", "write $(v1.instance_id)"),
        ("$$(v1.region)", "MA1421", "give the value itself"),
        ("$(v1.region", "MA1421", "write $$( for a literal $("),
        ("$(v1.region|upper)", "MA1421", "short and lower"),
        ("$()", "MA1422", "v1.NAME"),
        ("$(v1.hostname)", "MA1422", '"v1.local_hostname"'),
        ("$(v1.instance-id)", "MA1422", '"v1.instance_id"'),
        ("$(local_hostname)", "MA1422", '"v1.local_hostname"'),
        ("$(COREOS_EC2_HOSTNAME)", "MA1422", '"env.COREOS_EC2_HOSTNAME"'),
        ("$(meta_data.uuid)", "MA1422", '"ds.meta_data.uuid"'),
        ("$(net.primaryIpv4)", "MA1422", '"net.primaryIPv4"'),
        ("$(hostname)", "MA1422", '"host.name"'),
        ("$(ds.user_data)", "MA1422", "by a provider"),
        ("$(ds.meta_data.user-data)", "MA1422", "by a provider"),
        ("$(ds.meta_data.imds.compute.userData)", "MA1422", "by a provider"),
        ("$(ds.meta_data.imds.compute.customData)", "MA1422", "by a provider"),
        ("$(ds.meta_data.iam.security-credentials.role)", "MA1422", "by a provider"),
        ("$(ds.vendor_data)", "MA1422", "by a provider"),
    ],
)
def test_what_is_wrong_with_a_text_is_said_with_what_was_meant(
    text: str, code: str, hint: str
) -> None:
    (problem,) = problems(text)

    assert problem[0] == code
    assert hint in problem[2]


def test_all_that_is_wrong_is_said_at_once() -> None:
    assert [code for code, _, _ in problems("$(a) $(v1.region|x) $(")] == [
        "MA1422",
        "MA1421",
        "MA1421",
    ]


@pytest.mark.parametrize(
    "name",
    [
        *NAMES,
        "ds.meta_data.uuid",
        "ds.meta_data.placement.availability-zone",
        "ds.meta_data.public_keys.0",
        "env.COREOS_EC2_HOSTNAME",
        "net.eth0.ipv4",
        "net.eth0.100.ipv6",
        "net.br-lan.mac",
    ],
)
def test_what_is_a_name_can_be_referred_to(name: str) -> None:
    assert is_name(name)
    assert parse(f"$({name})") == (Part(name=name),)
    assert names(f"$({name}) $({name}|lower)") == (name,)


def test_the_page_has_all_names_and_functions_and_no_others() -> None:
    import re
    from pathlib import Path

    page = (Path(__file__).parents[3] / "docs/instance-data.md").read_text()
    told = re.findall(r"^\| `([a-z0-9]+\.[^`]+)` \| ([^|]+) \|", page, flags=re.MULTILINE)

    assert {name: text.strip() for name, text in told} == {**NAMES, **OPEN_NAMES}
    assert set(re.findall(r"`\|(\w+)`", page)) == set(FUNCTIONS)


@given(st.text(alphabet="$()|v1.region lower\n{}", max_size=60))
def test_any_text_has_problems_or_can_be_filled_in(text: str) -> None:
    if list(problems(text)):
        return
    found = rendered(text, dict.fromkeys(names(text), "x"))

    assert "$(v1" not in found or "$$(v1" in text
