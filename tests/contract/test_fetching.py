"""The script that fetches the agent, run as a machine runs it: real shells, curl, wget and openssl, real servers.

Every way in which a server, a file, a key or a machine can be wrong ends with its code, and with nothing on the machine
that can be run. A script from which a check is missing fails these tests, which is tested, too.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from datetime import timedelta
from pathlib import Path
from stat import S_ISREG
from threading import Thread
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec

from machineadm.api.v1alpha1.agent_source import AgentDownload, Sha256ByArchitecture
from machineadm.api.v1alpha1.status import BootstrapStatus
from machineadm.redaction import Secret
from machineadm.rendering.fetch import SHORT, fetch_script, shortened
from machineadm.version import VERSION
from tests.real import missing
from tests.servers.authority import Authority, Identity
from tests.servers.files import FileServer
from tests.servers.proxy import Proxy

ROOT = Path(__file__).parents[2]
NAME = "machineadm-linux-{arch}.pyz"
SHELLS = (("dash",), ("busybox", "sh"), ("bash", "--posix"))
TOOLS = ("curl", "wget")
# A busybox that prefers its own applets has no other wget.
PAIRS = [
    (tool, shell) for tool in TOOLS for shell in SHELLS if (tool, shell[0]) != ("wget", "busybox")
]
# What the script may call beside a downloader, openssl, sha256sum and a shell.
PROGRAMS = (
    "cat chmod cut date grep mkdir mktemp mv python3 rm sed sleep sync tail timeout tr uname wc"
)
TOKEN = "Bearer so-secret-a-token"


def agent(version: str) -> bytes:
    """What answers as the agent does when it is asked for its version."""
    padding = "# " + 200 * "." + "\n"
    return f'print(\'{{"version": "{version}", "build": "x"}}\')\n{padding}'.encode()


# Faults of the server that take all the time they are given.
SLOW = {"~stall", "~silent", "~drip"}
AGENT, OLDER, OTHER = agent("0.3.1"), agent("0.3.0"), b"print('another file')\n"


class Key:
    def __init__(self) -> None:
        self._key = ec.generate_private_key(ec.SECP256R1())
        self.public = (
            self._key.public_key()
            .public_bytes(
                serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo
            )
            .decode()
        )

    def sign(self, content: bytes) -> bytes:
        return self._key.sign(content, ec.ECDSA(hashes.SHA256()))


KEY, WRONG_KEY = Key(), Key()
AUTHORITY, OTHER_AUTHORITY = Authority(), Authority("another authority")


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


class Machine:
    """Below a directory: what the script may find on it, and what it did."""

    def __init__(self, directory: Path) -> None:
        self.directory, self.home = directory, directory / "home"
        self.destination = directory / "opt" / "bin" / "machineadm"
        self.console, self.environment, self.mounts = (
            directory / name for name in ("console", "environment", "mounts")
        )
        self.home.mkdir(parents=True)
        self.mounts.write_text("/dev/sda / ext4 rw 0 0\n")
        # Seconds that a busy machine does not use up; where the server is slow on purpose, see be_hasty.
        self.budget, self.attempt, self.stall, self.pause = 120, 60, 30, 1
        self.largest = 64
        self.fault: tuple[str, str] | None = None
        self.programs = directory / "bin"
        self.install(*PROGRAMS.split(), "curl", "openssl", "sha256sum")

    def try_once(self) -> None:
        """The pause is longer than the time there is, so that no location is asked again."""
        self.pause = 1000

    def be_hasty(self) -> None:
        """A server that is slow on purpose is given up soon."""
        self.attempt, self.stall = 5, 1

    def install(self, *names: str) -> None:
        self.programs.mkdir(exist_ok=True)
        for name in names:
            # A version manager's python3 is a script that needs more than this machine has.
            found = sys.executable if name == "python3" else shutil.which(name)
            if not found:
                missing(f"there is no {name}: apt-get install curl wget busybox openssl")
            (self.programs / name).symlink_to(found)

    def remove(self, *names: str) -> None:
        for name in names:
            (self.programs / name).unlink()

    def only_busybox(self) -> None:
        """Nothing but busybox and python3, as in a very small image."""
        shutil.rmtree(self.programs)
        self.install("python3")
        busybox = shutil.which("busybox") or missing("there is no busybox: apt-get install busybox")
        for name in (*PROGRAMS.split(), "wget", "sha256sum"):
            if name != "python3":
                (self.programs / name).symlink_to(busybox)

    def script(self, *urls: str, **changes: Any) -> Path:
        given: dict[str, Any] = {
            "version": "v0.3.1",
            "urls": urls,
            "sha256": sha256(AGENT),
            "public_key": KEY.public,
            "ca_bundle": AUTHORITY.certificate,
            "destination": str(self.destination),
        }
        text = fetch_script(AgentDownload(**given | changes))
        for name, value in {
            "RUN": self.directory / "run",
            "PYTHON": self.programs / "python3",
            "CONSOLE": self.console,
            "ENVIRONMENT": self.environment,
            "MOUNTS": self.mounts,
            "BUDGET": self.budget,
            "ATTEMPT": self.attempt,
            "PAUSE": self.pause,
            "STALL": self.stall,
            "LARGEST": self.largest,
        }.items():
            text = replaced(text, SHORT.get(name, name), str(value))
        if self.fault:
            right, wrong = map(shortened, self.fault)
            assert right in text
            text = text.replace(right, wrong)
        file = self.directory / "fetch.sh"
        file.write_text(text)
        return file

    def fetch(
        self,
        *urls: str,
        shell: tuple[str, ...] = SHELLS[0],
        variables: dict[str, str] | None = None,
        working_directory: Path | None = None,
        **changes: Any,
    ) -> subprocess.CompletedProcess[str]:
        program = shutil.which(shell[0]) or missing(f"there is no {shell[0]}: apt-get install it")
        return subprocess.run(
            [program, *shell[1:], self.script(*urls, **changes)],
            env=self.variables | (variables or {}),
            cwd=working_directory,
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )

    @property
    def variables(self) -> dict[str, str]:
        return {"PATH": str(self.programs), "HOME": str(self.home)}

    @property
    def status(self) -> BootstrapStatus:
        return msgspec.json.decode(
            (self.directory / "run/machineadm/status.json").read_bytes(), type=BootstrapStatus
        )

    def executables(self) -> list[Path]:
        """What of this machine's files could be run."""
        ours = (path for path in self.directory.rglob("*") if self.programs not in path.parents)
        # A link is not followed: where fs.protected_symlinks is set, not even root may follow another's.
        return [path for path in ours if S_ISREG(mode := path.lstat().st_mode) and mode & 0o111]

    def leftovers(self) -> list[str]:
        directories = (self.destination.parent, self.directory / "run/machineadm")
        known = {"machineadm", "status.json"}
        return [
            path.name
            for directory in directories
            # Where the kernel has protected_symlinks, as on stock Debian, a stranger's link cannot even be looked through.
            if os.path.isdir(directory)  # noqa: PTH112
            for path in directory.iterdir()
            if path.name not in known
        ]


