"""A further Ignition configuration becomes part of the rendered one, and nothing of either is lost or overwritten."""

from __future__ import annotations

import json
from typing import Any

import pytest

from machineadm.rendering.builtin import DIRECTORY
from machineadm.rendering.stream import Outcome
from tests.unit.rendering.test_render import PLAIN, render, user_data

UNIT = "machineadm-bootstrap.service"
FILE = {"path": "/etc/early", "mode": 420, "contents": {"source": "data:,a"}}


def rendered(config: object, *, version: str = "3.4", limit: str = "") -> Outcome:
    """What comes of a configuration, as an object or as a text."""
    text = config if isinstance(config, str) else json.dumps(config)
    spec = f'  format: ignition\n  ignitionVersion: "{version}"\n{limit}  ignition: {{additionalConfig: {json.dumps(text)}}}\n'
    return render(PLAIN + spec)


def whole(config: dict[str, Any], *, version: str = "3.4", own: str = "3.4.0") -> dict[str, Any]:
    """The merged configuration."""
    outcome = rendered({"ignition": {"version": own}, **config}, version=version)
    found: dict[str, Any] = json.loads(user_data(outcome))
    return found


def problem(config: object, *, version: str = "3.4") -> tuple[str, str]:
    """Code and message of what is refused."""
    (found,) = rendered(config, version=version).problems
    assert found.path == "spec.ignition.additionalConfig"
    return found.code, found.message


@pytest.mark.parametrize(
    ("version", "own"), [("3.4", "3.4.0"), ("3.4", "3.0.0"), ("2.3", "2.3.0"), ("2.3", "2.1.0")]
)
def test_lists_are_joined_and_ours_stays_whole(version: str, own: str) -> None:
    alone = json.loads(
        user_data(render(f'{PLAIN}  format: ignition\n  ignitionVersion: "{version}"\n'))
    )
    found = whole(
        {
            "storage": {"files": [FILE], "disks": [{"device": "/dev/sdb"}]},
            "passwd": {"users": [{"name": "core"}]},
            "systemd": {"units": [{"name": "a.service", "enabled": True}]},
        },
        version=version,
        own=own,
    )

    assert found["ignition"] == alone["ignition"]
    assert found["storage"]["files"] == [*alone["storage"]["files"], FILE]
    assert found["storage"]["directories"] == alone["storage"]["directories"]
    assert found["storage"]["disks"] == [{"device": "/dev/sdb"}]
    assert found["passwd"] == {"users": [{"name": "core"}]}
    assert [unit["name"] for unit in found["systemd"]["units"]] == [UNIT, "a.service"]


def test_settings_of_ignition_itself_are_taken() -> None:
    found = whole({"ignition": {"version": "3.4.0", "timeouts": {"httpTotal": 30}}})

    assert found["ignition"] == {"version": "3.4.0", "timeouts": {"httpTotal": 30}}


def test_the_agents_unit_may_be_given_drop_ins() -> None:
    drop_in = {"name": "10-late.conf", "contents": "[Unit]\nAfter=b.service\n"}
    (unit,) = whole({"systemd": {"units": [{"name": UNIT, "dropins": [drop_in]}]}})["systemd"][
        "units"
    ]

    assert unit["dropins"] == [drop_in]
    assert unit["enabled"] is True


@pytest.mark.parametrize(
    "config",
    [
        {"storage": {"files": [{**FILE, "path": f"{DIRECTORY}/config.yaml"}]}},
        {"storage": {"links": [{"path": "/var/lib/machineadm", "target": "/tmp"}]}},
        {"storage": {"directories": [{"path": f"{DIRECTORY}/x"}]}},
        {"systemd": {"units": [{"name": UNIT, "enabled": False}]}},
        {"systemd": {"units": [{"name": UNIT, "mask": True, "dropins": []}]}},
        {"storage": {"files": [FILE, FILE]}},
    ],
    ids=["a file", "a link over it", "a directory in it", "a unit", "a mask", "one file twice"],
)
def test_what_both_write_is_refused(config: dict[str, Any]) -> None:
    code, _ = problem({"ignition": {"version": "3.4.0"}, **config})

    assert code in ("MA1622", "MA1623", "MA1624")


@pytest.mark.parametrize(
    ("config", "version"),
    [
        ("not JSON", "3.4"),
        ({"storage": {}}, "3.4"),
        ({"ignition": {"version": "3.5.0"}}, "3.4"),
        ({"ignition": {"version": "2.3.0"}}, "3.4"),
        ({"ignition": {"version": "3.4.0"}}, "2.3"),
        ({"ignition": {"version": "x.y"}}, "3.4"),
        ({"ignition": {"version": "3.4.0"}, "storages": {}}, "3.4"),
    ],
    ids=[
        "no JSON",
        "no version",
        "later",
        "older kind",
        "newer kind",
        "no number",
        "a key that nobody knows",
    ],
)
def test_what_ignition_would_not_take_is_refused(config: object, version: str) -> None:
    assert problem(config, version=version)[0] == "MA1623"


def test_a_size_beyond_the_limit_counts_it_as_part_of_the_template() -> None:
    secret = "x" * 20000
    (found,) = rendered(
        {
            "ignition": {"version": "3.4.0"},
            "storage": {"files": [{**FILE, "contents": {"source": f"data:,{secret}"}}]},
        },
        limit="  dataSizeLimit: 16Ki\n",
    ).problems

    assert found.code == "MA1620"
    assert "configuration " in found.message


def test_it_is_for_ignition_alone() -> None:
    (found,) = render(PLAIN + "  ignition: {additionalConfig: '{}'}\n").problems

    assert (found.code, found.path) == ("MA1604", "spec.ignition")
