"""Render a MachineBootstrap and the objects it refers to. Pure: the manager and `machineadm render` both call it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Final

from msgspec import Struct
from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.pruned import PRUNED
from machineadm.api.v1alpha1.agent_source import AgentSource
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrap, MachineBootstrapSpec
from machineadm.api.v1alpha1.reporting import Reporting
from machineadm.config.instance_data import names
from machineadm.config.paths import holds_pruned
from machineadm.config.references import references
from machineadm.documents.encoding import encode_json
from machineadm.errors import ConfigError
from machineadm.rendering import advice, sizes
from machineadm.rendering.builtin import BUILTINS, Builtin, after_metadata
from machineadm.rendering.fetch import agent_path, fetch_script
from machineadm.rendering.functions import functions
from machineadm.rendering.inspection import UnfitError, written_files
from machineadm.rendering.objects import ObjectKind, Resources
from machineadm.rendering.realise import Realised, realise
from machineadm.rendering.sizes import Sizes
from machineadm.rendering.template import Function, Piece, Template, TemplateError

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.reference import ConfigurationReference

OWN: Final = "own"
"""The name of a template that is not built in."""

_IGNITION_DESTINATION: Final = "/opt/bin/machineadm"
"""Where a download goes by default on a system that Ignition sets up: /usr is read-only on Flatcar."""


class Rendered(Struct, frozen=True, kw_only=True):
    """What a machine gets."""

    user_data: bytes
    """Exactly as it is to reach the machine; holds the secrets that it must."""

    format: str
    """For the key `format` of the data Secret; empty for what is not user data."""

    template: str
    """Name of the built-in template, or `own`."""

    sizes: Sizes
    """How large it is, and why."""

    warnings: tuple[Finding, ...]
    """What is allowed, but better otherwise."""

    stored: bytes = b""
    """The documents, where a reference to them travels in their place."""

    # Never the data: it holds secrets.
    def __repr__(self) -> str:
        return f"Rendered({self.template}, {self.sizes.raw} bytes)"


class TemplateFinding(Finding, frozen=True, kw_only=True):
    """Something that is wrong with a template of one's own."""

    kind: ObjectKind
    """What holds the template."""

    name: str
    """Its name."""

    line: int
    """In the template, from 1."""

    column: int
    """From 1, in code points."""


class UnrenderedError(Exception):
    """A MachineBootstrap cannot be rendered.

    Args:
        findings: All that is wrong, by its own paths; none if decoding has already reported it.
    """

    def __init__(self, findings: Sequence[Finding]) -> None:
        super().__init__(f"{len(findings)} findings")
        self.findings = tuple(findings)