def replaced(text: str, name: str, value: str) -> str:
    before, found, after = text.partition(f" {name}=" if f" {name}=" in text else f"\n{name}=")
    assert found
    old = after.split(maxsplit=1)[0]
    return before + found + value + after[len(old) :]


def assert_there(machine: Machine, done: subprocess.CompletedProcess[str]) -> None:
    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert machine.destination.read_bytes() == AGENT
    assert machine.destination.stat().st_mode & 0o7777 == 0o755
    assert machine.leftovers() == []
    assert not (machine.directory / "run/cluster-api").exists()


def assert_refused(machine: Machine, done: subprocess.CompletedProcess[str], code: str) -> None:
    assert done.returncode == (4 if code in ("MA1906", "MA1907", "MA1908") else 5), done.stderr
    last = done.stderr.splitlines()[-1]
    assert last.startswith(f"machineadm-fetch: {code} ")
    assert machine.executables() == []
    assert machine.leftovers() == []
    status = machine.status
    assert (status.phase, status.agent.version) == ("Failed", "v0.3.1")
    assert status.error is not None
    assert (status.error.code, status.error.exit_code) == (code, done.returncode)
    assert status.error.message in last
    sentinel = machine.directory / "run/cluster-api/bootstrap-failure.json"
    assert msgspec.json.decode(sentinel.read_bytes(), type=BootstrapStatus) == status
    assert sentinel.stat().st_mode & 0o777 == 0o600
    assert sentinel.parent.stat().st_mode & 0o777 == 0o755
    assert machine.console.read_text().splitlines() == [last]


@pytest.fixture
def machine(tmp_path: Path) -> Machine:
    return Machine(tmp_path / "machine")


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    """What a server serves: the release, and around it what should not be taken for it."""
    made = tmp_path / "served"
    made.mkdir()
    for name, content, signature in (
        ("machineadm-linux-amd64.pyz", AGENT, KEY.sign(AGENT)),
        ("machineadm-linux-arm64.pyz", AGENT, KEY.sign(AGENT)),
        ("tampered", AGENT + b"import os\n", KEY.sign(AGENT)),
        ("truncated", AGENT[:-50], KEY.sign(AGENT)),
        ("empty", b"", KEY.sign(AGENT)),
        ("older", OLDER, KEY.sign(OLDER)),
        ("swapped", AGENT, KEY.sign(OTHER)),
        ("other", OTHER, KEY.sign(OTHER)),
        ("foreign", AGENT, WRONG_KEY.sign(AGENT)),
        ("unsigned", AGENT, None),
        ("garbled", AGENT, b"not a signature"),
        ("nothing", AGENT, b""),
    ):
        (made / name).write_bytes(content)
        if signature is not None:
            (made / f"{name}.sig").write_bytes(signature)
    return made


@pytest.fixture(scope="module")
def identity(tmp_path_factory: pytest.TempPathFactory) -> Identity:
    return AUTHORITY.identity(tmp_path_factory.mktemp("pki"), "127.0.0.1", "localhost")


@pytest.fixture
def server(directory: Path, identity: Identity) -> Iterator[FileServer]:
    with FileServer(directory, identity=identity) as serving:
        yield serving


@pytest.fixture(params=TOOLS)
def equipped(machine: Machine, request: pytest.FixtureRequest) -> Machine:
    """A machine with the one downloader or the other."""
    if request.param != "curl":
        machine.remove("curl")
        machine.install(request.param)
    return machine


@pytest.mark.requirement("R6", "R10", "R12")
@pytest.mark.parametrize(("equipped", "shell"), PAIRS, indirect=["equipped"])
def test_the_agent_comes_over_tls_by_a_private_authority(
    equipped: Machine, server: FileServer, shell: tuple[str, ...]
) -> None:
    assert_there(equipped, equipped.fetch(f"{server.url}/{NAME}", shell=shell))


@pytest.mark.requirement("R10", "R12")
@pytest.mark.parametrize("given", [{"public_key": None}, {"sha256": None}, {}], ids=str)
@pytest.mark.parametrize(
    ("name", "by_digest", "by_signature", "by_both"),
    [
        ("tampered", "MA1906", "MA1907", "MA1906"),
        ("truncated", "MA1906", "MA1907", "MA1906"),
        ("empty", "MA1906", "MA1907", "MA1906"),
        ("older", "MA1906", "MA1908", "MA1906"),
        ("swapped", None, "MA1907", "MA1907"),
        ("other", "MA1906", "MA1913", "MA1906"),
        ("foreign", None, "MA1907", "MA1907"),
        ("unsigned", None, "MA1903", "MA1903"),
        ("garbled", None, "MA1907", "MA1907"),
        ("nothing", None, "MA1907", "MA1907"),
        ("~cut/machineadm-linux-amd64.pyz", "MA1906", "MA1907", "MA1906"),
        ("~empty/machineadm-linux-amd64.pyz", "MA1906", "MA1907", "MA1906"),
    ],
)
def test_what_is_not_the_release_is_refused(
    machine: Machine,
    server: FileServer,
    given: dict[str, Any],
    name: str,
    by_digest: str | None,
    by_signature: str | None,
    by_both: str | None,
) -> None:
    done = machine.fetch(f"{server.url}/{name}", **given)

    code = by_digest if "public_key" in given else by_signature if "sha256" in given else by_both
    # A connection that is cut: curl notices with OpenSSL 3.2 and later, its content gives it away with earlier ones.
    if name.startswith("~cut/") and "MA1902" in done.stderr:
        code = "MA1902"
    if code is None:
        assert_there(machine, done)
    else:
        assert_refused(machine, done, code)


@pytest.mark.parametrize(
    ("sums", "code"),
    [
        (lambda right: Sha256ByArchitecture(amd64=right, arm64=right), None),
        (lambda _: Sha256ByArchitecture(amd64="0" * 64, arm64="0" * 64), "MA1906"),
        (lambda right: _other_architecture(right), "MA1914"),
    ],
)
def test_a_machine_checks_the_digest_of_its_own_architecture(
    machine: Machine,
    server: FileServer,
    sums: Callable[[str], Sha256ByArchitecture],
    code: str | None,
) -> None:
    done = machine.fetch(
        f"{server.url}/{NAME}",
        sha256=None,
        public_key=None,
        sha256_by_architecture=sums(sha256(AGENT)),
    )

    if code is None:
        assert_there(machine, done)
    else:
        assert_refused(machine, done, code)


def _other_architecture(digest: str) -> Sha256ByArchitecture:
    if os.uname().machine in ("x86_64", "amd64"):
        return Sha256ByArchitecture(arm64=digest)
    return Sha256ByArchitecture(amd64=digest)


