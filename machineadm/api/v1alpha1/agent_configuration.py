"""What an image says to the agent on it: /etc/machineadm/agent.yaml, in no cluster and in no user data."""

from typing import Annotated, Literal

from msgspec import Meta

from machineadm.api.meta import AbsolutePath, ApiStruct, ObjectMeta


class ConfigurationSignature(ApiStruct, frozen=True, kw_only=True):
    """Who must have signed a configuration."""

    public_key: Annotated[str, Meta(min_length=1, max_length=4096)]
    """One ECDSA P-256 public key in PEM, or two of them while one replaces the other. Every input of a command line must have a
    detached signature by one of them, in a file of its name and `.sig`."""


class AgentConfigurationSpec(ApiStruct, frozen=True, kw_only=True):
    """What the image says."""

    base_directories: Annotated[
        tuple[AbsolutePath, ...], Meta(max_length=16, extra={"unique": ""})
    ] = ()
    """Directories with fragments of MachineConfigurations, which are merged below what `--path` names, in this order."""

    signature: ConfigurationSignature | None = None
    """The signature without which no configuration is carried out. Default: none is demanded."""


class AgentConfiguration(ApiStruct, frozen=True, kw_only=True):
    """Settings of the agent on a machine, part of its image: `/etc/machineadm/agent.yaml`, which root alone may write."""

    api_version: Literal["bootstrap.cluster.x-k8s.io/v1alpha1"]
    """`bootstrap.cluster.x-k8s.io/v1alpha1`."""

    kind: Literal["AgentConfiguration"]
    """`AgentConfiguration`."""

    metadata: ObjectMeta | None = None
    """Name and labels; not needed on a machine."""

    spec: AgentConfigurationSpec
    """What the image says."""
