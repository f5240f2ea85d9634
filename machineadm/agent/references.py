"""References resolved on the machine, before anything is touched: who knows the values, and where they go.

A Resolver knows one kind of source (`instanceData`, `provider`). Its values are put into the configuration and checked as if
they had been written there. A problem is reported at the place of the reference.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, ClassVar, Protocol

import msgspec
from msgspec.structs import replace

from machineadm.agent.intake import Accepted, ProblemsError
from machineadm.api.finding import Finding
from machineadm.config.model import Mode
from machineadm.config.references import Reference, filled, references
from machineadm.config.validation import check
from machineadm.documents.decoding import decode, decode_object, read_values
from machineadm.documents.encoding import encode_json
from machineadm.documents.model import problem_at
from machineadm.errors import MachineadmError


class Value(msgspec.Struct, frozen=True, kw_only=True):
    """The value of a reference."""

    value: str | bytes
    """Bytes where only the content of a file may be other than text."""

    origin: str
    """Who said so, for the plan: `cloud-init`, `provider vault`."""

    secret: bool = False
    """It is never shown."""

    known: bool = True
    """False in a plan, where a placeholder of the right form is used instead."""


Answers = Mapping[str, "Value | MachineadmError"]
"""By the path of the reference: its value, or why there is none."""


class Resolver(Protocol):
    """Knows the values of one kind of source."""

    field: ClassVar[str]
    """The attribute of ValueSource that it is about: `instance_data`, `provider`."""

    def resolve(self, wanted: Sequence[Reference]) -> Answers:
        """Find the values of references, changing nothing. A reference without an answer stays in the configuration.

        Args:
            wanted: All references of this kind that the configuration has, at least one.
        """


class Resolution(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration with its references replaced by their values."""

    accepted: Accepted
    """Judged with the values in place."""

    values: tuple[tuple[Reference, Value], ...] = ()
    """What was found, in the configuration's order."""

    @property
    def secrets(self) -> tuple[str, ...]:
        """The values that are never shown."""
        return tuple(
            one.value if isinstance(one.value, str) else one.value.decode(errors="replace")
            for _, one in self.values
            if one.secret
        )


def resolve(
    accepted: Accepted,
    resolvers: Sequence[Resolver],
    *,
    mode: Mode = "provisioning",
    kubernetes_version: str | None = None,
    deadline: float | None = None,
) -> Resolution:
    """The configuration with its references resolved; unchanged if it has none.

    Args:
        accepted: A configuration without a problem.
        resolvers: One for each kind of source.
        mode: As of `intake.examine`.
        kubernetes_version: As of `intake.examine`.
        deadline: As of `intake.examine`.

    Raises:
        MachineadmError: There is no value. If several are missing, all are in `log_tail`.
        ProblemsError: A value does not fit its field.
    """
    wanted = references(accepted.configuration.spec)
    # Also without the checks below, which were made when the configuration was accepted.
    if not wanted:
        return Resolution(accepted=accepted)
    answers: dict[str, Value | MachineadmError] = {}
    for resolver in resolvers:
        asked = [one for one in wanted if getattr(one.source, resolver.field) is not None]
        if asked:
            answers.update(resolver.resolve(asked))
    # After all resolvers were asked, so that everything that is missing is told at once.
    _refuse([one for one in answers.values() if isinstance(one, MachineadmError)])
    found = [(one, answer) for one in wanted if isinstance(answer := answers.get(one.path), Value)]
    values, findings = _readable(found)
    # A placeholder is hidden too: a plan must not show it as if it were a value.
    hidden = {reference.path for reference, value in found if value.secret or not value.known}
    configuration = accepted.configuration
    configuration = replace(configuration, spec=filled(configuration.spec, values, hidden=hidden))
    judged = check(
        configuration,
        mode=mode,
        kubernetes_version=kubernetes_version,
        deadline=deadline,
        read=read_values,
    )
    unknown = [reference for reference, value in found if not value.known]
    findings += [
        _at_the_reference(one, found)
        for one in (*_misfits(configuration), *judged)
        # In a plan the value is a placeholder, and a finding about a placeholder says nothing.
        if not any(_is_about(one, reference) for reference in unknown)
    ]
    problems = tuple(problem_at(accepted.document, one) for one in dict.fromkeys(findings))
    if any(problem.severity == "error" for problem in problems):
        raise ProblemsError(problems)
    return Resolution(
        accepted=replace(accepted, configuration=configuration, warnings=problems),
        # With their references, since a plan shows each at its place.
        values=tuple(found),
    )


def _refuse(errors: Sequence[MachineadmError]) -> None:
    if not errors:
        return
    first, *others = dict.fromkeys(errors)
    if others:
        first.log_tail = "".join(f"{one.code} {one.message}\n" for one in (first, *others))
    raise first


def _readable(
    found: Sequence[tuple[Reference, Value]],
) -> tuple[dict[str, Any], list[Finding]]:
    """The values in the form their fields take, and what is wrong with that form."""
    values: dict[str, Any] = {}
    findings: list[Finding] = []
    for reference, value in found:
        text = value.value
        # Files may be bytes; every other field is text in JSON.
        if isinstance(text, bytes) and reference.target != "content":
            try:
                text = text.decode()
            except UnicodeDecodeError:
                message = f"{value.origin} gives a value that is not valid UTF-8"
                hint = "only the content of a file may be bytes"
                findings.append(
                    Finding(code="MA1603", path=reference.path, message=message, hint=hint)
                )
                continue
        if reference.target != "object":
            values[reference.path] = text
            continue
        given, problems = decode_object(text.encode() if isinstance(text, str) else text, file="")
        if given is not None:
            values[reference.path] = given
        findings += [
            Finding(code="MA1410", path=reference.path, message=one.message, hint=one.hint)
            for one in problems
        ]
    return values, findings


def _misfits(configuration: Any) -> Iterator[Finding]:
    """What the decoder would have reported if the values had been written in the configuration.

    Encoded and decoded again: the only way to apply the decoder's own checks to values that never were in a document.
    """
    for document in decode(encode_json(configuration, reveal=True), file=""):
        for problem in document.problems:
            yield Finding(
                code=problem.code, path=problem.path, message=problem.message, hint=problem.hint
            )


def _is_about(finding: Finding, reference: Reference) -> bool:
    """Whether a finding is about the value of a reference."""
    below = (f"{reference.fills}.", f"{reference.fills}[")
    return finding.path == reference.fills or finding.path.startswith(below)


def _at_the_reference(finding: Finding, found: Sequence[tuple[Reference, Value]]) -> Finding:
    """A finding about a value, moved to the reference that it came from: the value itself has no place in the document."""
    for reference, value in found:
        if _is_about(finding, reference):
            message = f"the value from {value.origin}: {finding.message}"
            return replace(finding, path=reference.path, message=message)
    return finding
