"""Whose metadata service may be asked: the platform, recognized by what the machine's firmware says.

A service on a link-local address is trusted because the platform runs it. On a machine of another platform whoever takes that
address could give the machine a name and a provider id, and neither can be changed later. So the platform is recognized first,
as cloud-init's ds-identify does (https://github.com/canonical/cloud-init/blob/main/tools/ds-identify), and only its own service
is asked.
"""

from __future__ import annotations

from importlib import import_module
from typing import ClassVar, Final

import msgspec

from machineadm.errors import MachineadmError
from machineadm.host.instance.model import Source, UnknownError
from machineadm.host.ports import Host

PLATFORMS: Final[dict[str, tuple[str, str]]] = {
    "EC2": ("ec2", "Ec2"),
    "OpenStack": ("openstack", "OpenStack"),
    "ConfigDrive": ("openstack", "ConfigDrive"),
    "GCE": ("gce", "Gce"),
    "Azure": ("azure", "Azure"),
    "VMware": ("vmware", "Vmware"),
}
"""Sources by the name that a configuration gives them: module and class."""

_DMI: Final = "/sys/class/dmi/id"
_AZURE_TAG: Final = "7783-7084-3265-9085-8269-3286-77"
_OPENSTACK_PRODUCTS: Final = ("OpenStack Nova", "OpenStack Compute")
_OPENSTACK_TAGS: Final = (
    "HUAWEICLOUD",
    "OpenTelekomCloud",
    "SAP CCloud VM",
    "OpenStack Nova",
    "OpenStack Compute",
)


class Firmware(msgspec.Struct, frozen=True, kw_only=True):
    """What the firmware says of the machine (DMI); empty where it says nothing."""

    vendor: str = ""
    product: str = ""
    tag: str = ""
    """Asset tag of the chassis."""
    uuid: str = ""
    serial: str = ""

    @property
    def platform(self) -> str:
        """The name in PLATFORMS; empty where it is none of them."""
        # Before the vendor, which is Microsoft's on every Hyper-V machine; the tag is Azure's
        # alone.
        if self.tag == _AZURE_TAG:
            return "Azure"
        if self.product == "Google Compute Engine" or self.serial.startswith("GoogleCloud-"):
            return "GCE"
        if self.vendor == "Amazon EC2" or self._is_ec2:
            return "EC2"
        if self.product in _OPENSTACK_PRODUCTS or self.tag in _OPENSTACK_TAGS:
            return "OpenStack"
        if self.vendor == "VMware, Inc." or self.product.startswith("VMware"):
            return "VMware"
        return ""

    @property
    def _is_ec2(self) -> bool:
        """Xen instances have a vendor of their own; uuid and serial are one, and begin with the platform's name."""
        uuid, serial = self.uuid.lower(), self.serial.lower()
        return uuid.startswith("ec2") and uuid == serial


def firmware(host: Host) -> Firmware:
    """What the firmware says; only root may read uuid and serial."""
    return Firmware(
        vendor=_line(host, "sys_vendor"),
        product=_line(host, "product_name"),
        tag=_line(host, "chassis_asset_tag"),
        uuid=_line(host, "product_uuid"),
        serial=_line(host, "product_serial"),
    )


def source(name: str, host: Host) -> Source:
    """The source that a configuration names.

    Args:
        name: In PLATFORMS.
        host: The machine.
    """
    module, class_ = PLATFORMS[name]
    # Loaded by name: a machine asks one platform, and never pays for the modules of the others.
    made: Source = getattr(import_module(f"{__name__}.{module}"), class_)(host)
    return made


class Recognised:
    """The platform that the firmware names. If it names none, no service is asked.

    Args:
        host: The machine.
    """

    name: ClassVar[str] = "the platform"
    kinds: ClassVar[tuple[str, ...]] = ("v1", "ds")

    def __init__(self, host: Host) -> None:
        self._host = host
        self._source: Source | None = None

    def value(self, name: str, timeout: float) -> str:
        """See `Source.value`.

        Raises:
            UnknownError: It is not one of ours, or does not know.
        """
        if self._source is None:
            found = firmware(self._host)
            if not found.platform:
                raise UnknownError(_unrecognised(found))
            self._source = source(found.platform, self._host)
        try:
            return self._source.value(name, timeout)
        except UnknownError as error:
            raise UnknownError(f"{self._source.name} {error.reason}") from error

    @property
    def recognised(self) -> str:
        """Name in PLATFORMS; empty where it is none of them."""
        return firmware(self._host).platform


def _unrecognised(found: Firmware) -> str:
    said = f"vendor {found.vendor!r}, product {found.product!r}, asset tag {found.tag!r}"
    return (
        f"was not recognised ({said}), so no metadata service was asked: "
        "machine.instanceData.sources can name one"
    )


def _line(host: Host, name: str) -> str:
    try:
        # Bounded: below --root the file may be anything, while the kernel's own never has more
        # than a page.
        content = host.files.read(f"{_DMI}/{name}", limit=4096) or b""
    except MachineadmError:
        return ""  # readable for root alone
    return content.decode(errors="replace").strip()
