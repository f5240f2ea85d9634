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
    flavour: str = twins.FLAVOUR
    """The image of both machines."""

    @property
    def has_disk(self) -> bool:
        """Whether the machines have a second disk."""
        return self.name == "disk.yaml"


OWN: Final = (Named("worker.yaml", "JoinWorker"), Named("control-plane.yaml", "Initialize"))
"""The repository's own: they take the place of the corpus where there is none."""

MORE: Final = (
    Named("disk.yaml", "JoinWorker"),
    Named("ignition.yaml", "JoinWorker"),
    Named("worker.yaml", "JoinWorker", twins.OLDER),
)
"""Further machines of the repository's own."""

CORPUS: Final = (
    Named("capv-default-kubeadmconfigtemplate.yaml", "JoinWorker"),
    Named("capx-default-kubeadmconfigtemplate.yaml", "JoinWorker"),
    Named("capm3-test-clusterclass-ubuntu-kubeadmcontrolplanetemplate.yaml", "Initialize"),
    Named("eksa-vsphere-kct-kubeadmconfigtemplate.yaml", "JoinWorker"),
    Named("capmaas-examples-sample-with-workerpool-kubeadmcontrolplane.yaml", "Initialize"),
    Named("capdo-default-kubeadmcontrolplane.yaml", "Initialize"),
    Named("capg-test-ci-kubeadmcontrolplane.yaml", "JoinControlPlane"),
    Named("capibm-powervs-kubeadmconfigtemplate.yaml", "JoinWorker"),
    Named("capi-test-ignition-kubeadmconfigtemplate.yaml", "JoinWorker"),
    Named("capone-kustomize-default-vip-kubeadmcontrolplane.yaml", "Initialize"),
)


def there() -> tuple[Named, ...]:
    """All that can be made here."""
    every = (*OWN, *MORE)
    return (*every, *CORPUS) if os.environ.get("MACHINEADM_CORPUS") else every


def case_of(named: Named) -> twins.Case:
    """The spec and its machine."""
    every = twins.own() if named in (*OWN, *MORE) else specs.specs()
    spec = next(one for one in every if one.name == named.name)
    return twins.case(spec, named.role, named.flavour, has_disk=named.has_disk)
