"""Show the last report, or wait for the end of a run; exits with the bootstrap's own code, 9 while it runs, 3 if none ever ran."""

from __future__ import annotations

import sys
from collections import Counter
from typing import TYPE_CHECKING

from machineadm.cli.options import duration
from machineadm.errors import ConfigError, HostError, InterruptedRunError

if TYPE_CHECKING:
    from argparse import Namespace
    from collections.abc import Iterator

    from machineadm.api.v1alpha1.status import BootstrapStatus, ComplianceReport
    from machineadm.cli.options import Parser
    from machineadm.host.ports import Host, State

POLL = 0.5
"""Seconds between two looks."""

SHOWN_LINES = 40
"""Lines of the last output that are shown; `--output json` has all that was kept."""

CUT_OFF = """\
machineadm: MA6010 the run that wrote this report was cut off
  hint: rerun the same command, it resumes; after a reboot machineadm-resume.service does that
"""

_COUNTED = {
    "Fails": "fail",
    "Unknown": "unknown",
    "Excepted": "excepted",
    "People": "for people",
    "NotHere": "not here",
    "Holds": "hold",
}
"""Every state of a control, zeros included: "0 fail" is what one looks for."""

RUNNING = 9
# BootstrapStatus' phases that are followed by none; every other one means that a run is going on or
# was cut off.
_ENDED = ("Prepared", "Succeeded", "Failed")


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_option("--wait", action="store_true", help="wait until the run has ended")
    parser.add_option("--timeout", type=duration, metavar="DURATION", help="wait at most this long")
    parser.add_directories()
    parser.add_output("svg", "html")


def run(arguments: Namespace) -> int:
    """Print the report.

    Raises:
        ConfigError: There is none.
    """
    from machineadm.agent.wiring import connect

    with connect(
        root=arguments.root,
        run_directory=arguments.run_dir,
        state_directory=arguments.state_dir,
        # Without --wait there is one look, which needs no deadline.
        deadline=arguments.timeout if arguments.wait else None,
    ) as machine:
        state = machine.host.state
        status = _wait(machine.host) if arguments.wait else _last(state)
        if status is None:
            raise ConfigError(
                "MA6008",
                "no bootstrap has run here",
                hint=f"looked in {state.run_directory} and {state.state_directory}",
            )
        # Before printing: the lock may be taken by a new run at any time, and then the warning
        # would be about another one.
        cut_off = is_cut_off(status, state)
        phases = _phases(state) if arguments.output in ("svg", "html") else ()
    if arguments.output == "json":
        from machineadm.reporting.sinks import encode

        sys.stdout.write(encode(status).decode())
    elif arguments.output in ("svg", "html"):
        from machineadm.reporting.drawing import as_html, as_svg

        # A file that somebody opens later: its bytes must not depend on the terminal's encoding.
        draw = as_svg if arguments.output == "svg" else as_html
        sys.stdout.write(draw(status, phases).encode("ascii", "xmlcharrefreplace").decode())
    else:
        sys.stdout.write(render(status, warnings=True) + render_log(status))
    # Behind the report, on standard error, so that JSON stays JSON.
    if cut_off:
        sys.stderr.write(CUT_OFF)
    return exit_code(status)


def _phases(state: State) -> tuple[tuple[str, float, float], ...]:
    """When each phase of kubeadm began and ended, in seconds since 1970; nothing where nobody knows."""
    import msgspec

    from machineadm.config.machine_paths import KUBEADM_PHASES

    class Told(msgspec.Struct):
        phases: list[tuple[str, float]]
        ended: float

    content = state.read(KUBEADM_PHASES, durable=False)
    try:
        told = msgspec.json.decode(content or b"", type=Told)
    except (ValueError, RecursionError):
        return ()  # a picture without them is better than none
    if not told.phases:
        return ()
    ends = [begin for _, begin in told.phases[1:]] + [told.ended]
    return tuple((name, begin, end) for (name, begin), end in zip(told.phases, ends, strict=True))


def is_cut_off(status: BootstrapStatus, state: State) -> bool:
    """Whether the run that wrote the report was cut off: it was killed, or the machine went down."""
    # The lock and not the process's number: the kernel drops it with the process, whatever killed
    # it, and never gives it to another.
    return status.phase not in _ENDED and not state.locked_by_other()


def show(state: State) -> None:
    """Print the report that has just been written."""
    status = _last(state)
    if status is not None:
        sys.stdout.write(render(status))


