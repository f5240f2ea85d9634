"""`status --output html` and `svg` in a real browser: Debian's chromium without a display. `make browser`, since it brings 400 MB."""

from __future__ import annotations

import http.server
import struct
import subprocess
import threading
import zlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import msgspec
import pytest

from machineadm.reporting.drawing import as_html, as_svg
from tests.debian import require
from tests.unit.reporting.test_drawing import PHASES, STATUS_OF_FAILED


class Site:
    """A server that notes who asks."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        asked = self.asked

        class Handler(http.server.BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                asked.append(self.path)
                self.send_response(200)
                self.end_headers()

            def log_message(self, *_: object) -> None:
                pass

        self.server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        self.url = f"http://127.0.0.1:{self.server.server_port}"
        threading.Thread(target=self.server.serve_forever, daemon=True).start()


@pytest.fixture
def site() -> Iterator[Site]:
    site = Site()
    yield site
    site.server.shutdown()
    site.server.server_close()


def browse(page: Path, *options: str) -> str:
    require(chromium="chromium")
    argv = ["chromium", "--headless=new", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    argv += [f"--user-data-dir={page.parent / 'profile'}", "--window-size=1000,900"]
    done = subprocess.run(
        [*argv, *options, page.as_uri()], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr[-2000:]
    return done.stdout


def pixels(image: Path) -> Counter[tuple[int, int, int]]:
    """How often each colour is in a PNG of 8 bits."""
    data, at, body = image.read_bytes(), 8, b""
    width = height = depth = 0
    while at < len(data):
        (length,) = struct.unpack(">I", data[at : at + 4])
        kind, content = data[at + 4 : at + 8], data[at + 8 : at + 8 + length]
        if kind == b"IHDR":
            width, height, _, colour = struct.unpack(">IIBB", content[:10])
            depth = {2: 3, 6: 4}[colour]
        elif kind == b"IDAT":
            body += content
        at += 12 + length
    raw, before, found = (
        zlib.decompress(body),
        bytearray(width * depth),
        Counter[tuple[int, int, int]](),
    )
    for row in range(height):
        start = row * (width * depth + 1)
        line = bytearray(raw[start + 1 : start + 1 + width * depth])
        how = raw[start]
        for i in range(len(line)):
            left = line[i - depth] if i >= depth else 0
            up, corner = before[i], before[i - depth] if i >= depth else 0
            guess = left + up - corner
            paeth = min((left, up, corner), key=lambda one: abs(guess - one))
            line[i] = (line[i] + (0, left, up, (left + up) // 2, paeth)[how]) & 255
        found.update(zip(line[0::depth], line[1::depth], line[2::depth], strict=True))
        before = line
    return found


def near(found: Counter[tuple[int, int, int]], colour: str, opacity: float) -> int:
    """How many pixels have a colour, laid over white."""
    wanted = [round(int(colour[i : i + 2], 16) * opacity + 255 * (1 - opacity)) for i in (1, 3, 5)]
    return sum(
        count
        for pixel, count in found.items()
        if all(abs(one - two) <= 2 for one, two in zip(pixel, wanted, strict=True))
    )


def test_a_browser_shows_error_hint_steps_and_the_coloured_bars_of_the_time_line(
    tmp_path: Path,
) -> None:
    page, image = tmp_path / "run.html", tmp_path / "run.png"
    page.write_text(as_html(STATUS_OF_FAILED, PHASES))

    document = browse(page, "--dump-dom")
    browse(page, f"--screenshot={image}")

    for part in ("kubeadm join failed", "see to it", "commands/post", "kubelet-start (7.500s)"):
        assert part in document
    found = pixels(image)
    # A failed step of ten seconds of twelve, a phase of seven, and one that changed something for half a second.
    assert (
        near(found, "#b3261e", 0.55)
        > near(found, "#7a5bb0", 0.55)
        > near(found, "#2f7d4f", 0.55)
        > 50
    )


def test_a_browser_shows_the_picture_alone(tmp_path: Path) -> None:
    page, image = tmp_path / "run.svg", tmp_path / "run.png"
    page.write_text(as_svg(STATUS_OF_FAILED, PHASES))

    browse(page, f"--screenshot={image}")

    assert near(pixels(image), "#b3261e", 0.55) > 500


def test_no_value_of_a_report_makes_the_browser_ask_anybody(tmp_path: Path, site: Site) -> None:
    evil = f'"><img src="{site.url}/leak"><script>fetch("{site.url}/script")</script><style>@import "{site.url}/css";</style>'
    assert STATUS_OF_FAILED.error is not None
    error = msgspec.structs.replace(STATUS_OF_FAILED.error, message=evil, hint=evil, log_tail=evil)
    page = tmp_path / "run.html"
    page.write_text(as_html(msgspec.structs.replace(STATUS_OF_FAILED, error=error), PHASES))

    document = browse(page, "--dump-dom", "--virtual-time-budget=2000")

    assert "kubelet-start" in document
    assert site.asked == []


def test_what_the_page_forbids_would_be_seen(tmp_path: Path, site: Site) -> None:
    """The planted fault: the same picture in a page that says nothing of it is asked for; the page's own policy keeps it from being."""
    planted = f'<img src="{site.url}/leak">'
    page = tmp_path / "run.html"
    page.write_text(f"<!doctype html><body>{planted}</body>")

    browse(page, "--dump-dom", "--virtual-time-budget=2000")
    assert site.asked == ["/leak"]

    site.asked.clear()
    page.write_text(as_html(STATUS_OF_FAILED, PHASES).replace("</body>", f"{planted}</body>"))
    browse(page, "--dump-dom", "--virtual-time-budget=2000")
    assert site.asked == []
