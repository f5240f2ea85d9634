"""Reports that go to somebody else, too: the latest counts, the last one always arrives, and none of it harms a run."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any, cast

import msgspec
import pytest

from machineadm.api.v1alpha1.status import AgentIdentity, BootstrapStatus
from machineadm.errors import HostError, MachineadmError, PluginError
from machineadm.redaction import Redactor
from machineadm.reporting.elsewhere import Elsewhere
from machineadm.reporting.status import first_status
from tests.fakes.host import FakeProviders
from tests.unit.agent.stage import CONFIGURATION, Stage


def status(attempt: int = 1) -> BootstrapStatus:
    found = first_status(agent=AgentIdentity(version="1"), time=0)
    return msgspec.structs.replace(found, attempt=attempt)


def attempts(sent: list[bytes]) -> list[int]:
    return [msgspec.json.decode(one, type=BootstrapStatus).attempt for one in sent]


def test_while_one_is_sent_the_latest_takes_the_place_of_those_before() -> None:
    sent: list[bytes] = []
    busy, go = threading.Event(), threading.Event()

    def send(data: bytes) -> None:
        sent.append(data)
        busy.set()
        assert go.wait(10)

    elsewhere = Elsewhere(send, interval=0.01)
    elsewhere.tell(status(1))
    assert busy.wait(10)
    for number in range(2, 6):
        elsewhere.tell(status(number))
    go.set()

    assert elsewhere.finish(status(9)) is None
    assert attempts(sent)[0] == 1
    assert attempts(sent)[-1] == 9
    assert len(sent) <= 3


def test_the_interval_holds_back_all_but_the_last() -> None:
    sent: list[bytes] = []
    first = threading.Event()

    def send(data: bytes) -> None:
        sent.append(data)
        first.set()

    elsewhere = Elsewhere(send, interval=3600)
    elsewhere.tell(status(1))
    assert first.wait(10)
    elsewhere.tell(status(2))

    assert elsewhere.finish(status(3)) is None
    assert attempts(sent) == [1, 3]


def test_a_failure_is_told_once_and_the_last_one_counts() -> None:
    told: list[MachineadmError] = []
    failing = iter([True, True, False])

    def send(_: bytes) -> None:
        if next(failing):
            raise HostError("MA6030", "no route")

    elsewhere = Elsewhere(send, interval=0.001, failed=told.append)
    for number in range(2):
        elsewhere.tell(status(number + 1))
        while elsewhere._latest is not None:
            pass
    assert elsewhere.finish(status(3)) is None
    assert len(told) == 1


def test_a_run_waits_for_the_last_one_no_longer_than_it_has_patience() -> None:
    never = threading.Event()
    elsewhere = Elsewhere(lambda _: cast("None", never.wait(10)), interval=1, patience=0.05)
    error = elsewhere.finish(status())
    never.set()

    assert error is not None
    assert error.code == "MA6030"


@pytest.mark.parametrize(
    ("respite", "waited"), [(0.0, "0 s"), (1.5, "0 s"), (2.125, "0.125 s"), (8.0, "0.25 s")]
)
def test_a_run_that_must_end_waits_no_longer_than_its_process_lives(
    respite: float, waited: str
) -> None:
    never = threading.Event()
    elsewhere = Elsewhere(
        lambda _: cast("None", never.wait(60)), interval=1, patience=0.25, respite=lambda: respite
    )
    error = elsewhere.finish(status())
    never.set()

    assert error is not None
    assert error.message == f"the report did not arrive within {waited}"


def test_a_fault_of_ours_is_named_and_ends_no_run() -> None:
    def send(_: bytes) -> None:
        raise ZeroDivisionError

    error = Elsewhere(send, interval=1).finish(status())

    assert error is not None
    assert (error.code, error.message) == ("MA9001", "unexpected ZeroDivisionError")


# --------------------------------------------------------------------------- with the agent
@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    stage = Stage(tmp_path)
    reporting = "  reporting: {plugin: {name: store, location: node-7}, interval: 1s}\n"
    stage.file.write_text(CONFIGURATION.replace("spec:\n", f"spec:\n{reporting}"))
    providers(stage).places["store", "node-7"] = b""
    return stage


def providers(stage: Stage) -> FakeProviders:
    return cast("FakeProviders", stage.host.providers)


def reported(stage: Stage) -> BootstrapStatus:
    plugin, location, data = providers(stage).reported[-1]
    assert (plugin, location) == ("store", "node-7")
    return msgspec.json.decode(data, type=BootstrapStatus)


def condition(found: BootstrapStatus) -> tuple[str, str]:
    (one,) = [one for one in found.conditions if one.type == "Reported"]
    return one.status, one.reason


def test_a_plugin_gets_the_report_that_the_machine_has(stage: Stage) -> None:
    stage.run()

    assert reported(stage) == stage.status()
    assert stage.status().phase == "Succeeded"
    assert condition(stage.status()) == ("True", "Arrived")
    assert b"s3cr3t-value" not in b"".join(data for *_, data in providers(stage).reported)


def test_a_failed_run_is_reported_as_well(stage: Stage) -> None:
    stage.host.commands.on("kubeadm", "join", exit_code=1)
    with pytest.raises(MachineadmError):
        stage.run()

    found = reported(stage)
    assert found.phase == "Failed"
    assert found.error is not None
    assert condition(stage.status()) == ("True", "Arrived")


def test_a_report_that_does_not_arrive_fails_no_run_and_is_told(stage: Stage) -> None:
    class Broken(FakeProviders):
        def report(self, plugin: str, location: str, status: bytes) -> None:
            raise PluginError("MA7220", f"plugin {plugin} has no room")

    broken = Broken()
    broken.places["store", "node-7"] = b""
    stage.host.providers = broken
    stage.run()

    assert stage.status().phase == "Succeeded"
    assert condition(stage.status()) == ("False", "MA7220")
    assert any("plugin store has no room" in line for line in stage.told)


def test_a_plugin_that_is_not_there_is_missed_before_anything_is_touched(stage: Stage) -> None:
    providers(stage).places.clear()
    with pytest.raises(PluginError) as caught:
        stage.run()

    assert caught.value.code == "MA7226"
    assert stage.ran("boot-command") == 0


def test_a_run_with_nothing_to_do_reports_as_well(stage: Stage) -> None:
    stage.run()
    providers(stage).reported.clear()
    stage.run()

    assert reported(stage).phase == "Succeeded"


class Server(ThreadingHTTPServer):
    """Takes what is put."""

    def __init__(self, code: int = 204) -> None:
        self.code = code
        self.got: list[tuple[str, str, dict[str, str], bytes]] = []
        super().__init__(("127.0.0.1", 0), Handler)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server_address[1]}/nodes/7?sig=s3cr3t-signature"


class Handler(BaseHTTPRequestHandler):
    def do_PUT(self) -> None:
        server = cast("Server", self.server)
        body = self.rfile.read(int(self.headers["Content-Length"]))
        server.got.append((self.command, self.path, dict(self.headers), body))
        self.send_response(server.code)
        if server.code == 302:
            self.send_header("Location", "/elsewhere")
        self.end_headers()

    def log_message(self, *_: Any) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Server]:
    server = Server()
    thread = threading.Thread(target=server.serve_forever, args=(0.02,), daemon=True)
    thread.start()
    yield server
    server.shutdown()
    thread.join()
    server.server_close()


def to_url(stage: Stage, server: Server) -> None:
    text = f'  reporting: {{url: "{server.url}", headers: {{X-Key: s3cr3t-key}}}}\n'
    stage.file.write_text(CONFIGURATION.replace("spec:\n", f"spec:\n{text}"))


def test_a_url_gets_the_report_by_put(stage: Stage, server: Server) -> None:
    to_url(stage, server)
    stage.redactor = Redactor()
    stage.run()

    assert stage.redactor.text("s3cr3t-key") == "***"
    command, path, headers, body = server.got[-1]
    assert (command, path) == ("PUT", "/nodes/7?sig=s3cr3t-signature")
    assert headers["X-Key"] == "s3cr3t-key"
    assert headers["Content-Type"] == "application/json"
    assert msgspec.json.decode(body, type=BootstrapStatus) == stage.status()


@pytest.mark.parametrize("code", [302, 403, 503])
def test_a_url_that_does_not_take_it_is_told_without_its_secrets(
    stage: Stage, server: Server, code: int
) -> None:
    server.code = code
    to_url(stage, server)
    stage.run()

    assert stage.status().phase == "Succeeded"
    assert condition(stage.status()) == ("False", "MA6030")
    assert all(path.startswith("/nodes/7") for _, path, _, _ in server.got)
    told = "\n".join(stage.told) + str(stage.status())
    assert "/nodes/7" in told
    assert "s3cr3t" not in told
