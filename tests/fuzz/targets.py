"""What reads bytes that others wrote, and bytes to begin with.

A target takes any bytes and returns. Errors that it is meant to raise are caught here; every other one is a finding.
"""

from __future__ import annotations

import contextlib
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from machineadm.errors import MachineadmError

ROOT = Path(__file__).parents[2]
FOUND = Path(__file__).parent / "found"
"""Inputs that once broke something, by target: each is tried in every run."""


class Target(NamedTuple):
    """One reader of bytes."""

    read: Callable[[bytes], object]
    seeds: Sequence[bytes]
    """Valid inputs, or nearly."""


def _text(data: bytes) -> str:
    return data.decode("utf-8", "replace")


def configuration(data: bytes) -> object:
    """A stream of documents, as a boot brings it."""
    from machineadm.agent.intake import examine
    from machineadm.sources.stream import Stream

    found = examine([Stream(name="in.yaml", data=data)])
    for problem in found.problems:
        assert problem.line >= 1, problem
        assert "\n" not in problem.message, problem
    return found


def kubeadmconfig(data: bytes) -> object:
    """What others' bootstrap providers take."""
    from machineadm.conversion.whole import Request, convert

    found = convert([("in.yaml", data)], Request())
    assert found.problems or found.results
    return found


def template(data: bytes) -> object:
    """A template of user data."""
    from machineadm.rendering.functions import functions
    from machineadm.rendering.template import Template, TemplateError

    with contextlib.suppress(TemplateError):
        return Template(_text(data), functions(b"kind: x\n", b"#!/bin/sh\n", b"/a")).render()
    return None


def user_data(data: bytes) -> object:
    """User data, as its own readers see it."""
    from machineadm.rendering.inspection import written_files
    from machineadm.rendering.readers import UnfitError

    for format_ in ("cloud-config", "ignition"):
        with contextlib.suppress(UnfitError):
            written_files(data, format_, {"a key": b"hunter2"})
    return None


def instance_data(data: bytes) -> object:
    """A text with references to instance data."""
    from machineadm.config.instance_data import names, parse

    with contextlib.suppress(ValueError):
        return parse(_text(data)), names(_text(data))
    return None


def handshake(data: bytes) -> object:
    """The line that a plugin prints."""
    from machineadm.plugins.wire.handshake import offered, parse

    text = _text(data)
    offered(text)
    for mtls in (False, True):
        with contextlib.suppress(MachineadmError):
            parse(text, versions=(1, 2), mtls=mtls, multiplexed=not mtls)
    return None


def plugin_log(data: bytes) -> object:
    """A plugin's standard error."""
    from machineadm.plugins.wire.logs import Log

    log = Log()
    return [str(log.record(line)) for line in data.split(b"\n")]


def state(data: bytes) -> object:
    """What an earlier run has left: journal, ledger and report, on a disk that was not kind to them."""
    from machineadm.execution.journal import JOURNAL, Journal
    from machineadm.execution.ledger import Ledger
    from machineadm.reporting.sinks import read_status
    from tests.fakes.clock import FakeClock
    from tests.fakes.state import FakeState

    for name, read in {
        JOURNAL: lambda state: Journal(state, FakeClock(), machine_id="a", boot_id="b"),
        "ledger.json": lambda state: Ledger(state, machine_id="a", boot_id="b").holdings(),
        "status.json": read_status,
    }.items():
        state = FakeState()
        state.state_files[name] = state.run_files[name] = data
        with contextlib.suppress(MachineadmError, ValueError):
            read(state)
    return None


def release(data: bytes) -> object:
    """Keys, signatures and lists of a release."""
    from machineadm.verification.digests import read_digests
    from machineadm.verification.keys import load_public_keys
    from machineadm.verification.signatures import verify

    keys = load_public_keys(_key())
    for read in (read_digests, load_public_keys, lambda data: verify(b"x", data, keys)):
        with contextlib.suppress(MachineadmError):
            read(data)
    return None


def definition(data: bytes) -> object:
    """CustomResourceDefinitions of others."""
    from crdlint.checking import check_file

    return check_file(data, "crd.yaml")


def _key() -> bytes:
    pem = next((ROOT / "tests/fuzz/seeds").glob("*.pub"))
    return pem.read_bytes()


def _files(*patterns: str) -> list[bytes]:
    return [path.read_bytes() for pattern in patterns for path in sorted(ROOT.glob(pattern))]


def targets() -> dict[str, Target]:
    """All of them, by name."""
    seeds = "tests/fuzz/seeds"
    examples = _files("examples/*.yaml")
    record = {"event": "started", "run": 1, "time": "2026-01-01T00:00:00Z", "step": "files/write"}
    journal = json.dumps({"journal": 1, "machineID": "a"}) + "\n" + json.dumps(record) + "\n"
    return {
        "configuration": Target(
            configuration, [*examples, *_files("tests/contract/golden/encrypted/*.yaml")]
        ),
        "kubeadmconfig": Target(kubeadmconfig, _files(f"{seeds}/kubeadmconfig*.yaml")),
        "template": Target(
            template,
            [
                b"#cloud-config\n{{ if agent_fetch }}a: {{ agent_fetch | gzip | base64 }}{{ else }}{{ quote agent_path }}{{ end }}\n",
                *_files("examples/rendering/*.tmpl"),
            ],
        ),
        "user_data": Target(
            user_data,
            [
                path.read_bytes()
                for path in sorted((ROOT / "tests/contract/golden/render").rglob("*"))
                if path.is_file()
            ],
        ),
        "instance_data": Target(instance_data, [b"aws:///$(v1.region)/$(v1.instance_id)|$$(x)"]),
        "handshake": Target(handshake, [b"1|2|unix|/tmp/plugin1|grpc|" + b"QUJD" * 40 + b"|true"]),
        "plugin_log": Target(
            plugin_log,
            [
                b'{"@level":"info","@message":"a","@timestamp":"t","n":1}\n[WARN]  b\npanic: c\n\ngoroutine 1'
            ],
        ),
        "state": Target(state, [journal.encode(), *_files("tests/contract/states/**/*.json*")]),
        "release": Target(release, [_key(), b"a" * 64 + b"  machineadm.pyz\n"]),
        "definition": Target(definition, _files("crds/*ncrypteddata*.yaml", f"{seeds}/crd*.yaml")),
    }
