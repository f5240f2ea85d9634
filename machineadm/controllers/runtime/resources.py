"""Where the API server keeps each kind of object."""

from __future__ import annotations

from typing import Final

import msgspec

BOOTSTRAP_GROUP: Final = "bootstrap.cluster.x-k8s.io"
CLUSTER_GROUP: Final = "cluster.x-k8s.io"
INFRASTRUCTURE_GROUP: Final = "infrastructure.cluster.x-k8s.io"


class Resource(msgspec.Struct, frozen=True, kw_only=True):
    """A kind of namespaced objects, by the path at which the API server serves it."""

    group: str
    """Its API group; empty for the core group."""

    version: str
    kind: str
    plural: str

    @property
    def api_version(self) -> str:
        """Group and version, as they stand in an object."""
        return f"{self.group}/{self.version}" if self.group else self.version

    def path(self, namespace: str = "", name: str = "", subresource: str = "") -> str:
        """The path of an object, or of all objects where no name is given.

        Args:
            namespace: Empty: of all namespaces.
            name: Empty: the collection.
            subresource: `status`, or empty.
        """
        parts = ["/apis", self.group, self.version] if self.group else ["/api", self.version]
        if namespace:
            # Names need no escaping: each has passed the API server's own rules, or
            # `requests.key_of`.
            parts += ["namespaces", namespace]
        return "/".join([*parts, self.plural, *filter(None, (name, subresource))])


# Versions are written down and not discovered: another version may have other fields, and a
# projection that reads them would find nothing and act on that.
MACHINE_BOOTSTRAPS: Final = Resource(
    group=BOOTSTRAP_GROUP, version="v1alpha1", kind="MachineBootstrap", plural="machinebootstraps"
)
KUBEADM_CONFIGS: Final = Resource(
    group=BOOTSTRAP_GROUP, version="v1beta2", kind="KubeadmConfig", plural="kubeadmconfigs"
)
"""Of Cluster API's own bootstrap provider; served where somebody asks for it."""

KUBEADM_CONFIGS_V1BETA1: Final = Resource(
    group=BOOTSTRAP_GROUP, version="v1beta1", kind="KubeadmConfig", plural="kubeadmconfigs"
)
# v1beta2 alone, since Cluster API 1.11: v1beta1 keeps the same facts under other names.
CLUSTERS: Final = Resource(
    group=CLUSTER_GROUP, version="v1beta2", kind="Cluster", plural="clusters"
)
MACHINES: Final = Resource(
    group=CLUSTER_GROUP, version="v1beta2", kind="Machine", plural="machines"
)
MACHINE_POOLS: Final = Resource(
    group=CLUSTER_GROUP, version="v1beta2", kind="MachinePool", plural="machinepools"
)
HTTP_STORES: Final = Resource(
    group=INFRASTRUCTURE_GROUP,
    version="v1alpha1",
    kind="HTTPBootstrapStore",
    plural="httpbootstrapstores",
)
S3_STORES: Final = Resource(
    group=INFRASTRUCTURE_GROUP,
    version="v1alpha1",
    kind="S3BootstrapStore",
    plural="s3bootstrapstores",
)
GCS_STORES: Final = Resource(
    group=INFRASTRUCTURE_GROUP,
    version="v1alpha1",
    kind="GCSBootstrapStore",
    plural="gcsbootstrapstores",
)
STORES: Final = (HTTP_STORES, S3_STORES, GCS_STORES)
"""The stores of ours that configurations are kept in."""

SECRETS: Final = Resource(group="", version="v1", kind="Secret", plural="secrets")
CONFIG_MAPS: Final = Resource(group="", version="v1", kind="ConfigMap", plural="configmaps")
# Whatever is added here needs a line in deploy/: the tests on a real API server run with that
# account.
LEASES: Final = Resource(group="coordination.k8s.io", version="v1", kind="Lease", plural="leases")
EVENTS: Final = Resource(group="events.k8s.io", version="v1", kind="Event", plural="events")

TOKEN_REVIEWS: Final = Resource(
    group="authentication.k8s.io", version="v1", kind="TokenReview", plural="tokenreviews"
)
"""Without namespaces, as the next."""

ACCESS_REVIEWS: Final = Resource(
    group="authorization.k8s.io",
    version="v1",
    kind="SubjectAccessReview",
    plural="subjectaccessreviews",
)
