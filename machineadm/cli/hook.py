"""`python -m machineadm.cli.hook [OPTION...] FILE...`: what pre-commit runs (.pre-commit-hooks.yaml).

Each file is a configuration of its own, where several `--path` would be one stream. Options are those of `validate`, with
their values behind an equals sign: `--mode=preparation`.
"""

from __future__ import annotations

import sys
from collections.abc import Sequence

from machineadm.cli.main import main


def run(words: Sequence[str]) -> int:
    """Validate each file; the exit code of the worst."""
    options = [word for word in words if word.startswith("-")]
    files = [word for word in words if not word.startswith("-")]
    # The worst and not the first: all files are checked, so that one commit shows all problems.
    return max((main(["validate", *options, "--path", file]) for file in files), default=0)


if __name__ == "__main__":
    sys.exit(run(sys.argv[1:]))
