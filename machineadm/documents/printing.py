"""Problems in print: as compilers show them, or as JSON."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec

if TYPE_CHECKING:
    from collections.abc import Sequence

    from machineadm.documents.model import Problem


def as_text(problems: Sequence[Problem]) -> str:
    """Problems for an operator: a headline, then a line for each and one for its hint.

    Args:
        problems: In the order in which they are to be shown; at least one.

    Returns:
        Lines, each with its newline.
    """
    files = list(dict.fromkeys(problem.file for problem in problems))
    count = "1 problem" if len(problems) == 1 else f"{len(problems)} problems"
    where = files[0] if len(files) == 1 else f"{len(files)} files"
    return f"machineadm: {count} in {where}\n" + "".join(map(_lines, problems))


def _lines(problem: Problem) -> str:
    place = f"{problem.file}:{problem.line}:{problem.column}: {problem.code}"
    field = f" {problem.path}:" if problem.path else ""
    hint = f"  hint: {problem.hint}\n" if problem.hint else ""
    return f"{place}{field} {problem.message}\n{hint}"


def as_json(problems: Sequence[Problem]) -> str:
    """Problems for a program.

    Args:
        problems: In the order in which they are to be shown; may be none.

    Returns:
        `{"problems": [...]}` in one line with its newline.
    """
    return msgspec.json.encode({"problems": problems}).decode() + "\n"
