"""machineadm-store: each machine reaches what is its own, for as long as its token says, and nobody sees anything else."""

from __future__ import annotations

import asyncio
import base64
import errno
import hashlib
import io
import json
import os
import re
import signal
import ssl
import subprocess
import sys
import urllib.error
import urllib.request
from collections.abc import AsyncIterator, Callable, Coroutine
from contextlib import asynccontextmanager
from pathlib import Path

import aiohttp
import pytest

from machineadm.controllers.runtime.requests import TooLargeError
from machineadm.controllers.runtime.serving import served
from machineadm.controllers.runtime.store import Key
from machineadm.controllers.stores.disk import Disk, DiskBackend
from machineadm.controllers.stores.port import EACH_MINUTE, LARGEST_REPORT, Part
from machineadm.controllers.stores.secrets import LARGEST as MOST
from machineadm.controllers.stores.secrets import SecretBackend, name_of
from machineadm.controllers.stores.server import (
    LARGEST,
    Identities,
    StoreServer,
)
from machineadm.controllers.stores.tokens import FETCH, REPORT, issued, key_of, opened
from tests.fakes.apiserver import ApiServer, client_of
from tests.servers.authority import Authority

KEY = b"k" * 32
MANAGER = "the-manager-s-own-token"
NOW = 1_800_000_000.0
WORKER = ("default", "worker")
PATH = "/v1/configurations/default/worker"
DATA = b'{"kind":"MachineConfiguration"}'


class Stand:
    """A store that runs.

    Attributes:
        now: What its clock says.
    """

    def __init__(self, directory: Path, disk: Disk) -> None:
        self.now = NOW
        self.disk = disk
        agents = directory / "agents"
        agents.mkdir()
        identities = Identities(managers=lambda: [MANAGER.encode()], keys=lambda: [KEY])
        self.server = StoreServer(
            DiskBackend(disk),
            identities,
            agents=agents,
            now=lambda: self.now,
            clock=lambda: self.now,
        )
        self.url = ""
        self.session: aiohttp.ClientSession

    async def ask(
        self,
        method: str,
        path: str = PATH,
        token: str = "",
        data: bytes | None = None,
        **headers: str,
    ) -> tuple[int, bytes]:
        if token:
            headers["Authorization"] = f"Bearer {token}"
        async with self.session.request(
            method, f"{self.url}{path}", data=data, headers=headers, allow_redirects=False
        ) as answer:
            return answer.status, await answer.read()


@asynccontextmanager
async def stand(directory: Path, disk: Disk | None = None) -> AsyncIterator[Stand]:
    one = Stand(directory, disk or Disk(directory / "store"))
    async with (
        served(one.server.app(), ("127.0.0.1", 0)) as port,
        aiohttp.ClientSession() as session,
    ):
        one.url = f"http://127.0.0.1:{port}"
        one.session = session
        yield one


def play(
    directory: Path,
    scene: Callable[[Stand], Coroutine[object, object, None]],
    disk: Disk | None = None,
) -> None:
    async def whole() -> None:
        async with stand(directory, disk) as one:
            await scene(one)

    asyncio.run(whole())


def token(
    of: Key = WORKER,
    *may: str,
    key: bytes = KEY,
    now: float = NOW,
    lasts: float = 3600,
    sha256: str = "",
) -> str:
    return issued(key, of, may=may or (FETCH,), now=now, lasts=lasts, sha256=sha256)


def test_a_machine_fetches_what_the_manager_put_and_nobody_after_its_removal(
    tmp_path: Path,
) -> None:
    async def scene(one: Stand) -> None:
        assert (await one.ask("GET", token=token()))[0] == 404
        assert await one.ask("PUT", token=MANAGER, data=DATA) == (204, b"")
        digest = hashlib.sha256(DATA).hexdigest()
        assert await one.ask("GET", token=token(sha256=digest)) == (200, DATA)
        assert await one.ask("GET", token=MANAGER) == (200, DATA)
        path = tmp_path / "store/default/worker/configuration"
        assert path.stat().st_mode & 0o777 == 0o600
        assert path.parent.stat().st_mode & 0o777 == 0o700
        assert await one.ask("DELETE", token=MANAGER) == (204, b"")
        assert (await one.ask("GET", token=token()))[0] == 404
        assert await one.ask("DELETE", token=MANAGER) == (204, b"")
        assert not list((tmp_path / "store").iterdir())

    play(tmp_path, scene)


