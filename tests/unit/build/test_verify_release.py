"""The verdict on a file that was built anew, in one line and one exit code."""

import io
import zipfile
from pathlib import Path

import pytest

import verify_release
from verify_release import DIFFERENT, SAME, UNKNOWN, main, verdict


def archive(content: bytes, level: int = 9) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as target:
        entry = zipfile.ZipInfo("a.py", (2026, 1, 1, 0, 0, 0))
        entry.compress_type = zipfile.ZIP_DEFLATED
        target.writestr(entry, content * 500, compresslevel=level)
    return file.getvalue()


def test_the_same_bytes(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(Path("a.pyz"), archive(b"text "), archive(b"text ")) == SAME
    assert "SAME BYTES: the commit produces this file" in capsys.readouterr().out


def test_another_compression_is_said_and_the_contents_are_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verdict(Path("a.pyz"), archive(b"text ", 1), archive(b"text ")) == SAME
    assert "SAME CONTENTS: only the compression differs" in capsys.readouterr().out


def test_another_content_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(Path("a.pyz"), archive(b"evil "), archive(b"text ")) == DIFFERENT
    output = capsys.readouterr()
    assert "  a.py: content differs (sha256 " in output.out
    assert "DIFFERENT: the commit does not produce this file" in output.err


def encrypted() -> bytes:
    """An archive whose table says that the libraries are encrypted."""
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as target:
        target.writestr("parts/base.zip", b"")
    data = bytearray(file.getvalue())
    data[data.index(b"PK\1\2") + 8] |= 1
    data[6] |= 1
    return bytes(data)


@pytest.mark.parametrize("content", [None, b"", b"#!/bin/sh\n", archive(b"no agent "), encrypted()])
def test_what_is_no_agent_is_told_in_one_line(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    content: bytes | None,
) -> None:
    file = tmp_path / "agent.pyz"
    if content is not None:
        file.write_bytes(content)
    monkeypatch.setattr("sys.argv", ["verify_release.py", str(file)])

    assert main() == UNKNOWN

    said = capsys.readouterr().err
    assert said.startswith(f"{file} cannot be read: ")
    assert said.count("\n") == 1


def test_a_build_of_a_changed_checkout_sends_nobody_to_a_commit_that_does_not_exist(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(verify_release, "commit_id", lambda: "0123456789abcdef")
    monkeypatch.setattr(verify_release, "changes", list)
    monkeypatch.setattr(verify_release, "build_id", lambda: "0123456789ab")

    said = verify_release.why_not("x86_64", "0123456789ab-dirty", None)

    assert "uncommitted changes" in said
    assert "git checkout" not in said
    assert "git checkout ba9876543210" in verify_release.why_not("x86_64", "ba9876543210", None)
