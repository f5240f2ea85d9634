"""A machine whose image demands a signature carries out nothing that is not signed, whatever options say."""

from __future__ import annotations

import base64
import io
import subprocess
from pathlib import Path

import pytest
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    Encoding,
    NoEncryption,
    PrivateFormat,
    PublicFormat,
)

from machineadm.agent.bootstrap import bootstrap, look_ahead
from machineadm.agent.image import AGENT_CONFIGURATION
from machineadm.agent.request import Request
from machineadm.errors import MachineadmError, VerificationError
from machineadm.sources.passphrases import GivenPassphrases
from tests.unit.agent.stage import Stage


class Signer:
    """Somebody with a key."""

    def __init__(self) -> None:
        self.key = ec.generate_private_key(ec.SECP256R1())
        self.public = (
            self.key.public_key()
            .public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
            .decode()
        )

    def sign(self, file: Path) -> None:
        """As `openssl dgst -sha256 -sign` does."""
        signature = self.key.sign(file.read_bytes(), ec.ECDSA(SHA256()))
        file.with_name(f"{file.name}.sig").write_bytes(signature)


@pytest.fixture(scope="module")
def signer() -> Signer:
    return Signer()


@pytest.fixture(scope="module")
def stranger() -> Signer:
    return Signer()


def demand(stage: Stage, *signers: Signer) -> None:
    """The image demands a signature."""
    keys = "".join(one.public for one in signers).replace("\n", "\n      ").rstrip()
    stage.host.put(
        AGENT_CONFIGURATION,
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: AgentConfiguration\n"
        f"spec:\n  signature:\n    publicKey: |\n      {keys}\n",
    )


def run(stage: Stage, *paths: Path, keys: tuple[Path, ...] = ()) -> None:
    request = Request(
        paths=tuple(map(str, paths)) or (str(stage.file),),
        signature_keys=tuple(map(str, keys)),
        passphrases=GivenPassphrases(directory="/nowhere"),
    )
    bootstrap(request, stage.machine(), stage.events.append)


def refused(stage: Stage, *paths: Path, keys: tuple[Path, ...] = ()) -> str:
    """The code with which a run is refused, having touched nothing; a plan, too."""
    with pytest.raises(MachineadmError) as caught:
        run(stage, *paths, keys=keys)
    assert [one for one in stage.host.mutations() if "/run/" not in str(one)] == []
    names = tuple(map(str, paths)) or (str(stage.file),)
    with pytest.raises(MachineadmError):
        look_ahead(Request(paths=names, signature_keys=tuple(map(str, keys))), stage.machine())
    return caught.value.code


def test_what_is_signed_as_demanded_is_carried_out(tmp_path: Path, signer: Signer) -> None:
    stage = Stage(tmp_path)
    demand(stage, signer)
    signer.sign(stage.file)

    run(stage)

    assert stage.succeeded()


def test_during_a_rotation_either_key_may_have_signed(
    tmp_path: Path, signer: Signer, stranger: Signer
) -> None:
    stage = Stage(tmp_path)
    demand(stage, stranger, signer)
    signer.sign(stage.file)

    run(stage)

    assert stage.succeeded()


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        ("none", "MA1232"),
        ("empty", "MA1711"),
        ("base64", "MA1712"),
        ("text", "MA1713"),
        ("of another key", "MA1710"),
        ("of another file", "MA1710"),
        ("of the file before a change", "MA1710"),
    ],
)
def test_without_the_signature_that_the_image_demands_nothing_is_touched(
    fault: str, code: str, tmp_path: Path, signer: Signer, stranger: Signer
) -> None:
    stage = Stage(tmp_path)
    demand(stage, signer)
    signature = stage.file.with_name("node.yaml.sig")
    signer.sign(stage.file)
    if fault == "none":
        signature.unlink()
    elif fault == "empty":
        signature.write_bytes(b"")
    elif fault == "base64":
        signature.write_bytes(base64.b64encode(signature.read_bytes()))
    elif fault == "text":
        signature.write_text("<html>not found</html>")
    elif fault == "of another key":
        stranger.sign(stage.file)
    elif fault == "of another file":
        other = tmp_path / "other"
        other.write_text("x")
        signer.sign(other)
        (tmp_path / "other.sig").rename(signature)
    else:
        stage.file.write_text(stage.file.read_text() + "# changed\n")

    assert refused(stage) == code


def test_every_input_must_be_signed_and_not_the_first_alone(tmp_path: Path, signer: Signer) -> None:
    stage = Stage(tmp_path)
    demand(stage, signer)
    signer.sign(stage.file)
    directory = tmp_path / "more.d"
    directory.mkdir()
    more = directory / "10.yaml"
    more.write_text(
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\n"
        "spec: {machine: {files: [{path: /etc/more, content: x}]}}\n"
    )

    assert refused(stage, directory, stage.file) == "MA1232"
    signer.sign(more)
    run(stage, directory, stage.file)
    assert stage.host.text("/etc/more") == "x"


