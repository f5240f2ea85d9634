"""Units as they would be."""

from __future__ import annotations

from machineadm.host.effects import DisableUnit, EnableUnit
from machineadm.host.overlay.commands import refuse
from machineadm.host.ports import Services


class OverlayServices:
    """The Services port: queries only, changed only by what is laid over it."""

    def __init__(self, real: Services) -> None:
        self._real = real
        self._enabled: dict[str, bool] = {}

    def lay(self, effect: EnableUnit | DisableUnit) -> None:
        """Have later queries see an effect as done."""
        self._enabled[effect.unit] = isinstance(effect, EnableUnit)

    def reload(self) -> None:
        """See `Services.reload`.

        Raises:
            InternalError: Always.
        """
        refuse("reload units")

    def enabled(self, unit: str) -> bool:
        """See `Services.enabled`."""
        known = self._enabled.get(unit)
        return self._real.enabled(unit) if known is None else known

    def enable(self, unit: str) -> None:
        """See `Services.enable`.

        Raises:
            InternalError: Always.
        """
        refuse(f"enable {unit}")

    def disable(self, unit: str) -> None:
        """See `Services.disable`.

        Raises:
            InternalError: Always.
        """
        refuse(f"disable {unit}")

    def active(self, unit: str) -> bool:
        """See `Services.active`."""
        # A plan does not pretend that a unit runs: whether one that is started stays up, only the
        # start shows.
        return self._real.active(unit)

    def restart(self, unit: str) -> None:
        """See `Services.restart`.

        Raises:
            InternalError: Always.
        """
        refuse(f"restart {unit}")

    def reload_unit(self, unit: str) -> None:
        """See `Services.reload_unit`.

        Raises:
            InternalError: Always.
        """
        refuse(f"reload {unit}")

    def reboot(self) -> None:
        """See `Services.reboot`.

        Raises:
            InternalError: Always.
        """
        refuse("reboot")

    def stop(self, unit: str) -> None:
        """See `Services.stop`.

        Raises:
            InternalError: Always.
        """
        refuse(f"stop {unit}")
