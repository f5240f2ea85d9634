"""Units that start the agent again, when a run is killed while it sees to them: the next boot does the right thing, and the next run the rest."""

from __future__ import annotations

import shlex
from collections.abc import Callable
from contextlib import suppress
from itertools import pairwise

import pytest

from machineadm.agent.own_file import COPY, AgentFile
from machineadm.agent.units import (
    BOOT_UNIT,
    RESUME_UNIT,
    UNITS,
    BootUnit,
    NoBootUnit,
    ResumeUnit,
    disable_resume_unit,
)
from machineadm.host.ports import Host
from machineadm.plan.model import Plan
from machineadm.sources.stream import Stream
from tests.applying import apply, carry_out, context_of
from tests.fakes.host import FakeHost
from tests.fakes.killing import Killed, Reaper

VOLATILE = "/run/agent.pyz"
AGENT = AgentFile(python="/usr/bin/python3", path=VOLATILE)


def machine() -> FakeHost:
    host = FakeHost()
    host.put("/run/systemd/system/x")
    host.put(VOLATILE, b"PK agent")
    return host


def streams(*contents: str) -> tuple[Stream, ...]:
    return tuple(Stream(name=f"{n}.yaml", data=one.encode()) for n, one in enumerate(contents))


OLD, NEW = ("a: old", "b: old", "c: old"), ("a: new",)


def resumed(host: FakeHost) -> tuple[str, ...] | None:
    """What a run at the next boot would read; None: there is none."""
    unit = host.text(f"{UNITS}/{RESUME_UNIT}")
    if unit is None or RESUME_UNIT not in host.services.enabled_units:
        return None
    (line,) = [one for one in unit.splitlines() if one.startswith("ExecStart=")]
    words = shlex.split(line.partition("=")[2])
    paths = [after for word, after in pairwise(words) if word in ("--path", "--instance-data")]
    condition = unit.split("ConditionPathExists=")[1].splitlines()[0]
    files = host.state.state_files
    if condition.removeprefix("/var/lib/machineadm/") not in files:
        return None
    return tuple(files[path.removeprefix("/var/lib/machineadm/")].decode() for path in paths)


def enable(host: Host, *contents: str, instance_data: Stream | None = None) -> None:
    unit = ResumeUnit(agent=AGENT, streams=streams(*contents), instance_data=instance_data)
    apply(unit, host)


def every_instant(
    prepared: Callable[[], FakeHost], act: Callable[[Host], None]
) -> list[tuple[int, bool, FakeHost]]:
    """A machine for each instant at which the act can be killed."""
    reaper, found = Reaper(), []
    act(reaper.over(prepared()))
    for at in range(1, reaper.calls + 1):
        for after in (False, True):
            host = prepared()
            with suppress(Killed):
                act(Reaper(at, after=after).over(host))
            found.append((at, after, host))
    return found


def test_the_next_boot_resumes_with_all_of_one_input_whenever_it_was_exchanged() -> None:
    """A run with three files failed; then the command was given again with one."""

    def failed() -> FakeHost:
        host = machine()
        enable(host, *OLD[:2], instance_data=streams(*OLD)[2])
        return host

    def again(host: Host) -> None:
        enable(host, *NEW)

    assert resumed(failed()) == OLD
    for at, after, host in every_instant(failed, again):
        assert resumed(host) in (OLD, NEW), (at, after)
        again(host)
        assert resumed(host) == NEW
        assert [name for name in host.state.list("resume") if name != "environment"] != []
        assert len(host.state.list("resume")) == 1, (at, after)


def test_a_first_input_is_resumed_as_soon_as_the_unit_is_there() -> None:
    for at, after, host in every_instant(machine, lambda host: enable(host, *OLD)):
        assert resumed(host) in (None, OLD), (at, after)
        enable(host, *OLD)
        assert resumed(host) == OLD


def test_nothing_is_left_of_it_after_the_next_run_whenever_it_was_taken_away() -> None:
    def waiting() -> FakeHost:
        host = machine()
        enable(host, *OLD)
        return host

    for at, after, host in every_instant(waiting, disable_resume_unit):
        assert resumed(host) in (None, OLD), (at, after)
        disable_resume_unit(host)
        assert host.state.state_files == {}, (at, after)
        assert host.text(f"{UNITS}/{RESUME_UNIT}") is None
        assert host.services.enabled_units == set()


def test_copies_of_an_earlier_release_go_as_well() -> None:
    host = machine()
    for number in (0, 2, 63):
        host.state.write(f"resume/configuration-{number}.yaml", b"old", durable=True)

    enable(host, *NEW)
    assert len(host.state.list("resume")) == 1
    host.state.write("resume/configuration-5.yaml", b"old", durable=True)
    disable_resume_unit(host)

    assert host.state.list("resume") == ()


