"""What decoding gives: documents, their problems, and places in a file."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from msgspec import Struct

from machineadm.api.finding import Severity
from machineadm.documents.nodes import Node, find
from machineadm.documents.source import Source
from machineadm.terminal import printable

if TYPE_CHECKING:
    from collections.abc import Iterable

    from machineadm.api.finding import Finding


class Location(Struct, frozen=True):
    """A place in a file.

    Args:
        line: From 1.
        column: From 1, in code points.
    """

    line: int
    column: int


class Problem(Struct, frozen=True, kw_only=True):
    """One thing that is wrong with a document, and its place.

    Args:
        file: The file as the operator named it.
        document: The document in its stream, from 1.
        line: From 1.
        column: From 1, in code points.
        code: Stable code, `MA` and four digits.
        severity: `error`, or `warning` for what keeps nobody from going on.
        path: The field, as `spec.machine.files[3].path`; empty where no field is concerned.
        message: What is wrong, in one line, without any secret.
        hint: What to do about it; may be empty.
    """

    file: str
    document: int
    line: int
    column: int
    code: str
    severity: Severity = "error"
    path: str
    message: str
    hint: str = ""


class Document(Struct, frozen=True, kw_only=True):
    """One document of a stream.

    Args:
        file: The file as the operator named it.
        index: Its place in the stream, from 1.
        api_version: As written; empty where it is missing or not a string.
        kind: As written; empty where it is missing or not a string.
        value: The typed document. With problems, what failed is PRUNED in it; None where nothing could be read.
        problems: All that is wrong, in the order of the file.
        source: The text that it was read from.
        root: The document as it was written, with places.
    """

    file: str
    index: int
    api_version: str
    kind: str
    value: Any
    problems: tuple[Problem, ...]
    source: Source
    root: Node | None

    def locate(self, path: str) -> Location:
        """Where a field is, or the nearest thing around it.

        Args:
            path: As `spec.machine.files[3].path`.

        Returns:
            The place of the field's name, of the list's item or of the document.
        """
        # What could not be read has its problem at a place of its own; this is for rules, which see
        # typed documents.
        at = 0 if self.root is None else find(self.root, path)
        return Location(*self.source.position(at))


def problem_at(document: Document, finding: Finding) -> Problem:
    """Give a finding its place in the file.

    Args:
        document: The document that the finding is about.
        finding: What a rule said, with the field's path.

    Returns:
        The problem to show.
    """
    at = 0 if document.root is None else find(document.root, finding.path)
    line, column = document.source.position(at)
    file, index = document.source.origin(at) or (document.file, document.index)
    return Problem(
        file=file,
        document=index,
        line=line,
        column=column,
        code=finding.code,
        severity=finding.severity,
        path=finding.path,
        # Here and not in each rule: rules quote paths, names and URLs of the file, which may hold
        # escape sequences.
        message=printable(finding.message),
        hint=printable(finding.hint),
    )


def in_order(problems: Iterable[Problem], documents: Iterable[Document]) -> tuple[Problem, ...]:
    """Problems as one reads them: by file, in the order of the inputs, then by line and column."""
    # Not by name: the operator gave the files in the order in which they count.
    files = list(dict.fromkeys(document.file for document in documents))
    return tuple(sorted(problems, key=lambda one: (files.index(one.file), one.line, one.column)))
