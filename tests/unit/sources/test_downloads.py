"""Downloads against real servers."""

import os
import ssl
from pathlib import Path

import pytest

from machineadm.errors import HostError, InterruptedRunError
from machineadm.redaction import Secret
from machineadm.sources.downloads import ATTEMPTS, Downloads
from machineadm.sources.shown import shown
from tests.servers.authority import A_DAY, Authority
from tests.unit.sources.conftest import Handler, Site, serve


class Pauses:
    """Takes note of pauses, and makes none."""

    def __init__(self) -> None:
        self.all: list[float] = []

    def __call__(self, seconds: float) -> None:
        if seconds:
            self.all.append(seconds)


def get(
    url: str, *, sleep: Pauses | None = None, ca_file: str = "", **headers: str | Secret
) -> bytes:
    downloads = Downloads(sleep or Pauses(), ca_file=ca_file, timeout=5)
    return b"".join(downloads.fetch(url, headers=headers))


def test_a_body_comes_whole_and_headers_are_sent(site: Site) -> None:
    body = bytes(range(256)) * 8192
    site.pages["/f"] = lambda h: h.give(200, body)

    assert get(f"{site.url}/f?x=1", Authorization=Secret("Bearer t")) == body
    path, headers = site.asked[0]
    assert path == "/f?x=1"
    assert headers["Authorization"] == "Bearer t"
    assert headers["User-Agent"].startswith("machineadm/")


def test_user_and_password_of_a_url_become_a_header(site: Site) -> None:
    site.pages["/f"] = lambda h: h.give(200)
    get(f"{site.url.replace('//', '//me:p%40ss@')}/f")

    assert site.asked[0][1]["Authorization"] == "Basic bWU6cEBzcw=="


def test_a_busy_server_is_asked_again(site: Site) -> None:
    pauses = Pauses()
    site.pages["/f"] = lambda h: h.give(200, b"x") if len(site.asked) > 2 else h.give(503)

    assert get(f"{site.url}/f", sleep=pauses) == b"x"
    assert pauses.all == [2, 4]


def test_a_server_that_stays_busy_is_given_up(site: Site) -> None:
    site.pages["/f"] = lambda h: h.give(503)

    with pytest.raises(HostError, match="503 Service Unavailable") as caught:
        get(f"{site.url}/f")
    assert caught.value.code == "MA3104"
    assert len(site.asked) == ATTEMPTS


@pytest.mark.parametrize("status", [401, 403, 404, 410])
def test_a_refusal_is_not_argued_with(site: Site, status: int) -> None:
    site.pages["/f"] = lambda h: h.give(status)

    with pytest.raises(HostError, match=str(status)) as caught:
        get(f"{site.url}/f?signature=hunter2")
    assert caught.value.code == "MA3104"
    assert "hunter2" not in f"{caught.value}{caught.value.hint()}"
    assert len(site.asked) == 1


def test_a_body_that_breaks_off_is_an_error(site: Site) -> None:
    site.pages["/f"] = lambda h: h.give(200, b"x" * 1000, Content_Length="2000")

    with pytest.raises(HostError, match="after 1000 of 2000 bytes") as caught:
        get(f"{site.url}/f")
    assert caught.value.code == "MA3103"


def test_nobody_there_is_an_error_after_some_attempts() -> None:
    pauses = Pauses()

    with pytest.raises(HostError, match="refused") as caught:
        get("http://127.0.0.1:9/f", sleep=pauses)
    assert caught.value.code == "MA3102"
    assert len(pauses.all) == ATTEMPTS - 1


def test_a_silent_server_is_not_waited_for_for_ever(site: Site) -> None:
    def fall_silent(handler: Handler) -> None:
        handler.give(200, b"x", Content_Length="10")
        handler.rfile.read(1)

    site.pages["/f"] = fall_silent
    # Long enough for a busy machine to connect and answer: only the silence after that is meant.
    downloads = Downloads(Pauses(), timeout=0.8)

    with pytest.raises(HostError) as caught:
        list(downloads.fetch(f"{site.url}/f"))
    assert caught.value.code == "MA3103"


