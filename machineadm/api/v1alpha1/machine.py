"""MachineConfiguration: what a machine becomes, every reference inlined."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated, ClassVar, Literal

from msgspec import Meta

from machineadm.api.later import later
from machineadm.api.meta import (
    ApiStruct,
    Duration,
    ObjectMeta,
    ObjectName,
    OneOf,
    at_most_one,
)
from machineadm.api.v1alpha1.agent import AgentPin
from machineadm.api.v1alpha1.attestation import AttestationPlugin
from machineadm.api.v1alpha1.commands import Commands
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.containerd import ContainerRuntime
    from machineadm.api.v1alpha1.images import Image
    from machineadm.api.v1alpha1.instance_data import InstanceData
    from machineadm.api.v1alpha1.linux import LinuxConfiguration
    from machineadm.api.v1alpha1.plugins import PluginEntry
    from machineadm.api.v1alpha1.proxy import SystemProxyConfig
    from machineadm.api.v1alpha1.reporting import Reporting
    from machineadm.api.v1alpha1.trust import TrustedAuthority
    from machineadm.api.v1alpha1.windows import WindowsConfiguration

later(globals(), "containerd", "ContainerRuntime")
later(globals(), "images", "Image")
later(globals(), "instance_data", "InstanceData")
later(globals(), "linux", "LinuxConfiguration")
later(globals(), "plugins", "PluginEntry")
later(globals(), "proxy", "SystemProxyConfig")
later(globals(), "reporting", "Reporting")
later(globals(), "trust", "TrustedAuthority")
later(globals(), "windows", "WindowsConfiguration")


class MachineConfig(ApiStruct, frozen=True, kw_only=True):
    """The machine itself: everything but Kubernetes."""

    one_of: ClassVar[tuple[OneOf, ...]] = (
        at_most_one("linuxConfiguration", "windowsConfiguration"),
        at_most_one("bootstrapperTemplateConfigMapName", "bootstrapperTemplateSecretName"),
    )

    not_built: ClassVar[Mapping[str, str]] = {
        "windowsConfiguration": "prepare Windows machines with another tool; this release prepares Linux machines only",
    }

    bootstrapper_template_config_map_name: ObjectName | None = None
    """ConfigMap whose key `template` is the template of the user data. It is for the manager,
    and has no effect on a machine. Default: the template built in for the format."""

    bootstrapper_template_secret_name: ObjectName | None = None
    """Like `bootstrapperTemplateConfigMapName`, but a Secret; at most one of them."""

    files: Annotated[tuple[FileConfig, ...], Meta(max_length=200, extra={"unique": "path"})] = ()
    """Files to write, before any command except those of `commands.boot`. At most 200."""

    images: Annotated[tuple[Image, ...], Meta(max_length=200)] = ()
    """Images to load into the container runtime. At most 200."""

    kubernetes_images: bool = False
    """Load the images that kubeadm wants for the version, too. Default false: kubeadm pulls them itself."""

    linux_configuration: LinuxConfiguration | None = None
    """The operating system of a Linux machine; this or `windowsConfiguration`."""

    windows_configuration: WindowsConfiguration | None = None
    """The operating system of a Windows machine."""

    commands: Commands = Commands()
    """Commands to run, by the moment at which they run."""

    plugins: Annotated[tuple[PluginEntry, ...], Meta(max_length=100)] = ()
    """Plugins that the rest of the configuration names. They take precedence over those already on the machine. At most 100."""

    attestation_plugin: AttestationPlugin | None = None
    """Plugin that attests the machine's identity before kubeadm runs. Absent or empty: none."""

    container_runtime: ContainerRuntime | None = None
    """The container runtime. Absent: left as it is."""

    system_trust_certificate_authorities: Annotated[
        tuple[TrustedAuthority, ...], Meta(max_length=200)
    ] = ()
    """Certificate authorities for the host's trust store. At most 200."""

    instance_data: InstanceData | None = None
    """Where values of `instanceData` come from. Absent: from what the machine has, in the documented order."""

    reboot: Literal["Allowed", "Never"] = "Never"
    """Whether the agent may reboot the machine when a change needs it; it does so at most three times, and
    continues at the next boot. Default `Never`: the report has the condition `RebootRequired` instead."""

    sentinel: Literal["AfterCommands", "AfterKubeadm"] = "AfterCommands"
    """When `/run/cluster-api/bootstrap-success.complete` is written: after the commands of
    `postKubeadm`, or before them. Default `AfterCommands`: a machine whose last command fails has not
    succeeded."""

    system_proxies: Annotated[tuple[SystemProxyConfig, ...], Meta(max_length=3)] = ()
    """Proxies, by user."""


class MachineConfigurationSpec(ApiStruct, frozen=True, kw_only=True):
    """The machine and its part in a cluster."""

    machine: MachineConfig = MachineConfig()
    """The machine itself."""

    kubernetes: KubernetesConfig | None = None
    """Its part in a cluster. Optional only with `--mode preparation`."""

    agent: AgentPin | None = None
    """The agent that the configuration was made for. Absent: any."""

    reporting: Reporting | None = None
    """Where the agent reports in addition to its own files. Absent: nowhere."""

    deadline: Duration | None = None
    """How long a run may take; then it stops and can be resumed. Every timeout in the configuration must be within it.
    The option `--deadline` overrides it. Default `30m`."""


class MachineConfiguration(ApiStruct, frozen=True, kw_only=True):
    """What a machine becomes: a fully realized MachineBootstrap, with every reference inlined."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["MachineConfiguration"]
    """`MachineConfiguration`."""

    metadata: ObjectMeta | None = None
    """Name and labels; not needed on a machine."""

    spec: MachineConfigurationSpec
    """The machine and its part in a cluster."""
