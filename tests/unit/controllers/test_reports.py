"""What machines report is shown, and believed of nothing but the one machine that reports."""

from __future__ import annotations

import asyncio
import io
import json
import re
from collections.abc import AsyncIterator, Callable, Coroutine, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from hypothesis import given, settings
from hypothesis import strategies as some

from machineadm.api.v1alpha1.reporting import Reporting
from machineadm.controllers.bootstrap.act import ReportTo
from machineadm.controllers.capi.tokens import report_token
from machineadm.controllers.cli import main
from machineadm.controllers.reports.intake import Intake
from machineadm.controllers.reports.reading import ReportError, is_older, read
from machineadm.controllers.runtime.serving import AddressError, Certificates, served
from machineadm.controllers.stores.port import LARGEST_REPORT
from machineadm.errors import MachineadmError
from machineadm.sources.reports import put_report
from tests.controllers_world import World, world
from tests.fakes.apiserver import Object
from tests.servers.authority import Authority, Identity
from tests.unit.agent.stage import Stage

HERE = ("127.0.0.1", 0)
STATUS: Object = {
    "apiVersion": "bootstrap.cluster.x-k8s.io/v1alpha1",
    "kind": "BootstrapStatus",
    "phase": "Preparing",
    "attempt": 1,
    "agent": {"version": "0.1.0"},
    "startedAt": "2026-11-30T12:00:00Z",
}
FAILED: Object = STATUS | {
    "phase": "Failed",
    "steps": [
        {"name": "files", "phase": "prepare", "state": "Done"},
        {"name": "kubeadm-join", "phase": "kubeadm", "state": "Failed", "code": "MA5001"},
    ],
    "error": {"code": "MA5001", "message": "kubeadm join failed", "hint": "see its log"},
}


def status(**changes: Any) -> Object:
    return STATUS | changes


def run(whole: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(whole, 120))


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


# As text.


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"null",
        b"[]",
        b"{",
        b"\xff\xfe",
        b"[" * 100_000,
        b'{"a":' * 100_000,
        json.dumps(status(phase="Nonsense")).encode(),
        json.dumps(status(kind="Secret")).encode(),
        json.dumps(status(attempt=0)).encode(),
        json.dumps(status(attempt=10**30)).encode(),
        json.dumps(status(steps="many")).encode(),
        json.dumps(status(steps=[{"name": "x" * 600, "state": "Done"}])).encode(),
        json.dumps(status(steps=[{"name": "x", "state": "Done"}] * 10_001)).encode(),
        json.dumps(status(error={"code": "MA1\nMA2", "message": ""})).encode(),
        json.dumps(status(error={"code": "MA0001\n", "message": ""})).encode(),
        json.dumps(status(error={"code": "XX0001", "message": ""})).encode(),
        json.dumps(status(error={"code": "", "message": "x" * 40_000})).encode(),
        b" " * (LARGEST_REPORT + 1),
    ],
)
def test_what_is_not_a_report_is_refused_and_not_quoted(data: bytes) -> None:
    with pytest.raises(ReportError) as caught:
        read(data)
    assert len(str(caught.value)) < 300


@pytest.mark.parametrize("field", ["phase", "kind", "apiVersion"])
@pytest.mark.parametrize("value", ["nonsense", "non'sense\x1b[31m", "nonsense\n" * 1000])
def test_a_value_that_is_none_of_those_allowed_is_not_sent_back(field: str, value: str) -> None:
    with pytest.raises(ReportError) as caught:
        read(json.dumps(status(**{field: value})).encode())
    assert str(caught.value) == f"Invalid enum value - at `$.{field}`"


@given(some.binary(max_size=200), some.integers(0, 500), some.integers(0, 500))
@settings(deadline=None)
def test_a_report_with_anything_in_it_is_read_or_refused(junk: bytes, at: int, over: int) -> None:
    whole = json.dumps(FAILED).encode()
    try:
        told = read(whole[:at] + junk + whole[at + over :])
    except ReportError:
        return
    for text in (told.step, told.message, told.hint):
        assert text.isprintable()
        assert len(text) <= 1024


