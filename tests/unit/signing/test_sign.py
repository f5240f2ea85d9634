"""What signing makes of a directory of files."""

import json
import os
import stat
from pathlib import Path

import pytest

from machineadm.errors import MachineadmError
from machineadm.verification import digests, signatures
from machineadm.verification.keys import fingerprint, load_public_keys
from machineadm.verification.release import read_release
from signing.__main__ import main
from signing.directory import verify_directory
from signing.keys import PemSigner
from signing.sign import sign_directory
from tests import releases


class RandomSigner(PemSigner):
    """Signs another way each time, as tokens do."""

    def sign(self, data: bytes) -> bytes:
        from cryptography.hazmat.primitives.asymmetric.ec import ECDSA
        from cryptography.hazmat.primitives.hashes import SHA256

        return self._key.sign(data, ECDSA(SHA256()))


def state(directory: Path) -> dict[str, tuple[int, bytes]]:
    return {path.name: (path.stat().st_mtime_ns, path.read_bytes()) for path in directory.iterdir()}


def refusal(directory: Path) -> MachineadmError:
    with pytest.raises(MachineadmError) as caught:
        releases.sign(directory)
    return caught.value


def test_every_file_gets_a_signature_and_a_bundle(unsigned: Path) -> None:
    names = {path.name for path in unsigned.iterdir()}

    releases.sign(unsigned)

    added = {f"{name}{end}" for name in names for end in (".sig", ".sigstore.json")}
    added |= {"release.json", "release.json.sig", "SHA256SUMS", "SHA256SUMS.sig", "machineadm.pub"}
    assert {path.name for path in unsigned.iterdir()} == names | added


def test_release_json_says_what_the_files_are(unsigned: Path) -> None:
    releases.sign(unsigned)

    data = (unsigned / "release.json").read_bytes()
    release = read_release(
        data, (unsigned / "release.json.sig").read_bytes(), (releases.public_key(),)
    )
    assert (release.version, release.commit) == ("v0.1.0", releases.COMMIT)
    assert release.date == "2026-01-01T00:00:00Z"
    assert [artifact.name for artifact in release.artifacts] == sorted(releases.FILES)
    for artifact in release.artifacts:
        content = (unsigned / artifact.name).read_bytes()
        assert (artifact.size, artifact.sha256) == (len(content), digests.sha256(content))
    kinds = {artifact.name: artifact.media_type for artifact in release.artifacts}
    assert kinds["machineadm-linux-amd64.pyz"] == "application/zip"
    assert kinds["machineadm-linux-amd64.pyz.cdx.json"] == "application/vnd.cyclonedx+json"
    assert kinds["machineadm-linux-amd64.pyz.intoto.json"] == "application/vnd.in-toto+json"


def test_the_list_of_digests_has_no_line_that_busybox_cannot_read(signed: Path) -> None:
    listed = digests.read_digests((signed / "SHA256SUMS").read_bytes())

    assert set(listed) == {*releases.FILES, "release.json"}


def test_signing_twice_changes_nothing(signed: Path) -> None:
    before = state(signed)

    releases.sign(signed)

    assert state(signed) == before


def test_signing_elsewhere_gives_the_same_bytes(tmp_path: Path) -> None:
    one = releases.signed_release(tmp_path / "one")
    before = os.umask(0o077)
    try:
        two = releases.signed_release(tmp_path / "another place")
    finally:
        os.umask(before)

    contents = [
        {
            path.name: (path.read_bytes(), stat.S_IMODE(path.stat().st_mode))
            for path in directory.iterdir()
            if path.name not in releases.FILES
        }
        for directory in (one, two)
    ]
    assert contents[0] == contents[1]
    assert {mode for _, mode in contents[0].values()} == {0o644}


def test_a_token_s_signature_that_holds_stays(unsigned: Path) -> None:
    signer = RandomSigner(releases.private_key())
    sign_directory(unsigned, signer, (signer.public,))
    before = state(unsigned)

    sign_directory(unsigned, signer, (signer.public,))

    assert state(unsigned) == before


def test_a_changed_file_is_signed_anew(signed: Path) -> None:
    agent = signed / "machineadm-linux-amd64.pyz"
    before = state(signed)
    agent.write_bytes(b"another build")

    releases.sign(signed)

    changed = {name for name, content in state(signed).items() if before[name][1] != content[1]}
    assert changed == {
        agent.name,
        f"{agent.name}.sig",
        f"{agent.name}.sigstore.json",
        *("release.json", "release.json.sig", "SHA256SUMS", "SHA256SUMS.sig"),
    }


def test_another_key_signs_everything_anew(signed: Path) -> None:
    releases.sign(signed, by="new")

    data = (signed / "build.json").read_bytes()
    signature = (signed / "build.json.sig").read_bytes()
    assert signatures.verify(data, signature, [releases.public_key("new")])
    assert load_public_keys((signed / "machineadm.pub").read_bytes()) == (
        releases.public_key("new"),
    )


