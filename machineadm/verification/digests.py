"""SHA-256 digests: of one artefact, and the list that `sha256sum -c` reads.

The list is written without comment lines: coreutils skips one, but busybox's sha256sum fails on it.
"""

from __future__ import annotations

import re
from typing import TYPE_CHECKING, Final, NoReturn

from machineadm.errors import VerificationError

if TYPE_CHECKING:
    from collections.abc import Mapping

SHA256_HEX: Final = r"[0-9a-f]{64}"
# No slash, no leading dot or dash, no white space: safe as a file's name, in a list and on a command line.
ARTIFACT_NAME: Final = r"[A-Za-z0-9_][A-Za-z0-9._+-]{0,199}"

_LINE: Final = re.compile(rf"({SHA256_HEX}) [ *]({ARTIFACT_NAME})")


def sha256(data: bytes) -> str:
    """The SHA-256 of bytes: 64 lowercase hexadecimal digits."""
    # Here: hashlib loads OpenSSL, a noticeable part of a cold start, and most runs check no digest.
    import hashlib

    return hashlib.sha256(data).hexdigest()


def is_artifact_name(name: str) -> bool:
    """Whether an artefact may have this name: one plain file name."""
    return re.fullmatch(ARTIFACT_NAME, name) is not None


def check(name: str, data: bytes, expected: str) -> None:
    """Compare an artefact with its digest.

    Args:
        name: What the artefact is called, for the message.
        data: The whole artefact.
        expected: Its SHA-256 in hexadecimal, of either case.

    Raises:
        VerificationError: MA1720, the digests differ.
    """
    found = sha256(data)
    if found != expected.lower():
        raise VerificationError(
            "MA1720",
            f"{name}: SHA-256 is {found}, expected {expected.lower()}",
            hint="fetch it again; if that does not help, this is not the file that was released",
        )


def list_digests(digests: Mapping[str, str]) -> bytes:
    """Write the list that `sha256sum -c` reads, sorted by name."""
    # Sorted, so that the list of a release that is built again is the same, byte for byte.
    return "".join(f"{digests[name]}  {name}\n" for name in sorted(digests)).encode()


def read_digests(data: bytes) -> dict[str, str]:
    """Read a list of digests, more strictly than sha256sum does.

    Args:
        data: Lines of 64 lowercase hexadecimal digits, two blanks (or a blank and `*`), one plain name.

    Returns:
        The digest of each name, in the list's order.

    Raises:
        VerificationError: MA1722, a line is anything else, a name comes twice, or the list is empty.
    """
    digests: dict[str, str] = {}
    # "replace": what is not UTF-8 then fails on its line, with its number, and not as a
    # UnicodeDecodeError.
    text = data.decode("utf-8", "replace")
    for number, line in enumerate(text.split("\n")[:-1], 1):
        match = _LINE.fullmatch(line)
        if match is None:
            _refuse(f"line {number} is not a SHA-256, two spaces and a plain file name")
        # sha256sum checks both lines; a reader that takes the first and one that takes the last
        # would trust different files.
        if match[2] in digests:
            _refuse(f"line {number} names {match[2]} a second time")
        digests[match[2]] = match[1]
    if not digests:
        _refuse("it is empty")
    # A download that broke off between two lines is a valid, shorter list; a missing newline is the
    # only sign within a line.
    if not text.endswith("\n"):
        _refuse("its last line is cut off")
    return digests


def _refuse(why: str) -> NoReturn:
    raise VerificationError("MA1722", f"list of digests: {why}", hint="fetch the list again")