def test_what_a_newer_agent_adds_is_no_reason_to_refuse_its_report() -> None:
    told = read(json.dumps(FAILED | {"news": {"a": [1]}}).encode())
    assert (told.step, told.code) == ("kubeadm-join", "MA5001")


@pytest.mark.parametrize("time", ["", "soon", "2026-11-30T12:00:00", "9999-12-31T23:59:59-23:59"])
def test_a_clock_may_say_anything(time: str) -> None:
    told = read(json.dumps(status(startedAt=time)).encode())
    assert not is_older(told, told)


@pytest.mark.parametrize(
    ("told", "than", "older"),
    [
        ({}, {}, False),
        ({}, {"phase": "Failed"}, True),  # of the same run, which has ended
        ({"phase": "Failed"}, {}, False),
        ({"attempt": 2, "startedAt": "2026-11-30T13:00:00Z"}, {"phase": "Failed"}, False),
        ({}, {"attempt": 2, "startedAt": "2026-11-30T13:00:00Z"}, True),
        # The clock was set back while it booted.
        ({"attempt": 2, "startedAt": "2020-01-01T00:00:00Z"}, {}, False),
        # It was installed anew.
        ({"startedAt": "2026-11-30T13:00:00Z"}, {"attempt": 5}, False),
    ],
)
def test_only_what_is_certainly_older_is_left_out(told: Object, than: Object, older: bool) -> None:
    first, second = (read(json.dumps(STATUS | one).encode()) for one in (told, than))
    assert is_older(first, second) is older


# By HTTP.


class Reports:
    """A world whose machines can report.

    Attributes:
        world: The clusters.
        url: Of the intake.
        clock: Of the intake's limits, in seconds.
    """

    def __init__(self, one: World, url: str) -> None:
        self.world = one
        self.url = url
        self.clock = 0.0

    def reporting(self, name: str) -> Reporting:
        """What a machine was told."""
        found = self.world.configuration(name)["spec"]["reporting"]
        return msgspec.convert(found, Reporting, dec_hook=_secret)

    def token(self, name: str) -> str:
        return self.reporting(name).headers["Authorization"].reveal()

    async def put(
        self,
        name: str,
        body: Object | bytes,
        *,
        token: str | None = None,
        headers: Mapping[str, str] | None = None,
        path: str = "",
        method: str = "PUT",
    ) -> int:
        """Report; the HTTP status."""
        given = {"Authorization": self.token(name) if token is None else token, **(headers or {})}
        raw = body if isinstance(body, bytes) else json.dumps(body).encode()
        url = f"{self.url}{path or f'/v1/reports/default/{name}'}"
        async with (
            aiohttp.ClientSession(skip_auto_headers=["Accept-Encoding"]) as session,
            session.request(
                method, url, data=io.BytesIO(raw), headers={k: v for k, v in given.items() if v}
            ) as answer,
        ):
            assert len(await answer.read()) < 200
            return answer.status

    def report(self, name: str) -> Object:
        found: Object = self.world.management.get("machinebootstraps", name)["status"].get(
            "report", {}
        )
        return found

    def writes(self) -> int:
        """How many reports were written."""
        return sum(
            1
            for call, body in zip(
                self.world.management.calls, self.world.management.bodies, strict=True
            )
            if call[0] == "PATCH" and "report" in body.get("status", {})
        )


def _secret(kind: type, value: Any) -> Any:
    return kind(value)