def exit_code(status: BootstrapStatus) -> int:
    """The bootstrap's exit code, or 9 while it runs."""
    if status.phase not in _ENDED:
        return RUNNING
    if status.phase != "Failed":
        return 0
    # A report of an earlier release may have no exit code: that is no reason to call the run a success.
    known = status.error.exit_code if status.error else None
    return 70 if known is None else known


def render(status: BootstrapStatus, *, warnings: bool = False) -> str:
    """The report for a person.

    Args:
        status: The report.
        warnings: With those of the configuration, which a run has shown at its beginning.
    """
    from machineadm.terminal import printable

    lines = [_headline(status)]
    width = max((len(step.name) for step in status.steps), default=0)
    for step in status.steps:
        said = " ".join(part for part in (step.code, step.message) if part)
        took = f"{step.duration:7.1f}s" if step.duration is not None else " " * 8
        lines.append(f"  {step.name:{width}}  {step.state:8} {took}  {said}".rstrip())
    if status.kubeadm:
        lines.append(
            f"kubeadm: exit code {status.kubeadm.exit_code} {status.kubeadm.phase}".rstrip()
        )
    for warning in status.warnings if warnings else ():
        field = f" {warning.path}:" if warning.path else ""
        lines.append(f"warning: {warning.code}{field} {warning.message}")
        lines += [f"  hint: {warning.hint}"] if warning.hint else []
    for report in status.compliance:
        lines += _compliance(report)
    if status.error:
        lines.append(f"{status.error.code} {status.error.message}")
        lines += [f"  hint: {status.error.hint}"] if status.error.hint else []
    # The report's texts come from kubeadm, plugins and servers.
    return "".join(printable(line) + "\n" for line in lines)


def _compliance(report: ComplianceReport) -> Iterator[str]:
    """The counts, and the controls that a person must look at; JSON has all of them."""
    counts: Counter[str] = Counter(one.state for one in report.controls)
    told = ", ".join(f"{counts[state]} {word}" for state, word in _COUNTED.items())
    yield f"compliance {report.profile}: {report.edition}, {report.judged_at}: {told}"
    for one in report.controls:
        if one.state in ("Fails", "Unknown") and one.scored:
            yield f"  {one.id:9} {one.state:8} {': '.join(part for part in (one.where, one.found) if part)}"


def render_log(status: BootstrapStatus) -> str:
    """The last output of what failed, indented; empty if there is none."""
    from machineadm.terminal import printable

    lines = status.error.log_tail.splitlines()[-SHOWN_LINES:] if status.error else []
    return "".join(f"    {printable(line)}".rstrip() + "\n" for line in lines)


def _headline(status: BootstrapStatus) -> str:
    counts = (
        f"{sum(step.state == 'Done' for step in status.steps)} done",
        f"{sum(step.change == 'Changed' for step in status.steps)} changed",
        f"{sum(step.state == 'Deferred' for step in status.steps)} deferred",
    )
    when = status.finished_at or status.started_at or ""
    steps = "1 step" if len(status.steps) == 1 else f"{len(status.steps)} steps"
    return f"{status.phase} {when}: {steps}, {', '.join(counts)}"


def _last(state: State) -> BootstrapStatus | None:
    """The last report.

    Raises:
        HostError: Something else wrote the file.
    """
    from machineadm.reporting.sinks import read_status

    try:
        # This boot's report first; the durable one may be of an earlier run.
        return read_status(state)
    except ValueError as error:
        raise HostError("MA6007", "the last report is not readable", hint=str(error)) from error


def _wait(host: Host) -> BootstrapStatus:
    """The report of the run's end, whether or not it has begun.

    Raises:
        InterruptedRunError: The time is over before the run is.
    """
    told = False
    status: BootstrapStatus | None = None
    try:
        while True:
            status = _last(host.state)
            if status is not None and status.phase in _ENDED:
                return status
            if status is not None and not told and is_cut_off(status, host.state):
                # The next run may be about to begin, so keep waiting; but say it, because without one the wait is for nothing.
                told = True
                sys.stderr.write(CUT_OFF)
            # By looking again: the run directory may not exist yet, and inotify cannot watch what
            # is not there.
            host.clock.sleep(POLL)
    except InterruptedRunError as error:
        phase = status.phase if status else "not begun"
        raise InterruptedRunError("MA6009", f"the bootstrap has not ended: {phase}") from error
