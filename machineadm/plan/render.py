"""A plan for people (text with unified diffs) and for programs (JSON). Secrets are `***` in both.

The content of files is untrusted text: control characters in it are escaped, so that they cannot act on a terminal.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from machineadm.errors import HostError
from machineadm.host.effects import (
    AskPlugin,
    CopyToState,
    DisableUnit,
    DropState,
    Effect,
    EnableUnit,
    KeepState,
    MakeDirectory,
    MakeLink,
    RemoveDirectory,
    RemoveFile,
    RunProgram,
    WaitFor,
    WriteFile,
)
from machineadm.plan.look import Look, Standing
from machineadm.redaction import MASK, Redactor
from machineadm.terminal import printable

# Of longer files only the sizes are shown: difflib is quadratic in what differs.
MOST_LINES = 4000
_INDENT = "      "
_WORDS = {
    Standing.TO_DO: "to do",
    Standing.IN_PLACE: "in place",
    Standing.DEFERRED: "deferred",
}
_COLOURS = {"+": "32", "-": "31", "@": "36"}
Values = tuple[tuple[str, str, str], ...]
"""References that were resolved before the plan was made: path, value, who said so."""


def render_text(
    looks: tuple[Look, ...],
    redactor: Redactor,
    values: Values = (),
    *,
    colour: bool = False,
) -> Iterator[str]:
    """The plan for a person, in a piece for each step and each file, so that it need not be in memory as a whole.

    Args:
        looks: The steps in their order.
        redactor: Knows the configuration's secrets.
        values: Values of the configuration's references.
        colour: Colour the diffs, for a terminal.

    Yields:
        Whole lines, with their newlines.
    """
    # The longest name decides: with a fixed width the states would not be in one column, and a
    # plan is read down that column.
    width = max((len(look.step.name) for look in looks), default=0)
    yield f"{_headline(looks)}\n"
    for path, value, origin in values:
        # A value that a provider gave may be a secret that no configuration has named; the
        # redactor has learned it by now, a format string has not.
        yield redactor.text(f"{_INDENT}{path} = {printable(value)} ({origin})\n")
    for number, look in enumerate(looks, start=1):
        lines = [_step_line(number, look, width)]
        lines += (f"{_INDENT}deferred: {printable(what)}" for what in look.work.deferred)
        yield redactor.text("\n".join(lines) + "\n")
        # A deferred step has no effects that anybody could check, and a step in place has none.
        for effect in look.work.effects if look.standing is Standing.TO_DO else ():
            lines = [_INDENT + _coloured(line, colour=colour) for line in describe(effect)]
            if lines:
                yield redactor.text("\n".join(lines) + "\n")


def render_json(
    looks: tuple[Look, ...],
    redactor: Redactor,
    values: Values = (),
    refused: Sequence[HostError] = (),
) -> str:
    """The plan as one JSON object on one line.

    Args:
        looks: The steps in their order.
        redactor: Knows the configuration's secrets.
        values: Values of the configuration's references.
        refused: Why `bootstrap` would refuse the machine.
    """
    counts = _counts(looks)
    plan = {
        "toDo": counts[Standing.TO_DO],
        "inPlace": counts[Standing.IN_PLACE],
        "deferred": counts[Standing.DEFERRED],
        "values": [
            {"path": path, "value": redactor.text(value), "origin": origin}
            for path, value, origin in values
        ],
        "refused": [
            {
                "code": one.code,
                "message": redactor.text(one.message),
                "hint": redactor.text(one.hint()),
            }
            for one in refused
        ],
        "steps": [_as_object(look, redactor) for look in looks],
    }
    return msgspec.json.encode(plan).decode() + "\n"


def describe(effect: Effect) -> list[str]:
    """An effect as lines of a unified diff, or as the program that runs. Nothing if the step's summary says it all."""
    match effect:
        # Before the case without a script: a script's argv is only its interpreter, and alone it
        # would say nothing.
        case RunProgram(script=script) if script:
            return [
                f"run {_words(effect.argv)} < script",
                *(f"| {line}" for line in _lines(script)),
            ]
        case RunProgram(argv=argv) if argv:
            return [f"run {_words(argv)}"]
        case AskPlugin(whom=whom, what=what, note=note):
            lines = [f"ask {printable(whom)} for {printable(what)}"]
            return lines + ([f"| {line}" for line in _lines(note)] if note else [])
        case WaitFor():
            return [
                f"wait up to {effect.budget:g} s for {printable(effect.condition)}: {printable(effect.reason)}"
            ]
        case CopyToState(source=source):
            return [f"copy {printable(source)} to the state directory"]
        case EnableUnit(unit=unit):
            return [f"enable {printable(unit)}"]
        case DisableUnit(unit=unit):
            return [f"disable {printable(unit)}"]
        case MakeDirectory(path=path, mode=mode, owner=owner, note=note):
            of = f", owner {owner[0]}:{owner[1]}" if owner else ""
            return [f"make directory {printable(path)}, mode {mode:04o}{of}{_noted(note)}"]
        case RemoveDirectory(path=path, note=note):
            return [f"remove directory {printable(path)}, unless something is in it{_noted(note)}"]
        case WriteFile() | RemoveFile() | MakeLink() | KeepState() | DropState() if effect.path:
            return _diff_of(effect)
        case _:
            return []


