import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from signing import bundle
from signing.__main__ import main
from tests.stores.releases import made, make, signer

SCRIPT = Path(bundle.__file__).with_name("verify.sh")
SHELLS = [
    shell for shell in (["dash"], ["bash", "--posix"], ["busybox", "sh"]) if shutil.which(shell[0])
]


@pytest.fixture(scope="module")
def packed(tmp_path_factory: pytest.TempPathFactory) -> bytes:
    return bundle.pack(*made(tmp_path_factory.mktemp("release")), {"a-1-py3-none-any.whl": b"PK"})


@pytest.fixture
def unpacked(tmp_path: Path, packed: bytes) -> Path:
    # as a site does it; tarfile's safe way to extract is missing in Debian 12's 3.11.2
    directory = tmp_path / "site with a space"
    directory.mkdir()
    subprocess.run(["tar", "-xzf", "-"], cwd=directory, input=packed, check=True)
    return directory / "machineadm-v0.1.0"


@pytest.fixture
def key(tmp_path: Path) -> Path:
    path = tmp_path / "key.pem"
    path.write_bytes(signer().public.pem())
    return path


def verify(
    directory: Path,
    *arguments: str | Path,
    shell: list[str] | None = None,
    path: str = os.environ["PATH"],
) -> "subprocess.CompletedProcess[str]":
    command = [*(shell or ["sh"]), directory / "verify.sh", *arguments]
    program = shutil.which(str(command[0]))
    assert program
    return subprocess.run(
        [program, *command[1:]], capture_output=True, text=True, check=False, env={"PATH": path}
    )


@pytest.fixture
def without_openssl(tmp_path: Path) -> str:
    """A PATH with sha256sum and nothing else."""
    directory = tmp_path / "bin"
    directory.mkdir()
    (directory / "sha256sum").symlink_to(shutil.which("sha256sum") or "")
    return str(directory)


def digest_of_list(directory: Path) -> str:
    run = subprocess.run(
        ["sha256sum", directory / "SHA256SUMS"], capture_output=True, text=True, check=True
    )
    return run.stdout.split()[0]


