"""Attestation: every rule between fields, what it refuses, where it says so, and what it lets pass."""

from __future__ import annotations

from typing import Any

from tests.rulecases import Case, judging


def plugin(kind: str) -> dict[str, Any]:
    return {"name": "tpm", "kind": kind, "path": "/opt/tpm"}


CASES = [
    Case("the plugin that attests is declared as such",
         {"machine.attestationPlugin": "tpm", "machine.plugins": [plugin("provider")]},
         [("MA1330", "spec.machine.attestationPlugin")],
         {"machine.attestationPlugin": "tpm", "machine.plugins": [plugin("attestation")]}),
]  # fmt: skip

test_what_breaks_a_rule_is_told_with_its_place_and_what_keeps_it_passes = judging(CASES)
