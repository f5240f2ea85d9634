"""The command lines of docs/encryption.md with every openssl that a machine may have, 1.1.1 included."""

import re
import subprocess
import sys
from pathlib import Path

import pytest

from tests.roots.roots import SUITES, Root

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/encryption.md").read_text()
BLOCKS = re.findall(r"^```sh\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)
AGENT = "/usr/local/bin/machineadm"


@pytest.fixture
def work(tmp_path: Path) -> Path:
    directory = tmp_path / "work"
    directory.mkdir()
    (directory / "node.yaml").write_bytes((ROOT / "examples/worker.yaml").read_bytes())
    (directory / "word").write_text("correct horse\n")
    return directory


def run(suite: str, work: Path, blocks: list[str], agent: Path, printed: str = "") -> None:
    ended = Root(suite, tools=True).run(
        ["sh", "-euc", "cd /work\n" + "".join(blocks)],
        binds={AGENT: agent},
        writable={"/work": work},
    )

    assert (ended.returncode, ended.stdout, ended.stderr) == (0, printed, "")


def test_the_page_has_the_blocks_that_we_know() -> None:
    assert ["machineadm encrypt" in block for block in BLOCKS] == [True, *[False] * 4]
    assert ["openssl kdf" in block for block in BLOCKS] == [*[False] * 4, True]


@pytest.mark.parametrize("suite", [suite for suite in SUITES if suite != "bullseye"])
def test_all_of_it_works_where_the_agent_does(suite: str, agent_file: Path, work: Path) -> None:
    run(suite, work, BLOCKS, agent_file, "machineadm: no problems in closed.yaml\n")


def test_openssl_1_1_opens_ours_and_we_open_what_it_made(agent_file: Path, work: Path) -> None:
    """Its system has no Python for the agent: that part is done here."""
    agent = [sys.executable, "-IS", str(agent_file)]
    sealed = subprocess.run(
        [*agent, "encrypt", "--provider=vault", "--passphrase-file=word", "--path=node.yaml"],
        cwd=work,
        capture_output=True,
        check=True,
    )
    (work / "closed.yaml").write_bytes(sealed.stdout)
    (work / "stub").write_text("#!/bin/sh\ncat node.yaml\n")
    (work / "stub").chmod(0o755)

    run("bullseye", work, BLOCKS[1:4], work / "stub")

    opened = subprocess.run(
        [*agent, "decrypt", "--passphrase-file=vault=word", "--path=made.yaml"],
        cwd=work,
        capture_output=True,
        check=True,
    )
    assert opened.stdout == (work / "node.yaml").read_bytes()