def render(
    bootstrap: MachineBootstrap,
    resources: Resources,
    *,
    random: Callable[[int], bytes],
    template: str | None = None,
    reporting: Reporting | None = None,
    refer: Callable[[bytes], ConfigurationReference] | None = None,
) -> Rendered:
    """Render user data. The same input gives the same bytes, except for what is encrypted.

    Args:
        bootstrap: As decoded. What could not be decoded is PRUNED in it.
        resources: The available Secrets and ConfigMaps.
        random: Returns that many random bytes, for encryption.
        template: Name of a built-in template instead of what the spec asks for.
        reporting: Where the machine reports to the manager.
        refer: Says where these documents will be. That travels in their place, so that every template works with either; None:
            they travel themselves.

    Raises:
        UnrenderedError: There are findings.
    """
    # Decoding has told why; without a spec there is nothing more to find.
    if bootstrap.spec is PRUNED:
        raise UnrenderedError(())
    realised = realise(bootstrap, resources, reporting)
    # The template before the agent: where a download goes by default depends on the template's
    # format.
    name, chosen = _chosen(bootstrap.spec, realised, template)
    agent = _agent(realised.agent, chosen.format)
    # The template is read even when references are missing, so that all problems are reported at
    # once.
    findings = [*realised.findings, *_unreadable(chosen.text, realised)]
    script = _fetch_script(agent, findings)
    # Nothing half is ever rendered: a machine that boots with a part of its configuration cannot be
    # told from a good one.
    if findings or not realised.complete:
        raise UnrenderedError(findings)
    documents = stored = _documents(bootstrap.spec, realised, random)
    if refer is not None:
        documents = encode_json(refer(stored), reveal=True) + b"\n"
    # Made once: encryption takes random bytes, and two calls would give two different
    # configurations.
    known = functions(documents, script, agent_path(agent).encode())
    pieces = _filled(chosen.text, known, realised)
    # By the template's format: `--template systemd` of such a spec is a script, with nothing to
    # merge into.
    if bootstrap.spec.ignition is not None and chosen.format == "ignition":
        pieces = _with_additional(pieces, bootstrap.spec.ignition.additional_config)
    measured = sizes.measure(
        pieces,
        realised.configuration,
        bootstrap.spec.data_size_limit,
        bootstrap.spec.data_size_limit_of,
    )
    # Here and not at the provider, whose refusal comes after the machine has been asked for, in
    # words of its own.
    if finding := sizes.beyond(measured):
        raise UnrenderedError([finding])
    user_data = b"".join(piece.data for piece in pieces)
    found = (*realised.warnings, *advice.of_spec(bootstrap.spec, agent, chosen.format))
    if refer is not None:
        found = tuple(one for one in found if one.code != "MA1632")
    # The built-in templates are checked by the project's own tests, with the real readers.
    if name == OWN:
        private = _private(documents, script, agent)
        found += _inspected(user_data, pieces, realised, chosen.format, private)
    return Rendered(
        user_data=user_data,
        format=chosen.format,
        template=name,
        sizes=measured,
        # Here for all of them: advice is an ordinary finding until it is let pass.
        warnings=tuple(replace(one, severity="warning") for one in found),
        stored=b"" if refer is None else stored,
    )


def _chosen(
    spec: MachineBootstrapSpec, realised: Realised, template: str | None
) -> tuple[str, Builtin]:
    """Choose the template: the one asked for, else the configuration's own, else that of the format."""
    ignition = spec.format is not PRUNED and spec.format == "ignition"
    # A template that the caller names wins over the configuration's own: `--template bare` shows any configuration.
    if template is None and realised.template is not None:
        own = Builtin(format="ignition" if ignition else "cloud-config", text=realised.template)
        return OWN, own
    if template is None:
        version = spec.ignition_version
        template = (
            f"ignition-{'3.4' if version is None or version is PRUNED else version}"
            if ignition
            else "cloud-init"
        )
    chosen = BUILTINS[template]
    return template, after_metadata(chosen) if _asks_the_metadata_agent(realised) else chosen


def _asks_the_metadata_agent(realised: Realised) -> bool:
    """Whether a value comes from what Afterburn or Flatcar's metadata agent writes."""
    if not realised.complete:
        return False
    texts = (one.source.instance_data for one in references(realised.configuration.spec))
    # Only these names are read from /run/metadata; a machine that needs none must not wait for the
    # service.
    return any(name.startswith("env.") for text in texts if text for name in names(text))


def _agent(source: AgentSource | None, format_: str) -> AgentSource | None:
    if source is None or source is PRUNED or source.download is None or source.download is PRUNED:
        return source
    if format_ != "ignition" or source.download.destination is not None:
        return source
    # By the template's format, not the spec's: `--template` may have chosen another.
    return AgentSource(download=replace(source.download, destination=_IGNITION_DESTINATION))


def _unreadable(text: str, realised: Realised) -> list[Finding]:
    try:
        # With functions that give nothing: only whether it can be read is asked, and no secret is
        # needed for that.
        Template(text, functions())
    except TemplateError as error:
        return [_in_template(error, realised)]
    return []


def _in_template(error: TemplateError, realised: Realised) -> Finding:
    kind, name = realised.template_object
    return TemplateFinding(
        code=error.code,
        path=realised.template_path,
        message=f"template, line {error.line}, column {error.column}: {error.message}",
        hint=error.hint,
        kind=kind,
        name=name,
        line=error.line,
        column=error.column,
    )


