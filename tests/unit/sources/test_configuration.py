"""Where a configuration can be read from."""

import io
from pathlib import Path

import pytest

from machineadm.errors import HostError, UsageError
from machineadm.sources import configuration
from machineadm.sources.configuration import read
from tests.unit.sources.conftest import Site


def test_a_path_is_read(tmp_path: Path) -> None:
    path = tmp_path / "node.yaml"
    path.write_bytes(b"kind: x\n")

    assert read(str(path)) == b"kind: x\n"
    assert read(f"file://{path}") == b"kind: x\n"


def test_a_path_with_a_colon_is_a_path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a:b").write_bytes(b"x")
    monkeypatch.chdir(tmp_path)

    assert read("./a:b") == b"x"


def test_standard_input_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"kind: x\n")))

    assert read("-") == b"kind: x\n"


@pytest.mark.parametrize(
    ("uri", "data"),
    [
        ("data:,a%20b", b"a b"),
        ("data:application/yaml;base64,a2luZDogeAo=", b"kind: x\n"),
        ("DATA:;BASE64,a2luZDog%0AeAo=", b"kind: x\n"),
        ("data:text/plain;charset=utf-8,%C3%A9", "é".encode()),
    ],
)
def test_a_data_uri_is_read(uri: str, data: bytes) -> None:
    assert read(uri) == data


@pytest.mark.parametrize("uri", ["data:hunter2", "data:;base64,hunter2!"])
def test_a_malformed_data_uri_is_refused_and_not_quoted(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(uri)
    assert caught.value.code == "MA3113"
    assert "hunter2" not in f"{caught.value}{caught.value.hint()}"


def test_a_download_is_read_and_tried_again(site: Site) -> None:
    site.pages["/c"] = lambda h: (
        h.give(200, b"kind: x\n") if len(site.asked) > 1 else h.give(200, b"k", Content_Length="8")
    )

    assert read(f"{site.url}/c", sleep=lambda _: None) == b"kind: x\n"


def test_a_download_that_fails_is_the_hosts_error(site: Site) -> None:
    site.pages["/c"] = lambda h: h.give(404)

    with pytest.raises(HostError) as caught:
        read(f"{site.url}/c")
    assert caught.value.code == "MA3104"


@pytest.mark.parametrize("path", ["/no/such/file", "/", "a\0b"])
def test_what_cannot_be_read_is_a_mistake_of_the_command_line(path: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(path)
    assert caught.value.code == "MA7004"


def test_too_much_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(configuration, "MOST", 10)
    path = tmp_path / "big"
    path.write_bytes(bytes(11))

    with pytest.raises(UsageError) as caught:
        read(str(path))
    assert caught.value.code == "MA7004"


@pytest.mark.parametrize("uri", ["s3://bucket/key", "vault:x"])
def test_an_unknown_scheme_is_refused(uri: str) -> None:
    with pytest.raises(UsageError) as caught:
        read(uri)
    assert caught.value.code == "MA3101"