@asynccontextmanager
async def reports(
    *names: str,
    identity: Identity | None = None,
    bundle: str | None = None,
    url: str = "https://reports.example.com",
    patience: float = 20.0,
) -> AsyncIterator[Reports]:
    async with world() as one:
        one.report_to = ReportTo(url=url, ca_bundle=bundle)
        one.restart()
        found = Reports(one, "")
        await one.certificates()
        await one.cluster(initialized=True)
        intake = Intake(
            one.client,
            bootstraps=one.controller.bootstraps,
            secrets=one.controller.secrets,
            clusters=one.controller.clusters,
            now=lambda: one.now,
            clock=lambda: found.clock,
            events=one.events,
            patience=patience,
        )
        tls = None
        if identity is not None:
            tls = Certificates(str(identity.certificate), str(identity.key)).context
        runs = asyncio.ensure_future(intake.run())
        sends = asyncio.ensure_future(one.events.run())
        async with served(intake.app(), HERE, tls) as port:
            found.url = f"{'https' if tls else 'http'}://127.0.0.1:{port}"
            if identity is not None:
                one.report_to = ReportTo(url=found.url, ca_bundle=bundle)
                one.controller._actor._report_to = one.report_to
            for name in names:
                await one.machine(name)
            await one.settle()
            await one.refresh()
            one.management.calls.clear()
            one.management.bodies.clear()
            yield found
        for task in (runs, sends):
            task.cancel()


def test_a_failure_is_shown_with_its_code_and_makes_the_machine_not_ready() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            assert await one.put("worker", FAILED) == 204
            assert one.report("worker") == {
                "phase": "Failed",
                "step": "kubeadm-join",
                "code": "MA5001",
                "message": "kubeadm join failed",
                "reportedAt": "2026-11-30T12:00:00Z",
            }
            assert one.world.condition("worker", "BootstrapSucceeded") == ("False", "Failed")
            await one.world.settle()
            assert one.world.condition("worker", "Ready") == ("False", "BootstrapFailed")
            said = one.world.message("worker", "Ready")
            assert said == "kubeadm-join: kubeadm join failed (MA5001); see its log"
            # Each of the two writers kept what the other owns.
            assert one.report("worker")["code"] == "MA5001"
            assert one.world.condition("worker") == ("True", "Available")

    run(whole())


def test_a_machine_that_tries_again_and_succeeds_is_ready_and_stays_so() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            await one.put("worker", FAILED)
            again = status(attempt=2, startedAt="2026-11-30T12:05:00Z")
            assert await one.put("worker", again) == 204
            await one.world.settle()
            assert one.world.condition("worker", "BootstrapSucceeded") == ("Unknown", "Running")
            assert one.world.condition("worker", "Ready") == ("True", "Ready")
            await one.put("worker", again | {"phase": "Succeeded"})
            await one.world.settle()
            # Somebody runs the agent once more, much later: a node that works is not replaced for that.
            third = FAILED | {"attempt": 3, "startedAt": "2026-12-30T12:00:00Z"}
            assert await one.put("worker", third) == 204
            await one.world.settle()
            assert one.report("worker")["phase"] == "Failed"
            assert one.world.condition("worker", "BootstrapSucceeded") == ("True", "Succeeded")
            assert one.world.condition("worker", "Ready") == ("True", "Ready")

    run(whole())


def test_a_whole_bootstrap_costs_three_writes_however_often_it_reports() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            sent = [status(phase="Pending"), status(phase="Preparing")]
            for number in range(8):
                steps = [{"name": f"step-{number}", "state": "Running"}]
                sent.append(status(phase="Preparing", steps=steps))
            sent += [status(phase="Bootstrapping"), status(phase="Succeeded")]
            for body in sent:
                one.clock += 10
                assert await one.put("worker", body) == 204
            assert one.writes() == 3
            assert one.report("worker")["phase"] == "Succeeded"

    run(whole())


def test_an_older_report_that_comes_late_changes_nothing() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            await one.put("worker", FAILED)
            assert await one.put("worker", STATUS) == 204
            assert one.report("worker")["phase"] == "Failed"
            assert one.writes() == 1

    run(whole())


