"""Infrastructure `http`, as it ships, against servers that do things wrong."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from grpclib.exceptions import GRPCError

from machineadm.plugins.sdk import CallError
from machineadm.plugins.sdk.testing import mock_host
from machineadm.plugins.sdk.web import Web
from machineadm.plugins.wire.rpc import RpcError
from plugins.infrastructure_http import Http
from tests.servers.authority import Authority
from tests.servers.files import FileServer
from tests.servers.serving import Handler, Request, Serving

CONTENT = bytes(range(256)) * 9000


class Store(Serving):
    """Keeps what is PUT."""

    def __init__(self) -> None:
        super().__init__(_Store)
        self.kept: dict[str, bytes] = {}

    def __enter__(self) -> Store:
        super().__enter__()
        return self


class _Store(Handler):
    owner: Store

    def _any(self) -> None:
        owner, kept = self.owner, self.owner.kept
        names = {name.lower(): value for name, value in self.headers.items()}
        owner.requests.append(Request(self.command, self.path, names))
        data = self.rfile.read(int(self.headers.get("Content-Length") or 0))
        found = kept.get(self.path)
        if self.command == "PUT":
            kept[self.path] = data
        elif self.command == "DELETE":
            kept.pop(self.path, None)
        absent = found is None and self.command in ("GET", "HEAD", "DELETE")
        body = found if found is not None and self.command == "GET" else b""
        self.send_response(404 if absent else 200)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    do_GET = do_HEAD = do_PUT = do_DELETE = _any  # noqa: N815 - as http.server calls them


@pytest.fixture
def files(tmp_path: Path) -> Path:
    (tmp_path / "node.yaml").write_bytes(CONTENT)
    return tmp_path


def fetched(host: Any, url: str) -> bytes:
    return b"".join(reply.data for reply in host.stream("Fetch", location=url))


def test_what_lies_at_a_url_comes_with_the_headers_of_the_settings(files: Path) -> None:
    with FileServer(files, header=("X-Token", "word")) as server, mock_host(Http()) as host:
        host.configure({"headers": {"X-Token": "word"}})
        assert fetched(host, f"{server.url}/node.yaml") == CONTENT
        assert fetched(host, f"{server.url}/~relative/node.yaml") == CONTENT


def test_a_redirect_takes_the_headers_to_no_other_server(files: Path) -> None:
    with FileServer(files) as there, FileServer(files) as here, mock_host(Http()) as host:
        host.configure({"headers": {"X-Token": "word"}})
        assert fetched(host, f"{here.redirecting_to(there.url)}/node.yaml") == CONTENT
        assert all("x-token" not in request.headers for request in there.requests)


def test_a_server_is_trusted_by_its_authority_alone(files: Path) -> None:
    authority = Authority()
    identity = authority.identity(files / "pki", "127.0.0.1")
    (files / "ca.pem").write_text(authority.certificate)
    with FileServer(files, identity=identity) as server, mock_host(Http()) as host:
        with pytest.raises(GRPCError, match="cannot be reached"):
            fetched(host, f"{server.url}/node.yaml")
        host.configure({"caFile": str(files / "ca.pem")})
        assert fetched(host, f"{server.url}/node.yaml") == CONTENT
        with pytest.raises(GRPCError, match="redirects from https to less"):
            fetched(host, f"{server.redirecting_to('http://127.0.0.1:1')}/node.yaml")


@pytest.mark.parametrize(
    "there", ["http://127.0.0.2:1", "http://example.invalid", "ftp://127.0.0.1"]
)
def test_a_redirect_in_the_clear_leads_to_nobody_else(files: Path, there: str) -> None:
    with (
        FileServer(files) as server,
        mock_host(Http()) as host,
        pytest.raises(GRPCError, match="in the clear"),
    ):
        fetched(host, f"{server.redirecting_to(there)}/node.yaml")


@pytest.mark.parametrize(
    "value", ["s3cr3t\nX-Other: 1", "s3cr3t\r\n", "s3cr3t \u20ac", "s3cr3t\x00\n"]
)
def test_a_header_that_cannot_be_sent_is_refused_without_its_value(files: Path, value: str) -> None:
    with FileServer(files) as server, pytest.raises(CallError) as caught:
        Web(headers={"Authorization": f"Bearer {value}"}).ask("GET", f"{server.url}/node.yaml")

    assert "is unfit" in caught.value.text
    assert "s3cr3t" not in caught.value.text
    # What it comes from quotes the header, and a log would show it.
    assert caught.value.__suppress_context__


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("none", "answers 404"),
        ("~status/503/node.yaml", "answers 503"),
        ("~truncate/node.yaml", "broke off"),
        ("~reset/node.yaml", "broke off"),
        ("~stall/node.yaml", "broke off"),
        ("~silent/node.yaml", "cannot be reached"),
        ("~loop/node.yaml", "answers 302"),
    ],
)
def test_what_a_server_does_wrong_is_told(files: Path, path: str, words: str) -> None:
    with FileServer(files) as server, mock_host(Http()) as host:
        host.configure({"timeoutSeconds": 0.5})
        with pytest.raises(GRPCError, match=words):
            fetched(host, f"{server.url}/{path}")


@pytest.mark.parametrize("fault", ["~truncate", "~reset", "~stall"])
def test_a_small_answer_that_breaks_off_is_no_answer(files: Path, fault: str) -> None:
    with (
        FileServer(files) as server,
        pytest.raises(CallError, match=r"broke off|cannot be reached"),
    ):
        Web(timeout=1).whole("GET", f"{server.url}/{fault}/node.yaml", most=1 << 30)


def test_of_a_large_answer_only_so_much_is_read(files: Path) -> None:
    with FileServer(files) as server:
        assert Web().whole("GET", f"{server.url}/node.yaml", most=5) == CONTENT[:5]


@pytest.mark.parametrize(
    "url",
    [
        "http://example.com/x",
        "file:///etc/passwd",
        "https://user:s3cr3t@example.com/x",
        "https://",
        "https://example.com/a b",
        "https://example.com/\n",
        "https://[::1/x",
        "nothing",
    ],
)
def test_other_addresses_are_not_asked(url: str) -> None:
    with mock_host(Http()) as host, pytest.raises(GRPCError, match="is not an https URL") as caught:
        fetched(host, url)
    assert "s3cr3t" not in str(caught.value)


def test_a_report_is_put_as_json_as_a_store_of_ours_takes_it() -> None:
    with Store() as store, mock_host(Http()) as host:
        host.call("Report", location=f"{store.url}/reports/1", status=b'{"phase": "Succeeded"}')
        assert json.loads(store.kept["/reports/1"]) == {"phase": "Succeeded"}
        assert store.requests[0].method == "PUT"
        assert store.requests[0].headers["content-type"] == "application/json"


def test_the_managers_side_stores_locates_and_deletes() -> None:
    with Store() as store:
        http = Http()
        http.configure({"baseURL": f"{store.url}/machines"})
        location = http.store("m 1", iter([CONTENT, b"end"]))
        assert http.locate("m 1") == location == f"{store.url}/machines/m%201"
        assert b"".join(http.fetch(location)) == CONTENT + b"end"
        http.delete(location)
        http.delete(location)
        assert http.locate("m 1") is None
        for bad in ("", "..", "a/b"):
            with pytest.raises(CallError):
                http.store(bad, iter([b""]))


def test_without_a_base_nothing_is_stored() -> None:
    with pytest.raises(CallError, match="baseURL"):
        Http().store("x", iter([b""]))


@pytest.mark.parametrize(
    "settings",
    [
        {"headers": []},
        {"headers": {"a": 1}},
        {"headers": {"a": "b\r\nc"}},
        {"timeoutSeconds": 0},
        {"timeoutSeconds": 3601},
        {"timeoutSeconds": 1e300},
        {"timeoutSeconds": float("nan")},
        {"timeoutSeconds": float("inf")},
        {"timeoutSeconds": "1"},
        {"baseURL": "ftp://x"},
        {"caFile": "/none"},
        {"header": {}},
    ],
)
def test_unfit_settings_are_refused(settings: dict[str, Any]) -> None:
    with mock_host(Http()) as host, pytest.raises(CallError):
        host.configure(settings)


def test_an_unknown_location_is_refused_to_a_host_in_words() -> None:
    with mock_host(Http()) as host, pytest.raises(RpcError):
        host.call("Report", location="nothing", status=b"{}")
