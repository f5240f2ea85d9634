"""The account of a conversion, for people and for programs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import msgspec

from machineadm.conversion.account import OUTCOMES, Leaf
from machineadm.conversion.whole import Conversion, Result
from machineadm.terminal import printable


def as_text(conversion: Conversion) -> str:
    """A line for each leaf with its place, and the sums at the end."""
    lines = [line for result in conversion.results for line in _result(result)]
    lines += [
        f"{one.file}: document {one.document}: {one.kind} {one.note}" for one in conversion.skipped
    ]
    sums = Counter(leaf.outcome for result in conversion.results for leaf in result.leaves)
    total = ", ".join(f"{sums[outcome]} {outcome}" for outcome in OUTCOMES)
    # All four outcomes even where one has none: a program that greps finds the same words.
    lines.append(f"machineadm: {sum(sums.values())} leaves: {total}")
    return "\n".join(map(printable, lines)) + "\n"


def as_json(conversion: Conversion) -> str:
    """All of it but the documents, in one line."""
    results = [
        {
            "file": result.file,
            "document": result.document,
            "kind": result.kind,
            "name": result.name,
            "to": result.to,
            "leaves": result.leaves,
            "notes": result.notes,
        }
        for result in conversion.results
    ]
    sums = Counter(leaf.outcome for result in conversion.results for leaf in result.leaves)
    value = {
        "documents": results,
        "notConverted": conversion.skipped,
        "summary": {outcome: sums[outcome] for outcome in OUTCOMES},
    }
    return msgspec.json.encode(value).decode() + "\n"


def _result(result: Result) -> Iterator[str]:
    for leaf in result.leaves:
        yield f"{result.file}:{leaf.line}:{leaf.column}: {leaf.path}: {_became(leaf)}"
        for way in leaf.ways:
            yield f"  way: {way}"
    for note in result.notes:
        yield f"{result.file}: document {result.document}: {note}"


def _became(leaf: Leaf) -> str:
    # Only of what is there now: a decision has a field that it would go to, and is not in it.
    to = f" to {leaf.to}" if leaf.to and leaf.outcome == "converted" else ""
    note = f": {leaf.note}" if leaf.note else ""
    return f"{leaf.outcome}{to}{note}"
