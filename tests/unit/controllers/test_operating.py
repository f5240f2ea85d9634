"""What an operator has of a controller: probes, metrics, Events, logs, and an end that leaves nothing half done."""

from __future__ import annotations

import asyncio
import base64
import io
import json
import logging
import re
import signal
import socket
import subprocess
import sys
from collections.abc import AsyncIterator, Callable, Coroutine, Iterable, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    PrivateFormat,
    load_pem_private_key,
)
from prometheus_client import parser
from prometheus_client.core import Metric
from prometheus_client.openmetrics import parser as strict

from machineadm.controllers.cli import main
from machineadm.controllers.runtime.events import About, Event, Events
from machineadm.controllers.runtime.lease import Election
from machineadm.controllers.runtime.logs import about, set_up
from machineadm.controllers.runtime.metrics import Metrics
from machineadm.controllers.runtime.process import Endpoints, Process
from machineadm.controllers.runtime.resources import MACHINES
from machineadm.controllers.runtime.serving import (
    AddressError,
    Guard,
    address,
    diagnostics,
    self_signed,
    served,
)
from tests.controllers_world import START, World, world
from tests.fakes.apiserver import ApiServer, Object, client_of
from tests.servers.authority import Authority

ROOT = Path(__file__).parents[3]
HERE = ("127.0.0.1", 0)
MACHINE = About(resource=MACHINES, namespace="default", name="worker", uid="u")
SAID = Event(type="Warning", reason="VersionSkew", action="MakeData", note="too new")


@pytest.fixture(autouse=True)
def _logging() -> Iterator[None]:
    """The program sets up logging for the whole process."""
    root = logging.getLogger()
    handlers, level = root.handlers[:], root.level
    yield
    root.handlers[:] = handlers
    root.setLevel(level)


def run(whole: Coroutine[Any, Any, None]) -> None:
    asyncio.run(asyncio.wait_for(whole, 60))


async def until(holds: Callable[[], bool]) -> None:
    while not holds():
        await asyncio.sleep(0.01)


async def got(url: str, **headers: str) -> tuple[int, str]:
    async with aiohttp.ClientSession() as session, session.get(url, headers=headers) as answer:
        return answer.status, await answer.text()


# Metrics.


def read(text: str) -> Iterable[Metric]:
    parse: Callable[[str], Iterable[Metric]] = parser.text_string_to_metric_families
    return parse(text)


def faults(families: Iterable[Metric]) -> list[str]:
    """What `promtool check metrics` refuses of names and help."""
    found = []
    for one in families:
        name = one.name + ("_total" if one.type == "counter" else "")
        if not one.documentation:
            found.append(f"{name}: no help text")
        if one.type != "counter" and name.endswith(("_total", "_count", "_sum", "_bucket")):
            found.append(f"{name}: reserved for counters and histograms")
        if re.search(r"(_milliseconds|_ms|_minutes|_hours|_kilobytes|_mb|_gauge|_counter)", name):
            found.append(f"{name}: not in base units, or its type in its name")
        if not re.fullmatch(r"[a-z][a-z0-9_]*", name):
            found.append(f"{name}: not in snake case")
        labels = {label for sample in one.samples for label in sample.labels}
        found += [f"{name}: label {label}" for label in labels if not re.fullmatch("[a-z]+", label)]
    return found


@pytest.mark.parametrize(
    "text",
    [
        "# TYPE machineadm_x gauge\nmachineadm_x 1\n",
        "# HELP machineadm_x_total h\n# TYPE machineadm_x_total gauge\nmachineadm_x_total 1\n",
        "# HELP machineadm_x_ms h\n# TYPE machineadm_x_ms gauge\nmachineadm_x_ms 1\n",
        "# HELP machineadmX h\n# TYPE machineadmX gauge\nmachineadmX 1\n",
        '# HELP machineadm_x h\n# TYPE machineadm_x gauge\nmachineadm_x{camelCase="1"} 1\n',
    ],
)
def test_the_judge_of_metrics_finds_what_promtool_would_refuse(text: str) -> None:
    assert faults(read(text))


