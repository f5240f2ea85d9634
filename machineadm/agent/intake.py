"""From the bytes of all inputs to one configuration without problems, or to all of its problems."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from machineadm.api.finding import Finding
from machineadm.api.scheme import KINDS
from machineadm.api.v1alpha1.encrypted_data import EncryptedData
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.api.v1alpha1.reference import ConfigurationReference
from machineadm.config.model import Mode
from machineadm.config.validation import check
from machineadm.documents import printing
from machineadm.documents.decoding import decode, read_values
from machineadm.documents.limits import Budget
from machineadm.documents.model import Document, Problem, in_order, problem_at
from machineadm.documents.opening import Opener, expand
from machineadm.errors import ConfigError
from machineadm.sources.stream import Stream


class Intake(msgspec.Struct, frozen=True, kw_only=True):
    """What was found in a stream of documents."""

    configuration: MachineConfiguration | None
    """The one in it; with problems perhaps incomplete, and never to be acted on."""

    problems: tuple[Problem, ...]
    """In the order of the inputs, warnings among them."""

    document: Document | None = None
    """The document that it is in."""

    @property
    def errors(self) -> tuple[Problem, ...]:
        """The problems for which the configuration is refused."""
        return tuple(problem for problem in self.problems if problem.severity == "error")

    @property
    def warnings(self) -> tuple[Problem, ...]:
        """Problems that are reported and stop nothing."""
        return tuple(problem for problem in self.problems if problem.severity == "warning")


class Accepted(msgspec.Struct, frozen=True, kw_only=True):
    """A configuration that can be carried out."""

    configuration: MachineConfiguration
    """Without a problem that it would be refused for."""

    document: Document
    """The document that it is in, which knows its places."""

    warnings: tuple[Problem, ...]
    """What the report is to say of it."""


class ProblemsError(ConfigError):
    """The configuration has problems; nothing was touched.

    Args:
        problems: All of them, including warnings; at least one is an error.
    """

    def __init__(self, problems: Sequence[Problem]) -> None:
        self.text = printing.as_text(problems)
        self.problems = tuple(problems)
        # The message names only the first problem, and an operator who cannot log in has nothing but the report.
        self.log_tail = self.text if len(self.problems) > 1 else ""
        first = next(problem for problem in problems if problem.severity == "error")
        headline = self.text.partition("\n")[0].removeprefix("machineadm: ")
        line = printing.lines([first]).partition("\n")[0]
        super().__init__(first.code, f"{headline}: {line}", hint=first.hint)


_NO_OPENER = Opener()
_CLOSED = (EncryptedData, ConfigurationReference)
"""Kinds that open to further documents."""


def examine(
    streams: Sequence[Stream],
    *,
    opener: Opener = _NO_OPENER,
    mode: Mode = "provisioning",
    kubernetes_version: str | None = None,
    deadline: float | None = None,
    allow_unknown_version: bool = False,
    profile: str = "",
) -> Intake:
    """Find every problem of a stream of documents.

    Args:
        streams: All inputs; their documents are one stream, in order.
        opener: Opens its EncryptedData.
        mode: `preparation` needs no Kubernetes.
        kubernetes_version: Judge for this version instead of the configuration's own.
        deadline: Judge by this many seconds instead of the configuration's own deadline.
        allow_unknown_version: Take a Kubernetes that is newer than this release knows.
        profile: A compliance profile that is added to it; empty: none.
    """
    # One for all streams: forty small inputs together must not cost more than a single one can.
    budget = Budget()
    given = [
        one for stream in streams for one in decode(stream.data, file=stream.name, budget=budget)
    ]
    ordered, unopened = expand(given, opener, budget)
    # Fragments become one document before anything is judged: rules see only the whole.
    documents = ordered
    if any(stream.fragment for stream in streams):
        documents = _merged(ordered, tuple(one.name for one in streams if one.fragment))
    # Of decoding first; in_order() sorts them by their places at the end.
    problems = [problem for document in documents for problem in document.problems]
    problems += unopened
    # Without somebody who fetches them, references stay closed, and the configuration may be in
    # one.
    closed = opener.references is None and any(
        isinstance(document.value, ConfigurationReference) for document in documents
    )
    problems += _about_the_stream(documents, complete=not unopened and not closed)
    configurations = _configurations(documents)
    # With two, nobody knows which one a finding would be about.
    if len(configurations) != 1:
        return Intake(configuration=None, problems=in_order(problems, ordered))
    (document,) = configurations
    # Also where decoding found problems: what is PRUNED is not judged, and the rest is told at
    # once.
    value = document.value
    # What could not be decoded in full has no place for it, and is refused anyway.
    if profile and not document.problems:
        from machineadm.config.hardening import with_profile

        value = with_profile(value, profile)
    findings = check(
        value,
        mode=mode,
        kubernetes_version=kubernetes_version,
        deadline=deadline,
        read=read_values,
        allow_unknown_version=allow_unknown_version,
    )
    problems += [problem_at(document, finding) for finding in findings]
    return Intake(configuration=value, document=document, problems=in_order(problems, ordered))


def accept(
    streams: Sequence[Stream],
    *,
    mode: Mode,
    opener: Opener = _NO_OPENER,
    deadline: float | None = None,
    allow_unknown_version: bool = False,
    profile: str = "",
) -> Accepted:
    """The configuration of a stream, and its warnings.

    Args:
        streams: As of `examine`.
        mode: As of `examine`.
        opener: As of `examine`.
        deadline: As of `examine`.
        allow_unknown_version: As of `examine`.
        profile: As of `examine`.

    Raises:
        ProblemsError: There is something wrong with it.
    """
    intake = examine(
        streams,
        mode=mode,
        opener=opener,
        deadline=deadline,
        allow_unknown_version=allow_unknown_version,
        profile=profile,
    )
    # The document too, for places of what is found later, when references are resolved.
    if intake.errors or intake.configuration is None or intake.document is None:
        raise ProblemsError(intake.problems)
    return Accepted(
        configuration=intake.configuration, document=intake.document, warnings=intake.warnings
    )


def _merged(documents: list[Document], fragments: tuple[str, ...]) -> list[Document]:
    """The documents with one MachineConfiguration in the place of all that are merged into it.

    Args:
        documents: Of all inputs, in order.
        fragments: The inputs that may have any number of them. Of all others together only one is merged: two would be a mistake.
    """
    from machineadm.documents.merging import INCOMPLETE, merge

    layers: list[Document] = []
    has_own = False
    for document in documents:
        if _is_layer(document):
            # What is opened is a fragment as what it stands in is.
            own = not any(
                document.file == name or document.file.startswith(f"{name}#") for name in fragments
            )
            # Left as they are: the second one is reported as such.
            if own and has_own:
                return documents
            has_own |= own
            layers.append(document)
    # One alone is the whole.
    if len(layers) < 2:
        return documents
    merged = merge(layers)
    told = {(one.file, one.line, one.column, one.code) for one in merged.problems}
    # A value that a later layer replaces is judged where it is written, too: nobody notices it otherwise until the later one is gone.
    more = tuple(
        problem
        for layer in layers
        for problem in layer.problems
        if problem.code not in INCOMPLETE
        and (problem.file, problem.line, problem.column, problem.code) not in told
    )
    merged = msgspec.structs.replace(merged, problems=(*more, *merged.problems))
    return [*(one for one in documents if not _is_layer(one)), merged]


def _is_layer(document: Document) -> bool:
    return KINDS.get((document.api_version, document.kind)) is MachineConfiguration


def _configurations(documents: Sequence[Document]) -> list[Document]:
    return [document for document in documents if isinstance(document.value, MachineConfiguration)]


def _about_the_stream(documents: Sequence[Document], *, complete: bool) -> Iterator[Problem]:
    """What is wrong with the documents as a whole, even if each of them is valid."""
    seen: Document | None = None
    for document in documents:
        if isinstance(document.value, MachineConfiguration):
            if seen is not None:
                yield problem_at(document, _second(seen))
            seen = seen or document
        # What has no value was reported when it was decoded.
        elif not isinstance(document.value, _CLOSED) and document.value is not None:
            yield problem_at(document, _foreign(document.kind))
    # A document that cannot be read or opened may be the missing one, so then none is reported missing.
    if seen is None and complete and all(map(_is_read, documents)):
        yield problem_at(documents[0], _MISSING)


def _is_read(document: Document) -> bool:
    """Whether nothing can be hidden in it. An EncryptedData with problems was not opened."""
    unopened = isinstance(document.value, _CLOSED) and document.problems
    return document.value is not None and not unopened


def _second(first: Document) -> Finding:
    return Finding(
        code="MA1221",
        path="kind",
        message="a second MachineConfiguration; a stream has only one",
        hint=f"the first one is document {first.index} of {first.file}",
    )


def _foreign(kind: str) -> Finding:
    return Finding(
        code="MA1222",
        path="kind",
        message=f"a {kind} is not part of a configuration",
        hint="a stream has one MachineConfiguration, and EncryptedData and ConfigurationReferences that open to further documents",
    )


_MISSING = Finding(
    code="MA1220",
    path="",
    message="no document of kind MachineConfiguration",
    hint="a stream has exactly one",
)
