"""What is done so that files have the state that their histories say: nothing is edited twice, and no edit is lost.

Which commands of a history count is decided in `history`; what commands make of files is noted by `noting`.
"""

from __future__ import annotations

from collections.abc import Sequence

import msgspec

from machineadm.actions.files import READABLE_BY_OTHERS
from machineadm.errors import StepError
from machineadm.execution.history import Histories
from machineadm.execution.ledger import Holding, Ledger, Touch
from machineadm.execution.seen import Eyes, EyesByHost, Seen, restoring, shown_content
from machineadm.host.effects import (
    Download,
    Effect,
    MakeDirectory,
    MakeLink,
    RemoveDirectory,
    RemoveFile,
    WriteFile,
)
from machineadm.host.ports import LARGEST_READ, FileKind, Host
from machineadm.plan.model import Owning, Step, Work

_FileEffect = (WriteFile, RemoveFile, MakeLink)
_PathEffect = (*_FileEffect, RemoveDirectory)


class Settling:
    """What files must become, by their histories.

    Args:
        histories: What counts.
        ledger: What is known of files, and kept of their contents.
        eyes: What was seen.
    """

    def __init__(self, histories: Histories, ledger: Ledger, eyes: EyesByHost) -> None:
        self._histories = histories
        self._ledger = ledger
        self._eyes = eyes

    def settle(self, step: Step, work: Work, host: Host) -> Work:
        """The step's work with what the history of its files makes of it.

        Args:
            step: Its files are looked up in the ledger.
            work: What its check says.
            host: The machine, or its overlay.

        Raises:
            StepError: Somebody else changed a file, or what a command made of it is lost and was not kept.
        """
        if not isinstance(step, Owning) or not self._ledger.holdings():
            return work
        by_path = {e.path: e for e in work.effects if isinstance(e, _FileEffect)}
        eyes, notes = self._eyes.of(host), list[str]()
        kept: list[Effect] = []
        settled: set[str] = set()
        for owned in step.owned():
            holding = self._ledger.holding(owned.kind, owned.name)
            # A changed declaration starts the file over: its step's check decides, not the history
            # of the old one.
            if holding is None or owned.kind != "file" or holding.declared != owned.declared:
                continue
            verdict = self._one(holding, by_path.get(owned.name), eyes, host)
            if verdict is None:
                continue
            settled.add(owned.name)
            effects, note = verdict
            kept += effects
            if note:
                notes.append(note)
        if not settled:
            return work
        # The effect that the check wanted would undo what a command made of the file, so the
        # history's replaces it.
        left = [e for e in work.effects if not isinstance(e, _PathEffect) or e.path not in settled]
        return _with(work, [*left, *kept], notes)

    def restoring_work(self, host: Host) -> Work:
        """Put back what commands made in directories that a reset empties, where it is lost. Nothing once kubeadm has started."""
        # From then on these directories are the kubelet's and etcd's, and a file missing there may be missing on purpose.
        if self._histories.kubeadm_started:
            return Work()
        eyes = self._eyes.of(host)
        made = list(self._histories.made())
        verdicts = [self._one(holding, None, eyes, host) for holding in made]
        effects = in_order([e for verdict in verdicts if verdict for e in verdict[0]], host)
        # Each once: a directory that is put in a file's place has two effects.
        paths = ", ".join(dict.fromkeys(getattr(effect, "path", "") for effect in effects))
        parts = [f"restores what commands made: {paths}"] if effects else []
        # What is in place as a command left it is not listed: there may be thousands of entries.
        unedited = (
            v for one, v in zip(made, verdicts, strict=True) if not self._histories.counts(one)
        )
        parts += (verdict[1] for verdict in unedited if verdict is not None and verdict[1])
        return Work(effects=tuple(effects), summary="; ".join(parts))

    def is_made(self, path: str, host: Host) -> bool:
        """Whether what lies at a declared path, whatever it is, was left there by a command of ours: then it may be replaced."""
        holding = self._ledger.holding("file", path)
        return holding is not None and holding.is_ours(self._eyes.of(host).look(path))

    def is_kept(self, path: str) -> bool:
        """Whether a command made what is there, and the run puts it back if it is lost."""
        holding = self._ledger.holding("file", path)
        if holding is None or holding.declared:
            return False
        counts = self._histories.counts(holding)
        return bool(counts) and self._ledger.has(holding.touches[counts - 1].seen)

    @property
    def anything_made(self) -> bool:
        """Whether commands made anything that may need to be restored."""
        return any(True for _ in self._histories.made())

    def _one(
        self, holding: Holding, planned: Effect | None, eyes: Eyes, host: Host
    ) -> tuple[tuple[Effect, ...], str] | None:
        """What one file's history says: effects, and a note. None: the step's check decides.

        Raises:
            StepError: See `settle`.
        """
        counts = self._histories.counts(holding)
        now = eyes.look(holding.name)
        if not counts:
            return self._unedited(holding, planned, now, host)
        last = holding.touches[counts - 1]
        note = f"{holding.name} in place, changed by {last.name}"
        if now == last.seen:
            return (), note
        if self._histories.kubeadm_started:
            return (), f"{holding.name} was changed since, and is left alone"
        # A command that was cut off may have left anything, so then no state can be blamed on somebody else.
        foreign = not self._is_ours(holding, now) and self._histories.cut_off is None
        if foreign and holding.append:
            # Only a block of the file is ours. Others may append as well, and the block is in place.
            return (), note
        if foreign:
            raise self._changed_by_others(holding, last, host)
        if not self._can_make(holding, last.seen):
            raise self._not_kept(holding, last.seen, now, last)
        return self._put_back(holding, last.seen, f"as {last.name} left it", now, host), ""

    def _unedited(
        self, holding: Holding, planned: Effect | None, now: Seen, host: Host
    ) -> tuple[tuple[Effect, ...], str] | None:
        """A file that no command has changed, as far as it counts.

        Raises:
            StepError: A command would find it as it left it the first time, for what was there before is not kept.
        """
        wrote, before = holding.wrote, "as it was before commands"
        if not holding.declared:
            # Made by a command that must run again: what it made is removed first, so that the command finds what it
            # found the first time. Unless somebody has changed it since.
            if wrote is None or now == wrote or not self._is_ours(holding, now):
                return (), ""
            if self._can_make(holding, wrote):
                return self._put_back(holding, wrote, before, now, host), ""
            if any(self._histories.is_of_plan(touch) for touch in holding.touches):
                # Run over its own change it would edit the file twice, and nothing would tell.
                raise self._not_kept(holding, wrote, now)
            return (), f"{holding.name} stays: what was there before commands was not kept"
        fetched = isinstance(planned, WriteFile) and isinstance(planned.content, Download)
        if fetched and now == wrote:
            # Without a digest only the history tells that it was fetched.
            return (), ""
        if not holding.append or self._histories.kubeadm_started or wrote is None or now == wrote:
            return None
        # The rest of the file is in no configuration: written anew it would be the block alone.
        if self._histories.cut_off is None and not holding.is_ours(now):
            return None
        if not self._can_make(holding, wrote):
            raise self._not_kept(holding, wrote, now)
        return self._put_back(holding, wrote, before, now, host), ""

    def _is_ours(self, holding: Holding, now: Seen) -> bool:
        """Whether it is lost, or in a state that a step or command of ours made."""
        if now.kind == "directory" and not holding.declared:
            # kubeadm and the kubelet give existing directories modes of their own, so any directory counts as ours. What is
            # in it is judged by itself.
            made = (holding.wrote, *holding.strays, *(touch.seen for touch in holding.touches))
            return any(seen is not None and seen.kind == "directory" for seen in made)
        return now.kind == "absent" or holding.is_ours(now)

    def _can_make(self, holding: Holding, seen: Seen) -> bool:
        """Whether a file can be made what it was."""
        # The ledger knows a directory's mode and owner, but its entries only where a reset would empty it.
        lost = seen.kind == "directory" and bool(holding.declared) and not self._is_below(holding)
        return not lost and self._ledger.has(seen)

    def _is_below(self, holding: Holding) -> bool:
        """Whether a file is in one of the directories that a reset empties."""
        return holding.name.startswith(tuple(f"{place}/" for place in self._histories.emptied))

    def _put_back(
        self, holding: Holding, seen: Seen, note: str, now: Seen, host: Host
    ) -> tuple[Effect, ...]:
        """The effects that make a file what it was, which `_can_make` must have said is known."""
        content = self._ledger.content(seen)
        before = shown_content(holding.name, now, host)
        hidden = holding.hidden or now.is_private
        return restoring(
            holding.name, seen, content, there=now, now=before, hidden=hidden, note=note
        )

    def _not_kept(
        self, holding: Holding, seen: Seen, now: Seen, last: Touch | None = None
    ) -> StepError:
        """The error for a state of a file that is needed and was not kept.

        Args:
            holding: The file.
            seen: What it must be.
            now: What it is.
            last: The command that made it what it must be; None: it was so before commands.
        """
        name, cut_off = holding.name, self._histories.cut_off
        is_kind = seen.kind in ("directory", "other")
        why = "no directory or device is kept" if is_kind else "it was too large to keep"
        by = next((touch.name for touch in holding.touches if touch.seen == now), "")
        by = by or ("" if cut_off is None else cut_off.name)
        maker = holding.step if last is None else last.name
        if not by:
            return StepError(
                "MA3022",
                f"{name} is lost: {maker} had made it, and {why}",
                hint=f"have {maker} run again by changing it (a comment is enough), or put the file back",
            )
        was = "before" if last is None else f"after {maker}"
        size = "" if is_kind else f", {seen.size} bytes with mode {seen.mode:04o},"
        return StepError(
            "MA3022",
            f"{by} has changed {name}, and must find it as it was {was}: {why}",
            hint=f"put it back as it was{size} and run again; or give it up with `machineadm reset`",
        )

    def _changed_by_others(self, holding: Holding, last: Touch, host: Host) -> StepError:
        from machineadm.plan.render import diff_lines

        wanted = self._ledger.content(last.seen)
        there = host.files.stat(holding.name)
        # Either side may be the secret one: the file as we left it, or what somebody has put in its
        # place.
        private = there is not None and not there.mode & READABLE_BY_OTHERS
        private = private or last.seen.is_private
        shown = not holding.hidden and not private and wanted is not None and there is not None
        readable = (
            shown
            and there is not None
            and there.kind is FileKind.FILE
            and there.size <= LARGEST_READ
        )
        now = host.files.read(holding.name) if readable else None
        return StepError(
            "MA3021",
            f"{holding.name} matches neither the configuration nor what {last.name} made of it: "
            "somebody else changed it",
            hint=f"restore it, or remove it (then it is restored as {last.name} left it), and run again",
            log_tail="" if now is None else "\n".join(diff_lines(wanted or b"", now)),
        )


