"""podman runs our plugins' containers: each field is seen by inspecting one; HashiCorp's plugincontainer does the same beside it."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from machineadm.errors import PluginError
from machineadm.plugins.host import Host
from machineadm.plugins.launch.model import INSIDE, Command, Container, Reattach
from machineadm.plugins.wire.handshake import Address
from tests.peers.containers import GROUP, IMAGES, USER, Podman, Recorder, podman
from tests.peers.driving import (
    CHECKS,
    COOKIE,
    Driven,
    Seen,
    an_interrupt_does_not_end_it,
    it_ends_when_asked,
    its_environment_is_built_not_inherited,
    until,
)
from tests.peers.go import HERE, build, program

ROOT = Path(__file__).parents[2]
# Two need the process itself: what its environment holds is seen by inspecting it.
OF_PROCESSES = (an_interrupt_does_not_end_it, its_environment_is_built_not_inherited)


class Engine(NamedTuple):
    """A service of podman that `DOCKER_HOST` names, and the ids of its images."""

    podman: Podman
    ids: dict[str, str]


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    plugin = program("plugin")
    with podman() as service, pytest.MonkeyPatch.context() as patch:
        patch.setenv("DOCKER_HOST", f"unix://{service.socket}")
        found = Engine(service, service.load(plugin))
        yield found
        assert service.containers() == []


def command(*, mtls: bool = True, multiplexed: bool = False, **fields: Any) -> Command:
    container = Container(**{"image": "localhost/probe", "tag": "1", **fields})
    return Command(
        name="probe", cookie=COOKIE, container=container, mtls=mtls, multiplexed=multiplexed
    )


def name_of(plugin: Any) -> str:
    return str(plugin.running.process.name)


@pytest.mark.parametrize(
    ("mtls", "multiplexed"), [(True, False), (True, True), (False, False), (False, True)]
)
def test_a_plugin_of_go_plugin_does_in_a_container_what_it_does_outside(
    engine: Engine, mtls: bool, multiplexed: bool
) -> None:
    seen = Seen()
    with Host(listen=seen.log, output=seen.print) as host:
        driven = Driven(host.start(command(mtls=mtls, multiplexed=multiplexed)), seen)
        for check in CHECKS:
            if check not in OF_PROCESSES:
                check(driven)

    assert engine.podman.containers() == []
    assert it_ends_when_asked in CHECKS


# What is given, and where podman's own command line shows it.
FIELDS: dict[str, tuple[dict[str, Any], Callable[[dict[str, Any]], Any], Any]] = {
    "image and tag": ({}, lambda one: one["ImageName"], "localhost/probe:1"),
    "arguments": ({"args": ("1,2",)}, lambda one: one["Args"], ["1,2"]),
    "entrypoint": ({"entrypoint": ("/plugin", "1")}, lambda one: one["Path"], "/plugin"),
    "environment": (
        {"env": {"COLOUR": "blue"}},
        lambda one: "COLOUR=blue" in one["Config"]["Env"],
        True,
    ),
    "labels": ({"labels": {"a": "b"}}, lambda one: one["Config"]["Labels"]["a"], "b"),
    "group": ({"group": GROUP}, lambda one: one["HostConfig"]["GroupAdd"], [str(GROUP)]),
    "no network": (
        {"disable_network": True},
        lambda one: one["HostConfig"]["NetworkMode"],
        "none",
    ),
    "cgroup parent": (
        {"cgroup_parent": "/machineadm-test"},
        lambda one: one["HostConfig"]["CgroupParent"],
        "/machineadm-test",
    ),
    "processors": (
        {"nano_cpus": 500_000_000},
        lambda one: one["HostConfig"]["CpuQuota"] / one["HostConfig"]["CpuPeriod"],
        0.5,
    ),
    "memory": ({"memory": 128 << 20}, lambda one: one["HostConfig"]["Memory"], 128 << 20),
    "networks": (
        {"endpoints": {"podman": {"Aliases": ["vault"]}}},
        lambda one: "vault" in one["NetworkSettings"]["Networks"]["podman"]["Aliases"],
        True,
    ),
    "no capabilities": ({}, lambda one: one["EffectiveCaps"] or [], []),
    "the shared directory": (
        {},
        lambda one: [(mount["Destination"], mount["RW"]) for mount in one["Mounts"]],
        [(INSIDE, True)],
    ),
}


@pytest.mark.parametrize("name", FIELDS)
def test_each_field_is_seen_in_the_container(engine: Engine, name: str) -> None:
    fields, look, expected = FIELDS[name]
    with Host() as host:
        plugin = host.start(command(**fields))
        plugin.ping()

        assert look(engine.podman.inspect(name_of(plugin))) == expected
    assert engine.podman.containers() == []


def test_the_image_that_was_checked_is_the_one_that_runs(engine: Engine) -> None:
    digits = engine.ids["localhost/probe:1"]
    with Host() as host:
        plugin = host.start(command(sha256=digits))

        assert engine.podman.inspect(name_of(plugin))["Image"] == digits


@pytest.mark.parametrize("tag", ["1", ""])
def test_another_image_than_the_pinned_one_is_refused(engine: Engine, tag: str) -> None:
    other = engine.ids["localhost/probe-user:1"]
    with Host() as host, pytest.raises(PluginError) as caught:
        host.start(command(sha256=other, tag=tag))

    assert caught.value.code == "MA7234"
    assert engine.podman.containers() == []


def test_an_image_of_another_user_is_reached_through_its_group(engine: Engine) -> None:
    with Host() as host:
        plugin = host.start(command(image="localhost/probe-user", group=GROUP))
        plugin.ping()
        found = Path(plugin.directory).stat()
        sockets = [path.stat() for path in Path(plugin.directory).iterdir()]

        assert (found.st_gid, found.st_mode & 0o777) == (GROUP, 0o770)
        assert [(one.st_uid, one.st_gid, one.st_mode & 0o777) for one in sockets] == [
            (USER, GROUP, 0o660)
        ]


# What is wrong, the code, what the message says.
WRONG: dict[str, tuple[dict[str, Any], str, str]] = {
    "no such image": ({"image": "localhost/none"}, "MA7233", "no image localhost/none:1"),
    "no such program": ({"entrypoint": ("/none",)}, "MA7232", "/none"),
    "no such network": ({"endpoints": {"none": {}}}, "MA7232", "network not found"),
    "another user": ({"image": "localhost/probe-user"}, "MA7211", f"user {USER}:{USER} must not"),
    "a panic": ({"args": ("x",)}, "MA7211", "exit code 2"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_does_not_start_is_told_with_its_cause_and_leaves_nothing(
    engine: Engine, name: str
) -> None:
    fields, code, says = WRONG[name]
    with Host() as host, pytest.raises(PluginError) as caught:
        host.start(command(**fields))

    assert (caught.value.code, says in caught.value.message) == (code, True), caught.value.message
    assert engine.podman.containers() == []


def test_in_debug_a_failure_is_there_to_look_at_until_the_next_start(engine: Engine) -> None:
    with Host() as host, pytest.raises(PluginError) as caught:
        host.start(command(args=("x",), debug=True))
    (kept,) = engine.podman.containers()

    assert kept in caught.value.hint()
    assert engine.podman.inspect(kept)["State"]["ExitCode"] == 2
    assert "panic" in subprocess.run(
        [*engine.podman.command, "logs", kept],
        env=engine.podman.environment, capture_output=True, text=True, check=True,
    ).stderr  # fmt: skip
    with Host() as host:
        host.start(command(debug=True))
    assert engine.podman.containers() == []


def test_a_running_container_is_taken_over_by_its_id(engine: Engine) -> None:
    with Host() as first:
        started = first.start(command(mtls=False))
        number = engine.podman.inspect(name_of(started))["Id"]
        socket = Path(started.running.connection.address.address).name
        with Host() as second:
            plugin = second.reattach(
                Reattach(name="x", address=Address("unix", f"{INSIDE}/{socket}"), container=number)
            )
            assert Driven(plugin, Seen()).echo(text="there").text == "there"

        assert engine.podman.containers() == []


HOST = """
import sys, time
sys.path.insert(0, {root!r})
from machineadm.plugins.host import Host
from tests.conformance.test_plugin_containers import command
with Host() as host:
    plugin = host.start(command())
    print(plugin.directory, flush=True)
    time.sleep(600)