def test_a_download_that_is_too_large_is_stopped(site: Site) -> None:
    site.pages["/f"] = lambda h: h.give(200, bytes(5000))

    with pytest.raises(HostError) as caught:
        list(Downloads(Pauses(), most=4999).fetch(f"{site.url}/f"))
    assert caught.value.code == "MA3110"


def test_an_interrupted_run_stops_between_chunks(site: Site) -> None:
    site.pages["/f"] = lambda h: h.give(200, bytes(5000))

    def interrupted(_seconds: float) -> None:
        raise InterruptedRunError("MA6002", "interrupted by SIGTERM")

    with pytest.raises(InterruptedRunError):
        list(Downloads(interrupted).fetch(f"{site.url}/f"))


def test_malformed_headers_are_not_quoted(site: Site) -> None:
    with pytest.raises(HostError) as caught:
        get(f"{site.url}/f", A=Secret("hunter2\nX: y"))
    assert caught.value.code == "MA3106"
    assert "hunter2" not in f"{caught.value}{caught.value.hint()}"


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
def test_redirects_are_followed_with_headers_on_the_same_origin(site: Site, status: int) -> None:
    site.pages["/a"] = lambda h: h.give(status, Location="/b")
    site.pages["/b"] = lambda h: h.give(200, b"x")

    assert get(f"{site.url}/a", Authorization=Secret("t")) == b"x"
    assert site.asked[1][1]["Authorization"] == "t"


def test_headers_are_not_taken_to_another_origin(site: Site, other_site: Site) -> None:
    site.pages["/a"] = lambda h: h.give(302, Location=f"{other_site.url}/b")
    other_site.pages["/b"] = lambda h: h.give(200, b"x")

    assert get(f"{site.url}/a", Authorization=Secret("t"), X_Key=Secret("k")) == b"x"
    assert "t" not in other_site.asked[0][1].values()
    assert "k" not in other_site.asked[0][1].values()


def test_redirects_without_end_are_not_followed(site: Site) -> None:
    site.pages["/a"] = lambda h: h.give(302, Location="/a")

    with pytest.raises(HostError) as caught:
        get(f"{site.url}/a")
    assert caught.value.code == "MA3104"


@pytest.mark.parametrize("target", ["file:///etc/passwd", "ftp://127.0.0.1/x", "gopher:x"])
def test_redirects_lead_to_the_web_alone(site: Site, target: str) -> None:
    site.pages["/a"] = lambda h: h.give(302, Location=target)

    with pytest.raises(HostError) as caught:
        get(f"{site.url}/a")
    assert caught.value.code in ("MA3109", "MA3104")


@pytest.mark.parametrize(
    "strange",
    [
        "http://{other}%2f@{site}/b",
        "http://{other}%3f@{site}/b",
        "http://{other}%40@{site}/b",
        "http://user@{site}/b",
        "http://{site}@{other}/b",
        "http://{site}:x@{other}/b",
        "http://{site}\\@{other}/b",
        "http://{other}\\@{site}/b",
        "http://{site}#@{other}/b",
        "http://{other}?@{site}/b",
        "http://{site};@{other}/b",
        "http://{site}%2e/b",
        "http://{site}%09/b",
        "http:////{other}/b",
        "http:{other}/b",
        "http://[::1%25lo]/b",
        "http:///b",
    ],
)
def test_a_redirect_whose_host_programs_read_differently_is_not_followed(
    site: Site, other_site: Site, strange: str
) -> None:
    at = {
        name: one.url.partition("://")[2] for name, one in (("site", site), ("other", other_site))
    }
    site.pages["/a"] = lambda h: h.give(302, Location=strange.format(**at))

    with pytest.raises(HostError):
        get(f"{site.url}/a", Authorization=Secret("t"))
    # Of two urllib itself makes an address of the other: nobody's headers go there.
    assert "t" not in str([headers.get("Authorization", "") for _, headers in other_site.asked])
    if "?@" not in strange and "////" not in strange:
        assert other_site.asked == []


