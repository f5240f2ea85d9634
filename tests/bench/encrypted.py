"""An encrypted configuration beside an interpreter that does nothing, and beside what nobody can save of it."""

import os
import shutil
import subprocess
from pathlib import Path

from machineadm.documents.encryption import Cipher, seal, to_yaml
from machineadm.redaction import Secret
from tests.bench.harness import Case, command, compare

PYTHON = shutil.which("python3", path="/usr/bin:/bin") or "python3"
DERIVE = "import hashlib; hashlib.pbkdf2_hmac('sha512', b'x' * 16, b'y' * 16, 50000, 64)"


def plan(agent: Path, scratch: Path, text: str, rounds: int) -> None:
    """`plan` of a configuration of 64 KB, plain and encrypted, as it costs a node."""
    plain, word, root = scratch / "64k.yaml", scratch / "word", scratch / "empty-root"
    root.mkdir()
    plain.write_text(text)
    word.write_text("correct horse battery staple\n")
    agent_plan = [PYTHON, "-IS", str(agent), "plan", "--root", str(root), "--path"]
    cases = [
        Case("reference: python -I -S -c pass", command([PYTHON, "-IS", "-c", "pass"])),
        Case("50,000 rounds of PBKDF2 alone", command([PYTHON, "-IS", "-c", DERIVE])),
        Case("plain", command([*agent_plan, str(plain)], expect=10)),
    ]
    ciphers: tuple[Cipher, ...] = ("aes-256-cbc", "aes-256-gcm")
    for cipher in ciphers:
        closed = scratch / f"{cipher}.yaml"
        data = seal(
            text.encode(),
            Secret("correct horse battery staple"),
            provider="bench",
            random=os.urandom,
            cipher=cipher,
        )
        closed.write_bytes(to_yaml(data))
        arguments = [*agent_plan, str(closed), "--passphrase-file", str(word)]
        cases.append(Case(cipher, command(arguments, expect=10), limit=14))
    compare(f"plan, {len(text)} bytes of YAML in an EncryptedData", cases, rounds=rounds)
    for name, path in (("plain", plain), ("aes-256-cbc", scratch / "aes-256-cbc.yaml")):
        print(
            f"  peak memory, {name}: {peak([*agent_plan, str(path), '--passphrase-file', str(word)])} MB"
        )
    print()


# A process counts what its parent had when it was forked, so the parent is a small one.
_PEAK = """
import os, sys
child = os.posix_spawn(sys.argv[1], sys.argv[1:], os.environ, file_actions=[(os.POSIX_SPAWN_OPEN, 1, os.devnull, 1, 0)])
print(f"{os.wait4(child, 0)[2].ru_maxrss / 1024:.1f}")
"""


def peak(arguments: list[str]) -> str:
    """Megabytes of a process's largest resident set."""
    outcome = subprocess.run(
        [PYTHON, "-IS", "-c", _PEAK, *arguments], capture_output=True, text=True, check=True
    )
    return outcome.stdout.strip()
