"""Static pods in addition to kubeadm's."""

from typing import ClassVar

from machineadm.api.meta import (
    ApiStruct,
    KubernetesObject,
    ObjectName,
    OneOf,
    ValueSource,
    exactly_one,
)


class StaticPod(ApiStruct, frozen=True, kw_only=True):
    """A static pod in addition to kubeadm's; exactly one of `manifest` and `manifestFrom`."""

    one_of: ClassVar[tuple[OneOf, ...]] = (exactly_one("manifest", "manifestFrom"),)

    name: ObjectName
    """Name of the file in the kubelet's manifest directory, without `.yaml`. Not one of kubeadm's own:
    `kube-apiserver`, `kube-controller-manager`, `kube-scheduler`, `etcd`."""

    manifest: KubernetesObject | None = None
    """The pod (v1 Pod), passed through."""

    manifest_from: ValueSource | None = None
    """Where the pod comes from."""
