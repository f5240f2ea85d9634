"""Draws docs/performance.md and its pictures from a file of results: `python -m tests.bench.page FILE`."""

from __future__ import annotations

import sys
from collections.abc import Iterable
from itertools import groupby
from pathlib import Path
from typing import Final
from xml.sax.saxutils import escape

from tests.bench.results import ROOT, Result, Results, read

PAGE: Final = ROOT / "docs/performance.md"
PICTURE: Final = ROOT / "docs/performance.svg"
HEAD: Final = """\
# Performance

What the agent, the generator and the plugins cost, each beside what cannot be avoided or what one would use instead: both take turns in the
same run, and what counts is the ratio of their medians. Absolute times are those of one machine.

This page is drawn from [performance.json](performance.json) by `python -m tests.bench.page docs/performance.json`. Do not edit it.

"""
_LEFT, _WIDE, _LINE, _TOP = 470, 330, 22, 34


def main() -> None:
    """Write the page and the picture."""
    found = read(Path(sys.argv[1]))
    PAGE.write_text(page(found))
    PICTURE.write_text(picture([one for one in found.results if one.limit is not None]))


def page(found: Results) -> str:
    """The page's text."""
    return HEAD + "\n".join(
        [
            f"- Command: `{found.command}`, at commit {found.commit}",
            f"- Machine: {found.machine}",
            f"- CPython {found.python}",
            "",
            "![Ratios beside their goals](performance.svg)",
            "",
            *_tables(found.results),
        ]
    )


def _tables(results: Iterable[Result]) -> Iterable[str]:
    for comparison, cases in groupby(results, key=lambda one: one.comparison):
        yield f"## {comparison}\n"
        yield "| case | median | least to most | ratio | goal |"
        yield "| --- | ---: | ---: | ---: | ---: |"
        for one in cases:
            goal = "" if one.limit is None else f"x{one.limit:g}"
            spread = f"{_shown(one.least)} to {_shown(one.most)}"
            yield f"| {one.case} | {_shown(one.median)} | {spread} | x{one.ratio:.2f} | {goal} |"
        yield ""


def picture(results: list[Result]) -> str:
    """A bar for each case that has a goal: how much of what its goal allows it takes."""
    height = _TOP + _LINE * len(results) + 20
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_LEFT + _WIDE + 110} {height}" font-family="sans-serif" font-size="12">',
        f'<rect width="{_LEFT + _WIDE + 110}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="18" fill="#555555">part of the ratio that its goal allows</text>',
    ]
    for number, one in enumerate(results):
        assert one.limit is not None
        share, y = one.ratio / one.limit, _TOP + _LINE * number
        color = "#2f7d4f" if share <= 1 else "#b3261e"
        bar = min(share, 1.25) * _WIDE / 1.25
        lines += [
            f'<text x="{_LEFT - 8}" y="{y + 13}" text-anchor="end">{escape(_short(one))}</text>',
            f'<rect x="{_LEFT}" y="{y + 2}" width="{bar:.1f}" height="14" fill="{color}"/>',
            f'<text x="{_LEFT + bar + 5:.1f}" y="{y + 13}">x{one.ratio:.2f} of x{one.limit:g}</text>',
        ]
    goal = _LEFT + _WIDE / 1.25
    lines += [
        f'<line x1="{goal}" y1="{_TOP - 4}" x2="{goal}" y2="{height - 16}" stroke="#555555" stroke-dasharray="3 3"/>',
        "</svg>",
    ]
    return "\n".join(lines) + "\n"


def _short(one: Result) -> str:
    text = f"{one.comparison}: {one.case}"
    return text if len(text) <= 74 else text[:71] + "..."


def _shown(seconds: float) -> str:
    return f"{seconds * 1000:.1f} ms" if seconds < 1 else f"{seconds:.2f} s"


if __name__ == "__main__":
    main()
