"""The step that runs `kubeadm init` or `kubeadm join`, and resumes or takes back what a killed run left.

The record (`record.py`) is written before kubeadm starts and after it ends. What that makes of a kill at any instant:

1. Before kubeadm has written anything: nothing is found, kubeadm runs.
2. Half-way: reset, then kubeadm runs (`remains.py` says where half-way ends).
3. Later: kubeadm is run again without the phases that are done.
4. Between kubeadm's end and the record: as 3; all that is repeated is idempotent. A worker is simply found to have joined.
5. Between the record and the journal: found done by the record.

A configuration that was mended after a failure starts over (reset) unless the node has joined; one that was changed while it
is unknown how far kubeadm came is refused when the node has joined, because nothing would put the change into force.
"""

from __future__ import annotations

from typing import ClassVar, Literal

import msgspec

from machineadm.errors import KubeadmError
from machineadm.host.ports import Host
from machineadm.plan.model import Change, KubeadmRun, Outcome, Outlook, Phase
from machineadm.steps.kubeadm.config import remove_files
from machineadm.steps.kubeadm.record import Record, forget, read_record, write_record
from machineadm.steps.kubeadm.remains import (
    BOOTSTRAP_CONF,
    KUBELET_CONF,
    Remains,
    Scene,
    commands_of,
    done_phases,
    has_joined,
    queries_of,
    reset,
    start_kubelet,
    survey,
)
from machineadm.steps.kubeadm.versions import misfit

_VERSION_TIMEOUT = 30.0
# A failure of a passing kind is tried again for a quarter of an hour: half of the default deadline of a run.
_BUDGET = 900.0
_FIRST_PAUSE = 5.0
_LONGEST_PAUSE = 60.0


