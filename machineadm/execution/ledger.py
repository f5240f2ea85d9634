"""The ledger: what the steps own on this machine, what was there before, what commands made of it, what has yet to follow.

`ledger.json` in the state directory, replaced as a whole and flushed before the first effect of a step and after its last;
contents lie beside it in `kept/`, by their SHA-256, up to 1 MiB each and 16 MiB in all. All of it is 0600. Like the journal it
is bound to the machine-id, and a ledger of a newer format is an error before anything is done.

This module keeps; what follows from what is kept is decided in `settling`, `taking_back` and `following`.
"""

from __future__ import annotations

from collections.abc import Iterable

import msgspec

from machineadm.errors import HostError
from machineadm.execution.journal import StepKey, refuse_newer
from machineadm.execution.seen import Seen
from machineadm.host.ports import Host, State
from machineadm.plan.model import FollowUp, Owned

LEDGER = "ledger.json"
FORMAT = 1
LARGEST = 1 << 20
"""Bytes of a content that is kept."""
MOST = 16 << 20
"""Bytes of all contents together."""
MOST_STRAYS = 8
"""States of one file that do not count."""


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
    """What has to follow when it goes, as when it came."""
    strays: tuple[Seen, ...] = ()
    """States that came from commands of ours and do not count: they are replaced, and are nobody else's change."""

    @property
    def key(self) -> tuple[str, str]:
        """Kind and name."""
        return self.kind, self.name

    def is_ours(self, seen: Seen) -> bool:
        """Whether it is a state that a step or command of ours made."""
        made = (touch.seen for touch in self.touches)
        return seen == self.wrote or seen in self.strays or seen in made

    def with_strays(self, *seen: Seen) -> Holding:
        """The holding with further states that do not count; the oldest go."""
        return msgspec.structs.replace(self, strays=(*self.strays, *seen)[-MOST_STRAYS:])

    def with_touches(self, *touches: Touch) -> Holding:
        """The holding with another history; the states that are no longer in it do not count."""
        void = (touch.seen for touch in self.touches if touch not in touches)
        return msgspec.structs.replace(self.with_strays(*void), touches=touches)


class Pending(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """A follow-up that has yet to be done."""

    follow: FollowUp
    phase: str
    """At whose end it is done at the latest."""
    steps: tuple[str, ...]
    """Who asked for it."""
    undo: tuple[tuple[str, Seen], ...] = ()
    """Files as they were before: what is put back if it fails."""
    boot_id: str = ""
    """The boot in which it was asked for."""
    failed: str = ""
    """Why it failed: the files are being put back."""


class _Book(msgspec.Struct, kw_only=True, omit_defaults=True):
    """The whole ledger as it is stored."""

    ledger: int
    machine_id: str
    holdings: list[Holding] = []
    pending: list[Pending] = []
    kept: dict[str, int] = {}
    """Sizes of the contents, by digest."""
    reboots: int = 0


class Ledger:
    """This machine's ledger.

    Args:
        state: Where it lies.
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
        # What the image that this machine was cloned from recorded says nothing of this machine.
        ours = book is not None and book.machine_id == machine_id
        self._book = book if book and ours else _Book(ledger=FORMAT, machine_id=machine_id)
        self._holdings = {holding.key: holding for holding in self._book.holdings}
        self._changed = False

    # Holdings.

    def holding(self, kind: str, name: str) -> Holding | None:
        """What is known of one thing."""
        return self._holdings.get((kind, name))

    def holdings(self) -> tuple[Holding, ...]:
        """All, in the order in which they were first written."""
        return tuple(self._holdings.values())

    def put(self, holding: Holding) -> None:
        """Note or replace one; `save` makes it last."""
        if self._holdings.get(holding.key) != holding:
            self._holdings[holding.key] = holding
            self._changed = True

    def drop(self, kind: str, name: str) -> None:
        """Forget one."""
        if self._holdings.pop((kind, name), None) is not None:
            self._changed = True

    # Pending follow-ups.

    @property
    def pending(self) -> tuple[Pending, ...]:
        """What has yet to follow, in the order in which it was asked for."""
        return tuple(self._book.pending)

    def put_pending(self, pending: Pending) -> None:
        """Note a follow-up, or replace the one of the same key."""
        others = self._book.pending
        for place, other in enumerate(others):
            if other.follow.key == pending.follow.key:
                if other != pending:
                    others[place] = pending
                    self._changed = True
                return
        others.append(pending)
        self._changed = True

    def clear_pending(self, key: str) -> None:
        """A follow-up is done."""
        left = [one for one in self._book.pending if one.follow.key != key]
        self._changed = self._changed or len(left) != len(self._book.pending)
        self._book.pending = left

    @property
    def reboots(self) -> int:
        """How often the agent has rebooted the machine."""
        return self._book.reboots

    def count_reboot(self) -> None:
        """One more."""
        self._book.reboots += 1
        self._changed = True

    # Contents.

    def keep(self, seen: Seen, path: str, host: Host) -> None:
        """Keep the content of a file as it is now, where it is small enough and room is left."""
        if seen.kind != "file" or seen.sha256 in self._book.kept or seen.size > LARGEST:
            return
        if sum(self._book.kept.values()) + seen.size > MOST:
            return
        content = host.files.read(path)
        if content is not None and content_digest(content) == seen.sha256:
            self.keep_content(content, seen.sha256)

    def keep_content(self, content: bytes, sha256: str) -> None:
        """Keep a content that is at hand."""
        if sha256 not in self._book.kept:
            self._state.write(_blob(sha256), content, durable=True)
            self._book.kept[sha256] = len(content)
            self._changed = True

    def has(self, seen: Seen) -> bool:
        """Whether a path can be made what was seen there."""
        return seen.kind in ("absent", "link") or self.content(seen) is not None

    def content(self, seen: Seen) -> bytes | None:
        """A kept content; None where there is none, or it is damaged."""
        if seen.kind != "file" or seen.sha256 not in self._book.kept:
            return None
        content = self._state.read(_blob(seen.sha256), durable=True)
        return content if content is not None and content_digest(content) == seen.sha256 else None

    def save(self) -> None:
        """Have all of it on the disk before this returns; nothing is written where nothing changed."""
        if not self._changed:
            return
        self._book.holdings = list(self._holdings.values())
        named = {seen.sha256 for seen in self._named()}
        gone = [sha256 for sha256 in self._book.kept if sha256 not in named]
        for sha256 in gone:
            del self._book.kept[sha256]
        self._state.write(LEDGER, msgspec.json.encode(self._book) + b"\n", durable=True)
        self._changed = False
        # Only now: a list that names a content which a kill took would have it never kept again.
        for sha256 in gone:
            self._state.remove(_blob(sha256), durable=True)

    def _named(self) -> Iterable[Seen]:
        for holding in self._holdings.values():
            yield from (one for one in (holding.before, holding.wrote) if one is not None)
            yield from (touch.seen for touch in holding.touches)
        for pending in self._book.pending:
            yield from (seen for _, seen in pending.undo)


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
    return f"kept/{sha256}"


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
    try:
        number = msgspec.json.decode(found, type=dict[str, msgspec.Raw])["ledger"]
        if int(bytes(number)) > FORMAT:
            refuse_newer("ledger", path, int(bytes(number)))
        return msgspec.json.decode(found, type=_Book)
    except (msgspec.DecodeError, KeyError, ValueError) as error:
        raise HostError(
            "MA6022",
            f"the ledger {path} is damaged: {error}",
            hint="if nothing but this machine's bootstrap wrote it, replace the machine; to start over, move it away",
        ) from error