FileEffect = WriteFile | RemoveFile | MakeLink | KeepState | DropState


def _diff_of(effect: FileEffect) -> list[str]:
    """The lines of a file's diff, or one line instead of them."""
    before = None if isinstance(effect, (MakeLink, DropState)) else effect.before
    goes = isinstance(effect, (RemoveFile, DropState))
    # As diff(1) and git write it, so that tools which colour or parse a patch know a new file.
    new = before is None and not goes
    path = printable(effect.path)
    note = effect.note if isinstance(effect, (WriteFile, RemoveFile, MakeLink)) else ""
    head = [
        f"--- {'/dev/null' if new else path}",
        f"+++ {'/dev/null' if goes else path}{_noted(note)}",
    ]
    if isinstance(effect, MakeLink):
        return [*head, f"+link to {printable(effect.target)}"]
    if isinstance(effect, DropState):
        return head
    # Not even hunks of the change: the lines around it, and their number, would tell about the
    # secret.
    if effect.sensitive:
        return [*head, f"@@ {MASK} the content is secret and not shown @@"]
    after = _content_after(effect)
    return head if after is None else [*head, *diff_lines(before or b"", after)]


def _noted(note: str) -> str:
    return f"  ({printable(note)})" if note else ""


def _content_after(effect: WriteFile | RemoveFile | KeepState) -> bytes | None:
    """The content as a diff shows it; None if it is not known (a download)."""
    match effect:
        case RemoveFile():
            return b""
        case KeepState(shown=shown, content=content):
            return content if shown is None else shown
        case WriteFile(content=None):
            # Only mode or owner change, so the diff has no hunks.
            return effect.before or b""
        case WriteFile(content=bytes() as content):
            return content
        case _:
            return None


def _words(argv: tuple[str, ...]) -> str:
    """A command line as a shell would take it, on one line."""
    # Not at the start: a plan without commands, which is the usual one, does not pay for it.
    import shlex

    return printable(shlex.join(argv))


def _lines(script: str) -> list[str]:
    return [printable(line) for line in script.removesuffix("\n").split("\n")]


def _headline(looks: tuple[Look, ...]) -> str:
    counts = _counts(looks)
    parts = ", ".join(f"{counts[standing]} {word}" for standing, word in _WORDS.items())
    steps = "1 step" if len(looks) == 1 else f"{len(looks)} steps"
    return f"Plan: {steps}: {parts}"


