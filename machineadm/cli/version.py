"""Show version, build, API versions, supported Kubernetes minors and the interpreter."""

from __future__ import annotations

import os
import sys

from machineadm.errors import VerificationError
from machineadm.version import BUILD_ID, VERSION

TYPE_CHECKING = False  # typing is a fifth of what this command costs
if TYPE_CHECKING:
    from argparse import Namespace

    from machineadm.cli.options import Parser

# Repeated here because this command imports next to nothing; a test compares them with their sources.
API_VERSIONS = ("bootstrap.cluster.x-k8s.io/v1alpha1",)
KUBERNETES = ("1.29", "1.30", "1.31", "1.32", "1.33", "1.34", "1.35", "1.36", "1.37")


def add_arguments(parser: Parser) -> None:
    """Add this command's options."""
    parser.add_option(
        # Of the file that runs and not of one that is installed: a PATH may have two of them.
        "--digest",
        action="store_true",
        help="also print the SHA-256 of the agent's file",
    )
    parser.add_option(
        "--verify-cache",
        action="store_true",
        help="compare the unpacked libraries with the agent's file byte by byte, and repair them (exits 4)",
    )
    parser.add_output()


def run(arguments: Namespace) -> int:
    """Print what was asked for. The packed agent answers without this module, unless variables replace options."""
    facts = _facts()
    if arguments.digest:
        facts["sha256"] = own_digest()
    code = 0
    if arguments.verify_cache:
        # The start-up module of the packed agent; nothing is unpacked for a checkout.
        front = getattr(sys.modules["__main__"], "front", None)
        # Byte by byte with what the file holds: somebody may have written to the cache since.
        facts["cache"] = front.verify_cache() if front else "none"
        # The front has no errors of our kind, since it runs before them: it gives the code as text.
        code = VerificationError.exit_code if facts["cache"].startswith("MA7108") else 0
    if arguments.output == "json":
        import json

        sys.stdout.write(json.dumps(facts) + "\n")
    else:
        _print(facts)
    return code


def is_plain() -> bool:
    """Whether no variable replaces an option."""
    variables = ("MACHINEADM_OUTPUT", "MACHINEADM_DIGEST", "MACHINEADM_VERIFY_CACHE")
    return not any(variable in os.environ for variable in variables)


def print_version() -> int:
    """What `version` alone prints."""
    return _print(_facts())


def own_digest() -> str:
    """Hex SHA-256 of the agent's one file; empty when it runs from a checkout."""
    import hashlib
    from pathlib import Path

    file = Path(sys.argv[0])
    # With `python -m machineadm` this is a module of a checkout, whose digest would mean nothing.
    if not file.is_file() or file.suffix == ".py":
        return ""
    return hashlib.sha256(file.read_bytes()).hexdigest()


def _facts() -> dict[str, str]:
    return {
        "version": VERSION,
        "build": BUILD_ID,
        # As one text: the form is lines of name and value, and JSON has the same values.
        "apiVersions": ", ".join(API_VERSIONS),
        "kubernetes": ", ".join(KUBERNETES),
        "python": ".".join(map(str, sys.version_info[:3])),
    }


def _print(facts: dict[str, str]) -> int:
    sys.stdout.write("".join(f"{name:12} {value}\n" for name, value in facts.items()))
    return 0
