"""The pipeline: bytes, documents, configuration, plan, run, report."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, Final

import msgspec

from machineadm import planner
from machineadm.agent import fips
from machineadm.agent.image import read_inputs
from machineadm.agent.intake import Accepted, ProblemsError, accept
from machineadm.agent.own_file import BOOT_CONFIGURATION, is_volatile
from machineadm.agent.preflight import (
    identity_of,
    require_agent,
    require_root,
    unsuitable,
)
from machineadm.agent.wiring import Machine
from machineadm.api.formats import seconds
from machineadm.config.defaulting import realise
from machineadm.config.model import Configuration, Mode
from machineadm.config.references import references
from machineadm.config.secrets import secrets_of
from machineadm.documents.opening import Opener
from machineadm.errors import HostError, MachineadmError
from machineadm.execution.context import Context
from machineadm.execution.journal import Journal
from machineadm.execution.ledger import Ledger
from machineadm.execution.looking import Ending, look, replay
from machineadm.host.facts import Facts, gather
from machineadm.host.ports import Clock, Host, Providers
from machineadm.plan.look import Look, anything_to_do
from machineadm.plan.model import Plan
from machineadm.sources.passphrases import GivenPassphrases
from machineadm.sources.referred import Referred
from machineadm.sources.stream import Stream
from machineadm.version import VERSION

if TYPE_CHECKING:
    from machineadm.agent.providing import Described
    from machineadm.agent.resolving import Resolved
    from machineadm.agent.units import ResumeUnit
    from machineadm.api.v1alpha1.machine import (
        MachineConfig,
        MachineConfiguration,
        MachineConfigurationSpec,
    )
    from machineadm.api.v1alpha1.reporting import Reporting

    # Loaded by what reports, which `plan` does not.
    from machineadm.api.v1alpha1.status import AgentIdentity, MachineIdentity
    from machineadm.config.tokens import WantedToken
    from machineadm.execution.events import Event
    from machineadm.reporting.elsewhere import Elsewhere
    from machineadm.reporting.reporter import Reporter


# kubeadm writes it (kubeconfig and kubelet-start phases): with it kubeadm has begun, and what it
# may have made must not be judged as a bare machine.
_KUBELET_CONF: Final = "/etc/kubernetes/kubelet.conf"


class Request(msgspec.Struct, frozen=True, kw_only=True):
    """What the command line asks for."""

    paths: tuple[str, ...]
    """Inputs, in order."""

    merge: bool = False
    """All inputs are fragments, not those of directories alone."""

    signature_keys: tuple[str, ...] = ()
    """Files with public keys: each demands a signature of every input."""

    mode: Mode = "provisioning"

    # Not the whole command line: the input of a resumed run is a copy, and what was meant for one
    # run only must not be repeated.
    options: tuple[str, ...] = ()
    """`--mode`, `--deadline` and what is allowed, as a resumed run must be given them."""

    deadline: float | None = None
    """Seconds for the run; None: as the configuration says."""

    passphrases: GivenPassphrases = msgspec.field(default_factory=GivenPassphrases)
    """For what is encrypted."""

    allow_unauthenticated: bool = False
    """See `Opener`."""

    allow_unknown_version: bool = False
    """Take a Kubernetes that is newer than this release knows."""

    profile: str = ""
    """Of a plan: a compliance profile that is added to the configuration."""

    instance_data: str | None = None
    """File with values of instance data, which come before all others."""


class Ready(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that is known before anything changes."""

    streams: tuple[Stream, ...]
    configuration: Configuration
    facts: Facts
    journal: Journal
    ledger: Ledger
    plan: Plan
    resolved: Resolved | None
    """None where the configuration refers to nothing."""
    asked: tuple[Described, ...] = ()
    """In a plan: the plugins that a run would ask for values and tokens."""

    def context(self, host: Host, mode: Mode) -> Context:
        """What a run over the plan works with."""
        return Context(self.plan, host, self.journal, self.ledger, mode=mode)


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
            # The record before the sentinel: a reader of the sentinel relies on a success that
            # lasts.
            ready.journal.succeeded(identity)
            reporter.succeeded()
        else:
            reporter.prepared()
    # Only after success: a failed run is to go on by itself at the next boot.
    _disable_resume_unit(machine)


