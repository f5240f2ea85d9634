"""The bill of materials of the file of an agent or a plugin: every wheel, and what is inside the wheels.

CycloneDX 1.6. Some wheels bring bills of their own (PEP 770), which are taken over; of others the text
of an extension module tells which library was linked in. Same wheels and commit, same bytes.
"""

from __future__ import annotations

import json
import re
import sys
import uuid
import zipfile
from datetime import datetime, timezone
from email.message import Message
from email.parser import BytesParser
from hashlib import sha256
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

from slim import needed
from wheels import parse

Component = dict[str, Any]
# What of a component in a wheel's own bill is taken over.
TAKEN_OVER = (
    "type", "name", "version", "description", "scope", "hashes", "licenses", "purl", "cpe",
    "externalReferences",
)  # fmt: skip


class Linked(NamedTuple):
    """A library that is part of an extension module, and how its version is found."""

    wheel: str
    module: str
    name: str
    purl: str
    version: bytes | None = None
    """An expression with one group, for the text of the module; None: the module does not say."""
    vulnerabilities: str = ""
    """Vendor and product as the National Vulnerability Database calls them, for scanners."""


# By hand, for such libraries are in no metadata; that each is where it should be is asserted when a
# bill is written.
LINKED = (
    Linked(
        "cryptography",
        "cryptography/hazmat/bindings/_rust.",
        "openssl",
        "pkg:generic/openssl",
        rb"\bOpenSSL (\d+\.\d+\.\d+) \d+ [A-Z][a-z]+ \d{4}",
        "openssl:openssl",
    ),
    Linked("pyyaml", "yaml/_yaml.", "libyaml", "pkg:github/yaml/libyaml", rb"\0(\d+\.\d+\.\d+)\0"),
    Linked("cffi", "_cffi_backend.", "libffi", "pkg:github/libffi/libffi"),
    Linked("protobuf", "google/_upb/_message.", "upb", "pkg:github/protocolbuffers/protobuf#upb"),
    Linked(
        "protobuf",
        "google/_upb/_message.",
        "utf8_range",
        "pkg:github/protocolbuffers/protobuf#third_party/utf8_range",
    ),
)


class Subject(NamedTuple):
    """The file that a bill of materials or a statement is about."""

    program: str
    """`machineadm`, or the name of a plugin's executable."""
    name: str
    content: bytes
    architecture: str
    version: str
    commit: str
    epoch: int
    wheels: list[Path]


def bill_of_materials(subject: Subject) -> bytes:
    """Write the bill of materials of the file of an agent or a plugin."""
    purl = f"pkg:generic/{subject.program}@{subject.version}?arch={subject.architecture}"
    # Some wheels bring nothing that is packed, and a bill lists what is in the file.
    wheels = [
        component for wheel in subject.wheels if (component := wheel_component(wheel)) is not None
    ]
    agent = {
        "type": "application",
        "bom-ref": purl,
        "name": subject.program,
        "version": subject.version,
        "description": f"{subject.name}, for CPython 3.10 to 3.14",
        "hashes": [hash_of(subject.content)],
        "licenses": [{"license": {"id": "Apache-2.0"}}],
        "purl": purl,
        "properties": [{"name": "machineadm:commit", "value": subject.commit}],
    }
    bill = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "version": 1,
        "metadata": {
            # The commit's time and not the builder's, or no two bills would be the same.
            "timestamp": datetime.fromtimestamp(subject.epoch, timezone.utc).isoformat(),
            "lifecycles": [{"phase": "build"}],
            "component": agent,
        },
        "components": wheels,
        "dependencies": [
            {"ref": agent["bom-ref"], "dependsOn": [wheel["bom-ref"] for wheel in wheels]}
        ],
    }
    # Another content is another bill, and the same content the same: no number by chance.
    number = uuid.uuid5(uuid.NAMESPACE_URL, sha256(as_json(bill)).hexdigest())
    return as_json({**bill, "serialNumber": f"urn:uuid:{number}"})


def as_json(value: object) -> bytes:
    """Write JSON for people and machines, the same wherever it is written."""
    # Sorted, so that the order in which it was put together does not matter.
    return json.dumps(value, indent=2, sort_keys=True).encode() + b"\n"


