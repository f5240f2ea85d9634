"""A report as a picture: the run as a time line, as `systemd-analyze plot` draws a boot, and one page with all that is known. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from datetime import datetime
from html import escape
from typing import Final

import msgspec

from machineadm.api.v1alpha1.status import BootstrapStatus, StepReport

Phases = Sequence[tuple[str, float, float]]
"""Phases of kubeadm: name, begin and end in seconds since 1970."""

_WIDTH: Final = 960
_LEFT: Final = 16
_ROW: Final = 22
_TOP: Final = 64
_LONGEST_NAME: Final = 60
# Round steps, as people read a clock.
_STEPS_OF_AXIS: Final = (0.01, 0.05, 0.1, 0.5, 1, 5, 10, 30, 60, 300, 600, 1800, 3600, 21600, 86400)
_MOST_TICKS: Final = 12

_COLOURS: Final = {
    "Done": "#2f7d4f",
    "Failed": "#b3261e",
    "Running": "#1f6feb",
    "Skipped": "#8a8f98",
    "Deferred": "#8a8f98",
    "Pending": "#8a8f98",
}
_IN_PLACE: Final = "#9bb8a6"
_PHASE: Final = "#7a5bb0"

# Inline: the page is one file that is mailed around and opened from a disk.
_STYLE: Final = """\
body{font:15px/1.45 system-ui,sans-serif;margin:2em auto;max-width:1000px;padding:0 1em;color:#1c1e21;background:#fff}
h1{font-size:1.4em}h2{font-size:1.1em;margin-top:2em}table{border-collapse:collapse;width:100%}
th,td{text-align:left;padding:.3em .6em;border-bottom:1px solid #d8dbe0;vertical-align:top}td.n{text-align:right;white-space:nowrap}
.error{border-left:4px solid #b3261e;background:#fdf0ef;padding:.6em 1em}.hint{margin:.4em 0 0}
pre{background:#f4f5f7;padding:.8em;overflow:auto;white-space:pre-wrap}svg{width:100%;height:auto}.Failed{color:#b3261e;font-weight:600}
"""


class Bar(msgspec.Struct, frozen=True, kw_only=True):
    """One line of the picture."""

    name: str
    begin: float
    """Seconds since the run began."""

    length: float
    """Seconds."""

    colour: str
    inner: bool = False
    """It is a part of the line above it."""


def bars(status: BootstrapStatus, phases: Phases = ()) -> tuple[Bar, ...]:
    """What is drawn: each step that ran, and below kubeadm's its phases.

    Args:
        status: The report.
        phases: Of the last kubeadm that ran; left out where they are of another run.
    """
    return tuple(_bars(status, phases))


def as_svg(status: BootstrapStatus, phases: Phases = ()) -> str:
    """The time line, as a document of its own.

    Args:
        status: The report.
        phases: As of `bars`.
    """
    return '<?xml version="1.0" encoding="UTF-8"?>\n' + _svg(status, phases) + "\n"


def as_html(status: BootstrapStatus, phases: Phases = ()) -> str:
    """One page without script, picture or font of anybody else: it needs no network, and its own policy forbids one.

    Args:
        status: The report.
        phases: As of `bars`.
    """
    return "".join(_page(status, phases))


def _bars(status: BootstrapStatus, phases: Phases) -> Iterator[Bar]:
    start = _begin(status)
    for step in status.steps:
        begin = _seconds(step.started_at)
        # A step that never began has no place on the time line, and its row is in the table.
        if begin is None:
            continue
        length = step.duration if step.duration is not None else _running(status, begin)
        colour = _IN_PLACE if step.change == "AlreadyInPlace" else _COLOURS[step.state]
        yield Bar(name=step.name, begin=max(0.0, begin - start), length=length, colour=colour)
        if not step.name.startswith("kubeadm/"):
            continue
        for name, since, until in phases:
            # Times of the report have milliseconds.
            if begin - 0.01 <= since and until <= begin + length + 0.01:
                yield Bar(
                    name=name, begin=since - start, length=until - since, colour=_PHASE, inner=True
                )


def _running(status: BootstrapStatus, begin: float) -> float:
    """How long a step has taken so far, as far as the report says."""
    end = _seconds(status.finished_at)
    # Not until now: the picture shows what the report knows, and a machine that died shows when.
    return 0.0 if end is None else max(0.0, end - begin)


def _begin(status: BootstrapStatus) -> float:
    known = [
        _seconds(one) for one in (status.started_at, *(step.started_at for step in status.steps))
    ]
    return min((one for one in known if one is not None), default=0.0)


def _seconds(time: str | None) -> float | None:
    # Python 3.10 does not know the Z of RFC 3339.
    return None if time is None else datetime.fromisoformat(time.replace("Z", "+00:00")).timestamp()


def _svg(status: BootstrapStatus, phases: Phases) -> str:
    drawn = bars(status, phases)
    finished = _seconds(status.finished_at)
    whole = max(
        [bar.begin + bar.length for bar in drawn]
        + ([finished - _begin(status)] if finished is not None else [])
        # Never 0, by which the scale is divided.
        + [0.001]
    )
    height = _TOP + _ROW * len(drawn) + 16
    width = _WIDTH - 2 * _LEFT
    scale = width / whole
    title = _text(_headline(status))
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}" width="{_WIDTH}" height="{height}" '
        'font-family="system-ui,sans-serif" font-size="12" role="img">',
        f"<title>{title}</title>",
        f'<rect width="{_WIDTH}" height="{height}" fill="#ffffff"/>',
        f'<text x="{_LEFT}" y="22" font-size="15" fill="#1c1e21">{title}</text>',
    ]
    for tick in _ticks(whole):
        x = _LEFT + tick * scale
        parts.append(
            f'<line x1="{x:.1f}" y1="{_TOP - 14}" x2="{x:.1f}" y2="{height - 8}" stroke="#e3e5e8"/>'
            f'<text x="{x + 3:.1f}" y="{_TOP - 18}" fill="#6a6f76">{tick:g}s</text>'
        )
    for number, bar in enumerate(drawn):
        y = _TOP + number * _ROW
        # At least 1.5 wide: a step of a millisecond must be seen.
        x, length = _LEFT + bar.begin * scale, max(1.5, bar.length * scale)
        inset = 3 if bar.inner else 0
        name = bar.name if len(bar.name) <= _LONGEST_NAME else f"{bar.name[:_LONGEST_NAME]}..."
        label = _text(f"{name} ({bar.length:.3f}s)")
        # On the side on which there is room: a text of unknown width must not leave the picture.
        right = x > _WIDTH / 2
        text = x - 4 if right else x + 4
        anchor = "end" if right else "start"
        parts.append(
            f'<rect x="{x:.1f}" y="{y + inset}" width="{length:.1f}" height="{_ROW - 6 - 2 * inset}" fill="{bar.colour}" fill-opacity="0.55"/>'
            f'<text x="{text:.1f}" y="{y + 12}" text-anchor="{anchor}" fill="#1c1e21">{label}</text>'
        )
    return "\n".join([*parts, "</svg>"])


def _ticks(whole: float) -> Iterator[float]:
    step = next((one for one in _STEPS_OF_AXIS if whole / one <= _MOST_TICKS), _STEPS_OF_AXIS[-1])
    # Bounded by count, so that times out of a broken clock cannot make a picture of a million
    # lines.
    for number in range(_MOST_TICKS + 1):
        if number * step <= whole:
            yield number * step


def _text(text: str) -> str:
    """A text for XML, which has no way to write a control character."""
    # Everything that is not ours goes through here: messages quote files and programs of others.
    return escape("".join(c if c.isprintable() or c in "\n\t" else "\ufffd" for c in text))


def _headline(status: BootstrapStatus) -> str:
    begin, end = _seconds(status.started_at), _seconds(status.finished_at)
    took = f" in {end - begin:.1f}s" if begin is not None and end is not None else ""
    who = status.machine.hostname or "this machine"
    return f"{who}: {status.phase}{took} (machineadm {status.agent.version})"


def _page(status: BootstrapStatus, phases: Phases) -> Iterator[str]:
    title = _text(_headline(status))
    yield (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        # default-src 'none': even a message that got past the escaping could load and run nothing.
        "<meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'\">\n"
        '<meta name="viewport" content="width=device-width">\n'
        f"<title>{title}</title>\n<style>\n{_STYLE}</style>\n</head>\n<body>\n<h1>{title}</h1>\n"
    )
    yield _facts(status)
    if status.error is not None:
        error = status.error
        yield f'<section class="error" id="error"><strong>{_text(error.code)}</strong> {_text(error.message)}'
        yield f'<p class="hint">{_text(error.hint)}</p>' if error.hint else ""
        yield f"<pre>{_text(error.log_tail)}</pre>" if error.log_tail else ""
        yield "</section>\n"
    yield f'<h2>Time line</h2>\n<figure id="timeline">\n{_svg(status, phases)}\n</figure>\n'
    yield '<h2>Steps</h2>\n<table id="steps"><thead><tr><th>Step</th><th>State</th><th>Took</th><th>What</th></tr></thead><tbody>\n'
    yield from map(_row, status.steps)
    yield "</tbody></table>\n"
    if phases:
        yield '<h2>Phases of kubeadm</h2>\n<table id="phases"><tbody>\n'
        for name, begin, end in phases:
            yield f'<tr><td>{_text(name)}</td><td class="n">{end - begin:.3f}s</td></tr>\n'
        yield "</tbody></table>\n"
    if status.conditions:
        yield from _table(
            "Conditions",
            ((one.type, one.status, one.reason, one.message) for one in status.conditions),
        )
    for report in status.compliance:
        yield from _table(
            f"Compliance {report.profile}",
            ((one.id, one.state, one.where, one.found, one.set_by) for one in report.controls),
        )
    if status.warnings:
        yield from _table(
            "Warnings", ((one.code, one.path, one.message, one.hint) for one in status.warnings)
        )
    yield "</body>\n</html>\n"


def _table(title: str, rows: Iterable[tuple[str, ...]]) -> Iterator[str]:
    name = title.lower().replace(" ", "-")
    yield f'<h2>{title}</h2>\n<table id="{name}"><tbody>\n'
    for cells in rows:
        yield f"<tr>{''.join(f'<td>{_text(cell)}</td>' for cell in cells)}</tr>\n"
    yield "</tbody></table>\n"


def _facts(status: BootstrapStatus) -> str:
    told = (
        ("Began", status.started_at),
        ("Ended", status.finished_at),
        ("Attempt", str(status.attempt)),
        ("Machine", status.machine.machine_id),
        ("Provider ID", status.machine.provider_id),
        ("Configuration", status.config_digest),
    )
    rows = (f"<tr><th>{name}</th><td>{_text(value)}</td></tr>\n" for name, value in told if value)
    return f'<table id="facts"><tbody>\n{"".join(rows)}</tbody></table>\n'


def _row(step: StepReport) -> str:
    took = "" if step.duration is None else f"{step.duration:.3f}s"
    state = step.state if step.change is None else f"{step.state}, {step.change}"
    what = " ".join(part for part in (step.code, step.message) if part)
    return (
        f'<tr><td>{_text(step.name)}</td><td class="{step.state}">{state}</td>'
        f'<td class="n">{took}</td><td>{_text(what)}</td></tr>\n'
    )
