"""fill.py FILE: print a configuration with its placeholders filled in from the machines that run.

@ADDRESS:m1@      the machine's address
@VERSION@         the version of Kubernetes on the machines, with its v
@CA_HASH@         sha256:..., the pin of the certificate authority of the cluster that m1 made
@KEPT:path@       the text of a file of this machine, below $OUT; indented like the next
@FILE:m1:/path@   the text of a file; its later lines are indented as the line that holds the placeholder
"""

import base64
import hashlib
import os
import re
import subprocess
import sys
from pathlib import Path


def on_machine(name: str, *argv: str) -> bytes:
    return subprocess.run(
        [os.environ["MACHINES"], "exec", name, *argv], capture_output=True, check=True
    ).stdout


def ca_hash() -> str:
    pem = on_machine("m1", "cat", "/etc/kubernetes/pki/ca.crt")
    key = subprocess.run(
        ["openssl", "x509", "-pubkey", "-noout"], input=pem, capture_output=True, check=True
    ).stdout
    der = base64.b64decode(b"".join(key.splitlines()[1:-1]))
    return f"sha256:{hashlib.sha256(der).hexdigest()}"


def value(word: str, indent: str) -> str:
    kind, *rest = word.split(":")
    if kind == "ADDRESS":
        return f"{os.environ['NET']}.{10 + int(rest[0][1:])}"
    if kind == "VERSION":
        return os.environ["KV"]
    if kind == "CA_HASH":
        return ca_hash()
    if kind == "KEPT":
        text = Path(os.environ["OUT"], rest[0]).read_text(encoding="utf-8")
    else:
        text = on_machine(rest[0], "cat", rest[1]).decode()
    return text.rstrip("\n").replace("\n", f"\n{indent}")


def fill(line: str) -> str:
    indent = line[: len(line) - len(line.lstrip())]
    pattern = r"@(ADDRESS:m\d|VERSION|CA_HASH|KEPT:[^@\s]+|FILE:m\d:[^@\s]+)@"
    return re.sub(pattern, lambda found: value(found.group(1), indent), line)


if __name__ == "__main__":
    lines = Path(sys.argv[1]).read_text(encoding="utf-8").splitlines(keepends=True)
    sys.stdout.write("".join(map(fill, lines)))
