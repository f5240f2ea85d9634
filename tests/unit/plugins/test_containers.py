"""Plugins in containers, by a small engine of the tests: what it is asked, what its answers lead to, and that nothing is left."""

from __future__ import annotations

import asyncio
import json
import os
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machineadm.cli.main import main
from machineadm.cli.plugin import common
from machineadm.errors import PluginError
from machineadm.plugins.asking import ask_passphrase
from machineadm.plugins.discovery import Places, find
from machineadm.plugins.host import Host, Plugin
from machineadm.plugins.launch.containers import leftovers
from machineadm.plugins.launch.containers.engine import Engine as Client
from machineadm.plugins.launch.containers.engine import located
from machineadm.plugins.launch.model import INSIDE, Command, Container, Reattach
from machineadm.plugins.wire.handshake import Address
from machineadm.plugins.wire.sockets import Mount
from machineadm.redaction import Secret
from tests.peers.driving import COOKIE, PROBE, until
from tests.peers.encryption import written
from tests.peers.plugins import python_plugin
from tests.peers.probe import probe_pb2
from tests.servers.engine import Box, Engine
from tests.unit.plugins.conftest import Script, processes_below

ROOT = Path(__file__).parents[3]


@pytest.fixture
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Engine]:
    """An engine with the image `probe:1`; empty afterwards but for what the test keeps."""
    directory = tempfile.mkdtemp(prefix="me-", dir="/tmp")
    with Engine(f"{directory}/s") as found:
        monkeypatch.setenv("DOCKER_HOST", f"unix://{found.path}")
        found.image("probe:1", [python_plugin(tmp_path)])
        yield found
    Path(directory).rmdir()


def command(*, mtls: bool = False, start_timeout: float = 30, **fields: Any) -> Command:
    return Command(
        name="probe",
        cookie=COOKIE,
        container=Container(**{"image": "probe", "tag": "1", **fields}),
        mtls=mtls,
        start_timeout=start_timeout,
    )


def refusal(wanted: Command) -> PluginError:
    with Host() as host, pytest.raises(PluginError) as caught:
        host.start(wanted)
    return caught.value


def echo(plugin: Plugin) -> str:
    reply = plugin.call(PROBE["Echo"], probe_pb2.Message(text="there"), timeout=20)
    return str(reply.text)


@pytest.mark.parametrize("mtls", [False, True])
def test_a_plugin_in_a_container_is_asked_and_ends(engine: Engine, mtls: bool) -> None:
    with Host() as host:
        plugin = host.start(command(mtls=mtls))

        assert echo(plugin) == "there"
        assert len(engine.boxes) == 1

    assert engine.boxes == {}
    process = plugin.running.process
    assert process is not None
    assert process.exited.result() == 0, "it was asked to end, not killed"


# A field of the container, and where the engine finds it.
FIELDS: dict[str, tuple[dict[str, Any], tuple[str, ...], Any]] = {
    "the image and its tag": ({}, ("Image",), "probe:1"),
    "the image by its id": ({"sha256": "1" * 64}, ("Image",), f"sha256:{'1' * 64}"),
    "labels": ({"labels": {"a": "b"}}, ("Labels", "a"), "b"),
    "arguments": ({"args": ("1,2",)}, ("Cmd",), ["1,2"]),
    "a group": ({"group": os.getgid()}, ("HostConfig", "GroupAdd"), [str(os.getgid())]),
    "no network": ({"disable_network": True}, ("NetworkDisabled",), True),
    "no network, as podman has it": (
        {"disable_network": True},
        ("HostConfig", "NetworkMode"),
        "none",
    ),
    "a runtime": ({"runtime": "runsc"}, ("HostConfig", "Runtime"), "runsc"),
    "a parent": ({"cgroup_parent": "/a"}, ("HostConfig", "CgroupParent"), "/a"),
    "processors": ({"nano_cpus": 5 * 10**8}, ("HostConfig", "NanoCpus"), 5 * 10**8),
    "memory": ({"memory": 1 << 27}, ("HostConfig", "Memory"), 1 << 27),
    "networks": (
        {"endpoints": {"net": {"Aliases": ["x"]}}},
        ("NetworkingConfig", "EndpointsConfig"),
        {"net": {"Aliases": ["x"]}},
    ),
    "no capability": ({}, ("HostConfig", "CapDrop"), ["ALL"]),
    "no restart": ({}, ("HostConfig", "RestartPolicy", "Name"), "no"),
}


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_reaches_the_engine(engine: Engine, name: str) -> None:
    fields, path, expected = FIELDS[name]
    with Host() as host:
        host.start(command(**fields))
    (created,) = engine.asked("POST /containers/create")
    found = created.body
    for key in path:
        found = found[key]

    assert found == expected