@asynccontextmanager
async def processing(one: World, **named: Any) -> AsyncIterator[tuple[Process, str, str]]:
    """A whole process; yields it, the URL of its probes and that of its metrics."""
    ports = []
    for _ in range(2):
        with socket.socket() as held:
            held.bind(HERE)
            ports.append(held.getsockname()[1])
    process = Process(
        one.controller, events=one.events, metrics=one.client.metrics, grace=20.0, **named
    )
    endpoints = Endpoints(probes=(HERE[0], ports[0]), diagnostics=(HERE[0], ports[1]))
    running = asyncio.ensure_future(process.run(endpoints))
    urls = [f"http://127.0.0.1:{port}" for port in ports]
    try:
        yield process, urls[0], urls[1]
    finally:
        if not process.ending:
            process.stop()
        await running


def test_metrics_are_read_by_prometheus_and_agree_with_what_was_done() -> None:
    async def whole() -> None:
        async with world() as one:
            await one.certificates()
            await one.cluster(initialized=True)
            await one.machine("worker")
            await one.machine("broken", machine={"linuxConfiguration": {"sysctls": {"a b": "1"}}})
            async with processing(one) as (_, _, url):
                await until(lambda: one.condition("worker") == ("True", "Available"))
                await until(lambda: one.condition("broken") == ("False", "InvalidConfiguration"))
                await until(lambda: "InvalidConfiguration" in _reasons(one))
                status, text = await got(f"{url}/metrics")
                _, strictly = await got(
                    f"{url}/metrics", Accept="application/openmetrics-text; version=1.0.0"
                )
            assert status == 200
            families = list(read(text))
            parse: Callable[[str], Iterable[Metric]] = strict.text_string_to_metric_families
            assert list(parse(strictly))
            assert not faults(families)
            samples = {
                (s.name, *sorted(s.labels.values())): s.value for f in families for s in f.samples
            }
            assert samples["machineadm_leader",] == 1
            assert samples["machineadm_cached_objects", "machinebootstraps"] == 2
            assert samples["machineadm_bootstraps", "Ready", "True"] == 1
            assert samples["machineadm_bootstraps", "False", "InvalidConfiguration"] == 1
            assert samples["machineadm_data_made_seconds_count",] == 1
            assert samples["machineadm_lists_total", "machines"] == 1
            # The token in the workload cluster, and nothing else, was made there.
            made = samples["machineadm_api_calls_total", "201", "POST", "workload"]
            assert made == len(one.tokens()) == 1
            created = [call for call in one.management.calls if call == ("POST", "secrets")]
            counted = samples["machineadm_api_calls_total", "201", "POST", "management"]
            events = len(one.management.names("events"))
            assert len(created) <= counted <= len(created) + events

    run(whole())


def _reasons(one: World) -> set[str]:
    return {reason for _, reason in one.controller.by_readiness()}


def test_every_metric_is_in_the_docs_and_every_one_of_the_docs_exists() -> None:
    async def whole() -> None:
        async with world() as one:
            Process(one.controller, events=one.events, metrics=one.client.metrics)
            text, _ = one.client.metrics.shown()
            families = read(text.decode())
            there = {f.name + ("_total" if f.type == "counter" else "") for f in families}
            page = (ROOT / "docs/controllers.md").read_text()
            assert set(re.findall(r"^\| `(machineadm_\w+)", page, re.MULTILINE)) == there

    run(whole())


def test_a_call_without_an_answer_is_counted_as_such() -> None:
    async def whole() -> None:
        server = ApiServer()
        async with client_of(server) as client:
            server.fail = lambda method, path: 503
            with pytest.raises(Exception, match="as the test wants"):
                await client.create(MACHINES, "default", {"metadata": {"name": "x"}})
        text = client.metrics.shown()[0].decode()
        assert 'machineadm_api_calls_total{cluster="management",code="503",method="POST"} 1.0' in (
            text
        )

    run(whole())


