"""Which machines are made twice: two in `make conformance`, the others by `make twins`."""

from __future__ import annotations

import os
from typing import Final, NamedTuple

from machineadm.conversion.fields import Role
from tests.corpus import specs, twins


class Named(NamedTuple):
    """A spec of the corpus, or of our own, in one of its roles."""

    name: str
    role: Role


OWN: Final = (Named("worker.yaml", "JoinWorker"), Named("control-plane.yaml", "Initialize"))
"""The repository's own: they take the place of the corpus where there is none."""

CORPUS: Final = (
    Named("capv-default-kubeadmconfigtemplate.yaml", "JoinWorker"),
    Named("capx-default-kubeadmconfigtemplate.yaml", "JoinWorker"),
    Named("capm3-test-clusterclass-ubuntu-kubeadmcontrolplanetemplate.yaml", "Initialize"),
    Named("eksa-vsphere-kct-kubeadmconfigtemplate.yaml", "JoinWorker"),
    Named("capmaas-examples-sample-with-workerpool-kubeadmcontrolplane.yaml", "Initialize"),
    Named("capdo-default-kubeadmcontrolplane.yaml", "Initialize"),
    Named("capg-test-ci-kubeadmcontrolplane.yaml", "JoinControlPlane"),
    Named("capibm-powervs-kubeadmconfigtemplate.yaml", "JoinWorker"),
)


def there() -> tuple[Named, ...]:
    """All that can be made here."""
    return (*OWN, *CORPUS) if os.environ.get("MACHINEADM_CORPUS") else OWN


def case_of(named: Named) -> twins.Case:
    """The spec and its machine."""
    every = twins.own() if named in OWN else specs.specs()
    return twins.case(next(one for one in every if one.name == named.name), named.role)
