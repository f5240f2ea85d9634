"""No secret of a configuration leaves it: a canary in every Secret-typed field, looked for wherever something can be read."""

from __future__ import annotations

import base64
import hashlib
import json
import os
import re
import tarfile
import typing
from pathlib import Path
from typing import Any

import msgspec
import pytest

from machineadm.agent.bootstrap import bootstrap
from machineadm.agent.own_file import AgentFile
from machineadm.agent.request import Request
from machineadm.agent.support import collect
from machineadm.agent.wiring import Machine
from machineadm.api.v1alpha1.commands import Commands
from machineadm.api.v1alpha1.files import FileConfig
from machineadm.api.v1alpha1.kubernetes import KubernetesConfig
from machineadm.api.v1alpha1.machine import MachineConfiguration
from machineadm.cli.progress import Progress
from machineadm.documents.decoding import decode
from machineadm.documents.encoding import encode_yaml
from machineadm.errors import MachineadmError
from machineadm.redaction import Redactor, Secret
from machineadm.sources.stream import Stream
from tests.contract.trees import RUN, STATE, fake_kubeadm, machineadm, running_tree
from tests.fakes.host import FakeHost

EXAMPLES = Path(__file__).parents[2] / "examples"
TOKEN = re.compile(r"[a-z0-9]{6}\.[a-z0-9]{16}")
KEY = re.compile(r"[0-9a-f]{64}")
PEM_BODY = re.compile(r"(-----BEGIN [A-Z ]*-----\n)(.*?)(-----END)", re.DOTALL)


class Canaries:
    """Puts a canary of the right form into every secret."""

    def __init__(self) -> None:
        self.planted: dict[str, tuple[str, ...]] = {}
        """By field path: texts of which none may be seen."""

    def plant(self, value: Any, path: str = "") -> Any:
        """The value with canaries for secrets."""
        if isinstance(value, Secret):
            return Secret(self._canary(value.reveal(), path))
        if isinstance(value, FileConfig) and _hidden(value) and value.content:
            return self._file(value, path)
        if isinstance(value, msgspec.Struct):
            fields = {name: getattr(value, name) for name in value.__struct_fields__}
            planted = {name: self.plant(field, f"{path}.{name}") for name, field in fields.items()}
            return msgspec.structs.replace(value, **planted)
        if isinstance(value, tuple):
            planted_items = [self.plant(item, f"{path}[{n}]") for n, item in enumerate(value)]
            # An empty tuple stays the very default that is left out; CPython 3.10 makes another one of a generator.
            return tuple(planted_items) if planted_items else value
        if isinstance(value, dict):
            return {name: self.plant(item, f"{path}.{name}") for name, item in value.items()}
        return value

    def _file(self, file: FileConfig, path: str) -> FileConfig:
        text = self._canary("text", f"{path}.content")
        return msgspec.structs.replace(file, content=text + "\n", encoding=None)

    def _canary(self, old: str, path: str) -> str:
        number = len(self.planted) + 1
        seed = hashlib.sha256(f"canary {number}".encode())
        new, looked_for = _alike(old, number, seed)
        self.planted[path] = looked_for
        return new


def _alike(old: str, number: int, seed: Any) -> tuple[str, tuple[str, ...]]:
    """A secret of the same form, and the texts by which it would be known."""
    if TOKEN.fullmatch(old):
        token = f"c{number:05d}.canary{number:010d}"
        return token, (token.partition(".")[2],)
    if KEY.fullmatch(old):
        return seed.hexdigest(), (seed.hexdigest(),)
    pem = PEM_BODY.search(old)
    if pem:
        body = _other_body(pem[2], seed)
        return old[: pem.start(2)] + body + old[pem.end(2) :], tuple(
            body.split()[-2:-1] or [body.strip()]
        )
    if _is_key(old):
        raw = base64.b64decode(old)
        key = base64.b64encode((seed.digest() * 3)[: len(raw)]).decode()
        return key, (key,)
    text = f"canary-{number}-{seed.hexdigest()[:12]}"
    if "kind: Config\n" in old:
        return re.sub(r"(?<=token: )[^\s}]+", text, old), (text,)
    return text, (text,)


