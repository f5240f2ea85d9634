"""Checking a release: each way in which one can be other than it was."""

import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from machineadm.errors import MachineadmError
from machineadm.verification import digests
from machineadm.verification.keys import fingerprint
from signing.__main__ import main
from signing.directory import verify_directory
from tests import releases

AMD64, ARM64 = "machineadm-linux-amd64.pyz", "machineadm-linux-arm64.pyz"
KEYS = (releases.public_key(),)


def refusal(directory: Path, **options: str) -> MachineadmError:
    with pytest.raises(MachineadmError) as caught:
        verify_directory(directory, KEYS, **options)
    return caught.value


def append(path: Path) -> None:
    path.write_bytes(path.read_bytes() + b"!")


def flip(path: Path) -> None:
    data = path.read_bytes()
    path.write_bytes(bytes([data[0] ^ 1]) + data[1:])


def cut(path: Path) -> None:
    path.write_bytes(path.read_bytes()[:-1])


def empty(path: Path) -> None:
    path.write_bytes(b"")


def to_base64(path: Path) -> None:
    import base64

    path.write_bytes(base64.b64encode(path.read_bytes()))


def swap(directory: Path, one: str, two: str, ends: tuple[str, ...]) -> None:
    """Serve one file as the other, with all that belongs to it."""
    for end in ends:
        content = (directory / f"{two}{end}").read_bytes()
        (directory / f"{one}{end}").write_bytes(content)


def test_a_good_release_passes(signed: Path) -> None:
    release = verify_directory(signed, KEYS, wanted="v0.1.0", not_older_than="v0.1.0")

    assert release.version == "v0.1.0"


def test_one_of_two_keys_is_enough(signed: Path) -> None:
    verify_directory(signed, (releases.public_key("new"), *KEYS))


TAMPERED: list[tuple[Callable[[Path], None], str, str]] = [
    (append, AMD64, "MA1721"),
    (cut, AMD64, "MA1721"),
    (flip, AMD64, "MA1720"),
    (empty, AMD64, "MA1721"),
    (Path.unlink, AMD64, "MA1724"),
    (append, f"{AMD64}.sig", "MA1713"),
    (cut, f"{AMD64}.sig", "MA1713"),
    (flip, f"{AMD64}.sig", "MA1713"),
    (empty, f"{AMD64}.sig", "MA1711"),
    (to_base64, f"{AMD64}.sig", "MA1712"),
    (Path.unlink, f"{AMD64}.sig", "MA1724"),
    (cut, f"{AMD64}.sigstore.json", "OK"),  # its last byte is a newline
    (flip, f"{AMD64}.sigstore.json", "MA1830"),
    (empty, f"{AMD64}.sigstore.json", "MA1830"),
    (Path.unlink, f"{AMD64}.sigstore.json", "MA1724"),
    (append, "release.json", "MA1710"),
    (empty, "release.json", "MA1710"),
    (Path.unlink, "release.json", "MA1724"),
    (empty, "release.json.sig", "MA1711"),
    (to_base64, "release.json.sig", "MA1712"),
    (Path.unlink, "release.json.sig", "MA1724"),
    (append, "SHA256SUMS", "MA1710"),
    (Path.unlink, "SHA256SUMS", "MA1724"),
    (flip, "SHA256SUMS.sig", "MA1713"),
    (Path.unlink, "SHA256SUMS.sig", "MA1724"),
    (flip, "build.json", "MA1720"),
]


@pytest.mark.parametrize(("damage", "name", "code"), TAMPERED)
def test_a_file_that_was_tampered_with_is_found(
    signed: Path, damage: Callable[[Path], None], name: str, code: str
) -> None:
    damage(signed / name)

    if code == "OK":
        verify_directory(signed, KEYS)
    else:
        assert refusal(signed).code == code


@pytest.mark.parametrize("name", [AMD64, f"{AMD64}.sig", "release.json", "SHA256SUMS.sig"])
def test_a_link_in_place_of_a_file_is_found(signed: Path, name: str) -> None:
    real = (signed / name).rename(signed.parent / "elsewhere")
    (signed / name).symlink_to(real)

    assert refusal(signed).code == "MA1811"


@pytest.mark.parametrize("name", [ARM64, "release.json", "SHA256SUMS"])
def test_the_message_names_the_file_once(signed: Path, name: str) -> None:
    empty(signed / f"{name}.sig")

    message = refusal(signed).message
    assert message.startswith(f"{name}: ")
    assert message.count(name) == 1


def test_one_architecture_served_as_the_other_is_found(signed: Path) -> None:
    swap(signed, AMD64, ARM64, ("", ".sig", ".sigstore.json"))

    assert refusal(signed).code in {"MA1720", "MA1721"}


def test_another_file_s_signature_is_found(signed: Path) -> None:
    swap(signed, AMD64, ARM64, (".sig",))
    assert refusal(signed).code == "MA1710"


def test_another_file_s_bundle_is_found(signed: Path) -> None:
    swap(signed, AMD64, ARM64, (".sigstore.json",))
    assert refusal(signed).code == "MA1831"


