"""The commands of a KubeadmConfig: lines of one shell there, one script for each list here."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from typing import Final

from msgspec import Struct

from machineadm.conversion.account import View
from machineadm.conversion.fields import Setting
from machineadm.conversion.idioms import (
    READS_KUBEADM,
    TOUCHES_KUBEADM,
    Kubeadm,
    Typed,
    into_kubeadm,
    metadata_of,
    only_reads,
    touches_kubeadm,
    typed,
    with_role,
)
from machineadm.conversion.shell import Script

DEADLINE: Final = "30m"
"""There a command may take as long as it likes: here as long as the run."""

# kubeadm itself reads them when it talks to the API server.
_PROXY: Final = r"(?i)(https?|no|all|ftp)_proxy"


class Converted(Struct, kw_only=True):
    """What became of the commands."""

    lists: dict[str, object]
    """`machine.commands`."""

    typed: Typed
    texts: list[str]
    """The commands before kubeadm, as far as they stay commands."""

    remarks: dict[str, tuple[str, ...]]


class _List(Struct, kw_only=True):
    """One list of commands."""

    to: str
    entries: list[tuple[View, str]]
    """What is left of it, in order."""

    env: dict[str, str] = {}
    """Names of variables, and the references that they stand for."""

    notes: dict[int, str] = {}
    lead: list[str] = []

    def text(self) -> str:
        return "\n".join(entry for _, entry in self.entries)


def substituted(view: View | None, document: str, *, joins: bool) -> Kubeadm:
    """What commands before kubeadm put into its file; asked for before anything of that file is converted."""
    # First of all: whether ${COREOS_...} in a field of kubeadm is a reference depends on these
    # commands.
    return into_kubeadm([text for _, text in _entries(view)], document, joins=joins)


def convert(
    spec: View,
    setting: Setting,
    kubeadm: Kubeadm,
    taken: frozenset[str],
    known: Mapping[int, tuple[str, str]],
) -> Converted:
    """Convert all three lists.

    Args:
        spec: The KubeadmConfigSpec.
        setting: Of the document.
        kubeadm: As `substituted` found it.
        taken: Paths of files that the configuration has.
        known: Commands before kubeadm that are fields of ours, by their place, and what they were.
    """
    boot = _list(spec.get("bootCommands"), "boot")
    before = _list(spec.get("preKubeadmCommands"), "preKubeadm")
    after = _list(spec.get("postKubeadmCommands"), "postKubeadm")
    texts = [text for _, text in before.entries]
    # The idioms are those of Linux; in PowerShell the same words mean something else.
    found = Typed() if setting.windows else typed(texts, setting.machine, taken)
    for index, note in kubeadm.typed.items():
        before.entries[index][0].converted("kubernetes", f"was {note}")
    for index, to in kubeadm.appended.items():
        before.entries[index][0].converted(to, "was a document appended to kubeadm's file")
    # Commands that file_idioms understood: their file and they are one field together.
    found.typed |= known
    for index, (to, note) in found.typed.items():
        before.entries[index][0].converted(to, f"was {note}")
    # What is a field now must not run as well: it would do the same thing a second time, later.
    gone = kubeadm.typed.keys() | kubeadm.appended.keys() | found.typed.keys()
    # Only now: places in the account are those of the list as it was written.
    before.entries = [one for index, one in enumerate(before.entries) if index not in gone]
    remarks: dict[str, tuple[str, ...]] = {}
    for each in (boot, before, after):
        _prepare(each, setting, kubeadm)
    # There one shell ran both lists with kubeadm between them; here they are two steps.
    _crossing(before, after)
    if not setting.windows:
        _exits(before)
    lists: dict[str, object] = {}
    for each in (boot, before, after):
        if each.entries:
            # One script for a whole list: there the entries were lines of one shell, and variables
            # or `cd` reach over them.
            lists[each.to] = [_command(each, setting)]
            _account(each, remarks)
    texts = [text for _, text in before.entries]
    return Converted(lists=lists, typed=found, texts=texts, remarks=remarks)


def _entries(view: View | None) -> list[tuple[View, str]]:
    if view is None:
        return []
    return [(item, item.text) for item in view.items() if item.text is not None]


def _list(view: View | None, to: str) -> _List:
    if view is not None and view.is_empty:
        view.default("an empty list is the same as none")
    return _List(to=to, entries=_entries(view))


def _prepare(one: _List, setting: Setting, kubeadm: Kubeadm) -> None:
    """Let the commands take from the environment what was put into their text, and find out their role."""
    if setting.ignition or kubeadm.variables:
        for name in metadata_of(one.text()):
            one.env[name] = kubeadm.variables.get(name, f"env.{name}")
    # Quotes and here-documents may reach over several entries.
    whole = Script(one.text())
    changed, at = [], 0
    for index, (view, text) in enumerate(one.entries):
        new = _with_environment(text, at, whole, setting, one, index)
        # A place where no variable is expanded: it cannot be rewritten without knowing what it is
        # for.
        if new is None:
            view.decide(
                "refers to instance data in a way that the environment cannot replace",
                "rewrite it with a variable, and give that by `env[].valueFrom.instanceData`",
                "write the value itself",
                to=f"machine.commands.{one.to}",
            )
            new = text
        elif new != text:
            one.notes[index] = "takes instance data from its environment"
        # Whether kubeadm's init file is there is the idiom for "am I the first machine".
        roles = with_role(new)
        if roles != new:
            one.notes[index] = "finds out its role by MACHINEADM_ROLE, not by kubeadm's file"
        if touches_kubeadm(roles):
            reads = only_reads(roles) and one.to == "preKubeadm"
            view.decide(
                *(READS_KUBEADM if reads else TOUCHES_KUBEADM),
                to="machine.commands.kubeadmFile" if reads else f"machine.commands.{one.to}",
            )
        changed.append((view, roles))
        at += len(text) + 1
    one.entries = changed


def _with_environment(
    text: str, offset: int, whole: Script, setting: Setting, one: _List, index: int
) -> str | None:
    read = setting.machine.read(text)
    if read.trouble is not None:
        one.entries[index][0].decide(
            f"{read.trouble.what} is more than a reference to instance data; it is copied unchanged",
            "take the value from the environment (`env[].valueFrom.instanceData`)",
            "leave it, if the braces were meant literally",
            to=f"machine.commands.{one.to}",
        )
        return text
    if not read.references:
        return text
    # Helm's escapes were taken off, so the places of the whole no longer fit.
    if read.text != text:
        whole, offset = Script(read.text), 0
    # From left to right over the original, since each variable has another length than its
    # reference.
    pieces, end = [], 0
    for reference in read.references:
        variable = _variable(reference.inside, one)
        follows = read.text[reference.end : reference.end + 1]
        named = f"${variable}"
        # $NAMEx would be another variable.
        glued = bool(re.match(r"[A-Za-z0-9_]", follows))
        place = whole.place(offset + reference.begin)
        # 'EOF' keeps a shell from expanding anything, so no variable can get in.
        if place == "here-quoted":
            return None
        if place == "double":
            named += '""' if glued else ""
        # Out of the single quotes and in again: nothing within them expands.
        elif place == "single":
            named = f"'\"{named}\"'"
        # In quotes, so that a value with blanks stays one word, as it was when it was text.
        elif place == "code":
            named = f'"{named}"'
        # In braces, doubled for envsubst (drone's), which would take ${NAME} for its own.
        elif place == "here" and glued:
            named = ("$$" if setting.envsubst else "$") + f"{{{variable}}}"
        elif place == "comment":
            named = variable
        pieces += [read.text[end : reference.begin], named]
        end = reference.end
    return "".join([*pieces, read.text[end:]])


def _variable(inside: str, one: _List) -> str:
    # One variable for each reference, however often it occurs.
    for name, known in one.env.items():
        if known == inside:
            return name
    base = re.sub(r"[^A-Za-z0-9]+", "_", inside).upper()
    name, texts = base, one.text()
    # A variable of the script's own by that name would be overwritten, or overwrite.
    while name in one.env or re.search(rf"\b{name}\b", texts):
        name += "_"
    one.env[name] = inside
    return name


def _crossing(before: _List, after: _List) -> None:
    """Carry over kubeadm what both lists shared there, or have it decided."""
    first, then = Script(before.text()), Script(after.text())
    if after.entries:
        # `set -e` and the like held for what came after kubeadm as well.
        after.lead += first.options()
    for index, (view, text) in enumerate(before.entries):
        # Entry by entry, so that a decision is told at the line that causes it.
        script = Script(text)
        for name in sorted(script.assigned() | script.functions() | script.exported()):
            # A function is called by its bare name, a variable only behind a dollar sign.
            used = re.search(
                rf"\$\{{?{name}\b|(?<![A-Za-z0-9_/.-]){name}\b"
                if name in script.functions()
                else rf"\$\{{?{name}\b",
                then.text,
            )
            exported = name in script.exported()
            if re.fullmatch(_PROXY, name) and exported:
                view.decide(
                    f"{name} also reached kubeadm, which does not get it from a command here",
                    "give it to the container runtime and the kubelet by drop-ins, and put hosts that kubeadm must reach directly "
                    "into its own network",
                    "leave it, if kubeadm needs no proxy itself: it holds for the commands before kubeadm",
                    to="machine.commands.preKubeadm",
                )
            # A script that sets it again does not need the first value.
            if not after.entries or name in then.assigned() or not (used or exported):
                continue
            # A value that does not depend on the machine can be set twice.
            literal = _literal(text, name)
            if literal is not None:
                after.lead.append(literal)
                before.notes[index] = f"{name} is set again for the commands after kubeadm"
            elif used:
                view.decide(
                    f"{name} is used after kubeadm as well, by another shell here",
                    "set it again in commands.postKubeadm",
                    "write it to a file, and read that in commands.postKubeadm",
                    to="machine.commands.preKubeadm",
                )
        # In code only, which has quotes and comments blanked: the word alone is in many messages.
        if re.search(r"(?:^|[;&\n])[ \t]*trap[ \t]", script.code):
            view.decide(
                "sets a trap, which there acts when kubeadm and the commands after it have ended",
                "do what it does at the end of commands.postKubeadm",
                "leave it, if it is for the commands before kubeadm: here it acts at their end",
                to="machine.commands.preKubeadm",
            )
        if after.entries and re.search(r"(?:^|[;&\n])[ \t]*cd[ \t]", script.code):
            view.decide(
                "changes the directory for the commands after kubeadm as well, which begin in / here",
                "set workingDirectory of the commands after kubeadm",
                "leave it, if these name their files by absolute paths",
                to="machine.commands.preKubeadm",
            )


def _literal(text: str, name: str) -> str | None:
    """An assignment that means the same wherever it stands."""
    found = re.search(
        rf"(?:^|[;\n])[ \t]*((?:export[ \t]+)?{name}=(?:[A-Za-z0-9_./:,@%+=-]+|'[^']*'|\"[^\"$`\\]*\"))[ \t]*(?=[;\n]|$)",
        text,
    )
    return found[1] if found else None


def _exits(before: _List) -> None:
    """`exit 0` also kept kubeadm from running, and does not here."""
    whole = Script(before.text())
    # Any other code, or none, ends without an error: `exit $?` may.
    ends = [at for at, with_ in whole.exits() if not re.fullmatch(r"[1-9][0-9]*", with_)]
    begin = 0
    for view, text in before.entries:
        end = begin + len(text)
        for at in ends:
            if (
                begin <= at <= end
                # An exit at the very end changes nothing.
                and whole.text[at:].strip(" \t\n;").removeprefix("exit").strip(" \t\n0") != ""
            ):
                view.decide(
                    "may end the script without an error, and then kubeadm was not run",
                    "exit with another code than 0: the run fails, and kubeadm is not run",
                    "keep it if kubeadm must run anyway",
                    to="machine.commands.preKubeadm",
                )
        begin = end + 1


def _command(one: _List, setting: Setting) -> dict[str, object]:
    if setting.windows:
        script = "".join(f"{text}\n" for _, text in one.entries)
        return {
            "script": script,
            "interpreter": ["cmd", "/c"],
            "platforms": ["windows"],
            "timeout": DEADLINE,
        }
    body = [*one.lead, *(text.rstrip("\n") for _, text in one.entries)]
    # `:` at the end: there, too, only what ends the whole script counts as a failure.
    lines = ["#!/bin/bash", "set -e", *body] if setting.ignition else ["#!/bin/sh", *body, ":"]
    command: dict[str, object] = {"script": "\n".join(lines) + "\n"}
    if one.env:
        command["env"] = [
            {"name": name, "valueFrom": {"instanceData": f"$({inside})"}}
            for name, inside in one.env.items()
        ]
    # Our own default is shorter, and would end commands that ran through there.
    command["timeout"] = DEADLINE
    return command


def _account(one: _List, remarks: dict[str, tuple[str, ...]]) -> None:
    to = f"machine.commands.{one.to}[0].script"
    for index, (view, _) in enumerate(one.entries):
        view.converted(to, one.notes.get(index, ""))
    decisions = _decisions(view for view, _ in one.entries)
    if decisions:
        remarks[f"machine.commands.{one.to}[0]"] = decisions


def _decisions(views: Iterable[View]) -> tuple[str, ...]:
    found: Sequence[str] = [
        f"decide: line {leaf.line} of the original {leaf.note}"
        for view in views
        for leaf in [view.account.leaf(view.path)]
        if leaf.outcome == "needs a decision"
    ]
    return tuple(found)
