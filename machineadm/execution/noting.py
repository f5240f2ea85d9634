"""What the ledger is told of files while a run acts: what a step owns and wrote, and what each command made of what it found."""

from __future__ import annotations

from collections.abc import Container, Mapping
from functools import cached_property

import msgspec

from machineadm.execution.history import Histories
from machineadm.execution.journal import Journal, key_of
from machineadm.execution.ledger import Holding, Ledger, Touch, content_digest, described
from machineadm.execution.seen import ABSENT, Eyes, EyesByHost, Seen, entries_below
from machineadm.host.effects import Effect, MakeLink, RemoveFile, WriteFile
from machineadm.host.ports import FileKind, Host
from machineadm.plan.model import Owned, Owning, Phase, Step, Work

MOST_ENTRIES = 2000
"""Entries of the directories that a reset empties, as far as they are looked at."""
_FileEffect = (WriteFile, RemoveFile, MakeLink)


class Noting:
    """Tells the ledger, before anything changes and after.

    Args:
        histories: What counts.
        ledger: What is known of files; what is noted goes there.
        journal: Which command was cut off.
        eyes: What was seen.
        mode: Of the run, `provisioning` or `preparation`.
    """

    def __init__(
        self, histories: Histories, ledger: Ledger, journal: Journal, eyes: EyesByHost, mode: str
    ) -> None:
        self._histories = histories
        self._ledger = ledger
        self._journal = journal
        self._eyes = eyes
        self._mode = mode
        self._images: dict[str, tuple[Seen, bytes]] = {}
        """What is in directories that a reset empties, and was not made by us."""

    @cached_property
    def _made_for_files(self) -> set[str]:
        """Directories that were made for files of ours."""
        return {path for holding in self._ledger.holdings() for path in holding.parents}

    def own(self, step: Step, work: Work, host: Host) -> None:
        """Note what a step owns, and what is there now, before its first effect.

        A file that is in place is noted as well where commands follow: what they make of it needs a beginning.
        """
        if not isinstance(step, Owning):
            return
        eyes = self._eyes.of(host)
        effects = {e.path: e for e in work.effects if isinstance(e, _FileEffect)}
        written = effects.keys()
        for owned in step.owned():
            known = self._ledger.holding(owned.kind, owned.name)
            if known is not None and known.declared == owned.declared:
                if known.wrote is None and owned.kind == "file" and owned.name not in written:
                    # An earlier run was killed between the last effect and its record: what is in place is what it left.
                    self._note_wrote(known, eyes.look(owned.name), host)
                elif (
                    known.append
                    and self._histories.has_commands
                    and known.wrote == eyes.look(owned.name)
                ):
                    # The commands may have come with a later configuration than the block.
                    self._ledger.keep(known.wrote, owned.name, host)
                self._note_then(owned)
                continue
            holding = described(owned, step=step.name, mode=self._mode)
            if owned.kind == "file":
                if owned.name not in written and known is None and not self._histories.has_commands:
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
            if effect is None or holding is None or self._histories.counts(holding):
                continue
            self._note_wrote(holding, _left_by(effect, host), host)
        self._ledger.save()

    def _note_wrote(self, holding: Holding, seen: Seen, host: Host) -> None:
        # The configuration has only the appended part, so this content could not be rebuilt after a command changes it.
        if holding.append and self._histories.has_commands:
            self._ledger.keep(seen, holding.name, host)
        self._ledger.put(msgspec.structs.replace(holding, wrote=seen))

    def look_before(self, step: Step, host: Host) -> Before:
        """What a command may change, before it runs."""
        eyes = self._eyes.of(host)
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
        counts = self._histories.counts(holding)
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

    def look_after(self, step: Step, before: Before, host: Host) -> None:
        """Note what a command made of files, before it is recorded as done, or as failed."""
        watched = set(self._watched(step))
        look, made = before.eyes.look, dict[str, tuple[Seen, Seen]]()
        for path in dict.fromkeys([*before.seen, *self._entries(host)]):
            seen, old = look(path), before.seen.get(path, ABSENT)
            if seen == old:
                # Same content, new ctime: the command was cut off once and has written the file again. Only now is it
                # known that the file of the first attempt is the command's.
                rewritten = path in before.changed and before.changed[path] != _changed(path, host)
                if rewritten and not self._histories.is_known(path):
                    made[path] = old, seen
                continue
            if path in self._histories.declared and path not in watched:
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
            self._note_made(step, path, old, seen)
        self._ledger.save()

    def _above(self, path: str) -> list[str]:
        """The directories above a path, below one that a reset empties, that have no history yet."""
        parts = path.split("/")
        ways = ["/".join(parts[:count]) for count in range(2, len(parts))]
        starts = tuple(f"{place}/" for place in self._histories.emptied)
        return [way for way in ways if way.startswith(starts) and not self._histories.is_known(way)]

    def _keep_image(self, path: str, old: Seen) -> None:
        """Keep what a command found there, if nothing of ours had made it."""
        seen, content = self._images.get(path, (None, b""))
        if seen == old and self._ledger.takes(old) and content_digest(content) == old.sha256:
            self._ledger.keep_content(content, old.sha256)

    def _note_made(self, step: Step, path: str, old: Seen, seen: Seen) -> None:
        """Note a state that a command made; it counts once the command is done."""
        concern, digest = key_of(step)
        touch = Touch(concern=concern, digest=digest, name=step.name, seen=seen)
        holding = self._ledger.holding("file", path)
        if holding is not None:
            self._ledger.put_history(holding, self._histories.counts(holding), (touch,))
            return
        # `wrote` is what was there before: putting the file back without the command means exactly
        # that state.
        made = Holding(
            kind="file",
            name=path,
            step=step.name,
            mode=self._mode,
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
            back = list(self._histories.made())
        elif isinstance(step, Owning):
            names = {one.name for one in step.owned()}
            back = [one for one in self._ledger.holdings() if one.declared and one.name in names]
        else:
            return
        for holding in back:
            counts = self._histories.counts(holding)
            if counts == len(holding.touches):
                continue
            if not holding.declared and not counts:
                self._ledger.drop("file", holding.name)
                continue
            self._ledger.put_history(holding, counts)
        self._ledger.save()

    def _watched(self, step: Step) -> list[str]:
        """The declared files whose step comes before a command."""
        return list(self._histories.declared) if step.phase is Phase.PRE_KUBEADM else []

    def _entries(self, host: Host) -> list[str]:
        return [
            entry
            for place in self._histories.emptied
            for entry in entries_below(place, host, most=MOST_ENTRIES)
        ]


class Before(msgspec.Struct, kw_only=True):
    """What was there before a command ran."""

    eyes: Eyes
    seen: Mapping[str, Seen]
    changed: Mapping[str, int]
    """When entries of the directories that a reset empties were changed last (see `FileStat.changed`)."""


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