TOKENS = {"good": "reader", "other": "nobody"}


def reviews(plural: str, spec: Object) -> Object:
    if plural == "tokenreviews":
        user = TOKENS.get(spec["token"])
        return {"authenticated": bool(user), "user": {"username": user or "", "groups": ["g"]}}
    assert spec["nonResourceAttributes"] == {"path": "/metrics", "verb": "get"}
    return {"allowed": spec["user"] == "reader" and spec["groups"] == ["g"]}


@pytest.mark.parametrize(
    ("header", "status"),
    [
        ("", 401),
        ("Basic Z29vZA==", 401),
        ("Bearer ", 401),
        ("Bearer unknown", 401),
        ("Bearer " + "x" * 5000, 401),
        ("Bearer other", 403),
        ("Bearer good", 200),
    ],
)
def test_metrics_are_shown_to_whom_the_management_cluster_lets_in(header: str, status: int) -> None:
    async def whole() -> None:
        server = ApiServer()
        server.review = reviews
        async with client_of(server) as client:
            app = diagnostics(client.metrics, Guard(client))
            async with served(app, HERE) as port:
                headers = {"Authorization": header} if header else {}
                url = f"http://127.0.0.1:{port}/metrics"
                assert (await got(url, **headers))[0] == status
                asked = len(server.calls)
                # Scraped every few seconds: the answer holds for a minute.
                assert (await got(url, **headers))[0] == status
                assert len(server.calls) == asked

    run(whole())


def test_metrics_stay_closed_while_nobody_can_say_who_asks() -> None:
    async def whole() -> None:
        server = ApiServer()
        async with client_of(server) as client:
            guard = Guard(client)
            server.fail = lambda method, path: 500
            assert await guard.refusal("Bearer good", "/metrics") == 503
            server.fail = lambda method, path: 0
            server.review = reviews
            assert await guard.refusal("Bearer good", "/metrics") == 0

    run(whole())


def test_metrics_are_served_by_tls_that_no_file_is_needed_for() -> None:
    async def whole() -> None:
        async with served(diagnostics(Metrics(), None), HERE, self_signed(START)) as port:
            url = f"https://127.0.0.1:{port}/metrics"
            async with aiohttp.ClientSession() as session:
                async with session.get(url, ssl=False) as answer:
                    assert answer.status == 200
                with pytest.raises(aiohttp.ClientConnectorCertificateError):
                    await session.get(url)

    run(whole())


# Probes.


def test_a_process_is_ready_once_its_caches_are_and_alive_all_the_time() -> None:
    async def whole() -> None:
        async with world() as one:
            one.management.fail_lists = {"machines"}
            async with processing(one) as (process, url, _):
                await until(lambda: one.controller.reflectors[0].synced.is_set())
                assert (await got(f"{url}/readyz"))[0] == 503
                assert "machines are not listed yet" in (await got(f"{url}/readyz"))[1]
                assert (await got(f"{url}/healthz"))[0] == 200
                one.management.fail_lists = set()
                await until(lambda: not one.controller.lacks())
                assert (await got(f"{url}/readyz")) == (200, "ok\n")

                # An API server that is away is no reason to be killed.
                one.management.fail = lambda method, path: 500
                await one.management.cut_watches()
                assert (await got(f"{url}/healthz"))[0] == 200
                assert (await got(f"{url}/readyz"))[0] == 200
                one.management.fail = lambda method, path: 0

                stuck = asyncio.Event()
                one.management.hold = stuck
                await one.machine("worker")
                await until(lambda: one.controller.workers_busy > 0)
                process.stop()
                assert (await got(f"{url}/readyz"))[0] == 503
                assert (await got(f"{url}/healthz"))[0] == 200
                stuck.set()

    run(whole())


@pytest.mark.parametrize("text", ["", "9440", "localhost", ":x", ":70000", "a:b:c"])
def test_what_is_not_an_address_is_refused(text: str) -> None:
    with pytest.raises(AddressError):
        address(text)