def _unsuitable(request: Request, ready: Ready, host: Host) -> tuple[HostError, ...]:
    """Why the machine cannot become the node; nothing if it is only prepared, or kubeadm has begun on it already."""
    # An image is not the machine that it will run on.
    if request.mode != "provisioning" or host.files.stat(_KUBELET_CONF) is not None:
        return ()
    return unsuitable(ready.configuration, ready.facts, host)


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
        looks = _with_resume_unit(request, machine, ready, looks)
    if not ready.asked:
        return looks
    from machineadm.agent.providing import looked_at

    return looked_at(ready.asked, looks)


def prepare(
    request: Request,
    machine: Machine,
    reporter: Reporter | None = None,
    *,
    listen: Callable[[Event], None] = lambda _: None,
    ahead: bool = False,
) -> Ready:
    """Read, decode, check, default, look at the machine, and plan: everything that comes before a change.

    Args:
        request: What was asked for.
        machine: The machine, or a tree.
        reporter: Told of what becomes known.
        listen: Told of warnings about the configuration, and of values.
        ahead: For a plan: no provider is executed, so its values are not known.

    Raises:
        MachineadmError: The configuration is refused.
    """
    host = machine.host
    # First of all: whatever fails later, the report says which machine it is about.
    facts = gather(host)
    # A plan has no report.
    if reporter:
        reporter.about(_machine_identity(facts))
    plugins = request.passphrases.plugins
    inputs = read_inputs(
        request.paths,
        host,
        merge=request.merge,
        keys=request.signature_keys,
        sleep=host.clock.sleep,
        plugins=plugins,
    )
    plugins.used.clear()  # a resumed run has copies of what these gave, and does not need them
    # References inside of EncryptedData are opened as well, by the same plugins.
    opener = Opener(
        passphrases=request.passphrases,
        references=Referred(plugins, sleep=host.clock.sleep),
        allow_unauthenticated=request.allow_unauthenticated,
    )
    try:
        accepted = accept(
            inputs.whole,
            mode=request.mode,
            opener=opener,
            deadline=request.deadline,
            allow_unknown_version=request.allow_unknown_version,
            profile=request.profile,
        )
    finally:
        # Also if decryption failed: the error may quote a passphrase.
        machine.redactor.learn(request.passphrases.known)
    request.passphrases.used_plugins |= plugins.used
    as_given = realise(accepted.configuration)
    # As early as possible: from here on any error, plugin or program may print one of them.
    machine.redactor.learn(secrets_of(as_given))
    if request.deadline is None and accepted.configuration.spec.deadline is not None:
        # Counted from the start of the run, so that a slow download of the configuration counts as
        # well.
        machine.limit(seconds(accepted.configuration.spec.deadline))
    # After the limit: plugins may be fetched here.
    if host.providers is not None:
        _declare_plugins(accepted.configuration.spec, host.providers)
    # After plugins are declared: a reference may name one of them.
    resolved = _resolved(request, machine, facts, accepted, listen, ahead=ahead)
    document = (resolved or accepted).configuration
    # Only with values resolved: the URL or its headers may be among them.
    if reporter and document.spec.reporting is not None and not host.offline:
        machine.redactor.learn(secrets_of(document.spec.reporting))
        reporter.also(_elsewhere(document.spec.reporting, machine))
    configuration = as_given if resolved is None else realise(document)
    if resolved is not None:
        machine.redactor.learn(secrets_of(configuration))
        if configuration.machine.attestation_plugin:
            # The digest from before: a verifier of the evidence has the configuration as written,
            # not the values of this machine.
            configuration = msgspec.structs.replace(configuration, given=as_given.digest)
    asked = resolved.asked if resolved is not None else ()
    if _wanted_tokens(configuration.machine):
        from machineadm.agent.authorizing import authorized

        # Tokens last, since they expire.
        configuration, handlers = authorized(configuration, machine, ahead=ahead)
        asked += handlers
    # Before the plan is carried out and not as one of its steps: downloads of this process take
    # them from its own environment.
    if configuration.machine.system_proxies and not ahead:
        _use_proxies(configuration, machine)
    if warnings := (resolved or accepted).warnings:
        from machineadm.execution.events import ConfigurationWarned

        listen(ConfigurationWarned(time=host.clock.now(), problems=warnings))
    linux = configuration.machine.linux_configuration
    if linux is not None and linux.compliance_profiles:
        _tell_of_profiles(document.spec, host.clock, listen)
    pin = configuration.agent
    if reporter and pin is not None and pin.sha256 is not None:  # it is hashed anyway
        reporter.reported_by(_agent_identity(machine))
    # Late, because all of the configuration has been read by then, and early enough: nothing was
    # changed.
    require_agent(pin, machine.digest)
    journal = Journal(host.state, host.clock, machine_id=facts.machine_id, boot_id=facts.boot_id)
    ledger = Ledger(host.state, machine_id=facts.machine_id, boot_id=facts.boot_id)
    if reporter:
        _introduce(reporter, configuration, journal)
        # Not in a plan, which has no report to say it in.
        if fips.in_fips_mode(host):
            reporter.in_fips_mode(*fips.told(configuration))
    node = planner.node_variables(configuration, facts)
    # Pure: everything that it needs from outside was gathered above.
    plan = planner.plan(
        configuration,
        facts,
        mode=request.mode,
        run_directory=host.state.run_directory,
        node=node,
        refers=resolved is not None,
    )
    return Ready(
        # Without the image's part: a resumed run finds that where this one has.
        streams=inputs.given,
        configuration=configuration,
        facts=facts,
        journal=journal,
        ledger=ledger,
        plan=_with_boot_commands(plan, document, machine, node),
        resolved=resolved,
        asked=asked,
    )


