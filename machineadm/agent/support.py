"""What somebody needs who must find out why a machine failed, collected without a secret of it."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import Final

import msgspec

from machineadm.agent.own_file import BOOT_CONFIGURATION
from machineadm.agent.units import BOOT_UNIT, RESUME_UNIT
from machineadm.agent.wiring import Machine
from machineadm.documents.nodes import Mapping, Node, Scalar
from machineadm.documents.nodes import Sequence as Items
from machineadm.errors import MachineadmError
from machineadm.execution.journal import JOURNAL
from machineadm.execution.ledger import Ledger
from machineadm.host.facts import Facts, gather, os_release
from machineadm.host.ports import Host
from machineadm.redaction import MASK
from machineadm.reporting.sinks import STATUS
from machineadm.sources.stream import Stream
from machineadm.version import BUILD_ID, VERSION

# A machine whose runtime hangs is just what this is collected on.
_TIMEOUT: Final = 20.0
"""Seconds for each program that is asked."""

_UNITS: Final = ("kubelet.service", "containerd.service", RESUME_UNIT, BOOT_UNIT)
_LINES: Final = "2000"
"""Of the log of a unit; of these the last 64 KiB."""

# Shorter ones, such as "true" or "worker", would mask half of the log.
_SHORTEST: Final = 8
"""Characters of a text that is masked because nobody knows what it is."""

VERSIONS: Final = (
    ("kubeadm", "version", "-o", "short"),
    ("kubelet", "--version"),
    ("containerd", "--version"),
    ("runc", "--version"),
    ("systemctl", "--version"),
    ("uname", "-srvm"),
    ("python3", "--version"),
)
"""Programs that say which version they are."""

_NAMES: Final = "password|passwd|passphrase|secret|token|api[_-]?key|private[_-]?key|client[_-]?key[_-]?data|certificate[_-]?key|credential"
_FORMS: Final = (
    # What has the form of a secret is masked whoever wrote it: other programs log what no configuration of ours holds.
    (r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----.*?(-----END [A-Z0-9 ]*PRIVATE KEY-----|\Z)", MASK),
    (r"\b([a-z0-9]{6})\.[a-z0-9]{16}\b", rf"\1.{MASK}"),
    (r"\beyJ[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]{8,}\.[A-Za-z0-9_-]*", MASK),
    (r"\$(?:1|2[aby]|5|6|y|gy|7)\$[^\s:\"']{8,}", MASK),
    (r"(?i)(://[^\s/:@\"']*:)[^\s/@\"']+@", rf"\1{MASK}@"),
    (r"(?i)\b(authorization[\"']?\s*[:=]\s*[\"']?(?:[a-z]+\s+)?)[^\s\"',;]+", rf"\1{MASK}"),
    (r"(?i)\b(bearer|basic)\s+[A-Za-z0-9._~+/=-]{8,}", rf"\1 {MASK}"),
    (
        r"(?i)([?&](?:x-amz-signature|x-amz-security-token|x-goog-signature|sig|signature|token)=)[^&\s\"']+",
        rf"\1{MASK}",
    ),
    (
        rf"(?i)((?:{_NAMES})[A-Za-z0-9_-]*[\"']?\s*[:=]\s*[\"']?)(?!\*\*\*)[^\s\"',;}}]+",
        rf"\1{MASK}",
    ),
    (rf"(?i)(--[a-z-]*(?:{_NAMES})[a-z-]*)[ =](?!\*\*\*)\S+", rf"\1={MASK}"),
)


class Bundle(msgspec.Struct, frozen=True, kw_only=True):
    """What was collected."""

    files: tuple[tuple[str, bytes], ...]
    """By their names, in order."""

    missing: tuple[str, ...]
    """What could not be had, a line for each."""


def collect(machine: Machine, *, given: Sequence[Stream] = ()) -> Bundle:
    """Collect reports, records, logs and versions. Changes nothing, and waits for no run.

    Args:
        machine: The machine, or a tree.
        given: The configuration, if somebody has it, so that its secrets are known where the machine has no copy any more.
    """
    host = machine.host
    # Once: it asks programs, and what hangs is asked for its whole time.
    facts = gather(host)
    missing: list[str] = []
    # First of all: whatever is read below may hold what this finds.
    _learn(machine, given, missing)
    files: dict[str, str] = {}
    # As functions, so that one that fails leaves the others be.
    makers: dict[str, Callable[[], str]] = {
        "versions.txt": lambda: _versions(host),
        "machine.json": lambda: _machine(host, facts),
        "status.json": lambda: _state(host, STATUS, durable=False),
        "status-kept.json": lambda: _state(host, STATUS, durable=True),
        "journal.jsonl": lambda: _state(host, JOURNAL, durable=True),
        "owned.txt": lambda: _owned(host, facts),
        "compliance.json": lambda: _compliance(machine),
    }
    for name, make in makers.items():
        try:
            text = make()
        except MachineadmError as error:
            missing.append(f"{name}: {error.code} {error.message}")
            continue
        # A bundle is for machines on which anything may be wrong.
        except Exception as error:
            missing.append(f"{name}: {type(error).__name__}")
            continue
        if text:
            files[name] = text
        else:
            missing.append(f"{name}: there is none")
    for name, text in _logs(host, facts, missing):
        files[name] = text
    files["missing.txt"] = "".join(f"{line}\n" for line in missing)
    # At the end and in one place: no file can be added that is not masked.
    clean = tuple((name, redacted(text, machine).encode()) for name, text in files.items())
    return Bundle(files=clean, missing=tuple(missing))


def redacted(text: str, machine: Machine) -> str:
    """A text without what is known to be secret, and without what looks like it.

    Args:
        text: Of any program.
        machine: Its redactor knows the configuration's secrets.
    """
    # The known ones first: a form may take a part of one, and its rest would not be found any more.
    text = machine.redactor.text(text)
    for form, instead in _FORMS:
        text = re.sub(form, instead, text, flags=re.DOTALL)
    return text


def _learn(machine: Machine, given: Sequence[Stream], missing: list[str]) -> None:
    """Teach the redactor every secret that the machine still has: a program may have logged any of them."""
    state = machine.host.state
    copies: list[Stream] = []
    try:
        for name in state.list("resume"):
            content = state.read(f"resume/{name}", durable=True) or b""
            if name.endswith((".yaml", ".json")):
                copies.append(Stream(name=name, data=content, fragment=True))
            # The environment's file: proxies with passwords in it.
            elif not name.endswith(".sig"):
                machine.redactor.learn(_words(content))
        kept = state.read(BOOT_CONFIGURATION, durable=True)
        for name in state.list("plugins"):
            machine.redactor.learn(_words(state.read(f"plugins/{name}", durable=True) or b""))
    except MachineadmError as error:
        missing.append(f"the secrets of the machine's own copies: {error.code} {error.message}")
        kept = None
    boot = [] if kept is None else [Stream(name=BOOT_CONFIGURATION, data=kept)]
    for streams in (tuple(given), tuple(copies), tuple(boot)):
        if streams:
            _learn_configuration(machine, streams)


def _learn_configuration(machine: Machine, streams: Sequence[Stream]) -> None:
    from machineadm.agent.intake import examine
    from machineadm.config.defaulting import realise
    from machineadm.config.secrets import secrets_of
    from machineadm.documents.decoding import read_documents

    found = examine(streams, mode="preparation", allow_unknown_version=True)
    # Only then it is known which of its texts are secrets.
    if found.configuration is not None and not found.errors:
        machine.redactor.learn(secrets_of(realise(found.configuration)))
        return
    # Refused, incomplete or encrypted: nobody can say which of its texts are secrets, so none is shown.
    for stream in streams:
        for document in read_documents(stream.data, file=stream.name):
            if document.root is not None:
                machine.redactor.learn(_texts(document.root))


def _texts(node: Node) -> Iterator[str]:
    if isinstance(node, Scalar):
        if len(node.text) >= _SHORTEST:
            yield node.text
    elif isinstance(node, Mapping):
        for _, value in node.entries():
            yield from _texts(value)
    elif isinstance(node, Items):
        for item in node.items:
            yield from _texts(item)


def _words(content: bytes) -> list[str]:
    """What stands in quotes, or behind an equals sign."""
    text = content.decode(errors="replace")
    found = re.findall(r'"((?:[^"\\]|\\.)*)"', text) + re.findall(r"=(.+)", text)
    return [one for one in found if len(one) >= _SHORTEST]


def _state(host: Host, name: str, *, durable: bool) -> str:
    return (host.state.read(name, durable=durable) or b"").decode(errors="replace")


def _versions(host: Host) -> str:
    lines = [f"machineadm {VERSION} ({BUILD_ID})"]
    for argv in VERSIONS:
        if host.queries is None or host.queries.find(argv[0]) is None:
            continue
        said = host.queries.ask(argv, timeout=_TIMEOUT).output.strip().partition("\n")[0]
        lines.append(f"{argv[0]}: {said}")
    return "".join(f"{line}\n" for line in lines)


def _machine(host: Host, facts: Facts) -> str:
    release = os_release(host)
    told = {
        "time": host.clock.now(),
        "hostname": facts.hostname,
        "machineId": facts.machine_id,
        "bootId": facts.boot_id,
        "architecture": facts.architecture,
        "kubeadm": facts.kubeadm_version,
        "offline": facts.offline,
        "osRelease": release,
    }
    return msgspec.json.format(msgspec.json.encode(told), indent=2).decode() + "\n"


def _compliance(machine: Machine) -> str:
    """How the controls of the last run's compliance profiles stand now; of `cis` if it had none."""
    from machineadm.agent.compliance import again
    from machineadm.reporting.sinks import read_status

    try:
        status = read_status(machine.host.state)
    except ValueError:
        status = None  # somebody else's; the archive has it as it is
    found = again(status.compliance if status is not None else (), machine.host, machine.redactor)
    # Of a machine that is no node yet there is nothing to say, and no line for each control.
    if not any(one.state in ("Holds", "Fails") for report in found for one in report.controls):
        return ""
    return msgspec.json.format(msgspec.json.encode(found), indent=2).decode() + "\n"


