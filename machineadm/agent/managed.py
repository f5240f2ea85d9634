"""Judge what lives in the management cluster: MachineBootstraps and their templates, as the manager will complete them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from msgspec.structs import replace

from machineadm.api.finding import Finding
from machineadm.api.pruned import PRUNED
from machineadm.api.v1alpha1.discovery import Discovery, TokenDiscovery
from machineadm.api.v1alpha1.kubeadm import Initialize, JoinControlPlane, JoinWorker
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine_bootstrap import MachineBootstrap
from machineadm.config.versions import NEWEST_MINOR
from machineadm.documents.decoding import decode_kinds
from machineadm.documents.limits import Budget
from machineadm.documents.model import Problem, in_order
from machineadm.redaction import Secret
from machineadm.rendering.objects import KINDS, ConfigMapObject, SecretObject, resource
from machineadm.rendering.places import placed
from machineadm.rendering.realise import realise
from machineadm.rendering.stream import bootstrap_of, is_main
from machineadm.sources.stream import Stream

# Before decoding: most inputs are for machines, and their kinds are decoded by another table.
_KIND: Final = rb"(?m)^[ \t{\"']*kind[\"']?\s*:\s*[\"']?MachineBootstrap(Template)?\b"
_NOT_HERE: Final = "MA1601"
"""A Secret or ConfigMap that is referred to may be in the cluster alone."""

# Valid and never used: 192.0.2.1 is of TEST-NET-1 (RFC 5737).
_DISCOVERY: Final = TokenDiscovery(
    token=Secret("abcdef.0123456789abcdef"),
    endpoint="192.0.2.1:6443",
    ca_cert_hashes=(f"sha256:{'0' * 64}",),
)
# A worker first: of equals min() takes the first, and most machines are workers.
_ROLES: Final = (
    JoinWorker(discovery=_DISCOVERY),
    Initialize(),
    JoinControlPlane(discovery=_DISCOVERY, certificate_key=Secret("0" * 64)),
)


def is_managed(streams: Sequence[Stream]) -> bool:
    """Whether an input has documents of these kinds."""
    return any(re.search(_KIND, stream.data) for stream in streams)


def examine_managed(
    streams: Sequence[Stream], *, kubernetes_version: str | None = None
) -> tuple[Problem, ...]:
    """Find every problem of MachineBootstraps and their templates.

    The manager chooses the role and says how the cluster is found: a document that leaves them open is judged by the role that suits it best.

    Args:
        streams: All inputs; Secrets and ConfigMaps among them are used, others are taken to be in the cluster.
        kubernetes_version: Judge for this version instead of the document's own.
    """
    budget = Budget()
    documents = [
        one
        for stream in streams
        for one in decode_kinds(stream.data, file=stream.name, kinds=KINDS, budget=budget)
    ]
    resources = tuple(
        resource(one.value)
        for one in documents
        if isinstance(one.value, SecretObject | ConfigMapObject)
    )
    problems = [problem for one in documents for problem in one.problems]
    for document in documents:
        if is_main(document):
            bootstrap = bootstrap_of(document.value)
            if bootstrap.spec is PRUNED:
                continue
            found: list[list[Finding]] = []
            # All roles are tried, and the one with the fewest errors is taken for what was meant.
            for candidate in _completed(bootstrap, kubernetes_version):
                realised = realise(candidate, resources)
                found.append(
                    [
                        one
                        for one in (*realised.findings, *realised.warnings)
                        if one.code != _NOT_HERE
                    ]
                )
            best = min(found, key=_weight)
            # realise() decodes once more, and would repeat what decoding has told.
            told = {(one.code, one.path) for one in document.problems}
            problems += [
                one
                for one in (placed(finding, document, documents) for finding in best)
                if (one.code, one.path) not in told
            ]
    return in_order(problems, documents)


def _weight(findings: list[Finding]) -> tuple[int, int]:
    errors = sum(one.severity == "error" for one in findings)
    return errors, len(findings)


def _completed(bootstrap: MachineBootstrap, version: str | None) -> Iterator[MachineBootstrap]:
    """What the manager may make of one, by role."""
    spec = bootstrap.spec
    given = spec.kubernetes
    if given is PRUNED:
        yield bootstrap
        return
    # The manager has a version from the Machine; any will do for judging the rest.
    if given is None:
        given = KubernetesConfig(version=f"v1.{NEWEST_MINOR}.0")
    if version is not None:
        given = replace(given, version=version)
    role = given.role
    if role is PRUNED:
        roles: tuple[object, ...] = (role,)
    else:
        roles = tuple(
            _merged(role, one) for one in _ROLES if role is None or isinstance(role, type(one))
        )
    for one in roles:
        kubernetes = replace(given, role=one)
        yield replace(bootstrap, spec=replace(spec, kubernetes=kubernetes))


def _found(given: Discovery | None) -> Discovery:
    """How the cluster is found: the manager has a token and the authority's pin for whoever names none."""
    if given is None or given is PRUNED:
        return _DISCOVERY if given is None else given
    if not isinstance(given, TokenDiscovery):
        return given
    # As the manager: it makes a token where none is named.
    if given.token is None and given.token_from is None:
        given = replace(given, token=_DISCOVERY.token)
    pinned = given.ca_cert_hashes or given.unsafe_skip_ca_verification
    return given if pinned else replace(given, ca_cert_hashes=_DISCOVERY.ca_cert_hashes)


def _merged(
    given: Initialize | JoinControlPlane | JoinWorker | None,
    completed: Initialize | JoinControlPlane | JoinWorker,
) -> object:
    """The author's role with what the manager adds."""
    if given is None:
        return completed
    if not isinstance(given, Initialize):
        given = replace(given, discovery=_found(given.discovery))
    if isinstance(given, JoinControlPlane) and given.certificate_key is None:
        given = replace(given, certificate_key=Secret("0" * 64))
    return given
