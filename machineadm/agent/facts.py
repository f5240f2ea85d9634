"""What a machine knows about itself, and what a configuration would use of it, for `machineadm facts`."""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING

import msgspec

from machineadm.agent.image import read_inputs
from machineadm.agent.instance_data import InstanceValues, given_by, lookup_of
from machineadm.agent.intake import Accepted, accept
from machineadm.agent.references import resolve
from machineadm.agent.resolving import read_given, shown_value
from machineadm.config.defaulting import realise
from machineadm.config.instance_data import NAMES
from machineadm.config.secrets import secrets_of
from machineadm.documents.opening import Opener
from machineadm.errors import HostError
from machineadm.host.instance.files import Afterburn
from machineadm.host.instance.lookup import Found, Missing
from machineadm.host.instance.model import UnknownError
from machineadm.host.instance.platforms import Recognised
from machineadm.sources.referred import Referred

if TYPE_CHECKING:
    from machineadm.agent.wiring import Machine
    from machineadm.api.v1alpha1.instance_data import InstanceData
    from machineadm.host.ports import Host
    from machineadm.sources.passphrases import GivenPassphrases


class Fact(msgspec.Struct, frozen=True, kw_only=True):
    """A name of instance data on this machine."""

    name: str
    value: str = ""
    source: str = ""
    """Who says so; empty where nobody knows."""

    reason: str = ""
    """Why nobody knows."""


class Taken(msgspec.Struct, frozen=True, kw_only=True):
    """A reference of the configuration, and its value."""

    path: str
    value: str
    source: str


class Report(msgspec.Struct, frozen=True, kw_only=True):
    """Everything that `machineadm facts` prints."""

    platform: str
    """As machine.instanceData.sources names it; empty where it is none of them."""

    facts: tuple[Fact, ...]
    taken: tuple[Taken, ...] = ()
    error: HostError | None = None
    """Why the configuration could not be carried out here."""


def report(
    machine: Machine,
    *,
    paths: tuple[str, ...],
    instance_data: str | None,
    passphrases: GivenPassphrases,
    allow_unauthenticated: bool = False,
) -> Report:
    """Look up every known name, and resolve the configuration's references.

    Args:
        machine: The machine, or a tree, which knows only what is given by hand.
        paths: The configuration; empty: none.
        instance_data: The file of `--instance-data`.
        passphrases: For what is encrypted.
        allow_unauthenticated: See `Opener`.

    Raises:
        MachineadmError: The configuration is refused.
    """
    host = machine.host
    accepted: Accepted | None = None
    settings: InstanceData | None = None
    if paths:
        opener = Opener(
            passphrases=passphrases,
            references=Referred(passphrases.plugins),
            allow_unauthenticated=allow_unauthenticated,
        )
        try:
            # The mode that needs no kubernetes section: facts are useful before a configuration is complete.
            accepted = accept(
                read_inputs(paths, host, plugins=passphrases.plugins).whole,
                mode="preparation",
                opener=opener,
                allow_unknown_version=True,
            )
        finally:
            machine.redactor.learn(passphrases.known)
        machine.redactor.learn(secrets_of(realise(accepted.configuration)))
        settings = accepted.configuration.spec.machine.instance_data
    # By the configuration's own sources, so that the answer is the one that a run would get.
    lookup = lookup_of(host, settings, given_by(read_given(instance_data)))
    # Each name by itself: a source that does not answer must not hide what others know.
    facts = tuple(_fact(name, lookup.find(name)) for name in (*NAMES, *_own(host)))
    platform = "" if host.offline else Recognised(host).recognised
    if accepted is None:
        return Report(platform=platform, facts=facts)
    try:
        found = resolve(accepted, (InstanceValues(lookup),), mode="preparation")
    # Kept and not raised: the facts are to be printed first.
    except HostError as error:
        return Report(platform=platform, facts=facts, error=error)
    machine.redactor.learn(found.secrets)
    taken = tuple(
        Taken(path=reference.path, value=shown_value(reference, value), source=value.origin)
        for reference, value in found.values
    )
    return Report(platform=platform, facts=facts, taken=taken)


def _fact(name: str, found: Found | Missing) -> Fact:
    if isinstance(found, Missing):
        return Fact(name=name, reason=found.text or "no source was asked")
    return Fact(name=name, value=found.value, source=found.source)


def _own(host: Host) -> Iterator[str]:
    """Names that only this machine has: of its interfaces, and of the variables it was given."""
    if host.offline:
        return
    for interface in host.network.interfaces() if host.network is not None else ():
        # The same on every machine.
        if interface != "lo":
            yield from (f"net.{interface}.{what}" for what in ("ipv4", "ipv6", "mac"))
    try:
        yield from (f"env.{name}" for name in Afterburn(host).names)
    # No such file: the machine has no metadata agent, which is no error.
    except UnknownError:
        return