@pytest.mark.parametrize(
    ("name", "token", "answer"),
    [
        ("worker", "", 401),
        ("worker", "Basic eA==", 401),
        ("worker", "Bearer x", 401),
        ("worker", "Bearer " + "A" * 43, 403),
        ("worker", "Bearer " + "A" * 44, 401),
        ("worker", "of other", 403),
        ("nobody", "of worker", 403),
        ("WORKER", "of worker", 403),
        ("%2e%2e", "of worker", 404),
        ("plain", "of worker", 403),
        ("planted", "of planted", 403),
    ],
)
def test_nobody_reports_for_another_machine(name: str, token: str, answer: int) -> None:
    async def whole() -> None:
        async with reports("worker", "other", "plain", "planted") as one:
            management = one.world.management
            # One whose data was made before machines reported.
            secret = json.loads(json.dumps(management.get("secrets", "plain")))
            secret["metadata"]["annotations"].pop("machineadm.x-k8s.io/report-seed")
            await management.put("secrets", secret)
            shown = token
            if token == "of planted":
                shown = one.token("planted")
                # The same annotation on a Secret that belongs to nobody.
                planted = json.loads(json.dumps(management.get("secrets", "planted")))
                planted["metadata"]["ownerReferences"] = []
                await management.put("secrets", planted)
            elif token.startswith("of "):
                shown = one.token(token.removeprefix("of "))
            await one.world.refresh()
            assert await one.put(name, FAILED, token=shown) == answer
            assert not one.writes()
            assert not one.report("worker")

    run(whole())


def test_who_guesses_costs_the_management_cluster_one_call_a_minute() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            for _ in range(20):
                assert await one.put("worker", FAILED, token="Bearer " + "A" * 43) == 403
                assert await one.put("nobody", FAILED, token="Bearer " + "A" * 43) == 403
            assert len(one.world.management.calls) == 1
            # And takes nothing of what the machine itself may.
            assert await one.put("worker", FAILED) == 204

    run(whole())


@pytest.mark.parametrize(
    ("body", "headers", "answer"),
    [
        (b"{}", {}, 400),
        (b"x" * (LARGEST_REPORT + 1), {}, 413),
        (b"", {}, 400),
        (b"\x1f\x8b" + b"x" * 100, {"Content-Encoding": "gzip"}, 415),
    ],
)
def test_what_is_no_report_leaves_no_trace(
    body: bytes, headers: Mapping[str, str], answer: int
) -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            assert await one.put("worker", body, headers=headers) == answer
            assert not one.writes()

    run(whole())


def test_a_report_without_a_length_is_cut_off_where_it_is_too_large() -> None:
    async def whole() -> None:
        async with reports("worker") as one:

            async def chunks() -> AsyncIterator[bytes]:
                for _ in range(40):
                    yield b" " * 65536

            url = f"{one.url}/v1/reports/default/worker"
            headers = {"Authorization": one.token("worker")}
            async with (
                aiohttp.ClientSession() as session,
                session.put(url, data=chunks(), headers=headers) as answer,
            ):
                assert answer.status == 413
            assert not one.writes()

    run(whole())


@pytest.mark.parametrize(
    ("method", "path"),
    [
        ("GET", ""),
        ("DELETE", ""),
        ("POST", ""),
        ("GET", "/"),
        ("GET", "/v1/reports"),
        ("GET", "/v1/reports/"),
        ("PUT", "/v1/reports/default/worker/"),
        ("PUT", "/v1/reports/default/worker/status"),
        ("PUT", "//v1/reports/default/worker"),
    ],
)
def test_nothing_is_listed_shown_or_redirected(method: str, path: str) -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            answer = await one.put("worker", b"", path=path, method=method)
            assert answer in (404, 405)

    run(whole())


def test_a_machine_that_reports_in_a_loop_is_held_back_and_no_other() -> None:
    async def whole() -> None:
        async with reports("worker", "other") as one:
            answers = [await one.put("worker", STATUS) for _ in range(12)]
            assert answers == [204] * 10 + [429] * 2
            assert await one.put("other", STATUS) == 204
            one.clock += 6
            assert await one.put("worker", FAILED) == 204

    run(whole())


