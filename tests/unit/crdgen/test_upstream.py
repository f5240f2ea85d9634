"""What is checked in of Kubernetes' own types is what `make upstream` writes."""

import json
from pathlib import Path
from typing import Any

from tests.upstream.__main__ import DEFINITIONS, MODULE, generated, trimmed

LOCK = Path(__file__).parents[3] / "build/locks/upstream.txt"


def test_the_module_is_what_the_command_gives() -> None:
    assert generated(DEFINITIONS) == MODULE.read_text(), "run make upstream"


def test_a_changed_definition_changes_the_module(tmp_path: Path) -> None:
    changed = tmp_path / DEFINITIONS.name
    changed.write_text(DEFINITIONS.read_text().replace('"effect"', '"impact"'))

    assert "impact: str" in generated(changed)


def test_the_definitions_are_of_the_locked_release() -> None:
    title = json.loads(DEFINITIONS.read_text())["info"]["title"]

    assert title.rpartition(" from ")[2].replace(" ", "==") in LOCK.read_text()


def test_trimming_keeps_what_is_referred_to_and_takes_off_texts_and_nulls() -> None:
    roots = json.loads(DEFINITIONS.read_text())["components"]["schemas"]
    core, meta = "io.k8s.api.core.v1.", "io.k8s.apimachinery.pkg.apis.meta.v1."
    definitions: dict[str, Any] = {
        f"{meta if name in ('Condition', 'ObjectMeta') else core}{name}": {"type": "object"}
        for name in roots
    }
    definitions[f"{core}EnvVar"] = {
        "properties": {
            "description": {"type": ["string", "null"], "description": "A field of that name."},
            "other": {"$ref": f"#/$defs/{core}Other", "description": "Another."},
        }
    }
    definitions |= {f"{core}Other": {"type": "string"}, f"{core}Needless": {"type": "string"}}

    found = trimmed(definitions, "a test")["components"]["schemas"]

    assert found["EnvVar"]["properties"] == {
        "description": {"type": "string"},
        "other": {"$ref": "#/components/schemas/Other"},
    }
    assert "Other" in found
    assert "Needless" not in found