def test_of_two_published_keys_the_one_that_signed_is_first(unsigned: Path, key: Path) -> None:
    public = unsigned.parent / "machineadm.pub"
    public.write_bytes(releases.public_key("old").pem() + releases.public_key().pem())

    code = main(["sign", str(unsigned), "--key", f"file:{key}", "--public", str(public)])

    assert code == 0
    assert load_public_keys((unsigned / "machineadm.pub").read_bytes()) == (
        releases.public_key(),
        releases.public_key("old"),
    )


def test_published_keys_without_the_signing_key_are_refused(
    unsigned: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    public = unsigned.parent / "machineadm.pub"
    public.write_bytes(releases.public_key("old").pem())

    code = main(["sign", str(unsigned), "--key", f"file:{key}", "--public", str(public)])

    assert code == 2
    error = capsys.readouterr().err
    assert "MA1813" in error
    assert fingerprint(releases.public_key()) in error
    assert not (unsigned / "release.json").exists()


def test_without_a_key_nothing_is_written(
    unsigned: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    before = state(unsigned)

    assert main(["sign", str(unsigned)]) == 2

    assert "MA1801" in capsys.readouterr().err
    assert state(unsigned) == before


class Interrupted(PemSigner):
    """Is interrupted at its nth signature."""

    left = 0

    def sign(self, data: bytes) -> bytes:
        if not self.left:
            raise KeyboardInterrupt
        self.left -= 1
        return super().sign(data)


@pytest.mark.parametrize("signatures_made", range(len(releases.FILES) + 2))
def test_an_interrupted_run_is_no_release_and_the_next_one_ends_it(
    unsigned: Path, signatures_made: int
) -> None:
    signer = Interrupted(releases.private_key())
    signer.left = signatures_made

    with pytest.raises(KeyboardInterrupt):
        sign_directory(unsigned, signer, (signer.public,))

    with pytest.raises(MachineadmError):
        verify_directory(unsigned, (signer.public,))
    releases.sign(unsigned)
    verify_directory(unsigned, (signer.public,))


def test_what_a_killed_run_left_is_removed(unsigned: Path) -> None:
    (unsigned / ".signing-0123").write_bytes(b"half a sig")

    releases.sign(unsigned)

    assert not list(unsigned.glob(".*"))


@pytest.mark.parametrize("name", [".hidden", "a b", "-rf", "ä", "x" * 201])
def test_a_strange_name_is_refused(unsigned: Path, name: str) -> None:
    (unsigned / name).write_text("x")

    assert refusal(unsigned).code == "MA1811"


@pytest.mark.parametrize("odd", ["link", "directory", "empty", "pipe"])
def test_what_is_no_plain_file_is_refused(unsigned: Path, odd: str) -> None:
    path = unsigned / "odd"
    match odd:
        case "link":
            path.symlink_to("build.json")
        case "directory":
            path.mkdir()
        case "empty":
            path.touch()
        case _:
            os.mkfifo(path)

    assert refusal(unsigned).code == "MA1811"


@pytest.mark.parametrize("name", ["release.pem", "id", "build.json"])
def test_a_private_key_is_never_made_part_of_a_release(unsigned: Path, name: str) -> None:
    path = unsigned / name
    path.write_bytes(b"a note\n" + releases.private_pem(releases.private_key()))
    path.chmod(0o600)

    error = refusal(unsigned)

    assert (error.code, name in error.message) == ("MA1811", True)
    assert not list(unsigned.glob("*.sig"))


def test_an_empty_and_a_missing_directory_are_refused(tmp_path: Path) -> None:
    (tmp_path / "v1.0.0").mkdir()

    assert refusal(tmp_path / "v1.0.0").code == "MA1811"
    assert refusal(tmp_path / "v2.0.0").code == "MA1820"


@pytest.mark.parametrize(
    "build",
    [
        None,
        "",
        "[]",
        "{}",
        '{"commit": "HEAD", "epoch": 1}',
        '{"commit": "0123456789", "epoch": "1"}',
        '{"commit": "0123456789", "epoch": 99999999999999999999}',
        '{"commit": "0123456789", "epoch": 1, "version": "latest"}',
    ],
)
def test_a_build_that_does_not_say_what_it_is_is_refused(unsigned: Path, build: str | None) -> None:
    (unsigned / "build.json").unlink()
    if build is not None:
        (unsigned / "build.json").write_text(build or " ")

    error = refusal(unsigned)

    assert (error.code, error.exit_code) == ("MA1812", 4)
    assert not (unsigned / "release.json").exists()


def test_a_build_of_another_version_than_the_directory_s_is_refused(unsigned: Path) -> None:
    build = json.loads((unsigned / "build.json").read_text())
    (unsigned / "build.json").write_text(json.dumps(build | {"version": "v9.9.9"}))

    assert refusal(unsigned).code == "MA1812"


def test_a_signer_that_signs_wrongly_is_found(unsigned: Path) -> None:
    class Broken(PemSigner):
        def sign(self, data: bytes) -> bytes:
            return super().sign(data + b"!")

    with pytest.raises(MachineadmError) as caught:
        sign_directory(unsigned, Broken(releases.private_key()), (releases.public_key(),))

    assert caught.value.code == "MA1814"