"""


def killed_host(*, with_its_watchers: bool) -> Path:
    """Kill a host while its container runs; returns its directory for sockets."""
    with subprocess.Popen(
        [sys.executable, "-c", HOST.format(root=str(ROOT))], stdout=subprocess.PIPE, text=True
    ) as host:
        assert host.stdout is not None
        directory = Path(host.stdout.readline().strip()).parent
        if with_its_watchers:
            # Of all its threads: who started one is its parent there.
            for children in Path(f"/proc/{host.pid}/task").glob("*/children"):
                for child in children.read_text().split():
                    os.kill(int(child), signal.SIGKILL)
        host.kill()
    return directory


def test_a_host_that_is_killed_leaves_neither_container_nor_directory(engine: Engine) -> None:
    directory = killed_host(with_its_watchers=False)

    until("the end of the container", lambda: not engine.podman.containers())
    until("the end of the directory", lambda: not directory.exists())


def test_what_is_left_when_everything_is_killed_goes_with_the_next_start(engine: Engine) -> None:
    directory = killed_host(with_its_watchers=True)
    time.sleep(1)
    (left,) = engine.podman.containers()
    told: list[str] = []
    with Host(listen=lambda _, record: told.append(str(record))) as host:
        host.start(command())

    assert engine.podman.containers() == []
    assert not directory.exists()
    assert any(left in one for one in told)


# ------------------------------------------------------------------------ rootless
ROOTLESS = """
import json, sys
sys.path.insert(0, {root!r})
from machineadm.errors import PluginError
from machineadm.plugins.host import Host
from machineadm.plugins.launch.model import Command, Container
from tests.peers.driving import COOKIE, Driven, Seen, the_host_dials_what_the_plugin_offers, the_plugin_calls_back
fields = json.loads(sys.argv[1])
with Host() as host:
    try:
        plugin = host.start(Command(name="probe", cookie=COOKIE, container=Container(tag="1", **fields)))
    except PluginError as error:
        print(error.code, error.message, error.hint())
        sys.exit()
    driven = Driven(plugin, Seen())
    the_plugin_calls_back(driven)
    the_host_dials_what_the_plugin_offers(driven)
    print("serves")
