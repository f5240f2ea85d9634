"""OpenStack: one document, from the metadata service or from a disk.

https://docs.openstack.org/nova/latest/user/metadata.html
"""

from __future__ import annotations

from typing import Any, ClassVar, Final

from machineadm.errors import MachineadmError
from machineadm.host.instance.files import json_object
from machineadm.host.instance.model import UnknownError
from machineadm.host.instance.platforms.document import DocumentSource
from machineadm.host.instance.platforms.service import LINK_LOCAL, Service

_DOCUMENT: Final = "openstack/latest/meta_data.json"
_LABELS: Final = ("/dev/disk/by-label/config-2", "/dev/disk/by-label/CONFIG-2")
_MOUNTED: Final = ("/media/configdrive", "/config", "/mnt/config")
"""Where Flatcar and others have the disk already."""

# In a mount namespace of its own: nothing else sees the mount, and it ends with the process, even after a kill.
_LOOK: Final = 'mount -o ro "$1" /run 2>/dev/null && exec cat "/run/$2" 2>/dev/null'


class _Document(DocumentSource):
    platform: ClassVar[str] = "openstack"
    keys: ClassVar[dict[str, str]] = {
        "v1.instance_id": "uuid",
        "v1.local_hostname": "hostname",
        "v1.availability_zone": "availability_zone",
    }

    def meta_data(self, document: dict[str, Any]) -> dict[str, Any]:
        """cloud-init has these in addition to the document's own."""
        added = {"instance-id": document.get("uuid"), "local-hostname": document.get("hostname")}
        return {**added, **document}


class OpenStack(_Document):
    """The metadata service. A config drive comes first: nova attaches one for machines that cannot reach the service."""

    name: ClassVar[str] = "OpenStack"
    kinds: ClassVar[tuple[str, ...]] = ("v1", "ds")
    subplatform: ClassVar[str] = f"metadata ({LINK_LOCAL})"

    def read(self, timeout: float) -> dict[str, Any]:
        """The document.

        Raises:
            UnknownError: Neither has it.
        """
        try:
            return ConfigDrive(self._host).read(timeout)
        except UnknownError as error:
            no_disk = error.reason
        try:
            text = Service(self._host).text(f"/{_DOCUMENT}", timeout)
        except UnknownError as error:
            raise UnknownError(f"{error.reason}; {no_disk}") from error
        return json_object(text.encode(), f"{LINK_LOCAL}/{_DOCUMENT}")


class ConfigDrive(_Document):
    """The disk that is labelled config-2."""

    name: ClassVar[str] = "the config drive"
    kinds: ClassVar[tuple[str, ...]] = ("v1", "ds")
    subplatform: ClassVar[str] = "config-disk"

    def read(self, timeout: float) -> dict[str, Any]:
        """The document.

        Raises:
            UnknownError: There is no such disk, or it has none.
        """
        host = self._host
        # First: where it is mounted already nothing has to be started.
        for directory in _MOUNTED:
            try:
                content = host.files.read(f"{directory}/{_DOCUMENT}", limit=1 << 20)
            except MachineadmError as error:
                raise UnknownError(error.message) from error
            if content is not None:
                return json_object(content, f"{directory}/{_DOCUMENT}")
        device = next((one for one in _LABELS if host.files.stat(one) is not None), None)
        # udev makes these links; config-2 is the label that nova gives the disk, upper case on
        # vfat.
        if device is None or host.queries is None:
            raise UnknownError("no disk is labelled config-2")
        # Said, because unshare chooses it by itself only from util-linux 2.27 on: systemd makes
        # mounts shared, and the machine would see this one.
        argv = ["unshare", "--mount", "--propagation", "private", "sh", "-c", _LOOK, "sh"]
        try:
            found = host.queries.ask([*argv, device, _DOCUMENT], timeout=timeout)
        except MachineadmError as error:
            raise UnknownError(error.message) from error
        if found.exit_code != 0 or found.timed_out:
            raise UnknownError(f"{device} cannot be read, or has no {_DOCUMENT}")
        return json_object(found.output.encode(), f"{device}: {_DOCUMENT}")
