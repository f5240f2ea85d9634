"""A bill of materials names what lies inside wheels, as the wheels themselves tell it."""

import json
import zipfile
from pathlib import Path
from typing import Any

import pytest

from sbom import Subject, bill_of_materials

METADATA = "Metadata-Version: 2.1\nName: {}\nVersion: 1.0\nLicense-Expression: MIT\n"
OPENSSL = b"\0text OpenSSL 4.0.3 29 Sep 2026\0text"


def bill_with(openssl: str) -> bytes:
    part = {
        "type": "library",
        "bom-ref": "path+file:///builder/openssl",
        "name": "openssl",
        "version": openssl,
        "purl": f"pkg:generic/openssl@{openssl}",
    }
    crate = {"type": "library", "name": "openssl", "version": "0.10.81"}
    crate["purl"] = "pkg:cargo/openssl@0.10.81"
    own = {"type": "library", "bom-ref": "x", "name": "cryptography-rust", "version": "1.0"}
    parts = [crate, part]
    bill = {"bomFormat": "CycloneDX", "components": parts, "metadata": {"component": own}}
    return json.dumps(bill).encode()


def wheel(directory: Path, name: str, contents: dict[str, bytes]) -> Path:
    path = directory / f"{name}-1.0-cp39-abi3-manylinux2014_x86_64.whl"
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr(f"{name}-1.0.dist-info/METADATA", METADATA.format(name))
        for entry, content in contents.items():
            archive.writestr(entry, content)
    return path


def cryptography(directory: Path, *, says: str = "4.0.3", holds: bytes = OPENSSL) -> Path:
    contents = {
        "cryptography/hazmat/bindings/_rust.abi3.so": holds,
        "cryptography-1.0.dist-info/sboms/openssl.json": bill_with(says),
    }
    return wheel(directory, "cryptography", contents)


def bill(*wheels: Path) -> dict[str, Any]:
    subject = Subject(
        "machineadm", "a.pyz", b"agent", "amd64", "0.1.0", "c" * 40, 1_700_000_000, list(wheels)
    )
    assert bill_of_materials(subject) == bill_of_materials(subject)
    read: dict[str, Any] = json.loads(bill_of_materials(subject))
    return read


def test_what_a_wheels_own_bill_names_is_taken_over_without_the_builders_paths(
    tmp_path: Path,
) -> None:
    (component,) = bill(cryptography(tmp_path))["components"]

    inside = {(part["name"], part["version"]): part for part in component["components"]}
    assert set(inside) == {
        ("cryptography-rust", "1.0"),
        ("openssl", "0.10.81"),
        ("openssl", "4.0.3"),
    }
    assert inside["openssl", "4.0.3"]["cpe"] == "cpe:2.3:a:openssl:openssl:4.0.3:*:*:*:*:*:*:*"
    assert "/builder/" not in json.dumps(component)
    assert component["licenses"] == [{"expression": "MIT"}]


def test_a_library_that_only_the_text_of_a_module_tells_is_named(tmp_path: Path) -> None:
    module = {"yaml/_yaml.cpython-311-x86_64-linux-gnu.so": b"text\0000.2.5\0text"}

    (component,) = bill(wheel(tmp_path, "pyyaml", module))["components"]

    (libyaml,) = component["components"]
    assert (libyaml["name"], libyaml["version"]) == ("libyaml", "0.2.5")
    assert libyaml["purl"] == "pkg:github/yaml/libyaml@0.2.5"


def test_a_bill_that_the_module_contradicts_is_refused(tmp_path: Path) -> None:
    with pytest.raises(SystemExit, match=r"says openssl 3\.0\.0, holds 4\.0\.3"):
        bill(cryptography(tmp_path, says="3.0.0"))


@pytest.mark.parametrize("text", [b"nothing", b"OpenSSL 4.0.3 1 May 2026 OpenSSL 4.0.4 1 May 2026"])
def test_a_module_that_does_not_tell_one_version_is_refused(tmp_path: Path, text: bytes) -> None:
    with pytest.raises(SystemExit, match="does not tell one version of openssl"):
        bill(cryptography(tmp_path, holds=text))


def test_a_wheel_of_which_nothing_is_carried_is_not_named(tmp_path: Path) -> None:
    assert bill(wheel(tmp_path, "pycparser", {"pycparser/__init__.py": b""}))["components"] == []


def test_another_content_has_another_number(tmp_path: Path) -> None:
    first = bill(cryptography(tmp_path))["serialNumber"]
    second = bill(cryptography(tmp_path), wheel(tmp_path, "h2", {"h2/__init__.py": b""}))

    assert first != second["serialNumber"]