@pytest.mark.parametrize("shell", SHELLS[1:], ids=" ".join)
@pytest.mark.parametrize(
    ("name", "code"),
    [("tampered", "MA1907"), ("older", "MA1908"), ("unsigned", "MA1903"), ("~endless/x", "MA1905")],
)
def test_every_shell_refuses_alike(
    machine: Machine, server: FileServer, shell: tuple[str, ...], name: str, code: str
) -> None:
    done = machine.fetch(f"{server.url}/{name}", shell=shell, sha256=None)

    assert_refused(machine, done, code)


@pytest.mark.requirement("R10", "R12")
@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("~status/404", "MA1903"),
        ("~status/401", "MA1903"),
        ("~status/403", "MA1903"),
        ("~status/204", "MA1903"),
        ("~status/500", "MA1903"),
        ("~stall", "MA1902"),
        ("~silent", "MA1902"),
        ("~drip", "MA1902"),
        ("~reset", "MA1902"),
        ("~truncate", "MA1902"),
        ("~endless", "MA1905"),
        ("~loop", "MA1904"),
        ("~redirect/http%3A%2F%2F127.0.0.1:1", "MA1904"),
        ("~redirect/ftp%3A%2F%2F127.0.0.1:1", "MA1904"),
        ("~redirect/file%3A%2F%2F%2Fetc", "MA1904"),
    ],
)
def test_a_server_that_misbehaves_is_refused(
    equipped: Machine, server: FileServer, fault: str, code: str
) -> None:
    equipped.try_once()
    if fault in SLOW:
        equipped.be_hasty()

    done = equipped.fetch(f"{server.url}/{fault}/machineadm-linux-amd64.pyz")

    assert_refused(equipped, done, code)


@pytest.mark.requirement("R12", "R13")
@pytest.mark.parametrize("fault", ["~status/503", "~stall", "~reset", "~endless", "~loop"])
def test_after_a_server_that_misbehaves_the_next_location_is_asked(
    equipped: Machine, server: FileServer, fault: str
) -> None:
    bad = f"{server.url}/{fault}/machineadm-linux-amd64.pyz"
    if fault in SLOW:
        # The second location must come within it, too, on a busy machine.
        equipped.attempt, equipped.stall = 20, 5

    assert_there(equipped, equipped.fetch(bad, f"{server.url}/{NAME}"))


@pytest.mark.parametrize(
    "location",
    [
        'https://127.0.0.1:1/" -o "x',
        'https://127.0.0.1:1/"; $(touch ran) `touch ran`',
        "https://127.0.0.1:1/\\",
        "https://127.0.0.1:1/*?[a-z]",
        "https:///",
        "-o/ran",
        "https://-x",
        "data:,x",
        "''; touch ran",
    ],
)
def test_where_a_server_sends_us_is_text(
    equipped: Machine, server: FileServer, location: str
) -> None:
    equipped.try_once()
    equipped.install("touch")

    done = equipped.fetch(f"{server.redirecting_to(location)}/x", working_directory=equipped.home)

    # A shell that says something has read more than a text.
    assert all(line.startswith("machineadm-fetch: ") for line in done.stderr.splitlines())
    assert_refused(equipped, done, done.stderr.split()[1])
    assert list(equipped.home.iterdir()) == []


@pytest.mark.requirement("R12", "R13")
@pytest.mark.parametrize("name", ["tampered", "older", "foreign", "unsigned", "missing"])
def test_after_a_file_that_is_refused_the_next_location_is_asked(
    machine: Machine, server: FileServer, name: str
) -> None:
    done = machine.fetch(f"{server.url}/{name}", f"{server.url}/{NAME}")

    assert_there(machine, done)
    assert f"{server.url}/{name}" in done.stderr


def test_the_last_error_tells_what_happened_at_each_location(
    machine: Machine, server: FileServer
) -> None:
    machine.try_once()

    done = machine.fetch(
        f"{server.url}/missing?token=secret",
        f"{server.url}/tampered",
        "https://user:password@127.0.0.1:1/x",
    )

    assert_refused(machine, done, "MA1901")
    last = done.stderr.splitlines()[-1]
    for part in (
        f"MA1903 {server.url}/missing answers HTTP 404;",
        f"MA1906 {server.url}/tampered has SHA-256 ",
        "MA1902 https://127.0.0.1:1/x curl exits 7: ",
    ):
        assert last.count(part) == 1
    assert "secret" not in done.stderr
    assert "password" not in done.stderr


def test_a_server_that_does_not_answer_in_http_is_told(equipped: Machine) -> None:
    equipped.try_once()
    with socket.create_server(("127.0.0.1", 0)) as listening:
        Thread(target=_answers_without_a_status, args=(listening,), daemon=True).start()
        done = equipped.fetch(f"http://127.0.0.1:{listening.getsockname()[1]}/x")

    assert_refused(equipped, done, "MA1902")
    assert "HTTP" in done.stderr
    assert "redirect" not in done.stderr


def _answers_without_a_status(listening: socket.socket) -> None:
    connection, _ = listening.accept()
    with connection:
        connection.recv(65536)
        connection.sendall(AGENT)


def test_what_a_server_says_reaches_no_terminal_as_it_is(
    equipped: Machine, server: FileServer
) -> None:
    bad = quote("http://a\\033[31m\x1b[31m\\c", safe="")

    done = equipped.fetch(f"{server.url}/~redirect/{bad}/x")

    assert_refused(equipped, done, "MA1904")
    assert "\x1b" not in done.stderr
    assert len(done.stderr.splitlines()) == 2


def test_a_server_that_fails_once_is_asked_again(equipped: Machine, server: FileServer) -> None:
    assert_there(equipped, equipped.fetch(f"{server.url}/~flaky/{NAME}"))


def test_what_will_not_pass_is_not_tried_again(machine: Machine, server: FileServer) -> None:
    machine.fetch(f"{server.url}/tampered", f"{server.url}/missing")

    assert server.paths == ["/tampered", "/missing"]


def test_time_that_is_up_ends_it(machine: Machine) -> None:
    machine.budget = 3

    done = machine.fetch("https://127.0.0.1:1/x")

    assert_refused(machine, done, "MA1902")
    assert done.stderr.count("127.0.0.1:1") <= 4


def test_a_second_run_downloads_nothing(machine: Machine, server: FileServer) -> None:
    assert_there(machine, machine.fetch(f"{server.url}/{NAME}"))
    server.requests.clear()
    machine.destination.chmod(0o600)

    assert_there(machine, machine.fetch(f"{server.url}/{NAME}"))
    assert server.requests == []


def test_another_agent_at_the_destination_is_replaced(machine: Machine, server: FileServer) -> None:
    machine.destination.parent.mkdir(parents=True)
    machine.destination.write_bytes(OLDER)

    assert_there(machine, machine.fetch(f"{server.url}/{NAME}"))