def in_order(effects: Sequence[Effect], host: Host) -> list[Effect]:
    """What goes, then what comes: a file may take the place of a directory that goes, and the reverse.

    Directories go innermost first, and only those that end up empty; they come outermost first.
    """
    made = sorted((e for e in effects if isinstance(e, MakeDirectory)), key=lambda one: one.path)
    gone = [e for e in effects if isinstance(e, RemoveDirectory)]
    files: list[Effect] = [e for e in effects if isinstance(e, RemoveFile)]
    removed = {e.path for e in effects if isinstance(e, RemoveFile)}
    empty: list[Effect] = []
    for one in sorted(gone, key=lambda one: one.path, reverse=True):
        if all(f"{one.path}/{name}" in removed for name in host.files.list(one.path)):
            removed.add(one.path)
            empty.append(one)
    written = [
        e for e in effects if not isinstance(e, (RemoveFile, RemoveDirectory, MakeDirectory))
    ]
    return [*files, *empty, *made, *written]


def _with(work: Work, effects: list[Effect], notes: list[str]) -> Work:
    summary = work.summary
    if notes:
        summary = "; ".join(notes) if not effects else f"{summary}; {'; '.join(notes)}"
    elif not effects:
        summary = ""
    return msgspec.structs.replace(work, effects=tuple(effects), summary=summary)
