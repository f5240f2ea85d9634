"""The ledger: what the steps own on this machine, what was there before, what commands made of it, what has yet to follow.

`ledger.json` in the state directory, flushed before the first effect of a step and after its last: one line with everything, and
one line for each change since. The file is replaced as a whole by the first change of a run, and whenever the changes would
become longer than what they change. So the cost of a change depends on what changed and not on how much there is. A line that a
power loss tore off does not count: work goes on only after a whole line is on the disk, so nothing relied on it.

Contents are beside it in `kept/`, named by their SHA-256, up to 1 MiB each and 16 MiB in all. Everything is 0600. Like the
journal, the ledger is bound to the machine-id, and a ledger of a newer format is an error before anything is done.

This module only stores. What follows from it is decided in `settling`, `taking_back` and `following`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from contextlib import suppress

import msgspec

from machineadm.errors import HostError
from machineadm.execution.journal import StepKey, refuse_newer
from machineadm.execution.seen import Seen
from machineadm.host.ports import Host, State
from machineadm.plan.model import FollowUp, Owned

LEDGER = "ledger.json"
KEPT = "kept"
FORMAT = 2
"""2 added the lines of changes; a ledger of format 1 is read, and becomes one of format 2 with the first change."""
LARGEST = 1 << 20
"""Bytes of a content that is kept."""
MOST = 16 << 20
"""Bytes of all contents together."""
MOST_STRAYS = 8
"""States of one file that do not count."""
_SHORTEST = 1 << 16
"""Bytes of changes that are never too many."""


class Touch(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """What a command made of a file."""

    concern: str
    digest: str
    """Of the command's step."""
    name: str
    """Of the command's step, for messages: `commands/preKubeadm[1]`."""
    seen: Seen

    @property
    def key(self) -> StepKey:
        """The command's key."""
        return self.concern, self.digest


