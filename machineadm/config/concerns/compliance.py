"""Compliance profiles: what the configuration sets itself must agree with them, or be an exception with its reason."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from machineadm.api.finding import Finding
from machineadm.api.v1alpha1.compliance import ComplianceProfile
from machineadm.api.v1alpha1.machine import MachineConfigurationSpec
from machineadm.config.catalogues import catalogue
from machineadm.config.hardening import harden
from machineadm.config.rules.model import Context, Rules, finding

_STIG_CATEGORIES: Final = 3
_CIS_LEVELS: Final = 2


def _nothing_is_contradicted(
    spec: MachineConfigurationSpec, _context: Context
) -> Iterator[Finding]:
    yield from harden(spec).conflicts


def _exceptions_have_reasons(profile: ComplianceProfile, _context: Context) -> Iterator[Finding]:
    # Refused and not passed over: behind a mistyped id, a control would be set that somebody has
    # decided against.
    known = [one.id for one in catalogue(profile.name).controls]
    seen: set[str] = set()
    for index, text in enumerate(profile.exceptions):
        id_, _, reason = text.partition("=")
        id_ = id_.strip()
        path = f"exceptions[{index}]"
        if id_ not in known:
            yield finding(
                "MA1451",
                path,
                f"{id_} is not a control of {profile.name}",
                f"`machineadm check compliance --profile {profile.name}` lists them",
            )
        elif not reason.strip():
            yield finding("MA1451", path, f"{id_} has no reason", f"write {id_}=REASON")
        elif id_ in seen:
            yield finding("MA1306", path, f"{id_} is already an exception")
        seen.add(id_)


def _level_exists(profile: ComplianceProfile, _context: Context) -> Iterator[Finding]:
    most = _STIG_CATEGORIES if profile.name == "stig" else _CIS_LEVELS
    if profile.level > most:
        yield finding("MA1323", "level", f"{profile.name} has no level {profile.level}")


RULES: Final[Rules] = {
    MachineConfigurationSpec: (_nothing_is_contradicted,),
    ComplianceProfile: (_exceptions_have_reasons, _level_exists),
}
