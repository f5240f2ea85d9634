"""Print problems: as compilers do, or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from machineadm.documents.model import Problem


def as_text(problems: Sequence[Problem]) -> str:
    """Format problems for an operator: a headline, then a line for each and one for its hint.

    Args:
        problems: In the order to show; at least one.

    Returns:
        Lines, each with its newline.
    """
    files = list(dict.fromkeys(problem.file for problem in problems))
    warnings = sum(problem.severity == "warning" for problem in problems)
    counts = (_count(len(problems) - warnings, "problem"), _count(warnings, "warning"))
    # With several files each line names its own.
    where = files[0] if len(files) == 1 else f"{len(files)} files"
    return f"machineadm: {' and '.join(filter(None, counts))} in {where}\n{lines(problems)}"


def lines(problems: Sequence[Problem]) -> str:
    """Format problems without a headline, as compilers do, so that editors find the places."""
    return "".join(map(_lines, problems))


def _count(number: int, what: str) -> str:
    return f"{number} {what}{'' if number == 1 else 's'}" if number else ""


def _lines(problem: Problem) -> str:
    kind = "warning: " if problem.severity == "warning" else ""
    # file:line:column: as GNU's coding standards have it, so that editors and CI annotate the
    # place.
    place = f"{problem.file}:{problem.line}:{problem.column}: {kind}{problem.code}"
    field = f" {problem.path}:" if problem.path else ""
    hint = f"  hint: {problem.hint}\n" if problem.hint else ""
    return f"{place}{field} {problem.message}\n{hint}"


def as_json(problems: Sequence[Problem]) -> str:
    """Format problems for a program.

    Args:
        problems: In the order to show; may be none.

    Returns:
        `{"problems": [...]}` in one line with its newline.
    """
    return msgspec.json.encode({"problems": problems}).decode() + "\n"
