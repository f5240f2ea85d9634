"""From a published tree to a machine: what `publish` puts somewhere is what the boot script takes, wherever it lies."""

import functools
import http.server
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from machineadm.api.v1alpha1.agent_source import AgentDownload
from machineadm.rendering.fetch import SHORT, fetch_script
from machineadm.version import VERSION
from signing.sign import sign_directory
from tests.releases import AGENTS, build_release
from tests.roots.roots import Root
from tests.stores import publishing, servers
from tests.stores.publishing import Keys

pytest.importorskip("boto3", reason="publishing to a cloud's store needs Python 3.11")

FILE = "releases/v{version}/machineadm-linux-{arch}.pyz"


class _Quiet(http.server.SimpleHTTPRequestHandler):
    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Keys:
    return publishing.keys(tmp_path_factory.mktemp("keys"))


@pytest.fixture(scope="module")
def release(tmp_path_factory: pytest.TempPathFactory, agent_file: Path, keys: Keys) -> Path:
    """A release whose agent is the packed one."""
    path = build_release(tmp_path_factory.mktemp("dist"), f"v{VERSION}")
    (path / AGENTS[0]).write_bytes(agent_file.read_bytes())
    sign_directory(path, keys.signer, (keys.signer.public,))
    return path


@pytest.fixture(scope="module")
def bucket(tmp_path_factory: pytest.TempPathFactory, release: Path, keys: Keys) -> Iterator[str]:
    """URL of the tree in a bucket that everybody may read."""
    with servers.seaweedfs(tmp_path_factory.mktemp("weed")) as running:
        done = publishing.run(
            *("publish", release, "--to", f"s3://{servers.BUCKET}/agents", "--key", keys.uri),
            *("--endpoint", running.endpoint),
            environment=servers.S3_ENVIRONMENT,
        )
        assert done.returncode == 0, done.stderr
        yield f"{running.endpoint}/{servers.BUCKET}/agents"


@pytest.fixture(scope="module")
def cluster(
    tmp_path_factory: pytest.TempPathFactory, release: Path, keys: Keys
) -> Iterator[tuple[str, Path]]:
    """URL and directory of the tree behind a static server, as a management cluster has it."""
    tree = tmp_path_factory.mktemp("tree")
    assert publishing.run("publish", release, "--to", tree, "--key", keys.uri).returncode == 0
    handler = functools.partial(_Quiet, directory=str(tree))
    with http.server.ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever).start()
        yield f"http://127.0.0.1:{server.server_port}", tree
        server.shutdown()


def boot(directory: Path, keys: Keys, *urls: str) -> tuple[int, str, str]:
    """Run the boot script in a bookworm; its exit code, what then answers as the agent, and what it said."""
    script = directory / "fetch.sh"
    source = AgentDownload(version=VERSION, urls=urls, public_key=keys.public.read_text())
    script.write_text(
        fetch_script(source).replace(f" {SHORT['PAUSE']}=1 ", f" {SHORT['PAUSE']}=1000 ")
    )
    done = Root("bookworm", tools=True).run(
        ["sh", "-c", "sh /mnt/fetch.sh && /usr/local/bin/machineadm version"],
        binds={"/mnt/fetch.sh": script},
        network=True,
    )
    return done.returncode, done.stdout, done.stderr


@pytest.mark.requirement("R10", "R12", "R13")
@pytest.mark.parametrize("first", ["bucket", "cluster", "neither"])
def test_a_machine_boots_the_published_agent_from_whichever_location_answers(
    tmp_path: Path, keys: Keys, bucket: str, cluster: tuple[str, Path], first: str
) -> None:
    nobody = f"http://127.0.0.1:{servers.free_ports(1)[0]}"
    bases = {
        "bucket": (bucket, cluster[0]),
        "cluster": (cluster[0], bucket),
        "neither": (nobody, cluster[0]),
    }[first]

    code, said, error = boot(tmp_path, keys, *(f"{base}/{FILE}" for base in bases))

    assert code == 0, error
    assert VERSION in said


def test_a_changed_agent_in_one_location_sends_the_machine_to_the_next(
    tmp_path: Path, keys: Keys, bucket: str, cluster: tuple[str, Path]
) -> None:
    base, tree = cluster
    file = tree / f"releases/v{VERSION}" / AGENTS[0]
    good = file.read_bytes()
    file.write_bytes(good[:-1] + b"\0\0")
    try:
        alone = boot(tmp_path, keys, f"{base}/{FILE}")
        both = boot(tmp_path, keys, f"{base}/{FILE}", f"{bucket}/{FILE}")
    finally:
        file.write_bytes(good)

    assert alone[0] != 0
    assert "MA19" in alone[2]
    assert (both[0], VERSION in both[1]) == (0, True), both[2]