def test_an_address_may_name_a_host_or_none_or_say_nowhere() -> None:
    assert address(":9440") == (None, 9440)
    assert address("127.0.0.1:1") == ("127.0.0.1", 1)
    assert address("[::1]:1") == ("::1", 1)
    assert address("0") is None


def test_an_address_that_is_taken_ends_the_start_with_a_word(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    with socket.socket() as held:
        held.bind(HERE)
        held.listen()
        port = held.getsockname()[1]
        kubeconfig = tmp_path / "kubeconfig"
        kubeconfig.write_text(KUBECONFIG % "http://127.0.0.1:1")
        options = [f"--kubeconfig={kubeconfig}", "--diagnostics-address=0"]
        assert main([*options, f"--health-address=127.0.0.1:{port}"]) == 2
    assert f"cannot listen at 127.0.0.1:{port}" in capsys.readouterr().err


@pytest.mark.parametrize("count", ["0", "-1", "²", "many", "10001"])
def test_a_number_of_workers_that_do_nothing_is_refused(
    count: str, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(SystemExit) as caught:
        main([f"--concurrency={count}"])
    assert caught.value.code == 2
    assert "from 1 to 10000" in capsys.readouterr().err


ENCRYPTED = """
import ssl, sys
from machineadm.controllers.runtime.kubeconfig import load_pair
from machineadm.controllers.runtime.serving import AddressError, Certificates
from pathlib import Path
certificate, key = sys.argv[1:3]
try:
    Certificates(certificate, key)
except AddressError:
    print("files refused", flush=True)
try:
    load_pair(ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER), Path(certificate).read_bytes(), Path(key).read_bytes())
except ssl.SSLError:
    print("pair refused", flush=True)
"""


def test_nobody_is_asked_for_the_passphrase_of_a_key(tmp_path: Path) -> None:
    identity = Authority().identity(tmp_path, "localhost")
    key = load_pem_private_key(identity.key.read_bytes(), None)
    hidden = BestAvailableEncryption(b"passphrase")
    identity.key.write_bytes(key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, hidden))
    # In a session without a terminal OpenSSL would take the answer from here.
    ended = subprocess.run(
        [sys.executable, "-c", ENCRYPTED, identity.certificate, identity.key],
        input=b"passphrase\n" * 4,
        capture_output=True,
        start_new_session=True,
        check=True,
        cwd=ROOT,
    )
    assert ended.stdout.splitlines() == [b"files refused", b"pair refused"]


# The end.


def test_what_is_begun_is_finished_and_the_lease_given_back() -> None:
    async def whole() -> None:
        async with world() as one:
            await one.certificates()
            await one.cluster(initialized=True)
            election = Election(one.client, "default", "lease", "me")
            lease = About(resource=MACHINES, namespace="default", name="lease")
            async with processing(one, election=election, lease=lease) as (process, _, _):
                await until(lambda: not one.controller.lacks())
                stuck = asyncio.Event()
                one.management.hold = stuck
                await one.machine("worker")
                await until(lambda: one.controller.workers_busy > 0)
                process.stop()
                await one.machine("late")
                await asyncio.sleep(0)
                assert one.condition("worker") == ("", "")
                stuck.set()
            assert one.condition("worker") == ("True", "Available")
            assert one.condition("late") == ("", "")
            assert one.management.get("leases", "lease")["spec"]["holderIdentity"] == ""
            reasons = {
                event["reason"]
                for (plural, _, _), event in one.management.objects.items()
                if plural == "events"
            }
            assert reasons == {"LeaderElection", "DataSecretAvailable"}

    run(whole())


def test_told_twice_it_ends_at_once_and_the_next_process_goes_on() -> None:
    async def whole() -> None:
        async with world() as one:
            await one.certificates()
            await one.cluster(initialized=True)
            async with processing(one) as (process, _, _):
                await until(lambda: not one.controller.lacks())
                one.management.hold = asyncio.Event()
                await one.machine("worker")
                await until(lambda: one.controller.workers_busy > 0)
                process.stop()
                process.stop()
            assert one.condition("worker") == ("", "")
            one.management.hold = None
            one.restart()
            await one.settle()
            assert one.condition("worker") == ("True", "Available")

    run(whole())


KUBECONFIG = """\
apiVersion: v1
kind: Config
clusters: [{name: a, cluster: {server: '%s'}}]
users: [{name: u, user: {token: t}}]
contexts: [{name: c, context: {cluster: a, user: u}}]
current-context: c
"""


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT])
def test_the_program_serves_and_ends_well_on_a_signal(number: int, tmp_path: Path) -> None:
    async def whole() -> None:
        async with world() as one, one.management.running() as server:
            await one.certificates()
            await one.cluster(initialized=True)
            await one.machine("worker")
            kubeconfig = tmp_path / "kubeconfig"
            kubeconfig.write_text(KUBECONFIG % server)
            program = await asyncio.create_subprocess_exec(
                sys.executable,
                "-m",
                "machineadm.controllers.cli",
                f"--kubeconfig={kubeconfig}",
                "--log-format=json",
                "--leader-elect",
                "--health-address=127.0.0.1:0",
                "--diagnostics-address=127.0.0.1:0",
                "--insecure-diagnostics",
                stderr=asyncio.subprocess.PIPE,
            )
            assert program.stderr is not None
            lines: list[Object] = []
            port = 0
            while one.condition("worker") != ("True", "Available"):
                lines.append(json.loads(await program.stderr.readline()))
                if found := re.search(r"metrics at port (\d+)", lines[-1]["message"]):
                    port = int(found[1])
            status, text = await got(f"http://127.0.0.1:{port}/metrics")
            assert status == 200
            assert "process_resident_memory_bytes" in text
            program.send_signal(number)
            rest = await program.stderr.read()
            lines += [json.loads(line) for line in rest.splitlines()]
            assert await program.wait() == 0
            assert one.management.get("leases", "machineadm-bootstrap-controller")["spec"][
                "holderIdentity"
            ] == ("")
            of_worker = [line for line in lines if line.get("object") == "worker"]
            assert {"DataSecretAvailable", "Ready"} <= {line["condition"] for line in of_worker}
            # No secret of the cluster is in any line.
            data = one.workload.get("secrets", one.tokens()[0], "kube-system")["data"]
            secret = base64.b64decode(data["token-secret"]).decode()
            assert secret not in json.dumps(lines)

    run(whole())