def test_an_entrypoint_and_its_environment_reach_the_engine(engine: Engine, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    path = python_plugin(other)
    with Host() as host:
        plugin = host.start(command(entrypoint=(path,), env={"COLOUR": "blue"}))
        environment = plugin.call(PROBE["Environment"], probe_pb2.Message()).entries

    (created,) = engine.asked("POST /containers/create")
    assert created.body["Entrypoint"] == [path]
    assert "COLOUR=blue" in environment


def test_what_is_not_given_is_not_sent(engine: Engine) -> None:
    with Host() as host:
        host.start(command())
    (created,) = engine.asked("POST /containers/create")

    assert not {"Entrypoint", "Cmd", "NetworkingConfig", "User"} & created.body.keys()
    assert created.body["HostConfig"].keys() == {
        "AutoRemove", "RestartPolicy", "CapDrop", "Mounts"
    }  # fmt: skip


def test_an_environment_cannot_replace_what_the_protocol_says(engine: Engine) -> None:
    env = {COOKIE.key: "x", "PLUGIN_UNIX_SOCKET_DIR": "/etc", "PLUGIN_PROTOCOL_VERSIONS": "9"}
    with Host() as host:
        host.start(command(env=env))
    (created,) = engine.asked("POST /containers/create")
    sent = [one.split("=", 1) for one in created.body["Env"]]

    assert len(dict(sent)) == len(sent), "no variable is sent twice"
    assert dict(sent)["PLUGIN_UNIX_SOCKET_DIR"] == INSIDE
    assert (dict(sent)[COOKIE.key], dict(sent)["PLUGIN_PROTOCOL_VERSIONS"]) == (COOKIE.value, "1")


def test_one_directory_of_the_host_is_shared_and_no_more(engine: Engine) -> None:
    with Host() as host:
        plugin = host.start(command())
        (created,) = engine.asked("POST /containers/create")
        (mount,) = created.body["HostConfig"]["Mounts"]

        assert (mount["Source"], mount["Target"]) == (plugin.directory, INSIDE)
        assert Path(mount["Source"]).stat().st_mode & 0o777 == 0o700


# ------------------------------------------------------------------------ rootless
@pytest.mark.parametrize(
    "info", [{"SecurityOptions": ["name=rootless"]}, {"SecurityOptions": None, "Rootless": True}]
)
@pytest.mark.parametrize(("user", "capability"), [("1234", ["DAC_OVERRIDE"]), ("root", None)])
def test_an_engine_of_a_user_lets_another_user_of_its_namespace_write(
    engine: Engine, tmp_path: Path, info: dict[str, Any], user: str, capability: list[str] | None
) -> None:
    # The stand-in's plugin is a process of this user, who may give its socket to a group of their own alone.
    group = 54321 if os.geteuid() == 0 else os.getegid()
    engine.info = info
    engine.image("probe:1", [python_plugin(tmp_path)], user=user)
    with Host() as host:
        host.start(command(group=group))
    (created,) = engine.asked("POST /containers/create")

    assert created.body["HostConfig"].get("CapAdd") == capability


def test_a_group_that_this_user_is_not_in_is_told(engine: Engine) -> None:
    if os.geteuid() == 0:
        pytest.skip("root may give a directory to any group")
    error = refusal(command(group=54321))

    assert (error.code, "cannot be shared" in error.message) == ("MA7208", True)
    assert engine.boxes == {}


# -------------------------------------------------------------- what an engine answers
def test_an_image_that_is_not_there_is_told_before_anything_is_created(engine: Engine) -> None:
    error = refusal(command(image="other"))

    assert error.code == "MA7233"
    assert "other:1" in error.message
    assert engine.asked("POST /containers/create") == []


def test_an_image_with_another_id_is_not_started(engine: Engine) -> None:
    error = refusal(command(sha256="2" * 64))

    assert error.code == "MA7234"
    assert "1" * 64 in error.message
    assert "2" * 64 in error.message
    assert engine.asked("POST /containers/create") == []


def test_an_image_that_goes_away_meanwhile_is_told(engine: Engine) -> None:
    engine.answers["POST /containers/create"] = (404, {"message": "No such image: probe:1"})

    assert refusal(command()).code == "MA7233"


CALLS = (
    "GET /images/json",
    "GET /info",
    "GET /images/ID/json",
    "GET /containers/json",
    "POST /containers/create",
    "POST /containers/ID/attach",
    "POST /containers/ID/start",
)


@pytest.mark.parametrize("call", CALLS)
@pytest.mark.parametrize("status", [400, 403, 500])
def test_an_engine_that_refuses_is_quoted_and_nothing_is_left(
    engine: Engine, call: str, status: int
) -> None:
    engine.answers[call] = (status, {"message": "no\tsuch\nluck"})
    error = refusal(command())

    assert error.code == "MA7232"
    assert error.message.startswith("plugin probe: ")
    assert error.message.endswith(": no such luck")
    assert engine.boxes == {}


GARBAGE = {
    "nothing": b"",
    "no HTTP": b"220 mail ready\r\n\r\n",
    "half an answer": b"HTTP/1.1 200 OK\r\nContent-Length: 100\r\n\r\n[",
    "no status": b"HTTP/1.1 \r\n\r\n",
    "endless heads": b"HTTP/1.1 200 OK\r\n" + b"A: b\r\n" * 200 + b"\r\n",
}


@pytest.mark.parametrize("call", ["GET /_ping", "POST /containers/create", CALLS[-2], CALLS[-1]])
@pytest.mark.parametrize("name", GARBAGE)
def test_an_engine_that_answers_as_none_is_told_and_nothing_is_left(
    engine: Engine, call: str, name: str
) -> None:
    engine.answers[call] = (0, GARBAGE[name])
    began = time.monotonic()
    error = refusal(command())

    # What follows the head of an attached stream is what the container prints: a server that ends it closed its output.
    attached = call == CALLS[-2] and GARBAGE[name].startswith(b"HTTP/1.1 200")
    assert error.code == ("MA7211" if attached else "MA7235")
    assert engine.boxes == {}
    assert time.monotonic() - began < 200


def test_an_engine_whose_removal_fails_is_asked_again_by_what_outlives_the_host(
    engine: Engine,
) -> None:
    engine.answers["DELETE /containers/ID"] = (500, {"message": "busy"})
    told: list[str] = []
    with Host(listen=lambda _, record: told.append(str(record))) as host:
        host.start(command())
        host.end_all()
        assert len(engine.boxes) == 1
        assert any("is not removed: busy" in one for one in told)
        del engine.answers["DELETE /containers/ID"]

    assert engine.boxes == {}


# --------------------------------------------------------------- is there an engine
def test_a_machine_without_an_engine_is_told_so(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    error = refusal(command())

    assert (error.code, "containerd alone" in error.hint()) == ("MA7231", True)
    assert f"{tmp_path}/none: no such file" in error.message


def test_a_socket_that_nobody_listens_at_is_no_engine(
    monkeypatch: pytest.MonkeyPatch, plugins_directory: str
) -> None:
    path = f"{plugins_directory}/s"
    with socket.socket(socket.AF_UNIX) as left:
        left.bind(path)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{path}")
    error = refusal(command())
    Path(path).unlink()

    assert (error.code, "refused" in error.message) == ("MA7231", True)


@pytest.mark.parametrize("given", ["tcp://127.0.0.1:2375", "ssh://x", "unix://", "unix:relative"])
def test_an_engine_elsewhere_is_refused(monkeypatch: pytest.MonkeyPatch, given: str) -> None:
    monkeypatch.setenv("DOCKER_HOST", given)

    assert refusal(command()).code == "MA7231"


@pytest.mark.parametrize("platform", ["win32", "darwin"])
def test_another_system_than_linux_is_told_so(platform: str) -> None:
    with pytest.raises(PluginError, match=f"Linux alone, and this is {platform}") as caught:
        located(platform)

    assert caught.value.code == "MA7236"


LISTENER = """
import socket, sys, time
listener = socket.socket(socket.AF_UNIX)
listener.bind(sys.argv[1])
listener.listen()
print("there", flush=True)
time.sleep(600)
"""


def test_an_engine_of_another_user_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    if os.geteuid():
        pytest.skip("needs root, to listen as another user")
    directory = tempfile.mkdtemp(dir="/tmp")
    Path(directory).chmod(0o777)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{directory}/s")
    with subprocess.Popen(
        ["/usr/bin/python3", "-c", LISTENER, f"{directory}/s"],
        user=65534,
        stdout=subprocess.PIPE,
    ) as other:
        assert other.stdout is not None
        other.stdout.readline()
        error = refusal(command())
        other.kill()
    Path(f"{directory}/s").unlink()
    Path(directory).rmdir()

    assert (error.code, "user 65534" in error.message) == ("MA7237", True)


def test_the_version_of_the_api_is_the_engines_or_ours(engine: Engine) -> None:
    for own, used in (("1.24", "1.24"), ("1.41", "1.41"), ("1.99", "1.47"), ("2.0", "1.47")):
        engine.api = own
        assert located().version == used


# ----------------------------------------------------------------------- diagnosis
# What the program does, what the engine says of its end, the code, and what the message and the hint say.
ENDS: dict[str, tuple[str, dict[str, Any], str, str]] = {
    "an exit code": ("exit 3", {}, "exit code 3", "log"),
    "a signal": ("kill -SEGV $$", {}, "signal SIGSEGV", "log"),
    "too much memory": ("kill -KILL $$", {"OOMKilled": True}, "more memory", "container.memory"),
    "a state": ("exit 1", {"Error": "no space left"}, "the engine says: no space left", ""),
    "another cookie": ("echo This binary is a plugin >&2; exit 1", {}, "cookie", "kind"),
    "a wrapper's": ("exec /bin/sh -c 'exit 127'", {}, "is not installed", "log"),
}


@pytest.mark.parametrize("name", ENDS)
def test_a_container_that_ends_at_once_is_told_with_its_cause(
    engine: Engine, script: Script, name: str
) -> None:
    body, state, says, hint = ENDS[name]
    engine.after_exit = state
    error = refusal(command(entrypoint=(script(body),)))

    assert error.code == "MA7211"
    assert says in error.message
    assert hint in error.hint()
    assert engine.boxes == {}


def test_an_image_that_does_not_run_as_root_needs_a_group_and_is_told_so(
    engine: Engine, script: Script
) -> None:
    program = script("echo open /tmp/go-plugin-container/x: permission denied >&2; exit 1")
    engine.image("probe:1", [program], user="app:app")
    error = refusal(command())

    assert "user app:app must not write" in error.message
    assert "container.group" in error.hint()


def test_a_program_that_the_image_does_not_have_is_told_in_the_engines_words(
    engine: Engine,
) -> None:
    error = refusal(command(entrypoint=("/no/such/program",)))

    assert (error.code, "/no/such/program" in error.message) == ("MA7232", True)


# Its program, the code, what the message says.
BAD = {
    "garbage": ("echo hello; sleep 600", "MA7213", "printed 'hello'"),
    "silence": ("sleep 600", "MA7212", "within 2 s"),
    "a closed output": ("exec >&-; exec 2>&-; sleep 600", "MA7212", "within 2 s"),
    "a flood of errors": ("yes 'a line of no use' >&2", "MA7212", "within 2 s"),
    "an endless line": ("cat /dev/zero >&2", "MA7212", "within 2 s"),
    "children": ("sleep 600 & exit 4", "MA7211", "exit code 4"),
    "a socket of its own place": (
        "echo '1|1|unix|/run/other|grpc|'; sleep 600",
        "MA7218",
        f"directly in {INSIDE}",
    ),
    "a way out": (
        f"echo '1|1|unix|{INSIDE}/../x|grpc|'; sleep 600",
        "MA7218",
        f"directly in {INSIDE}",
    ),
    "a port": ("echo '1|1|tcp|127.0.0.1:1|grpc|'; sleep 600", "MA7218", f"directly in {INSIDE}"),
}


@pytest.mark.parametrize("name", BAD)
def test_a_bad_plugin_in_a_container_is_refused_in_time(
    engine: Engine, script: Script, name: str
) -> None:
    body, code, says = BAD[name]
    began = time.monotonic()
    wanted = command(entrypoint=(script(body),), start_timeout=2 if code == "MA7212" else 30)
    error = refusal(wanted)

    assert (error.code, says in error.message) == (code, True), error.message
    assert time.monotonic() - began < 200
    assert engine.boxes == {}


def test_a_start_is_over_in_its_time_however_slow_the_engine_is(engine: Engine) -> None:
    slow = threading.Event()
    handler: Any = engine.RequestHandlerClass
    create = handler.create

    def late(self: Any, *given: Any) -> None:
        slow.wait(3)
        create(self, *given)

    engine.RequestHandlerClass = type("Late", (handler,), {"create": late})
    error = refusal(command(start_timeout=1))

    assert (error.code, "within 1 s" in error.message) == ("MA7212", True)
    assert engine.boxes == {}, "what was created late is removed all the same"


# ------------------------------------------------------------------------ debug
def test_in_debug_what_failed_is_kept_until_the_next_start(engine: Engine, script: Script) -> None:
    error = refusal(command(entrypoint=(script("sleep 600 & exit 3"),), debug=True))
    (kept,) = engine.boxes.values()

    assert f"its container {kept.name} is kept" in error.hint()
    assert kept.state["Running"] is False
    with Host() as host:
        host.start(command(debug=True))
        assert kept.id not in engine.boxes
    assert engine.boxes == {}, "what did not fail is not kept"


def test_in_debug_what_hangs_is_stopped_and_kept(engine: Engine, script: Script) -> None:
    refusal(command(entrypoint=(script("sleep 600"),), debug=True, start_timeout=2))
    (kept,) = engine.boxes.values()

    assert kept.state["Running"] is False


# ------------------------------------------------------------- nothing is left behind
HOST = """
import signal, sys, time
sys.path.insert(0, {root!r})
signal.signal(signal.SIGINT, signal.default_int_handler)
import tempfile
tempfile.tempdir = {directory!r}
from machineadm.plugins.host import Host
from machineadm.plugins.launch.model import Command, Container
from tests.peers.driving import COOKIE
with Host() as host:
    host.start(Command(name="probe", cookie=COOKIE, container=Container(image="probe", tag="1", debug={debug}), mtls=False))
    print("started", flush=True)
    time.sleep(600)
"""


@pytest.mark.parametrize("debug", [False, True])
@pytest.mark.parametrize("end", [signal.SIGKILL, signal.SIGINT])
def test_nothing_is_left_in_the_engine_of_a_host_that_is_ended(
    engine: Engine, plugins_directory: str, end: signal.Signals, debug: bool
) -> None:
    program = HOST.format(root=str(ROOT), directory=plugins_directory, debug=debug)
    with subprocess.Popen(
        [sys.executable, "-c", program], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL
    ) as host:
        assert host.stdout is not None
        assert host.stdout.readline() == b"started\n"
        assert len(engine.boxes) == 1
        host.send_signal(end)
        host.wait(120)

    until("the end of the container", lambda: not engine.boxes)
    until("the end of all processes", lambda: not processes_below(plugins_directory))
    until("the end of the directory", lambda: not list(Path(plugins_directory).iterdir()))


def left(engine: Engine, **labels: str) -> Box:
    """A container that somebody left."""
    names = {"host": leftovers.HOST, "directory": leftovers.DIRECTORY, "name": leftovers.NAME}
    names["debug"] = leftovers.DEBUG
    body = {"Labels": {names[key]: value for key, value in labels.items()}}
    box = Box(f"{len(engine.boxes):064x}", f"left-{len(engine.boxes)}", body)
    engine.boxes[box.id] = box
    return box


def ended_process() -> str:
    process = subprocess.Popen(["true"])
    process.wait()
    return str(process.pid)


def owners() -> dict[str, tuple[str, bool]]:
    """Labels of hosts, and whether what they started is to be removed."""
    boot, namespace, number, began = leftovers.own_label().split("/")
    return {
        "this one": (f"{boot}/{namespace}/{number}/{began}", False),
        "one that lives": (f"{boot}/{namespace}/1/{leftovers._began(1)}", False),
        "one that has ended": (f"{boot}/{namespace}/{ended_process()}/1", True),
        "one whose number another has": (f"{boot}/{namespace}/1/999999999999", True),
        "one before the last boot": (f"11111111-2222/{namespace}/1/1", True),
        "one that cannot be seen from here": (f"{boot}/1/{ended_process()}/1", False),
        "one of another form": ("somebody", False),
    }


@pytest.mark.parametrize("owner", owners())
def test_the_next_start_removes_what_a_killed_host_left_and_nothing_else(
    engine: Engine, owner: str
) -> None:
    label, removed = owners()[owner]
    box = left(engine, host=label, name="probe")
    other = left(engine)
    with Host() as host:
        host.start(command())

    assert (box.id not in engine.boxes) is removed
    assert other.id in engine.boxes
    engine.boxes.clear()


def test_what_another_plugin_keeps_for_a_look_stays(engine: Engine) -> None:
    label, _ = owners()["one that has ended"]
    kept = left(engine, host=label, name="other", debug="true")
    gone = left(engine, host=label, name="probe", debug="true")
    with Host() as host:
        host.start(command())

    assert kept.id in engine.boxes
    assert gone.id not in engine.boxes
    engine.boxes.clear()


def test_the_directory_of_a_killed_host_goes_with_its_container(
    engine: Engine, plugins_directory: str, tmp_path: Path
) -> None:
    label, _ = owners()["one that has ended"]
    directory = Path(plugins_directory, "machineadm-left")
    directory.mkdir()
    (directory / "s").touch()
    foreign = tmp_path / "machineadm-x"
    foreign.mkdir()
    for one in (directory, foreign):
        left(engine, host=label, name="probe", directory=str(one))
    with Host() as host:
        host.start(command())

    assert not directory.exists()
    assert foreign.exists(), "only where hosts make them"


# ---------------------------------------------------------------------- reattaching
def test_a_running_container_is_taken_over_by_its_id(
    engine: Engine, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A busy machine may need more than two seconds to end it.
    monkeypatch.setattr("machineadm.plugins.launch.running.GRACE", 60.0)
    with Host() as first:
        started = first.start(command())
        (box,) = engine.boxes.values()
        listening = Path(started.running.connection.address.address).name
        address = Address("unix", f"{INSIDE}/{listening}")
        with Host() as second:
            plugin = second.reattach(Reattach(name="probe", address=address, container=box.id))
            assert echo(plugin) == "there"

        assert engine.boxes == {}
        assert started.wait(60) == 0


@pytest.mark.parametrize("what", ["is not there", "does not run", "is not a plugin"])
def test_what_cannot_be_taken_over_is_told(engine: Engine, what: str) -> None:
    box = left(engine)
    if what == "is not a plugin":
        box.state["Running"] = True
    name = "nothing" if what == "is not there" else box.id
    with Host() as host, pytest.raises(PluginError) as caught:
        host.reattach(Reattach(name="x", address=Address("unix", f"{INSIDE}/a"), container=name))

    assert caught.value.code == "MA7230"
    assert what in caught.value.message
    assert box.id in engine.boxes
    engine.boxes.clear()


# --------------------------------------------------------------- addresses of sockets
@pytest.mark.parametrize(
    "address",
    ["/tmp/go-plugin-container", "/tmp/go-plugin-container/", "/tmp/go-plugin-container/a/b",
     "/tmp/go-plugin-container/..", "/tmp/x/../go-plugin-container/a", "a", "", "/a"],
)  # fmt: skip
def test_an_address_that_leaves_the_shared_directory_is_refused(address: str) -> None:
    mount = Mount("/run/host", INSIDE)
    with pytest.raises(OSError, match="not a Unix socket directly in"):
        mount.to_host(Address("unix", address))


def test_an_address_is_called_otherwise_on_either_side() -> None:
    mount = Mount("/run/host", INSIDE)
    outside, inside = Address("unix", "/run/host/a"), Address("unix", f"{INSIDE}/a")

    assert (mount.to_plugin(outside), mount.to_host(inside)) == (inside, outside)


# ------------------------------------------------------------------ by a configuration
ENTRY = """\
apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1
kind: PluginConfiguration
spec:
  plugins:
  - name: file
    kind: encryption-provider
    container:
      image: provider
      tag: "1"
      {more}
      env: {{WORD: in-the-environment}}
      cpus: 1500m
      memory: 128Mi
"""


def places(tmp_path: Path, more: str, **settings: Any) -> Places:
    path = tmp_path / "plugins.yaml"
    path.write_text(ENTRY.format(more=more))
    return Places(configuration=str(path), directories=(), **settings)


def test_a_plugin_of_plugins_yaml_runs_in_its_container(
    engine: Engine, script: Script, tmp_path: Path
) -> None:
    body = (
        "logging.warning('the word is ' + os.environ['WORD'])\nreturn os.environ['WORD'].encode()"
    )
    number = engine.image("provider:1", [script(written(body).decode())], number="3")
    found = find("encryption-provider", "file", places(tmp_path, f'sha256: "{number}"'))
    assert found is not None
    told: list[str] = []

    assert ask_passphrase("file", found, told.append) == Secret("in-the-environment")
    assert any("the word is ***" in one for one in told)
    (created,) = engine.asked("POST /containers/create")
    host = created.body["HostConfig"]
    assert (host["NanoCpus"], host["Memory"]) == (1_500_000_000, 128 << 20)
    assert engine.boxes == {}


def test_what_its_environment_holds_is_in_no_error(
    engine: Engine, script: Script, tmp_path: Path
) -> None:
    number = engine.image("provider:1", [script("echo $WORD; sleep 600")], number="3")
    found = find("encryption-provider", "file", places(tmp_path, f'sha256: "{number}"'))
    assert found is not None
    with pytest.raises(PluginError) as caught:
        ask_passphrase("file", found)

    assert caught.value.code == "MA7213"
    assert "in-the-environment" not in caught.value.message + caught.value.log_tail


def test_an_image_that_is_not_pinned_needs_a_word_on_the_command_line(
    engine: Engine, tmp_path: Path
) -> None:
    engine.image("provider:1", ["/bin/true"])
    with pytest.raises(PluginError) as caught:
        find("encryption-provider", "file", places(tmp_path, "debug: false"))

    assert caught.value.code == "MA7203"
    found = find(
        "encryption-provider", "file", places(tmp_path, "debug: false", allow_unverified=True)
    )
    assert found is not None
    assert found.container is not None


@pytest.mark.parametrize(("number", "code"), [("2", "MA7234"), ("", "MA7233"), ("none", "MA7231")])
def test_what_would_not_start_is_known_before_anything_is_touched(
    engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, number: str, code: str
) -> None:
    if number == "none":
        monkeypatch.setenv("DOCKER_HOST", f"unix://{tmp_path}/none")
    elif number:
        engine.image("provider:1", ["/bin/true"], number=number)
    with pytest.raises(PluginError) as caught:
        find("encryption-provider", "file", places(tmp_path, f'sha256: "{"1" * 64}"'))

    assert caught.value.code == code


def test_a_plugin_that_is_a_process_loads_nothing_of_this() -> None:
    code = (
        "import sys, machineadm.plugins.asking, machineadm.plugins.discovery, machineadm.plugins.launch.running\n"
        "print([one for one in sys.modules if one.startswith('machineadm.plugins.launch.containers')])"
    )
    ran = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT
    )

    assert ran.stdout == "[]\n"


def test_an_engine_that_hangs_is_given_up(plugins_directory: str) -> None:
    path = f"{plugins_directory}/s"
    with socket.socket(socket.AF_UNIX) as deaf:
        deaf.bind(path)
        deaf.listen()
        client = Client(path, "1.41")
        with pytest.raises(PluginError, match="does not answer: timed out"):
            client.ask("GET", "/info", timeout=0.2)
        with pytest.raises(PluginError, match="does not answer"):
            asyncio.run(asyncio.wait_for(_attached(client, deaf), 5))
    Path(path).unlink()


async def _attached(client: Client, deaf: socket.socket) -> None:
    attaching = asyncio.get_running_loop().create_task(client.attach("x"))
    await asyncio.sleep(0.1)
    for _ in range(2):
        deaf.accept()[0].close()
    await attaching


# ----------------------------------------------------------------- as a person looks at one
class Entries:
    """plugins.yaml with a plugin in a container, as the commands about plugins find it."""

    def __init__(self, directory: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        self.file = directory / "plugins.yaml"
        self.directory = directory
        monkeypatch.setattr(common, "places_of", self.places)

    def places(self, arguments: Any = None) -> Places:
        allowed = getattr(arguments, "allow_unverified_plugins", False)
        return Places(
            configuration=str(self.file),
            directories=(str(self.directory / "installed"),),
            allow_unverified=allowed,
        )

    def name(self, **container: str) -> None:
        fields = ", ".join(f"{key}: '{value}'" for key, value in container.items())
        self.file.write_text(
            "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: PluginConfiguration\nspec:\n"
            f"  plugins: [{{name: words, kind: encryption-provider, container: {{{fields}}}}}]\n"
        )
        self.file.chmod(0o644)

    def run(self, *words: str) -> int:
        options = ("--lock", str(self.directory / "lock"))
        return main(["plugin", *words, *(() if words[0] == "describe" else options)])


@pytest.fixture
def entries(engine: Engine, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Entries:
    program = tmp_path / "words"
    program.write_bytes(written("return b'word'"))
    program.chmod(0o755)
    engine.image("words:1", [str(program)], number="2")
    found = Entries(tmp_path, monkeypatch)
    found.name(image="words", tag="1", sha256="2" * 64)
    return found


def test_a_list_has_a_plugin_in_a_container_with_its_image(
    entries: Entries, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entries.run("list") == 0
    assert "encryption-provider/words  -        container words:1  " in capsys.readouterr().out

    assert entries.run("list", "--output", "json") == 0
    (one,) = json.loads(capsys.readouterr().out)
    assert (one["from"], one["path"]) == ("container words:1", "")
    assert one["digest"] == f"sha256:{'2' * 64}"
    assert engine.requests == [], "a list asks no engine"


@pytest.mark.parametrize(
    ("container", "options", "code", "says"),
    [
        ({"sha256": "2" * 64}, (), 0, "good"),
        ({"sha256": "2" * 64}, ("--strict",), 0, "good"),
        ({"sha256": "3" * 64}, (), 7, "MA7234"),
        ({}, (), 7, "MA7203"),
        ({}, ("--allow-unverified-plugins",), 0, "good"),
        ({}, ("--allow-unverified-plugins", "--strict"), 7, "MA7250"),
        ({"image": "other", "sha256": "2" * 64}, (), 7, "MA7233"),
    ],
)
def test_a_verdict_on_a_plugin_in_a_container_is_that_of_a_run_and_starts_nothing(
    entries: Entries,
    engine: Engine,
    capsys: pytest.CaptureFixture[str],
    container: dict[str, str],
    options: tuple[str, ...],
    code: int,
    says: str,
) -> None:
    entries.name(**{"image": "words", "tag": "1", **container})

    assert entries.run("verify", *options) == code
    assert says in capsys.readouterr().out
    assert {one.what.partition(" ")[0] for one in engine.requests} <= {"GET", "HEAD"}


def test_without_an_engine_a_plugin_in_a_container_is_not_good(
    entries: Entries, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", "unix:///nowhere/engine")

    assert entries.run("verify", "encryption-provider/words") == 7
    assert "MA7231" in capsys.readouterr().out


def test_a_plugin_in_a_container_describes_itself(
    entries: Entries, engine: Engine, capsys: pytest.CaptureFixture[str]
) -> None:
    assert entries.run("describe", "encryption-provider/words") == 0
    told = capsys.readouterr().out
    assert told.startswith("encryption-provider/words  container words:1\n")
    assert "FetchPassphrase" in told
    assert engine.boxes == {}
