"""The evidence of a report: what the controls of a configuration's compliance profiles find on the machine."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Final, Literal

from machineadm.api.v1alpha1.compliance import ComplianceProfile
from machineadm.api.v1alpha1.status import ComplianceReport, ControlReport
from machineadm.config.catalogues import EDITIONS, catalogue
from machineadm.config.hardening import controls_of, exceptions_of
from machineadm.execution.events import rfc3339
from machineadm.reporting.status import MESSAGE

if TYPE_CHECKING:
    from machineadm.actions.compliance import Judged, State
    from machineadm.host.ports import Host
    from machineadm.redaction import Redactor

_Told = Literal["Holds", "Fails", "Excepted", "People", "NotHere", "Unknown"]

_STATES: Final[dict[State, _Told]] = {
    "holds": "Holds",
    "fails": "Fails",
    "excepted": "Excepted",
    "manual": "People",
    "notHere": "NotHere",
    "unknown": "Unknown",
}
"""As the report has them."""


def evidence(
    profiles: Sequence[ComplianceProfile], host: Host, redactor: Redactor
) -> tuple[ComplianceReport, ...]:
    """Look at the machine for each profile. Changes nothing; a file that cannot be read is evidence, too.

    Args:
        profiles: Of the configuration.
        host: The machine.
        redactor: An argument may hold a secret, and reports leave the machine.
    """
    from machineadm.actions.compliance import audit

    found = []
    for profile in profiles:
        if profile.name not in EDITIONS:
            continue
        book = catalogue(profile.name)
        exceptions = exceptions_of(profile)
        # Of the level that was asked for alone, as the profile sets them; an exception is judged,
        # too, so that the report shows what it excuses.
        wanted = {one.id for one in controls_of(profile)} | set(exceptions)
        judged = audit(book, host, exceptions)
        found.append(
            ComplianceReport(
                profile=profile.name,
                level=profile.level,
                exceptions=profile.exceptions,
                edition=book.edition,
                judged_at=rfc3339(host.clock.now()),
                controls=tuple(
                    _control(one, redactor) for one in judged if one.control.id in wanted
                ),
            )
        )
    return tuple(found)


def again(
    reports: Sequence[ComplianceReport], host: Host, redactor: Redactor
) -> tuple[ComplianceReport, ...]:
    """Look once more for what an earlier report was about; for the first catalogue where nothing was ever asked for.

    Args:
        reports: Of the last run.
        host: The machine.
        redactor: As of `evidence`.
    """
    profiles = [
        ComplianceProfile(name=one.profile, level=one.level, exceptions=one.exceptions)  # type: ignore[arg-type]  # a run took this name from a profile
        for one in reports
        # A later release may know more of them.
        if one.profile in EDITIONS
    ]
    return evidence(profiles or [ComplianceProfile(name="cis")], host, redactor)


def _control(judged: Judged, redactor: Redactor) -> ControlReport:
    return ControlReport(
        id=judged.control.id,
        state=_STATES[judged.state],
        scored=judged.control.scored,
        set_by=judged.control.set_by,
        where=redactor.text(judged.where)[:MESSAGE],
        # What lies on a disk need not be text that JSON can hold.
        found=redactor.text(judged.found).encode(errors="replace").decode()[:MESSAGE],
    )
