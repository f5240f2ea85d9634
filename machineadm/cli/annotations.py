"""Findings for programs that show them beside a change: SARIF 2.1.0 (OASIS), and the workflow commands of GitHub's runners."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Final, Protocol

import msgspec

from machineadm.version import VERSION

# The address that the standard gives for its errata 01. It is a name: nothing is fetched from
# there.
_SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)


# Two types with these names exist that neither should know the other: documents must not import
# actions.
class Finding(Protocol):
    """What both forms say of a finding: the documents' Problem, or what was found on a machine."""

    @property
    def code(self) -> str:
        """Stable code."""

    @property
    def severity(self) -> str:
        """`error` or `warning`."""

    @property
    def path(self) -> str:
        """Field of the configuration; may be empty."""

    @property
    def message(self) -> str:
        """In one line."""

    @property
    def hint(self) -> str:
        """What to do; may be empty."""

    @property
    def file(self) -> str:
        """The file as the operator named it; empty where it is about none."""

    @property
    def line(self) -> int:
        """From 1; 0 where it is about no line."""

    @property
    def column(self) -> int:
        """From 1, in code points; 0 where it is about no line."""


def as_sarif(findings: Sequence[Finding]) -> str:
    """A log with one run, its rules those codes that were found.

    Args:
        findings: In the order to show them; may be empty.

    Returns:
        One line with its newline.
    """
    from machineadm.codes import load

    # The texts of all codes: only this form of output needs them, so they are not loaded at import.
    known = load()
    # In order and once each: SARIF refers to rules by their index (2.1.0, 3.27.6), and viewers show
    # them in this order.
    codes = list(dict.fromkeys(finding.code for finding in findings))
    rules = [
        {
            "id": code,
            "shortDescription": {"text": known[code].title},
            # Rules carry meaning and remedy once, so that a viewer shows them for a finding without
            # asking us.
            "fullDescription": {"text": known[code].meaning},
            "help": {"text": known[code].remedy},
        }
        for code in codes
    ]
    run = {
        "tool": {"driver": {"name": "machineadm", "version": VERSION, "rules": rules}},
        # Ours are code points; a reader that counts UTF-16 code units would mark the wrong column
        # behind an emoji.
        "columnKind": "unicodeCodePoints",
        "results": [_result(finding, codes.index(finding.code)) for finding in findings],
    }
    log = {"$schema": _SCHEMA, "version": "2.1.0", "runs": [run]}
    return msgspec.json.encode(log).decode() + "\n"


def _result(finding: Finding, rule: int) -> dict[str, Any]:
    hint = f" (hint: {finding.hint})" if finding.hint else ""
    result: dict[str, Any] = {
        "ruleId": finding.code,
        "ruleIndex": rule,
        # SARIF has the same two words (2.1.0, 3.27.10).
        "level": finding.severity,
        "message": {"text": f"{_told(finding)}{hint}"},
    }
    location: dict[str, Any] = {}
    if finding.file:
        place: dict[str, Any] = {"artifactLocation": {"uri": _uri(finding.file)}}
        # A region must have a line from 1 (3.30.5); what was found on a machine has none and keeps
        # its file alone.
        if finding.line > 0:
            # SARIF counts columns from 1; a finding without a column is about the whole line.
            place["region"] = {"startLine": finding.line, "startColumn": max(finding.column, 1)}
        location["physicalLocation"] = place
    if finding.path:
        location["logicalLocations"] = [{"fullyQualifiedName": finding.path}]
    # No empty location: a viewer would show a mark that leads nowhere.
    if location:
        result["locations"] = [location]
    return result


def _told(finding: Finding) -> str:
    return f"{finding.path}: {finding.message}" if finding.path else finding.message


def _uri(file: str) -> str:
    """A file as a URI: an absolute path with its scheme, another one relative to where the program ran."""
    from urllib.parse import quote

    # A URL is one already; it was shortened for showing when it was read.
    if "://" in file:
        return file
    # In a relative reference a colon in the first segment would read as a scheme (RFC 3986, 4.2).
    return (
        f"file://{quote(file)}" if file.startswith("/") else quote(file.replace(":", "%3A"), "/%")
    )


def as_github(findings: Sequence[Finding]) -> str:
    """A workflow command for each: GitHub shows them as annotations of a change.

    Args:
        findings: As of `as_sarif`.

    Returns:
        Lines, each with its newline.
    """
    return "".join(map(_command, findings))


def _command(finding: Finding) -> str:
    # The title is what stands in bold above the message on a change's page.
    places = {"title": finding.code}
    if finding.file:
        places["file"] = finding.file
    if finding.line > 0:
        places |= {"line": str(finding.line), "col": str(finding.column)}
    properties = ",".join(f"{name}={_property(value)}" for name, value in places.items())
    hint = f"\nhint: {finding.hint}" if finding.hint else ""
    return f"::{finding.severity} {properties}::{_data(f'{_told(finding)}{hint}')}\n"


# The three characters that GitHub's runner decodes in a command's data. The percent sign first, or
# it would escape the escapes.
def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


# In properties a colon and a comma separate as well; an unescaped one would end the file's name.
def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
