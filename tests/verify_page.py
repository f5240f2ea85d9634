"""docs/verify.md as somebody who follows it: its commands, run in the directory of a release."""

import os
import re
import subprocess
from pathlib import Path

from machineadm.verification.keys import fingerprint
from tests import releases

ROOT = Path(__file__).parents[1]
PAGE = (ROOT / "docs/verify.md").read_text()


def blocks(heading: str) -> str:
    """The commands below a heading, down to the next one, as one script."""
    section = re.split(r"^#+ ", PAGE.partition(f" {heading}\n")[2], flags=re.MULTILINE)[0]
    return "\n".join(re.findall(r"^```sh\n(.*?)^```", section, re.MULTILINE | re.DOTALL))


def follow(
    release: Path, *, version: str = "v0.1.0", key: str = "release", script: str = ""
) -> "subprocess.CompletedProcess[str]":
    """Do what the page says, step by step, in a shell of its own."""
    return subprocess.run(
        ["sh", "-c", script or blocks("Step by step")],
        cwd=release,
        env={
            "PATH": os.environ["PATH"],
            "TMPDIR": str(release.parent),
            "VERSION": version,
            "FINGERPRINT": fingerprint(releases.public_key(key)),
            "CHECKOUT": str(ROOT),
        },
        capture_output=True,
        text=True,
        check=False,
    )