@pytest.mark.parametrize(
    "strange",
    ["http://{other}%2f@{site}/b", "http://{site}\t@{other}/b", "http://{site}\\@{other}/b",
     "http://{site};@{other}/b", "http://[::1%25lo]/b", "http://{site}:/b", "http:///b", "http:{other}/b"],
)  # fmt: skip
def test_a_url_whose_host_programs_read_differently_is_not_asked(
    site: Site, other_site: Site, strange: str
) -> None:
    at = {
        name: one.url.partition("://")[2] for name, one in (("site", site), ("other", other_site))
    }

    with pytest.raises(HostError) as caught:
        get(strange.format(**at), Authorization=Secret("t"))
    assert caught.value.code in ("MA3101", "MA3106")
    assert (site.asked, other_site.asked) == ([], [])


def test_a_certificate_is_checked_against_the_given_bundle(
    secure_site: Site, certificate: Path
) -> None:
    secure_site.pages["/f"] = lambda h: h.give(200, b"x")

    assert get(f"{secure_site.url}/f", ca_file=str(certificate)) == b"x"
    with pytest.raises(HostError) as caught:
        get(f"{secure_site.url}/f")
    assert caught.value.code == "MA3105"
    with pytest.raises(HostError) as caught:
        get(f"{secure_site.url}/f", ca_file="/no/such/bundle")
    assert caught.value.code == "MA3108"


@pytest.mark.parametrize(
    ("age", "code", "pauses"),
    [(-1, "MA3114", ATTEMPTS - 1), (60, "MA3105", 0)],
    ids=["the clock is behind", "expired"],
)
def test_a_certificate_that_is_not_valid_yet_is_waited_for_and_blamed_on_the_clock(
    tmp_path: Path, age: int, code: str, pauses: int
) -> None:
    authority = Authority()
    made = authority.identity(tmp_path, "127.0.0.1", age=age * A_DAY)
    bundle = tmp_path / "ca.pem"
    bundle.write_text(authority.certificate)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(made.certificate, made.key)
    slept = Pauses()
    for site in serve(context):
        with pytest.raises(HostError) as caught:
            get(f"{site.url}/f", sleep=slept, ca_file=str(bundle))

    assert (caught.value.code, len(slept.all)) == (code, pauses)
    assert "clock" in caught.value.message + caught.value.hint()


def test_no_redirect_leads_from_https_to_http(
    secure_site: Site, site: Site, certificate: Path
) -> None:
    secure_site.pages["/f"] = lambda h: h.give(302, Location=f"{site.url}/f")

    with pytest.raises(HostError) as caught:
        get(f"{secure_site.url}/f", ca_file=str(certificate))
    assert caught.value.code == "MA3109"
    assert site.asked == []


def test_the_proxy_of_the_environment_is_used(site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", site.url)
    asked: list[str] = []

    def relay(handler: Handler) -> None:
        asked.append(handler.path)
        handler.give(200, b"by proxy")

    site.pages["http://files.example/f"] = relay
    assert get("http://files.example/f") == b"by proxy"
    assert asked == ["http://files.example/f"]


def test_file_urls_are_read(tmp_path: Path) -> None:
    (tmp_path / "a b").write_bytes(b"x")

    assert get(f"file://{tmp_path}/a%20b") == b"x"
    with pytest.raises(HostError) as caught:
        get(f"file://{tmp_path}/none")
    assert caught.value.code == "MA3111"


def test_a_pipe_behind_a_file_url_is_refused_at_once(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe")

    with pytest.raises(HostError) as caught:
        get(f"file://{tmp_path}/pipe")
    assert caught.value.code == "MA3111"


def test_an_unknown_scheme_is_an_error() -> None:
    with pytest.raises(HostError, match="'s3'") as caught:
        get("s3://bucket/key")
    assert caught.value.code == "MA3101"


@pytest.mark.parametrize(
    ("url", "text"),
    [
        ("https://me:secret@h:1/p?token=x#y", "https://h:1/p"),
        ("https://h", "https://h"),
        ("data:,secret", "data:..."),
    ],
)
def test_urls_are_shown_without_their_secrets(url: str, text: str) -> None:
    assert shown(url) == text
