"""A report drawn: every step and phase at its time, one file that needs nothing else, and nothing of a value becomes markup."""

from __future__ import annotations

import json
from html.parser import HTMLParser
from pathlib import Path
from xml.etree import ElementTree

import msgspec
import pytest

from machineadm.api.v1alpha1.status import (
    AgentIdentity,
    BootstrapStatus,
    ErrorReport,
    MachineIdentity,
    StepReport,
    WarningReport,
)
from machineadm.cli.main import main
from machineadm.config.machine_paths import KUBEADM_PHASES
from machineadm.errors import MachineadmError
from machineadm.host.ports import CommandResult
from machineadm.reporting.drawing import Phases, as_html, as_svg, bars
from machineadm.reporting.sinks import STATUS, encode
from tests.fakes.commands import Call
from tests.unit.agent.stage import Stage

SVG = "{http://www.w3.org/2000/svg}"
EVIL = "</text><script>alert(1)</script>\"'&\x1b[31m\x00\u202e"
START = 1764547200.0  # 2025-12-01T00:00:00Z


def at(seconds: float) -> str:
    return f"2025-12-01T00:00:{seconds:06.3f}Z"


STATUS_OF_FAILED = BootstrapStatus(
    api_version="bootstrap.cluster.x-k8s.io/v1alpha1",
    kind="BootstrapStatus",
    phase="Failed",
    machine=MachineIdentity(hostname="worker-1"),
    agent=AgentIdentity(version="0.1.0"),
    started_at=at(0),
    finished_at=at(12),
    steps=(
        StepReport(
            name="files/write",
            phase="prepare",
            state="Done",
            change="Changed",
            started_at=at(1),
            duration=0.5,
        ),
        StepReport(
            name="sysctl/apply",
            phase="prepare",
            state="Done",
            change="AlreadyInPlace",
            started_at=at(1.5),
            duration=0.01,
        ),
        StepReport(
            name="kubeadm/join",
            phase="kubeadm",
            state="Failed",
            started_at=at(2),
            duration=10.0,
            code="MA4001",
            message="no answer",
        ),
        StepReport(name="commands/post", phase="postKubeadm", state="Pending"),
    ),
    warnings=(WarningReport(code="MA1309", path="spec.machine", message="odd", hint="look"),),
    error=ErrorReport(
        code="MA4001", message="kubeadm join failed", hint="see to it", log_tail="error: no\n"
    ),
)
PHASES = (("preflight", START + 2.5, START + 4), ("kubelet-start", START + 4, START + 11.5))


