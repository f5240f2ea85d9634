"""The init system's units."""

from __future__ import annotations

from typing import Protocol


class Services(Protocol):
    """The init system's units."""

    def reload(self) -> None:
        """Have changed unit files read."""

    def enabled(self, unit: str) -> bool:
        """Whether it starts at boot."""

    def enable(self, unit: str) -> None:
        """Start it at boot from now on."""

    def disable(self, unit: str) -> None:
        """Undo `enable`."""

    def active(self, unit: str) -> bool:
        """Whether it runs now."""

    def restart(self, unit: str) -> None:
        """Restart, or start."""

    def reload_unit(self, unit: str) -> None:
        """Have a unit read its configuration anew; one that cannot is restarted."""

    def reboot(self) -> None:
        """Have the machine reboot; returns at once, the init system ends this process soon."""

    def stop(self, unit: str) -> None:
        """Stop; nothing happens when it does not run or does not exist."""
