"""Azure's instance metadata service: one document.

https://learn.microsoft.com/azure/virtual-machines/instance-metadata-service
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from machineadm.host.instance.files import json_object
from machineadm.host.instance.model import UnknownError, as_text, at, short_host
from machineadm.host.instance.platforms.service import Service
from machineadm.host.ports import Host

_PATH: Final = "/metadata/instance?api-version=2021-08-01"


class Azure:
    """The source. The document is `ds.meta_data.imds`, as cloud-init has it.

    Args:
        host: The machine.
    """

    name: ClassVar[str] = "Azure"
    kinds: ClassVar[tuple[str, ...]] = ("v1", "ds")

    def __init__(self, host: Host) -> None:
        self._service = Service(host)
        self._known: dict[str, Any] | None = None

    def value(self, name: str, timeout: float) -> str:
        """See `Source.value`.

        Raises:
            UnknownError: It does not know.
        """
        if name in ("v1.cloud_name", "v1.cloud_id", "v1.platform"):
            return "azure"
        if name == "v1.subplatform":
            return "imds"
        if self._known is None:
            text = self._service.text(_PATH, timeout, headers={"Metadata": "true"})
            self._known = json_object(text.encode(), _PATH)
        document = self._known
        match name:
            case "v1.instance_id" | "ds.meta_data.instance_id" | "ds.meta_data.instance-id":
                # As cloud-init: the firmware's uuid is in capitals on some generations, and an id
                # must not change its case with the source.
                return as_text(at(document, "compute.vmId")).lower()
            case "v1.local_hostname":
                return short_host(self._host_name(document))
            case "ds.meta_data.local_hostname" | "ds.meta_data.local-hostname":
                return self._host_name(document)
            case "v1.region":
                return as_text(at(document, "compute.location"))
            case "v1.availability_zone":
                # As cloud-init does: machines in a region without zones differ in this.
                return as_text(at(document, "compute.platformFaultDomain"))
            case _:
                pass
        if name.startswith("ds.meta_data.imds."):
            return as_text(at(document, name.removeprefix("ds.meta_data.imds.")))
        raise UnknownError("has no such name")

    @staticmethod
    def _host_name(document: dict[str, Any]) -> str:
        return as_text(at(document, "compute.osProfile.computerName"))
