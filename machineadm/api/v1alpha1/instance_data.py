"""Where a machine finds what only it knows: its name, its id, its zone, its addresses."""

from typing import Annotated, Literal

from msgspec import Meta

from machineadm.api.meta import ApiStruct, Duration


class InstanceDataSource(ApiStruct, frozen=True, kw_only=True):
    """One source of instance data."""

    name: Literal[
        "CloudInit", "Afterburn", "EC2", "OpenStack", "ConfigDrive", "GCE", "Azure", "VMware"
    ]
    """`CloudInit`: /run/cloud-init/instance-data.json. `Afterburn`: the files of Afterburn and
    Flatcar below /run/metadata. `ConfigDrive`: a disk labelled config-2. `VMware`: guestinfo.
    Any other: the metadata service of that platform, even if the machine's firmware does not
    name it."""

    timeout: Duration | None = None
    """How long it may take to answer. Default: what is left of the time for all sources."""


class InstanceData(ApiStruct, frozen=True, kw_only=True):
    """Where values of `instanceData` come from; only sources that a value needs are asked."""

    sources: Annotated[
        tuple[InstanceDataSource, ...], Meta(max_length=8, extra={"unique": "name"})
    ] = ()
    """The only sources that are asked, in this order; `--instance-data` still comes first. Default: cloud-init,
    Afterburn, then the platform that the machine's firmware names."""

    timeout: Duration = "30s"
    """How long all sources together may take. Default `30s`."""
