"""A passphrase comes from where the command line says, or from a file that nobody but root has had."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from machineadm.errors import ConfigError
from machineadm.redaction import Secret
from machineadm.sources.passphrases import ANY, GivenPassphrases

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="the files have to belong to root")


def write(path: Path, content: bytes = b"s3cr3t\n", mode: int = 0o600) -> str:
    path.write_bytes(content)
    path.chmod(mode)
    return str(path)


def pipe(content: bytes) -> int:
    reader, writer = os.pipe()
    os.write(writer, content)
    os.close(writer)
    return reader


def refused(passphrases: GivenPassphrases, provider: str = "vault") -> ConfigError:
    with pytest.raises(ConfigError) as caught:
        passphrases.passphrase(provider)
    assert "s3cr3t" not in f"{caught.value} {caught.value.hint()} {caught.value.__cause__}"
    return caught.value


@pytest.mark.parametrize(
    ("content", "passphrase"),
    [
        (b"s3cr3t", "s3cr3t"),
        (b"s3cr3t\n", "s3cr3t"),
        (b"s3cr3t\n\n", "s3cr3t\n"),
        (b" two words \n", " two words "),
        (b"\xff\x00\n", "\udcff\x00"),
        (b"x" * 4096 + b"\n", "x" * 4096),
    ],
)
def test_one_trailing_newline_is_no_part_of_it(
    tmp_path: Path, content: bytes, passphrase: str
) -> None:
    path = write(tmp_path / "word", content)

    assert GivenPassphrases(files={ANY: path}).passphrase("vault") == Secret(passphrase)
    assert GivenPassphrases(descriptors={ANY: pipe(content)}).passphrase("vault") == Secret(
        passphrase
    )


@pytest.mark.parametrize("content", [b"", b"\n", b"x" * 4097, b"x" * 100000])
def test_nothing_and_too_much_are_refused(tmp_path: Path, content: bytes) -> None:
    path = write(tmp_path / "word", content)

    assert refused(GivenPassphrases(files={ANY: path})).code == "MA1512"


def test_the_provider_s_own_source_wins(tmp_path: Path) -> None:
    files = {
        "vault": write(tmp_path / "vault", b"of vault"),
        ANY: write(tmp_path / "any", b"of any"),
    }
    given = GivenPassphrases(files=files, descriptors={"hsm": pipe(b"of hsm")})

    assert given.passphrase("vault") == Secret("of vault")
    assert given.passphrase("hsm") == Secret("of hsm")
    assert given.passphrase("other") == Secret("of any")


def test_a_descriptor_is_read_once_and_closed() -> None:
    number = pipe(b"s3cr3t")
    given = GivenPassphrases(descriptors={ANY: number})

    assert given.passphrase("a") == given.passphrase("b") == Secret("s3cr3t")
    with pytest.raises(OSError, match="Bad file"):
        os.fstat(number)


def test_nothing_is_read_before_it_is_needed(tmp_path: Path) -> None:
    given = GivenPassphrases(files={ANY: str(tmp_path / "missing")}, descriptors={"x": 9999})

    assert given.known == ()
    assert refused(given).code == "MA1510"
    assert refused(given, "x").code == "MA1510"


def test_a_closed_descriptor_is_no_matter_of_a_path() -> None:
    assert "open" in refused(GivenPassphrases(descriptors={ANY: 9999})).hint()


def test_what_was_read_can_be_masked_by_whoever_prints(tmp_path: Path) -> None:
    given = GivenPassphrases(files={ANY: write(tmp_path / "word")})
    given.passphrase("vault")

    assert given.known == (Secret("s3cr3t"),)


def test_a_later_run_is_given_paths_and_never_a_passphrase(tmp_path: Path) -> None:
    path = write(tmp_path / "word")
    given = GivenPassphrases(files={"vault": path, ANY: path})
    given.passphrase("vault")

    assert given.options == ("--passphrase-file", f"vault={path}", "--passphrase-file", path)
    assert given.used_files == {path}
    assert not given.used_descriptor


def test_where_nothing_is_there_is_no_passphrase(tmp_path: Path) -> None:
    assert GivenPassphrases(directory=str(tmp_path)).passphrase("vault") is None
    assert GivenPassphrases(directory=str(tmp_path / "missing")).passphrase("vault") is None


@needs_root
@pytest.mark.parametrize("mode", [0o600, 0o400])
def test_the_image_may_bring_it(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "vault", mode=mode)

    assert GivenPassphrases(directory=str(tmp_path)).passphrase("vault") == Secret("s3cr3t")


@needs_root
@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620, 0o700 | 0o001])
def test_one_that_others_can_get_at_is_refused(tmp_path: Path, mode: int) -> None:
    write(tmp_path / "vault", mode=mode)

    assert refused(GivenPassphrases(directory=str(tmp_path))).code == "MA1511"


@needs_root
def test_one_of_another_user_is_refused(tmp_path: Path) -> None:
    os.chown(write(tmp_path / "vault"), 1000, 0)

    assert refused(GivenPassphrases(directory=str(tmp_path))).code == "MA1511"


def test_a_link_a_pipe_and_a_directory_are_refused(tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(write(tmp_path / "word"))
    (tmp_path / "broken").symlink_to(tmp_path / "missing")
    os.mkfifo(tmp_path / "fifo", 0o600)
    (tmp_path / "directory").mkdir(mode=0o700)
    given = GivenPassphrases(directory=str(tmp_path))

    codes = {name: refused(given, name).code for name in ("link", "broken", "fifo", "directory")}

    assert codes == {"link": "MA1510", "broken": "MA1510", "fifo": "MA1511", "directory": "MA1511"}
