"""The directory of a release as a catalog: its plugins by release.json, for the machine's platform, and what is wrong with one."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from machineadm.errors import PluginError, UsageError, VerificationError
from machineadm.plugins.catalogs.model import Catalog
from machineadm.plugins.catalogs.opening import open_catalog
from machineadm.sources.registries import CatalogWeb
from tests import releases
from tests.servers.registry import digest
from tests.unit.plugins.catalogs.conftest import CONTENT, Site

AWS = "machineadm-plugin-infrastructure-aws-linux-amd64.pyz"
ARM = "machineadm-plugin-infrastructure-aws-linux-arm64.pyz"
FILES = {
    "machineadm-linux-amd64.pyz": b"the agent",
    AWS: CONTENT,
    ARM: b"for another machine",
    "machineadm-plugin-infrastructure-aws-linux-amd64.pyz.cdx.json": b"{}",
    "machineadm-plugin-encryption-provider-two-words-linux-amd64.pyz": b"two words",
}


@pytest.fixture
def directory(tmp_path: Path) -> Path:
    place = tmp_path / "release"
    place.mkdir()
    for name, content in FILES.items():
        (place / name).write_bytes(content)
    said = {
        "schemaVersion": 1,
        "version": "v1.2.0",
        "commit": "c" * 40,
        "artifacts": [
            {
                "name": name,
                "sha256": digest(content).removeprefix("sha256:"),
                "size": len(content),
                "mediaType": "application/zip",
            }
            for name, content in FILES.items()
        ],
    }
    (place / "release.json").write_text(json.dumps(said))
    return place


@pytest.mark.parametrize(
    ("platform", "content"), [("linux/amd64", CONTENT), ("linux/arm64", FILES[ARM])]
)
def test_a_release_has_its_plugins_for_each_platform(
    site: Site, directory: Path, platform: str, content: bytes
) -> None:
    site.platform = platform
    fetched = site.fetch("infrastructure/aws@^1.0", directory)

    assert fetched.version == "1.2.0"
    assert Path(fetched.path).read_bytes() == content


def test_a_name_with_a_dash_is_found(site: Site, directory: Path) -> None:
    fetched = site.fetch("encryption-provider/two-words", directory)
    assert Path(fetched.path).read_bytes() == b"two words"


@pytest.mark.parametrize(
    "wanted",
    ["infrastructure/aws@2", "infrastructure/linux", "encryption-provider/two", "provider/aws"],
)
def test_what_a_release_does_not_have_is_not_found(
    site: Site, directory: Path, wanted: str
) -> None:
    with pytest.raises(PluginError) as refused:
        site.fetch(wanted, directory)
    assert refused.value.code == "MA7241"


def test_another_platform_is_told_with_those_that_are_there(site: Site, directory: Path) -> None:
    site.platform = "linux/riscv64"
    with pytest.raises(PluginError) as refused:
        site.fetch("infrastructure/aws", directory)
    assert refused.value.code == "MA7242"
    assert "linux/amd64, linux/arm64" in refused.value.hint()


def test_a_file_that_release_json_does_not_describe_is_not_installed(
    site: Site, directory: Path
) -> None:
    (directory / AWS).write_bytes(bytes(reversed(CONTENT)))
    with pytest.raises(PluginError) as refused:
        site.fetch("infrastructure/aws", directory)
    assert refused.value.code == "MA7246"
    assert not [name for name in site.files if name.endswith("infrastructure-aws")]


@pytest.fixture
def signed(directory: Path) -> bytes:
    """Sign the release; the public key."""
    data = (directory / "release.json").read_bytes()
    (directory / "release.json.sig").write_bytes(releases.signer().sign(data))
    return releases.public_key().pem()


def opened(directory: Path, keys: bytes) -> Catalog:
    return open_catalog(str(directory), CatalogWeb, release_keys=keys)


def test_a_release_that_the_key_signed_is_a_catalog(directory: Path, signed: bytes) -> None:
    found = opened(directory, signed).find("infrastructure", "aws", "1.2.0", "linux/amd64")
    assert found.digest == digest(CONTENT)


@pytest.mark.parametrize("fault", ["changed", "another key", "no signature", "no key at all"])
def test_a_release_that_the_key_did_not_sign_is_refused(
    directory: Path, signed: bytes, fault: str
) -> None:
    keys = signed
    if fault == "changed":
        path = directory / "release.json"
        path.write_bytes(path.read_bytes().replace(b"v1.2.0", b"v1.3.0"))
    if fault == "another key":
        keys = releases.public_key("another").pem()
    if fault == "no signature":
        (directory / "release.json.sig").unlink()
    if fault == "no key at all":
        keys = b"not a key"
    with pytest.raises((VerificationError, PluginError)) as refused:
        opened(directory, keys).versions("infrastructure", "aws")
    assert refused.value.code.startswith("MA17") or refused.value.code == "MA7243"


@pytest.mark.parametrize("what", ["directory", "layout", "registry"])
def test_a_key_of_a_release_takes_no_other_catalog(
    tmp_path: Path, signed: bytes, what: str
) -> None:
    address = "oci://registry.example/plugins"
    if what != "registry":
        place = tmp_path / "other"
        place.mkdir()
        address = str(place)
        if what == "layout":
            (place / "oci-layout").write_text("{}")
    told = re.escape(f"{address} is not a signed release")
    with pytest.raises(UsageError, match=told) as refused:
        open_catalog(address, CatalogWeb, release_keys=signed)
    assert refused.value.code == "MA7240"


@pytest.mark.parametrize(
    "text", ["", "{", "[]", '{"version": 1, "artifacts": []}', '{"version": "v1.0.0"}', "\udcff"]
)
def test_a_release_json_that_is_unfit_is_refused(site: Site, directory: Path, text: str) -> None:
    (directory / "release.json").write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(PluginError) as refused:
        site.fetch("infrastructure/aws", directory)
    assert "release.json" in str(refused.value)


@pytest.mark.parametrize(
    "digits",
    [
        "../../kept",
        "{victim}",
        "",
        "0" * 63,
        "A" * 64,
        "0" * 64 + "/../../../kept",
        "0" * 64 + ":x",
        "0" * 64 + "\n",
    ],
)
def test_what_a_release_names_in_place_of_a_digest_becomes_no_path(
    site: Site, directory: Path, digits: str
) -> None:
    victim = site.directory / "kept"
    victim.write_text("somebody's")
    said = json.loads((directory / "release.json").read_bytes())
    for one in said["artifacts"]:
        one["sha256"] = digits.replace("{victim}", str(victim))
    (directory / "release.json").write_text(json.dumps(said))

    with pytest.raises(PluginError) as refused:
        site.fetch("infrastructure/aws", directory)

    assert refused.value.code == "MA7245"
    assert victim.read_text() == "somebody's"
    assert site.files == []