def _with_header(header: str) -> str:
    _, claims, signature = token().split(".")
    return f"{base64.urlsafe_b64encode(header.encode()).rstrip(b'=').decode()}.{claims}.{signature}"


def _without_signature() -> str:
    return f"{_with_header(json.dumps({'alg': 'none'})).rpartition('.')[0]}."


FORGED = {
    "another machine's": token(("default", "other")),
    "another namespace's": token(("other", "worker")),
    "a name that only begins so": token(("default", "worke")),
    "for reports alone": token(WORKER, REPORT),
    "of another key": token(key=b"x" * 32),
    "of no algorithm": _without_signature(),
    "of another algorithm": _with_header('{"alg":"HS512","typ":"JWT"}'),
    "of a public key": _with_header('{"alg":"RS256","typ":"JWT"}'),
    "with other claims": ".".join(
        [token().split(".")[0], token(("a", "b")).split(".")[1], token().split(".")[2]]
    ),
    "cut off": token()[:-1],
    "of other content": token(sha256=hashlib.sha256(b"other").hexdigest()),
    "expired": token(now=NOW - 3601),
    "of the future": token(now=NOW + 301),
    "not a token": "x",
    "too long": "x" * 8000,
    "three dots": "...",
    "almost the manager's": MANAGER[:-1],
}


@pytest.mark.parametrize("shown", FORGED.values(), ids=FORGED)
def test_a_token_that_is_not_good_for_it_opens_nothing(shown: str, tmp_path: Path) -> None:
    async def scene(one: Stand) -> None:
        await one.ask("PUT", token=MANAGER, data=DATA)
        status, body = await one.ask("GET", token=shown)
        assert status in (403, 404)
        assert DATA not in body
        for method in ("PUT", "DELETE"):
            assert (await one.ask(method, token=shown, data=b"mine"))[0] == 403
        assert one.disk.get(WORKER, "configuration") == DATA

    play(tmp_path, scene)


@pytest.mark.parametrize("authorization", ["", "Basic eDp5", "Bearer", "Bearer ", "bearer\t"])
def test_who_shows_no_token_is_asked_for_one(authorization: str, tmp_path: Path) -> None:
    async def scene(one: Stand) -> None:
        await one.ask("PUT", token=MANAGER, data=DATA)
        for method, path in (
            ("GET", PATH),
            ("PUT", PATH),
            ("DELETE", PATH),
            ("GET", f"{PATH}/status"),
            ("PUT", f"{PATH}/status"),
        ):
            headers = {"Authorization": authorization} if authorization else {}
            status, body = await one.ask(method, path, data=b"x", **headers)
            assert (status, DATA in body) == (401, False), (method, path)

    play(tmp_path, scene)


def test_a_machine_may_do_no_more_than_its_token_says(tmp_path: Path) -> None:
    async def scene(one: Stand) -> None:
        await one.ask("PUT", token=MANAGER, data=DATA)
        both = token(WORKER, FETCH, REPORT)
        for shown in (token(), token(WORKER, REPORT), both):
            assert (await one.ask("PUT", token=shown, data=b"mine"))[0] == 403
            assert (await one.ask("DELETE", token=shown))[0] == 403
            assert (await one.ask("GET", f"{PATH}/status", token=shown))[0] == 403
        assert (await one.ask("PUT", f"{PATH}/status", token=token(), data=b"{}"))[0] == 403
        assert (await one.ask("PUT", f"{PATH}/status", token=both, data=b"{}"))[0] == 204
        assert one.disk.get(WORKER, "configuration") == DATA

    play(tmp_path, scene)