def _resolved(
    request: Request,
    machine: Machine,
    facts: Facts,
    accepted: Accepted,
    listen: Callable[[Event], None],
    *,
    ahead: bool,
) -> Resolved | None:
    """The configuration with its references resolved. None if it has none; then nothing is imported."""
    # Most configurations have none, and resolving loads a dozen modules.
    if not references(accepted.configuration.spec):
        return None
    from machineadm.agent.resolving import resolved

    return resolved(
        accepted,
        machine,
        machine_id=facts.machine_id,
        instance_data=request.instance_data,
        mode=request.mode,
        deadline=request.deadline,
        listen=listen,
        ahead=ahead,
    )


def _tell_of_profiles(
    spec: MachineConfigurationSpec, clock: Clock, listen: Callable[[Event], None]
) -> None:
    from machineadm.config.hardening import harden
    from machineadm.execution.events import ProfilesApplied, ResolvedValue

    values = tuple(
        ResolvedValue(
            path=f"spec.{one.path}",
            value=one.value,
            origin=f"profile {one.profile}: {', '.join(one.controls)}",
        )
        for one in harden(spec).filled
    )
    if values:
        listen(ProfilesApplied(time=clock.now(), values=values))


def _elsewhere(reporting: Reporting, machine: Machine) -> Elsewhere:
    """Where the configuration wants reports, beside the machine's own files."""
    from machineadm.reporting.elsewhere import Elsewhere
    from machineadm.sources.reports import put_report

    def send(data: bytes) -> None:
        if reporting.url is not None:
            put_report(
                reporting.url,
                data,
                headers=reporting.headers,
                ca_bundle=reporting.ca_bundle or "",
            )
        elif reporting.plugin is not None and machine.host.providers is not None:
            plugin = reporting.plugin
            machine.host.providers.report(plugin.name, plugin.location, data)

    # Told on the console and no more: a report that does not arrive must not fail a machine that is
    # in place.
    def failed(error: MachineadmError) -> None:
        text = machine.redactor.text(f"{error.code} {error.message}")
        machine.announce(f"machineadm: the report does not arrive elsewhere: {text}")

    return Elsewhere(
        send, interval=seconds(reporting.interval), failed=failed, respite=machine.respite
    )


