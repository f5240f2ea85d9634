"""A run outlasts its deadline by no more than ten seconds, and leaves a report, whatever it waits for.

Each on this machine's kernel, with state and run directories of its own in a mount namespace.
"""

import contextlib
import json
import os
import pty
import shutil
import socket
import subprocess
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from datetime import datetime
from pathlib import Path
from typing import Any, NamedTuple

import pytest

from tests.real import missing

HEAD = "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\nspec:\n  machine:\n"
LATE = 10.0
"""Seconds by which a run may outlast its deadline."""
START = 10.0
"""Seconds for namespaces, the interpreter and its end, on a machine that is busy."""
TALKS = "yes 'a line of output of some length, as a package manager prints it' | head -n 20000\n"
HOLDS_ON = "trap '' TERM INT HUP; (trap '' TERM; yes) & yes > /dev/null\n"

# What a machine has of its own: nothing of this one's is written to. The report is copied out before all of it goes.
APART = """
set -e
mount -t tmpfs -o mode=755 run /run
mkdir -p /var/lib/machineadm
mount -t tmpfs -o "$1" state /var/lib/machineadm
[ -z "$2" ] || mount --bind "$2" /etc/resolv.conf
result=$3 streams=$4; shift 4
set +e
eval '"$@"' "$streams" '&'
agent=$!
trap 'kill -TERM $agent' TERM
wait $agent; code=$?
kill -0 $agent 2>/dev/null && { wait $agent; code=$?; }
cp -r /run/machineadm /run/cluster-api "$result" 2>/dev/null
find /run/opt > "$result/left" 2>/dev/null
exit $code
"""


class Ended(NamedTuple):
    """How a run ended."""

    code: int
    took: float
    status: dict[str, Any]
    sentinel: dict[str, Any] | None
    left: list[str]

    @property
    def lasted(self) -> float:
        """Seconds by its report, without the interpreter's start."""
        begun, ended = (
            datetime.fromisoformat(self.status[name].replace("Z", "+00:00"))
            for name in ("startedAt", "finishedAt")
        )
        return (ended - begun).total_seconds()

    @property
    def error(self) -> str:
        """Code of the error in the report."""
        return str(self.status.get("error", {}).get("code", ""))


class Stage:
    """Runs the agent in a mount namespace."""

    def __init__(self, agent: Path, directory: Path) -> None:
        self.agent = agent
        self.directory = directory

    def run(
        self,
        machine: str,
        *options: str,
        deadline: float | None = 3,
        state: str = "mode=700",
        resolver: str = "",
        stop: bool = False,
        streams: str = "",
        out: int = subprocess.DEVNULL,
        err: int = subprocess.DEVNULL,
    ) -> Ended:
        """Bootstrap, in JSON below `spec.machine`; `stop` by a signal once a step of it runs."""
        (self.directory / "node.yaml").write_text(f"{HEAD}    {machine}\n")
        result = self.directory / "result"
        shutil.rmtree(result, ignore_errors=True)
        result.mkdir()
        command = [
            *("python3", "-I", "-S", str(self.agent), "bootstrap", "--mode", "preparation"),
            *(("--deadline", f"{deadline}s") if deadline is not None else ()),
            *("--path", str(self.directory / "node.yaml"), *options),
        ]
        began = time.monotonic()
        with subprocess.Popen(
            [
                *(*_unshare(), "bash", "-c", APART, "bash"),
                *(state, resolver, str(result), streams, *command),
            ],
            stdin=subprocess.DEVNULL,
            stdout=out,
            stderr=err,
        ) as process:
            if stop:
                # By its own view of /run; a busy machine takes its time until there is something to stop.
                report = Path(f"/proc/{process.pid}/root/run/machineadm/status.json")
                while '"state": "Running"' not in (report.read_text() if report.exists() else ""):
                    assert process.poll() is None, "it ended before it was stopped"
                    time.sleep(0.05)
                began = time.monotonic()
                process.terminate()
            code = process.wait(60)
        took = time.monotonic() - began
        left = result / "left"
        return Ended(
            code=code,
            took=took,
            status=_read(result / "machineadm/status.json") or {},
            sentinel=_read(result / "cluster-api/bootstrap-failure.json"),
            left=left.read_text().split() if left.exists() else [],
        )


