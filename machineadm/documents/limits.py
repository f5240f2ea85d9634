"""How much structure is read. No real configuration comes near; a bomb stops here, early and cheaply."""

from __future__ import annotations

from typing import Final

from machineadm.documents.source import RefusedError

MAX_DEPTH: Final = 100
"""Levels of lists and maps. libyaml's own loader crashes the process between 20,000 and 40,000."""

MAX_NODES: Final = 200_000
"""Scalars, lists and maps of a stream, those that aliases repeat included."""

MAX_DOCUMENTS: Final = 1000
"""Documents of a stream, empty ones between two markers included."""

MAX_ALIASED: Final = 16 * 1024 * 1024
"""Characters that aliases repeat."""


class Budget:
    """Counts what a stream holds: all its inputs, their documents, and the plaintext of their EncryptedData.

    One budget for all: with a bound for each, many small inputs could add up to any size.
    """

    def __init__(self) -> None:
        self.nodes = 0
        self.characters = 0
        self._aliased = 0
        self._documents = 0

    def begin_document(self, at: int) -> None:
        """Count a document.

        Args:
            at: Where it begins.

        Raises:
            RefusedError: there are too many.
        """
        # Each part gets a parser, which costs far more than its bytes: four bytes of marker would
        # buy one.
        self._documents += 1
        if self._documents > MAX_DOCUMENTS:
            raise RefusedError("MA1015", at, f"more than {MAX_DOCUMENTS} documents")

    def add(self, at: int) -> None:
        """Count a node.

        Args:
            at: Where it is.

        Raises:
            RefusedError: there are too many.
        """
        # `nodes` is public: the YAML reader takes the difference over an anchor, to learn what its
        # aliases repeat.
        self.nodes += 1
        if self.nodes > MAX_NODES:
            raise RefusedError("MA1008", at, f"more than {MAX_NODES} values")

    def repeat(self, nodes: int, characters: int, at: int) -> None:
        """Count what an alias repeats.

        Args:
            nodes: Scalars, lists and maps that it names.
            characters: Length of the texts in them.
            at: Where the alias is.

        Raises:
            RefusedError: that is too much.
        """
        self.nodes += nodes
        self.characters += characters
        # Only what is repeated has a limit here: what is written is bounded by the size of the
        # input.
        self._aliased += characters
        # Both: a thousand aliases of one long string are few nodes and many bytes.
        if self.nodes > MAX_NODES or self._aliased > MAX_ALIASED:
            message = "aliases repeat too much"
            raise RefusedError("MA1009", at, message, "write the values out")


def check_depth(depth: int, at: int) -> None:
    """Refuse a document that is nested too deep.

    Args:
        depth: Lists and maps around the one that begins, itself included.
        at: Where it begins.

    Raises:
        RefusedError: it is deeper than any document of ours.
    """
    if depth > MAX_DEPTH:
        raise RefusedError("MA1007", at, f"nested deeper than {MAX_DEPTH} levels")
