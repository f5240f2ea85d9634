"""Where user data lays the configuration, and who can read it there."""

from __future__ import annotations

import base64
import gzip
import json

import pytest

from machineadm.rendering.inspection import UnfitError, written_files

DOCUMENTS = b'{"kind": "MachineConfiguration"}\n'
PACKED = base64.b64encode(gzip.compress(DOCUMENTS, mtime=0)).decode()
PLAIN = base64.b64encode(DOCUMENTS).decode()


def exposures(user_data: str, format_: str = "cloud-config") -> list[str]:
    files = written_files(user_data.encode(), format_, {"the configuration": DOCUMENTS})
    return [file.exposed for file in files if file.holds]


def cloud_config(**file: object) -> str:
    return "#cloud-config\n" + json.dumps({"write_files": [{"path": "/run/x", **file}]})


@pytest.mark.parametrize(
    ("encoding", "content"),
    [
        ("gz+b64", PACKED),
        ("gzip+base64", PACKED),
        ("gz+base64", f"{PACKED}."),
        ("b64", PLAIN),
        ("base64", PLAIN),
        ("", DOCUMENTS.decode()),
        ("text/plain", f"before\n{DOCUMENTS.decode()}after\n"),
    ],
)
def test_the_configuration_is_found_however_it_is_encoded(encoding: str, content: str) -> None:
    assert exposures(cloud_config(encoding=encoding, content=content, permissions="0600")) == [""]


@pytest.mark.parametrize(("encoding", "content"), [("gz+b64", "H4sIxx"), ("b64", "!"), ("gz", "a")])
def test_what_cannot_be_decoded_is_not_the_configuration(encoding: str, content: str) -> None:
    assert exposures(cloud_config(encoding=encoding, content=content)) == []


@pytest.mark.parametrize(
    ("path", "permissions", "words"),
    [
        ("/run/x", "0600", ""),
        ("/run/x", "0o400", ""),
        ("/run/x", "0640", "mode 0640: all users"),
        ("/run/x", "0604", "mode 0604: all users"),
        ("/run/x", "", "mode 0644: all users"),
        ("/tmp/x", "0644", "mode 0644, in /tmp: all users"),
        ("/tmp/x", "0600", "in /tmp: any user of the machine can plant something there first"),
        ("/var/tmp/x", "0600", "in /var/tmp: any user"),
    ],
)
def test_who_can_read_it_is_told(path: str, permissions: str, words: str) -> None:
    text = cloud_config(path=path, permissions=permissions, content=DOCUMENTS.decode())
    (exposed,) = exposures(text)

    assert exposed.startswith(words)
    assert bool(exposed) == bool(words)


@pytest.mark.parametrize(
    ("mode", "source", "compression", "expected"),
    [
        (0o600, f"data:;base64,{PLAIN}", None, [""]),
        (0o600, f"data:text/plain;charset=utf-8;base64,{PACKED}", "gzip", [""]),
        (0o644, f"data:;base64,{PLAIN}", "", ["mode 0644: all users of the machine can read it"]),
        (None, f"data:;base64,{PLAIN}", "", ["mode 0644: all users of the machine can read it"]),
        (0o600, "https://example.com/x", None, []),
    ],
)
def test_ignition_is_looked_at_as_cloud_config_is(
    mode: int | None, source: str, compression: str | None, expected: list[str]
) -> None:
    file = {
        "path": "/etc/x",
        "mode": mode,
        "contents": {"source": source, "compression": compression},
    }
    config = {"ignition": {"version": "3.4.0"}, "storage": {"files": [file, 1, {}]}}

    assert exposures(json.dumps(config), "ignition") == expected


@pytest.mark.parametrize(
    "text", ["#!/bin/sh\n", "#include\nhttps://x\n", "#cloud-config-archive\n- '#!/bin/sh'\n"]
)
def test_what_lays_out_no_file_itself_is_let_pass(text: str) -> None:
    assert exposures(text) == []


@pytest.mark.parametrize(
    ("owner", "words"), [("root:root", ""), ("nobody:root", "owned by nobody")]
)
def test_who_owns_it_is_told(owner: str, words: str) -> None:
    cloud = cloud_config(owner=owner, permissions="0600", content=DOCUMENTS.decode())
    source = {"source": f"data:;base64,{PLAIN}"}
    user = {"name": owner.partition(":")[0]}
    file = {"path": "/etc/x", "mode": 0o600, "user": user, "contents": source}
    ignition = json.dumps({"ignition": {"version": "3.4.0"}, "storage": {"files": [file]}})

    for (exposed,) in (exposures(cloud), exposures(ignition, "ignition")):
        assert exposed.startswith(words)
        assert bool(exposed) == bool(words)


@pytest.mark.parametrize(
    "part",
    ["- type: text/jinja2\n  content: x\n", "- content: |\n    ## template: jinja\n    x\n"],
)
def test_no_part_of_an_archive_is_a_template_of_jinja(part: str) -> None:
    with pytest.raises(UnfitError, match="Jinja"):
        exposures(f"#cloud-config-archive\n{part}")


def test_an_empty_cloud_config_does_nothing() -> None:
    with pytest.raises(UnfitError):
        exposures("#cloud-config\n")


def test_a_content_that_decompresses_to_anything_is_not_read_to_its_end() -> None:
    bomb = base64.b64encode(gzip.compress(bytes(64 * 1024 * 1024))).decode()

    with pytest.raises(UnfitError) as caught:
        exposures(cloud_config(encoding="gz+b64", content=bomb))
    assert caught.value.code == "MA1614"