# Events.


@asynccontextmanager
async def telling(server: ApiServer, clock: Callable[[], float]) -> AsyncIterator[Events]:
    async with client_of(server) as client:
        events = Events(
            client,
            controller="c",
            instance="i",
            now=lambda: START,
            clock=clock,
            metrics=client.metrics,
        )
        sends = asyncio.ensure_future(events.run())
        yield events
        await events.flush(20)
        sends.cancel()


def events_of(server: ApiServer) -> list[Object]:
    return [value for (plural, _, _), value in server.objects.items() if plural == "events"]


def test_the_same_words_are_one_event_that_counts_until_its_time_is_over() -> None:
    async def whole() -> None:
        server = ApiServer()
        now = [0.0]
        async with telling(server, lambda: now[0]) as events:
            for _ in range(3):
                events.tell(MACHINE, SAID)
            await events.flush(20)
            (event,) = events_of(server)
            assert event["series"]["count"] == 3
            assert (event["reason"], event["type"], event["note"]) == (
                "VersionSkew",
                "Warning",
                "too new",
            )
            assert event["regarding"]["uid"] == "u"
            now[0] += 361
            events.tell(MACHINE, SAID)
            await events.flush(20)
            assert len(events_of(server)) == 2
            # Somebody removed it, or it has outlived its time.
            for event in events_of(server):
                await server.remove("events", event["metadata"]["name"])
            events.tell(MACHINE, SAID)
            await events.flush(20)
            assert len(events_of(server)) == 1

    run(whole())


