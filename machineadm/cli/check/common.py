"""What the checks print."""

from __future__ import annotations

import sys
from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from machineadm.actions.suitability import Flaw

# As `plan` has it: 1 and 2 are taken by shells and by mistakes on the command line, and a monitor
# must tell "found something" from "could not look".
WRONG = 10
"""The exit code where something is wrong."""


def print_flaws(found: Sequence[Flaw], output: str, *, nothing: str) -> None:
    """Print what was found, for people or for programs.

    Args:
        found: In the order to show it, without secrets.
        output: `text`, `json` or `sarif`.
        nothing: What a person is told where nothing was found.
    """
    if output == "sarif":
        from machineadm.cli.annotations import as_sarif

        sys.stdout.write(as_sarif(found))
        return
    if output == "json":
        import msgspec

        # Named one by one: a field that is added to the type is no promise to readers of the JSON
        # until somebody puts it here.
        names = ("code", "severity", "path", "message", "hint")
        told = [
            {name: getattr(one, name) for name in names}
            # Only where there are some, since most flaws are about no file.
            | ({"changes": list(one.changes)} if one.changes else {})
            for one in found
        ]
        sys.stdout.write(msgspec.json.encode({"problems": told}).decode() + "\n")
        return
    sys.stdout.writelines(_text(found))
    # Said, because a check that prints nothing looks like one that did not run.
    if not found:
        sys.stdout.write(f"machineadm: {nothing}\n")


def _text(found: Iterable[Flaw]) -> Iterable[str]:
    for one in found:
        yield f"{one.severity}: {one.code} {one.message}\n"
        yield from (f"      {line}\n" for line in one.changes)
        if one.hint:
            yield f"  hint: {one.hint}\n"
