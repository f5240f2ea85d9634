"""Turn a MachineBootstrap into the MachineConfiguration that travels: inline references, then judge it as the agent will."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from msgspec import Struct, json
from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.meta import ObjectMeta
from machineadm.api.pruned import PRUNED, PrunedError
from machineadm.api.scheme import KINDS as CONFIGURATION_KINDS
from machineadm.api.v1alpha1.agent import AgentPin
from machineadm.api.v1alpha1.agent_source import AgentDownload, AgentSource
from machineadm.api.v1alpha1.machine import MachineConfiguration, MachineConfigurationSpec
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrap, MachineBootstrapSpec
from machineadm.api.v1alpha1.reporting import Reporting
from machineadm.config.paths import holds_pruned
from machineadm.config.rules.declared import declared
from machineadm.config.validation import check
from machineadm.documents.decoding import decode_kinds, read_values
from machineadm.documents.model import Problem
from machineadm.errors import ConfigError
from machineadm.redaction import Secret
from machineadm.rendering.objects import KINDS, ObjectKind, Resources, text_of
from machineadm.rendering.references import References

_VERSION: Final = "bootstrap.cluster.x-k8s.io/v1alpha1"

TEMPLATE_KEY: Final = "template"
"""The key of a ConfigMap or Secret that holds a template."""

_UNFILLED: Final = "this release does not fill in templates in files yet"


class Realised(Struct, frozen=True, kw_only=True):
    """The result for a MachineBootstrap."""

    configuration: MachineConfiguration
    """Without references."""

    agent: AgentSource | None
    """Without references but to nothing."""

    passphrase: Secret | None
    """What the documents are encrypted with, if they are."""

    template: str | None
    """The template that the configuration names, if it names one."""

    template_object: tuple[ObjectKind, str]
    """Kind and name of what holds it."""

    template_path: str
    """The field that names it."""

    findings: tuple[Finding, ...]
    """All that is wrong, by the MachineBootstrap's own paths."""

    warnings: tuple[Finding, ...]
    """What is let pass, but is likely a mistake, by the same paths."""

    complete: bool
    """Nothing in it is PRUNED or missing; else never to be rendered, even without findings."""


def realise(
    bootstrap: MachineBootstrap, resources: Resources, reporting: Reporting | None = None
) -> Realised:
    """Inline all references and find all problems.

    Args:
        bootstrap: As decoded, with a spec. What could not be decoded is PRUNED in it, and what depends on that is not judged.
        resources: The available Secrets and ConfigMaps.
        reporting: Where the machine reports; the manager knows it, and no author does.
    """
    metadata = bootstrap.metadata
    # References come first, then the rest: after this there are only values, and everything below
    # judges what the agent will read.
    references = References(resources, text_of(metadata, "namespace"))
    inlined = references.inlined(bootstrap.spec, "spec")
    configuration = _configuration(inlined, metadata, reporting)
    # These two take values from the same allowance, and so must come before is_spent is asked.
    held, template = _template(inlined, references)
    passphrase = _passphrase(inlined, references)
    # References first: what they give decides whether the rest can be judged.
    findings = [
        *references.findings,
        *_agent(inlined.agent),
        *_format(inlined),
        *(() if references.is_spent else _judged(inlined, configuration, references.origins)),
    ]
    return Realised(
        configuration=_travelling(configuration),
        agent=inlined.agent,
        passphrase=passphrase,
        template=template,
        template_object=held,
        # Also where nothing names a template: a built-in one is never refused, so it is not shown
        # then.
        template_path=f"spec.machine.bootstrapperTemplate{held[0]}Name",
        findings=tuple(one for one in findings if one.severity == "error"),
        warnings=tuple(one for one in findings if one.severity == "warning"),
        # Not "no findings": what decoding has refused was reported by the document and has no
        # finding here.
        complete=references.complete and not holds_pruned(inlined),
    )


