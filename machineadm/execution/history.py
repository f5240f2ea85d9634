"""Which commands of a file's history count: the others run again, and the file is put back to the state before them.

A file's history is what its step wrote, followed by what each command made of it, in order. The state that a run wants is the
one after the last command that counts: one that is done and whose step is still in the plan. From the first that does not count,
the rest is void: the file is put back to the state before it, and the later commands that had touched the file run again.

This rule alone answers what a run does after a kill, a failed command, a reset of kubeadm or a changed configuration; see
docs/adr/0004-files-and-the-commands-that-touch-them.md.
"""

from __future__ import annotations

from collections.abc import Container, Iterable, Iterator
from functools import cached_property

from machineadm.execution.journal import Journal, StepKey, key_of
from machineadm.execution.ledger import Holding, Ledger, Touch
from machineadm.plan.model import Owned, Owning, Phase, Plan, Step

COMMANDS = (Phase.BOOT, Phase.PRE_KUBEADM)
"""The phases whose commands are looked at: after kubeadm's start files are the node's as well."""


class Histories:
    """One plan's view of what steps and commands made of files.

    Args:
        plan: The steps.
        ledger: What is known of files.
        journal: What is done.

    Attributes:
        emptied: The directories that a reset of kubeadm empties.
        has_commands: Whether the plan has commands before kubeadm.
    """

    def __init__(self, plan: Plan, ledger: Ledger, journal: Journal) -> None:
        self._ledger = ledger
        self._journal = journal
        self._steps = plan.steps
        self.emptied = plan.emptied
        commands = [step for step in plan.steps if step.once and step.phase in COMMANDS]
        self._names = {step.name: step for step in commands}
        self.has_commands = bool(self._names)
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
    def declared(self) -> dict[str, Owned]:
        """The files that steps own; as with the commands, their digests are for a machine with a history."""
        return {
            owned.name: owned
            for step in self._steps
            if isinstance(step, Owning)
            for owned in step.owned()
            if owned.kind == "file"
        }

    @property
    def cut_off(self) -> Step | None:
        """The command that was cut off: nobody has looked at what it had changed by then."""
        begun = (self._names[n] for n in self._journal.begun() if n in self._names)
        return next(begun, None)

    @property
    def kubeadm_started(self) -> bool:
        """Whether kubeadm was started on this machine, and what it left was not reset since."""
        return self._journal.node_begun()

    def is_emptied(self, path: str) -> bool:
        """Whether a reset of kubeadm may have taken what lay at a path: nobody else is blamed for its absence."""
        starts = tuple(f"{place}/" for place in self.emptied)
        return (path in self.emptied or path.startswith(starts)) and self._journal.node_reset()

    def runs_again(self, step: Step) -> bool:
        """Whether a command that is done must run again: a file that it had changed is written again."""
        return bool(self._again) and key_of(step) in self._again

    def made(self) -> Iterable[Holding]:
        """The files that commands made, and no step declares."""
        return (
            holding
            for holding in self._ledger.holdings()
            if holding.kind == "file" and not holding.declared and holding.touches
        )

    def is_known(self, path: str) -> bool:
        """Whether a path is declared, or has a history."""
        return path in self.declared or self._ledger.holding("file", path) is not None

    def is_of_plan(self, touch: Touch) -> bool:
        """Whether the command that made a change is still in the plan."""
        return touch.key in self._keys

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

    def counts(self, holding: Holding) -> int:
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

    def _find_again(self) -> set[StepKey]:
        """Commands that are done and whose effect on some file is void: a fixed point over all files."""
        again: set[StepKey] = set()
        histories = [holding for holding in self._ledger.holdings() if holding.touches]
        # A command that runs again voids what later commands made of the same file, and these may have touched other
        # files: repeat until nothing is added.
        while True:
            before = len(again)
            for holding in histories:
                declared = self.declared.get(holding.name)
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
        for path, owned in self.declared.items():
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


def _is_removed(holding: Holding) -> bool:
    """Whether a command has removed a directory, or put something else in its place."""
    seen = (holding.before, holding.wrote, *(touch.seen for touch in holding.touches))
    kinds = [one.kind for one in seen if one is not None]
    return "directory" in kinds and any(t.seen.kind != "directory" for t in holding.touches)
