"""The verdict on a file that was built anew, in one line and one exit code."""

import io
import zipfile
from pathlib import Path

import pytest

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
    assert "SAME BYTES: the commit gives this file" in capsys.readouterr().out


def test_another_compression_is_said_and_the_contents_are_compared(
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert verdict(Path("a.pyz"), archive(b"text ", 1), archive(b"text ")) == SAME
    assert "SAME CONTENTS: only the compression differs" in capsys.readouterr().out


def test_another_content_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    assert verdict(Path("a.pyz"), archive(b"evil "), archive(b"text ")) == DIFFERENT
    output = capsys.readouterr()
    assert "  a.py: content differs (sha256 " in output.out
    assert "DIFFERENT: the commit does not give this file" in output.err


@pytest.mark.parametrize("content", [None, b"", b"#!/bin/sh\n", archive(b"no agent ")])
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
