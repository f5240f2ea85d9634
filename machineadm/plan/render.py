"""A plan for people (text with unified diffs) and for programs (JSON). Secrets are `***` in both.

Content of files is foreign text: control characters in it never reach a terminal as such.
"""

from __future__ import annotations

from collections.abc import Iterator

import msgspec

from machineadm.plan.model import FileChange
from machineadm.plan.prospect import Prospect, Standing
from machineadm.redaction import MASK, Redactor

# Longer files are compared by size alone: difflib takes time that grows with the square of what differs.
MOST_LINES = 4000
_INDENT = "      "
_WORDS = {
    Standing.TO_DO: "to do",
    Standing.IN_PLACE: "in place",
    Standing.DEFERRED: "deferred",
}
_COLOURS = {"+": "32", "-": "31", "@": "36"}
# All C0 and C1 controls but tab (newlines are gone when this is used).
_CONTROLS = {code: f"\\x{code:02x}" for code in (*range(9), *range(10, 32), *range(127, 160))}


def render_text(
    prospects: tuple[Prospect, ...], redactor: Redactor, *, colour: bool = False
) -> Iterator[str]:
    """The plan as a person reads it, a piece for each step and each file: the whole need not be in memory.

    Args:
        prospects: The steps in their order.
        redactor: Knows the configuration's secrets.
        colour: Colour the diffs, for a terminal.

    Yields:
        Whole lines, with their newlines.
    """
    width = max((len(prospect.step) for prospect in prospects), default=0)
    yield f"{_headline(prospects)}\n"
    for number, prospect in enumerate(prospects, start=1):
        lines = [_step_line(number, prospect, width)]
        lines += (f"{_INDENT}deferred: {printable(what)}" for what in prospect.outlook.deferred)
        yield redactor.text("\n".join(lines) + "\n")
        for change in prospect.outlook.files if prospect.standing is Standing.TO_DO else ():
            lines = [_INDENT + _coloured(line, colour=colour) for line in describe(change)]
            yield redactor.text("\n".join(lines) + "\n")


def render_json(prospects: tuple[Prospect, ...], redactor: Redactor) -> str:
    """The plan as one JSON object on one line."""
    counts = _counts(prospects)
    plan = {
        "toDo": counts[Standing.TO_DO],
        "inPlace": counts[Standing.IN_PLACE],
        "deferred": counts[Standing.DEFERRED],
        "steps": [_as_object(prospect, redactor) for prospect in prospects],
    }
    return msgspec.json.encode(plan).decode() + "\n"


def describe(change: FileChange) -> list[str]:
    """A file's change as the lines of a unified diff, or a line that stands for one."""
    old = "/dev/null" if change.before is None else printable(change.path)
    head = [
        f"--- {old}",
        f"+++ {printable(change.path)}" + (f"  ({change.note})" if change.note else ""),
    ]
    if change.sensitive:
        return [*head, f"@@ {MASK} @@"]
    if change.after is None:
        return head
    return [*head, *_body(change.before or b"", change.after)]


def printable(text: str) -> str:
    """The text with control characters spelled out."""
    return text.translate(_CONTROLS)


def _headline(prospects: tuple[Prospect, ...]) -> str:
    counts = _counts(prospects)
    parts = ", ".join(f"{counts[standing]} {word}" for standing, word in _WORDS.items())
    steps = "1 step" if len(prospects) == 1 else f"{len(prospects)} steps"
    return f"Plan: {steps}: {parts}"


def _counts(prospects: tuple[Prospect, ...]) -> dict[Standing, int]:
    return {
        standing: sum(prospect.standing is standing for prospect in prospects)
        for standing in Standing
    }


def _step_line(number: int, prospect: Prospect, width: int) -> str:
    summary = printable(prospect.outlook.summary)
    line = f"{number:4}. {prospect.step:{width}}  {_WORDS[prospect.standing]}"
    return f"{line}: {summary}" if summary else line


def _body(before: bytes, after: bytes) -> Iterator[str]:
    try:
        old, new = before.decode(), after.decode()
    except UnicodeDecodeError:
        yield f"@@ binary, {len(before)} bytes before, {len(after)} after @@"
        return
    # Not splitlines: a form feed or U+2028 is content, no end of a line.
    old_lines, new_lines = old.split("\n"), new.split("\n")
    if max(len(old_lines), len(new_lines)) > MOST_LINES:
        yield f"@@ {len(before)} bytes before, {len(after)} after @@"
        return
    yield from _diff(old_lines, new_lines)


def _diff(old: list[str], new: list[str]) -> Iterator[str]:
    # The last piece is what follows the last newline: nothing, in a file that ends as it should.
    for lines in (old, new):
        if lines[-1]:
            lines.append("\\ No newline at end of file")
        else:
            del lines[-1]
    if not old and new:
        # What difflib would say of a new file, which most are.
        yield f"@@ -0,0 +1{f',{len(new)}' if len(new) > 1 else ''} @@"
        yield from (f"+{printable(line)}" for line in new)
        return
    from difflib import unified_diff

    for line in list(unified_diff(old, new, lineterm=""))[2:]:
        yield printable(line)


def _coloured(line: str, *, colour: bool) -> str:
    code = _COLOURS.get(line[:1]) if colour else None
    return f"\x1b[{code}m{line}\x1b[0m" if code else line


def _as_object(prospect: Prospect, redactor: Redactor) -> dict[str, object]:
    files = [
        {
            "path": redactor.text(change.path),
            "new": change.before is None,
            "sensitive": change.sensitive,
            "note": redactor.text(change.note),
            "diff": redactor.text("\n".join(describe(change))),
        }
        for change in prospect.outlook.files
    ]
    return {
        "name": prospect.step,
        "phase": prospect.phase.value,
        "standing": prospect.standing.value,
        "summary": redactor.text(prospect.outlook.summary),
        "deferred": [redactor.text(what) for what in prospect.outlook.deferred],
        "files": files,
    }
