"""The pipeline: prepare, look, run, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

from machineadm.agent.intake import ProblemsError
from machineadm.agent.preflight import identity_of, require_root, unsuitable
from machineadm.agent.preparing import Ready, agent_identity, prepare
from machineadm.agent.request import Request
from machineadm.agent.resuming import enable_resume_unit, no_longer_resumes, with_resume_unit
from machineadm.agent.wiring import Machine
from machineadm.errors import HostError
from machineadm.execution.context import Context
from machineadm.execution.looking import Ending, look, replay
from machineadm.host.ports import Clock, Host
from machineadm.plan.look import Look, anything_to_do
from machineadm.version import VERSION

if TYPE_CHECKING:
    from machineadm.config.model import Configuration
    from machineadm.execution.events import Event
    from machineadm.reporting.reporter import Reporter


# kubeadm writes it (kubeconfig and kubelet-start phases): with it kubeadm has begun, and what it
# may have made must not be judged as a bare machine.
_KUBELET_CONF: Final = "/etc/kubernetes/kubelet.conf"


def bootstrap(
    request: Request, machine: Machine, listen: Callable[[Event], None] = lambda _: None
) -> None:
    """Make the machine what the configuration says, and report.

    Args:
        request: What was asked for.
        machine: The machine, or a tree.
        listen: Told of every event.

    Raises:
        MachineadmError: It failed; that is reported already.
    """
    host = machine.host
    # Before the lock, which an ordinary user could not take; the error would be about a file and
    # not about root.
    require_root(is_root=machine.is_root, offline=host.offline)
    # Before the report: a second run must not overwrite the report of the one that holds the lock.
    host.state.lock()
    # Made before anything can fail: from here on each end of the run is in the report.
    reporter = _reporter(machine, listen)
    # From here on, a run that must be killed from outside is reported too.
    machine.at_last(reporter.overdue)
    with reporter.reported():
        with _problems_told(listen, host.clock):
            ready = prepare(request, machine, reporter, listen=reporter.observe)
        identity = identity_of(ready.configuration.kubernetes)
        # Before anything of this configuration is kept: a machine that is another node already
        # stays untouched.
        ready.journal.guard(identity)
        if ready.resolved is not None:
            # Before kubeadm can start: from its start on these values are the node's for good.
            ready.resolved.keep(host)
        context = ready.context(host, request.mode)
        # The whole machine is looked at before the first change: what is in place is known, and a
        # run that has nothing to do ends here.
        looks = look(context)
        if anything_to_do(looks):
            # Only if there is something to do: a node that is in place must not fail because swap
            # was turned on since.
            for error in _unsuitable(request, ready, host):
                raise error
            ending = _carry_out(request, machine, ready, context, looks, reporter)
        else:
            # Events as of a run, so that whoever reads progress sees each step.
            ending = replay(context, looks, reporter.observe)
        if ending.complete and request.mode == "provisioning":
            _judge(ready.configuration, machine, reporter)
            # The record before the sentinel: a reader of the sentinel relies on a success that
            # lasts.
            ready.journal.succeeded(identity)
            reporter.succeeded()
        else:
            reporter.prepared()
    # Only after success: a failed run is to go on by itself at the next boot.
    no_longer_resumes(machine)


def _unsuitable(request: Request, ready: Ready, host: Host) -> tuple[HostError, ...]:
    """Why the machine cannot become the node; nothing if it is only prepared, or kubeadm has begun on it already."""
    # An image is not the machine that it will run on.
    if request.mode != "provisioning" or host.files.stat(_KUBELET_CONF) is not None:
        return ()
    return unsuitable(ready.configuration, ready.facts, host)


def _judge(configuration: Configuration, machine: Machine, reporter: Reporter) -> None:
    """Put the evidence of compliance profiles into the report. Imports nothing where there are none."""
    linux = configuration.machine.linux_configuration
    if linux is None or not linux.compliance_profiles:
        return
    from machineadm.agent.compliance import evidence

    # A run whose machine fails a control has not failed: plain kubeadm would never succeed then.
    reporter.judged(evidence(linux.compliance_profiles, machine.host, machine.redactor))


def _refuse(error: HostError) -> None:
    raise error


@contextmanager
def _problems_told(listen: Callable[[Event], None], clock: Clock) -> Iterator[None]:
    try:
        yield
    except ProblemsError as error:
        from machineadm.execution.events import ConfigurationRefused

        listen(ConfigurationRefused(time=clock.now(), problems=error.problems))
        raise


def look_ahead(
    request: Request,
    machine: Machine,
    listen: Callable[[Event], None] = lambda _: None,
    *,
    refuse: Callable[[HostError], None] = _refuse,
) -> tuple[Look, ...]:
    """What `bootstrap` would do. Changes nothing, and reports nothing.

    Args:
        request: What was asked for.
        machine: The machine, or a tree.
        listen: Told of warnings about the configuration.
        refuse: Told of each reason for which `bootstrap` would refuse the machine; raises it if not given.

    Raises:
        MachineadmError: It would fail from the start.
    """
    # The same preparation as a run's, or the plan would be of something else.
    ready = prepare(request, machine, listen=listen, ahead=True)
    ready.journal.guard(identity_of(ready.configuration.kubernetes))
    looks = look(ready.context(machine.host, request.mode))
    if anything_to_do(looks):
        for error in _unsuitable(request, ready, machine.host):
            refuse(error)
        # First in the plan, as in a run.
        looks = with_resume_unit(request, machine, ready, looks)
    if not ready.asked:
        return looks
    from machineadm.agent.providing import looked_at

    return looked_at(ready.asked, looks)


def _carry_out(
    request: Request,
    machine: Machine,
    ready: Ready,
    context: Context,
    looks: tuple[Look, ...],
    reporter: Reporter,
) -> Ending:
    """Keep what a resumed run needs, then act."""
    # Before the first change: a machine that is cut off must have a report that survives the
    # reboot.
    reporter.keep()
    reporter.reported_by(agent_identity(machine))
    if machine.host.providers is not None:
        # A resumed run executes these again, so they count among what a reboot must not remove.
        request.passphrases.used_plugins.update(machine.host.providers.used())
    # A tree is not booted by this run.
    if not machine.host.offline:
        context.resumes = enable_resume_unit(request, machine, ready, reporter)
    from machineadm.execution.runner import execute

    return execute(context, looks, reporter.observe)


def _reporter(machine: Machine, listen: Callable[[Event], None]) -> Reporter:
    from machineadm.api.v1alpha1.status import AgentIdentity
    from machineadm.reporting.reporter import Reporter

    return Reporter(
        machine.host,
        agent=AgentIdentity(version=VERSION),
        redactor=machine.redactor,
        announce=machine.announce,
        listen=listen,
        settle=machine.settle,
    )