def test_a_link_at_the_destination_is_replaced_and_not_followed(
    machine: Machine, server: FileServer
) -> None:
    machine.destination.parent.mkdir(parents=True)
    target = machine.directory / "target"
    target.write_bytes(b"mine")
    machine.destination.symlink_to(target)

    assert_there(machine, machine.fetch(f"{server.url}/{NAME}"))
    assert not machine.destination.is_symlink()
    assert target.read_bytes() == b"mine"


@pytest.mark.requirement("R10")
def test_either_of_two_keys_may_have_signed(machine: Machine, server: FileServer) -> None:
    both = WRONG_KEY.public + KEY.public

    assert_there(machine, machine.fetch(f"{server.url}/{NAME}", sha256=None, public_key=both))


@pytest.mark.parametrize("name", ["localhost", "127.0.0.1"])
def test_a_certificate_is_checked_by_name(
    equipped: Machine, directory: Path, tmp_path: Path, name: str
) -> None:
    made = AUTHORITY.identity(tmp_path / "pki", name)
    equipped.try_once()
    with FileServer(directory, identity=made) as serving:
        done = equipped.fetch(f"{serving.url}/{NAME}")

    if name == "127.0.0.1":
        assert_there(equipped, done)
    else:
        assert_refused(equipped, done, "MA1902")


@pytest.mark.parametrize("authority", [AUTHORITY, OTHER_AUTHORITY], ids=["expired", "foreign"])
def test_a_wrong_certificate_is_refused(
    equipped: Machine, directory: Path, tmp_path: Path, authority: Authority
) -> None:
    age = timedelta(days=60 if authority is AUTHORITY else 1)
    made = authority.identity(tmp_path / "pki", "127.0.0.1", age=age)
    equipped.try_once()
    with FileServer(directory, identity=made) as serving:
        done = equipped.fetch(f"{serving.url}/{NAME}")

        assert serving.requests == []
    assert_refused(equipped, done, "MA1902")


@pytest.mark.parametrize("settings", ["", "those of somebody who checks nothing"])
def test_a_private_authority_must_be_given(
    equipped: Machine, server: FileServer, settings: str
) -> None:
    equipped.try_once()
    if settings:
        (equipped.home / ".curlrc").write_text("insecure\n")
        (equipped.home / ".wgetrc").write_text("check_certificate = off\n")

    assert_refused(equipped, equipped.fetch(f"{server.url}/{NAME}", ca_bundle=None), "MA1902")


@pytest.mark.requirement("R10")
@pytest.mark.parametrize(("equipped", "shell"), PAIRS, indirect=["equipped"])
@pytest.mark.parametrize("value", [TOKEN, 'it\'s "#1" = $(id) `id` \\ back\\slash ä'])
def test_headers_open_a_private_mirror(
    equipped: Machine, directory: Path, identity: Identity, shell: tuple[str, ...], value: str
) -> None:
    wire = value.encode().decode("latin-1")
    with FileServer(directory, identity=identity, header=("Authorization", wire)) as serving:
        headers = {"Authorization": Secret(value), "X-Second": Secret("2")}
        done = equipped.fetch(f"{serving.url}/{NAME}", shell=shell, headers=headers)

        assert {request.headers["x-second"] for request in serving.requests} == {"2"}
    assert_there(equipped, done)
    assert value not in done.stderr


def test_a_private_mirror_that_stays_shut_is_asked_once(
    equipped: Machine, directory: Path, identity: Identity
) -> None:
    with FileServer(directory, identity=identity, header=("Authorization", TOKEN)) as serving:
        headers = {"Authorization": Secret("another")}
        done = equipped.fetch(f"{serving.url}/{NAME}", headers=headers)

        assert len(serving.requests) == 1
    assert_refused(equipped, done, "MA1903")
    assert "answers HTTP 401" in done.stderr


@pytest.mark.requirement("R10")
def test_headers_do_not_follow_to_another_host(
    equipped: Machine, server: FileServer, directory: Path, identity: Identity
) -> None:
    with FileServer(directory, identity=identity, header=("Authorization", TOKEN)) as first:
        headers = {"Authorization": Secret(TOKEN), "X-Token": Secret(TOKEN)}
        done = equipped.fetch(f"{first.redirecting_to(server.url)}/{NAME}", headers=headers)

        assert all(request.headers["x-token"] == TOKEN for request in first.requests)
    assert_there(equipped, done)
    assert len(server.requests) == 2
    assert TOKEN not in str(server.requests)


def test_a_host_that_programs_read_in_different_ways_is_not_asked(
    equipped: Machine, server: FileServer
) -> None:
    equipped.try_once()
    ours = server.url.removeprefix("https://")
    location = "https://x.example\\@" + ours

    done = equipped.fetch(f"{server.redirecting_to(location)}/{NAME}")

    assert_refused(equipped, done, "MA1904")


def test_headers_follow_on_the_same_host(
    equipped: Machine, directory: Path, identity: Identity
) -> None:
    with FileServer(directory, identity=identity, header=("Authorization", TOKEN)) as serving:
        headers = {"Authorization": Secret(TOKEN)}
        done = equipped.fetch(f"{serving.url}/~relative/{NAME}", headers=headers)

    assert_there(equipped, done)


@pytest.mark.requirement("R10")
def test_headers_are_never_sent_over_plain_http(equipped: Machine, directory: Path) -> None:
    with FileServer(directory) as plain:
        done = equipped.fetch(f"{plain.url}/{NAME}", headers={"X-Token": Secret(TOKEN)})

        assert TOKEN not in str(plain.requests)
    assert_there(equipped, done)


@pytest.mark.requirement("R10")
@pytest.mark.parametrize("password", ["", "of-the-url"])
def test_no_secret_is_an_argument_of_a_program_or_stays_on_the_disk(
    equipped: Machine, directory: Path, identity: Identity, password: str
) -> None:
    record = equipped.directory / "arguments"
    tool = "curl" if (equipped.programs / "curl").exists() else "wget"
    real = (equipped.programs / tool).readlink()
    equipped.remove(tool)
    # The only line of this wrapper that is not the tool: what the tool was called with.
    (equipped.programs / tool).write_text(f'#!/bin/sh\necho "$*" >>{record}\nexec {real} "$@"\n')
    (equipped.programs / tool).chmod(0o755)
    with FileServer(directory, identity=identity, header=("Authorization", TOKEN)) as serving:
        url = serving.url.replace("//", f"//user:{password}@") if password else serving.url
        headers = {"Authorization": Secret(TOKEN)}
        assert_there(equipped, equipped.fetch(f"{url}/{NAME}?key=of-the-query", headers=headers))

    arguments = record.read_text()
    for secret in (TOKEN, "of-the-url", "of-the-query"):
        assert secret not in arguments
        kept = [path for path in equipped.directory.rglob("*") if path.is_file()]
        assert [path.name for path in kept if secret.encode() in path.read_bytes()] in (
            ["fetch.sh"],
            [],
        )