ELSEWHERE = [
    "/", "/v1", "/v1/", "/v1/configurations", "/v1/configurations/", "/v1/configurations/default",
    "/v1/configurations/default/", f"{PATH}/", f"{PATH}/configuration", f"{PATH}/..", f"{PATH}/status/",
    "/v1/configurations/default/%2e%2e", "/v1/configurations/%2e%2e/worker", "/v1/configurations/default/.worker",
    "/v1/configurations/default/worker%2fconfiguration", "/v1/configurations/default/worker%00", "/v1/configurations/Default/worker",
    "/v1/configurations/default/worker%0a", "//v1/configurations/default/worker", "/agent", "/agent/", "/agent/v1.0.0", "/agent/v1.0.0/",
]  # fmt: skip


@pytest.mark.parametrize("path", ELSEWHERE)
def test_nothing_is_listed_and_nothing_is_redirected(path: str, tmp_path: Path) -> None:
    async def scene(one: Stand) -> None:
        await one.ask("PUT", token=MANAGER, data=DATA)
        from yarl import URL

        headers = {"Authorization": f"Bearer {MANAGER}"}
        url = URL(f"{one.url}{path}", encoded=True)
        async with one.session.get(url, headers=headers, allow_redirects=False) as answer:
            assert answer.status == 404
            assert b"worker" not in await answer.read()

    play(tmp_path, scene)


def test_a_report_is_the_machine_s_to_write_and_the_manager_s_to_read(tmp_path: Path) -> None:
    async def scene(one: Stand) -> None:
        may = token(WORKER, REPORT)
        path = f"{PATH}/status"
        assert (await one.ask("PUT", path, token=may, data=b"{}"))[0] == 404, "no such machine"
        await one.ask("PUT", token=MANAGER, data=DATA)
        assert (await one.ask("GET", path, token=MANAGER))[0] == 404
        assert (await one.ask("PUT", path, token=may, data=b'{"phase":"Failed"}'))[0] == 204
        assert await one.ask("GET", path, token=MANAGER) == (200, b'{"phase":"Failed"}')
        tag = '"' + hashlib.sha256(b'{"phase":"Failed"}').hexdigest()[:32] + '"'
        assert (await one.ask("GET", path, MANAGER, None, **{"If-None-Match": tag}))[0] == 304
        statuses = [
            (await one.ask("PUT", path, token=may, data=b"{}"))[0] for _ in range(EACH_MINUTE + 2)
        ]
        assert statuses[-1] == 429
        one.now += 60
        assert (await one.ask("PUT", path, token=may, data=b"{}"))[0] == 204

    play(tmp_path, scene)


@pytest.mark.parametrize("chunked", [False, True])
@pytest.mark.parametrize("what", ["configuration", "status"])
def test_a_body_larger_than_its_limit_is_refused_and_not_kept(
    what: str, chunked: bool, tmp_path: Path
) -> None:
    async def scene(one: Stand) -> None:
        await one.ask("PUT", token=MANAGER, data=DATA)
        most = LARGEST if what == "configuration" else LARGEST_REPORT
        path = PATH if what == "configuration" else f"{PATH}/status"
        shown = MANAGER if what == "configuration" else token(WORKER, REPORT)

        async def pieces() -> AsyncIterator[bytes]:
            for _ in range(most // 65536 + 1):
                yield bytes(65536)

        data = pieces() if chunked else io.BytesIO(bytes(most + 1))
        headers = {"Authorization": f"Bearer {shown}"}
        try:
            async with one.session.put(f"{one.url}{path}", data=data, headers=headers) as answer:
                assert answer.status == 413
        except aiohttp.ClientError:
            pass  # it hung up in the middle, which says the same
        assert one.disk.get(WORKER, "configuration") == DATA
        assert one.disk.get(WORKER, "status") is None
        status = await one.ask("PUT", path, token=shown, data=b"x", **{"Content-Encoding": "gzip"})
        assert status[0] == 415

    play(tmp_path, scene)


class Full(Disk):
    """A disk that is full."""

    def put(self, key: Key, part: Part, data: bytes) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))


