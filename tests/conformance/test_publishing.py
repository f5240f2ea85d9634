"""Publishing to real stores: both GCS emulators, SeaweedFS, and file systems that are full or read-only."""

import contextlib
import http.server
import json
import os
import shutil
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import pytest

from signing.publish.opening import open_store
from signing.publish.stores import Store
from tests.real import missing
from tests.servers.authority import Authority
from tests.stores import judging, publishing, releases, servers
from tests.stores.promises import broken
from tests.stores.publishing import Keys
from tests.stores.reading import dangling

pytest.importorskip("boto3", reason="publishing to a cloud's store needs Python 3.11")

PREFIX = "agents/machineadm"
PYZ = "machineadm-linux-amd64.pyz"
SECRETS = (servers.S3_ENVIRONMENT["AWS_SECRET_ACCESS_KEY"], servers.READER["secretKey"])


class Target(NamedTuple):
    """A store under test."""

    options: tuple[str, ...]
    """The words of the command line that name it."""

    base: str
    """URL of the published tree."""

    endpoint: str
    enforces: bool
    store: Store


SERVERS = {
    "gcp-storage-emulator": (servers.gcp_storage_emulator, "gs"),
    "fake-gcs-server": (servers.fake_gcs_server, "gs"),
    "seaweedfs": (servers.seaweedfs, "s3"),
}


@pytest.fixture(scope="module", params=list(SERVERS))
def server(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, servers.Running]]:
    start, scheme = SERVERS[request.param]
    with pytest.MonkeyPatch.context() as patch:
        for name, value in servers.S3_ENVIRONMENT.items():
            patch.setenv(name, value)
        patch.delenv("STORAGE_EMULATOR_HOST", raising=False)
        with start(tmp_path_factory.mktemp(request.param)) as running:
            yield scheme, running


_numbers = iter(range(1000))


@pytest.fixture
def target(server: tuple[str, servers.Running]) -> Target:
    """A prefix of the store that no other test uses."""
    scheme, running = server
    prefix = f"{PREFIX}/{next(_numbers)}"
    uri = f"{scheme}://{servers.BUCKET}/{prefix}"
    return Target(
        ("--to", uri, "--endpoint", running.endpoint),
        f"{running.endpoint}/{servers.BUCKET}/{prefix}",
        running.endpoint,
        running.enforces,
        open_store(uri, endpoint=running.endpoint),
    )


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return publishing.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    return releases.make(tmp_path_factory.mktemp("first"), "v0.1.0", key=keys.signer)