def _configuration(
    spec: MachineBootstrapSpec, metadata: dict[str, Any] | None, reporting: Reporting | None
) -> MachineConfiguration:
    name, namespace = text_of(metadata, "name"), text_of(metadata, "namespace")
    # Name and namespace only. Labels and annotations of the object may hold anything, and each byte
    # counts in user data.
    named = ObjectMeta(name=name or None, namespace=namespace or None)
    return MachineConfiguration(
        api_version=_VERSION,
        kind="MachineConfiguration",
        metadata=named if name or namespace else None,
        spec=MachineConfigurationSpec(
            machine=spec.machine,
            kubernetes=spec.kubernetes,
            agent=_pin(spec.agent),
            reporting=reporting,
            deadline=spec.deadline,
        ),
    )


def _pin(source: AgentSource | None) -> AgentPin | None:
    if source is None or source is PRUNED or source.download is None or source.download is PRUNED:
        return None
    # The fetched agent checks itself once more: between fetch and start an image's own agent may
    # have come first in PATH.
    return AgentPin(version=source.download.version, sha256=source.download.sha256)


def _judged(
    spec: MachineBootstrapSpec, configuration: MachineConfiguration, origins: dict[str, str]
) -> Iterator[Finding]:
    """Yield the agent's findings about the configuration, at the places where the values came from."""
    complete = not holds_pruned(spec)
    judged = configuration
    # An inlined value was not checked against its field's constraints when the document was decoded.
    whole = MachineBootstrap(api_version=_VERSION, kind="MachineBootstrap", spec=spec)
    problems: dict[tuple[str, str], Problem] = {}
    # Both: some fields are of the manager alone and travel to no machine, and rules of the machine
    # see only what travels.
    for value in (whole, configuration):
        data = json.encode(value, enc_hook=_for_judging)
        # Encoded and decoded again, the way the machine does it: then no constraint of a field can
        # be judged differently here.
        (document,) = decode_kinds(data, file="", kinds={**KINDS, **CONFIGURATION_KINDS})
        # By code and path, since what is in both is found twice.
        problems |= {(one.code, one.path): one for one in document.problems}
        if complete and value is configuration:
            judged = document.value
    for problem in problems.values():
        path = _origin(problem.path, origins)
        # What is missing (null here) has been reported already.
        if complete or (path != problem.path and problem.code != "MA1206"):
            yield Finding(code=problem.code, path=path, message=problem.message, hint=problem.hint)
    yield from _rules(judged, origins)


def _rules(judged: MachineConfiguration | None, origins: dict[str, str]) -> Iterator[Finding]:
    for finding in () if judged is None else check(judged, read=read_values):
        if finding.path.endswith(".contentFormat"):
            # Refused here, at rendering, and not only on the machine: nobody would fill the
            # template in there either.
            hint = "write the final content"
            yield replace(finding, code="MA1401", message=_UNFILLED, hint=hint)
        # The agent's own were found by _agent(), at the paths of a MachineBootstrap, which are not
        # those of a configuration.
        elif not finding.path.startswith("spec.agent"):
            yield replace(finding, path=_origin(finding.path, origins))


def _for_judging(value: Any) -> str | None:
    # null is refused everywhere, so a pruned field gives one known problem, which is left out
    # below.
    return None if value is PRUNED else value.reveal()


def _origin(path: str, origins: dict[str, str]) -> str:
    for inlined, origin in origins.items():
        # With a dot or a bracket: spec.machine.files[1] is not the origin of
        # spec.machine.files[10].
        if path == inlined or path.startswith((f"{inlined}.", f"{inlined}[")):
            return origin
    return path


def _travelling(configuration: MachineConfiguration) -> MachineConfiguration:
    """Remove what concerns only the manager."""
    machine = configuration.spec.machine
    if machine is PRUNED:
        return configuration
    machine = replace(
        machine, bootstrapper_template_config_map_name=None, bootstrapper_template_secret_name=None
    )
    return replace(configuration, spec=replace(configuration.spec, machine=machine))


