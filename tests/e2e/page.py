"""page.py PAGE DIRECTORY: the commands of a page, each ```sh block as a file NN.CODE of the directory, CODE being what it exits with.

A block exits 0 unless its first line says otherwise (```sh exits=10). Blocks of other languages are left out.
"""

import re
import sys
from pathlib import Path
from typing import NamedTuple

BLOCK = re.compile(r"^```sh(?: exits=(\d+))?\n(.*?)^```$", re.MULTILINE | re.DOTALL)


class Block(NamedTuple):
    """Commands that one shell runs, and what it exits with."""

    script: str
    code: int


def blocks(page: str) -> list[Block]:
    """What somebody who follows the page types, in order."""
    return [Block(script, int(code or 0)) for code, script in BLOCK.findall(page)]


if __name__ == "__main__":
    for number, block in enumerate(blocks(Path(sys.argv[1]).read_text(encoding="utf-8"))):
        Path(sys.argv[2], f"{number:02d}.{block.code}").write_text(block.script, encoding="utf-8")