@pytest.mark.parametrize("path", ["data:,x", "-"])
def test_what_cannot_have_a_signature_is_refused(
    path: str, tmp_path: Path, signer: Signer, monkeypatch: pytest.MonkeyPatch
) -> None:
    stage = Stage(tmp_path)
    demand(stage, signer)
    monkeypatch.setattr("sys.stdin", io.TextIOWrapper(io.BytesIO(b"x")))
    request = Request(paths=(path,))

    with pytest.raises(VerificationError) as caught:
        look_ahead(request, stage.machine())

    assert caught.value.code == "MA1232"


def test_an_option_adds_to_what_the_image_demands_and_takes_nothing_back(
    tmp_path: Path, signer: Signer, stranger: Signer
) -> None:
    stage = Stage(tmp_path)
    demand(stage, signer)
    key = tmp_path / "stranger.pub"
    key.write_text(stranger.public)

    stranger.sign(stage.file)
    assert refused(stage, keys=(key,)) == "MA1710"
    signer.sign(stage.file)
    assert refused(stage, keys=(key,)) == "MA1710"
    key.write_text(signer.public)
    run(stage, keys=(key,))
    assert stage.succeeded()


def test_an_option_alone_demands_a_signature(tmp_path: Path, signer: Signer) -> None:
    stage = Stage(tmp_path)
    key = tmp_path / "key.pub"
    key.write_text(signer.public)

    assert refused(stage, keys=(key,)) == "MA1232"
    signer.sign(stage.file)
    run(stage, keys=(key,))
    assert stage.succeeded()


def test_a_configuration_cannot_say_who_must_have_signed_it(tmp_path: Path, signer: Signer) -> None:
    """User data that brings an AgentConfiguration is refused, not obeyed."""
    stage = Stage(tmp_path)
    text = stage.file.read_text()
    stage.file.write_text(
        f"{text}---\napiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: AgentConfiguration\nspec: {{}}\n"
    )

    assert refused(stage) == "MA1202"


def test_the_image_s_own_fragments_need_no_signature(tmp_path: Path, signer: Signer) -> None:
    stage = Stage(tmp_path)
    demand(stage, signer)
    settings = stage.host.text(AGENT_CONFIGURATION) or ""
    stage.host.put(AGENT_CONFIGURATION, f"{settings}  baseDirectories: [/etc/base.d]\n")
    stage.host.put(
        "/etc/base.d/a.yaml",
        "apiVersion: bootstrap.cluster.x-k8s.io/v1alpha1\nkind: MachineConfiguration\n"
        "spec: {machine: {files: [{path: /etc/base, content: x}]}}\n",
    )
    signer.sign(stage.file)

    run(stage)

    assert stage.host.text("/etc/base") == "x"


@pytest.mark.parametrize("key", ["no key", "private"])
def test_a_key_of_the_image_that_cannot_be_used_stops_everything(
    key: str, tmp_path: Path, signer: Signer
) -> None:
    stage = Stage(tmp_path)
    signer.sign(stage.file)
    demand(stage, signer)
    text = stage.host.text(AGENT_CONFIGURATION) or ""
    old = signer.public.replace("\n", "\n      ").rstrip()
    new = "nothing"
    if key == "private":
        new = (
            signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
            .decode()
            .replace("\n", "\n      ")
            .rstrip()
        )
    assert old in text
    stage.host.put(AGENT_CONFIGURATION, text.replace(old, new))

    with pytest.raises(MachineadmError) as caught:
        run(stage)

    assert caught.value.code == "MA1230"
    assert "spec.signature.publicKey" in caught.value.message
    assert "PRIVATE" not in caught.value.message


def test_a_resumed_run_has_the_signatures_too(tmp_path: Path, signer: Signer) -> None:
    stage = Stage(tmp_path)
    demand(stage, signer)
    signer.sign(stage.file)
    stage.host.commands.on("kubeadm", "join", exit_code=1)
    with pytest.raises(MachineadmError):
        run(stage)

    kept = {
        name: stage.host.state.read(f"resume/{name}", durable=True)
        for name in stage.host.state.list("resume")
    }
    for name, content in kept.items():
        (tmp_path / name).write_bytes(content or b"")
    (copy,) = [name for name in kept if name.endswith(".yaml")]

    assert f"{copy}.sig" in kept
    assert look_ahead(Request(paths=(str(tmp_path / copy),)), stage.machine())
    signer.sign(stage.file)  # ECDSA: another signature of the same bytes
    with pytest.raises(MachineadmError):
        run(stage)
    (again,) = [name for name in stage.host.state.list("resume") if name.endswith(".yaml")]
    assert again != copy
    assert len([name for name in stage.host.state.list("resume") if name.endswith(".sig")]) == 1


def test_openssl_signs_what_the_agent_takes(tmp_path: Path, signer: Signer) -> None:
    stage = Stage(tmp_path)
    demand(stage, signer)
    key = tmp_path / "key.pem"
    key.write_bytes(signer.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()))
    subprocess.run(
        [
            "openssl",
            "dgst",
            "-sha256",
            "-sign",
            str(key),
            "-out",
            f"{stage.file}.sig",
            str(stage.file),
        ],
        check=True,
    )

    run(stage)

    assert stage.succeeded()