@pytest.fixture(scope="module")
def other(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    """The same version with other content."""
    directory = tmp_path_factory.mktemp("other")
    return releases.make(directory, "v0.1.0", content="other", key=keys.signer)


@pytest.fixture(scope="module")
def newer(tmp_path_factory: pytest.TempPathFactory, keys: Keys) -> Path:
    return releases.make(tmp_path_factory.mktemp("second"), "v0.2.0", key=keys.signer)


@pytest.fixture
def publish(target: Target, keys: Keys) -> Callable[..., "subprocess.CompletedProcess[str]"]:
    def run(path: Path, *more: str, **environment: str) -> "subprocess.CompletedProcess[str]":
        words = [*target.options, "--key", keys.uri, *more]
        done = publishing.run("publish", path, *words, environment=environment)
        assert not any(secret in done.stdout + done.stderr for secret in SECRETS)
        return done

    return run


Publish = Callable[..., "subprocess.CompletedProcess[str]"]


def content(store: Store) -> dict[str, bytes]:
    """The whole tree; None of a name that was listed would be a dangling list."""
    found = {name: store.read(name) for name in store.list("")}
    return {name: held.data for name, held in found.items() if held is not None}


def test_a_server_that_enforces_conditions_keeps_what_stores_promise(target: Target) -> None:
    assert (broken(target.store) == []) == target.enforces


@pytest.mark.requirement("R12", "R13")
def test_a_published_release_verifies_with_curl_and_openssl(
    target: Target, release: Path, keys: Keys, publish: Publish, tmp_path: Path
) -> None:
    done = publish(release)

    assert done.returncode == 0, done.stderr
    assert judging.follow(target.base, "channels/stable.json", keys.public, tmp_path) == "v0.1.0"
    assert (tmp_path / PYZ).read_bytes() == (release / PYZ).read_bytes()
    said = "kept apart from other publishers by" in done.stdout
    assert said == target.enforces
    assert ("does not keep publishers apart" in done.stdout) != target.enforces


def test_the_judge_finds_an_object_that_was_changed_in_the_store(
    target: Target, release: Path, keys: Keys, publish: Publish, tmp_path: Path
) -> None:
    assert publish(release).returncode == 0
    name = f"releases/v0.1.0/{PYZ}"
    held = target.store.read(name)
    assert held is not None
    from signing.publish.stores import Item

    assert target.store.replace(name, Item(held.data + b"!", "application/zip", ""), held.mark)

    with pytest.raises(judging.RefusedError, match=PYZ):
        judging.follow(target.base, "latest.json", keys.public, tmp_path)


@pytest.mark.requirement("R12")
def test_the_tree_is_the_same_in_a_store_and_in_a_directory(
    target: Target, release: Path, keys: Keys, publish: Publish, tmp_path: Path
) -> None:
    assert publish(release).returncode == 0
    assert publishing.run("publish", release, "--to", tmp_path, "--key", keys.uri).returncode == 0

    files = [path for path in tmp_path.rglob("*") if path.is_file()]
    tree = {path.relative_to(tmp_path).as_posix(): path.read_bytes() for path in files}
    assert content(target.store) == tree


def test_objects_are_served_with_their_type_and_what_caches_may_do(
    target: Target, release: Path, publish: Publish
) -> None:
    assert publish(release).returncode == 0
    if not target.enforces:
        return  # this emulator serves no Cache-Control; fake-gcs-server, asked by the same code, does

    file = judging.headers(f"{target.base}/releases/v0.1.0/{PYZ}")
    pointer = judging.headers(f"{target.base}/latest.json")

    assert file["content-type"] == "application/zip"
    assert "immutable" in file["cache-control"]
    assert pointer["content-type"] == "application/json"
    assert "no-cache" in pointer["cache-control"]


def test_publishing_again_changes_nothing_and_other_bytes_are_refused(
    target: Target, release: Path, other: Path, publish: Publish
) -> None:
    assert publish(release).returncode == 0
    before = content(target.store)

    again = publish(release)
    refused = publish(other)

    assert (again.returncode, refused.returncode) == (0, 4)
    assert ": 0 files written" in again.stdout
    assert "MA1852" in refused.stderr
    assert content(target.store) == before


def test_a_pointer_goes_forth_and_back_only_when_that_is_allowed(
    target: Target, release: Path, newer: Path, keys: Keys, publish: Publish, tmp_path: Path
) -> None:
    assert publish(release).returncode == 0
    assert publish(newer).returncode == 0
    back = publish(release)
    assert (back.returncode, "MA1853" in back.stderr) == (4, True)

    rounds: tuple[tuple[tuple[str, ...], str], ...] = (
        ((), "v0.2.0"),
        (("--allow-rollback",), "v0.1.0"),
    )
    for number, (arguments, version) in enumerate(rounds):
        if arguments:
            assert publish(release, *arguments).returncode == 0
        directory = tmp_path / str(number)
        directory.mkdir()
        assert judging.follow(target.base, "latest.json", keys.public, directory) == version


def test_killed_by_signal_9_at_growing_progress_it_ends_whole(
    target: Target, release: Path, newer: Path, keys: Keys, publish: Publish, tmp_path: Path
) -> None:
    assert publish(release).returncode == 0
    for wanted in (4, 14, 24):
        process = subprocess.Popen(
            publishing.command("publish", newer, *target.options, "--key", keys.uri),
            cwd=publishing.ROOT,
            stdout=subprocess.DEVNULL,
        )
        while process.poll() is None and len(target.store.list("releases/v0.2.0/")) < wanted:
            time.sleep(0.002)
        process.kill()
        process.wait()
        assert dangling(content(target.store)) == []

    assert publish(newer).returncode == 0
    assert judging.follow(target.base, "latest.json", keys.public, tmp_path) == "v0.2.0"


def test_two_builds_of_one_version_at_once_leave_one_of_them_whole(
    target: Target, release: Path, other: Path, keys: Keys, tmp_path: Path
) -> None:
    if not target.enforces:
        return  # it keeps nobody apart, and the command says so: see above
    running = [
        subprocess.Popen(
            publishing.command("publish", path, *target.options, "--key", keys.uri),
            cwd=publishing.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for path in (release, other)
    ]
    said = [(process.communicate()[1], process.returncode) for process in running]

    assert sorted(code for _, code in said) == [0, 4], said
    assert all("MA1852" in words for words, code in said if code)
    assert judging.follow(target.base, "latest.json", keys.public, tmp_path) == "v0.1.0"


def test_two_versions_at_once_leave_the_newer_one(
    target: Target, release: Path, newer: Path, keys: Keys, tmp_path: Path
) -> None:
    if not target.enforces:
        return  # it keeps nobody apart, and the command says so: see above
    running = [
        subprocess.Popen(
            publishing.command("publish", path, *target.options, "--key", keys.uri),
            cwd=publishing.ROOT,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        for path in (release, newer)
    ]
    said = [(process.communicate()[1], process.returncode) for process in running]

    assert said[1][1] == 0, said
    assert said[0][1] == 0 or "MA1853" in said[0][0]
    for number, pointer in enumerate(("latest.json", "channels/stable.json")):
        directory = tmp_path / str(number)
        directory.mkdir()
        assert judging.follow(target.base, pointer, keys.public, directory) == "v0.2.0"


def test_connections_that_break_are_tried_again(
    target: Target, release: Path, keys: Keys, tmp_path: Path
) -> None:
    with breaking_proxy(target.endpoint, every=16) as (endpoint, broken):
        options = [*target.options[:2], "--endpoint", endpoint]
        done = publishing.run("publish", release, *options, "--key", keys.uri)

    assert done.returncode == 0, done.stderr
    assert len(broken) > 1
    assert judging.follow(target.base, "latest.json", keys.public, tmp_path) == "v0.1.0"


def test_a_server_that_is_not_there_is_given_up_in_time(
    target: Target, release: Path, keys: Keys
) -> None:
    options = [*target.options[:2], "--endpoint", f"http://127.0.0.1:{servers.free_ports(1)[0]}"]

    done = publishing.run("publish", release, *options, "--key", keys.uri, "--budget", "1")

    assert done.returncode == 5
    assert "MA1856" in done.stderr
    assert "given up after" in done.stderr


def test_a_bucket_that_is_not_there_is_told(target: Target, release: Path, keys: Keys) -> None:
    uri = f"{target.options[1].partition(':')[0]}://no-such-bucket/x"
    options = ["--to", uri, *target.options[2:]]

    done = publishing.run("publish", release, *options, "--key", keys.uri)

    assert (done.returncode, "MA1858" in done.stderr) == (5, True), done.stderr


@contextlib.contextmanager
def breaking_proxy(endpoint: str, *, every: int) -> Iterator[tuple[str, list[int]]]:
    """A relay that cuts every so many-th connection when the server begins to answer: what was asked is done."""
    host, port = endpoint.removeprefix("http://").split(":")
    listener = socket.create_server(("127.0.0.1", 0))
    broken: list[int] = []
    taken = iter(range(1, 100_000))

    def ask(source: socket.socket, sink: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := source.recv(65536):
                sink.sendall(data)
        for sock in (source, sink):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)

    def answer(client: socket.socket, upstream: socket.socket) -> None:
        with contextlib.suppress(OSError):
            while data := upstream.recv(65536):
                number = next(taken)
                if number % every == 0:
                    broken.append(number)
                    break
                client.sendall(data)
        for sock in (client, upstream):
            with contextlib.suppress(OSError):
                sock.shutdown(socket.SHUT_RDWR)
            sock.close()

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = listener.accept()
                upstream = socket.create_connection((host, int(port)))
                for work in (ask, answer):
                    threading.Thread(target=work, args=(client, upstream), daemon=True).start()

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}", broken
    finally:
        listener.close()


@pytest.mark.parametrize("scheme", ["gs", "s3"])
def test_a_server_whose_certificate_nobody_vouches_for_is_refused_at_once(
    release: Path, keys: Keys, tmp_path: Path, scheme: str
) -> None:
    identity = Authority().identity(tmp_path, "127.0.0.1")
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(identity.certificate, identity.key)
    with http.server.HTTPServer(("127.0.0.1", 0), http.server.SimpleHTTPRequestHandler) as server:
        server.socket = context.wrap_socket(server.socket, server_side=True)
        threading.Thread(target=server.serve_forever).start()
        endpoint = f"https://127.0.0.1:{server.server_port}"
        done = publishing.run(
            *("publish", release, "--to", f"{scheme}://bucket", "--key", keys.uri),
            *(("--endpoint", endpoint) if scheme == "s3" else ()),
            environment={**servers.S3_ENVIRONMENT, "STORAGE_EMULATOR_HOST": endpoint},
        )
        server.shutdown()

    assert (done.returncode, "MA1859" in done.stderr, "TLS" in done.stderr) == (5, True, True), done


# ------------------------------------------------------------------------------------- credentials


@pytest.fixture(scope="module")
def weed(tmp_path_factory: pytest.TempPathFactory) -> Iterator[servers.Running]:
    with servers.seaweedfs(tmp_path_factory.mktemp("weed")) as running:
        yield running


@pytest.mark.parametrize(
    "environment",
    [
        {
            "AWS_ACCESS_KEY_ID": servers.READER["accessKey"],
            "AWS_SECRET_ACCESS_KEY": servers.READER["secretKey"],
        },
        {"AWS_ACCESS_KEY_ID": "nobody", "AWS_SECRET_ACCESS_KEY": servers.READER["secretKey"]},
        {"AWS_SECRET_ACCESS_KEY": servers.READER["secretKey"]},
        {"AWS_ACCESS_KEY_ID": "", "AWS_SECRET_ACCESS_KEY": ""},
        {"AWS_PROFILE": "not-there"},
    ],
    ids=["may only read", "unknown", "wrong secret", "none", "no such profile"],
)
def test_credentials_that_do_not_suffice_are_told_without_them(
    weed: servers.Running, release: Path, keys: Keys, environment: dict[str, str]
) -> None:
    arguments = ["--to", f"s3://{servers.BUCKET}", "--endpoint", weed.endpoint, "--key", keys.uri]

    done = publishing.run(
        "publish", release, *arguments, environment={**servers.S3_ENVIRONMENT, **environment}
    )

    assert (done.returncode, "MA1855" in done.stderr) == (5, True), done.stderr
    assert not any(secret in done.stdout + done.stderr for secret in SECRETS)


def test_google_credentials_that_are_not_there_are_told(
    release: Path, keys: Keys, tmp_path: Path
) -> None:
    environment = {
        "GOOGLE_APPLICATION_CREDENTIALS": str(tmp_path / "none.json"),
        "HOME": str(tmp_path),
        "NO_GCE_CHECK": "true",
    }

    done = publishing.run(
        "publish", release, "--to", "gs://b-b", "--key", keys.uri, environment=environment
    )

    assert (done.returncode, "MA1855" in done.stderr) == (5, True), done.stderr


def test_the_emulator_is_found_by_its_variable(release: Path, keys: Keys, tmp_path: Path) -> None:
    with servers.gcp_storage_emulator(tmp_path) as running:
        done = publishing.run(
            "publish",
            release,
            "--to",
            f"gs://{servers.BUCKET}",
            "--key",
            keys.uri,
            environment={"STORAGE_EMULATOR_HOST": running.endpoint},
        )
        latest = judging.fetch(
            f"{running.endpoint}/{servers.BUCKET}/latest.json", tmp_path / "latest.json"
        )

    assert done.returncode == 0, done.stderr
    assert json.loads(latest)["version"] == "v0.1.0"


# ------------------------------------------------------------------------------------- file systems


@pytest.fixture
def mounted(tmp_path: Path) -> Iterator[Path]:
    """A file system with room for half of a release."""
    if os.geteuid() != 0 or not shutil.which("mount"):
        missing("mounting a tmpfs needs root")
    path = tmp_path / "mounted"
    path.mkdir()
    size = "size=64k"
    if subprocess.run(["mount", "-t", "tmpfs", "-o", size, "tmpfs", path], check=False).returncode:
        missing("a tmpfs cannot be mounted here")
    yield path
    subprocess.run(["umount", path], check=True)


def tree(path: Path) -> dict[str, bytes]:
    files = [file for file in path.rglob("*") if file.is_file()]
    return {file.relative_to(path).as_posix(): file.read_bytes() for file in files}


def test_on_a_full_file_system_nothing_is_half_and_room_is_all_it_takes(
    mounted: Path, release: Path, keys: Keys
) -> None:
    full = publishing.run("publish", release, "--to", mounted, "--key", keys.uri)
    held = tree(mounted)
    subprocess.run(["mount", "-o", "remount,size=16m", mounted], check=True)
    ended = publishing.run("publish", release, "--to", mounted, "--key", keys.uri)

    assert (full.returncode, "MA1859" in full.stderr) == (5, True), full.stderr
    assert "No space left" in full.stderr
    assert held
    assert all(data == (release / Path(name).name).read_bytes() for name, data in held.items())
    assert ended.returncode == 0, ended.stderr
    assert dangling(tree(mounted)) == []


def test_without_inodes_it_is_the_same(mounted: Path, release: Path, keys: Keys) -> None:
    subprocess.run(["mount", "-o", "remount,size=16m,nr_inodes=8", mounted], check=True)
    full = publishing.run("publish", release, "--to", mounted, "--key", keys.uri)
    subprocess.run(["mount", "-o", "remount,nr_inodes=800", mounted], check=True)
    ended = publishing.run("publish", release, "--to", mounted, "--key", keys.uri)

    assert (full.returncode, "MA1859" in full.stderr) == (5, True), full.stderr
    assert ended.returncode == 0, ended.stderr


def test_a_read_only_file_system_is_told(mounted: Path, release: Path, keys: Keys) -> None:
    subprocess.run(["mount", "-o", "remount,ro", mounted], check=True)

    done = publishing.run("publish", release, "--to", mounted, "--key", keys.uri)

    assert (done.returncode, "Read-only" in done.stderr) == (5, True), done.stderr