def boot_step(commands: bytes = b"{}") -> Plan:
    return Plan(steps=(BootUnit(agent=AGENT, configuration=commands),))


def reloaded(host: FakeHost) -> bool:
    """Whether systemd has read its units since the last of them was changed."""
    return host.services.actions[-1:] == [("reload",)]


@pytest.mark.parametrize("earlier", [None, b"{ }"])
def test_the_boot_unit_is_there_with_all_it_needs_or_the_next_run_makes_it(
    earlier: bytes | None,
) -> None:
    def prepared() -> FakeHost:
        host = machine()
        if earlier is not None:
            carry_out(boot_step(earlier), host)
        return host

    for at, after, host in every_instant(
        prepared, lambda host: ignore(carry_out(boot_step(), host))
    ):
        if BOOT_UNIT in host.services.enabled_units:
            # What the next boot starts is there.
            assert host.state.state_files[COPY] == b"PK agent", (at, after)
            assert "boot.json" in host.state.state_files, (at, after)
        carry_out(boot_step(), host)
        assert host.state.state_files[COPY] == b"PK agent"
        assert host.state.state_files["boot.json"] == b"{}"
        assert BOOT_UNIT in host.services.enabled_units
        assert "machineadm.pyz" in (host.text(f"{UNITS}/{BOOT_UNIT}") or "")


def test_the_boot_unit_goes_whenever_its_removal_was_killed() -> None:
    def prepared() -> FakeHost:
        host = machine()
        carry_out(boot_step(), host)
        host.services.actions.clear()
        return host

    without = Plan(steps=(NoBootUnit(),))
    for at, after, host in every_instant(prepared, lambda host: ignore(carry_out(without, host))):
        if BOOT_UNIT in host.services.enabled_units:
            assert host.text(f"{UNITS}/{BOOT_UNIT}") is not None, (at, after)
        if "boot.json" in host.state.state_files or context_of(without, host).ledger.pending:
            carry_out(without, host)  # else the plan has no such step
        disable_resume_unit(host)  # at the end of every run
        assert host.text(f"{UNITS}/{BOOT_UNIT}") is None, (at, after)
        assert host.services.enabled_units == set(), (at, after)
        assert "boot.json" not in host.state.state_files, (at, after)
        assert "boot-node.json" not in host.state.state_files, (at, after)
        assert COPY not in host.state.state_files, (at, after)
        assert ("reload",) in host.services.actions, (at, after)


def ignore(_: object) -> None:
    pass


def test_boot_commands_wait_for_a_bootstrap_that_is_resumed_and_for_no_other() -> None:
    """What decides is whether the resume unit is enabled, not what is left of its copies."""
    host = machine()
    carry_out(boot_step(), host)

    unit = host.text(f"{UNITS}/{BOOT_UNIT}") or ""

    wants = f"{UNITS}/multi-user.target.wants/{RESUME_UNIT}"
    assert f"ConditionPathExists=!{wants}\n" in unit


def test_the_agent_s_copy_is_an_effect_as_any_other() -> None:
    """Seen by a plan, done with the rest, and done again where it is damaged or an agent of another content runs."""
    host = machine()
    work = boot_step().steps[0].check(host)
    assert any(getattr(effect, "name", "") == COPY for effect in work.effects)
    assert host.state.state_files == {}

    carry_out(boot_step(), host)
    assert not boot_step().steps[0].check(host).effects
    for content in (b"PK torn", b"PK of a later release"):
        host.state.state_files[COPY] = content
        assert [getattr(e, "name", "") for e in boot_step().steps[0].check(host).effects] == [COPY]


def test_an_agent_that_stays_where_it_is_is_not_copied() -> None:
    host = machine()
    host.put("/usr/local/bin/machineadm", b"PK")
    for path in ("/usr/local/bin/machineadm", None):
        agent = AgentFile(python="/usr/bin/python3", path=path)
        step = BootUnit(agent=agent, configuration=b"{}")
        assert COPY not in [getattr(e, "name", "") for e in step.check(host).effects]


def test_what_makes_a_run_go_on_is_a_work_that_says_all_of_it() -> None:
    host = machine()
    unit = ResumeUnit(agent=AGENT, streams=streams(*OLD))

    work = unit.check(host)

    assert host.mutations() == []
    assert host.state.state_files == {}
    kinds = [type(effect).__name__ for effect in work.effects]
    assert kinds == ["CopyToState", *["KeepState"] * len(OLD), "WriteFile", "EnableUnit"]
    unit.apply(host, work)
    assert resumed(host) == OLD
    assert unit.check(host).effects == ()