def test_a_full_disk_is_said_and_what_was_there_stays(tmp_path: Path) -> None:
    Disk(tmp_path / "store").put(WORKER, "configuration", DATA)

    async def scene(one: Stand) -> None:
        status, body = await one.ask("PUT", token=MANAGER, data=b"new")
        assert status == 507
        assert str(tmp_path).encode() not in body
        assert await one.ask("GET", token=token()) == (200, DATA)

    play(tmp_path, scene, Full(tmp_path / "store"))


def test_a_write_that_is_cut_off_leaves_the_old_bytes_and_nothing_else(
    tmp_path: Path,
) -> None:
    class Cut(Disk):
        def _write(self, path: Path, data: bytes) -> None:
            path.write_bytes(data[:3])
            raise OSError(errno.EIO, "input/output error")

    Disk(tmp_path).put(WORKER, "configuration", DATA)
    with pytest.raises(OSError, match="input/output"):
        Cut(tmp_path).put(WORKER, "configuration", b"new content")
    assert Disk(tmp_path).get(WORKER, "configuration") == DATA
    assert [one.name for one in (tmp_path / "default/worker").iterdir()] == ["configuration"]


@pytest.mark.parametrize("left", [".configuration.0a1b", ".status.0a1b", ".configuration.deadbeef"])
def test_what_a_killed_process_left_half_written_goes_with_the_configuration(
    left: str, tmp_path: Path
) -> None:
    disk = Disk(tmp_path)
    disk.put(WORKER, "configuration", DATA)
    (tmp_path / "default/worker" / left).write_bytes(DATA[:3])
    disk.remove(WORKER)
    assert list(tmp_path.iterdir()) == []
    disk.remove(WORKER)


def test_what_is_told_as_stored_is_on_the_disk_with_the_names_that_lead_to_it(
    tmp_path: Path,
) -> None:
    kept: list[str] = []
    disk = Disk(
        tmp_path, sync=lambda one: kept.append(str(Path(f"/proc/self/fd/{one}").readlink()))
    )
    disk.put(WORKER, "configuration", DATA)
    content, *names = kept
    assert Path(content).parent == tmp_path / "default/worker"
    above = [tmp_path / "default/worker", tmp_path / "default", tmp_path]
    assert [Path(one) for one in names] == above


def test_the_agent_s_files_are_everybody_s_and_nothing_beside_them_is(tmp_path: Path) -> None:
    async def scene(one: Stand) -> None:
        release = tmp_path / "agents/v1.2.0"
        release.mkdir()
        (release / "machineadm.pyz").write_bytes(b"agent")
        (release / ".hidden").write_bytes(b"secret")
        (tmp_path / "secret").write_bytes(b"secret")
        (release / "out").symlink_to(tmp_path / "secret")
        (tmp_path / "agents/1.2.1").symlink_to(release)
        (tmp_path / "agents/secret").write_bytes(b"secret")
        for version in ("v1.2.0", "1.2.1"):
            assert await one.ask("GET", f"/agent/{version}/machineadm.pyz") == (200, b"agent")
        for path in (
            "v1.2.0/out",
            "v1.2.0/.hidden",
            "v1.2.0/%2e%2e%2fsecret",
            "..%2f/secret",
            "v1.2.0/none",
            "secret/x",
        ):
            status, body = await one.ask("GET", f"/agent/{path}")
            assert (status, b"secret" in body) == (404, False), path
        assert (await one.ask("PUT", "/agent/v1.2.0/machineadm.pyz", token=MANAGER, data=b"x"))[
            0
        ] == 405
        assert (await one.ask("HEAD", "/agent/v1.2.0/machineadm.pyz"))[0] == 405

    play(tmp_path, scene)


