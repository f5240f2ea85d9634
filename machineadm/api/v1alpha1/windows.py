"""Settings of Windows machines."""

from typing import Annotated, Literal

from msgspec import Meta

from machineadm.api.meta import (
    ONE_LINE,
    ApiStruct,
    Line,
    ShortSecret,
    Text,
    ValueSource,
)
from machineadm.api.v1alpha1.domain import DomainJoin

ComputerName = Annotated[
    str,
    Meta(
        min_length=1,
        max_length=15,
        extra={"oneLine": True, "pattern": "^[A-Za-z0-9-]*[A-Za-z-][A-Za-z0-9-]*$"},
    ),
]
"""A NetBIOS computer name: at most 15 letters, digits and hyphens, not digits alone."""


class RegistryValue(ApiStruct, frozen=True, kw_only=True):
    """One value of the registry."""

    path: Annotated[
        str,
        Meta(
            min_length=5,
            max_length=1024,
            extra={
                "oneLine": True,
                "pattern": r"^(HKLM|HKU|HKCR|HKCC|HKEY_LOCAL_MACHINE|HKEY_USERS|HKEY_CLASSES_ROOT|HKEY_CURRENT_CONFIG)\\.+$",
            },
        ),
    ]
    r"""The key, with its hive: `HKLM\SOFTWARE\Example`."""

    name: Annotated[str, Meta(max_length=512, extra=ONE_LINE)] = ""
    """Name of the value. Default: the key's unnamed one."""

    type: Literal["String", "ExpandString", "MultiString", "DWord", "QWord", "Binary"]
    """Type of the value."""

    value: Annotated[str, Meta(max_length=16384)]
    """The value: text; for `MultiString` one line each; for `DWord` and `QWord` a decimal or 0x number;
    for `Binary` hexadecimal digits."""


class WindowsService(ApiStruct, frozen=True, kw_only=True):
    """An existing service."""

    name: Line
    """Its short name."""

    startup: Literal["Automatic", "AutomaticDelayed", "Manual", "Disabled"] | None = None
    """Its start type. Absent: left as it is."""

    state: Literal["Running", "Stopped"] | None = None
    """Action now. Absent: none."""


class WindowsUser(ApiStruct, frozen=True, kw_only=True):
    """A local user."""

    name: Annotated[
        str,
        Meta(
            min_length=1,
            max_length=20,
            extra={"oneLine": True, "pattern": r"^[^\"/\\\[\]:;|=,+*?<>@\x00-\x1f\x7f-\x9f]+$"},
        ),
    ]
    """Login name, at most 20 characters."""

    full_name: Line | None = None
    """Full name."""

    groups: Annotated[tuple[Line, ...], Meta(max_length=64, extra={"unique": ""})] = ()
    """Local groups."""

    password: ShortSecret | None = None
    """Password; this or `passwordFrom`."""

    password_from: ValueSource | None = None
    """Where the password comes from."""

    password_never_expires: bool = False
    """The password does not expire. Default false."""

    inactive: bool = False
    """The account is created, but disabled. Default false."""


class PowerShellModule(ApiStruct, frozen=True, kw_only=True):
    """A PowerShell module."""

    name: Line
    """Its name."""

    version: Annotated[str, Meta(min_length=1, max_length=64, extra=ONE_LINE)] | None = None
    """Its version. Default: the newest."""

    repository: Line | None = None
    """The registered repository that it comes from. Default `PSGallery`."""


class UnattendComponent(ApiStruct, frozen=True, kw_only=True):
    """Settings of one component in one pass of Windows Setup."""

    setup_pass: Literal[
        "windowsPE",
        "offlineServicing",
        "generalize",
        "specialize",
        "auditSystem",
        "auditUser",
        "oobeSystem",
    ]
    """The configuration pass of Windows Setup."""

    name: Line
    """Name of the component: `Microsoft-Windows-Shell-Setup`."""

    settings: Annotated[dict[Line, Text], Meta(max_length=200)] = {}
    """Settings by their path below the component, steps separated by `/`."""


class Unattend(ApiStruct, frozen=True, kw_only=True):
    """Parts of an answer file, rendered by the manager."""

    product_key: ShortSecret | None = None
    """Product key."""

    organization: Line | None = None
    """Registered organization."""

    owner: Line | None = None
    """Registered owner."""

    locale: (
        Annotated[
            str,
            Meta(
                min_length=2,
                max_length=35,
                extra={"oneLine": True, "pattern": "^[A-Za-z]{2,3}(-[A-Za-z0-9]+)*$"},
            ),
        ]
        | None
    ) = None
    """Locale of the system and of its users: `en-GB`."""

    components: Annotated[tuple[UnattendComponent, ...], Meta(max_length=100)] = ()
    """Additional components."""


class RebootPolicy(ApiStruct, frozen=True, kw_only=True):
    """What happens when a change needs a reboot."""

    mode: Literal["WhenNeeded", "Never"] = "WhenNeeded"
    """`WhenNeeded`: reboot, and resume by a scheduled task. `Never`: fail and say why.
    Default `WhenNeeded`."""

    limit: Annotated[int, Meta(ge=0, le=20)] = 5
    """How many reboots one bootstrap may need, 0 to 20. Default 5."""


class WindowsConfiguration(ApiStruct, frozen=True, kw_only=True):
    """The operating system of a Windows machine."""

    computer_name: ComputerName | None = None
    """Computer name; needs a reboot. Absent: left as it is."""

    domain_join: DomainJoin | None = None
    """A domain that the machine joins; needs a reboot."""

    features: Annotated[tuple[Line, ...], Meta(max_length=200, extra={"unique": ""})] = ()
    """Windows features to install: `Containers`, `RSAT-AD-PowerShell`."""

    registry: Annotated[tuple[RegistryValue, ...], Meta(max_length=500)] = ()
    """Values of the registry."""

    services: Annotated[
        tuple[WindowsService, ...], Meta(max_length=200, extra={"unique": "name"})
    ] = ()
    """Services."""

    users: Annotated[tuple[WindowsUser, ...], Meta(max_length=100, extra={"unique": "name"})] = ()
    """Local users."""

    power_shell_modules: Annotated[
        tuple[PowerShellModule, ...], Meta(max_length=100, extra={"unique": "name"})
    ] = ()
    """PowerShell modules."""

    time_zone: Line | None = None
    """Time zone by its Windows name: `W. Europe Standard Time`."""

    unattend: Unattend | None = None
    """Parts of the answer file."""

    reboot: RebootPolicy = RebootPolicy()
    """What happens when a change needs a reboot."""
