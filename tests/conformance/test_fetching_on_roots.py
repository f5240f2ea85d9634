"""The script that fetches the agent, with the shells, curl, wget, busybox and openssl of each Debian."""

from __future__ import annotations

import hashlib
import subprocess
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from machineadm.api.v1alpha1.agent_source import AgentDownload
from machineadm.redaction import Secret
from machineadm.rendering.fetch import SHORT, fetch_script
from machineadm.version import VERSION
from tests.contract.test_fetching import AUTHORITY, KEY, NAME, OTHER_AUTHORITY, TOKEN
from tests.roots.roots import SUITES, Root
from tests.servers.files import FileServer

SUPPORTED = [suite for suite in SUITES if suite != "bullseye"]
HEADERS = {"Authorization": Secret(TOKEN)}


@pytest.fixture
def server(agent_file: Path, tmp_path: Path) -> Iterator[FileServer]:
    directory = tmp_path / "served"
    directory.mkdir()
    content = agent_file.read_bytes()
    for name, bytes_, signature in (
        ("machineadm-linux-amd64.pyz", content, KEY.sign(content)),
        ("tampered", content + b"\0", KEY.sign(content)),
        ("answers", b'print(\'{"version": "%s"}\')\n' % VERSION.encode(), None),
    ):
        (directory / name).write_bytes(bytes_)
        (directory / f"{name}.sig").write_bytes(signature or KEY.sign(bytes_))
    identity = AUTHORITY.identity(tmp_path / "pki", "127.0.0.1")
    with FileServer(directory, identity=identity, header=("Authorization", TOKEN)) as serving:
        yield serving


def fetch(
    root: Root,
    directory: Path,
    *urls: str,
    command: str = "sh",
    without: str = "",
    binds: dict[str, Path] | None = None,
    **changes: Any,
) -> subprocess.CompletedProcess[str]:
    given: dict[str, Any] = {
        "version": VERSION,
        "urls": urls,
        "public_key": KEY.public,
        "headers": HEADERS,
        "ca_bundle": AUTHORITY.certificate,
    }
    script = directory / "fetch.sh"
    script.write_text(
        fetch_script(AgentDownload(**given | changes)).replace(
            f" {SHORT['PAUSE']}=1 ", f" {SHORT['PAUSE']}=1000 "
        )
    )
    removal = f"rm -f {without}; " if without else ""
    shown = (
        "; code=$?; stat -c '%n %a %U' /usr/local/bin/* /usr/local/bin/.m* 2>/dev/null; exit $code"
    )
    return root.run(
        ["/bin/sh", "-c", f"{removal}{command} /mnt/fetch.sh{shown}"],
        binds={"/mnt/fetch.sh": script, **(binds or {})},
        network=True,
    )


@pytest.mark.requirement("R6", "R10", "R12")
@pytest.mark.parametrize("shell", ["dash", "bash --posix", "busybox sh"])
@pytest.mark.parametrize("tool", ["curl", "wget"])
@pytest.mark.parametrize("suite", SUITES)
def test_the_packed_agent_comes_to_every_debian(
    server: FileServer, tmp_path: Path, suite: str, tool: str, shell: str
) -> None:
    """Its signature is verified by openssl 1.1.1 to 3.5. On bullseye the agent then finds its Python unfit."""
    root = Root(suite, tools=True)
    other = "/usr/bin/curl" if tool == "wget" else "/usr/bin/wget"

    done = fetch(root, tmp_path, f"{server.url}/{NAME}", command=shell, without=other)

    if suite in SUPPORTED:
        assert (done.returncode, done.stderr) == (0, "")
        assert done.stdout == "/usr/local/bin/machineadm 755 root\n"
    else:
        assert (done.returncode, done.stdout) == (5, "")
        assert "MA1913" in done.stderr
        assert "3.9" in done.stderr


@pytest.mark.requirement("R10")
@pytest.mark.parametrize("given", ["sha256", "public_key"])
@pytest.mark.parametrize("suite", SUITES)
def test_no_debian_takes_another_file(
    server: FileServer, agent_file: Path, tmp_path: Path, suite: str, given: str
) -> None:
    digest = hashlib.sha256(agent_file.read_bytes()).hexdigest()
    by: dict[str, Any] = {"sha256": digest, "public_key": None} if given == "sha256" else {}

    done = fetch(Root(suite, tools=True), tmp_path, f"{server.url}/tampered", **by)

    assert (done.returncode, done.stdout) == (4, "")
    assert ("MA1906" if by else "MA1907") in done.stderr.splitlines()[-1]


@pytest.mark.requirement("R10")
@pytest.mark.parametrize("suite", SUITES)
def test_openssl_of_every_debian_verifies_what_was_signed(
    server: FileServer, tmp_path: Path, suite: str
) -> None:
    """A stand-in that every Python can run, so that nothing but the signature decides."""
    done = fetch(Root(suite, tools=True), tmp_path, f"{server.url}/answers")

    assert (done.returncode, done.stderr) == (0, "")


@pytest.mark.parametrize("suite", SUITES)
def test_a_minimal_debian_says_what_it_lacks(
    server: FileServer, tmp_path: Path, suite: str
) -> None:
    done = fetch(Root(suite), tmp_path, f"{server.url}/{NAME}")

    assert (done.returncode, done.stdout) == (5, "")
    assert "MA1910" in done.stderr


@pytest.mark.parametrize("suite", SUITES)
def test_a_noexec_a_read_only_and_a_full_destination_are_refused(
    server: FileServer, tmp_path: Path, suite: str
) -> None:
    """Real mounts; the roots have no mount(8)."""
    for flag, size, code in ((8, "", "MA1912"), (1, "", "MA1911"), (0, ",size=1m", "MA1911")):
        call = f"ctypes.CDLL(None).mount(b'none', b'/usr/local/bin', b'tmpfs', {flag}, b'mode=755{size}')"
        mounted = f'python3 -c "import ctypes, sys; sys.exit({call})" && sh'
        root = Root(suite, tools=True)
        other = "/usr/bin/wget" if suite == "trixie" else "/usr/bin/curl"
        done = fetch(root, tmp_path, f"{server.url}/{NAME}", command=mounted, without=other)

        assert (done.returncode, done.stdout) == (5, "")
        assert code in done.stderr.splitlines()[-1]
        assert (len(server.requests) == 0) == (not size)


@pytest.mark.requirement("R12")
@pytest.mark.parametrize("tool", ["curl", "wget"])
@pytest.mark.parametrize("bundle", [None, OTHER_AUTHORITY.certificate], ids=["none", "another"])
def test_the_trust_store_of_the_machine_counts_too(
    server: FileServer, tmp_path: Path, tool: str, bundle: str | None
) -> None:
    store = tmp_path / "ca-certificates.crt"
    store.write_text(AUTHORITY.certificate)
    other = "/usr/bin/curl" if tool == "wget" else "/usr/bin/wget"
    root = Root("trixie", tools=True)

    def fetched(**given: Any) -> int:
        url = f"{server.url}/{NAME}"
        return fetch(root, tmp_path, url, without=other, ca_bundle=bundle, **given).returncode

    assert fetched(binds={f"/etc/ssl/certs/{store.name}": store}) == 0
    assert fetched() == 5