def _declare_plugins(spec: MachineConfigurationSpec, providers: Providers) -> None:
    """Declare the configuration's own plugins, fetch those for later, and refuse it if it names some that do not exist.

    Raises:
        PluginError: There is none of that name, or it cannot be trusted or fetched.
    """
    # Before `require`, which looks among them as well.
    if spec.machine.plugins:
        providers.declare(spec.machine.plugins)
    if spec.machine.attestation_plugin:
        providers.require("attestation", spec.machine.attestation_plugin)
    if spec.reporting is not None and spec.reporting.plugin is not None:
        providers.require("infrastructure", spec.reporting.plugin.name)
    # Here and not when the file is fetched: a handler that is missing must stop the run before its
    # first change.
    for file in spec.machine.files:
        if file.source is not None and file.source.auth_from is not None:
            providers.require("auth-handler", file.source.auth_from.handler.name)
    linux = spec.machine.linux_configuration
    for one in linux.archives if linux is not None else ():
        if one.source.auth_from is not None:
            providers.require("auth-handler", one.source.auth_from.handler.name)
    for image in spec.machine.images:
        if image.archive is not None and image.archive.auth_from is not None:
            providers.require("auth-handler", image.archive.auth_from.handler.name)
    for token in _wanted_tokens(spec.machine):
        providers.require("auth-handler", token.handler.name)


def _wanted_tokens(machine: MachineConfig) -> tuple[WantedToken, ...]:
    """Tokens for registries and proxies. Imports nothing if there are none of these."""
    # The only two places that a token for a registry or proxy can be asked for in.
    if not machine.system_proxies and machine.container_runtime is None:
        return ()
    from machineadm.config.tokens import wanted_tokens

    return wanted_tokens(machine)


def _use_proxies(configuration: Configuration, machine: Machine) -> None:
    """From here on downloads and commands of the run use the host's proxy, as those of later boots do."""
    from machineadm.config.concerns.proxy import direct, variables

    for entry in configuration.machine.system_proxies:
        # Proxies for containers alone are none of ours.
        if "host" in entry.targets:
            beside = direct(configuration.kubernetes) if entry.no_proxy_auto else ()
            machine.use_proxies(variables(entry, beside))


def _with_boot_commands(
    plan: Plan,
    document: MachineConfiguration,
    machine: Machine,
    node: tuple[tuple[str, str], ...],
) -> Plan:
    """The plan with what later boots need. Imports nothing if there is nothing to keep or to remove."""
    # Also without boot commands: an earlier configuration may have left some to take away.
    kept = machine.host.state.read(BOOT_CONFIGURATION, durable=True)
    if kept is None and not document.spec.machine.commands.boot:
        return plan
    from machineadm.agent.boot import with_boot_commands

    return with_boot_commands(plan, document, machine, node)


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
    reporter.reported_by(_agent_identity(machine))
    if machine.host.providers is not None:
        # A resumed run executes these again, so they count among what a reboot must not remove.
        request.passphrases.used_plugins.update(machine.host.providers.used())
    # A tree is not booted by this run.
    if not machine.host.offline:
        context.resumes = _enable_resume_unit(request, machine, ready, reporter)
    from machineadm.execution.runner import execute

    return execute(context, looks, reporter.observe)