def test_both_keys_are_good_while_one_follows_the_other() -> None:
    new = b"n" * 32
    assert opened([new, KEY], token()) is not None
    assert opened([new, KEY], token(key=new)) is not None
    assert opened([new], token()) is None


@pytest.mark.parametrize(
    "data", [b"", b"short", b"31 bytes are not enough for it " * 1 + b"\n", b" " * 64]
)
def test_a_key_that_can_be_guessed_is_refused(data: bytes) -> None:
    with pytest.raises(ValueError, match="32 bytes"):
        key_of(data)


class Program:
    """machineadm-store as a process."""

    def __init__(self, directory: Path, *options: str) -> None:
        self.directory = directory
        self.log = directory / "log"
        (directory / "tokens").write_text(f"{MANAGER}\n")
        (directory / "key").write_bytes(KEY + b"\n")
        authority = Authority()
        self.authority = authority.certificate
        identity = authority.identity(directory / "tls", "127.0.0.1")
        tls = (f"--certificate={identity.certificate}", f"--key={identity.key}")
        with self.log.open("wb") as log:
            self.process = subprocess.Popen(
                [
                    sys.executable, "-m", "machineadm.controllers.stores.cli",
                    f"--directory={directory / 'store'}", f"--manager-tokens={directory / 'tokens'}",
                    f"--machine-key={directory / 'key'}", "--address=127.0.0.1:0", *tls, *options,
                ],
                stdout=log, stderr=subprocess.STDOUT,
            )  # fmt: skip

    def port(self) -> int:
        while self.process.poll() is None:
            found = re.search(r"store at port (\d+)", self.log.read_text())
            if found:
                return int(found[1])
        raise AssertionError(self.log.read_text())

    def ask(self, method: str, shown: str, data: bytes | None = None) -> int:
        url = f"https://127.0.0.1:{self.port()}{PATH}"
        request = urllib.request.Request(url, data=data, method=method)
        request.add_header("Authorization", f"Bearer {shown}")
        context = ssl.create_default_context(cadata=self.authority)
        try:
            with urllib.request.urlopen(request, context=context) as answer:  # noqa: S310
                return int(answer.status)
        except urllib.error.HTTPError as error:
            with error:
                return error.code


def test_the_program_serves_by_tls_takes_renewed_secrets_and_ends_when_it_is_told(
    tmp_path: Path,
) -> None:
    program = Program(tmp_path)
    try:
        assert program.ask("PUT", MANAGER, DATA) == 204
        (tmp_path / "tokens.new").write_text("another-token-of-a-manager\n")
        (tmp_path / "tokens.new").replace(tmp_path / "tokens")
        assert program.ask("PUT", MANAGER, DATA) == 403
        assert program.ask("PUT", "another-token-of-a-manager", DATA) == 204
        # Half a file, as one that is written at this moment: nobody is locked out.
        (tmp_path / "tokens").write_text("x")
        assert program.ask("PUT", "another-token-of-a-manager", DATA) == 204
    finally:
        program.process.send_signal(signal.SIGTERM)
        assert program.process.wait(60) == 0
    log = program.log.read_text()
    for secret in (MANAGER, "another-token", DATA.decode(), "Traceback"):
        assert secret not in log, log


@pytest.mark.parametrize(
    ("options", "says"),
    [
        (("--insecure",), "exclude each other"),
        (("--certificate=",), "--insecure"),
        (("--machine-key=/nonexistent",), "/nonexistent"),
        (("--directory=/proc/nonexistent",), "--directory"),
    ],
)
def test_what_it_cannot_start_with_is_said_in_one_line(
    options: tuple[str, ...], says: str, tmp_path: Path
) -> None:
    program = Program(tmp_path, *options)
    assert program.process.wait(60) == 2
    (line,) = program.log.read_text().splitlines()
    assert line.startswith("machineadm-store: ")
    assert says in line


# The same in Secrets.


