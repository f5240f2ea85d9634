"""A new key pair: written once, for its owner alone."""

import os
import stat
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from machineadm.verification.keys import fingerprint, load_public_keys
from signing.__main__ import main
from signing.keys import open_signer
from tests import releases


@pytest.fixture(params=[0o000, 0o022, 0o077, 0o777], ids=oct)
def umask(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[int]:
    assert tmp_path.stat().st_mode & 0o700 == 0o700  # made before: who is not root could not use it
    before = os.umask(request.param)
    yield request.param
    os.umask(before)


def keygen(directory: Path, *options: str) -> int:
    private, public = directory / "new.pem", directory / "new.pub"
    return main(["keygen", "--private", str(private), "--public", str(public), *options])


def mode_of(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


@pytest.mark.usefixtures("umask")
def test_the_private_half_is_its_owner_s_whatever_the_umask(tmp_path: Path) -> None:
    assert keygen(tmp_path) == 0

    assert mode_of(tmp_path / "new.pem") == 0o600
    assert mode_of(tmp_path / "new.pub") == 0o644
    assert sorted(path.name for path in tmp_path.iterdir()) == ["new.pem", "new.pub"]


def test_both_halves_fit_and_the_fingerprint_is_printed(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    keygen(tmp_path)

    printed = capsys.readouterr().out.strip()
    (public,) = load_public_keys((tmp_path / "new.pub").read_bytes())
    with open_signer(f"file:{tmp_path / 'new.pem'}") as signer:
        assert signer.public == public
    assert printed == fingerprint(public)


def test_the_private_half_is_never_readable_by_others_while_it_is_written(tmp_path: Path) -> None:
    # Each file that comes into being in the directory is looked at as soon as the program has opened it.
    probe = """
import os, sys
sys.path.insert(0, sys.argv[1])
os.umask(0)
real, seen = os.open, []
def opened(path, flags, mode=0o777, **more):
    fd = real(path, flags, mode, **more)
    if flags & os.O_CREAT:
        seen.append(os.fstat(fd).st_mode & 0o777)
    return fd
os.open = opened
from signing.__main__ import main
main(["keygen", "--private", sys.argv[2], "--public", sys.argv[2] + ".pub"])
print(*map(oct, seen))
"""
    root = Path(__file__).parents[3]
    outcome = subprocess.run(
        [sys.executable, "-c", probe, str(root), str(tmp_path / "key")],
        capture_output=True,
        text=True,
        check=True,
    )

    assert outcome.stdout.splitlines()[-1] == "0o600 0o600"


@pytest.mark.parametrize("taken", ["new.pem", "new.pub"])
def test_no_key_is_overwritten(
    tmp_path: Path, taken: str, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / taken).write_text("precious")

    assert keygen(tmp_path) == 5

    assert "MA1808" in capsys.readouterr().err
    assert (tmp_path / taken).read_text() == "precious"
    assert [path.name for path in tmp_path.iterdir()] == [taken]


def test_a_link_in_the_way_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "new.pem").symlink_to(tmp_path / "elsewhere")

    assert keygen(tmp_path) == 5
    assert not (tmp_path / "elsewhere").exists()


def test_a_passphrase_encrypts_the_private_half(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    passphrase.chmod(0o600)

    assert keygen(tmp_path, "--passphrase-file", str(passphrase)) == 0

    assert b"ENCRYPTED PRIVATE KEY" in (tmp_path / "new.pem").read_bytes()
    directory = releases.build_release(tmp_path)
    key = f"file:{tmp_path / 'new.pem'}"
    assert main(["sign", str(directory), "--key", key]) == 2
    assert main(["sign", str(directory), "--key", key, "--passphrase-file", str(passphrase)]) == 0


def test_a_passphrase_comes_from_a_descriptor(tmp_path: Path) -> None:
    read, write = os.pipe()
    os.write(write, b"correct horse\n")
    os.close(write)

    assert keygen(tmp_path, "--passphrase-fd", str(read)) == 0

    os.close(read)
    openssl = ["openssl", "pkey", "-in", "new.pem", "-passin", "pass:correct horse", "-pubout"]
    shown = subprocess.run(openssl, cwd=tmp_path, capture_output=True, check=True)
    assert shown.stdout == (tmp_path / "new.pub").read_bytes()


def test_a_passphrase_need_not_be_text(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_bytes(b"\xff\xfe\x80")
    passphrase.chmod(0o600)

    assert keygen(tmp_path, "--passphrase-file", str(passphrase)) == 0

    openssl = ["openssl", "pkey", "-in", "new.pem", "-passin", "file:passphrase", "-noout"]
    subprocess.run(openssl, cwd=tmp_path, check=True)
    key = ["--key", f"file:{tmp_path / 'new.pem'}", "--passphrase-file", str(passphrase)]
    assert main(["sign", str(releases.build_release(tmp_path)), *key]) == 0


@pytest.mark.parametrize("number", ["-1", "987"])
def test_a_descriptor_that_is_not_open_is_refused(
    tmp_path: Path, number: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert keygen(tmp_path, f"--passphrase-fd={number}") == 5
    assert "MA1820" in capsys.readouterr().err


def test_a_passphrase_that_others_can_read_is_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("correct horse\n")
    passphrase.chmod(0o644)

    assert keygen(tmp_path, "--passphrase-file", str(passphrase)) == 5

    assert "MA1803" in capsys.readouterr().err
    assert not (tmp_path / "new.pem").exists()


def test_an_empty_passphrase_is_refused(tmp_path: Path) -> None:
    passphrase = tmp_path / "passphrase"
    passphrase.write_text("\n")
    passphrase.chmod(0o600)

    assert keygen(tmp_path, "--passphrase-file", str(passphrase)) == 2
