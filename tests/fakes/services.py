"""Units in memory."""

from __future__ import annotations


class FakeServices:
    def __init__(self) -> None:
        self.enabled_units: set[str] = set()
        self.active_units: set[str] = set()
        self.actions: list[tuple[str, ...]] = []

    def reload(self) -> None:
        self.actions.append(("reload",))

    def enabled(self, unit: str) -> bool:
        return unit in self.enabled_units

    def enable(self, unit: str) -> None:
        self.actions.append(("enable", unit))
        self.enabled_units.add(unit)

    def disable(self, unit: str) -> None:
        self.actions.append(("disable", unit))
        self.enabled_units.discard(unit)

    def active(self, unit: str) -> bool:
        return unit in self.active_units

    def restart(self, unit: str) -> None:
        self.actions.append(("restart", unit))
        self.active_units.add(unit)

    def reload_unit(self, unit: str) -> None:
        self.actions.append(("reload-or-restart", unit))
        self.active_units.add(unit)

    def reboot(self) -> None:
        self.actions.append(("reboot",))

    def stop(self, unit: str) -> None:
        self.actions.append(("stop", unit))
        self.active_units.discard(unit)