def _unshare() -> Sequence[str]:
    return (
        ["unshare", "--mount"] if os.geteuid() == 0 else ["unshare", "--mount", "--map-root-user"]
    )


def _read(path: Path) -> dict[str, Any] | None:
    return json.loads(path.read_text()) if path.exists() else None


@pytest.fixture
def stage(agent_file: Path, tmp_path: Path) -> Stage:
    probe = [*_unshare(), "mount", "-t", "tmpfs", "none", "/run"]
    if subprocess.run(probe, check=False, capture_output=True).returncode != 0:
        missing("nobody may mount here")
    tmp_path.chmod(0o755)
    return Stage(agent_file.resolve(), tmp_path)


def commands(*scripts: str) -> str:
    return "commands: " + json.dumps({"preKubeadm": [{"script": script} for script in scripts]})


def download(url: str) -> str:
    source = {"url": url, "sha256": "0" * 64}
    files = [{"path": "/run/opt/a", "content": "x"}, {"path": "/run/opt/b", "source": source}]
    return "files: " + json.dumps(files)


# ------------------------------------------------------------------------------- output not read
@contextlib.contextmanager
def _pipe() -> Iterator[int]:
    read, write = os.pipe()
    yield write
    os.close(read)
    os.close(write)


@contextlib.contextmanager
def _terminal() -> Iterator[int]:
    master, slave = pty.openpty()
    yield slave
    os.close(master)
    os.close(slave)


@contextlib.contextmanager
def _journal() -> Iterator[int]:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        yield ours.fileno()


READERS = pytest.mark.parametrize("reader", [_pipe, _terminal, _journal])


@READERS
@pytest.mark.parametrize("output", ["text", "json"])
def test_a_run_goes_on_when_nobody_reads_what_it_prints(
    stage: Stage, reader: Any, output: str
) -> None:
    with reader() as end:
        streams = {"err": end} if output == "text" else {"out": end}
        ended = stage.run(commands(TALKS, "true"), "--output", output, deadline=60, **streams)

    assert (ended.code, ended.status["phase"]) == (0, "Prepared")
    assert ended.took < 30


@READERS
@pytest.mark.parametrize("how", ["its deadline", "a signal"])
def test_a_run_that_nobody_reads_ends_when_it_has_to(stage: Stage, reader: Any, how: str) -> None:
    stop = how == "a signal"

    with reader() as end:
        ended = stage.run(
            commands(TALKS, HOLDS_ON), deadline=600 if stop else 3, stop=stop, out=end, err=end
        )

    assert (ended.code, ended.status["phase"]) == (9, "Failed")
    assert ended.error == ("MA6003" if how == "its deadline" else "MA6002")
    assert ended.took < 3 + LATE + START
    if not stop:
        assert ended.lasted < 3 + LATE


# ------------------------------------------------------------------------------- commands, names
@pytest.mark.parametrize(
    "script",
    [
        "yes\n",
        HOLDS_ON,
        "setsid sh -c 'yes' & setsid sleep 30 & sleep 600\n",
        "kill -STOP $$\n",
        "cat /dev/zero\n",
    ],
    ids=["prints", "ignores signals", "leaves others behind", "is stopped", "prints no lines"],
)
def test_a_command_that_does_not_end_is_ended(stage: Stage, script: str) -> None:
    ended = stage.run(commands(script))

    assert (ended.code, ended.error) == (9, "MA6003")
    assert ended.lasted < 3 + LATE
    assert ended.took < 3 + LATE + START


def test_the_deadline_of_the_configuration_ends_a_run_and_that_of_the_command_line_wins(
    stage: Stage,
) -> None:
    by_configuration = stage.run(f"{commands('sleep 600')}\n  deadline: 3s", deadline=None)
    by_command_line = stage.run(f"{commands('sleep 600')}\n  deadline: 20m", deadline=3)

    for ended in (by_configuration, by_command_line):
        assert (ended.code, ended.error) == (9, "MA6003")
        assert ended.lasted < 3 + LATE
        assert ended.took < 3 + LATE + START