def test_one_object_says_so_much_in_a_time_and_the_others_are_heard() -> None:
    async def whole() -> None:
        server = ApiServer()
        now = [0.0]
        async with telling(server, lambda: now[0]) as events:
            for number in range(100):
                said = Event(type="Normal", reason="R", action="A", note=str(number))
                events.tell(MACHINE, said)
            events.tell(About(resource=MACHINES, namespace="default", name="other"), SAID)
            await events.flush(20)
            assert len(events_of(server)) == 26
            now[0] += 12.5
            events.tell(MACHINE, SAID)
            events.tell(MACHINE, SAID)
            await events.flush(20)
            assert len(events_of(server)) == 27

    run(whole())


@pytest.mark.parametrize("status", [403, 404, 422, 500])
def test_events_that_are_refused_hold_up_and_fail_nothing(status: int) -> None:
    async def whole() -> None:
        async with world() as one:
            await one.certificates()
            await one.cluster(initialized=True)
            await one.machine("worker")
            one.management.fail = lambda method, path: status if path == "events" else 0
            async with processing(one):
                await until(lambda: one.condition("worker") == ("True", "Available"))
                await until(lambda: ("POST", "events") in one.management.calls)
            assert not events_of(one.management)

    run(whole())


@pytest.mark.parametrize("note", ["x" * 5000, "ß" * 1000, "€" * 400])
def test_a_note_is_as_long_as_the_api_server_takes_it(note: str) -> None:
    async def whole() -> None:
        server = ApiServer()
        async with telling(server, lambda: 0.0) as events:
            events.tell(MACHINE, Event(type="Normal", reason="R", action="A", note=note))
        (event,) = events_of(server)
        assert 1000 < len(event["note"].encode()) <= 1024

    run(whole())


def test_events_tell_a_machine_s_way_and_that_an_edit_comes_too_late() -> None:
    async def whole() -> None:
        async with world() as one:
            await one.certificates()
            await one.machine("worker")
            sends = asyncio.ensure_future(one.events.run())
            await one.settle()
            await one.cluster(initialized=True)
            await one.settle()
            edited = json.loads(json.dumps(one.management.get("machinebootstraps", "worker")))
            edited["metadata"]["generation"] = 2
            await one.management.put("machinebootstraps", edited)
            await one.settle()
            await one.joins("worker")
            await one.settle()
            await one.events.flush(20)
            sends.cancel()
            told = [(event["type"], event["reason"]) for event in events_of(one.management)]
            assert told == [
                ("Normal", "WaitingForControlPlaneInitialized"),
                ("Normal", "DataSecretAvailable"),
                ("Warning", "DataNotMadeAgain"),
                ("Normal", "TokenConsumed"),
            ]

    run(whole())


# Logs.


def logged(form: Any, *arguments: Any, **named: Any) -> str:
    stream = io.StringIO()
    set_up(form, stream=stream)
    logging.getLogger("machineadm.test").warning(*arguments, **named)
    return stream.getvalue()


HOSTILE = "a\nlevel=error\r\x1b[2Jb\u2028c"


def test_a_line_of_json_has_the_object_in_fields_of_its_own() -> None:
    line = json.loads(logged("json", "made %s", HOSTILE, extra=about(namespace="n", object="o")))
    assert line["message"] == f"made {HOSTILE}"
    assert (line["namespace"], line["object"], line["level"]) == ("n", "o", "warning")
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["time"])


def test_a_field_does_not_take_the_place_of_what_every_line_has() -> None:
    line = json.loads(logged("json", "made", extra=about(level="x", message="y")))
    assert (line["level"], line["message"]) == ("warning", "made")


@pytest.mark.parametrize("form", ["text", "json"])
def test_what_others_wrote_stays_within_its_line(form: str) -> None:
    text = logged(form, "%s", HOSTILE, extra=about(object=HOSTILE))
    assert text.count("\n") == 1
    assert len(text.splitlines()) == 1
    assert "\x1b" not in text