def _counts(looks: tuple[Look, ...]) -> dict[Standing, int]:
    return {standing: sum(look.standing is standing for look in looks) for standing in Standing}


def _step_line(number: int, look: Look, width: int) -> str:
    summary = printable(look.work.summary)
    line = f"{number:4}. {look.step.name:{width}}  {_WORDS[look.standing]}"
    return f"{line}: {summary}" if summary else line


def diff_lines(before: bytes, after: bytes) -> Iterator[str]:
    """The hunks of a unified diff, or one line instead of them."""
    try:
        # Strictly: with a replacement character two different bytes would look the same, and the
        # diff would be empty.
        old, new = before.decode(), after.decode()
    except UnicodeDecodeError:
        yield f"@@ binary, {len(before)} bytes before, {len(after)} after @@"
        return
    # Not splitlines(), which also splits at form feeds and U+2028: those are content.
    old_lines, new_lines = old.split("\n"), new.split("\n")
    if max(len(old_lines), len(new_lines)) > MOST_LINES:
        yield f"@@ {len(before)} bytes before, {len(after)} after @@"
        return
    yield from _diff(old_lines, new_lines)


def _diff(old: list[str], new: list[str]) -> Iterator[str]:
    # The last piece follows the last newline: it is empty if the file ends with one.
    for lines in (old, new):
        if lines[-1]:
            lines.append("\\ No newline at end of file")
        else:
            del lines[-1]
    if not old and new:
        # What difflib would print for a new file. Most files are new, and this saves importing it.
        yield f"@@ -0,0 +1{f',{len(new)}' if len(new) > 1 else ''} @@"
        yield from (f"+{printable(line)}" for line in new)
        return
    from difflib import unified_diff

    # Without its two header lines: those of `_diff_of` also name what is new and what goes.
    for line in list(unified_diff(old, new, lineterm=""))[2:]:
        yield printable(line)


def _coloured(line: str, *, colour: bool) -> str:
    # By its first character, since a diff's lines are text by now, escaped ones included: content
    # cannot bring a colour of its own.
    code = _COLOURS.get(line[:1]) if colour else None
    return f"\x1b[{code}m{line}\x1b[0m" if code else line


def _as_object(look: Look, redactor: Redactor) -> dict[str, object]:
    effects = look.work.effects
    files = [
        {
            "path": redactor.text(effect.path),
            # Said by itself: a reader of the JSON would have to parse the diff's header to learn
            # it.
            "new": _is_new(effect),
            "sensitive": not isinstance(effect, (MakeLink, DropState)) and effect.sensitive,
            "note": redactor.text(getattr(effect, "note", "")),
            "diff": redactor.text("\n".join(describe(effect))),
        }
        for effect in effects
        if isinstance(effect, (WriteFile, RemoveFile, MakeLink, KeepState, DropState))
        and effect.path
    ]
    programs = [
        {
            "argv": [redactor.text(word) for word in effect.argv],
            "script": redactor.text(effect.script),
        }
        for effect in effects
        if isinstance(effect, RunProgram)
    ]
    asked = [
        {
            "whom": redactor.text(effect.whom),
            "what": redactor.text(effect.what),
            "note": redactor.text(effect.note),
        }
        for effect in effects
        if isinstance(effect, AskPlugin)
    ]
    return {
        "name": look.step.name,
        "phase": look.step.phase.value,
        "standing": look.standing.value,
        "summary": redactor.text(look.work.summary),
        "deferred": [redactor.text(what) for what in look.work.deferred],
        "files": files,
        "programs": programs,
        # Only where there are any: a reader that was written before plugins were planned finds
        # the object that it knows.
        **({"plugins": asked} if asked else {}),
        # Without effects nothing follows, whatever the step lists.
        "followUps": [follow.key for follow in look.work.follow] if effects else [],
    }


def _is_new(effect: FileEffect) -> bool:
    if isinstance(effect, (MakeLink, DropState, RemoveFile)):
        return False
    return effect.before is None
