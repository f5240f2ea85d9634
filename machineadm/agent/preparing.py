"""Everything that comes before a change: bytes, documents, configuration, facts, plan."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import msgspec

from machineadm import planner
from machineadm.agent import fips
from machineadm.agent.image import read_inputs
from machineadm.agent.intake import Accepted, accept
from machineadm.agent.own_file import BOOT_CONFIGURATION
from machineadm.agent.preflight import require_agent
from machineadm.agent.request import Request
from machineadm.agent.wiring import Machine
from machineadm.api.formats import seconds
from machineadm.config.defaulting import realise
from machineadm.config.model import Configuration, Mode
from machineadm.config.references import references
from machineadm.config.secrets import secrets_of
from machineadm.documents.opening import Opener
from machineadm.errors import MachineadmError
from machineadm.execution.context import Context
from machineadm.execution.journal import Journal
from machineadm.execution.ledger import Ledger
from machineadm.host.facts import Facts, gather
from machineadm.host.ports import Clock, Host, Providers
from machineadm.plan.model import Plan
from machineadm.sources.referred import Referred
from machineadm.sources.stream import Stream
from machineadm.version import VERSION

if TYPE_CHECKING:
    from machineadm.agent.providing import Described
    from machineadm.agent.resolving import Resolved
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
    streams, accepted = _accepted(request, machine)
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
    configuration, asked = _with_values(as_given, resolved, machine, ahead=ahead)
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
        reporter.reported_by(agent_identity(machine))
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
        streams=streams,
        configuration=configuration,
        facts=facts,
        journal=journal,
        ledger=ledger,
        plan=_with_boot_commands(plan, document, machine, node),
        resolved=resolved,
        asked=asked,
    )


def _accepted(request: Request, machine: Machine) -> tuple[tuple[Stream, ...], Accepted]:
    """Read the inputs, open what is encrypted, decode and judge: what a resumed run needs of them, and the configuration."""
    plugins, sleep = request.passphrases.plugins, machine.host.clock.sleep
    inputs = read_inputs(
        request.paths,
        machine.host,
        merge=request.merge,
        keys=request.signature_keys,
        sleep=sleep,
        plugins=plugins,
    )
    plugins.used.clear()  # a resumed run has copies of what these gave, and does not need them
    # References inside of EncryptedData are opened as well, by the same plugins.
    opener = Opener(
        passphrases=request.passphrases,
        references=Referred(plugins, sleep=sleep),
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
    return inputs.given, accepted


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


def _with_values(
    as_given: Configuration, resolved: Resolved | None, machine: Machine, *, ahead: bool
) -> tuple[Configuration, tuple[Described, ...]]:
    """The configuration with values and tokens in place, and whom a run would ask for them."""
    configuration = as_given
    asked: tuple[Described, ...] = ()
    if resolved is not None:
        configuration, asked = realise(resolved.configuration), resolved.asked
        machine.redactor.learn(secrets_of(configuration))
        if configuration.machine.attestation_plugin:
            # The digest from before: a verifier of the evidence has the configuration as written,
            # not the values of this machine.
            configuration = msgspec.structs.replace(configuration, given=as_given.digest)
    if _wanted_tokens(configuration.machine):
        from machineadm.agent.authorizing import authorized

        # Tokens last, since they expire.
        configuration, handlers = authorized(configuration, machine, ahead=ahead)
        asked += handlers
    return configuration, asked


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
    linux = spec.machine.linux_configuration
    fetched = (
        *(one.source for one in spec.machine.files),
        *(one.source for one in (linux.archives if linux is not None else ())),
        *(one.archive for one in spec.machine.images),
    )
    for source in fetched:
        if source is not None and source.auth_from is not None:
            providers.require("auth-handler", source.auth_from.handler.name)
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


def agent_identity(machine: Machine) -> AgentIdentity:
    """Which agent this is, as the report has it."""
    from machineadm.api.v1alpha1.status import AgentIdentity

    return AgentIdentity(version=VERSION, sha256=machine.digest() or None)
