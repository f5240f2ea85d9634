"""Running `kubeadm init` or `kubeadm join`, and resuming or undoing what a killed run left.

The record (`record.py`) is written before kubeadm starts, every two seconds while it runs, and after it ends. So after a kill

1. before kubeadm has written anything: nothing is found, kubeadm runs;
2. half-way: reset, then kubeadm runs (`remains.py` says where half-way ends);
3. later: kubeadm runs again without the phases that are done;
4. between kubeadm's end and the record: as 3, and everything that is repeated is idempotent; a worker is found to have joined;
5. between the record and the journal: the record says that it is done.

All this holds for what the record proves to be ours (`evidence.py`). If anything else is there, an error says so and
nothing is touched. What to do about which finding is a table (`decide.py`).
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Literal, NoReturn

import msgspec

from machineadm.config.machine_paths import KUBEADM_PHASES
from machineadm.errors import ConfigError, HostError, InterruptedRunError, KubeadmError, StepError
from machineadm.host.ports import CommandResult, Host
from machineadm.plan.model import Change, Outcome, ProgramRun, Work
from machineadm.steps.kubeadm.config import remove_files
from machineadm.steps.kubeadm.decide import Action, Event, Remains, decide
from machineadm.steps.kubeadm.evidence import (
    EARLY,
    LATE,
    PULSE,
    Evidence,
    gather_evidence,
    inventory,
    still_needed,
)
from machineadm.steps.kubeadm.order import Order
from machineadm.steps.kubeadm.record import Record, Window, forget, read_record, write_record
from machineadm.steps.kubeadm.remains import (
    commands_of,
    done_phases,
    event_of,
    has_joined,
    moment,
    queries_of,
    refuse_foreign,
    refuse_mixed,
    reset,
    start_kubelet,
    survey,
    why_reset,
)
from machineadm.steps.kubeadm.scene import API_SERVER, BOOTSTRAP_CONF, ETCD, KUBELET_CONF
from machineadm.steps.kubeadm.versions import (
    MISFIT_HINT,
    MISSING_HINT,
    etcd_phases,
    misfit,
)

_VERSION_TIMEOUT = 30.0
_NOTHING = Evidence()
# A registry that has no such image has none the third time either.
_MOST_REFUSALS = 3
REFUSALS = "kubeadm/refusals"
# The phases of join that come after the manifests and before etcd knows of the machine.
_AFTER_MANIFESTS = frozenset(("check-etcd", "kubelet-start"))


class Attempt:
    """One order on one machine: what an earlier attempt left decides what this one does.

    Args:
        order: What is asked of kubeadm.
        host: The machine.
    """

    def __init__(self, order: Order, host: Host) -> None:
        self._order = order
        self._host = host
        self._scene = order.scene

    def check(self) -> Work:
        """See `Step.check`.

        Raises:
            KubeadmError: The machine is a node already, and not by this configuration.
        """
        record = self._record()
        # A plan must not wait, so for init it stays open whether the API server answers; the text
        # says so.
        remains, evidence = self._glance(record)
        action = self._decide(record, remains)
        self._refuse(action, record, evidence)
        if action is Action.LEAVE:
            return Work(summary="done before")
        if action is not Action.RESET or record is None:
            return self._order.work()
        unless = {
            "Initialize": ", unless its API server answers: then resume",
            "JoinControlPlane": "",
            "JoinWorker": "",
        }[self._scene.role]
        return self._order.work(
            after=f"kubeadm reset{unless} ({why_reset(record, evidence)}); then "
        )

    def apply(self) -> Outcome:
        """See `Step.apply`.

        Raises:
            KubeadmError: kubeadm failed, does not fit, or must not run on this machine.
        """
        host, record = self._host, self._record()
        # A node that is done does not need kubeadm any more: the binary may have been upgraded or
        # removed since.
        if record is None or record.event != "done":
            self._refuse_misfit()
        action, evidence = self._judge(record)
        if action is Action.LEAVE:
            self._remove_secrets()
            return Outcome(change=Change.ALREADY_IN_PLACE)
        if action is Action.RESET and record is not None:
            # The runner calls `recover` before the first step wherever its journal has a start of ours. So this is a record
            # that it does not know of. The error is a passing one: before the next attempt the runner puts back the files
            # of earlier steps that the reset removes.
            self._reset(record, evidence)
            raise KubeadmError(
                "MA4043",
                "an unfinished kubeadm was reset, which removed files of earlier steps",
                hint="run again",
                passing=True,
            )
        if action is Action.CONCLUDE:
            start_kubelet(host)
            self._conclude()
            return Outcome(change=Change.CHANGED, message="the node had already joined")
        if action is Action.RESUME and record is not None:
            return self._finish(record)
        # After the commands and before kubeadm: they may have fixed what a plan could only warn
        # of.
        self._refuse_unsuitable()
        # Taken before kubeadm starts: what is here now is not kubeadm's, and a reset must not remove it unless the
        # configuration writes it again.
        older, given = inventory(self._scene, host)
        fresh = Record(
            machine=self._order.machine,
            digest=self._order.digest(),
            event="started",
            older=older,
            given=given,
            **self._scene.recorded(),
        )
        return self._run(self._order.argv(), fresh)

    def recover(self) -> bool:
        """See `Recoverable.recover`."""
        host, record = self._host, self._record()
        if record is None:
            return False
        action, evidence = self._judge(record)
        if action is Action.LEAVE:
            self._remove_secrets()
            return True
        if action is Action.CONCLUDE:
            start_kubelet(host)
            self._conclude()
            return True
        if action is Action.RESET:
            self._reset(record, evidence)
        # Nothing is left of what the record claims, and an old claim must not cover files that somebody makes later.
        if action is Action.RUN:
            forget(host)
        if action is Action.RESUME:
            # The API server has answered. A run killed from here on must not wait for it again, nor reset what others may
            # have joined by then.
            write_record(host, msgspec.structs.replace(record, up=True))
        return False

    def clean(self) -> None:
        """See `Recoverable.clean`."""
        record = self._record()
        if record is None:
            return
        action, evidence = self._judge(record)
        if action is Action.RESET:
            self._reset(record, evidence)

    def _record(self) -> Record | None:
        return read_record(self._host, self._order.machine)

    def _glance(self, record: Record | None) -> tuple[Remains, Evidence]:
        """What can be found out without waiting for anything."""
        if record is None:
            # kubelet.conf is what makes a node of a machine; other traces alone kubeadm refuses by
            # itself, in preflight.
            is_node = self._order.is_node(self._host)
            return (Remains.FOREIGN if is_node else Remains.NOTHING), _NOTHING
        # Without looking: whether its kubelet.conf is still there has been asked by the step
        # before.
        if record.event == "done":
            return Remains.JOINED, _NOTHING
        if self._scene.role != "Initialize":
            # Waits only for the API server of an init.
            return survey(self._scene, self._host, record)
        evidence = gather_evidence(self._scene, self._host, record)
        if evidence.foreign:
            return Remains.FOREIGN, evidence
        if not evidence.ours:
            return Remains.NOTHING, evidence
        return (Remains.JOINED if record.up else Remains.HALF), evidence

    def _judge(self, record: Record | None) -> tuple[Action, Evidence]:
        """What to do now.

        Raises:
            KubeadmError: Nothing may be done here.
        """
        if record is None or record.event == "done":
            remains, evidence = self._glance(record)
        else:
            remains, evidence = survey(self._scene, self._host, record)
        action = self._decide(record, remains)
        self._refuse(action, record, evidence)
        return action, evidence

    def _decide(self, record: Record | None, remains: Remains) -> Action:
        edited = record is not None and record.digest != self._order.digest()
        return decide(event_of(record), remains, self._scene.role, edited=edited)

    def _refuse(self, action: Action, record: Record | None, evidence: Evidence) -> None:
        """Raise the error of an action that refuses.

        Raises:
            KubeadmError: The action is one of them.
        """
        if action is Action.REFUSE_NODE:
            raise KubeadmError(
                "MA4040",
                f"{KUBELET_CONF} exists: this machine is already a node, and machineadm did not make it",
                hint="to set it up again, run `machineadm reset` first",
            )
        if record is None:
            return
        if action is Action.REFUSE_FOREIGN:
            refuse_foreign(record, evidence)
        if action is Action.REFUSE_MIXED:
            refuse_mixed(record, evidence)
        if action is Action.REFUSE_CHANGED:
            self._refuse_changed(record)

    def _refuse_unsuitable(self) -> None:
        """Refuse a machine on which no command, file or image has fixed what keeps a kubelet from starting.

        Raises:
            StepError: The machine cannot become the node.
        """
        if self._order.asked is None:
            return
        from machineadm.actions.suitability import REFUSED, flaws

        # Not online: a name server that is away for a moment must not stop what kubeadm may do
        # without it.
        looked_for = flaws(*self._order.asked, self._host, online=False, only=REFUSED)
        # What may be set right elsewhere is a warning, and no reason to keep kubeadm from finding
        # out.
        found = [one for one in looked_for if one.severity == "error"]
        if found:
            more = [f"{one.code}: {one.message}" for one in found[1:]]
            message = "; ".join((found[0].message, *more))
            raise StepError(found[0].code, message, hint=found[0].hint)

    def _refuse_changed(self, record: Record) -> NoReturn:
        if event_of(record) is Event.DONE:
            raise KubeadmError(
                "MA4041",
                "this machine became a node with another configuration",
                hint="kubeadm is not run twice: undo the change to the kubernetes section, or replace the machine",
            )
        raise KubeadmError(
            "MA4041",
            "this machine became a node with another configuration, or was about to",
            hint="run with that configuration to finish, or run `machineadm reset` to start over with this one",
        )

    def _run(self, argv: tuple[str, ...], begun: Record) -> Outcome:
        """Run kubeadm. At any instant the record says up to when kubeadm can have written.

        Raises:
            KubeadmError: It failed.
            InterruptedRunError: The run must end.
        """
        # Imported here: `plan` reads no output, and does without the table of patterns.
        from machineadm.steps.kubeadm.failures import phase_of

        watch = _Watch(self._host, begun, inspect=self._refuse_missing_files)
        try:
            result = commands_of(self._host).run(argv, attend=watch.attend)
        except InterruptedRunError:
            # kubeadm has been stopped. Closing its window now keeps what a person does in the next
            # seconds from looking like kubeadm's.
            watch.ended()
            raise
        except KubeadmError:
            watch.ended(event="failed")
            raise
        finally:
            watch.tell()
        if result.exit_code != 0:
            # First, since reading its output and asking for causes takes seconds.
            watch.ended(event="failed")
            error = self._failure(argv, result)
            # In preflight kubeadm changes nothing, so there is nothing to clean up, and nothing may be claimed.
            if error.phase == "preflight":
                self._drop_claim(begun)
            else:
                watch.ended(event="failed", phase=error.phase)
            raise error
        try:
            self._set_expiry()
        except KubeadmError as error:
            watch.ended(event="failed", phase=error.phase)
            raise
        self._conclude()
        run = ProgramRun(
            program="kubeadm",
            command=argv,
            exit_code=result.exit_code,
            phase=phase_of(result.output),
        )
        return Outcome(
            change=Change.CHANGED, message=f"kubeadm {self._order.verb} succeeded", reports=(run,)
        )

    def _set_expiry(self) -> None:
        """Have kubeadm create the tokens again, from a configuration rendered now.

        Raises:
            KubeadmError: It failed.
        """
        if self._order.tokens is None:
            return
        try:
            self._order.tokens.apply(self._host, self._order.tokens.check(self._host))
        except ConfigError:
            return  # one has expired while kubeadm ran
        argv = (
            "kubeadm",
            "init",
            "phase",
            "bootstrap-token",
            self._order.arguments[0],
            "--skip-token-print",
        )
        note = "renews the bootstrap tokens, because their lifetime counts from now and the configuration sets their expiry"
        result = commands_of(self._host).run(argv, note=note)
        if result.exit_code != 0:
            raise self._failure(argv, result)

    def _failure(self, argv: tuple[str, ...], result: CommandResult) -> KubeadmError:
        from machineadm.steps.kubeadm.causes import with_cause
        from machineadm.steps.kubeadm.failures import NO_IMAGE, diagnose

        error = diagnose(
            result.output,
            command=argv,
            exit_code=result.exit_code,
            clock=moment(self._host.clock.now()),
        )
        refused = self._count_refusals(error.code == NO_IMAGE.code)
        error.passing = error.passing and refused < _MOST_REFUSALS
        return with_cause(error, self._host)

    def _count_refusals(self, again: bool) -> int:
        """How many times in a row a registry has said that it has no such image."""
        told = self._host.state.read(REFUSALS, durable=False) or b""
        count = (int(told) if told.isdigit() else 0) + 1 if again else 0
        if 0 < count < _MOST_REFUSALS:
            self._host.state.write(REFUSALS, b"%d" % count, durable=False)
        else:
            self._host.state.remove(REFUSALS, durable=False)
        return count

    def _refuse_missing_files(self, phase: str) -> bool:
        """Check, once kubeadm has written the manifest, that this machine has the files its API server is started with.

        Returns:
            Whether that has been checked.

        Raises:
            KubeadmError: It lacks something; kubeadm is stopped by that.
        """
        if self._scene.role != "JoinControlPlane" or phase not in _AFTER_MANIFESTS:
            return False
        files = self._host.files
        # kubeadm writes etcd's manifest after etcd has taken this machine in as a member. Stopped
        # from then on, it would leave a member that never answers, and cost the cluster its quorum.
        if files.stat(ETCD) is None and (manifest := files.read(API_SERVER)):
            import yaml

            from machineadm.steps.kubeadm.failures import NO_FILES
            from machineadm.steps.kubeadm.mounts import missing_paths

            lacks = missing_paths(
                yaml.safe_load(manifest), lambda path: files.stat(path) is not None
            )
            if lacks:
                named = ", ".join(map(str, lacks))
                raise KubeadmError(
                    NO_FILES.code,
                    f"{NO_FILES.message}: {named}",
                    hint=NO_FILES.hint,
                    command=("kubeadm", self._order.verb),
                    phase=phase,
                )
        return True

    def _drop_claim(self, begun: Record) -> None:
        """It has only looked, so nothing that is there or comes later is ours. What earlier attempts made stays known."""
        if begun.windows:
            write_record(self._host, begun)
        else:
            forget(self._host)

    def _finish(self, record: Record) -> Outcome:
        """Resume what has come too far to be reset.

        Raises:
            KubeadmError: kubeadm failed.
        """
        begun = msgspec.structs.replace(
            record,
            up=self._scene.role == "Initialize",
            windows=still_needed(self._scene, self._host, record),
        )
        before = has_joined(self._host)
        try:
            done = done_phases(self._scene, self._host)
            # etcd refuses to promote a member that votes already, and kubeadm asks for two minutes
            # before it gives up.
            if record.promoted:
                done += etcd_phases(self._kubeadm_version())
            return self._run(self._order.argv(done=done), begun)
        except KubeadmError as error:
            from machineadm.steps.kubeadm.failures import NODE_EXISTS

            again = self._record() or begun
            # The ready node of that name may be this one: its kubelet went on by itself while kubeadm was dead.
            joined = error.code == NODE_EXISTS.code and not before and has_joined(self._host)
            # etcd promoted the member in the run that was cut off, which died before its record said so. The record says so
            # by now: try once more without that phase.
            promoted = again.promoted and not record.promoted
            if not joined and not promoted:
                raise
        return self._finish(again)

    def _conclude(self) -> None:
        done = Record(
            machine=self._order.machine,
            digest=self._order.digest(),
            event="done",
            up=True,
            joined=self._host.files.stat(KUBELET_CONF) is not None,
            **self._scene.recorded(),
        )
        # The record before the removals: the other way round a kill would leave a node whose step
        # still wants its files.
        write_record(self._host, done)
        self._remove_secrets()

    def _remove_secrets(self) -> None:
        """Remove what holds the token. Again where the record says done: a run that was killed right behind it has left it all."""
        # kubeadm removes this at the end of kubelet-start, a phase that a resumed run leaves out.
        self._host.files.remove(BOOTSTRAP_CONF)
        remove_files(self._host)

    def _reset(self, record: Record, evidence: Evidence) -> None:
        reset(self._scene, self._host, why_reset(record, evidence))
        # Last: a run killed within the reset must still be able to prove what it may remove.
        forget(self._host)

    def _refuse_misfit(self) -> None:
        """Look at the binary once more: a command of the configuration may have installed it.

        Raises:
            KubeadmError: There is none, or its version does not fit.
        """
        if queries_of(self._host).find("kubeadm") is None:
            raise KubeadmError("MA4101", "kubeadm is not on this machine", hint=MISSING_HINT)
        worker = self._scene.role == "JoinWorker"
        reason = misfit(self._kubeadm_version(), self._order.version, worker=worker)
        if reason is not None:
            raise KubeadmError("MA4102", reason, hint=MISFIT_HINT)

    def _kubeadm_version(self) -> str:
        argv = ("kubeadm", "version", "-o", "short")
        return queries_of(self._host).ask(argv, timeout=_VERSION_TIMEOUT).output.strip()


def _end_vain_promotion(output: str, phase: str) -> None:
    """Stop a kubeadm that keeps asking etcd for a promotion that etcd will always refuse.

    Raises:
        KubeadmError: That is what it does.
    """
    from machineadm.steps.kubeadm.failures import ETCD, is_refused_promotion

    if is_refused_promotion(output):
        raise KubeadmError(
            ETCD.code,
            "kubeadm kept asking etcd to promote a member that already votes, and was stopped",
            hint="run again: the phase that joins etcd will be skipped",
            log_tail=output,
            passing=True,
            phase=phase,
        )


class _Watch:
    """Keeps in the record how far a running kubeadm has come, and up to when it can have written."""

    def __init__(self, host: Host, begun: Record, *, inspect: Callable[[str], bool]) -> None:
        self._host = host
        self._inspect: Callable[[str], bool] | None = inspect
        self._now = msgspec.structs.replace(begun, event="started", phase="")
        self._earlier = begun.windows
        self._start = host.clock.now()
        self._end: float | None = None
        self._phases: list[tuple[str, float]] = []
        self._next = host.clock.monotonic() + PULSE
        # Before kubeadm is started: from its first write on there must be a window that covers it.
        self._write()

    def attend(self, output: str) -> None:
        """Note that kubeadm still runs, and what it has printed."""
        news = self._read(output)
        now = self._host.clock.monotonic()
        # A promotion is recorded at once. A kill before the next pulse would make the next run ask
        # etcd for it again.
        if news or now >= self._next:
            self._write()
            self._next = now + PULSE
        if news:
            _end_vain_promotion(output, self._now.phase)
        if self._inspect is not None and self._inspect(self._now.phase):
            self._inspect = None

    def ended(self, *, event: Literal["started", "failed"] = "started", phase: str = "") -> None:
        """Note that kubeadm has ended."""
        phase = phase or self._now.phase
        self._now = msgspec.structs.replace(self._now, event=event, phase=phase)
        # The first call counts: a second one adds the phase, seconds later, and must not widen the
        # window.
        self._end = self._end or self._host.clock.now() + EARLY
        self._write()

    def tell(self) -> None:
        """Leave for `status` when each phase began; without a word if that is impossible, since nothing depends on it."""
        told = {"phases": self._phases, "ended": self._host.clock.now()}
        with contextlib.suppress(HostError):
            self._host.state.write(KUBEADM_PHASES, msgspec.json.encode(told), durable=False)

    def _read(self, output: str) -> bool:
        """Take the phase from its output.

        Returns:
            Whether the output changes what a next run has to do.
        """
        if not output:
            return False
        from machineadm.steps.kubeadm.failures import is_promoted, phase_of, phases_of

        for one in phases_of(output):
            if not self._phases or self._phases[-1][0] != one:
                self._phases.append((one, self._host.clock.now()))
        promoted = self._now.promoted or is_promoted(output)
        phase = phase_of(output) or self._now.phase
        news = promoted != self._now.promoted
        self._now = msgspec.structs.replace(self._now, promoted=promoted, phase=phase)
        return news

    def _write(self) -> None:
        # Until kubeadm ends the window reaches into the future: a kill now lets it write until the
        # next pulse would have come.
        window = Window(self._start, self._end or self._host.clock.now() + LATE)
        windows = (*self._earlier, window)
        write_record(self._host, msgspec.structs.replace(self._now, windows=windows))
