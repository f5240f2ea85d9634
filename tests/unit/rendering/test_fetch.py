"""The text that fetches the agent: which values it refuses, and that no value leaves its quotes."""

from __future__ import annotations

import base64
import gzip
import re
import subprocess
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from machineadm.api.meta import ValueSource
from machineadm.api.v1alpha1.agent_source import (
    AgentDownload,
    AgentSource,
    PreinstalledAgent,
    Sha256ByArchitecture,
)
from machineadm.documents.formats import FORMATS
from machineadm.errors import ConfigError
from machineadm.redaction import Secret
from machineadm.rendering.fetch import SHORT, agent_path, fetch_script, shortened

P256 = bytes.fromhex("3059301306072a8648ce3d020106082a8648ce3d03010703420004") + bytes(64)
KEY = f"-----BEGIN PUBLIC KEY-----\n{base64.encodebytes(P256).decode()}-----END PUBLIC KEY-----\n"
FIRST_LINE_OF_THE_PROGRAM = f"{SHORT['RUN']}=/run "


def download(**changes: Any) -> AgentDownload:
    given_anyway: dict[str, Any] = {
        "version": "v0.3.1",
        "urls": ("https://a.example/machineadm-linux-{arch}.pyz",),
        "sha256": "0" * 64,
    }
    return AgentDownload(**given_anyway | changes)


def values_as_a_shell_reads_them(script: str, *names: str) -> list[str]:
    head = script.partition(FIRST_LINE_OF_THE_PROGRAM)[0]
    asked = "".join(f'printf "%s\\0" "${name}"\n' for name in names)
    done = subprocess.run(["sh", "-euc", head + asked], capture_output=True, check=True)
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.requirement("R10")
def test_the_version_is_filled_in_and_the_architecture_left_to_the_machine() -> None:
    script = fetch_script(download(urls=("https://a.example/{version}/m-{arch}.pyz",)))

    assert values_as_a_shell_reads_them(script, "URLS") == ["https://a.example/v0.3.1/m-{arch}.pyz"]


def test_each_architecture_has_its_own_digest() -> None:
    sums = Sha256ByArchitecture(amd64="a" * 64, arm64="b" * 64)
    script = fetch_script(download(sha256=None, sha256_by_architecture=sums))

    assert values_as_a_shell_reads_them(script, "AMD64", "ARM64") == ["a" * 64, "b" * 64]
    assert shortened("case $arch in amd64) SHA256=") in script
    assert "sha256sum" in script
    assert shortened("case $arch in amd64) SHA256=") not in fetch_script(download())


text = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))


@settings(
    max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)
@given(
    url=st.text(st.characters(min_codepoint=0x21, max_codepoint=0x7E, exclude_characters="\\")),
    header=text,
    ca=text,
    destination=text,
)
def test_no_value_leaves_its_quotes(url: str, header: str, ca: str, destination: str) -> None:
    script = fetch_script(
        download(
            urls=(f"https://a.example/{url}",),
            headers={"X": Secret(header)},
            ca_bundle=f"<{ca}>",
            destination=f"/{destination}",
        )
    )

    found = values_as_a_shell_reads_them(
        script, "URLS", "HEADERS", "CA_BUNDLE", SHORT["DESTINATION"]
    )

    wanted = url.replace("{version}", "v0.3.1")
    assert found == [f"https://a.example/{wanted}", f"X: {header}", f"<{ca}>", f"/{destination}"]


@pytest.mark.parametrize("value", ["'", "';id;'", "$(id)", "`id`", "\\", "a\nid\n'", '"', "${IFS}"])
def test_what_a_shell_would_run_stays_text(value: str) -> None:
    script = fetch_script(download(destination=f"/{value}"))

    assert values_as_a_shell_reads_them(script, SHORT["DESTINATION"]) == [f"/{value}"]


