"""Where a machine finds what only it knows: its name, its id, its zone, its addresses."""

from typing import Annotated, Literal

from msgspec import Meta

from machineadm.api.meta import ApiStruct, Duration


class InstanceDataSource(ApiStruct, frozen=True, kw_only=True):
    """One source of instance data."""

    name: Literal[
        "CloudInit", "Afterburn", "EC2", "OpenStack", "ConfigDrive", "GCE", "Azure", "VMware"
    ]
    """`CloudInit`: /run/cloud-init/instance-data.json. `Afterburn`: the files of Afterburn and Flatcar below /run/metadata.
    `ConfigDrive`: a disk labelled config-2. `VMware`: guestinfo. All others: the metadata service of that platform, which is
    asked whether or not the machine's firmware names the platform."""

    timeout: Duration | None = None
    """How long it may take to answer. Default: what is left of the whole."""


class InstanceData(ApiStruct, frozen=True, kw_only=True):
    """Where values of `instanceData` come from; nothing is asked that no value refers to."""

    sources: Annotated[
        tuple[InstanceDataSource, ...], Meta(max_length=8, extra={"unique": "name"})
    ] = ()
    """The sources that are asked, in this order; no others, but for `--instance-data`, which comes first. Default: cloud-init,
    Afterburn, then the platform that the machine's firmware names."""

    timeout: Duration = "30s"
    """How long all sources together may take. Default `30s`."""
