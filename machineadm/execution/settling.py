"""What state declared files must have after commands have changed them: nothing is edited twice, and no edit is lost.

A file's history is what its step wrote, followed by what each command made of it, in order. The state that a run wants is the
one after the last command that counts: one that is done and whose step is still in the plan. From the first that does not count,
the rest is void: the file is put back to the state before it, and the later commands that had touched the file run again.

This rule alone answers what a run does after a kill, a failed command, a reset of kubeadm or a changed configuration; see
docs/adr/0004-files-and-the-commands-that-touch-them.md.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator, Mapping, Sequence
from functools import cached_property

import msgspec

from machineadm.actions.files import READABLE_BY_OTHERS
from machineadm.errors import StepError
from machineadm.execution.journal import Journal, StepKey, key_of
from machineadm.execution.ledger import Holding, Ledger, Touch, content_digest, described
from machineadm.execution.seen import (
    ABSENT,
    Eyes,
    Seen,
    entries_below,
    restoring,
    shown_content,
)
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
from machineadm.plan.model import Owned, Owning, Phase, Plan, Step, Work

COMMANDS = (Phase.BOOT, Phase.PRE_KUBEADM)
MOST_ENTRIES = 2000
"""Entries of the directories that a reset empties, as far as they are looked at."""
_FileEffect = (WriteFile, RemoveFile, MakeLink)
_PathEffect = (*_FileEffect, RemoveDirectory)


class Settling:
    """One plan's view of the ledger.

    Args:
        plan: The steps.
        ledger: What is known of files.
        journal: What is done.
    """

    def __init__(self, plan: Plan, ledger: Ledger, journal: Journal) -> None:
        self._ledger = ledger
        self._journal = journal
        self._emptied = plan.emptied
        self._steps = plan.steps
        commands = [step for step in plan.steps if step.once and step.phase in COMMANDS]
        self._names = {step.name: step for step in commands}
        self._eyes: dict[int, Eyes] = {}
        self._images: dict[str, tuple[Seen, bytes]] = {}
        """What is in directories that a reset empties, and was not made by us."""
        self._counted: dict[str, tuple[int, Touch]] = {}
        """How many touches of a file are known to count, and the last of them."""
        self._again = self._find_again()

    @cached_property
    def _keys(self) -> dict[StepKey, Step]:
        """The commands; a machine without a history needs none of their digests."""
        return {key_of(step): step for step in self._names.values()}

    @cached_property
    def _order(self) -> dict[StepKey, int]:
        """The commands' places in the plan."""
        return {key: place for place, key in enumerate(self._keys)}

    @cached_property
    def _declared(self) -> dict[str, Owned]:
        """The files that steps own; as with the commands, their digests are for a machine with a history."""
        return {
            owned.name: owned
            for step in self._steps
            if isinstance(step, Owning)
            for owned in step.owned()
            if owned.kind == "file"
        }

    @cached_property
    def _made_for_files(self) -> set[str]:
        """Directories that were made for files of ours."""
        return {path for holding in self._ledger.holdings() for path in holding.parents}

    @property
    def _cut_off(self) -> Step | None:
        """The command that was cut off: nobody has looked at what it had changed by then."""
        begun = (self._names[n] for n in self._journal.begun() if n in self._names)
        return next(begun, None)

    def _eyes_of(self, host: Host) -> Eyes:
        """The cache of what was seen on a host, so that a file is not read again until it changes."""
        # The machine and its overlay need a cache each. Keyed by id, which is safe because Eyes keeps its host alive:
        # no later object can get the same id.
        return self._eyes.setdefault(id(host.files), Eyes(host))

    def runs_again(self, step: Step) -> bool:
        """Whether a command that is done must run again: a file that it had changed is written again."""
        return bool(self._again) and key_of(step) in self._again

    @property
    def kubeadm_started(self) -> bool:
        """Whether kubeadm was started on this machine, and what it left was not reset since."""
        return self._journal.node_begun()

    def is_emptied(self, path: str) -> bool:
        """Whether a reset of kubeadm may have taken what lay at a path: nobody else is blamed for its absence."""
        starts = tuple(f"{place}/" for place in self._emptied)
        return (path in self._emptied or path.startswith(starts)) and self._journal.node_reset()

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
        eyes, notes = self._eyes_of(host), list[str]()
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
        if self.kubeadm_started:
            return Work()
        eyes = self._eyes_of(host)
        made = list(self._made())
        verdicts = [self._one(holding, None, eyes, host) for holding in made]
        effects = in_order([e for verdict in verdicts if verdict for e in verdict[0]], host)
        # Each once: a directory that is put in a file's place has two effects.
        paths = ", ".join(dict.fromkeys(getattr(effect, "path", "") for effect in effects))
        parts = [f"restores what commands made: {paths}"] if effects else []
        # What is in place as a command left it is not listed: there may be thousands of entries.
        unedited = (v for one, v in zip(made, verdicts, strict=True) if not self._counts(one))
        parts += (verdict[1] for verdict in unedited if verdict is not None and verdict[1])
        return Work(effects=tuple(effects), summary="; ".join(parts))

    def is_made(self, path: str, host: Host) -> bool:
        """Whether what lies at a declared path, whatever it is, was left there by a command of ours: then it may be replaced."""
        holding = self._ledger.holding("file", path)
        return holding is not None and holding.is_ours(self._eyes_of(host).look(path))

    def is_kept(self, path: str) -> bool:
        """Whether a command made what is there, and the run puts it back if it is lost."""
        holding = self._ledger.holding("file", path)
        if holding is None or holding.declared:
            return False
        counts = self._counts(holding)
        return bool(counts) and self._ledger.has(holding.touches[counts - 1].seen)

    @property
    def anything_made(self) -> bool:
        """Whether commands made anything that may need to be restored."""
        return any(True for _ in self._made())

    # While a run acts.

    def begin(self) -> None:
        """Record that commands run again, before any file is written whose edits would then be missing."""
        # Recovery, which has run since the looks, may have changed what counts.
        self._again = self._find_again()
        for key, step in self._keys.items():
            if key in self._again:
                self._journal.again(step)
        # From here on the journal says it. Left in the set, a command would not count even after it has run again.
        self._again = set()
        self._counted.clear()

    def own(self, step: Step, work: Work, host: Host, mode: str) -> None:
        """Note what a step owns, and what is there now, before its first effect.

        A file that is in place is noted as well where commands follow: what they make of it needs a beginning.
        """
        if not isinstance(step, Owning):
            return
        eyes = self._eyes_of(host)
        effects = {e.path: e for e in work.effects if isinstance(e, _FileEffect)}
        written = effects.keys()
        for owned in step.owned():
            known = self._ledger.holding(owned.kind, owned.name)
            if known is not None and known.declared == owned.declared:
                if known.wrote is None and owned.kind == "file" and owned.name not in written:
                    # An earlier run was killed between the last effect and its record: what is in place is what it left.
                    self._note_wrote(known, eyes.look(owned.name), host)
                elif known.append and self._names and known.wrote == eyes.look(owned.name):
                    # The commands may have come with a later configuration than the block.
                    self._ledger.keep(known.wrote, owned.name, host)
                self._note_then(owned)
                continue
            holding = described(owned, step=step.name, mode=mode)
            if owned.kind == "file":
                if owned.name not in written and known is None and not self._names:
                    continue  # not written by us, and there is no command whose changes would need a beginning
                seen = eyes.look(owned.name)
                # Only what we are about to overwrite needs its content kept. An append is kept as
                # well: the configuration does not contain the rest of the file.
                if owned.name in written or owned.append:
                    self._ledger.keep(seen, owned.name, host)
                holding = msgspec.structs.replace(
                    holding,
                    # The state before our first write ever. What an earlier declaration of ours
                    # left is not the user's.
                    before=known.before if known else seen,
                    wrote=None if owned.name in written else seen,
                    parents=known.parents if known else self._parents(owned.name, written, host),
                    strays=(*((seen,) if known else ()), *_expected(effects.get(owned.name))),
                )
            if owned.kind == "unit":
                enabled = host.services is not None and host.services.enabled(owned.name)
                before = Seen(kind="link", target="enabled") if enabled else ABSENT
                # What we enabled under an earlier declaration was not enabled before us.
                holding = msgspec.structs.replace(holding, before=known.before if known else before)
            self._ledger.put(msgspec.structs.replace(holding, follow=(*work.follow, *owned.then)))
        self._ledger.save()

    def _parents(self, path: str, written: Container[str], host: Host) -> tuple[str, ...]:
        """The directories that are made for a file that is written, and those that were made for others of ours, the outermost last."""
        found: list[str] = []
        is_written = path in written
        while is_written and (path := path.rpartition("/")[0]):
            if path not in self._made_for_files and host.files.stat(path) is not None:
                break
            found.append(path)
        self._made_for_files.update(found)
        return tuple(found)

    def _note_then(self, owned: Owned) -> None:
        """The content is declared as before, but perhaps not what must follow when it is removed."""
        known = self._ledger.holding(owned.kind, owned.name)
        if known is not None and (new := [one for one in owned.then if one not in known.follow]):
            self._ledger.put(msgspec.structs.replace(known, follow=(*known.follow, *new)))

    def wrote(self, step: Step, work: Work, host: Host) -> None:
        """Note what a step left, after its last effect."""
        if not isinstance(step, Owning):
            return
        effects = {e.path: e for e in work.effects if isinstance(e, (WriteFile, MakeLink))}
        for owned in step.owned():
            effect = effects.get(owned.name) if owned.kind == "file" else None
            holding = self._ledger.holding("file", owned.name)
            # A file put back to what a command made of it does not show what the step itself writes.
            if effect is None or holding is None or self._counts(holding):
                continue
            self._note_wrote(holding, _left_by(effect, host), host)
        self._ledger.save()

    def _note_wrote(self, holding: Holding, seen: Seen, host: Host) -> None:
        # The configuration has only the appended part, so this content could not be rebuilt after a command changes it.
        if holding.append and self._names:
            self._ledger.keep(seen, holding.name, host)
        self._ledger.put(msgspec.structs.replace(holding, wrote=seen))

    def look_before(self, step: Step, host: Host) -> Before:
        """What a command may change, before it runs."""
        eyes = self._eyes_of(host)
        entries = {path: eyes.look(path) for path in self._entries(host)}
        watched = {path: eyes.look(path) for path in self._watched(step)}
        changed = {
            path: _changed(path, host)
            for path, seen in entries.items()
            # A directory's ctime moves with every entry that comes or goes, so it says little about a command. It is
            # worth noting only for one that was cut off and runs again.
            if seen.kind != "directory" or self._journal.unfinished(step)
        }
        self._read(entries, host)
        # Compared with what should be there, and not with what is: what could not be put back before counts as
        # changed by this command.
        entries = {path: self._wanted(path, seen) for path, seen in entries.items()}
        return Before(eyes=eyes, seen={**entries, **watched}, changed=changed)

    def _wanted(self, path: str, now: Seen) -> Seen:
        """What the history of an entry says should be there; without a history, what is there."""
        holding = self._ledger.holding("file", path)
        if holding is None or holding.declared:
            return now
        counts = self._counts(holding)
        return holding.touches[counts - 1].seen if counts else holding.wrote or now

    def _read(self, entries: Mapping[str, Seen], host: Host) -> None:
        """Hold in memory what the image has in these directories: a command that fails must find it as it was when run again."""
        known = self._images
        self._images = {}
        room = self._ledger.room
        for path, seen in entries.items():
            if self._ledger.holding("file", path) is not None or not self._ledger.takes(seen):
                continue
            old, content = known.get(path, (None, None))
            if old != seen:
                content = host.files.read(path)
            if content is not None and len(content) == seen.size <= room:
                self._images[path] = seen, content
                room -= seen.size

    def look_after(self, step: Step, before: Before, host: Host, mode: str) -> None:
        """Note what a command made of files, before it is recorded as done, or as failed."""
        watched = set(self._watched(step))
        look, made = before.eyes.look, dict[str, tuple[Seen, Seen]]()
        for path in dict.fromkeys([*before.seen, *self._entries(host)]):
            seen, old = look(path), before.seen.get(path, ABSENT)
            if seen == old:
                # Same content, new ctime: the command was cut off once and has written the file again. Only now is it
                # known that the file of the first attempt is the command's.
                rewritten = path in before.changed and before.changed[path] != _changed(path, host)
                if rewritten and not self._is_known(path):
                    made[path] = old, seen
                continue
            if path in self._declared and path not in watched:
                # Its step comes later and overwrites whatever this command makes of it. Noted as a stray, so that the
                # state is not taken for somebody else's change.
                holding = self._ledger.holding("file", path)
                if holding is not None:
                    self._ledger.put_history(holding, len(holding.touches), strays=(seen,))
                continue
            made[path] = old, seen
        # A file can be put back only if the directories above it are, with their modes and owners.
        for above in [above for path in made for above in self._above(path)]:
            made.setdefault(above, (before.seen.get(above, ABSENT), look(above)))
        for path, (old, seen) in made.items():
            self._ledger.keep(seen, path, host)
            self._keep_image(path, old)
            self._note_made(step, path, old, seen, mode)
        self._ledger.save()

    def _is_known(self, path: str) -> bool:
        return path in self._declared or self._ledger.holding("file", path) is not None

    def _above(self, path: str) -> list[str]:
        """The directories above a path, below one that a reset empties, that have no history yet."""
        parts = path.split("/")
        ways = ["/".join(parts[:count]) for count in range(2, len(parts))]
        starts = tuple(f"{place}/" for place in self._emptied)
        return [way for way in ways if way.startswith(starts) and not self._is_known(way)]

    def _keep_image(self, path: str, old: Seen) -> None:
        """Keep what a command found there, if nothing of ours had made it."""
        seen, content = self._images.get(path, (None, b""))
        if seen == old and self._ledger.takes(old) and content_digest(content) == old.sha256:
            self._ledger.keep_content(content, old.sha256)

    def _note_made(self, step: Step, path: str, old: Seen, seen: Seen, mode: str) -> None:
        """Note a state that a command made; it counts once the command is done."""
        concern, digest = key_of(step)
        touch = Touch(concern=concern, digest=digest, name=step.name, seen=seen)
        holding = self._ledger.holding("file", path)
        if holding is not None:
            self._ledger.put_history(holding, self._counts(holding), (touch,))
            return
        # `wrote` is what was there before: putting the file back without the command means exactly
        # that state.
        made = Holding(
            kind="file",
            name=path,
            step=step.name,
            mode=mode,
            before=old,
            wrote=old,
            hidden=True,
            touches=(touch,),
        )
        self._ledger.put(made)

    def forget_void(self, step: Step | None) -> None:
        """Drop what no longer counts, once the files are back as they were before it.

        Args:
            step: Whose files are back; None: those that commands made.
        """
        if step is None:
            back = list(self._made())
        elif isinstance(step, Owning):
            names = {one.name for one in step.owned()}
            back = [one for one in self._ledger.holdings() if one.declared and one.name in names]
        else:
            return
        for holding in back:
            counts = self._counts(holding)
            if counts == len(holding.touches):
                continue
            if not holding.declared and not counts:
                self._ledger.drop("file", holding.name)
                continue
            self._ledger.put_history(holding, counts)
        self._ledger.save()

    # Rules.

    def _find_again(self) -> set[StepKey]:
        """Commands that are done and whose effect on some file is void: a fixed point over all files."""
        again: set[StepKey] = set()
        histories = [holding for holding in self._ledger.holdings() if holding.touches]
        # A command that runs again voids what later commands made of the same file, and these may have touched other
        # files: repeat until nothing is added.
        while True:
            before = len(again)
            for holding in histories:
                declared = self._declared.get(holding.name)
                void = holding.touches
                gone = declared is None and bool(holding.declared)
                if gone and self.kubeadm_started:
                    continue  # on a node a file stays that is no longer declared
                # A file that is no longer declared is taken back as a whole, including what commands made of it, so each of
                # them must run again.
                if not gone and (declared is None or declared.declared == holding.declared):
                    void = void[self._count(holding, again) :]
                again.update(self._done_of(touch.key for touch in void))
            again.update(self._done_of(self._removing(histories, again)))
            if len(again) == before:
                return again

    def _done_of(self, keys: Iterable[StepKey]) -> Iterator[StepKey]:
        return (key for key in keys if key in self._keys and self._journal.finished_ever(key))

    def _removing(
        self, histories: Iterable[Holding], again: Container[StepKey]
    ) -> Iterator[StepKey]:
        """Commands that had removed a directory below which a file is written again: undisturbed, they would have found it there."""
        # On a node these directories are at work, and a command that removes one of them must not run there.
        if self.kubeadm_started:
            return
        removed = [one for one in histories if _is_removed(one)]
        if not removed:
            return
        written = self._written_from(again)
        for directory in removed:
            starts = [n for path, n in written.items() if path.startswith(f"{directory.name}/")]
            for touch in directory.touches if starts else ():
                is_later = self._order.get(touch.key, -1) >= min(starts)
                if touch.seen.kind != "directory" and is_later:
                    yield touch.key

    def _written_from(self, again: Container[StepKey]) -> dict[str, int]:
        """The files that are written again, each with the number of the first command that then finds it there."""
        first = sum(step.phase is Phase.BOOT for step in self._names.values())
        written: dict[str, int] = {}
        for path, owned in self._declared.items():
            holding = self._ledger.holding("file", path)
            if holding is None or holding.declared != owned.declared:
                written[path] = first
        for holding in self._ledger.holdings():
            counts = self._count(holding, again)
            if holding.name in written or counts == len(holding.touches):
                continue
            last = holding.touches[counts - 1] if counts else None
            seen = last.seen if last else holding.wrote
            if holding.declared or (seen is not None and seen.kind != "absent"):
                written[holding.name] = self._order[last.key] + 1 if last else first
        return written

    def _count(self, holding: Holding, again: Container[StepKey], *, start: int = 0) -> int:
        """How many commands of a history count that are known to count before kubeadm has started.

        Args:
            holding: The file.
            again: Commands that are done and do not count.
            start: So many are known to count.
        """
        if self.kubeadm_started:
            return len(holding.touches)
        for number in range(start, len(holding.touches)):
            key = holding.touches[number].key
            if key not in self._keys or key in again or not self._journal.finished_ever(key):
                return number
        return len(holding.touches)

    def _counts(self, holding: Holding) -> int:
        """How many commands of a history count in this run."""
        touches = holding.touches
        if self.kubeadm_started:
            return len(touches)
        # While a run acts, what counted once still counts. Counting on from there keeps a file that a thousand commands
        # touch from being counted from its start a thousand times.
        known, last = self._counted.get(holding.name, (0, None))
        # Compared by identity: a replaced history has other objects, and then the count is void.
        if known > len(touches) or (known and touches[known - 1] is not last):
            known = 0
        counts = self._count(holding, self._again, start=known)
        if counts:
            self._counted[holding.name] = counts, touches[counts - 1]
        return counts

    def _one(
        self, holding: Holding, planned: Effect | None, eyes: Eyes, host: Host
    ) -> tuple[tuple[Effect, ...], str] | None:
        """What one file's history says: effects, and a note. None: the step's check decides.

        Raises:
            StepError: See `settle`.
        """
        counts = self._counts(holding)
        now = eyes.look(holding.name)
        if not counts:
            return self._unedited(holding, planned, now, host)
        last = holding.touches[counts - 1]
        note = f"{holding.name} in place, changed by {last.name}"
        if now == last.seen:
            return (), note
        if self.kubeadm_started:
            return (), f"{holding.name} was changed since, and is left alone"
        # A command that was cut off may have left anything, so then no state can be blamed on somebody else.
        foreign = not self._is_ours(holding, now) and self._cut_off is None
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
            if any(touch.key in self._keys for touch in holding.touches):
                # Run over its own change it would edit the file twice, and nothing would tell.
                raise self._not_kept(holding, wrote, now)
            return (), f"{holding.name} stays: what was there before commands was not kept"
        fetched = isinstance(planned, WriteFile) and isinstance(planned.content, Download)
        if fetched and now == wrote:
            # Without a digest only the history tells that it was fetched.
            return (), ""
        if not holding.append or self.kubeadm_started or wrote is None or now == wrote:
            return None
        # The rest of the file is in no configuration: written anew it would be the block alone.
        if self._cut_off is None and not holding.is_ours(now):
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
        return holding.name.startswith(tuple(f"{place}/" for place in self._emptied))

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
        name, cut_off = holding.name, self._cut_off
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

    def _made(self) -> Iterable[Holding]:
        return (
            holding
            for holding in self._ledger.holdings()
            if holding.kind == "file" and not holding.declared and holding.touches
        )

    def _watched(self, step: Step) -> list[str]:
        """The declared files whose step comes before a command."""
        return list(self._declared) if step.phase is Phase.PRE_KUBEADM else []

    def _entries(self, host: Host) -> list[str]:
        return [
            entry
            for place in self._emptied
            for entry in entries_below(place, host, most=MOST_ENTRIES)
        ]