@pytest.mark.parametrize("what", ["cluster", "object"])
def test_while_paused_a_report_is_kept_and_nothing_written(what: str) -> None:
    async def whole() -> None:
        async with reports("worker", patience=0.05) as one:
            management = one.world.management
            annotated = json.loads(json.dumps(management.get("machinebootstraps", "worker")))
            annotated["metadata"].setdefault("annotations", {})["cluster.x-k8s.io/paused"] = ""
            before = json.loads(json.dumps(management.get("machinebootstraps", "worker")))
            if what == "cluster":
                await one.world.cluster(initialized=True, paused=True)
            else:
                await management.put("machinebootstraps", annotated)
            await one.world.refresh()
            management.calls.clear()
            management.bodies.clear()
            assert await one.put("worker", STATUS) == 202
            assert await one.put("worker", FAILED) == 202
            assert [call for call in management.calls if call[0] != "GET"] == []
            if what == "cluster":
                await one.world.cluster(initialized=True)
            else:
                await management.put("machinebootstraps", before)
            await one.world.refresh()
            await until(lambda: one.report("worker").get("phase") == "Failed")
            assert one.writes() == 1

    run(whole())


@pytest.mark.parametrize("code", [500, 409, 403])
def test_a_report_that_cannot_be_written_now_is_written_later(code: int) -> None:
    async def whole() -> None:
        async with reports("worker", patience=0.05) as one:
            management = one.world.management
            management.fail = lambda method, path: code if method == "PATCH" else 0
            assert await one.put("worker", FAILED) == 202
            management.fail = lambda method, path: 0
            await until(lambda: one.report("worker").get("phase") == "Failed")

    run(whole())


def test_a_report_that_a_fault_of_ours_lost_is_not_told_as_written() -> None:
    faults = [RuntimeError("the first"), RuntimeError("the second")]

    async def whole() -> None:
        async with reports("worker") as one:
            there = one.world

            def now() -> datetime:
                if faults:
                    raise faults.pop()
                return there.now

            intake = Intake(
                there.client,
                bootstraps=there.controller.bootstraps,
                secrets=there.controller.secrets,
                clusters=there.controller.clusters,
                now=now,
                clock=lambda: 0.0,
            )
            runs = asyncio.ensure_future(intake.run())
            said = read(json.dumps(FAILED).encode())
            answers = [(await intake.take(("default", "worker"), said))[0] for _ in range(3)]
            assert answers == [503, 503, 204]
            assert one.report("worker")["phase"] == "Failed"
            runs.cancel()

    run(whole())


def test_a_report_of_a_machine_that_goes_meanwhile_is_dropped() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            token = one.token("worker")
            await one.world.management.remove("machinebootstraps", "worker")
            assert await one.put("worker", FAILED, token=token) == 204
            await one.world.refresh()
            assert await one.put("worker", FAILED, token=token) == 403

    run(whole())


def test_a_report_that_is_kept_is_not_written_to_another_machine_of_that_name() -> None:
    async def whole() -> None:
        async with reports("worker", "other", patience=0.05) as one:
            management = one.world.management
            there = json.loads(json.dumps(management.get("machinebootstraps", "worker")))
            there["metadata"].setdefault("annotations", {})["cluster.x-k8s.io/paused"] = ""
            await management.put("machinebootstraps", there)
            await one.world.refresh()
            assert await one.put("worker", FAILED) == 202
            # A watch that was cut off meanwhile tells of the new object alone.
            store = one.world.controller.bootstraps
            old = store.get(("default", "worker"))
            assert old is not None
            store.put(msgspec.structs.replace(old, uid="another", paused=False))

            await one.put("other", FAILED)
            await until(lambda: one.report("other").get("phase") == "Failed")
            assert one.report("worker") == {}

    run(whole())