def _template(
    spec: MachineBootstrapSpec, references: References
) -> tuple[tuple[ObjectKind, str], str | None]:
    """Return kind and name of the object that holds the template, and the template; None if there is none."""
    machine = spec.machine
    if machine is PRUNED:
        return ("ConfigMap", ""), None
    names: tuple[tuple[ObjectKind, Any], ...] = (
        ("ConfigMap", machine.bootstrapper_template_config_map_name),
        ("Secret", machine.bootstrapper_template_secret_name),
    )
    # At most one is there; the rule of the type has refused both.
    for kind, name in names:
        if name is not None and name is not PRUNED:
            path = f"spec.machine.bootstrapperTemplate{kind}Name"
            data = references.bytes_at(kind, name, TEMPLATE_KEY, path)
            text = PRUNED if data is PRUNED else references.text(data, path)
            return (kind, name), None if text is PRUNED else text
    return ("ConfigMap", ""), None


# Looked up but never inlined: it must not travel with what it encrypts.
def _passphrase(spec: MachineBootstrapSpec, references: References) -> Secret | None:
    encryption = spec.encryption
    if encryption is None or encryption is PRUNED or encryption.passphrase_from is PRUNED:
        return None
    reference = encryption.passphrase_from.secret
    if reference is PRUNED or reference.name is PRUNED or reference.key is PRUNED:
        return None
    path = "spec.encryption.passphraseFrom.secret"
    data = references.bytes_at(
        "Secret", reference.name, reference.key, path, key_path=f"{path}.key"
    )
    if data is PRUNED:
        return None
    from machineadm.documents.encryption import passphrase_of

    try:
        return passphrase_of(data, name=f"Secret {reference.name}")
    except ConfigError as error:
        references.find(error.code, path, error.message, error.hint())
        return None


def _agent(source: AgentSource | None) -> Iterator[Finding]:
    if source is None or source is PRUNED:
        return
    try:
        # The rules of the types. A document from a file was seen by no API server.
        for finding in declared(source):
            yield replace(finding, path=f"spec.agent.{finding.path}".rstrip("."))
        if source.download is not None:
            yield from _download(source.download, "spec.agent.download")
    # Raised where a rule asks about what could not be decoded. What it asks about has been
    # reported.
    except PrunedError:
        return


def _download(download: AgentDownload, path: str) -> Iterator[Finding]:
    for one in declared(download):
        # A missing digest is told below, with its reason.
        if one.code == "MA1301" or "urls" in one.message:
            yield replace(one, path=f"{path}.{one.path}".rstrip("."))
    # Without digest or key the machine would run as root whatever a mirror, or a proxy on the way,
    # hands out.
    if download.from_store is not None and download.from_store is not PRUNED:
        yield Finding(
            code="MA1604",
            path=f"{path}.fromStore",
            message="only the manager can fill in where a store has the agent",
            hint="give urls and sha256, or apply the object to a management cluster",
        )
        return
    sums = download.sha256 or download.sha256_by_architecture
    if sums is None and download.public_key is None:
        yield Finding(
            code="MA1302",
            path=path,
            message="one of sha256, sha256ByArchitecture and publicKey is required",
            hint="an agent is never run unverified: `sha256sum FILE` prints its digest",
        )
    if download.headers_from:
        yield Finding(
            code="MA1604",
            path=f"{path}.headersFrom",
            message="no provider can be asked before the agent is installed",
            hint="take the header from a Secret",
        )


def _format(spec: MachineBootstrapSpec) -> Iterator[Finding]:
    if spec.data_size_limit_of is not None and spec.data_size_limit is None:
        yield Finding(
            code="MA1604",
            path="spec.dataSizeLimitOf",
            message="there is no limit without dataSizeLimit",
            hint="add dataSizeLimit: 16Ki, or remove it",
        )
    version, name = spec.ignition_version, spec.format
    if version is not None and name is not PRUNED and name != "ignition":
        yield Finding(
            code="MA1604",
            path="spec.ignitionVersion",
            message="only format ignition has an Ignition version",
            hint="add format: ignition, or remove it",
        )
    if spec.ignition is not None and name is not PRUNED and name != "ignition":
        yield Finding(
            code="MA1604",
            path="spec.ignition",
            message="only format ignition has an Ignition configuration",
            hint="add format: ignition, or remove it",
        )
