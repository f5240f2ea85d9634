"""The operating system of a Linux machine, put together from its concerns."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, ClassVar

from msgspec import Meta

from machineadm.api.later import later
from machineadm.api.meta import ApiStruct, OneOf, ValueSource, at_most_one
from machineadm.api.v1alpha1.hostname import MachineName
from machineadm.api.v1alpha1.kernel_arguments import KernelArguments
from machineadm.api.v1alpha1.modules import KernelModules
from machineadm.api.v1alpha1.sysctl import Sysctls

if TYPE_CHECKING:
    from machineadm.api.v1alpha1.archives import Archive
    from machineadm.api.v1alpha1.compliance import ComplianceProfile
    from machineadm.api.v1alpha1.domain import DomainJoin
    from machineadm.api.v1alpha1.ntp import Ntp
    from machineadm.api.v1alpha1.packages import Package, PackageRepository
    from machineadm.api.v1alpha1.resolver import Resolver
    from machineadm.api.v1alpha1.selinux import Selinux
    from machineadm.api.v1alpha1.storage import Storage
    from machineadm.api.v1alpha1.swap import Swap
    from machineadm.api.v1alpha1.units import SystemdUnit
    from machineadm.api.v1alpha1.users import Group, User

later(globals(), "archives", "Archive")
later(globals(), "compliance", "ComplianceProfile")
later(globals(), "domain", "DomainJoin")
later(globals(), "ntp", "Ntp")
later(globals(), "packages", "Package", "PackageRepository")
later(globals(), "resolver", "Resolver")
later(globals(), "selinux", "Selinux")
later(globals(), "storage", "Storage")
later(globals(), "swap", "Swap")
later(globals(), "units", "SystemdUnit")
later(globals(), "users", "Group", "User")


class LinuxConfiguration(ApiStruct, frozen=True, kw_only=True):
    """The operating system of a Linux machine."""

    one_of: ClassVar[tuple[OneOf, ...]] = (at_most_one("hostname", "hostnameFrom"),)

    hostname: MachineName | None = None
    """Host name, now and at later boots. Absent: left as it is."""

    hostname_from: ValueSource | None = None
    """Where the host name comes from: `instanceData: $(v1.local_hostname|lower)`."""

    sysctls: Sysctls = {}
    """Kernel parameters, written to /etc/sysctl.d, applied and verified. Values are strings."""

    kernel_modules: KernelModules = ()
    """Kernel modules, loaded now and at later boots, in this order."""

    kernel_arguments: KernelArguments = ()
    """Kernel arguments that must be set. Missing ones are added by GRUB or grubby, and a reboot is asked for:
    `machine.reboot` says whether it is done."""

    users: Annotated[tuple[User, ...], Meta(max_length=100, extra={"unique": "name"})] = ()
    """Users."""

    groups: Annotated[tuple[Group, ...], Meta(max_length=100, extra={"unique": "name"})] = ()
    """Groups."""

    ntp: Ntp | None = None
    """The clock. Absent: left as it is."""

    resolver: Resolver | None = None
    """Name resolution. Absent: left as it is."""

    swap: Swap | None = None
    """Swap space. Absent: left as it is."""

    storage: Storage | None = None
    """Disks, file systems and mounts."""

    systemd_units: Annotated[
        tuple[SystemdUnit, ...], Meta(max_length=200, extra={"unique": "name"})
    ] = ()
    """systemd units, brought into their state in this order."""

    package_repositories: Annotated[
        tuple[PackageRepository, ...], Meta(max_length=20, extra={"unique": "name"})
    ] = ()
    """Where packages come from, beside what the image has. At most 20."""

    packages: Annotated[tuple[Package, ...], Meta(max_length=200, extra={"unique": "name"})] = ()
    """Packages that must be there, before any file is written. At most 200."""

    archives: Annotated[tuple[Archive, ...], Meta(max_length=20)] = ()
    """Archives whose members are files of the machine. At most 20."""

    selinux: Selinux | None = None
    """SELinux. Absent: left as it is."""

    domain_join: DomainJoin | None = None
    """A domain that the machine joins."""

    compliance_profiles: Annotated[
        tuple[ComplianceProfile, ...], Meta(max_length=10, extra={"unique": "name"})
    ] = ()
    """Hardening rules to apply."""