def _owned(host: Host, facts: Facts) -> str:
    """What the ledger holds, by kind and name. Never what is in it."""
    ledger = Ledger(host.state, machine_id=facts.machine_id, boot_id=facts.boot_id)
    return "".join(f"{one.kind} {one.name} ({one.step})\n" for one in ledger.holdings())


def _touched_units(host: Host, facts: Facts) -> list[str]:
    try:
        ledger = Ledger(host.state, machine_id=facts.machine_id, boot_id=facts.boot_id)
        own = [one.name for one in ledger.holdings() if one.kind == "unit"]
    except MachineadmError:
        own = []  # said already: the list of what is owned is missing
    return list(dict.fromkeys((*_UNITS, *own)))


def _logs(host: Host, facts: Facts, missing: list[str]) -> Iterator[tuple[str, str]]:
    """State and log of each unit that a run touches."""
    queries = host.queries
    if queries is None or queries.find("systemctl") is None:
        missing.append("logs of units: there is no systemd, or it is not the running system")
        return
    for unit in _touched_units(host, facts):
        for name, argv in (
            (
                f"units/{unit}.txt",
                ("systemctl", "status", "--no-pager", "--full", "--lines=0", unit),
            ),
            (
                f"units/{unit}.log",
                (
                    "journalctl",
                    "--no-pager",
                    "--output=short-iso",
                    f"--lines={_LINES}",
                    "--unit",
                    unit,
                ),
            ),
        ):
            try:
                said = queries.ask(argv, timeout=_TIMEOUT)
            except MachineadmError as error:
                missing.append(f"{name}: {error.code} {error.message}")
                continue
            yield name, said.output
