"""What is seen while a run goes on."""

from __future__ import annotations

import json

import pytest

from machineadm.cli.progress import Progress
from machineadm.execution.events import (
    Event,
    StepDeferred,
    StepDone,
    StepFailed,
    StepRetried,
    StepStarted,
    StepWaiting,
    plan_ready,
)
from machineadm.plan.model import Change, Phase
from machineadm.redaction import Redactor, Secret

STEPS = [("files/write", Phase.PREPARE), ("kubeadm/join", Phase.KUBEADM), ("x/y", Phase.PREPARE)]


def started(number: int) -> Event:
    name, phase = STEPS[number]
    return StepStarted(time=0, step=name, phase=phase)


def show(*events: Event | str, output: str = "text") -> Progress:
    """Let a progress see events, and lines that commands print."""
    progress = Progress(output="json" if output == "json" else "text")
    progress.redactor = Redactor([Secret("s3cr3t")])
    progress.observe(plan_ready(0, STEPS))
    for event in events:
        if isinstance(event, str):
            progress.log(event)
        else:
            progress.observe(event)
    progress.end()
    return progress


def test_a_step_is_a_line_that_says_how_it_ended(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        started(0),
        StepDone(
            time=1, step="files/write", change=Change.CHANGED, duration=0.12, message="wrote 2"
        ),
        started(1),
        StepFailed(time=1, step="kubeadm/join", duration=61.3, code="MA4007", message="no"),
        StepDeferred(time=1, step="x/y", message="needs the running system"),
    )

    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.splitlines() == [
        "[1/3] files/write ... done 0.1s (wrote 2)",
        "[2/3] kubeadm/join ... failed 61.3s",
        "[3/3] x/y ... deferred: needs the running system",
    ]


def test_what_a_command_prints_stands_below_its_step(capsys: pytest.CaptureFixture[str]) -> None:
    show(
        started(1),
        "[preflight] token s3cr3t\x1b[2J",
        StepRetried(time=1, step="kubeadm/join", attempt=1, delay=5, code="MA4007", message="no"),
        StepDone(time=1, step="kubeadm/join", change=Change.CHANGED, duration=2),
    )

    assert capsys.readouterr().err.splitlines() == [
        "[2/3] kubeadm/join ...",
        "    [preflight] token ***\\x1b[2J",
        "    attempt 1 failed, next in 5s: MA4007 no",
        "[2/3] kubeadm/join ... done 2.0s",
    ]


WAITING = StepWaiting(
    time=1,
    step="files/write",
    condition="socket /run/s3cr3t.sock",
    reason="images are pulled through it",
    elapsed=10.04,
    budget=300.0,
)


def test_what_a_step_waits_for_and_how_long_it_has_stands_below_it(
    capsys: pytest.CaptureFixture[str],
) -> None:
    show(started(0), WAITING)
    assert capsys.readouterr().err.splitlines() == [
        "[1/3] files/write ...",
        "    waits for socket /run/***.sock, 10 s of 300 s: images are pulled through it",
    ]

    show(started(0), WAITING, output="json")
    told = json.loads(capsys.readouterr().out.splitlines()[-1])
    assert (told["event"], told["step"]) == ("stepWaiting", "files/write")
    assert (told["condition"], told["elapsed"], told["budget"]) == (
        "socket /run/***.sock",
        10.04,
        300.0,
    )


def test_json_lines_go_to_standard_output_masked(capsys: pytest.CaptureFixture[str]) -> None:
    done = StepDone(
        time=0, step="files/write", change=Change.CHANGED, duration=1, message='"s3cr3t"'
    )
    show(done, "a line with s3cr3t", output="json")

    captured = capsys.readouterr()
    assert captured.err == ""
    first, second, third = map(json.loads, captured.out.splitlines())
    assert first["event"] == "planReady"
    assert first["steps"][0] == {"name": "files/write", "phase": "prepare"}
    assert second["message"] == '"***"'
    assert second["time"] == "1970-01-01T00:00:00.000Z"
    assert third == {"event": "log", "time": third["time"], "line": "a line with ***"}