class Holding(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """One thing that is owned, and its history."""

    kind: str
    name: str
    step: str
    """Name of the step that owns it; of what a command made: the command's."""
    mode: str
    """Of the run: what an image was prepared with is not taken back by a run that provisions."""
    declared: str = ""
    """Digest of the declaration; empty: no step declares it, a command made it."""
    append: bool = False
    hidden: bool = False
    before: Seen | None = None
    """What was there before our first write; None: nobody looked."""
    wrote: Seen | None = None
    """What the step left; None: it found it in place."""
    touches: tuple[Touch, ...] = ()
    """What commands made of it since, in order."""
    follow: tuple[FollowUp, ...] = ()
    """What must follow when it is removed, as when it was written."""
    strays: tuple[Seen, ...] = ()
    """States that came from commands of ours and do not count: they are replaced, and are nobody else's change."""
    parents: tuple[str, ...] = ()
    """Directories above a file that were made for it: they go with it if nothing is left in them."""

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name."""
        return self.kind, self.name

    def is_ours(self, seen: Seen) -> bool:
        """Whether a step or command of ours made this state."""
        made = (touch.seen for touch in self.touches)
        return seen == self.wrote or seen in self.strays or seen in made

    def with_history(
        self, count: int, touches: Iterable[Touch] = (), strays: Iterable[Seen] = ()
    ) -> Holding:
        """The holding with another history.

        Args:
            count: How many touches stay; the states of the others no longer count.
            touches: Further ones.
            strays: Further states that do not count; of all of these the oldest go.
        """
        void = (touch.seen for touch in self.touches[count:])
        return msgspec.structs.replace(
            self,
            touches=(*self.touches[:count], *touches),
            strays=(*self.strays, *void, *strays)[-MOST_STRAYS:],
        )


class Pending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A follow-up that has yet to be done."""

    follow: FollowUp
    phase: str
    """At whose end it is done at the latest."""
    steps: tuple[str, ...]
    """Who asked for it."""
    undo: tuple[tuple[str, Seen], ...] = ()
    """Files as they were before: what is put back if it fails."""
    gone: tuple[str, ...] = ()
    """Those of them that the work removes: that they are absent is nobody else's doing."""
    boot_id: str = ""
    """The boot in which it was asked for."""
    failed: str = ""
    """Why it failed: the files are being put back."""


class _Format(msgspec.Struct):
    """Of the first line, what every format has."""

    ledger: int


class _Book(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The whole ledger: the first line of its file."""

    ledger: int
    machine_id: str
    holdings: list[Holding] = []
    pending: list[Pending] = []
    kept: dict[str, int] = {}
    """Sizes of the contents, by digest."""
    reboots: int = 0


class _History(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Another history of a file: see `Holding.with_history`."""

    name: str
    count: int = 0
    touches: tuple[Touch, ...] = ()
    strays: tuple[Seen, ...] = ()


class _Change(msgspec.Struct, kw_only=True, omit_defaults=True):
    """One line behind the first: what changed together, in the order of the fields."""

    drop: list[tuple[str, str]] = []
    """Kinds and names."""
    put: list[Holding] = []
    histories: list[_History] = []
    # All and not the difference: there are a handful, their order counts, and a list that was
    # edited is hard to replay.
    pending: list[Pending] | None = None
    """All of them, if any changed."""
    kept: dict[str, int] = {}
    """Further contents."""
    gone: list[str] = []
    """Contents that nothing names any more."""
    reboots: int = 0
    """If they changed."""


class Ledger:
    """This machine's ledger.

    Args:
        state: Where it is kept.
        machine_id: `/etc/machine-id`, empty where there is none.
        boot_id: The kernel's, empty where there is none.

    Raises:
        HostError: It is damaged, or of a newer format.
    """

    def __init__(self, state: State, *, machine_id: str, boot_id: str) -> None:
        self._state = state
        self.boot_id = boot_id
        found = state.read(LEDGER, durable=True)
        book = None if found is None else _parse(found, f"{state.state_directory}/{LEDGER}")
        # A ledger that came with the image this machine was cloned from says nothing about this machine.
        ours = book is not None and book.machine_id == machine_id
        self.of_another = tuple(book.holdings) if book and not ours else ()
        """What the machine held that this one was cloned from."""
        self._book = book if book and ours else _Book(ledger=FORMAT, machine_id=machine_id)
        self._holdings = {holding.key: holding for holding in self._book.holdings}
        self._room = MOST - sum(self._book.kept.values())
        parts: list[Holding | Pending] = [*self._book.holdings, *self._book.pending]
        # Counted rather than searched at each save: a plan of a thousand commands saves a thousand
        # times.
        self._named = Counter(seen.sha256 for part in parts for seen in _seen_in(part))
        """How often each content is named."""
        self._loose = {sha256 for sha256 in self._book.kept if not self._named[sha256]}
        """Contents that may be named no more."""
        self._change = _Change()
        self._put: dict[tuple[str, str], None] = {}
        """Holdings that the change has as a whole, in order."""
        self._changed = False
        self._left = 0
        """Bytes of changes after which the whole is rewritten."""

    # Holdings.

    def holding(self, kind: str, name: str) -> Holding | None:
        """What is known of one thing."""
        return self._holdings.get((kind, name))

    def holdings(self) -> tuple[Holding, ...]:
        """All, in the order in which they were first written."""
        return tuple(self._holdings.values())

    @property
    def holds_anything(self) -> bool:
        """Whether there is any."""
        return bool(self._holdings)

    def put(self, holding: Holding) -> None:
        """Note or replace one; `save` makes it last."""
        old = self._holdings.get(holding.key)
        # Most steps of a second run have nothing new to say, and a change that says it again
        # would be flushed for nothing.
        if old == holding:
            return
        self._name(() if old is None else _seen_in(old), -1)
        self._name(_seen_in(holding), 1)
        self._holdings[holding.key] = holding
        self._put[holding.key] = None
        self._changed = True

    def put_history(
        self,
        holding: Holding,
        count: int,
        touches: tuple[Touch, ...] = (),
        strays: tuple[Seen, ...] = (),
    ) -> None:
        """Give a known file another history (see `Holding.with_history`). Writes only what changes, not the whole holding."""
        # A holding that this change writes as a whole has its new history in it; both would apply
        # it twice.
        if holding.key not in self._put:
            history = _History(name=holding.name, count=count, touches=touches, strays=strays)
            self._change.histories.append(history)
        self._name((touch.seen for touch in holding.touches[count:]), -1)
        self._name((touch.seen for touch in touches), 1)
        self._holdings[holding.key] = holding.with_history(count, touches, strays)
        self._changed = True

    def drop(self, kind: str, name: str) -> None:
        """Forget one."""
        gone = self._holdings.pop((kind, name), None)
        if gone is not None:
            self._name(_seen_in(gone), -1)
            self._put.pop(gone.key, None)
            # Replayed, a history of a dropped holding would fail with KeyError, and make the ledger
            # damaged.
            histories = self._change.histories
            self._change.histories = [h for h in histories if ("file", h.name) != gone.key]
            self._change.drop.append(gone.key)
            self._changed = True

    # Pending follow-ups.

    @property
    def pending(self) -> tuple[Pending, ...]:
        """What has yet to follow, in the order in which it was asked for."""
        return tuple(self._book.pending)

    def put_pending(self, pending: Pending) -> None:
        """Note a follow-up, or replace the one of the same key."""
        now = self._book.pending
        # In its old place: follow-ups are done in the order in which they were asked for first.
        places = {one.follow.key: place for place, one in enumerate(now)}
        place = places.get(pending.follow.key, len(now))
        self._set_pending([*now[:place], pending, *now[place + 1 :]])

    def clear_pending(self, key: str) -> None:
        """A follow-up is done."""
        self._set_pending([one for one in self._book.pending if one.follow.key != key])

    def _set_pending(self, pending: list[Pending]) -> None:
        if pending == self._book.pending:
            return
        for one in self._book.pending:
            self._name(_seen_in(one), -1)
        for one in pending:
            self._name(_seen_in(one), 1)
        self._book.pending = self._change.pending = pending
        self._changed = True

    @property
    def reboots(self) -> int:
        """How often the agent has rebooted the machine."""
        return self._book.reboots

    def count_reboot(self) -> None:
        """One more."""
        self._book.reboots += 1
        self._change.reboots = self._book.reboots
        self._changed = True

    # Contents.

    @property
    def room(self) -> int:
        """Bytes of contents that may still be kept."""
        return self._room

    @property
    def contents(self) -> tuple[str, ...]:
        """Digests of the contents that are kept."""
        return tuple(self._book.kept)

    def keep(self, seen: Seen, path: str, host: Host) -> None:
        """Keep the content of a file as it is now, where it is small enough and room is left."""
        if not self.takes(seen):
            return
        content = host.files.read(path)
        # It may have been written to since it was seen, and a blob must be what its name says.
        if content is not None and content_digest(content) == seen.sha256:
            self.keep_content(content, seen.sha256)

    def takes(self, seen: Seen) -> bool:
        """Whether it is the content of a file that is not kept and may be."""
        # By content and not by path: the same file in ten places is kept once, and takes its room
        # once.
        known = seen.kind != "file" or seen.sha256 in self._book.kept
        return not known and seen.size <= min(LARGEST, self._room)

    def keep_content(self, content: bytes, sha256: str) -> None:
        """Keep a content that is at hand."""
        if sha256 not in self._book.kept:
            # The blob before the list: a kill in between leaves a stray for `sweep`, not a name
            # without content.
            self._state.write(_blob(sha256), content, durable=True)
            self._book.kept[sha256] = self._change.kept[sha256] = len(content)
            self._room -= len(content)
            self._loose.add(sha256)
            self._changed = True

    def has(self, seen: Seen) -> bool:
        """Whether a path can be made what was seen there."""
        known = seen.kind in ("absent", "directory", "link")
        return known or self.content(seen) is not None

    def content(self, seen: Seen) -> bytes | None:
        """A kept content; None where there is none, or it is damaged."""
        if seen.kind != "file" or seen.sha256 not in self._book.kept:
            return None
        content = self._state.read(_blob(seen.sha256), durable=True)
        return content if content is not None and content_digest(content) == seen.sha256 else None

    def sweep(self) -> None:
        """Remove the contents that the ledger does not list: a run was killed between the two, or they are another machine's."""
        for name in self._state.list(KEPT):
            if name not in self._book.kept:
                # Best effort: a stray blob costs space and nothing else, and a later run tries again.
                with suppress(HostError):
                    self._state.remove(_blob(name), durable=True)

    # The file.

    def save(self) -> None:
        """Have everything on the disk before this returns. Writes nothing if nothing changed."""
        if not self._changed:
            return
        gone = [one for one in self._loose if one in self._book.kept and not self._named[one]]
        for sha256 in gone:
            self._room += self._book.kept.pop(sha256)
        change, self._change = self._change, _Change()
        change.gone = gone
        change.histories = [h for h in change.histories if ("file", h.name) not in self._put]
        change.put = [self._holdings[key] for key in self._put]
        self._put.clear()
        self._loose.clear()
        self._write(change)
        self._changed = False
        # Only after the list is on the disk. The other way round a kill would leave a list that names a missing
        # content, and `takes` would never keep it again.
        for sha256 in gone:
            self._state.remove(_blob(sha256), durable=True)

    def _write(self, change: _Change) -> None:
        line = msgspec.json.encode(change) + b"\n"
        # Zero until the append has succeeded: after a failure part of the line may be in the file, so the next
        # write must replace the whole.
        left, self._left = self._left - len(line), 0
        if left > 0:
            self._state.append(LEDGER, line)
            self._left = left
            return
        self._book.ledger = FORMAT
        self._book.holdings = list(self._holdings.values())
        whole = msgspec.json.encode(self._book) + b"\n"
        self._state.write(LEDGER, whole, durable=True)
        # As many bytes of changes as the whole has: written anew at that point, the file costs
        # each change a constant share.
        self._left = max(len(whole), _SHORTEST)

    def _name(self, named: Iterable[Seen], times: int) -> None:
        for seen in named:
            self._named[seen.sha256] += times
            if not self._named[seen.sha256]:
                self._loose.add(seen.sha256)


def _seen_in(part: Holding | Pending) -> Iterable[Seen]:
    """The states that a part of the ledger may need to restore."""
    if isinstance(part, Pending):
        yield from (seen for _, seen in part.undo)
        return
    yield from (one for one in (part.before, part.wrote) if one is not None)
    yield from (touch.seen for touch in part.touches)


def described(owned: Owned, *, step: str, mode: str) -> Holding:
    """A new holding of something that is owned."""
    return Holding(
        kind=owned.kind,
        name=owned.name,
        step=step,
        mode=mode,
        declared=owned.declared,
        append=owned.append,
        hidden=owned.hidden,
    )


def _blob(sha256: str) -> str:
    return f"{KEPT}/{sha256}"


def content_digest(content: bytes) -> str:
    """Hex SHA-256, of what identifies a content and need not withstand an attacker."""
    from machineadm.config.digest import sha256

    sum_ = sha256()
    sum_.update(content)
    return str(sum_.hexdigest())


def _parse(found: bytes, path: str) -> _Book:
    """Read a ledger.

    Raises:
        HostError: It is damaged, or of a newer format.
    """
    first, *lines = found.split(b"\n")
    try:
        # The format alone first: a later format may have fields that do not decode, and must be
        # refused as newer rather than as damaged.
        number = msgspec.json.decode(first, type=_Format).ledger
        if number > FORMAT:
            refuse_newer("ledger", path, number)
        book = msgspec.json.decode(first, type=_Book)
        # The last piece follows the last newline: it is empty, or was torn off by a power loss.
        changes = [msgspec.json.decode(line, type=_Change) for line in lines[:-1]]
        return _changed(book, changes) if changes else book
    except (msgspec.DecodeError, KeyError, ValueError, RecursionError) as error:
        # The text of a KeyError is the key alone.
        what = (
            f"a line is about {error}, which is not in it" if isinstance(error, KeyError) else error
        )
        raise HostError(
            "MA6022",
            f"the ledger {path} is damaged: {what}",
            hint="replace the machine if you can; to start over, move the file away",
        ) from error


def _changed(book: _Book, changes: Iterable[_Change]) -> _Book:
    """The ledger after the lines behind the first.

    Raises:
        KeyError: A line is about something that is not there.
    """
    holdings = {holding.key: holding for holding in book.holdings}
    for change in changes:
        for key in change.drop:
            holdings.pop(key, None)
        holdings.update((holding.key, holding) for holding in change.put)
        for one in change.histories:
            old = holdings["file", one.name]
            holdings[old.key] = old.with_history(one.count, one.touches, one.strays)
        book.pending = book.pending if change.pending is None else change.pending
        book.kept.update(change.kept)
        for sha256 in change.gone:
            del book.kept[sha256]
        book.reboots = change.reboots or book.reboots
    book.holdings = list(holdings.values())
    return book
