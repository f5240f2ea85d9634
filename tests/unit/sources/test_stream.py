"""Directories of fragments: which files they are, in which order, and what is no fragment."""

from __future__ import annotations

from pathlib import Path

import pytest

from machineadm.errors import UsageError
from machineadm.sources.configuration import MOST
from machineadm.sources.stream import read_streams


def test_the_files_of_a_directory_are_fragments_in_the_order_of_their_names(tmp_path: Path) -> None:
    for name in ("20-b.yml", "10-a.yaml", "Z.json", "README", ".x.yaml", "a.yaml~"):
        (tmp_path / name).write_text(name)
    (tmp_path / "node.txt").write_text("node")

    found = read_streams([str(tmp_path) + "/", str(tmp_path / "node.txt")], directories=True)

    assert [(one.name.rpartition("/")[2], one.fragment) for one in found] == [
        ("10-a.yaml", True),
        ("20-b.yml", True),
        ("Z.json", True),
        ("node.txt", False),
    ]
    assert found[0].data == b"10-a.yaml"


def test_with_merge_all_inputs_are_fragments(tmp_path: Path) -> None:
    (tmp_path / "a").write_text("a")

    (found,) = read_streams([str(tmp_path / "a")], directories=True, merge=True)

    assert found.fragment


@pytest.mark.parametrize("kind", ["empty", "not taken", "url", "a directory in it", "too large"])
def test_a_directory_that_is_no_configuration_is_refused_with_a_code(
    kind: str, tmp_path: Path
) -> None:
    path = str(tmp_path)
    if kind == "a directory in it":
        (tmp_path / "a.yaml").mkdir()
    elif kind == "too large":
        for name in ("a.yaml", "b.yaml"):
            (tmp_path / name).write_bytes(b"#" * (MOST // 2 + 1))
    elif kind == "url":
        (tmp_path / "a.yaml").write_text("")
        path = f"file://{path}"

    with pytest.raises(UsageError) as caught:
        read_streams([path], directories=kind != "not taken")

    assert caught.value.code == "MA7004"