@pytest.mark.parametrize("scheme", ["http", "https"])
def test_a_name_that_nobody_resolves_does_not_hold_the_run(stage: Stage, scheme: str) -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        try:
            deaf.bind(("127.0.0.77", 53))
        except OSError:
            missing("nobody may listen on port 53 here")
        resolver = stage.directory / "resolv.conf"
        resolver.write_text("nameserver 127.0.0.77\noptions timeout:30\n")
        ended = stage.run(download(f"{scheme}://mirror.example/x"), resolver=str(resolver))

    assert (ended.code, ended.error) == (9, "MA6003")
    assert ended.lasted < 3 + LATE
    assert ended.took < 3 + LATE + START
    assert ended.left == []


# ------------------------------------------------------------------------- receivers of reports
def _drips(peer: socket.socket, over: threading.Event) -> None:
    peer.recv(65536)
    peer.sendall(b"HTTP/1.1 200 OK\r\nX: ")
    while not over.wait(0.2):
        peer.sendall(b"a")


def _says_nothing(peer: socket.socket, over: threading.Event) -> None:
    del peer
    over.wait()


def _goes_on_and_on(peer: socket.socket, over: threading.Event) -> None:
    peer.recv(65536)
    while not over.wait(0.2):
        peer.sendall(b"HTTP/1.1 100 Continue\r\n\r\n")


@contextlib.contextmanager
def _receiver(answer: Callable[[socket.socket, threading.Event], None]) -> Iterator[str]:
    over = threading.Event()
    with socket.create_server(("127.0.0.1", 0)) as server:

        def attend(peer: socket.socket) -> None:
            with contextlib.suppress(OSError), peer:
                answer(peer, over)

        def serve() -> None:
            with contextlib.suppress(OSError):
                while True:
                    threading.Thread(target=attend, args=server.accept()[:1], daemon=True).start()

        threading.Thread(target=serve, daemon=True).start()
        yield f"http://127.0.0.1:{server.getsockname()[1]}/reports"
        over.set()
        server.shutdown(socket.SHUT_RDWR)


@pytest.mark.parametrize("answer", [_drips, _says_nothing, _goes_on_and_on])
@pytest.mark.parametrize("end", ["well", "by its deadline", "by a signal"])
def test_a_receiver_of_reports_that_does_not_answer_changes_no_end(
    stage: Stage, answer: Any, end: str
) -> None:
    script = "true" if end == "well" else "sleep 600"
    with _receiver(answer) as url:
        ended = stage.run(
            f"{commands(script)}\n  reporting: {{url: '{url}'}}",
            # Long enough for a busy machine to get to the end, short enough to pass while the receiver is waited for.
            deadline={"well": 8, "by its deadline": 3}.get(end, 600),
            stop=end == "by a signal",
        )

    expected = {"well": (0, "Prepared", ""), "by a signal": (9, "Failed", "MA6002")}
    assert (ended.code, ended.status["phase"], ended.error) == expected.get(
        end, (9, "Failed", "MA6003")
    )
    reported = [one for one in ended.status["conditions"] if one["type"] == "Reported"]
    assert [one["reason"] for one in reported] == ["MA6030"]
    assert ended.took < 8 + LATE + START


# ---------------------------------------------------------------------------------- disks
FULL = {
    "two pages": "size=8k",
    "read-only": "ro",
    "no inodes": "nr_inodes=2",
    "three inodes": "nr_inodes=3",
}


@pytest.mark.parametrize("disk", FULL)
@pytest.mark.parametrize(
    "streams", ["", "2>/dev/full", "2>&-", ">/dev/full 2>/dev/full", ">&- 2>&-"]
)
def test_the_report_is_true_when_the_disk_of_the_state_takes_nothing(
    stage: Stage, disk: str, streams: str
) -> None:
    ended = stage.run(commands("true", "true"), state=FULL[disk], deadline=60, streams=streams)

    assert ended.code == 5
    assert ended.status["phase"] == "Failed"
    assert ended.sentinel == ended.status