@pytest.mark.parametrize(
    ("changes", "code"),
    [
        ({"sha256": None}, "MA1920"),
        ({"headers_from": {"X": ValueSource()}}, "MA1921"),
        ({"destination": "/a\0b"}, "MA1922"),
        ({"urls": ("ftp://a.example/m.pyz",)}, "MA1923"),
        ({"urls": ("gs://bucket/m.pyz",)}, "MA1923"),
        ({"urls": ("http://user:password@a.example/m.pyz",)}, "MA1924"),
        ({"public_key": "none"}, "MA1925"),
        ({"public_key": KEY.replace("PUBLIC", "RSA PUBLIC")}, "MA1925"),
        ({"public_key": KEY.replace("A", "B", 1)}, "MA1925"),
        ({"public_key": KEY + KEY[:-60] + "-----END PUBLIC KEY-----\n"}, "MA1925"),
    ],
)
def test_what_cannot_be_fetched_safely_is_refused(changes: dict[str, Any], code: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fetch_script(download(**changes))

    assert caught.value.code == code


@pytest.mark.parametrize(
    "url",
    [
        "https://evil%2f@mirror/a",
        "https://evil%3F@mirror/a",
        "https://evil%23@mirror/a",
        "https://evil%5C@mirror/a",
        "https://evil%00@mirror/a",
        "https://evil%0d%0a@mirror/a",
        "https://evil%@mirror/a",
        "https://evil\\@mirror/a",
        "https://evil@x@mirror/a",
        "https://evil;@mirror/a",
        "https://evil#@mirror/a",
        "https://evil?@mirror/a",
        "https://mirror;@evil/a",
        "https://mirror\t@evil/a",
        "https://mirror\n/a",
        "https://mirror%2e/a",
        "https://mirror:/a",
        "https://mirror:65536/a",
        "https://mirror:80:90/a",
        "https://mirror:x/a",
        "https://mirror\u3002x/a",
        "https://b\u00fccher/a",
        "https://mirror/\u00e4",
        "https://mirror/a b",
        "https://[fe80::1%25eth0]/a",
        "https://[fe80::1%eth0]/a",
        "https://[::1/a",
        "https://::1/a",
        "https:///a",
        "https://",
        "https:mirror/a",
        "https:/mirror/a",
        "https:\\\\mirror/a",
        "https://@/a",
    ],
)
def test_a_url_whose_host_programs_read_differently_is_refused(url: str) -> None:
    with pytest.raises(ConfigError) as caught:
        fetch_script(download(urls=(url,)))

    assert caught.value.code in ("MA1923", "MA1926")
    assert FORMATS["url"](url) or not url.isascii() or " " in url


@pytest.mark.parametrize(
    "url",
    [
        "https://mirror/a",
        "https://Mirror.Example:8443/{version}/x-{arch}.pyz?token=a%2Fb&c=@#f",
        "https://user:p%40ss@mirror/a",
        "https://user@mirror",
        "http://[2001:db8::1]:8080/a",
        "http://192.0.2.1/a",
        "https://my_mirror/a@b:c",
        "https://xn--bcher-kva.example/a",
    ],
)
def test_a_url_that_all_read_alike_is_taken(url: str) -> None:
    fetch_script(download(urls=(url,)))

    assert FORMATS["url"](url) == ""


def test_an_at_sign_in_a_path_is_no_password() -> None:
    fetch_script(download(urls=("http://a.example/m@v1.pyz",)))


@pytest.mark.requirement("R10")
def test_two_keys_are_carried_while_one_is_being_replaced() -> None:
    script = fetch_script(download(public_key=KEY + "\n" + KEY))

    (keys,) = values_as_a_shell_reads_them(script, "KEYS")
    assert [base64.b64decode(key) for key in keys.split("\n")] == [P256, P256]


def test_it_is_small_enough_to_travel_in_user_data() -> None:
    script = fetch_script(download(public_key=KEY)).encode()

    assert (
        len(gzip.compress(script, 9, mtime=0)) < 4608
    )  # of the 16 KiB that the smallest user data has


@pytest.mark.parametrize(
    ("source", "path"),
    [
        (None, "/usr/bin/machineadm"),
        (AgentSource(preinstalled=PreinstalledAgent()), "/usr/bin/machineadm"),
        (AgentSource(preinstalled=PreinstalledAgent(path="/opt/m")), "/opt/m"),
        (AgentSource(download=download()), "/usr/local/bin/machineadm"),
        (AgentSource(download=download(destination="/opt/bin/m")), "/opt/bin/m"),
    ],
)
def test_where_the_agent_lies(source: AgentSource | None, path: str) -> None:
    assert agent_path(source) == path


def test_a_short_name_is_nobody_elses() -> None:
    text = (Path(__file__).parents[3] / "machineadm/rendering/fetch.sh").read_text()
    text = re.sub(r"^\t.*\n", "", text, flags=re.MULTILINE)  # Python's own variables
    variables = set(re.findall(r"(?<=\$)\w+|(?<=\$\{)\w+|(?<=\$\{#)\w+|(?<=for )\w+(?= in)", text))

    assert set(SHORT) <= variables
    assert not variables & set(SHORT.values())
    assert len(set(SHORT.values())) == len(SHORT)


def test_whatever_reads_or_sets_a_variable_has_its_short_name() -> None:
    short = SHORT["work"]

    assert shortened('"$work/a" "${work}" ${#work} "${work%/*}"') == (
        f'"${short}/a" "${{{short}}}" ${{#{short}}} "${{{short}%/*}}"'
    )
    assert shortened("work=1 file='' x=work") == f"{short}=1 {SHORT['file']}='' x=work"
    assert shortened("read -r status next <a") == f"read -r {SHORT['status']} {SHORT['next']} <a"
    assert shortened("for url in $todo; do") == f"for {SHORT['url']} in ${SHORT['todo']}; do"
    assert shortened("echo work --file=1 $working a/url=") == "echo work --file=1 $working a/url="