def in_secrets(
    scene: Callable[[SecretBackend, ApiServer], Coroutine[object, object, None]],
) -> None:
    async def whole() -> None:
        server = ApiServer()
        async with client_of(server) as client:
            await scene(SecretBackend(client, "default"), server)

    asyncio.run(whole())


def test_secrets_keep_both_parts_until_they_are_removed() -> None:
    async def scene(one: SecretBackend, server: ApiServer) -> None:
        assert await one.get(WORKER, "configuration") is None
        await one.put(WORKER, "configuration", DATA)
        await one.put(WORKER, "status", b"{}")
        await one.put(WORKER, "configuration", b"new")
        assert await one.get(WORKER, "configuration") == b"new"
        assert await one.get(WORKER, "status") == b"{}"
        assert await one.get(("default", "other"), "configuration") is None
        (name,) = server.names("secrets")
        assert "worker" not in name
        await one.remove(WORKER, "status")
        await one.remove(WORKER, "status")
        assert await one.get(WORKER, "status") is None
        assert await one.get(WORKER, "configuration") == b"new"
        await one.remove(WORKER)
        await one.remove(WORKER)
        assert not server.names("secrets")

    in_secrets(scene)


def test_names_that_join_to_the_same_text_are_two_machines() -> None:
    assert name_of(("a-b", "c")) != name_of(("a", "b-c"))
    assert len(name_of(("n" * 63, "m" * 253))) <= 63


@pytest.mark.parametrize("mark", [{}, {"machineadm.x-k8s.io/stored-for": "default/other"}])
def test_a_secret_of_somebody_else_is_neither_read_nor_written(mark: dict[str, str]) -> None:
    async def scene(one: SecretBackend, server: ApiServer) -> None:
        meta = {"name": name_of(WORKER), "annotations": mark}
        data = {"configuration": "c2VjcmV0"}
        await server.put("secrets", {"metadata": meta, "data": data})
        for call in (
            one.get(WORKER, "configuration"),
            one.put(WORKER, "configuration", DATA),
            one.remove(WORKER),
        ):
            with pytest.raises(OSError, match="not of this store"):
                await call
        assert server.get("secrets", name_of(WORKER))["data"] == data

    in_secrets(scene)


@pytest.mark.parametrize("sizes", [(MOST + 1, 0), (MOST - 10, 11), (10, MOST)])
def test_more_than_a_secret_holds_is_refused_and_what_was_there_stays(
    sizes: tuple[int, int],
) -> None:
    async def scene(one: SecretBackend, server: ApiServer) -> None:
        async def both() -> None:
            await one.put(WORKER, "configuration", bytes(sizes[0]))
            await one.put(WORKER, "status", bytes(sizes[1]))

        with pytest.raises(TooLargeError, match="larger than"):
            await both()
        kept = await one.get(WORKER, "configuration")
        assert kept is None or len(kept) == sizes[0]
        assert await one.get(WORKER, "status") is None

    in_secrets(scene)


@pytest.mark.parametrize("status", [401, 403, 500, 503])
def test_an_api_server_that_refuses_is_told_as_a_store_that_cannot(status: int) -> None:
    async def scene(one: SecretBackend, server: ApiServer) -> None:
        await one.put(WORKER, "configuration", DATA)
        server.fail = lambda method, path: status
        for call in (
            one.get(WORKER, "configuration"),
            one.put(WORKER, "configuration", DATA),
            one.remove(WORKER),
        ):
            with pytest.raises(OSError, match="as the test wants"):
                await call

    in_secrets(scene)


def test_of_two_replicas_that_write_at_once_neither_loses_the_other_s_part() -> None:
    async def scene(one: SecretBackend, server: ApiServer) -> None:
        other = one
        reports = [b'{"attempt":%d}' % number for number in range(3)]
        await asyncio.gather(
            one.put(WORKER, "configuration", DATA),
            *(other.put(WORKER, "status", r) for r in reports[:1]),
        )
        assert await one.get(WORKER, "configuration") == DATA
        assert await one.get(WORKER, "status") == reports[0]

    in_secrets(scene)