def test_after_a_move_a_machine_reports_with_the_token_that_it_holds() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            token = one.token("worker")
            management = one.world.management
            moved = json.loads(json.dumps(management.get("machinebootstraps", "worker")))
            moved.pop("status")
            await management.remove("machinebootstraps", "worker")
            moved["metadata"]["uid"] = "another-uid"
            await management.put("machinebootstraps", moved)
            machine = management.get("machines", "worker")
            spec = machine["spec"] | {"bootstrap": {"dataSecretName": "worker"}}
            await management.change("machines", "worker", spec=spec)
            await one.world.settle()
            assert await one.put("worker", FAILED, token=token) == 204
            assert one.report("worker")["code"] == "MA5001"

    run(whole())


def test_what_a_machine_writes_is_one_line_of_text_to_whoever_reads_it() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            hostile = "a\x1b[2Jb\nc\u202e" + "x" * 30_000
            error = {"code": "", "message": hostile, "hint": hostile}
            steps = [{"name": "s\x00tep", "state": "Failed"}]
            assert await one.put("worker", FAILED | {"error": error, "steps": steps}) == 204
            found = one.report("worker")
            assert found["message"].startswith("a [2Jb c x")
            assert len(found["message"]) == 1024
            assert found["step"] == "s tep"
            assert "code" not in found
            said = one.world.message("worker", "BootstrapSucceeded")
            assert said.isprintable()
            assert len(said) < 4096

    run(whole())


def test_an_end_is_told_as_an_event() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            await one.put("worker", FAILED)
            await one.put("worker", status(phase="Succeeded", attempt=2))
            await one.world.events.flush(20)
            told = [
                (event["type"], event["reason"])
                for (plural, _, _), event in one.world.management.objects.items()
                if plural == "events" and event["action"] == "Report"
            ]
            assert told == [("Warning", "BootstrapFailed"), ("Normal", "BootstrapSucceeded")]

    run(whole())


def test_every_answer_is_counted() -> None:
    async def whole() -> None:
        async with reports("worker") as one:
            await one.put("worker", STATUS)
            await one.put("worker", STATUS)
            await one.put("worker", b"{")
            await one.put("worker", STATUS, token="Bearer " + "A" * 43)
            text = one.world.client.metrics.shown()[0].decode()
            found = dict(re.findall(r'machineadm_reports_total{result="(\w+)"} (\S+)', text))
            assert found == {
                "written": "1.0",
                "unchanged": "1.0",
                "malformed": "1.0",
                "refused": "1.0",
            }

    run(whole())


# What machines are told.


def test_machines_of_a_manager_that_takes_no_reports_are_told_nothing_of_them() -> None:
    async def whole() -> None:
        async with world() as one:
            await one.certificates()
            await one.cluster(initialized=True)
            await one.machine("worker")
            await one.settle()
            assert "reporting" not in one.configuration("worker")["spec"]
            annotations = one.management.get("secrets", "worker")["metadata"]["annotations"]
            assert "machineadm.x-k8s.io/report-seed" not in annotations

    run(whole())


def test_each_machine_has_a_token_of_its_own_that_follows_from_its_cluster_s_key() -> None:
    async def whole() -> None:
        async with reports("worker", "other") as one:
            assert one.token("worker") != one.token("other")
            uid = one.world.management.get("machinebootstraps", "worker")["metadata"]["uid"]
            # The key that every world of these tests has.
            assert one.token("worker") == f"Bearer {report_token(bytes(32), uid)}"
            told = one.reporting("worker")
            assert told.url == "https://reports.example.com/v1/reports/default/worker"

    run(whole())


# The whole way.


@pytest.mark.parametrize("fails", [True, False], ids=["fails", "succeeds"])
def test_the_agent_reports_by_tls_what_its_data_secret_told_it_to(
    fails: bool, tmp_path: Path
) -> None:
    async def whole() -> None:
        authority = Authority()
        identity = authority.identity(tmp_path / "tls", "127.0.0.1")
        async with reports("worker", identity=identity, bundle=authority.certificate) as one:
            stage = Stage(tmp_path)
            stage.file.write_text(json.dumps(one.world.configuration("worker")))
            if fails:
                stage.host.commands.on("kubeadm", "join", exit_code=1)

            def machine() -> None:
                try:
                    stage.run()
                except MachineadmError:
                    assert fails

            await asyncio.to_thread(machine)
            await one.world.settle()
            found = one.report("worker")
            reported = [c for c in stage.status().conditions if c.type == "Reported"]
            assert [c.status for c in reported] == ["True"]
            assert found["phase"] == stage.status().phase
            error = stage.status().error
            assert found.get("code", "") == (error.code if error else "")
            ready = ("False", "BootstrapFailed") if fails else ("True", "Ready")
            assert one.world.condition("worker", "Ready") == ready
            if error is not None:
                assert f"({error.code})" in one.world.message("worker", "Ready")

    run(whole())