def test_an_older_release_in_place_of_a_newer_one_is_found(tmp_path: Path, signed: Path) -> None:
    newer = releases.signed_release(tmp_path / "new", "v0.2.0")
    shutil.rmtree(newer)
    shutil.copytree(signed, newer)

    assert refusal(newer, wanted="v0.2.0").code == "MA1731"
    assert refusal(newer, not_older_than="v0.1.1").code == "MA1732"


def test_an_older_agent_in_a_newer_release_is_found(tmp_path: Path, signed: Path) -> None:
    newer = releases.signed_release(tmp_path / "new", "v0.2.0")
    for end in ("", ".sig", ".sigstore.json"):
        shutil.copy(signed / f"{AMD64}{end}", newer)

    assert refusal(newer).code == "MA1720"


def test_an_older_list_of_digests_in_a_newer_release_is_found(tmp_path: Path, signed: Path) -> None:
    newer = releases.signed_release(tmp_path / "new", "v0.2.0")
    for name in ("SHA256SUMS", "SHA256SUMS.sig"):
        shutil.copy(signed / name, newer)

    assert refusal(newer).code == "MA1726"


@pytest.mark.parametrize(
    ("name", "code"), [("release.json", "MA1726"), (AMD64, "MA1726"), ("more.txt", "MA1725")]
)
def test_a_signed_list_that_says_something_else_is_found(
    signed: Path, name: str, code: str
) -> None:
    listed = digests.read_digests((signed / "SHA256SUMS").read_bytes())
    data = digests.list_digests(listed | {name: "0" * 64})
    (signed / "SHA256SUMS").write_bytes(data)
    (signed / "SHA256SUMS.sig").write_bytes(releases.signer().sign(data))

    assert refusal(signed).code == code


def test_a_signed_list_that_leaves_something_out_is_found(signed: Path) -> None:
    listed = digests.read_digests((signed / "SHA256SUMS").read_bytes())
    del listed[AMD64]
    data = digests.list_digests(listed)
    (signed / "SHA256SUMS").write_bytes(data)
    (signed / "SHA256SUMS.sig").write_bytes(releases.signer().sign(data))

    assert refusal(signed).code == "MA1726"


@pytest.mark.parametrize("name", ["backdoor.sh", "machineadm-linux-riscv64.pyz"])
def test_a_file_that_nobody_vouches_for_is_found(signed: Path, name: str) -> None:
    (signed / name).write_text("#!/bin/sh\n")

    assert refusal(signed).code == "MA1725"


@pytest.mark.parametrize(
    "name", ["backdoor.sig", f"{AMD64}.sig.sig", "SHA256SUMS.sigstore.json", "machineadm.pub.sig"]
)
def test_the_signature_of_nothing_is_found(signed: Path, name: str) -> None:
    (signed / name).write_text("exit 1\n")

    assert refusal(signed).code == "MA1725"
    with pytest.raises(MachineadmError, match="signature of a file that is not there"):
        releases.sign(signed)


def test_a_thief_s_key_beside_the_release_proves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    forged = releases.signed_release(tmp_path, by="thief")
    known = fingerprint(releases.public_key())

    assert refusal(forged).code == "MA1710"
    assert main(["verify", str(forged)]) == 2
    assert main(["verify", str(forged), "--fingerprint", known]) == 4
    assert "MA1705" in capsys.readouterr().err


def test_the_command_prints_each_file(
    signed: Path, public: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["verify", str(signed), "--key", str(public), "--version", "0.1.0"]) == 0

    lines = capsys.readouterr().out.splitlines()
    assert lines[:-1] == [f"{name}: OK" for name in sorted(releases.FILES)]
    assert lines[-1].startswith("release v0.1.0 of 2026-01-01T00:00:00Z")


def test_a_known_fingerprint_is_enough(signed: Path) -> None:
    known = fingerprint(releases.public_key())

    assert main(["verify", str(signed), "--fingerprint", known]) == 0


def test_two_key_files_are_both_trusted(signed: Path, public: Path, tmp_path: Path) -> None:
    new = tmp_path / "new.pub"
    new.write_bytes(releases.public_key("new").pem())

    assert main(["verify", str(signed), "--key", str(new)]) == 4
    assert main(["verify", str(signed), "--key", str(new), "--key", str(public)]) == 0


def test_one_file_is_verified_with_the_signature_beside_it(
    signed: Path, public: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    agent = str(signed / AMD64)

    assert main(["verify", agent, "--key", str(public)]) == 0
    assert fingerprint(releases.public_key()) in capsys.readouterr().out
    assert main(["verify", agent, "--key", str(public), "--version", "v0.1.0"]) == 2
    flip(signed / AMD64)
    assert main(["verify", agent, "--key", str(public)]) == 4


def test_an_error_is_one_line_and_a_hint(
    signed: Path, public: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flip(signed / AMD64)

    assert main(["verify", str(signed), "--key", str(public)]) == 4

    captured = capsys.readouterr()
    assert captured.err.startswith(f"signing: MA1720 {AMD64}: SHA-256 is ")
    assert len(captured.err.splitlines()) == 2
    assert "Traceback" not in captured.err


def test_the_list_covers_release_json_too(signed: Path) -> None:
    listed = digests.read_digests((signed / "SHA256SUMS").read_bytes())

    assert listed["release.json"] == digests.sha256((signed / "release.json").read_bytes())
