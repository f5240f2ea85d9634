"""Replace each EncryptedData of a stream by its plaintext, byte for byte: for people who want to read it."""

from __future__ import annotations

from collections.abc import Sequence

from machineadm.api.finding import Finding
from machineadm.documents.decoding import decode
from machineadm.documents.model import Document, Problem, problem_at
from machineadm.documents.opening import Opener, Opening, inner_name
from machineadm.documents.splitting import parts


def decrypt(data: bytes, *, file: str, opener: Opener) -> tuple[bytes, tuple[Problem, ...]]:
    """Open all EncryptedData of a stream; other documents are not judged.

    Args:
        data: The bytes of one input.
        file: Its name, for messages.
        opener: Knows the passphrases.

    Returns:
        The stream, and the problems. With a problem the bytes must not be shown.
    """
    opening = Opening(opener)
    documents = decode(data, file=file, budget=opening.budget)
    # Only what could not be read: documents of other kinds go through as they are, right or wrong.
    unreadable = [problem for one in documents if one.root is None for problem in one.problems]
    if not any(map(_is_encrypted, documents)):
        # Not the stream as it came: a script that asked for plaintext must not go on with a file of
        # another kind.
        unreadable = unreadable or [problem_at(documents[0], _NOTHING)]
    if unreadable:
        return b"", tuple(unreadable)
    return _opened(documents, opening, 1), tuple(opening.problems)


def _opened(documents: Sequence[Document], opening: Opening, level: int) -> bytes:
    """Build the stream of these documents."""
    opening.problems += [
        problem for one in documents if _is_encrypted(one) for problem in one.problems
    ]
    # Cut again by markers rather than written from nodes: comments, quoting and order are the
    # author's.
    text = documents[0].source.text
    plaintexts = opening.open(documents, level)
    pieces = []
    for begin, end in parts(text):
        inside = [n for n, one in enumerate(documents) if one.root and begin <= one.root.at < end]
        closed = [n for n in inside if _is_encrypted(documents[n])]
        # Several documents in one part (JSON one behind the other): the text between them cannot be
        # cut out byte for byte.
        if closed and len(closed) < len(inside):
            opening.problems.append(problem_at(documents[closed[0]], _MIXED))
        elif closed:
            # Without a plaintext there is a problem, and the caller then shows none of the bytes.
            pieces += [
                _inner(documents[n], plaintexts[n] or b"", opening, level + 1) for n in closed
            ]
        elif text[begin:end].strip():
            pieces.append(text[begin:end].encode())
    return _stream(pieces)


def _inner(document: Document, plaintext: bytes, opening: Opening, level: int) -> bytes:
    """Return the plaintext of an EncryptedData unchanged, unless it holds further ones."""
    documents = (
        decode(plaintext, file=inner_name(document), budget=opening.budget) if plaintext else ()
    )
    return _opened(documents, opening, level) if any(map(_is_encrypted, documents)) else plaintext


def _is_encrypted(document: Document) -> bool:
    return document.kind == "EncryptedData"


def _stream(pieces: Sequence[bytes]) -> bytes:
    """Join pieces with a marker before each but the first; a single piece stays as it is."""
    # The usual case: what `encrypt` was given comes back to the byte.
    if len(pieces) == 1:
        return pieces[0]
    # A marker counts only at the beginning of a line.
    ended = [piece if piece.endswith(b"\n") else piece + b"\n" for piece in pieces]
    later = [piece if piece.startswith(b"---") else b"---\n" + piece for piece in ended[1:]]
    return b"".join([*ended[:1], *later])


_NOTHING = Finding(
    code="MA1513",
    path="kind",
    message="there is no EncryptedData to decrypt",
    hint="check that --path names the right file",
)
_MIXED = Finding(
    code="MA1513",
    path="kind",
    message="is not separated from documents of other kinds",
    hint="put a line --- between them",
)
