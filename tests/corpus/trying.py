"""Every spec of the corpus, converted and tried: is it valid, does it plan, does it apply below a root?"""

from __future__ import annotations

import contextlib
import io
import json
import re
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any, NamedTuple

from machineadm.cli.main import main
from machineadm.config.instance_data import names
from machineadm.config.validation import check
from machineadm.conversion.account import Leaf
from machineadm.conversion.fields import Role
from machineadm.conversion.whole import Conversion, Request, convert
from machineadm.documents.decoding import decode, read_values
from tests.corpus.specs import VERSION, Spec

VERSIONS = (VERSION, "v1.36.0", "v1.30.4", "v1.34.4")
"""A spec that is for another version than the first one is tried with the others."""

DISCOVERY: dict[str, Any] = {
    "discovery": {
        "type": "Token",
        "token": "abcdef.0123456789abcdef",
        "endpoint": "192.0.2.10:6443",
        "caCertHashes": [f"sha256:{'0' * 64}"],
    }
}
PASSWD = "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n"
GROUP = "root:x:0:\nadm:x:4:\nsudo:x:27:\ndocker:x:998:\n"


class Machine(NamedTuple):
    """A machine of a spec."""

    role: Role
    version: str
    text: str
    """The MachineConfiguration."""

    leaves: tuple[Leaf, ...]
    problems: tuple[str, ...]
    """Why it is refused; empty if it is valid."""


def whole(spec: Spec) -> Conversion:
    """What `convert` makes of a spec without being told a role, for the version that suits it best."""
    best: Conversion | None = None
    fewest = 0
    for version in VERSIONS:
        found = convert([(spec.name, spec.text.encode())], Request(version=version))
        decisions = sum(len(result.decisions) for result in found.results)
        if best is None or decisions < fewest:
            best, fewest = found, decisions
        if not fewest:
            break
    assert best is not None
    return best


def secrets(spec: Spec) -> str:
    """The Secrets that a spec takes the contents of files from."""
    found = ""
    files = spec.spec.get("files")
    for file in files if isinstance(files, list) else ():
        source = file.get("contentFrom", {}).get("secret") if isinstance(file, dict) else None
        if source:
            name, key, value = map(json.dumps, (source["name"], source["key"], "#!/bin/sh\ntrue\n"))
            found += "---\napiVersion: v1\nkind: Secret\n"
            found += f"metadata: {{name: {name}}}\nstringData: {{{key}: {value}}}\n"
    return found


def machines(spec: Spec) -> Iterator[Machine]:
    """The machines of a spec, one for each role that it has."""
    for role in spec.roles:
        tried = []
        for version in VERSIONS:
            tried.append(_machine(spec, role, version))
            if not tried[-1].problems:
                break
        yield tried[-1] if not tried[-1].problems else tried[0]


def _machine(spec: Spec, role: Role, version: str) -> Machine:
    discovery = {} if role == "Initialize" else dict(DISCOVERY)
    if role == "JoinControlPlane":
        discovery["certificateKey"] = "0" * 64
    request = Request(to="MachineConfiguration", role=role, discovery=discovery, version=version)
    text = spec.text.rstrip("\n") + "\n" + secrets(spec)
    conversion = convert([(spec.name, text.encode())], request)
    if conversion.problems:
        return Machine(role, version, "", (), tuple(one.message for one in conversion.problems))
    (result,) = conversion.results
    (document,) = decode(result.text.encode(), file=spec.name)
    problems = [f"{one.code} {one.path}: {one.message}" for one in document.problems]
    if document.value is not None and not problems:
        problems = [
            f"{one.code} {one.path}: {one.message}"
            for one in check(document.value, read=read_values)
            if one.severity == "error"
        ]
    return Machine(role, version, result.text, result.leaves, tuple(problems))


def instance_data(text: str) -> dict[str, Any]:
    """Values for every name of instance data that a configuration refers to."""
    found: dict[str, Any] = {}
    for match in re.finditer(r"\$\([a-z0-9][^()\s]*\)", text):
        for name in names(match[0]):
            *above, last = name.split(".")
            inner = found
            for part in above:
                inner = inner.setdefault(part, {})
            inner[last] = _value(name)
    return found


def _value(name: str) -> str:
    """One for each name, so that a reference to another name shows."""
    if re.search("ip(v4|v6)?([._]|$)|address", name.lower()):
        return "192.0.2.21"
    value = re.sub("[^a-z0-9]+", "-", name.lower())
    return f"{value}.example" if "hostname" in value else value


class Applied(NamedTuple):
    """What a machine became below a root of its own."""

    planned: bool
    applied: bool
    said: str
    """What was said, if it did not."""

    kubeadm: str = ""
    """What kubeadm would be given."""


def planned_and_applied(machine: Machine) -> Applied:
    """Plan and apply a machine below a root of its own."""
    with tempfile.TemporaryDirectory() as name:
        directory = Path(name)
        root = directory / "root"
        (root / "etc").mkdir(parents=True)
        (root / "etc/passwd").write_text(PASSWD)
        (root / "etc/group").write_text(GROUP)
        for unit in ("chrony.service", "containerd.service"):
            path = root / "usr/lib/systemd/system" / unit
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text("[Service]\nExecStart=/bin/true\n")
        (directory / "machine.yaml").write_text(machine.text)
        (directory / "values.json").write_text(json.dumps(instance_data(machine.text)))
        options = [
            "--path",
            f"{directory}/machine.yaml",
            "--root",
            str(root),
            "--instance-data",
            f"{directory}/values.json",
        ]
        said = io.TextIOWrapper(io.BytesIO(), encoding="utf-8")
        with contextlib.redirect_stdout(said), contextlib.redirect_stderr(said):
            plan = main(["plan", *options])
        # A process of its own: a run keeps descriptors until it ends.
        run = subprocess.run(
            [sys.executable, "-m", "machineadm", "bootstrap", *options],
            capture_output=True,
            text=True,
            check=False,
        )
        code = run.returncode
        config = root / "run/machineadm/kubeadm/config.yaml"
        return Applied(
            plan in (0, 10),
            code == 0,
            "" if code == 0 else run.stderr[-2000:],
            config.read_text() if config.exists() else "",
        )
