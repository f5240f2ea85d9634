"""Taking back what an earlier run owned and this configuration no longer has.

Until kubeadm has started on the machine it is undone: a file becomes again what was there before our first write. From then on it
stays and is listed: a node is replaced, not changed. What a person changed since, what was appended to, and what was not
kept stays in either case, and the summary says so.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import ClassVar

from machineadm.actions.perform import perform
from machineadm.execution.history import Histories
from machineadm.execution.ledger import Holding, Ledger
from machineadm.execution.seen import ABSENT, Eyes, restoring, shown_content
from machineadm.execution.settling import Settling, in_order
from machineadm.host.effects import (
    DisableUnit,
    Effect,
    RemoveDirectory,
    RemoveFile,
    WriteFile,
)
from machineadm.host.ports import FileKind, Host
from machineadm.plan.model import FollowUp, Outcome, Phase, Work, digest_of

_OWN_UNITS = "/etc/systemd/system"
_UNITS = (
    "/run/systemd/system",
    "/usr/local/lib/systemd/system",
    "/usr/lib/systemd/system",
    "/lib/systemd/system",
)
"""Where else a unit may be defined; systemd.unit(5)."""

_UNTIL_BOOT = {"parameter": "value", "module": "module", "hostname": "host name"}
_FOR_GOOD = {"account": "", "image": "image "}
"""What is never taken back: files may belong to an account, and containers of others may run from an image."""


class TakeBack:
    """The step that takes back. The engine puts it before all others if there is anything to take back.

    Args:
        stale: What is no longer declared, in the order in which it goes.
        ledger: Knows what was there before.
        histories: Whether kubeadm has started.
    """

    name: ClassVar[str] = "ownership/takeBack"
    phase: ClassVar[Phase] = Phase.BOOT
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def __init__(self, stale: tuple[Holding, ...], ledger: Ledger, histories: Histories) -> None:
        # In the order in which it goes, which whoever made the step knows: it has the ledger's
        # own order.
        self.stale = stale
        self._ledger = ledger
        self._histories = histories

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name, *(f"{one.kind} {one.name}" for one in self.stale))

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        if self._histories.kubeadm_started:
            names = ", ".join(one.name for one in self.stale)
            return Work(summary=f"no longer declared, but left because this is a node: {names}")
        effects, follow, stays = self._undone(self._left(), host)
        parts = [f"removes {_counted(effects)} no longer declared"] if effects else []
        return Work(
            effects=tuple(effects),
            summary="; ".join([*parts, *stays]),
            follow=_following(follow, effects, host),
        )

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        self.forget(host)
        return Outcome(change=work.change, message=work.summary)

    def _left(self) -> list[Holding]:
        """Holdings that nobody has taken over since: a command may have made the same file."""
        known = self._ledger.holding
        return [one for one in self.stale if known(one.kind, one.name) == one]

    def forget(self, host: Host) -> None:
        """Nobody owns it any more. After a kill before this, the next run finds the files as they were before us, and forgets then.

        What stays as we left it is not forgotten: it is said again, and by a reset, and is never taken for what was there before us.
        """
        if self._histories.kubeadm_started:
            return
        eyes = Eyes(host)
        for holding in self._left():
            if not _is_still_ours(holding, eyes):
                self._ledger.drop(holding.kind, holding.name)
        self._ledger.save()

    def _undone(
        self, holdings: Sequence[Holding], host: Host
    ) -> tuple[list[Effect], dict[str, FollowUp], list[str]]:
        """What takes things back, what must follow, and why others stay."""
        effects: list[Effect] = []
        follow: dict[str, FollowUp] = {}
        stays: list[str] = []
        # Of its own: a file may have been changed by a command since `settling` has seen it,
        # within one tick of the kernel's clock.
        eyes = Eyes(host)
        for holding in holdings:
            # Together, below: two lines of one file are one change of it, and each would
            # otherwise undo the other's.
            if holding.kind == "line":
                continue
            undone = self._undo(holding, eyes, host, stays)
            if undone:
                effects += undone
                follow.update((one.key, one) for one in holding.follow)
        lines = [one for one in holdings if one.kind == "line"]
        for effect in _without(lines, host):
            effects.append(effect)
            follow.update((f.key, f) for one in lines for f in one.follow)
        stays += (f"what {one.name} has mounted stays until the next boot" for one in lines)
        effects += _left_empty(holdings, effects, host)
        return effects, follow, stays

    def _undo(
        self, holding: Holding, eyes: Eyes, host: Host, stays: list[str]
    ) -> tuple[Effect, ...]:
        """The effects that take one thing back; or why it stays."""
        name = holding.name
        if (what := _UNTIL_BOOT.get(holding.kind)) is not None:
            stays.append(f"{what} {name} stays until the next boot")
            return ()
        if (what := _FOR_GOOD.get(holding.kind)) is not None:
            stays.append(f"{what}{name} stays")
            return ()
        if holding.kind == "unit":
            # Asked again: one that a person has disabled since needs nothing, and systemctl would
            # say so in the log.
            enabled = host.services is not None and host.services.enabled(name)
            # A unit that was enabled before we came stays enabled.
            return (DisableUnit(unit=name),) if enabled and holding.before == ABSENT else ()
        now, before = eyes.look(name), holding.before
        if now == before:
            return ()
        # Others may have appended since. Writing the old content back would take their lines as
        # well.
        if holding.append:
            stays.append(f"{name} stays: it was appended to")
        elif before is None or not self._ledger.has(before):
            stays.append(f"{name} stays: its earlier content was not kept")
        # Only a state of ours is replaced: what a person has edited since is worth more to them
        # than a clean machine.
        elif holding.is_ours(now) or (now.kind == "absent" and self._histories.is_emptied(name)):
            return restoring(
                name,
                before,
                self._ledger.content(before),
                there=now,
                now=shown_content(name, now, host),
                hidden=holding.hidden or now.is_private,
                note="no longer declared",
            )
        elif now.kind == "absent":
            stays.append(f"{name} stays away: it was removed since")
        else:
            stays.append(f"{name} stays: it was changed since")
        return ()


class TakeEverythingBack(TakeBack):
    """The step of a reset: whatever a run of any mode owned or a command made, also on a node.

    The ledger forgets nothing meanwhile, so that a reset killed anywhere can be run again. It is removed as a whole at the end.
    """

    name: ClassVar[str] = "reset/takeBack"
    phase: ClassVar[Phase] = Phase.POST_KUBEADM

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        work, _ = self.look(host)
        return work

    def look(self, host: Host) -> tuple[Work, tuple[str, ...]]:
        """What is taken back, and a line for each thing that stays."""
        effects, follow, stays = self._undone(self.stale, host)
        effects = in_order(effects, host)
        summary = f"takes back {_counted(effects)}" if effects else ""
        work = Work(
            effects=tuple(effects), summary=summary, follow=_following(follow, effects, host)
        )
        return work, tuple(stays)

    def forget(self, host: Host) -> None:
        """Nothing: see the class."""


class Restore:
    """The step that puts back what commands made in directories that a reset empties. It comes before all others.

    Args:
        settling: Knows what they made.
    """

    name: ClassVar[str] = "commands/restore"
    phase: ClassVar[Phase] = Phase.BOOT
    live: ClassVar[bool] = False
    once: ClassVar[bool] = False

    def __init__(self, settling: Settling) -> None:
        self._settling = settling

    def digest(self) -> str:
        """See `Step.digest`."""
        return digest_of(self.name)

    def check(self, host: Host) -> Work:
        """See `Step.check`."""
        return self._settling.restoring_work(host)

    def apply(self, host: Host, work: Work) -> Outcome:
        """See `Step.apply`."""
        perform(work.effects, host)
        return Outcome(change=work.change, message=work.summary)


def _is_still_ours(holding: Holding, eyes: Eyes) -> bool:
    """Whether it is there as we made it; a file was appended to, or its earlier content was not kept."""
    if holding.kind in _FOR_GOOD:
        return True
    if holding.kind != "file":
        return False
    now = eyes.look(holding.name)
    # Others write to a file that was appended to, so it need not be a state of ours to have our lines.
    ours = holding.is_ours(now) or (holding.append and now.kind == "file")
    return ours and now not in (ABSENT, holding.before)


def _left_empty(
    holdings: Sequence[Holding], effects: Sequence[Effect], host: Host
) -> Iterator[RemoveDirectory]:
    """The directories that were made for files which go, if nothing is left in them; the innermost first."""
    gone = {one.path for one in effects if isinstance(one, (RemoveFile, RemoveDirectory))}
    made = {path for holding in holdings for path in holding.parents} - gone
    for path in sorted(made, reverse=True):
        here, above = host.files.stat(path), host.files.stat(path.rpartition("/")[0] or "/")
        if here is None or here.kind is not FileKind.DIRECTORY:
            continue
        # What somebody has mounted there since has made the directory theirs.
        is_mounted = above is None or here.device != above.device
        if not is_mounted and all(f"{path}/{name}" in gone for name in host.files.list(path)):
            gone.add(path)
            yield RemoveDirectory(path=path, note="no longer declared")


def _counted(effects: Sequence[Effect]) -> int:
    """How many things go; directories that go with them do not count."""
    return sum(not isinstance(one, RemoveDirectory) for one in effects) or len(effects)


def _without(lines: Sequence[Holding], host: Host) -> Iterator[WriteFile]:
    """The files without our lines, as far as these are there as we wrote them. Nobody else's line is touched."""
    ours: dict[str, list[bytes]] = {}
    for line in lines:
        path, _, text = line.name.partition(" ")
        ours.setdefault(path, []).append(text.encode(errors="surrogateescape"))
    for path, texts in ours.items():
        stat, before = host.files.stat(path), host.files.read(path)
        if stat is None or before is None:
            continue
        left = [one for one in before.splitlines(keepends=True) if one.rstrip(b"\n") not in texts]
        # By whole lines and bytes: what others have written may be in any encoding, and comes
        # back as it was.
        content = b"".join(left)
        if content != before:
            yield WriteFile(
                path=path,
                content=content,
                mode=stat.mode,
                uid=stat.uid,
                gid=stat.gid,
                before=before,
                note="no longer declared",
            )


def _following(
    asked: dict[str, FollowUp], effects: list[Effect], host: Host
) -> tuple[FollowUp, ...]:
    """What follows when things go. A unit that goes with its file is stopped: there is nothing that a restart could start.

    One that does not go is not stopped.
    """
    gone = {effect.path for effect in effects if isinstance(effect, RemoveFile)}

    def turned(follow: FollowUp) -> FollowUp | None:
        # An instance is of its template's file: a@b.service of a@.service.
        names = {follow.target, re.sub("@[^.]*", "@", follow.target)}
        ends = any(f"{_OWN_UNITS}/{name}" in gone for name in names)
        stays = (f"{place}/{name}" for place in _UNITS for name in names)
        if follow.kind not in ("restart", "reload", "stop"):
            return follow
        if not ends or any(host.files.stat(path) is not None for path in stays):
            return None if follow.kind == "stop" else follow
        return FollowUp(kind="stop", target=follow.target)

    return tuple({one.key: one for one in map(turned, asked.values()) if one}.values())
