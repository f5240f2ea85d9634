"""The journal: what was started and what was done, flushed before and after each step.

One JSON object a line in `journal.jsonl` of the state directory. The first line names the machine, so that a golden image
does not replay what was done elsewhere: a journal of another machine counts as empty and is moved aside at the first write.
A record that a power loss tore off does not count. Every record is flushed before the work goes on, so only the last one can
be torn.

Reading never writes: a run that finds nothing to do leaves the journal as it was. Records are indexed while they are read, so
that a run over many commands is linear in their number and not quadratic.
"""

from __future__ import annotations

from typing import NoReturn

import msgspec

from machineadm.errors import ConfigError, HostError
from machineadm.host.ports import Clock, State
from machineadm.plan.model import Phase, Step

JOURNAL = "journal.jsonl"
OF_ANOTHER = "journal-of-"
"""How the name begins of another machine's journal that was moved aside."""
FORMAT = 2
"""2 added `again`; a journal of format 1 is read, and becomes one of format 2 with the first record that is added."""


NODE_STEPS = ("kubeadm/init", "kubeadm/join")
"""The steps that make a node: from their start on, what is no longer declared stays."""
NODE_RESET = "reset/kubeadm"
"""The step of `machineadm reset` that takes what kubeadm has made."""


class Identity(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """What a node is. A machine never becomes another node. Empty where the configuration does not say."""

    role: str = ""
    """`Initialize`, `JoinControlPlane` or `JoinWorker`."""

    cluster: str = ""
    """Name of the cluster."""

    endpoint: str = ""
    """Where its API server answers."""

    version: str = ""
    """Kubernetes version."""


class Header(msgspec.Struct, frozen=True, kw_only=True, rename="camel"):
    """The first line."""

    journal: int
    """Number of the format."""

    machine_id: str


class Record(msgspec.Struct, frozen=True, kw_only=True, rename="camel", omit_defaults=True):
    """One line after the first."""

    # A text and no enumeration: a journal with other events is refused by its format, which says
    # more than a line that does not decode.
    event: str
    """`started`, `done`, `failed`, `cleaned`, `again` (done, and to be done once more); `succeeded` for the whole run, or
    `resetting`: all is being taken back, and the journal goes last."""

    run: int
    """Number of the run, from 1."""

    time: str
    boot_id: str = ""
    step: str = ""
    digest: str = ""
    identity: Identity | None = None


class Journal:
    """The record of this machine's runs.

    Args:
        state: Where it is kept.
        clock: For the time in each record.
        machine_id: `/etc/machine-id`, empty where there is none.
        boot_id: The kernel's, empty where there is none.

    Raises:
        HostError: A line that a power loss cannot explain is unreadable.
    """

    def __init__(self, state: State, clock: Clock, *, machine_id: str, boot_id: str) -> None:
        self._state = state
        self._clock = clock
        self._header = Header(journal=FORMAT, machine_id=machine_id)
        self._boot_id = boot_id
        # Kept as bytes: the first write compares them with what they should be, and copies them
        # aside if they are of another machine.
        self._found = state.read(JOURNAL, durable=True) or b""
        self._ready = False
        self._foreign, self._records = _parse(
            self._found, machine_id, f"{state.state_directory}/{JOURNAL}"
        )
        # Boots as a set: a boot command is done once in each, and its record of the last boot
        # says nothing about this one.
        self._done: dict[tuple[str, str], tuple[bool, set[str]]] = {}
        """By concern and digest: whether it is done, and in which boots it was."""
        self._begun: dict[str, str] = {}
        """Steps whose last event is `started`, and their digests."""
        self._last: dict[str, str] = {}
        """The last event of each step."""
        self._identity: Identity | None = None
        self._resetting = False
        self._run = 1
        # Once, while they are read: looked up by a search, a run over a thousand commands would
        # compare half a million records.
        for record in self._records:
            self._index(record)
            self._run = max(self._run, record.run + 1)

    @property
    def run(self) -> int:
        """Number of this run, from 1, counting the runs that had something to do."""
        return self._run

    @property
    def is_of_another(self) -> bool:
        """Whether what was found is the journal of another machine, which this one was cloned from."""
        return self._foreign is not None

    def finished(self, step: Step) -> bool:
        """Whether this very step is done, wherever it is in its list now.

        A boot command is done if it has run since the machine booted.
        """
        done, boots = self._done.get(key_of(step), (False, set()))
        return done and (step.phase is not Phase.BOOT or self._boot_id in boots)

    def finished_ever(self, key: StepKey) -> bool:
        """Whether a step is done, a boot command in any boot."""
        return self._done.get(key, (False, set()))[0]

    def unfinished(self, step: Step) -> bool:
        """Whether a step of this name, whatever its content was then, was started and did not end well."""
        return self._last.get(step.name) in ("started", "failed")

    def begun(self) -> tuple[str, ...]:
        """Names of the steps that were started and have no end: they were cut off."""
        return tuple(self._begun)

    def was_cut_off(self, step: Step) -> bool:
        """Whether this very step, wherever it is in its list now, was started and has no end: it may have done its work."""
        if not self._begun:
            return False  # nearly always, and then no digest is needed
        concern, digest = key_of(step)
        return any(
            concern_of(name) == concern and begun == digest for name, begun in self._begun.items()
        )

    def node_begun(self) -> bool:
        """Whether kubeadm was started on this machine, by whatever plan, and what it left was not reset since."""
        # By name and without the digest: a node that an earlier configuration began is a node all
        # the same.
        return any(self._last.get(name) in ("started", "failed", "done") for name in NODE_STEPS)

    def node_reset(self) -> bool:
        """Whether kubeadm's reset may have run here: by a run, by `machineadm reset`, or typed by a person on a node of ours."""
        return any(name in self._last for name in (*NODE_STEPS, NODE_RESET))

    def last_event(self, name: str) -> str:
        """The last event of a step of this name; empty when there is none."""
        return self._last.get(name, "")

    def identity(self) -> Identity | None:
        """What the machine has become, or None before the first success."""
        return self._identity

    def started(self, step: Step) -> None:
        """Record, before the first effect, that a step begins."""
        self._write("started", step)

    def done(self, step: Step) -> None:
        """Record that a step is done."""
        self._write("done", step)

    def failed(self, step: Step) -> None:
        """Record that a step ended badly."""
        self._write("failed", step)

    def again(self, step: Step) -> None:
        """Record that a step which is done must be done once more."""
        self._write("again", step)

    def cleaned(self, step: Step) -> None:
        """Record that what an unfinished step left is gone."""
        self._write("cleaned", step)

    def succeeded(self, identity: Identity) -> None:
        """Record that the machine is what was asked for, unless that is the last thing recorded."""
        # Otherwise every run that finds nothing to do would still write to the disk, and grow the file.
        last = self._records[-1] if self._records else None
        if last is not None and last.event == "succeeded" and last.identity == identity:
            return
        self._append(self._record("succeeded", identity=identity))

    @property
    def is_empty(self) -> bool:
        """Whether nothing was ever recorded on this machine."""
        return not self._records

    @property
    def resetting(self) -> bool:
        """Whether a reset was begun; its end takes the journal away."""
        return self._resetting

    def reset_begins(self) -> None:
        """Record that everything is taken back from now on."""
        if not self._resetting:
            self._append(self._record("resetting"))

    def commands_done(self) -> int:
        """How many commands of a configuration were carried out."""
        phases = (Phase.BOOT, Phase.PRE_KUBEADM, Phase.POST_KUBEADM)
        concerns = {f"commands/{phase.value}" for phase in phases}
        keys = (key for key, (done, _) in self._done.items() if done)
        return sum(concern in concerns for concern, _ in keys)

    def concerns_done(self) -> tuple[str, ...]:
        """The names of steps that were carried out, without their places in lists, in order."""
        return tuple(
            dict.fromkeys(concern for (concern, _), (done, _) in self._done.items() if done)
        )

    def guard(self, identity: Identity) -> None:
        """Refuse to make another node of a machine that is one already, or that is being taken back.

        Raises:
            ConfigError: Role, cluster or version differ from those of the success.
            HostError: A reset was begun and has not ended.
        """
        if self._resetting:
            raise HostError(
                "MA6031",
                "a reset of this machine was begun and has not ended",
                hint="run `machineadm reset` again; it continues where it stopped",
            )
        before = self.identity()
        # Without a success there is nothing to contradict: a machine that never got that far may
        # become anything.
        if before is None:
            return
        for field in Identity.__struct_fields__:
            old, new = getattr(before, field), getattr(identity, field)
            # An empty field is one that the configuration does not give, so it contradicts nothing.
            if old and new and old != new:
                raise ConfigError(
                    "MA6005",
                    f"this machine is already bootstrapped: its {field} is {old!r}, the configuration has {new!r}",
                    hint="machines are replaced, not converted; upgrade with kubeadm, or start over with `machineadm reset`",
                )

    def _record(
        self, event: str, *, step: Step | None = None, identity: Identity | None = None
    ) -> Record:
        from machineadm.execution.events import rfc3339

        return Record(
            event=event,
            run=self._run,
            time=rfc3339(self._clock.now()),
            boot_id=self._boot_id,
            step=step.name if step else "",
            # Beside the name: a command whose text was changed is another one, though it has the
            # same place in the list.
            digest=step.digest() if step else "",
            identity=identity,
        )

    def _write(self, event: str, step: Step) -> None:
        self._append(self._record(event, step=step))

    def _append(self, record: Record) -> None:
        self._make_ready()
        # If this append fails, part of the line may be in the file. Not being ready makes the next append
        # rewrite the file from the records, so that a torn line never ends up in the middle, where it is an error.
        self._ready, found, self._found = False, self._found, b""
        self._state.append(JOURNAL, _line(record))
        self._ready, self._found = True, found
        self._records.append(record)
        self._index(record)

    def _index(self, record: Record) -> None:
        # It has no step, and it never ends: the file itself goes when the reset has ended.
        if record.event == "resetting":
            self._resetting = True
            return
        if record.event == "succeeded":
            self._identity = record.identity
            return
        # By name and not by key: recovery must find an unfinished step although its content has
        # changed since.
        self._last[record.step] = record.event
        if record.event == "started":
            self._begun[record.step] = record.digest
        else:
            self._begun.pop(record.step, None)
        if record.event in ("done", "again"):
            key = concern_of(record.step), record.digest
            boots = self._done.get(key, (False, set()))[1]
            if record.event == "done":
                boots.add(record.boot_id)
            self._done[key] = record.event == "done", boots

    def _make_ready(self) -> None:
        """At the first write: begin the file, repair a torn end, or move another machine's journal aside."""
        if self._ready:
            return
        if self._foreign is not None:
            self._state.write(
                f"{OF_ANOTHER}{self._foreign or 'unknown'}.jsonl", self._found, durable=True
            )
            # Moved once: a second time, after an append that failed, nothing would be left to move.
            self._foreign = None
        kept = _line(self._header) + b"".join(map(_line, self._records))
        # A torn end, an older format or another machine's file: replaced as a whole, since a record
        # appended behind a torn line would be unreadable.
        if kept != self._found:
            self._state.write(JOURNAL, kept, durable=True)
        self._ready = True


StepKey = tuple[str, str]
"""What a step is known by in every run: its concern and its digest."""


def key_of(step: Step) -> StepKey:
    """The key of a step."""
    return concern_of(step.name), step.digest()


def concern_of(name: str) -> str:
    """A step's name without its place in a list: `commands/preKubeadm` of `commands/preKubeadm[2]`."""
    return name.partition("[")[0]


def _line(value: msgspec.Struct) -> bytes:
    return msgspec.json.encode(value) + b"\n"


def _parse(found: bytes, machine_id: str, path: str) -> tuple[str | None, list[Record]]:
    """The other machine's id, or None if the journal is ours; and the records that count.

    Raises:
        HostError: It is damaged, or of a newer format.
    """
    # What follows the last newline is empty or was cut off by a power loss. Nothing relied on it: the effect that
    # it announces was to come after its flush.
    *lines, _torn = found.split(b"\n")
    if not lines:
        return None, []
    try:
        header = msgspec.json.decode(lines[0], type=Header)
        if header.journal > FORMAT:
            refuse_newer("journal", path, header.journal)
        # In a broken image a machine-id may be any text, and it becomes part of a file name: no `/` and no `..`.
        if header.machine_id != machine_id:
            # The records of another machine are dropped here, so that no later question can be
            # answered by them.
            return "".join(filter(str.isalnum, header.machine_id)), []
        return None, [msgspec.json.decode(line, type=Record) for line in lines[1:]]
    except (ValueError, RecursionError) as error:
        raise HostError(
            "MA6004",
            f"the journal {path} is damaged: {error}",
            hint="replace the machine if you can; to start over, move the file away",
        ) from error


def refuse_newer(what: str, path: str, number: int) -> NoReturn:
    """Refuse a file that a later release wrote.

    Raises:
        HostError: Always.
    """
    raise HostError(
        "MA6020",
        f"the {what} {path} has format {number}, from a later release of machineadm",
        hint="use that release or a later one on this machine; nothing was changed",
    )
