"""Settings of kubeadm: the role of the machine, and how kubeadm sets it up."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta, field

from machineadm.api.later import later
from machineadm.api.meta import (
    ONE_LINE,
    ApiStruct,
    BootstrapTokenSecret,
    Duration,
    MachinePath,
    OneOf,
    Timestamp,
    at_most_one,
)
from machineadm.redaction import Secret

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.discovery import Discovery

later(globals(), "discovery", "Discovery")

CertificateKey = Annotated[
    Secret,
    Meta(
        extra={
            "minLength": 64,
            "maxLength": 64,
            "oneLine": True,
            "pattern": "^[0-9a-f]{64}$",
        }
    ),
]
"""32 bytes in lower-case hexadecimal: the AES key of the certificates that kubeadm uploads."""


class BootstrapToken(ApiStruct, frozen=True, kw_only=True):
    """A token with which other machines join."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("ttl", "expires"),)

    token: BootstrapTokenSecret
    """The token: `abcdef.0123456789abcdef`."""

    description: Annotated[str, Meta(max_length=512, extra=ONE_LINE)] | None = None
    """What it is for; read by people only."""

    ttl: Duration | None = None
    """How long it is valid; `0s`: forever. Not together with `expires`. Default `24h`."""

    expires: Timestamp | None = None
    """When it expires (RFC 3339)."""

    usages: Annotated[
        tuple[Literal["signing", "authentication"], ...], Meta(max_length=2, extra={"unique": ""})
    ] = ()
    """What it can be used for. Default: both. `authentication` must be among them, because
    kubeadm gives every token a group."""

    groups: Annotated[
        tuple[
            Annotated[
                str,
                Meta(
                    min_length=1,
                    max_length=277,
                    extra={
                        "oneLine": True,
                        "pattern": "^system:bootstrappers:[a-z0-9:-]*[a-z0-9]$",
                    },
                ),
            ],
            ...,
        ],
        Meta(max_length=100, extra={"unique": ""}),
    ] = ()
    """Groups of its users. Default `system:bootstrappers:kubeadm:default-node-token`."""


class Initialize(ApiStruct, frozen=True, kw_only=True, tag_field="type", tag="Initialize"):
    """The first control plane machine: it creates the cluster."""

    bootstrap_tokens: Annotated[tuple[BootstrapToken, ...], Meta(max_length=100)] = ()
    """Tokens with which others join. Default: one that kubeadm generates."""

    certificate_key: CertificateKey | None = None
    """Uploads the control plane's certificates, encrypted with this key, for two hours, so that more
    control plane machines can fetch them. Default: no upload."""


class JoinControlPlane(
    ApiStruct, frozen=True, kw_only=True, tag_field="type", tag="JoinControlPlane"
):
    """Another control plane machine."""

    discovery: Discovery | None = None
    """How the cluster is found. Required in a MachineConfiguration."""

    tls_bootstrap_token: BootstrapTokenSecret | None = None
    """Token with which the kubelet requests its certificate. Default: the token of the discovery."""

    ca_cert_path: MachinePath | None = None
    """Where the cluster's CA is written. Default `/etc/kubernetes/pki/ca.crt`."""

    certificate_key: CertificateKey | None = None
    """Key of the uploaded certificates. Absent: they come from `controlPlane.certificates`."""


class JoinWorker(ApiStruct, frozen=True, kw_only=True, tag_field="type", tag="JoinWorker"):
    """A machine that runs workloads only."""

    discovery: Discovery | None = None
    """How the cluster is found. Required in a MachineConfiguration."""

    tls_bootstrap_token: BootstrapTokenSecret | None = None
    """Token with which the kubelet requests its certificate. Default: the token of the discovery."""

    ca_cert_path: MachinePath | None = None
    """Where the cluster's CA is written. Default `/etc/kubernetes/pki/ca.crt`."""


Role = Initialize | JoinControlPlane | JoinWorker
"""What the machine becomes; `type` selects the role."""


class Patch(ApiStruct, frozen=True, kw_only=True):
    """A change to something that kubeadm writes, applied last."""

    target: Literal[
        "etcd",
        "kube-apiserver",
        "kube-controller-manager",
        "kube-scheduler",
        "kubeletconfiguration",
        "corednsdeployment",
        "kubeproxydaemonset",
    ]
    """What is changed. `corednsdeployment`: Kubernetes 1.31 or later; `kubeproxydaemonset`: 1.37 or later."""

    type: Literal["strategic", "merge", "json"] = "strategic"
    """How: a strategic merge, a JSON merge patch (RFC 7386), a JSON patch (RFC 6902).
    Default `strategic`."""

    patch: Annotated[str, Meta(min_length=1, max_length=65536)]
    """The patch as YAML or JSON text."""


class Timeouts(ApiStruct, frozen=True, kw_only=True):
    """How long kubeadm waits. Kubernetes 1.31 or later except for the first two."""

    control_plane_component_health_check: Duration | None = None
    """For a component of the control plane to be healthy. Default `4m`. Kubernetes 1.29 and 1.30 support it
    only with role Initialize."""

    discovery: Duration | None = None
    """For the cluster to be found. Default `5m`. With join roles."""

    etcd_api_call: Duration | None = field(default=None, name="etcdAPICall")
    """For a call to etcd. Default `2m`."""

    kubelet_health_check: Duration | None = None
    """For the kubelet to be healthy. Default `4m`."""

    kubernetes_api_call: Duration | None = field(default=None, name="kubernetesAPICall")
    """For a call to the API server. Default `1m`."""

    tls_bootstrap: Duration | None = None
    """For the kubelet to get its certificate. Default `5m`. With join roles."""

    upgrade_manifests: Duration | None = None
    """For a static pod to be replaced during an upgrade. Default `5m`."""
