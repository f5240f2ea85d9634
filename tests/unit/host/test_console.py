"""The last word on the console: there if there is one, and never a reason to fail."""

from __future__ import annotations

from pathlib import Path

import pytest

from machineadm.host.linux import console


def test_the_console_gets_a_line_of_its_own(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = tmp_path / "console"
    place.touch()
    monkeypatch.setattr(console, "CONSOLE", str(place))

    console.announce("machineadm: MA3204 it broke")

    assert place.read_bytes() == b"\r\nmachineadm: MA3204 it broke\r\n"


def test_without_a_console_nothing_happens(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(console, "CONSOLE", str(tmp_path / "none"))

    console.announce("machineadm: MA3204 it broke")