def test_the_signature_lies_beside_the_file_also_where_a_query_follows(
    machine: Machine, server: FileServer
) -> None:
    assert_there(machine, machine.fetch(f"{server.url}/{NAME}?alt=media"))

    assert [path.partition("amd64.pyz")[2] for path in server.paths] == [
        "?alt=media",
        ".sig?alt=media",
    ]


@pytest.mark.requirement("R12")
@pytest.mark.parametrize("tls", [False, True])
@pytest.mark.parametrize(
    ("where", "upper"), [("variables", False), ("variables", True), ("file", True)]
)
def test_a_proxy_with_a_password_is_used(
    equipped: Machine, server: FileServer, directory: Path, upper: bool, tls: bool, where: str
) -> None:
    with Proxy("user", "pass-word") as proxy, FileServer(directory) as plain:
        name = "https_proxy" if tls else "http_proxy"
        name = name.upper() if upper else name
        if where == "file":
            equipped.environment.write_text(f'LANG="C"\n{name}="{proxy.url_with_password}"\n')
        variables = {name: proxy.url_with_password} if where == "variables" else {}
        url = (server if tls else plain).url
        done = equipped.fetch(f"{url}/{NAME}", variables=variables)

        assert len(proxy.requests) >= 2
    assert_there(equipped, done)


def test_what_needs_no_proxy_goes_without(equipped: Machine, server: FileServer) -> None:
    equipped.environment.write_text("https_proxy=http://127.0.0.1:1\nNO_PROXY='127.0.0.1'\n")

    assert_there(equipped, equipped.fetch(f"{server.url}/{NAME}"))


def test_a_wrong_password_of_the_proxy_is_told(equipped: Machine, server: FileServer) -> None:
    equipped.try_once()
    with Proxy("user", "right") as proxy:
        wrong = {"https_proxy": proxy.url_with_password.replace("right", "wrong")}
        done = equipped.fetch(f"{server.url}/{NAME}", variables=wrong)

    assert_refused(equipped, done, "MA1902")
    assert "407" in done.stderr or "Proxy Authentication Required" in done.stderr
    assert "wrong" not in done.stderr


def test_a_proxy_without_a_scheme_is_one_of_http(
    equipped: Machine, server: FileServer, directory: Path
) -> None:
    with Proxy("user", "pass-word") as proxy:
        bare = proxy.url_with_password.removeprefix("http://")
        done = equipped.fetch(f"{server.url}/{NAME}", variables={"https_proxy": bare})

        assert len(proxy.requests) >= 1
    assert_there(equipped, done)


@pytest.mark.parametrize(
    "proxy",
    [
        "ftp://user/so-secret@127.0.0.1:1",
        "http://user:so-secret",
        "user:so-secret",
        "http://user:so-secret/x@127.0.0.1:1",
    ],
)
def test_a_proxy_that_cannot_be_understood_is_not_repeated(
    equipped: Machine, directory: Path, proxy: str
) -> None:
    equipped.try_once()
    with FileServer(directory) as plain:
        done = equipped.fetch(f"{plain.url}/{NAME}", variables={"http_proxy": proxy})

    assert_refused(equipped, done, "MA1902")
    assert "so-secret" not in done.stderr


@pytest.mark.requirement("R10")
def test_without_openssl_a_digest_suffices(machine: Machine, server: FileServer) -> None:
    machine.remove("openssl")

    assert_there(machine, machine.fetch(f"{server.url}/{NAME}"))


@pytest.mark.requirement("R10")
def test_without_openssl_a_key_alone_does_not(machine: Machine, server: FileServer) -> None:
    machine.remove("openssl")

    done = machine.fetch(f"{server.url}/{NAME}", sha256=None)

    assert_refused(machine, done, "MA1909")
    assert server.requests == []


def test_openssl_stands_in_for_sha256sum(machine: Machine, server: FileServer) -> None:
    machine.remove("sha256sum")

    assert_there(machine, machine.fetch(f"{server.url}/{NAME}"))
    machine.destination.unlink()
    assert_refused(machine, machine.fetch(f"{server.url}/tampered"), "MA1906")


@pytest.mark.parametrize(
    ("missing", "code"),
    [(("curl",), "MA1910"), (("openssl", "sha256sum"), "MA1909"), (("python3",), "MA1913")],
)
def test_a_machine_that_lacks_something_says_so(
    machine: Machine, server: FileServer, missing: tuple[str, ...], code: str
) -> None:
    machine.remove(*missing)

    assert_refused(machine, machine.fetch(f"{server.url}/{NAME}"), code)


def test_nothing_but_busybox_fetches_over_plain_http(machine: Machine, directory: Path) -> None:
    machine.only_busybox()
    with FileServer(directory) as plain:
        done = machine.fetch(f"{plain.url}/missing", f"{plain.url}/{NAME}", shell=SHELLS[1])
        assert_there(machine, done)
        assert "answers HTTP 404" in done.stderr

        refused = machine.fetch(f"{plain.url}/~endless/x", f"{plain.url}/tampered", sha256="0" * 64)
    machine.destination.unlink()
    assert "MA1905" in refused.stderr
    assert "MA1906" in refused.stderr


def test_busybox_checks_no_certificate_and_is_not_asked_to(
    machine: Machine, server: FileServer
) -> None:
    machine.only_busybox()

    assert_refused(machine, machine.fetch(f"{server.url}/{NAME}", shell=SHELLS[1]), "MA1910")
    assert server.requests == []


def test_another_cpu_is_refused(machine: Machine, server: FileServer) -> None:
    machine.remove("uname")
    (machine.programs / "uname").write_text("#!/bin/sh\necho riscv64\n")
    (machine.programs / "uname").chmod(0o755)

    assert_refused(machine, machine.fetch(f"{server.url}/{NAME}"), "MA1914")


def test_a_64_bit_arm_gets_its_own_file(machine: Machine, server: FileServer) -> None:
    machine.remove("uname")
    (machine.programs / "uname").write_text("#!/bin/sh\necho aarch64\n")
    (machine.programs / "uname").chmod(0o755)

    assert_there(machine, machine.fetch(f"{server.url}/{NAME}"))
    assert server.paths[0] == "/machineadm-linux-arm64.pyz"


def test_the_journal_is_told_without_a_secret(machine: Machine, server: FileServer) -> None:
    record = machine.directory / "journal"
    (machine.programs / "logger").write_text(f'#!/bin/sh\necho "$@" >>{record}\n')
    (machine.programs / "logger").chmod(0o755)

    done = machine.fetch(f"{server.url}/missing?token=secret", headers={"X": Secret(TOKEN)})

    assert_refused(machine, done, "MA1903")
    last = done.stderr.splitlines()[-1]
    assert record.read_text() == f"-t machineadm -p daemon.err -- {last}\n"
    assert "secret" not in last


