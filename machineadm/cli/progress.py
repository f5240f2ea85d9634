"""What is seen while a run goes on: `[3/12] files/write ... done 0.1s`, or one JSON object a line."""

from __future__ import annotations

import sys
import time
from typing import Literal

import msgspec

from machineadm.execution import events
from machineadm.plan.model import Change
from machineadm.redaction import Redactor
from machineadm.terminal import printable

LEFT_OUT = '{{"event": "linesLeftOut", "lines": {}}}\n'
"""Stands among JSON lines where a reader that had stopped reading has missed some."""


class Progress:
    """Shows events and the output of commands.

    Text goes to standard error, because it is not the result. JSON lines are, so they go to standard output.

    Args:
        output: `text` or `json`.
    """

    def __init__(self, *, output: Literal["text", "json"]) -> None:
        # Replaced by the machine's as soon as there is one; until then nothing secret is known that
        # could be masked.
        self.redactor = Redactor()
        self._json = output == "json"
        # Filled when the plan is there; steps before it, if any, have no number.
        self._numbers: dict[str, str] = {}
        self._begun = False
        """A line has been begun and waits for how the step ends."""

    def observe(self, event: events.Event) -> None:
        """Show an event."""
        if self._json:
            self._write_json({**msgspec.to_builtins(event), "time": events.rfc3339(event.time)})
        else:
            self._show(event)

    def log(self, line: str) -> None:
        """Show a line that a command printed."""
        if self._json:
            # Lines of commands are not events and carry no time of their own; readers that merge
            # logs need one.
            now = events.rfc3339(time.time())
            self._write_json({"event": "log", "time": now, "line": line})
        else:
            # A command may print escape sequences, which could rewrite what the operator has
            # already read.
            self._line(f"    {printable(line)}")

    def __enter__(self) -> Progress:
        return self

    def __exit__(self, *_error: object) -> None:
        """End an unfinished line, whatever ended the run."""
        self.end()

    def end(self) -> None:
        """End a line that was begun."""
        if self._begun:
            self._begun = False
            self._write("\n")

    def _show(self, event: events.Event) -> None:
        if isinstance(event, events.PlanReady):
            total = len(event.steps)
            numbered = enumerate(event.steps, start=1)
            self._numbers = {step.name: f"[{number}/{total}] " for number, step in numbered}
        elif isinstance(event, events.ConfigurationWarned):
            from machineadm.documents import printing

            self._line(printing.lines(event.problems).rstrip("\n"))
        elif isinstance(event, events.ReferencesResolved | events.ProfilesApplied):
            for one in event.values:
                self._line(printable(f"{one.path} = {one.value} ({one.origin})"))
        elif isinstance(event, events.InstanceDataChanged):
            for name, value in event.changes:
                self._line(printable(f"{name} is {value} now; the previous value is kept"))
        elif isinstance(event, events.StepStarted):
            self.end()
            # Without a newline: whoever watches a terminal sees which step the run is in, and then
            # how it ended on the same line.
            self._write(f"{self._numbers.get(event.step, '')}{event.step} ...")
            self._begun = True
        elif isinstance(event, events.StepDone):
            self._finish(event.step, _done(event))
            for what in event.deferred:
                self._line(f"    deferred: {what}")
        elif isinstance(event, events.StepFailed):
            self._finish(event.step, f"failed {event.duration:.1f}s")
        elif isinstance(event, events.StepDeferred):
            self._finish(event.step, f"deferred: {event.message}")
        elif isinstance(event, events.StepRetried):
            again = f"attempt {event.attempt} failed, next in {event.delay:g}s"
            self._line(f"    {again}: {event.code} {event.message}")
        elif isinstance(event, events.StepWaiting):
            self._line(f"    {events.waited_for(event)}")

    def _finish(self, step: str, how: str) -> None:
        line = f" {how}" if self._begun else f"{self._numbers.get(step, '')}{step} ... {how}"
        self._line(line, begun=self._begun)

    def _line(self, text: str, *, begun: bool = False) -> None:
        # A warning in the middle of a step would otherwise stand behind its dots.
        if not begun:
            self.end()
        self._begun = False
        self._write(self.redactor.text(text) + "\n")

    def _write_json(self, event: object) -> None:
        self._write(msgspec.json.encode(self._redacted(event)).decode() + "\n")

    def _write(self, text: str) -> None:
        # The streams themselves make sure that a reader that stalls cannot hold up the run (cli/streams.py).
        stream = sys.stdout if self._json else sys.stderr
        stream.write(text)
        stream.flush()

    def _redacted(self, value: object) -> object:
        if isinstance(value, str):
            return self.redactor.text(value)
        if isinstance(value, dict):
            return {name: self._redacted(item) for name, item in value.items()}
        if isinstance(value, (list, tuple)):
            return [self._redacted(item) for item in value]
        return value


def _done(event: events.StepDone) -> str:
    word = "done" if event.change is Change.CHANGED else "in place"
    return f"{word} {event.duration:.1f}s" + (f" ({event.message})" if event.message else "")
