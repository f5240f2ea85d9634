"""Asks one question of this machine, and touches nothing; exits 0, or 10 if something is wrong."""

from __future__ import annotations

# main.py reads this for help and for finding the module, so that help imports none of the checks.
COMMANDS = {
    "machine": "can this machine become the node that a configuration asks for",
    "node": "is this machine still what its configuration says, and does its node live",
    "compliance": "which controls of a hardening catalogue hold here, with the evidence",
    "os": "which parts of the contract with an operating system hold here",
}