def test_an_address_of_ipv6_is_a_location(
    equipped: Machine, directory: Path, tmp_path: Path
) -> None:
    made = AUTHORITY.identity(tmp_path / "pki", "::1")
    try:
        serving = FileServer(directory, identity=made, address=("::1", 0))
    except OSError:
        missing("there is no ::1")
    with serving:
        headers = {"X-Token": Secret(TOKEN)}
        done = equipped.fetch(f"{serving.url}/~relative/{NAME}", headers=headers)

        assert {request.headers.get("x-token") for request in serving.requests} == {TOKEN}
    assert_there(equipped, done)


# In place of {evil} and {mirror}: host and port. Each is read by one program at least as the address of `evil`, or has
# been by an older one; the rest stands for what a program could make of it.
STRANGE = [
    "https://{evil}%2f@{mirror}",
    "https://{evil}%2F@{mirror}",
    "https://{evil}%3f@{mirror}",
    "https://{evil}%23@{mirror}",
    "https://{evil}%5c@{mirror}",
    "https://{evil}%40@{mirror}",
    "https://{mirror}@{evil}",
    "https://{mirror}%2f@{evil}",
    "https://{mirror}:x@{evil}",
    "https://user@{mirror}@{evil}",
    "https://{evil}#@{mirror}",
    "https://{evil}?@{mirror}",
    "https://{mirror}#@{evil}",
    "https://{mirror}?x@{evil}",
    "https://{evil};@{mirror}",
    "https://{mirror};@{evil}",
    "https://{evil}\\@{mirror}",
    "https://{mirror}\\@{evil}",
    "https://{mirror}\t@{evil}",
    "https://{mirror}\t.x@{evil}",
    "https://{mirror}%00@{evil}",
    "https://{mirror}%09{evil}",
    "https://@{mirror}",
    "https://{mirror}%2e",
    "https://{mirror}|{evil}",
    "https://{mirror}'",
    "https://[::1%25lo]:1",
    "https://[fe80::1%eth0]:1",
    "https://{mirror}\xad{evil}",
    "https:///{evil}",
    "https:////{evil}",
    "https:/\\{evil}",
    "https:{evil}",
    "https://?{evil}",
    "https://#{evil}",
    "HTTPS://{evil}%2f@{mirror}",
]


class Two:
    """A mirror, and somebody else whom its redirects must give nothing; each at an address of its own."""

    def __init__(self, directory: Path, pki: Path) -> None:
        made = AUTHORITY.identity(pki, "127.0.0.2", "127.0.0.3")
        try:
            self.mirror = FileServer(directory, identity=made, address=("127.0.0.2", 0))
            self.evil = FileServer(directory, identity=made, address=("127.0.0.3", 0))
        except OSError:
            missing("there is no 127.0.0.2: run it on Linux")

    def location(self, strange: str) -> str:
        at = {name: getattr(self, name).url.partition("://")[2] for name in ("mirror", "evil")}
        self.mirror.moved = strange.format(**at)
        return f"{self.mirror.url}/~moved"


@pytest.fixture
def two(directory: Path, tmp_path: Path) -> Iterator[Two]:
    both = Two(directory, tmp_path / "pki")
    with both.mirror, both.evil:
        yield both


@pytest.mark.requirement("R10", "R12")
@pytest.mark.parametrize("strange", STRANGE)
def test_a_redirect_whose_host_programs_read_differently_takes_the_headers_nowhere(
    equipped: Machine, two: Two, strange: str
) -> None:
    equipped.try_once()
    headers = {"X-Token": Secret(TOKEN)}

    done = equipped.fetch(f"{two.location(strange)}/{NAME}", headers=headers)

    assert TOKEN not in str(two.evil.requests)
    # These curl makes plain before it tells: nobody has the headers then, and what comes is checked.
    if strange not in ("https://{evil}#@{mirror}", "https://{evil}?@{mirror}", "https:///{evil}"):
        assert (done.returncode, two.evil.requests) == (5, [])
        assert done.stderr.splitlines()[-1].startswith("machineadm-fetch: MA190")


@pytest.mark.parametrize("shell", SHELLS[1:], ids=" ".join)
@pytest.mark.parametrize("strange", STRANGE[:9])
def test_every_shell_reads_a_redirect_alike(
    machine: Machine, two: Two, strange: str, shell: tuple[str, ...]
) -> None:
    machine.try_once()
    headers = {"X-Token": Secret(TOKEN)}

    done = machine.fetch(f"{two.location(strange)}/{NAME}", shell=shell, headers=headers)

    assert done.returncode == 5
    assert two.evil.requests == []


def test_without_the_look_at_a_redirect_wget_gives_the_headers_away(
    machine: Machine, two: Two
) -> None:
    machine.remove("curl")
    machine.install("wget")
    machine.fault = ("case $part in *@*) part='' ;; esac\n", "part=x\n")

    machine.fetch(f"{two.location(STRANGE[0])}/{NAME}", headers={"X-Token": Secret(TOKEN)})

    assert TOKEN in str(two.evil.requests)


root_alone = pytest.mark.skipif(os.getuid() != 0, reason="only root gives files away")


@pytest.mark.requirement("R10")
@pytest.mark.parametrize(
    "steps",
    [
        "chmod 777 opt",
        "chmod 1777 opt/bin",
        "chmod 757 opt/bin",
        "chmod 1777 opt; ln -s bin opt/x; chmod 777 opt/bin",
        "mkdir -p opt/bin/sub; chmod 777 opt/bin; rmdir opt/bin/sub",
        "mkdir a; chmod 777 a; mv opt a; ln -s a/opt opt",
        "mv opt x; chmod 777 x; ln -s x opt",
        "mkdir a; mv opt a; chmod 777 a; mkdir b; ln -s ../a/opt b/x; ln -s b/x opt",
    ],
)
def test_a_destination_in_a_directory_that_others_may_write_to_is_refused(
    machine: Machine, server: FileServer, steps: str
) -> None:
    machine.destination.parent.mkdir(parents=True)
    subprocess.run(["sh", "-ec", steps], cwd=machine.directory, check=True)

    done = machine.fetch(f"{server.url}/{NAME}")

    assert_refused(machine, done, "MA1915")
    assert server.requests == []
    assert not machine.destination.exists()


@root_alone
@pytest.mark.requirement("R10")
@pytest.mark.parametrize(
    "steps",
    [
        "chown 1000 opt",
        "chown 1000 opt/bin",
        "chgrp 1000 opt/bin; chmod 775 opt/bin",
        "mv opt x; ln -s x opt; chown -h 1000 opt",
        "mv opt x; ln -s y opt; ln -s x y; chown -h 1000 y",
        "chmod 1777 opt; rmdir opt/bin; ln -s ../x opt/bin; chown -h 1000 opt/bin; mkdir x",
        "chmod 1777 opt; chown 1000 opt/bin",
    ],
)
def test_a_destination_that_an_ordinary_user_leads_elsewhere_is_refused(
    machine: Machine, server: FileServer, steps: str
) -> None:
    machine.destination.parent.mkdir(parents=True)
    subprocess.run(["sh", "-ec", steps], cwd=machine.directory, check=True)

    assert_refused(machine, machine.fetch(f"{server.url}/{NAME}"), "MA1915")
    assert server.requests == []


