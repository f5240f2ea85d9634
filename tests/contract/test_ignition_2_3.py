"""The rendering for Ignition 2.3 keeps to the published specification (coreos/ignition, doc/configuration-v2_3.md).

No program that reads spec 2.3 can be had any more, so these types stand in for one: the parts of the specification that a
rendering uses, every other field refused.
"""

import base64
import gzip
from pathlib import Path
from typing import Annotated, Any, Literal
from urllib.parse import urlsplit

import msgspec
import pytest
from msgspec import Meta, Struct, field

from machineadm.rendering.builtin import BUILTINS
from machineadm.rendering.stream import read_bundle, render_bundle

EXAMPLE = Path(__file__).parents[2] / "examples/rendering/worker.yaml"

AbsolutePath = Annotated[str, Meta(pattern=r"^/[^\0]*[^/\0]$")]
Mode = Annotated[int, Meta(ge=0, le=0o7777)]


class Strict(Struct, forbid_unknown_fields=True, kw_only=True, rename="camel"):
    pass


class About(Strict):
    version: Literal["2.3.0"]


class Verification(Strict):
    hash: Annotated[str, Meta(pattern="^sha512-[0-9a-f]{128}$")] | None = None


class Contents(Strict):
    compression: Literal["gzip", ""] = ""
    source: str = ""
    verification: Verification = field(default_factory=Verification)


class Owner(Strict):
    id: int | None = None
    name: str | None = None


class Node(Strict):
    filesystem: Literal["root"]  # the one that needs no definition of its own
    path: AbsolutePath
    overwrite: bool | None = None
    user: Owner | None = None
    group: Owner | None = None


class File(Node):
    append: bool = False
    contents: Contents = field(default_factory=Contents)
    mode: Mode | None = None


class Directory(Node):
    mode: Mode | None = None


class Storage(Strict):
    files: list[File] = []
    directories: list[Directory] = []


class DropIn(Strict):
    name: Annotated[str, Meta(pattern=r"\.conf$")]
    contents: str = ""


class Unit(Strict):
    name: Annotated[
        str, Meta(pattern=r"^[A-Za-z0-9:_.@-]+\.(service|socket|mount|target|timer|path)$")
    ]
    enabled: bool | None = None
    mask: bool = False
    contents: str = ""
    dropins: list[DropIn] = []


class Systemd(Strict):
    units: list[Unit] = []


class Ignition23(Strict):
    ignition: About
    storage: Storage = field(default_factory=Storage)
    systemd: Systemd = field(default_factory=Systemd)


def problems(config: bytes) -> list[str]:
    """What is wrong with a configuration of spec 2.3."""
    try:
        decoded = msgspec.json.decode(config, type=Ignition23)
    except msgspec.DecodeError as error:
        return [str(error)]
    nodes: list[Any] = [*decoded.storage.files, *decoded.storage.directories]
    paths = [node.path for node in nodes]
    found = [f"{path} twice" for path in {*paths} if paths.count(path) > 1]
    for file in decoded.storage.files:
        if file.append and file.overwrite:
            found.append(f"{file.path}: append and overwrite")
        found += _source(file)
    for unit in decoded.systemd.units:
        if unit.enabled and "[Install]" not in unit.contents:
            found.append(f"{unit.name}: enabled without an install section")
    return found


def _source(file: File) -> list[str]:
    url = urlsplit(file.contents.source)
    if url.scheme not in ("", "http", "https", "tftp", "s3", "data"):
        return [f"{file.path}: scheme {url.scheme}"]
    if url.scheme == "data":
        kind, _, data = url.path.partition(",")
        try:
            content = base64.b64decode(data, validate=True) if kind.endswith(";base64") else b""
            if file.contents.compression:
                gzip.decompress(content)
        except (ValueError, OSError, EOFError) as error:
            return [f"{file.path}: {error}"]
    return []


def rendered(template: str) -> bytes:
    bundle = read_bundle([("worker.yaml", EXAMPLE.read_bytes())])
    outcome = render_bundle(bundle, random=bytes, template=template)
    assert outcome.rendered is not None, outcome.problems
    return outcome.rendered.user_data


@pytest.mark.requirement("R5", "U1")
def test_the_rendering_keeps_to_the_specification() -> None:
    assert problems(rendered("ignition-2.3")) == []


@pytest.mark.parametrize(
    ("right", "wrong"),
    [
        ('"filesystem": "root", ', ""),
        ('"2.3.0"', '"3.4.0"'),
        ('"mode": 384', '"mode": "0600"'),
        ('"enabled"', '"enable_"'),
        ('"overwrite": true,', '"overwrite": true, "append": true,'),
        ("base64,H4sI", "base64,XXXX"),
        ("/agent", "/start.sh"),
        ("[Install]", "[Unit]"),
    ],
)
def test_a_planted_fault_is_found(right: str, wrong: str) -> None:
    config = rendered("ignition-2.3").decode()
    assert right in config

    assert problems(config.replace(right, wrong, 1).encode()) != []


def test_that_for_3_4_is_none() -> None:
    assert [name for name in BUILTINS if not problems(rendered(name))] == ["ignition-2.3"]
