"""SELinux."""

from typing import Literal

from machineadm.api.meta import ApiStruct


class Selinux(ApiStruct, frozen=True, kw_only=True):
    """SELinux."""

    mode: Literal["Enforcing", "Permissive", "Disabled"]
    """Mode, now and at later boots; `Disabled` asks for a reboot."""