"""


@pytest.fixture(scope="module")
def rootless() -> Iterator[Podman]:
    plugin = program("plugin")
    with podman(rootless=True) as service:
        service.load(plugin)
        yield service


def by_that_user(service: Podman, **fields: Any) -> str:
    """Our host as the user whose engine it is, with the machine's Python: the tests' own may be in a directory of root's."""
    packages = [one for one in sys.path if one.endswith("site-packages")]
    ran = subprocess.run(
        ["/usr/bin/python3", "-c", ROOTLESS.format(root=str(ROOT)), json.dumps(fields)],
        user=service.user,
        group=service.user,
        extra_groups=[],
        cwd="/",
        env={
            "PATH": os.defpath,
            "DOCKER_HOST": f"unix://{service.socket}",
            "PYTHONPATH": ":".join(packages),
            "PYTHONDONTWRITEBYTECODE": "1",
        },
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert ran.returncode == 0, ran.stderr[-4000:]
    return ran.stdout.strip()


@pytest.mark.parametrize(
    "fields",
    [{"image": "localhost/probe"}, {"image": "localhost/probe-user", "group": GROUP}],
    ids=["root in its namespace", "another user in its namespace"],
)
def test_an_engine_of_an_ordinary_user_runs_a_plugin(
    rootless: Podman, fields: dict[str, Any]
) -> None:
    assert by_that_user(rootless, **fields) == "serves"
    assert rootless.containers() == []


def test_an_engine_of_an_ordinary_user_tells_what_another_user_of_its_namespace_needs(
    rootless: Podman,
) -> None:
    told = by_that_user(rootless, image="localhost/probe-user")

    assert told.startswith("MA7218")
    assert "set container.group" in told
    assert rootless.containers() == []


def test_an_engine_of_an_ordinary_user_is_not_used_by_root(
    rootless: Podman, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("DOCKER_HOST", f"unix://{rootless.socket}")
    with Host() as host, pytest.raises(PluginError, match=f"user {rootless.user}") as caught:
        host.start(command())

    assert caught.value.code == "MA7237"


# ---------------------------------------------------------------- beside plugincontainer
CONFIGURATIONS: dict[str, tuple[dict[str, Any], dict[str, Any]]] = {
    "an image alone": ({}, {}),
    "all that podman has": (
        {
            "Args": ["1,2"],
            "Entrypoint": ["/plugin"],
            "Env": ["COLOUR=blue"],
            "GroupAdd": GROUP,
            "Labels": {"a": "b"},
            "NanoCpus": 500_000_000,
            "Memory": 128 << 20,
            "CgroupParent": "/machineadm-test",
            "Runtime": "runc",
            "EndpointsConfig": {"podman": {"Aliases": ["vault"]}},
        },
        {
            "args": ("1,2",),
            "entrypoint": ("/plugin",),
            "env": {"COLOUR": "blue"},
            "group": GROUP,
            "labels": {"a": "b"},
            "nano_cpus": 500_000_000,
            "memory": 128 << 20,
            "cgroup_parent": "/machineadm-test",
            "runtime": "runc",
            "endpoints": {"podman": {"Aliases": ["vault"]}},
        },
    ),
    "no network": ({"DisableNetwork": True}, {"disable_network": True}),
}


@pytest.fixture
def recorder(engine: Engine, monkeypatch: pytest.MonkeyPatch) -> Iterator[Recorder]:
    directory = Path(tempfile.mkdtemp(dir="/tmp"))
    found = Recorder(directory / "s", engine.podman.socket)
    monkeypatch.setenv("DOCKER_HOST", f"unix://{directory}/s")
    yield found
    found.close()
    (directory / "s").unlink()
    directory.rmdir()


def theirs(**fields: Any) -> dict[str, Any]:
    """Have plugincontainer start a plugin, ask it and end it."""
    ran = subprocess.run(
        [build(HERE / "plugincontainer", ".")],
        input=json.dumps({"Image": "localhost/probe", "Tag": "1", **fields}),
        capture_output=True,
        text=True,
        check=True,
        timeout=120,
    )
    return dict(json.loads(ran.stdout))


def meant(value: Any) -> Any:
    """A request without what says nothing: Go sends every field, most of them empty."""
    if isinstance(value, dict):
        kept = {key: meant(one) for key, one in value.items()}
        return {key: one for key, one in kept.items() if one not in (None, "", 0, False, [], {})}
    if isinstance(value, list):
        return [meant(one) for one in value]
    return value


def created(requests: list[tuple[str, Any]]) -> dict[str, Any]:
    """The one request that creates a container, with its variables by name and what is new in each run made equal."""
    (body,) = [body for what, body in requests if "/containers/create" in what]
    found: dict[str, Any] = meant(body)
    found["Env"] = dict(one.split("=", 1) for one in found["Env"])
    found["Env"]["PLUGIN_CLIENT_CERT"] = found["Env"]["PLUGIN_CLIENT_CERT"].splitlines()[0]
    for mount in found["HostConfig"]["Mounts"]:
        assert mount["Source"].startswith(tempfile.gettempdir())
        mount["Source"] = "a directory of the host's"
        # Its default, in words.
        mount.pop("Consistency", None)
    return found


@pytest.mark.parametrize("name", CONFIGURATIONS)
@pytest.mark.parametrize("pinned", [False, True])
def test_we_ask_the_engine_for_what_plugincontainer_asks_it_for(
    engine: Engine, recorder: Recorder, name: str, pinned: bool
) -> None:
    go, ours = CONFIGURATIONS[name]
    digits = engine.ids["localhost/probe:1"] if pinned else ""
    assert theirs(**go, SHA256=digits) == {"error": ""}
    expected = created(recorder.take())
    with Host() as host:
        host.start(command(**ours, sha256=digits)).ping()
    found = created(recorder.take())

    # All that differs, as docs/plugins.md has it.
    for label in ("host", "directory", "name"):
        del found["Labels"][f"machineadm.plugin.{label}"]
    if not found["Labels"]:
        del found["Labels"]
    assert expected["HostConfig"].pop("AutoRemove") is True
    assert found["HostConfig"].pop("RestartPolicy") == {"Name": "no"}
    assert expected["HostConfig"].pop("ConsoleSize") == [0, 0]
    if "disable_network" in ours:
        assert found["HostConfig"].pop("NetworkMode") == "none"
    if "args" in ours:
        assert expected.pop("ArgsEscaped") is True  # for images of Windows
    assert found == expected


@pytest.mark.parametrize(
    ("fields", "ours", "says", "code"),
    [
        ({"SHA256": "0" * 64}, {"sha256": "0" * 64}, "SHA256 mismatch", "MA7234"),
        ({"Image": "localhost/none"}, {"image": "localhost/none"}, "error creating", "MA7233"),
        ({"Entrypoint": ["/none"]}, {"entrypoint": ("/none",)}, "error starting", "MA7232"),
    ],
)
def test_we_refuse_what_plugincontainer_refuses(
    engine: Engine, fields: dict[str, Any], ours: dict[str, Any], says: str, code: str
) -> None:
    assert says in theirs(**fields)["error"]
    with Host() as host, pytest.raises(PluginError) as caught:
        host.start(command(**ours))
    for left in engine.podman.containers():
        engine.podman("rm", "--force", left)  # theirs leaves what did not start

    assert caught.value.code == code


def test_podman_has_the_images_that_these_tests_speak_of(engine: Engine) -> None:
    assert engine.ids.keys() == IMAGES.keys()
    assert all(re.fullmatch("[0-9a-f]{64}", one) for one in engine.ids.values())