def _other_body(body: str, seed: Any) -> str:
    """DER of the same length with another end."""
    der = base64.b64decode(body)
    keep = min(len(der) // 2, 8)
    filler = b"".join(hashlib.sha256(seed.digest() + bytes([n])).digest() for n in range(200))
    other = base64.b64encode(der[:keep] + filler[: len(der) - keep]).decode()
    return "".join(f"{other[i : i + 64]}\n" for i in range(0, len(other), 64))


def _is_key(text: str) -> bool:
    try:
        return len(base64.b64decode(text, validate=True)) in (16, 24, 32)
    except ValueError:
        return False


def _hidden(file: FileConfig) -> bool:
    return file.sensitive or bool(file.permissions and not int(file.permissions, 8) & 0o044)


TLS_TOKEN = "      tlsBootstrapToken: ghijkl.0123456789abcdef\n"
AUTH_PROVIDER = """\
          user:
            authProvider:
              name: oidc
              config: {client-id: node-of-the-edge, client-secret: example-client-secret}
"""


def _control_plane_with_tls_token() -> str:
    text = (EXAMPLES / "control-plane-join.yaml").read_text()
    return text.replace("type: JoinControlPlane\n", "type: JoinControlPlane\n" + TLS_TOKEN)


def _worker_with_auth_provider() -> str:
    text = (EXAMPLES / "worker-file-discovery.yaml").read_text()
    head, _, rest = text.partition("          user:\n")
    _, place, tail = rest.partition("      # Where the node keeps")
    assert place
    return head + AUTH_PROVIDER + TLS_TOKEN + place + tail


CONFIGURATIONS = {
    "maximal": (EXAMPLES / "maximal.yaml").read_text,
    "control-plane-join": _control_plane_with_tls_token,
    "worker-file-discovery": (EXAMPLES / "worker-file-discovery.yaml").read_text,
    "worker-auth-provider": _worker_with_auth_provider,
}
"""Together they have every secret that this release acts on."""


@pytest.fixture(params=CONFIGURATIONS)
def planted(request: pytest.FixtureRequest, tmp_path: Path) -> tuple[Path, Canaries]:
    """A configuration with canaries, as a file."""
    text = CONFIGURATIONS[request.param]()
    (document,) = decode(text.encode(), file=request.param)
    assert document.problems == ()
    canaries = Canaries()
    value: MachineConfiguration = canaries.plant(document.value)
    file = tmp_path / "node.yaml"
    file.write_bytes(encode_yaml(value, reveal=True))
    return file, canaries


def look_for(canaries: Canaries, where: str, text: str) -> None:
    """No canary is in the text."""
    found = [path for path, texts in canaries.planted.items() if any(one in text for one in texts)]
    assert found == [], f"seen in {where}"


def secret_fields(type_: Any, seen: dict[type, set[str]] | None = None) -> set[str]:
    """`Struct.field` of every Secret-typed field in a type and below."""
    seen = {} if seen is None else seen
    found: set[str] = set()
    for part in typing.get_args(type_):
        found |= secret_fields(part, seen)
    if isinstance(type_, type) and issubclass(type_, msgspec.Struct) and type_ not in seen:
        seen[type_] = set()
        for name, hint in typing.get_type_hints(type_, include_extras=True).items():
            if _holds_secret(hint):
                found.add(f"{type_.__name__}.{name}")
            found |= secret_fields(hint, seen)
    return found


def _holds_secret(hint: Any) -> bool:
    return hint is Secret or any(
        _holds_secret(part) for part in typing.get_args(hint) if not isinstance(part, msgspec.Meta)
    )


def given_secrets(value: Any) -> set[str]:
    """`Struct.field` of every secret that a value holds."""
    found: set[str] = set()
    if isinstance(value, msgspec.Struct):
        for name in value.__struct_fields__:
            field = getattr(value, name)
            items = field.values() if isinstance(field, dict) else (field,)
            if any(isinstance(item, Secret) for item in items):
                found.add(f"{type(value).__name__}.{name}")
            found |= given_secrets(field)
    elif isinstance(value, (tuple, dict)):
        for item in value.values() if isinstance(value, dict) else value:
            found |= given_secrets(item)
    return found


def test_every_secret_that_this_release_acts_on_gets_a_canary() -> None:
    """One that no configuration has would be looked for by nobody."""
    given: set[str] = set()
    for text in [read() for read in CONFIGURATIONS.values()] + [
        (EXAMPLES / "downloads/worker.yaml").read_text()
    ]:
        (document,) = decode(text.encode(), file="node.yaml")
        given |= given_secrets(document.value)

    acted_on = secret_fields(KubernetesConfig) | secret_fields(Commands) | secret_fields(FileConfig)
    # What providers are given needs a plugin: tests/unit/agent/test_providers.py looks for it.
    assert acted_on - given == {"ProviderRef.secret_inputs"}
    assert len(acted_on) > 10


def test_a_canary_is_seen_where_it_is(planted: tuple[Path, Canaries]) -> None:
    """The test above all others: what is looked for is really in the configuration."""
    file, canaries = planted
    text = file.read_text()

    assert canaries.planted
    for path, texts in canaries.planted.items():
        assert all(one in text for one in texts), path


def test_a_leak_would_be_noticed(planted: tuple[Path, Canaries]) -> None:
    file, canaries = planted

    with pytest.raises(AssertionError, match="seen in the file"):
        look_for(canaries, "the file", file.read_text())


def test_no_command_shows_a_secret(planted: tuple[Path, Canaries], tmp_path: Path) -> None:
    file, canaries = planted
    tree = tmp_path / "root"
    tree.mkdir()
    runs = [
        ("validate", "--path", file),
        ("plan", "--root", tree, "--path", file),
        ("plan", "--root", tree, "--path", file, "--output", "json"),
        ("bootstrap", "--root", tree, "--path", file, "--output", "json"),
        ("bootstrap", "--root", tree, "--path", file),
        ("plan", "--root", tree, "--path", file),
        ("status", "--root", tree, "--output", "json"),
        ("status", "--root", tree, "--output", "svg"),
        ("status", "--root", tree, "--output", "html"),
        ("explain", "--merged", "--path", file),
        ("explain", "--merged", "--path", file, "--output", "json"),
    ]
    for arguments in runs:
        ended = machineadm(*arguments)
        assert ended.returncode in (0, 10), ended.stderr
        look_for(canaries, f"output of {arguments[0]}", ended.stdout + ended.stderr)
    bundle = tmp_path / "bundle.tar.gz"
    ended = machineadm("support-bundle", "--root", tree, "--to", bundle)
    assert ended.returncode == 0, ended.stderr
    look_for(canaries, "output of support-bundle", ended.stdout + ended.stderr)
    with tarfile.open(bundle) as archive:
        for member in archive.getmembers():
            content = archive.extractfile(member)
            assert content is not None
            look_for(canaries, member.name, content.read().decode())
    for report in (f"{RUN}/status.json", f"{STATE}/status.json", f"{STATE}/journal.jsonl"):
        look_for(canaries, report, (tree / report).read_text())


@pytest.mark.parametrize("planted", ["maximal"], indirect=True)
def test_no_command_shows_what_was_encrypted_or_the_passphrase(
    planted: tuple[Path, Canaries], tmp_path: Path
) -> None:
    file, canaries = planted
    canaries.planted["passphrase"] = ("canary-of-a-passphrase",)
    word, wrong = tmp_path / "word", tmp_path / "wrong"
    word.write_text("canary-of-a-passphrase\n")
    wrong.write_text("canary-of-a-passphrasE\n")
    tree = tmp_path / "root"
    tree.mkdir()
    ended = machineadm("encrypt", "--provider", "x", "--passphrase-file", word, "--path", file)
    assert ended.returncode == 0, ended.stderr
    look_for(canaries, "output of encrypt", ended.stdout + ended.stderr)
    closed = tmp_path / "closed.yaml"
    closed.write_text(ended.stdout)

    for command, passphrase, expected in (
        (("validate",), wrong, 3),
        (("decrypt",), wrong, 4),
        (("bootstrap", "--root", tree), wrong, 3),
        (("validate",), word, 0),
        (("plan", "--root", tree), word, 10),
        (("bootstrap", "--root", tree), word, 0),
        (("status", "--root", tree, "--output", "json"), None, 0),
    ):
        options = ("--path", closed, "--passphrase-file", passphrase) if passphrase else ()
        ended = machineadm(*command, *options)
        assert ended.returncode == expected, ended.stderr
        look_for(canaries, f"output of {command[0]}", ended.stdout + ended.stderr)
    for path in [*(tree / RUN).glob("*.json*"), *(tree / STATE).iterdir()]:
        if path.is_file() and path.name != "boot.json":
            look_for(canaries, path.name, path.read_text())


def test_no_plan_of_a_changed_configuration_shows_the_old_secret(
    planted: tuple[Path, Canaries], tmp_path: Path
) -> None:
    file, canaries = planted
    tree = tmp_path / "root"
    tree.mkdir()
    assert machineadm("bootstrap", "--root", tree, "--path", file).returncode == 0
    text = file.read_text()
    for texts in canaries.planted.values():
        for one in texts:
            text = text.replace(one, one[:-4] + ("A000" if one.endswith("0001") else "0001"))
    changed = tmp_path / "changed.yaml"
    changed.write_text(text)

    ended = machineadm("plan", "--root", tree, "--path", changed)

    assert ended.returncode in (0, 3, 10), ended.stderr
    look_for(canaries, "plan", ended.stdout + ended.stderr)


def test_a_failing_run_that_prints_its_input_shows_no_secret(
    planted: tuple[Path, Canaries],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """kubeadm prints all it was given, and fails: nothing of it is in report, log, journal or process list."""
    file, canaries = planted
    tree = tmp_path / "tree"
    (tree / "etc").mkdir(parents=True)
    version = re.findall(r"v1\.[0-9]+\.[0-9]+", file.read_text())[0]
    prints = f"find {tree}/run/machineadm -type f | xargs cat; exit 1"
    fake_kubeadm(tmp_path / "bin", tree, behaviour=prints, version=version)
    monkeypatch.setenv("PATH", f"{tmp_path / 'bin'}:{os.environ['PATH']}")
    without_commands = re.sub(
        r"(?m)^    \"?commands\"?:\n(?:(?:      |    - ).*\n|\n)*", "", file.read_text()
    )
    assert "preKubeadm" not in without_commands
    file.write_text(without_commands)
    progress = Progress(output="text")
    machine = running_tree(tree, log=progress.log)
    progress.redactor = machine.redactor

    with pytest.raises(MachineadmError) as caught:
        bootstrap(Request(paths=(str(file),)), machine, progress.observe)

    assert caught.value.exit_code == 6, caught.value
    shown = capfd.readouterr()
    assert "apiVersion" in shown.err, "kubeadm's output is in the log"
    look_for(canaries, "log", shown.out + shown.err)
    look_for(canaries, "error", f"{caught.value} {caught.value.hint()}")
    look_for(canaries, "process list", (tmp_path / "kubeadm.argv").read_text())
    for report in (f"{RUN}/status.json", "run/cluster-api/bootstrap-failure.json"):
        content = json.loads((tree / report).read_text())
        assert "apiVersion" in content["error"]["logTail"]
        look_for(canaries, report, (tree / report).read_text())
    look_for(canaries, "journal", (tree / STATE / "journal.jsonl").read_text())


@pytest.mark.parametrize("kept", ["resumed", "given", "refused"])
def test_no_support_bundle_has_a_secret_that_programs_have_logged(
    planted: tuple[Path, Canaries], kept: str
) -> None:
    """Every unit's log holds the whole configuration, line by line and as it was written."""
    file, canaries = planted
    text = file.read_text()
    host = FakeHost()
    host.put("/etc/machine-id", "0123456789abcdef0123456789abcdef\n")
    logged = "".join(
        f"2026-12-01T00:00:00+0000 node kubelet[7]: {line}\n" for line in text.splitlines()
    )
    host.commands.on("journalctl", output=f"{logged}\n{json.dumps(text)}\n{text}")
    host.commands.on("systemctl", output=text)
    given: tuple[Stream, ...] = ()
    if kept == "given":
        given = (Stream(name="node.yaml", data=text.encode()),)
    else:
        # One that is refused cannot be read by its types, so that nobody knows which of its texts are secrets.
        broken = text.replace("\nspec:", "\nunknown: field\nspec:", 1)
        assert broken != text
        content = broken if kept == "refused" else text
        host.state.write("resume/configuration-1-0.yaml", content.encode(), durable=True)
    machine = Machine(
        host=host,
        redactor=Redactor(),
        agent=AgentFile(python="/usr/bin/python3", path=None),
        digest=lambda: "",
        is_root=True,
        announce=lambda _: None,
    )

    bundle = collect(machine, given=given)

    names = [name for name, _ in bundle.files]
    assert "units/kubelet.service.log" in names
    for name, found in bundle.files:
        look_for(canaries, name, found.decode())
    (log,) = [found for name, found in bundle.files if name == "units/kubelet.service.log"]
    assert log.decode().count("2026-12-01T00:00:00+0000 node kubelet[7]:") > 20