@pytest.mark.parametrize(
    "steps",
    [
        "rm -r opt",
        "mv opt x; ln -s x opt",
        "mkdir a; mv opt a/b; ln -s ../a/./b/../b opt; mv opt a; ln -s a/opt opt",
        "chmod 1777 opt",
        "chmod 700 opt opt/bin",
        "ln -s /etc/passwd opt/bin/machineadm",
        "ln -s nowhere opt/bin/machineadm",
    ],
)
def test_links_and_directories_of_ones_own_lead_to_the_destination(
    machine: Machine, server: FileServer, steps: str
) -> None:
    machine.destination.parent.mkdir(parents=True)
    before = Path("/etc/passwd").read_bytes()
    subprocess.run(["sh", "-ec", steps], cwd=machine.directory, check=True)

    done = machine.fetch(f"{server.url}/{NAME}")

    assert (done.returncode, done.stdout) == (0, ""), done.stderr
    assert machine.destination.read_bytes() == AGENT
    assert not machine.destination.is_symlink()
    assert Path("/etc/passwd").read_bytes() == before


@pytest.mark.parametrize("steps", ["ln -s loop loop; ln -s loop opt", "touch opt"])
def test_a_way_that_leads_nowhere_is_refused(
    machine: Machine, server: FileServer, steps: str
) -> None:
    subprocess.run(["sh", "-ec", steps], cwd=machine.directory, check=True)

    assert_refused(machine, machine.fetch(f"{server.url}/{NAME}"), "MA1911")


@root_alone
def test_without_the_look_at_directories_a_link_leads_root_elsewhere(
    machine: Machine, server: FileServer
) -> None:
    """What somebody puts at the destination while the download runs."""
    machine.fault = ('sys.exit("others', 'str("others')
    machine.destination.parent.mkdir(parents=True)
    machine.destination.parent.chmod(0o777)
    private = machine.directory / "private"
    private.mkdir()
    script = machine.script(f"{server.url}/~flaky/machineadm-linux-amd64.pyz")
    with subprocess.Popen(
        [shutil.which("dash") or "dash", script], env=machine.variables, stderr=subprocess.DEVNULL
    ) as running:
        while not server.requests and running.poll() is None:
            time.sleep(0.01)
        assert server.requests, "the script ended before it asked for anything"
        machine.destination.symlink_to(private)
        running.wait(30)

    assert list(private.iterdir()) != []


def test_a_directory_at_the_destination_is_refused(machine: Machine, server: FileServer) -> None:
    machine.destination.mkdir(parents=True)

    assert_refused(machine, machine.fetch(f"{server.url}/{NAME}"), "MA1911")


def test_a_destination_that_cannot_be_written_is_refused(
    machine: Machine, server: FileServer
) -> None:
    done = machine.fetch(f"{server.url}/{NAME}", destination="/proc/machineadm")

    assert_refused(machine, done, "MA1911")
    assert server.requests == []


@pytest.mark.parametrize("options", ["rw,noexec", "noexec", "rw,nosuid,noexec,relatime"])
def test_a_noexec_destination_is_refused(
    machine: Machine, server: FileServer, options: str
) -> None:
    machine.mounts.write_text(
        f"/dev/sda / ext4 rw 0 0\ntmpfs {machine.directory / 'opt'} tmpfs {options} 0 0\n"
    )

    assert_refused(machine, machine.fetch(f"{server.url}/{NAME}"), "MA1912")
    assert server.requests == []


def test_the_mount_that_holds_the_destination_decides(machine: Machine, server: FileServer) -> None:
    machine.mounts.write_text(
        "/dev/sda / ext4 rw,noexec 0 0\n"
        f"tmpfs {machine.directory / 'op'} tmpfs rw,noexec 0 0\n"
        f"tmpfs {machine.directory / 'opt'} tmpfs rw 0 0\n"
    )

    assert_there(machine, machine.fetch(f"{server.url}/{NAME}"))


@pytest.mark.requirement("R10")
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM])
@pytest.mark.parametrize("fault", ["~drip/", "~stall/"])
def test_killed_on_the_way_it_leaves_nothing_that_can_be_run(
    machine: Machine, server: FileServer, number: signal.Signals, fault: str
) -> None:
    script = machine.script(f"{server.url}/{fault}machineadm-linux-amd64.pyz")
    running = subprocess.Popen(
        [shutil.which("dash") or "dash", script],
        env=machine.variables,
        start_new_session=True,
        stderr=subprocess.DEVNULL,
    )
    while not server.requests and running.poll() is None:
        time.sleep(0.02)

    os.killpg(running.pid, number)

    assert running.wait(10) != 0
    assert machine.executables() == []
    assert not machine.destination.exists()
    if number == signal.SIGTERM:
        assert machine.leftovers() == []


@pytest.mark.requirement("R10")
@pytest.mark.parametrize(("equipped", "shell"), PAIRS, indirect=["equipped"])
@pytest.mark.parametrize("fault", ["~drip", "~stall", "~silent", "~status/503"])
def test_a_signal_to_the_shell_alone_ends_a_request_and_a_pause(
    equipped: Machine, server: FileServer, shell: tuple[str, ...], fault: str
) -> None:
    # As a supervisor does that knows one process: the download must not hold it for as long as one request may take.
    equipped.pause = 100
    program = shutil.which(shell[0]) or missing(f"there is no {shell[0]}: apt-get install it")
    script = equipped.script(f"{server.url}/{fault}/machineadm-linux-amd64.pyz")
    running = subprocess.Popen(
        [program, *shell[1:], script], env=equipped.variables, stderr=subprocess.PIPE, text=True
    )
    if fault.startswith("~status"):
        assert running.stderr is not None
        assert "MA1903" in running.stderr.readline()
    while not server.requests and running.poll() is None:
        time.sleep(0.02)

    running.send_signal(signal.SIGTERM)
    running.communicate(timeout=30)

    assert running.returncode == 143
    assert equipped.executables() == []
    assert equipped.leftovers() == []
    # Nothing that it started is left.
    mine = f"{equipped.directory}/"
    assert [line for line in _command_lines() if mine in line] == []


def _command_lines() -> list[str]:
    lines = []
    for file in Path("/proc").glob("[0-9]*/cmdline"):
        with contextlib.suppress(OSError):
            lines.append(file.read_bytes().replace(b"\0", b" ").decode(errors="replace"))
    return lines