def test_everything_that_a_site_needs_is_in_it(packed: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        names = {name.partition("/")[2] for name in archive.getnames()}

    for arch in ("amd64", "arm64"):
        file = f"machineadm-linux-{arch}.pyz"
        assert {
            file,
            f"{file}.sig",
            f"{file}.sigstore.json",
            f"{file}.cdx.json",
            f"{file}.intoto.json",
        } <= names
    assert {
        "machineadm.pub",
        "SHA256SUMS",
        "SHA256SUMS.sig",
        "release.json",
        "release.json.sig",
    } <= names
    assert {"machineadm-crds.yaml", "verify.sh", "wheels/a-1-py3-none-any.whl"} <= names


def test_the_same_release_gives_the_same_bytes(tmp_path: Path, packed: bytes) -> None:
    umask = os.umask(0o077)
    try:
        again = bundle.pack(*made(tmp_path / "else where"), {"a-1-py3-none-any.whl": b"PK"})
    finally:
        os.umask(umask)

    assert again == packed


def test_members_are_roots_sorted_and_not_executable(packed: bytes) -> None:
    with tarfile.open(fileobj=io.BytesIO(packed)) as archive:
        members = archive.getmembers()

    plain = [member for member in members if member.isfile()]
    assert {(member.uid, member.gid, member.uname) for member in members} == {(0, 0, "root")}
    assert [member.name for member in plain] == sorted(member.name for member in plain)
    assert [member.name for member in plain if member.mode & 0o111] == [
        "machineadm-v0.1.0/verify.sh"
    ]


@pytest.mark.requirement("U8", "R11")
@pytest.mark.parametrize("shell", SHELLS, ids="-".join)
def test_a_site_verifies_with_nothing_but_a_shell_and_openssl(
    unpacked: Path, key: Path, shell: list[str]
) -> None:
    run = verify(unpacked, key, shell=shell)

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.startswith(f"key {fingerprint(key)}\n")
    assert "machineadm-linux-arm64.pyz: OK\n" in run.stdout
    assert run.stdout.endswith("OK: release v0.1.0, 9 files\n")


def fingerprint(key: Path) -> str:
    from machineadm.verification import keys

    return keys.fingerprint(keys.load_public_keys(key.read_bytes())[0])


@pytest.mark.requirement("U8")
def test_with_a_digest_sha256sum_suffices(unpacked: Path, without_openssl: str) -> None:
    run = verify(unpacked, "--digest", digest_of_list(unpacked), path=without_openssl)

    assert (run.returncode, run.stderr) == (0, "")
    assert "signatures were not looked at" in run.stdout


def test_a_key_without_openssl_is_refused(unpacked: Path, key: Path, without_openssl: str) -> None:
    run = verify(unpacked, key, path=without_openssl)

    assert run.returncode == 1
    assert "openssl is needed" in run.stderr


def test_either_of_two_keys_is_enough(unpacked: Path, key: Path) -> None:
    both = (
        signer("another").public.pem()
        + b"\n# the next one\n"
        + key.read_bytes().replace(b"\n", b"\r\n")
    )
    key.write_bytes(both)

    run = verify(unpacked, key)

    assert (run.returncode, run.stderr) == (0, "")
    assert run.stdout.count("key sha256:") == 2


@pytest.mark.parametrize("shell", SHELLS, ids="-".join)
@pytest.mark.parametrize(
    ("damage", "words"),
    [
        ("echo >> machineadm-linux-arm64.pyz", "machineadm-linux-arm64.pyz: SHA-256 is"),
        (": > machineadm-linux-amd64.pyz", "machineadm-linux-amd64.pyz: SHA-256 is"),
        (
            "cp machineadm-linux-amd64.pyz.sig machineadm-linux-arm64.pyz.sig",
            "the signature is not",
        ),
        ("rm machineadm-crds.yaml", "machineadm-crds.yaml is missing"),
        ("rm machineadm-crds.yaml.sig", "machineadm-crds.yaml.sig is missing"),
        ("rm SHA256SUMS", "SHA256SUMS is missing"),
        ("sed -i 1d SHA256SUMS", "SHA256SUMS: the signature is not"),
        (": > SHA256SUMS.sig", "SHA256SUMS: the signature is not"),
        ("sed -i s/v0.1.0/v0.9.0/ release.json", "release.json: the signature is not"),
        ("touch extra", "extra is not part"),
        ("touch .hidden", ".hidden is not part"),
        ("touch 'machineadm-linux-amd64.pyz '", "is not part"),
        ("mkdir sub", "sub is not part"),
        ("ln -s /etc/passwd link.sig", "link.sig is a link"),
        (
            "mv machineadm-crds.yaml x; ln -s x machineadm-crds.yaml",
            "machineadm-crds.yaml is missing",
        ),
        ("touch wheels/setup.py", "wheels/setup.py is not a wheel"),
    ],
)
def test_whatever_was_done_to_it_is_refused(
    unpacked: Path, key: Path, shell: list[str], damage: str, words: str
) -> None:
    subprocess.run(["sh", "-c", damage], cwd=unpacked, check=True)

    run = verify(unpacked, key, shell=shell)

    assert run.returncode == 1
    assert words in run.stderr
    assert "OK: " not in run.stdout


# Names that a search in a list of words, a suffix taken away twice, a pattern or a shell's own list would let pass.
STRAY = {
    "two names in one": "touch \"$(sed 's/.* //' SHA256SUMS | head -n 2 | tr '\\n' ' ' | sed 's/ $//')\"",
    "two endings": "touch machineadm-crds.yaml.sigstore.json.sig",
    "an ending twice": "touch machineadm-crds.yaml.sig.sig",
    "the endings the other way round": "touch machineadm-crds.yaml.sig.sigstore.json",
    "a bundle of a list": "touch SHA256SUMS.sigstore.json",
    "an ending alone": "touch .sig",
    "a pattern of all": "touch '*'",
    "a pattern of a listed name": "touch 'machineadm-linux-[a]md64.pyz'",
    "a newline": "touch 'machineadm-crds.yaml\n.sig'",
    "a listed name behind a newline": "touch 'x\nmachineadm-crds.yaml'",
    "a leading dash": "touch -- -f",
    "an option of test": "touch -- -a",
    "a bracket": "touch ']'",
    "three dots": "touch ...",
    "two dots and more": "touch ..x",
    "bytes that are not text": "touch \"$(printf 'x\\377')\"",
    "what a terminal obeys": "touch \"$(printf 'x\\033[2J')\"",
    "another case": "touch MACHINEADM-CRDS.YAML",
    "a directory in a bundle's place": "f=machineadm-crds.yaml.sigstore.json; rm -f $f; mkdir $f; touch $f/x",
    "a directory for a key": "rm machineadm.pub; mkdir machineadm.pub",
    "a pipe in a bundle's place": "f=machineadm-crds.yaml.sigstore.json; rm -f $f; mkfifo $f",
    "a device in a bundle's place": "f=machineadm-crds.yaml.sigstore.json; rm -f $f; mknod $f c 1 3",
    "a link in a bundle's place": "f=machineadm-crds.yaml.sigstore.json; mv $f /tmp/$$; ln -s /tmp/$$ $f",
    "a link to nothing": "ln -s nowhere machineadm-crds.yaml.intoto.json.sig.sig",
    "a link for wheels": "mv wheels ../w; ln -s ../w wheels",
    "a dangling link for wheels": "rm -r wheels; ln -s nowhere wheels",
    "a wheel of two words": "touch 'wheels/a-1 b-1-py3-none-any.whl'",
    "a wheel that is an option": "touch wheels/-r.whl",
    "a wheel that is a directory": "mkdir wheels/b-1-py3-none-any.whl",
    "a hidden wheel": "touch wheels/.b.whl",
}


@pytest.mark.parametrize("shell", SHELLS, ids="-".join)
@pytest.mark.parametrize("name", STRAY)
def test_none_too_many_means_no_name_that_is_not_one_of_the_release(
    unpacked: Path, key: Path, shell: list[str], name: str
) -> None:
    made = subprocess.run(["bash", "-c", STRAY[name]], cwd=unpacked, check=False)
    if made.returncode and "mknod" in STRAY[name]:
        pytest.skip("only root makes a device")
    assert made.returncode == 0

    run = verify(unpacked, key, shell=shell)

    assert run.returncode == 1
    assert "OK: " not in run.stdout
    assert run.stderr.count("\n") == 1
    assert run.stderr.strip().isprintable()


@pytest.mark.parametrize("shell", SHELLS, ids="-".join)
@pytest.mark.parametrize(
    "variables",
    [{"GLOBIGNORE": "*extra*"}, {"SHELLOPTS": "noglob"}, {"BASHOPTS": "failglob"}, {"IFS": "x"}],
    ids=str,
)
def test_no_variable_hides_a_stray_file(
    unpacked: Path, key: Path, shell: list[str], variables: dict[str, str]
) -> None:
    (unpacked / "extra").touch()
    program = shutil.which(shell[0])
    assert program

    run = subprocess.run(
        [program, *shell[1:], unpacked / "verify.sh", key],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"], **variables},
    )

    assert run.returncode != 0
    assert "OK: release" not in run.stdout


@pytest.mark.skipif(os.getuid() == 0, reason="root can list everything")
@pytest.mark.parametrize("mode", [0o300, 0o600])
@pytest.mark.parametrize("place", [".", "wheels"])
def test_a_directory_that_cannot_be_listed_is_refused(
    unpacked: Path, key: Path, place: str, mode: int
) -> None:
    (unpacked / place).chmod(mode)
    try:
        run = verify(unpacked, key)
    finally:
        (unpacked / place).chmod(0o700)

    assert run.returncode != 0
    assert "OK: release" not in run.stdout


def test_a_list_searched_without_looking_at_the_whole_name_is_noticed(
    unpacked: Path, key: Path
) -> None:
    script = unpacked / "verify.sh"
    whole = "  case $1 in *[!A-Za-z0-9._+-]*) return 1 ;; esac\n"
    assert whole in script.read_text()
    script.write_text(script.read_text().replace(whole, ""))
    subprocess.run(["bash", "-c", STRAY["two names in one"]], cwd=unpacked, check=True)

    assert verify(unpacked, key).returncode == 0


def test_another_key_is_refused(unpacked: Path, key: Path) -> None:
    key.write_bytes(signer("another").public.pem())

    assert "SHA256SUMS: the signature is not by this key" in verify(unpacked, key).stderr


def test_another_digest_is_refused(unpacked: Path) -> None:
    run = verify(unpacked, "--digest", "0" * 64)

    assert run.returncode == 1
    assert f"SHA-256 is {digest_of_list(unpacked)}" in run.stderr


def test_the_key_in_the_bundle_is_not_taken_by_itself(unpacked: Path) -> None:
    assert verify(unpacked).returncode == 2


@pytest.mark.parametrize("content", ["", "no key", "-----BEGIN PUBLIC KEY-----\nMFkw"])
def test_what_is_no_key_is_refused(unpacked: Path, key: Path, content: str) -> None:
    key.write_text(content)

    assert "holds no public key" in verify(unpacked, key).stderr


def shellcheck(text: str) -> str:
    run = subprocess.run(
        [Path(sys.executable).with_name("shellcheck"), "--shell=sh", "-"],
        input=text,
        capture_output=True,
        text=True,
        check=False,
    )
    assert (run.returncode == 0) == (run.stdout == "")
    return run.stdout


def test_shellcheck_finds_nothing_but_what_is_planted() -> None:
    text = SCRIPT.read_text()

    assert shellcheck(text) == ""
    assert "SC2086" in shellcheck(text.replace('signed "$name"', "signed $name"))
    assert "SC3010" in shellcheck(text.replace("[ -d wheels ]", "[[ -d wheels ]]"))


def test_the_command_writes_the_bundle_and_its_signature(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = make(tmp_path)
    output = tmp_path / "machineadm-v0.1.0-offline.tar.gz"

    assert main(["bundle", str(release), "--output", str(output), "--public", str(key)]) == 0

    assert output.read_bytes() == bundle.pack(*made(tmp_path / "again"), {})
    assert "release v0.1.0" in capsys.readouterr().out


def test_a_release_that_does_not_verify_makes_no_bundle(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = make(tmp_path)
    (release / "machineadm-linux-amd64.pyz").write_bytes(b"tampered")
    output = tmp_path / "out.tar.gz"

    assert main(["bundle", str(release), "--output", str(output), "--public", str(key)]) == 4

    assert not output.exists()
    assert "MA17" in capsys.readouterr().err


def test_a_directory_of_other_things_than_wheels_is_refused(
    tmp_path: Path, key: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    release = make(tmp_path)
    arguments = ["bundle", str(release), "--output", str(tmp_path / "o"), "--public", str(key)]

    for wheels in (release, tmp_path / "nowhere"):
        assert main([*arguments, "--wheels", str(wheels)]) in (2, 5)
    assert "MA1862" in capsys.readouterr().err