def _fetch_script(agent: AgentSource | None, findings: list[Finding]) -> bytes:
    """Build the fetch script; empty if the image contains the agent. What is wrong with it becomes a finding."""
    # What is PRUNED has been reported, and raises where it is used.
    if agent is None or holds_pruned(agent) or agent.download is None:
        return b""
    # The script would be made of values that are already refused, and fail for the same reason again.
    if any(finding.path.startswith("spec.agent") for finding in findings):
        return b""
    try:
        return fetch_script(agent.download).encode()
    except ConfigError as error:
        findings.append(
            Finding(
                code=error.code,
                path="spec.agent.download",
                message=error.message,
                hint=error.hint(),
            )
        )
    return b""


def _documents(
    spec: MachineBootstrapSpec, realised: Realised, random: Callable[[int], bytes]
) -> bytes:
    """Build the stream that travels: JSON, one line for each document.

    Raises:
        UnrenderedError: It cannot be encrypted.
    """
    # JSON and not YAML: half of the bytes, one way to write each value, and every reader of YAML
    # takes it.
    documents = encode_json(realised.configuration, reveal=True) + b"\n"
    encryption = spec.encryption
    if encryption is None:
        return documents
    if realised.passphrase is None:  # said already; never in the clear instead
        raise UnrenderedError(realised.findings)
    from machineadm.documents.encryption import seal

    try:
        # seal() compresses first: the template's gzip makes nothing smaller of what is encrypted.
        sealed = seal(
            documents,
            realised.passphrase,
            provider=encryption.provider,
            random=random,
            # GCM, unlike `encrypt`: it has integrity in fewer bytes, and nobody opens user data by
            # hand with openssl.
            cipher=encryption.cipher_algorithm or "aes-256-gcm",
            digest=encryption.digest_algorithm or "sha-512",
            iterations=encryption.iterations or 50000,
        )
    except ConfigError as error:
        finding = Finding(
            code=error.code, path="spec.encryption", message=error.message, hint=error.hint()
        )
        raise UnrenderedError([finding]) from error
    return encode_json(sealed) + b"\n"


def _filled(text: str, known: dict[str, Function], realised: Realised) -> tuple[Piece, ...]:
    """Fill in the template.

    Raises:
        UnrenderedError: The template asks for something impossible.
    """
    try:
        return tuple(Template(text, known).pieces())
    except TemplateError as error:
        raise UnrenderedError([_in_template(error, realised)]) from error


def _with_additional(pieces: tuple[Piece, ...], additional: str | None) -> tuple[Piece, ...]:
    """Merge `spec.ignition.additionalConfig`.

    Raises:
        UnrenderedError: It does not fit.
    """
    if additional is None:
        return pieces
    from machineadm.rendering.additional import merged

    try:
        return merged(pieces, additional)
    except UnfitError as error:
        finding = Finding(
            code=error.code,
            path="spec.ignition.additionalConfig",
            message=error.message,
            hint=error.hint,
        )
        raise UnrenderedError([finding]) from error


def _private(documents: bytes, script: bytes, agent: AgentSource | None) -> dict[str, bytes]:
    """Return what only root may read on the machine, by its name."""
    # Without headers the script holds nothing but URLs and digests.
    headers = agent is not None and agent.download is not None and agent.download.headers
    # The configuration as it is rendered: encrypted documents are looked for too, and advice
    # decides whether that matters.
    return {advice.CONFIGURATION: documents} | ({advice.SCRIPT: script} if headers else {})


def _inspected(
    user_data: bytes,
    pieces: Sequence[Piece],
    realised: Realised,
    format_: str,
    private: dict[str, bytes],
) -> tuple[Finding, ...]:
    """Return warnings about the output of a user's own template.

    Raises:
        UnrenderedError: Its reader would not accept it.
    """
    try:
        files = written_files(user_data, format_, private)
    except UnfitError as error:
        finding = Finding(
            code=error.code, path=realised.template_path, message=error.message, hint=error.hint
        )
        raise UnrenderedError([finding]) from error
    return advice.of_template(files, pieces, realised)