def _enable_resume_unit(
    request: Request, machine: Machine, ready: Ready, reporter: Reporter
) -> bool:
    """Arrange that a run cut off by a reboot goes on by itself. If that is impossible, the report says so."""
    from machineadm.agent.units import has_systemd

    if not has_systemd(machine.host):
        reporter.resumable("False", "NoSystemd", "run the same command again after a reboot")
        return False
    if gone := _passphrase_lost_at_reboot(request.passphrases):
        # Keeping the passphrase beside the ciphertext would be as good as keeping the plaintext.
        reporter.resumable("False", "PassphraseNotKept", f"{gone}; run the same command again")
        _disable_resume_unit(machine)
        return False
    unit = _resume_unit(request, machine, ready)
    try:
        unit.apply(machine.host, unit.check(machine.host))
    # Not a failure of the run: it can be repeated by hand, and the report says so.
    except HostError as error:
        reporter.resumable("False", "Failed", f"{error.code} {error.message}")
        return False
    reporter.resumable("True", "UnitEnabled")
    return True


def _resume_unit(request: Request, machine: Machine, ready: Ready) -> ResumeUnit:
    from machineadm.agent.units import ResumeUnit

    return ResumeUnit(
        agent=machine.agent,
        streams=ready.streams,
        options=(
            *_merging(ready.streams),
            *request.options,
            *request.passphrases.options,
            *machine.directory_options,
        ),
        instance_data=ready.resolved.given if ready.resolved is not None else None,
    )


def _merging(streams: Sequence[Stream]) -> tuple[str, ...]:
    """The option without which copies of fragments would be several configurations: the directory they were in is not kept."""
    return ("--merge",) if any(stream.fragment for stream in streams) else ()


def _with_resume_unit(
    request: Request, machine: Machine, ready: Ready, looks: tuple[Look, ...]
) -> tuple[Look, ...]:
    """What a run would do so that it goes on after a reboot, before all else."""
    # By the path alone: a machine without systemd need not load what writes units.
    if machine.host.offline or machine.host.files.stat("/run/systemd/system") is None:
        return looks
    from machineadm.agent.units import has_systemd
    from machineadm.plan.look import Standing

    if not has_systemd(machine.host) or _passphrase_lost_at_reboot(request.passphrases):
        return looks
    unit = _resume_unit(request, machine, ready)
    work = unit.check(machine.host)
    standing = Standing.TO_DO if work.effects else Standing.IN_PLACE
    return Look(step=unit, standing=standing, work=work), *looks


def _passphrase_lost_at_reboot(passphrases: GivenPassphrases) -> str:
    """Why what opened the documents is gone after a reboot; empty if it is not."""
    if passphrases.used_descriptor:
        return "the passphrase came from a descriptor and is not kept"
    for what, paths in (
        ("passphrase file", passphrases.used_files),
        ("plugin", passphrases.used_plugins),
    ):
        # Sorted, so that the same one is named each time.
        for path in filter(is_volatile, sorted(paths)):
            return f"the {what} {path} does not survive a reboot"
    return ""


def _disable_resume_unit(machine: Machine) -> None:
    """A run that is done needs no resuming. If the unit cannot be removed, the next run will: this one has not failed."""
    from machineadm.agent.units import disable_resume_unit

    try:
        disable_resume_unit(machine.host)
    # The success is reported already, and stays one.
    except MachineadmError as error:
        machine.announce(f"machineadm: {error.code} {error.message}")


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


def _agent_identity(machine: Machine) -> AgentIdentity:
    from machineadm.api.v1alpha1.status import AgentIdentity

    return AgentIdentity(version=VERSION, sha256=machine.digest() or None)


def _machine_identity(facts: Facts) -> MachineIdentity:
    from machineadm.api.v1alpha1.status import MachineIdentity

    return MachineIdentity(
        hostname=facts.hostname, machine_id=facts.machine_id, boot_id=facts.boot_id
    )


def _introduce(reporter: Reporter, configuration: Configuration, journal: Journal) -> None:
    """Tell the reporter which configuration this is, and when its success is announced."""
    node = configuration.kubernetes.node if configuration.kubernetes else None
    provider_id = (node.provider_id if node else None) or ""
    reporter.configured(configuration.digest, attempt=journal.run, provider_id=provider_id)
    # Cluster API takes the sentinel for the end of the bootstrap; some want it before the commands
    # after kubeadm.
    if configuration.machine.sentinel == "AfterKubeadm":
        reporter.succeed_early()
