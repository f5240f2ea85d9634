"""Rules for systemd units."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.api.v1alpha1.units import SystemdUnit
from machineadm.config.machine_paths import UNITS
from machineadm.config.rules.model import Context, Rules, finding


def writes(spec: MachineConfigurationSpec) -> Iterator[tuple[str, str]]:
    """See `concerns.writers`."""
    linux = spec.machine.linux_configuration
    for unit in linux.systemd_units if linux is not None else ():
        # masked: false removes a link that is there, so it is a write as well.
        if unit.contents is not None or unit.masked is not None:
            yield f"{UNITS}/{unit.name}", "linuxConfiguration.systemdUnits"
        for drop_in in unit.drop_ins:
            path = f"{UNITS}/{unit.name}.d/{drop_in.name}"
            yield path, "linuxConfiguration.systemdUnits"


def _masked_is_nothing_else(unit: SystemdUnit, _context: Context) -> Iterator[Finding]:
    """A masked unit is a link to /dev/null in place of its file, and nothing can start it."""
    if not unit.masked:
        return
    if unit.contents is not None:
        yield finding("MA1301", "contents", "not together with masked, which takes its place")
    # systemctl enable refuses a masked unit, in the middle of a run.
    if unit.enabled:
        yield finding("MA1323", "enabled", "a masked unit cannot be started at boot")
    if unit.state in ("Started", "Restarted"):
        yield finding("MA1323", "state", f"a masked unit cannot be {unit.state}")


def _sections_come_first(unit: SystemdUnit, _context: Context) -> Iterator[Finding]:
    """Systemd ignores everything before the first section, and says so only in the journal."""
    texts = [("contents", unit.contents or "")]
    texts += [(f"dropIns[{n}].contents", one.contents) for n, one in enumerate(unit.drop_ins)]
    for field, text in texts:
        first = next(
            # Both begin comments (systemd.syntax(7)).
            (line for line in map(str.strip, text.splitlines()) if line and line[0] not in "#;"),
            "",
        )
        if first and not (first.startswith("[") and first.endswith("]")):
            yield finding("MA1323", field, "does not begin with a section such as [Service]")


RULES: Final[Rules] = {SystemdUnit: (_masked_is_nothing_else, _sections_come_first)}
