"""A concern has one name in every layer, so whoever adds or changes one knows its rooms; a gap fails here."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from machineadm.config.concerns import CONCERNS, NOT_BUILT

ROOT = Path(__file__).parents[2]
ROOMS = {
    "its type": "machineadm/api/v1alpha1/{}.py",
    "its rules": "machineadm/config/concerns/{}.py",
    "its steps": "machineadm/steps/{}.py",
    "its codes": "machineadm/codes/{}.py",
    "tests of its rules": "tests/unit/config/test_{}.py",
    "tests of its steps": "tests/unit/steps/test_{}*.py",
    "its cases": "tests/cases/{}/*/in.yaml",
    "its page": "docs/concerns/{}.md",
}

COMPOSED = {
    "agent",
    "agent_configuration",
    "agent_source",
    "cluster",
    "control_plane",
    "discovery",
    "encrypted_data",
    "instance_data",
    "kubernetes",
    "linux",
    "machine",
    "machine_bootstrap",
    "node",
    "plugins",
    "reference",
    "reporting",
    "status",
}
"""Modules of types that put concerns together, or are about something else than the machine."""


def gaps(root: Path, concerns: Iterator[str] | tuple[str, ...]) -> list[str]:
    """Every room that a concern lacks: a module, a package, or a page."""
    return [
        f"{name} lacks {what}: {room.format(name)}"
        for name in concerns
        for what, room in ROOMS.items()
        if not list(root.glob(room.format(name)))
        if not list(root.glob(room.format(name).replace(".py", "/__init__.py")))
    ]


def modules(directory: str) -> set[str]:
    return {
        path.stem
        for path in (ROOT / directory).iterdir()
        if path.suffix in {".py", ".md", ""} and not path.name.startswith("__")
    }


def test_every_concern_has_all_its_rooms() -> None:
    assert gaps(ROOT, tuple(CONCERNS)) == []


def test_a_missing_room_is_noticed(tmp_path: Path) -> None:
    for room in list(ROOMS.values())[1:]:
        place = tmp_path / room.format("users").replace("*", "x")
        place.parent.mkdir(parents=True, exist_ok=True)
        place.touch()

    assert gaps(tmp_path, ("users",)) == ["users lacks its type: machineadm/api/v1alpha1/users.py"]


@pytest.mark.parametrize("directory", ["machineadm/config/concerns", "docs/concerns"])
def test_no_room_is_named_for_something_else(directory: str) -> None:
    assert modules(directory) == set(CONCERNS)


def test_no_step_is_named_for_something_else() -> None:
    assert modules("machineadm/steps") == set(CONCERNS)


def test_every_module_of_types_is_a_concern_or_puts_concerns_together() -> None:
    assert modules("machineadm/api/v1alpha1") == set(CONCERNS) | set(NOT_BUILT) | COMPOSED


def test_what_is_not_built_has_types_and_nothing_else() -> None:
    for name in NOT_BUILT:
        assert not list(ROOT.glob(f"machineadm/config/concerns/{name}*"))
        assert not list(ROOT.glob(f"machineadm/steps/{name}*"))