class Page(HTMLParser):
    """What a browser would see of a page."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text: list[str] = []
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def labels(svg: str) -> list[str]:
    root = ElementTree.fromstring(svg.encode())  # noqa: S314 - our own
    return [one.text or "" for one in root.iter(f"{SVG}text")]


def test_each_step_that_ran_is_drawn_at_its_time_with_kubeadm_s_phases_below() -> None:
    found = bars(STATUS_OF_FAILED, PHASES)

    assert [(one.name, round(one.begin, 3), round(one.length, 3), one.inner) for one in found] == [
        ("files/write", 1, 0.5, False),
        ("sysctl/apply", 1.5, 0.01, False),
        ("kubeadm/join", 2, 10, False),
        ("preflight", 2.5, 1.5, True),
        ("kubelet-start", 4, 7.5, True),
    ]
    assert found[0].colour != found[1].colour != found[2].colour


def test_the_picture_is_well_formed_and_names_every_bar() -> None:
    told = labels(as_svg(STATUS_OF_FAILED, PHASES))

    assert "worker-1: Failed in 12.0s (machineadm 0.1.0)" in told
    for name in ("files/write (0.500s)", "kubeadm/join (10.000s)", "kubelet-start (7.500s)"):
        assert name in told


def test_nothing_is_drawn_outside_of_the_picture() -> None:
    root = ElementTree.fromstring(as_svg(STATUS_OF_FAILED, PHASES).encode())  # noqa: S314 - our own
    width, height = float(root.get("width", 0)), float(root.get("height", 0))

    for one in root.iter(f"{SVG}rect"):
        assert 0 <= float(one.get("x", 0)) <= width
        assert float(one.get("x", 0)) + float(one.get("width", 0)) <= width + 1
        assert float(one.get("y", 0)) + float(one.get("height", 0)) <= height + 1


def test_phases_of_another_run_are_left_out() -> None:
    later = tuple((name, begin + 3600, end + 3600) for name, begin, end in PHASES)

    assert not any(one.inner for one in bars(STATUS_OF_FAILED, later))


def test_the_page_has_error_hint_steps_and_needs_nobody_else() -> None:
    text = as_html(STATUS_OF_FAILED, PHASES)
    page = Page(text)

    said = " ".join(page.text)
    for part in (
        "MA4001",
        "kubeadm join failed",
        "see to it",
        "error: no",
        "commands/post",
        "MA1309",
        "preflight",
    ):
        assert part in said
    assert {tag for tag, _ in page.tags} & {
        "script",
        "link",
        "img",
        "iframe",
        "object",
        "base",
    } == set()
    for _, attributes in page.tags:
        assert not attributes.keys() & {"src", "href", "action", "background", "onload"}
    assert "url(" not in text
    assert "@import" not in text
    assert "default-src 'none'" in text


@pytest.mark.parametrize(
    "kind", ["step", "host name", "error", "hint", "log", "warning", "message", "phase"]
)
def test_a_value_never_becomes_markup(kind: str) -> None:
    replace = msgspec.structs.replace
    status: BootstrapStatus = STATUS_OF_FAILED
    phases: Phases = PHASES
    if kind == "step":
        status = replace(status, steps=(replace(status.steps[0], name=EVIL),))
    elif kind == "host name":
        status = replace(status, machine=MachineIdentity(hostname=EVIL))
    elif kind == "warning":
        status = replace(status, warnings=(replace(status.warnings[0], message=EVIL, path=EVIL),))
    elif kind == "message":
        status = replace(status, steps=(replace(status.steps[2], message=EVIL),))
    elif kind == "phase":
        phases = ((EVIL, START + 2.5, START + 4),)
    else:
        assert status.error is not None
        field = {"error": "message", "hint": "hint", "log": "log_tail"}[kind]
        status = replace(status, error=replace(status.error, **{field: EVIL}))

    svg, html = as_svg(status, phases), as_html(status, phases)

    tags = {one.tag for one in ElementTree.fromstring(svg.encode()).iter()}  # noqa: S314 - our own
    assert f"{SVG}script" not in tags
    page = Page(html)
    assert "script" not in {tag for tag, _ in page.tags}
    assert "alert(1)" in " ".join(page.text)
    assert "\x1b" not in html + svg
    assert "\x00" not in html + svg


@pytest.mark.parametrize(
    "status",
    [
        msgspec.structs.replace(STATUS_OF_FAILED, steps=(), error=None, finished_at=None),
        msgspec.structs.replace(STATUS_OF_FAILED, started_at=None, steps=(), finished_at=None),
        msgspec.structs.replace(STATUS_OF_FAILED, finished_at=None),
        msgspec.structs.replace(STATUS_OF_FAILED, finished_at=at(0), steps=()),
    ],
    ids=["nothing yet", "no time at all", "still running", "no time passed"],
)
def test_a_report_without_an_end_or_a_step_is_drawn_too(status: BootstrapStatus) -> None:
    assert labels(as_svg(status))
    assert "</html>" in as_html(status)


@pytest.mark.parametrize("count", [1, 12, 400])
def test_axis_and_size_follow_the_run(count: int) -> None:
    steps = tuple(
        StepReport(
            name=f"s{n}",
            phase="prepare",
            state="Done",
            started_at=at(n % 60),
            duration=float(count),
        )
        for n in range(count)
    )
    svg = as_svg(msgspec.structs.replace(STATUS_OF_FAILED, steps=steps))

    ticks = [one for one in labels(svg) if one.endswith("s") and one[0].isdigit()]
    assert 1 <= len(ticks) <= 13
    assert len([one for one in labels(svg) if one.startswith("s")]) == count


def test_status_draws_what_a_run_has_left(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "run" / "machineadm"
    state.mkdir(parents=True, mode=0o700)
    (state / STATUS).write_bytes(
        encode(msgspec.structs.replace(STATUS_OF_FAILED, machine=MachineIdentity(hostname="näme")))
    )
    told = {
        "phases": [["preflight", START + 2.5], ["kubelet-start", START + 4]],
        "ended": START + 11.5,
    }
    (state / KUBEADM_PHASES).write_text(json.dumps(told))

    main(["status", "--root", str(tmp_path), "--output", "svg"])
    svg = capsys.readouterr().out
    main(["status", "--root", str(tmp_path), "--output", "html"])
    html = capsys.readouterr().out

    assert "kubelet-start (7.500s)" in labels(svg)
    assert any("näme" in one for one in labels(svg))
    assert svg.isascii()
    assert html.isascii()
    assert "kubelet-start" in html


@pytest.mark.parametrize(
    "content", [b"", b"{", b'{"phases": 7}', b"\xff\xfe", b'{"phases": [], "ended": 1}']
)
def test_phases_that_cannot_be_read_cost_no_picture(
    content: bytes, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    state = tmp_path / "run" / "machineadm"
    state.mkdir(parents=True, mode=0o700)
    (state / STATUS).write_bytes(encode(STATUS_OF_FAILED))
    (state / KUBEADM_PHASES).write_bytes(content)

    main(["status", "--root", str(tmp_path), "--output", "svg"])

    assert "kubeadm/join (10.000s)" in labels(capsys.readouterr().out)


@pytest.mark.parametrize("succeeds", [True, False])
def test_a_run_notes_when_each_phase_of_kubeadm_began(succeeds: bool, tmp_path: Path) -> None:
    stage = Stage(tmp_path)

    def join(call: Call) -> CommandResult:
        assert call.attend is not None
        call.attend("[preflight] Running pre-flight checks\n[preflight] Reading\n")
        stage.host.clock.sleep(3)
        call.attend("[kubelet-start] Writing\n[kubelet-check] Waiting\n")
        stage.host.clock.sleep(2)
        if succeeds:
            stage.host.put("/etc/kubernetes/kubelet.conf", "x")
        return CommandResult(exit_code=0 if succeeds else 1, output="")

    stage.host.commands.on("kubeadm", "join", effect=join)
    if succeeds:
        stage.run()
    else:
        with pytest.raises(MachineadmError):
            stage.run()

    told = json.loads(stage.host.state.read(KUBEADM_PHASES, durable=False) or b"")
    (first, begin), (second, then) = told["phases"][-2:]
    assert (first, second) == ("preflight", "kubelet-start")
    assert then - begin == pytest.approx(3, abs=0.1)
    assert told["ended"] - then == pytest.approx(2, abs=0.1)
