"""docs/first-node.md without a machine: its commands are found, and the agent accepts its configuration."""

import subprocess
import sys
from pathlib import Path

import pytest

from tests.e2e.page import Block, blocks

ROOT = Path(__file__).parents[2]
PAGE = (ROOT / "docs/first-node.md").read_text()


def test_the_commands_of_a_page_are_its_sh_blocks_with_what_they_exit_with() -> None:
    page = "```text\nno\n```\n```sh\na\nb\n```\ntext\n```sh exits=10\nc\n```\n```yaml\nd: 1\n```\n"

    assert blocks(page) == [Block("a\nb\n", 0), Block("c\n", 10)]


def test_every_command_of_the_page_is_in_a_block_that_is_run() -> None:
    run = "".join(block.script for block in blocks(PAGE))

    for command in ("apt-get install", "machineadm validate", "machineadm plan", "kubectl wait"):
        assert command in run
    # and no other fence holds some that are not: what is typed elsewhere is marked as text
    kinds = [line for line in PAGE.splitlines() if line.startswith("```") and line != "```"]
    assert set(kinds) <= {"```sh", "```sh exits=10", "```text", "```yaml"}


@pytest.mark.parametrize("damage", ["", "podCIDRs: [10.244.0.0/16]"])
def test_the_configuration_of_the_page_is_accepted_and_a_damaged_one_is_not(damage: str) -> None:
    (script,) = (block.script for block in blocks(PAGE) if "cat > node.yaml" in block.script)
    text = script.partition("<<'END'\n")[2].partition("\nEND\n")[0]
    assert damage in text

    done = subprocess.run(
        [sys.executable, "-m", "machineadm", "validate", "--path", "-"],
        input=text.replace(damage, "podCIDRs: none") if damage else text,
        capture_output=True,
        text=True,
        check=False,
        cwd=ROOT,
    )

    assert done.returncode == (3 if damage else 0), done.stderr