class Deadly(Machine):
    """A machine whose programs count, and kill everything when one of them is the n-th to be called."""

    def __init__(self, directory: Path, number: int) -> None:
        super().__init__(directory)
        self.count = directory / "count"
        for program in list(self.programs.iterdir()):
            real = program.readlink()
            program.unlink()
            # A byte more for each call: it needs no lock.
            program.write_text(
                f"#!/bin/sh\nprintf x >>{self.count}\n"
                f'[ "$(/usr/bin/wc -c <{self.count})" -ne {number} ] || kill -9 0\nexec {real} "$@"\n'
            )
            program.chmod(0o755)

    def fetch_to_death(self, url: str) -> int:
        shell = shutil.which("dash") or missing("there is no dash: apt-get install it")
        with subprocess.Popen(
            [shell, self.script(url)], env=self.variables, start_new_session=True
        ) as running:
            return running.wait(30)


@pytest.mark.requirement("R10")
@pytest.mark.parametrize("number", [*range(1, 22, 4), *range(22, 33)])
def test_killed_at_any_program_it_leaves_nothing_that_is_not_the_agent(
    tmp_path: Path, server: FileServer, number: int
) -> None:
    machine = Deadly(tmp_path / "machine", number)
    machine.destination.parent.mkdir(parents=True)
    machine.destination.write_bytes(OLDER)

    code = machine.fetch_to_death(f"{server.url}/{NAME}")

    if code == 0 or machine.executables():
        assert machine.executables() == [machine.destination]
        assert machine.destination.read_bytes() == AGENT
    else:
        assert code == -signal.SIGKILL
        assert machine.destination.read_bytes() in (OLDER, AGENT)
    machine.count.write_bytes(bytes(1000))  # past the deadly number
    assert machine.fetch(f"{server.url}/{NAME}").returncode == 0
    assert machine.executables() == [machine.destination]
    assert machine.destination.read_bytes() == AGENT


@pytest.mark.parametrize("umask", [0o000, 0o077])
def test_modes_do_not_depend_on_the_umask(machine: Machine, server: FileServer, umask: int) -> None:
    old = os.umask(umask)
    try:
        done = machine.fetch(f"{server.url}/{NAME}")
    finally:
        os.umask(old)

    assert_there(machine, done)
    assert machine.destination.parent.stat().st_mode & 0o777 == 0o755


# What each line guards, and what comes of a script without it.
FAULTS = {
    "digest": ('[ "$found" = "$SHA256" ]', "true"),
    "signature": ('signed "$1" "$work/sig"', "true"),
    "version": ('\'"version":"\'"${VERSION#v}"\'"\'*', '\'"version":"\'*'),
    "redirect": ("case $at in https:*)", "case $at in never)"),
    "size": ('ulimit -f "$1"', ":"),
    "host": ('[ "$(origin "$1")" != "$home" ]', "false"),
    "plain http": ("case $1 in https://*) [", "case $1 in *) ["),
}


@pytest.mark.parametrize(
    ("fault", "name", "given"),
    [
        ("digest", "tampered", {"public_key": None}),
        ("signature", "tampered", {"sha256": None}),
        ("signature", "swapped", {}),
        ("version", "older", {"sha256": None}),
        ("redirect", "~redirect/PLAIN/machineadm-linux-amd64.pyz", {}),
        ("size", "large", {}),
    ],
)
def test_a_script_without_a_check_does_not_pass_these_tests(
    machine: Machine,
    server: FileServer,
    directory: Path,
    fault: str,
    name: str,
    given: dict[str, Any],
) -> None:
    large = AGENT + b"#" * 40000
    (directory / "large").write_bytes(large)
    (directory / "large.sig").write_bytes(KEY.sign(large))
    if name == "large":
        given = {"sha256": sha256(large)}
    with FileServer(directory) as plain:
        url = f"{server.url}/{name}".replace("PLAIN", quote(plain.url, safe=""))
        refused = machine.fetch(url, **given)
        machine.fault = FAULTS[fault]
        done = machine.fetch(url, **given)

    assert refused.returncode != 0
    assert done.returncode == 0, done.stderr
    assert machine.executables() == [machine.destination]


@pytest.mark.parametrize("fault", ["host", "plain http"])
def test_a_script_that_gives_headers_to_anybody_is_noticed(
    machine: Machine, server: FileServer, directory: Path, fault: str
) -> None:
    machine.fault = FAULTS[fault]
    with FileServer(directory) as plain:
        other = server if fault == "host" else plain
        with FileServer(directory) as first:
            url = first.redirecting_to(other.url) if fault == "host" else plain.url
            machine.fetch(f"{url}/{NAME}", headers={"X-Token": Secret(TOKEN)})

    assert TOKEN in str(other.requests)


@pytest.mark.parametrize("shell", ["sh", "dash", "bash"])
def test_a_linter_finds_nothing(machine: Machine, shell: str) -> None:
    script = machine.script("https://a.example/x", headers={"A": Secret("b")})

    done = subprocess.run(
        ["shellcheck", f"--shell={shell}", "--severity=style", script],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": f"{ROOT / '.venv/bin'}:{os.environ['PATH']}"},
    )

    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("shell", SHELLS, ids=" ".join)
def test_a_shell_reads_it(machine: Machine, shell: tuple[str, ...]) -> None:
    if not shutil.which(shell[0]):
        missing(f"there is no {shell[0]}: apt-get install it")
    script = machine.script("https://a.example/x", headers={"A": Secret("b")})

    subprocess.run([*shell, "-n", script], check=True)


def test_the_documentation_says_what_a_machine_needs_and_how_long_it_takes() -> None:
    page = (ROOT / "docs/fetching.md").read_text()
    script = (ROOT / "machineadm/rendering/fetch.sh").read_text()

    needed = " ".join(name for name in PROGRAMS.split() if name not in ("python3", "timeout"))
    assert f"`{needed}`" in page
    budget, attempt, stall = (
        re.search(rf"\b{name}=([0-9]+)", script) for name in ("BUDGET", "ATTEMPT", "STALL")
    )
    assert budget and attempt and stall  # noqa: PT018 - one thought
    assert f"for {budget[1]} seconds in all" in page
    assert f"at most {attempt[1]} seconds, and {stall[1]} without progress" in page
    assert int(budget[1]) == 5 * 60
    assert "after five minutes" in (ROOT / "docs/os-contract.md").read_text()


@pytest.mark.requirement("R6")
def test_the_packed_agent_says_its_version_as_the_script_asks_for_it(
    machine: Machine, directory: Path, server: FileServer, agent_file: Path
) -> None:
    packed = agent_file.read_bytes()
    (directory / "packed").write_bytes(packed)
    (directory / "packed.sig").write_bytes(KEY.sign(packed))
    machine.largest = 65536

    done = machine.fetch(f"{server.url}/packed", version=VERSION, sha256=sha256(packed))

    assert (done.returncode, done.stderr) == (0, "")
    assert machine.destination.read_bytes() == packed
    assert list(machine.home.iterdir()) == []