class RunKubeadm(msgspec.Struct, frozen=True, kw_only=True):
    """Run kubeadm once, to its end."""

    verb: Literal["init", "join"]
    arguments: tuple[str, ...]
    """After the verb; no secret among them."""

    skip_phases: tuple[str, ...]
    """Those of the configuration: the command line, where it names any, replaces them."""

    version: str
    scene: Scene
    machine: str
    rendered: str
    """Digest of what kubeadm reads, without secrets: a fresh token makes no other node."""

    external_authority: bool
    """The CA's key is elsewhere, so the configuration brings kubelet.conf itself."""

    phase: Phase = Phase.KUBEADM
    live: ClassVar[bool] = True
    once: ClassVar[bool] = True

    @property
    def name(self) -> str:
        """See `Step.name`."""
        return f"kubeadm/{self.verb}"

    def digest(self) -> str:
        """See `Step.digest`."""
        return self.rendered

    def check(self, host: Host) -> Outlook:
        """See `Step.check`.

        Raises:
            KubeadmError: The machine is a node already, and not by this configuration.
        """
        record = read_record(host, self.machine)
        self._refuse_others(host, record)
        if record is not None and record.event == "done":
            return Outlook(change=Change.ALREADY_IN_PLACE, summary="done before")
        return Outlook(
            change=Change.CHANGED, summary=f"{' '.join(self._argv())} for Kubernetes {self.version}"
        )

    def apply(self, host: Host) -> Outcome:
        """See `Step.apply`.

        Raises:
            KubeadmError: kubeadm failed, does not fit, or may not run on this machine.
        """
        record = read_record(host, self.machine)
        self._refuse_others(host, record)
        if record is not None and record.event == "done":
            remove_files(host)
            return Outcome(change=Change.ALREADY_IN_PLACE)
        self._refuse_misfit(host)
        remains = Remains.NOTHING if record is None else survey(self.scene, host, record)
        if remains is Remains.HALF:
            # The runner has us recover before the first step, so this is a record that it does not know of.
            self._reset(host)
            raise KubeadmError(
                "MA4043",
                "an unfinished kubeadm was reset, which took files of earlier steps",
                hint="run again",
                passing=True,
            )
        if remains is Remains.JOINED:
            return self._finish(host, record)
        return self._run(host, self._argv(), up=False)

    def recover(self, host: Host) -> bool:
        """See `Recoverable.recover`."""
        record = read_record(host, self.machine)
        if record is None:
            return False
        if record.event == "done":
            if record.digest == self.digest():
                remove_files(host)
            return record.digest == self.digest()
        remains = survey(self.scene, host, record)
        if remains is Remains.JOINED and self._mended(record) and record.event == "failed":
            remains = Remains.HALF if self.scene.role == "Initialize" else remains
        if remains is Remains.HALF:
            self._reset(host)
        if remains is Remains.NOTHING:
            forget(host)
        if remains is Remains.JOINED and not self._mended(record):
            if self.scene.role == "JoinWorker":
                start_kubelet(host)
                self._conclude(host)
                return True
            # What answered once is not waited for again.
            write_record(host, msgspec.structs.replace(record, up=True))
        return False

    def clean(self, host: Host) -> None:
        """See `Recoverable.clean`."""
        if survey(self.scene, host, read_record(host, self.machine)) is Remains.HALF:
            self._reset(host)

    def retry_delay(self, attempt: int, elapsed: float) -> float | None:
        """See `Recoverable.retry_delay`."""
        pause = min(_FIRST_PAUSE * 2 ** min(attempt - 1, 10), _LONGEST_PAUSE)
        return pause if elapsed + pause <= _BUDGET else None

    def _argv(self, *, done: tuple[str, ...] = ()) -> tuple[str, ...]:
        skipped = (f"--skip-phases={','.join((*done, *self.skip_phases))}",) if done else ()
        return ("kubeadm", self.verb, *self.arguments, *skipped)

    def _run(self, host: Host, argv: tuple[str, ...], *, up: bool) -> Outcome:
        # What its output says is not asked by `plan`.
        from machineadm.steps.kubeadm.failures import diagnose, phase_of

        started = Record(machine=self.machine, digest=self.digest(), event="started", up=up)
        write_record(host, started)
        result = commands_of(host).run(argv)
        if result.exit_code != 0:
            error = diagnose(result.output, command=argv, exit_code=result.exit_code)
            failed = msgspec.structs.replace(started, event="failed", phase=error.kubeadm_phase)
            write_record(host, failed)
            raise error
        self._conclude(host)
        run = KubeadmRun(command=argv, exit_code=result.exit_code, phase=phase_of(result.output))
        return Outcome(change=Change.CHANGED, message=f"kubeadm {self.verb} succeeded", kubeadm=run)

    def _finish(self, host: Host, record: Record | None) -> Outcome:
        """Resume what has come too far to be reset.

        Raises:
            KubeadmError: It was begun by another configuration, or fails.
        """
        if record is None or self._mended(record):
            raise KubeadmError(
                "MA4041",
                "this machine became a node by another configuration, or is about to",
                hint="run that configuration again to finish it, or run `kubeadm reset` to start over with this one",
            )
        if self.scene.role == "JoinWorker":
            start_kubelet(host)
            self._conclude(host)
            return Outcome(change=Change.CHANGED, message="the node had joined already")
        up = self.scene.role == "Initialize"
        before = has_joined(host)
        try:
            return self._run(host, self._argv(done=done_phases(self.scene, host)), up=up)
        except KubeadmError as error:
            from machineadm.steps.kubeadm.failures import NODE_EXISTS

            # The node of that name that is ready may be this one: its kubelet went on by itself meanwhile.
            if error.code != NODE_EXISTS.code or before or not has_joined(host):
                raise
        return self._run(host, self._argv(done=done_phases(self.scene, host)), up=up)

    def _conclude(self, host: Host) -> None:
        done = Record(
            machine=self.machine,
            digest=self.digest(),
            event="done",
            up=True,
            joined=host.files.stat(KUBELET_CONF) is not None,
        )
        write_record(host, done)
        # kubeadm removes it at the end of the phase that a resumed run leaves out; it holds the token.
        host.files.remove(BOOTSTRAP_CONF)
        remove_files(host)

    def _reset(self, host: Host) -> None:
        reset(self.scene, host)
        forget(host)

    def _mended(self, record: Record) -> bool:
        return record.digest != self.digest()

    def _refuse_others(self, host: Host, record: Record | None) -> None:
        """Refuse a node that is not ours, or that a finished run of another configuration made.

        Raises:
            KubeadmError: It is one.
        """
        if record is None:
            there = host.files.stat(KUBELET_CONF) is not None
            if there and not self.external_authority:
                raise KubeadmError(
                    "MA4040",
                    f"{KUBELET_CONF} is there: this machine is a node already, and not by machineadm",
                    hint="if it is to be made anew, run `kubeadm reset` first",
                )
        elif record.event == "done" and self._mended(record):
            raise KubeadmError(
                "MA4041",
                "this machine became a node by another configuration",
                hint="kubeadm is not run twice: undo the change of the kubernetes part, or replace the machine",
            )

    def _refuse_misfit(self, host: Host) -> None:
        """Look at the binary once more: a command of the configuration may have installed it.

        Raises:
            KubeadmError: There is none, or its version does not fit.
        """
        queries = queries_of(host)
        if queries.find("kubeadm") is None:
            raise KubeadmError("MA4101", "kubeadm is not on this machine", hint=MISSING_HINT)
        argv = ("kubeadm", "version", "-o", "short")
        result = queries.ask(argv, timeout=_VERSION_TIMEOUT)
        worker = self.scene.role == "JoinWorker"
        reason = misfit(result.output.strip(), self.version, worker=worker)
        if reason is not None:
            raise KubeadmError("MA4102", reason, hint=MISFIT_HINT)


MISFIT_HINT = (
    "install kubeadm of the same minor version as spec.kubernetes.version, or change the latter"
)
MISSING_HINT = "bring it with the image, spec.machine.files or a command before kubeadm"