class Before(msgspec.Struct, kw_only=True):
    """What was there before a command ran."""

    eyes: Eyes
    seen: Mapping[str, Seen]
    changed: Mapping[str, int]
    """When entries of the directories that a reset empties were changed last (see `FileStat.changed`)."""


def _is_removed(holding: Holding) -> bool:
    """Whether a command has removed a directory, or put something else in its place."""
    seen = (holding.before, holding.wrote, *(touch.seen for touch in holding.touches))
    kinds = [one.kind for one in seen if one is not None]
    return "directory" in kinds and any(t.seen.kind != "directory" for t in holding.touches)


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


def _left_by(effect: WriteFile | MakeLink, host: Host) -> Seen:
    """The state that an effect left. Content that is at hand is not read again."""
    content = effect.content if isinstance(effect, WriteFile) else None
    stat = host.files.stat(effect.path)
    if stat is None or stat.kind is not FileKind.FILE or not isinstance(content, bytes):
        return Eyes(host).look(effect.path)
    return Seen(
        kind="file",
        mode=stat.mode,
        uid=stat.uid,
        gid=stat.gid,
        size=len(content),
        sha256=content_digest(content),
    )


def _changed(path: str, host: Host) -> int:
    stat = host.files.stat(path)
    return 0 if stat is None else stat.changed


def _expected(effect: Effect | None) -> tuple[Seen, ...]:
    """The state that an effect will leave, if known: after a kill before it is noted, it must not look like somebody else's."""
    if isinstance(effect, MakeLink):
        return (Seen(kind="link", target=effect.target),)
    if not isinstance(effect, WriteFile) or not isinstance(effect.content, bytes):
        return ()
    if effect.uid is None or effect.gid is None:
        return ()
    return (
        Seen(
            kind="file",
            mode=effect.mode,
            uid=effect.uid,
            gid=effect.gid,
            size=len(effect.content),
            sha256=content_digest(effect.content),
        ),
    )
