"""Digests of artefacts, and the list that `sha256sum -c` reads."""

import contextlib
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from machineadm.errors import VerificationError
from machineadm.verification import digests

ONE = digests.sha256(b"one")
TWO = digests.sha256(b"two")


def test_a_file_with_its_digest_passes() -> None:
    digests.check("agent", b"one", ONE)
    digests.check("agent", b"one", ONE.upper())


@pytest.mark.parametrize("data", [b"", b"on", b"onf", b"one\n"])
def test_a_file_with_another_digest_is_refused(data: bytes) -> None:
    with pytest.raises(VerificationError, match=f"agent: SHA-256 is .*, expected {ONE}") as caught:
        digests.check("agent", data, ONE)

    assert caught.value.code == "MA1720"
    assert caught.value.exit_code == 4


def test_a_list_is_read_as_it_was_written() -> None:
    listed = {"b": TWO, "a.pyz": ONE}

    data = digests.list_digests(listed)

    assert digests.read_digests(data) == listed
    assert data == f"{ONE}  a.pyz\n{TWO}  b\n".encode()


def test_the_mark_for_binary_files_is_read() -> None:
    assert digests.read_digests(f"{ONE} *a\n".encode()) == {"a": ONE}


@pytest.mark.parametrize(
    ("data", "why"),
    [
        (b"", "empty"),
        (b"# a comment\n", "line 1"),
        (f"{ONE}  a\n\n".encode(), "line 2"),
        (f"{ONE}  a\n{TWO}  a\n".encode(), "a second time"),
        (f"{ONE}  ../a\n".encode(), "line 1"),
        (f"{ONE}  .hidden\n".encode(), "line 1"),
        (f"{ONE}  -rf\n".encode(), "line 1"),
        (f"{ONE}  a b\n".encode(), "line 1"),
        (f"{ONE}  a\r\n".encode(), "line 1"),
        (f"{ONE[:-1]}  a\n".encode(), "line 1"),
        (f"{ONE.upper()}  a\n".encode(), "line 1"),
        (f"{ONE}  a\n{TWO}  b".encode(), "cut off"),
        (f"{ONE}  b\xff\n".encode("latin-1"), "line 1"),
        (b"<html>404</html>\n", "line 1"),
    ],
)
def test_a_list_that_is_not_quite_one_is_refused(data: bytes, why: str) -> None:
    with pytest.raises(VerificationError, match=why) as caught:
        digests.read_digests(data)

    assert caught.value.code == "MA1722"


@given(st.binary(max_size=300))
def test_no_bytes_crash_the_reader_of_lists(data: bytes) -> None:
    with contextlib.suppress(VerificationError):
        assert digests.read_digests(data)


def test_sha256sum_reads_what_is_written(tmp_path: Path) -> None:
    (tmp_path / "a.pyz").write_bytes(b"one")
    (tmp_path / "SHA256SUMS").write_bytes(digests.list_digests({"a.pyz": ONE}))
    command = ["sha256sum", "--strict", "--check", "SHA256SUMS"]

    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 0
    (tmp_path / "a.pyz").write_bytes(b"two")
    assert subprocess.run(command, cwd=tmp_path, check=False).returncode == 1
