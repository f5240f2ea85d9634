"""Rules for plugins and for what names them; loaded where a configuration has any."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.formats import seconds
from machineadm.api.meta import HandlerRef, ProviderRef
from machineadm.api.v1alpha1.files import FileSource
from machineadm.api.v1alpha1.machine import MachineConfig
from machineadm.api.v1alpha1.plugins import PluginContainer, PluginEntry
from machineadm.api.v1alpha1.reference import ConfigurationReferenceSpec
from machineadm.api.v1alpha1.reporting import InfrastructurePlugin, Reporting
from machineadm.config.paths import child
from machineadm.config.rules.declared import declared
from machineadm.config.rules.model import Context, Rules, finding

# Only these kinds speak the protocol that has a service of the host.
_ON_SCAFCTLS_WIRE: Final = ("provider", "auth-handler")
REMOTE: Final = ("https://", "http://")


def _each_once(machine: MachineConfig, _context: Context) -> Iterator[Finding]:
    seen: set[tuple[str, str]] = set()
    for index, entry in enumerate(machine.plugins):
        # A name may serve several kinds, each by its own program.
        if (entry.kind, entry.name) in seen:
            message = f"a second plugin {entry.name} of kind {entry.kind}"
            yield finding("MA1306", f"plugins[{index}].name", message, "keep one of them")
        seen.add((entry.kind, entry.name))


def _entry_fits(entry: PluginEntry, _context: Context) -> Iterator[Finding]:
    for name in entry.secret_settings:
        if name in entry.settings:
            path = child("secretSettings", name)
            yield finding("MA1306", path, f"{name} is already in settings")
    # A catalog lists versions; a path or an image has one.
    if entry.version is not None and entry.catalog is None:
        hint = "an executable of this machine is pinned by digest"
        yield finding("MA1301", "version", "goes with catalog", hint)
    if entry.digest is not None and entry.container is not None:
        hint = "an image is pinned by container.sha256"
        yield finding("MA1301", "digest", "not together with container", hint)
    asks = entry.host_service.secret_prefix or entry.host_service.auth_handlers
    if asks and entry.kind not in _ON_SCAFCTLS_WIRE:
        yield finding(
            "MA1301",
            "hostService",
            f"goes with kind {' or '.join(_ON_SCAFCTLS_WIRE)}: a plugin of kind {entry.kind} has no way to ask its host",
        )


def _container_fits(container: PluginContainer, _context: Context) -> Iterator[Finding]:
    # Endpoints are reached over the network.
    if container.endpoints and container.disable_network:
        yield finding("MA1301", "endpoints", "not together with disableNetwork")


def entry_findings(entry: PluginEntry, path: str) -> Iterator[Finding]:
    """What is wrong with a plugin of plugins.yaml, where no configuration is around it."""
    # None for a context: these two rules look at nothing around the entry.
    inside = () if entry.container is None else _container_fits(entry.container, None)  # type: ignore[arg-type]
    within = (replace(one, path=f"container.{one.path}") for one in inside)
    for one in (*declared(entry), *_entry_fits(entry, None), *within):  # type: ignore[arg-type]
        yield replace(one, path=f"{path}.{one.path}" if one.path else path)


def _inputs_once(reference: ProviderRef, _context: Context) -> Iterator[Finding]:
    for name in reference.secret_inputs:
        if name in reference.inputs:
            path = child("secretInputs", name)
            yield finding("MA1306", path, f"{name} is already in inputs")


def named_as(kind: str, name: str, context: Context) -> Iterator[Finding]:
    """A warning where a name is declared for something else alone: it may still be found on the machine."""
    plugins = context.configuration.spec.machine.plugins
    kinds = [entry.kind for entry in plugins if entry.name == name]
    if kinds and kind not in kinds:
        message = f"machine.plugins has {name} as {kinds[0]}, and {kind} is asked for here"
        hint = f"add an entry {name} of kind {kind}, or let the machine have one"
        yield replace(finding("MA1330", "name", message, hint), severity="warning")


def _is_a_provider(reference: ProviderRef, context: Context) -> Iterator[Finding]:
    yield from named_as("provider", reference.name, context)


def _is_a_handler(reference: HandlerRef, context: Context) -> Iterator[Finding]:
    yield from named_as("auth-handler", reference.name, context)


def _is_infrastructure(reference: InfrastructurePlugin, context: Context) -> Iterator[Finding]:
    yield from named_as("infrastructure", reference.name, context)


def _one_authorization(source: FileSource, _context: Context) -> Iterator[Finding]:
    if source.auth_from is None:
        return
    if source.url.startswith("file:"):
        yield finding("MA1301", "authFrom", "not with a file URL, which has no headers")
    for field, headers in (("headers", source.headers), ("headersFrom", source.headers_from)):
        for name in headers:
            if name.lower() == "authorization":
                yield finding("MA1301", "authFrom", f"not together with {name} in {field}")


def _reports_somewhere(reporting: Reporting, _context: Context) -> Iterator[Finding]:
    # Reports go to a plugin where there is no URL.
    if reporting.url is not None and not reporting.url.startswith(REMOTE):
        yield finding("MA1323", "url", "not a https or http URL")
    if reporting.url is None:
        for field, value in (
            ("headers", reporting.headers),
            ("headersFrom", reporting.headers_from),
            ("caBundle", reporting.ca_bundle),
        ):
            if value:
                yield finding("MA1301", field, "goes with url")
    given = {name.lower() for name in reporting.headers}
    for name in reporting.headers_from:
        if name.lower() in given:
            yield finding("MA1306", child("headersFrom", name), f"{name} is already in headers")
    # Each report is a request to the same server, from every machine that boots.
    if seconds(reporting.interval) < 1:
        yield finding("MA1312", "interval", "must not be shorter than 1s")


def reference_findings(spec: ConfigurationReferenceSpec) -> Iterator[Finding]:
    """What is wrong with a ConfigurationReference, beside its types."""
    for one in declared(spec):
        yield replace(one, path=f"spec.{one.path}" if one.path else "spec")
    if spec.url is not None and not spec.url.startswith((*REMOTE, "file:///")):
        yield finding("MA1323", "spec.url", "not a https, http or file URL")
    # A plugin that fetches it has settings of its own.
    if spec.url is None or spec.url.startswith("file:"):
        for field, value in (("headers", spec.headers), ("caBundle", spec.ca_bundle)):
            if value:
                yield finding("MA1301", f"spec.{field}", "goes with a https or http URL")


RULES: Final[Rules] = {
    MachineConfig: (_each_once,),
    PluginEntry: (_entry_fits,),
    PluginContainer: (_container_fits,),
    ProviderRef: (_inputs_once, _is_a_provider),
    HandlerRef: (_is_a_handler,),
    InfrastructurePlugin: (_is_infrastructure,),
    FileSource: (_one_authorization,),
    Reporting: (_reports_somewhere,),
}
