"""The examples in Python, one of each kind, are what their kind should be."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import Any

import pytest

from machineadm.plugins.catalogs.model import KINDS
from machineadm.plugins.discovery import PREFIX
from machineadm.plugins.inspection.conformance.model import SkippedError, Subject
from machineadm.plugins.inspection.conformance.suite import checks_of

EXAMPLES = Path(__file__).parents[3] / "examples/plugins/python"
SETTINGS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "encryption-provider-file": ({"directory": "DIR"}, {"provider": "there"}),
    "infrastructure-directory": ({"directory": "DIR"}, {"location": "there", "report": "report"}),
    "attestation-key": ({"key": "DIR/key"}, {}),
    "provider-lookup": ({"table": "DIR/table.json"}, {"lookup": {"key": "a"}}),
    "auth-handler-file": ({"path": "DIR/token"}, {}),
}
"""Settings, and what the plugin knows then."""

NOT_WRITTEN = {
    "encryption-provider-file": {"stores and deletes passphrases"},
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    (tmp_path / "there").write_text("something")
    (tmp_path / "key").write_bytes(bytes(32))
    (tmp_path / "token").write_text("a-token\n")
    (tmp_path / "table.json").write_text(json.dumps({"a": {"b": 1}}))
    return tmp_path


def test_there_is_one_of_each_kind() -> None:
    names = sorted(path.name.removeprefix(PREFIX) for path in EXAMPLES.iterdir())

    assert names == sorted(SETTINGS)
    assert [kind for kind in KINDS if not any(name.startswith(kind) for name in names)] == []


@pytest.mark.parametrize("name", SETTINGS)
def test_an_example_is_what_its_kind_should_be(directory: Path, name: str) -> None:
    text = (EXAMPLES / f"{PREFIX}{name}").read_text()
    path = directory / f"{PREFIX}{name}"
    path.write_text(text.replace("#!/usr/bin/env python3", f"#!{sys.executable} -I"))
    path.chmod(0o755)
    settings, known = SETTINGS[name]
    kind = next(kind for kind in KINDS if name.startswith(kind))
    given = json.loads(json.dumps(settings).replace("DIR", str(directory)))
    subject = Subject(kind=kind, path=str(path), settings=given, inputs=known, writes=True)
    skipped = set()
    with subject.running() as plugin:
        for check, function in checks_of(kind).items():
            try:
                function(subject, plugin)
            except SkippedError:
                skipped.add(check)

    assert skipped <= NOT_WRITTEN.get(name, set())