def wheel_component(wheel: Path) -> Component | None:
    """Describe a wheel and its contents; None if nothing of it is in the file."""
    with zipfile.ZipFile(wheel) as archive:
        files = needed(archive.namelist())
        if not files:
            return None
        info = next(name for name in archive.namelist() if name.endswith(".dist-info/METADATA"))
        metadata = BytesParser().parsebytes(archive.read(info), headersonly=True)
        name, version = str(parse(wheel)[0]), str(parse(wheel)[1])
        purl = purl_of(wheel)
        inside = declared(archive)
        inside += linked(archive, name, version, inside)
    component: Component = {
        "type": "library",
        "bom-ref": purl,
        "name": name,
        "version": version,
        # Of the whole wheel, as the index and the lock have it.
        "hashes": [hash_of(wheel.read_bytes())],
        "purl": purl,
        "properties": [{"name": "machineadm:wheel", "value": wheel.name}],
    }
    if licences := licences_of(metadata):
        component["licenses"] = licences
    if inside:
        component["components"] = [
            {**part, "bom-ref": f"{purl}#{part['name']}@{part.get('version', '')}"}
            for part in sorted(inside, key=lambda part: str(part["name"]))
        ]
    return component


def purl_of(wheel: Path) -> str:
    """Name a wheel as a package URL."""
    name, version = parse(wheel)[:2]
    return f"pkg:pypi/{name}@{quote(str(version))}?file_name={quote(wheel.name)}"


def licences_of(metadata: Message) -> list[dict[str, object]]:
    """Give the licence that a wheel's metadata names, as an expression where it is one."""
    # PEP 639's field comes first: it is an SPDX expression, where License may be any text.
    if expression := metadata["License-Expression"]:
        return [{"expression": expression}]
    text = (metadata["License"] or "").partition("\n")[0].strip()
    return [{"license": {"name": text}}] if text else []


def declared(archive: zipfile.ZipFile) -> list[Component]:
    """Take over the components that a wheel's own bills name (PEP 770)."""
    found = []
    for name in archive.namelist():
        if ".dist-info/sboms/" in name and name.endswith(".json"):
            bill = json.loads(archive.read(name))
            # An error: a bill that is passed over would leave components out without a sign.
            if bill.get("bomFormat") != "CycloneDX":
                sys.exit(f"{archive.filename}: {name} is not CycloneDX, so it cannot be merged")
            parts = [*bill.get("components", ())]
            parts += [part] if (part := bill.get("metadata", {}).get("component")) else []
            source = {"name": "machineadm:found", "value": name.partition("/")[2]}
            found += [
                {key: part[key] for key in TAKEN_OVER if key in part} | {"properties": [source]}
                for part in parts
            ]
    return found


def linked(
    archive: zipfile.ZipFile, wheel: str, version: str, known: list[Component]
) -> list[Component]:
    """Describe what was linked into a wheel's extension modules, and compare with its own bills."""
    found = []
    for rule in LINKED:
        modules = [name for name in archive.namelist() if name.startswith(rule.module)]
        if rule.wheel != wheel:
            continue
        # A wheel that is laid out anew must be looked at by a person.
        if len(modules) != 1:
            sys.exit(f"{archive.filename}: {rule.name} should be in {rule.module}*: {modules}")
        said = {"name": "machineadm:found", "value": modules[0]}
        component = {"type": "library", "name": rule.name, "purl": rule.purl, "properties": [said]}
        if rule.version:
            text = version_in(archive, modules[0], rule.name, rule.version)
            component |= {"version": text, "purl": f"{rule.purl}@{text}"}
            component["cpe"] = f"cpe:2.3:a:{rule.vulnerabilities}:{text}:*:*:*:*:*:*:*"
        # By its URL: a Rust crate is called openssl, too.
        same = [part for part in known if str(part.get("purl")).startswith(f"{rule.purl}@")]
        for part in same:
            # The module's own text is what runs; a bill that says something else is wrong.
            if part.get("version") != component.get("version"):
                sys.exit(
                    f"{archive.filename}: says {rule.name} {part.get('version')}, "
                    f"holds {component.get('version')}"
                )
            part.setdefault("cpe", component["cpe"])
        found += [] if same else [component]
    return found


def version_in(archive: zipfile.ZipFile, module: str, name: str, pattern: bytes) -> str:
    """Find the one version of a library that the text of a module tells."""
    versions: set[str] = {found.decode() for found in re.findall(pattern, archive.read(module))}
    # None or several: the expression does not find what it was written for.
    if len(versions) != 1:
        sys.exit(f"{archive.filename}: {module} does not tell one version of {name}: {versions}")
    return versions.pop()


def hash_of(content: bytes) -> dict[str, str]:
    """Give a digest as CycloneDX has it."""
    return {"alg": "SHA-256", "content": sha256(content).hexdigest()}