def test_an_intake_of_another_authority_gets_no_report_and_no_token(tmp_path: Path) -> None:
    async def whole() -> None:
        identity = Authority("an impostor").identity(tmp_path, "127.0.0.1")
        async with reports(
            "worker", identity=identity, bundle=Authority("ours").certificate
        ) as one:
            told = one.reporting("worker")
            assert told.url is not None
            with pytest.raises(MachineadmError):
                await asyncio.to_thread(
                    put_report,
                    told.url,
                    json.dumps(STATUS).encode(),
                    headers=told.headers,
                    ca_bundle=told.ca_bundle or "",
                )
            assert not one.world.management.calls

    run(whole())


def test_a_renewed_certificate_is_used_without_a_restart(tmp_path: Path) -> None:
    first, second = Authority("first"), Authority("second")
    identity = first.identity(tmp_path, "127.0.0.1")
    certificates = Certificates(str(identity.certificate), str(identity.key))
    assert not certificates.renew()
    whole = identity.certificate.read_bytes()
    identity.certificate.write_text("half of it")
    assert not certificates.renew()
    identity.certificate.write_bytes(whole)

    async def serves(authority: Authority) -> None:
        import ssl

        trusted = ssl.create_default_context(cadata=authority.certificate)
        async with reports() as one:
            app = Intake(
                one.world.client,
                bootstraps=one.world.controller.bootstraps,
                secrets=one.world.controller.secrets,
                clusters=one.world.controller.clusters,
                now=lambda: one.world.now,
                clock=lambda: 0.0,
            ).app()
            async with (
                served(app, HERE, certificates.context) as port,
                aiohttp.ClientSession() as session,
                session.get(f"https://127.0.0.1:{port}/", ssl=trusted) as answer,
            ):
                assert answer.status == 404

    run(serves(first))
    second.identity(tmp_path, "127.0.0.1")
    assert certificates.renew()
    run(serves(second))


def test_a_certificate_that_is_not_there_is_named(tmp_path: Path) -> None:
    with pytest.raises(AddressError, match="missing"):
        Certificates(str(tmp_path / "missing"), str(tmp_path / "missing"))


@pytest.mark.parametrize(
    "options",
    [
        ["--report-url=http://reports.example.com"],
        ["--report-url=https://user@reports.example.com"],
        ["--report-url=https://reports.example.com?x"],
        ["--report-url=https://reports.example.com", "--report-certificate=/nowhere"],
        [
            "--report-url=https://reports.example.com",
            "--report-certificate=/nowhere",
            "--report-key=/nowhere",
        ],
        ["--report-url=https://reports.example.com", "--report-ca-bundle=/nowhere"],
        ["--report-url=https://reports.example.com", "--report-ca-bundle=/dev/null"],
    ],
)
def test_what_cannot_be_used_for_reports_ends_the_start_with_a_word(
    options: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(
        "{apiVersion: v1, kind: Config, clusters: [{name: a, cluster: {server: 'http://127.0.0.1:1'}}],"
        " users: [{name: u, user: {token: t}}], contexts: [{name: c, context: {cluster: a, user: u}}],"
        " current-context: c}"
    )
    assert main([f"--kubeconfig={kubeconfig}", *options]) == 2
    said = capsys.readouterr().err
    assert said.count("\n") == 1
    assert "--report" in said or "/nowhere" in said
