"""Instance data for a configuration: which sources are asked, what they said, and what a run keeps of it.

Once kubeadm has been started, the node has its name and provider id for good. From then on the values are those of that run,
and if the machine says something else, the report says so.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, ClassVar, Final

import msgspec

from machineadm.agent.references import Answers, Value
from machineadm.api.formats import seconds
from machineadm.config.instance_data import names, rendered
from machineadm.documents.decoding import decode_object
from machineadm.errors import ConfigError, HostError, MachineadmError
from machineadm.host.instance.files import Afterburn, CloudInit
from machineadm.host.instance.given import Given
from machineadm.host.instance.lookup import TIMEOUT, Found, Lookup, Missing
from machineadm.host.instance.machine import OwnNames
from machineadm.host.instance.model import Source
from machineadm.host.instance.platforms import Recognised, source

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.instance_data import InstanceData
    from machineadm.config.references import Reference
    from machineadm.host.ports import Host
    from machineadm.sources.stream import Stream

KEPT: Final = "instance-data.json"
"""In the state directory: what the values were when kubeadm was started."""

# cloud-init's `v1` and `ds`, the metadata agent's variables, and what the machine itself knows.
_KINDS: Final = ("v1", "ds", "env", "host", "net")
_NO_VALUE: Final = "MA3520"
_HINT: Final = (
    "`machineadm facts` shows what this machine knows; machine.instanceData.sources names the sources to ask, "
    "--instance-data FILE gives values by hand"
)

Asked = Sequence[tuple[Source, "float | None"]]


class InstanceValues:
    """Resolves `instanceData`.

    Args:
        lookup: Asks the sources.
        kept: Values of the run that started kubeadm, by name; empty before that.
        partial: A name that no source knows is left alone: below another root only the machine itself will know it.
    """

    field: ClassVar[str] = "instance_data"

    def __init__(
        self, lookup: Lookup, *, kept: Mapping[str, str] | None = None, partial: bool = False
    ) -> None:
        self._lookup = lookup
        self._kept = kept or {}
        self._partial = partial
        self.values: dict[str, str] = {}
        """What was used, by name."""
        self.changed: dict[str, str] = {}
        """Names whose value is another one now than the one that is used."""

    def resolve(self, wanted: Sequence[Reference]) -> Answers:
        """See `references.Resolver.resolve`."""
        # Errors among the values, so that all that is missing is told at once.
        answers: dict[str, Value | MachineadmError] = {}
        for reference in wanted:
            text = reference.source.instance_data or ""
            found = {name: self._find(name) for name in names(text)}
            missing = {name: one for name, one in found.items() if isinstance(one, Missing)}
            values = {name: one for name, one in found.items() if isinstance(one, Found)}
            if not missing:
                self.values |= {name: one.value for name, one in values.items()}
                # A text may be made of several values, each from another source.
                origin = ", ".join(dict.fromkeys(one.source for one in values.values()))
                shown = rendered(text, {name: one.value for name, one in values.items()})
                answers[reference.path] = Value(value=shown, origin=origin)
            elif not self._partial:
                answers[reference.path] = _unknown(reference, missing)
        return answers

    def _find(self, name: str) -> Found | Missing:
        found = self._lookup.find(name)
        # What kubeadm was started with stays: a node cannot be renamed.
        if name not in self._kept:
            return found
        kept = self._kept[name]
        if isinstance(found, Found) and found.value != kept:
            self.changed[name] = found.value
        return Found(value=kept, source="the run that started kubeadm")


def _unknown(reference: Reference, missing: Mapping[str, Missing]) -> HostError:
    told = "; ".join(f"{name} is not known ({one.text})" for name, one in missing.items())
    return HostError(_NO_VALUE, f"{reference.path}: {told}", hint=_HINT)


def lookup_of(host: Host, settings: InstanceData | None, given: Given | None) -> Lookup:
    """The sources that a configuration uses, in order.

    Args:
        host: The machine, or a tree, which knows nothing about the machine that it will run on.
        settings: Of the configuration.
        given: What `--instance-data` names.
    """
    sources: list[tuple[Source, float | None]] = []
    if given is not None:
        sources.append((given, None))
    # Below another root these would describe the machine that builds the image.
    if not host.offline:
        sources += _configured(host, settings)
        # Last: what the platform says of the machine is closer to what others know it by.
        sources.append((OwnNames(host), None))
    timeout = seconds(settings.timeout) if settings is not None else TIMEOUT
    return Lookup(sources, host.clock, timeout)


def _configured(host: Host, settings: InstanceData | None) -> Asked:
    if settings is None or not settings.sources:
        # Files before the network: they are there at once, and were written at this boot.
        return ((CloudInit(host), None), (Afterburn(host), None), (Recognised(host), None))
    known: dict[str, Callable[[Host], Source]] = {"CloudInit": CloudInit, "Afterburn": Afterburn}
    return [
        (
            known[one.name](host) if one.name in known else source(one.name, host),
            None if one.timeout is None else seconds(one.timeout),
        )
        for one in settings.sources
    ]


def given_by(stream: Stream | None) -> Given | None:
    """What a file for `--instance-data` says.

    Args:
        stream: The file, YAML or JSON; None if there is none.

    Raises:
        ConfigError: MA1423, it is not a map of names.
    """
    if stream is None:
        return None
    tree, problems = decode_object(stream.data, file=stream.name)
    # The first is enough: it is a small file that one writes by hand.
    if problems or tree is None:
        first = problems[0]
        message = f"{stream.name}:{first.line}:{first.column}: {first.message}"
        raise ConfigError("MA1423", message, hint=first.hint)
    _refuse_strangers(tree, stream.name)
    return Given(tree, stream.name)


def _refuse_strangers(tree: Mapping[str, Any], name: str) -> None:
    if not any(kind in tree for kind in _KINDS):
        raise ConfigError(
            "MA1423",
            f"{name}: has none of {', '.join(_KINDS)}",
            hint="as /run/cloud-init/instance-data.json: v1: {local_hostname: node-1}",
        )


def kept_values(host: Host, machine_id: str) -> dict[str, str]:
    """What the run that started kubeadm on this machine used; empty before that."""
    from machineadm.steps.kubeadm.record import read_record

    content = host.state.read(KEPT, durable=True)
    if content is None or read_record(host, machine_id) is None:
        return {}
    try:
        kept = msgspec.json.decode(content, type=_Kept)
    except (ValueError, RecursionError):
        return {}
    # A golden image must not hand its node's name on to its clones.
    return kept.values if kept.machine == machine_id else {}


def keep_values(host: Host, machine_id: str, values: Mapping[str, str]) -> None:
    """Keep what this run uses. Writes nothing if it is kept already."""
    content = msgspec.json.encode(_Kept(machine=machine_id, values=dict(values)), order="sorted")
    if host.state.read(KEPT, durable=True) != content:
        host.state.write(KEPT, content, durable=True)


class _Kept(msgspec.Struct, frozen=True, kw_only=True):
    machine: str
    values: dict[str, str]
