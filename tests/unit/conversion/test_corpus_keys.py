"""A corpus has stand-ins where its keys were taken out; they become a key that counts, whatever they look like."""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from tests.corpus.specs import KEY, specs_of
from tests.unit.conversion.converting import CONFIG

KEYS = {
    "a word": "someKey",
    "two words": "ssh abcdef...",
    "a key in single quotes": "'ssh-rsa AAAAB3NzaC1yc2EA== someone@example.com'",
    "a key in double quotes": '"ssh-ed25519 AAAAC3Nza some words someone@example.com"',
    "two keys, one of which begins like the other": "[ssh-ed25519 AAAA, ssh-ed25519 AAAAB3]",
    "a number": "12345678",
}


@pytest.mark.parametrize("what", KEYS)
def test_what_stands_for_a_key_becomes_one(what: str, tmp_path: Path) -> None:
    keys = KEYS[what] if KEYS[what].startswith("[") else f"[{KEYS[what]}]"
    path = tmp_path / "in.yaml"
    path.write_text(f"{CONFIG}spec:\n  users:\n  - name: ops\n    sshAuthorizedKeys: {keys}\n")
    (spec,) = specs_of(path)

    assert set(spec.spec["users"][0]["sshAuthorizedKeys"]) == {KEY}
    assert yaml.safe_load(spec.text)["spec"] == spec.spec
