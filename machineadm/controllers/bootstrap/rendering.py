"""From a MachineBootstrap and what the cluster knows to user data, or to what is wrong with it. Pure."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrap
from machineadm.api.v1alpha1.reference import ConfigurationReference
from machineadm.api.v1alpha1.reporting import Reporting
from machineadm.controllers.bootstrap.conditions import Said, Size, summary
from machineadm.controllers.bootstrap.decide import RoleName
from machineadm.controllers.bootstrap.fill import RoleError, fill
from machineadm.controllers.capi.certificates import Pair, Purpose
from machineadm.controllers.capi.types import Cluster, Machine
from machineadm.documents.decoding import decode_kinds
from machineadm.redaction import Secret
from machineadm.rendering.objects import KINDS, ConfigMapObject, Resource, SecretObject, resource
from machineadm.rendering.render import Rendered, UnrenderedError, render

# What is missing may appear, so its reason is one that an event ends; all other problems need an
# edit.
_MISSING: Final = frozenset({"MA1601", "MA1602"})
_TOO_LARGE: Final = "MA1620"

LARGEST: Final = 1_048_576
"""Bytes of data that a Secret holds; the API server refuses more."""


LARGEST_STORED: Final = 4 * 1024 * 1024
"""Bytes of a configuration in a store."""


class UnfitError(Exception):
    """There is something that a person has to change, or to create.

    Args:
        said: What `DataSecretAvailable` says of it.
        size: Of the data, where it is known.
    """

    def __init__(self, said: Said, size: Size | None = None) -> None:
        super().__init__(said.message)
        self.said = said
        self.size = size


def decoded(raw: bytes, name: str) -> MachineBootstrap:
    """Decode a MachineBootstrap as the API server keeps it.

    Raises:
        UnfitError: It has problems. The API server let it pass, so a person wrote it around the definitions' rules.
    """
    # The agent's own decoder and rules: what would be refused on the machine is refused here, in
    # the same words.
    (document,) = decode_kinds(raw, file=name, kinds=KINDS)
    if document.problems or not isinstance(document.value, MachineBootstrap):
        raise UnfitError(_invalid([(one.code, one.path, one.message) for one in document.problems]))
    return document.value


def resource_of(raw: bytes, name: str) -> Resource | None:
    """Decode a Secret or a ConfigMap; None where the server's answer is neither."""
    (document,) = decode_kinds(raw, file=name, kinds=KINDS)
    value = document.value
    return resource(value) if isinstance(value, SecretObject | ConfigMapObject) else None


def rendered(
    bootstrap: MachineBootstrap,
    role: RoleName,
    machine: Machine,
    cluster: Cluster,
    resources: Sequence[Resource],
    *,
    pairs: Mapping[Purpose, Pair],
    token: Secret | None,
    reporting: Reporting | None,
    refer: Callable[[bytes], ConfigurationReference] | None = None,
    random: Callable[[bytes], Callable[[int], bytes]],
) -> Rendered:
    """Render the user data of a machine.

    Args:
        bootstrap: As decoded.
        role: What the machine becomes.
        machine: Its owner.
        cluster: Its cluster.
        resources: What it may refer to.
        pairs: The cluster's certificates and keys.
        token: With which it joins; None to initialize.
        reporting: Where the machine reports; None: nowhere.
        refer: Makes what travels in place of the configuration; None: that travels itself.
        random: Makes the source of salt and nonce out of all that the data follows from.

    Raises:
        UnfitError: There are problems, or the data is too large.
    """
    try:
        whole = fill(bootstrap, role, machine, cluster, pairs=pairs, token=token)
    except RoleError as error:
        raise UnfitError(_invalid([("MA1304", "spec.kubernetes.role", str(error))])) from None
    # Without what the server counts up in its metadata: the same data must have the same nonce after any number of writes.
    named = whole.metadata or {}
    metadata = {key: named[key] for key in ("name", "namespace") if key in named}
    whole = msgspec.structs.replace(whole, metadata=metadata)
    # All that can change the plaintext, secrets revealed: a nonce that repeats with another
    # plaintext breaks AES-GCM.
    inputs = msgspec.json.encode(
        [whole, reporting, *resources], enc_hook=_revealed, order="deterministic"
    )
    try:
        result = render(
            whole, tuple(resources), random=random(inputs), reporting=reporting, refer=refer
        )
    except UnrenderedError as error:
        raise UnfitError(_said(error.findings)) from None
    size = size_of(result)
    # Before the call: the API server's own refusal (422) does not say what to do.
    if result.sizes.raw > LARGEST:
        message = f"the data is {result.sizes.raw} bytes, and a Secret holds {LARGEST}; fetch large files from a source"
        raise UnfitError(Said(status="False", reason="DataTooLarge", message=message), size)
    if len(result.stored) > LARGEST_STORED:
        message = f"the configuration is {len(result.stored)} bytes, and a store takes {LARGEST_STORED}; fetch large files from a source"
        raise UnfitError(Said(status="False", reason="DataTooLarge", message=message), size)
    return result


def size_of(result: Rendered) -> Size:
    """The size of user data, as the status shows it."""
    sizes = result.sizes
    return Size(raw=sizes.raw, compressed=sizes.compressed, limit=sizes.limit)


def _said(findings: Sequence[Finding]) -> Said:
    codes = {one.code for one in findings}
    texts = [(one.code, one.path, one.message) for one in findings]
    # First, and alone: what cannot be read yet often causes the other findings.
    if codes & _MISSING:
        missing = [one for one in texts if one[0] in _MISSING]
        return Said(status="False", reason="ReferenceNotFound", message=summary(missing))
    if _TOO_LARGE in codes:
        return Said(status="False", reason="DataTooLarge", message=summary(texts))
    return _invalid(texts)


def _invalid(findings: Sequence[tuple[str, str, str]]) -> Said:
    message = summary(findings) or "the object is not a MachineBootstrap"
    return Said(status="False", reason="InvalidConfiguration", message=message)


def _revealed(value: object) -> object:
    if isinstance(value, Secret):
        # Only for the digest: these bytes are hashed and never leave this function's caller.
        return value.reveal()
    raise NotImplementedError(type(value).__name__)
