"""The words that CONTRIBUTING.md refuses are in no file; the list there is the only one."""

import re
import subprocess

import pytest

from tests.requirements import ROOT

GUIDE = "CONTRIBUTING.md"
HERE = "tests/unit/test_plain_words.py"
# Words of others: licences, Kubernetes' own descriptions, inputs that other people wrote, states that older releases left.
THEIRS = re.compile(
    r"LICENSE$|upstream/|corpus|crds/|^docs/reference/|kinds\.json$|/states/|locks/|\.sum$|\.pb\.go$|/proto/|_fields\.py$"
)


def refused() -> re.Pattern[str]:
    (line,) = re.findall(r"^refused: (.+)$", (ROOT / GUIDE).read_text(), re.MULTILINE)
    return re.compile(rf"\b({'|'.join(re.escape(word) for word in line.split('; '))})\b", re.I)


def found(text: str) -> list[str]:
    # A sentence may break its line inside a phrase.
    return [" ".join(match.split()) for match in refused().findall(re.sub(r"\s+", " ", text))]


def files() -> list[str]:
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, check=False)
    if listed.returncode != 0:
        pytest.skip("this is not a git checkout")
    names = listed.stdout.decode().rstrip("\0").split("\0")
    return [name for name in names if name not in (GUIDE, HERE) and not THEIRS.search(name)]


def test_no_file_has_a_word_that_the_guide_refuses() -> None:
    wrong = {}
    for name in files():
        try:
            text = (ROOT / name).read_text()
        except (UnicodeDecodeError, FileNotFoundError, IsADirectoryError):
            continue
        if words := found(text):
            wrong[name] = words

    assert wrong == {}


@pytest.mark.parametrize(
    "planted", ["a Folder", "in\n    vain", "it shall end", "a time-out", "may not refer to"]
)
def test_a_planted_word_is_found(planted: str) -> None:
    assert len(found(f"before {planted} after")) == 1


@pytest.mark.parametrize("fine", ["a directory", "marshall", "recommended", "vainly"])
def test_a_word_inside_another_is_not(fine: str) -> None:
    assert found(fine) == []
